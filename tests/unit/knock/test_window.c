/* Ways to read a message out of what a source knocked: how many, each once, and the nearest first. */

#include "classic.h"
#include "knock/cipher.h"
#include "knock/window.h"

static const struct addr source = { { 0x20, 1, [15] = 1 } };

/* Knocks 0, 1, 2 ... on the ports from 745 on. */
static struct window counted(size_t count)
{
	struct track t = { .source = source };
	struct window w;
	for (size_t i = 0; i < count; i++)
		classic_knock(&t, (uint16_t)(745 + i), 1000);
	assert_true(window_init(&w, &t, 745, 0));
	return w;
}

static void test_count(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t knocked, len, want;
	} cases[] = {
		{ "8", 48, 8, CIPHER_TRIES_8 },
		{ "16", 48, 16, CIPHER_TRIES_16 },
		{ "24", 48, 24, CIPHER_TRIES_24 },
		{ "32", 48, 32, CIPHER_TRIES_32 },
		{ "too few", 7, 8, 0 },
		{ "room for none", 8, 8, 1 },
		{ "room for one", 9, 8, 8 },
		{ "room for two", 10, 8, 36 },
		{ "two", 48, 2, 3 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		static uint8_t seen[CIPHER_TRIES_32][32];
		struct window w = counted(cases[i].knocked);
		struct window_pick p = { .len = cases[i].len };
		size_t count = 0;
		while (window_pick_next(&w, &p, seen[count])) {
			for (size_t k = 0; k < count; k++)
				TEST_CASE(cases[i].name, memcmp(seen[k], seen[count], p.len) != 0);
			for (size_t k = 0; k + 1 < p.len; k++)
				TEST_CASE(cases[i].name, seen[count][k] < seen[count][k + 1]);
			TEST_CASE(cases[i].name, seen[count][p.len - 1] == cases[i].knocked - 1);
			count++;
			TEST_CASE(cases[i].name, count <= cases[i].want);
			if (count == CIPHER_TRIES_32)
				break;
		}
		TEST_CASE(cases[i].name, count == cases[i].want);
	}
}

static void test_order(void **state)
{
	(void)state;
	static const uint8_t want[][3] = {
		{ 7, 8, 9 },
		{ 6, 7, 9 },
		{ 6, 8, 9 },
		{ 5, 6, 9 },
		{ 5, 7, 9 },
		{ 5, 8, 9 },
	};
	struct window w = counted(10);
	struct window_pick p = { .len = 3 };
	uint8_t got[3];
	for (size_t i = 0; i < TEST_LEN(want); i++) {
		assert_true(window_pick_next(&w, &p, got));
		assert_memory_equal(got, want[i], sizeof(got));
	}
	assert_false(window_pick_next(&w, &p, got));
}

static void test_range(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t latest;
		uint64_t at_ms;
		bool is_ours;
		size_t count;
	} cases[] = {
		{ "first", 745, 3000, true, 3 },
		{ "last", 1000, 3000, true, 3 },
		{ "below", 744, 3000, false, 2 },
		{ "above", 1001, 3000, false, 2 },
		{ "one too old", 745, 4001, true, 2 },
		{ "both too old", 745, 9000, true, 1 },
	};
	struct window w;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct track t = { .source = source };
		assert_false(window_init(&w, &t, 745, 3000));
		classic_knock(&t, 800, 1000);
		classic_knock(&t, 800, 2000);
		classic_knock(&t, cases[i].latest, cases[i].at_ms);
		TEST_CASE(cases[i].name, window_init(&w, &t, 745, 3000) == cases[i].is_ours);
		TEST_CASE(cases[i].name, w.count == cases[i].count);
	}
}

static void test_checksum(void **state)
{
	(void)state;
	static const uint8_t published[] = { 142, 103, 205, 1, 22, 15 };
	static const uint8_t whole[] = { 254, 1 };
	assert_int_equal(window_checksum(published, sizeof(published)), 233);
	assert_int_equal(window_checksum(whole, 2), 0);
	assert_int_equal(window_checksum(whole, 1), 254);
	assert_int_equal(window_checksum(NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_checksum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
