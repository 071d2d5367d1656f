/*
 * Key ids. Invariant: the id of an Ed25519 key depends on its 32 bytes alone, never on the wrapping
 * it was read from.
 */

#include "identity/keyid.h"

#include <sodium.h>
#include <string.h>

_Static_assert(KEYID_LEN == crypto_hash_sha256_BYTES, "a key id is a SHA-256");

void keyid_ed25519(const uint8_t pk[KEYID_ED25519_LEN], uint8_t ret[KEYID_LEN])
{
	/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes } */
	uint8_t spki[44] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21,
		0x00 };
	memcpy(spki + 12, pk, KEYID_ED25519_LEN);
	crypto_hash_sha256(ret, spki, sizeof(spki));
}

void keyid_blob(struct span blob, uint8_t ret[KEYID_LEN])
{
	crypto_hash_sha256(ret, blob.data, blob.len);
}
