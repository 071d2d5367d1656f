/*
 * Certificates that are nearly of the profile: each is the good one with one thing changed before
 * it is signed, so that only the reader's own checks stand in its way.
 */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "identity/cert_shape.h"
#include "test.h"

static const uint8_t seed[32] = { 1 };
static struct cert leaf, unit, root;

static struct name name_of(const char *text, bool is_certifier)
{
	struct name n = { 0 };
	assert_int_equal(name_parse(text, is_certifier, &n), NAME_OK);
	return n;
}

static struct cert a_cert(const char *subject, const char *issuer, enum cert_kind kind)
{
	struct cert c = {
		.subject = name_of(subject, kind == CERT_CERTIFIER),
		.issuer = name_of(issuer, true),
		.kind = kind,
		.serial = { 0x40, 1, 2, 3, 4, 5, 6, 7 },
		.not_before_ms = UINT64_C(1767225600000),
		.not_after_ms = UINT64_C(1830297600000),
	};
	uint8_t sk[64];
	crypto_sign_seed_keypair(c.pk, sk, seed);
	cert_key_identifier(c.pk, c.issuer_key_identifier);
	return c;
}

static void set_up(void)
{
	leaf = a_cert("John/QN/VSD", "QN/VSD", CERT_USER);
	unit = a_cert("QN/VSD", "VSD", CERT_CERTIFIER);
	root = a_cert("VSD", "VSD", CERT_CERTIFIER);
}

static void replace(X509 *x, int nid, int critical, const uint8_t *der, int len)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	int at = X509_get_ext_by_NID(x, nid, -1);
	assert_int_equal(ASN1_OCTET_STRING_set(value, der, len), 1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_NID(NULL, nid, critical, value);
	assert_non_null(e);
	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(x, at));
	assert_int_equal(X509_add_ext(x, e, at), 1);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(value);
}

#define REPLACE(x, nid, critical, ...)                                                             \
	replace(x, nid, critical, (const uint8_t[]){ __VA_ARGS__ },                                \
		(int)sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void drop(X509 *x, int nid)
{
	X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, nid, -1)));
}

static void same(X509 *x)
{
	(void)x;
}

static void version_1(X509 *x)
{
	X509_set_version(x, 0);
}

static void serial_short(X509 *x)
{
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), UINT64_C(0x40ffffffffffff));
}

static void serial_large(X509 *x)
{
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), UINT64_C(0x8000000000000000));
}

static void serial_negative(X509 *x)
{
	ASN1_INTEGER_set_int64(X509_get_serialNumber(x), INT64_C(-0x4000000000000001));
}

static void dates_swapped(X509 *x)
{
	ASN1_TIME_set(X509_getm_notAfter(x), 1767225600);
}

static void date_before_1970(X509 *x)
{
	ASN1_TIME_set_string(X509_getm_notBefore(x), "690101000000Z");
}

static void date_generalized(X509 *x)
{
	ASN1_TIME_set_string(X509_getm_notBefore(x), "20260101000000Z");
}

static void date_broken(X509 *x)
{
	ASN1_STRING_set(X509_getm_notBefore(x), "261301000000Z", -1);
}

static void key_is_ec(X509 *x)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	assert_non_null(key);
	X509_set_pubkey(x, key);
	EVP_PKEY_free(key);
}

static void key_is_x25519(X509 *x)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, seed, 32);
	X509_set_pubkey(x, key);
	EVP_PKEY_free(key);
}

static void add_to_subject(X509 *x, int nid, int type, const char *value, int set)
{
	X509_NAME *n = X509_NAME_dup(X509_get_subject_name(x));
	assert_int_equal(
		X509_NAME_add_entry_by_NID(n, nid, type, (const unsigned char *)value, -1, -1, set),
		1);
	assert_int_equal(X509_set_subject_name(x, n), 1);
	X509_NAME_free(n);
}

static void subject_street(X509 *x)
{
	add_to_subject(x, NID_localityName, V_ASN1_UTF8STRING, "Bonn", 0);
}

static void subject_two_in_one(X509 *x)
{
	add_to_subject(x, NID_commonName, V_ASN1_UTF8STRING, "Other", -1);
}

static void subject_two_cn(X509 *x)
{
	add_to_subject(x, NID_commonName, V_ASN1_UTF8STRING, "Other", 0);
}

/* The leaf's CN replaced by one of another type or value. */
static void set_cn(X509 *x, int type, const char *value)
{
	X509_NAME *n = X509_NAME_dup(X509_get_subject_name(x));
	X509_NAME_ENTRY_free(X509_NAME_delete_entry(n, X509_NAME_entry_count(n) - 1));
	assert_int_equal(X509_NAME_add_entry_by_NID(
				 n, NID_commonName, type, (const unsigned char *)value, -1, -1, 0),
		1);
	assert_int_equal(X509_set_subject_name(x, n), 1);
	X509_NAME_free(n);
}

static void cn_printable(X509 *x)
{
	set_cn(x, V_ASN1_PRINTABLESTRING, "John");
}

static void cn_not_printable(X509 *x)
{
	set_cn(x, V_ASN1_PRINTABLESTRING, "J@hn");
}

static void cn_t61(X509 *x)
{
	set_cn(x, V_ASN1_T61STRING, "John");
}

static void cn_slash(X509 *x)
{
	set_cn(x, V_ASN1_UTF8STRING, "Admin/OU=NN");
}

static void cn_line_end(X509 *x)
{
	set_cn(x, V_ASN1_UTF8STRING, "J\nohn");
}

static void subject_without_cn(X509 *x)
{
	X509_set_subject_name(x, X509_get_issuer_name(x));
}

static void issuer_with_cn(X509 *x)
{
	X509_set_issuer_name(x, X509_get_subject_name(x));
}

static void no_names(X509 *x)
{
	X509_NAME *n = X509_NAME_new();
	assert_int_equal(X509_set_subject_name(x, n), 1);
	X509_NAME_free(n);
}

static void usage_missing(X509 *x)
{
	drop(x, NID_key_usage);
}

static void usage_not_critical(X509 *x)
{
	REPLACE(x, NID_key_usage, 0, 0x03, 0x02, 0x07, 0x80);
}

static void usage_more(X509 *x)
{
	REPLACE(x, NID_key_usage, 1, 0x03, 0x02, 0x06, 0xc0);
}

/* Named bits without the shortest form: one unused bit is declared used. */
static void usage_not_der(X509 *x)
{
	REPLACE(x, NID_key_usage, 1, 0x03, 0x02, 0x06, 0x80);
}

static void purpose_missing(X509 *x)
{
	drop(x, NID_ext_key_usage);
}

static void purpose_other(X509 *x)
{
	REPLACE(x, NID_ext_key_usage, 0, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07,
		0x03, 0x03);
}

static void purpose_both(X509 *x)
{
	REPLACE(x, NID_ext_key_usage, 0, 0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07,
		0x03, 0x02, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01);
}

static void purpose_critical(X509 *x)
{
	REPLACE(x, NID_ext_key_usage, 1, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07,
		0x03, 0x02);
}

static void issuer_key_missing(X509 *x)
{
	drop(x, NID_authority_key_identifier);
}

static void issuer_key_short(X509 *x)
{
	REPLACE(x, NID_authority_key_identifier, 0, 0x30, 0x03, 0x80, 0x01, 0x00);
}

/* keyid and a serial beside it */
static void issuer_key_more(X509 *x)
{
	uint8_t der[27] = { 0x30, 0x19, 0x80, 0x14 };
	memcpy(der + 4, leaf.issuer_key_identifier, 20);
	memcpy(der + 24, "\x82\x01\x05", 3);
	replace(x, NID_authority_key_identifier, 0, der, sizeof(der));
}

static void comment_too(X509 *x)
{
	replace(x, NID_netscape_comment, 0, (const uint8_t *)"\x16\x01x", 3);
}

static void twice(X509 *x)
{
	X509_add_ext(x, X509_get_ext(x, 0), -1);
}

static void out_of_order(X509 *x)
{
	X509_EXTENSION *e = X509_delete_ext(x, 0);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static void leaf_with_constraints(X509 *x)
{
	REPLACE(x, NID_basic_constraints, 1, 0x30, 0x00);
}

static void ca_is_01(X509 *x)
{
	REPLACE(x, NID_basic_constraints, 1, 0x30, 0x06, 0x01, 0x01, 0x01, 0x02, 0x01, 0x03);
}

static void ca_is_false(X509 *x)
{
	REPLACE(x, NID_basic_constraints, 1, 0x30, 0x00);
}

static void path_longer(X509 *x)
{
	REPLACE(x, NID_basic_constraints, 1, 0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x04);
}

static void path_open(X509 *x)
{
	REPLACE(x, NID_basic_constraints, 1, 0x30, 0x03, 0x01, 0x01, 0xff);
}

static void constraints_not_critical(X509 *x)
{
	REPLACE(x, NID_basic_constraints, 0, 0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x03);
}

static void names_missing(X509 *x)
{
	drop(x, NID_name_constraints);
}

/* O=VSD instead of OU=QN, O=VSD */
static void names_wider(X509 *x)
{
	REPLACE(x, NID_name_constraints, 1, 0x30, 0x16, 0xa0, 0x14, 0x30, 0x12, 0xa4, 0x10, 0x30,
		0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x03, 'V', 'S',
		'D');
}

static void names_on_root(X509 *x)
{
	names_wider(x);
}

static void subject_key_other(X509 *x)
{
	uint8_t der[22] = { 0x04, 0x14 };
	replace(x, NID_subject_key_identifier, 0, der, sizeof(der));
}

static void subject_key_missing(X509 *x)
{
	drop(x, NID_subject_key_identifier);
}

static void make(const struct cert *c, void (*change)(X509 *), uint8_t *der, size_t *ret_len)
{
	X509 *x = cert_shape(c, NULL);
	assert_non_null(x);
	change(x);
	assert_true(cert_sign(x, seed, der, ret_len));
	X509_free(x);
}

static const struct {
	const char *name;
	const struct cert *of;
	void (*change)(X509 *x);
	const char *expected; /* NULL: accepted */
} cases[] = {
	{ "leaf", &leaf, same, NULL },
	{ "unit", &unit, same, NULL },
	{ "root", &root, same, NULL },
	{ "version 1", &leaf, version_1, "not of version 3" },
	{ "serial of 7 bytes", &leaf, serial_short, "its serial" },
	{ "serial of 9 bytes", &leaf, serial_large, "its serial" },
	{ "negative serial", &leaf, serial_negative, "its serial" },
	{ "dates swapped", &leaf, dates_swapped, "ends before" },
	{ "1969", &leaf, date_before_1970, "a date is not" },
	{ "13th month", &leaf, date_broken, "a date is not" },
	{ "GeneralizedTime before 2050", &leaf, date_generalized, "the one DER encoding" },
	{ "ECDSA key", &leaf, key_is_ec, "its key is not Ed25519" },
	{ "X25519 key", &leaf, key_is_x25519, "its key is not Ed25519" },
	{ "locality", &leaf, subject_street, "other than C, O, OU and CN" },
	{ "two attributes on a level", &leaf, subject_two_in_one, "two attributes" },
	{ "two CN", &leaf, subject_two_cn, "in this order" },
	{ "PrintableString", &leaf, cn_printable, NULL },
	{ "not printable", &leaf, cn_not_printable, "a character that it cannot have" },
	{ "T61String", &leaf, cn_t61, "neither UTF8String nor" },
	{ "slash", &leaf, cn_slash, "subject is refused: a component holds no /" },
	{ "line end", &leaf, cn_line_end, "no control character" },
	{ "user without CN", &leaf, subject_without_cn, "needs a common name" },
	{ "issuer with CN", &leaf, issuer_with_cn, "issuer is refused" },
	{ "no subject", &leaf, no_names, "the name is empty" },
	{ "no keyUsage", &leaf, usage_missing, "does not belong there" },
	{ "keyUsage not critical", &leaf, usage_not_critical, "is not critical" },
	{ "another keyUsage", &leaf, usage_more, "Key Usage has another value" },
	{ "keyUsage not in DER", &leaf, usage_not_der, "Key Usage has another value" },
	{ "no purpose", &leaf, purpose_missing, "neither a certifier's nor" },
	{ "another purpose", &leaf, purpose_other, "neither a certifier's nor" },
	{ "two purposes", &leaf, purpose_both, "neither a certifier's nor" },
	{ "critical purpose", &leaf, purpose_critical, "is critical" },
	{ "no issuer key", &leaf, issuer_key_missing, "Authority Key Identifier is missing" },
	{ "short issuer key", &leaf, issuer_key_short, "not of 20 bytes" },
	{ "issuer key and serial", &leaf, issuer_key_more, "Key Identifier has another value" },
	{ "one extension more", &leaf, comment_too, "Netscape Comment does not belong" },
	{ "an extension twice", &leaf, twice, "stands twice" },
	{ "out of order", &leaf, out_of_order, "does not belong there" },
	{ "leaf with basicConstraints", &leaf, leaf_with_constraints, "no common name" },
	{ "CA 01", &unit, ca_is_01, "Basic Constraints has another value" },
	{ "CA FALSE", &unit, ca_is_false, "Basic Constraints has another value" },
	{ "longer path", &unit, path_longer, "Basic Constraints has another value" },
	{ "no path length", &unit, path_open, "Basic Constraints has another value" },
	{ "basicConstraints not critical", &unit, constraints_not_critical, "is not critical" },
	{ "no nameConstraints", &unit, names_missing, "does not belong there" },
	{ "wider nameConstraints", &unit, names_wider, "Name Constraints has another value" },
	{ "nameConstraints on the root", &root, names_on_root, "does not belong there" },
	{ "another subject key", &unit, subject_key_other, "Identifier has another value" },
	{ "no subject key", &unit, subject_key_missing, "does not belong there" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t der[CERT_LEN_MAX];
		size_t len;
		struct cert c, before;
		struct fault f = { "" };
		make(cases[i].of, cases[i].change, der, &len);
		memset(&c, 0x5a, sizeof(c));
		memcpy(&before, &c, sizeof(c));
		int rc = cert_read(span_of(der, len), &c, &f);
		bool is_right = cases[i].expected == NULL
			? rc == 0
			: rc == -EINVAL && strstr(f.text, cases[i].expected) != NULL;
		if (!is_right)
			fail_msg("case \"%s\": %d \"%s\"", cases[i].name, rc, f.text);
		if (rc != 0)
			assert_memory_equal(&c, &before, sizeof(c));
		assert_true(ERR_peek_error() == 0);
	}
}

static void test_other_signature_algorithm(void **state)
{
	(void)state;
	X509 *x = cert_shape(&leaf, NULL);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t der[CERT_LEN_MAX], *to = der;
	struct cert c;
	struct fault f = { "" };
	assert_true(x != NULL && key != NULL && X509_sign(x, key, EVP_sha256()) > 0);
	int len = i2d_X509(x, &to);
	assert_true(len > 0 && len < CERT_LEN_MAX);
	assert_int_equal(cert_read(span_of(der, (size_t)len), &c, &f), -EINVAL);
	assert_non_null(strstr(f.text, "its signature is not Ed25519"));
	EVP_PKEY_free(key);
	X509_free(x);
}

/* OpenSSL does not write these, so they are put into the bytes. */
static void test_bad_utf8(void **state)
{
	(void)state;
	static const char *const values[] = { "J\xc0\xafn", "J\xed\xa0\x80", "Joh\xc3", "\x80ohn",
		"\xf5\x80\x80\x80" };
	for (size_t i = 0; i < TEST_LEN(values); i++) {
		uint8_t der[CERT_LEN_MAX];
		size_t len;
		struct cert c;
		struct fault f;
		make(&leaf, same, der, &len);
		memcpy(memmem(der, len, "John", 4), values[i], 4);
		assert_int_equal(cert_read(span_of(der, len), &c, &f), -EINVAL);
		memcpy(memmem(der, len, values[i], 4), "J\xc3\xb6n", 4);
		assert_int_equal(cert_read(span_of(der, len), &c, &f), 0);
	}
}

/*
 * Whatever bit is changed, it is not read, or not signed by the issuer; the signature covers the
 * rest.
 */
static void test_damage(void **state)
{
	(void)state;
	const struct cert *of[] = { &leaf, &unit, &root };
	for (size_t i = 0; i < TEST_LEN(of); i++) {
		uint8_t der[CERT_LEN_MAX];
		size_t len;
		struct cert c;
		struct fault f;
		make(of[i], same, der, &len);
		for (size_t n = 0; n < len; n++)
			assert_int_equal(cert_read(span_of(der, n), &c, &f), -EINVAL);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			der[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (cert_read(span_of(der, len), &c, &f) == 0) {
				assert_false(cert_signed_by(span_of(der, len), leaf.pk));
				/* The root is checked against itself, but a bit of its names
				 * or key identifier may make it another's certificate. */
				assert_true(of[i] != &root || bit / 8 < len - 64);
			}
			der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void test_lengths(void **state)
{
	(void)state;
	static uint8_t der[CERT_LEN_MAX + 1];
	size_t len;
	struct cert c;
	struct fault f;
	assert_int_equal(cert_read(span_of(NULL, 0), &c, &f), -EINVAL);
	assert_int_equal(cert_read(SPAN_OF(der), &c, &f), -EINVAL);
	assert_non_null(strstr(f.text, "1 to 2048 bytes"));
	make(&leaf, same, der, &len);
	assert_int_equal(cert_read(span_of(der, len + 1), &c, &f), -EINVAL);
	assert_non_null(strstr(f.text, "something follows"));
}

/* d2i_X509 takes the outer length in the long form of BER as well. */
static void test_ber(void **state)
{
	(void)state;
	uint8_t der[CERT_LEN_MAX], ber[CERT_LEN_MAX];
	size_t len;
	struct cert c;
	struct fault f;
	make(&leaf, same, der, &len);
	assert_int_equal(der[1], 0x82);
	memcpy(ber, "\x30\x83\0", 3);
	memcpy(ber + 3, der + 2, len - 2);
	const unsigned char *at = ber;
	X509 *x = d2i_X509(NULL, &at, (long)len + 1);
	assert_non_null(x);
	X509_free(x);
	assert_int_equal(cert_read(span_of(ber, len + 1), &c, &f), -EINVAL);
	assert_non_null(strstr(f.text, "the one DER encoding"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_other_signature_algorithm),
		cmocka_unit_test(test_bad_utf8),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_ber),
	};
	set_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
