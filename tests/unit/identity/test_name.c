/*
 * Names: the vector file, byte-level cases a text file cannot hold, and the relations between
 * names.
 */

#include "base/span.h"
#include "identity/name.h"
#include "test.h"

static struct name parsed(const char *text, bool is_certifier)
{
	struct name n = { 0 };
	if (name_parse(text, is_certifier, &n) != NAME_OK)
		fail_msg("\"%s\" is not read", text);
	return n;
}

static struct name any(const char *text)
{
	struct name n;
	if (name_parse(text, false, &n) == NAME_OK)
		return n;
	return parsed(text, true);
}

/* The next " | " field of a line, terminated in place; NULL when there is none. */
static char *field(char **line)
{
	char *start = *line;
	if (start == NULL)
		return NULL;
	char *bar = strstr(start, " | ");
	*line = bar == NULL ? NULL : bar + 3;
	if (bar != NULL)
		*bar = '\0';
	return start;
}

static void check_refused(const char *text, bool is_certifier, const char *why)
{
	struct name n, before;
	memset(&n, 0x5a, sizeof(n));
	before = n;
	enum name_reject reason = name_parse(text, is_certifier, &n);
	if (reason == NAME_OK || strcmp(name_reject_text(reason), why) != 0)
		fail_msg(
			"\"%s\": expected \"%s\", got \"%s\"", text, why, name_reject_text(reason));
	assert_memory_equal(&n, &before, sizeof(n));
}

static void check_accepted(
	const char *text, bool is_certifier, const char *abbreviated, const char *canonical)
{
	char to[NAME_TEXT_MAX];
	struct name n = parsed(text, is_certifier);
	assert_string_equal(name_format(&n, to), abbreviated);
	assert_string_equal(name_format_canonical(&n, to), canonical);
	struct name again = parsed(canonical, is_certifier);
	assert_memory_equal(&n, &again, sizeof(n));
	assert_int_equal(name_check(&n, is_certifier), NAME_OK);
	assert_int_not_equal(name_check(&n, !is_certifier), NAME_OK);
}

static void test_vectors(void **state)
{
	(void)state;
	char line[1024];
	size_t cases = 0;
	FILE *f = fopen(TEST_VECTORS "/identity/names", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		char *at = line;
		bool is_certifier = strcmp(field(&at), "certifier") == 0;
		const char *text = field(&at), *result = field(&at), *canonical = field(&at);
		assert_non_null(result);
		if (result[0] == '!')
			check_refused(text, is_certifier, result + 2);
		else
			check_accepted(text, is_certifier, result, canonical);
		cases++;
	}
	fclose(f);
	assert_in_range(cases, 40, 1000);
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum name_reject expected;
	} cases[] = {
		{ "empty", "", NAME_EMPTY },
		{ "64 bytes", A64 "/VSD", NAME_OK },
		{ "65 bytes", A64 "a/VSD", NAME_VALUE_LENGTH },
		{ "65 bytes, canonical", "CN=" A64 "a/O=VSD", NAME_VALUE_LENGTH },
		{ "C0", "a\tb/VSD", NAME_CHARACTER },
		{ "DEL", "a\x7f/VSD", NAME_CHARACTER },
		{ "C1 first", "a\xc2\x80/VSD", NAME_CHARACTER },
		{ "C1 last", "a\xc2\x9f/VSD", NAME_CHARACTER },
		{ "first after C1", "a\xc2\xa1/VSD", NAME_OK },
		{ "overlong slash of two bytes", "a\xc0\xaf/VSD", NAME_UTF8 },
		{ "overlong of two bytes", "a\xc1\xbf/VSD", NAME_UTF8 },
		{ "overlong of three bytes", "a\xe0\x9f\xbf/VSD", NAME_UTF8 },
		{ "shortest of three bytes", "a\xe0\xa0\x80/VSD", NAME_OK },
		{ "overlong of four bytes", "a\xf0\x8f\xbf\xbf/VSD", NAME_UTF8 },
		{ "shortest of four bytes", "a\xf0\x90\x80\x80/VSD", NAME_OK },
		{ "last before the surrogates", "a\xed\x9f\xbf/VSD", NAME_OK },
		{ "first surrogate", "a\xed\xa0\x80/VSD", NAME_UTF8 },
		{ "last surrogate", "a\xed\xbf\xbf/VSD", NAME_UTF8 },
		{ "first after the surrogates", "a\xee\x80\x80/VSD", NAME_OK },
		{ "U+10FFFF", "a\xf4\x8f\xbf\xbf/VSD", NAME_OK },
		{ "U+110000", "a\xf4\x90\x80\x80/VSD", NAME_UTF8 },
		{ "f5", "a\xf5\x80\x80\x80/VSD", NAME_UTF8 },
		{ "lone continuation", "a\x80/VSD", NAME_UTF8 },
		{ "cut of two", "a\xc3/VSD", NAME_UTF8 },
		{ "cut of three", "a\xe2\x82/VSD", NAME_UTF8 },
		{ "cut of four", "a\xf0\x9f\x98/VSD", NAME_UTF8 },
		{ "ff", "\xff/VSD", NAME_UTF8 },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct name n;
		TEST_CASE(cases[i].name, name_parse(cases[i].text, false, &n) == cases[i].expected);
	}
}

static void test_fallback_to_canonical(void **state)
{
	(void)state;
	char to[NAME_TEXT_MAX];
	/* Not valid names, but a person must not be shown "Admin/QN", which reads as a country. */
	struct name n = { .count = 2, .parts = { { NAME_O, 2, "QN" }, { NAME_CN, 5, "Admin" } } };
	assert_string_equal(name_format(&n, to), "CN=Admin/O=QN");
	struct name slash = { .count = 2,
		.parts = { { NAME_O, 3, "VSD" }, { NAME_CN, 8, "Admin/NN" } } };
	assert_string_equal(name_format(&slash, to), "CN=Admin/NN/O=VSD");
	assert_int_equal(name_check(&slash, false), NAME_CHARACTER);
	struct name none = { 0 };
	assert_string_equal(name_format(&none, to), "");
	assert_int_equal(name_check(&none, false), NAME_EMPTY);

	struct name wild;
	memset(&wild, 0xff, sizeof(wild));
	assert_in_range(strlen(name_format(&wild, to)), 0, NAME_TEXT_MAX - 1);
	assert_int_equal(name_check(&wild, false), NAME_DEPTH);
}

static void test_relations(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool equal, below, child;
	} cases[] = {
		{ "Admin/VSD", "ADMIN/vsd", true, false, false },
		{ "Admin/VSD", "O=VSD", false, true, true },
		{ "Admin/VSD", "O=vsd", false, true, true },
		{ "John Smith/UB/QN/VSD", "OU=UB/OU=QN/O=VSD", false, true, true },
		{ "John Smith/UB/QN/VSD", "OU=QN/O=VSD", false, true, false },
		{ "John Smith/UB/QN/VSD", "O=VSD", false, true, false },
		{ "John Smith/UB/QNX/VSD", "OU=QN/O=VSD", false, false, false },
		{ "Alan/Acme", "OU=Sales/O=Acme", false, false, false },
		{ "OU=QN/O=VSD", "O=VSD", false, true, true },
		{ "O=VSD", "O=VSD", true, false, false },
		{ "Admin/VSD/US", "O=VSD", false, false, false },
		{ "Admin/VSD/US", "O=VSD/C=US", false, true, true },
		{ "CN=Sales/O=VSD", "OU=Sales/O=VSD", false, false, false },
		/* Only ASCII letters fold. */
		{ "J\xc3\xb6rg/VSD", "J\xc3\x96rg/VSD", false, false, false },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct name a = any(cases[i].a), b = any(cases[i].b);
		TEST_CASE(cases[i].a, name_equal(&a, &b) == cases[i].equal);
		TEST_CASE(cases[i].a, name_equal(&b, &a) == cases[i].equal);
		uint8_t fa[NAME_FOLDED_MAX], fb[NAME_FOLDED_MAX];
		struct span sa = span_of(fa, name_fold(&a, fa)),
			    sb = span_of(fb, name_fold(&b, fb));
		TEST_CASE(cases[i].a, span_equal(sa, sb) == cases[i].equal);
		TEST_CASE(cases[i].a, name_is_below(&a, &b) == cases[i].below);
		TEST_CASE(cases[i].a, name_is_child(&a, &b) == cases[i].child);
		TEST_CASE(cases[i].a, !name_is_below(&b, &a));
	}
	struct name empty = { 0 }, a = any("Admin/VSD");
	assert_false(name_is_below(&a, &empty));
}

static void test_append(void **state)
{
	(void)state;
	struct name empty = { 0 }, o = any("O=VSD"), deep = any("OU=d/OU=c/OU=b/OU=a/O=VSD");
	struct name user = any("Admin/VSD"), n;
	char to[NAME_TEXT_MAX];
	static const char long_value[] = A64 "a";

	assert_int_equal(name_append(&empty, NAME_O, "VSD", &n), NAME_OK);
	assert_string_equal(name_format(&n, to), "VSD");
	assert_int_equal(name_append(&empty, NAME_O, "QN", &n), NAME_SHORT_ORGANISATION);
	assert_int_equal(name_append(&o, NAME_OU, "QN", &n), NAME_OK);
	assert_string_equal(name_format(&n, to), "QN/VSD");
	assert_true(name_is_child(&n, &o));
	assert_int_equal(name_append(&o, NAME_CN, "Admin", &n), NAME_OK);
	assert_string_equal(name_format_canonical(&n, to), "CN=Admin/O=VSD");
	assert_int_equal(name_append(&o, NAME_CN, "", &n), NAME_VALUE_LENGTH);
	assert_int_equal(name_append(&o, NAME_CN, long_value, &n), NAME_VALUE_LENGTH);
	assert_int_equal(name_append(&o, NAME_CN, "Admin/NN", &n), NAME_CHARACTER);
	assert_int_equal(name_append(&o, NAME_O, "Other", &n), NAME_KEYWORD);
	assert_int_equal(name_append(&o, NAME_C, "US", &n), NAME_KEYWORD);
	assert_int_equal(name_append(&deep, NAME_OU, "e", &n), NAME_DEPTH);
	assert_int_equal(name_append(&deep, NAME_CN, "e", &n), NAME_OK);
	assert_int_equal(name_append(&user, NAME_OU, "x", &n), NAME_KEYWORD);
	assert_int_equal(name_append(&user, NAME_CN, "x", &n), NAME_KEYWORD);
}

static void test_texts(void **state)
{
	(void)state;
	for (int i = 0; i < NAME_REJECT_COUNT; i++)
		assert_true(strlen(name_reject_text((enum name_reject)i)) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_fallback_to_canonical),
		cmocka_unit_test(test_relations),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
