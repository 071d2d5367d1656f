/* Simple sequences: the published cases, text, time, worth, files that work once, and sweeps. */

#include <errno.h>
#include <netinet/in.h>

#include "knock/sequence.h"
#include "sweep.h"
#include "test.h"

static enum sequence_reject parse(const char *text, struct sequence *ret)
{
	return sequence_parse(span_of(text, strlen(text)), ret);
}

static struct sequence sequence_of(const char *text, bool strict)
{
	struct sequence s = { .within_ms = 10000, .strict = strict };
	assert_int_equal(parse(text, &s), SEQUENCE_OK);
	return s;
}

/* ------------------------------------------------------------------ comparison */

static struct track track_of(const struct sequence *knocks)
{
	struct track t = { .count = knocks->count };
	for (size_t i = 0; i < knocks->count; i++)
		t.marks[i] = (struct track_mark){ 1000 + 100 * i, knocks->steps[i].port,
			knocks->steps[i].proto };
	return t;
}

static void test_vectors(void **state)
{
	(void)state;
	FILE *f = fopen(TEST_VECTORS "/knock/sequence.txt", "r");
	char line[256], want[8], how[8], text[128], knocks[128];
	size_t cases = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%7s %7s %127s %127s", want, how, text, knocks), 4);
		const struct sequence s = sequence_of(text, strcmp(how, "strict") == 0);
		const struct sequence k = sequence_of(knocks, false);
		const struct track t = track_of(&k);
		uint64_t now = t.marks[t.count - 1].at_ms;
		TEST_CASE(line, sequence_is_met(&s, &t, now) == (strcmp(want, "met") == 0));
		cases++;
	}
	fclose(f);
	assert_true(cases > 20);
}

static void test_time(void **state)
{
	(void)state;
	const struct sequence s = sequence_of("7000,9000,8000", true);
	struct track t = track_of(&s);
	const struct {
		uint64_t at[3];
		bool want;
	} cases[] = {
		{ { 1000, 1000, 1000 }, true },
		{ { 1000, 2000, 11000 }, true },
		{ { 1000, 2000, 11001 }, false },
		{ { 1000, 11000, 11001 }, false },
		{ { 0, 1, 2 }, true },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (size_t j = 0; j < 3; j++)
			t.marks[j].at_ms = cases[i].at[j];
		assert_int_equal(sequence_is_met(&s, &t, cases[i].at[2]), cases[i].want);
	}
}

/* Every prefix of the knocks, and every single-bit change of one, fulfils nothing. */
static void test_changes(void **state)
{
	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		const struct sequence s = sequence_of("102,100,8000:udp,100,103", strict != 0);
		struct track t = track_of(&s);
		assert_true(sequence_is_met(&s, &t, 1400));
		for (size_t i = 0; i < s.count; i++)
			for (unsigned bit = 0; bit < 16; bit++) {
				t.marks[i].port ^= (uint16_t)(1u << bit);
				assert_false(sequence_is_met(&s, &t, 1400));
				t.marks[i].port ^= (uint16_t)(1u << bit);
			}
		while (t.count-- > 0)
			assert_false(sequence_is_met(&s, &t, 1400));
	}
	const struct sequence none = { .within_ms = 1000 };
	const struct sequence some = sequence_of("1,2,3", true);
	assert_false(sequence_is_met(&none, &(struct track){ 0 }, 0));
	const struct track full = track_of(&some);
	assert_false(sequence_is_met(&none, &full, 1200));
}

/* A sequence of as many steps as there may be, among as many other knocks as are remembered. */
static void test_longest(void **state)
{
	(void)state;
	struct sequence s = { .within_ms = 10000, .count = SEQUENCE_STEPS_MAX };
	struct track t = { .count = TRACK_MARKS };
	for (size_t i = 0; i < s.count; i++)
		s.steps[i] = (struct sequence_step){ (uint16_t)(100 + i % 7), IPPROTO_TCP };
	for (size_t i = 0; i < TRACK_MARKS; i++)
		t.marks[i] = (struct track_mark){ i, 9999, IPPROTO_TCP };
	for (size_t i = 0; i < 16; i++)
		t.marks[i] = (struct track_mark){ i, s.steps[i].port, IPPROTO_TCP };
	for (size_t i = 16; i < s.count; i++)
		t.marks[i + 16] = (struct track_mark){ i + 16, s.steps[i].port, IPPROTO_TCP };
	assert_true(sequence_is_met(&s, &t, TRACK_MARKS));
	s.strict = true;
	assert_false(sequence_is_met(&s, &t, TRACK_MARKS));
}

/* ------------------------------------------------------------------ sweeps */

struct watch {
	struct sequence strict;
	unsigned met;
};

static void watch(void *arg, const struct track *t, uint64_t now_ms)
{
	struct watch *w = arg;
	w->met += sequence_is_met(&w->strict, t, now_ms);
}

static void test_sweeps(void **state)
{
	(void)state;
	struct watch w = { sequence_of("102,100,100,103", true), 0 };
	sweep_all(watch, &w);
	assert_int_equal(w.met, 0);
}

/* ------------------------------------------------------------------ text */

#define FIVE "1,2,3,4,5,"
#define THIRTY FIVE FIVE FIVE FIVE FIVE FIVE

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum sequence_reject want;
		const char *again;
	} cases[] = {
		{ "7000,8000,9000", SEQUENCE_OK, "7000,8000,9000" },
		{ "7000,8000:udp,9000:tcp", SEQUENCE_OK, "7000,8000:udp,9000" },
		{ "7000/tcp,8000/udp", SEQUENCE_OK, "7000,8000:udp" },
		{ "7000:UDP,8000/Tcp", SEQUENCE_OK, "7000:udp,8000" },
		{ "7000 8000:udp 9000", SEQUENCE_OK, "7000,8000:udp,9000" },
		{ " 7000 ,\t8000 , 9000\r", SEQUENCE_OK, "7000,8000,9000" },
		{ "1", SEQUENCE_OK, "1" },
		{ "65535", SEQUENCE_OK, "65535" },
		{ "0022", SEQUENCE_OK, "22" },
		{ THIRTY "31,32", SEQUENCE_OK, THIRTY "31,32" },
		{ THIRTY "31,32,33", SEQUENCE_LONG, NULL },
		{ "", SEQUENCE_EMPTY, NULL },
		{ "  \t\r", SEQUENCE_EMPTY, NULL },
		{ "0", SEQUENCE_PORT, NULL },
		{ "65536", SEQUENCE_PORT, NULL },
		{ "4294967296", SEQUENCE_PORT, NULL },
		{ "99999999999999999999999", SEQUENCE_PORT, NULL },
		{ ",", SEQUENCE_TEXT, NULL },
		{ "7000,", SEQUENCE_TEXT, NULL },
		{ "7000, ", SEQUENCE_TEXT, NULL },
		{ ",7000", SEQUENCE_TEXT, NULL },
		{ "7000,,8000", SEQUENCE_TEXT, NULL },
		{ "7000;8000", SEQUENCE_TEXT, NULL },
		{ "-1", SEQUENCE_TEXT, NULL },
		{ "+7000", SEQUENCE_TEXT, NULL },
		{ "1x16", SEQUENCE_TEXT, NULL },
		{ "ssh", SEQUENCE_TEXT, NULL },
		{ "7000#", SEQUENCE_TEXT, NULL },
		{ "7000\n8000", SEQUENCE_TEXT, NULL },
		{ "7000:udpx", SEQUENCE_TEXT, NULL },
		{ "7000:udp:tcp", SEQUENCE_TEXT, NULL },
		{ "7000:", SEQUENCE_PROTO, NULL },
		{ "7000:ud", SEQUENCE_PROTO, NULL },
		{ "7000:icmp", SEQUENCE_PROTO, NULL },
		{ "7000: udp", SEQUENCE_PROTO, NULL },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char again[SEQUENCE_TEXT_MAX];
		struct sequence s = { .count = 77, .within_ms = 5, .strict = true };
		enum sequence_reject got = parse(cases[i].text, &s);
		TEST_CASE(cases[i].text, got == cases[i].want);
		TEST_CASE(cases[i].text, s.within_ms == 5 && s.strict);
		if (got == SEQUENCE_OK)
			TEST_CASE(cases[i].text,
				strcmp(sequence_format(&s, again), cases[i].again) == 0);
		else
			TEST_CASE(cases[i].text, s.count == 77);
	}
	struct sequence s;
	assert_int_equal(sequence_parse(span_of("70\0", 3), &s), SEQUENCE_TEXT);
	for (int i = 0; i <= SEQUENCE_REJECT_COUNT; i++)
		assert_true(strlen(sequence_reject_text((enum sequence_reject)i)) > 0);
}

static void test_longest_text(void **state)
{
	(void)state;
	char text[SEQUENCE_TEXT_MAX];
	struct sequence s = { .count = SEQUENCE_STEPS_MAX }, again = { 0 };
	for (size_t i = 0; i < s.count; i++)
		s.steps[i] = (struct sequence_step){ 65535, IPPROTO_UDP };
	assert_int_equal(strlen(sequence_format(&s, text)), SEQUENCE_TEXT_MAX - 2);
	assert_int_equal(parse(text, &again), SEQUENCE_OK);
	assert_memory_equal(&s, &again, sizeof(s));
}

/* ------------------------------------------------------------------ worth */

static void test_weakness(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum sequence_weakness want;
	} cases[] = {
		{ "7000,9000,8000", SEQUENCE_STRONG },
		{ "100,116,100", SEQUENCE_STRONG },
		{ "7000", SEQUENCE_FEW },
		{ "9000,7000", SEQUENCE_FEW },
		{ "7000,8000,9000", SEQUENCE_MONOTONE },
		{ "7000,8000:udp,9000", SEQUENCE_MONOTONE },
		{ "9000,8000,7000", SEQUENCE_MONOTONE },
		{ "7000,7000,9000", SEQUENCE_MONOTONE },
		{ "9000,7000,7000", SEQUENCE_MONOTONE },
		{ "7000,7000,7000", SEQUENCE_MONOTONE },
		{ "102,100,100,103", SEQUENCE_NARROW },
		{ "100,115,100", SEQUENCE_NARROW },
		{ "65520,65535,65520", SEQUENCE_NARROW },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct sequence s = sequence_of(cases[i].text, true);
		TEST_CASE(cases[i].text, sequence_weakness(&s) == cases[i].want);
	}
	for (int i = 0; i <= SEQUENCE_WEAKNESS_COUNT; i++)
		assert_true(strlen(sequence_weakness_text((enum sequence_weakness)i)) > 0);
}

static void test_bits(void **state)
{
	(void)state;
	const struct sequence s = sequence_of("7000,9000,8000", true);
	assert_true(sequence_bits(&s) > 47.99 && sequence_bits(&s) < 48.0);
	assert_true(sequence_bits(&(struct sequence){ 0 }) < 0.001);
}

/* ------------------------------------------------------------------ one-time files */

static const char one_time[] = "# of Ops/VSD\n"
			       "#000,8000,9000\n"
			       "\n"
			       "7001,9001:udp,8001\n"
			       "  \r\n"
			       "7002 9002 8002\r\n"
			       "7003,90000,8003\n"
			       "7004,9004,8004"; /* no end of line */

static void test_file(void **state)
{
	(void)state;
	static const struct {
		int rc;
		unsigned line;
		const char *begins;
	} wants[] = { { 1, 4, "7001" }, { 1, 6, "7002" }, { -EINVAL, 7, NULL }, { 1, 8, "7004" },
		{ 0, 0, NULL }, { 0, 0, NULL } };
	struct sequence_file f = sequence_file_init(span_of(one_time, strlen(one_time)));
	for (size_t i = 0; i < TEST_LEN(wants); i++) {
		struct sequence_line l = { 0 };
		struct fault why = { "" };
		assert_int_equal(sequence_file_next(&f, &l, &why), wants[i].rc);
		if (wants[i].rc == 1) {
			assert_int_equal(l.line, wants[i].line);
			assert_memory_equal(one_time + l.off, wants[i].begins, 4);
			assert_int_equal(l.sequence.count, 3);
		} else if (wants[i].rc < 0) {
			assert_non_null(strstr(why.text, "line 7: a port is not 1 to 65535"));
		}
	}
}

/* Used up from top to bottom by overwriting one byte each, each line works once. */
static void test_file_used_up(void **state)
{
	(void)state;
	char text[] = "7001,9001,8001\n7002,9002,8002\n7003,9003,8003\n";
	struct span s = span_of(text, strlen(text));
	struct fault why;
	struct sequence_line l;
	for (uint16_t i = 1; i <= 3; i++) {
		struct sequence_file f = sequence_file_init(s);
		assert_int_equal(sequence_file_next(&f, &l, &why), 1);
		assert_int_equal(l.sequence.steps[0].port, 7000 + i);
		text[l.off] = '#';
	}
	struct sequence_file f = sequence_file_init(s);
	assert_int_equal(sequence_file_next(&f, &l, &why), 0);
	assert_string_equal(text, "#001,9001,8001\n#002,9002,8002\n#003,9003,8003\n");
	f = sequence_file_init(span_of(NULL, 0));
	assert_int_equal(sequence_file_next(&f, &l, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_sweeps),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_longest_text),
		cmocka_unit_test(test_weakness),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_used_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
