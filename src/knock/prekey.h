#ifndef POSTERN_KNOCK_PREKEY_H
#define POSTERN_KNOCK_PREKEY_H

/*
 * The server's signed X25519 keys, doc/protocol.md section 2, and the server card that carries them to
 * clients.
 *
 * A card is a text file of PEM blocks:
 *   POSTERN CARD     base64 of: version u8 = 1, flags u8 (1 = stealth secret present), UDP port u16,
 *                    Ed25519 identity key 32, name (u8 length + abbreviated name), default service
 *                    (u8 length + name), host (u8 length + host name or address; may be empty),
 *                    stealth secret 32 when flag 1
 *   POSTERN PREKEY   one a record (164 bytes)
 *   CERTIFICATE      the server's chain, leaf first
 * followed by POSTERN CARD SIGNATURE: Ed25519 by the identity key over "postern card v1\0" || SHA-256 of
 * the decoded bodies of all blocks before it, each preceded by its u32 length. Unknown blocks are refused.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "knock/spa.h"

#define PREKEY_SIGNED_LEN 100
#define PREKEY_LEN 164
#define CARD_PREKEYS_MAX 8
#define CARD_CERTS_MAX 8
#define CARD_CERT_LEN_MAX 2048
#define CARD_FILE_MAX 32768
#define CARD_NAME_MAX 200
#define CARD_HOST_MAX 253

struct prekey {
	uint8_t sid[SPA_SID_LEN];
	uint8_t id; /* 0 long-lived fall-back, 1..255 rotate */
	uint8_t psk_slot;
	uint64_t not_before_ms;
	uint64_t not_after_ms;
	uint8_t pk[HPKE_KEY_LEN];
	uint8_t signature[SPA_SIGNATURE_LEN];
};

/* Fill and sign a record: k's fields but sid and signature are the caller's. sign_sk is the server's
 * 64-byte Ed25519 secret key. */
void prekey_sign(struct prekey *k, const uint8_t sign_sk[64]);

/* 164 bytes out; and in, SPA_OK or a reason (length, version text, slot over 15, ends before it begins).
 * The signature is checked apart. */
void prekey_encode(const struct prekey *k, uint8_t to[PREKEY_LEN]);
enum spa_reject prekey_decode(struct span s, struct prekey *ret);

/* True when k is signed by the identity key pk and k->sid is that key's id. */
bool prekey_verify(const struct prekey *k, const uint8_t pk[32]);

struct card {
	uint16_t port;
	uint8_t identity_pk[32];
	char name[CARD_NAME_MAX + 1];
	char service[SPA_SELECTOR_MAX + 1];
	char host[CARD_HOST_MAX + 1];
	bool has_stealth;
	uint8_t stealth[32];
	size_t prekey_count;
	struct prekey prekeys[CARD_PREKEYS_MAX];
	size_t cert_count;
	size_t cert_len[CARD_CERTS_MAX];
	uint8_t certs[CARD_CERTS_MAX][CARD_CERT_LEN_MAX];
};

/*
 * Parse and verify a card: every prekey signature and the card signature must hold, and there must be
 * one prekey at least. Returns 0 or -EINVAL with *f saying what is wrong (without file name: the caller
 * puts "path: " in front).
 */
__attribute__((warn_unused_result)) int card_parse(
	struct span text, struct card *ret, struct fault *f);

/* The card as text, signed. malloc'd (caller frees), or NULL. */
char *card_format(const struct card *c, const uint8_t sign_sk[64]);

/* The prekey a client should use at wall_ms: a rotating one inside its time with the latest not_after,
 * else id 0; NULL when there is none. A clock that is wrong must not lock out: id 0 is used regardless
 * of time. */
const struct prekey *card_prekey(const struct card *c, uint64_t wall_ms);

/* The long-lived prekey, id 0, for a client whose rotating one was not answered; NULL: there is none. */
const struct prekey *card_prekey_fallback(const struct card *c);

#endif
