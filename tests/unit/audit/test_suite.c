/* The table of suites: its own order and promises, and OpenSSL's knowledge of those that it has. */

#include <openssl/ssl.h>
#include <string.h>

#include "audit/suite.h"
#include "test.h"

static void test_order(void **state)
{
	(void)state;
	assert_true(audit_suite_count() > 400);
	assert_null(audit_suite_at(audit_suite_count()));
	for (size_t i = 0; i < audit_suite_count(); i++) {
		const struct audit_suite *s = audit_suite_at(i);
		TEST_CASE(s->name, i == 0 || audit_suite_at(i - 1)->id < s->id);
		TEST_CASE(s->name, audit_suite_by_id(s->id) == s);
		TEST_CASE(s->name, audit_suite_by_name(s->name) == s);
		TEST_CASE(s->name, s->first <= s->last);
		TEST_CASE(s->name, (s->id > 0xffff) == (s->last == AUDIT_SSL2));
		TEST_CASE(s->name, !s->is_aead || s->first >= AUDIT_TLS12);
		TEST_CASE(s->name, s->is_aead == (strcmp(s->mac, "AEAD") == 0));
		TEST_CASE(s->name, (s->bits == 0) == (strcmp(s->cipher, "NULL") == 0));
		TEST_CASE(s->name, (strstr(s->name, "EXPORT") != NULL) == s->is_export);
		TEST_CASE(s->name, !s->is_export || s->bits <= 56);
		TEST_CASE(s->name, (strstr(s->name, "_CBC_") != NULL) == s->is_cbc);
		TEST_CASE(s->name,
			(strstr(s->name, "_anon_") != NULL) ==
				(s->auth == AUDIT_AUTH_NULL && s->kx != AUDIT_KX_NULL));
		TEST_CASE(s->name, s->first < AUDIT_TLS13 || s->has_forward_secrecy);
	}
}

/* What an IANA name says of itself. */
static void test_names(void **state)
{
	static const struct {
		const char *part;
		uint16_t bits;
	} sizes[] = { { "_AES_128_", 128 }, { "_AES_256_", 256 }, { "_3DES_EDE_", 112 },
		{ "_CAMELLIA_128_", 128 }, { "_CAMELLIA_256_", 256 }, { "_ARIA_128_", 128 },
		{ "_ARIA_256_", 256 }, { "RC4_128_WITH", 128 }, { "_RC4_128_SHA", 128 },
		{ "_RC4_40_", 40 }, { "_DES40_", 40 }, { "_DES_CBC_40_", 40 },
		{ "_WITH_DES_CBC_SHA", 56 }, { "CHACHA20", 256 }, { "_28147_", 256 },
		{ "_SEED_", 128 }, { "_IDEA_", 128 } };
	(void)state;
	for (size_t i = 0; i < audit_suite_count(); i++) {
		const struct audit_suite *s = audit_suite_at(i);
		for (size_t k = 0; k < TEST_LEN(sizes); k++)
			TEST_CASE(s->name,
				strstr(s->name, sizes[k].part) == NULL || s->bits == sizes[k].bits);
		if (strstr(s->name, "_DHE_RSA_") != NULL)
			TEST_CASE(s->name, s->kx == AUDIT_KX_DHE && s->auth == AUDIT_AUTH_RSA);
		if (strstr(s->name, "TLS_DH_DSS_") != NULL)
			TEST_CASE(s->name, s->kx == AUDIT_KX_DH && s->auth == AUDIT_AUTH_DSS);
		if (strncmp(s->name, "TLS_RSA_WITH_", 13) == 0)
			TEST_CASE(s->name, s->kx == AUDIT_KX_RSA && s->auth == AUDIT_AUTH_RSA);
	}
}

static void test_text(void **state)
{
	static const struct {
		uint32_t id;
		const char *text;
	} cases[] = {
		{ 0x0039, "DHE-RSA-AES256-SHA" },
		{ 0x0003, "EXP-RC4-MD5" },
		{ 0x1301, "TLS_AES_128_GCM_SHA256" },
		{ 0xc03c, "TLS_RSA_WITH_ARIA_128_CBC_SHA256" },
		{ 0xc0fe, "0xC0FE" },
		{ 0x700c0, "DES-CBC3-MD5" },
		{ 0xabcdef, "0xABCDEF" },
	};
	char text[64];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		assert_string_equal(audit_suite_text(cases[i].id, text), cases[i].text);
	assert_int_equal(audit_suite_by_name("des-cbc3-sha")->id, 0x000a);
	assert_int_equal(
		audit_suite_by_name("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")->id, 0xcca8);
	assert_null(audit_suite_by_name("AES"));
	assert_null(audit_suite_by_id(0x5600));
	assert_null(audit_suite_by_id(0x00ff));
	assert_null(audit_suite_by_id(0x0a0a));
}

static void test_versions(void **state)
{
	static uint32_t list[AUDIT_SUITES_MAX];
	(void)state;
	for (int v = AUDIT_SSL2; v < AUDIT_VERSION_COUNT; v++) {
		size_t n = audit_suites_of((enum audit_version)v, list, TEST_LEN(list)), want = 0;
		bool was_rare = false;
		for (size_t i = 0; i < audit_suite_count(); i++)
			want += audit_suite_at(i)->first <= (enum audit_version)v &&
				(enum audit_version)v <= audit_suite_at(i)->last;
		assert_int_equal(n, want);
		assert_in_range(n, 1, TEST_LEN(list) - 1);
		for (size_t i = 0; i < n; i++) {
			const struct audit_suite *s = audit_suite_by_id(list[i]);
			TEST_CASE(s->name, !was_rare || !s->is_likely);
			was_rare = !s->is_likely;
			for (size_t k = 0; k < i; k++)
				TEST_CASE(s->name, list[k] != list[i]);
		}
		assert_int_equal(audit_suites_of((enum audit_version)v, list, 1), 1);
	}
	assert_int_equal(audit_suites_of(AUDIT_TLS13, list, TEST_LEN(list)) > 5, true);
	assert_int_equal(list[0], 0x1301);
}

static enum audit_kx kx_of(const SSL_CIPHER *c)
{
	switch (SSL_CIPHER_get_kx_nid(c)) {
	case NID_kx_rsa:
		return AUDIT_KX_RSA;
	case NID_kx_dhe:
		return AUDIT_KX_DHE;
	case NID_kx_ecdhe:
		return AUDIT_KX_ECDHE;
	case NID_kx_psk:
		return AUDIT_KX_PSK;
	case NID_kx_dhe_psk:
		return AUDIT_KX_DHE_PSK;
	case NID_kx_ecdhe_psk:
		return AUDIT_KX_ECDHE_PSK;
	case NID_kx_rsa_psk:
		return AUDIT_KX_RSA_PSK;
	case NID_kx_srp:
		return AUDIT_KX_SRP;
	case NID_kx_gost:
	case NID_kx_gost18:
		return AUDIT_KX_GOST;
	default:
		return AUDIT_KX_ANY;
	}
}

static enum audit_auth auth_of(const SSL_CIPHER *c)
{
	switch (SSL_CIPHER_get_auth_nid(c)) {
	case NID_auth_rsa:
		return AUDIT_AUTH_RSA;
	case NID_auth_dss:
		return AUDIT_AUTH_DSS;
	case NID_auth_ecdsa:
		return AUDIT_AUTH_ECDSA;
	case NID_auth_psk:
		return AUDIT_AUTH_PSK;
	case NID_auth_srp:
		return AUDIT_AUTH_SRP;
	case NID_auth_gost01:
	case NID_auth_gost12:
		return AUDIT_AUTH_GOST;
	case NID_auth_null:
		return AUDIT_AUTH_NULL;
	default:
		return AUDIT_AUTH_ANY;
	}
}

static const char *mac_of(const SSL_CIPHER *c)
{
	if (SSL_CIPHER_is_aead(c))
		return "AEAD";
	switch (SSL_CIPHER_get_digest_nid(c)) {
	case NID_md5:
		return "MD5";
	case NID_sha1:
		return "SHA1";
	case NID_sha256:
		return "SHA256";
	case NID_sha384:
		return "SHA384";
	default:
		return NULL; /* of GOST they are named otherwise */
	}
}

static void check(const SSL_CIPHER *c)
{
	const char *name = SSL_CIPHER_get_name(c);
	const char *standard = SSL_CIPHER_standard_name(c), *mac = mac_of(c);
	const struct audit_suite *s = audit_suite_by_id(SSL_CIPHER_get_protocol_id(c));
	int bits = 0, strength = SSL_CIPHER_get_bits(c, &bits);
	TEST_CASE(name, s != NULL);
	TEST_CASE(name, s->openssl != NULL && strcmp(s->openssl, name) == 0);
	TEST_CASE(name, audit_suite_by_name(name) == s);
	if (standard != NULL && strcmp(standard, "(NONE)") != 0)
		TEST_CASE(name, strcmp(s->name, standard) == 0);
	TEST_CASE(name, s->kx == kx_of(c));
	TEST_CASE(name, s->auth == auth_of(c));
	TEST_CASE(name, mac == NULL || strcmp(s->mac, mac) == 0);
	/* It counts a short tag as 64 bits of strength: of that the cipher's name speaks here. */
	TEST_CASE(name,
		s->bits == strength || (strcmp(s->cipher, "AESCCM8") == 0 && s->bits == bits));
	TEST_CASE(name,
		(strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0) == (s->first == AUDIT_TLS13));
	TEST_CASE(name,
		(strcmp(SSL_CIPHER_get_version(c), "TLSv1.2") == 0) == (s->first == AUDIT_TLS12));
}

static void test_openssl(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	(void)state;
	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), 1);
	assert_int_equal(SSL_CTX_set_ciphersuites(ctx,
				 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
				 "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
				 "TLS_AES_128_CCM_8_SHA256"),
		1);
	STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
	assert_true(sk_SSL_CIPHER_num(list) > 50);
	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++)
		check(sk_SSL_CIPHER_value(list, i));
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_openssl),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
