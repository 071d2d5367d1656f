/*
 * Open gates, dense, so that a scan is a walk over two arrays of hashes. Invariant: at most one gate for
 * one place, as the kernel's sets have it.
 */

#include "daemon/live.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

struct live {
	const struct config *config;
	size_t cap, count;
	uint64_t *place; /* hash of the place */
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

static uint64_t place_hash(const struct live *l, const struct live_place *p)
{
	uint8_t in[21], out[crypto_shorthash_BYTES];
	struct writer w = writer_init(in, sizeof(in));
	uint64_t h = 0;
	writer_put(&w, p->source.b, sizeof(p->source.b));
	writer_u8(&w, p->bits);
	writer_u16(&w, p->source_port);
	writer_u16(&w, p->service);
	crypto_shorthash(out, in, w.len, l->seed);
	memcpy(&h, out, sizeof(h));
	return h;
}

static bool is_same_place(const struct live_place *a, const struct live_place *b)
{
	return a->service == b->service && a->bits == b->bits && a->source_port == b->source_port &&
		addr_equal(&a->source, &b->source);
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
		if (l->gates[i].place.service == service)
			n++;
	return n;
}

size_t live_find(const struct live *l, const struct live_place *place)
{
	uint64_t h = place_hash(l, place);
	for (size_t i = 0; i < l->count; i++)
		if (l->place[i] == h && is_same_place(&l->gates[i].place, place))
			return i;
	return SIZE_MAX;
}

/* Of those that hold the source, the one with the longest prefix. */
static size_t find_net(const struct live *l, const struct live_place *p)
{
	size_t best = SIZE_MAX;
	for (size_t i = 0; i < l->count; i++) {
		const struct live_place *q = &l->gates[i].place;
		const struct prefix net = { q->source, q->bits };
		if (q->bits < 128 && q->service == p->service &&
			prefix_contains(&net, &p->source) &&
			(best == SIZE_MAX || q->bits > l->gates[best].place.bits))
			best = i;
	}
	return best;
}

/* In the order of the rules: for its port, for the host, for a network. */
size_t live_find_arrival(const struct live *l, const struct live_arrival *a)
{
	const struct config_service *s = config_service_by_port(l->config, a->proto, a->port);
	if (s == NULL)
		return SIZE_MAX;
	struct live_place p = { a->source, 128, a->source_port,
		(uint16_t)(s - l->config->services) };
	size_t i = live_find(l, &p);
	p.source_port = 0;
	if (i == SIZE_MAX)
		i = live_find(l, &p);
	return i != SIZE_MAX ? i : find_net(l, &p);
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
	l->place[i] = place_hash(l, &g->place);
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

uint16_t live_use(struct live *l, size_t i)
{
	struct live_gate *g = &l->gates[i];
	g->is_used = true;
	if (g->kind == CONFIG_OPEN_WINDOW) {
		g->uses += g->uses < UINT32_MAX;
		return UINT16_MAX;
	}
	if (g->kind == CONFIG_OPEN_TIMES && g->uses_left > 0)
		return --g->uses_left;
	return 0;
}
