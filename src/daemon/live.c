/*
 * Open gates, dense, so that a scan is a walk over two arrays of hashes. Invariant: at most one gate for
 * one source and service, as the kernel's sets have it.
 */

#include "daemon/live.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct live {
	const struct config *config;
	size_t cap, count;
	uint64_t *place; /* hash of source and service */
	uint64_t *who;   /* first bytes of the key id, which is a hash already */
	struct live_gate *gates;
	uint8_t seed[crypto_shorthash_KEYBYTES];
};

struct live *live_new(const struct config *c)
{
	struct live *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->config = c;
	l->cap = c->server.gates_max;
	l->place = calloc(l->cap, sizeof(l->place[0]));
	l->who = calloc(l->cap, sizeof(l->who[0]));
	l->gates = calloc(l->cap, sizeof(l->gates[0]));
	randombytes_buf(l->seed, sizeof(l->seed));
	if (l->place == NULL || l->who == NULL || l->gates == NULL) {
		live_free(l);
		return NULL;
	}
	return l;
}

void live_free(struct live *l)
{
	if (l == NULL)
		return;
	free(l->place);
	free(l->who);
	free(l->gates);
	free(l);
}

size_t live_count(const struct live *l)
{
	return l->count;
}

const struct live_gate *live_at(const struct live *l, size_t i)
{
	return &l->gates[i];
}

static uint64_t place_hash(const struct live *l, const struct addr *source, uint16_t service)
{
	uint8_t in[18], out[crypto_shorthash_BYTES];
	uint64_t h = 0;
	memcpy(in, source->b, 16);
	in[16] = (uint8_t)(service >> 8);
	in[17] = (uint8_t)service;
	crypto_shorthash(out, in, sizeof(in), l->seed);
	memcpy(&h, out, sizeof(h));
	return h;
}

static uint64_t who_hash(const uint8_t key_id[32])
{
	uint64_t h = 0;
	memcpy(&h, key_id, sizeof(h));
	return h;
}

size_t live_count_identity(const struct live *l, const uint8_t key_id[32])
{
	uint64_t h = who_hash(key_id);
	size_t n = 0;
	for (size_t i = 0; i < l->count; i++)
		if (l->who[i] == h)
			n++;
	return n;
}

size_t live_count_service(const struct live *l, uint16_t service)
{
	size_t n = 0;
	for (size_t i = 0; i < l->count; i++)
		if (l->gates[i].service == service)
			n++;
	return n;
}

size_t live_find(const struct live *l, const struct addr *source, uint16_t service)
{
	uint64_t h = place_hash(l, source, service);
	for (size_t i = 0; i < l->count; i++)
		if (l->place[i] == h && l->gates[i].service == service &&
			addr_equal(&l->gates[i].source, source))
			return i;
	return SIZE_MAX;
}

size_t live_find_port(const struct live *l, const struct addr *source, uint8_t proto, uint16_t port)
{
	const struct config_service *s = config_service_by_port(l->config, proto, port);
	if (s == NULL)
		return SIZE_MAX;
	return live_find(l, source, (uint16_t)(s - l->config->services));
}

size_t live_find_grant(const struct live *l, uint64_t grant_id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->gates[i].grant_id == grant_id)
			return i;
	return SIZE_MAX;
}

bool live_add(struct live *l, const struct live_gate *g)
{
	if (l->count == l->cap)
		return false;
	size_t i = l->count++;
	l->gates[i] = *g;
	l->place[i] = place_hash(l, &g->source, g->service);
	l->who[i] = who_hash(g->key_id);
	return true;
}

void live_remove(struct live *l, size_t i)
{
	size_t last = --l->count;
	l->gates[i] = l->gates[last];
	l->place[i] = l->place[last];
	l->who[i] = l->who[last];
}

void live_mark_used(struct live *l, size_t i)
{
	l->gates[i].is_used = true;
}
