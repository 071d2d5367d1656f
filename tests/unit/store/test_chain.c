/* The chain of the journal: whole as written, and every later change of a record shows where it is. */

#include <sqlite3.h>

#include "base/text.h"
#include "place.h"
#include "test.h"

#define COUNT 12

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	char *why = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static void write_some(struct store *s, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		struct store_record r = place_record(100 * i);
		r.source_port = (uint16_t)i;
		assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
	}
}

static struct store_check verify(struct store *s, const struct store_head *from)
{
	struct store_check c = { .id = 0 };
	assert_int_equal(store_verify(s, from, &c), 0);
	return c;
}

static void test_whole(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_check c = verify(s, NULL);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.count, 0);
	write_some(s, 1, COUNT);
	c = verify(s, NULL);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.count, COUNT);
	assert_int_equal(c.head.id, COUNT);
	struct store_head kept = c.head;
	store_close(s);
	s = place_open(p->path);
	write_some(s, 20, 3);
	c = verify(s, &kept);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.count, COUNT + 3);
	assert_false(c.is_from_cut);
	store_close(s);
	s = place_open_reader(p->path);
	assert_int_equal(verify(s, &kept).chain, STORE_CHAIN_WHOLE);
	store_close(s);
}

/* The form is an interface: heads that were kept must fit a later version. */
static void test_vector(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_record first = place_record(1234567890123),
			    second = { .event = STORE_STOPPED };
	char hex[2 * STORE_HASH_LEN + 1];
	first.until_ms = UINT64_MAX;
	assert_int_equal(store_write(s, NULL, 0, &first, 1), 0);
	struct store_check c = verify(s, NULL);
	assert_string_equal(text_hex(SPAN_OF(c.head.hash), hex),
		"5b9a17a34d63a2ffdc61b1a9eb578a9a1764f432539bf0e6de6962b0c620163d");
	assert_int_equal(store_write(s, NULL, 0, &second, 1), 0);
	c = verify(s, NULL);
	assert_string_equal(text_hex(SPAN_OF(c.head.hash), hex),
		"0435a340ef78d64e6404cc1258d07de76c6354dab04a720561d07c104f78a47d");
	store_close(s);
}

static void test_changes_show(void **state)
{
	static const struct {
		const char *sql;
		enum store_chain chain;
		uint64_t id;
	} cases[] = {
		{ "UPDATE journal SET wall_ms = wall_ms + 1 WHERE id = 5", STORE_CHAIN_ALTERED, 5 },
		{ "UPDATE journal SET event = 5 WHERE id = 1", STORE_CHAIN_ALTERED, 1 },
		{ "UPDATE journal SET reason = 'x' WHERE id = 12", STORE_CHAIN_ALTERED, 12 },
		{ "UPDATE journal SET name = 'A/VSD' WHERE id = 3", STORE_CHAIN_ALTERED, 3 },
		{ "UPDATE journal SET key_id = zeroblob(32) WHERE id = 3", STORE_CHAIN_ALTERED, 3 },
		{ "UPDATE journal SET service = '', door = 'sshwan' WHERE id = 3",
			STORE_CHAIN_ALTERED, 3 },
		{ "UPDATE journal SET service = 'sshwan', door = '' WHERE id = 3",
			STORE_CHAIN_ALTERED, 3 },
		{ "UPDATE journal SET source = NULL WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET source_port = 1 WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET grant_id = 9 WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET until_ms = 0 WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET list = '' WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET entry = '' WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET text = '' WHERE id = 4", STORE_CHAIN_ALTERED, 4 },
		{ "UPDATE journal SET hash = zeroblob(32) WHERE id = 6", STORE_CHAIN_ALTERED, 6 },
		{ "DELETE FROM journal WHERE id = 7", STORE_CHAIN_MISSING, 7 },
		{ "DELETE FROM journal WHERE id = 1", STORE_CHAIN_MISSING, 1 },
		{ "DELETE FROM journal WHERE id > 10", STORE_CHAIN_MISSING, 11 },
		{ "DELETE FROM journal", STORE_CHAIN_MISSING, 1 },
		{ "UPDATE journal SET id = 0 WHERE id = 12", STORE_CHAIN_MISSING, 12 },
		{ "UPDATE chain SET cut_hash = x'01'", STORE_CHAIN_WHOLE, 0 },
		{ "UPDATE chain SET cut_id = 1, cut_hash = (SELECT hash FROM journal WHERE id = 2)",
			STORE_CHAIN_MISSING, 2 },
	};
	struct place *p = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct store *s = place_open(p->path);
		run_sql(p->path,
			"DELETE FROM journal; UPDATE chain SET cut_id = 0, cut_hash ="
			" zeroblob(32); UPDATE sqlite_sequence SET seq = 0");
		write_some(s, 1, COUNT);
		assert_int_equal(verify(s, NULL).chain, STORE_CHAIN_WHOLE);
		run_sql(p->path, cases[i].sql);
		struct store_check c = verify(s, NULL);
		TEST_CASE(cases[i].sql, c.chain == cases[i].chain);
		TEST_CASE(cases[i].sql, c.id == cases[i].id);
		/* What is written afterwards heals nothing. */
		write_some(s, 50, 2);
		c = verify(s, NULL);
		TEST_CASE(cases[i].sql,
			c.chain == cases[i].chain || cases[i].chain != STORE_CHAIN_ALTERED);
		TEST_CASE(cases[i].sql,
			cases[i].chain == STORE_CHAIN_WHOLE || c.chain != STORE_CHAIN_WHOLE);
		store_close(s);
	}
}

/* Somebody who makes the whole chain anew is found by a head that was kept elsewhere. */
static void test_kept_head(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	write_some(s, 1, COUNT);
	struct store_head kept = verify(s, NULL).head, other = kept;
	other.hash[0] ^= 1;
	struct store_check c = verify(s, &other);
	assert_int_equal(c.chain, STORE_CHAIN_OTHER);
	assert_int_equal(c.id, COUNT);
	run_sql(p->path, "DELETE FROM journal; UPDATE sqlite_sequence SET seq = 0");
	write_some(s, 2, COUNT + 1);
	assert_int_equal(verify(s, NULL).chain, STORE_CHAIN_WHOLE);
	assert_int_equal(verify(s, &kept).chain, STORE_CHAIN_OTHER);
	run_sql(p->path, "DELETE FROM journal; UPDATE sqlite_sequence SET seq = 0");
	write_some(s, 1, COUNT - 1);
	c = verify(s, &kept);
	assert_int_equal(c.chain, STORE_CHAIN_MISSING);
	assert_int_equal(c.id, COUNT);
	store_close(s);
}

/* Retention cuts the head; what is left is a chain from the anchor on. */
static void test_retention(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	write_some(s, 1, COUNT);
	struct store_head last = verify(s, NULL).head, early = { .id = 2 };
	assert_int_equal(store_expire(s, 1500, 1), 0); /* older than 500 */
	struct store_check c = verify(s, &last);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.anchor.id, 4);
	assert_int_equal(c.count, COUNT - 4);
	assert_false(c.is_from_cut);
	assert_true(verify(s, &early).is_from_cut);
	assert_int_equal(verify(s, &c.anchor).chain, STORE_CHAIN_WHOLE);
	c.anchor.hash[3] ^= 1;
	assert_int_equal(verify(s, &c.anchor).chain, STORE_CHAIN_OTHER);
	assert_int_equal(store_expire(s, 100000, 1), 0);
	c = verify(s, &last);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.count, 0);
	assert_int_equal(c.anchor.id, COUNT);
	write_some(s, 1, 1);
	c = verify(s, &last);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.head.id, COUNT + 1);
	store_close(s);
}

/* A clock that was wrong for a while neither keeps the journal for ever nor loses it. */
static void test_wrong_clocks(void **state)
{
	static const struct {
		const char *name;
		uint64_t at[4];
		uint64_t now;
		uint64_t anchor; /* keeping one second */
	} cases[] = {
		{ "a record from the future among old ones", { 100, 99999, 200, 2000 }, 2500, 3 },
		{ "a record from the future first", { 99999, 200, 300, 2000 }, 2500, 3 },
		{ "only from the future", { 99999, 99999, 99999, 99999 }, 2500, 0 },
		{ "a record from the past among new ones", { 2000, 0, 2000, 2000 }, 2500, 0 },
		{ "now is long ago", { 2000, 2000, 2000, 2000 }, 1, 0 },
	};
	struct place *p = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct store *s = place_open(p->path);
		run_sql(p->path,
			"DELETE FROM journal; UPDATE sqlite_sequence SET seq = 0;"
			"UPDATE chain SET cut_id = 0, cut_hash = zeroblob(32)");
		for (size_t k = 0; k < 4; k++) {
			struct store_record r = place_record(cases[i].at[k]);
			assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
		}
		assert_int_equal(store_expire(s, cases[i].now, 1), 0);
		struct store_check c = verify(s, NULL);
		TEST_CASE(cases[i].name, c.chain == STORE_CHAIN_WHOLE);
		TEST_CASE(cases[i].name, c.anchor.id == cases[i].anchor);
		store_close(s);
	}
}

/* A batch that fails leaves the chain as it was. */
static void test_failed_batch(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_record r = place_record(1);
	struct store_gate g = place_gate(1);
	struct store_claim claims[2] = { place_claim(1, 1), place_claim(2, 1) };
	enum store_answer got[2];
	for (size_t i = 0; i < 2; i++) {
		claims[i].gate = &g; /* the second is refused: its grant id is taken */
		claims[i].record = &r;
	}
	write_some(s, 1, 2);
	assert_true(store_claim_batch(s, claims, 2, got) < 0);
	assert_int_equal(verify(s, NULL).head.id, 2);
	assert_int_equal(store_claim_batch(s, claims, 1, got), 0);
	struct store_check c = verify(s, NULL);
	assert_int_equal(c.chain, STORE_CHAIN_WHOLE);
	assert_int_equal(c.head.id, 3);
	store_close(s);
}

struct seen {
	uint64_t count, last;
	uint8_t hash[STORE_HASH_LEN];
};

static void see(void *arg, const struct store_record *r)
{
	struct seen *seen = arg;
	seen->count++;
	seen->last = r->id;
	memcpy(seen->hash, r->hash, sizeof(seen->hash));
}

static void test_export(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_head anchor;
	struct seen seen = { 0 };
	write_some(s, 1, COUNT);
	assert_int_equal(store_expire(s, 1500, 1), 0);
	struct store_check c = verify(s, NULL);
	assert_int_equal(store_export(s, 0, &anchor, see, &seen), 0);
	assert_int_equal(anchor.id, 4);
	assert_int_equal(seen.count, COUNT - 4);
	assert_memory_equal(seen.hash, c.head.hash, sizeof(seen.hash));
	seen = (struct seen){ 0 };
	assert_int_equal(store_export(s, 10, &anchor, see, &seen), 0);
	assert_int_equal(seen.count, 2);
	store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_vector),
		TEST(test_changes_show),
		TEST(test_kept_head),
		TEST(test_retention),
		TEST(test_wrong_clocks),
		TEST(test_failed_batch),
		TEST(test_export),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
