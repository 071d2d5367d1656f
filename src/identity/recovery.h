#ifndef POSTERN_IDENTITY_RECOVERY_H
#define POSTERN_IDENTITY_RECOVERY_H

/*
 * Recovery of a lost password by M of N people, doc/protocol.md section 6.3. libsodium only.
 *
 * An authority publishes a record (X25519 key signed by its identity key). A certifier signs a list: who the
 * authorities are, and how many are needed. An ID file made under that list carries a recovery block: the
 * list; a secret S shared among the authorities, each share sealed to its authority; the file key K sealed
 * under S; all signed by the ID's own key. M authorities open their shares and read them to the owner, who
 * sets a new password. Fewer than M learn nothing of K. Certifiers' IDs too.
 *
 *   POSTERN RECOVERY AUTHORITY   version u8 = 1, name u16 length + bytes (abbreviated), Ed25519 key 32,
 *                                X25519 key 32, created u64 ms, signature 64 by that Ed25519 key over
 *                                "postern recovery authority v1\0" || all before
 *   POSTERN RECOVERY LIST        version u8 = 1, certifier's name u16 + bytes, its Ed25519 key 32, created
 *                                u64 ms, M u8, N u8, N authority records (whole, each u16 length + bytes),
 *                                signature 64 by the certifier over "postern recovery list v1\0" || all before
 *   POSTERN RECOVERY             version u8 = 1, key id 32, list u16 length + bytes, for x = 1..N:
 *                                commitment SHA-256("postern share v1" || x || share) 32, HPKE enc 32,
 *                                share sealed 48 (mode base to the authority's X25519 key, info
 *                                "postern recovery v1" || key id || M || N || x, aad empty); then K sealed:
 *                                nonce 24, XChaCha20-Poly1305 48 under HKDF-SHA256(S, info "postern recovery
 *                                wrap v1"), aad = key id; signature 64 by the ID's Ed25519 key over
 *                                "postern recovery v1\0" || all before
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/idfile.h"
#include "knock/hpke.h"

#define RECOVERY_AUTHORITIES_MAX 16
#define RECOVERY_SECRET_LEN 32
#define RECOVERY_AUTHORITY_LEN_MAX 720
#define RECOVERY_LIST_LEN_MAX 12288
#define RECOVERY_LEN_MAX 16384

#define RECOVERY_LABEL_AUTHORITY "POSTERN RECOVERY AUTHORITY"
#define RECOVERY_LABEL_LIST "POSTERN RECOVERY LIST"
#define RECOVERY_LABEL "POSTERN RECOVERY"

struct recovery_authority {
	char name[IDFILE_NAME_MAX + 1];
	uint8_t pk[32];     /* Ed25519 */
	uint8_t x25519[32]; /* public */
	uint64_t created_ms;
};

struct recovery_list {
	char certifier[IDFILE_NAME_MAX + 1];
	uint8_t certifier_pk[32];
	uint64_t created_ms;
	uint8_t m, n; /* 1 <= m <= n <= 16; m = 1 is the caller's to allow */
	struct recovery_authority authorities[RECOVERY_AUTHORITIES_MAX];
};

/* One share: of authority x, 1..N. Secret. */
struct recovery_share {
	uint8_t x;
	uint8_t b[RECOVERY_SECRET_LEN];
};

/*
 * Shamir over GF(2^8), modulus 0x11b, byte by byte, constant time. coefficients: (m - 1) * 32 bytes, those of
 * x^1 first; fresh random bytes from the caller (tests pass fixed ones).
 */
void recovery_split(const uint8_t secret[RECOVERY_SECRET_LEN], const uint8_t *coefficients,
	uint8_t m, uint8_t n, struct recovery_share *ret);
/* count shares with different x, none 0; false otherwise. Too few or wrong shares give a wrong secret. */
__attribute__((warn_unused_result)) bool recovery_join(
	const struct recovery_share *shares, size_t count, uint8_t ret[RECOVERY_SECRET_LEN]);

/*
 * A share as people read it aloud: base32 (RFC 4648) of x, the 32 bytes and the first four bytes of their
 * SHA-256, 60 characters in groups of five. Reading takes any case, spaces, hyphens and line ends, and 0, 1
 * and 8 for O, I and B, which the alphabet lacks. Wrong characters and a wrong check are told apart in *f.
 */
#define RECOVERY_TEXT_MAX 72
const char *recovery_share_format(const struct recovery_share *s, char to[RECOVERY_TEXT_MAX]);
__attribute__((warn_unused_result)) int recovery_share_parse(
	struct span text, struct recovery_share *ret, struct fault *f);

/* Encoding returns the length, 0 when it does not fit the format; sk is a 64-byte libsodium secret key. */
size_t recovery_authority_encode(const struct recovery_authority *a, const uint8_t sk[64],
	uint8_t to[RECOVERY_AUTHORITY_LEN_MAX]);
/* 0, or -EINVAL with *f. Signature included. */
__attribute__((warn_unused_result)) int recovery_authority_decode(
	struct span s, struct recovery_authority *ret, struct fault *f);

/* records: the N encoded authorities, as they were signed. Two of one key are refused. */
size_t recovery_list_encode(const struct recovery_list *l, const struct span *records,
	const uint8_t certifier_sk[64], uint8_t to[RECOVERY_LIST_LEN_MAX]);
__attribute__((warn_unused_result)) int recovery_list_decode(
	struct span s, struct recovery_list *ret, struct fault *f);

/* A new block for an ID under list (encoded). Fresh secret and shares. Its length, 0 on failure. */
size_t recovery_make(struct span list, const uint8_t key_id[32], const struct idfile_key *key,
	const uint8_t sk[64], uint8_t to[RECOVERY_LEN_MAX]);

/* What a block says. */
struct recovery {
	uint8_t key_id[32];
	struct recovery_list list;
	struct span list_der; /* the encoded list, borrowed */
	struct {
		uint8_t commitment[32], enc[32], cipher[48];
	} shares[RECOVERY_AUTHORITIES_MAX];
	uint8_t nonce[24], wrapped[48];
};

/* pk: the ID's Ed25519 key, from its certificate. 0, or -EINVAL with *f. */
__attribute__((warn_unused_result)) int recovery_decode(
	struct span s, const uint8_t pk[32], struct recovery *ret, struct fault *f);

/* The share of the authority with this Ed25519 key: 0, -ENOENT it is none of them, -EBADMSG with *f. */
__attribute__((warn_unused_result)) int recovery_open_share(const struct recovery *r,
	const uint8_t authority_pk[32], const struct hpke_secret *x25519,
	struct recovery_share *ret, struct fault *f);

/* Does this share fit its commitment? For telling at once which one was misread. */
bool recovery_share_is_good(const struct recovery *r, const struct recovery_share *s);

/* The file key from at least M good shares. 0, or -EINVAL, -EBADMSG with *f. */
__attribute__((warn_unused_result)) int recovery_combine(const struct recovery *r,
	const struct recovery_share *shares, size_t count, struct idfile_key *ret, struct fault *f);

#endif
