/*
 * How many gates may stand. Invariant: the gates of one batch are counted as if they had opened one after
 * the other, though none of them is in the mirror yet.
 */

#include <string.h>

#include "daemon/knockd_internal.h"

/* What this turn's batch is about to open before a slot of it: not in the mirror yet. */
struct about_to_open {
	size_t all, service, identity; /* renewals not counted */
	bool is_same_place;            /* one of them is for the slot's own place */
};

struct live_place turn_place(const struct knockd *k, const struct claim *c)
{
	return (struct live_place){
		.source = c->source,
		.bits = c->source_bits,
		.source_port = c->source_port,
		.service = (uint16_t)(c->service - k->config->services),
	};
}

static bool is_same_place(const struct claim *a, const struct claim *b)
{
	return a->service == b->service && a->source_bits == b->source_bits &&
		a->source_port == b->source_port && addr_equal(&a->source, &b->source);
}

static struct about_to_open count_batch(const struct knockd *k, const struct slot *until)
{
	const struct claim *mine = &until->judged.claim;
	struct about_to_open n = { 0 };
	for (size_t i = 0; i < k->batch_count; i++) {
		const struct slot *s = &k->slots[k->batch[i]];
		const struct claim *c = &s->judged.claim;
		if (s == until)
			break;
		if (s->outcome != JUDGE_OPEN)
			continue;
		if (is_same_place(c, mine))
			n.is_same_place = true;
		if (s->is_renewal)
			continue;
		n.all++;
		if (c->service == mine->service)
			n.service++;
		if (memcmp(c->key_id, mine->key_id, sizeof(c->key_id)) == 0)
			n.identity++;
	}
	return n;
}

const char *turn_over_limit(const struct knockd *k, struct slot *s)
{
	const struct config_server *server = &k->config->server;
	const struct claim *c = &s->judged.claim;
	uint16_t service = (uint16_t)(c->service - k->config->services);
	struct about_to_open batch = count_batch(k, s);
	struct live_place place = turn_place(k, c);
	s->is_renewal = batch.is_same_place || live_find(k->live, &place) != SIZE_MAX;
	if (s->is_renewal)
		return NULL;
	if (live_count(k->live) + batch.all >= server->gates_max)
		return "limit-gates";
	if (live_count_service(k->live, service) + batch.service >= c->service->gates_max)
		return "limit-service";
	if (live_count_identity(k->live, c->key_id) + batch.identity >= server->identity_gates_max)
		return "limit-identity";
	return NULL;
}
