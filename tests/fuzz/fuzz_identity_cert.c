/*
 * Any bytes, read as a certificate. What is accepted keeps the name rules, has one encoding in
 * OpenSSL's eyes too, and means the same whatever its signature is, unless it signed itself.
 */

#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_openssl(struct span der, const struct cert *c)
{
	const unsigned char *at = der.data;
	unsigned char again[CERT_LEN_MAX], *to = again;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	if (x == NULL || at != der.data + der.len)
		abort();
	/* Drop the bytes OpenSSL kept, so that it encodes afresh. */
	if (i2d_re_X509_tbs(x, NULL) <= 0 || i2d_X509(x, &to) != (int)der.len ||
		memcmp(again, der.data, der.len) != 0)
		abort();
	if ((X509_check_ca(x) == 1) != (c->kind == CERT_CERTIFIER))
		abort();
	X509_free(x);
}

static void check_other_signature(struct span der, const struct cert *c)
{
	uint8_t other[CERT_LEN_MAX];
	struct cert again;
	struct fault f;
	memcpy(other, der.data, der.len);
	other[der.len - 1] ^= 1;
	int rc = cert_read(span_of(other, der.len), &again, &f);
	if (cert_signed_by(der, c->pk)) {
		if (rc == 0 && name_equal(&c->subject, &c->issuer))
			abort();
		return;
	}
	if (rc != 0 || !name_equal(&again.subject, &c->subject) || again.kind != c->kind ||
		memcmp(again.pk, c->pk, 32) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cert c;
	struct fault f = { "" };
	struct span der = span_of(data, len);
	if (cert_read(der, &c, &f) != 0) {
		if (f.text[0] == '\0')
			abort();
		return 0;
	}
	if (name_check(&c.subject, c.kind == CERT_CERTIFIER) != NAME_OK ||
		name_check(&c.issuer, !cert_is_issued_by_user(&c)) != NAME_OK ||
		c.not_after_ms <= c.not_before_ms)
		abort();
	check_openssl(der, &c);
	check_other_signature(der, &c);
	return 0;
}
