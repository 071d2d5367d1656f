/*
 * What the knock process says of a connection. A grant is what lets it go on, within the limits, which are
 * counted here; judged anew it may end, or last less than was said before. Invariant: each connection is
 * granted once, and counts until it has ended.
 */

#include <sodium.h>
#include <string.h>

#include "relay/internal.h"

static bool is_over_limits(const struct connection *c, const char **ret_text)
{
	const struct rules *rules = &c->passthru->rules;
	const struct relay *r = c->relay;
	size_t same = 0;
	for (const struct connection *o = r->first; o != NULL; o = o->next)
		if (o->is_granted && o->state != STATE_ENDED && o->passthru == c->passthru &&
			o->name_hash == c->name_hash && strcmp(o->who.name, c->who.name) == 0)
			same++;
	*ret_text = r->granted >= r->connections_max
		? "the limit of all connections is reached (relay-connections-max)"
		: c->passthru->granted >= rules->connections_max
		? "the limit of this passthru is reached (connections-max)"
		: same >= rules->name_connections_max
		? "the limit of connections of one name is reached (name-connections-max)"
		: NULL;
	return *ret_text != NULL;
}

static void take_lease(struct connection *c, uint64_t lease_ms)
{
	uint64_t now = c->relay->now_ms;
	uint64_t until = lease_ms < UINT64_MAX - now ? now + lease_ms : UINT64_MAX;
	/* Judged anew it may last less, never longer. */
	if (until < c->lease_until_ms)
		c->lease_until_ms = until;
}

static void grant(struct connection *c, const struct relay_msg *m)
{
	struct relay *r = c->relay;
	const char *text;
	c->who = m->who;
	crypto_shorthash((uint8_t *)&c->name_hash, (const uint8_t *)c->who.name,
		strlen(c->who.name), r->hash_key);
	bool is_over = is_over_limits(c, &text);
	r->unproven--;
	c->is_unproven = false;
	c->is_granted = true;
	r->granted++;
	c->passthru->granted++;
	take_lease(c, m->lease_ms);
	if (is_over) {
		connection_refuse(c, FRAME_BUSY, "relay-limit", text);
		return;
	}
	c->deadline_ms = r->now_ms + OPEN_MS;
	if (c->has_frames)
		c->state = STATE_TALKING;
	else
		inner_begin(c);
}

/* It had been refused or gone when the answer came. */
static void answer_late(struct connection *c, const struct relay_msg *m)
{
	if (!m->is_granted || c->is_through)
		return;
	c->who = m->who;
	report_owe(c, OWED_CAUGHT);
}

void connection_answer(struct connection *c, const struct relay_msg *m)
{
	c->is_asked = false;
	c->is_known = !m->is_granted && c->state < STATE_FAREWELL;
	if (c->state >= STATE_FAREWELL) {
		answer_late(c, m);
		connection_settle(c);
		return;
	}
	if (!m->is_granted && c->state == STATE_CARRYING)
		connection_end(c, m->reason, m->text, false);
	else if (!m->is_granted)
		connection_refuse(c, FRAME_DENIED, m->reason, m->text);
	else if (c->state == STATE_ASKING)
		grant(c, m);
	else
		take_lease(c, m->lease_ms);
	if (c->state == STATE_RECORDING)
		report_owe(c, OWED_THROUGH);
	connection_step(c);
}

void connection_recorded(struct connection *c)
{
	if (c->state != STATE_RECORDING)
		return;
	c->is_through = true;
	c->through_ms = c->used_ms = c->relay->now_ms;
	c->deadline_ms = UINT64_MAX;
	c->state = STATE_CARRYING;
	pump_begin(c);
	connection_again(c);
}
