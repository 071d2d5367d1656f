/* Groups, signature algorithms, names by number. OpenSSL says what it knows of curves. */

#include <openssl/ec.h>
#include <openssl/objects.h>
#include <string.h>

#include "audit/suite.h"
#include "test.h"

static void test_groups(void **state)
{
	static const struct {
		uint16_t id;
		const char *name;
		bool is_finite_field, is_post_quantum;
	} cases[] = {
		{ 23, "secp256r1", false, false },
		{ 29, "x25519", false, false },
		{ 257, "ffdhe3072", true, false },
		{ 513, "MLKEM768", false, true },
		{ 4587, "SecP256r1MLKEM768", false, true },
		{ 4588, "X25519MLKEM768", false, true },
		{ 4589, "SecP384r1MLKEM1024", false, true },
		{ 25497, "X25519Kyber768Draft00", false, true },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct audit_group *g = audit_group_by_id(cases[i].id);
		TEST_CASE(cases[i].name, g != NULL && strcmp(g->name, cases[i].name) == 0);
		TEST_CASE(cases[i].name, g->is_finite_field == cases[i].is_finite_field);
		TEST_CASE(cases[i].name, g->is_post_quantum == cases[i].is_post_quantum);
	}
	assert_null(audit_group_by_id(0));
	assert_null(audit_group_by_id(0x2a2a));
	assert_null(audit_group_at(audit_group_count()));
	assert_in_range(audit_group_count(), 50, AUDIT_GROUPS_MAX);
	for (size_t i = 0; i < audit_group_count(); i++) {
		const struct audit_group *g = audit_group_at(i);
		TEST_CASE(g->name, audit_group_by_id(g->id) == g);
		for (size_t k = 0; k < i; k++)
			TEST_CASE(g->name, strcmp(audit_group_at(k)->name, g->name) != 0);
	}
}

/* Numbers of the old curves are in the order of SEC 2; their sizes are OpenSSL's. */
static void test_curves(void **state)
{
	static const struct {
		uint16_t id;
		int nid;
	} curves[] = {
		{ 1, NID_sect163k1 },
		{ 2, NID_sect163r1 },
		{ 3, NID_sect163r2 },
		{ 4, NID_sect193r1 },
		{ 5, NID_sect193r2 },
		{ 6, NID_sect233k1 },
		{ 7, NID_sect233r1 },
		{ 8, NID_sect239k1 },
		{ 9, NID_sect283k1 },
		{ 10, NID_sect283r1 },
		{ 11, NID_sect409k1 },
		{ 12, NID_sect409r1 },
		{ 13, NID_sect571k1 },
		{ 14, NID_sect571r1 },
		{ 15, NID_secp160k1 },
		{ 16, NID_secp160r1 },
		{ 17, NID_secp160r2 },
		{ 18, NID_secp192k1 },
		{ 19, NID_X9_62_prime192v1 },
		{ 20, NID_secp224k1 },
		{ 21, NID_secp224r1 },
		{ 22, NID_secp256k1 },
		{ 23, NID_X9_62_prime256v1 },
		{ 24, NID_secp384r1 },
		{ 25, NID_secp521r1 },
		{ 26, NID_brainpoolP256r1 },
		{ 27, NID_brainpoolP384r1 },
		{ 28, NID_brainpoolP512r1 },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(curves); i++) {
		const struct audit_group *g = audit_group_by_id(curves[i].id);
		EC_GROUP *curve = EC_GROUP_new_by_curve_name(curves[i].nid);
		assert_non_null(g);
		if (curve == NULL)
			continue; /* some builds leave old ones out */
		TEST_CASE(g->name, EC_GROUP_get_degree(curve) == g->bits);
		const char *name = OBJ_nid2sn(curves[i].nid);
		TEST_CASE(g->name, strcmp(name, g->name) == 0 || strncmp(name, "prime", 5) == 0);
		EC_GROUP_free(curve);
	}
}

static void test_signatures(void **state)
{
	static const struct {
		uint16_t id;
		const char *name;
		bool is_weak;
	} cases[] = {
		{ 0x0101, "rsa_pkcs1_md5", true },
		{ 0x0201, "rsa_pkcs1_sha1", true },
		{ 0x0203, "ecdsa_sha1", true },
		{ 0x0403, "ecdsa_secp256r1_sha256", false },
		{ 0x0804, "rsa_pss_rsae_sha256", false },
		{ 0x0807, "ed25519", false },
		{ 0x081a, "ecdsa_brainpoolP256r1tls13_sha256", false },
		{ 0x0905, "mldsa65", false },
		{ 0x0708, "sm2sig_sm3", false },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct audit_signature *s = audit_signature_by_id(cases[i].id);
		TEST_CASE(cases[i].name, s != NULL && strcmp(s->name, cases[i].name) == 0);
		TEST_CASE(cases[i].name, s->is_weak == cases[i].is_weak);
	}
	assert_null(audit_signature_by_id(0));
	assert_null(audit_signature_at(audit_signature_count()));
	assert_in_range(audit_signature_count(), 40, AUDIT_SIGNATURES_MAX);
	for (size_t i = 0; i < audit_signature_count(); i++) {
		const struct audit_signature *s = audit_signature_at(i);
		TEST_CASE(s->name, audit_signature_by_id(s->id) == s);
		bool is_old = strstr(s->name, "sha1") != NULL || strstr(s->name, "md5") != NULL;
		TEST_CASE(s->name, s->is_weak == is_old);
	}
}

static void test_numbers(void **state)
{
	(void)state;
	assert_string_equal(audit_extension_name(0), "server_name");
	assert_string_equal(audit_extension_name(51), "key_share");
	assert_string_equal(audit_extension_name(65281), "renegotiation_info");
	assert_null(audit_extension_name(0x3a3a));
	assert_string_equal(audit_alert_name(40), "handshake_failure");
	assert_string_equal(audit_alert_name(86), "inappropriate_fallback");
	assert_string_equal(audit_alert_name(0), "close_notify");
	assert_null(audit_alert_name(1));
	assert_null(audit_alert_name(255));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_curves),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
