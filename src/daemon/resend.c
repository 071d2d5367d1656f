/* Recent answers by replay key. Invariant: an answer goes out again only to the address it first went to. */

#include "daemon/resend.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4
#define KEEP_MS 65000

struct place {
	uint8_t key[STORE_REPLAY_KEY_LEN];
	bool is_used;
	uint8_t left;
	uint16_t src_port;
	struct addr src;
	uint64_t put_ms;
	uint8_t reply[SPA_SMALL_LEN];
};

struct resend {
	size_t mask; /* sets of WAYS places */
	uint8_t seed[crypto_shorthash_KEYBYTES];
	struct place *places;
};

struct resend *resend_new(size_t slots, const uint8_t seed[16])
{
	size_t sets = 1;
	while (sets * WAYS < slots)
		sets *= 2;
	struct resend *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->places = calloc(sets * WAYS, sizeof(r->places[0]));
	if (r->places == NULL) {
		free(r);
		return NULL;
	}
	r->mask = sets - 1;
	memcpy(r->seed, seed, sizeof(r->seed));
	return r;
}

void resend_free(struct resend *r)
{
	if (r == NULL)
		return;
	free(r->places);
	free(r);
}

static struct place *set_of(const struct resend *r, const uint8_t key[STORE_REPLAY_KEY_LEN])
{
	uint8_t hash[crypto_shorthash_BYTES];
	crypto_shorthash(hash, key, STORE_REPLAY_KEY_LEN, r->seed);
	uint64_t h = 0;
	memcpy(&h, hash, sizeof(h));
	return &r->places[(h & r->mask) * WAYS];
}

static struct place *find(const struct resend *r, const uint8_t key[STORE_REPLAY_KEY_LEN])
{
	struct place *set = set_of(r, key);
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].is_used && memcmp(set[i].key, key, STORE_REPLAY_KEY_LEN) == 0)
			return &set[i];
	return NULL;
}

void resend_put(struct resend *r, const uint8_t key[STORE_REPLAY_KEY_LEN], const struct addr *src,
	uint16_t src_port, const uint8_t reply[SPA_SMALL_LEN], uint64_t mono_ms)
{
	struct place *p = find(r, key);
	struct place *set = set_of(r, key);
	for (size_t i = 0; p == NULL && i < WAYS; i++)
		if (!set[i].is_used)
			p = &set[i];
	if (p == NULL) {
		p = &set[0];
		for (size_t i = 1; i < WAYS; i++)
			if (set[i].put_ms < p->put_ms)
				p = &set[i];
	}
	memcpy(p->key, key, sizeof(p->key));
	p->is_used = true;
	p->left = RESEND_TIMES;
	p->src = *src;
	p->src_port = src_port;
	p->put_ms = mono_ms;
	memcpy(p->reply, reply, sizeof(p->reply));
}

enum resend_answer resend_get(struct resend *r, const uint8_t key[STORE_REPLAY_KEY_LEN],
	const struct addr *src, uint64_t mono_ms, const uint8_t **ret_reply)
{
	struct place *p = find(r, key);
	if (p == NULL)
		return RESEND_UNKNOWN;
	if (p->left == 0 || mono_ms - p->put_ms > KEEP_MS || !addr_equal(&p->src, src))
		return RESEND_SILENT;
	p->left--;
	*ret_reply = p->reply;
	return RESEND_AGAIN;
}
