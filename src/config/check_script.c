/*
 * backend = script. Invariant: what only rules of nftables can do is refused and not left out in silence: a
 * program is told of one port that one address may use until a time, and of nothing else.
 */

#include "config/internal.h"

static void note(const struct config_scan *s, enum config_block block, size_t i,
	const char *keyword, struct config_notes *notes, const char *why)
{
	const struct config_statement *st =
		config_scan_find(s, block, i, config_keyword_find(block, keyword));
	if (st != NULL && !st->is_bad)
		config_note(notes, &st->at, "%s: %s", keyword, why);
}

static void check_service(
	const struct config *c, size_t i, const struct config_scan *s, struct config_notes *notes)
{
	const struct config_service *v = &c->services[i];
	enum config_block b = v->passthru == NULL ? CONFIG_BLOCK_SERVICE : CONFIG_BLOCK_PASSTHRU;
	if (v->passthru != NULL)
		i = (size_t)(v->passthru - c->passthrus);
	if (v->forward.is_set)
		note(s, b, i, "forward", notes,
			"a script forwards nothing; remove it, or use backend = nft");
	if (v->port_last != 0)
		note(s, b, i, "port", notes,
			"a script is told of one port; make each port a service of its own");
	if (v->prefix_v4 < CONFIG_PREFIX_V4_HOST)
		note(s, b, i, "prefix-v4", notes,
			"a script lets in no networks; remove it, or use backend = nft");
	if (v->prefix_v6 < CONFIG_PREFIX_V6_HOST)
		note(s, b, i, "prefix-v6", notes,
			"a script lets in no networks; remove it, or use backend = nft");
	if (v->lease_s == CONFIG_LEASE_NONE)
		note(s, b, i, "lease", notes,
			"a script does not see connections end; give it a length");
}

void config_check_script(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	if (c->server.backend != CONFIG_BACKEND_SCRIPT)
		return;
	if (c->server.lockdown)
		note(s, CONFIG_BLOCK_SERVER, 0, "lockdown", notes,
			"a script locks nothing down; remove it, or use backend = nft");
	for (size_t i = 0; i < c->service_count; i++)
		check_service(c, i, s, notes);
	if (c->rescue.is_on)
		note(s, CONFIG_BLOCK_RESCUE, 0, "from", notes,
			"a script rescues nobody; remove the block, or use backend = nft");
}
