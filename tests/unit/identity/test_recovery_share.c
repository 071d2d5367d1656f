/*
 * Shares: Shamir's scheme against a vector and by its definition, and the text in which people carry
 * a share, typed in all the ways in which they type.
 */

#include <errno.h>
#include <sodium.h>

#include "identity/recovery.h"
#include "knock/vector.h"
#include "test.h"

static struct vector value(const char *name)
{
	return vector_get("../identity/shamir.txt", name);
}

static struct recovery_share share_of(uint8_t x)
{
	char name[16];
	struct recovery_share s = { .x = x };
	snprintf(name, sizeof(name), "share%u", (unsigned)x);
	struct vector v = value(name);
	assert_int_equal(v.len, sizeof(s.b));
	memcpy(s.b, v.b, sizeof(s.b));
	return s;
}

static void test_vector(void **state)
{
	(void)state;
	uint8_t coefficients[64], joined[32];
	struct recovery_share made[5], three[] = { share_of(5), share_of(1), share_of(3) };
	struct vector secret = value("secret"), a1 = value("a1"), a2 = value("a2");
	memcpy(coefficients, a1.b, 32);
	memcpy(coefficients + 32, a2.b, 32);
	recovery_split(secret.b, coefficients, 3, 5, made);
	for (uint8_t x = 1; x <= 5; x += 2) {
		struct recovery_share want = share_of(x);
		assert_int_equal(made[x - 1].x, x);
		assert_memory_equal(made[x - 1].b, want.b, 32);
	}
	assert_true(recovery_join(three, 3, joined));
	assert_memory_equal(joined, secret.b, 32);
}

/* Every set of m of n shares gives the secret, and no set of m - 1 does. */
static void check_all_subsets(
	const struct recovery_share *all, uint8_t m, uint8_t n, const uint8_t secret[32])
{
	for (unsigned set = 1; set < 1u << n; set++) {
		struct recovery_share some[RECOVERY_AUTHORITIES_MAX];
		uint8_t got[32];
		size_t count = 0;
		for (unsigned i = 0; i < n; i++)
			if ((set >> i & 1u) != 0)
				some[count++] = all[i];
		assert_true(recovery_join(some, count, got));
		if ((memcmp(got, secret, 32) == 0) != (count >= m))
			fail_msg("%u of %u, set %x", (unsigned)m, (unsigned)n, set);
	}
}

static void test_any_m_of_n(void **state)
{
	(void)state;
	uint8_t secret[32], coefficients[15 * 32];
	struct recovery_share all[RECOVERY_AUTHORITIES_MAX];
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(coefficients); i++)
		coefficients[i] = (uint8_t)(i * i + 3 * i + 11);
	for (uint8_t n = 1; n <= 6; n++)
		for (uint8_t m = 1; m <= n; m++) {
			recovery_split(secret, coefficients, m, n, all);
			check_all_subsets(all, m, n, secret);
		}
	recovery_split(secret, coefficients, 16, 16, all);
	uint8_t got[32];
	assert_true(recovery_join(all, 16, got));
	assert_memory_equal(got, secret, 32);
}

static void test_join_refuses(void **state)
{
	(void)state;
	struct recovery_share s[RECOVERY_AUTHORITIES_MAX + 1] = { 0 };
	uint8_t got[32];
	for (size_t i = 0; i < TEST_LEN(s); i++)
		s[i].x = (uint8_t)(i + 1);
	assert_false(recovery_join(s, 0, got));
	assert_false(recovery_join(s, TEST_LEN(s), got));
	assert_true(recovery_join(s, TEST_LEN(s) - 1, got));
	s[2].x = 1;
	assert_false(recovery_join(s, 3, got));
	s[2].x = 0;
	assert_false(recovery_join(s, 3, got));
}

static void test_text_vector(void **state)
{
	(void)state;
	for (uint8_t x = 1; x <= 5; x += 2) {
		char name[16], text[RECOVERY_TEXT_MAX];
		struct recovery_share s = share_of(x), got = { 0 };
		struct fault f;
		snprintf(name, sizeof(name), "text%u", (unsigned)x);
		struct vector want = value(name);
		recovery_share_format(&s, text);
		assert_int_equal(strlen(text), want.len);
		assert_memory_equal(text, want.b, want.len);
		assert_int_equal(strlen(text), 71);
		assert_int_equal(recovery_share_parse(vector_span(&want), &got, &f), 0);
		assert_memory_equal(&got, &s, sizeof(s));
	}
}

/* AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHYA */
static void test_typing(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *expected; /* NULL: it is share 1 of the vector */
		int code;
	} cases[] = {
		{ "as printed",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHYA",
			NULL, 0 },
		{ "no groups", "AHAMHRWJZTH5FVOY3PPODZHH5LW7B47W7H6P6AQFBAFQ4EIUC4NB2HCEOHYA", NULL,
			0 },
		{ "lower case, spaces and lines",
			" ahamh rwjzt h5fvo y3ppo\ndzhh5 lw7b4 7w7h6 p6aqf\r\n"
			"bafq4\teiuc4 nb2hc eohya\n",
			NULL, 0 },
		{ "0, 1 and 8",
			"AHAMH-RWJZT-H5FV0-Y3PP0-DZHH5-LW784-7W7H6-P6AQF-8AFQ4-E1UC4-N82HC-E0HYA",
			NULL, 0 },
		{ "hyphens elsewhere",
			"AH-AMHRWJZ--TH5FVOY3PPODZHH5LW7B47W7H6P6AQFBAFQ4EIUC4NB2HCEOHYA--", NULL,
			0 },
		{ "one wrong character",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HD-EOHYA",
			"a character is wrong or two groups are swapped; read it again", -EBADMSG },
		{ "two groups swapped",
			"AHAMH-RWJZT-H5FVO-Y3PPO-LW7B4-DZHH5-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHYA",
			"a character is wrong or two groups are swapped; read it again", -EBADMSG },
		{ "two characters swapped",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHAY",
			"a character is wrong or two groups are swapped; read it again", -EBADMSG },
		{ "spare bits",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHYB",
			"a character is wrong or two groups are swapped; read it again", -EBADMSG },
		{ "no character of a share",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W9H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHYA",
			"\"9\" in group 7 is no character of a share; they are A to Z and 2 to 7, "
			"read that group again",
			-EINVAL },
		{ "not even ASCII", "\xc3\xa9",
			"\"\\xc3\" in group 1 is no character of a share; they are A to Z "
			"and 2 to 7, read that group again",
			-EINVAL },
		{ "one too few",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHY",
			"it has 59 characters, a share has 60 in twelve groups; compare the groups",
			-EINVAL },
		{ "one too many",
			"AHAMH-RWJZT-H5FVO-Y3PPO-DZHH5-LW7B4-7W7H6-P6AQF-BAFQ4-EIUC4-NB2HC-EOHYA-A",
			"it has 61 characters, a share has 60 in twelve groups; compare the groups",
			-EINVAL },
		{ "nothing", "",
			"it has 0 characters, a share has 60 in twelve groups; compare the groups",
			-EINVAL },
	};
	struct recovery_share want = share_of(1);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct recovery_share got = { .x = 0x5a }, before = got;
		struct fault f = { "" };
		const char *text = cases[i].text;
		int rc = recovery_share_parse(span_of(text, strlen(text)), &got, &f);
		if (rc != cases[i].code)
			fail_msg("case \"%s\": %d %s", cases[i].name, rc, f.text);
		if (cases[i].expected != NULL && strcmp(f.text, cases[i].expected) != 0)
			fail_msg("case \"%s\": %s", cases[i].name, f.text);
		const struct recovery_share *expected = rc == 0 ? &want : &before;
		TEST_CASE(cases[i].name, memcmp(&got, expected, sizeof(got)) == 0);
	}
}

/* Whatever single character is mistyped as another, it is not taken for a share. */
static void test_every_wrong_character(void **state)
{
	(void)state;
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct recovery_share s = share_of(3), got;
	struct fault f;
	char text[RECOVERY_TEXT_MAX];
	recovery_share_format(&s, text);
	for (size_t i = 0; text[i] != '\0'; i++)
		for (size_t k = 0; text[i] != '-' && k < 32; k++) {
			char was = text[i];
			text[i] = digits[k];
			int rc = recovery_share_parse(span_of(text, 71), &got, &f);
			text[i] = was;
			if ((rc == 0) != (was == digits[k]))
				fail_msg("character %zu as %c", i, digits[k]);
		}
}

static void test_no_authority(void **state)
{
	(void)state;
	static const uint8_t bad[] = { 0, 17, 255 };
	for (size_t i = 0; i < TEST_LEN(bad); i++) {
		struct recovery_share s = { .x = bad[i] }, got;
		struct fault f;
		char text[RECOVERY_TEXT_MAX];
		recovery_share_format(&s, text);
		assert_int_equal(recovery_share_parse(span_of(text, 71), &got, &f), -EINVAL);
		assert_string_equal(f.text, "it is of no authority; ask for another share");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_any_m_of_n),
		cmocka_unit_test(test_join_refuses),
		cmocka_unit_test(test_text_vector),
		cmocka_unit_test(test_typing),
		cmocka_unit_test(test_every_wrong_character),
		cmocka_unit_test(test_no_authority),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
