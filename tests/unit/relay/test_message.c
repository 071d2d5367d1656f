/* Messages of the relay: the layout against vectors, every type, every direction, everything else refused. */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "priv/priv.h"
#include "relay/message.h"
#include "test.h"

#define LINE_MAX_LEN 8192
#define V4                                                                                         \
	{                                                                                          \
		{                                                                                  \
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1                     \
		}                                                                                  \
	}
#define V6                                                                                         \
	{                                                                                          \
		{                                                                                  \
			0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7                 \
		}                                                                                  \
	}

static const uint8_t chain_bytes[] = { 0x30, 0x03, 0x02, 0x01, 0x05 };
#define CHAIN                                                                                      \
	{                                                                                          \
		chain_bytes, sizeof(chain_bytes)                                                   \
	}

#define WHO                                                                                        \
	{                                                                                          \
		.name = "Bob/QN/VSD", .key_id = { 1, 2, 3, [31] = 9 }, .door = "wan",              \
		.is_certified = true, .not_after_ms = 0x0102030405060708, .path_count = 2,         \
		.path = { { { 4, [19] = 5 }, { 6, [7] = 7 } }, { { 8 }, { 9 } } },                 \
		.grant_id = 0x1122334455667788                                                     \
	}

/* What each line of tests/vectors/relay-message.txt means. */
static const struct {
	const char *name;
	struct relay_msg m;
} meanings[] = {
	{ "begin", { .type = RELAY_BEGIN, .connections_max = 1024 } },
	{ "identity", { .type = RELAY_IDENTITY, .seed = { 0xaa, [31] = 0xbb }, .chain = CHAIN } },
	{ "passthru",
		{ .type = RELAY_PASSTHRU,
			.passthru = "notes",
			.host = "mail.inner",
			.port = 1352,
			.encrypt = true,
			.speaks = CONFIG_SPEAKS_HEX,
			.client = { 2, { 0x0f, 0x00 } },
			.inner = { 1, { 0x1a } },
			.knock = 62201,
			.passthru_connections_max = 256,
			.name_connections_max = 16,
			.idle_s = 3600,
			.addr_count = 2,
			.addrs = { V4, V6 } } },
	{ "passthru-bare",
		{ .type = RELAY_PASSTHRU, .passthru = "a", .host = "2001:db8::7", .port = 1 } },
	{ "target",
		{ .type = RELAY_TARGET, .passthru = "notes", .addr_count = 1, .addrs = { V6 } } },
	{ "target-none", { .type = RELAY_TARGET, .passthru = "notes" } },
	{ "commit", { .type = RELAY_COMMIT } },
	{ "channel", { .type = RELAY_CHANNEL } },
	{ "stop", { .type = RELAY_STOP, .grace_ms = 30000 } },
	{ "taken", { .type = RELAY_TAKEN } },
	{ "taken-failed",
		{ .type = RELAY_TAKEN, .result = -EINVAL, .text = "its key is another" } },
	{ "ask",
		{ .type = RELAY_ASK,
			.id = 7,
			.passthru = "notes",
			.source = V4,
			.source_port = 40000,
			.chain = CHAIN } },
	{ "ask-bare", { .type = RELAY_ASK, .id = 0xffffffff, .passthru = "old-1", .source = V6 } },
	{ "held",
		{ .type = RELAY_HELD,
			.id = 8,
			.passthru = "notes",
			.source = V4,
			.source_port = 1,
			.who = WHO } },
	{ "through", { .type = RELAY_THROUGH, .id = 9, .passthru = "notes", .inner_addr = V6 } },
	{ "caught",
		{ .type = RELAY_CAUGHT,
			.id = 10,
			.passthru = "notes",
			.source = V4,
			.source_port = 65535,
			.reason = "relay-handshake",
			.text = "no certificate came",
			.count = 3 } },
	{ "ended",
		{ .type = RELAY_ENDED,
			.id = 11,
			.passthru = "notes",
			.source = V4,
			.source_port = 2,
			.reason = "relay-idle",
			.text = "no byte for 1h",
			.took_ms = 1,
			.to_inner = 2,
			.to_client = UINT64_MAX } },
	{ "listed",
		{ .type = RELAY_LISTED,
			.id = 12,
			.passthru = "notes",
			.source = V6,
			.source_port = 3,
			.inner_addr = V4,
			.took_ms = 4,
			.to_inner = 5,
			.to_client = 6,
			.to_inner_rate = 7,
			.to_client_rate = 8 } },
	{ "listed-last", { .type = RELAY_LISTED } },
	{ "answer",
		{ .type = RELAY_ANSWER,
			.id = 13,
			.is_granted = true,
			.lease_ms = 28800000,
			.who = WHO } },
	{ "answer-no",
		{ .type = RELAY_ANSWER,
			.id = 14,
			.reason = "denied",
			.text = "deny of passthru notes" } },
	{ "cut",
		{ .type = RELAY_CUT,
			.id = 15,
			.reason = "revoked",
			.text = "certificate revoked" } },
	{ "list", { .type = RELAY_LIST } },
};

struct vector {
	char name[64];
	enum relay_peer from, to;
	uint8_t data[RELAY_LEN_MAX];
	size_t len;
};

static enum relay_peer role(char letter)
{
	return letter == 'M' ? RELAY_MONITOR : letter == 'K' ? RELAY_KNOCK : RELAY_RELAY;
}

static bool next_vector(FILE *f, struct vector *ret)
{
	char line[LINE_MAX_LEN], hex[LINE_MAX_LEN], from, to;
	do
		if (fgets(line, sizeof(line), f) == NULL)
			return false;
	while (line[0] == '#');
	assert_int_equal(sscanf(line, "%63s %c %c %8191s", ret->name, &from, &to, hex), 4);
	ret->from = role(from);
	ret->to = role(to);
	ret->len = strlen(hex) / 2;
	assert_true(text_unhex(hex, ret->data, ret->len));
	return true;
}

static FILE *open_vectors(void)
{
	FILE *f = fopen(TEST_VECTORS "/relay-message.txt", "r");
	assert_non_null(f);
	return f;
}

static bool is_same_who(const struct relay_who *a, const struct relay_who *b)
{
	return strcmp(a->name, b->name) == 0 && memcmp(a->key_id, b->key_id, 32) == 0 &&
		strcmp(a->door, b->door) == 0 && a->is_certified == b->is_certified &&
		a->not_after_ms == b->not_after_ms && a->path_count == b->path_count &&
		memcmp(a->path, b->path, sizeof(a->path)) == 0 && a->grant_id == b->grant_id;
}

static bool is_same_rules(const struct relay_msg *a, const struct relay_msg *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port && a->encrypt == b->encrypt &&
		a->speaks == b->speaks && memcmp(&a->client, &b->client, sizeof(a->client)) == 0 &&
		memcmp(&a->inner, &b->inner, sizeof(a->inner)) == 0 && a->knock == b->knock &&
		a->passthru_connections_max == b->passthru_connections_max &&
		a->name_connections_max == b->name_connections_max && a->idle_s == b->idle_s &&
		a->addr_count == b->addr_count && memcmp(a->addrs, b->addrs, sizeof(a->addrs)) == 0;
}

static bool is_same(const struct relay_msg *a, const struct relay_msg *b)
{
	return a->type == b->type && a->id == b->id && strcmp(a->passthru, b->passthru) == 0 &&
		a->connections_max == b->connections_max && memcmp(a->seed, b->seed, 32) == 0 &&
		span_equal(a->chain, b->chain) && is_same_rules(a, b) &&
		a->grace_ms == b->grace_ms && a->result == b->result &&
		addr_equal(&a->source, &b->source) && a->source_port == b->source_port &&
		is_same_who(&a->who, &b->who) && a->is_granted == b->is_granted &&
		a->lease_ms == b->lease_ms && strcmp(a->reason, b->reason) == 0 &&
		strcmp(a->text, b->text) == 0 && a->count == b->count &&
		addr_equal(&a->inner_addr, &b->inner_addr) && a->took_ms == b->took_ms &&
		a->to_inner == b->to_inner && a->to_client == b->to_client &&
		a->to_inner_rate == b->to_inner_rate && a->to_client_rate == b->to_client_rate;
}

static void test_layout(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;
	uint8_t data[RELAY_LEN_MAX];
	bool seen[RELAY_MSG_COUNT] = { true };
	size_t n = 0;

	for (; next_vector(f, &v); n++) {
		struct relay_msg m;
		assert_true(n < TEST_LEN(meanings));
		assert_string_equal(v.name, meanings[n].name);
		size_t len = relay_msg_encode(&meanings[n].m, data);
		TEST_CASE(v.name, len == v.len && memcmp(data, v.data, len) == 0);
		TEST_CASE(v.name, relay_msg_decode(span_of(v.data, v.len), v.from, v.to, &m));
		TEST_CASE(v.name, is_same(&m, &meanings[n].m));
		seen[m.type] = true;
	}
	fclose(f);
	assert_int_equal(n, TEST_LEN(meanings));
	for (size_t i = 0; i < RELAY_MSG_COUNT; i++)
		assert_true(seen[i]);
}

/* Each vector from and to everybody: taken in its one direction, refused in all others. */
static void test_directions(void **state)
{
	static const enum relay_peer all[] = { RELAY_MONITOR, RELAY_KNOCK, RELAY_RELAY };
	(void)state;
	FILE *f = open_vectors();
	struct vector v;

	while (next_vector(f, &v)) {
		int taken = 0;
		for (size_t from = 0; from < TEST_LEN(all); from++)
			for (size_t to = 0; to < TEST_LEN(all); to++) {
				struct relay_msg m;
				if (relay_msg_decode(
					    span_of(v.data, v.len), all[from], all[to], &m))
					taken++;
			}
		TEST_CASE(v.name, taken == 1);
	}
	fclose(f);
}

/* A heap copy of the exact length, so that a sanitizer sees one byte too many. */
static bool decode_copy(const struct vector *v, size_t len, struct relay_msg *ret)
{
	uint8_t again[RELAY_LEN_MAX];
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, v->data, len);
	bool is_ok = relay_msg_decode(span_of(copy + 1, len), v->from, v->to, ret);
	/* Taken, it is a message with this as its only encoding. */
	if (is_ok) {
		TEST_CASE(v->name, relay_msg_encode(ret, again) == len);
		TEST_CASE(v->name, memcmp(again, v->data, len) == 0);
	}
	free(copy);
	return is_ok;
}

static void test_truncated(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;
	struct relay_msg m;

	while (next_vector(f, &v)) {
		for (size_t len = 0; len < v.len; len++)
			TEST_CASE(v.name, !decode_copy(&v, len, &m));
		v.data[v.len] = 0;
		TEST_CASE(v.name, !decode_copy(&v, v.len + 1, &m));
	}
	fclose(f);
}

static void test_flipped(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;

	while (next_vector(f, &v))
		for (size_t bit = 0; bit < 8 * v.len; bit++) {
			struct relay_msg m;
			v.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (decode_copy(&v, v.len, &m))
				TEST_CASE(v.name, bit < 8 || bit >= 32);
			v.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	fclose(f);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		enum relay_peer from, to;
		const char *hex;
	} cases[] = {
		{ "no type", RELAY_MONITOR, RELAY_RELAY, "00010000" },
		{ "type past the last", RELAY_MONITOR, RELAY_RELAY, "12010000" },
		{ "type 255", RELAY_MONITOR, RELAY_RELAY, "ff010000" },
		{ "version 2", RELAY_MONITOR, RELAY_RELAY, "05020000" },
		{ "reserved bits", RELAY_MONITOR, RELAY_RELAY, "05010001" },
		{ "id 0", RELAY_KNOCK, RELAY_RELAY, "10010000000000000000" },
		{ "capital in a reason", RELAY_KNOCK, RELAY_RELAY,
			"10010000000000010141"
			"00" },
		{ "line end in a text", RELAY_KNOCK, RELAY_RELAY, "100100000000000100010a" },
		{ "passthru without a name", RELAY_MONITOR, RELAY_RELAY, "040100000000" },
		{ "capital in a name", RELAY_MONITOR, RELAY_RELAY, "04010000014100" },
		{ "nine addresses", RELAY_MONITOR, RELAY_RELAY, "04010000016109" },
		{ "verdict 2", RELAY_KNOCK, RELAY_RELAY,
			"0f01000000000001"
			"02" },
		{ "result past errno", RELAY_RELAY, RELAY_MONITOR,
			"08010000"
			"00001000"
			"00" },
		{ "more after the last", RELAY_RELAY, RELAY_KNOCK,
			"0e010000"
			"00000000"
			"00" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t data[RELAY_LEN_MAX];
		struct relay_msg m = { .id = 77 };
		size_t len = strlen(cases[i].hex) / 2;
		assert_true(text_unhex(cases[i].hex, data, len));
		TEST_CASE(cases[i].name,
			!relay_msg_decode(span_of(data, len), cases[i].from, cases[i].to, &m));
		TEST_CASE(cases[i].name, m.id == 77);
	}
}

/* The longest of everything fits, and whatever text we are given can be read. */
static void test_longest(void **state)
{
	(void)state;
	static uint8_t chain[RELAY_CHAIN_MAX];
	static struct relay_msg m, got;
	uint8_t data[RELAY_LEN_MAX];

	m = (struct relay_msg){ .type = RELAY_ASK, .id = 1, .chain = SPAN_OF(chain) };
	memset(m.passthru, 'a', CONFIG_NAME_MAX);
	size_t len = relay_msg_encode(&m, data);
	assert_true(relay_msg_decode(span_of(data, len), RELAY_RELAY, RELAY_KNOCK, &got));
	assert_int_equal(got.chain.len, RELAY_CHAIN_MAX);

	m = (struct relay_msg){ .type = RELAY_ANSWER, .id = 1 };
	memset(m.who.name, 0xc3, RELAY_NAME_MAX);
	m.who.name[0] = '\n';
	memset(m.who.door, 'd', CONFIG_NAME_MAX);
	m.who.path_count = CHAIN_STEPS_MAX;
	memset(m.reason, 'r', RELAY_REASON_MAX);
	memset(m.text, 0xc3, RELAY_TEXT_MAX);
	len = relay_msg_encode(&m, data);
	assert_true(relay_msg_decode(span_of(data, len), RELAY_KNOCK, RELAY_RELAY, &got));
	assert_int_equal(strlen(got.who.name), RELAY_NAME_MAX);
	assert_memory_equal(got.who.name, "?\xc3", 2);
	assert_int_equal(strlen(got.text), RELAY_TEXT_MAX);
	assert_int_equal(got.text[0], '?');
}

static const struct relay_msg *meaning(const char *name)
{
	for (size_t i = 0; i < TEST_LEN(meanings); i++)
		if (strcmp(meanings[i].name, name) == 0)
			return &meanings[i].m;
	fail_msg("no meaning %s", name);
	return NULL;
}

/* A descriptor comes with the two that have one; with others, or when it is missing, the sender is broken. */
static void test_descriptors(void **state)
{
	static const struct {
		const char *name;
		bool is_sent;
		int want;
	} cases[] = {
		{ "passthru", true, 1 },
		{ "channel", true, 1 },
		{ "passthru", false, -EPROTO },
		{ "channel", false, -EPROTO },
		{ "begin", false, 1 },
		{ "begin", true, -EPROTO },
		{ "stop", true, -EPROTO },
	};
	(void)state;
	static uint8_t buffer[RELAY_LEN_MAX];
	int ends[2], fd;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct relay_msg m;
		assert_int_equal(priv_channel(ends), 0);
		assert_int_equal(
			relay_msg_receive(ends[1], RELAY_MONITOR, RELAY_RELAY, buffer, &m, &fd),
			-EAGAIN);
		assert_int_equal(relay_msg_send(ends[0], meaning(cases[i].name),
					 cases[i].is_sent ? ends[0] : -1),
			0);
		int next = dup(0);
		close(next);
		TEST_CASE(cases[i].name,
			relay_msg_receive(ends[1], RELAY_MONITOR, RELAY_RELAY, buffer, &m, &fd) ==
				cases[i].want);
		TEST_CASE(cases[i].name, (fd >= 0) == (cases[i].want == 1 && cases[i].is_sent));
		if (fd >= 0) {
			TEST_CASE(cases[i].name, (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
			close(fd);
		}
		/* Nothing stays open. */
		int again = dup(0);
		TEST_CASE(cases[i].name, again == next);
		close(again);
		close(ends[0]);
		TEST_CASE(cases[i].name,
			relay_msg_receive(ends[1], RELAY_MONITOR, RELAY_RELAY, buffer, &m, &fd) ==
				0);
		close(ends[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_descriptors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
