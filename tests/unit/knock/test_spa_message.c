/* The text that goes with an action: what it may hold, and how it is cut. */

#include "knock/spa.h"
#include "test.h"

#define TEXT(s) s, sizeof(s) - 1

static void test_check(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		size_t len;
		enum spa_text want;
		size_t at;
		uint32_t point;
	} table[] = {
		{ "empty", TEXT(""), SPA_TEXT_OK, 0, 0 },
		{ "ASCII", TEXT("Hello, \"world\" \\ $(id) `x`; ~"), SPA_TEXT_OK, 0, 0 },
		{ "line ends", TEXT("a\nb\n\n"), SPA_TEXT_OK, 0, 0 },
		{ "two, three and four bytes", TEXT("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xf4\x8f\xbf\xbf"),
			SPA_TEXT_OK, 0, 0 },
		{ "right to left mark", TEXT("\xe2\x80\x8f"), SPA_TEXT_OK, 0, 0 },
		{ "null", TEXT("ab\0"), SPA_TEXT_CONTROL, 2, 0 },
		{ "tab", TEXT("a\tb"), SPA_TEXT_CONTROL, 1, 9 },
		{ "carriage return", TEXT("\r\n"), SPA_TEXT_CONTROL, 0, 13 },
		{ "escape", TEXT("\xc3\xa4\x1b[2J"), SPA_TEXT_CONTROL, 2, 0x1b },
		{ "delete", TEXT("\x7f"), SPA_TEXT_CONTROL, 0, 0x7f },
		{ "C1", TEXT("\xc2\x9b"), SPA_TEXT_CONTROL, 0, 0x9b },
		{ "line separator", TEXT("x\xe2\x80\xa8"), SPA_TEXT_CONTROL, 1, 0x2028 },
		{ "override", TEXT("\xe2\x80\xae"), SPA_TEXT_CONTROL, 0, 0x202e },
		{ "isolate", TEXT("\xe2\x81\xa6"), SPA_TEXT_CONTROL, 0, 0x2066 },
		{ "continuation alone", TEXT("a\x80"), SPA_TEXT_UTF8, 1, 0 },
		{ "cut after one of two", TEXT("a\xc3"), SPA_TEXT_UTF8, 1, 0 },
		{ "cut after three of four", TEXT("\xf0\x9f\x98"), SPA_TEXT_UTF8, 0, 0 },
		{ "another begins", TEXT("\xc3\xc3\xa4"), SPA_TEXT_UTF8, 0, 0 },
		{ "two bytes for one", TEXT("\xc1\x81"), SPA_TEXT_UTF8, 0, 0 },
		{ "three bytes for two", TEXT("\xe0\x9f\xbf"), SPA_TEXT_UTF8, 0, 0 },
		{ "four bytes for three", TEXT("\xf0\x8f\xbf\xbf"), SPA_TEXT_UTF8, 0, 0 },
		{ "surrogate", TEXT("\xed\xa0\x80"), SPA_TEXT_UTF8, 0, 0 },
		{ "past the last", TEXT("\xf4\x90\x80\x80"), SPA_TEXT_UTF8, 0, 0 },
		{ "five bytes", TEXT("\xf8\x88\x80\x80\x80"), SPA_TEXT_UTF8, 0, 0 },
		{ "0xff", TEXT("\xff"), SPA_TEXT_UTF8, 0, 0 },
	};
	for (size_t i = 0; i < TEST_LEN(table); i++) {
		struct spa_flaw f = { 0 };
		enum spa_text got = spa_message_check(span_of(table[i].text, table[i].len), &f);
		TEST_CASE(table[i].name, got == table[i].want);
		TEST_CASE(table[i].name, f.at == table[i].at && f.point == table[i].point);
	}
}

static void test_flaw_text(void **state)
{
	(void)state;
	char text[SPA_FLAW_TEXT_MAX];
	const struct spa_flaw tab = { 4, 9 }, isolate = { 0, 0x2066 }, none = { 9, 0 };
	assert_string_equal(spa_flaw_text(SPA_TEXT_CONTROL, &tab, text),
		"the control character U+0009 (tab) at byte 5");
	assert_string_equal(spa_flaw_text(SPA_TEXT_CONTROL, &isolate, text),
		"the control character U+2066 at byte 1");
	assert_string_equal(
		spa_flaw_text(SPA_TEXT_UTF8, &none, text), "a byte that is not UTF-8 at byte 10");
}

static void test_cut(void **state)
{
	(void)state;
	uint8_t text[SPA_MESSAGE_MAX + 1], back[SPA_MESSAGE_MAX];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	for (size_t len = 0; len <= SPA_MESSAGE_MAX; len++) {
		struct spa_request r = { .message_count = 9 };
		assert_true(spa_message_split(span_of(text, len), &r));
		assert_int_equal(r.message_count, (len + 254) / 255);
		assert_int_equal(spa_message_join(&r, back), len);
		assert_memory_equal(back, text, len);
	}
	struct spa_request r;
	assert_false(spa_message_split(SPAN_OF(text), &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_flaw_text),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
