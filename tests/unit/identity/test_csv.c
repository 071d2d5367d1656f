/* RFC 4180: rows and fields as they were meant, mistakes with their line, and reading goes on after them. */

#include <errno.h>

#include "identity/csv.h"
#include "test.h"

static struct csv_row row;

/* Rows as "a|b;" and mistakes as "!LINE sentence;" in one text. */
static const char *read_all(struct span text, char *to, size_t cap)
{
	struct csv c = csv_init(text);
	struct writer w = writer_init(to, cap - 1);
	struct fault f;
	for (int rc; (rc = csv_next(&c, &row, &f)) != 0;) {
		char line[300];
		if (rc < 0) {
			snprintf(line, sizeof(line), "!%u %.24s;", row.line, f.text);
			writer_put(&w, line, strlen(line));
			continue;
		}
		for (size_t i = 0; i < row.count; i++) {
			if (i > 0)
				writer_u8(&w, '|');
			writer_put(&w, row.fields[i].data, row.fields[i].len);
		}
		snprintf(line, sizeof(line), "@%u;", row.line);
		writer_put(&w, line, strlen(line));
	}
	to[w.len] = '\0';
	return to;
}

static void test_rows(void **state)
{
	static const struct {
		const char *name, *text, *expected;
	} cases[] = {
		{ "nothing", "", "" },
		{ "line ends only", "\n\r\n\n", "" },
		{ "one field", "a", "a@1;" },
		{ "LF", "a,b\nc,d\n", "a|b@1;c|d@2;" },
		{ "CRLF", "a,b\r\nc,d\r\n", "a|b@1;c|d@2;" },
		{ "no last line end", "a,b\nc", "a|b@1;c@2;" },
		{ "empty fields", ",\n,,\n", "|@1;||@2;" },
		{ "empty at the end", "a,", "a|@1;" },
		{ "empty lines between", "a\n\n\nb\n", "a@1;b@4;" },
		{ "byte order mark",
			"\xef\xbb\xbf"
			"a\n",
			"a@1;" },
		{ "quoted", "\"a,b\",c\n", "a,b|c@1;" },
		{ "quoted and empty", "\"\",\"\"", "|@1;" },
		{ "quotes inside", "\"\"\"a\"\"\"\n", "\"a\"@1;" },
		{ "line ends inside", "\"a\nb\r\nc\",d\ne\n", "a\nb\r\nc|d@1;e@4;" },
		{ "spaces stay", " a , b \n", " a | b @1;" },
		{ "quote in a field", "a\"b\nc\n", "!1 a quote stands inside a ;c@2;" },
		{ "quote after a space", "a, \"b\"\nc\n", "!1 a quote stands inside a ;c@2;" },
		{ "text behind a quote", "\"a\"b,c\nd\n", "!1 text follows a closing q;d@2;" },
		{ "lone carriage return", "a\rb\nc\n", "!1 a carriage return stands;c@2;" },
		{ "carriage return at the end", "a\r", "!1 a carriage return stands;" },
		{ "never closed", "a\n\"b,c\nd\n", "a@1;!2 the quoted field of line;" },
		{ "only a quote", "\"", "!1 the quoted field of line;" },
	};
	char to[1024];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct span s = span_of(cases[i].text, strlen(cases[i].text));
		if (strcmp(read_all(s, to, sizeof(to)), cases[i].expected) != 0)
			fail_msg("case \"%s\": %s", cases[i].name, to);
	}
}

static void test_bounds(void **state)
{
	static char text[CSV_ROW_MAX + 8], to[CSV_ROW_MAX + 64];
	struct fault f;
	(void)state;
	memset(text, ',', CSV_FIELDS_MAX);
	struct csv c = csv_init(span_of(text, CSV_FIELDS_MAX - 1));
	assert_int_equal(csv_next(&c, &row, &f), 1);
	assert_int_equal(row.count, CSV_FIELDS_MAX);
	c = csv_init(span_of(text, CSV_FIELDS_MAX));
	assert_int_equal(csv_next(&c, &row, &f), -EINVAL);
	assert_non_null(strstr(f.text, "more than 32 fields"));

	memset(text, 'a', sizeof(text));
	c = csv_init(span_of(text, CSV_ROW_MAX));
	assert_int_equal(csv_next(&c, &row, &f), 1);
	assert_int_equal(row.fields[0].len, CSV_ROW_MAX);
	memcpy(text + CSV_ROW_MAX + 1, "\nb\n", 3);
	assert_non_null(strstr(read_all(span_of(text, CSV_ROW_MAX + 4), to, sizeof(to)),
		"!1 the row has more than 81"));
	assert_non_null(strstr(to, "b@2;"));
	/* A quote that is never closed costs a row's length, not the file. */
	text[0] = '"';
	text[CSV_ROW_MAX + 1] = 'a';
	memcpy(text + CSV_ROW_MAX + 2, "\nb\n", 3);
	assert_non_null(strstr(read_all(span_of(text, CSV_ROW_MAX + 5), to, sizeof(to)), "b@2;"));
}

/* Each prefix ends, and no row of it has more bytes than were there. */
static void test_truncation(void **state)
{
	static const char text[] = "name,key\r\n\"a \"\"b\"\"\",\"c\nd\"\r\ne,f\n";
	struct fault f;
	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct csv c = csv_init(span_of(text, n));
		size_t rows = 0;
		for (; csv_next(&c, &row, &f) != 0; rows++)
			assert_true(row.line >= 1 && row.line <= 5);
		assert_true(rows <= 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
