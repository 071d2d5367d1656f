/* Facts and text of strangers' certificates, and whom they name. */

#include "audit/cert.h"
#include "base/file.h"
#include "certs.h"

static EVP_PKEY *rsa1024, *rsa2048, *p256, *secp192, *ed25519;

static int make_keys(void **state)
{
	(void)state;
	rsa1024 = EVP_RSA_gen(1024);
	rsa2048 = EVP_RSA_gen(2048);
	p256 = EVP_EC_gen("P-256");
	secp192 = EVP_EC_gen("prime192v1");
	ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return rsa1024 == NULL || rsa2048 == NULL || p256 == NULL || secp192 == NULL;
}

static int free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa1024);
	EVP_PKEY_free(rsa2048);
	EVP_PKEY_free(p256);
	EVP_PKEY_free(secp192);
	EVP_PKEY_free(ed25519);
	return 0;
}

static void read_made(const struct cert_spec *s, struct audit_cert_facts *c)
{
	uint8_t der[8192];
	X509 *x = cert_make(s);
	audit_cert_read(span_of(der, cert_der(x, der, sizeof(der))), c);
	X509_free(x);
	assert_true(c->is_readable);
}

static void test_old(void **state)
{
	struct audit_cert_facts c;
	(void)state;
	read_made(&(struct cert_spec){ .subject = "mail",
			  .key = rsa1024,
			  .digest = "SHA1",
			  .version = 2,
			  .serial = "-12920724846010265987",
			  .from = "20100113104536Z",
			  .to = "20200111104536Z" },
		&c);
	assert_int_equal(c.version, 3);
	assert_string_equal(c.serial, "-12920724846010265987");
	assert_true(c.is_serial_negative && c.serial_len == 8);
	assert_string_equal(c.signature, "sha1WithRSAEncryption");
	assert_string_equal(c.subject, "/CN=mail");
	assert_string_equal(c.issuer, "/CN=mail");
	assert_string_equal(c.key, "rsaEncryption");
	assert_int_equal(c.key_bits, 1024);
	assert_int_equal(c.not_before_s, 1263379536);
	assert_int_equal(c.not_after_s, 1578739536);
	assert_true(c.is_self_signed && c.is_weak_key && c.is_weak_signature);
	assert_false(c.has_san || c.is_ca || c.must_staple || c.is_wildcard);
}

static void test_new(void **state)
{
	struct audit_cert_facts c;
	(void)state;
	read_made(&(struct cert_spec){ .subject = "a\x01\xc3\xa4/b",
			  .key = p256,
			  .version = 2,
			  .ext = { { NID_subject_alt_name, "DNS:*.example.org,DNS:example.org" },
				  { NID_basic_constraints, "critical,CA:TRUE" },
				  { NID_tlsfeature, "status_request" } } },
		&c);
	assert_string_equal(c.curve, "prime256v1");
	assert_int_equal(c.key_bits, 256);
	assert_string_equal(c.key, "id-ecPublicKey");
	assert_string_equal(c.signature, "ecdsa-with-SHA256");
	assert_true(c.has_san && c.is_wildcard && c.must_staple && c.is_ca);
	assert_false(c.is_weak_key || c.is_weak_signature || c.is_serial_negative);
	for (const char *t = c.subject; *t != '\0'; t++)
		assert_true(*t >= ' ' && *t < 0x7f);
}

static void test_keys(void **state)
{
	const struct {
		const char *name;
		EVP_PKEY *key;
		unsigned bits;
		bool is_weak;
	} keys[] = { { "RSA 1024", rsa1024, 1024, true }, { "RSA 2048", rsa2048, 2048, false },
		{ "P-192", secp192, 192, true }, { "P-256", p256, 256, false } };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(keys); i++) {
		struct audit_cert_facts c;
		read_made(&(struct cert_spec){ .subject = "a", .key = keys[i].key, .version = 0 },
			&c);
		TEST_CASE(keys[i].name, c.version == 1 && c.key_bits == keys[i].bits);
		TEST_CASE(keys[i].name, c.is_weak_key == keys[i].is_weak);
	}
}

/* A serial of a megabit is told by its length alone, at once. */
static void test_long_serial(void **state)
{
	struct audit_cert_facts c;
	static uint8_t der[200000];
	(void)state;
	X509 *x = cert_make(&(struct cert_spec){ .subject = "a", .key = p256, .version = 2 });
	BIGNUM *n = BN_new();
	BN_set_bit(n, 1000000);
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	assert_true(X509_sign(x, p256, EVP_sha256()) > 0);
	audit_cert_read(span_of(der, cert_der(x, der, sizeof(der))), &c);
	X509_free(x);
	assert_true(c.is_readable && c.serial_len == 125001);
	assert_string_equal(c.serial, "too long: 125001 bytes");
}

/* RFC 6962 3.3: a list within a list within an OCTET STRING. */
static void test_scts(void **state)
{
	static const struct {
		const char *value;
		unsigned count;
	} lists[] = {
		{ "DER:04020000", 0 },
		{ "DER:04050003000141", 1 },
		{ "DER:04080006000141000142", 2 },
		{ "DER:04080006000141000942", 1 }, /* the second is cut */
		{ "DER:0500", 0 },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(lists); i++) {
		struct audit_cert_facts c;
		read_made(&(struct cert_spec){ .subject = "a",
				  .key = p256,
				  .version = 2,
				  .ext = { { NID_ct_precert_scts, lists[i].value } } },
			&c);
		TEST_CASE(lists[i].value, c.sct_count == lists[i].count);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *san, *host;
		enum audit_answer answer;
	} names[] = {
		{ "DNS:mail.example.org", "mail.example.org", AUDIT_YES },
		{ "DNS:mail.example.org", "MAIL.example.ORG", AUDIT_YES },
		{ "DNS:mail.example.org", "example.org", AUDIT_NO },
		{ "DNS:mail.example.org", ".example.org", AUDIT_UNKNOWN },
		{ "DNS:mail.example.org", "", AUDIT_UNKNOWN },
		{ "DNS:*.example.org", "mail.example.org", AUDIT_YES },
		{ "DNS:*.example.org", "a.mail.example.org", AUDIT_NO },
		{ "DNS:*.example.org", "example.org", AUDIT_NO },
		{ "DNS:m*l.example.org", "mail.example.org", AUDIT_NO },
		{ "DNS:xn--bcher-kva.example", "xn--bcher-kva.example", AUDIT_YES },
		{ "IP:192.0.2.1", "192.0.2.1", AUDIT_YES },
		{ "IP:192.0.2.1", "192.0.2.2", AUDIT_NO },
		{ "DNS:192.0.2.1", "192.0.2.1", AUDIT_YES },
		{ "IP:2001:db8::1", "2001:db8::1", AUDIT_YES },
		/* The subject's CN counts no more. */
		{ "DNS:other.example", "cn.example", AUDIT_NO },
		{ NULL, "cn.example", AUDIT_NO },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(names); i++) {
		uint8_t der[4096];
		X509 *x = cert_make(&(struct cert_spec){ .subject = "cn.example",
			.key = p256,
			.version = 2,
			.ext = { { NID_subject_alt_name, names[i].san } } });
		size_t len = cert_der(x, der, sizeof(der));
		X509_free(x);
		TEST_CASE(names[i].host,
			audit_cert_names(span_of(der, len), names[i].host) == names[i].answer);
	}
	assert_int_equal(audit_cert_names(span_of("junk", 4), "a"), AUDIT_UNKNOWN);
}

static char *printed(struct span der)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	audit_cert_print(der, out);
	fclose(out);
	return text;
}

/* The text form, line by line, of fixed certificates. */
static void test_text(void **state)
{
	static const char *const names[] = { "mail", "modern" };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(names); i++) {
		char path[512];
		uint8_t *der = NULL, *want = NULL;
		size_t len = 0, want_len = 0;
		struct fault f;
		snprintf(path, sizeof(path), TEST_VECTORS "/audit/%s.der", names[i]);
		assert_int_equal(file_read(path, FILE_ANY, 65536, &der, &len, &f), 0);
		snprintf(path, sizeof(path), TEST_VECTORS "/audit/%s.txt", names[i]);
		assert_int_equal(file_read(path, FILE_ANY, 65536, &want, &want_len, &f), 0);
		char *text = printed(span_of(der, len));
		assert_string_equal(text, (char *)want);
		free(text);
		free(der);
		free(want);
	}
	char *text = printed(span_of("junk", 4));
	assert_string_equal(
		text, "SSL Certificate:\nnot readable: 4 bytes that are no certificate\n");
	free(text);
}

static X509 *with_many_names(int count)
{
	X509 *x = cert_make(&(struct cert_spec){ .subject = "a", .key = p256, .version = 2 });
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	for (int i = 0; i < count; i++) {
		char text[32];
		GENERAL_NAME *n = GENERAL_NAME_new();
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();
		snprintf(text, sizeof(text), "host-%07d.example", i);
		ASN1_STRING_set(s, text, -1);
		GENERAL_NAME_set0_value(n, GEN_DNS, s);
		sk_GENERAL_NAME_push(names, n);
	}
	assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), 1);
	GENERAL_NAMES_free(names);
	assert_true(X509_sign(x, p256, EVP_sha256()) > 0);
	return x;
}

/* An RSA key whose modulus has len bytes. */
static X509 *with_long_modulus(size_t len)
{
	X509 *x = cert_make(&(struct cert_spec){ .subject = "a", .key = p256, .version = 2 });
	unsigned char *der = malloc(len + 64), *at = der;
	assert_non_null(der);
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	memset(der, 0x5a, len);
	ASN1_STRING_set(n, der, (int)len);
	int n_len = i2d_ASN1_INTEGER(n, NULL);
	ASN1_put_object(&at, 1, n_len + 3, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	i2d_ASN1_INTEGER(n, &at);
	memcpy(at, "\x02\x01\x03", 3);
	ASN1_INTEGER_free(n);
	int der_len = (int)(at + 3 - der);
	unsigned char *kept = OPENSSL_memdup(der, (size_t)der_len);
	free(der);
	X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL,
		NULL, kept, der_len);
	assert_true(X509_sign(x, p256, EVP_sha256()) > 0);
	return x;
}

/* As large as may be: read and printed within bounds; larger: no certificate. */
static void test_huge(void **state)
{
	static uint8_t der[2 << 20];
	static struct audit_cert_facts c;
	X509 *const made[] = { with_many_names(40000), with_long_modulus(1000000) };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(made); i++) {
		size_t len = cert_der(made[i], der, sizeof(der));
		assert_true(len > 800000 && len <= AUDIT_CERT_LEN_MAX);
		audit_cert_read(span_of(der, len), &c);
		assert_true(c.is_readable);
		assert_int_equal(audit_cert_names(span_of(der, len), "host-0039999.example"),
			i == 0 ? AUDIT_YES : AUDIT_NO);
		char *text = printed(span_of(der, len));
		assert_true(strlen(text) < 100000);
		free(text);
		X509_free(made[i]);
	}
	X509 *x = with_many_names(50000);
	size_t len = cert_der(x, der, sizeof(der));
	X509_free(x);
	assert_true(len > AUDIT_CERT_LEN_MAX);
	audit_cert_read(span_of(der, len), &c);
	assert_false(c.is_readable);
}

static void test_prefixes_and_flips(void **state)
{
	static struct audit_cert_facts c;
	uint8_t der[4096];
	(void)state;
	X509 *x = cert_make(&(struct cert_spec){ .subject = "mail",
		.key = p256,
		.version = 2,
		.ext = { { NID_subject_alt_name, "DNS:mail.example.org" },
			{ NID_ct_precert_scts, "DER:04080006000141000142" },
			{ NID_tlsfeature, "status_request" } } });
	size_t len = cert_der(x, der, sizeof(der) - 1);
	X509_free(x);
	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n > 0 ? n : 1);
		memcpy(exact, der, n);
		audit_cert_read(span_of(exact, n), &c);
		assert_false(c.is_readable);
		free(exact);
	}
	der[len] = 0;
	audit_cert_read(span_of(der, len + 1), &c);
	assert_false(c.is_readable);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
		audit_cert_read(span_of(der, len), &c);
		free(printed(span_of(der, len)));
		/* What is signed is no more so. */
		assert_false(
			c.is_readable && c.is_self_signed && bit > 8 * 8 && bit < 8 * (len - 80));
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_long_serial),
		cmocka_unit_test(test_scts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_prefixes_and_flips),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
