/* Names as sortable bytes: equal and below mean what identity/name says they mean. */

#include "helper.h"

static size_t whole(const struct policy_key *k)
{
	return k->ends[k->count - 1];
}

static bool is_prefix(const struct policy_key *of, const struct policy_key *name)
{
	for (size_t i = 0; i + 1 < name->count; i++)
		if (name->ends[i] == whole(of) && memcmp(name->bytes, of->bytes, whole(of)) == 0)
			return true;
	return false;
}

static void test_keys_agree_with_names(void **state)
{
	(void)state;
	static const char *const people[] = { "a/VSD", "A/vsd", "a/NN/VSD", "b/a/VSD", "CN=a/O=VSD",
		"a/VSD/US", "a/VSDX", "aa/VSD", "a/N N/VSD", "\xc3\xa4/VSD",
		"CN=a/OU=NN/O=VSD/C=US", "x/U1/U2/U3/U4/VSD" };
	static const char *const certifiers[] = { "VSD", "vsd", "NN/VSD", "VSD/US", "VSDX", "a/VSD",
		"N N/VSD", "NN/VSD/US", "U4/VSD", "U3/U4/VSD", "U1/U2/U3/U4/VSD" };

	for (size_t i = 0; i < TEST_LEN(people); i++) {
		struct policy_key k, o;
		struct name n = name_of(people[i], false);
		policy_key_init(&k, &n);
		for (size_t j = 0; j < TEST_LEN(people); j++) {
			struct name other = name_of(people[j], false);
			policy_key_init(&o, &other);
			bool is_same =
				whole(&k) == whole(&o) && memcmp(k.bytes, o.bytes, whole(&k)) == 0;
			TEST_CASE(people[i], is_same == name_equal(&n, &other));
		}
		for (size_t j = 0; j < TEST_LEN(certifiers); j++) {
			struct name other = name_of(certifiers[j], true);
			policy_key_init(&o, &other);
			TEST_CASE(people[i], is_prefix(&o, &k) == name_is_below(&n, &other));
		}
	}
}

static void test_find(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t value;
	} rows[] = { { "c/VSD", 3 }, { "a/VSD", 9 }, { "b/VSD", 2 }, { "A/VSD", 1 },
		{ "a/VSD", 4 } };
	struct policy_table t = { 0 };
	struct policy_key k;
	size_t count;

	struct name n = name_of("a/VSD", false);
	policy_key_init(&k, &n);
	policy_table_sort(&t);
	policy_table_find(&t, &k, whole(&k), &count);
	assert_int_equal(count, 0);

	for (size_t i = 0; i < TEST_LEN(rows); i++) {
		n = name_of(rows[i].name, false);
		policy_key_init(&k, &n);
		assert_true(policy_table_add(&t, &k, rows[i].value));
	}
	policy_table_sort(&t);
	n = name_of("a/VSD", false);
	policy_key_init(&k, &n);
	size_t at = policy_table_find(&t, &k, whole(&k), &count);
	assert_int_equal(count, 3);
	assert_int_equal(t.rows[at].value, 1);
	assert_int_equal(t.rows[at + 1].value, 4);
	assert_int_equal(t.rows[at + 2].value, 9);
	n = name_of("d/VSD", false);
	policy_key_init(&k, &n);
	policy_table_find(&t, &k, whole(&k), &count);
	assert_int_equal(count, 0);
	/* A part of a name is no row. */
	policy_table_find(&t, &k, k.ends[0], &count);
	assert_int_equal(count, 0);
	policy_table_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_agree_with_names),
		cmocka_unit_test(test_find),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
