/*
 * What stood before, judged again: at a start and after a reload each gate and each connection of the
 * store, later those whose owner's time ends. Invariant: nothing is put back, or left standing, that would not
 * be granted now.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/knockd_internal.h"
#include "daemon/standing.h"
#include "gate/gate.h"

#define RESTORE_WAIT_MS 10000
#define REVIEW_AGAIN_MS 1000 /* after one that could not be finished */

struct restore {
	struct knockd *k;
	bool is_new_table;
	uint64_t wall_ms, mono_ms;
};

/* Wait for what the gate process says next: 1, or -errno. */
static int await(const struct knockd *k, struct msg *ret)
{
	struct pollfd p = { .fd = k->start->gate, .events = POLLIN };
	const struct config_server *s = &k->config->server;
	int wait_ms = RESTORE_WAIT_MS;
	if (s->backend == CONFIG_BACKEND_SCRIPT)
		wait_ms += (int)s->script_timeout_s * 1000;
	if (poll(&p, 1, wait_ms) <= 0)
		return -ETIMEDOUT;
	int rc = msg_receive(k->start->gate, MSG_FROM_GATE, MSG_FROM_KNOCK, ret);
	return rc == 0 ? -EPIPE : rc;
}

/* Before the loop runs: order, and wait for the answer. It may be asked something in between. */
static int order(struct knockd *k, const struct msg *m)
{
	struct msg done = { .type = MSG_NONE };
	int rc = msg_send(k->start->gate, m);
	while (rc >= 0 && done.type != MSG_DONE) {
		rc = await(k, &done);
		if (rc > 0 && done.type != MSG_DONE)
			knockd_told(k, &done);
	}
	if (rc > 0)
		rc = done.result;
	if (rc < 0)
		log_error("what was live before could not be restored: %s", strerror(-rc));
	return rc < 0 ? rc : 0;
}

/* What is left of a time that began at opened_ms; a wall clock that was set back makes it no longer. */
static uint64_t left_ms(const struct restore *r, const struct store_gate *g, uint64_t until_ms)
{
	uint64_t from = r->wall_ms > g->opened_ms ? r->wall_ms : g->opened_ms;
	return until_ms > from ? until_ms - from : 0;
}

/* Of a lease: no more than the service gives now. */
static uint64_t lease_left_ms(const struct restore *r, const struct store_gate *g, uint16_t service)
{
	uint32_t lease_s = r->k->config->services[service].lease_s;
	uint64_t most = lease_s == CONFIG_LEASE_NONE ? GATE_LEASE_NONE : lease_s * 1000ull;
	uint64_t left = g->lease_until_ms == UINT64_MAX ? GATE_LEASE_NONE
							: left_ms(r, g, g->lease_until_ms);
	return left < most ? left : most;
}

/* A connection that came through a gate of a lost table goes on for the rest of its lease. */
static void restore_lease(const struct restore *r, const struct store_gate *g, uint16_t service)
{
	struct msg m = {
		.type = MSG_LEASE,
		.seq = SEQ_CONTROL,
		.service = service,
		.mark = g->mark,
		.lease_ms = lease_left_ms(r, g, service),
	};
	if (m.lease_ms > 0)
		(void)order(r->k, &m);
}

/* Oldest first: of two for the same place the later one is what the kernel has. */
static bool mirror_again(const struct restore *r, const struct store_gate *g, uint16_t service)
{
	struct live *live = r->k->live;
	struct live_gate l = {
		.grant_id = g->grant_id,
		.mark = g->mark,
		.place = { g->source, g->bits, g->source_port, service },
		.kind = g->kind,
		.uses_left = g->times,
		.is_used = true, /* not in the store, and nobody listened a moment ago */
		.opened_ms = g->opened_ms,
		.until_ms = g->until_ms,
		.until_mono_ms = r->mono_ms + left_ms(r, g, g->until_ms),
	};
	memcpy(l.key_id, g->key_id, sizeof(l.key_id));
	snprintf(l.name, sizeof(l.name), "%.*s", LIVE_NAME_MAX, g->name);
	size_t old = live_find(live, &l.place);
	if (old != SIZE_MAX) {
		const struct live_gate *was = live_at(live, old);
		events_change(r->k, was->grant_id, mirror_end(r->k, was, STORE_GATE_CLOSED));
		live_remove(live, old);
	}
	return live_add(live, &l);
}

static void restore_window(const struct restore *r, const struct store_gate *g, uint16_t service)
{
	struct msg m = {
		.type = MSG_OPEN,
		.seq = SEQ_CONTROL,
		.service = service,
		.kind = GATE_WINDOW,
		.addr = g->source,
		.bits = g->bits,
		.source_port = g->source_port,
		.mark = g->mark,
		.wait_ms = (uint32_t)left_ms(r, g, g->until_ms),
		.lease_ms = lease_left_ms(r, g, service),
	};
	(void)order(r->k, &m);
}

/* The sentence that a verdict becomes in the journal: who or what put the owner out. */
struct put_out {
	struct closing closing;
	char text[STORE_TEXT_MAX + 1];
};

static void explain(struct put_out *p, const struct verdict *v)
{
	snprintf(p->text, sizeof(p->text), "because %s", v->text);
	p->closing = (struct closing){
		.reason = policy_reason_name(v->reason),
		.text = p->text,
		.list = v->list,
		.entry = v->entry,
		.is_cut = true,
	};
}

/* An order to close by the ports it was opened for, whatever guards them now. */
static struct msg close_order(const struct store_gate *g)
{
	return (struct msg){
		.type = MSG_CLOSE,
		.seq = SEQ_CONTROL,
		.addr = g->source,
		.bits = g->bits,
		.source_port = g->source_port,
		.proto = g->proto,
		.port = g->port,
	};
}

/*
 * Out: the gate closes and its connections end. In a table made anew there is nothing of either. Where
 * nothing guards the port any more, all may come; both go all the same, for when it is guarded again.
 */
static void put_out(const struct restore *r, const struct store_gate *g, const struct standing *st,
	bool is_open)
{
	struct put_out p;
	struct msg cut = { .type = MSG_CUT, .seq = SEQ_CONTROL, .mark = g->mark };
	int rc = 0;
	if (!r->is_new_table && is_open) {
		struct msg m = close_order(g);
		rc = order(r->k, &m);
	}
	if (rc == 0 && !r->is_new_table)
		rc = order(r->k, &cut);
	/* What could not be closed keeps its state, so that the next one tries again. */
	if (rc < 0) {
		r->k->review_wall_ms = r->wall_ms + REVIEW_AGAIN_MS;
		return;
	}
	explain(&p, &st->verdict);
	mirror_note_cut(r->k, g, &p.closing);
}

/* Granted for a service that is no more what it was: it closes; who came through may stay. */
static void withdraw(const struct restore *r, const struct store_gate *g)
{
	struct msg m = close_order(g);
	if (order(r->k, &m) < 0)
		return;
	events_change(r->k, g->grant_id, STORE_GATE_USED);
	struct store_record *rec = events_record(r->k, STORE_CLOSED);
	record_stored(rec, g);
	snprintf(rec->reason, sizeof(rec->reason), "service-changed");
	snprintf(rec->text, sizeof(rec->text), "its service is another now");
}

/* Its owner's time, where that ends before the gate or its connection does. */
static void note_end(struct knockd *k, const struct store_gate *g, const struct standing *st)
{
	uint64_t last = g->until_ms > g->lease_until_ms ? g->until_ms : g->lease_until_ms;
	if (st->end_ms < last && st->end_ms < k->review_wall_ms)
		k->review_wall_ms = st->end_ms;
}

static void restore_one(void *arg, const struct store_gate *g)
{
	struct restore *r = arg;
	struct knockd *k = r->k;
	struct standing st;
	bool is_open = g->state == STORE_GATE_OPEN && g->until_ms > r->wall_ms;

	standing_of(k->start->boot, k->lockout, k->store, g, r->wall_ms, &st);
	if (st.verdict.reason != POLICY_GRANT) {
		put_out(r, g, &st, is_open);
		return;
	}
	note_end(k, g, &st);
	uint16_t service = (uint16_t)(st.service - k->config->services);
	bool is_window = g->kind == CONFIG_OPEN_WINDOW;
	if (r->is_new_table && st.is_same && (!is_open || !is_window))
		restore_lease(r, g, service);
	if (!is_open)
		return;
	if (!st.is_same)
		withdraw(r, g);
	else if (r->is_new_table && !is_window)
		/* Whether a ticket of a lost table was spent, nobody knows: it is not made anew. */
		events_change(k, g->grant_id, STORE_GATE_USED);
	else if (mirror_again(r, g, service) && r->is_new_table)
		restore_window(r, g, service);
}

void restore_gates(struct knockd *k, bool is_new_table, uint64_t wall_ms, uint64_t mono_ms)
{
	struct restore r = { k, is_new_table, wall_ms, mono_ms };
	k->review_wall_ms = UINT64_MAX;
	int rc = store_gates(k->store, r.wall_ms, restore_one, &r);
	if (rc < 0)
		store_trouble(k, "reading back the open gates", rc);
	if (is_new_table) {
		struct msg m = { .type = MSG_SETTLE, .seq = SEQ_CONTROL };
		(void)order(k, &m);
	}
	events_write(k);
}

static void review_one(void *arg, const struct store_gate *g)
{
	struct restore *r = arg;
	struct knockd *k = r->k;
	struct standing st;
	struct put_out p;
	standing_of(k->start->boot, k->lockout, k->store, g, r->wall_ms, &st);
	if (st.verdict.reason == POLICY_GRANT) {
		note_end(k, g, &st);
		return;
	}
	explain(&p, &st.verdict);
	size_t i = live_find_grant(k->live, g->grant_id);
	int rc = i != SIZE_MAX ? mirror_close(k, i, SEQ_CONTROL, &p.closing)
			       : mirror_cut(k, g, SEQ_CONTROL, &p.closing);
	if (rc < 0)
		k->review_wall_ms = r->wall_ms + REVIEW_AGAIN_MS;
}

void restore_review(struct knockd *k, uint64_t wall_ms)
{
	struct restore r = { .k = k, .wall_ms = wall_ms };
	if (r.wall_ms < k->review_wall_ms)
		return;
	events_write(k);
	k->review_wall_ms = UINT64_MAX;
	int rc = store_gates(k->store, r.wall_ms, review_one, &r);
	if (rc < 0) {
		store_trouble(k, "looking at the open gates again", rc);
		k->review_wall_ms = r.wall_ms + REVIEW_AGAIN_MS;
	}
}
