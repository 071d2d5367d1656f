/* What a lockdown leaves open: ports that nobody guards, and only where there is a lockdown. */

#include <string.h>

#include "config/internal.h"

static void check_opening(const struct config *c, const struct config_text *item,
	const struct config_place *list, struct config_notes *notes)
{
	struct config_endpoint e;
	struct config_place at = *list;
	if (!config_endpoint_parse(item->text, &e))
		return;
	at.file = item->file;
	at.line = item->line;
	const struct config_service *s = config_service_by_port(c, e.proto, e.port);
	if (s != NULL)
		config_note(notes, &at,
			"lockdown-allow: service %s guards %s, which stays closed; remove one of them",
			s->name, item->text);
}

void config_check_lockdown(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	const struct config_list *l = &c->server.lockdown_allow;
	const struct config_statement *st = config_scan_find(s, CONFIG_BLOCK_SERVER, 0,
		config_keyword_find(CONFIG_BLOCK_SERVER, "lockdown-allow"));
	if (st == NULL || st->is_bad)
		return;
	if (!c->server.lockdown)
		config_note(notes, &st->at,
			"lockdown-allow: nothing is locked down; remove it, or set lockdown = yes");
	size_t ports = 0;
	for (size_t i = 0; i < l->len; i++)
		ports += strcmp(l->items[i].text, CONFIG_ECHO) != 0;
	if (ports > CONFIG_OPENINGS_MAX)
		config_note(notes, &st->at, "lockdown-allow: more than %d ports; name fewer",
			CONFIG_OPENINGS_MAX);
	for (size_t i = 0; i < l->len; i++)
		check_opening(c, &l->items[i], &st->at, notes);
}
