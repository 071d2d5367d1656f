/*
 * Single probes: what is sent, to the byte; what reactions by script are worth; and a whole sound server,
 * OpenSSL's own between two memory buffers.
 */

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "audit/attack.h"
#include "audit/hello.h"
#include "test.h"

#define OUT_MAX 4096

static EVP_PKEY *key;
static X509 *cert;
static uint8_t *der;
static size_t der_len;

static int make_key(void **state)
{
	(void)state;
	key = EVP_RSA_gen(1024);
	cert = X509_new();
	if (key == NULL || cert == NULL)
		return -1;
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	int n = X509_sign(cert, key, EVP_sha256()) > 0 ? i2d_X509(cert, &der) : -1;
	der_len = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : -1;
}

static int free_key(void **state)
{
	(void)state;
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
	return 0;
}

static struct audit_flight flight_of(enum audit_version v, uint32_t suite)
{
	struct audit_flight f = { .end = AUDIT_FLIGHT_HELLO, .version = v, .suite = suite };
	f.has_hello = f.has_heartbeat = true;
	f.cert_count = 1;
	f.certs[0] = span_of(der, der_len);
	return f;
}

static size_t begin(struct audit_attack *a, enum audit_attack_kind kind,
	const struct audit_flight *f, uint8_t *to)
{
	size_t len = 0;
	audit_attack_init(a, kind, 0);
	bool goes_on = audit_attack_more(a, f, span_of(NULL, 0), false, to, OUT_MAX, &len);
	assert_int_equal(goes_on, a->is_sent);
	return len;
}

static void test_sent(void **state)
{
	static const uint8_t heartbeat[] = { 24, 3, 2, 0, 3, 1, 0x40, 0, 21, 3, 2, 0, 2, 1, 0 };
	static const uint8_t ccs[] = { 20, 3, 2, 0, 1, 1, 20, 3, 2, 0, 1, 1 };
	uint8_t out[OUT_MAX];
	struct audit_attack a;
	struct audit_flight f = flight_of(AUDIT_TLS11, 0x2f);
	(void)state;
	assert_int_equal(begin(&a, AUDIT_ATTACK_HEARTBLEED, &f, out), sizeof(heartbeat));
	assert_memory_equal(out, heartbeat, sizeof(heartbeat));
	assert_int_equal(begin(&a, AUDIT_ATTACK_CCS, &f, out), sizeof(ccs));
	assert_memory_equal(out, ccs, sizeof(ccs));
}

/* Where nothing can be asked, nothing is sent and nothing known. */
static void test_not_sent(void **state)
{
	uint8_t out[OUT_MAX];
	struct audit_attack a, robots[AUDIT_ROBOT_VARIANTS] = { 0 };
	struct audit_flight f = flight_of(AUDIT_TLS12, 0x2f);
	size_t len = 0;
	(void)state;
	f.has_heartbeat = false;
	assert_int_equal(begin(&a, AUDIT_ATTACK_HEARTBLEED, &f, out), 0);
	assert_int_equal(audit_attack_answer(&a), AUDIT_UNKNOWN);
	f.suite = 0xc02f; /* no RSA key exchange */
	assert_int_equal(begin(&a, AUDIT_ATTACK_ROBOT, &f, out), 0);
	f.suite = 0x2f;
	f.cert_count = 0;
	assert_int_equal(begin(&a, AUDIT_ATTACK_ROBOT, &f, out), 0);
	f.cert_count = 1;
	f.certs[0].len /= 2;
	assert_int_equal(begin(&a, AUDIT_ATTACK_ROBOT, &f, out), 0);
	f.end = AUDIT_FLIGHT_ALERT;
	assert_int_equal(begin(&a, AUDIT_ATTACK_CCS, &f, out), 0);
	assert_int_equal(audit_attack_answer(&a), AUDIT_UNKNOWN);
	f = flight_of(AUDIT_TLS13, 0x1301);
	assert_int_equal(begin(&a, AUDIT_ATTACK_CCS, &f, out), 0);
	f = flight_of(AUDIT_TLS12, 0x2f);
	audit_attack_init(&a, AUDIT_ATTACK_ROBOT, 0);
	assert_false(audit_attack_more(&a, &f, span_of(NULL, 0), false, out, 100, &len));
	assert_int_equal(len, 0);
	assert_false(a.is_sent);
	assert_int_equal(audit_robot_answer(robots), AUDIT_UNKNOWN);
}

#define CLOSES 1
#define TIMES_OUT 2
#define RESETS 3

static void test_judged(void **state)
{
	static const struct {
		const char *name;
		enum audit_attack_kind kind;
		const char *hex; /* what comes back */
		int ends;        /* then; 0: it need not */
		enum audit_answer answer;
	} cases[] = {
		{ "ccs: unexpected message", AUDIT_ATTACK_CCS, "1503010002020a", 0, AUDIT_NO },
		{ "ccs: bad record mac", AUDIT_ATTACK_CCS, "15030100020214", 0, AUDIT_YES },
		{ "ccs: decryption failed", AUDIT_ATTACK_CCS, "15030100020215", 0, AUDIT_YES },
		{ "ccs: the first alert counts", AUDIT_ATTACK_CCS, "1503010002020a15030100020214",
			0, AUDIT_NO },
		{ "ccs: alert in two records", AUDIT_ATTACK_CCS,
			"1503010001021503010001"
			"14",
			TIMES_OUT, AUDIT_UNKNOWN },
		{ "ccs: closes", AUDIT_ATTACK_CCS, "", CLOSES, AUDIT_NO },
		{ "ccs: resets", AUDIT_ATTACK_CCS, "", RESETS, AUDIT_NO },
		{ "ccs: half an alert", AUDIT_ATTACK_CCS, "150301000202", CLOSES, AUDIT_NO },
		{ "ccs: silence", AUDIT_ATTACK_CCS, "", TIMES_OUT, AUDIT_UNKNOWN },
		{ "ccs: nonsense", AUDIT_ATTACK_CCS, "485454502f", 0, AUDIT_UNKNOWN },
		{ "ccs: another record, then an alert", AUDIT_ATTACK_CCS,
			"160301000100"
			"15030100020214",
			0, AUDIT_YES },
		{ "bleeds", AUDIT_ATTACK_HEARTBLEED,
			"1803014000"
			"02",
			0, AUDIT_YES },
		{ "bleeds a little", AUDIT_ATTACK_HEARTBLEED,
			"1803010004"
			"02",
			0, AUDIT_YES },
		{ "an answer to the byte", AUDIT_ATTACK_HEARTBLEED,
			"1803010003"
			"020000",
			TIMES_OUT, AUDIT_NO },
		{ "a request of its own", AUDIT_ATTACK_HEARTBLEED,
			"1803010020"
			"01",
			TIMES_OUT, AUDIT_NO },
		{ "heartbeat: silence", AUDIT_ATTACK_HEARTBLEED, "", TIMES_OUT, AUDIT_NO },
		{ "heartbeat: alert", AUDIT_ATTACK_HEARTBLEED, "1503010002020a", 0, AUDIT_NO },
		{ "heartbeat: closes", AUDIT_ATTACK_HEARTBLEED, "", CLOSES, AUDIT_NO },
		{ "heartbeat: longer than records are", AUDIT_ATTACK_HEARTBLEED, "180301ffff02", 0,
			AUDIT_NO },
		{ "heartbeat: text", AUDIT_ATTACK_HEARTBLEED,
			"180d0a4000"
			"02",
			0, AUDIT_NO },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (size_t piece = 1; piece < 20; piece += 6) {
			struct audit_attack a;
			struct audit_flight f = flight_of(AUDIT_TLS10, 0x2f);
			uint8_t out[OUT_MAX], back[64];
			size_t len = 0, n = 0;
			bool goes_on = true;
			assert_int_not_equal(begin(&a, cases[i].kind, &f, out), 0);
			sodium_hex2bin(back, sizeof(back), cases[i].hex, strlen(cases[i].hex), NULL,
				&len, NULL);
			for (size_t at = 0; goes_on && at < len; at += piece)
				goes_on = audit_attack_more(&a, &f,
					span_slice(span_of(back, len), at, piece), false, out,
					OUT_MAX, &n);
			TEST_CASE(cases[i].name, n == 0);
			TEST_CASE(cases[i].name, goes_on == (cases[i].ends != 0));
			if (cases[i].ends == CLOSES)
				TEST_CASE(cases[i].name,
					!audit_attack_more(
						&a, &f, span_of(NULL, 0), true, out, OUT_MAX, &n));
			audit_attack_end(&a, false, cases[i].ends == RESETS);
			if (audit_attack_answer(&a) != cases[i].answer)
				fail_msg("%s: answer %d", cases[i].name, audit_attack_answer(&a));
		}
	}
}

/* A server that bleeds without an end is not listened to beyond the first bytes. */
static void test_bounded(void **state)
{
	static uint8_t much[16384];
	struct audit_attack a;
	struct audit_flight f = flight_of(AUDIT_TLS12, 0x2f);
	uint8_t out[OUT_MAX];
	size_t n = 0;
	(void)state;
	begin(&a, AUDIT_ATTACK_HEARTBLEED, &f, out);
	memcpy(much, "\x18\x03\x03\x40\x00\x02", 6);
	assert_false(audit_attack_more(&a, &f, SPAN_OF(much), false, out, OUT_MAX, &n));
	assert_int_equal(a.heartbeat_len, 0x4000);
}

static void series(struct audit_attack kept[AUDIT_ROBOT_VARIANTS], const char *reactions)
{
	for (unsigned i = 0; i < AUDIT_ROBOT_VARIANTS; i++) {
		struct audit_attack a;
		audit_attack_init(&a, AUDIT_ATTACK_ROBOT, i);
		a.is_sent = true;
		if (reactions[i] == 'c')
			audit_attack_end(&a, true, false);
		else if (reactions[i] == 'r')
			audit_attack_end(&a, false, true);
		else if (reactions[i] != '-') {
			a.reaction = AUDIT_REACTION_ALERT;
			a.alert_code = (uint8_t)reactions[i];
		}
		audit_robot_keep(&kept[i], &a);
	}
}

/* Letters are alerts, c an end, r a reset, - silence. */
static void test_robot(void **state)
{
	static const struct {
		const char *first, *second;
		enum audit_answer once, twice;
	} cases[] = {
		{ "MMMMM", "MMMMM", AUDIT_NO, AUDIT_NO },
		{ "MFFFF", "MFFFF", AUDIT_YES, AUDIT_YES },
		{ "MMFMM", "MMFMM", AUDIT_YES, AUDIT_YES },
		{ "MMFMM", "MMMMM", AUDIT_YES, AUDIT_NO },
		{ "M-MMM", "MMM-M", AUDIT_YES, AUDIT_UNKNOWN },
		{ "M----", "M----", AUDIT_YES, AUDIT_YES },
		{ "ccrcr", "crccc", AUDIT_NO, AUDIT_NO },
		{ "-----", "-----", AUDIT_UNKNOWN, AUDIT_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_attack kept[AUDIT_ROBOT_VARIANTS] = { 0 };
		series(kept, cases[i].first);
		TEST_CASE(cases[i].first, audit_robot_answer(kept) == cases[i].once);
		series(kept, cases[i].second);
		TEST_CASE(cases[i].second, audit_robot_answer(kept) == cases[i].twice);
	}
}

static void decrypt(struct span secret, uint8_t block[128])
{
	size_t len = 128;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(secret.len, 128);
	assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_decrypt(ctx, block, &len, secret.data, secret.len), 1);
	EVP_PKEY_CTX_free(ctx);
}

/* Which rule of PKCS #1 is broken: 0 none, else as the variants are numbered. */
static unsigned fault_of(const uint8_t block[128], uint16_t version)
{
	const uint8_t *zero;
	if (block[0] != 0 || block[1] != 2)
		return 1;
	zero = memchr(block + 2, 0, 126);
	if (zero == NULL)
		return 3;
	if (zero - block < 10)
		return 2;
	if (zero - block != 79)
		return 9;
	return (zero[1] << 8 | zero[2]) == version ? 0 : 4;
}

static void test_padding(void **state)
{
	(void)state;
	for (int v = AUDIT_SSL3; v <= AUDIT_TLS12; v++) {
		for (unsigned i = 0; i < AUDIT_ROBOT_VARIANTS; i++) {
			struct audit_flight f = flight_of((enum audit_version)v, 0x2f);
			struct audit_attack a;
			uint8_t out[OUT_MAX], block[128];
			size_t len = 0, head = 9 + (v > AUDIT_SSL3 ? 2 : 0);
			audit_attack_init(&a, AUDIT_ATTACK_ROBOT, i);
			assert_true(audit_attack_more(
				&a, &f, span_of(NULL, 0), false, out, OUT_MAX, &len));
			assert_int_equal(len, head + 128 + 6 + 5 + 64);
			assert_int_equal(out[5], 16);
			assert_int_equal(out[3] << 8 | out[4], head + 128 - 5);
			assert_int_equal(out[6] << 16 | out[7] << 8 | out[8], head + 128 - 9);
			decrypt(span_of(out + head, 128), block);
			assert_int_equal(
				fault_of(block, audit_version_code((enum audit_version)v)), i);
		}
	}
}

/* A sound server. */
struct server {
	SSL_CTX *ctx;
	SSL *ssl;
};

static struct server serve(enum audit_version v, const char *suite, bool wants_certificate)
{
	struct server s = { SSL_CTX_new(TLS_server_method()), NULL };
	char list[64];
	snprintf(list, sizeof(list), "%s:@SECLEVEL=0", suite);
	assert_non_null(s.ctx);
	SSL_CTX_set_security_level(s.ctx, 0);
	assert_int_equal(SSL_CTX_use_certificate(s.ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s.ctx, key), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(s.ctx, list), 1);
	SSL_CTX_set_min_proto_version(s.ctx, audit_version_code(v));
	SSL_CTX_set_max_proto_version(s.ctx, audit_version_code(v));
	if (wants_certificate)
		SSL_CTX_set_verify(s.ctx, SSL_VERIFY_PEER, NULL);
	s.ssl = SSL_new(s.ctx);
	SSL_set_bio(s.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(s.ssl);
	return s;
}

static size_t say(struct server *s, const uint8_t *bytes, size_t len, uint8_t *back)
{
	assert_int_equal(BIO_write(SSL_get_rbio(s->ssl), bytes, (int)len), len);
	SSL_do_handshake(s->ssl);
	ERR_clear_error();
	int n = BIO_read(SSL_get_wbio(s->ssl), back, OUT_MAX);
	return n > 0 ? (size_t)n : 0;
}

/* One connection, as a probe would have it. */
static struct audit_attack try(enum audit_attack_kind kind, unsigned variant, enum audit_version v,
	uint16_t suite, const char *name, bool wants_certificate)
{
	static const uint16_t signatures[] = { 0x0401, 0x0804, 0x0201 };
	uint32_t suites[] = { suite };
	struct audit_hello h = { .max = v, .min = v, .suites = suites, .suite_count = 1 };
	struct server s = serve(v, name, wants_certificate);
	struct audit_flight *f = audit_flight_new(false);
	struct audit_attack a;
	uint8_t out[OUT_MAX], back[OUT_MAX];
	h.signatures = signatures;
	h.signature_count = v == AUDIT_TLS12 ? TEST_LEN(signatures) : 0;
	size_t len = audit_hello_write(&h, out, sizeof(out));
	len = say(&s, out, len, back);
	assert_int_equal(audit_flight_feed(f, span_of(back, len)), AUDIT_FLIGHT_HELLO);
	assert_int_equal(f->wants_certificate, wants_certificate);
	audit_attack_init(&a, kind, variant);
	assert_true(audit_attack_more(&a, f, span_of(NULL, 0), false, out, OUT_MAX, &len));
	len = say(&s, out, len, back);
	audit_attack_more(&a, f, span_of(back, len), false, out, OUT_MAX, &len);
	audit_flight_free(f);
	SSL_free(s.ssl);
	SSL_CTX_free(s.ctx);
	return a;
}

static void test_sound(void **state)
{
	static const struct {
		enum audit_version version;
		uint16_t suite;
		const char *name;
	} cases[] = {
		{ AUDIT_TLS10, 0x002f, "AES128-SHA" },
		{ AUDIT_TLS11, 0x002f, "AES128-SHA" },
		{ AUDIT_TLS12, 0x002f, "AES128-SHA" },
		{ AUDIT_TLS12, 0x003c, "AES128-SHA256" },
		{ AUDIT_TLS12, 0x009c, "AES128-GCM-SHA256" },
		{ AUDIT_TLS12, 0xc09c, "AES128-CCM" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (int wants = 0; wants < 2; wants++) {
			struct audit_attack robots[AUDIT_ROBOT_VARIANTS], ccs;
			for (unsigned n = 0; n < AUDIT_ROBOT_VARIANTS; n++) {
				robots[n] = try(AUDIT_ATTACK_ROBOT, n, cases[i].version,
					cases[i].suite, cases[i].name, wants);
				/* It came as far as the record that nobody can decrypt. */
				assert_int_equal(robots[n].reaction, AUDIT_REACTION_ALERT);
				assert_int_equal(robots[n].alert_code, 20);
			}
			assert_int_equal(audit_robot_answer(robots), AUDIT_NO);
			ccs = try(AUDIT_ATTACK_CCS, 0, cases[i].version, cases[i].suite,
				cases[i].name, wants);
			assert_int_equal(ccs.alert_code, 10);
			assert_int_equal(audit_attack_answer(&ccs), AUDIT_NO);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_not_sent),
		cmocka_unit_test(test_judged),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_robot),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_sound),
	};
	return cmocka_run_group_tests(tests, make_key, free_key);
}
