/*
 * First bytes: those of real clients and servers, in every piece, with every bit turned, and each protocol's
 * through the port of every other.
 */

#include "relay/speaks.h"
#include "test.h"

#define VECTORS_MAX 64
#define BYTES_MAX 512

struct vector {
	enum config_speaks kind;
	enum speaks_side side;
	char name[48];
	uint8_t bytes[BYTES_MAX];
	size_t len;
};

static struct vector vectors[VECTORS_MAX];
static size_t vector_count;

static const struct config_first_bytes nothing = { 0 };

static enum config_speaks kind_of(const char *word)
{
	for (enum config_speaks k = CONFIG_SPEAKS_ANY; k < CONFIG_SPEAKS_HEX; k++)
		if (strcmp(speaks_name(k), word) == 0)
			return k;
	fail_msg("no protocol %s", word);
	return CONFIG_SPEAKS_ANY;
}

static void add(char *line)
{
	struct vector *v = &vectors[vector_count++];
	char *word[4], *rest = line;
	assert_in_range(vector_count, 1, VECTORS_MAX);
	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < TEST_LEN(word); i++) {
		word[i] = strsep(&rest, "|");
		assert_non_null(word[i]);
	}
	v->kind = kind_of(word[0]);
	v->side = strcmp(word[1], "client") == 0 ? SPEAKS_CLIENT : SPEAKS_INNER;
	snprintf(v->name, sizeof(v->name), "%s", word[2]);
	for (const char *hex = word[3]; *hex != '\0'; hex += 2) {
		unsigned b = 0;
		assert_true(v->len < BYTES_MAX && sscanf(hex, "%2x", &b) == 1);
		v->bytes[v->len++] = (uint8_t)b;
	}
}

static int load_vectors(void **state)
{
	(void)state;
	char line[2 * BYTES_MAX + 128];
	FILE *f = fopen(TEST_VECTORS "/relay/speaks.txt", "re");
	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (line[0] != '#')
			add(line);
	fclose(f);
	return 0;
}

/* One that has seen the greeting, where one is needed. */
static struct speaks greeted(enum config_speaks kind)
{
	struct speaks s;
	speaks_init(&s, kind, &nothing, &nothing);
	s.has_fitted[SPEAKS_INNER] = true;
	return s;
}

static enum speaks_verdict look(
	enum config_speaks kind, enum speaks_side side, const void *bytes, size_t len, bool is_end)
{
	struct speaks s;
	speaks_init(&s, kind, &nothing, &nothing);
	if (side == SPEAKS_CLIENT)
		s = greeted(kind);
	enum speaks_verdict v = speaks_look(&s, side, span_of(bytes, len), is_end);
	assert_true(v != SPEAKS_MISFIT || s.flaw != NULL);
	assert_int_equal(s.has_fitted[side], v == SPEAKS_FITS);
	return v;
}

/* Every beginning has the verdict of the whole, or none yet; and a verdict stays. */
static void check_beginnings(const char *name, const struct vector *v, enum speaks_verdict whole)
{
	enum speaks_verdict last = SPEAKS_MORE;
	for (size_t n = 0; n <= v->len; n++) {
		enum speaks_verdict now = look(v->kind, v->side, v->bytes, n, false);
		TEST_CASE(name, now == SPEAKS_MORE || now == whole);
		TEST_CASE(name, last == SPEAKS_MORE || now == last);
		if (n > 0 && now == SPEAKS_MORE)
			TEST_CASE(name, look(v->kind, v->side, v->bytes, n, true) == SPEAKS_MISFIT);
		last = now;
	}
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		TEST_CASE(v->name, look(v->kind, v->side, v->bytes, v->len, false) == SPEAKS_FITS);
		check_beginnings(v->name, v, SPEAKS_FITS);
	}
}

static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		struct vector v = vectors[i];
		for (size_t bit = 0; bit < 8 * v.len && bit < 8 * 32; bit++) {
			v.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			check_beginnings(v.name, &v, look(v.kind, v.side, v.bytes, v.len, false));
			v.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* PostgreSQL's server may say one letter and no more before it hears the client again. */
static bool is_excused(const struct vector *v, enum config_speaks kind)
{
	return kind == CONFIG_SPEAKS_POSTGRES && v->side == SPEAKS_INNER &&
		memchr("SNGERv", v->bytes[0], 6) != NULL;
}

static void test_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		for (enum config_speaks k = CONFIG_SPEAKS_SSH; k < CONFIG_SPEAKS_HEX; k++) {
			bool is_own = k == v->kind || is_excused(v, k);
			TEST_CASE(v->name,
				look(k, v->side, v->bytes, v->len, true) ==
					(is_own ? SPEAKS_FITS : SPEAKS_MISFIT));
		}
		TEST_CASE(v->name,
			look(CONFIG_SPEAKS_ANY, v->side, v->bytes, v->len, false) == SPEAKS_FITS);
	}
}

#define BYTES(text) (text), sizeof(text) - 1

static void test_misfits(void **state)
{
	(void)state;
	static const struct {
		enum config_speaks kind;
		enum speaks_side side;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ CONFIG_SPEAKS_SSH, SPEAKS_CLIENT, BYTES("GET") },
		{ CONFIG_SPEAKS_SSH, SPEAKS_CLIENT, BYTES("SSH-1.5-") },
		{ CONFIG_SPEAKS_SSH, SPEAKS_CLIENT, BYTES("ssh-2.0-") },
		{ CONFIG_SPEAKS_SSH, SPEAKS_CLIENT, BYTES("hello\r\nSSH-2.0-x") },
		{ CONFIG_SPEAKS_SSH, SPEAKS_INNER, BYTES("a\nSSH-1.5-x") },
		{ CONFIG_SPEAKS_SSH, SPEAKS_INNER, BYTES("a\0") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("G") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x15\3\1\0\2\1\0") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\2") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\5") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\1\0\0") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\1\x40\1") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\1\1\0\2") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\1\1\0\1\0\0\x25") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\1\1\0\1\2\0\0") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x16\3\1\1\0\1\0\0\xfc\2\3") },
		/* SSL 2.0's way to say it, RFC 6176 */
		{ CONFIG_SPEAKS_TLS, SPEAKS_CLIENT, BYTES("\x80\x2e\1\3\1") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_INNER, BYTES("\x16\3\3\0\x7a\1") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_INNER, BYTES("\x15\3\3\0\3\2") },
		{ CONFIG_SPEAKS_TLS, SPEAKS_INNER, BYTES("\x15\3\3\0\2\3") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_CLIENT, BYTES("MAIL ") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_CLIENT, BYTES("GET ") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_CLIENT, BYTES("EHLOX") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_CLIENT, BYTES("EHL ") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_CLIENT, BYTES(" EHLO") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_CLIENT, BYTES("\r\n") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_INNER, BYTES("221") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_INNER, BYTES("2200") },
		{ CONFIG_SPEAKS_SMTP, SPEAKS_INNER, BYTES("+OK") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_CLIENT, BYTES("a1 USER ") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_CLIENT, BYTES("GET / ") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_CLIENT, BYTES("+") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_CLIENT, BYTES("a\r\n") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_INNER, BYTES("* NO ") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_INNER, BYTES("*OK") },
		{ CONFIG_SPEAKS_IMAP, SPEAKS_INNER, BYTES("+OK ") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("GET / HTTP/2.0\r") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("GET /\r\n") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("GET  ") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("GET / HTTP/1.1 ") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("GET / HTTP/1.x") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("G\xc3") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("SSH-2.0-x\r\n") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_INNER, BYTES("HTTP/1.1 600") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_INNER, BYTES("HTTP/1.1200") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_INNER, BYTES("HTTP/1.1 2O0") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_INNER, BYTES("\0\0\7") },
		{ CONFIG_SPEAKS_HTTP, SPEAKS_INNER, BYTES("\0\0\0\4\1") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("G") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("\0\1") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("\0\0\0\x32\0\2\0\0") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("\0\0\0\x8\0\3\0\0") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("\0\0\x27\x11\0\3\0\0") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("\0\0\0\x9\4\xd2\x16\x2f") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_CLIENT, BYTES("\0\0\0\xf\4\xd2\x16\x2e") },
		{ CONFIG_SPEAKS_POSTGRES, SPEAKS_INNER, BYTES("H") },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char name[64];
		snprintf(name, sizeof(name), "%zu, %s", i, speaks_name(cases[i].kind));
		TEST_CASE(name,
			look(cases[i].kind, cases[i].side, cases[i].bytes, cases[i].len, false) ==
				SPEAKS_MISFIT);
		/* It is the last byte that is wrong, or one before it. */
		enum speaks_verdict early =
			look(cases[i].kind, cases[i].side, cases[i].bytes, 1, false);
		TEST_CASE(name, early != SPEAKS_FITS);
	}
}

static void test_hex(void **state)
{
	(void)state;
	static const struct config_first_bytes client = { 3, { 0x0f, 0, 0x1a } };
	struct speaks s;
	speaks_init(&s, CONFIG_SPEAKS_HEX, &client, &nothing);
	assert_int_equal(speaks_look(&s, SPEAKS_CLIENT, span_of("\x0f\0", 2), false), SPEAKS_MORE);
	assert_int_equal(speaks_look(&s, SPEAKS_CLIENT, span_of("\x0f\0", 2), true), SPEAKS_MISFIT);
	assert_int_equal(
		speaks_look(&s, SPEAKS_CLIENT, span_of("\x0f\1", 2), false), SPEAKS_MISFIT);
	assert_int_equal(
		speaks_look(&s, SPEAKS_CLIENT, span_of("\x0f\0\x1ax", 4), false), SPEAKS_FITS);
	assert_int_equal(speaks_look(&s, SPEAKS_INNER, span_of("x", 1), false), SPEAKS_FITS);
}

static void test_greeting(void **state)
{
	(void)state;
	struct speaks s;
	speaks_init(&s, CONFIG_SPEAKS_SMTP, &nothing, &nothing);
	struct speaks early = s;
	assert_int_equal(
		speaks_look(&early, SPEAKS_CLIENT, span_of("EHLO x", 6), false), SPEAKS_MISFIT);
	assert_string_equal(early.flaw, "it spoke before the server's greeting");
	/* Nothing of the greeting has gone on while it is not whole, so it is too early still. */
	assert_int_equal(speaks_look(&s, SPEAKS_INNER, span_of("22", 2), false), SPEAKS_MORE);
	early = s;
	assert_int_equal(
		speaks_look(&early, SPEAKS_CLIENT, span_of("EHLO x", 6), false), SPEAKS_MISFIT);
	assert_int_equal(speaks_look(&s, SPEAKS_INNER, span_of("220 ", 4), false), SPEAKS_FITS);
	assert_int_equal(speaks_look(&s, SPEAKS_CLIENT, span_of("EHLO x", 6), false), SPEAKS_FITS);
}

static void test_ends(void **state)
{
	(void)state;
	for (enum config_speaks k = CONFIG_SPEAKS_ANY; k <= CONFIG_SPEAKS_HEX; k++) {
		struct speaks s;
		speaks_init(&s, k, &nothing, &nothing);
		/* Before a word of the other side, and without one of its own. */
		assert_int_equal(
			speaks_look(&s, SPEAKS_CLIENT, (struct span){ 0 }, false), SPEAKS_MORE);
		assert_int_equal(
			speaks_look(&s, SPEAKS_CLIENT, (struct span){ 0 }, true), SPEAKS_FITS);
		assert_int_equal(
			speaks_look(&s, SPEAKS_INNER, (struct span){ 0 }, true), SPEAKS_FITS);
	}
}

/* A line that goes on and on is no line. */
static void test_limit(void **state)
{
	(void)state;
	static uint8_t bytes[SPEAKS_MAX + 64];
	memset(bytes, 'a', sizeof(bytes));
	assert_int_equal(
		look(CONFIG_SPEAKS_SSH, SPEAKS_INNER, bytes, SPEAKS_MAX - 1, false), SPEAKS_MORE);
	assert_int_equal(
		look(CONFIG_SPEAKS_SSH, SPEAKS_INNER, bytes, SPEAKS_MAX, false), SPEAKS_MISFIT);
	memcpy(bytes + SPEAKS_MAX - 5, "\nSSH-2.0-x", 10);
	assert_int_equal(
		look(CONFIG_SPEAKS_SSH, SPEAKS_INNER, bytes, sizeof(bytes), false), SPEAKS_MISFIT);
	memset(bytes, 'a', sizeof(bytes));
	memcpy(bytes, "GET ", 4);
	memcpy(bytes + SPEAKS_MAX - 10, " HTTP/1.1\r", 10);
	assert_int_equal(
		look(CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, bytes, sizeof(bytes), false), SPEAKS_FITS);
	memcpy(bytes + SPEAKS_MAX - 10, "a HTTP/1.1\r", 11);
	assert_int_equal(look(CONFIG_SPEAKS_HTTP, SPEAKS_CLIENT, bytes, sizeof(bytes), false),
		SPEAKS_MISFIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, load_vectors, NULL);
}
