/* Rates, with time passed in. */

#include <sodium.h>

#include "policy/policy.h"
#include "test.h"

static const uint8_t seed[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* How many of count takes at one moment are granted. */
static unsigned takes(struct limiter *l, const uint8_t key[16], uint64_t ms, unsigned count)
{
	unsigned granted = 0;
	for (unsigned i = 0; i < count; i++)
		granted += limiter_take(l, key, ms);
	return granted;
}

static void test_bucket(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t rate, burst;
		uint64_t wait_ms; /* between draining and asking again */
		unsigned want;
	} cases[] = {
		{ "none yet", 10, 20, 99, 0 },
		{ "the first", 10, 20, 100, 1 },
		{ "some", 10, 20, 550, 5 },
		{ "full", 10, 20, 2000, 20 },
		{ "never past full", 10, 20, UINT64_MAX / 2, 20 },
		{ "slow", 1, 3, 2999, 2 },
		{ "fast", 1000, 5, 1, 1 },
		{ "a burst of one", 10, 1, 1000, 1 },
		{ "no rate", 0, 5, 1000000, 0 },
		{ "largest", UINT32_MAX, UINT32_MAX, 1, 50 },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const uint8_t key[16] = { 9 };
		struct limiter *l = limiter_new(64, cases[i].rate, cases[i].burst, seed);
		assert_non_null(l);
		unsigned most = cases[i].burst < 50 ? cases[i].burst : 50;
		TEST_CASE(cases[i].name, takes(l, key, 5000, 50) == most);
		TEST_CASE(
			cases[i].name, takes(l, key, 5000 + cases[i].wait_ms, 50) == cases[i].want);
		limiter_free(l);
	}
}

static void test_keys_are_apart(void **state)
{
	(void)state;
	const uint8_t a[16] = { 1 }, b[16] = { 2 };
	struct limiter *l = limiter_new(64, 1, 5, seed);
	assert_int_equal(takes(l, a, 1000, 10), 5);
	assert_int_equal(takes(l, b, 1000, 10), 5);
	assert_int_equal(takes(l, a, 1000, 10), 0);
	limiter_free(l);
}

static void test_clock_goes_back(void **state)
{
	(void)state;
	const uint8_t key[16] = { 1 };
	struct limiter *l = limiter_new(64, 10, 5, seed);
	assert_int_equal(takes(l, key, 10000, 10), 5);
	assert_int_equal(takes(l, key, 0, 10), 0);
	assert_int_equal(takes(l, key, 10000, 10), 0);
	assert_int_equal(takes(l, key, 10100, 10), 1);
	limiter_free(l);
}

static void random_key(uint8_t key[16], uint64_t n)
{
	uint8_t in[8];
	memcpy(in, &n, sizeof(in));
	crypto_generichash(key, 16, in, sizeof(in), NULL, 0);
}

/*
 * A million strangers, a thousand a second through a table of a thousand slots. One key that stays
 * below its rate the whole time loses nothing.
 */
static void test_flood_does_not_starve(void **state)
{
	(void)state;
	const uint8_t key[16] = { 42 };
	uint8_t stranger[16];
	struct limiter *l = limiter_new(1024, 10, 10, seed);
	unsigned asked = 0, granted = 0;
	for (uint64_t n = 0; n < 1000000; n++) {
		random_key(stranger, n);
		limiter_take(l, stranger, n);
		if (n % 110 == 0) {
			asked++;
			granted += limiter_take(l, key, n);
		}
	}
	assert_int_equal(granted, asked);
	limiter_free(l);
}

/* All strangers at one moment: whoever comes after them is served none the less. */
static void test_flood_at_once(void **state)
{
	(void)state;
	const uint8_t key[16] = { 42 };
	uint8_t stranger[16];
	struct limiter *l = limiter_new(1024, 10, 20, seed);
	assert_int_equal(takes(l, key, 1, 1), 1);
	for (uint64_t n = 0; n < 1000000; n++) {
		random_key(stranger, n);
		limiter_take(l, stranger, 1);
	}
	assert_true(takes(l, key, 1, 50) >= 19);
	limiter_free(l);
}

/* With room for everybody, one who asks too much is held to the rate and the others do not notice. */
static void test_greedy(void **state)
{
	(void)state;
	const uint8_t greedy[16] = { 7 };
	uint8_t key[16];
	struct limiter *l = limiter_new(4096, 10, 10, seed);
	unsigned granted = 0, others = 0;
	for (uint64_t ms = 0; ms < 100000; ms++) {
		granted += limiter_take(l, greedy, ms);
		random_key(key, ms % 500);
		others += limiter_take(l, key, ms);
	}
	assert_in_range(granted, 1000, 1010);
	assert_int_equal(others, 100000);
	limiter_free(l);
}

static void test_sizes(void **state)
{
	(void)state;
	const uint8_t key[16] = { 1 };
	static const size_t sizes[] = { 0, 1, 4, 5, 1000 };
	for (size_t i = 0; i < TEST_LEN(sizes); i++) {
		struct limiter *l = limiter_new(sizes[i], 1, 2, seed);
		assert_non_null(l);
		assert_int_equal(takes(l, key, 0, 5), 2);
		limiter_free(l);
	}
	assert_null(limiter_new(SIZE_MAX, 1, 1, seed));
	limiter_free(NULL);
}

static void test_source_key(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool is_same;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::2", true },
		{ "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
		{ "192.0.2.1", "::1", false },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct addr a, b;
		uint8_t x[16], y[16];
		assert_true(addr_parse(cases[i].a, &a) && addr_parse(cases[i].b, &b));
		limiter_source_key(&a, x);
		limiter_source_key(&b, y);
		TEST_CASE(cases[i].b, (memcmp(x, y, sizeof(x)) == 0) == cases[i].is_same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_keys_are_apart),
		cmocka_unit_test(test_clock_goes_back),
		cmocka_unit_test(test_flood_does_not_starve),
		cmocka_unit_test(test_flood_at_once),
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_source_key),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
