#ifndef POSTERN_KNOCK_SSHSIG_H
#define POSTERN_KNOCK_SSHSIG_H

/*
 * Signatures that keys in an SSH agent make, doc/protocol.md section 3.4: OpenSSH's own framing, so
 * that no signature for a knock can serve for a login or a file, and the reverse. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define SSHSIG_NAMESPACE "knock@postern"
#define SSHSIG_DATA_LEN (6 + 4 + 13 + 4 + 4 + 6 + 4 + 64)
#define SSHSIG_SIGNATURE_LEN 64

/* What a FIDO token adds to its signature. */
#define SSHSIG_FLAG_UP 1 /* touched */
#define SSHSIG_FLAG_UV 4 /* and its PIN given, or the like */
struct sshsig_token {
	struct span application; /* "ssh:" */
	uint8_t flags;
	uint32_t counter; /* 0: the token does not count */
};

/*
 * The data to be signed for message: "SSHSIG" || string namespace || string "" || string "sha512" ||
 * string SHA-512(message).
 */
void sshsig_data(struct span message, uint8_t to[SSHSIG_DATA_LEN]);

/*
 * Does the signature by a token hold for data? It is over SHA-256(application) || flags || counter ||
 * SHA-256(data). What the flags and the counter say is the caller's to judge.
 */
bool sshsig_verify_token(const uint8_t pk[32], const struct sshsig_token *t, struct span data,
	const uint8_t signature[SSHSIG_SIGNATURE_LEN]);

#endif
