/* Profiles: what is understood, what is refused and where, and that nothing else in the file changes. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/profile.h"
#include "test.h"

static const struct profile_key key_rows[] = {
	{ .name = "host" },
	{ .name = "port" },
	{ .name = "key-file", .is_file = true },
	{ .name = "server", .is_file = true },
	{ .name = "sequence", .is_secret = true },
};

static const struct profile_keys keys = { key_rows, sizeof(key_rows) / sizeof(key_rows[0]) };

#define SID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct span text_of(const char *text)
{
	return span_of(text, strlen(text));
}

static void test_values(void **state)
{
	(void)state;
	struct profiles *p = NULL;
	struct fault f;
	assert_int_equal(profiles_parse("/home/x/profiles",
				 text_of("# one\nprofile gw { host = \"a b\" # c\n port = 22\n"
					 " key-file = gw.key\n server = " SID "}\n"
					 "profile 'other' { key-file = \"/k\" }\nprofile empty {}"),
				 &keys, &p, &f),
		0);
	assert_int_equal(p->count, 3);
	const struct profile *gw = profiles_find(p, "gw");
	assert_non_null(gw);
	assert_string_equal(profile_find(gw, "host")->text, "a b");
	assert_int_equal(profile_find(gw, "host")->line, 2);
	assert_string_equal(profile_find(gw, "port")->text, "22");
	assert_int_equal(profile_find(gw, "port")->line, 3);
	assert_string_equal(profile_find(gw, "key-file")->text, "/home/x/gw.key");
	assert_string_equal(profile_find(gw, "server")->text, SID);
	assert_null(profile_find(gw, "sequence"));
	assert_string_equal(profile_find(profiles_find(p, "other"), "key-file")->text, "/k");
	assert_int_equal(profiles_find(p, "empty")->count, 0);
	assert_null(profiles_find(p, "none"));
	assert_null(profiles_find(NULL, "none"));
	profiles_free(p);
	assert_int_equal(profiles_parse("p", text_of(""), &keys, &p, &f), 0);
	assert_int_equal(p->count, 0);
	profiles_free(p);
	profiles_free(NULL);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "profile gw {\n hots = x\n}\n",
			"p:2: hots: not a key of a profile; see \"Profiles\" in postern(1)" },
		{ "profile gw {\n port = 1\n port = 2\n}",
			"p:3: port: stands here twice; keep one" },
		{ "profile gw {\n port = \"\"\n}", "p:2: port: is empty; leave it out" },
		{ "\nprofile \"a b\" {\n}\n",
			"p:2: a b: not a name; write 1 to 63 of letters, digits, . _ and -" },
		{ "profile gw {\n port = 1\n",
			"p:3: the file ends inside a block; a } is missing" },
		{ "profile gw {}\n/* x", "p:2: this comment does not end; close it with */" },
		{ "profile gw {}\nprofile gw {}\n",
			"p:2: gw: there is a profile of that name above; rename one" },
		{ "server {}", "p:1: profile NAME { .. } must stand here" },
		{ "profile {", "p:1: the name of the profile must stand here" },
		{ "profile gw port = 22", "p:1: { must stand here" },
		{ "profile gw {\n port 22 }", "p:2: = must stand here" },
		{ "profile gw {\n port = }", "p:2: a value must stand here" },
		{ "profile gw {\n port = 1,2 }", "p:2: a key must stand here" },
		{ "profile gw {\n host = \"${HOME}\" }",
			"p:2: \\\"${HOME}\\\": names a variable; write the value itself, or ${ in '...'" },
		{ "profile gw {\n host = \"x\n }",
			"p:2: \\\"x: does not end on its line; close the quote" },
		{ "profile - {}\n",
			"p:1: -: not a name; write 1 to 63 of letters, digits, . _ and -" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct profiles *p = NULL;
		struct fault f;
		assert_int_equal(
			profiles_parse("p", text_of(rows[i].text), &keys, &p, &f), -EINVAL);
		assert_null(p);
		assert_string_equal(f.text, rows[i].why);
	}
}

/* Each prefix of a good text, and each with one bit changed, is refused or understood; nothing worse. */
static void test_damage(void **state)
{
	const char *text = "profile a { host = \"x\" }\n/* c */ profile b {\n port = 22 # d\n}\n";
	char copy[128];
	size_t len = strlen(text);
	struct fault f;
	(void)state;
	for (size_t i = 0; i <= len; i++) {
		struct profiles *p = NULL;
		if (profiles_parse("p", span_of(text, i), &keys, &p, &f) == 0)
			assert_true(p->count <= 2);
		profiles_free(p);
	}
	for (size_t i = 0; i < len * 8; i++) {
		struct profiles *p = NULL;
		memcpy(copy, text, len);
		copy[i / 8] = (char)(copy[i / 8] ^ (1 << (i % 8)));
		if (profiles_parse("p", span_of(copy, len), &keys, &p, &f) == 0)
			assert_true(p->count <= 2);
		profiles_free(p);
	}
	struct profiles *p = NULL;
	assert_int_equal(profiles_parse("p", span_of("a\0b", 3), &keys, &p, &f), -EINVAL);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool is_good;
	} rows[] = {
		{ "gw", true },
		{ "gw.example.org", true },
		{ "A_1-b", true },
		{ "", false },
		{ "-x", false },
		{ ".x", false },
		{ "a b", false },
		{ "a/b", false },
		{ "123456789012345678901234567890123456789012345678901234567890123", true },
		{ "1234567890123456789012345678901234567890123456789012345678901234", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(profile_name_is_good(rows[i].name), rows[i].is_good);
}

static void test_add(void **state)
{
	static const char *const befores[] = { "", "# mine\n", "profile x {}", "profile x {}\n\n" };
	const struct profile p = {
		.name = "gw",
		.count = 2,
		.values = { { "host", "a \"b\" \\c ${HOME} #", 0 }, { "port", "22", 0 } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(befores) / sizeof(befores[0]); i++) {
		char *now = NULL;
		struct fault f;
		struct profiles *all = NULL;
		assert_int_equal(profile_text_add(text_of(befores[i]), &p, &keys, &now, &f), 0);
		assert_memory_equal(now, befores[i], strlen(befores[i]));
		assert_int_equal(profiles_parse("p", text_of(now), &keys, &all, &f), 0);
		assert_string_equal(
			profile_find(profiles_find(all, "gw"), "host")->text, p.values[0].text);
		profiles_free(all);
		char *more = NULL;
		assert_int_equal(profile_text_add(text_of(now), &p, &keys, &more, &f), -EEXIST);
		char *back = NULL;
		assert_int_equal(profile_text_remove(text_of(now), "gw", &keys, &back, &f), 0);
		assert_memory_equal(back, befores[i], strlen(befores[i]));
		free(back);
		free(now);
	}
}

static void test_remove(void **state)
{
	static const struct {
		const char *text, *left; /* NULL: refused */
	} rows[] = {
		{ "profile gw {}\n", "" },
		{ "profile gw {}\n\nprofile x {}\n", "profile x {}\n" },
		{ "# a\n\nprofile gw {\n host = x\n}\n\n# b\n", "# a\n\n# b\n" },
		{ "profile x { host = \"profile gw {}\" }\n  profile \"gw\"\n{ # }\n}\n# b\n",
			"profile x { host = \"profile gw {}\" }\n# b\n" },
		{ "profile gw {} profile x {}\n", NULL },
		{ "profile x {} profile gw {}\n", NULL },
		{ "/*\nprofile gw {\n*/ profile gw {}\n", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *left = NULL;
		struct fault f;
		int rc = profile_text_remove(text_of(rows[i].text), "gw", &keys, &left, &f);
		assert_int_equal(rc, rows[i].left != NULL ? 0 : -EINVAL);
		if (rows[i].left != NULL)
			assert_string_equal(left, rows[i].left);
		free(left);
	}
	char *left = NULL;
	struct fault f;
	assert_int_equal(
		profile_text_remove(text_of("profile x {}"), "gw", &keys, &left, &f), -ENOENT);
	assert_int_equal(profile_text_remove(text_of("profile"), "gw", &keys, &left, &f), -EINVAL);
}

/* What cannot be written down so that it is read back as it was is not written. */
static void test_unwritable(void **state)
{
	const struct profile p = { .name = "gw", .count = 1, .values = { { "hots", "x", 0 } } };
	char *now = NULL;
	struct fault f;
	(void)state;
	assert_int_equal(profile_text_add(text_of(""), &p, &keys, &now, &f), -EINVAL);
	assert_null(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_unwritable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
