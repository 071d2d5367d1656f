/* Times and durations as text, and clocks that agree with the system's. */

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "test.h"

static void utc(void **state)
{
	static const struct {
		uint64_t ms;
		const char *want;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 999, "1970-01-01T00:00:00Z" },
		{ 1795341845000, "2026-11-22T10:04:05Z" },
		{ 951782400000, "2000-02-29T00:00:00Z" },
		{ 4102444800000, "2100-01-01T00:00:00Z" },
	};
	char text[TIME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		assert_string_equal(time_format_utc(cases[i].ms, text), cases[i].want);
	/* Whatever a peer says: terminated text. */
	assert_true(strlen(time_format_utc(UINT64_MAX, text)) < TIME_TEXT_MAX);
	assert_true(strlen(time_format_local(UINT64_MAX, text)) < TIME_TEXT_MAX);
}

static void local(void **state)
{
	char text[TIME_TEXT_MAX];

	(void)state;
	assert_int_equal(setenv("TZ", "XXX-2", 1), 0);
	tzset();
	assert_string_equal(time_format_local(1795341845000, text), "12:04:05");
	assert_string_equal(time_format_utc(1795341845000, text), "2026-11-22T10:04:05Z");
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t s;
		const char *back;
	} cases[] = {
		{ "30s", 0, 30, "30s" },
		{ "30", 0, 30, "30s" },
		{ "0", 0, 0, "0s" },
		{ "5m", 0, 300, "5m" },
		{ "90m", 0, 5400, "90m" },
		{ "120m", 0, 7200, "2h" },
		{ "8h", 0, 28800, "8h" },
		{ "48h", 0, 172800, "2d" },
		{ "3660d", 0, 316224000, "3660d" },
		{ "3661d", -ERANGE, 0, NULL },
		{ "316224000", 0, 316224000, "3660d" },
		{ "316224001", -ERANGE, 0, NULL },
		{ "99999999999999999999", -ERANGE, 0, NULL },
		{ "", -EINVAL, 0, NULL },
		{ "s", -EINVAL, 0, NULL },
		{ "-1", -EINVAL, 0, NULL },
		{ "+1", -EINVAL, 0, NULL },
		{ " 1", -EINVAL, 0, NULL },
		{ "1 s", -EINVAL, 0, NULL },
		{ "1ss", -EINVAL, 0, NULL },
		{ "1S", -EINVAL, 0, NULL },
		{ "1w", -EINVAL, 0, NULL },
		{ "1.5h", -EINVAL, 0, NULL },
		{ "1h30m", -EINVAL, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint32_t s = 77;
		char text[TIME_TEXT_MAX];
		TEST_CASE(cases[i].text, duration_parse(cases[i].text, &s) == cases[i].rc);
		TEST_CASE(cases[i].text, s == (cases[i].rc == 0 ? cases[i].s : 77));
		if (cases[i].rc == 0)
			assert_string_equal(duration_format(s, text), cases[i].back);
	}
	char text[TIME_TEXT_MAX];
	assert_string_equal(duration_format(UINT64_MAX, text), "18446744073709551615s");
}

static void clocks(void **state)
{
	(void)state;
	uint64_t wall = clock_wall_ms();
	uint64_t now = (uint64_t)time(NULL) * 1000;
	assert_true(wall <= now + 1999 && wall + 1999 >= now);
	uint64_t mono = clock_mono_ms();
	assert_true(clock_mono_ms() >= mono);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(utc),
		cmocka_unit_test(local),
		cmocka_unit_test(durations),
		cmocka_unit_test(clocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
