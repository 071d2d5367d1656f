/*
 * A rescue that could never come, or that would come for everybody. Each is a mistake: the first leaves
 * its owner locked out on the day it is needed, the second is an open port with a delay.
 */

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "config/internal.h"

/* Where a keyword stands, or the block when it was left out. */
static struct config_place place_of(const struct config_scan *s, const char *keyword)
{
	const struct config_keyword *k = config_keyword_find(CONFIG_BLOCK_RESCUE, keyword);
	const struct config_statement *st = config_scan_find(s, CONFIG_BLOCK_RESCUE, 0, k);
	if (st == NULL)
		st = config_scan_find(s, CONFIG_BLOCK_RESCUE, 0, NULL);
	return st->at;
}

/* Nobody's address out there: this machine's own, none at all, or a group's. */
static const char *why_not_a_source(const struct prefix *p)
{
	if (addr_is_v4(&p->addr) && p->bits >= 96) {
		if (p->addr.b[12] == 127)
			return "is this machine itself, which is never kept out";
		return p->addr.b[12] >= 224 || (p->addr.b[12] == 0 && p->bits >= 104)
			? "is nobody's address"
			: NULL;
	}
	struct addr loopback = { { [15] = 1 } };
	if (addr_equal(&p->addr, &loopback))
		return "is this machine itself, which is never kept out";
	return p->addr.b[0] == 0xff || (addr_is_zero(&p->addr) && p->bits == 128)
		? "is nobody's address"
		: NULL;
}

static bool is_within(const struct prefix *a, const struct prefix *b)
{
	return a->bits >= b->bits && prefix_contains(b, &a->addr);
}

/*
 * Do prefixes of one family, none within another, make up all of it? Counted in shares of 1/2^32: 16
 * prefixes that do so are all longer than that.
 */
static bool is_everybody(const struct config_rescue *r, bool is_v4)
{
	uint64_t shares = 0;
	for (size_t i = 0; i < r->prefix_count; i++) {
		const struct prefix *p = &r->prefixes[i];
		bool p_is_v4 = addr_is_v4(&p->addr) && p->bits >= 96;
		unsigned bits = p_is_v4 ? p->bits - 96u : p->bits;
		if (p_is_v4 == is_v4 && bits <= 32)
			shares += UINT64_C(1) << (32 - bits);
	}
	return shares >= UINT64_C(1) << 32;
}

static void check_prefix(const struct config_rescue *r, size_t i, const struct config_place *list,
	struct config_notes *notes)
{
	const struct prefix *p = &r->prefixes[i];
	struct config_place at = *list;
	char text[PREFIX_TEXT_MAX], other[PREFIX_TEXT_MAX];
	/* A prefix that cannot be read was reported, and is in neither list. */
	at.file = r->from.items[i].file;
	at.line = r->from.items[i].line;
	const char *why = why_not_a_source(p);
	if (why != NULL)
		config_note(notes, &at, "from: %s %s; name the addresses you come from",
			prefix_format(p, text), why);
	for (size_t j = 0; j < r->prefix_count; j++) {
		if (j == i || !is_within(p, &r->prefixes[j]) ||
			(j > i && p->bits == r->prefixes[j].bits))
			continue;
		config_note(notes, &at, "from: %s lies within %s; remove it",
			prefix_format(p, text), prefix_format(&r->prefixes[j], other));
		return;
	}
}

static void check_from(
	const struct config_rescue *r, const struct config_scan *s, struct config_notes *notes)
{
	const struct config_statement *st = config_scan_find(
		s, CONFIG_BLOCK_RESCUE, 0, config_keyword_find(CONFIG_BLOCK_RESCUE, "from"));
	if (st == NULL || st->is_bad)
		return;
	if (st->value_count == 0)
		config_note(notes, &st->at,
			"from: nobody could ever be rescued; name the addresses you come from");
	if (st->value_count > CONFIG_RESCUE_MAX) {
		config_note(notes, &st->at, "from: more than %d prefixes; name fewer",
			CONFIG_RESCUE_MAX);
		return;
	}
	for (size_t i = 0; i < r->prefix_count; i++)
		check_prefix(r, i, &st->at, notes);
	if (is_everybody(r, true) || is_everybody(r, false))
		config_note(notes, &st->at,
			"from: this is everybody, so the port would be open; name fewer");
}

void config_check_rescue(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	const struct config_rescue *r = &c->rescue;
	if (!r->is_on)
		return;
	check_from(r, s, notes);
	const struct config_service *to = config_service_by_port(c, r->to.proto, r->to.port);
	struct config_place at = place_of(s, "port");
	if (to != NULL && config_is_forwarded(to))
		config_note(notes, &at,
			"port: service %s is forwarded, and nobody is rescued on another machine; "
			"name a port of this one",
			to->name);
	if (r->to.port != 0 && to == NULL) {
		config_note(notes, &at,
			"port: no service guards %s/%u, so nobody is kept out of it; name a guarded port",
			r->to.proto == IPPROTO_TCP ? "tcp" : "udp", (unsigned)r->to.port);
	}
}
