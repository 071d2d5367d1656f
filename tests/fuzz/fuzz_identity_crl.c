/*
 * Any bytes, read as a revocation list. What is accepted is DER in OpenSSL's eyes too, with the same
 * issuer and as many entries; they ascend, and walking them ends where the list says.
 */

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/crl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_openssl(struct span der, const struct crl *c)
{
	const unsigned char *at = der.data, *issuer;
	size_t issuer_len;
	unsigned char *again = NULL;
	X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)der.len);
	if (x == NULL || at != der.data + der.len)
		abort();
	if (X509_NAME_get0_der(X509_CRL_get_issuer(x), &issuer, &issuer_len) != 1 ||
		!span_equal(c->issuer_der, span_of(issuer, issuer_len)))
		abort();
	int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(x));
	if (c->count != (count > 0 ? (size_t)count : 0))
		abort();
	/* Drop the bytes OpenSSL kept, so that it encodes afresh. */
	if (i2d_re_X509_CRL_tbs(x, NULL) <= 0 || i2d_X509_CRL(x, &again) != (int)der.len ||
		memcmp(again, der.data, der.len) != 0)
		abort();
	OPENSSL_free(again);
	X509_CRL_free(x);
	ERR_clear_error();
}

static void check_entries(const struct crl *c)
{
	struct span at = c->entries;
	uint8_t before[CRL_SERIAL_LEN] = { 0 }, serial[CRL_SERIAL_LEN];
	uint64_t revoked_ms;
	size_t count = 0;
	for (; crl_next(&at, serial, &revoked_ms); count++) {
		if (memcmp(before, serial, sizeof(serial)) >= 0)
			abort();
		memcpy(before, serial, sizeof(serial));
	}
	if (count != c->count || at.len != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct crl c;
	struct span der = span_of(data, len);
	enum cert_reject reason = crl_decode(der, &c);
	if (reason != CERT_OK) {
		if (reason >= CERT_REJECT_COUNT)
			abort();
		return 0;
	}
	if (name_check(&c.issuer, true) != NAME_OK || c.number == 0 ||
		c.next_update_ms <= c.this_update_ms)
		abort();
	check_entries(&c);
	check_openssl(der, &c);
	return 0;
}
