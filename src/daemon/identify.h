#ifndef POSTERN_DAEMON_IDENTIFY_H
#define POSTERN_DAEMON_IDENTIFY_H

/*
 * Steps 6 and 7 of the server procedure: who says so, and is it true. By key id the directory is asked; a
 * certificate chain is followed to a certifier we trust. Either way nothing is believed before the
 * request's own signature held. No allocation after identify_init.
 */

#include "base/span.h"
#include "daemon/boot.h"
#include "daemon/lockout.h"
#include "identity/chain.h"
#include "identity/template.h"
#include "knock/spa.h"
#include "policy/policy.h"
#include "store/store.h"

#define IDENTIFY_HASH_LEN 32
#define IDENTIFY_CERTIFIERS 512 /* a power of two */

struct identify {
	const struct boot *boot;
	struct chain_cache *cache;
	/*
	 * Certifiers' certificates that were verified, by a hash that no stranger can work out: whoever puts
	 * forged ones below them does not make us verify them each time.
	 */
	uint8_t seed[IDENTIFY_HASH_LEN];
	uint8_t certifiers[IDENTIFY_CERTIFIERS][IDENTIFY_HASH_LEN];
	/* private: room for one chain at a time */
	struct template_room room;
	struct chain chain;
	struct chain_path path;
};

__attribute__((warn_unused_result)) int identify_init(struct identify *i, const struct boot *boot);
void identify_deinit(struct identify *i);

/*
 * The directory's line for somebody who came by certificate: of that very name and key, or of the key alone
 * when it locks that out under whatever name, else of the name, else of the key; NULL for none. Any of them
 * may lock out; only the first makes it listed.
 */
const struct directory_entry *identify_entry(
	const struct directory *d, const struct name *name, const uint8_t key_id[32]);

/* Is the claim's name out, or the one that the directory has for its key? l may be NULL. */
bool identify_is_locked_out(const struct lockout *l, const struct claim *c);

/* Is the claim's key its line's key-next? */
bool identify_is_next(const struct claim *c);

/*
 * Did the key that follows this one end it? A line's key is good until its key-next was accepted for the
 * first time. s NULL: nothing is remembered. When the store cannot say, yes: nothing else could be recorded
 * either.
 */
bool identify_is_superseded(struct store *s, const struct claim *c);

/*
 * Follow the certificates, DER, leaf first, of somebody who was seen to have the leaf's key. CHAIN_OK or a
 * reason; *ret as chain_walk writes it.
 */
enum chain_reject identify_chain(
	struct identify *i, struct span der, uint64_t wall_ms, struct chain_identity *ret);

enum identify_result { IDENTIFY_OK, IDENTIFY_UNKNOWN, IDENTIFY_UNSIGNED };

/*
 * Fills the who of *claim (entry, name, key_id, and what is known of the certificate). *ret_chain is
 * written for a chain only, its step_count is 0 otherwise.
 */
enum identify_result identify_request(struct identify *i, const struct spa_request *q,
	struct span transcript, uint64_t wall_ms, struct claim *claim,
	struct chain_identity *ret_chain);

#endif
