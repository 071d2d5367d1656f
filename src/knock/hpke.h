#ifndef POSTERN_KNOCK_HPKE_H
#define POSTERN_KNOCK_HPKE_H

/*
 * HPKE, RFC 9180: DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, ChaCha20-Poly1305 0x0003,
 * modes base and psk, one seal or open for each context. Over libsodium only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define HPKE_KEY_LEN 32 /* X25519 public and private keys, shared secrets, the exporter secret */
#define HPKE_TAG_LEN 16
#define HPKE_NONCE_LEN 12
#define HPKE_PSK_LEN 32

/* An X25519 private key. Wiped by its owner with sodium_memzero. */
struct hpke_secret {
	uint8_t b[HPKE_KEY_LEN];
};

/* Key schedule of one context. Secret: wipe with hpke_context_wipe. */
struct hpke_context {
	uint8_t key[32];
	uint8_t base_nonce[HPKE_NONCE_LEN];
	uint8_t exporter[32];
};

/* Pre-shared key of mode psk (RFC 9180 5.1.2); NULL where a function takes one means mode base. */
struct hpke_psk {
	uint8_t key[HPKE_PSK_LEN];
	struct span id;
};

void hpke_public_key(const struct hpke_secret *sk, uint8_t pk[HPKE_KEY_LEN]);

/*
 * Sender: encapsulate to pk with the ephemeral secret eph, fill enc and *ret. Returns false when the
 * Diffie-Hellman result is all zero (a low-order public key); *ret is wiped then.
 */
__attribute__((warn_unused_result)) bool hpke_sender(const uint8_t pk[HPKE_KEY_LEN],
	const struct hpke_secret *eph, struct span info, const struct hpke_psk *psk,
	uint8_t enc[HPKE_KEY_LEN], struct hpke_context *ret);

/* Receiver: the same from enc with the private key sk. False for a low-order enc. */
__attribute__((warn_unused_result)) bool hpke_receiver(const uint8_t enc[HPKE_KEY_LEN],
	const struct hpke_secret *sk, struct span info, const struct hpke_psk *psk,
	struct hpke_context *ret);

/* Seal plain (sequence number 0) into cipher, plain.len + HPKE_TAG_LEN bytes. Once a context. */
void hpke_seal(const struct hpke_context *c, struct span aad, struct span plain, uint8_t *cipher);

/* Open cipher into plain (cipher.len - HPKE_TAG_LEN bytes). False when it does not authenticate. */
__attribute__((warn_unused_result)) bool hpke_open(
	const struct hpke_context *c, struct span aad, struct span cipher, uint8_t *plain);

/* Export(context, 32), RFC 9180 5.3. */
void hpke_export(const struct hpke_context *c, struct span context, uint8_t ret[32]);

void hpke_context_wipe(struct hpke_context *c);

/* HKDF-SHA256, RFC 5869; len <= 255 * 32. */
void hkdf_extract(struct span salt, struct span ikm, uint8_t prk[32]);
void hkdf_expand(const uint8_t prk[32], struct span info, uint8_t *ret, size_t len);

#endif
