/* What is asked of any certificate, with libsodium alone: key identifier, signature, fingerprint. */

#include "identity/cert.h"

#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "identity/cert_field.h"

void cert_key_identifier(const uint8_t pk[32], uint8_t ret[CERT_KEY_IDENTIFIER_LEN])
{
	uint8_t h[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(h, pk, 32);
	memcpy(ret, h, CERT_KEY_IDENTIFIER_LEN);
}

bool cert_is_issued_by_user(const struct cert *c)
{
	return c->issuer.count > 0 && c->issuer.parts[c->issuer.count - 1].type == NAME_CN &&
		!name_equal(&c->subject, &c->issuer) && !name_is_below(&c->subject, &c->issuer);
}

bool cert_signed_by(struct span der, const uint8_t issuer_pk[32])
{
	struct cert_envelope e;
	return cert_field_envelope(der, CERT_LEN_MAX, &e) == CERT_OK &&
		cert_field_signed_by(e.tbs, e.signature, issuer_pk);
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
