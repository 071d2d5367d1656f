/*
 * Simple sequences: what each needs, how weak it may be, and that the knocks of one do not meet another on
 * their way. What is met first clears what its source did so far, so a sequence inside a longer one makes
 * that unreachable.
 */

#include <netinet/in.h>

#include "config/internal.h"

#define FEW 3     /* knocks that are not weak */
#define NARROW 16 /* adjacent ports that are */

struct checker {
	const struct config *c;
	const struct config_scan *scan;
	struct config_notes *notes;
	size_t door;
};

static size_t ordinal_of(const struct checker *k, size_t n)
{
	return config_scan_child(k->scan, CONFIG_BLOCK_SEQUENCE, k->door, n)->ordinal;
}

static struct config_place place_of(const struct checker *k, size_t n, const char *keyword)
{
	return config_scan_place(k->scan, CONFIG_BLOCK_SEQUENCE, ordinal_of(k, n), keyword);
}

static bool is_written(const struct checker *k, size_t n, const char *keyword)
{
	return config_scan_has(k->scan, CONFIG_BLOCK_SEQUENCE, ordinal_of(k, n), keyword);
}

/* Were all of its ports understood? What was refused is a mistake already. */
static bool is_whole(const struct checker *k, size_t n)
{
	const struct config_statement *st = config_scan_find(k->scan, CONFIG_BLOCK_SEQUENCE,
		ordinal_of(k, n), config_keyword_find(CONFIG_BLOCK_SEQUENCE, "ports"));
	return st != NULL && !st->is_bad &&
		st->value_count == k->c->doors[k->door].sequences[n].step_count;
}

/* One of two keywords, and one only. */
static void check_either(const struct checker *k, size_t n, const char *one, const char *other)
{
	bool has_one = is_written(k, n, one), has_other = is_written(k, n, other);
	struct config_place at = place_of(k, n, other);
	if (has_one && has_other)
		config_note(k->notes, &at, "%s: goes without %s; remove one", other, one);
	if (!has_one && !has_other)
		config_note(k->notes, &at, "sequence: neither %s nor %s; add one", one, other);
}

static bool is_narrow(const struct config_sequence *q)
{
	uint16_t low = UINT16_MAX, high = 0;
	for (size_t i = 0; i < q->step_count; i++) {
		low = q->steps[i].port < low ? q->steps[i].port : low;
		high = q->steps[i].port > high ? q->steps[i].port : high;
	}
	return high - low < NARROW;
}

/* Never down, or never up: a sweep may walk it. */
static bool is_monotone(const struct config_sequence *q)
{
	bool rises = false, falls = false;
	for (size_t i = 1; i < q->step_count; i++) {
		rises |= q->steps[i].port > q->steps[i - 1].port;
		falls |= q->steps[i].port < q->steps[i - 1].port;
	}
	return !rises || !falls;
}

static void check_strength(const struct checker *k, size_t n)
{
	const struct config_sequence *q = &k->c->doors[k->door].sequences[n];
	struct config_place at = place_of(k, n, "ports");
	if (q->step_count < 2) {
		config_note(k->notes, &at, "ports: a sequence has at least two knocks; add some");
		return;
	}
	if (q->accept_weak)
		return;
	if (q->step_count < FEW)
		config_note(k->notes, &at,
			"ports: weak: fewer than %d knocks; add some, or accept-weak = yes", FEW);
	else if (is_narrow(q))
		config_note(k->notes, &at,
			"ports: weak: all inside %d adjacent ports; spread them, or add accept-weak = yes",
			NARROW);
	else if (is_monotone(q))
		config_note(k->notes, &at,
			"ports: weak: they only rise or only fall, as a sweep does; reorder them, or add "
			"accept-weak = yes");
}

static bool is_same(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return a->port == b->port && a->proto == b->proto;
}

static bool is_own(const struct config_sequence *q, const struct config_endpoint *e)
{
	for (size_t i = 0; i < q->step_count; i++)
		if (is_same(&q->steps[i], e))
			return true;
	return false;
}

/* Is q met when the first len knocks of the other one are made? */
static bool is_met(const struct config_sequence *q, const struct config_sequence *other, size_t len)
{
	size_t want = q->step_count;
	if (len == 0 || want == 0 || !is_same(&q->steps[want - 1], &other->steps[len - 1]))
		return false;
	while (want > 0 && len > 0) {
		const struct config_endpoint *e = &other->steps[--len];
		if (is_same(&q->steps[want - 1], e))
			want--;
		else if (q->strict || is_own(q, e))
			return false;
	}
	return want == 0;
}

static bool is_inside(const struct config_sequence *q, const struct config_sequence *other)
{
	for (size_t len = 1; len <= other->step_count; len++)
		if (is_met(q, other, len))
			return true;
	return false;
}

static void check_others(const struct checker *k, size_t n)
{
	const struct config_door *d = &k->c->doors[k->door];
	const struct config_sequence *q = &d->sequences[n];
	for (size_t i = 0; i < d->sequence_count; i++) {
		/* Of two that are the same, or in each other, the second is told. */
		if (i == n || !is_inside(&d->sequences[i], q) ||
			(i > n && is_inside(q, &d->sequences[i])))
			continue;
		struct config_place at = place_of(k, n, "ports");
		struct config_place other = place_of(k, i, "ports");
		config_note(k->notes, &at,
			"ports: on the way they meet the sequence of %s:%u; change one of them",
			other.file, other.line);
		return;
	}
}

/* A knock must be nothing else as well: no connection that spends a gate, no packet of another format. */
static void check_steps(const struct checker *k, size_t n)
{
	const struct config_door *d = &k->c->doors[k->door];
	const struct config_sequence *q = &d->sequences[n];
	for (size_t i = 0; i < q->step_count; i++) {
		const struct config_endpoint *e = &q->steps[i];
		struct config_place at = place_of(k, n, "ports");
		const struct config_service *s = config_service_by_port(k->c, e->proto, e->port);
		bool is_taken = e->proto == IPPROTO_UDP && d->spa.is_on && d->spa.port == e->port;
		for (size_t f = 0; f < d->fwknop_count && e->proto == IPPROTO_UDP; f++)
			is_taken |= d->fwknops[f].udp == e->port;
		if (s != NULL)
			config_note(k->notes, &at,
				"ports: service %s guards %u; knock where nothing else is meant",
				s->name, (unsigned)e->port);
		else if (is_taken)
			config_note(k->notes, &at,
				"ports: %u takes packets at this door; knock where nothing else is meant",
				(unsigned)e->port);
	}
}

static void check_length(const struct checker *k, size_t n)
{
	struct config_place at = place_of(k, n, "ports");
	if (k->c->doors[k->door].sequences[n].ports.len > CONFIG_STEPS_MAX)
		config_note(
			k->notes, &at, "ports: more than %d knocks; name fewer", CONFIG_STEPS_MAX);
}

void config_check_sequences(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	for (size_t i = 0; i < c->door_count; i++) {
		struct checker k = { c, s, notes, i };
		for (size_t n = 0; n < c->doors[i].sequence_count; n++) {
			check_either(&k, n, "ports", "one-time");
			check_either(&k, n, "open", "close");
			check_length(&k, n);
			if (!is_whole(&k, n))
				continue;
			check_strength(&k, n);
			check_others(&k, n);
			check_steps(&k, n);
		}
	}
}
