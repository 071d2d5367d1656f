/*
 * The table of open gates, kept true: what the kernel says was used, what ran out, what somebody closed.
 * Invariant: every gate that leaves the table leaves a state in the store that says why.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/knockd_internal.h"
#include "daemon/lease.h"
#include "gate/gate.h"

#define TOLD_USES 16    /* of one window */
#define EXPIRE_EVERY 5  /* ticks between rounds of forgetting in the store */
#define ROTATE_EVERY 60 /* ticks between looks at the prekeys */
#define BEAT_EVERY 5
#define KEPT_EVERY 3600 /* ticks between looks at leases without an end */
#define BEAT_LOST_MS 30000
#define DROPS_EVERY_MS 60000
#define TROUBLE_EVERY_MS 10000
#define STORE_QUIET_MS 60000
#define GRACE_MS 1000 /* the kernel's clock is allowed to be this far behind ours */

const char *store_error_text(int rc)
{
	return rc == -ENOSPC ? "the disk is full" : strerror(-rc);
}

void store_trouble(struct knockd *k, const char *doing, int rc)
{
	uint64_t now = clock_mono_ms();
	k->store_bad_mono_ms = now;
	k->store_error = rc;
	if (k->store_trouble_mono_ms != 0 && now - k->store_trouble_mono_ms < TROUBLE_EVERY_MS)
		return;
	k->store_trouble_mono_ms = now;
	log_error("%s: %s: %s; no new gate opens until this is mended", k->config->server.store,
		doing, store_error_text(rc));
}

void store_well(struct knockd *k)
{
	if (k->store_error == 0)
		return;
	k->store_error = 0;
	k->store_trouble_mono_ms = 0;
	log_info("%s: can be written again", k->config->server.store);
}

/* Nobody may knock for hours: look whether it is mended. */
static void probe_store(struct knockd *k)
{
	if (k->store_error != 0 && store_probe(k->store) == 0)
		store_well(k);
}

void events_write(struct knockd *k)
{
	struct events *e = &k->events;
	if (e->change_count == 0 && e->record_count == 0)
		return;
	int rc = store_write(k->store, e->changes, e->change_count, e->records, e->record_count);
	if (rc < 0)
		store_trouble(k, "writing the journal", rc);
	for (size_t i = 0; rc == 0 && i < e->record_count; i++)
		announce(&k->announcer, &e->records[i]);
	if (rc == 0) {
		e->change_count = e->record_count = 0;
		store_well(k);
	}
}

/* Full of what could not be written: the oldest trouble goes, the store's own is in the log. */
static void events_make_room(struct knockd *k, const size_t *count)
{
	events_write(k);
	if (*count == EVENTS_MAX)
		k->events.change_count = k->events.record_count = 0;
}

struct store_record *events_record(struct knockd *k, enum store_event event)
{
	struct events *e = &k->events;
	if (e->record_count == EVENTS_MAX)
		events_make_room(k, &e->record_count);
	struct store_record *r = &e->records[e->record_count++];
	*r = (struct store_record){ .wall_ms = clock_wall_ms(), .event = event };
	return r;
}

void events_change(struct knockd *k, uint64_t grant_id, enum store_gate_state state)
{
	struct events *e = &k->events;
	if (e->change_count == EVENTS_MAX)
		events_make_room(k, &e->change_count);
	e->changes[e->change_count++] = (struct store_change){ grant_id, state };
}

void record_gate(struct store_record *r, const struct knockd *k, const struct live_gate *g)
{
	snprintf(r->name, sizeof(r->name), "%s", g->name);
	snprintf(r->service, sizeof(r->service), "%s", k->config->services[g->place.service].name);
	memcpy(r->key_id, g->key_id, sizeof(r->key_id));
	r->source = g->place.source;
	r->grant_id = g->grant_id;
}

/*
 * How a gate ended: as state says, unless somebody came through, whose connection goes on and can be cut
 * later. Where the kernel does not tell who came, somebody may have.
 */
enum store_gate_state mirror_end(
	const struct knockd *k, const struct live_gate *g, enum store_gate_state state)
{
	return g->is_used || k->nflog == NULL ? STORE_GATE_USED : state;
}

/* Whoever has the address may come through a window as often as he likes: the first few times are told, then
 * each time that it is twice as many. */
static bool is_told(const struct live_gate *g)
{
	return g->uses <= TOLD_USES || (g->uses & (g->uses - 1)) == 0;
}

void mirror_used(void *arg, const struct sighting *s)
{
	struct knockd *k = arg;
	const struct live_arrival came = { s->src, s->src_port, s->proto, s->dst_port };
	if (lease_is_cut(s)) {
		lease_cut(k, s);
		return;
	}
	size_t i = live_find_arrival(k->live, &came);
	if (i == SIZE_MAX)
		return;
	const struct live_gate *g = live_at(k->live, i);
	uint16_t left = live_use(k->live, i);
	if (!is_told(g))
		return;
	struct store_record *r = events_record(k, STORE_CONNECTED);
	record_gate(r, k, g);
	r->source = s->src;
	r->source_port = s->src_port;
	if (left == UINT16_MAX) {
		if (g->uses <= TOLD_USES)
			snprintf(r->text, sizeof(r->text), "the window stays open");
		else
			snprintf(r->text, sizeof(r->text),
				"the window stays open; %u connections so far", (unsigned)g->uses);
	} else if (left > 0) {
		snprintf(r->text, sizeof(r->text), "%u more may come", (unsigned)left);
	} else {
		snprintf(r->text, sizeof(r->text), "the gate is spent");
		events_change(k, g->grant_id, STORE_GATE_USED);
		live_remove(k->live, i);
	}
}

static void say_why(struct store_record *r, const struct closing *why)
{
	snprintf(r->reason, sizeof(r->reason), "%s", why->reason);
	snprintf(r->list, sizeof(r->list), "%s", why->list != NULL ? why->list : "");
	snprintf(r->entry, sizeof(r->entry), "%s", why->entry != NULL ? why->entry : "");
}

int mirror_close(struct knockd *k, size_t live_index, uint32_t seq, const struct closing *why)
{
	struct live_gate g = *live_at(k->live, live_index);
	const struct config_service *s = &k->config->services[g.place.service];
	struct msg m = {
		.type = MSG_CLOSE,
		.seq = seq,
		.proto = s->proto,
		.port = s->port,
		.addr = g.place.source,
		.bits = g.place.bits,
		.source_port = g.place.source_port,
	};
	int rc = msg_send(k->start->gate, &m);
	if (rc < 0)
		return rc;
	if (why->is_cut) {
		struct msg cut = { .type = MSG_CUT, .seq = SEQ_CONTROL, .mark = g.mark };
		rc = msg_send(k->start->gate, &cut);
		if (rc < 0)
			log_warn("a lease could not be cut: %s", strerror(-rc));
	}
	events_change(k, g.grant_id,
		why->is_cut ? STORE_GATE_CLOSED : mirror_end(k, &g, STORE_GATE_CLOSED));
	if (why->reason != NULL) {
		struct store_record *r = events_record(k, STORE_CLOSED);
		record_gate(r, k, &g);
		say_why(r, why);
		snprintf(r->text, sizeof(r->text), "%s%s", why->text,
			why->is_cut && g.is_used ? ", with its connections" : "");
	}
	live_remove(k->live, live_index);
	return 0;
}

void record_stored(struct store_record *r, const struct store_gate *g)
{
	snprintf(r->name, sizeof(r->name), "%s", g->name);
	snprintf(r->service, sizeof(r->service), "%s", g->service);
	snprintf(r->door, sizeof(r->door), "%s", g->door);
	memcpy(r->key_id, g->key_id, sizeof(r->key_id));
	r->source = g->source;
	r->grant_id = g->grant_id;
}

int mirror_cut(
	struct knockd *k, const struct store_gate *g, uint32_t seq, const struct closing *why)
{
	struct msg m = { .type = MSG_CUT, .seq = seq, .mark = g->mark };
	int rc = msg_send(k->start->gate, &m);
	if (rc < 0)
		return rc;
	mirror_note_cut(k, g, why);
	return 0;
}

void mirror_note_cut(struct knockd *k, const struct store_gate *g, const struct closing *why)
{
	events_change(k, g->grant_id, STORE_GATE_CLOSED);
	struct store_record *r = events_record(k, STORE_CLOSED);
	record_stored(r, g);
	say_why(r, why);
	if (g->state == STORE_GATE_OPEN)
		snprintf(r->text, sizeof(r->text), "%s, with its connections", why->text);
	else
		snprintf(r->text, sizeof(r->text), "its connection is cut %s", why->text);
}

static const char *end_text(const struct knockd *k, const struct live_gate *g)
{
	if (mirror_end(k, g, STORE_GATE_EXPIRED) == STORE_GATE_EXPIRED)
		return "nobody came through";
	if (!g->is_used || g->kind == CONFIG_OPEN_ONCE)
		return "whether somebody came through is not known";
	return g->kind == CONFIG_OPEN_WINDOW ? "the window ended"
					     : "not as many came through as might have";
}

static void expire_gates(struct knockd *k, uint64_t mono_ms)
{
	for (size_t i = live_count(k->live); i > 0; i--) {
		struct live_gate g = *live_at(k->live, i - 1);
		if (g.until_mono_ms + GRACE_MS > mono_ms)
			continue;
		events_change(k, g.grant_id, mirror_end(k, &g, STORE_GATE_EXPIRED));
		struct store_record *r = events_record(k, STORE_EXPIRED);
		record_gate(r, k, &g);
		snprintf(r->text, sizeof(r->text), "%s", end_text(k, &g));
		live_remove(k->live, i - 1);
	}
}

/* Strangers are counters: one line a minute at most, and only when there was something. */
static void log_drops(struct knockd *k, uint64_t mono_ms)
{
	uint64_t all = 0;
	unsigned most = 0;
	for (unsigned i = 0; i < JUDGE_DROP_COUNT; i++) {
		all += k->drops[i];
		if (k->drops[i] > k->drops[most])
			most = i;
	}
	if (all == k->logged_drops || mono_ms - k->logged_mono_ms < DROPS_EVERY_MS)
		return;
	log_info("%llu datagrams ignored since the last line, most of all so far: %s",
		(unsigned long long)(all - k->logged_drops), judge_drop_name(most));
	k->logged_drops = all;
	k->logged_mono_ms = mono_ms;
}

static void beat(struct knockd *k, uint64_t mono_ms)
{
	if (k->beat_sent_ms > k->beat_seen_ms && mono_ms - k->beat_seen_ms > BEAT_LOST_MS) {
		log_error("the gate process does not answer; ending so that both are started anew");
		knockd_stop(k, 1);
		return;
	}
	struct msg m = { .type = MSG_BEAT, .seq = SEQ_CONTROL };
	if (msg_send(k->start->gate, &m) == 0)
		k->beat_sent_ms = mono_ms;
	/* The kernel's counters, for whoever reads the page of metrics; they are as old as this. */
	struct msg list = { .type = MSG_LIST, .seq = SEQ_CONTROL };
	if (k->scrape != NULL && msg_send(k->start->gate, &list) < 0)
		log_warn("the gate process could not be asked for its counters");
}

/* Whoever cannot grant is as good as dead to its owner: the rescue's question waits until it can again. */
void mirror_can_grant(struct knockd *k)
{
	struct msg ask = { .type = MSG_ASK, .seq = k->asked_seq };
	if (k->store_bad_mono_ms == 0)
		return;
	k->store_bad_mono_ms = 0;
	if (ask.seq != 0)
		knockd_told(k, &ask);
}

/*
 * Nobody knocks, so a grant shows nothing. A small thing may still fit where a grant does not; so this counts
 * only when it was quiet for a while, and the rescue, if there is one, had its time before.
 */
static void try_store(struct knockd *k, uint64_t mono_ms)
{
	uint64_t quiet_ms = 3000ull * k->config->rescue.after_s;
	if (quiet_ms < STORE_QUIET_MS)
		quiet_ms = STORE_QUIET_MS;
	if (k->store_bad_mono_ms == 0 || mono_ms - k->store_bad_mono_ms < quiet_ms)
		return;
	if (store_probe(k->store) == 0)
		mirror_can_grant(k);
}

/* Oldest first, as many as are awaited together; those whose gate stands are not asked about. */
static void ask_kept(void *arg, const struct store_gate *g)
{
	struct knockd *k = arg;
	if (k->kept_count == KEPT_MAX || g->grant_id <= k->kept_after ||
		g->state != STORE_GATE_USED || g->lease_until_ms != UINT64_MAX)
		return;
	struct msg m = {
		.type = MSG_KEPT, .seq = SEQ_KEPT | (uint32_t)k->kept_count, .mark = g->mark
	};
	if (msg_send(k->start->gate, &m) < 0)
		return;
	k->kept_after = g->grant_id;
	k->kept[k->kept_count++] = g->grant_id;
	k->kept_awaiting++;
}

/*
 * Which connections without an end are over, only the kernel knows: their marks leave its set after a time of
 * silence. Asked once an hour, some a tick, so that the store does not keep them for ever.
 */
static void look_at_kept(struct knockd *k)
{
	if (k->ticks % KEPT_EVERY == 0)
		k->kept_after = 0;
	if (k->kept_after == UINT64_MAX || k->kept_awaiting > 0)
		return;
	k->kept_count = 0;
	int rc = store_gates(k->store, clock_wall_ms(), ask_kept, k);
	if (rc < 0)
		store_trouble(k, "looking at leases without an end", rc);
	if (k->kept_count == 0)
		k->kept_after = UINT64_MAX;
}

void mirror_kept(struct knockd *k, const struct msg *m)
{
	size_t i = m->seq & ~SEQ_KEPT;
	if (i >= k->kept_count || k->kept_awaiting == 0)
		return;
	k->kept_awaiting--;
	if (m->result == -ENOENT)
		events_change(k, k->kept[i], STORE_GATE_EXPIRED);
}

void mirror_tick(struct knockd *k)
{
	uint64_t mono_ms = clock_mono_ms();
	int rc;
	k->ticks++;
	try_store(k, mono_ms);
	expire_gates(k, mono_ms);
	action_watch(k, mono_ms);
	restore_review(k, clock_wall_ms());
	look_at_kept(k);
	lease_tick(k, clock_wall_ms());
	events_write(k);
	probe_store(k);
	log_drops(k, mono_ms);
	scrape_tick(k, mono_ms);
	relays_tick(k, mono_ms);
	if (k->ticks % BEAT_EVERY == 0)
		beat(k, mono_ms);
	if (k->ticks % EXPIRE_EVERY == 0) {
		/* What is forgotten now must not become fresh by a clock that goes back. */
		judge_set_high_water(&k->judge, clock_wall_ms());
		rc = store_expire(k->store, clock_wall_ms(), k->config->server.retention_s);
		if (rc < 0)
			store_trouble(k, "forgetting what is old", rc);
	}
	if (k->ticks % ROTATE_EVERY == 0) {
		rc = keys_rotate(k->start->boot->keys, k->store, clock_wall_ms());
		if (rc < 0)
			store_trouble(k, "keeping a new prekey", rc);
	}
}
