/*
 * The path rule. Invariant: dates and lists are looked at only on a path whose every name and signature
 * holds, so CHAIN_EXPIRED and what follows it are said of genuine certificates alone.
 */

#include "identity/chain.h"

#include <string.h>

#include "identity/cert_write.h"
#include "knock/spa.h"

static const struct {
	const char *name, *text;
} rejects[CHAIN_REJECT_COUNT] = {
	[CHAIN_OK] = { "ok", "the certificates hold" },
	[CHAIN_EMPTY] = { "empty", "there is no certificate" },
	[CHAIN_TOO_LONG] = { "too-long", "there are more certificates than a chain has" },
	[CHAIN_CERT] = { "cert", "a certificate is not of the profile" },
	[CHAIN_KIND] = { "kind",
		"the first certificate is a certifier's, or one above it is not a certifier's" },
	[CHAIN_NO_ANCHOR] = { "no-anchor", "no certifier that is trusted issued them" },
	[CHAIN_ORDER] = { "order", "a certificate was not issued by the one above it" },
	[CHAIN_PARENT] = { "parent", "a name is not exactly one level below its certifier's" },
	[CHAIN_PATH_LENGTH] = { "path-length",
		"there are more certifiers than one further up allows" },
	[CHAIN_SUBTREE] = { "subtree", "a name is not below the one that was cross-certified" },
	[CHAIN_SIGNATURE] = { "signature", "a certificate is not signed by the one above it" },
	[CHAIN_NOT_YET] = { "not-yet", "a certificate is not valid yet" },
	[CHAIN_EXPIRED] = { "expired", "a certificate has expired" },
	[CHAIN_REVOKED] = { "revoked", "a certificate was revoked" },
	[CHAIN_NO_CRL] = { "no-crl", "a certifier's revocation list is missing or outdated" },
};

const char *chain_reject_name(enum chain_reject reason)
{
	return reason < CHAIN_REJECT_COUNT ? rejects[reason].name : "unknown";
}

const char *chain_reject_text(enum chain_reject reason)
{
	return reason < CHAIN_REJECT_COUNT ? rejects[reason].text : "they are not valid";
}

enum chain_reject chain_split(struct span der, struct chain *ret)
{
	struct chain c = { .count = 0 };
	if (der.len == 0)
		return CHAIN_EMPTY;
	while (der.len > 0) {
		if (c.count == CHAIN_CERTS_MAX)
			return CHAIN_TOO_LONG;
		if (cert_take(&der, &c.der[c.count]) != CERT_OK)
			return CHAIN_CERT;
		c.count++;
	}
	*ret = c;
	return CHAIN_OK;
}

/* ------------------------------------------------------------------ finding the anchor */

static const struct trust_anchor *find_issuer(
	const struct trust *t, const struct cert *c, const struct cert_parts *p)
{
	const struct trust_anchor *a = trust_find(t, p->issuer, c->issuer_key_identifier);
	return a != NULL && a->cert.kind == CERT_CERTIFIER ? a : NULL;
}

/* Cross-certified as this one name, with this key. */
static const struct trust_anchor *find_leaf(
	const struct trust *t, const struct cert *c, const struct cert_parts *p)
{
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(c->pk, id);
	const struct trust_anchor *a = trust_find(t, p->subject, id);
	bool is_same = a != NULL && a->cert.kind != CERT_CERTIFIER &&
		memcmp(a->cert.pk, c->pk, sizeof(c->pk)) == 0;
	return is_same ? a : NULL;
}

enum chain_reject chain_resolve(
	const struct trust *t, const struct chain *c, struct chain_path *ret)
{
	ret->count = 0;
	ret->anchor = NULL;
	memset(ret->is_signed, 0, sizeof(ret->is_signed));
	if (c->count == 0)
		return CHAIN_EMPTY;
	if (c->count > CHAIN_CERTS_MAX)
		return CHAIN_TOO_LONG;
	for (size_t i = 0; i < c->count; i++) {
		struct cert *cert = &ret->certs[i];
		struct cert_parts *parts = &ret->parts[i];
		if (cert_decode(c->der[i], cert, parts) != CERT_OK)
			return CHAIN_CERT;
		if ((cert->kind == CERT_CERTIFIER) != (i > 0))
			return CHAIN_KIND;
		ret->anchor = i == 0 ? find_leaf(t, cert, parts) : NULL;
		if (ret->anchor != NULL)
			return CHAIN_OK;
		ret->anchor = find_issuer(t, cert, parts);
		ret->count = i + 1;
		if (ret->anchor != NULL)
			return CHAIN_OK;
	}
	return CHAIN_NO_ANCHOR;
}

/* ------------------------------------------------------------------ walking down */

/* What a certificate must fit under: the anchor or the certificate above it. */
struct parent {
	struct span subject_der;
	const struct name *subject;
	const uint8_t *pk;
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
	uint8_t pathlen_left;
};

static struct parent parent_of_anchor(const struct trust_anchor *a)
{
	struct parent up = {
		.subject_der = a->subject_der,
		.subject = &a->cert.subject,
		.pk = a->cert.pk,
		.pathlen_left = a->pathlen_left,
	};
	memcpy(up.key_identifier, a->key_identifier, sizeof(up.key_identifier));
	return up;
}

static bool is_self_issued(const struct cert_parts *p)
{
	return span_equal(p->subject, p->issuer);
}

static bool is_in_subtree(const struct trust_anchor *a, const struct cert *c, bool is_self)
{
	return a->role != TRUST_CROSS || name_is_below(&c->subject, &a->cert.subject) ||
		(is_self && name_equal(&c->subject, &a->cert.subject));
}

/* Names, kinds and path length of one step; *up becomes the certificate itself. */
static enum chain_reject step_down(const struct chain_path *path, size_t i, struct parent *up)
{
	const struct cert *c = &path->certs[i];
	const struct cert_parts *p = &path->parts[i];
	bool is_certifier = c->kind == CERT_CERTIFIER;
	bool is_self = is_certifier && is_self_issued(p);
	if (is_certifier != (i > 0))
		return CHAIN_KIND;
	if (!span_equal(p->issuer, up->subject_der) ||
		memcmp(c->issuer_key_identifier, up->key_identifier, CERT_KEY_IDENTIFIER_LEN) != 0)
		return CHAIN_ORDER;
	if (!is_in_subtree(path->anchor, c, is_self))
		return CHAIN_SUBTREE;
	/* Trap of X.509: it lets a certifier skip levels, or certify a person under its own name. */
	if (!is_self && !name_is_child(&c->subject, up->subject))
		return CHAIN_PARENT;
	/* RFC 5280 6.1.4 (l): a self-issued certificate uses up no path length */
	if (is_certifier && !is_self) {
		uint8_t own = cert_path_length(&c->subject);
		if (up->pathlen_left == 0)
			return CHAIN_PATH_LENGTH;
		up->pathlen_left--;
		up->pathlen_left = own < up->pathlen_left ? own : up->pathlen_left;
	}
	up->subject_der = p->subject;
	up->subject = &c->subject;
	up->pk = c->pk;
	cert_key_identifier(c->pk, up->key_identifier);
	return CHAIN_OK;
}

static enum chain_reject check_structure(const struct chain_path *path)
{
	struct parent up = parent_of_anchor(path->anchor);
	for (size_t i = path->count; i > 0; i--) {
		enum chain_reject reason = step_down(path, i - 1, &up);
		if (reason != CHAIN_OK)
			return reason;
	}
	return CHAIN_OK;
}

/* From the anchor down: a stranger's first certificate costs one verification, not eight. */
static enum chain_reject check_signatures(struct chain_path *path)
{
	const uint8_t *pk = path->anchor->cert.pk;
	for (size_t i = path->count; i > 0; i--) {
		if (!path->is_signed[i - 1] && !cert_parts_signed_by(&path->parts[i - 1], pk))
			return CHAIN_SIGNATURE;
		path->is_signed[i - 1] = true;
		pk = path->certs[i - 1].pk;
	}
	return CHAIN_OK;
}

/* ------------------------------------------------------------------ dates and lists */

static void fill_steps(const struct chain_path *path, struct chain_identity *id)
{
	const struct trust_anchor *a = path->anchor;
	for (size_t i = 0; i < path->count; i++) {
		struct chain_step *s = &id->steps[id->step_count++];
		memcpy(s->issuer_key_identifier, path->certs[i].issuer_key_identifier,
			sizeof(s->issuer_key_identifier));
		memcpy(s->serial, path->certs[i].serial, sizeof(s->serial));
	}
	if (a->role != TRUST_CROSS || a->cross_issuer_der.len == 0)
		return;
	struct chain_step *s = &id->steps[id->step_count++];
	memcpy(s->issuer_key_identifier, a->cross_issuer_key_identifier,
		sizeof(s->issuer_key_identifier));
	memcpy(s->serial, a->cross_serial, sizeof(s->serial));
}

static void fill_identity(
	const struct chain_path *path, struct chain_identity *id, uint64_t *ret_not_before_ms)
{
	const struct trust_anchor *a = path->anchor;
	const struct cert *who = path->count > 0 ? &path->certs[0] : &a->cert;
	memset(id, 0, sizeof(*id));
	id->name = who->subject;
	id->kind = who->kind;
	memcpy(id->pk, who->pk, sizeof(id->pk));
	spa_key_id(who->pk, id->key_id);
	id->role = a->role;
	id->not_after_ms = a->not_after_ms;
	*ret_not_before_ms = a->not_before_ms;
	for (size_t i = 0; i < path->count; i++) {
		const struct cert *c = &path->certs[i];
		if (c->not_after_ms < id->not_after_ms)
			id->not_after_ms = c->not_after_ms;
		if (c->not_before_ms > *ret_not_before_ms)
			*ret_not_before_ms = c->not_before_ms;
	}
	id->valid_until_ms = id->not_after_ms;
	fill_steps(path, id);
}

/* issuers: the Names of the steps' issuers, or NULL where the key identifier alone has to do. */
static enum chain_reject check_lists(const struct trust *t, const struct chain_identity *id,
	const struct span *issuers, uint64_t wall_ms, uint64_t *until_ms)
{
	enum chain_reject worst = CHAIN_OK;
	for (size_t i = 0; i < id->step_count; i++) {
		const struct chain_step *s = &id->steps[i];
		struct span issuer = issuers != NULL ? issuers[i] : span_of(NULL, 0);
		uint64_t list_until_ms = UINT64_MAX;
		switch (trust_revoked(
			t, issuer, s->issuer_key_identifier, s->serial, wall_ms, &list_until_ms)) {
		case TRUST_REVOKED:
			return CHAIN_REVOKED;
		case TRUST_NO_LIST:
			worst = CHAIN_NO_CRL;
			break;
		case TRUST_NOT_REVOKED:
			if (list_until_ms < *until_ms)
				*until_ms = list_until_ms;
			break;
		}
	}
	return worst;
}

static enum chain_reject check_path_lists(const struct trust *t, const struct chain_path *path,
	struct chain_identity *id, uint64_t wall_ms)
{
	struct span issuers[CHAIN_STEPS_MAX];
	for (size_t i = 0; i < path->count; i++)
		issuers[i] = path->parts[i].issuer;
	if (id->step_count > path->count)
		issuers[path->count] = path->anchor->cross_issuer_der;
	return check_lists(t, id, issuers, wall_ms, &id->valid_until_ms);
}

enum chain_reject chain_walk(
	const struct trust *t, struct chain_path *p, uint64_t wall_ms, struct chain_identity *ret)
{
	uint64_t not_before_ms;
	enum chain_reject reason = check_structure(p);
	if (reason == CHAIN_OK)
		reason = check_signatures(p);
	if (reason != CHAIN_OK)
		return reason;
	fill_identity(p, ret, &not_before_ms);
	if (wall_ms < not_before_ms)
		return CHAIN_NOT_YET;
	if (wall_ms >= ret->not_after_ms)
		return CHAIN_EXPIRED;
	return check_path_lists(t, p, ret, wall_ms);
}

enum chain_reject chain_verify(
	const struct trust *t, const struct chain *c, uint64_t wall_ms, struct chain_identity *ret)
{
	struct chain_path path;
	enum chain_reject reason = chain_resolve(t, c, &path);
	return reason == CHAIN_OK ? chain_walk(t, &path, wall_ms, ret) : reason;
}

enum chain_reject chain_recheck(
	const struct trust *t, const struct chain_identity *i, uint64_t wall_ms)
{
	uint64_t unused_ms = UINT64_MAX;
	if (wall_ms >= i->not_after_ms)
		return CHAIN_EXPIRED;
	return check_lists(t, i, NULL, wall_ms, &unused_ms);
}
