/*
 * Any bytes, to both certificate readers: the strict one accepts what the one on OpenSSL accepts, and
 * both read the same. Only the latter asks whether a certificate that names its own key is signed by it.
 */

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/cert_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_damaged_root(const struct cert *c, const struct cert_parts *p)
{
	uint8_t own[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(c->pk, own);
	return name_equal(&c->subject, &c->issuer) &&
		memcmp(own, c->issuer_key_identifier, sizeof(own)) == 0 &&
		!cert_parts_signed_by(p, c->pk);
}

static bool is_same_name(const struct name *a, const struct name *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->parts[i].type != b->parts[i].type || a->parts[i].len != b->parts[i].len ||
			memcmp(a->parts[i].value, b->parts[i].value, a->parts[i].len) != 0)
			return false;
	return true;
}

static bool is_same(const struct cert *a, const struct cert *b)
{
	return is_same_name(&a->subject, &b->subject) && is_same_name(&a->issuer, &b->issuer) &&
		a->kind == b->kind && memcmp(a->serial, b->serial, sizeof(a->serial)) == 0 &&
		a->not_before_ms == b->not_before_ms && a->not_after_ms == b->not_after_ms &&
		memcmp(a->pk, b->pk, sizeof(a->pk)) == 0 &&
		memcmp(a->issuer_key_identifier, b->issuer_key_identifier,
			sizeof(a->issuer_key_identifier)) == 0;
}

static void check_take(struct span der)
{
	struct span chain = der, first = { 0 };
	if (cert_take(&chain, &first) != CERT_OK || chain.len != 0 || !span_equal(first, der))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cert strict, other;
	struct cert_parts p;
	struct fault f;
	struct span der = span_of(data, len);
	enum cert_reject reason = cert_decode(der, &strict, &p);
	bool is_read = cert_read(der, &other, &f) == 0;
	if (reason != CERT_OK) {
		if (is_read || reason >= CERT_REJECT_COUNT)
			abort();
		return 0;
	}
	if (is_read != !is_damaged_root(&strict, &p) || (is_read && !is_same(&strict, &other)))
		abort();
	if (cert_parts_signed_by(&p, strict.pk) != cert_signed_by(der, strict.pk))
		abort();
	check_take(der);
	return 0;
}
