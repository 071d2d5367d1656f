/*
 * Which ports of a door mean what. A knock that two formats read would be half of something in each, so
 * the ranges of different formats are apart, and no sequence knocks inside one. Ciphers alone may share
 * theirs: each person has a key, and only one fits.
 */

#include <netinet/in.h>

#include "config/internal.h"

#define RANGES_MAX (CONFIG_STRUCTURED_MAX + CONFIG_CIPHERS_MAX + 1)
#define STRUCTURED_PORTS 10
#define TAGGED_PORTS 4096

struct range {
	enum config_block block;
	size_t nth;
	const char *keyword; /* that says where */
	unsigned first, last;
};

struct checker {
	const struct config_scan *scan;
	struct config_notes *notes;
	size_t door, count;
	struct range ranges[RANGES_MAX];
};

static void add(struct checker *k, enum config_block b, size_t nth, unsigned first, unsigned len)
{
	const char *keyword = b == CONFIG_BLOCK_CIPHER ? "ports" : "base";
	if (first != 0 && k->count < RANGES_MAX)
		k->ranges[k->count++] = (struct range){ b, nth, keyword, first, first + len - 1 };
}

static struct config_place place_of(
	const struct checker *k, enum config_block b, size_t nth, const char *keyword)
{
	const struct config_statement *st = config_scan_child(k->scan, b, k->door, nth);
	return config_scan_place(k->scan, b, st->ordinal, keyword);
}

static void collect(struct checker *k, const struct config_door *d)
{
	for (size_t i = 0; i < d->structured_count; i++)
		add(k, CONFIG_BLOCK_STRUCTURED, i, d->structured[i].base, STRUCTURED_PORTS);
	for (size_t i = 0; i < d->cipher_count; i++)
		add(k, CONFIG_BLOCK_CIPHER, i, d->ciphers[i].port_first,
			d->ciphers[i].port_last - d->ciphers[i].port_first + 1u);
	if (d->tagged.is_on)
		add(k, CONFIG_BLOCK_TAGGED, 0, d->tagged.base, TAGGED_PORTS);
}

static void check_ranges(const struct checker *k)
{
	for (size_t i = 1; i < k->count; i++) {
		const struct range *a = &k->ranges[i];
		for (size_t j = 0; j < i; j++) {
			const struct range *b = &k->ranges[j];
			bool may_share = a->block == CONFIG_BLOCK_CIPHER && b->block == a->block;
			if (may_share || a->first > b->last || b->first > a->last)
				continue;
			struct config_place at = place_of(k, a->block, a->nth, a->keyword);
			struct config_place other = place_of(k, b->block, b->nth, b->keyword);
			config_note(k->notes, &at,
				"%s: %u-%u has ports of the %s block, %u-%u, %s:%u; move one of them",
				a->keyword, a->first, a->last, config_block_def(b->block)->name,
				b->first, b->last, other.file, other.line);
			break;
		}
	}
}

static void check_sequence(const struct checker *k, const struct config_sequence *q, size_t nth)
{
	for (size_t i = 0; i < q->step_count; i++) {
		for (size_t j = 0; j < k->count && q->steps[i].proto == IPPROTO_TCP; j++) {
			const struct range *r = &k->ranges[j];
			unsigned port = q->steps[i].port;
			if (port < r->first || port > r->last)
				continue;
			struct config_place at = place_of(k, CONFIG_BLOCK_SEQUENCE, nth, "ports");
			config_note(k->notes, &at,
				"ports: %u is among those of the %s block, %u-%u; knock elsewhere",
				port, config_block_def(r->block)->name, r->first, r->last);
			return;
		}
	}
}

void config_check_ranges(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	for (size_t i = 0; i < c->door_count; i++) {
		const struct config_door *d = &c->doors[i];
		struct checker k = { .scan = s, .notes = notes, .door = i };
		collect(&k, d);
		check_ranges(&k);
		for (size_t n = 0; n < d->sequence_count; n++)
			check_sequence(&k, &d->sequences[n], n);
	}
}
