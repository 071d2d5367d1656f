/* What is said of ports by what came back for them. No socket is opened. */

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "audit/stealth.h"
#include "test.h"

static const struct {
	const char *name;
	enum audit_sight port, other;
	bool is_silent, is_untried;
	enum audit_answer stands_out;
} cases[] = {
	{ "nothing anywhere", AUDIT_SIGHT_SILENT, AUDIT_SIGHT_SILENT, true, false, AUDIT_NO },
	{ "silent among resets", AUDIT_SIGHT_SILENT, AUDIT_SIGHT_REFUSES, true, false, AUDIT_YES },
	{ "silent among ICMP", AUDIT_SIGHT_SILENT, AUDIT_SIGHT_UNREACHABLE, true, false,
		AUDIT_YES },
	{ "open", AUDIT_SIGHT_OPEN, AUDIT_SIGHT_SILENT, false, false, AUDIT_UNKNOWN },
	{ "refuses", AUDIT_SIGHT_REFUSES, AUDIT_SIGHT_REFUSES, false, false, AUDIT_UNKNOWN },
	{ "ICMP", AUDIT_SIGHT_UNREACHABLE, AUDIT_SIGHT_SILENT, false, false, AUDIT_UNKNOWN },
	{ "no way there", AUDIT_SIGHT_FAILED, AUDIT_SIGHT_FAILED, false, true, AUDIT_UNKNOWN },
};

static void test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_stealth_view v = { .port_count = 2 };
		v.ports[0] = (struct audit_stealth_port){ .port = 22, .sight = cases[i].port };
		v.ports[1] = (struct audit_stealth_port){
			.port = 40000, .sight = cases[i].other, .is_other = true
		};
		struct audit_stealth_verdict d = audit_stealth_judge(&v);
		TEST_CASE(cases[i].name, d.is_silent == cases[i].is_silent);
		TEST_CASE(cases[i].name, d.is_untried == cases[i].is_untried);
		TEST_CASE(cases[i].name, d.stands_out == cases[i].stands_out);
		TEST_CASE(cases[i].name, d.counts[cases[i].port] == 1);
	}
}

/* Another kind's answers do not make a silence stand out. */
static void test_kinds(void **state)
{
	(void)state;
	struct audit_stealth_view v = { .port_count = 2 };
	v.ports[0] = (struct audit_stealth_port){ .port = 53, .is_udp = true };
	v.ports[1] = (struct audit_stealth_port){
		.port = 40000, .sight = AUDIT_SIGHT_REFUSES, .is_other = true
	};
	assert_int_equal(audit_stealth_judge(&v).stands_out, AUDIT_NO);
}

static void test_others(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 40000; seed += 37) {
		struct audit_stealth_view v = { .port_count = 2 };
		v.ports[0].port = (uint16_t)(30000 + seed % 31000);
		v.ports[1] = (struct audit_stealth_port){ .port = 53, .is_udp = true };
		audit_stealth_add_others(&v, seed);
		assert_int_equal(v.port_count, 2 + 2 * AUDIT_STEALTH_OTHERS);
		for (size_t i = 2; i < v.port_count; i++) {
			assert_true(v.ports[i].is_other && v.ports[i].port >= 30000);
			for (size_t k = 0; k < i; k++)
				assert_true(v.ports[k].port != v.ports[i].port ||
					v.ports[k].is_udp != v.ports[i].is_udp);
		}
	}
	struct audit_stealth_view full = { .port_count = AUDIT_STEALTH_PORTS_MAX };
	audit_stealth_add_others(&full, 1);
	assert_int_equal(full.port_count, AUDIT_STEALTH_PORTS_MAX);
}

static void test_texts(void **state)
{
	(void)state;
	char text[256];
	struct audit_stealth_port p = { .port = 22, .tries = 4 };
	assert_string_equal(audit_stealth_text(&p, text), "tcp/22: silent after 4 tries");
	p.sight = AUDIT_SIGHT_REFUSES;
	assert_string_equal(
		audit_stealth_text(&p, text), "tcp/22: refuses: visible as closed, by a reset");
	p = (struct audit_stealth_port){
		.port = 53, .is_udp = true, .sight = AUDIT_SIGHT_OPEN, .rtt_us = 1290
	};
	assert_string_equal(
		audit_stealth_text(&p, text), "udp/53: open: an answer came after 1.2 ms");
}

/* Every prefix and every flipped bit of a certificate is read without harm; names are printable. */
static void test_names(void **state)
{
	(void)state;
	X509 *x = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509V3_CTX ctx;
	uint8_t *der = NULL;
	assert_true(x != NULL && key != NULL);
	X509_set_version(x, 2);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"www.example.org\033[2J", -1, -1, 0);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(
		NULL, &ctx, NID_subject_alt_name, "DNS:vpn.example.org,email:a@example.org");
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	int len = i2d_X509(x, &der);
	assert_true(len > 0);
	struct audit_stealth_names *n = calloc(1, sizeof(*n));
	assert_non_null(n);
	audit_stealth_names_of(span_of(der, (size_t)len), n);
	assert_int_equal(n->count, 3);
	assert_string_equal(n->names[0], "www.example.org?[2J");
	assert_string_equal(n->names[1], "vpn.example.org");
	for (int i = 0; i < len; i++) {
		for (int bit = 0; bit < 9; bit++) {
			n->count = 0;
			der[i] ^= (uint8_t)(bit < 8 ? 1 << bit : 0);
			audit_stealth_names_of(span_of(der, bit < 8 ? (size_t)len : (size_t)i), n);
			der[i] ^= (uint8_t)(bit < 8 ? 1 << bit : 0);
			for (size_t k = 0; k < n->count; k++)
				for (const char *c = n->names[k]; *c != '\0'; c++)
					assert_true(*c >= ' ' && *c < 0x7f);
		}
	}
	free(n);
	OPENSSL_free(der);
	X509_EXTENSION_free(e);
	EVP_PKEY_free(key);
	X509_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
