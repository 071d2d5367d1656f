/*
 * The rule sets of others. A new connection to a guarded port is walked through each of their chains that it
 * would meet. What is not understood may be true or not: such a rule never makes a finding, but one that
 * may let the connection in softens it.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "gate/gate.h"

#define DEPTH_MAX 16
#define STEPS_MAX 1000000 /* of one walk; a rule set that takes more is not understood */
#define OUR_TABLE "postern"

enum truth { NO, MAYBE, YES };
enum end { GOES_ON, RETURNS, ACCEPTED, DROPPED };

struct walk {
	const json_t *list; /* of the objects in the listing */
	const char *family, *table, *interface;
	uint8_t proto;
	uint16_t port;
	size_t steps;
	bool may_be_accepted; /* by a rule before, that asks for more than is known */
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL ? s : "";
}

static bool is_text(const json_t *o, const char *key, const char *value)
{
	return strcmp(text_of(o, key), value) == 0;
}

static enum truth not(enum truth t) { return t == MAYBE ? MAYBE : t == YES ? NO : YES; }

static enum truth either(enum truth a, enum truth b)
{
	return a > b ? a : b;
}

/* Is value (a number, or a word when it has one) what the right side says? */
static enum truth is_right(const json_t *right, long long value, const char *word)
{
	size_t i;
	json_t *one;
	enum truth t = NO;
	const json_t *range = json_object_get(right, "range");
	const json_t *set = json_object_get(right, "set");
	if (json_is_integer(right))
		return json_integer_value(right) == value ? YES : NO;
	if (json_is_string(right)) {
		const char *s = json_string_value(right);
		if (s[0] == '@')
			return MAYBE;
		/* "eth*" is a prefix. */
		size_t len = strlen(s);
		if (word != NULL && len > 0 && s[len - 1] == '*')
			return strncmp(s, word, len - 1) == 0 ? YES : NO;
		return word == NULL ? MAYBE : strcmp(s, word) == 0 ? YES : NO;
	}
	if (json_is_array(range) && json_is_integer(json_array_get(range, 0)))
		return value >= json_integer_value(json_array_get(range, 0)) &&
				value <= json_integer_value(json_array_get(range, 1))
			? YES
			: NO;
	if (!json_is_array(right) && !json_is_array(set))
		return MAYBE;
	json_array_foreach(json_is_array(right) ? right : set, i, one) t =
		either(t, is_right(one, value, word));
	return t;
}

static const char *proto_word(const struct walk *w)
{
	return w->proto == IPPROTO_TCP ? "tcp" : "udp";
}

static enum truth is_payload(const struct walk *w, const json_t *payload, const json_t *right)
{
	const char *protocol = text_of(payload, "protocol");
	if (strcmp(protocol, "tcp") == 0 || strcmp(protocol, "udp") == 0) {
		if (strcmp(protocol, proto_word(w)) != 0)
			return NO;
	} else if (strcmp(protocol, "th") != 0) {
		bool is_icmp = strncmp(protocol, "icmp", 4) == 0;
		return is_icmp ? NO
			: is_text(payload, "field", "protocol")
			? is_right(right, w->proto, proto_word(w))
			: MAYBE;
	}
	return is_text(payload, "field", "dport") ? is_right(right, w->port, NULL) : MAYBE;
}

static enum truth is_meta(const struct walk *w, const json_t *meta, const json_t *right)
{
	if (is_text(meta, "key", "l4proto"))
		return is_right(right, w->proto, proto_word(w));
	if (is_text(meta, "key", "iifname") || is_text(meta, "key", "iif"))
		return is_right(right, -1, w->interface);
	return MAYBE;
}

/* Without the "not": the connection is a new one, from outside. */
static enum truth is_left(const struct walk *w, const json_t *left, const json_t *right)
{
	const json_t *payload = json_object_get(left, "payload");
	const json_t *meta = json_object_get(left, "meta");
	const json_t *ct = json_object_get(left, "ct");
	if (payload != NULL)
		return is_payload(w, payload, right);
	if (meta != NULL)
		return is_meta(w, meta, right);
	if (ct != NULL && is_text(ct, "key", "state"))
		return is_right(right, -1, "new");
	return MAYBE;
}

static enum truth is_match(const struct walk *w, const json_t *match)
{
	enum truth t = is_left(w, json_object_get(match, "left"), json_object_get(match, "right"));
	if (is_text(match, "op", "==") || is_text(match, "op", "in"))
		return t;
	return is_text(match, "op", "!=") ? not(t) : MAYBE;
}

static enum end walk_chain(struct walk *w, const char *name, bool is_sure, unsigned depth);

/* What a statement decides when it is reached; sure or not. */
static enum end decide(struct walk *w, const json_t *e, bool is_sure, unsigned depth)
{
	const json_t *jump = json_object_get(e, "jump"), *go = json_object_get(e, "goto");
	if (json_object_get(e, "accept") != NULL)
		return ACCEPTED;
	if (json_object_get(e, "drop") != NULL || json_object_get(e, "reject") != NULL)
		return DROPPED;
	if (json_object_get(e, "return") != NULL)
		return RETURNS;
	if (jump == NULL && go == NULL)
		return GOES_ON;
	enum end end =
		walk_chain(w, text_of(jump != NULL ? jump : go, "target"), is_sure, depth + 1);
	if (end == GOES_ON || end == RETURNS)
		return go != NULL ? RETURNS : GOES_ON;
	return end;
}

/* A map of verdicts: the one that fits, when it is known which. */
static enum end decide_map(struct walk *w, const json_t *map, bool is_sure, unsigned depth)
{
	size_t i;
	json_t *pair;
	const json_t *key = json_object_get(map, "key");
	const json_t *data = json_object_get(json_object_get(map, "data"), "set");
	if (!json_is_array(data)) {
		w->may_be_accepted = true;
		return GOES_ON;
	}
	json_array_foreach(data, i, pair)
	{
		enum truth t = is_left(w, key, json_array_get(pair, 0));
		if (t == NO)
			continue;
		enum end end = decide(w, json_array_get(pair, 1), is_sure && t == YES, depth);
		if (t == YES)
			return end;
		w->may_be_accepted = w->may_be_accepted || end == ACCEPTED;
	}
	return GOES_ON;
}

static enum end walk_rule(struct walk *w, const json_t *rule, bool is_sure, unsigned depth)
{
	size_t i;
	json_t *e;
	enum truth t = is_sure ? YES : MAYBE;
	json_array_foreach(json_object_get(rule, "expr"), i, e)
	{
		const json_t *match = json_object_get(e, "match"),
			     *map = json_object_get(e, "vmap");
		enum end end = GOES_ON;
		if (match != NULL) {
			enum truth one = is_match(w, match);
			if (one == NO)
				return GOES_ON;
			t = one < t ? one : t;
			continue;
		}
		if (json_object_get(e, "limit") != NULL || json_object_get(e, "xt") != NULL ||
			json_object_get(e, "ct count") != NULL)
			t = MAYBE;
		end = map != NULL ? decide_map(w, map, t == YES, depth)
				  : decide(w, e, t == YES, depth);
		if (end == GOES_ON)
			continue;
		if (t == YES)
			return end;
		w->may_be_accepted = w->may_be_accepted || end == ACCEPTED;
		return GOES_ON;
	}
	return GOES_ON;
}

static enum end walk_chain(struct walk *w, const char *name, bool is_sure, unsigned depth)
{
	size_t i;
	json_t *o;
	if (depth > DEPTH_MAX)
		return GOES_ON;
	json_array_foreach(w->list, i, o)
	{
		const json_t *rule = json_object_get(o, "rule");
		if (++w->steps > STEPS_MAX) {
			w->may_be_accepted = true;
			return GOES_ON;
		}
		if (rule == NULL || !is_text(rule, "chain", name) ||
			!is_text(rule, "table", w->table) || !is_text(rule, "family", w->family))
			continue;
		enum end end = walk_rule(w, rule, is_sure, depth);
		if (end != GOES_ON)
			return end;
	}
	return GOES_ON;
}

static bool is_ours(const json_t *o)
{
	return is_text(o, "family", "inet") &&
		(is_text(o, "table", OUR_TABLE) || is_text(o, "table", OUR_TABLE "-swap"));
}

/* A chain that every new connection to this machine meets. */
static bool is_met(const json_t *chain)
{
	const char *hook = text_of(chain, "hook"), *family = text_of(chain, "family");
	bool is_ip = strcmp(family, "ip") == 0 || strcmp(family, "ip6") == 0 ||
		strcmp(family, "inet") == 0;
	return is_ip && !is_ours(chain) &&
		(strcmp(hook, "input") == 0 || strcmp(hook, "prerouting") == 0);
}

enum doctor_flow doctor_rules_judge(const json_t *ruleset, uint8_t proto, uint16_t port,
	const char *interface, char *where, size_t cap)
{
	size_t i;
	json_t *o;
	enum doctor_flow worst = DOCTOR_PASSES;
	const json_t *list = json_object_get(ruleset, "nftables");
	json_array_foreach(list, i, o)
	{
		const json_t *chain = json_object_get(o, "chain");
		if (chain == NULL || !is_met(chain))
			continue;
		struct walk w = { .list = list,
			.family = text_of(chain, "family"),
			.table = text_of(chain, "table"),
			.interface = interface,
			.proto = proto,
			.port = port };
		enum end end = walk_chain(&w, text_of(chain, "name"), true, 0);
		bool is_by_policy = end != ACCEPTED && end != DROPPED;
		if (end == ACCEPTED || (is_by_policy && !is_text(chain, "policy", "drop")))
			continue;
		enum doctor_flow flow = w.may_be_accepted ? DOCTOR_PASSES_SOME : DOCTOR_DROPPED;
		if (flow <= worst)
			continue;
		worst = flow;
		snprintf(where, cap, "%s of chain %s in table %s %s",
			is_by_policy ? "the policy" : "a rule", text_of(chain, "name"), w.family,
			w.table);
	}
	return worst;
}

static bool is_ct_mark(const json_t *o)
{
	return is_text(json_object_get(o, "ct"), "key", "mark");
}

/* "ct mark 0x50000001", or "ct mark and 0xff000000 == ...": the bits that ours are told by. */
static bool is_marking(const json_t *e, uint32_t base)
{
	const json_t *mangle = json_object_get(e, "mangle"), *match = json_object_get(e, "match");
	if (is_ct_mark(json_object_get(mangle, "key")))
		return true;
	const json_t *left = json_object_get(match, "left"),
		     *right = json_object_get(match, "right");
	const json_t *masked = json_object_get(left, "&");
	if (is_ct_mark(left))
		return json_is_integer(right) &&
			((uint32_t)json_integer_value(right) & 0xff000000) == (base & 0xff000000);
	/* Any bit of ours may be set under a mask. */
	return is_ct_mark(json_array_get(masked, 0)) && json_is_integer(json_array_get(masked, 1));
}

bool doctor_rules_marks(const json_t *ruleset, uint32_t base, char *where, size_t cap)
{
	size_t i, j;
	json_t *o, *e;
	json_array_foreach(json_object_get(ruleset, "nftables"), i, o)
	{
		const json_t *rule = json_object_get(o, "rule");
		if (rule == NULL || is_ours(rule))
			continue;
		json_array_foreach(json_object_get(rule, "expr"), j, e)
		{
			if (!is_marking(e, base))
				continue;
			snprintf(where, cap, "chain %s in table %s %s", text_of(rule, "chain"),
				text_of(rule, "family"), text_of(rule, "table"));
			return true;
		}
	}
	return false;
}

static void check_service(
	struct doctor *d, const json_t *rules, const struct config_service *s, size_t *found)
{
	char where[256];
	const char *proto = s->proto == IPPROTO_TCP ? "tcp" : "udp";
	const struct config *c = d->boot->config;
	const char *interface =
		c->door_count > 0 && c->doors[0].interface != NULL ? c->doors[0].interface : "";
	enum doctor_flow flow = DOCTOR_PASSES;
	unsigned port = s->port, last = config_service_last_port(s);
	for (; port <= last; port++) {
		flow = doctor_rules_judge(
			rules, s->proto, (uint16_t)port, interface, where, sizeof(where));
		if (flow != DOCTOR_PASSES)
			break;
	}
	if (flow == DOCTOR_PASSES)
		return;
	(*found)++;
	if (flow == DOCTOR_DROPPED)
		doctor_note(d, DOCTOR_FAIL, "rules",
			"%s drops %s port %u (%s) even when a gate is open; let that port in there",
			where, proto, port, s->name);
	else
		doctor_note(d, DOCTOR_WARN, "rules",
			"%s drops %s port %u (%s) but for some; see that it lets in whoever may knock",
			where, proto, port, s->name);
}

static void check_legacy(struct doctor *d)
{
	static const char *const paths[] = { "/proc/net/ip_tables_names",
		"/proc/net/ip6_tables_names" };
	for (size_t i = 0; i < 2; i++) {
		char line[64];
		FILE *f = fopen(paths[i], "re");
		if (f == NULL)
			continue;
		bool is_used = fgets(line, sizeof(line), f) != NULL;
		fclose(f);
		if (is_used)
			doctor_note(d, DOCTOR_WARN, "rules",
				"there are rules of %s-legacy, which cannot be looked into from here; "
				"see that they let in the guarded ports",
				i == 0 ? "iptables" : "ip6tables");
	}
}

void doctor_rules(struct doctor *d)
{
	struct fault f;
	char *text = NULL, where[256];
	size_t found = 0;
	json_error_t err;
	if (d->boot == NULL)
		return;
	check_legacy(d);
	if (gate_look_rules(&text, &f) < 0) {
		doctor_note(d, DOCTOR_WARN, "rules", "%s", f.text);
		return;
	}
	json_t *rules = json_loads(text, 0, &err);
	free(text);
	if (rules == NULL) {
		doctor_note(d, DOCTOR_WARN, "rules", "the rules of this machine cannot be read");
		return;
	}
	for (size_t i = 0; i < d->boot->config->service_count; i++)
		check_service(d, rules, &d->boot->config->services[i], &found);
	if (found == 0)
		doctor_note(d, DOCTOR_OK, "rules", "no other rule set drops a guarded port");
	if (doctor_rules_marks(rules, d->boot->config->server.mark_base, where, sizeof(where)))
		doctor_note(d, DOCTOR_WARN, "rules",
			"%s sets or reads connection marks; see that it leaves those of 0x%08x/8 "
			"alone, or choose another mark-base",
			where, (unsigned)d->boot->config->server.mark_base);
	json_decref(rules);
}
