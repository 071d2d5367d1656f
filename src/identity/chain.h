#ifndef POSTERN_IDENTITY_CHAIN_H
#define POSTERN_IDENTITY_CHAIN_H

/*
 * The path rule, doc/protocol.md section 7.3: from an anchor of identity/trust.h down the certificates that
 * somebody presents, to that person's name and key. Both sides use it: the server for who knocks, the
 * client for the server card. libsodium only, no allocation: packet path.
 *
 * The anchor is the nearest one found from the leaf upwards: one that is the leaf itself (a single name
 * that was cross-certified, same key), or the certifier (Name bytes and key identifier) that issued it, or
 * that issued the next, and so on; certificates above it are not looked at. Going down from it each step
 * requires: issuer bytes equal to the parent's subject bytes; authorityKeyIdentifier equal to the parent's;
 * the parent a certifier with path length left; the parent rule (subject = issuer's and one component), but
 * for a self-issued rollover step; below a cross-certificate, the subject within its subtree; the time
 * within its dates; not revoked; signed by the parent's key.
 */

#include "base/span.h"
#include "identity/cert.h"
#include "identity/trust.h"

#define CHAIN_CERTS_MAX 8 /* leaf, four OU, O and two rollovers */
#define CHAIN_STEPS_MAX (CHAIN_CERTS_MAX + 1)

enum chain_reject {
	CHAIN_OK = 0,
	CHAIN_EMPTY,
	CHAIN_TOO_LONG,
	CHAIN_CERT,      /* one is not of the profile */
	CHAIN_KIND,      /* the leaf is a certifier's, or a parent is not */
	CHAIN_NO_ANCHOR, /* nobody we trust issued any of them */
	CHAIN_ORDER,     /* issuer name or key identifier is not the parent's */
	CHAIN_PARENT,    /* the parent rule */
	CHAIN_PATH_LENGTH,
	CHAIN_SUBTREE, /* outside the cross-certificate's subtree */
	CHAIN_SIGNATURE,
	/* everything else holds: *ret is filled, so that its owner can be told */
	CHAIN_NOT_YET,
	CHAIN_EXPIRED,
	CHAIN_REVOKED,
	CHAIN_NO_CRL,
	CHAIN_REJECT_COUNT,
};

const char *chain_reject_name(enum chain_reject reason); /* "no-anchor" */
const char *chain_reject_text(enum chain_reject reason); /* a clause for people */

/* DER certificates, leaf first; the spans borrow. */
struct chain {
	size_t count;
	struct span der[CHAIN_CERTS_MAX];
};

/* Split DER certificates that follow each other, leaf first. CHAIN_OK, _EMPTY, _TOO_LONG or _CERT. */
enum chain_reject chain_split(struct span der, struct chain *ret);

/*
 * What an ID shows of its certificates: its own and those above it, up to but without the organisation that
 * vouches for itself, which whoever is to believe them knows. The spans borrow from the file, or from own: the
 * certificates in its order. False when there is none that can be read. Pure.
 */
struct idfile;
bool chain_of_own(const struct span *own, size_t count, struct chain *ret);
bool chain_of_idfile(const struct idfile *file, struct chain *ret);

/* One certificate of the path, for looking whether it is revoked later. */
struct chain_step {
	uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN];
	uint8_t serial[8];
};

struct chain_identity {
	struct name name;
	enum cert_kind kind; /* CERT_USER or CERT_SERVER */
	uint8_t pk[32];
	uint8_t key_id[32];
	uint64_t not_after_ms;   /* the least on the path */
	uint64_t valid_until_ms; /* the same, or sooner when a list must be renewed sooner */
	enum trust_role role;    /* of the anchor */
	size_t step_count;       /* leaf first, up to and with a cross-certificate */
	struct chain_step steps[CHAIN_STEPS_MAX];
};

/* Decoded certificates up to the anchor. No signature was looked at. */
struct chain_path {
	size_t count; /* certificates of the chain below the anchor; 0: the anchor is the leaf itself */
	/* leaf first; the leaf is there always, though with count 0 only its name and key are believed */
	struct cert certs[CHAIN_CERTS_MAX];
	struct cert_parts parts[CHAIN_CERTS_MAX];
	const struct trust_anchor *anchor;
	/*
	 * Known to be signed by the one above it, up to the anchor: not verified again. chain_resolve clears
	 * them, whoever remembers sets them, chain_walk sets what it verified, also when it refuses the rest.
	 */
	bool is_signed[CHAIN_CERTS_MAX];
};

/* Decode and find the anchor. CHAIN_OK or a reason before CHAIN_ORDER; *ret is written in any case. Pure. */
enum chain_reject chain_resolve(
	const struct trust *t, const struct chain *c, struct chain_path *ret);

/* Walk down. CHAIN_OK or a reason; *ret also for CHAIN_NOT_YET and what follows it. */
enum chain_reject chain_walk(
	const struct trust *t, struct chain_path *p, uint64_t wall_ms, struct chain_identity *ret);

/* chain_resolve and chain_walk. */
enum chain_reject chain_verify(
	const struct trust *t, const struct chain *c, uint64_t wall_ms, struct chain_identity *ret);

/*
 * CHAIN_OK when it has not expired and none of the steps is revoked by what t knows at wall_ms; else
 * CHAIN_EXPIRED, CHAIN_REVOKED or CHAIN_NO_CRL. For gates that are open already, and hits of the cache.
 */
enum chain_reject chain_recheck(
	const struct trust *t, const struct chain_identity *i, uint64_t wall_ms);

/*
 * The cache of verified chains: fixed size, keyed by SHA-256(leaf DER || anchor's key id), filled by the
 * caller only after the request's own signature held. Least recently used of a small set goes. An entry
 * is good for one struct trust: a new one comes with a new cache. No signature is verified on a hit; dates
 * and lists are looked at again.
 */
struct chain_cache;

struct chain_cache *chain_cache_new(size_t slots, const uint8_t seed[16]);
void chain_cache_free(struct chain_cache *c);
void chain_cache_key(const struct chain_path *p, uint8_t ret[32]);

/* The identity, borrowed until the next put; NULL when it is not there. */
const struct chain_identity *chain_cache_get(struct chain_cache *c, const uint8_t key[32]);
void chain_cache_put(struct chain_cache *c, const uint8_t key[32], const struct chain_identity *i);

#endif
