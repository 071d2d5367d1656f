/*
 * A decision as its line of the journal. Invariant: who, what, where and why are all in the line; nothing of
 * a stranger ever is.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/knockd_internal.h"
#include "daemon/proof.h"

/* "one connection for 30s"; what is not the usual said with it. */
static void grant_text(const struct store_gate *g, uint32_t granted_s, char to[STORE_TEXT_MAX + 1])
{
	const struct prefix source = { g->source, g->bits };
	char duration[TIME_TEXT_MAX], from[PREFIX_TEXT_MAX + 16] = "", net[PREFIX_TEXT_MAX];
	char what[32] = "open";
	if (g->kind == CONFIG_OPEN_ONCE)
		snprintf(what, sizeof(what), "one connection");
	else if (g->kind == CONFIG_OPEN_TIMES)
		snprintf(what, sizeof(what), "%u connections", (unsigned)g->times);
	if (g->bits < 128)
		snprintf(from, sizeof(from), " to %s", prefix_format(&source, net));
	else if (g->source_port != 0)
		snprintf(from, sizeof(from), " from port %u", (unsigned)g->source_port);
	snprintf(to, STORE_TEXT_MAX + 1, "%s%s for %s", what, from,
		duration_format(granted_s, duration));
}

/* By which scheme, where it was no knock of our own. */
static void add_scheme(const struct judge_case *c, char to[STORE_NOTE_MAX + 1])
{
	size_t len = strlen(to);
	if (c->scheme[0] != '\0' && len < STORE_NOTE_MAX)
		snprintf(to + len, STORE_NOTE_MAX + 1 - len, "%sby %s", len > 0 ? ", " : "",
			c->scheme);
}

void turn_record(const struct knockd *k, struct slot *s, uint64_t now)
{
	const struct judge_case *c = &s->judged;
	struct store_record *r = &s->record;

	*r = (struct store_record){
		.wall_ms = now, .source = c->seen.src, .source_port = c->seen.src_port
	};
	r->event = s->outcome == JUDGE_RUN
		? (c->claim.action->is_journal_only ? STORE_NOTE : STORE_ACTION)
		: s->outcome == JUDGE_OPEN  ? STORE_GRANTED
		: s->outcome == JUDGE_CLOSE ? STORE_CLOSED
					    : STORE_REFUSED;
	name_format(&c->claim.name, r->name);
	memcpy(r->key_id, c->claim.key_id, sizeof(r->key_id));
	snprintf(r->reason, sizeof(r->reason), "%s", c->reason);
	snprintf(r->service, sizeof(r->service), "%s", c->service);
	snprintf(r->door, sizeof(r->door), "%s", k->config->doors[c->seen.door].name);
	snprintf(r->list, sizeof(r->list), "%s", c->verdict.list);
	snprintf(r->entry, sizeof(r->entry), "%s", c->verdict.entry);
	if (s->outcome == JUDGE_OPEN) {
		r->grant_id = s->gate.grant_id;
		r->until_ms = s->gate.until_ms;
		grant_text(&s->gate, c->verdict.granted_s, r->text);
	} else if (s->outcome == JUDGE_CLOSE) {
		snprintf(r->text, sizeof(r->text), "asked for by its owner");
	} else if (s->outcome == JUDGE_RUN) {
		if (c->request.message_count > 0)
			action_quote(&c->request, r->text, sizeof(r->text));
		else
			snprintf(r->text, sizeof(r->text), "without a message");
	} else if (c->flaw[0] != '\0') {
		snprintf(r->text, sizeof(r->text), "%s", c->flaw);
	} else if (strcmp(c->reason, "prefix") == 0) {
		snprintf(r->text, sizeof(r->text),
			"a network wider than the service opens to, or with a source port");
	} else if (proof_text(c->reason)[0] != '\0') {
		snprintf(r->text, sizeof(r->text), "%s", proof_text(c->reason));
	} else if (c->verdict.reason != POLICY_NOT_AUTHENTICATED &&
		c->verdict.reason != POLICY_GRANT) {
		snprintf(r->text, sizeof(r->text), "%s", c->verdict.text);
	}
	add_scheme(c, r->text);
}

bool turn_is_journalled(const struct slot *s)
{
	enum spa_status st = s->judged.status;
	if (s->judged.drop != JUDGE_DROP_NONE)
		return false;
	return s->outcome != JUDGE_RECORD || (st != SPA_STATUS_OK && st != SPA_STATUS_BIND);
}

void turn_note_key(struct knockd *k, const struct slot *s)
{
	const struct judge_case *c = &s->judged;
	if (!policy_key_match_is_logged(k->judge.boot->policy, c->key_match))
		return;
	struct store_record *r = events_record(k, STORE_KEY_MISMATCH);
	uint64_t now = r->wall_ms;
	*r = s->record;
	r->wall_ms = now;
	r->event = STORE_KEY_MISMATCH;
	r->grant_id = r->until_ms = 0;
	r->list[0] = r->entry[0] = '\0';
	snprintf(r->reason, sizeof(r->reason), "key-check");
	snprintf(r->text, sizeof(r->text), "%s",
		c->key_match == POLICY_KEY_DIFFERS
			? "the directory lists this name with another key"
			: "the directory does not list this name");
}
