/* Primes by name, from OpenSSL's own copies of those in RFCs, and safe primes. */

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "audit/suite.h"
#include "test.h"

#define PRIME_MAX 1024

static size_t prime_of(const char *group, const char *type, uint8_t prime[PRIME_MAX])
{
	BIGNUM *p = NULL;
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM params[2];
	char name[32];
	snprintf(name, sizeof(name), "%s", group);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
	params[1] = OSSL_PARAM_construct_end();
	assert_non_null(ctx);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_PKEY_paramgen(ctx, &key), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &p), 1);
	int len = BN_bn2bin(p, prime);
	BN_free(p);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	return (size_t)len;
}

static void test_groups(void **state)
{
	static const struct {
		const char *group, *type, *name;
	} cases[] = {
		{ "ffdhe2048", "DH", "RFC 7919 ffdhe2048" },
		{ "ffdhe3072", "DH", "RFC 7919 ffdhe3072" },
		{ "ffdhe4096", "DH", "RFC 7919 ffdhe4096" },
		{ "ffdhe6144", "DH", "RFC 7919 ffdhe6144" },
		{ "ffdhe8192", "DH", "RFC 7919 ffdhe8192" },
		{ "modp_1536", "DH", "RFC 3526 group 5, 1536 bits" },
		{ "modp_2048", "DH", "RFC 3526 group 14, 2048 bits" },
		{ "modp_3072", "DH", "RFC 3526 group 15, 3072 bits" },
		{ "modp_4096", "DH", "RFC 3526 group 16, 4096 bits" },
		{ "modp_6144", "DH", "RFC 3526 group 17, 6144 bits" },
		{ "modp_8192", "DH", "RFC 3526 group 18, 8192 bits" },
		{ "dh_1024_160", "DHX", "RFC 5114 2.1, 1024 bits" },
		{ "dh_2048_224", "DHX", "RFC 5114 2.2, 2048 bits" },
		{ "dh_2048_256", "DHX", "RFC 5114 2.3, 2048 bits" },
	};
	uint8_t prime[1 + PRIME_MAX] = { 0 };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t len = prime_of(cases[i].group, cases[i].type, prime + 1);
		const char *name = audit_dh_prime_name(prime + 1, len);
		TEST_CASE(cases[i].name, name != NULL && strcmp(name, cases[i].name) == 0);
		/* A sign byte changes nothing, another prime is another. */
		TEST_CASE(cases[i].name, audit_dh_prime_name(prime, len + 1) == name);
		prime[len] ^= 2;
		TEST_CASE(cases[i].name, audit_dh_prime_name(prime + 1, len) == NULL);
	}
}

static void test_oakley(void **state)
{
	uint8_t bytes[PRIME_MAX];
	BIGNUM *p = BN_get_rfc2409_prime_768(NULL);
	(void)state;
	assert_string_equal(audit_dh_prime_name(bytes, (size_t)BN_bn2bin(p, bytes)),
		"RFC 2409 group 1, 768 bits");
	BN_get_rfc2409_prime_1024(p);
	assert_string_equal(audit_dh_prime_name(bytes, (size_t)BN_bn2bin(p, bytes)),
		"RFC 2409 group 2, 1024 bits");
	BN_free(p);
}

static void test_safe(void **state)
{
	static const uint8_t seven[] = { 7 }, eleven[] = { 0, 0, 11 }, thirteen[] = { 13 },
			     fifteen[] = { 15 }, none[1] = { 0 };
	static uint8_t much[PRIME_MAX];
	(void)state;
	assert_int_equal(audit_dh_is_safe_prime(seven, 1), AUDIT_YES);
	assert_int_equal(audit_dh_is_safe_prime(eleven, 3), AUDIT_YES);
	assert_int_equal(audit_dh_is_safe_prime(thirteen, 1), AUDIT_NO);
	assert_int_equal(audit_dh_is_safe_prime(fifteen, 1), AUDIT_NO);
	assert_int_equal(audit_dh_is_safe_prime(none, 1), AUDIT_NO);
	assert_int_equal(audit_dh_is_safe_prime(none, 0), AUDIT_NO);
	size_t len = prime_of("ffdhe2048", "DH", much);
	assert_int_equal(audit_dh_is_safe_prime(much, len), AUDIT_YES);
	len = prime_of("dh_2048_256", "DHX", much);
	assert_int_equal(audit_dh_is_safe_prime(much, len), AUDIT_NO);
	len = prime_of("ffdhe3072", "DH", much);
	assert_int_equal(audit_dh_is_safe_prime(much, len), AUDIT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_oakley),
		cmocka_unit_test(test_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
