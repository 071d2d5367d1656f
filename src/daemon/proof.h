#ifndef POSTERN_DAEMON_PROOF_H
#define POSTERN_DAEMON_PROOF_H

/*
 * What a signature proves, by the kind of key that the directory names: a plain key that its owner has
 * it, a token's also that somebody touched the token, and that there is no copy of it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "identity/directory.h"
#include "knock/spa.h"
#include "store/store.h"

/*
 * Does the signature of q hold over the transcript under the key of e? An ssh-ed25519 line takes
 * signature types 1 and 2, a line of a token only 3. Pure.
 */
bool proof_holds(
	const struct directory_entry *e, const struct spa_request *q, struct span transcript);

/* The same for a key that a certificate names, signature types 1 and 2. Pure. */
bool proof_holds_key(const uint8_t pk[32], const struct spa_request *q, struct span transcript);

/*
 * Why a signature that holds is not enough: "fido-touch" (no flag UP, whatever the line says) or
 * "fido-pin" (no flag UV where the line requires it); NULL when it is enough, or no token signed. Pure.
 */
const char *proof_lack(const struct directory_entry *e, const struct spa_request *q);

/*
 * The counter against what the store remembers and the n claims that go to it before this one: 1 when it
 * is to be remembered, 0 when neither side counts, -ESTALE when it did not grow, else what the store
 * says.
 */
int proof_counter(struct store *s, const struct store_claim *before, size_t n,
	const uint8_t key_id[32], uint32_t counter);

/* A clause for people about a reason of this file, "" for any other. */
const char *proof_text(const char *reason);

#define PROOF_COUNTER "fido-counter"

#endif
