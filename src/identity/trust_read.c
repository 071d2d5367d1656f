/*
 * From the files' certificates to our own organisation: everything is decoded, then the way is found
 * from our own ID up to a self-signed organisation whose name ours ends in. Invariant: a node is
 * "above" only when a chain of signatures leads from it down to our own certificate.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity/trust_build.h"

void trust_fault(struct trust_faults *to, const char *fmt, ...)
{
	to->count++;
	if (to->kept == TRUST_FAULTS_MAX)
		return;
	struct fault *f = &to->items[to->kept++];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static bool read_item(struct trust_builder *b, const struct trust_item *item, bool is_own_file)
{
	struct trust_node *n = &b->nodes[b->count];
	enum cert_reject reason = cert_decode(item->der, &n->cert, &n->parts);
	if (reason != CERT_OK) {
		trust_fault(b->faults,
			"%s: is not a certificate of the profile: %s; have it issued again by its "
			"certifier",
			item->where, cert_reject_text(reason));
		return false;
	}
	cert_key_identifier(n->cert.pk, n->key_identifier);
	n->where = item->where;
	n->is_own_file = is_own_file;
	n->standing.rank = TRUST_RANK_NONE;
	b->count++;
	return true;
}

static bool is_issuer(const struct trust_node *issuer, const struct trust_node *n)
{
	return span_equal(issuer->parts.subject, n->parts.issuer) &&
		memcmp(issuer->key_identifier, n->cert.issuer_key_identifier,
			CERT_KEY_IDENTIFIER_LEN) == 0;
}

/* A step that makes the issuer one of ours: not a cross-certificate, which others issue for us. */
static bool is_own_step(const struct trust_node *n)
{
	return span_equal(n->parts.subject, n->parts.issuer) ||
		name_is_child(&n->cert.subject, &n->cert.issuer);
}

static bool is_organisation_of(const struct trust_node *n, const struct trust_node *own)
{
	return is_issuer(n, n) && n->cert.subject.parts[n->cert.subject.count - 1].type == NAME_O &&
		(name_equal(&own->cert.subject, &n->cert.subject) ||
			name_is_below(&own->cert.subject, &n->cert.subject));
}

/* Mark the certificates of the ID file that vouch for n, which is above. True when one was new. */
static bool mark_issuers(struct trust_builder *b, const struct trust_node *n)
{
	bool is_new = false;
	for (size_t i = 0; i < b->count && b->nodes[i].is_own_file; i++) {
		struct trust_node *up = &b->nodes[i];
		if (up->is_above || up->cert.kind != CERT_CERTIFIER || !is_issuer(up, n) ||
			!cert_parts_signed_by(&n->parts, up->cert.pk))
			continue;
		up->is_above = true;
		is_new = true;
	}
	return is_new;
}

static void climb(struct trust_builder *b)
{
	bool is_new = true;
	b->nodes[0].is_above = true;
	while (is_new) {
		is_new = false;
		for (size_t i = 0; i < b->count; i++)
			if (b->nodes[i].is_above && is_own_step(&b->nodes[i]))
				is_new = mark_issuers(b, &b->nodes[i]) || is_new;
	}
}

static const struct trust_node *find_organisation(const struct trust_builder *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct trust_node *n = &b->nodes[i];
		if (n->is_above && is_organisation_of(n, &b->nodes[0]) &&
			cert_parts_signed_by(&n->parts, n->cert.pk))
			return n;
	}
	return NULL;
}

/* Is the issuer of n in the ID file, so that it is the signature which is wrong? */
static bool has_issuer(const struct trust_builder *b, const struct trust_node *n)
{
	for (size_t i = 0; i < b->count && b->nodes[i].is_own_file; i++)
		if (b->nodes[i].cert.kind == CERT_CERTIFIER && is_issuer(&b->nodes[i], n))
			return true;
	return false;
}

static void explain_missing(const struct trust_builder *b)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	const struct trust_node *top = &b->nodes[0];
	for (size_t i = 0; i < b->count; i++)
		if (b->nodes[i].is_above && !has_issuer(b, &b->nodes[i]))
			top = &b->nodes[i];
	name_format(&top->cert.subject, subject);
	name_format(&top->cert.issuer, issuer);
	if (has_issuer(b, top))
		trust_fault(b->faults,
			"%s: the certificate of \"%.150s\" does not lead to an organisation of "
			"that name whose key signed it; take the ID file from a backup or have it "
			"certified again",
			top->where, subject);
	else
		trust_fault(b->faults,
			"%s: the certificate of \"%.150s\", which certified \"%.150s\", is missing "
			"from the ID file; merge the whole chain with \"postern id merge\"",
			top->where, issuer, subject);
}

bool trust_read(struct trust_builder *b, const struct trust_material *m)
{
	b->nodes = calloc(m->own_count + m->count + 1, sizeof(b->nodes[0]));
	if (b->nodes == NULL)
		return false;
	for (size_t i = 0; i < m->own_count; i++) {
		bool is_good = read_item(b, &m->own[i], true);
		b->has_own = b->has_own || (i == 0 && is_good);
	}
	for (size_t i = 0; i < m->count; i++)
		read_item(b, &m->items[i], false);
	if (!b->has_own)
		return true;
	climb(b);
	b->organisation = find_organisation(b);
	if (b->organisation == NULL)
		explain_missing(b);
	return true;
}
