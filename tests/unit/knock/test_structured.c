/* Structured sequences: the published frames, every change to one, foreign knocks, time, and sweeps. */

#include <netinet/in.h>

#include "knock/structured.h"
#include "sweep.h"
#include "test.h"

#define BASE 100

static const struct structured_rule rule = { .base = BASE, .within_ms = 60000 };

static void add(struct track *t, uint16_t port, uint8_t proto)
{
	assert_true(t->count < TRACK_MARKS);
	t->marks[t->count] = (struct track_mark){ 100 * t->count, port, proto };
	t->count++;
}

static enum structured_reject read_at(
	const struct structured_rule *r, const struct track *t, struct structured *ret)
{
	return structured_read(r, t, t->count > 0 ? t->marks[t->count - 1].at_ms : 0, ret);
}

/* What comes of knocks given as digits, one call each; the worst that was said but NONE. */
static enum structured_reject play(const char *digits, struct structured *ret, unsigned *ret_said)
{
	struct track t = { 0 };
	enum structured_reject last = STRUCTURED_NONE;
	*ret_said = 0;
	for (const char *p = digits; *p != '\0'; p++) {
		if (*p == 'u')
			add(&t, BASE + 3, IPPROTO_UDP);
		else
			add(&t, *p == 'x' ? 4444 : (uint16_t)(BASE + *p - '0'), IPPROTO_TCP);
		enum structured_reject got = read_at(&rule, &t, ret);
		if (got == STRUCTURED_NONE)
			continue;
		last = got;
		++*ret_said;
		if (got == STRUCTURED_OK)
			t.count = 0;
	}
	return last;
}

static void test_vectors(void **state)
{
	(void)state;
	FILE *f = fopen(TEST_VECTORS "/knock/structured.txt", "r");
	char line[256];
	size_t cases = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned base, port, time, p[12];
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%u %u %u %u %u %u %u %u %u %u %u %u %u %u %u", &base,
					 &port, &time, p, p + 1, p + 2, p + 3, p + 4, p + 5, p + 6,
					 p + 7, p + 8, p + 9, p + 10, p + 11),
			15);
		const struct structured_rule r = { (uint16_t)base, 60000 };
		const struct structured want = { (uint16_t)port, (uint8_t)time };
		struct structured got = { 0 };
		uint16_t ports[STRUCTURED_KNOCKS];
		struct track t = { 0 };
		TEST_CASE(line, structured_write(r.base, &want, ports));
		for (size_t i = 0; i < STRUCTURED_KNOCKS; i++) {
			TEST_CASE(line, ports[i] == p[i]);
			TEST_CASE(line, read_at(&r, &t, &got) != STRUCTURED_OK);
			add(&t, ports[i], IPPROTO_TCP);
		}
		TEST_CASE(line, read_at(&r, &t, &got) == STRUCTURED_OK);
		TEST_CASE(line, got.port == want.port && got.time == want.time);
		cases++;
	}
	fclose(f);
	assert_int_equal(cases, 10);
}

static void test_played(void **state)
{
	(void)state;
	static const struct {
		const char *name, *digits;
		enum structured_reject want;
		unsigned said;
		uint16_t port;
		uint8_t time;
	} cases[] = {
		{ "ssh, no time", "317002204713", STRUCTURED_OK, 1, 22, 0 },
		{ "ssh, close", "317002293713", STRUCTURED_OK, 1, 22, 9 },
		{ "http, 80 minutes", "317008086713", STRUCTURED_OK, 1, 80, 8 },
		{ "highest port", "317999987452713", STRUCTURED_FRAME, 1, 0, 0 },
		{ "port 9999", "317999917713", STRUCTURED_OK, 1, 9999, 1 },
		{ "knocks before", "11317002204713", STRUCTURED_OK, 1, 22, 0 },
		{ "half a frame before", "317002317002204713", STRUCTURED_OK, 2, 22, 0 },
		{ "header before", "317317002204713", STRUCTURED_OK, 2, 22, 0 },
		{ "other ports between", "3x17x002u204xx713", STRUCTURED_OK, 1, 22, 0 },
		{ "other port last", "317002204713x", STRUCTURED_OK, 1, 22, 0 },
		{ "twice", "317002204713317002293713", STRUCTURED_OK, 2, 22, 9 },
		{ "checksum", "317002205713", STRUCTURED_CHECKSUM, 1, 0, 0 },
		{ "checksum, told once", "317002205713xx", STRUCTURED_CHECKSUM, 1, 0, 0 },
		{ "port 0", "317000000713", STRUCTURED_PORT, 1, 0, 0 },
		{ "footer broken", "317002204711", STRUCTURED_FRAME, 1, 0, 0 },
		{ "broken, told once", "317002204711xu5", STRUCTURED_FRAME, 1, 0, 0 },
		{ "one short", "31700220713", STRUCTURED_NONE, 0, 0, 0 },
		{ "one too many", "3170022044713", STRUCTURED_FRAME, 1, 0, 0 },
		{ "no header", "316002204713", STRUCTURED_NONE, 0, 0, 0 },
		{ "header by UDP", "u17002204713", STRUCTURED_NONE, 0, 0, 0 },
		{ "nothing", "", STRUCTURED_NONE, 0, 0, 0 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct structured got = { 0 };
		unsigned said;
		TEST_CASE(cases[i].name, play(cases[i].digits, &got, &said) == cases[i].want);
		TEST_CASE(cases[i].name, said == cases[i].said);
		if (cases[i].want == STRUCTURED_OK)
			TEST_CASE(cases[i].name,
				got.port == cases[i].port && got.time == cases[i].time);
	}
}

/* A single changed knock never says something else: the checksum catches each change of one digit. */
static void test_changes(void **state)
{
	(void)state;
	uint16_t ports[STRUCTURED_KNOCKS];
	assert_true(structured_write(BASE, &(struct structured){ 2345, 6 }, ports));
	for (size_t i = 0; i < STRUCTURED_KNOCKS; i++)
		for (uint16_t other = BASE - 1; other <= BASE + 10; other++) {
			struct track t = { 0 };
			struct structured got = { 1, 1 };
			if (other == ports[i])
				continue;
			for (size_t j = 0; j < STRUCTURED_KNOCKS; j++)
				add(&t, i == j ? other : ports[j], IPPROTO_TCP);
			assert_int_not_equal(read_at(&rule, &t, &got), STRUCTURED_OK);
			assert_true(got.port == 1 && got.time == 1);
		}
}

static void test_time(void **state)
{
	(void)state;
	uint16_t ports[STRUCTURED_KNOCKS];
	struct track t = { 0 };
	struct structured got;
	assert_true(structured_write(BASE, &(struct structured){ 22, 1 }, ports));
	for (size_t i = 0; i < STRUCTURED_KNOCKS; i++)
		add(&t, ports[i], IPPROTO_TCP);
	t.marks[0].at_ms = 5000;
	assert_int_equal(structured_read(&rule, &t, 65000, &got), STRUCTURED_OK);
	assert_int_equal(structured_read(&rule, &t, 65001, &got), STRUCTURED_LATE);
	assert_int_equal(structured_read(&rule, &t, 4000, &got), STRUCTURED_OK);
}

static void test_bounds_of_write(void **state)
{
	(void)state;
	static const struct {
		uint16_t base, port;
		uint8_t time;
		bool want;
	} cases[] = {
		{ 1, 1, 0, true },
		{ 65526, 9999, 9, true },
		{ 0, 22, 0, false },
		{ 65527, 22, 0, false },
		{ 100, 0, 0, false },
		{ 100, 10000, 0, false },
		{ 100, 65535, 0, false },
		{ 100, 22, 10, false },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint16_t ports[STRUCTURED_KNOCKS] = { 0 };
		const struct structured s = { cases[i].port, cases[i].time };
		assert_int_equal(structured_write(cases[i].base, &s, ports), cases[i].want);
		assert_int_equal(ports[0] != 0, cases[i].want);
	}
}

static void test_all(void **state)
{
	(void)state;
	for (uint16_t port = 1; port <= STRUCTURED_PORT_MAX; port++)
		for (uint8_t time = 0; time <= STRUCTURED_TIME_CLOSE; time++) {
			uint16_t ports[STRUCTURED_KNOCKS];
			struct track t = { 0 };
			struct structured got;
			assert_true(
				structured_write(BASE, &(struct structured){ port, time }, ports));
			for (size_t i = 0; i < STRUCTURED_KNOCKS; i++)
				add(&t, ports[i], IPPROTO_TCP);
			assert_int_equal(read_at(&rule, &t, &got), STRUCTURED_OK);
			assert_true(got.port == port && got.time == time);
		}
}

static void watch(void *arg, const struct track *t, uint64_t now_ms)
{
	struct structured got;
	*(unsigned *)arg += structured_read(&rule, t, now_ms, &got) != STRUCTURED_NONE;
}

static void test_sweeps(void **state)
{
	(void)state;
	unsigned said = 0;
	sweep_all(watch, &said);
	assert_int_equal(said, 0);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i <= STRUCTURED_REJECT_COUNT; i++)
		assert_true(strlen(structured_reject_name((enum structured_reject)i)) > 0);
	assert_string_equal(structured_reject_name(STRUCTURED_CHECKSUM), "checksum");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_played),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_bounds_of_write),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_sweeps),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
