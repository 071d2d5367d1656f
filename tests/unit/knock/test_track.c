/* Tracks: the two stages, what a retransmission is, age, shares of networks, and floods. */

#include <netinet/in.h>

#include "knock/track.h"
#include "test.h"

#define MAX_AGE 10000
#define SOURCES 64

static const uint8_t seed[16] = "0123456789abcde";
static struct track_table *table;

static int set_up(void **state)
{
	(void)state;
	table = track_table_new(SOURCES, seed);
	return table == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	track_table_free(table);
	return 0;
}

static struct addr v4(uint32_t a)
{
	const uint8_t b[4] = { (uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8),
		(uint8_t)a };
	return addr_v4(b);
}

static struct addr source(const char *text)
{
	struct addr a;
	assert_true(addr_parse(text, &a));
	return a;
}

/* A knock of its own: source port and sequence number were never used before. */
static struct track *knock(struct addr from, uint16_t port, uint64_t now_ms)
{
	static uint32_t serial;
	serial++;
	const struct track_knock k = { from, IPPROTO_TCP, port, (uint16_t)(1024 + serial % 60000),
		true, serial };
	return track_note(table, &k, now_ms, MAX_AGE);
}

static void assert_ports(const struct track *t, const uint16_t *ports, size_t count)
{
	assert_non_null(t);
	assert_int_equal(t->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(t->marks[i].port, ports[i]);
}

static void test_stages(void **state)
{
	(void)state;
	const struct addr a = source("192.0.2.1"), b = source("2001:db8::1");
	assert_null(knock(a, 1, 1000));
	assert_null(knock(b, 11, 1001));
	struct track *t = knock(a, 2, 1002);
	assert_ports(t, (const uint16_t[]){ 1, 2 }, 2);
	assert_true(addr_equal(&t->source, &a));
	assert_int_equal(t->marks[0].at_ms, 1000);
	assert_int_equal(t->marks[1].at_ms, 1002);
	assert_int_equal(t->marks[0].proto, IPPROTO_TCP);
	assert_ports(knock(b, 12, 1003), (const uint16_t[]){ 11, 12 }, 2);
	assert_ports(knock(a, 3, 1004), (const uint16_t[]){ 1, 2, 3 }, 3);
	assert_ports(knock(b, 13, 1005), (const uint16_t[]){ 11, 12, 13 }, 3);
	assert_int_equal(track_table_counts(table)->knocks, 6);
}

/* What was not there 40 bits of milliseconds ago must not seem to have been there just now. */
static void test_long_ago(void **state)
{
	(void)state;
	const uint64_t times[] = { 5, 1ull << 32, (1ull << 33) + 5, 1ull << 39 };
	for (size_t i = 0; i < TEST_LEN(times); i++)
		assert_null(knock(source("192.0.2.1"), 1, times[i]));
	struct track *t = knock(source("192.0.2.1"), 2, times[3] + 7);
	assert_ports(t, (const uint16_t[]){ 1, 2 }, 2);
	assert_int_equal(t->marks[0].at_ms, times[3]);
}

static void test_age(void **state)
{
	(void)state;
	const struct addr a = source("192.0.2.1");
	assert_null(knock(a, 1, 1000));
	assert_null(knock(a, 2, 1000 + MAX_AGE + 1));
	assert_ports(knock(a, 3, 1000 + 2 * MAX_AGE), (const uint16_t[]){ 2, 3 }, 2);
	assert_ports(knock(a, 4, 1000 + 2 * MAX_AGE + 1), (const uint16_t[]){ 2, 3, 4 }, 3);
	assert_ports(knock(a, 5, 1000 + 2 * MAX_AGE + 2), (const uint16_t[]){ 3, 4, 5 }, 3);
	/* Silence of all its knocks' lifetime: what comes is the first again; the tag went too. */
	struct track *t = knock(a, 6, 1000 + 2 * MAX_AGE + 3);
	t->tag.count[0] = 7;
	t = knock(a, 7, 1000 + 4 * MAX_AGE);
	assert_ports(t, (const uint16_t[]){ 7 }, 1);
	assert_int_equal(t->tag.count[0], 0);
	/* Time that stands still, or goes back, is no age. */
	assert_ports(knock(a, 8, 1000), (const uint16_t[]){ 7, 8 }, 2);
}

static void test_marks_are_the_latest(void **state)
{
	(void)state;
	struct track *t = NULL;
	for (uint16_t i = 0; i < 100; i++)
		t = knock(source("192.0.2.1"), (uint16_t)(1000 + i), 1000);
	assert_int_equal(t->count, TRACK_MARKS);
	for (size_t i = 0; i < TRACK_MARKS; i++)
		assert_int_equal(t->marks[i].port, 1100 - TRACK_MARKS + i);
}

static void test_clear(void **state)
{
	(void)state;
	const struct addr a = source("192.0.2.1");
	knock(a, 1, 1000);
	struct track *t = knock(a, 2, 1000);
	t->tag.count[3] = 1;
	track_clear(t);
	assert_int_equal(t->count, 0);
	t = knock(a, 3, 1000);
	assert_ports(t, (const uint16_t[]){ 3 }, 1);
	assert_int_equal(t->tag.count[3], 1);
}

/* ------------------------------------------------------------------ retransmissions */

struct repeat_case {
	const char *name;
	struct track_knock first, second;
	bool is_repeated;
};

static void test_repeated(void **state)
{
	(void)state;
	static const struct repeat_case cases[] = {
		{ "all the same", { .port = 1, .src_port = 5, .has_seq = true, .seq = 9 },
			{ .port = 1, .src_port = 5, .has_seq = true, .seq = 9 }, true },
		{ "other number", { .port = 1, .src_port = 5, .has_seq = true, .seq = 9 },
			{ .port = 1, .src_port = 5, .has_seq = true, .seq = 8 }, false },
		{ "other source port", { .port = 1, .src_port = 5, .has_seq = true, .seq = 9 },
			{ .port = 1, .src_port = 6, .has_seq = true, .seq = 9 }, false },
		{ "other port", { .port = 1, .src_port = 5, .has_seq = true, .seq = 9 },
			{ .port = 2, .src_port = 5, .has_seq = true, .seq = 9 }, false },
		{ "number 0 and unknown", { .port = 1, .src_port = 5, .has_seq = true },
			{ .port = 1, .src_port = 5 }, false },
		{ "unknown number", { .port = 1, .src_port = 5 }, { .port = 1, .src_port = 5 },
			true },
		{ "unknown, not to be looked at", { .port = 1, .src_port = 5, .seq = 1 },
			{ .port = 1, .src_port = 5, .seq = 2 }, true },
		{ "unknown, other source port", { .port = 1, .src_port = 5 },
			{ .port = 1, .src_port = 6 }, false },
		{ "unknown, other port", { .port = 1, .src_port = 5 }, { .port = 2, .src_port = 5 },
			false },
		{ "UDP", { .proto = IPPROTO_UDP, .port = 1, .src_port = 5 },
			{ .proto = IPPROTO_UDP, .port = 1, .src_port = 5 }, false },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		/* As the second knock, and as the fourth. */
		for (uint32_t before = 0; before <= 2; before += 2) {
			struct track_knock k[2] = { cases[i].first, cases[i].second };
			struct addr from = v4(0x0a000000 + 4096 * (uint32_t)i + before);
			uint64_t repeated = track_table_counts(table)->repeated;
			for (uint32_t j = 0; j < before; j++)
				knock(from, 77, 1000);
			for (size_t j = 0; j < 2; j++) {
				k[j].source = from;
				k[j].proto = k[j].proto != 0 ? k[j].proto : IPPROTO_TCP;
			}
			track_note(table, &k[0], 1000, MAX_AGE);
			struct track *t = track_note(table, &k[1], 2000, MAX_AGE);
			TEST_CASE(cases[i].name, (t == NULL) == cases[i].is_repeated);
			TEST_CASE(cases[i].name,
				track_table_counts(table)->repeated - repeated ==
					cases[i].is_repeated);
		}
	}
}

/* A SYN comes again after 1, 3, 7, 15, 31 and 63 seconds: also when its sequence was long understood. */
static void test_repeated_late(void **state)
{
	(void)state;
	static const uint64_t later[] = { 1000, 3000, 7000, 15000, 31000, 63000, 127000 };
	struct track_knock k = { source("192.0.2.1"), IPPROTO_TCP, 0, 5, true, 0 };
	struct track *t = NULL;
	for (uint16_t port = 1; port <= 3; port++) {
		k.port = port;
		k.seq = port;
		t = track_note(table, &k, 1000, MAX_AGE);
	}
	assert_int_equal(t->count, 3);
	track_clear(t);
	for (size_t i = 0; i < TEST_LEN(later); i++)
		for (uint16_t port = 1; port <= 3; port++) {
			k.port = port;
			k.seq = port;
			assert_null(track_note(table, &k, 1000 + later[i], MAX_AGE));
		}
	assert_int_equal(track_table_counts(table)->repeated, 21);
	/* But not for ever, and not 49.7 days later when 32 bits have come round. */
	k.port = 1;
	k.seq = 1;
	assert_non_null(track_note(table, &k, 1000 + TRACK_SAME_MS + 1, MAX_AGE));
	assert_non_null(track_note(table, &k, 2000 + TRACK_SAME_MS + (1ull << 32), MAX_AGE));
}

static void test_repeated_after_many(void **state)
{
	(void)state;
	const struct addr a = source("192.0.2.1");
	const struct track_knock k = { a, IPPROTO_TCP, 9, 5, true, 1 };
	knock(a, 1, 1000);
	track_note(table, &k, 1000, MAX_AGE);
	for (unsigned i = 0; i < TRACK_SAME - 1; i++)
		knock(a, 1, 1000);
	assert_null(track_note(table, &k, 1000, MAX_AGE));
	knock(a, 1, 1000);
	assert_non_null(track_note(table, &k, 1000, MAX_AGE));
}

/* ------------------------------------------------------------------ shares and floods */

/* Active tracks of a range of sources: those that take up a knock with one before it. */
static unsigned count_tracked(uint32_t first, uint32_t count, uint64_t now_ms)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct track *t = knock(v4(first + i), 3, now_ms);
		n += t != NULL && t->count >= 3;
	}
	return n;
}

static void flood(uint32_t first, uint32_t count, unsigned packets, uint64_t now_ms)
{
	for (uint32_t i = 0; i < count; i++)
		for (unsigned j = 0; j < packets; j++)
			knock(v4(first + i), 1, now_ms);
}

static void test_share(void **state)
{
	(void)state;
	flood(0x0a000000, 256, 2, 1000); /* one /24 */
	assert_true(track_table_counts(table)->crowded > 0);
	/* In its share, 4 of 64; a place may change hands while they are counted. */
	assert_true(count_tracked(0x0a000000, 256, 1000) <= 8);
	/* Others are not touched by it: the next /24 has its share. */
	flood(0x0a000100, 4, 2, 1000);
	assert_int_equal(count_tracked(0x0a000100, 4, 1000), 4);
	/* With their knocks' age the places are free again. */
	flood(0x0a000010, 4, 2, 1001 + MAX_AGE);
	assert_int_equal(count_tracked(0x0a000010, 4, 1001 + MAX_AGE), 4);
}

static void test_share_v6(void **state)
{
	(void)state;
	struct addr a = source("2001:db8::");
	unsigned tracks = 0;
	for (unsigned i = 0; i < 256; i++) {
		a.b[8] = (uint8_t)i; /* in the /64 */
		knock(a, 1, 1000);
		tracks += knock(a, 2, 1000) != NULL;
	}
	assert_int_equal(tracks + track_table_counts(table)->crowded, 256);
	assert_int_equal(tracks - track_table_counts(table)->displaced, 4);
	a.b[7] = 1; /* the next one */
	knock(a, 1, 1000);
	assert_non_null(knock(a, 2, 1000));
}

/* An idle track comes back only while its network's share has room. */
static void test_share_again(void **state)
{
	(void)state;
	flood(0x0a000000, 4, 2, 1000);
	uint64_t now = 1001 + MAX_AGE;
	flood(0x0a000020, 4, 2, now);
	uint64_t crowded = track_table_counts(table)->crowded;
	assert_int_equal(track_table_counts(table)->displaced, 0);
	assert_null(knock(v4(0x0a000000), 3, now));
	assert_int_equal(track_table_counts(table)->crowded, crowded + 1);
}

/* Sources that come once never touch the tracks, however many they are. */
static void test_single_packets(void **state)
{
	(void)state;
	const struct addr a = source("192.0.2.1");
	knock(a, 1, 1000);
	for (uint32_t i = 0; i < 8; i++) {
		assert_non_null(knock(a, 2, 1000));
		flood(0x0a000000 + i * 20000, 20000, 1, 1000);
	}
	assert_int_equal(track_table_counts(table)->displaced, 0);
}

/* Who is further than others is not displaced by these. */
static void test_fewest_go(void **state)
{
	(void)state;
	const struct addr a = source("192.0.2.1");
	for (uint16_t i = 0; i < 3; i++)
		knock(a, i + 1, 1000);
	for (uint32_t i = 0; i < 4096; i++) /* from a network each */
		flood(0x0a000000 + 256 * i, 1, 2, 1000);
	assert_true(track_table_counts(table)->displaced > 3000);
	struct track *t = knock(a, 4, 1000);
	assert_ports(t, (const uint16_t[]){ 1, 2, 3, 4 }, 4);
}

/* Random floods: whatever comes, the bounds hold. */
static void test_bounds(void **state)
{
	(void)state;
	uint64_t random = 7, now = 1000;
	for (uint32_t i = 0; i < 400000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint32_t r = (uint32_t)(random >> 33);
		const struct track_knock k = {
			.source = v4(0x0a000000 + r % 1500),
			.proto = (r >> 11 & 1) != 0 ? IPPROTO_TCP : IPPROTO_UDP,
			.port = (uint16_t)(r >> 12 & 7),
			.src_port = (uint16_t)(r >> 15 & 15),
			.has_seq = (r >> 19 & 1) != 0,
			.seq = r >> 20 & 3,
		};
		now += (r >> 22 & 63) == 0 ? MAX_AGE / 4 : 0;
		struct track *t = track_note(table, &k, now, MAX_AGE);
		if (t == NULL)
			continue;
		assert_true(t->count > 0 && t->count <= TRACK_MARKS);
		assert_true(addr_equal(&t->source, &k.source));
		assert_true(t->same_next < TRACK_SAME);
		assert_int_equal(t->marks[t->count - 1].port, k.port);
		assert_int_equal(t->marks[t->count - 1].at_ms, now);
		for (size_t j = 1; j < t->count; j++)
			assert_true(t->marks[j - 1].at_ms <= t->marks[j].at_ms);
		assert_true(now - t->marks[0].at_ms <= MAX_AGE);
		if ((r & 255) == 0)
			track_clear(t);
	}
	const struct track_counts *c = track_table_counts(table);
	assert_true(c->displaced > 0 && c->crowded > 0 && c->repeated > 0);
	assert_int_equal(c->knocks + c->repeated + c->crowded, 400000);
}

static void test_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 8, 13, 64, 1000, 100000 };
	for (size_t i = 0; i < TEST_LEN(sizes); i++) {
		struct track_table *t = track_table_new(sizes[i], seed), *keep = table;
		assert_non_null(t);
		table = t;
		flood(0x0a000000, 1000, 3, 1000);
		assert_true(track_table_counts(t)->knocks > 0);
		table = keep;
		track_table_free(t);
	}
	track_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_ago, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_age, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_marks_are_the_latest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clear, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_repeated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_repeated_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_repeated_after_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_share_v6, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_share_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_single_packets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fewest_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
