/*
 * A stored gate as a claim, decided like any other. Invariant: nothing that the gate's record says of its
 * owner gives more than it gave when the gate opened.
 */

#include "daemon/standing.h"

#include <string.h>

#include "daemon/identify.h"

/*
 * Does somebody still stand at the top of the path: a certifier above the name that issued its last
 * certificate, or the cross-certificate that this last one is? What was taken out of the trust files ends here.
 */
static bool is_vouched_for(
	const struct trust *t, const struct store_gate *g, const struct name *who)
{
	const struct chain_step *last = &g->path[g->path_count - 1];
	for (size_t i = 0; t != NULL && i < trust_count(t); i++) {
		const struct trust_anchor *a = trust_at(t, i);
		bool is_cross = a->role == TRUST_CROSS && a->cross_issuer_der.len > 0;
		const uint8_t *issuer =
			is_cross ? a->cross_issuer_key_identifier : a->key_identifier;
		if (!name_is_below(who, &a->cert.subject) && !name_equal(who, &a->cert.subject))
			continue;
		if (memcmp(issuer, last->issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN) == 0 &&
			(!is_cross ||
				memcmp(a->cross_serial, last->serial, sizeof(last->serial)) == 0))
			return true;
	}
	return false;
}

/* Certificates: dates and lists again, as far as the steps tell. */
static void judge_path(
	const struct boot *b, const struct store_gate *g, uint64_t wall_ms, struct claim *c)
{
	struct chain_identity id = { .not_after_ms = g->not_after_ms, .step_count = g->path_count };
	c->is_certified = g->is_certified;
	c->not_after_ms = g->not_after_ms;
	c->is_authenticated = is_vouched_for(b->trust, g, &c->name);
	if (!c->is_authenticated)
		return;
	memcpy(id.steps, g->path, g->path_count * sizeof(g->path[0]));
	enum chain_reject r = chain_recheck(b->trust, &id, wall_ms);
	c->is_revoked = r == CHAIN_REVOKED;
	c->lacks_crl = r == CHAIN_NO_CRL;
}

/* Known by the directory alone: then it must still say that this key has this name. Who comes by a classic
 * knock has the next key already once that was used (daemon/judge_wish.c). */
static bool is_known(const struct claim *c, const struct store_gate *g)
{
	return g->path_count > 0 || policy_listed(c) != NULL;
}

static bool fill_claim(const struct boot *b, const struct lockout *lockout, struct store *s,
	const struct store_gate *g, uint64_t wall_ms, struct claim *ret)
{
	struct claim c = {
		.is_authenticated = true,
		.not_after_ms = UINT64_MAX,
		.source = g->source,
		.source_bits = g->bits,
		.source_port = g->source_port,
	};
	if (name_parse(g->name, false, &c.name) != NAME_OK)
		return false;
	memcpy(c.key_id, g->key_id, sizeof(c.key_id));
	c.entry = g->path_count == 0 ? directory_find(b->directory, g->key_id)
				     : identify_entry(b->directory, &c.name, c.key_id);
	c.is_locked_out = identify_is_locked_out(lockout, &c);
	c.is_superseded = identify_is_superseded(s, &c);
	if (g->path_count > 0)
		judge_path(b, g, wall_ms, &c);
	else if (c.entry != NULL)
		c.is_certified = c.entry->is_certified_equivalent;
	*ret = c;
	return true;
}

static uint16_t find_door(const struct config *c, const char *name)
{
	uint16_t i = 0;
	while (i < c->door_count && strcmp(c->doors[i].name, name) != 0)
		i++;
	return i;
}

static bool is_of_door(enum policy_reason r)
{
	return r == POLICY_DENY_DOOR || r == POLICY_NOT_ALLOWED_DOOR;
}

/* The door's lists are asked last, so that an unknown door is told from all other reasons. Where none of the
 * doors would do, what stands in the way at whichever door is the reason. */
static struct verdict decide(
	const struct boot *b, const struct store_gate *g, struct claim *c, uint64_t wall_ms)
{
	if (g->door[0] != '\0') {
		c->door = find_door(b->config, g->door);
		return policy_decide(b->policy, c, wall_ms);
	}
	struct verdict v = policy_decide(b->policy, c, wall_ms);
	for (c->door = 1; c->door < b->config->door_count && v.reason != POLICY_GRANT; c->door++) {
		struct verdict w = policy_decide(b->policy, c, wall_ms);
		if (w.reason == POLICY_GRANT || is_of_door(v.reason))
			v = w;
	}
	return v;
}

static struct verdict refused(enum policy_reason reason)
{
	return (struct verdict){
		.reason = reason, .list = "", .entry = "", .text = policy_reason_text(reason)
	};
}

/* Its ports, its kind, and as wide a network as the gate is for. */
static bool is_as_it_was(const struct config_service *s, const struct store_gate *g)
{
	uint32_t widest = addr_is_v4(&g->source) ? 96 + s->prefix_v4 : s->prefix_v6;
	return s->proto == g->proto && s->port == g->port && s->port_last == g->port_last &&
		(uint8_t)s->open == g->kind && s->times == g->times &&
		(g->bits == 128 || g->bits >= widest);
}

void standing_of(const struct boot *b, const struct lockout *lockout, struct store *s,
	const struct store_gate *g, uint64_t wall_ms, struct standing *ret)
{
	const struct config_service *now = config_service_by_name(b->config, g->service);
	bool is_same = now != NULL && is_as_it_was(now, g);
	struct claim c;

	if (!is_same)
		now = config_service_by_port(b->config, g->proto, g->port);
	*ret = (struct standing){ .service = now, .is_same = is_same, .end_ms = UINT64_MAX };
	if (!fill_claim(b, lockout, s, g, wall_ms, &c)) {
		ret->verdict = refused(POLICY_NOT_AUTHENTICATED);
		return;
	}
	c.service = now;
	ret->end_ms = policy_end_ms(&c);
	ret->verdict = decide(b, g, &c, wall_ms);
	if (ret->verdict.reason == POLICY_NOT_AUTHENTICATED)
		ret->verdict.text = "nobody who is trusted vouches for it any more";
	if (ret->verdict.reason == POLICY_GRANT && !is_known(&c, g))
		ret->verdict = refused(POLICY_KEY_CHECK);
}
