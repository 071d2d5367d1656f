/* What is done with whole certificates: text around them, their signature, their fingerprint. */

#include "identity/cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "base/pem.h"
#include "base/text.h"

void cert_key_identifier(const uint8_t pk[32], uint8_t ret[CERT_KEY_IDENTIFIER_LEN])
{
	uint8_t h[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(h, pk, 32);
	memcpy(ret, h, CERT_KEY_IDENTIFIER_LEN);
}

bool cert_signed_by(struct span der, const uint8_t issuer_pk[32])
{
	const unsigned char *at = der.data;
	if (der.len == 0 || der.len > CERT_LEN_MAX)
		return false;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, issuer_pk, 32);
	bool is_good =
		x != NULL && key != NULL && at == der.data + der.len && X509_verify(x, key) == 1;
	EVP_PKEY_free(key);
	X509_free(x);
	ERR_clear_error();
	return is_good;
}

const char *cert_fingerprint(struct span der, char to[80])
{
	uint8_t h[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(h) + 1];
	crypto_hash_sha256(h, der.data, der.len);
	text_hex(SPAN_OF(h), hex);
	for (size_t i = 0; i < 16; i++) {
		memcpy(to + 5 * i, hex + 4 * i, 4);
		to[5 * i + 4] = i == 15 ? '\0' : ' ';
	}
	return to;
}

/* The first CERTIFICATE block. Blocks of other kinds may stand before it. */
static int find_block(struct span pem, struct pem_block *ret, struct fault *f)
{
	struct pem_reader r = pem_reader_init(pem);
	for (;;) {
		enum pem_result got = pem_next(&r, ret);
		if (got == PEM_BLOCK && strcmp(ret->label, "CERTIFICATE") == 0)
			return 0;
		if (got == PEM_BAD) {
			fault_set(f,
				"line %u: %s; keep only the BEGIN and END lines and what is "
				"between",
				r.line, r.why);
			return -EINVAL;
		}
		if (got == PEM_END) {
			fault_set(f,
				"line %u: the file ends without a CERTIFICATE block; name a "
				"certificate",
				r.line);
			return -EINVAL;
		}
	}
}

int cert_read_pem(struct span pem, struct cert *ret, uint8_t *der, size_t *ret_len, struct fault *f)
{
	struct pem_block b;
	size_t len;
	int rc = find_block(pem, &b, f);
	if (rc < 0)
		return rc;
	if (!pem_decode(&b, der, CERT_LEN_MAX, &len)) {
		fault_set(f,
			"line %u: the block is not base64 of at most %d bytes; copy the file "
			"again",
			b.line, CERT_LEN_MAX);
		return -EINVAL;
	}
	rc = cert_read(span_of(der, len), ret, f);
	if (rc == 0)
		*ret_len = len;
	return rc;
}
