/* Messages: the layout against vectors, every type, every direction, everything else refused. */

#include <errno.h>

#include "base/text.h"
#include "priv/priv.h"
#include "priv/run.h"
#include "test.h"

#define LINE_MAX_LEN 4096

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
#define FAILED_TEXT "postern.conf:12: ttl: 0 is below 1\npostern.conf:14: door: no such"

/* What each line of tests/vectors/priv-message.txt means. */
static const struct {
	const char *name;
	struct msg m;
} meanings[] = {
	{ "open",
		{ .type = MSG_OPEN,
			.seq = 0x01020304,
			.service = 7,
			.kind = 1,
			.mark = 0xa0b0c0d0,
			.wait_ms = 30000,
			.lease_ms = 28800000,
			.bits = 128,
			.source_port = 40000,
			.addr = V4 } },
	{ "open-v6",
		{ .type = MSG_OPEN,
			.seq = 2,
			.service = 65535,
			.kind = 0,
			.mark = 1,
			.wait_ms = 1,
			.lease_ms = UINT64_MAX,
			.bits = 128,
			.addr = V6 } },
	{ "open-times-net",
		{ .type = MSG_OPEN,
			.seq = 2,
			.service = 1,
			.kind = 2,
			.mark = 1,
			.wait_ms = 1,
			.lease_ms = 1,
			.bits = 1,
			.addr = V6 } },
	{ "close",
		{ .type = MSG_CLOSE,
			.seq = 3,
			.proto = 17,
			.port = 51820,
			.bits = 120,
			.source_port = 65535,
			.addr = V4 } },
	{ "cut", { .type = MSG_CUT, .seq = 4, .mark = 0xdeadbeef } },
	{ "beat", { .type = MSG_BEAT } },
	{ "list", { .type = MSG_LIST, .seq = 0xffffffff } },
	{ "done", { .type = MSG_DONE, .seq = 5 } },
	{ "done-failed", { .type = MSG_DONE, .seq = 6, .result = -ENFILE } },
	{ "beaten", { .type = MSG_BEATEN, .seq = 7 } },
	{ "listed", { .type = MSG_LISTED, .seq = 8, .counts = { 1, 2, 3, UINT64_C(1) << 63 } } },
	{ "ready-knock", { .type = MSG_READY } },
	{ "ready-gate", { .type = MSG_READY, .is_new = 1 } },
	{ "reload", { .type = MSG_RELOAD, .seq = 9 } },
	{ "door-lost", { .type = MSG_DOOR_LOST, .door = 3, .text = "eth0 went away" } },
	{ "door-lost-silent", { .type = MSG_DOOR_LOST } },
	{ "go", { .type = MSG_GO } },
	{ "go-new", { .type = MSG_GO, .is_new = 1 } },
	{ "stop-knock", { .type = MSG_STOP, .seq = 1 } },
	{ "stop-gate", { .type = MSG_STOP, .seq = 1 } },
	{ "reloaded", { .type = MSG_RELOADED, .seq = 9 } },
	{ "reloaded-failed",
		{ .type = MSG_RELOADED, .seq = 10, .result = -EINVAL, .text = FAILED_TEXT } },
	{ "lease",
		{ .type = MSG_LEASE,
			.seq = 11,
			.service = 7,
			.mark = 0x50000001,
			.lease_ms = 3600000 } },
	{ "settle", { .type = MSG_SETTLE, .seq = 12 } },
	{ "ask", { .type = MSG_ASK, .seq = 13 } },
	{ "well", { .type = MSG_WELL, .seq = 13 } },
	{ "trial-begin", { .type = MSG_TRIAL_BEGIN, .seq = 13 } },
	{ "trial-confirm", { .type = MSG_TRIAL_CONFIRM, .seq = 14 } },
	{ "trial-abort", { .type = MSG_TRIAL_ABORT, .seq = 15 } },
	{ "kept", { .type = MSG_KEPT, .seq = 16, .mark = 0x50000001 } },
	{ "run",
		{ .type = MSG_RUN,
			.seq = 13,
			.service = 3,
			.addr = V4,
			.name = "Bob/VSD",
			.data_len = 9,
			.data = { 0xc3, 0xa4, '"', '\n', 0, 0, 0xff, 0x7f, 'A' } } },
	{ "run-bare", { .type = MSG_RUN, .seq = 13, .service = 3, .addr = V4, .name = "Bob/VSD" } },
	{ "ran", { .type = MSG_RAN, .seq = 14, .how = RUN_EXIT, .detail = 3 } },
	{ "ran-killed", { .type = MSG_RAN, .seq = 15, .how = RUN_SIGNAL, .detail = 9 } },
	{ "ready-action", { .type = MSG_READY } },
	{ "stop-action", { .type = MSG_STOP, .seq = 1 } },
	{ "log", { .type = MSG_LOG, .seq = 17, .door = 15 } },
	{ "log-new", { .type = MSG_LOG, .door = 0, .is_new = 1 } },
	{ "relay", { .type = MSG_RELAY, .seq = 18 } },
	{ "relay-broken", { .type = MSG_RELAY_BROKEN, .seq = 19 } },
};

struct vector {
	char name[64];
	enum msg_from from, to;
	uint8_t data[MSG_LEN_MAX];
	size_t len;
};

static enum msg_from role(char letter)
{
	switch (letter) {
	case 'M':
		return MSG_FROM_MONITOR;
	case 'K':
		return MSG_FROM_KNOCK;
	case 'A':
		return MSG_FROM_ACTION;
	default:
		return MSG_FROM_GATE;
	}
}

static bool next_vector(FILE *f, struct vector *ret)
{
	char line[LINE_MAX_LEN], hex[LINE_MAX_LEN], from, to;
	do
		if (fgets(line, sizeof(line), f) == NULL)
			return false;
	while (line[0] == '#');
	assert_int_equal(sscanf(line, "%63s %c %c %4095s", ret->name, &from, &to, hex), 4);
	ret->from = role(from);
	ret->to = role(to);
	ret->len = strlen(hex) / 2;
	assert_true(text_unhex(hex, ret->data, ret->len));
	return true;
}

static FILE *open_vectors(void)
{
	FILE *f = fopen(TEST_VECTORS "/priv-message.txt", "r");
	assert_non_null(f);
	return f;
}

static bool is_same(const struct msg *a, const struct msg *b)
{
	return a->type == b->type && a->seq == b->seq && a->service == b->service &&
		a->kind == b->kind && a->proto == b->proto && a->port == b->port &&
		a->bits == b->bits && a->source_port == b->source_port &&
		addr_equal(&a->addr, &b->addr) && a->mark == b->mark && a->wait_ms == b->wait_ms &&
		a->lease_ms == b->lease_ms && a->result == b->result &&
		memcmp(a->counts, b->counts, sizeof(a->counts)) == 0 && a->door == b->door &&
		a->is_new == b->is_new && strcmp(a->text, b->text) == 0 && a->how == b->how &&
		a->detail == b->detail && strcmp(a->name, b->name) == 0 &&
		a->data_len == b->data_len && memcmp(a->data, b->data, a->data_len) == 0;
}

static void test_layout(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;
	uint8_t data[MSG_LEN_MAX];
	bool seen[MSG_TYPE_COUNT] = { true };
	size_t n = 0;

	for (; next_vector(f, &v); n++) {
		struct msg m;
		assert_true(n < TEST_LEN(meanings));
		assert_string_equal(v.name, meanings[n].name);
		size_t len = msg_encode(&meanings[n].m, data);
		TEST_CASE(v.name, len == v.len && memcmp(data, v.data, len) == 0);
		TEST_CASE(v.name, msg_decode(span_of(v.data, v.len), v.from, v.to, &m));
		TEST_CASE(v.name, is_same(&m, &meanings[n].m));
		seen[m.type] = true;
	}
	fclose(f);
	assert_int_equal(n, TEST_LEN(meanings));
	for (size_t i = 0; i < MSG_TYPE_COUNT; i++)
		assert_true(seen[i]);
}

/* Each vector from and to everybody: taken where the type belongs, refused everywhere else. */
static void test_directions(void **state)
{
	static const enum msg_from all[] = { MSG_FROM_MONITOR, MSG_FROM_KNOCK, MSG_FROM_GATE,
		MSG_FROM_ACTION };
	(void)state;
	FILE *f = open_vectors();
	struct vector v;

	while (next_vector(f, &v)) {
		int taken = 0;
		for (size_t from = 0; from < TEST_LEN(all); from++)
			for (size_t to = 0; to < TEST_LEN(all); to++) {
				struct msg m;
				if (msg_decode(span_of(v.data, v.len), all[from], all[to], &m))
					taken++;
			}
		int want = v.data[0] == MSG_READY || v.data[0] == MSG_STOP ? 3
			: v.data[0] == MSG_RELOADED                        ? 2
									   : 1;
		TEST_CASE(v.name, taken == want);
	}
	fclose(f);
}

/* A heap copy of the exact length, so that a sanitizer sees one byte too many. */
static bool decode_copy(const struct vector *v, size_t len, struct msg *ret)
{
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, v->data, len);
	bool is_ok = msg_decode(span_of(copy + 1, len), v->from, v->to, ret);
	free(copy);
	return is_ok;
}

static void test_truncated(void **state)
{
	(void)state;
	FILE *f = open_vectors();
	struct vector v;
	struct msg m;

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
			struct msg m;
			uint8_t again[MSG_LEN_MAX];
			v.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			/* Taken, it is another message with this as its only encoding. */
			if (decode_copy(&v, v.len, &m)) {
				TEST_CASE(v.name, bit < 8 || bit >= 32);
				TEST_CASE(v.name, msg_encode(&m, again) == v.len);
				TEST_CASE(v.name, memcmp(again, v.data, v.len) == 0);
			}
			v.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	fclose(f);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		enum msg_from from, to;
		const char *hex;
	} cases[] = {
		{ "no type", MSG_FROM_KNOCK, MSG_FROM_GATE, "0001000000000000" },
		{ "type past the last", MSG_FROM_KNOCK, MSG_FROM_GATE, "1c01000000000000" },
		{ "type 255", MSG_FROM_KNOCK, MSG_FROM_GATE, "ff01000000000000" },
		{ "version 0", MSG_FROM_KNOCK, MSG_FROM_GATE, "0400000000000000" },
		{ "version 2", MSG_FROM_KNOCK, MSG_FROM_GATE, "0402000000000000" },
		{ "reserved bits", MSG_FROM_KNOCK, MSG_FROM_GATE, "0401000100000000" },
		{ "kind 3", MSG_FROM_KNOCK, MSG_FROM_GATE,
			"0101000000000003"
			"0007"
			"03"
			"00000001"
			"00000001"
			"0000000000000001"
			"80"
			"0000"
			"00000000000000000000ffffc0000201" },
		{ "no prefix bits", MSG_FROM_KNOCK, MSG_FROM_GATE,
			"0201000000000003"
			"060016"
			"00"
			"0000"
			"00000000000000000000ffffc0000201" },
		{ "129 prefix bits", MSG_FROM_KNOCK, MSG_FROM_GATE,
			"0201000000000003"
			"060016"
			"81"
			"0000"
			"00000000000000000000ffffc0000201" },
		{ "flag 2", MSG_FROM_GATE, MSG_FROM_MONITOR,
			"0901000000000000"
			"02" },
		{ "result past errno", MSG_FROM_GATE, MSG_FROM_KNOCK,
			"0601000000000000"
			"00001000" },
		{ "result of 32 bits", MSG_FROM_GATE, MSG_FROM_KNOCK,
			"0601000000000000"
			"80000000" },
		{ "escape in text", MSG_FROM_KNOCK, MSG_FROM_MONITOR,
			"0b01000000000000"
			"0000"
			"0002"
			"1b41" },
		{ "NUL in text", MSG_FROM_KNOCK, MSG_FROM_MONITOR,
			"0b01000000000000"
			"0000"
			"0002"
			"4100" },
		{ "text longer than it says", MSG_FROM_KNOCK, MSG_FROM_MONITOR,
			"0b01000000000000"
			"0000"
			"0001"
			"4141" },
		{ "text shorter than it says", MSG_FROM_KNOCK, MSG_FROM_MONITOR,
			"0b01000000000000"
			"0000"
			"ffff"
			"4141" },
		{ "nobody asks", MSG_FROM_KNOCK, MSG_FROM_ACTION,
			"1101000000000000"
			"0000"
			"00000000000000000000ffffc0000201"
			"0000"
			"0000" },
		{ "line end in a name", MSG_FROM_KNOCK, MSG_FROM_ACTION,
			"1101000000000000"
			"0000"
			"00000000000000000000ffffc0000201"
			"0002410a"
			"0000" },
		{ "message past its most", MSG_FROM_KNOCK, MSG_FROM_ACTION,
			"1101000000000000"
			"0000"
			"00000000000000000000ffffc0000201"
			"000141"
			"0385" },
		{ "log of flag 2", MSG_FROM_MONITOR, MSG_FROM_KNOCK,
			"1901000000000000"
			"0000"
			"02" },
		{ "end of no kind", MSG_FROM_ACTION, MSG_FROM_KNOCK,
			"1201000000000000"
			"0000" },
		{ "end past the kinds", MSG_FROM_ACTION, MSG_FROM_KNOCK,
			"1201000000000000"
			"0500" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t data[MSG_LEN_MAX];
		struct msg m = { .seq = 77 };
		size_t len = strlen(cases[i].hex) / 2;
		assert_true(text_unhex(cases[i].hex, data, len));
		TEST_CASE(cases[i].name,
			!msg_decode(span_of(data, len), cases[i].from, cases[i].to, &m));
		TEST_CASE(cases[i].name, m.seq == 77);
	}
}

/* Whatever text or result we are given, what we send can be read. */
static void test_always_readable(void **state)
{
	(void)state;
	struct msg m = { .type = MSG_RELOADED, .result = 5 }, got;
	uint8_t data[MSG_LEN_MAX];

	memset(m.text, 0xc3, MSG_TEXT_MAX);
	m.text[0] = '\x1b';
	m.text[1] = '\n';
	size_t len = msg_encode(&m, data);
	assert_true(len <= MSG_LEN_MAX);
	assert_true(msg_decode(span_of(data, len), MSG_FROM_MONITOR, MSG_FROM_KNOCK, &got));
	assert_int_equal(strlen(got.text), MSG_TEXT_MAX);
	assert_memory_equal(got.text, "?\n??", 4);
	assert_true(got.result < 0);
	/* One byte more than the longest text is refused. */
	data[12] = (MSG_TEXT_MAX + 1) >> 8;
	data[13] = (MSG_TEXT_MAX + 1) & 0xff;
	data[len] = 'x';
	assert_false(msg_decode(span_of(data, len + 1), MSG_FROM_MONITOR, MSG_FROM_KNOCK, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_always_readable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
