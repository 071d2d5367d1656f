/*
 * Connections through passthrus, as the knock process knows them: a channel, and a batch of answers that wait
 * for the store. Invariant: what is granted is on record before the relay hears of it.
 */

#include "daemon/relays.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/relays_internal.h"

#define TURN_MAX 64 /* messages read at once */
#define ROOM 64     /* connections beyond the relay's limit: those whose end is on its way */
#define LIST_WAIT_MS 3000
#define LIST_EVERY_TICKS 10
#define LIMIT_SLOTS 4096
#define STRANGER_RATE 1 /* lines a second about one source that proved nothing */
#define STRANGER_BURST 5
#define CROWD_RATE 10 /* and about all of them, more than a relay of ours tells */
#define CROWD_BURST 60
#define HELD_ROOM                                                                                  \
	2048 /* that a relay presents beyond its limit: those that ended while nobody was told */
#define IDENTITY_BURST                                                                             \
	4 /* times the rate of one identity: programs open several connections at once */

struct channel {
	uv_poll_t poll;
	int fd;
	struct relays *owner;
};

/* ------------------------------------------------------------------ the channel */

static void on_closed(uv_handle_t *h)
{
	struct channel *c = h->data;
	close(c->fd);
	free(c);
}

static void channel_close(struct relays *r)
{
	if (r->channel == NULL)
		return;
	uv_poll_stop(&r->channel->poll);
	uv_close((uv_handle_t *)&r->channel->poll, on_closed);
	r->channel = NULL;
}

static void list_done(struct relays *r)
{
	if (r->list_asked_mono_ms == 0)
		return;
	r->list_asked_mono_ms = 0;
	control_relays_listed(r->k);
}

/* Whoever was through is no more: the process that carried them died, or is not believed. */
static void lose(struct relays *r)
{
	channel_close(r);
	r->batch_count = 0;
	for (; r->count > 0; relays_take_out(r, r->count - 1)) {
		const struct relayed *e = &r->entries[r->count - 1];
		struct relay_msg m = {
			.reason = "relay-lost",
			.text = "the relay process ended",
			.took_ms = e->took_ms,
			.to_inner = e->to_inner,
			.to_client = e->to_client,
		};
		relays_note_ended(r, &m, e);
	}
	events_write(r->k);
	list_done(r);
}

static void distrust(struct relays *r, const char *what)
{
	const struct msg broken = { .type = MSG_RELAY_BROKEN };
	log_error("the relay process %s; no more is heard of it", what);
	lose(r);
	if (msg_send(r->k->start->monitor, &broken) < 0)
		log_warn("the monitor was not told");
}

static void send_to(struct relays *r, const struct relay_msg *m)
{
	if (r->channel == NULL)
		return;
	int rc = relay_msg_send(r->channel->fd, m, -1);
	if (rc == -EPIPE)
		return; /* its end is about to be read */
	if (rc < 0)
		distrust(r, "does not read what it is told");
}

/* ------------------------------------------------------------------ answers */

/* What is granted and not on record is refused. */
static void turn_down(struct relays *r, struct relay_msg *answer, int rc)
{
	size_t i = relays_find(r, answer->id);
	if (i != SIZE_MAX)
		relays_take_out(r, i);
	answer->is_granted = false;
	answer->lease_ms = 0;
	snprintf(answer->reason, sizeof(answer->reason), "store");
	snprintf(answer->text, sizeof(answer->text), "it cannot be written down: %s",
		store_error_text(rc));
	relays_count_refusal(r, "store");
}

static void count_through(struct relays *r, const struct store_record *rec)
{
	const struct config_passthru *p = relays_passthru(r->k->config, rec->service);
	if (p != NULL)
		r->counts.through[p - r->k->config->passthrus]++;
}

/* The records of a batch in one transaction; then its answers. */
static void flush(struct relays *r)
{
	struct knockd *k = r->k;
	struct store_record *records = r->records;
	size_t record_count = 0, n = r->batch_count;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (r->has_record[i])
			records[record_count++] = records[i];
	int rc = record_count > 0 ? store_write(k->store, NULL, 0, records, record_count) : 0;
	if (rc < 0)
		store_trouble(k, "recording connections", rc);
	else if (record_count > 0)
		store_well(k);
	for (size_t i = 0; rc == 0 && i < record_count; i++) {
		announce(&k->announcer, &records[i]);
		if (records[i].event == STORE_RELAYED)
			count_through(r, &records[i]);
	}
	for (size_t i = 0; i < n && r->channel != NULL; i++) {
		if (rc < 0 && r->answers[i].is_granted && r->has_record[i])
			turn_down(r, &r->answers[i], rc);
		send_to(r, &r->answers[i]);
	}
	r->batch_count = 0;
}

static void fill_answer(
	struct relay_msg *a, const struct relay_msg *m, const struct relays_decision *d)
{
	uint64_t now = clock_wall_ms();
	*a = (struct relay_msg){ .type = RELAY_ANSWER, .id = m->id, .is_granted = d->is_granted };
	snprintf(a->reason, sizeof(a->reason), "%s", d->reason);
	snprintf(a->text, sizeof(a->text), "%s", d->text);
	if (!d->is_granted)
		return;
	a->lease_ms = d->end_ms == UINT64_MAX ? UINT64_MAX : d->end_ms > now ? d->end_ms - now : 1;
	a->who.is_certified = d->gate.is_certified;
	a->who.not_after_ms = d->gate.not_after_ms;
	a->who.path_count = (uint8_t)d->gate.path_count;
	a->who.grant_id = d->gate.grant_id;
	snprintf(a->who.name, sizeof(a->who.name), "%s", d->gate.name);
	snprintf(a->who.door, sizeof(a->who.door), "%s", d->gate.door);
	memcpy(a->who.key_id, d->gate.key_id, sizeof(a->who.key_id));
	memcpy(a->who.path, d->gate.path, d->gate.path_count * sizeof(d->gate.path[0]));
}

static void turn_away(struct relays_decision *d, const char *reason, const char *text)
{
	d->is_granted = false;
	d->reason = reason;
	d->text = text;
	d->list = d->entry = "";
}

/* Is there a line left for somebody whom only the relay names? Else it is counted, for the next one. */
static bool may_tell(struct relays *r, uint32_t times)
{
	static const uint8_t all[16];
	if (limiter_take(r->crowd, all, clock_mono_ms()))
		return true;
	r->unsaid += times;
	return false;
}

/* Strangers are told of now and then; who comes too often is a number. */
static bool deserves_line(struct relays *r, const struct relay_msg *m,
	const struct relays_decision *d, bool is_limited)
{
	uint8_t key[16];
	if (d->is_proven && !is_limited)
		return true;
	limiter_source_key(&m->source, key);
	if (limiter_take(r->strangers, key, clock_mono_ms()))
		return may_tell(r, 1);
	r->unsaid++;
	return false;
}

static void on_ask(struct relays *r, const struct relay_msg *m)
{
	struct relays_decision d;
	uint64_t now = clock_mono_ms();
	bool is_limited = false;
	if (r->batch_count == RELAYS_BATCH_MAX)
		flush(r);
	if (r->channel == NULL)
		return;
	relays_judge(r->k, m, clock_wall_ms(), &d);
	if (d.is_proven && !limiter_take(r->identities, d.gate.key_id, now)) {
		turn_away(&d, "relay-busy", "this identity comes too often");
		is_limited = true;
	}
	if (d.is_granted && relays_put_in(r, m, &d) == NULL)
		turn_away(&d, "relay-limit", "there are as many connections as may be");
	if (!d.is_granted)
		relays_count_refusal(r, d.reason);
	size_t i = r->batch_count++;
	fill_answer(&r->answers[i], m, &d);
	r->has_record[i] = deserves_line(r, m, &d, is_limited);
	if (r->has_record[i])
		relays_record(r, m, &d, &r->records[i]);
}

/* Somebody whom another knock process let through. Who may no more is cut; the relay says when. */
static void on_held(struct relays *r, const struct relay_msg *m)
{
	struct relays_decision d;
	if (r->batch_count == RELAYS_BATCH_MAX)
		flush(r);
	if (r->channel == NULL)
		return;
	/* Each of them ends with a line. */
	if (++r->held > r->cap + HELD_ROOM) {
		distrust(r, "presents more connections than it can have");
		return;
	}
	relays_judge(r->k, m, clock_wall_ms(), &d);
	struct relayed *e = relays_put_in(r, m, &d);
	if (e == NULL) {
		turn_away(&d, "relay-limit", "there are as many connections as may be");
	} else {
		e->is_through = true;
		e->is_cutting = !d.is_granted;
		if (!d.is_granted) {
			snprintf(e->reason, sizeof(e->reason), "%s", d.reason);
			snprintf(e->list, sizeof(e->list), "%s", d.list);
			snprintf(e->entry, sizeof(e->entry), "%s", d.entry);
		}
	}
	fill_answer(&r->answers[r->batch_count], m, &d);
	r->has_record[r->batch_count++] = false;
}

static void on_through(struct relays *r, const struct relay_msg *m)
{
	size_t i = relays_find(r, m->id);
	if (i == SIZE_MAX)
		return;
	r->entries[i].is_through = true;
	r->entries[i].inner = m->inner_addr;
}

static void on_end(struct relays *r, const struct relay_msg *m)
{
	/* Its answer, if it waits for one, comes first. */
	flush(r);
	if (r->channel == NULL)
		return;
	size_t i = relays_find(r, m->id);
	const struct relayed *e = i != SIZE_MAX ? &r->entries[i] : NULL;
	bool is_told = e != NULL || may_tell(r, m->type == RELAY_CAUGHT ? m->count : 1);
	if (m->type == RELAY_ENDED) {
		if (is_told)
			relays_note_ended(r, m, e);
		r->counts.to_inner += m->to_inner;
		r->counts.to_client += m->to_client;
	} else {
		if (is_told)
			relays_note_caught(r, m, e);
		relays_count_refusal(r, m->reason);
	}
	if (i != SIZE_MAX)
		relays_take_out(r, i);
}

static void on_listed(struct relays *r, const struct relay_msg *m)
{
	if (m->id == 0) {
		list_done(r);
		return;
	}
	size_t i = relays_find(r, m->id);
	if (i == SIZE_MAX)
		return;
	struct relayed *e = &r->entries[i];
	e->inner = m->inner_addr;
	e->took_ms = m->took_ms;
	e->to_inner = m->to_inner;
	e->to_client = m->to_client;
	e->to_inner_rate = m->to_inner_rate;
	e->to_client_rate = m->to_client_rate;
}

static void obey(struct relays *r, const struct relay_msg *m)
{
	switch (m->type) {
	case RELAY_ASK:
		on_ask(r, m);
		break;
	case RELAY_HELD:
		on_held(r, m);
		break;
	case RELAY_THROUGH:
		on_through(r, m);
		break;
	case RELAY_CAUGHT:
	case RELAY_ENDED:
		on_end(r, m);
		break;
	case RELAY_LISTED:
		on_listed(r, m);
		break;
	case RELAY_NONE:
	case RELAY_BEGIN:
	case RELAY_IDENTITY:
	case RELAY_PASSTHRU:
	case RELAY_TARGET:
	case RELAY_COMMIT:
	case RELAY_CHANNEL:
	case RELAY_STOP:
	case RELAY_TAKEN:
	case RELAY_ANSWER:
	case RELAY_CUT:
	case RELAY_LIST:
	case RELAY_MSG_COUNT:
		break;
	}
}

static void on_relay(uv_poll_t *poll, int status, int events)
{
	struct channel *c = poll->data;
	struct relays *r = c->owner;
	int rc = 1;
	(void)status;
	(void)events;
	for (size_t n = 0; n < TURN_MAX && r->channel == c; n++) {
		struct relay_msg m;
		int fd;
		rc = relay_msg_receive(c->fd, RELAY_RELAY, RELAY_KNOCK, r->buffer, &m, &fd);
		if (rc <= 0)
			break;
		obey(r, &m);
	}
	if (r->channel != c)
		return;
	flush(r);
	events_write(r->k);
	if (r->channel != c || rc > 0 || rc == -EAGAIN)
		return;
	if (rc == 0)
		lose(r);
	else
		distrust(r, "said what is no message");
}

/* ------------------------------------------------------------------ life */

static struct relays *relays_new(struct knockd *k)
{
	const struct config_server *s = &k->config->server;
	struct relays *r = calloc(1, sizeof(*r));
	uint8_t seed[16];
	if (r == NULL)
		return NULL;
	randombytes_buf(seed, sizeof(seed));
	r->k = k;
	r->cap = s->relay_connections_max + ROOM;
	r->ids = calloc(r->cap, sizeof(r->ids[0]));
	r->entries = calloc(r->cap, sizeof(r->entries[0]));
	r->strangers = limiter_new(LIMIT_SLOTS, STRANGER_RATE, STRANGER_BURST, seed);
	r->identities =
		limiter_new(LIMIT_SLOTS, s->identity_rate, IDENTITY_BURST * s->identity_rate, seed);
	r->crowd = limiter_new(1, CROWD_RATE, CROWD_BURST, seed);
	if (r->ids != NULL && r->entries != NULL && r->strangers != NULL && r->identities != NULL &&
		r->crowd != NULL)
		return r;
	k->relays = r;
	relays_free(k);
	return NULL;
}

/* The descriptor is the channel's from here on, or closed. */
static int channel_open(struct relays *r, int fd)
{
	struct channel *c = calloc(1, sizeof(*c));
	int rc = c != NULL ? uv_poll_init(&r->k->loop, &c->poll, fd) : -ENOMEM;
	if (rc < 0) {
		close(fd);
		free(c);
		return rc;
	}
	c->poll.data = c;
	c->fd = fd;
	c->owner = r;
	r->channel = c;
	r->held = 0;
	rc = uv_poll_start(&c->poll, UV_READABLE, on_relay);
	if (rc < 0)
		channel_close(r);
	return rc;
}

void relays_take(struct knockd *k, struct msg_fds *fds)
{
	int fd = fds->fd[0];
	int rc = 0;
	fds->count = 0;
	if (k->relays != NULL)
		lose(k->relays);
	else
		k->relays = relays_new(k);
	if (k->relays == NULL) {
		close(fd);
		rc = -ENOMEM;
	} else {
		rc = channel_open(k->relays, fd);
	}
	if (rc < 0)
		log_error("the relay process cannot be heard: %s; nobody is let through",
			strerror(-rc));
}

void relays_leave(struct knockd *k)
{
	if (k->relays != NULL)
		channel_close(k->relays);
}

void relays_free(struct knockd *k)
{
	struct relays *r = k->relays;
	k->relays = NULL;
	if (r == NULL)
		return;
	limiter_free(r->strangers);
	limiter_free(r->identities);
	limiter_free(r->crowd);
	free(r->ids);
	free(r->entries);
	free(r);
}

void relays_tick(struct knockd *k, uint64_t mono_ms)
{
	struct relays *r = k->relays;
	if (r == NULL)
		return;
	if (r->list_asked_mono_ms != 0 && mono_ms - r->list_asked_mono_ms > LIST_WAIT_MS)
		list_done(r);
	/* Bytes, for whoever reads the page of metrics; they are as old as this. */
	if (++r->ticks % LIST_EVERY_TICKS == 0 && k->scrape != NULL && r->count > 0)
		(void)relays_list(k);
}

/* ------------------------------------------------------------------ for others */

bool relays_list(struct knockd *k)
{
	const struct relay_msg list = { .type = RELAY_LIST };
	struct relays *r = k->relays;
	if (r == NULL || r->channel == NULL || r->count == 0)
		return false;
	if (r->list_asked_mono_ms != 0)
		return true;
	r->list_asked_mono_ms = clock_mono_ms();
	send_to(r, &list);
	return r->channel != NULL;
}

size_t relays_cut(struct knockd *k, relays_is_meant *is_meant, void *arg, const struct closing *why)
{
	struct relays *r = k->relays;
	struct relay_msg cut = { .type = RELAY_CUT };
	size_t n = 0;
	snprintf(cut.reason, sizeof(cut.reason), "%s", why->reason);
	snprintf(cut.text, sizeof(cut.text), "cut %s", why->text);
	/* From the end: one that cannot be told empties the table. */
	for (size_t i = relays_count(k); i > 0 && i <= relays_count(k); i--) {
		struct relayed *e = &r->entries[i - 1];
		const struct relays_line l = relays_line_of(r, e);
		if (e->is_cutting || !is_meant(arg, &l))
			continue;
		e->is_cutting = true;
		cut.id = e->id;
		send_to(r, &cut);
		n++;
	}
	return n;
}
