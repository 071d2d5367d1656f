/*
 * A connection as a claim. Invariant: with encryption only the certificate says who somebody is, and a gate
 * only by which door; without it the gate says who, and where there is none nobody is let through.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/knockd_internal.h"
#include "daemon/standing.h"

#define SPENT_MS                                                                                   \
	15000 /* after its time, a gate through which somebody came who is judged only now */

const struct config_passthru *relays_passthru(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->passthru_count; i++)
		if (strcmp(c->passthrus[i].name, name) == 0)
			return &c->passthrus[i];
	return NULL;
}

static void refuse(struct relays_decision *d, const char *reason, const char *text)
{
	d->is_granted = false;
	d->reason = reason;
	d->text = text;
}

/* ------------------------------------------------------------------ by which gate */

struct search {
	const struct config_service *service;
	const struct relay_msg *m;
	uint64_t wall_ms;
	bool is_found;
	struct store_gate *gate;
};

/* The latest of them: the kernel let somebody in by one that was open a moment ago. */
static void look_at(void *arg, const struct store_gate *g)
{
	struct search *s = arg;
	const struct prefix from = { g->source, g->bits };
	if (g->proto != s->service->proto || g->port != s->service->port ||
		!prefix_contains(&from, &s->m->source) ||
		(g->source_port != 0 && g->source_port != s->m->source_port) ||
		g->until_ms + SPENT_MS < s->wall_ms ||
		(s->is_found && s->gate->grant_id > g->grant_id))
		return;
	*s->gate = *g;
	s->is_found = true;
}

static bool stored(struct knockd *k, uint64_t grant_id, struct store_gate *ret)
{
	int rc = store_gate_latest(k->store, 32, (uint32_t)grant_id, ret);
	if (rc < 0)
		store_trouble(k, "looking for a gate", rc);
	return rc > 0 && ret->grant_id == grant_id;
}

/* By which gate did this connection come? One that is spent is no more in the mirror. */
static bool find_gate(struct knockd *k, const struct config_service *service,
	const struct relay_msg *m, uint64_t wall_ms, struct store_gate *ret)
{
	const struct live_arrival came = { m->source, m->source_port, service->proto,
		service->port };
	size_t i = live_find_arrival(k->live, &came);
	if (i != SIZE_MAX)
		return stored(k, live_at(k->live, i)->grant_id, ret);
	if (service->open == CONFIG_OPEN_WINDOW)
		return false;
	struct search s = { .service = service, .m = m, .wall_ms = wall_ms, .gate = ret };
	int rc = store_gates(k->store, wall_ms, look_at, &s);
	if (rc < 0)
		store_trouble(k, "looking for a gate", rc);
	return s.is_found;
}

/* ------------------------------------------------------------------ who */

static bool is_proof(enum chain_reject r)
{
	return r == CHAIN_OK || r >= CHAIN_NOT_YET;
}

/* Possession of the leaf's key was proved by the handshake. */
static bool by_chain(struct knockd *k, const struct config_service *service,
	const struct relay_msg *m, uint64_t wall_ms, struct relays_decision *d)
{
	struct chain_identity id;
	struct store_gate by;
	enum chain_reject r = identify_chain(&k->judge.identify, m->chain, wall_ms, &id);
	if (!is_proof(r)) {
		refuse(d, "relay-certificate", chain_reject_text(r));
		return false;
	}
	d->is_proven = true;
	d->gate = (struct store_gate){
		.is_certified = true,
		.not_after_ms = id.not_after_ms,
		.path_count = id.step_count,
		.lease_until_ms = UINT64_MAX,
	};
	name_format(&id.name, d->gate.name);
	memcpy(d->gate.key_id, id.key_id, sizeof(d->gate.key_id));
	memcpy(d->gate.path, id.steps, id.step_count * sizeof(id.steps[0]));
	if (find_gate(k, service, m, wall_ms, &by)) {
		d->gate.grant_id = by.grant_id;
		d->gate.lease_until_ms = by.lease_until_ms;
		snprintf(d->gate.door, sizeof(d->gate.door), "%s", by.door);
	}
	if (r != CHAIN_NOT_YET)
		return true;
	refuse(d, policy_reason_name(POLICY_NOT_YET), policy_reason_text(POLICY_NOT_YET));
	return false;
}

static bool by_gate(struct knockd *k, const struct config_service *service,
	const struct relay_msg *m, uint64_t wall_ms, struct relays_decision *d)
{
	if (find_gate(k, service, m, wall_ms, &d->gate)) {
		d->is_proven = true;
		return true;
	}
	refuse(d, "relay-gate", "no gate is open for its address, and nothing else says who it is");
	return false;
}

static void by_word(struct knockd *k, const struct relay_msg *m, struct relays_decision *d)
{
	const struct relay_who *w = &m->who;
	struct store_gate by;
	d->is_proven = true;
	d->gate = (struct store_gate){
		.grant_id = w->grant_id,
		.is_certified = w->is_certified,
		.not_after_ms = w->not_after_ms,
		.path_count = w->path_count,
		.lease_until_ms = UINT64_MAX,
	};
	snprintf(d->gate.name, sizeof(d->gate.name), "%s", w->name);
	snprintf(d->gate.door, sizeof(d->gate.door), "%s", w->door);
	memcpy(d->gate.key_id, w->key_id, sizeof(d->gate.key_id));
	memcpy(d->gate.path, w->path, w->path_count * sizeof(w->path[0]));
	if (w->grant_id != 0 && stored(k, w->grant_id, &by))
		d->gate.lease_until_ms = by.lease_until_ms;
}

/* ------------------------------------------------------------------ may they */

/* As if the gate were one of this service as it is now, for this one address. */
static void dress(struct store_gate *g, const struct config_service *s, const struct relay_msg *m)
{
	snprintf(g->service, sizeof(g->service), "%s", m->passthru);
	g->source = m->source;
	g->bits = 128;
	g->source_port = 0;
	g->proto = s != NULL ? s->proto : 0;
	g->port = s != NULL ? s->port : 0;
	g->port_last = s != NULL ? s->port_last : 0;
	g->kind = s != NULL ? (uint8_t)s->open : 0;
	g->times = s != NULL ? (uint16_t)s->times : 0;
}

/* Of its gate's lease, the identity, and what the service gives now, the first to end. */
static uint64_t end_of(const struct relays_decision *d, const struct standing *st, uint64_t wall_ms)
{
	uint64_t end = d->gate.lease_until_ms;
	if (st->service->lease_s != CONFIG_LEASE_NONE &&
		wall_ms + st->service->lease_s * 1000ull < end)
		end = wall_ms + st->service->lease_s * 1000ull;
	if (st->end_ms < end)
		end = st->end_ms;
	return end > wall_ms ? end : wall_ms + 1;
}

static void by_policy(struct knockd *k, uint64_t wall_ms, struct relays_decision *d)
{
	struct standing st;
	standing_of(k->start->boot, k->lockout, k->store, &d->gate, wall_ms, &st);
	d->is_granted = st.verdict.reason == POLICY_GRANT && st.is_same;
	d->reason = policy_reason_name(st.verdict.reason);
	d->text = st.verdict.text;
	d->list = st.verdict.list;
	d->entry = st.verdict.entry;
	if (d->is_granted)
		d->end_ms = end_of(d, &st, wall_ms);
}

static bool identify(struct knockd *k, const struct config_passthru *p, const struct relay_msg *m,
	uint64_t wall_ms, struct relays_decision *d)
{
	if (m->type == RELAY_HELD) {
		by_word(k, m, d);
		return true;
	}
	if (p == NULL) {
		refuse(d, policy_reason_name(POLICY_UNKNOWN_SERVICE),
			policy_reason_text(POLICY_UNKNOWN_SERVICE));
		return false;
	}
	return p->encrypt ? by_chain(k, p->service, m, wall_ms, d)
			  : by_gate(k, p->service, m, wall_ms, d);
}

void relays_judge(
	struct knockd *k, const struct relay_msg *m, uint64_t wall_ms, struct relays_decision *ret)
{
	const struct config_passthru *p = relays_passthru(k->config, m->passthru);
	memset(ret, 0, sizeof(*ret));
	ret->list = ret->entry = ret->text = "";
	ret->end_ms = UINT64_MAX;
	bool is_known = identify(k, p, m, wall_ms, ret);
	dress(&ret->gate, p != NULL ? p->service : NULL, m);
	if (is_known)
		by_policy(k, wall_ms, ret);
}
