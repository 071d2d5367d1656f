/* Prekeys: kept, replaced, and erased so that their bytes are in none of the store's files. */

#include <errno.h>
#include <sqlite3.h>

#include "place.h"
#include "test.h"

struct keys {
	struct store_prekey key[8];
	size_t n;
};

static void keep(void *arg, const struct store_prekey *k)
{
	struct keys *keys = arg;
	assert_true(keys->n < 8);
	keys->key[keys->n++] = *k;
}

static struct store_prekey make(uint8_t id, uint64_t erase_ms)
{
	struct store_prekey k = { .id = id,
		.not_before_ms = id * 10u,
		.not_after_ms = id * 10u + 20,
		.erase_ms = erase_ms };
	for (size_t i = 0; i < sizeof(k.sk); i++)
		k.sk[i] = (uint8_t)(0xa0 + id + i * 7);
	return k;
}

static bool file_has(const char *path, const char *end, const struct store_prekey *k)
{
	static uint8_t data[8 << 20];
	char name[128];
	snprintf(name, sizeof(name), "%s%s", path, end);
	FILE *f = fopen(name, "rb");
	if (f == NULL)
		return false;
	size_t len = fread(data, 1, sizeof(data), f);
	fclose(f);
	return memmem(data, len, k->sk, sizeof(k->sk)) != NULL;
}

static bool is_anywhere(const char *path, const struct store_prekey *k)
{
	return file_has(path, "", k) || file_has(path, "-wal", k) || file_has(path, "-shm", k);
}

static void test_kept(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	const struct store_prekey second = make(2, 1000), first = make(1, 500), zero = make(0, 1);
	struct keys got = { .n = 0 };

	assert_non_null(s);
	assert_int_equal(store_prekey_put(s, &second), 0);
	assert_int_equal(store_prekey_put(s, &first), 0);
	assert_int_equal(store_prekey_put(s, &zero), -EINVAL);
	store_close(s);
	s = place_open(p->path);
	assert_int_equal(store_prekeys(s, keep, &got), 0);
	assert_int_equal(got.n, 2);
	assert_memory_equal(got.key[0].sk, first.sk, 32);
	assert_int_equal(got.key[0].id, 1);
	assert_int_equal(got.key[0].not_before_ms, 10);
	assert_int_equal(got.key[0].not_after_ms, 30);
	assert_int_equal(got.key[0].erase_ms, 500);
	assert_memory_equal(got.key[1].sk, second.sk, 32);
	store_close(s);
}

static void test_erased(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	const struct store_prekey old = make(1, 500), next = make(2, 1000);
	struct keys got = { .n = 0 };

	assert_non_null(s);
	assert_int_equal(store_prekey_put(s, &old), 0);
	assert_int_equal(store_prekey_put(s, &next), 0);
	assert_true(is_anywhere(p->path, &old));
	assert_int_equal(store_expire(s, 499, 1000), 0);
	assert_true(is_anywhere(p->path, &old));
	assert_int_equal(store_expire(s, 500, 1000), 0);
	assert_false(is_anywhere(p->path, &old));
	assert_true(is_anywhere(p->path, &next));
	assert_int_equal(store_prekeys(s, keep, &got), 0);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.key[0].id, 2);
	store_close(s);
}

/* An id that comes round again takes the old key's bytes away too. */
static void test_replaced(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_prekey old = make(1, 5000), next = make(1, 9000);
	struct keys got = { .n = 0 };

	assert_non_null(s);
	memset(next.sk, 0x42, sizeof(next.sk));
	assert_int_equal(store_prekey_put(s, &old), 0);
	assert_int_equal(store_prekey_put(s, &next), 0);
	assert_int_equal(store_expire(s, 1, 1000), 0);
	assert_false(is_anywhere(p->path, &old));
	assert_int_equal(store_prekeys(s, keep, &got), 0);
	assert_int_equal(got.n, 1);
	assert_memory_equal(got.key[0].sk, next.sk, 32);
	store_close(s);
}

/* A reader in the middle of reading holds the log. */
static sqlite3 *hold(const char *path)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM prekey", NULL, NULL, NULL),
		SQLITE_OK);
	return db;
}

/* While a reader stands in the way the bytes stay; the next turn, or the next process, gets them.
 * */
static void test_erased_later(void **state)
{
	struct place *p = *state;
	for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
		struct store *s = place_open(p->path);
		const struct store_prekey old = make((uint8_t)(3 + is_restarted), 500);
		assert_non_null(s);
		assert_int_equal(store_prekey_put(s, &old), 0);
		sqlite3 *db = hold(p->path);
		assert_int_equal(store_expire(s, 500, 1000), 0);
		assert_true(is_anywhere(p->path, &old));
		if (is_restarted) {
			store_close(s);
			s = place_open(p->path);
			assert_non_null(s);
		}
		sqlite3_close(db);
		assert_int_equal(store_expire(s, 501, 1000), 0);
		assert_false(is_anywhere(p->path, &old));
		store_close(s);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept),
		TEST(test_erased),
		TEST(test_replaced),
		TEST(test_erased_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
