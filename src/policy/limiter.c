/*
 * Token buckets in a table that never grows. A key may stand in four slots, which a keyed hash picks; a
 * new key takes one that forgets nothing (empty, or refilled to the brim), else one at random. So nobody
 * can choose whom to push out, and who is pushed out starts again with a full bucket.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

#define WAYS 4u
#define MILLI                                                                                      \
	UINT64_C(1000) /* parts of a token: a rate of tokens a second is parts a millisecond */
#define SLOTS_MAX ((size_t)1 << 26)

struct slot {
	uint8_t key[16];
	uint64_t parts; /* at last_ms */
	uint64_t last_ms;
	bool is_used;
};

struct limiter {
	size_t slots; /* a power of two, at least WAYS */
	uint64_t rate;
	uint64_t burst; /* in parts */
	uint8_t seed[crypto_shorthash_KEYBYTES];
	uint64_t random; /* xorshift state, never 0 */
	struct slot *table;
};

_Static_assert(crypto_shorthash_KEYBYTES == 16, "the seed is the hash key");

struct limiter *limiter_new(size_t slots, uint32_t rate, uint32_t burst, const uint8_t seed[16])
{
	if (slots > SLOTS_MAX)
		return NULL;
	struct limiter *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	for (l->slots = WAYS; l->slots < slots;)
		l->slots *= 2;
	l->rate = rate;
	l->burst = burst * MILLI;
	memcpy(l->seed, seed, sizeof(l->seed));
	/* Its own random numbers: the seed hashed, so that evictions tell nothing of the hash key. */
	crypto_shorthash((uint8_t *)&l->random, (const uint8_t *)"evict", 5, l->seed);
	l->random |= 1;
	l->table = calloc(l->slots, sizeof(*l->table));
	if (l->table == NULL) {
		free(l);
		return NULL;
	}
	return l;
}

void limiter_free(struct limiter *l)
{
	if (l == NULL)
		return;
	sodium_memzero(l->seed, sizeof(l->seed));
	free(l->table);
	free(l);
}

static uint64_t next_random(struct limiter *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->random;
}

/* A clock that went back counts as one that stood still. */
static uint64_t parts_at(const struct limiter *l, const struct slot *s, uint64_t mono_ms)
{
	uint64_t elapsed = mono_ms > s->last_ms ? mono_ms - s->last_ms : 0;
	uint64_t lacking = l->burst - s->parts;
	if (l->rate != 0 && elapsed >= (lacking + l->rate - 1) / l->rate)
		return l->burst;
	return s->parts + elapsed * l->rate;
}

static struct slot *choose(struct limiter *l, struct slot *ways, uint64_t mono_ms)
{
	for (size_t i = 0; i < WAYS; i++)
		if (!ways[i].is_used)
			return &ways[i];
	for (size_t i = 0; i < WAYS; i++)
		if (parts_at(l, &ways[i], mono_ms) == l->burst)
			return &ways[i];
	return &ways[(next_random(l) >> 32) % WAYS];
}

static struct slot *find(struct limiter *l, const uint8_t key[16], uint64_t mono_ms)
{
	uint64_t hash;
	crypto_shorthash((uint8_t *)&hash, key, 16, l->seed);
	struct slot *ways = &l->table[(size_t)hash & (l->slots - 1) & ~(size_t)(WAYS - 1)];
	for (size_t i = 0; i < WAYS; i++)
		if (ways[i].is_used && memcmp(ways[i].key, key, sizeof(ways[i].key)) == 0)
			return &ways[i];
	struct slot *s = choose(l, ways, mono_ms);
	*s = (struct slot){ .parts = l->burst, .last_ms = mono_ms, .is_used = true };
	memcpy(s->key, key, sizeof(s->key));
	return s;
}

bool limiter_take(struct limiter *l, const uint8_t key[16], uint64_t mono_ms)
{
	struct slot *s = find(l, key, mono_ms);
	s->parts = parts_at(l, s, mono_ms);
	if (mono_ms > s->last_ms)
		s->last_ms = mono_ms;
	if (s->parts < MILLI)
		return false;
	s->parts -= MILLI;
	return true;
}

void limiter_source_key(const struct addr *a, uint8_t key[16])
{
	size_t len = addr_is_v4(a) ? 16 : 8;
	memset(key, 0, 16);
	memcpy(key, a->b, len);
}
