/* Tokens, and what is refused before libconfuse could misread it. */

#include "config/internal.h"
#include "test.h"

static void test_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum config_token token;
		const char *value; /* NULL: punctuation */
		unsigned line;
		bool is_refused;
	} cases[] = {
		{ "nothing", "", CONFIG_TOKEN_END, NULL, 1, false },
		{ "blanks", " \t\r\n\n", CONFIG_TOKEN_END, NULL, 3, false },
		{ "hash comment", "# x\n a", CONFIG_TOKEN_WORD, "a", 2, false },
		{ "slash comment", "// x\n a", CONFIG_TOKEN_WORD, "a", 2, false },
		{ "block comment", "/* x\n * y */ a", CONFIG_TOKEN_WORD, "a", 2, false },
		{ "block comment, one line", "/* x */ a", CONFIG_TOKEN_WORD, "a", 1, false },
		{ "stars end a comment", "/***/ a", CONFIG_TOKEN_WORD, "a", 1, false },
		{ "open comment", "/* x", CONFIG_TOKEN_END, NULL, 1, true },
		{ "slash star slash", "/*/", CONFIG_TOKEN_END, NULL, 1, true },
		{ "word", "tcp/22 ", CONFIG_TOKEN_WORD, "tcp/22", 1, false },
		{ "word before brace", "a{", CONFIG_TOKEN_WORD, "a", 1, false },
		{ "word before comment", "a#b", CONFIG_TOKEN_WORD, "a", 1, false },
		{ "word all kinds", "aZ0_-./:@", CONFIG_TOKEN_WORD, "aZ0_-./:@", 1, false },
		{ "word with star", "*/VSD", CONFIG_TOKEN_WORD, "*/VSD", 1, true },
		{ "word with variable", "${HOME}", CONFIG_TOKEN_WORD, "$", 1, true },
		{ "word with slashes", "a//b", CONFIG_TOKEN_WORD, "a//b", 1, true },
		{ "word not ASCII", "\xc3\xa4", CONFIG_TOKEN_WORD, "\xc3\xa4", 1, true },
		{ "lone plus", "+ 1", CONFIG_TOKEN_WORD, "+", 1, true },
		{ "string", "\"a b\"", CONFIG_TOKEN_STRING, "a b", 1, false },
		{ "string not ASCII", "\"\xc3\xa4\"", CONFIG_TOKEN_STRING, "\xc3\xa4", 1, false },
		{ "empty string", "\"\"", CONFIG_TOKEN_STRING, "", 1, false },
		{ "escapes", "\"a\\\"\\\\b\"", CONFIG_TOKEN_STRING, "a\"\\b", 1, false },
		{ "single", "'a\"b'", CONFIG_TOKEN_STRING, "a\"b", 1, false },
		{ "single escapes", "'a\\'\\\\b'", CONFIG_TOKEN_STRING, "a'\\b", 1, false },
		{ "single keeps variable", "'${A}'", CONFIG_TOKEN_STRING, "${A}", 1, false },
		{ "dollar alone", "\"$A\"", CONFIG_TOKEN_STRING, "$A", 1, false },
		{ "variable", "\"${A}\"", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "other escape", "\"a\\n\"", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "octal escape", "\"\\0\"", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "control", "\"a\tb\"", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "C1 control", "\"\xc2\x85\"", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "open string", "\"abc", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "open string, backslash", "\"abc\\", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "string over lines", "\"abc\ndef\"", CONFIG_TOKEN_STRING, NULL, 1, true },
		{ "equals", "=", CONFIG_TOKEN_EQUALS, NULL, 1, false },
		{ "plus equals", "+=", CONFIG_TOKEN_PLUS_EQUALS, NULL, 1, false },
		{ "comma", ",", CONFIG_TOKEN_COMMA, NULL, 1, false },
		{ "braces", "{", CONFIG_TOKEN_OPEN, NULL, 1, false },
		{ "close", "}", CONFIG_TOKEN_CLOSE, NULL, 1, false },
		{ "paren", "(", CONFIG_TOKEN_PAREN_OPEN, NULL, 1, false },
		{ "paren close", ")", CONFIG_TOKEN_PAREN_CLOSE, NULL, 1, false },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char value[CONFIG_VALUE_MAX];
		struct config_lexer l =
			config_lexer_init(span_of(cases[i].text, strlen(cases[i].text)));
		struct config_lexeme t = config_lex(&l);
		TEST_CASE(cases[i].name, t.token == cases[i].token);
		TEST_CASE(cases[i].name, t.line == cases[i].line);
		TEST_CASE(cases[i].name, (t.why != NULL) == cases[i].is_refused);
		if (cases[i].value != NULL)
			TEST_CASE(cases[i].name,
				strcmp(config_lexeme_value(&t, value), cases[i].value) == 0);
	}
}

static void test_long_value(void **state)
{
	(void)state;
	char text[CONFIG_VALUE_MAX + 2];
	for (size_t len = CONFIG_VALUE_MAX - 1; len <= CONFIG_VALUE_MAX; len++) {
		memset(text, 'a', len);
		struct config_lexer l = config_lexer_init(span_of(text, len));
		struct config_lexeme t = config_lex(&l);
		assert_int_equal(t.text.len, len);
		assert_int_equal(t.why != NULL, len == CONFIG_VALUE_MAX);
	}
}

static void test_text_refusal(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		size_t len;
		bool is_good;
	} cases[] = {
		{ "ASCII", "abc", 3, true },
		{ "NUL", "a\0b", 3, false },
		{ "two bytes", "\xc3\xa4", 2, true },
		{ "three bytes", "\xe2\x82\xac", 3, true },
		{ "four bytes", "\xf0\x9f\x9a\xaa", 4, true },
		{ "cut", "\xe2\x82", 2, false },
		{ "overlong", "\xc0\x80", 2, false },
		{ "overlong three", "\xe0\x80\x80", 3, false },
		{ "surrogate", "\xed\xa0\x80", 3, false },
		{ "past the end", "\xf4\x90\x80\x80", 4, false },
		{ "lone tail", "\x80", 1, false },
		{ "bad tail", "\xe2\x82\x41", 3, false },
		{ "latin-1", "\xe4 ", 2, false },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name,
			(config_text_refusal(span_of(cases[i].text, cases[i].len)) == NULL) ==
				cases[i].is_good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_text_refusal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
