/* fwknop packets in parts: carriers, secrets and the fields of the plaintext, one line a case. */

#include <sodium.h>

#include "fwknop_vector.h"

/* ------------------------------------------------------------------ carriers */

static enum fwknop_reject take(enum fwknop_carrier carrier, const char *text)
{
	struct fwknop_text t;
	return fwknop_text_take(carrier, span_of(text, strlen(text)), &t);
}

static void test_lengths(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		enum fwknop_reject want;
	} cases[] = {
		{ 0, FWKNOP_LENGTH },
		{ 139, FWKNOP_LENGTH },
		{ 140, FWKNOP_OK },
		{ 1500, FWKNOP_OK },
		{ 1501, FWKNOP_LENGTH },
		{ 2000, FWKNOP_LENGTH },
	};
	char text[2048];
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		for (int c = FWKNOP_BY_UDP; c <= FWKNOP_BY_ICMP; c++) {
			struct fwknop_text t;
			assert_int_equal(fwknop_text_take((enum fwknop_carrier)c,
						 span_of(text, cases[i].len), &t),
				cases[i].want);
		}
}

static void test_alphabet(void **state)
{
	(void)state;
	char text[141] = "";
	memset(text, 'x', 140);
	for (int c = 1; c < 256; c++) {
		text[70] = (char)c;
		bool is_good = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789+/",
				       c) != NULL;
		assert_int_equal(take(FWKNOP_BY_UDP, text), is_good ? FWKNOP_OK : FWKNOP_ALPHABET);
	}
}

/* The text of the first vector, in HTTP's alphabet, between before and after. */
static enum fwknop_reject take_http(const char *before, const char *after, struct fwknop_text *ret)
{
	char all[FWKNOP_HTTP_MAX], path[FWKNOP_TEXT_MAX + 1];
	snprintf(path, sizeof(path), "%s", vectors[0].wire);
	for (char *p = path; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	snprintf(all, sizeof(all), "%s%s%s", before, path, after);
	return fwknop_text_take(FWKNOP_BY_TCP, span_of(all, strlen(all)), ret);
}

static void test_http(void **state)
{
	(void)state;
	static const struct {
		const char *before, *after;
		enum fwknop_reject want;
	} cases[] = {
		{ "GET /", " HTTP/1.1\r\nHost: h\r\n\r\n", FWKNOP_OK },
		{ "GET /", " HTTP/1.0\r\n", FWKNOP_OK },
		{ "GET http://h.example/", " HTTP/1.1\r\n", FWKNOP_OK },
		{ "GET http://192.0.2.1:62201/", " HTTP/1.1\r\n", FWKNOP_OK },
		{ "GET http:///", " HTTP/1.1\r\n", FWKNOP_CARRIER },
		{ "GET https://h/", " HTTP/1.1\r\n", FWKNOP_CARRIER },
		{ "GET http://", " HTTP/1.1\r\n", FWKNOP_CARRIER },
		{ "GET ", " HTTP/1.1\r\n", FWKNOP_CARRIER },
		{ "GET  /", " HTTP/1.1\r\n", FWKNOP_CARRIER },
		{ "GET /", " HTTP/2.0\r\n", FWKNOP_CARRIER },
		{ "GET /", " HTTP/1.1\n", FWKNOP_CARRIER },
		{ "GET /", " HTTP/1.1", FWKNOP_CARRIER },
		{ "GET /", "  HTTP/1.1\r\n", FWKNOP_CARRIER },
		{ "GET /", "", FWKNOP_CARRIER },
		{ "GET //", " HTTP/1.1\r\n", FWKNOP_ALPHABET },
		{ "GET /", "+ HTTP/1.1\r\n", FWKNOP_ALPHABET },
		{ "GET /", "= HTTP/1.1\r\n", FWKNOP_ALPHABET },
		{ "GET /", "?x HTTP/1.1\r\n", FWKNOP_ALPHABET },
		{ "GET /U2FsdGVkX1", " HTTP/1.1\r\n", FWKNOP_PREFIX },
		{ "POST /", " HTTP/1.1\r\n", FWKNOP_ALPHABET },
		{ "get /", " HTTP/1.1\r\n", FWKNOP_ALPHABET },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fwknop_text t = { 0 };
		TEST_CASE(cases[i].before,
			take_http(cases[i].before, cases[i].after, &t) == cases[i].want);
		if (cases[i].want == FWKNOP_OK)
			TEST_CASE(cases[i].before,
				t.len == strlen(vectors[0].wire) &&
					memcmp(t.text, vectors[0].wire, t.len) == 0);
	}
	assert_int_equal(take(FWKNOP_BY_TCP, "GET / HTTP/1.1\r\n"), FWKNOP_LENGTH);
	assert_int_equal(take(FWKNOP_BY_TCP, vectors[0].wire), FWKNOP_OK);
	assert_int_equal(take(FWKNOP_BY_ICMP, vectors[0].wire), FWKNOP_OK);

	/* By UDP it is no request. */
	char get[FWKNOP_HTTP_MAX];
	struct fwknop_text text = fwknop_text_of(vectors[0].wire), back;
	size_t len = fwknop_http(&text, "h.example", false, get);
	assert_int_equal(
		fwknop_text_take(FWKNOP_BY_UDP, span_of(get, len), &back), FWKNOP_ALPHABET);
}

static void test_http_written(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		bool is_good;
	} cases[] = {
		{ "h.example", true },
		{ "[2001:db8::1]:8080", true },
		{ "", false },
		{ "a b", false },
		{ "a/b", false },
		{ "a\r\nb", false },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		for (int by_proxy = 0; by_proxy < 2; by_proxy++) {
			char get[FWKNOP_HTTP_MAX];
			struct fwknop_text text = fwknop_text_of(vectors[0].wire), back;
			size_t len = fwknop_http(&text, cases[i].host, by_proxy != 0, get);
			TEST_CASE(cases[i].host, (len != 0) == cases[i].is_good);
			if (!cases[i].is_good)
				continue;
			assert_int_equal(fwknop_text_take(FWKNOP_BY_TCP, span_of(get, len), &back),
				FWKNOP_OK);
			assert_memory_equal(&back, &text, sizeof(text));
			assert_non_null(strstr(get, "\r\nUser-Agent: Fwknop/"));
			assert_string_equal(get + len - 4, "\r\n\r\n");
		}
	struct fwknop_text text = { .len = FWKNOP_TEXT_MAX };
	char get[FWKNOP_HTTP_MAX], host[FWKNOP_HOST_MAX + 1];
	memset(text.text, 'x', sizeof(text.text));
	memset(host, 'h', FWKNOP_HOST_MAX);
	host[FWKNOP_HOST_MAX] = '\0';
	assert_int_not_equal(fwknop_http(&text, host, false, get), 0);
	assert_int_equal(fwknop_http(&text, host, true, get), 0);
}

/* ------------------------------------------------------------------ secrets */

static void test_secrets(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		size_t key_len, hmac_key_len; /* 0: refused */
	} cases[] = {
		{ "base64", "KEY_BASE64 AAECAw==\nHMAC_KEY_BASE64 QEFC\n", 4, 3 },
		{ "no padding", "KEY_BASE64 AAECAw\nHMAC_KEY_BASE64 QEFC", 4, 3 },
		{ "text", "KEY correct horse\nHMAC_KEY\tsome text ;\n", 13, 9 },
		{ "comments", "# keys\n\n  KEY x;\r\n\t# more\n HMAC_KEY y # z", 1, 5 },
		{ "empty", "", 0, 0 },
		{ "no MAC key", "KEY x\n", 0, 0 },
		{ "no key", "HMAC_KEY x\n", 0, 0 },
		{ "two keys", "KEY x\nKEY_BASE64 AAAA\nHMAC_KEY y\n", 0, 0 },
		{ "two MAC keys", "KEY x\nHMAC_KEY y\nHMAC_KEY y\n", 0, 0 },
		{ "empty value", "KEY \nHMAC_KEY y\n", 0, 0 },
		{ "not base64", "KEY_BASE64 __CHANGEME__\nHMAC_KEY y\n", 0, 0 },
		{ "trailing bits", "KEY_BASE64 AAECAx==\nHMAC_KEY y\n", 0, 0 },
		{ "33 characters", "KEY 123456789012345678901234567890123\nHMAC_KEY y\n", 0, 0 },
		{ "32 characters", "KEY 12345678901234567890123456789012\nHMAC_KEY y\n", 32, 1 },
		{ "another word", "KEY x\nHMAC_KEY y\nSOURCE ANY\n", 0, 0 },
		{ "lower case", "key x\nHMAC_KEY y\n", 0, 0 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fwknop_secret s;
		struct fault f = { "" };
		bool is_good =
			fwknop_secret_parse(span_of(cases[i].text, strlen(cases[i].text)), &s, &f);
		TEST_CASE(cases[i].name, is_good == (cases[i].key_len != 0));
		TEST_CASE(cases[i].name, s.key_len == cases[i].key_len);
		TEST_CASE(cases[i].name, s.hmac_key_len == cases[i].hmac_key_len);
		TEST_CASE(cases[i].name, is_good || f.text[0] != '\0');
		TEST_CASE(cases[i].name,
			is_good || sodium_is_zero((const uint8_t *)&s, sizeof(s)) == 1);
	}
	struct fwknop_secret s;
	struct fault f;
	assert_true(fwknop_secret_from_base64("AAECAw==", "QEFC", &s, &f));
	assert_memory_equal(s.key, "\0\1\2\3", 4);
	assert_memory_equal(s.hmac_key, "@AB", 3);
	assert_false(fwknop_secret_from_base64("", "QEFC", &s, &f));
	assert_false(fwknop_secret_from_base64("AAECAw==", "Q", &s, &f));
	assert_int_equal(s.key_len, 0);
}

/* ------------------------------------------------------------------ fields */

/* %b(...) stands for the base64 of what is inside, to keep the cases readable. */
static size_t expand(const char *pattern, char *to, size_t cap)
{
	size_t len = 0;
	while (*pattern != '\0') {
		const char *end = strncmp(pattern, "%b(", 3) == 0 ? strchr(pattern, ')') : NULL;
		if (end == NULL) {
			to[len++] = *pattern++;
			continue;
		}
		sodium_bin2base64(to + len, cap - len, (const uint8_t *)pattern + 3,
			(size_t)(end - pattern) - 3, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
		len += strlen(to + len);
		pattern = end + 1;
	}
	to[len] = '\0';
	return len;
}

#define R "1234567890123456:"
#define A "%b(192.0.2.10,tcp/22)"
#define HEAD R "%b(alice):1795316502:3.0.0:"
#define LONG "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeee"
#define SIXTEEN                                                                                    \
	"tcp/1,tcp/2,tcp/3,tcp/4,tcp/5,tcp/6,tcp/7,tcp/8,tcp/9,udp/1,udp/2,udp/3,udp/4,udp/5,udp/" \
	"6,udp/7"

static const struct {
	const char *fields;
	enum fwknop_reject want;
} cases[] = {
	{ HEAD "1:" A, FWKNOP_OK },
	{ "", FWKNOP_FIELDS },
	{ ":::::", FWKNOP_RANDOM },
	{ HEAD "1", FWKNOP_FIELDS },
	{ HEAD "4:" A ":%b(h,1):%b(auth):60:60", FWKNOP_FIELDS },
	{ HEAD "1:" A ":" A ":" A ":" A, FWKNOP_FIELDS },
	{ HEAD "1:" A ":" A ":" A ":" A ":" A, FWKNOP_FIELDS },
	{ HEAD "1:" A ":", FWKNOP_AUTH },
	{ HEAD "1:" A ":%b(a,b)", FWKNOP_OK },
	{ HEAD "1:" A ":a!", FWKNOP_AUTH },
	{ HEAD "1:" A ":%b(a,b):60", FWKNOP_FIELDS },
	/* random */
	{ "123456789012345:%b(a):1:3:1:" A, FWKNOP_RANDOM },
	{ "12345678901234567:%b(a):1:3:1:" A, FWKNOP_RANDOM },
	{ "123456789012345x:%b(a):1:3:1:" A, FWKNOP_RANDOM },
	/* user */
	{ R ":1:3:1:" A, FWKNOP_USER },
	{ R "%b(" LONG "):1:3:1:" A, FWKNOP_OK },
	{ R "%b(" LONG "f):1:3:1:" A, FWKNOP_USER },
	{ R "%b(a b.c-d_e):1:3:1:" A, FWKNOP_OK },
	{ R "%b(a/b):1:3:1:" A, FWKNOP_USER },
	{ R "%b(a=b):1:3:1:" A, FWKNOP_USER },
	{ R "%b(a*):1:3:1:" A, FWKNOP_USER },
	{ R "%b(\x1b[2J):1:3:1:" A, FWKNOP_USER },
	{ R "%b(\xc3\xa4):1:3:1:" A, FWKNOP_USER },
	{ R "YWxpY2W:1:3:1:" A, FWKNOP_USER },
	{ R "YWxpY2U=:1:3:1:" A, FWKNOP_USER },
	{ R "YQBi:1:3:1:" A, FWKNOP_USER },
	/* time */
	{ R "%b(a)::3:1:" A, FWKNOP_TIME },
	{ R "%b(a):0:3:1:" A, FWKNOP_OK },
	{ R "%b(a):4294967295:3:1:" A, FWKNOP_OK },
	{ R "%b(a):4294967296:3:1:" A, FWKNOP_TIME },
	{ R "%b(a):18446744073709551617:3:1:" A, FWKNOP_TIME },
	{ R "%b(a):01:3:1:" A, FWKNOP_TIME },
	{ R "%b(a):-1:3:1:" A, FWKNOP_TIME },
	{ R "%b(a):+1:3:1:" A, FWKNOP_TIME },
	{ R "%b(a): 1:3:1:" A, FWKNOP_TIME },
	{ R "%b(a):1x:3:1:" A, FWKNOP_TIME },
	/* version */
	{ R "%b(a):1::1:" A, FWKNOP_VERSION },
	{ R "%b(a):1:2.0.2:1:" A, FWKNOP_OK },
	{ R "%b(a):1:12345678:1:" A, FWKNOP_OK },
	{ R "%b(a):1:123456789:1:" A, FWKNOP_VERSION },
	{ R "%b(a):1:\x07:1:" A, FWKNOP_VERSION },
	/* type */
	{ HEAD ":" A, FWKNOP_TYPE },
	{ HEAD "7:" A, FWKNOP_TYPE },
	{ HEAD "01:" A, FWKNOP_TYPE },
	{ HEAD "-1:" A, FWKNOP_TYPE },
	{ HEAD "0:%b(192.0.2.10,id)", FWKNOP_COMMAND },
	{ HEAD "2:" A, FWKNOP_FIELDS },
	{ HEAD "2:" A ":%b(h,1)", FWKNOP_OK },
	{ HEAD "2:" A ":%b(h,1):%b(auth)", FWKNOP_OK },
	{ HEAD "2:" A ":%b(h,1):%b(auth):60", FWKNOP_FIELDS },
	{ HEAD "3:" A, FWKNOP_FIELDS },
	{ HEAD "3:" A ":60", FWKNOP_OK },
	{ HEAD "3:" A ":%b(auth):60", FWKNOP_OK },
	{ HEAD "4:" A ":60", FWKNOP_FIELDS },
	{ HEAD "4:" A ":%b(h,1):60", FWKNOP_OK },
	{ HEAD "4:" A ":%b(h,1):%b(auth):60", FWKNOP_OK },
	{ HEAD "5:" A ":%b(h,1)", FWKNOP_OK },
	{ HEAD "6:" A ":%b(h,1):60", FWKNOP_OK },
	/* access */
	{ HEAD "1:", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp/22,)", FWKNOP_ACCESS },
	{ HEAD "1:%b(,tcp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(0.0.0.0,tcp/22)", FWKNOP_OK },
	{ HEAD "1:%b(2001:db8::1,tcp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(::ffff:1.2.3.4,tcp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(1.2.3,tcp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(1.2.3.256,tcp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(1.2.3.4 ,tcp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,udp/53,icmp/8,none/1)", FWKNOP_OK },
	{ HEAD "1:%b(192.0.2.10,sctp/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,TCP/22)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp/)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp/0)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp/65535)", FWKNOP_OK },
	{ HEAD "1:%b(192.0.2.10,tcp/65536)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp/022)", FWKNOP_ACCESS },
	{ HEAD "1:%b(192.0.2.10,tcp/22/1)", FWKNOP_ACCESS },
	{ HEAD "1:%b(1.2.3.4," SIXTEEN ")", FWKNOP_OK },
	{ HEAD "1:%b(1.2.3.4," SIXTEEN ",udp/8)", FWKNOP_ACCESS },
	{ HEAD "1:" A "=", FWKNOP_ACCESS },
	/* nat */
	{ HEAD "2:" A ":", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(10.1.1.2,55000)", FWKNOP_OK },
	{ HEAD "2:" A ":%b(10.1.1.2)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(,1)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(h,0)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(h,65536)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(h,1,2)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(a b,1)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(a'b,1)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(a\\b,1)", FWKNOP_NAT },
	{ HEAD "2:" A ":%b(a\nb,1)", FWKNOP_NAT },
	/* timeout */
	{ HEAD "3:" A ":", FWKNOP_TIMEOUT },
	{ HEAD "3:" A ":0", FWKNOP_OK },
	{ HEAD "3:" A ":65536", FWKNOP_OK },
	{ HEAD "3:" A ":65537", FWKNOP_TIMEOUT },
	{ HEAD "3:" A ":060", FWKNOP_TIMEOUT },
	{ HEAD "3:" A ":6O", FWKNOP_TIMEOUT },
};

static void test_fields(void **state)
{
	(void)state;
	char text[2048];
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fwknop_message m, untouched;
		memset(&m, 0x5a, sizeof(m));
		untouched = m;
		size_t len = expand(cases[i].fields, text, sizeof(text));
		enum fwknop_reject got = fwknop_fields_decode(span_of(text, len), &m);
		if (got != cases[i].want)
			fail_msg("\"%s\": %s", cases[i].fields, fwknop_reject_name(got));
		if (got != FWKNOP_OK)
			assert_memory_equal(&m, &untouched, sizeof(m));
	}
}

static void test_cut_fields(void **state)
{
	(void)state;
	char text[2048];
	struct fwknop_message m;
	size_t len = expand(HEAD "6:" A ":%b(10.1.1.2,55000):60", text, sizeof(text));
	/* The last number may lose its last digit and still be one. */
	for (size_t n = 0; n < len - 1; n++) {
		char *cut = malloc(n + 1);
		memcpy(cut, text, n);
		if (fwknop_fields_decode(span_of(cut, n), &m) == FWKNOP_OK)
			fail_msg("%zu of %zu characters are taken", n, len);
		free(cut);
	}
	assert_int_equal(fwknop_fields_decode(span_of(text, len), &m), FWKNOP_OK);
	assert_int_equal(fwknop_fields_decode(span_of(NULL, 0), &m), FWKNOP_FIELDS);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < FWKNOP_REJECT_COUNT; i++) {
		const char *name = fwknop_reject_name((enum fwknop_reject)i);
		assert_non_null(name);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, fwknop_reject_name((enum fwknop_reject)j));
	}
	assert_string_equal(fwknop_reject_name(FWKNOP_REJECT_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_alphabet),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_written),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_cut_fields),
		cmocka_unit_test(test_names),
	};
	if (sodium_init() < 0)
		return 1;
	fwknop_vectors_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
