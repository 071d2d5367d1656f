/*
 * Ends of leases, for the journal: what the kernel says that it cut, and a word ahead of long ones. The kernel
 * ends them by itself. Invariant: a grant is said to be cut once, only when a connection was there, and not
 * again when somebody closed it.
 */

#include "daemon/lease.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/knockd_internal.h"
#include "gate/gate.h"

#define MARK_BITS 24 /* of a mark that are the grant's */

#define AHEAD_MS 60000   /* so long before its end a lease is spoken of */
#define LONG_MS 600000   /* when it is longer than this */
#define LOOK_BACK 100000 /* records among which the last such word is looked for at a start */

static bool has_prefix(const struct sighting *s, const char *prefix)
{
	return span_equal(s->prefix, span_of(prefix, strlen(prefix)));
}

bool lease_is_cut(const struct sighting *s)
{
	return has_prefix(s, GATE_CUT_ARRIVING) || has_prefix(s, GATE_CUT_LEAVING);
}

/* Its journal line was written by whoever ended it, or by the first of its connections that were cut. */
static bool is_over(const struct knockd *k, const struct store_gate *g)
{
	if (g->state != STORE_GATE_OPEN && g->state != STORE_GATE_USED)
		return true;
	for (size_t i = 0; i < k->events.change_count; i++)
		if (k->events.changes[i].grant_id == g->grant_id &&
			k->events.changes[i].state > STORE_GATE_USED)
			return true;
	return false;
}

static void note_known(struct knockd *k, const struct store_gate *g, struct store_record *r)
{
	record_stored(r, g);
	r->until_ms = g->lease_until_ms == UINT64_MAX ? 0 : g->lease_until_ms;
	snprintf(r->text, sizeof(r->text), "the lease is over, %s",
		g->kind == CONFIG_OPEN_ONCE ? "its connection was cut"
					    : "a connection of it was cut");
	events_change(k, g->grant_id, STORE_GATE_EXPIRED);
}

void lease_cut(struct knockd *k, const struct sighting *s)
{
	struct store_gate g;
	bool is_arriving = has_prefix(s, GATE_CUT_ARRIVING);
	int rc = store_gate_latest(k->store, MARK_BITS, s->mark, &g);
	if (rc < 0)
		store_trouble(k, "looking for the grant of a connection that was cut", rc);
	bool is_known = rc > 0 && g.mark == s->mark;
	if (is_known && is_over(k, &g))
		return;
	struct store_record *r = events_record(k, STORE_CUT);
	snprintf(r->reason, sizeof(r->reason), "lease");
	if (is_known)
		note_known(k, &g, r);
	else
		snprintf(r->text, sizeof(r->text),
			"a connection was cut: its mark has no lease, and its grant is not remembered");
	r->source = is_arriving ? s->src : s->dst;
	r->source_port = is_arriving ? s->src_port : s->dst_port;
}

/* Somebody came through: of what is open still, the mirror says so. */
static bool is_used(const struct knockd *k, const struct store_gate *g)
{
	size_t i = live_find_grant(k->live, g->grant_id);
	return i == SIZE_MAX ? g->state == STORE_GATE_USED : live_at(k->live, i)->is_used;
}

static void note_ending(void *arg, const struct store_gate *g)
{
	struct knockd *k = arg;
	if (g->lease_until_ms > k->lease_told_ms)
		k->lease_told_ms = g->lease_until_ms;
	if (g->lease_until_ms - g->opened_ms <= LONG_MS || !is_used(k, g))
		return;
	struct store_record *r = events_record(k, STORE_ENDING);
	record_stored(r, g);
	r->until_ms = g->lease_until_ms;
	snprintf(r->reason, sizeof(r->reason), "lease");
	snprintf(r->text, sizeof(r->text),
		"the lease ends within a minute; a connection that is there then is cut");
}

void lease_tick(struct knockd *k, uint64_t wall_ms)
{
	uint64_t until_ms = wall_ms + AHEAD_MS;
	/* Without a rule set of ours nothing is cut. */
	if (k->config->server.backend == CONFIG_BACKEND_SCRIPT)
		return;
	/* A clock that was set. */
	if (k->lease_told_ms < wall_ms || k->lease_told_ms > until_ms)
		k->lease_told_ms = wall_ms;
	int rc = store_gates_ending(k->store, k->lease_told_ms, until_ms, note_ending, k);
	if (rc < 0)
		store_trouble(k, "looking at leases that end", rc);
}

static void note_last(void *arg, const struct store_record *r)
{
	struct knockd *k = arg;
	k->lease_told_ms = r->until_ms;
}

/* Those before the last one that a predecessor spoke of need no second word. */
void lease_start(struct knockd *k)
{
	struct store_query q = { .event = STORE_ENDING, .limit = 1 };
	uint64_t last = 0;
	int rc = store_last_id(k->store, &last);
	q.after_id = last > LOOK_BACK ? last - LOOK_BACK : 0;
	if (rc == 0)
		rc = store_journal(k->store, &q, note_last, k);
	if (rc < 0)
		log_warn("the journal cannot be read back; the end of a lease may be told twice");
}
