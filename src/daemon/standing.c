/*
 * A stored gate as a claim, decided like any other. Invariant: nothing that the gate's record says of its
 * owner gives more than it gave when the gate opened.
 */

#include "daemon/standing.h"

#include <string.h>

#include "daemon/identify.h"

/* Known by the directory alone: then it must still say that this key has this name. */
static bool is_known(const struct claim *c, const struct store_gate *g)
{
	return g->path_count > 0 || (c->entry != NULL && name_equal(&c->entry->name, &c->name));
}

/* Is the certificate that leads to the path's end, or the one who issued it, still trusted? */
static bool has_anchor(
	const struct trust *t, const struct name *name, const struct chain_step *last)
{
	bool is_ours = false, has_issuer = false;
	for (size_t i = 0; i < trust_count(t); i++) {
		const struct trust_anchor *a = trust_at(t, i);
		if (a->role == TRUST_CROSS) {
			if (memcmp(a->cert.serial, last->serial, sizeof(last->serial)) == 0 &&
				memcmp(a->cert.issuer_key_identifier, last->issuer_key_identifier,
					CERT_KEY_IDENTIFIER_LEN) == 0)
				return true;
			continue;
		}
		is_ours |= name_is_below(name, &a->cert.subject);
		has_issuer |= memcmp(a->key_identifier, last->issuer_key_identifier,
				      CERT_KEY_IDENTIFIER_LEN) == 0;
	}
	/* Strangers to our organisation were let in by a cross-certificate, and it is gone. */
	return is_ours && has_issuer;
}

/* What is known today of the certificates by which the gate was granted. False: nothing any more. */
static bool recheck(
	const struct trust *t, const struct store_gate *g, uint64_t wall_ms, struct claim *c)
{
	struct chain_identity id = { .not_after_ms = g->not_after_ms, .step_count = g->path_count };
	memcpy(id.steps, g->path, g->path_count * sizeof(g->path[0]));
	if (!has_anchor(t, &c->name, &g->path[g->path_count - 1]))
		return false;
	enum chain_reject r = chain_recheck(t, &id, wall_ms);
	c->is_revoked = r == CHAIN_REVOKED;
	c->lacks_crl = r == CHAIN_NO_CRL;
	return true;
}

static bool fill_claim(const struct boot *b, const struct lockout *lockout,
	const struct store_gate *g, uint64_t wall_ms, struct claim *ret)
{
	struct claim c = {
		.entry = directory_find(b->directory, g->key_id),
		.is_authenticated = true,
		.not_after_ms = UINT64_MAX,
		.source = g->source,
	};
	if (name_parse(g->name, false, &c.name) != NAME_OK)
		return false;
	memcpy(c.key_id, g->key_id, sizeof(c.key_id));
	c.is_locked_out = lockout_has(lockout, &c.name);
	if (g->path_count > 0) {
		c.is_certified = g->is_certified;
		c.not_after_ms = g->not_after_ms;
		c.entry = identify_entry(b->directory, &c.name, c.key_id);
		if (!recheck(b->trust, g, wall_ms, &c))
			return false;
	} else if (c.entry != NULL) {
		c.is_certified = c.entry->is_certified_equivalent;
	}
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

/* The door's lists are asked last, so that an unknown door is told from all other reasons. */
static struct verdict decide(
	const struct boot *b, const struct store_gate *g, struct claim *c, uint64_t wall_ms)
{
	if (g->door[0] != '\0') {
		c->door = find_door(b->config, g->door);
		return policy_decide(b->policy, c, wall_ms);
	}
	struct verdict v = policy_decide(b->policy, c, wall_ms);
	for (c->door = 1; c->door < b->config->door_count && v.reason != POLICY_GRANT; c->door++)
		v = policy_decide(b->policy, c, wall_ms);
	return v;
}

static struct verdict refused(enum policy_reason reason)
{
	return (struct verdict){
		.reason = reason, .list = "", .entry = "", .text = policy_reason_text(reason)
	};
}

void standing_of(const struct boot *b, const struct lockout *lockout, const struct store_gate *g,
	uint64_t wall_ms, struct standing *ret)
{
	const struct config_service *s = config_service_by_name(b->config, g->service);
	bool is_same = s != NULL && s->proto == g->proto && s->port == g->port &&
		(s->open == CONFIG_OPEN_ONCE) == g->is_once;
	struct claim c;

	if (!is_same)
		s = config_service_by_port(b->config, g->proto, g->port);
	*ret = (struct standing){ .service = s, .is_same = is_same, .end_ms = UINT64_MAX };
	if (!fill_claim(b, lockout, g, wall_ms, &c)) {
		ret->verdict = refused(POLICY_NOT_AUTHENTICATED);
		return;
	}
	c.service = s;
	ret->end_ms = policy_end_ms(&c);
	ret->verdict = decide(b, g, &c, wall_ms);
	if (ret->verdict.reason == POLICY_GRANT && !is_known(&c, g))
		ret->verdict = refused(POLICY_KEY_CHECK);
}
