/*
 * From our own organisation down: who is believed, and as what. Each round judges every certificate by
 * the best issuer known so far, until a round changes nothing. Invariant: a standing only ever gets
 * better and follows from the issuer's alone, so the order of the material does not matter.
 */

#include <string.h>

#include "identity/cert_write.h"
#include "identity/trust_build.h"

enum step { STEP_SELF, STEP_ROLLOVER, STEP_BELOW, STEP_CROSS };

enum refusal {
	REFUSAL_NONE,
	REFUSAL_NO_ISSUER,
	REFUSAL_OTHER_KEY, /* we trust that name, not that key of it */
	REFUSAL_SIGNATURE,
	REFUSAL_ORGANISATION,     /* another organisation's own certificate */
	REFUSAL_ORGANISATION_KEY, /* ours under a key nobody vouches for */
	REFUSAL_LEVEL,            /* the parent rule */
	REFUSAL_CROSS_OTHERS,     /* issued by a certifier that is not above us */
	REFUSAL_CROSS_TWICE,
	REFUSAL_CROSS_INSIDE,
	REFUSAL_CROSS_DEPTH,
};

bool trust_is_better(const struct trust_standing *a, const struct trust_standing *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->not_after_ms != b->not_after_ms)
		return a->not_after_ms > b->not_after_ms;
	return a->pathlen_left > b->pathlen_left;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static enum step step_of(const struct trust_node *n)
{
	if (span_equal(n->parts.subject, n->parts.issuer))
		return memcmp(n->key_identifier, n->cert.issuer_key_identifier,
			       CERT_KEY_IDENTIFIER_LEN) == 0
			? STEP_SELF
			: STEP_ROLLOVER;
	return name_is_below(&n->cert.subject, &n->cert.issuer) ? STEP_BELOW : STEP_CROSS;
}

static bool is_or_is_below(const struct name *n, const struct name *top)
{
	return name_equal(n, top) || name_is_below(n, top);
}

/* A certifier, or a person that is ourselves, with this name and key. */
static const struct trust_node *best_issuer(
	const struct trust_builder *b, const struct trust_node *of)
{
	const struct trust_node *best = NULL;
	for (size_t i = 0; i < b->count; i++) {
		const struct trust_node *n = &b->nodes[i];
		if (n == of || n->standing.rank == TRUST_RANK_NONE ||
			(n->cert.kind != CERT_CERTIFIER && n->standing.rank != TRUST_RANK_OWN) ||
			memcmp(n->key_identifier, of->cert.issuer_key_identifier,
				CERT_KEY_IDENTIFIER_LEN) != 0 ||
			!span_equal(n->parts.subject, of->parts.issuer))
			continue;
		if (best == NULL || trust_is_better(&n->standing, &best->standing))
			best = n;
	}
	return best;
}

static bool is_signed_by(struct trust_node *n, const uint8_t pk[32])
{
	/* All who have the issuer's name and key identifier have one key: once is enough. */
	if (n->signature == TRUST_UNSEEN)
		n->signature = cert_parts_signed_by(&n->parts, pk) ? TRUST_GOOD : TRUST_BAD;
	return n->signature == TRUST_GOOD;
}

static uint8_t path_left(const struct trust_standing *issuer, const struct cert *c)
{
	uint8_t own = cert_path_length(&c->subject);
	uint8_t left = issuer->pathlen_left > 0 ? (uint8_t)(issuer->pathlen_left - 1) : 0;
	return left < own ? left : own;
}

static struct trust_standing under(const struct trust_node *n, const struct trust_standing *issuer)
{
	return (struct trust_standing){
		.rank = TRUST_RANK_NONE,
		.not_before_ms = greatest(n->cert.not_before_ms, issuer->not_before_ms),
		.not_after_ms = least(n->cert.not_after_ms, issuer->not_after_ms),
		.pathlen_left = path_left(issuer, &n->cert),
		.cross = issuer->cross,
	};
}

/* An organisation that certifies itself: ours, or of no use beside a certificate that makes it trusted. */
static enum refusal judge_self(
	const struct trust_builder *b, struct trust_node *n, struct trust_standing *ret)
{
	const struct trust_node *same = best_issuer(b, n);
	if (!is_signed_by(n, n->cert.pk))
		return REFUSAL_SIGNATURE;
	if (n == b->organisation ||
		(same != NULL && same->standing.rank == TRUST_RANK_OWN &&
			step_of(same) == STEP_SELF)) {
		*ret = (struct trust_standing){
			.rank = TRUST_RANK_OWN,
			.not_before_ms = n->cert.not_before_ms,
			.not_after_ms = n->cert.not_after_ms,
			.pathlen_left = cert_path_length(&n->cert.subject),
		};
		return REFUSAL_NONE;
	}
	if (same != NULL)
		return REFUSAL_NONE;
	if (name_equal(&n->cert.subject, &b->organisation->cert.subject))
		return REFUSAL_ORGANISATION_KEY;
	return REFUSAL_ORGANISATION;
}

static enum refusal judge_rollover(
	const struct trust_node *n, const struct trust_node *issuer, struct trust_standing *ret)
{
	static const enum trust_rank ranks[] = {
		[TRUST_RANK_OWN] = TRUST_RANK_ROLLOVER,
		[TRUST_RANK_ROLLOVER] = TRUST_RANK_ROLLOVER,
		[TRUST_RANK_CROSS] = TRUST_RANK_CROSS_ROLLOVER,
		[TRUST_RANK_CROSS_ROLLOVER] = TRUST_RANK_CROSS_ROLLOVER,
		[TRUST_RANK_KNOWN] = TRUST_RANK_KNOWN,
		[TRUST_RANK_NONE] = TRUST_RANK_NONE,
	};
	*ret = under(n, &issuer->standing);
	ret->rank = ranks[issuer->standing.rank];
	/* RFC 5280 4.2.1.9: a self-issued certificate uses up no path length */
	ret->pathlen_left = issuer->standing.pathlen_left;
	return REFUSAL_NONE;
}

/* Ours when our own name is it or lies below it. The others are only known. */
static enum refusal judge_below(const struct trust_builder *b, const struct trust_node *n,
	const struct trust_node *issuer, struct trust_standing *ret)
{
	if (!name_is_child(&n->cert.subject, &n->cert.issuer))
		return REFUSAL_LEVEL;
	*ret = under(n, &issuer->standing);
	if (is_or_is_below(&b->nodes[0].cert.subject, &n->cert.subject))
		ret->rank = TRUST_RANK_OWN;
	else if (n->cert.kind == CERT_CERTIFIER)
		ret->rank = TRUST_RANK_KNOWN;
	/* A person has no path length; the cross-certificates it issues for itself have their own. */
	if (n->cert.kind != CERT_CERTIFIER)
		ret->pathlen_left = NAME_OU_MAX + 1;
	return REFUSAL_NONE;
}

static enum refusal judge_cross(const struct trust_builder *b, const struct trust_node *n,
	const struct trust_node *issuer, struct trust_standing *ret)
{
	bool is_certifier = n->cert.kind == CERT_CERTIFIER;
	if (issuer->standing.rank == TRUST_RANK_KNOWN)
		return REFUSAL_CROSS_OTHERS;
	if (issuer->standing.rank > TRUST_RANK_ROLLOVER)
		return REFUSAL_CROSS_TWICE;
	/* Otherwise a unit could speak for the units beside and above it. */
	if (is_or_is_below(&n->cert.subject, &b->organisation->cert.subject))
		return REFUSAL_CROSS_INSIDE;
	if (is_certifier && issuer->standing.pathlen_left == 0)
		return REFUSAL_CROSS_DEPTH;
	*ret = under(n, &issuer->standing);
	ret->rank = TRUST_RANK_CROSS;
	ret->cross = n;
	if (!is_certifier)
		ret->pathlen_left = 0;
	return REFUSAL_NONE;
}

static bool is_trusted_name(const struct trust_builder *b, struct span subject)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->nodes[i].standing.rank != TRUST_RANK_NONE &&
			b->nodes[i].cert.kind == CERT_CERTIFIER &&
			span_equal(b->nodes[i].parts.subject, subject))
			return true;
	return false;
}

/* What n is by what is known now. ret is left alone when it is of no use, or refused. */
static enum refusal judge(
	const struct trust_builder *b, struct trust_node *n, struct trust_standing *ret)
{
	enum step step = step_of(n);
	if (step == STEP_SELF)
		return judge_self(b, n, ret);
	const struct trust_node *issuer = best_issuer(b, n);
	if (issuer == NULL)
		return is_trusted_name(b, n->parts.issuer) ? REFUSAL_OTHER_KEY : REFUSAL_NO_ISSUER;
	if (!is_signed_by(n, issuer->cert.pk))
		return REFUSAL_SIGNATURE;
	if (step == STEP_ROLLOVER)
		return judge_rollover(n, issuer, ret);
	if (step == STEP_BELOW)
		return judge_below(b, n, issuer, ret);
	return judge_cross(b, n, issuer, ret);
}

static bool improve(const struct trust_builder *b, struct trust_node *n)
{
	struct trust_standing found = { .rank = TRUST_RANK_NONE };
	if (judge(b, n, &found) != REFUSAL_NONE || found.rank == TRUST_RANK_NONE ||
		!trust_is_better(&found, &n->standing))
		return false;
	n->standing = found;
	return true;
}

/* ------------------------------------------------------------------ words */

static void explain(const struct trust_builder *b, const struct trust_node *n, enum refusal why)
{
	/* before the subject, between it and the issuer, after that; no issuer when there is no end */
	static const struct {
		const char *start, *middle, *end;
	} texts[] = {
		[REFUSAL_NO_ISSUER] = { "", " is certified by ",
			", whom nothing here makes trusted; add the certificate that does, or remove "
			"this one" },
		[REFUSAL_OTHER_KEY] = { "", " is certified by another key of ",
			" than the one that is trusted; add what \"postern certifier rollover\" "
			"wrote, or remove this one" },
		[REFUSAL_SIGNATURE] = { "the certificate of ", " is not signed by ",
			", which it names; take the file again from whoever issued it" },
		[REFUSAL_ORGANISATION] = { "",
			" is another organisation; cross-certify it with \"postern certifier cross\"",
			NULL },
		[REFUSAL_ORGANISATION_KEY] = { "",
			" is our own organisation under another key; add what \"postern certifier "
			"rollover\" wrote, by which one key vouches for the other",
			NULL },
		[REFUSAL_LEVEL] = { "", " is not one level below ",
			", which certified it; have it certified by the certifier directly above it" },
		[REFUSAL_CROSS_OTHERS] = { "the cross-certificate for ", " is by ",
			", which is not above our own name; have one of our own certifiers issue it, "
			"or remove it" },
		[REFUSAL_CROSS_TWICE] = { "the cross-certificate for ", " is by ",
			", which is only cross-certified itself; have one of our own certifiers "
			"issue it, or remove it" },
		[REFUSAL_CROSS_INSIDE] = { "the cross-certificate for ", " is by ",
			", but that name is of our own organisation; have it certified by the "
			"certifier directly above it" },
		[REFUSAL_CROSS_DEPTH] = { "the cross-certificate for ", " is by ",
			", below which no certifier may stand; have a certifier further up issue it" },
	};
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	name_format(&n->cert.subject, subject);
	name_format(&n->cert.issuer, issuer);
	if (why == REFUSAL_NONE)
		return;
	if (texts[why].end == NULL)
		trust_fault(b->faults, "%s: \"%.100s\"%s", n->where, subject, texts[why].middle);
	else
		trust_fault(b->faults, "%s: %s\"%.100s\"%s\"%.100s\"%s", n->where, texts[why].start,
			subject, texts[why].middle, issuer, texts[why].end);
}

void trust_resolve(struct trust_builder *b)
{
	bool is_better = true;
	while (is_better) {
		is_better = false;
		for (size_t i = 0; i < b->count; i++)
			is_better = improve(b, &b->nodes[i]) || is_better;
	}
	for (size_t i = 0; i < b->count; i++) {
		struct trust_standing unused;
		explain(b, &b->nodes[i], judge(b, &b->nodes[i], &unused));
	}
}

const struct trust_node *trust_certifier(const struct trust_builder *b, struct span subject,
	const uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN])
{
	for (size_t i = 0; i < b->count; i++) {
		const struct trust_node *n = &b->nodes[i];
		if (n->standing.rank != TRUST_RANK_NONE && n->cert.kind == CERT_CERTIFIER &&
			memcmp(n->key_identifier, key_identifier, CERT_KEY_IDENTIFIER_LEN) == 0 &&
			span_equal(n->parts.subject, subject))
			return n;
	}
	return NULL;
}
