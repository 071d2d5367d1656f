/*
 * One whole handshake with a libssl server between memory buffers: what it sends is a certificate of our own,
 * what it says within TLS is scripted.
 */

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "audit/hello.h"
#include "audit/session.h"
#include "test.h"

#define PLAIN_MAX 256

static EVP_PKEY *key;
static X509 *cert;
static uint8_t der[1024];
static size_t der_len;

static int make_cert(void **state)
{
	uint8_t *to = der;
	(void)state;
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		(const unsigned char *)"mail.test", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	if (key == NULL || X509_sign(cert, key, EVP_sha256()) <= 0)
		return -1;
	der_len = (size_t)i2d_X509(cert, &to);
	return 0;
}

static int free_cert(void **state)
{
	(void)state;
	X509_free(cert);
	EVP_PKEY_free(key);
	return 0;
}

struct server {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* of ssl */
	char name[64]; /* that was asked for */
	char heard[PLAIN_MAX + 1];
	size_t heard_len;
	bool is_open;
};

static int staple(SSL *ssl, void *arg)
{
	unsigned char *answer = OPENSSL_memdup("staple", 6);
	(void)arg;
	SSL_set_tlsext_status_ocsp_resp(ssl, answer, 6);
	return SSL_TLSEXT_ERR_OK;
}

static void server_init(struct server *s, int version)
{
	*s = (struct server){ .ctx = SSL_CTX_new(TLS_server_method()) };
	SSL_CTX_set_security_level(s->ctx, 0);
	assert_int_equal(SSL_CTX_set_min_proto_version(s->ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(s->ctx, version), 1);
	SSL_CTX_set_cipher_list(s->ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_use_certificate(s->ctx, cert);
	SSL_CTX_use_PrivateKey(s->ctx, key);
	SSL_CTX_set_tlsext_status_cb(s->ctx, staple);
	s->ssl = SSL_new(s->ctx);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	SSL_set_bio(s->ssl, s->in, s->out);
}

static void server_deinit(struct server *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
}

/* Bytes of the client; says what it has to say once it is spoken to within TLS. */
static void server_feed(struct server *s, const uint8_t *bytes, size_t len, const char *says)
{
	char plain[PLAIN_MAX];
	int n;
	BIO_write(s->in, bytes, (int)len);
	if (!s->is_open && SSL_accept(s->ssl) == 1) {
		const char *name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(s->name, sizeof(s->name), "%s", name != NULL ? name : "");
		s->is_open = true;
	}
	size_t before = s->heard_len;
	while (s->is_open && (n = SSL_read(s->ssl, plain, sizeof(plain))) > 0)
		for (int i = 0; i < n && s->heard_len < PLAIN_MAX; i++)
			s->heard[s->heard_len++] = plain[i];
	if (before == 0 && s->heard_len > 0)
		SSL_write(s->ssl, says, (int)strlen(says));
}

/* Until nobody has anything to say, in pieces. Returns what the session said last. */
static bool talk(struct audit_session *s, struct server *server, const uint8_t *hello,
	size_t hello_len, const char *says, size_t piece)
{
	uint8_t to[AUDIT_HELLO_MAX], from[AUDIT_HELLO_MAX];
	bool goes_on = true;
	server_feed(server, hello, hello_len, says);
	for (;;) {
		size_t len = 0;
		int n = BIO_read(
			server->out, from, piece < sizeof(from) ? (int)piece : (int)sizeof(from));
		if (n <= 0)
			return goes_on;
		goes_on = audit_session_more(
			s, NULL, span_of(from, (size_t)n), false, to, sizeof(to), &len);
		if (!goes_on)
			return false;
		server_feed(server, to, len, says);
	}
}

static struct audit_target target_of(enum audit_starttls kind, const char *host)
{
	struct audit_target t = { .starttls = kind, .port = 25 };
	snprintf(t.host, sizeof(t.host), "%s", host);
	return t;
}

static void check_chain(struct audit_session *s, const struct audit_target *t, int version)
{
	struct audit_facts *f = audit_facts_new(t);
	assert_non_null(f);
	assert_true(audit_session_chain(s, f));
	assert_int_equal(f->chain_count, 1);
	assert_int_equal(audit_version_code(f->chains[0].version), version);
	assert_int_equal(f->chains[0].is_without_name, t->host[0] != 'm');
	assert_int_equal(f->chains[0].count, 1);
	assert_int_equal(f->chains[0].certs[0].len, der_len);
	assert_memory_equal(f->chains[0].certs[0].der, der, der_len);
	assert_int_equal(f->chains[0].staple_len, 6);
	assert_memory_equal(f->chains[0].staple, "staple", 6);
	audit_facts_free(f);
}

static void test_fetch(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
		TLS1_3_VERSION };
	static const char *const hosts[] = { "mail.test", "192.0.2.1", "" };
	uint8_t hello[AUDIT_HELLO_MAX];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(versions) * TEST_LEN(hosts); i++) {
		struct server server;
		struct audit_target t = target_of(AUDIT_SMTP, hosts[i % TEST_LEN(hosts)]);
		int version = versions[i / TEST_LEN(hosts)];
		size_t len = 0;
		server_init(&server, version);
		struct audit_session *s = audit_session_new(AUDIT_SESSION_FETCH, &t, hello, &len);
		assert_non_null(s);
		assert_true(len > 0);
		assert_false(talk(s, &server, hello, len, "", i % 2 == 0 ? 100000 : 1));
		assert_true(audit_session_is_open(s));
		assert_int_equal(audit_session_answer(s), AUDIT_UNKNOWN);
		check_chain(s, &t, version);
		audit_session_free(s);
		server_deinit(&server);
	}
}

static const struct inside {
	const char *name;
	enum audit_starttls kind;
	const char *says;
	enum audit_answer answer;
	const char *heard; /* by the server, within TLS */
} insides[] = {
	{ "smtp: answered", AUDIT_SMTP, "250 2.0.0 ok\r\n221 bye\r\n", AUDIT_YES, "QUIT\r\n" },
	{ "smtp: forgotten", AUDIT_SMTP, "221 bye\r\n", AUDIT_NO, "QUIT\r\n" },
	{ "smtp: greets again", AUDIT_SMTP, "220 hi\r\n221 bye\r\n", AUDIT_NO, "QUIT\r\n" },
	{ "smtp: nothing", AUDIT_SMTP, "", AUDIT_UNKNOWN, "QUIT\r\n" },
	{ "smtp: not to the end", AUDIT_SMTP, "22", AUDIT_UNKNOWN, "QUIT\r\n" },
	{ "lmtp", AUDIT_LMTP, "250 ok\n221 bye\n", AUDIT_YES, "QUIT\r\n" },
	{ "imap: answered", AUDIT_IMAP, "a3 OK\r\n* BYE\r\na4 OK\r\n", AUDIT_YES, "a4 LOGOUT\r\n" },
	{ "imap: forgotten", AUDIT_IMAP, "* BYE\r\na4 OK\r\n", AUDIT_NO, "a4 LOGOUT\r\n" },
	{ "pop3: answered", AUDIT_POP3, "-ERR what\r\n+OK\r\n", AUDIT_YES, "QUIT\r\n" },
	{ "pop3: forgotten", AUDIT_POP3, "+OK\r\n", AUDIT_NO, "QUIT\r\n" },
	{ "ftp: answered", AUDIT_FTP, "530 log in\r\n221 bye\r\n", AUDIT_YES, "QUIT\r\n" },
	{ "ftp: forgotten", AUDIT_FTP, "221 bye\r\n", AUDIT_NO, "QUIT\r\n" },
	{ "nntp: answered", AUDIT_NNTP, "111 now\r\n205 bye\r\n", AUDIT_YES, "QUIT\r\n" },
	{ "sieve: answered", AUDIT_SIEVE,
		"\"SIEVE\" \"\"\r\nOK\r\nOK (TAG \"ahead\") \"x\"\r\nOK (TAG \"inside\") \"x\"\r\n",
		AUDIT_YES, "NOOP \"inside\"\r\n" },
	{ "sieve: forgotten", AUDIT_SIEVE, "\"SIEVE\" \"\"\r\nOK\r\nOK (TAG \"inside\") \"x\"\r\n",
		AUDIT_NO, "NOOP \"inside\"\r\n" },
};

static void test_injection(void **state)
{
	uint8_t hello[AUDIT_HELLO_MAX];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(insides) * 2; i++) {
		const struct inside *c = &insides[i / 2];
		struct audit_target t = target_of(c->kind, "mail.test");
		struct server server;
		size_t len = 0;
		server_init(&server, i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
		struct audit_session *s =
			audit_session_new(AUDIT_SESSION_INJECTION, &t, hello, &len);
		assert_non_null(s);
		assert_non_null(audit_session_injected(c->kind));
		talk(s, &server, hello, len, c->says, 100000);
		TEST_CASE(c->name, audit_session_is_open(s));
		TEST_CASE(c->name, audit_session_answer(s) == c->answer);
		TEST_CASE(c->name, strcmp(server.heard, c->heard) == 0);
		check_chain(s, &t, i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
		audit_session_free(s);
		server_deinit(&server);
	}
	assert_null(audit_session_injected(AUDIT_DIRECT));
	assert_null(audit_session_injected(AUDIT_POSTGRES));
}

/* Much talk within is read to a bound. */
static void test_bound(void **state)
{
	static char much[16000];
	uint8_t hello[AUDIT_HELLO_MAX];
	struct audit_target t = target_of(AUDIT_SMTP, "mail.test");
	struct server server;
	size_t len = 0;
	(void)state;
	memset(much, 'x', sizeof(much) - 1);
	server_init(&server, TLS1_2_VERSION);
	struct audit_session *s = audit_session_new(AUDIT_SESSION_INJECTION, &t, hello, &len);
	assert_non_null(s);
	assert_false(talk(s, &server, hello, len, much, 100000));
	assert_int_equal(audit_session_answer(s), AUDIT_UNKNOWN);
	audit_session_free(s);
	server_deinit(&server);
}

/* A server that says nothing but changes its keys, for ever, is left in the end. */
static void test_endless(void **state)
{
	uint8_t hello[AUDIT_HELLO_MAX], to[AUDIT_HELLO_MAX], from[AUDIT_HELLO_MAX];
	struct audit_target t = target_of(AUDIT_SMTP, "mail.test");
	struct server server;
	size_t len = 0, total = 0;
	bool goes_on;
	(void)state;
	server_init(&server, TLS1_3_VERSION);
	struct audit_session *s = audit_session_new(AUDIT_SESSION_INJECTION, &t, hello, &len);
	assert_non_null(s);
	assert_true(talk(s, &server, hello, len, "", 100000));
	assert_true(audit_session_is_open(s));
	do {
		for (int i = 0; i < 300; i++) {
			SSL_key_update(server.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
			SSL_do_handshake(server.ssl);
		}
		int n = BIO_read(server.out, from, sizeof(from));
		assert_true(n > 0);
		total += (size_t)n;
		goes_on = audit_session_more(
			s, NULL, span_of(from, (size_t)n), false, to, sizeof(to), &len);
	} while (goes_on && total < 2 * AUDIT_FLIGHT_MAX);
	assert_true(!goes_on && total <= AUDIT_FLIGHT_MAX + sizeof(from));
	assert_int_equal(audit_session_answer(s), AUDIT_UNKNOWN);
	audit_session_free(s);
	server_deinit(&server);
}

/* A first flight that was changed or cut anywhere opens nothing and proves nothing. */
static void test_broken(void **state)
{
	uint8_t hello[AUDIT_HELLO_MAX], to[AUDIT_HELLO_MAX], flight[AUDIT_HELLO_MAX];
	struct audit_target t = target_of(AUDIT_SMTP, "mail.test");
	size_t flight_len = 1;
	(void)state;
	for (size_t at = 0; at < flight_len; at += 3) {
		struct server server;
		size_t len = 0;
		server_init(&server, at % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
		struct audit_session *s =
			audit_session_new(AUDIT_SESSION_INJECTION, &t, hello, &len);
		assert_non_null(s);
		server_feed(&server, hello, len, "");
		int n = BIO_read(server.out, flight, sizeof(flight));
		assert_true(n > 0);
		if ((size_t)n > flight_len)
			flight_len = (size_t)n;
		if (at < (size_t)n && at % 4 < 2)
			flight[at] ^= (uint8_t)(1u << at % 8);
		size_t fed = at % 4 < 2 || at > (size_t)n ? (size_t)n : at;
		audit_session_more(s, NULL, span_of(flight, fed), false, to, sizeof(to), &len);
		audit_session_more(s, NULL, span_of(NULL, 0), true, to, sizeof(to), &len);
		assert_int_not_equal(audit_session_answer(s), AUDIT_YES);
		assert_true(fed == (size_t)n || !audit_session_is_open(s));
		audit_session_free(s);
		server_deinit(&server);
	}
}

/* A certificate of some length, for chains that are too long. */
static X509 *make_large(int len)
{
	X509 *x = X509_dup(cert);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	uint8_t *bytes = calloc(1, (size_t)len);
	assert_true(x != NULL && value != NULL && bytes != NULL);
	ASN1_OCTET_STRING_set(value, bytes, len);
	X509_EXTENSION *e = X509_EXTENSION_create_by_NID(NULL, NID_netscape_comment, 0, value);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(value);
	free(bytes);
	return x;
}

/* Certificates beyond the bounds are left out, and that is marked: by number in the chain, by size instead of it. */
static void test_long_chains(void **state)
{
	static const struct {
		const char *name;
		int more, len, version;
		size_t kept;
	} cases[] = {
		{ "as many as there is room for", AUDIT_CHAIN_MAX - 1, 0, TLS1_3_VERSION,
			AUDIT_CHAIN_MAX },
		{ "one more", AUDIT_CHAIN_MAX, 0, TLS1_3_VERSION, AUDIT_CHAIN_MAX },
		{ "one more, TLS 1.2", AUDIT_CHAIN_MAX, 0, TLS1_2_VERSION, AUDIT_CHAIN_MAX },
		{ "more than a mebibyte", 20, 60000, TLS1_3_VERSION, 0 },
		{ "more than a mebibyte, TLS 1.2", 20, 60000, TLS1_2_VERSION, 0 },
	};
	uint8_t hello[AUDIT_HELLO_MAX];
	struct audit_target t = target_of(AUDIT_SMTP, "mail.test");
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct server server;
		struct audit_facts *f = audit_facts_new(&t);
		size_t len = 0;
		server_init(&server, cases[i].version);
		for (int k = 0; k < cases[i].more; k++) {
			X509 *x = make_large(cases[i].len);
			assert_int_equal(SSL_add1_chain_cert(server.ssl, x), 1);
			X509_free(x);
		}
		struct audit_session *s = audit_session_new(AUDIT_SESSION_FETCH, &t, hello, &len);
		assert_true(s != NULL && f != NULL);
		talk(s, &server, hello, len, "", 100000);
		TEST_CASE(cases[i].name, audit_session_chain(s, f) == (cases[i].kept > 0));
		TEST_CASE(cases[i].name, f->is_chain_list_cut == (cases[i].kept == 0));
		TEST_CASE(cases[i].name, f->chains[0].count == cases[i].kept);
		TEST_CASE(cases[i].name,
			f->chains[0].is_cut ==
				(cases[i].kept > 0 && cases[i].more >= AUDIT_CHAIN_MAX));
		audit_session_free(s);
		audit_facts_free(f);
		server_deinit(&server);
	}
}

#define HELLO_STAGE .stage = AUDIT_STAGE_HELLO
#define ASKED .stage = AUDIT_STAGE_DIALOGUE, .is_asked = true
static const struct audit_words said_554 = { .code = 554 }, said_421 = { .code = 421 },
				said_454 = { .code = 454 }, said_nothing = { .code = 0 };

static const struct refusal {
	const char *name;
	const char *bytes; /* behind the go-ahead */
	size_t len;
	struct audit_probe_result end;
	enum audit_answer answer;
} refusals[] = {
	{ "an alert: unexpected message", "\x15\3\3\0\2\2\x0a", 7, { HELLO_STAGE }, AUDIT_NO },
	{ "an alert: handshake failure", "\x15\3\3\0\2\2\x28", 7, { HELLO_STAGE }, AUDIT_UNKNOWN },
	{ "an alert: protocol version", "\x15\3\3\0\2\2\x46", 7, { HELLO_STAGE }, AUDIT_UNKNOWN },
	{ "an answer in plain text", "250 ok\r\n", 8, { HELLO_STAGE }, AUDIT_NO },
	{ "leaves", NULL, 0, { HELLO_STAGE, .end = AUDIT_PROBE_CLOSED }, AUDIT_NO },
	{ "resets", NULL, 0, { HELLO_STAGE, .end = AUDIT_PROBE_RESET }, AUDIT_NO },
	{ "says nothing", NULL, 0, { HELLO_STAGE, .end = AUDIT_PROBE_TIMEOUT }, AUDIT_UNKNOWN },
	{ "refuses", NULL, 0,
		{ ASKED, .end = AUDIT_PROBE_DIALOGUE, .dialogue_end = AUDIT_END_REFUSED,
			.words = &said_554 },
		AUDIT_NO },
	{ "refuses for now", NULL, 0,
		{ ASKED, .end = AUDIT_PROBE_DIALOGUE, .dialogue_end = AUDIT_END_REFUSED,
			.words = &said_454 },
		AUDIT_UNKNOWN },
	{ "is busy", NULL, 0,
		{ ASKED, .end = AUDIT_PROBE_DIALOGUE, .dialogue_end = AUDIT_END_RATE,
			.words = &said_421 },
		AUDIT_UNKNOWN },
	{ "leaves without an answer", NULL, 0,
		{ ASKED, .end = AUDIT_PROBE_DIALOGUE, .dialogue_end = AUDIT_END_REFUSED,
			.words = &said_nothing },
		AUDIT_NO },
	{ "refuses in the greeting", NULL, 0,
		{ .stage = AUDIT_STAGE_DIALOGUE,
			.end = AUDIT_PROBE_DIALOGUE,
			.dialogue_end = AUDIT_END_REFUSED,
			.words = &said_554 },
		AUDIT_UNKNOWN },
	{ "nobody there", NULL, 0, { .end = AUDIT_PROBE_CONNECT }, AUDIT_UNKNOWN },
};

static void test_refusals(void **state)
{
	uint8_t hello[AUDIT_HELLO_MAX], to[AUDIT_HELLO_MAX];
	struct audit_target t = target_of(AUDIT_SMTP, "mail.test");
	(void)state;
	for (size_t i = 0; i < TEST_LEN(refusals); i++) {
		const struct refusal *c = &refusals[i];
		struct audit_facts *f = audit_facts_new(&t);
		size_t len = 0;
		struct audit_session *s =
			audit_session_new(AUDIT_SESSION_INJECTION, &t, hello, &len);
		assert_non_null(s);
		assert_non_null(f);
		if (c->len > 0)
			TEST_CASE(c->name,
				!audit_session_more(s, NULL, span_of(c->bytes, c->len), false, to,
					sizeof(to), &len));
		audit_session_end(s, &c->end);
		TEST_CASE(c->name, audit_session_answer(s) == c->answer);
		TEST_CASE(c->name, !audit_session_is_open(s));
		TEST_CASE(c->name, !audit_session_chain(s, f));
		audit_session_free(s);
		audit_facts_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_long_chains),
	};
	return cmocka_run_group_tests(tests, make_cert, free_cert);
}
