/*
 * Who asks. Invariant: a claim is authenticated only after the request's signature was verified with a key
 * that the directory or a chain to one of our certifiers gives, and only such a chain enters the cache.
 */

#include "daemon/identify.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "daemon/proof.h"

#define CACHE_SLOTS 4096

int identify_init(struct identify *i, const struct boot *boot)
{
	uint8_t seed[16];
	memset(i, 0, sizeof(*i));
	i->boot = boot;
	randombytes_buf(seed, sizeof(seed));
	randombytes_buf(i->seed, sizeof(i->seed));
	i->cache = chain_cache_new(CACHE_SLOTS, seed);
	return i->cache == NULL ? -ENOMEM : 0;
}

void identify_deinit(struct identify *i)
{
	chain_cache_free(i->cache);
	i->cache = NULL;
}

/* ------------------------------------------------------------------ by key id */

static enum identify_result by_key_id(const struct identify *i, const struct spa_request *q,
	struct span transcript, struct claim *claim)
{
	const struct directory_entry *e = directory_find(i->boot->directory, q->identity.data);
	/* A line that names only a key id, or the id of a key to come, has no key to verify with. */
	if (e == NULL || e->key == DIRECTORY_KEY_ID_ONLY ||
		sodium_memcmp(e->key_id, q->identity.data, SPA_KEY_ID_LEN) != 0)
		return IDENTIFY_UNKNOWN;
	if (!proof_holds(e, q, transcript))
		return IDENTIFY_UNSIGNED;
	claim->entry = e;
	claim->name = e->name;
	memcpy(claim->key_id, e->key_id, sizeof(claim->key_id));
	claim->is_certified = e->is_certified_equivalent;
	claim->not_after_ms = e->expires_ms;
	return IDENTIFY_OK;
}

/* ------------------------------------------------------------------ by chain */

/* Identity type 2: u16 length and DER, leaf first. */
static enum chain_reject split(struct span s, struct chain *ret)
{
	struct reader r = reader_init(s);
	*ret = (struct chain){ 0 };
	while (!reader_done(&r)) {
		if (ret->count == CHAIN_CERTS_MAX)
			return CHAIN_TOO_LONG;
		ret->der[ret->count++] = reader_take(&r, reader_u16(&r));
		if (r.is_short)
			return CHAIN_CERT;
	}
	return ret->count == 0 ? CHAIN_EMPTY : CHAIN_OK;
}

/* The place of the certificate at, which is the certifier's above the leaf, and its hash under that key. */
static uint8_t *certifier_place(struct identify *i, size_t at, uint8_t hash[IDENTIFY_HASH_LEN])
{
	const struct chain_path *p = &i->path;
	const uint8_t *by = at + 1 < p->count ? p->certs[at + 1].pk : p->anchor->cert.pk;
	crypto_generichash_state state;
	crypto_generichash_init(&state, i->seed, sizeof(i->seed), IDENTIFY_HASH_LEN);
	crypto_generichash_update(&state, by, 32);
	crypto_generichash_update(&state, p->parts[at].der.data, p->parts[at].der.len);
	crypto_generichash_final(&state, hash, IDENTIFY_HASH_LEN);
	size_t place = (size_t)(hash[0] << 8 | hash[1]) & (IDENTIFY_CERTIFIERS - 1);
	return i->certifiers[place];
}

static enum chain_reject walk(struct identify *i, uint64_t wall_ms, struct chain_identity *ret)
{
	uint8_t hashes[CHAIN_CERTS_MAX][IDENTIFY_HASH_LEN];
	uint8_t *places[CHAIN_CERTS_MAX];
	struct chain_path *p = &i->path;
	for (size_t at = 1; at < p->count; at++) {
		places[at] = certifier_place(i, at, hashes[at]);
		p->is_signed[at] = memcmp(places[at], hashes[at], IDENTIFY_HASH_LEN) == 0;
	}
	enum chain_reject r = chain_walk(i->boot->trust, p, wall_ms, ret);
	for (size_t at = 1; at < p->count && at < CHAIN_CERTS_MAX; at++)
		if (p->is_signed[at])
			memcpy(places[at], hashes[at], IDENTIFY_HASH_LEN);
	return r;
}

static enum chain_reject verify(struct identify *i, uint64_t wall_ms, const uint8_t key[32],
	struct chain_identity *ret, bool *ret_is_cached)
{
	const struct chain_identity *known = chain_cache_get(i->cache, key);
	*ret_is_cached = false;
	if (known == NULL)
		return walk(i, wall_ms, ret);
	/*
	 * The lists were asked when it was put there, and are the same until that time. What ended may be a
	 * certificate above the leaf, and another one may have come in its place: those shown now decide.
	 */
	if (wall_ms >= known->valid_until_ms &&
		chain_recheck(i->boot->trust, known, wall_ms) != CHAIN_OK)
		return walk(i, wall_ms, ret);
	*ret = *known;
	*ret_is_cached = true;
	return CHAIN_OK;
}

const struct directory_entry *identify_entry(
	const struct directory *d, const struct name *name, const uint8_t key_id[32])
{
	const struct directory_entry *by_key = directory_find(d, key_id);
	if (by_key != NULL &&
		(name_equal(&by_key->name, name) || by_key->is_locked || by_key->is_disabled))
		return by_key;
	const struct directory_entry *by_name = directory_find_name(d, name);
	return by_name != NULL ? by_name : by_key;
}

bool identify_is_locked_out(const struct lockout *l, const struct claim *c)
{
	return lockout_has(l, &c->name) || (c->entry != NULL && lockout_has(l, &c->entry->name));
}

static bool is_key(const uint8_t a[32], const uint8_t b[32])
{
	return memcmp(a, b, SPA_KEY_ID_LEN) == 0;
}

bool identify_is_next(const struct claim *c)
{
	return c->entry != NULL && c->entry->has_next && is_key(c->key_id, c->entry->key_next);
}

bool identify_is_superseded(struct store *s, const struct claim *c)
{
	return s != NULL && c->entry != NULL && c->entry->has_next &&
		is_key(c->key_id, c->entry->key_id) &&
		store_key_next_known(s, c->entry->key_next) != 0;
}

static bool fill_standing(enum chain_reject r, struct claim *claim)
{
	claim->is_revoked = r == CHAIN_REVOKED;
	claim->lacks_crl = r == CHAIN_NO_CRL;
	claim->is_not_yet = r == CHAIN_NOT_YET;
	return r == CHAIN_OK || r == CHAIN_EXPIRED || claim->is_revoked || claim->lacks_crl ||
		claim->is_not_yet;
}

enum chain_reject identify_chain(
	struct identify *i, struct span der, uint64_t wall_ms, struct chain_identity *ret)
{
	uint8_t key[32];
	bool is_cached;
	enum chain_reject r = chain_split(der, &i->chain);
	if (r == CHAIN_OK)
		r = chain_resolve(i->boot->trust, &i->chain, &i->path);
	if (r != CHAIN_OK)
		return r;
	chain_cache_key(&i->path, key);
	r = verify(i, wall_ms, key, ret, &is_cached);
	if (r == CHAIN_OK && memcmp(ret->pk, i->path.certs[0].pk, sizeof(ret->pk)) != 0)
		return CHAIN_SIGNATURE;
	if (!is_cached && r == CHAIN_OK)
		chain_cache_put(i->cache, key, ret);
	return r;
}

static enum identify_result by_chain(struct identify *i, const struct spa_request *q,
	struct span transcript, uint64_t wall_ms, struct claim *claim, struct chain_identity *ret)
{
	uint8_t key[32];
	bool is_cached;
	enum chain_reject r = q->identity_type == SPA_ID_TEMPLATE
		? template_decode(q->identity, &i->room, &i->chain)
		: split(q->identity, &i->chain);
	if (r != CHAIN_OK || chain_resolve(i->boot->trust, &i->chain, &i->path) != CHAIN_OK)
		return IDENTIFY_UNKNOWN;
	/* First, so that others' certificates cost nobody who sends them more than one verification. */
	if (!proof_holds_key(i->path.certs[0].pk, q, transcript))
		return IDENTIFY_UNSIGNED;
	chain_cache_key(&i->path, key);
	r = verify(i, wall_ms, key, ret, &is_cached);
	if (!fill_standing(r, claim) || memcmp(ret->pk, i->path.certs[0].pk, sizeof(ret->pk)) != 0)
		return IDENTIFY_UNKNOWN;
	if (!is_cached && r == CHAIN_OK)
		chain_cache_put(i->cache, key, ret);
	claim->entry = identify_entry(i->boot->directory, &ret->name, ret->key_id);
	claim->name = ret->name;
	memcpy(claim->key_id, ret->key_id, sizeof(claim->key_id));
	claim->is_certified = true;
	claim->not_after_ms = ret->not_after_ms;
	return IDENTIFY_OK;
}

enum identify_result identify_request(struct identify *i, const struct spa_request *q,
	struct span transcript, uint64_t wall_ms, struct claim *claim,
	struct chain_identity *ret_chain)
{
	enum identify_result r = IDENTIFY_UNKNOWN;
	ret_chain->step_count = 0;
	switch (q->identity_type) {
	case SPA_ID_KEY:
	case SPA_ID_SSH:
		r = by_key_id(i, q, transcript, claim);
		break;
	case SPA_ID_CHAIN:
	case SPA_ID_TEMPLATE:
		r = by_chain(i, q, transcript, wall_ms, claim, ret_chain);
		break;
	}
	claim->is_authenticated = r == IDENTIFY_OK;
	return r;
}
