/* The cache of verified chains: what stands in it is found again, and the least used goes first. */

#include "pki.h"
#include "test.h"

static const uint8_t seed[16] = { 1, 2, 3 };

static void key_of(unsigned n, uint8_t key[32])
{
	memset(key, 0, 32);
	memcpy(key, &n, sizeof(n));
}

static void put(struct chain_cache *c, unsigned n)
{
	uint8_t key[32];
	struct chain_identity id = { .not_after_ms = n };
	key_of(n, key);
	chain_cache_put(c, key, &id);
}

static bool has(struct chain_cache *c, unsigned n)
{
	uint8_t key[32];
	key_of(n, key);
	const struct chain_identity *id = chain_cache_get(c, key);
	if (id != NULL)
		assert_int_equal(id->not_after_ms, n);
	return id != NULL;
}

/* One set of four. */
static void test_least_used_goes(void **state)
{
	(void)state;
	struct chain_cache *c = chain_cache_new(4, seed);
	assert_non_null(c);
	assert_false(has(c, 0));
	for (unsigned n = 0; n < 4; n++)
		put(c, n);
	assert_true(has(c, 0) && has(c, 2) && has(c, 3));
	put(c, 4);
	assert_false(has(c, 1));
	assert_true(has(c, 0) && has(c, 2) && has(c, 3) && has(c, 4));
	put(c, 0); /* again: takes no second place, and counts as use */
	put(c, 5);
	assert_false(has(c, 2));
	assert_true(has(c, 0) && has(c, 3) && has(c, 4) && has(c, 5));
	chain_cache_free(c);
}

static void test_replaced(void **state)
{
	(void)state;
	struct chain_cache *c = chain_cache_new(1, seed);
	struct chain_identity id = { .not_after_ms = 5 };
	uint8_t key[32];
	key_of(7, key);
	put(c, 7);
	chain_cache_put(c, key, &id);
	assert_int_equal(chain_cache_get(c, key)->not_after_ms, 5);
	chain_cache_free(c);
}

/* Never more than it was made for, never one that was not put, and most of what was put last. */
static void test_many(void **state)
{
	(void)state;
	enum { SLOTS = 1024, COUNT = 5000 };
	struct chain_cache *c = chain_cache_new(SLOTS, seed);
	size_t kept = 0, recent = 0;
	for (unsigned n = 0; n < COUNT; n++) {
		put(c, n);
		assert_true(has(c, n));
	}
	for (unsigned n = 0; n < COUNT + SLOTS; n++) {
		bool is_there = has(c, n);
		kept += is_there ? 1 : 0;
		recent += is_there && n >= COUNT - SLOTS / 2 ? 1 : 0;
		assert_true(n < COUNT || !is_there);
	}
	assert_in_range(kept, SLOTS * 9 / 10, SLOTS);
	assert_in_range(recent, SLOTS / 2 * 9 / 10, SLOTS / 2);
	chain_cache_free(c);
}

/* Another seed puts the same keys into other sets. */
static void test_seed(void **state)
{
	(void)state;
	static const uint8_t other[16] = { 9 };
	struct chain_cache *a = chain_cache_new(64, seed), *b = chain_cache_new(64, other);
	size_t differ = 0;
	for (unsigned n = 0; n < 640; n++) {
		put(a, n);
		put(b, n);
	}
	for (unsigned n = 0; n < 640; n++)
		differ += has(a, n) != has(b, n) ? 1 : 0;
	assert_true(differ > 0);
	chain_cache_free(a);
	chain_cache_free(b);
}

/* The key is of the leaf and of the anchor's key. */
static void test_key(void **state)
{
	(void)state;
	static const struct {
		const char *own, *items, *chain;
	} cases[] = {
		{ "gate nn vsd", NULL, "john qn" },
		{ "gate nn vsd", NULL, "john-b qn" },
		{ "john qn vsd", NULL, "john qn" }, /* another anchor */
		{ "gate nn vsd", "bob-by-vsd", "bob" },
		{ "gate nn vsd", "r-by-vsd", "bob" },
	};
	uint8_t keys[TEST_LEN(cases)][32], again[32];
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		static struct pki_material p;
		struct trust_faults faults;
		struct chain_path path;
		pki_material(&p, cases[i].own, cases[i].items, NULL, TRUST_CRL_OFF);
		struct trust *t = trust_new(&p.m, &faults);
		struct chain c = pki_chain(cases[i].chain);
		assert_int_equal(chain_resolve(t, &c, &path), CHAIN_OK);
		chain_cache_key(&path, keys[i]);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(keys[i], keys[k], 32);
		/* what lies between makes no difference */
		if (i == 0) {
			c = pki_chain("john qn vsd");
			assert_int_equal(chain_resolve(t, &c, &path), CHAIN_OK);
			chain_cache_key(&path, again);
			assert_memory_equal(again, keys[0], 32);
		}
		trust_free(t);
	}
}

static void test_limits(void **state)
{
	(void)state;
	assert_null(chain_cache_new(SIZE_MAX, seed));
	chain_cache_free(NULL);
	struct chain_cache *c = chain_cache_new(0, seed);
	assert_non_null(c);
	put(c, 1);
	assert_true(has(c, 1));
	chain_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least_used_goes),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
