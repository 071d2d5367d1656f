/* The journal: every field comes back, filters, the newest so many in order; and forgetting. */

#include <errno.h>

#include "place.h"
#include "test.h"

static void keep_record(void *arg, const struct store_record *r)
{
	*(struct store_record *)arg = *r;
}

static bool is_same(const struct store_record *a, const struct store_record *b)
{
	return a->wall_ms == b->wall_ms && a->event == b->event &&
		strcmp(a->reason, b->reason) == 0 && strcmp(a->name, b->name) == 0 &&
		memcmp(a->key_id, b->key_id, 32) == 0 && strcmp(a->service, b->service) == 0 &&
		strcmp(a->door, b->door) == 0 && addr_equal(&a->source, &b->source) &&
		a->source_port == b->source_port && a->grant_id == b->grant_id &&
		a->until_ms == b->until_ms && strcmp(a->list, b->list) == 0 &&
		strcmp(a->entry, b->entry) == 0 && strcmp(a->text, b->text) == 0;
}

static void fill(char *text, size_t cap)
{
	memset(text, 'x', cap - 1);
	text[cap - 1] = '\0';
}

static void test_fields(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_record full = place_record(1234567890123), empty = { .event = STORE_STARTED };
	struct store_record got = { 0 };
	const struct store_query all = { 0 };

	assert_non_null(s);
	fill(full.reason, sizeof(full.reason));
	fill(full.name, sizeof(full.name));
	fill(full.service, sizeof(full.service));
	fill(full.door, sizeof(full.door));
	fill(full.list, sizeof(full.list));
	fill(full.entry, sizeof(full.entry));
	fill(full.text, sizeof(full.text));
	assert_int_equal(store_write(s, NULL, 0, &full, 1), 0);
	assert_int_equal(store_journal(s, &all, keep_record, &got), 0);
	assert_true(is_same(&full, &got));
	assert_int_equal(got.id, 1);
	assert_int_equal(store_write(s, NULL, 0, &empty, 1), 0);
	assert_int_equal(store_journal(s, &all, keep_record, &got), 0);
	assert_true(is_same(&empty, &got));
	assert_int_equal(got.id, 2);
	store_close(s);
}

/* Line i of ten: time 100 * i, name and source by i mod 2 and 3. */
static void write_ten(struct store *s)
{
	for (uint64_t i = 1; i <= 10; i++) {
		struct store_record r = place_record(100 * i);
		snprintf(r.name, sizeof(r.name), "%s", i % 2 == 0 ? "Even/NN" : "Odd/NN");
		memset(r.source.b, i % 3 == 0 ? 3 : 1, sizeof(r.source.b));
		assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
	}
}

struct ids {
	uint64_t id[16];
	size_t n;
};

static void keep_id(void *arg, const struct store_record *r)
{
	struct ids *ids = arg;
	assert_true(ids->n < 16);
	ids->id[ids->n++] = r->id;
}

static void test_filters(void **state)
{
	static const struct {
		const char *name;
		struct store_query q;
		size_t n;
		uint64_t id[10];
	} cases[] = {
		{ "all", { 0 }, 10, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } },
		{ "the newest three", { .limit = 3 }, 3, { 8, 9, 10 } },
		{ "after an id", { .after_id = 7 }, 3, { 8, 9, 10 } },
		{ "after the last", { .after_id = 10 }, 0, { 0 } },
		{ "after no id we know", { .after_id = UINT64_MAX }, 0, { 0 } },
		{ "since", { .since_ms = 850 }, 2, { 9, 10 } },
		{ "since, itself", { .since_ms = 900 }, 2, { 9, 10 } },
		{ "name, in another case", { .name = "eVEN/nn" }, 5, { 2, 4, 6, 8, 10 } },
		{ "no such name", { .name = "Even" }, 0, { 0 } },
		{ "a name is no pattern", { .name = "%" }, 0, { 0 } },
		{ "source", { .source = { { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 } } }, 3,
			{ 3, 6, 9 } },
		{ "name and source, newest",
			{ .name = "odd/nn",
				.source = { { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 } },
				.limit = 1 },
			1, { 9 } },
		{ "everything at once",
			{ .after_id = 2, .since_ms = 400, .name = "even/nn", .limit = 2 }, 2,
			{ 8, 10 } },
		{ "until, itself", { .until_ms = 200 }, 2, { 1, 2 } },
		{ "service", { .service = "ssh", .limit = 1 }, 1, { 10 } },
		{ "no such service", { .service = "SSH" }, 0, { 0 } },
		{ "event", { .event = STORE_GRANTED, .until_ms = 100 }, 1, { 1 } },
		{ "another event", { .event = STORE_REFUSED }, 0, { 0 } },
	};
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	write_ten(s);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct ids got = { .n = 0 };
		assert_int_equal(store_journal(s, &cases[i].q, keep_id, &got), 0);
		TEST_CASE(cases[i].name, got.n == cases[i].n);
		TEST_CASE(cases[i].name, memcmp(got.id, cases[i].id, got.n * 8) == 0);
	}
	store_close(s);
}

static void test_default_limit(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_record r = place_record(1);
	const struct store_query all = { 0 };
	int n = 0;
	assert_non_null(s);
	for (int i = 0; i < 1005; i++)
		assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
	assert_int_equal(store_journal(s, &all, place_count, &n), 0);
	assert_int_equal(n, 1000);
	store_close(s);
}

/* Lines older than a second go, and their ids never come back. */
static void test_forget_lines(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_record r = place_record(2000), got;
	const struct store_query all = { 0 };
	assert_non_null(s);
	write_ten(s);
	assert_int_equal(store_expire(s, 500, 1000000), 0);
	assert_int_equal(place_journal_len(s), 10);
	assert_int_equal(store_expire(s, 1500, 1), 0);
	assert_int_equal(place_journal_len(s), 6); /* 500 and later */
	assert_int_equal(store_expire(s, 5000, 1), 0);
	assert_int_equal(place_journal_len(s), 0);
	assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
	assert_int_equal(store_journal(s, &all, keep_record, &got), 0);
	assert_int_equal(got.id, 11);
	store_close(s);
}

static void test_forget_keys_and_gates(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_claim claims[3] = { place_claim(1, 1), place_claim(2, 1), place_claim(3, 1) };
	struct store_gate g = place_gate(1);
	enum store_answer got[3];
	int gates = 0;

	assert_non_null(s);
	claims[0].replay_until_ms = 100;
	claims[0].gate = &g;
	claims[1].replay_until_ms = 101;
	claims[2].replay_until_ms = UINT64_MAX;
	assert_int_equal(store_claim_batch(s, claims, 3, got), 0);
	assert_int_equal(store_expire(s, 100, 1000), 0);
	assert_int_equal(place_known(s, 1), 0);
	assert_int_equal(place_known(s, 2), 1);
	assert_int_equal(store_gates(s, 0, place_count_gate, &gates), 0);
	assert_int_equal(gates, 1);
	assert_int_equal(store_expire(s, g.lease_until_ms, 1000), 0);
	assert_int_equal(place_known(s, 2), 0);
	assert_int_equal(place_known(s, 3), 1);
	/* A gate stays a while longer: a silent connection of it may speak again, and is cut then. */
	uint64_t end_ms = g.lease_until_ms + STORE_GATE_KEEP_MS;
	gates = 0;
	assert_int_equal(store_expire(s, end_ms - 1, UINT64_MAX), 0);
	assert_int_equal(store_gates(s, 0, place_count_gate, &gates), 0);
	assert_int_equal(gates, 1);
	gates = 0;
	assert_int_equal(store_expire(s, end_ms, UINT64_MAX), 0);
	assert_int_equal(store_gates(s, 0, place_count_gate, &gates), 0);
	assert_int_equal(gates, 0);
	store_close(s);
}

/* One call does some thousand rows, and enough calls do all. */
static void test_forget_bounded(void **state)
{
	static struct store_claim claims[STORE_BATCH_MAX];
	static struct store_record records[STORE_BATCH_MAX];
	static enum store_answer got[STORE_BATCH_MAX];
	struct place *p = *state;
	struct store *s = place_open(p->path);
	uint32_t total = 20 * STORE_BATCH_MAX;

	assert_non_null(s);
	for (uint32_t n = 0; n < total;) {
		for (size_t i = 0; i < STORE_BATCH_MAX; i++, n++) {
			claims[i] = place_claim(n, 1);
			records[i] = place_record(n);
			claims[i].record = &records[i];
		}
		assert_int_equal(store_claim_batch(s, claims, STORE_BATCH_MAX, got), 0);
	}
	assert_int_equal(store_expire(s, 1000000, 1), 0);
	int left = place_journal_len(s);
	assert_in_range(left, 1, (int)total - 1000);
	int calls = 1;
	for (; place_journal_len(s) > 0 && calls < 20; calls++)
		assert_int_equal(store_expire(s, 1000000, 1), 0);
	assert_in_range(calls, 2, 6);
	for (uint32_t n = 0; n < total; n++)
		assert_int_equal(place_known(s, n), 0);
	store_close(s);
}

static void test_event_names(void **state)
{
	(void)state;
	for (int e = 1; e < STORE_EVENT_COUNT; e++)
		assert_string_not_equal(store_event_name((enum store_event)e), "unknown");
	for (int e = 1; e < STORE_EVENT_COUNT; e++) {
		enum store_event got = STORE_EVENT_COUNT;
		assert_true(store_event_parse(store_event_name((enum store_event)e), &got));
		assert_int_equal(got, e);
	}
	enum store_event none = STORE_GRANTED;
	assert_false(store_event_parse("unknown", &none));
	assert_false(store_event_parse("", &none));
	assert_string_equal(store_event_name(STORE_GRANTED), "granted");
	assert_string_equal(store_event_name((enum store_event)0), "unknown");
	assert_string_equal(store_event_name((enum store_event) - 1), "unknown");
	assert_string_equal(store_event_name(STORE_EVENT_COUNT), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		TEST(test_filters),
		TEST(test_default_limit),
		TEST(test_forget_lines),
		TEST(test_forget_keys_and_gates),
		TEST(test_forget_bounded),
		cmocka_unit_test(test_event_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
