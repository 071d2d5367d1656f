/* PEM: what is written is read back the same, and only what would be written like that is read. */

#include "base/pem.h"
#include "test.h"

#define TEXT_MAX 4096

/* RFC 4648 10 and other known pairs. */
static void known(void **state)
{
	static const struct {
		const char *bytes, *base64;
	} cases[] = {
		{ "", "" },
		{ "f", "Zg==\n" },
		{ "fo", "Zm8=\n" },
		{ "foo", "Zm9v\n" },
		{ "foob", "Zm9vYg==\n" },
		{ "fooba", "Zm9vYmE=\n" },
		{ "foobar", "Zm9vYmFy\n" },
		{ "\xfb\xff\xfe", "+//+\n" },
		{ "a body of forty-eight bytes is one line and full",
			"YSBib2R5IG9mIGZvcnR5LWVpZ2h0IGJ5dGVzIGlzIG9uZSBsaW5lIGFuZCBmdWxs\n" },
		{ "a body of forty-nine bytes goes into a second line",
			"YSBib2R5IG9mIGZvcnR5LW5pbmUgYnl0ZXMgZ29lcyBpbnRvIGEgc2Vjb25kIGxp\nbmU=\n" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t text[TEXT_MAX];
		char want[TEXT_MAX];
		struct writer w = writer_init(text, sizeof(text));
		size_t len = strlen(cases[i].bytes);
		pem_write(&w, "A KEY 2", span_of(cases[i].bytes, len));
		snprintf(want, sizeof(want), "-----BEGIN A KEY 2-----\n%s-----END A KEY 2-----\n",
			cases[i].base64);
		TEST_CASE(cases[i].bytes, !w.is_full);
		TEST_CASE(cases[i].bytes, span_equal(writer_span(&w), span_of(want, strlen(want))));
		TEST_CASE(cases[i].bytes, pem_written_len("A KEY 2", len) == strlen(want));
	}
}

static void round_trips(void **state)
{
	uint8_t body[300], text[TEXT_MAX], back[300];

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + 3);
	for (size_t len = 0; len <= sizeof(body); len++) {
		struct writer w = writer_init(text, pem_written_len("X", len));
		struct pem_block b;
		size_t back_len = 999;
		pem_write(&w, "X", span_of(body, len));
		assert_false(w.is_full);
		assert_int_equal(w.len, w.cap);
		struct pem_reader r = pem_reader_init(writer_span(&w));
		assert_int_equal(pem_next(&r, &b), PEM_BLOCK);
		assert_string_equal(b.label, "X");
		assert_int_equal(b.line, 1);
		assert_true(span_equal(b.text, writer_span(&w)));
		assert_true(pem_decode(&b, back, len, &back_len));
		assert_int_equal(back_len, len);
		assert_memory_equal(back, body, len);
		if (len > 0)
			assert_false(pem_decode(&b, back, len - 1, &back_len));
		assert_int_equal(pem_next(&r, &b), PEM_END);
		/* One byte too little to write to. */
		w = writer_init(text, pem_written_len("X", len) - 1);
		pem_write(&w, "X", span_of(body, len));
		assert_true(w.is_full);
	}
}

static void several(void **state)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "-----BEGIN ONE-----\n"
				   "Zm9v\n"
				   "-----END ONE-----\n"
				   "#-----BEGIN TWO-----\n"
				   "-----BEGIN TWO-----\n"
				   "-----END TWO-----\n"
				   "\n"
				   "# the end\n";
	struct pem_reader r = pem_reader_init(span_of(text, sizeof(text) - 1));
	struct pem_block b;
	uint8_t to[8];
	size_t len;

	(void)state;
	assert_int_equal(pem_next(&r, &b), PEM_BLOCK);
	assert_string_equal(b.label, "ONE");
	assert_int_equal(b.line, 3);
	assert_ptr_equal(b.text.data, text + 13);
	assert_true(span_equal(b.body, span_of("Zm9v\n", 5)));
	assert_true(pem_decode(&b, to, sizeof(to), &len));
	assert_int_equal(len, 3);
	assert_int_equal(pem_next(&r, &b), PEM_BLOCK);
	assert_string_equal(b.label, "TWO");
	assert_int_equal(b.line, 7);
	assert_int_equal(b.body.len, 0);
	assert_int_equal(pem_next(&r, &b), PEM_END);
	assert_int_equal(pem_next(&r, &b), PEM_END);
	r = pem_reader_init(span_of(NULL, 0));
	assert_int_equal(pem_next(&r, &b), PEM_END);
}

#define LINE64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define BLOCK(body) "-----BEGIN A-----\n" body "-----END A-----\n"

/* Not even taken apart. */
static void bad_texts(void **state)
{
	static const struct {
		const char *name, *text;
		unsigned line;
	} cases[] = {
		{ "text before", "hello\n" BLOCK("Zm9v\n"), 1 },
		{ "blank that is not", " \n" BLOCK("Zm9v\n"), 1 },
		{ "text indented", " # x\n", 1 },
		{ "no line end", "# x", 1 },
		{ "END alone", "-----END A-----\n", 1 },
		{ "no END", "-----BEGIN A-----\nZm9v\n", 2 },
		{ "END without line end", "-----BEGIN A-----\nZm9v\n-----END A-----", 3 },
		{ "other END", "-----BEGIN A-----\nZm9v\n-----END B-----\n", 3 },
		{ "longer END", "-----BEGIN A-----\nZm9v\n-----END A -----\n", 3 },
		{ "BEGIN in block", "-----BEGIN A-----\nZm9v\n-----BEGIN A-----\n", 3 },
		{ "no label", "-----BEGIN -----\n-----END -----\n", 1 },
		{ "no space", "-----BEGIN-----\n-----END-----\n", 1 },
		{ "four dashes", "----BEGIN A-----\nZm9v\n-----END A-----\n", 1 },
		{ "four dashes after", "-----BEGIN A----\nZm9v\n-----END A-----\n", 1 },
		{ "small letters", "-----BEGIN a-----\n-----END a-----\n", 1 },
		{ "label starts with a space", "-----BEGIN  A-----\n-----END  A-----\n", 1 },
		{ "label ends with a space", "-----BEGIN A -----\n-----END A -----\n", 1 },
		{ "two spaces", "-----BEGIN A  B-----\n-----END A  B-----\n", 1 },
		{ "only a space", "-----BEGIN  -----\n-----END  -----\n", 1 },
		{ "label too long", "-----BEGIN AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-----\n",
			1 },
		{ "text after BEGIN", "-----BEGIN A----- \nZm9v\n-----END A-----\n", 1 },
		{ "carriage return", "-----BEGIN A-----\r\nZm9v\r\n-----END A-----\r\n", 1 },
		{ "carriage return in body", BLOCK("Zm9v\r\n"), 2 },
		{ "empty line in block", BLOCK("Zm9v\n\n"), 3 },
		{ "header in block", BLOCK("Proc-Type: 4\n\nZm9v\n"), 3 },
		{ "comment in block", BLOCK("# xx\nZm9v\n"), 3 },
		{ "line of 65", BLOCK(LINE64 "A\n"), 2 },
		{ "line of 68", BLOCK(LINE64 "AAAA\n"), 2 },
		{ "line of 3", BLOCK("Zm9\n"), 2 },
		{ "short line in the middle", BLOCK("Zm9v\nZm9v\n"), 3 },
		{ "short line before long", BLOCK("Zm9v\n" LINE64 "\n"), 3 },
		{ "trailing text", BLOCK("Zm9v\n") "x\n", 4 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct pem_reader r =
			pem_reader_init(span_of(cases[i].text, strlen(cases[i].text)));
		struct pem_block b;
		enum pem_result got = pem_next(&r, &b);
		if (strcmp(cases[i].name, "trailing text") == 0) {
			TEST_CASE(cases[i].name, got == PEM_BLOCK);
			got = pem_next(&r, &b);
		}
		TEST_CASE(cases[i].name, got == PEM_BAD);
		TEST_CASE(cases[i].name, r.why != NULL);
		if (r.line != cases[i].line)
			fail_msg("case \"%s\": line %u", cases[i].name, r.line);
	}
}

/* Taken apart, but not base64 in its one form. */
static void bad_bodies(void **state)
{
	static const struct {
		const char *body;
		bool want;
	} cases[] = {
		{ "Zm9v\n", true },
		{ "Zg==\n", true },
		{ "Zh==\n", false }, /* bits behind the end */
		{ "Zv==\n", false },
		{ "Zm9=\n", false },
		{ "Zm8=\n", true },
		{ "Z===\n", false },
		{ "====\n", false },
		{ "Zg=v\n", false },
		{ "Z=g=\n", false },
		{ "=Zg=\n", false },
		{ "Zg==Zg==\n", false }, /* more behind the padding */
		{ "Zm8=Zm9v\n", false },
		{ "Zm9*\n", false },
		{ "Zm9-\n", false },
		{ "Zm9_\n", false },
		{ "Zm9 \n", false },
		{ "\tm9v\n", false },
		{ "Zm\xc3\xa9\n", false },
		{ LINE64 "\n" LINE64 "\n", true },
		{ LINE64 "\n"
			 "Zg==\n",
			true },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[TEXT_MAX];
		uint8_t to[200];
		size_t len = 999;
		struct pem_block b;
		snprintf(text, sizeof(text), BLOCK("%s"), cases[i].body);
		struct pem_reader r = pem_reader_init(span_of(text, strlen(text)));
		TEST_CASE(cases[i].body, pem_next(&r, &b) == PEM_BLOCK);
		TEST_CASE(cases[i].body, pem_decode(&b, to, sizeof(to), &len) == cases[i].want);
		TEST_CASE(cases[i].body, cases[i].want || len == 999);
	}
	/* A zero byte is in no alphabet. */
	static const char nul[] = "-----BEGIN A-----\nZm9\0\n-----END A-----\n";
	struct pem_reader r = pem_reader_init(span_of(nul, sizeof(nul) - 1));
	struct pem_block b;
	uint8_t to[4];
	size_t len;
	assert_int_equal(pem_next(&r, &b), PEM_BLOCK);
	assert_false(pem_decode(&b, to, sizeof(to), &len));
}

/* No prefix of a text is a whole text, and no flipped bit is read as the same bytes. */
static void damage(void **state)
{
	uint8_t text[TEXT_MAX], body[60], to[60];
	struct writer w = writer_init(text, sizeof(text));
	struct pem_block b;
	size_t len;

	(void)state;
	memset(body, 0xa5, sizeof(body));
	pem_write(&w, "A KEY", SPAN_OF(body));
	for (size_t n = 1; n < w.len; n++) {
		struct pem_reader r = pem_reader_init(span_of(text, n));
		assert_int_equal(pem_next(&r, &b), PEM_BAD);
	}
	for (size_t bit = 0; bit < 8 * w.len; bit++) {
		text[bit / 8] ^= (uint8_t)(1u << bit % 8);
		struct pem_reader r = pem_reader_init(writer_span(&w));
		if (pem_next(&r, &b) == PEM_BLOCK && pem_decode(&b, to, sizeof(to), &len))
			assert_false(len == sizeof(body) && memcmp(to, body, len) == 0);
		text[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(several),
		cmocka_unit_test(bad_texts),
		cmocka_unit_test(bad_bodies),
		cmocka_unit_test(damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
