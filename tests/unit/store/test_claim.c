/* Claims: one owner a key, retries, batches that are all or nothing, gates and grant ids. */

#include <errno.h>

#include "place.h"
#include "store/internal.h"
#include "test.h"

static void claim(struct store *s, const struct store_claim *c, enum store_answer expected)
{
	enum store_answer got = STORE_UNKNOWN;
	assert_int_equal(store_claim_batch(s, c, 1, &got), 0);
	assert_int_equal(got, expected);
}

static void test_one_owner(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	struct store_claim mine = place_claim(1, 1), other = place_claim(1, 2);

	assert_int_equal(place_known(s, 1), 0);
	claim(s, &mine, STORE_ACCEPTED);
	assert_int_equal(place_known(s, 1), 1);
	claim(s, &mine, STORE_ACCEPTED);
	claim(s, &other, STORE_REPLAY);
	claim(s, &mine, STORE_ACCEPTED);
	store_close(s);
	/* And after a restart. */
	s = place_open(p->path);
	claim(s, &other, STORE_REPLAY);
	claim(s, &mine, STORE_ACCEPTED);
	store_close(s);
}

/* A retry brings no second gate and no second line; a replay brings none. */
static void test_written_once(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	struct store_gate g = place_gate(1), g2 = place_gate(2);
	struct store_record r = place_record(1000);
	struct store_claim c = place_claim(1, 1), replay = place_claim(1, 2);
	int gates = 0;

	c.gate = &g;
	c.record = &r;
	replay.gate = &g2;
	replay.record = &r;
	claim(s, &c, STORE_ACCEPTED);
	claim(s, &c, STORE_ACCEPTED);
	claim(s, &replay, STORE_REPLAY);
	assert_int_equal(place_journal_len(s), 1);
	assert_int_equal(store_gates(s, 0, place_count_gate, &gates), 0);
	assert_int_equal(gates, 1);
	store_close(s);
}

static void test_batch(void **state)
{
	static const struct {
		const char *name;
		uint32_t key;
		uint8_t owner;
		enum store_answer expected;
	} cases[] = {
		{ "known key, its owner", 1, 1, STORE_ACCEPTED },
		{ "known key, another", 1, 2, STORE_REPLAY },
		{ "known key, its owner again in this batch", 1, 1, STORE_REPLAY },
		{ "new", 2, 2, STORE_ACCEPTED },
		{ "new a second time", 2, 3, STORE_REPLAY },
		{ "new a second time, same owner", 2, 2, STORE_REPLAY },
		{ "another new", 3, 2, STORE_ACCEPTED },
	};
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_claim claims[TEST_LEN(cases)], first = place_claim(1, 1);
	enum store_answer got[TEST_LEN(cases)];

	assert_non_null(s);
	claim(s, &first, STORE_ACCEPTED);
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		claims[i] = place_claim(cases[i].key, cases[i].owner);
	assert_int_equal(store_claim_batch(s, claims, TEST_LEN(cases), got), 0);
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name, got[i] == cases[i].expected);
	store_close(s);
}

/* The last claim's gate collides with one on file: nothing of the batch stays. */
static void test_all_or_nothing(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_gate taken = place_gate(9), fresh = place_gate(10);
	struct store_record r = place_record(5);
	struct store_claim claims[3] = { place_claim(1, 1), place_claim(2, 1), place_claim(3, 1) };
	enum store_answer got[3] = { STORE_ACCEPTED, STORE_ACCEPTED, STORE_ACCEPTED };
	int gates = 0;

	assert_non_null(s);
	claims[0].gate = &taken;
	claim(s, &claims[0], STORE_ACCEPTED);
	claims[0] = place_claim(4, 1);
	claims[0].gate = &fresh;
	claims[1].record = &r;
	claims[2].gate = &taken;
	assert_int_equal(store_claim_batch(s, claims, 3, got), -EEXIST);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(got[i], STORE_UNKNOWN);
	for (uint32_t k = 2; k <= 4; k++)
		assert_int_equal(place_known(s, k), 0);
	assert_int_equal(place_journal_len(s), 0);
	assert_int_equal(store_gates(s, 0, place_count_gate, &gates), 0);
	assert_int_equal(gates, 1);
	/* Asked again by the same owners without the fault. */
	claims[2].gate = NULL;
	assert_int_equal(store_claim_batch(s, claims, 3, got), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(got[i], STORE_ACCEPTED);
	store_close(s);
}

static void test_limits(void **state)
{
	static struct store_claim claims[STORE_BATCH_MAX + 1];
	static enum store_answer got[STORE_BATCH_MAX + 1];
	struct place *p = *state;
	struct store *s = place_open(p->path);

	assert_non_null(s);
	for (uint32_t i = 0; i <= STORE_BATCH_MAX; i++)
		claims[i] = place_claim(i, 1);
	assert_int_equal(store_claim_batch(s, claims, 0, got), 0);
	assert_int_equal(store_claim_batch(s, claims, STORE_BATCH_MAX + 1, got), -EINVAL);
	assert_int_equal(got[STORE_BATCH_MAX], STORE_UNKNOWN);
	assert_int_equal(place_known(s, 0), 0);
	assert_int_equal(store_claim_batch(s, claims, STORE_BATCH_MAX, got), 0);
	for (size_t i = 0; i < STORE_BATCH_MAX; i++)
		assert_int_equal(got[i], STORE_ACCEPTED);
	store_close(s);
}

/* A token's counter grows with its claim or not at all, and survives. */
static void test_counters(void **state)
{
	static const uint8_t mine[32] = { 1 }, other[32] = { 2 };
	static const struct {
		const char *name;
		const uint8_t *key_id;
		uint32_t counter;
		int want;
	} cases[] = {
		{ "first", mine, 5, 0 },
		{ "the same", mine, 5, -ESTALE },
		{ "less", mine, 4, -ESTALE },
		{ "none", mine, 0, -ESTALE },
		{ "one more", mine, 6, 0 },
		{ "another key", other, 1, 0 },
		{ "the greatest", mine, UINT32_MAX, 0 },
		{ "around the end", mine, 1, -ESTALE },
	};
	struct place *p = *state;
	uint32_t seen = 77;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(store_counter_get(s, mine, &seen), 0);
	assert_int_equal(seen, 77);
	for (uint32_t i = 0; i < TEST_LEN(cases); i++) {
		struct store_claim c = place_claim(i, 1);
		enum store_answer got = STORE_ACCEPTED;
		c.counter_id = cases[i].key_id;
		c.counter = cases[i].counter;
		TEST_CASE(cases[i].name, store_claim_batch(s, &c, 1, &got) == cases[i].want);
		TEST_CASE(cases[i].name,
			got == (cases[i].want == 0 ? STORE_ACCEPTED : STORE_UNKNOWN));
		TEST_CASE(cases[i].name, place_known(s, i) == (cases[i].want == 0));
	}
	store_close(s);
	s = place_open_reader(p->path);
	assert_int_equal(store_counter_get(s, mine, &seen), 1);
	assert_int_equal(seen, UINT32_MAX);
	store_close(s);
}

/* A replay of a token's packet is a replay, whatever its counter. */
static void test_counter_of_a_replay(void **state)
{
	static const uint8_t key_id[32] = { 1 };
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_claim c = place_claim(1, 1), again = place_claim(1, 2);
	assert_non_null(s);
	c.counter_id = again.counter_id = key_id;
	c.counter = again.counter = 5;
	claim(s, &c, STORE_ACCEPTED);
	claim(s, &again, STORE_REPLAY);
	claim(s, &c, STORE_ACCEPTED);
	store_close(s);
}

/* A key that follows another is remembered with the claim that used it, or not at all. */
static void test_key_next(void **state)
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 }, token[32] = { 3 };
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_claim c = place_claim(1, 1), again = place_claim(2, 1);
	struct store_claim replay = place_claim(1, 2),
			   failing[] = { place_claim(3, 1), place_claim(4, 1) };
	enum store_answer got[2];
	assert_non_null(s);
	assert_int_equal(store_key_next_known(s, one), 0);
	c.key_next = again.key_next = one;
	claim(s, &c, STORE_ACCEPTED);
	claim(s, &again, STORE_ACCEPTED);
	replay.key_next = two;
	claim(s, &replay, STORE_REPLAY);
	failing[0].key_next = two;
	failing[1].counter_id = token; /* no counter grows to 0 */
	c = place_claim(5, 1);
	c.counter_id = token;
	c.counter = 1;
	claim(s, &c, STORE_ACCEPTED);
	assert_true(store_claim_batch(s, failing, 2, got) < 0);
	store_close(s);
	s = place_open_reader(p->path);
	assert_int_equal(store_key_next_known(s, one), 1);
	assert_int_equal(store_key_next_known(s, two), 0);
	store_close(s);
}

static void keep_gate(void *arg, const struct store_gate *g)
{
	*(struct store_gate *)arg = *g;
}

static bool is_same_gate(const struct store_gate *a, const struct store_gate *b)
{
	return a->grant_id == b->grant_id && a->mark == b->mark && a->state == b->state &&
		strcmp(a->name, b->name) == 0 && memcmp(a->key_id, b->key_id, 32) == 0 &&
		strcmp(a->service, b->service) == 0 && addr_equal(&a->source, &b->source) &&
		a->proto == b->proto && a->port == b->port && a->kind == b->kind &&
		a->times == b->times && a->bits == b->bits && a->source_port == b->source_port &&
		a->port_last == b->port_last && a->opened_ms == b->opened_ms &&
		a->until_ms == b->until_ms && a->lease_until_ms == b->lease_until_ms &&
		strcmp(a->door, b->door) == 0 && a->is_certified == b->is_certified &&
		a->not_after_ms == b->not_after_ms && a->path_count == b->path_count &&
		memcmp(a->path, b->path, a->path_count * sizeof(a->path[0])) == 0;
}

static void test_gate_fields(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_gate g = place_gate(77), got;
	struct store_claim c = place_claim(1, 1);

	assert_non_null(s);
	memset(g.name, 'n', STORE_NAME_MAX);
	memset(g.service, 's', STORE_SERVICE_MAX);
	g.mark = UINT32_MAX;
	g.port = UINT16_MAX;
	g.lease_until_ms = UINT64_MAX;
	c.gate = &g;
	claim(s, &c, STORE_ACCEPTED);
	assert_int_equal(store_gates(s, 1, keep_gate, &got), 0);
	assert_true(is_same_gate(&g, &got));
	store_close(s);
}

/* Whose certificates were shown is kept step by step, from none to all. */
static void test_gate_path(void **state)
{
	static const uint64_t ends[] = { 0, 1, INT64_MAX - 1, UINT64_MAX };
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	for (uint32_t n = 0; n <= CHAIN_STEPS_MAX; n++) {
		struct store_gate g = place_gate(n + 1), got = { 0 };
		struct store_claim c = place_claim(n, 1);
		g.path_count = n;
		for (size_t i = 0; i < n; i++)
			memset(&g.path[i], (int)(16 * n + i), sizeof(g.path[i]));
		g.is_certified = n > 0;
		g.not_after_ms = ends[n % TEST_LEN(ends)];
		memset(g.door, 'd', n * 7 % sizeof(g.door));
		c.gate = &g;
		claim(s, &c, STORE_ACCEPTED);
		assert_int_equal(store_gates(s, 1, keep_gate, &got), 0);
		assert_true(is_same_gate(&g, &got));
	}
	store_close(s);
}

/* A path that lost a byte, or is longer than any, is none. */
static void test_damaged_path(void **state)
{
	static const char *const damages[] = { "x'01'", "zeroblob(27)", "zeroblob(29)",
		"zeroblob(253)", "zeroblob(280)" };
	struct place *p = *state;
	struct store_gate g = place_gate(1), got = { 0 };
	struct store_claim c = place_claim(1, 1);
	struct store *s = place_open(p->path);
	assert_non_null(s);
	g.path_count = 2;
	c.gate = &g;
	claim(s, &c, STORE_ACCEPTED);
	for (size_t i = 0; i < TEST_LEN(damages); i++) {
		char sql[64];
		snprintf(sql, sizeof(sql), "UPDATE gate SET path = %s", damages[i]);
		assert_int_equal(sqlite3_exec(s->db, sql, NULL, NULL, NULL), SQLITE_OK);
		got.path_count = 9;
		assert_int_equal(store_gates(s, 1, keep_gate, &got), 0);
		TEST_CASE(damages[i], got.path_count == 0);
	}
	store_close(s);
}

struct ids {
	uint64_t id[8];
	size_t n;
};

static void keep_id(void *arg, const struct store_gate *g)
{
	struct ids *ids = arg;
	assert_true(ids->n < 8);
	ids->id[ids->n++] = g->grant_id;
}

static void add_gate(struct store *s, uint64_t id, uint64_t until_ms, uint64_t lease_until_ms)
{
	struct store_gate g = place_gate(id);
	struct store_claim c = place_claim((uint32_t)id, 1);
	g.until_ms = until_ms;
	g.lease_until_ms = lease_until_ms;
	c.gate = &g;
	claim(s, &c, STORE_ACCEPTED);
}

static void test_live_gates(void **state)
{
	static const struct {
		const char *name;
		uint64_t wall_ms;
		size_t n;
		uint64_t id[3];
	} cases[] = {
		{ "all", 0, 3, { 1, 2, 3 } },
		{ "waiting or leased", 150, 2, { 2, 3 } },
		{ "leased", 250, 1, { 2 } },
		{ "at its very end", 300, 0, { 0 } },
	};
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	add_gate(s, 3, 200, 0);
	add_gate(s, 1, 100, 0);
	add_gate(s, 2, 100, 300);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct ids got = { .n = 0 };
		assert_int_equal(store_gates(s, cases[i].wall_ms, keep_id, &got), 0);
		TEST_CASE(cases[i].name, got.n == cases[i].n);
		for (size_t k = 0; k < got.n; k++)
			TEST_CASE(cases[i].name, got.id[k] == cases[i].id[k]);
	}
	store_close(s);
}

/* By the end of its id: of several the latest that can be, however the ids went round. */
static void test_latest(void **state)
{
	static const struct {
		const char *name;
		unsigned bits;
		uint32_t tail;
		int rc;
		uint64_t id;
	} cases[] = {
		{ "the first", 24, 3, 1, 3 },
		{ "not given out yet", 24, 5, 0, 0 },
		{ "with the high bits of a mark", 24, 0x5a000004, 1, 4 },
		{ "gone round", 8, 3, 0, 0 },
		{ "the last", 8, 0x2c, 1, 300 },
		{ "before the round's end", 8, 0xfa, 1, 250 },
		{ "all of it", 32, 300, 1, 300 },
	};
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_gate got;
	assert_non_null(s);
	assert_int_equal(store_gate_latest(s, 24, 0, &got), 0);
	add_gate(s, 3, 100, 0);
	add_gate(s, 4, 100, 0);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		if (i == 3) {
			add_gate(s, 250, 100, 0);
			add_gate(s, 300, 100, 0);
		}
		got = (struct store_gate){ 0 };
		TEST_CASE(cases[i].name,
			store_gate_latest(s, cases[i].bits, cases[i].tail, &got) == cases[i].rc);
		TEST_CASE(cases[i].name, got.grant_id == cases[i].id);
	}
	store_close(s);
}

/* Those that end after one time and not after another, the first first; what ended otherwise is not told. */
static void test_ending(void **state)
{
	static const struct {
		const char *name;
		uint64_t after_ms, until_ms;
		size_t n;
		uint64_t id[3];
	} cases[] = {
		{ "all", 0, 1000, 3, { 4, 2, 3 } },
		{ "after is not in", 300, 1000, 1, { 3 } },
		{ "until is in", 200, 300, 1, { 2 } },
		{ "none", 301, 399, 0, { 0 } },
	};
	const struct store_change over = { 1, STORE_GATE_CLOSED };
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	add_gate(s, 1, 100, 300);
	add_gate(s, 2, 100, 300);
	add_gate(s, 3, 100, 400);
	add_gate(s, 4, 100, 200);
	add_gate(s, 5, 100, UINT64_MAX);
	assert_int_equal(store_write(s, &over, 1, NULL, 0), 0);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct ids got = { .n = 0 };
		TEST_CASE(cases[i].name,
			store_gates_ending(
				s, cases[i].after_ms, cases[i].until_ms, keep_id, &got) == 0);
		TEST_CASE(cases[i].name, got.n == cases[i].n);
		for (size_t k = 0; k < got.n; k++)
			TEST_CASE(cases[i].name, got.id[k] == cases[i].id[k]);
	}
	store_close(s);
}

/* From, to, and what it is then. An ended gate is no longer listed. */
static void test_states(void **state)
{
	static const struct {
		const char *name;
		enum store_gate_state first, then, expected;
	} cases[] = {
		{ "used", STORE_GATE_OPEN, STORE_GATE_USED, STORE_GATE_USED },
		{ "used again", STORE_GATE_USED, STORE_GATE_USED, STORE_GATE_USED },
		{ "not unused again", STORE_GATE_USED, STORE_GATE_OPEN, STORE_GATE_USED },
		{ "closed", STORE_GATE_USED, STORE_GATE_CLOSED, STORE_GATE_CLOSED },
		{ "failed", STORE_GATE_OPEN, STORE_GATE_FAILED, STORE_GATE_FAILED },
		{ "closed stays closed", STORE_GATE_CLOSED, STORE_GATE_OPEN, STORE_GATE_CLOSED },
		{ "closed is not used", STORE_GATE_CLOSED, STORE_GATE_USED, STORE_GATE_CLOSED },
	};
	struct place *p = *state;
	struct store *s = place_open(p->path);
	assert_non_null(s);
	for (uint32_t i = 0; i < TEST_LEN(cases); i++) {
		struct store_change changes[] = { { i + 1, cases[i].first },
			{ i + 1, cases[i].then } };
		struct store_gate got = { 0 };
		add_gate(s, i + 1, 1000 + i, 0);
		assert_int_equal(store_write(s, changes, 2, NULL, 0), 0);
		assert_int_equal(store_gates(s, 0, keep_gate, &got), 0);
		bool is_listed = got.grant_id == i + 1;
		if (cases[i].expected == STORE_GATE_USED)
			TEST_CASE(cases[i].name, is_listed && got.state == STORE_GATE_USED);
		else
			TEST_CASE(cases[i].name, !is_listed);
		/* Out of the way of the next. */
		const struct store_change end = { i + 1, STORE_GATE_CLOSED };
		assert_int_equal(store_write(s, &end, 1, NULL, 0), 0);
	}
	store_close(s);
}

static void test_write(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	const struct store_change unknown = { 12345, STORE_GATE_CLOSED };
	const struct store_record records[2] = { place_record(1), place_record(2) };
	assert_non_null(s);
	assert_int_equal(store_write(s, NULL, 0, NULL, 0), 0);
	assert_int_equal(store_write(s, &unknown, 1, records, 2), 0);
	assert_int_equal(place_journal_len(s), 2);
	store_close(s);
}

static void test_grant_ids(void **state)
{
	struct place *p = *state;
	uint64_t next = 1, got = 0;
	for (uint32_t round = 1; round < 6; round++) {
		struct store *s = place_open(p->path);
		assert_non_null(s);
		assert_int_equal(store_reserve_grants(s, round * 100, &got), 0);
		assert_int_equal(got, next);
		next += round * 100;
		assert_int_equal(store_reserve_grants(s, 1, &got), 0);
		assert_int_equal(got, next++);
		assert_int_equal(store_reserve_grants(s, 0, &got), -EINVAL);
		store_close(s);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_owner),
		TEST(test_written_once),
		TEST(test_batch),
		TEST(test_all_or_nothing),
		TEST(test_counters),
		TEST(test_counter_of_a_replay),
		TEST(test_key_next),
		TEST(test_limits),
		TEST(test_gate_fields),
		TEST(test_gate_path),
		TEST(test_damaged_path),
		TEST(test_live_gates),
		TEST(test_latest),
		TEST(test_ending),
		TEST(test_states),
		TEST(test_write),
		TEST(test_grant_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
