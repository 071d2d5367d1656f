/*
 * The cache of verified chains, sets of four places. Invariant: an identity stands only under the key
 * it was put with, and no stranger knows the seed that chooses the set.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/chain.h"
#include "knock/spa.h"

#define WAYS 4

struct place {
	uint8_t key[32];
	uint64_t used; /* when, by the cache's own count; 0: empty */
	struct chain_identity identity;
};

struct chain_cache {
	size_t mask;    /* sets less one, a power of two */
	uint64_t clock; /* counts uses */
	uint8_t seed[crypto_shorthash_KEYBYTES];
	struct place *places;
};

struct chain_cache *chain_cache_new(size_t slots, const uint8_t seed[16])
{
	size_t sets = 1;
	struct chain_cache *c = NULL;
	if (slots > SIZE_MAX / 4 / sizeof(c->places[0]))
		return NULL;
	while (sets * WAYS < slots)
		sets *= 2;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->places = calloc(sets * WAYS, sizeof(c->places[0]));
	if (c->places == NULL) {
		free(c);
		return NULL;
	}
	c->mask = sets - 1;
	memcpy(c->seed, seed, sizeof(c->seed));
	return c;
}

void chain_cache_free(struct chain_cache *c)
{
	if (c == NULL)
		return;
	free(c->places);
	free(c);
}

void chain_cache_key(const struct chain_path *p, uint8_t ret[32])
{
	crypto_hash_sha256_state hash;
	uint8_t anchor_key_id[SPA_KEY_ID_LEN];
	spa_key_id(p->anchor->cert.pk, anchor_key_id);
	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, p->parts[0].der.data, p->parts[0].der.len);
	crypto_hash_sha256_update(&hash, anchor_key_id, sizeof(anchor_key_id));
	crypto_hash_sha256_final(&hash, ret);
}

static struct place *set_of(const struct chain_cache *c, const uint8_t key[32])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t h = 0;
	crypto_shorthash(hash, key, 32, c->seed);
	memcpy(&h, hash, sizeof(h));
	return &c->places[(h & c->mask) * WAYS];
}

static struct place *find(const struct chain_cache *c, const uint8_t key[32])
{
	struct place *set = set_of(c, key);
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].used != 0 && memcmp(set[i].key, key, 32) == 0)
			return &set[i];
	return NULL;
}

const struct chain_identity *chain_cache_get(struct chain_cache *c, const uint8_t key[32])
{
	struct place *p = find(c, key);
	if (p == NULL)
		return NULL;
	p->used = ++c->clock;
	return &p->identity;
}

void chain_cache_put(struct chain_cache *c, const uint8_t key[32], const struct chain_identity *i)
{
	struct place *p = find(c, key);
	if (p == NULL) {
		struct place *set = set_of(c, key);
		p = &set[0];
		for (size_t k = 1; k < WAYS; k++)
			if (set[k].used < p->used)
				p = &set[k];
	}
	memcpy(p->key, key, sizeof(p->key));
	p->identity = *i;
	p->used = ++c->clock;
}
