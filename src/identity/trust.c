/*
 * Trust, once built: anchors and lists, all of it copied. Invariant: an anchor is a certifier above our
 * own name, or hangs on exactly one cross-certificate that such a certifier (or our own ID) issued.
 */

#include "identity/trust.h"

#include <stdlib.h>
#include <string.h>

#include "identity/trust_build.h"

struct trust {
	size_t count;
	struct trust_anchor *anchors;
	uint8_t *names; /* what the anchors' spans point into */
	struct trust_lists lists;
};

/* ------------------------------------------------------------------ anchors */

static enum trust_role role_of(enum trust_rank rank)
{
	if (rank == TRUST_RANK_OWN)
		return TRUST_OWN;
	return rank == TRUST_RANK_ROLLOVER ? TRUST_ROLLOVER : TRUST_CROSS;
}

/* Believed as a certifier, or as a single name that was cross-certified. */
static bool is_anchor(const struct trust_node *n)
{
	return n->standing.rank <= TRUST_RANK_CROSS_ROLLOVER &&
		(n->cert.kind == CERT_CERTIFIER || n->standing.rank == TRUST_RANK_CROSS);
}

static bool is_same(const struct trust_node *a, const struct trust_node *b)
{
	return memcmp(a->cert.pk, b->cert.pk, sizeof(a->cert.pk)) == 0 &&
		span_equal(a->parts.subject, b->parts.subject);
}

/* One name and key may be certified several times: the best counts, of equals the first. */
static bool is_best(const struct trust_builder *b, const struct trust_node *n)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct trust_node *other = &b->nodes[i];
		if (other == n || !is_anchor(other) || !is_same(other, n))
			continue;
		if (trust_is_better(&other->standing, &n->standing) ||
			(other < n && !trust_is_better(&n->standing, &other->standing)))
			return false;
	}
	return true;
}

static struct span copy(struct writer *w, struct span s)
{
	struct span to = { w->start + w->len, s.len };
	writer_put(w, s.data, s.len);
	return to;
}

/* A user has no list to stand in; its cross-certificates are removed by removing the file. */
static bool can_be_revoked(const struct trust_node *cross)
{
	return cross != NULL && !cert_is_issued_by_user(&cross->cert);
}

static void fill_anchor(struct trust_anchor *a, const struct trust_node *n, struct writer *names)
{
	const struct trust_node *cross = n->standing.cross;
	a->cert = n->cert;
	a->role = role_of(n->standing.rank);
	a->subject_der = copy(names, n->parts.subject);
	memcpy(a->key_identifier, n->key_identifier, sizeof(a->key_identifier));
	a->not_after_ms = n->standing.not_after_ms;
	a->not_before_ms = n->standing.not_before_ms;
	a->pathlen_left = n->standing.pathlen_left;
	if (!can_be_revoked(cross))
		return;
	a->cross_issuer_der = copy(names, cross->parts.issuer);
	memcpy(a->cross_issuer_key_identifier, cross->cert.issuer_key_identifier,
		sizeof(a->cross_issuer_key_identifier));
	memcpy(a->cross_serial, cross->cert.serial, sizeof(a->cross_serial));
}

static size_t names_len(const struct trust_builder *b)
{
	size_t len = 0;
	for (size_t i = 0; i < b->count; i++) {
		const struct trust_node *n = &b->nodes[i];
		len += n->parts.subject.len;
		len += n->standing.cross != NULL ? n->standing.cross->parts.issuer.len : 0;
	}
	return len;
}

static bool fill_anchors(struct trust *t, const struct trust_builder *b)
{
	size_t len = names_len(b);
	t->anchors = calloc(b->count + 1, sizeof(t->anchors[0]));
	t->names = malloc(len + 1);
	if (t->anchors == NULL || t->names == NULL)
		return false;
	struct writer names = writer_init(t->names, len);
	for (size_t i = 0; i < b->count; i++)
		if (is_anchor(&b->nodes[i]) && is_best(b, &b->nodes[i]))
			fill_anchor(&t->anchors[t->count++], &b->nodes[i], &names);
	return true;
}

/* ------------------------------------------------------------------ building */

static bool is_too_much(const struct trust_material *m, struct trust_faults *faults)
{
	size_t count = m->own_count + m->count;
	if (count > TRUST_ITEMS_MAX)
		trust_fault(faults,
			"%zu certificates are given to be trusted, %d are the most; remove those "
			"that are over",
			count, TRUST_ITEMS_MAX);
	if (m->crl_count > TRUST_CRLS_MAX)
		trust_fault(faults,
			"%zu revocation lists are given, %d are the most; keep the newest of each "
			"certifier",
			m->crl_count, TRUST_CRLS_MAX);
	return faults->count > 0;
}

static bool build(struct trust *t, struct trust_builder *b, const struct trust_material *m)
{
	if (!trust_read(b, m))
		return false;
	if (b->organisation != NULL)
		trust_resolve(b);
	/* Without an organisation of ours every list would be called untrusted: one fault is enough. */
	bool has_reason = b->has_own && b->organisation == NULL;
	return fill_anchors(t, b) && (has_reason || trust_lists_read(&t->lists, b, m));
}

struct trust *trust_new(const struct trust_material *m, struct trust_faults *faults)
{
	struct trust_builder b = { .faults = faults };
	struct trust *t = NULL;
	*faults = (struct trust_faults){ 0 };
	if (is_too_much(m, faults))
		return NULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL || !build(t, &b, m))
		trust_fault(faults, "there is not enough memory for what is trusted");
	free(b.nodes);
	if (faults->count == 0)
		return t;
	trust_free(t);
	return NULL;
}

void trust_free(struct trust *t)
{
	if (t == NULL)
		return;
	trust_lists_free(&t->lists);
	free(t->anchors);
	free(t->names);
	free(t);
}

/* ------------------------------------------------------------------ looking up */

size_t trust_count(const struct trust *t)
{
	return t->count;
}

const struct trust_anchor *trust_at(const struct trust *t, size_t i)
{
	return i < t->count ? &t->anchors[i] : NULL;
}

const struct trust_anchor *trust_find(const struct trust *t, struct span subject_der,
	const uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN])
{
	for (size_t i = 0; i < t->count; i++) {
		const struct trust_anchor *a = &t->anchors[i];
		if (memcmp(a->key_identifier, key_identifier, CERT_KEY_IDENTIFIER_LEN) == 0 &&
			span_equal(a->subject_der, subject_der))
			return a;
	}
	return NULL;
}

enum trust_revocation trust_revoked(const struct trust *t, struct span issuer_der,
	const uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN], const uint8_t serial[8],
	uint64_t wall_ms, uint64_t *ret_until_ms)
{
	return trust_lists_ask(
		&t->lists, issuer_der, issuer_key_identifier, serial, wall_ms, ret_until_ms);
}
