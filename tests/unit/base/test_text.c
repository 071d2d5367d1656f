/* Hexadecimal both ways, and quoting that leaves nothing a terminal would act on. */

#include "base/text.h"
#include "test.h"

static void hex(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x7f, 0x80, 0xff };
	char text[9];

	(void)state;
	assert_string_equal(text_hex(SPAN_OF(bytes), text), "007f80ff");
	assert_string_equal(text_hex(span_of(NULL, 0), text), "");
}

static void unhex(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} cases[] = {
		{ "00aaFF", true },
		{ "00aaF", false },
		{ "00aaFF0", false },
		{ "00aaFF00", false },
		{ "", false },
		{ "00aagg", false },
		{ "0x00aa", false },
		{ "00 aaf", false },
		{ "00:aaf", false },
	};
	static const uint8_t want[3] = { 0x00, 0xaa, 0xff };

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t to[3] = { 9, 9, 9 };
		TEST_CASE(cases[i].text, text_unhex(cases[i].text, to, 3) == cases[i].want);
		if (cases[i].want)
			assert_memory_equal(to, want, 3);
		else
			TEST_CASE(cases[i].text, to[0] == 9 && to[1] == 9 && to[2] == 9);
	}
	assert_true(text_unhex("", NULL, 0));
}

static void quote(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t len, cap;
		const char *want;
	} cases[] = {
		{ "plain", "hello world", 11, 99, "hello world" },
		{ "quotes", "a\"b\\c", 5, 99, "a\\\"b\\\\c" },
		{ "line end", "a\nb\r", 4, 99, "a\\x0ab\\x0d" },
		{ "escape", "\033[31m", 5, 99, "\\x1b[31m" },
		{ "NUL", "a\0b", 3, 99, "a\\x00b" },
		{ "delete, high", "\x7f\x80\xff", 3, 99, "\\x7f\\x80\\xff" },
		{ "UTF-8", "\xc3\xa9", 2, 99, "\\xc3\\xa9" },
		{ "empty", "", 0, 99, "" },
		{ "fits exactly", "abcdef", 6, 7, "abcdef" },
		{ "one too long", "abcdefg", 7, 7, "abc..." },
		{ "piece is not cut", "ab\ncdef", 7, 8, "ab..." },
		{ "last piece fits", "abc\n", 4, 8, "abc\\x0a" },
		{ "last piece does not", "abcd\n", 5, 8, "abcd..." },
		{ "room for dots", "abcdef", 6, 4, "..." },
		{ "less than dots", "abcdef", 6, 3, ".." },
		{ "only the end", "abcdef", 6, 1, "" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char to[128];
		memset(to, '#', sizeof(to));
		text_quote(span_of(cases[i].bytes, cases[i].len), to, cases[i].cap);
		if (strcmp(to, cases[i].want) != 0)
			fail_msg("case \"%s\": %s", cases[i].name, to);
		TEST_CASE(cases[i].name, to[cases[i].cap] == '#');
	}
	char none = '#';
	text_quote(span_of("x", 1), &none, 0);
	assert_int_equal(none, '#');
}

/* Every byte at every size of buffer: printable, terminated, within bounds. */
static void quote_all(void **state)
{
	uint8_t bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(255 - i);
	for (size_t cap = 1; cap < 1100; cap++) {
		char *to = malloc(cap);
		assert_non_null(to);
		text_quote(SPAN_OF(bytes), to, cap);
		size_t len = strnlen(to, cap);
		assert_true(len < cap);
		for (size_t i = 0; i < len; i++)
			assert_in_range(to[i], 0x20, 0x7e);
		free(to);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex),
		cmocka_unit_test(unhex),
		cmocka_unit_test(quote),
		cmocka_unit_test(quote_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
