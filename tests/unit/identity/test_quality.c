/* Password quality: the rule by examples, each one line. */

#include "identity/idfile.h"
#include "test.h"

static unsigned quality(const char *password)
{
	return idfile_password_quality(span_of(password, strlen(password)));
}

static void test_examples(void **state)
{
	(void)state;
	static const struct {
		const char *name, *password;
		unsigned expected;
	} cases[] = {
		{ "empty", "", 0 },
		{ "any", "a", 1 },
		{ "length", "kvwmhtbz", 8 },
		{ "length, one kind", "kvwMhtbz", 10 },
		{ "length, digits", "kvwm4tbz", 10 },
		{ "length, punctuation", "kvwm;tbz", 10 },
		{ "length, two kinds", "kVwm4tbz", 12 },
		{ "length, three kinds", "kVwm4;bz", 12 },
		{ "upper case alone is no variety", "KVWMHTBZ", 8 },
		{ "digits alone are no variety", "83926174", 8 },
		{ "cap", "kvwmhtbzkqjrxgplfnsd", 16 },
		{ "characters, not bytes", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 4 },
		{ "word", "password", 2 },
		{ "word, any case", "PassWord", 2 },
		{ "short word", "root", 1 },
		{ "word and digit", "Summer7", 4 },
		{ "two words", "dragonmonkey", 4 },
		{ "run", "aaaaaaaaaaaaaaaa", 1 },
		{ "row of digits", "1234567890", 1 },
		{ "row backwards", "zyxwvuts", 1 },
		{ "row of keys", "qwertyuiop", 1 },
		{ "row of German keys", "qwertzuiop", 1 },
		{ "repeated", "kvwmkvwmkvwmkvwm", 5 },
		{ "two runs", "aaaabbbb", 2 },
		{ "passphrase", "mail the purple tortoise twice", 16 },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		unsigned got = quality(cases[i].password);
		if (got != cases[i].expected)
			fail_msg("case \"%s\": expected %u, got %u", cases[i].name,
				cases[i].expected, got);
	}
}

static void test_bounds(void **state)
{
	(void)state;
	static uint8_t bytes[100000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i * 31 + (i >> 3));
	for (size_t n = 1; n < 300; n++)
		assert_in_range(idfile_password_quality(span_of(bytes, n)), 1, 16);
	assert_int_equal(idfile_password_quality(SPAN_OF(bytes)), 16);
	assert_int_equal(idfile_password_quality(span_of(NULL, 0)), 0);
	/* Continuation bytes alone are no characters, but a password all the same. */
	static const uint8_t odd[] = { 0x80, 0x81 };
	assert_int_equal(idfile_password_quality(SPAN_OF(odd)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
