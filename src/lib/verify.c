/*
 * Whether a server card leads to a server that an ID trusts. Invariant: a card is taken only when its
 * certificates reach a certifier that the ID trusts and say what the card says: that name, that key, a
 * server's. A clock never decides, for ours may be the one that is wrong.
 */

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "identity/chain.h"
#include "lib/internal.h"

static struct chain chain_of(const struct card *c)
{
	struct chain chain = { 0 };
	for (size_t i = 0; i < c->cert_count && i < CHAIN_CERTS_MAX; i++)
		chain.der[chain.count++] = span_of(c->certs[i], c->cert_len[i]);
	return chain;
}

/* Nobody trusted certified it: by whom it is, for whoever knows better. */
static int stranger(const struct card *c, struct fault *f)
{
	char issuer[NAME_TEXT_MAX];
	struct cert leaf;
	struct cert_parts parts;
	if (cert_decode(span_of(c->certs[0], c->cert_len[0]), &leaf, &parts) != CERT_OK)
		issuer[0] = '\0';
	else
		name_format(&leaf.issuer, issuer);
	fault_set(f,
		"%s is certified by %.200s, whom your ID does not trust; ask for the right card, or, if "
		"you mean to go there, compare its fingerprint and trust it with \"postern id cross\"",
		c->name, issuer);
	return -EKEYREJECTED;
}

static int broken(enum chain_reject reason, struct fault *f)
{
	if (reason == CHAIN_EMPTY)
		fault_set(f,
			"nothing in this card shows whose it is; ask for one with a certificate");
	else
		fault_set(f,
			"the certificates in this card prove nothing: %s; ask for the card again",
			chain_reject_text(reason));
	return -EKEYREJECTED;
}

/* The path is good; is it about what the card says? */
static int compare(const struct card *c, const struct chain_identity *i, struct fault *f)
{
	char certified[NAME_TEXT_MAX];
	struct name name;

	name_format(&i->name, certified);
	if (name_parse(c->name, false, &name) != NAME_OK || !name_equal(&name, &i->name))
		fault_set(f,
			"this card says it is of %s, but its certificate is of %.200s; ask for the "
			"right card",
			c->name, certified);
	else if (i->kind != CERT_SERVER)
		fault_set(f,
			"%s is a person, not a server, by its certificate; ask for the right card",
			c->name);
	else if (memcmp(i->pk, c->identity_pk, sizeof(i->pk)) != 0)
		fault_set(f,
			"the key of this card is not the one that %s was certified with; ask for "
			"the right card",
			c->name);
	else
		return 0;
	return -EKEYREJECTED;
}

static int judge_dates(const struct card *c, enum chain_reject reason,
	const struct chain_identity *i, struct fault *f)
{
	char when[TIME_TEXT_MAX];
	if (reason == CHAIN_OK)
		return 0;
	if (reason == CHAIN_EXPIRED)
		fault_set(f,
			"the certificate of %s ended on %.10s by this machine's clock; ask for a "
			"new card, or set the clock",
			c->name, time_format_utc(i->not_after_ms, when));
	else
		fault_set(f,
			"the certificate of %s is not valid yet by this machine's clock; set the "
			"clock",
			c->name);
	return 1;
}

int lib_card_verify(const struct postern_card *card, const struct postern_id *id, uint64_t wall_ms,
	struct fault *f)
{
	const struct card *c = &card->card;
	struct chain_identity i;

	if (id->trust == NULL)
		return 0;
	const struct chain chain = chain_of(c);
	const struct trust *trust = lib_trust_get(id->trust);
	enum chain_reject reason = chain_verify(trust, &chain, wall_ms, &i);
	if (reason == CHAIN_NO_ANCHOR)
		return stranger(c, f);
	bool is_genuine = reason >= CHAIN_NOT_YET;
	if (reason != CHAIN_OK && !is_genuine)
		return broken(reason, f);
	/* A list revokes at any time, so the clock has no say in it either. */
	if (reason == CHAIN_REVOKED || chain_recheck(trust, &i, 0) == CHAIN_REVOKED) {
		fault_set(f, "the certificate of %s was revoked; ask for its new card", c->name);
		return -EKEYREJECTED;
	}
	int rc = compare(c, &i, f);
	return rc < 0 ? rc : judge_dates(c, reason, &i, f);
}

int postern_card_verify(const struct postern_card *card, const struct postern_id *id,
	uint64_t wall_ms, struct postern_error *err)
{
	struct fault f = { "" };
	int rc = lib_card_verify(card, id, wall_ms, &f);
	if (rc != 0)
		return lib_fail(err, rc, NULL, &f);
	return 0;
}

int postern_trust_add(struct postern_id *id, const char *path, struct postern_error *err)
{
	struct fault f = { "" };
	if (id->trust == NULL) {
		fault_set(&f,
			"%s: an ID without certificates trusts every card that it is given; "
			"leave this file out",
			path);
		return lib_fail(err, -EINVAL, NULL, &f);
	}
	int rc = lib_trust_add(id->trust, path, &f);
	return rc < 0 ? lib_fail(err, rc, NULL, &f) : 0;
}
