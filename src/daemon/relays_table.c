/*
 * Who is through, and the lines that the journal gets of it. Invariant: a connection is in the table from
 * before its record is written until the relay says that it ended.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/relays_internal.h"

/* ------------------------------------------------------------------ the table */

size_t relays_find(const struct relays *r, uint32_t id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->ids[i] == id)
			return i;
	return SIZE_MAX;
}

void relays_take_out(struct relays *r, size_t i)
{
	size_t last = --r->count;
	r->ids[i] = r->ids[last];
	r->entries[i] = r->entries[last];
}

struct relayed *relays_put_in(
	struct relays *r, const struct relay_msg *m, const struct relays_decision *d)
{
	size_t i = relays_find(r, m->id);
	if (i == SIZE_MAX && r->count == r->cap)
		return NULL;
	if (i == SIZE_MAX)
		i = r->count++;
	struct relayed *e = &r->entries[i];
	*e = (struct relayed){
		.id = m->id,
		.grant_id = d->gate.grant_id,
		.source = m->source,
		.source_port = m->source_port,
	};
	r->ids[i] = m->id;
	snprintf(e->passthru, sizeof(e->passthru), "%s", m->passthru);
	snprintf(e->name, sizeof(e->name), "%s", d->gate.name);
	snprintf(e->door, sizeof(e->door), "%s", d->gate.door);
	memcpy(e->key_id, d->gate.key_id, sizeof(e->key_id));
	return e;
}

void relays_count_refusal(struct relays *r, const char *reason)
{
	size_t i = 0;
	while (i < r->counts.reason_count && strcmp(r->counts.refused[i].word, reason) != 0)
		i++;
	if (i == RELAYS_REASONS_MAX)
		i--;
	if (i == r->counts.reason_count) {
		bool is_last = i == RELAYS_REASONS_MAX - 1;
		snprintf(r->counts.refused[i].word, sizeof(r->counts.refused[i].word), "%s",
			is_last ? "other" : reason);
		r->counts.reason_count++;
	}
	r->counts.refused[i].count++;
}

/* ------------------------------------------------------------------ records */

static void describe(struct store_record *rec, const struct relayed *e)
{
	snprintf(rec->name, sizeof(rec->name), "%s", e->name);
	snprintf(rec->service, sizeof(rec->service), "%s", e->passthru);
	snprintf(rec->door, sizeof(rec->door), "%s", e->door);
	memcpy(rec->key_id, e->key_id, sizeof(rec->key_id));
	rec->source = e->source;
	rec->source_port = e->source_port;
	rec->grant_id = e->grant_id;
}

static void describe_unknown(struct store_record *rec, const struct relay_msg *m)
{
	snprintf(rec->service, sizeof(rec->service), "%s", m->passthru);
	rec->source = m->source;
	rec->source_port = m->source_port;
}

static const char *bytes_text(uint64_t n, char to[32])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t u = 0;
	uint64_t unit = 1;
	while (u + 1 < sizeof(units) / sizeof(units[0]) && n / unit >= 10000) {
		unit *= 1000;
		u++;
	}
	snprintf(to, 32, "%llu %s", (unsigned long long)(n / unit), units[u]);
	return to;
}

/* "the client closed, 4312 B in, 93 kB out, 12s" */
void relays_note_ended(struct relays *r, const struct relay_msg *m, const struct relayed *e)
{
	char in[32], out[32], took[TIME_TEXT_MAX];
	struct store_record *rec = events_record(r->k, STORE_RELAY_ENDED);
	if (e != NULL) {
		describe(rec, e);
	} else {
		describe_unknown(rec, m);
	}
	/* It may have ended by itself meanwhile. */
	if (e != NULL && strcmp(e->reason, m->reason) == 0) {
		snprintf(rec->list, sizeof(rec->list), "%s", e->list);
		snprintf(rec->entry, sizeof(rec->entry), "%s", e->entry);
	}
	snprintf(rec->reason, sizeof(rec->reason), "%s", m->reason);
	snprintf(rec->text, sizeof(rec->text), "%s%s%s in, %s out, %s", m->text,
		m->text[0] != '\0' ? ", " : "", bytes_text(m->to_inner, in),
		bytes_text(m->to_client, out),
		duration_format(
			(uint32_t)(m->took_ms / 1000 < UINT32_MAX ? m->took_ms / 1000 : UINT32_MAX),
			took));
}

void relays_note_caught(struct relays *r, const struct relay_msg *m, const struct relayed *e)
{
	char times[48] = "";
	struct store_record *rec = events_record(r->k, STORE_REFUSED);
	if (e != NULL)
		describe(rec, e);
	else
		describe_unknown(rec, m);
	if (m->count > 1)
		snprintf(times, sizeof(times), ", %lu times", (unsigned long)m->count);
	snprintf(rec->reason, sizeof(rec->reason), "%s", m->reason);
	snprintf(rec->text, sizeof(rec->text), "%s%s", m->text, times);
}

/* The line of a decision, in the batch. */
void relays_record(struct relays *r, const struct relay_msg *m, const struct relays_decision *d,
	struct store_record *rec)
{
	const struct config_passthru *p = relays_passthru(r->k->config, m->passthru);
	*rec = (struct store_record){
		.wall_ms = clock_wall_ms(),
		.event = d->is_granted ? STORE_RELAYED : STORE_REFUSED,
	};
	describe_unknown(rec, m);
	if (d->is_proven) {
		snprintf(rec->name, sizeof(rec->name), "%s", d->gate.name);
		memcpy(rec->key_id, d->gate.key_id, sizeof(rec->key_id));
		snprintf(rec->door, sizeof(rec->door), "%s", d->gate.door);
		rec->grant_id = d->gate.grant_id;
	}
	snprintf(rec->reason, sizeof(rec->reason), "%s", d->reason);
	snprintf(rec->list, sizeof(rec->list), "%s", d->list);
	snprintf(rec->entry, sizeof(rec->entry), "%s", d->entry);
	if (d->is_granted) {
		rec->until_ms = d->end_ms == UINT64_MAX ? 0 : d->end_ms;
		snprintf(rec->text, sizeof(rec->text), "to %s port %u%s", p->host,
			(unsigned)p->port, p->encrypt ? "" : ", without encryption");
	} else if (r->unsaid > 0 && !d->is_proven) {
		snprintf(rec->text, sizeof(rec->text), "%s; %llu like it without a line before",
			d->text, (unsigned long long)r->unsaid);
		r->unsaid = 0;
	} else {
		snprintf(rec->text, sizeof(rec->text), "%s", d->text);
	}
}

/* ------------------------------------------------------------------ for others */

struct relays_line relays_line_of(const struct relays *r, const struct relayed *e)
{
	const struct config_passthru *p = relays_passthru(r->k->config, e->passthru);
	return (struct relays_line){
		.id = e->id,
		.passthru = e->passthru,
		.name = e->name,
		.door = e->door,
		.key_id = e->key_id,
		.grant_id = e->grant_id,
		.source = e->source,
		.inner = e->inner,
		.source_port = e->source_port,
		.inner_port = p != NULL ? p->port : 0,
		.is_through = e->is_through,
		.took_ms = e->took_ms,
		.to_inner = e->to_inner,
		.to_client = e->to_client,
		.to_inner_rate = e->to_inner_rate,
		.to_client_rate = e->to_client_rate,
	};
}

size_t relays_count(const struct knockd *k)
{
	return k->relays != NULL ? k->relays->count : 0;
}

void relays_each(const struct knockd *k, relays_fn *fn, void *arg)
{
	for (size_t i = 0; i < relays_count(k); i++) {
		const struct relays_line l = relays_line_of(k->relays, &k->relays->entries[i]);
		fn(arg, &l);
	}
}

void relays_counts(const struct knockd *k, struct relays_counts *ret)
{
	const struct relays *r = k->relays;
	*ret = (struct relays_counts){ .reason_count = 0 };
	if (r == NULL)
		return;
	*ret = r->counts;
	for (size_t i = 0; i < r->count; i++) {
		ret->to_inner += r->entries[i].to_inner;
		ret->to_client += r->entries[i].to_client;
	}
}
