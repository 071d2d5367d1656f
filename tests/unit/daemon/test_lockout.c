/* The table of names that are locked out, against a plain list. */

#include "daemon/lockout.h"
#include "test.h"

static struct name numbered(unsigned n)
{
	char text[64];
	struct name name;
	snprintf(text, sizeof(text), "Person %u/NN/VSD", n);
	assert_int_equal(name_parse(text, false, &name), NAME_OK);
	return name;
}

static bool put(struct lockout *l, const struct name *n)
{
	uint8_t folded[NAME_FOLDED_MAX];
	return lockout_put(l, folded, name_fold(n, folded));
}

static void test_names(void **state)
{
	static const struct {
		const char *text;
		bool is_out;
	} cases[] = {
		{ "Ann/NN/VSD", true },
		{ "ANN/nn/vsd", true },
		{ "CN=Ann/OU=NN/O=VSD", true },
		{ "Ann/VSD", false },
		{ "Ann/NN/VSD/US", false },
		{ "Anna/NN/VSD", false },
		{ "NN/VSD", false },
	};
	struct lockout *l = lockout_new();
	struct name n;
	(void)state;
	assert_int_equal(name_parse("ann/NN/VSD", false, &n), NAME_OK);
	assert_false(lockout_has(NULL, &n));
	assert_false(lockout_has(l, &n));
	assert_true(put(l, &n));
	assert_true(put(l, &n));
	assert_int_equal(lockout_count(l), 1);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		assert_int_equal(name_parse(cases[i].text, false, &n), NAME_OK);
		TEST_CASE(cases[i].text, lockout_has(l, &n) == cases[i].is_out);
		if (!cases[i].is_out)
			TEST_CASE(cases[i].text, !lockout_remove(l, &n));
	}
	assert_int_equal(name_parse("CN=ANN/OU=NN/O=VSD", false, &n), NAME_OK);
	assert_true(lockout_remove(l, &n));
	assert_false(lockout_has(l, &n));
	assert_int_equal(lockout_count(l), 0);
	lockout_free(l);
}

static void test_full(void **state)
{
	struct lockout *l = lockout_new();
	(void)state;
	for (unsigned i = 0; i < LOCKOUT_MAX; i++) {
		struct name n = numbered(i);
		assert_true(put(l, &n));
	}
	struct name more = numbered(LOCKOUT_MAX), there = numbered(7);
	assert_false(put(l, &more));
	assert_true(put(l, &there));
	assert_false(lockout_has(l, &more));
	assert_true(lockout_remove(l, &there));
	assert_true(put(l, &more));
	assert_false(put(l, &there));
	assert_int_equal(lockout_count(l), LOCKOUT_MAX);
	lockout_free(l);
}

/* Names come and go in any order; none is lost, none stays. */
static void test_come_and_go(void **state)
{
	enum { NAMES = 6000, STEPS = 60000 };
	static bool is_out[NAMES];
	struct lockout *l = lockout_new();
	uint64_t random = 88172645463325252u;
	size_t count = 0;
	(void)state;
	for (int step = 0; step < STEPS; step++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		unsigned i = (unsigned)(random >> 20) % NAMES;
		struct name n = numbered(i);
		assert_int_equal(lockout_has(l, &n), is_out[i]);
		if (is_out[i]) {
			assert_true(lockout_remove(l, &n));
			is_out[i] = false;
			count--;
		} else {
			bool is_room = count < LOCKOUT_MAX;
			assert_int_equal(put(l, &n), is_room);
			is_out[i] = is_room;
			count += is_room;
		}
		assert_int_equal(lockout_count(l), count);
	}
	for (unsigned i = 0; i < NAMES; i++) {
		struct name n = numbered(i);
		assert_int_equal(lockout_has(l, &n), is_out[i]);
	}
	lockout_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
