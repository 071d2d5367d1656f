/*
 * From datagrams to answers. Invariant: a gate is ordered only after its claim is in the store, and the
 * client hears OK only after the kernel has it.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/knockd_internal.h"
#include "daemon/proof.h"
#include "gate/gate.h"
#include "priv/run.h"

#define BUSY_RETRY_S 5
#define TROUBLE_EVERY_MS 10000
#define SLOT_BITS 8 /* SLOTS_MAX is 1 << SLOT_BITS */

int turn_init(struct knockd *k)
{
	k->slots = calloc(SLOTS_MAX, sizeof(k->slots[0]));
	return k->slots == NULL ? -ENOMEM : 0;
}

void turn_deinit(struct knockd *k)
{
	for (size_t i = 0; k->slots != NULL && i < SLOTS_MAX; i++)
		judge_case_wipe(&k->slots[i].judged);
	free(k->slots);
	k->slots = NULL;
}

static struct slot *slot_take(struct knockd *k)
{
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &k->slots[i];
		if (!s->is_used) {
			s->is_used = true;
			s->turn++;
			s->awaiting = 0;
			s->result = 0;
			s->is_replacing = false;
			s->is_running = false;
			return s;
		}
	}
	return NULL;
}

static void slot_free(struct slot *s)
{
	judge_case_wipe(&s->judged);
	s->is_used = false;
}

static uint32_t slot_seq(const struct knockd *k, const struct slot *s)
{
	return (uint32_t)s->turn << SLOT_BITS | (uint32_t)(s - k->slots);
}

static struct slot *slot_of(struct knockd *k, uint32_t seq)
{
	struct slot *s = &k->slots[seq & (SLOTS_MAX - 1)];
	return s->is_used && s->turn == seq >> SLOT_BITS && s->awaiting > 0 ? s : NULL;
}

static void send_reply(
	struct knockd *k, const struct judge_case *c, const uint8_t *reply, size_t len)
{
	struct answer_path p = {
		.from = c->seen.dst,
		.from_port = c->seen.dst_port,
		.to = c->seen.src,
		.to_port = c->seen.src_port,
		.interface = c->seen.interface,
	};
	if (answer_send(&k->answers, &p, span_of(reply, len)) < 0)
		k->answers_failed++;
}

static void reply(struct knockd *k, const struct slot *s)
{
	uint8_t datagram[SPA_SMALL_LEN];
	if (s->judged.is_silent)
		return;
	size_t len = judge_answer(&k->judge, &s->judged, s->gate.grant_id, clock_wall_ms(),
		clock_mono_ms(), datagram);
	k->statuses[s->judged.status]++;
	send_reply(k, &s->judged, datagram, len);
	histogram_add(&k->answer_time, clock_mono_us() - s->began_us);
}

/* A packet that the network doubled comes twice in one turn, before the store knows of it. */
static bool is_in_batch(const struct knockd *k, const struct slot *s)
{
	for (size_t i = 0; i < k->batch_count; i++)
		if (memcmp(k->slots[k->batch[i]].judged.replay_key, s->judged.replay_key,
			    STORE_REPLAY_KEY_LEN) == 0)
			return true;
	return false;
}

/*
 * The mirror has every gate of a batch before the first order goes out. A close must find those asked for
 * before it and none asked for after it, so it is a batch of its own.
 */
static void enqueue(struct knockd *k, struct slot *s)
{
	bool is_alone = s->outcome == JUDGE_CLOSE;
	if (is_alone)
		turn_flush(k);
	k->batch[k->batch_count++] = (uint16_t)(s - k->slots);
	k->spare = NULL;
	if (is_alone)
		turn_flush(k);
}

/* Where the next one is judged; NULL: there is no room for it. */
static struct slot *spare_slot(struct knockd *k)
{
	if (k->spare == NULL)
		k->spare = slot_take(k);
	if (k->spare == NULL || k->batch_count == STORE_BATCH_MAX) {
		k->drops[JUDGE_DROP_BUSY]++;
		return NULL;
	}
	k->spare->began_us = clock_mono_us();
	k->spare->began_mono_ms = k->spare->began_us / 1000;
	k->spare->gate.grant_id = 0;
	return k->spare;
}

/* Judged: answer it, or put it into the batch. */
static void take_outcome(struct knockd *k, struct slot *s)
{
	switch (s->outcome) {
	case JUDGE_IGNORE: {
		const struct slot *running =
			s->judged.drop == JUDGE_DROP_REPLAY ? action_again(k, &s->judged) : NULL;
		if (running != NULL)
			reply(k, running);
		else
			k->drops[s->judged.drop]++;
		break;
	}
	case JUDGE_RESEND:
		send_reply(k, &s->judged, s->judged.resend, SPA_SMALL_LEN);
		break;
	case JUDGE_ANSWER:
		reply(k, s);
		break;
	case JUDGE_RECORD:
	case JUDGE_OPEN:
	case JUDGE_CLOSE:
	case JUDGE_RUN:
		if (is_in_batch(k, s)) {
			k->drops[JUDGE_DROP_REPLAY]++;
			break;
		}
		if (s->judged.drop != JUDGE_DROP_NONE)
			k->drops[s->judged.drop]++;
		enqueue(k, s);
		return;
	}
	judge_case_wipe(&s->judged);
}

/*
 * What one sighting asks for, each thing judged by itself: of several ports in one packet those open that may.
 * What was accepted a moment ago must be in the store before the counter or content of the next is looked at.
 */
static void classic(struct knockd *k, const struct sighting *seen)
{
	size_t n = 0;
	if (k->has_classic)
		turn_flush(k);
	const struct judge_wish *w =
		classic_seen(k->classic, seen, clock_wall_ms(), clock_mono_ms(), &n);
	for (size_t i = 0; i < n; i++) {
		struct slot *s = spare_slot(k);
		if (s == NULL)
			return;
		s->outcome = judge_wish(
			&k->judge, seen, &w[i], clock_wall_ms(), s->began_mono_ms, &s->judged);
		k->has_classic = true;
		take_outcome(k, s);
	}
}

void turn_seen(void *arg, const struct sighting *seen)
{
	struct door *door = arg;
	struct knockd *k = door->owner;
	if (classic_owns(k->classic, seen)) {
		classic(k, seen);
		return;
	}
	k->datagrams++;
	struct slot *s = spare_slot(k);
	if (s == NULL)
		return;
	s->outcome = judge_sighting(&k->judge, seen, clock_wall_ms(), s->began_mono_ms, &s->judged);
	take_outcome(k, s);
}

static void refuse(struct slot *s, enum spa_status status, const char *reason)
{
	s->outcome = JUDGE_RECORD;
	s->judged.status = status;
	s->judged.reason = reason;
	s->judged.verdict.granted_s = 0;
}

static int next_grant(struct knockd *k, uint64_t *ret)
{
	if (k->grant_next == k->grant_end) {
		uint64_t first = 0;
		int rc = store_reserve_grants(k->store, GRANT_BLOCK, &first);
		if (rc < 0)
			return rc;
		k->grant_next = first;
		k->grant_end = first + GRANT_BLOCK;
	}
	*ret = k->grant_next++;
	return 0;
}

/*
 * Cut by the end of the identity, as the grant was, and never shorter than that. A lease without an end has
 * one in the kernel only when the identity's is near: an element for each connection until some year would
 * fill the set. A later end is watched for by restore_review.
 */
static uint64_t lease_end_ms(const struct claim *c, uint32_t granted_s, uint64_t wall_ms)
{
	uint64_t lease = c->service->lease_s, end_ms = policy_end_ms(c);
	bool is_kept = c->service->lease_s == CONFIG_LEASE_NONE;
	uint64_t left = end_ms > wall_ms ? (end_ms - wall_ms) / 1000 : 0;
	if (is_kept && left > CONFIG_LEASE_MAX)
		return UINT64_MAX;
	if (left < granted_s)
		left = granted_s;
	return wall_ms + (left < lease ? left : lease) * 1000;
}

static void fill_gate(const struct knockd *k, struct slot *s, uint64_t grant_id, uint64_t now)
{
	const struct claim *c = &s->judged.claim;
	struct store_gate *g = &s->gate;
	*g = (struct store_gate){
		.grant_id = grant_id,
		.mark = k->config->server.mark_base | (uint32_t)(grant_id & 0xffffff),
		.state = STORE_GATE_OPEN,
		.source = c->source,
		.bits = c->source_bits,
		.source_port = c->source_port,
		.proto = c->service->proto,
		.port = c->service->port,
		.port_last = c->service->port_last,
		.kind = (uint8_t)c->service->open,
		.times = (uint16_t)c->service->times,
		.opened_ms = now,
		.until_ms = now + (uint64_t)s->judged.verdict.granted_s * 1000,
		.lease_until_ms = lease_end_ms(c, s->judged.verdict.granted_s, now),
		.is_certified = c->is_certified,
		.not_after_ms = c->not_after_ms,
		.path_count = s->judged.chain.step_count,
	};
	name_format(&c->name, g->name);
	memcpy(g->key_id, c->key_id, sizeof(g->key_id));
	memcpy(g->path, s->judged.chain.steps, g->path_count * sizeof(g->path[0]));
	snprintf(g->service, sizeof(g->service), "%s", c->service->name);
	snprintf(g->door, sizeof(g->door), "%s", k->config->doors[c->door].name);
}

/* Put the gate into the mirror; the one it replaces, if any, steps aside until the kernel has the new one. */
static void mirror_add(struct knockd *k, struct slot *s)
{
	const struct store_gate *g = &s->gate;
	struct live_gate l = {
		.grant_id = g->grant_id,
		.mark = g->mark,
		.place = turn_place(k, &s->judged.claim),
		.kind = g->kind,
		.uses_left = g->times,
		.opened_ms = g->opened_ms,
		.until_ms = g->until_ms,
		.until_mono_ms = s->began_mono_ms + (g->until_ms - g->opened_ms),
	};
	memcpy(l.key_id, g->key_id, sizeof(l.key_id));
	snprintf(l.name, sizeof(l.name), "%.*s", LIVE_NAME_MAX, g->name);
	size_t old = live_find(k->live, &l.place);
	s->is_replacing = old != SIZE_MAX;
	if (s->is_replacing) {
		s->replaced = *live_at(k->live, old);
		live_remove(k->live, old);
	}
	live_add(k->live, &l);
	if (g->lease_until_ms == UINT64_MAX && policy_end_ms(&s->judged.claim) < k->review_wall_ms)
		k->review_wall_ms = policy_end_ms(&s->judged.claim);
}

/* A token's counter must grow, and a tagged sequence's. True when it is to be remembered; a refusal is put
 * into the slot. */
static bool check_counter(
	struct knockd *k, struct slot *s, const struct store_claim *before, size_t n)
{
	struct judge_case *c = &s->judged;
	if (c->scheme[0] == '\0' && c->request.signature_type == SPA_SIG_SK) {
		memcpy(c->counter_id, c->claim.key_id, sizeof(c->counter_id));
		c->counter = c->request.fido_counter;
		c->has_counter = true;
	}
	if (!c->has_counter)
		return false;
	int rc = proof_counter(k->store, before, n, c->counter_id, c->counter);
	if (rc == -ESTALE) {
		refuse(s, SPA_STATUS_DENIED, PROOF_COUNTER);
	} else if (rc < 0) {
		store_trouble(k, "reading a counter", rc);
		refuse(s, SPA_STATUS_BUSY, "store");
		s->judged.retry_after_s = BUSY_RETRY_S;
	}
	return rc == 1;
}

/* Prepare the nth slot of a batch for the store: counter, limits, grant id, gate and record. */
static void prepare(struct knockd *k, size_t n, struct store_claim *claims, uint64_t now)
{
	struct slot *s = &k->slots[k->batch[n]];
	struct store_claim *claim = &claims[n];
	struct judge_case *c = &s->judged;
	bool has_counter = check_counter(k, s, claims, n);
	uint64_t grant = 0;
	if (s->outcome == JUDGE_OPEN) {
		const char *over = turn_over_limit(k, s);
		int rc = over == NULL ? next_grant(k, &grant) : 0;
		if (over != NULL) {
			refuse(s, SPA_STATUS_LIMIT, over);
			c->retry_after_s = (uint16_t)(c->claim.service->wait_s < 3600
					? c->claim.service->wait_s
					: 3600);
		} else if (rc < 0) {
			store_trouble(k, "reserving grant ids", rc);
			refuse(s, SPA_STATUS_BUSY, "store");
			c->retry_after_s = BUSY_RETRY_S;
		} else {
			fill_gate(k, s, grant, now);
		}
	}
	if (s->outcome == JUDGE_RUN && action_limit(k, s) != NULL) {
		refuse(s, SPA_STATUS_LIMIT, action_limit(k, s));
		c->retry_after_s = BUSY_RETRY_S;
	}
	turn_record(k, s, now);
	const struct door *d = &k->doors[c->seen.door];
	*claim = (struct store_claim){
		.replay_until_ms = c->scheme[0] != '\0'
			? c->replay_until_ms
			: now + 2000ull * d->config->spa.window_s + 1000,
		.gate = s->outcome == JUDGE_OPEN ? &s->gate : NULL,
		.record = turn_is_journalled(s) ? &s->record : NULL,
		.counter_id = has_counter ? c->counter_id : NULL,
		.counter = c->counter,
		.key_next = s->outcome != JUDGE_RECORD && identify_is_next(&c->claim)
			? c->claim.key_id
			: NULL,
	};
	memcpy(claim->replay_key, c->replay_key, sizeof(claim->replay_key));
	memcpy(claim->owner, &k->judge.instance, 8);
	k->owner_count++;
	memcpy(claim->owner + 8, &k->owner_count, 8);
}

static void replace(struct knockd *k, const struct slot *s)
{
	const struct live_gate *was = &s->replaced;
	if (s->is_replacing)
		events_change(k, was->grant_id, mirror_end(k, was, STORE_GATE_CLOSED));
}

/* It did not open: what it would have replaced is still there, unless a later one took its place. */
static void forget_live(struct knockd *k, const struct slot *s)
{
	size_t i = live_find_grant(k->live, s->gate.grant_id);
	if (i == SIZE_MAX) {
		replace(k, s);
		return;
	}
	live_remove(k->live, i);
	if (s->is_replacing)
		live_add(k->live, &s->replaced);
}

/* Once in a while: the journal has every one of them. */
static void log_failed(struct knockd *k, const struct slot *s, int rc)
{
	uint64_t now = clock_mono_ms();
	if (k->gate_trouble_mono_ms != 0 && now - k->gate_trouble_mono_ms < TROUBLE_EVERY_MS)
		return;
	k->gate_trouble_mono_ms = now;
	log_error("gate for %s did not open: %s", s->gate.service, strerror(-rc));
}

/* The gate process could not, or cannot be asked. The claim is spent; the client is told to knock again. */
static void failed(struct knockd *k, struct slot *s, int rc)
{
	forget_live(k, s);
	events_change(k, s->gate.grant_id, STORE_GATE_FAILED);
	struct store_record *r = events_record(k, STORE_FAILED);
	uint64_t now = r->wall_ms;
	*r = s->record;
	r->wall_ms = now;
	r->event = STORE_FAILED;
	snprintf(r->reason, sizeof(r->reason), "gate");
	if (rc == -EREMOTEIO)
		snprintf(r->text, sizeof(r->text), "the script failed; the log says how");
	else
		snprintf(r->text, sizeof(r->text), "the kernel did not open it: %s", strerror(-rc));
	log_failed(k, s, rc);
	s->judged.retry_after_s = BUSY_RETRY_S;
	refuse(s, SPA_STATUS_BUSY, "gate");
	reply(k, s);
	slot_free(s);
}

static void order_open(struct knockd *k, struct slot *s)
{
	const struct store_gate *g = &s->gate;
	struct msg m = {
		.type = MSG_OPEN,
		.seq = slot_seq(k, s),
		.service = (uint16_t)(s->judged.claim.service - k->config->services),
		.kind = g->kind,
		.addr = g->source,
		.bits = g->bits,
		.source_port = g->source_port,
		.mark = g->mark,
		.wait_ms = (uint32_t)(g->until_ms - g->opened_ms),
		.lease_ms = g->lease_until_ms == UINT64_MAX ? GATE_LEASE_NONE
							    : g->lease_until_ms - g->opened_ms,
	};
	int rc = msg_send(k->start->gate, &m);
	if (rc < 0) {
		failed(k, s, rc);
		return;
	}
	s->awaiting = 1;
	k->in_flight++;
}

/* Close every gate of this identity for the service, or for all, from any address. The claim is journalled already. */
static void order_close(struct knockd *k, struct slot *s)
{
	static const struct closing by_owner = { .reason = NULL };
	const struct claim *c = &s->judged.claim;
	bool is_all = s->judged.is_all;
	size_t service = is_all ? 0 : (size_t)(c->service - k->config->services);
	for (size_t i = live_count(k->live); i > 0; i--) {
		const struct live_gate *g = live_at(k->live, i - 1);
		if ((!is_all && g->place.service != service) ||
			sodium_memcmp(g->key_id, c->key_id, sizeof(g->key_id)) != 0)
			continue;
		int rc = mirror_close(k, i - 1, slot_seq(k, s), &by_owner);
		if (rc == 0)
			s->awaiting++;
		else if (s->result == 0)
			s->result = rc;
	}
	if (s->awaiting > 0) {
		k->in_flight++;
		return;
	}
	if (s->result != 0) {
		s->judged.retry_after_s = BUSY_RETRY_S;
		refuse(s, SPA_STATUS_BUSY, "gate");
	}
	reply(k, s);
	slot_free(s);
}

static void order_run(struct knockd *k, struct slot *s)
{
	if (s->judged.claim.action->is_journal_only) {
		s->judged.result = SPA_RESULT_NOTED;
	} else {
		int rc = action_order(k, s, slot_seq(k, s));
		if (rc == 0)
			return;
		log_error("action %s was not run: %s", s->judged.service, strerror(-rc));
		action_done(k, s, RUN_TROUBLE, 0);
	}
	reply(k, s);
	slot_free(s);
}

static void after_claim(struct knockd *k, struct slot *s, enum store_answer a)
{
	switch (a) {
	case STORE_REPLAY:
		k->drops[JUDGE_DROP_REPLAY]++;
		slot_free(s);
		return;
	case STORE_UNKNOWN:
		s->judged.retry_after_s = BUSY_RETRY_S;
		refuse(s, SPA_STATUS_BUSY, "store");
		reply(k, s);
		slot_free(s);
		return;
	case STORE_ACCEPTED:
		break;
	}
	if (turn_is_journalled(s))
		announce(&k->announcer, &s->record);
	turn_note_key(k, s);
	if (s->outcome == JUDGE_OPEN) {
		mirror_add(k, s);
		order_open(k, s);
	} else if (s->outcome == JUDGE_CLOSE) {
		order_close(k, s);
	} else if (s->outcome == JUDGE_RUN) {
		order_run(k, s);
	} else {
		reply(k, s);
		slot_free(s);
	}
}

void turn_flush(struct knockd *k)
{
	static struct store_claim claims[STORE_BATCH_MAX];
	static enum store_answer answers[STORE_BATCH_MAX];
	size_t n = k->batch_count;
	k->has_classic = false;
	if (n == 0)
		return;
	uint64_t now = clock_wall_ms();
	for (size_t i = 0; i < n; i++) {
		prepare(k, i, claims, now);
		answers[i] = STORE_UNKNOWN;
	}
	uint64_t began_us = clock_mono_us();
	int rc = store_claim_batch(k->store, claims, n, answers);
	histogram_add(&k->store_time, clock_mono_us() - began_us);
	if (rc < 0)
		store_trouble(k, "recording knocks", rc);
	else
		store_well(k);
	k->batch_count = 0;
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (claims[i].gate != NULL && answers[i] == STORE_ACCEPTED)
			mirror_can_grant(k);
	for (size_t i = 0; i < n; i++)
		after_claim(k, &k->slots[k->batch[i]], answers[i]);
	events_write(k);
}

void turn_done(struct knockd *k, const struct msg *m)
{
	struct slot *s = slot_of(k, m->seq);
	if (s == NULL)
		return;
	if (m->result < 0 && s->result == 0)
		s->result = m->result;
	if (--s->awaiting > 0)
		return;
	k->in_flight--;
	if (s->outcome == JUDGE_OPEN && s->result < 0) {
		failed(k, s, s->result);
		return;
	}
	if (s->outcome == JUDGE_OPEN)
		replace(k, s);
	if (s->result < 0) {
		s->judged.retry_after_s = BUSY_RETRY_S;
		refuse(s, SPA_STATUS_BUSY, "gate");
	}
	reply(k, s);
	slot_free(s);
}

void turn_ran(struct knockd *k, const struct msg *m)
{
	struct slot *s = &k->slots[m->seq & (SLOTS_MAX - 1)];
	if (!s->is_used || !s->is_running || s->turn != m->seq >> SLOT_BITS)
		return;
	action_done(k, s, m->how, m->detail);
	reply(k, s);
	slot_free(s);
}

void turn_finish(struct knockd *k)
{
	if (k->is_stopping && k->in_flight == 0)
		knockd_stop(k, 0);
}
