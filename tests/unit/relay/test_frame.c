/* Frames inside TLS: the layout against vectors, pieces of every length, flips, and what no frame may be. */

#include "base/text.h"
#include "relay/frame.h"
#include "test.h"

#define LINE_MAX_LEN 4096

static const uint8_t datagram[] = { 1, 2, 3 };

/* What each line of tests/vectors/relay-frame.txt means. */
static const struct {
	const char *name;
	struct frame f;
} meanings[] = {
	{ "knock", { .type = FRAME_KNOCK, .datagram = { datagram, 3 } } },
	{ "open", { .type = FRAME_OPEN, .port = 1352, .host = "Mail_1.inner" } },
	{ "open-v6", { .type = FRAME_OPEN, .port = 22, .host = "2001:db8::7" } },
	{ "open-anywhere", { .type = FRAME_OPEN } },
	{ "open-port", { .type = FRAME_OPEN, .port = 65535 } },
	{ "knocked", { .type = FRAME_KNOCKED, .datagram = { datagram, 1 } } },
	{ "opened", { .type = FRAME_OPENED, .lease_s = 28800 } },
	{ "denied", { .type = FRAME_OPENED, .status = FRAME_DENIED, .text = "not on the list" } },
	{ "trouble", { .type = FRAME_OPENED, .status = FRAME_TROUBLE, .lease_s = UINT32_MAX } },
};

struct vector {
	char name[64];
	enum frame_side from;
	uint8_t data[FRAME_LEN_MAX + 1];
	size_t len;
};

static bool next_vector(FILE *f, struct vector *ret)
{
	char line[LINE_MAX_LEN], hex[LINE_MAX_LEN], from;
	do
		if (fgets(line, sizeof(line), f) == NULL)
			return false;
	while (line[0] == '#');
	assert_int_equal(sscanf(line, "%63s %c %4095s", ret->name, &from, hex), 3);
	ret->from = from == 'C' ? FRAME_FROM_CLIENT : FRAME_FROM_RELAY;
	ret->len = strlen(hex) / 2;
	assert_true(text_unhex(hex, ret->data, ret->len));
	return true;
}

static FILE *open_vectors(void)
{
	FILE *f = fopen(TEST_VECTORS "/relay-frame.txt", "r");
	assert_non_null(f);
	return f;
}

static bool is_same(const struct frame *a, const struct frame *b)
{
	return a->type == b->type && span_equal(a->datagram, b->datagram) && a->port == b->port &&
		strcmp(a->host, b->host) == 0 && a->status == b->status &&
		a->lease_s == b->lease_s && strcmp(a->text, b->text) == 0;
}

static void test_layout(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;
	uint8_t data[FRAME_LEN_MAX];
	size_t n = 0;

	for (; next_vector(f, &v); n++) {
		struct frame got;
		size_t used = 0;
		assert_true(n < TEST_LEN(meanings));
		assert_string_equal(v.name, meanings[n].name);
		size_t len = frame_encode(&meanings[n].f, data);
		TEST_CASE(v.name, len == v.len && memcmp(data, v.data, len) == 0);
		/* What follows is left alone. */
		v.data[v.len] = 0xee;
		TEST_CASE(v.name,
			frame_decode(span_of(v.data, v.len + 1), v.from, &got, &used) ==
				FRAME_WHOLE);
		TEST_CASE(v.name, used == v.len && is_same(&got, &meanings[n].f));
		/* The other side never says it. */
		enum frame_side other =
			v.from == FRAME_FROM_CLIENT ? FRAME_FROM_RELAY : FRAME_FROM_CLIENT;
		TEST_CASE(v.name,
			frame_decode(span_of(v.data, 1), other, &got, &used) == FRAME_BROKEN);
	}
	fclose(f);
	assert_int_equal(n, TEST_LEN(meanings));
}

/* A heap copy of the exact length, so that a sanitizer sees one byte too many. */
static enum frame_result decode_copy(const struct vector *v, size_t len, struct frame *ret)
{
	uint8_t again[FRAME_LEN_MAX];
	size_t used = SIZE_MAX;
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, v->data, len);
	enum frame_result result = frame_decode(span_of(copy + 1, len), v->from, ret, &used);
	if (result == FRAME_WHOLE) {
		TEST_CASE(v->name, used <= len && frame_encode(ret, again) == used);
		TEST_CASE(v->name, memcmp(again, v->data, used) == 0);
	} else {
		TEST_CASE(v->name, used == SIZE_MAX);
	}
	free(copy);
	return result;
}

static void test_pieces(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;
	struct frame got;

	while (next_vector(f, &v))
		for (size_t len = 0; len < v.len; len++)
			TEST_CASE(v.name, decode_copy(&v, len, &got) == FRAME_MORE);
	fclose(f);
}

static void test_flipped(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;

	while (next_vector(f, &v))
		for (size_t bit = 0; bit < 8 * v.len; bit++) {
			struct frame got;
			v.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			decode_copy(&v, v.len, &got);
			v.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	fclose(f);
}

static void test_broken(void **state)
{
	static const struct {
		const char *name;
		enum frame_side from;
		const char *hex;
	} cases[] = {
		{ "type 0", FRAME_FROM_CLIENT, "00" },
		{ "type 3", FRAME_FROM_CLIENT, "03" },
		{ "a handshake record", FRAME_FROM_CLIENT, "160301" },
		{ "a request", FRAME_FROM_CLIENT, "474554" },
		{ "empty knock", FRAME_FROM_CLIENT, "010000" },
		{ "knock too long, seen at its length", FRAME_FROM_CLIENT, "0104d1" },
		{ "open too long", FRAME_FROM_CLIENT, "020101" },
		{ "open too short", FRAME_FROM_CLIENT, "0200020001" },
		{ "port 0 with a host", FRAME_FROM_CLIENT,
			"0200040000"
			"0161" },
		{ "blank in a host", FRAME_FROM_CLIENT,
			"0200040001"
			"0120" },
		{ "slash in a host", FRAME_FROM_CLIENT,
			"0200040001"
			"012f" },
		{ "host longer than the frame", FRAME_FROM_CLIENT,
			"0200040001"
			"0261" },
		{ "host shorter than the frame", FRAME_FROM_CLIENT,
			"0200050001"
			"016161" },
		{ "status 6", FRAME_FROM_RELAY,
			"820006"
			"06"
			"00000000"
			"00" },
		{ "escape in a text", FRAME_FROM_RELAY,
			"820007"
			"01"
			"00000000"
			"011b" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t data[FRAME_LEN_MAX];
		struct frame f;
		size_t used, len = strlen(cases[i].hex) / 2;
		assert_true(text_unhex(cases[i].hex, data, len));
		TEST_CASE(cases[i].name,
			frame_decode(span_of(data, len), cases[i].from, &f, &used) == FRAME_BROKEN);
	}
}

static void test_longest(void **state)
{
	(void)state;
	static uint8_t big[FRAME_DATAGRAM_MAX];
	uint8_t data[FRAME_LEN_MAX];
	struct frame f = { .type = FRAME_KNOCK, .datagram = SPAN_OF(big) }, got;
	size_t used;
	assert_int_equal(frame_encode(&f, data), FRAME_LEN_MAX);
	assert_int_equal(frame_decode(SPAN_OF(data), FRAME_FROM_CLIENT, &got, &used), FRAME_WHOLE);
	assert_int_equal(got.datagram.len, FRAME_DATAGRAM_MAX);

	f = (struct frame){ .type = FRAME_OPENED, .status = FRAME_DENIED };
	memset(f.text, '\n', FRAME_TEXT_MAX);
	size_t len = frame_encode(&f, data);
	assert_int_equal(
		frame_decode(span_of(data, len), FRAME_FROM_RELAY, &got, &used), FRAME_WHOLE);
	assert_int_equal(strlen(got.text), FRAME_TEXT_MAX);
	assert_int_equal(got.text[0], '?');
}

static void test_status(void **state)
{
	(void)state;
	for (int i = 0; i < FRAME_STATUS_COUNT; i++)
		assert_true(strlen(frame_status_text((enum frame_status)i)) > 5);
	assert_string_equal(frame_status_text(FRAME_STATUS_COUNT), "an unknown answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
