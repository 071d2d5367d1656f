/* Server cards: round trip, every change refused, and one line a case for what may stand in one. */

#include "base/pem.h"
#include "fixture.h"
#include "knock/prekey.h"

static struct fixture x;

static struct prekey make_prekey(uint8_t id, const uint8_t sign_sk[64])
{
	struct prekey k = { .id = id, .not_after_ms = 1000 };
	memcpy(k.pk, x.target.prekey, sizeof(k.pk));
	prekey_sign(&k, sign_sk);
	return k;
}

static struct card *make_card(void)
{
	struct card *c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->port = 62201;
	memcpy(c->identity_pk, x.server_pk, 32);
	strcpy(c->name, "Gate1/QN/VSD");
	strcpy(c->service, "ssh");
	strcpy(c->host, "gate1.example.org");
	c->prekeys[0] = make_prekey(0, x.server_sign);
	c->prekeys[1] = make_prekey(1, x.server_sign);
	c->prekey_count = 2;
	memcpy(c->certs[0], "0123", 4);
	c->cert_len[0] = 4;
	c->cert_count = 1;
	return c;
}

static int parse(const char *text, struct card *ret)
{
	struct fault f = { "" };
	int rc = card_parse(span_of(text, strlen(text)), ret, &f);
	assert_true(rc == 0 || (rc == -22 && f.text[0] != '\0'));
	return rc;
}

static void test_round_trip(void **state)
{
	(void)state;
	struct card *c = make_card(), *back = calloc(1, sizeof(*back));
	char *text = card_format(c, x.server_sign);
	assert_non_null(text);
	assert_int_equal(parse(text, back), 0);
	assert_memory_equal(c, back, sizeof(*c));
	char *again = card_format(back, x.server_sign);
	assert_string_equal(text, again);
	free(again);
	free(text);

	/* All that may be there, as long as it may be; and as little. */
	c->has_stealth = true;
	memset(c->stealth, 0x5a, sizeof(c->stealth));
	memset(c->name, 'n', CARD_NAME_MAX);
	memset(c->service, 's', SPA_SELECTOR_MAX);
	memset(c->host, 'h', CARD_HOST_MAX);
	for (uint8_t i = 0; i < CARD_PREKEYS_MAX; i++)
		c->prekeys[i] = make_prekey(i, x.server_sign);
	c->prekey_count = CARD_PREKEYS_MAX;
	for (size_t i = 0; i < CARD_CERTS_MAX; i++) {
		memset(c->certs[i], 0x30 + (int)i, CARD_CERT_LEN_MAX);
		c->cert_len[i] = CARD_CERT_LEN_MAX;
	}
	c->cert_count = CARD_CERTS_MAX;
	text = card_format(c, x.server_sign);
	assert_non_null(text);
	assert_int_equal(parse(text, back), 0);
	assert_memory_equal(c, back, sizeof(*c));
	free(text);

	free(c);
	c = make_card();
	c->cert_count = 0;
	c->prekey_count = 1;
	c->service[0] = c->host[0] = '\0';
	text = card_format(c, x.server_sign);
	assert_non_null(text);
	assert_int_equal(parse(text, back), 0);
	assert_string_equal(back->host, "");
	free(text);
	free(c);
	free(back);
}

static void test_every_flip_and_truncation(void **state)
{
	(void)state;
	struct card *c = make_card(), *back = calloc(1, sizeof(*back));
	struct fault f;
	c->prekey_count = 1;
	char *text = card_format(c, x.server_sign);
	assert_non_null(text);
	size_t len = strlen(text);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		if (card_parse(span_of(text, len), back, &f) == 0)
			fail_msg("bit %zu is taken", bit);
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
	}
	for (size_t n = 0; n < len; n++) {
		char *cut = malloc(n + 1);
		memcpy(cut, text, n);
		if (card_parse(span_of(cut, n), back, &f) == 0)
			fail_msg("%zu bytes of %zu are taken", n, len);
		free(cut);
	}
	assert_int_equal(card_parse(span_of(text, len), back, &f), 0);
	/* Comments and blank lines are no part of a card. */
	char *noted = malloc(len + 32);
	snprintf(noted, len + 32, "# from Julia\n\n%s\n", text);
	assert_int_equal(parse(noted, back), 0);
	free(noted);
	free(text);
	free(c);
	free(back);
}

/* Card texts put together by hand: blocks as one letter each, signed over what stands before "S". */
static char *compose(const char *blocks, const uint8_t *card, size_t card_len)
{
	static char text[CARD_FILE_MAX + 8192];
	struct writer w = writer_init(text, sizeof(text) - 1);
	uint8_t hash[16 + 32] = "postern card v1", sig[64], record[PREKEY_LEN];
	crypto_hash_sha256_state st;
	crypto_hash_sha256_init(&st);
	for (const char *p = blocks; *p != '\0'; p++) {
		const char *label = "POSTERN OTHER";
		struct span body = span_of("?", 1);
		struct prekey k = make_prekey(1, *p == 'Q' ? x.client_sign : x.server_sign);
		prekey_encode(&k, record);
		if (*p == 'C') {
			label = "POSTERN CARD";
			body = span_of(card, card_len);
		} else if (*p == 'P' || *p == 'Q') {
			label = "POSTERN PREKEY";
			body = SPAN_OF(record);
		} else if (*p == 'X') {
			label = "CERTIFICATE";
		} else if (*p == 'E') {
			label = "CERTIFICATE";
			body.len = 0;
		} else if (*p == 'S') {
			crypto_hash_sha256_state copy = st;
			crypto_hash_sha256_final(&copy, hash + 16);
			crypto_sign_detached(sig, NULL, hash, sizeof(hash), x.server_sign);
			label = "POSTERN CARD SIGNATURE";
			body = SPAN_OF(sig);
		}
		uint8_t len_be[4] = { 0, 0, (uint8_t)(body.len >> 8), (uint8_t)body.len };
		crypto_hash_sha256_update(&st, len_be, 4);
		crypto_hash_sha256_update(&st, body.data, body.len);
		pem_write(&w, label, body);
	}
	assert_false(w.is_full);
	text[w.len] = '\0';
	return text;
}

/* A card body: the fixed part, then name, service and host. */
static size_t put_body(uint8_t to[1024], struct span name, struct span service, struct span host)
{
	struct writer w = writer_init(to, 1024);
	writer_u8(&w, 1);
	writer_u8(&w, 0);
	writer_u16(&w, 62201);
	writer_put(&w, x.server_pk, 32);
	writer_u8(&w, (uint8_t)name.len);
	writer_put(&w, name.data, name.len);
	writer_u8(&w, (uint8_t)service.len);
	writer_put(&w, service.data, service.len);
	writer_u8(&w, (uint8_t)host.len);
	writer_put(&w, host.data, host.len);
	return w.len;
}

#define S(literal)                                                                                 \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}

static void test_order_of_blocks(void **state)
{
	(void)state;
	static const struct {
		const char *blocks;
		int want;
	} cases[] = {
		{ "CPS", 0 },
		{ "CPPXXS", 0 },
		{ "CPPPPPPPPXXXXXXXXS", 0 },
		{ "CPPPPPPPPPS", -22 },
		{ "CPXXXXXXXXXS", -22 },
		{ "", -22 },
		{ "C", -22 },
		{ "CP", -22 },
		{ "CPX", -22 },
		{ "CS", -22 },
		{ "CXS", -22 },
		{ "PS", -22 },
		{ "PCS", -22 },
		{ "XCPS", -22 },
		{ "SCP", -22 },
		{ "CCPS", -22 },
		{ "CPCS", -22 },
		{ "CXPS", -22 },
		{ "CPXPS", -22 },
		{ "CPSS", -22 },
		{ "CPSP", -22 },
		{ "CPSX", -22 },
		{ "CPSCPS", -22 },
		{ "CPOS", -22 },
		{ "OCPS", -22 },
		{ "CPSO", -22 },
		{ "CQS", -22 },
		{ "CPQS", -22 },
		{ "CPES", -22 },
	};
	uint8_t body[1024];
	struct card *back = calloc(1, sizeof(*back));
	struct span name = S("Gate1/VSD"), none = { NULL, 0 };
	size_t len = put_body(body, name, none, none);
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].blocks,
			parse(compose(cases[i].blocks, body, len), back) == cases[i].want);
	free(back);
}

static void test_body_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
		int want;
	} cases[] = {
		{ "as it is", 0, 1, 0 },
		{ "version 0", 0, 0, -22 },
		{ "version 2", 0, 2, -22 },
		{ "stealth flag without secret", 1, 1, -22 },
		{ "flag 2", 1, 2, -22 },
		{ "flag 128", 1, 128, -22 },
		{ "another identity key", 10, 0x55, -22 },
		{ "name too long", 36, 201, -22 },
		{ "name shorter", 36, 8, -22 },
		{ "name empty", 36, 0, -22 },
	};
	uint8_t body[1024];
	struct card *back = calloc(1, sizeof(*back));
	struct span name = S("Gate1/VSD"), none = { NULL, 0 };
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t len = put_body(body, name, none, none);
		body[cases[i].at] = cases[i].value;
		TEST_CASE(cases[i].name, parse(compose("CPS", body, len), back) == cases[i].want);
	}
	size_t len = put_body(body, name, none, none);
	body[2] = body[3] = 0;
	assert_int_equal(parse(compose("CPS", body, len), back), -22);
	len = put_body(body, name, none, none);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(compose("CPS", body, n), back), -22);
	body[len] = 0;
	assert_int_equal(parse(compose("CPS", body, len + 1), back), -22);
	body[1] = 1;
	memset(body + len, 7, 32);
	assert_int_equal(parse(compose("CPS", body, len + 32), back), 0);
	assert_true(back->has_stealth);
	assert_int_equal(back->stealth[31], 7);
	free(back);
}

static void test_texts(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct span name, service, host;
		int want;
	} cases[] = {
		{ "plain", S("Gate1/VSD"), S("ssh"), S("gate1.example.org"), 0 },
		{ "IPv6 host", S("G/VSD"), S(""), S("2001:db8::1"), 0 },
		{ "scoped host", S("G/VSD"), S(""), S("fe80::1%eth0"), 0 },
		{ "host with a blank", S("G/VSD"), S(""), S("a b"), -22 },
		{ "host as an option", S("G/VSD"), S(""), S("-oProxyCommand"), -22 },
		{ "host as a format", S("G/VSD"), S(""), S("%h"), -22 },
		{ "host with a NUL", S("G/VSD"), S(""), S("a\0b"), -22 },
		{ "host with a slash", S("G/VSD"), S(""), S("a/b"), -22 },
		{ "host with a line end", S("G/VSD"), S(""), S("a\nb"), -22 },
		{ "service in upper case", S("G/VSD"), S("SSH"), S(""), -22 },
		{ "service with a NUL", S("G/VSD"), S("s\0"), S(""), -22 },
		{ "name in UTF-8", S("Tor\xc3\xb6/\xe4\xb8\xad/\xf0\x9f\x9a\xaa"), S(""), S(""),
			0 },
		{ "name with a NUL", S("G\0/VSD"), S(""), S(""), -22 },
		{ "name with an escape", S("G\x1b[2J"), S(""), S(""), -22 },
		{ "name with DEL", S("G\x7f"), S(""), S(""), -22 },
		{ "name with a C1 control", S("G\xc2\x9b"), S(""), S(""), -22 },
		{ "first after C1", S("G\xc2\xa0"), S(""), S(""), 0 },
		{ "lone continuation", S("G\x80"), S(""), S(""), -22 },
		{ "cut character", S("G\xc3"), S(""), S(""), -22 },
		{ "cut in the middle", S("G\xe4\xb8/"), S(""), S(""), -22 },
		{ "overlong slash", S("G\xc0\xaf"), S(""), S(""), -22 },
		{ "overlong of three", S("G\xe0\x80\xaf"), S(""), S(""), -22 },
		{ "overlong of four", S("G\xf0\x80\x80\xaf"), S(""), S(""), -22 },
		{ "surrogate", S("G\xed\xa0\x80"), S(""), S(""), -22 },
		{ "past U+10FFFF", S("G\xf4\x90\x80\x80"), S(""), S(""), -22 },
		{ "five bytes", S("G\xf8\x88\x80\x80\x80"), S(""), S(""), -22 },
		{ "0xff", S("G\xff"), S(""), S(""), -22 },
	};
	uint8_t body[1024];
	struct card *back = calloc(1, sizeof(*back));
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t len = put_body(body, cases[i].name, cases[i].service, cases[i].host);
		TEST_CASE(cases[i].what, parse(compose("CPS", body, len), back) == cases[i].want);
	}
	free(back);
}

static void test_format_refuses(void **state)
{
	(void)state;
	struct card *c = make_card();
	assert_null(card_format(c, x.client_sign));
	c->prekey_count = 0;
	assert_null(card_format(c, x.server_sign));
	c->prekey_count = CARD_PREKEYS_MAX + 1;
	assert_null(card_format(c, x.server_sign));
	c->prekey_count = 2;
	c->cert_len[0] = CARD_CERT_LEN_MAX + 1;
	assert_null(card_format(c, x.server_sign));
	c->cert_len[0] = 4;
	c->prekeys[1].pk[0] ^= 1;
	assert_null(card_format(c, x.server_sign));
	c->prekeys[1].pk[0] ^= 1;
	strcpy(c->service, "SSH");
	assert_null(card_format(c, x.server_sign));
	free(c);
}

static void test_too_long(void **state)
{
	(void)state;
	static uint8_t blank[CARD_FILE_MAX + 1];
	struct fault f;
	struct card *back = calloc(1, sizeof(*back));
	memset(blank, '\n', sizeof(blank));
	assert_int_equal(card_parse(SPAN_OF(blank), back, &f), -22);
	assert_non_null(strstr(f.text, "longer"));
	assert_int_equal(card_parse(span_of(blank, CARD_FILE_MAX), back, &f), -22);
	assert_non_null(strstr(f.text, "not a server card"));
	free(back);
}

static int set_up(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	fixture_init(&x);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_flip_and_truncation),
		cmocka_unit_test(test_order_of_blocks),
		cmocka_unit_test(test_body_bytes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_format_refuses),
		cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
