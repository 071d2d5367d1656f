#ifndef POSTERN_TEST_CERT_AGREE_H
#define POSTERN_TEST_CERT_AGREE_H

/* What the two certificate readers must agree on. */

#include <string.h>

#include "identity/cert_decode.h"

static inline bool agree_name(const struct name *a, const struct name *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct name_part *p = &a->parts[i], *q = &b->parts[i];
		if (p->type != q->type || p->len != q->len ||
			memcmp(p->value, q->value, p->len) != 0)
			return false;
	}
	return true;
}

static inline bool agree_cert(const struct cert *a, const struct cert *b)
{
	return agree_name(&a->subject, &b->subject) && agree_name(&a->issuer, &b->issuer) &&
		a->kind == b->kind && memcmp(a->serial, b->serial, sizeof(a->serial)) == 0 &&
		a->not_before_ms == b->not_before_ms && a->not_after_ms == b->not_after_ms &&
		memcmp(a->pk, b->pk, sizeof(a->pk)) == 0 &&
		memcmp(a->issuer_key_identifier, b->issuer_key_identifier,
			sizeof(a->issuer_key_identifier)) == 0;
}

/* A certificate that names its own key as its issuer's and is not signed by it: cert_read alone minds. */
static inline bool agree_is_damaged_root(const struct cert *c, const struct cert_parts *p)
{
	uint8_t own[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(c->pk, own);
	return name_equal(&c->subject, &c->issuer) &&
		memcmp(own, c->issuer_key_identifier, sizeof(own)) == 0 &&
		!cert_parts_signed_by(p, c->pk);
}

#endif
