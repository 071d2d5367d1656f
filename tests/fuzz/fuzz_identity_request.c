/*
 * Any bytes, read as a certification request, as they are and signed again by the key of the seeds, so
 * that changes get past the signature. What is accepted keeps the name rules, is signed by its own key,
 * and is the one DER encoding of itself in OpenSSL's eyes too.
 */

#include <openssl/x509.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/cert_field.h"
#include "identity/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_openssl(struct span der, const struct request *r)
{
	const unsigned char *at = der.data;
	X509_REQ *x = d2i_X509_REQ(NULL, &at, (long)der.len);
	unsigned char *again = NULL;
	if (x == NULL || at != der.data + der.len ||
		X509_REQ_verify(x, X509_REQ_get0_pubkey(x)) != 1)
		abort();
	/* Drop the bytes OpenSSL kept, so that it encodes afresh. */
	if (i2d_re_X509_REQ_tbs(x, NULL) <= 0 || i2d_X509_REQ(x, &again) != (int)der.len ||
		memcmp(again, der.data, der.len) != 0)
		abort();
	if (name_check(&r->name, r->kind == CERT_CERTIFIER) != NAME_OK)
		abort();
	OPENSSL_free(again);
	X509_REQ_free(x);
}

static void check(struct span der)
{
	struct request r, other;
	struct fault f = { "" };
	uint8_t damaged[REQUEST_LEN_MAX];
	if (request_read(der, &r, &f) != 0) {
		if (f.text[0] == '\0')
			abort();
		return;
	}
	check_openssl(der, &r);
	memcpy(damaged, der.data, der.len);
	damaged[der.len - 1] ^= 1;
	if (request_read(span_of(damaged, der.len), &other, &f) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t pk[32], sk[64];
	static const uint8_t seed[32] = { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
		7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 };
	uint8_t again[REQUEST_LEN_MAX];
	struct cert_envelope e;

	check(span_of(data, len));
	if (cert_field_envelope(span_of(data, len), sizeof(again), &e) != CERT_OK)
		return 0;
	if (sk[0] == 0)
		crypto_sign_seed_keypair(pk, sk, seed);
	memcpy(again, data, len);
	crypto_sign_detached(again + (e.signature.data - data), NULL, e.tbs.data, e.tbs.len, sk);
	check(span_of(again, len));
	return 0;
}
