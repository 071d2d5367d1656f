/* Where services are forwarded to: one place for each version of IP, on another machine. */

#include "config/internal.h"

static void note(const struct config_scan *s, size_t i, const char *keyword,
	struct config_notes *notes, const char *why)
{
	const struct config_statement *st = config_scan_find(
		s, CONFIG_BLOCK_SERVICE, i, config_keyword_find(CONFIG_BLOCK_SERVICE, keyword));
	if (st != NULL)
		config_note(notes, &st->at, "%s: %s", keyword, why);
}

/* No other machine: this one's loopback, a group's address or none. */
static bool is_elsewhere(const struct addr *a)
{
	static const struct addr loopback = { { [15] = 1 } };
	if (addr_is_v4(a))
		return a->b[12] != 0 && a->b[12] != 127 && a->b[12] < 224;
	/* A link-local address says nothing without its interface. */
	bool is_link_local = a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
	return !addr_is_zero(a) && !addr_equal(a, &loopback) && a->b[0] != 0xff && !is_link_local;
}

static void check_service(const struct config_service *s, size_t i, const struct config_scan *scan,
	struct config_notes *notes)
{
	unsigned v4 = 0, v6 = 0;
	for (size_t k = 0; k < s->forward.len; k++) {
		struct config_target t;
		if (!config_target_parse(s->forward.items[k].text, &t))
			continue;
		*(addr_is_v4(&t.addr) ? &v4 : &v6) += 1;
		if (!is_elsewhere(&t.addr))
			note(scan, i, "forward", notes,
				"not an address of another machine; name one that packets can be sent on to");
	}
	if (v4 > 1 || v6 > 1)
		note(scan, i, "forward", notes,
			"two places for one version of IP; name one of each at most");
	const struct config_statement *st = config_scan_find(scan, CONFIG_BLOCK_SERVICE, i,
		config_keyword_find(CONFIG_BLOCK_SERVICE, "forward"));
	if (st != NULL && !st->is_bad && st->value_count == 0)
		note(scan, i, "forward", notes, "empty; remove it, or name where to");
	if (s->masquerade && !s->forward.is_set)
		note(scan, i, "masquerade", notes,
			"nothing is forwarded; remove it, or add forward");
}

void config_check_forward(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	for (size_t i = 0; i < c->service_count && c->services[i].passthru == NULL; i++)
		check_service(&c->services[i], i, s, notes);
}
