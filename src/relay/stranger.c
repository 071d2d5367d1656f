/*
 * Who was refused without having proved anything. Nobody can fill the journal with them: of one source,
 * passthru and reason one is told at once and the others are counted, and of all together a few a second are
 * told. When there are more sources than places, the rest are counted together, without an address.
 */

#include <stdio.h>
#include <string.h>

#include "relay/internal.h"

#define TELL_EVERY_MS 10000
#define TOKENS_A_SECOND 5
#define TOKENS_MAX 20
#define OTHERS (CAUGHT_MAX - 1) /* the place of those without one */

static bool take_token(struct relay *r)
{
	uint64_t passed_ms = r->now_ms - r->caught_ms;
	if (passed_ms >= 1000) {
		uint64_t more = passed_ms / 1000 * TOKENS_A_SECOND;
		r->caught_ms += passed_ms / 1000 * 1000;
		r->caught_tokens = more + r->caught_tokens < TOKENS_MAX
			? (unsigned)more + r->caught_tokens
			: TOKENS_MAX;
	}
	if (r->judge == NULL || r->judge->is_full || r->caught_tokens == 0)
		return false;
	r->caught_tokens--;
	return true;
}

static bool is_same(const struct relay_msg *a, const struct relay_msg *b)
{
	return addr_equal(&a->source, &b->source) && strcmp(a->passthru, b->passthru) == 0 &&
		strcmp(a->reason, b->reason) == 0;
}

/* The place of what is like m; else the one that has been silent longest; NULL: all have something to say. */
static struct caught *place_of(struct relay *r, const struct relay_msg *m)
{
	struct caught *best = NULL;
	for (size_t i = 0; i < OTHERS; i++) {
		struct caught *k = &r->caught[i];
		if (k->last.id != 0 && is_same(&k->last, m))
			return k;
		if (k->last.id == 0 || k->last.count == 0)
			if (best == NULL || k->told_ms < best->told_ms)
				best = k;
	}
	return best;
}

static void tell(struct relay *r, struct caught *k)
{
	if (k->last.count == 0 || !take_token(r))
		return;
	if (relay_msg_send(r->judge->fd, &k->last, -1) < 0)
		return;
	k->last.count = 0;
	k->told_ms = r->now_ms;
}

static void add(struct relay *r, struct caught *k, const struct relay_msg *m)
{
	uint32_t before = 0;
	if (k == &r->caught[OTHERS] || is_same(&k->last, m))
		before = k->last.count;
	else
		k->told_ms = 0;
	k->last = *m;
	k->last.count = before < UINT32_MAX ? before + 1 : before;
	if (k->told_ms == 0 || r->now_ms - k->told_ms >= TELL_EVERY_MS)
		tell(r, k);
	relay_tick_on(r);
}

void report_stranger(const struct passthru *p, const struct connection *c,
	const struct addr *source, uint16_t port, const char *reason, const char *text)
{
	struct relay *r = p->relay;
	struct relay_msg m = { .type = RELAY_CAUGHT,
		.id = c != NULL ? c->id : relay_next_id(r),
		.source = *source,
		.source_port = port };
	memcpy(m.passthru, p->rules.name, sizeof(m.passthru));
	snprintf(m.reason, sizeof(m.reason), "%s", reason);
	snprintf(m.text, sizeof(m.text), "%s", text);
	struct caught *k = place_of(r, &m);
	if (k == NULL) {
		m.source = (struct addr){ 0 };
		m.source_port = 0;
		k = &r->caught[OTHERS];
	}
	add(r, k, &m);
}

void report_tick(struct relay *r)
{
	for (size_t i = 0; i < CAUGHT_MAX; i++) {
		struct caught *k = &r->caught[i];
		if (k->last.id != 0 && k->last.count > 0 &&
			(k->told_ms == 0 || r->now_ms - k->told_ms >= TELL_EVERY_MS))
			tell(r, k);
	}
}
