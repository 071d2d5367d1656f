#ifndef POSTERN_TEST_AUDIT_CERTS_H
#define POSTERN_TEST_AUDIT_CERTS_H

/* Certificates for tests, made on the spot by OpenSSL, good and odd. Any failure ends the test. */

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "test.h"

#define CERTS_EXT_MAX 6

struct cert_spec {
	const char *subject;       /* CN */
	X509 *issuer;              /* NULL: itself */
	EVP_PKEY *key, *sign_with; /* NULL: key */
	const char *digest;        /* NULL: SHA256 */
	const char *serial;        /* decimal; NULL: ten bytes */
	const char *from, *to;     /* NULL: now and ten days on */
	long version;              /* on the wire: 2 is v3 */
	struct {
		int nid;
		const char *value;
	} ext[CERTS_EXT_MAX];
};

static inline void cert_dates(X509 *x, const struct cert_spec *s)
{
	if (s->from != NULL)
		assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(x), s->from), 1);
	else
		assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -3600));
	if (s->to != NULL)
		assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x), s->to), 1);
	else
		assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 10L * 86400));
}

static inline void cert_serial(X509 *x, const char *text)
{
	BIGNUM *n = NULL;
	assert_true(BN_dec2bn(&n, text != NULL ? text : "604462909807314587353088") > 0);
	assert_non_null(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)));
	BN_free(n);
}

static inline X509 *cert_make(const struct cert_spec *s)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;
	assert_non_null(x);
	assert_int_equal(X509_set_version(x, s->version), 1);
	cert_serial(x, s->serial);
	cert_dates(x, s);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)s->subject, -1, -1, 0);
	X509_set_issuer_name(x, s->issuer != NULL ? X509_get_subject_name(s->issuer) : name);
	assert_int_equal(X509_set_pubkey(x, s->key), 1);
	X509V3_set_ctx(&ctx, s->issuer != NULL ? s->issuer : x, x, NULL, NULL, 0);
	for (size_t i = 0; i < CERTS_EXT_MAX && s->ext[i].value != NULL; i++) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, s->ext[i].nid, s->ext[i].value);
		assert_non_null(e);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	const EVP_MD *md = EVP_get_digestbyname(s->digest != NULL ? s->digest : "SHA256");
	assert_true(X509_sign(x, s->sign_with != NULL ? s->sign_with : s->key, md) > 0);
	return x;
}

/* The DER of x in to; its length. */
static inline size_t cert_der(X509 *x, uint8_t *to, size_t cap)
{
	int len = i2d_X509(x, NULL);
	assert_true(len > 0 && (size_t)len <= cap);
	unsigned char *at = to;
	i2d_X509(x, &at);
	return (size_t)len;
}

#endif
