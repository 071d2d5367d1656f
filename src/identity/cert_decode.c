/*
 * The strict certificate reader. Invariant: the profile gives every field one encoding, and bytes are
 * accepted only when each field has it; so there is nothing in an accepted certificate but its struct
 * cert, the string types of its names and its signature.
 */

#include "identity/cert_decode.h"

#include <string.h>

#include "identity/cert_field.h"
#include "identity/der.h"

/* The parts of OIDs below 2.5.29 (RFC 5280 4.2.1). */
static const uint8_t basic_oid[] = { 0x55, 0x1d, 0x13 };
static const uint8_t usage_oid[] = { 0x55, 0x1d, 0x0f };
static const uint8_t purpose_oid[] = { 0x55, 0x1d, 0x25 };
static const uint8_t subtree_oid[] = { 0x55, 0x1d, 0x1e };
static const uint8_t subject_key_oid[] = { 0x55, 0x1d, 0x0e };

static const char *const reject_texts[CERT_REJECT_COUNT] = {
	[CERT_OK] = "it is of the profile",
	[CERT_SHORT] = "it ends early",
	[CERT_TRAILING] = "something follows it or one of its fields",
	[CERT_TAG] = "it has another ASN.1 type where the profile has one",
	[CERT_LENGTH] = "it is too long, or a length is not in its one DER form",
	[CERT_VERSION] = "its version is not that of the profile",
	[CERT_SERIAL] = "a serial is not a positive number of 8 bytes, or out of order",
	[CERT_ALGORITHM] = "its signature or its key is not Ed25519",
	[CERT_NAME] = "a name in it breaks the rules for names",
	[CERT_STRING] = "a name in it is neither UTF8String nor PrintableString",
	[CERT_TIME] = "a date is not valid, or it ends before it begins",
	[CERT_KEY] = "its key has not 32 bytes",
	[CERT_EXTENSION] = "an extension is unknown, missing, out of place or wrongly critical",
	[CERT_BASIC] = "its basicConstraints are not those of its name",
	[CERT_USAGE] = "its keyUsage or extKeyUsage is not that of its kind",
	[CERT_SUBTREE] = "its nameConstraints are not its own name alone",
	[CERT_KEY_IDENTIFIER] = "a key identifier is not of 20 bytes or not that of its key",
	[CERT_NUMBER] = "its number is not a positive one of 1 to 8 bytes",
};

const char *cert_reject_text(enum cert_reject reason)
{
	return reason < CERT_REJECT_COUNT ? reject_texts[reason] : "it is not valid";
}

/* [0] EXPLICIT INTEGER 2: version 3. Version 1 has no such field. */
static enum cert_reject read_version(struct reader *r)
{
	static const uint8_t version_3[] = { DER_INTEGER, 1, 2 };
	struct span value;
	if (!der_is_next(r, DER_CONTEXT_CONSTRUCTED))
		return r->left == 0 ? CERT_SHORT : CERT_VERSION;
	enum cert_reject reason = der_value(r, DER_CONTEXT_CONSTRUCTED, &value);
	if (reason != CERT_OK)
		return reason;
	return span_equal(value, SPAN_OF(version_3)) ? CERT_OK : CERT_VERSION;
}

static enum cert_reject read_serial(struct reader *r, struct cert *c)
{
	struct span serial;
	enum cert_reject reason = cert_field_serial(r, &serial);
	if (reason == CERT_OK)
		memcpy(c->serial, serial.data, sizeof(c->serial));
	return reason;
}

static enum cert_reject read_validity(struct reader *r, struct cert *c)
{
	struct reader in = { 0 };
	enum cert_reject reason = der_enter(r, DER_SEQUENCE, &in);
	if (reason == CERT_OK)
		reason = der_time(&in, &c->not_before_ms);
	if (reason == CERT_OK)
		reason = der_time(&in, &c->not_after_ms);
	if (reason == CERT_OK)
		reason = der_end(&in);
	if (reason != CERT_OK)
		return reason;
	return c->not_after_ms > c->not_before_ms ? CERT_OK : CERT_TIME;
}

/* SubjectPublicKeyInfo (RFC 8410 4) */
static enum cert_reject read_key(struct reader *r, struct cert *c)
{
	struct reader in = { 0 }, bits = { 0 };
	enum cert_reject reason = der_enter(r, DER_SEQUENCE, &in);
	if (reason == CERT_OK)
		reason = cert_field_algorithm(&in);
	if (reason == CERT_OK)
		reason = der_enter(&in, DER_BIT_STRING, &bits);
	if (reason == CERT_OK)
		reason = der_end(&in);
	if (reason != CERT_OK)
		return reason;
	uint8_t unused_bits = reader_u8(&bits);
	reader_copy(&bits, c->pk, sizeof(c->pk));
	return unused_bits == 0 && reader_done(&bits) ? CERT_OK : CERT_KEY;
}

/* [3] EXPLICIT SEQUENCE OF Extension, the last field. */
static enum cert_reject enter_extensions(struct reader *r, struct reader *ret)
{
	struct reader outer = { 0 };
	if (r->left == 0)
		return CERT_EXTENSION;
	enum cert_reject reason = der_enter(r, DER_CONTEXT_CONSTRUCTED + 3, &outer);
	if (reason == CERT_OK)
		reason = der_end(r);
	if (reason == CERT_OK)
		reason = der_enter(&outer, DER_SEQUENCE, ret);
	return reason == CERT_OK ? der_end(&outer) : reason;
}

/* TRUE and the certifiers that may follow: four levels of units in all. */
static enum cert_reject read_basic(struct reader *r, const struct cert *c)
{
	uint8_t expected[] = { DER_SEQUENCE, 6, DER_BOOLEAN, 1, 0xff, DER_INTEGER, 1, NAME_OU_MAX };
	struct span value;
	for (size_t i = 0; i < c->subject.count; i++)
		if (c->subject.parts[i].type == NAME_OU)
			expected[7]--;
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(basic_oid), true, &value);
	if (reason != CERT_OK)
		return reason;
	return span_equal(value, SPAN_OF(expected)) ? CERT_OK : CERT_BASIC;
}

/* A BIT STRING without zero bits at its end (X.690 11.2.2): keyCertSign, cRLSign; digitalSignature. */
static enum cert_reject read_usage(struct reader *r, const struct cert *c)
{
	static const uint8_t of_certifier[] = { DER_BIT_STRING, 2, 1, 0x06 };
	static const uint8_t of_leaf[] = { DER_BIT_STRING, 2, 7, 0x80 };
	struct span value;
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(usage_oid), true, &value);
	if (reason != CERT_OK)
		return reason;
	struct span expected = c->kind == CERT_CERTIFIER ? SPAN_OF(of_certifier) : SPAN_OF(of_leaf);
	return span_equal(value, expected) ? CERT_OK : CERT_USAGE;
}

/* clientAuth or serverAuth alone makes a user or a server. */
static enum cert_reject read_purpose(struct reader *r, struct cert *c)
{
	static const uint8_t client[] = { DER_SEQUENCE, 10, DER_OID, 8, 0x2b, 0x06, 0x01, 0x05,
		0x05, 0x07, 0x03, 0x02 };
	static const uint8_t server[] = { DER_SEQUENCE, 10, DER_OID, 8, 0x2b, 0x06, 0x01, 0x05,
		0x05, 0x07, 0x03, 0x01 };
	struct span value;
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(purpose_oid), false, &value);
	if (reason != CERT_OK)
		return reason;
	c->kind = span_equal(value, SPAN_OF(server)) ? CERT_SERVER : CERT_USER;
	return c->kind == CERT_SERVER || span_equal(value, SPAN_OF(client)) ? CERT_OK : CERT_USAGE;
}

/* permittedSubtrees [0] of one GeneralSubtree of directoryName [4], the same bytes as the subject. */
static bool is_subtree(struct span value, struct span subject)
{
	static const uint8_t tags[] = { DER_SEQUENCE, DER_CONTEXT_CONSTRUCTED, DER_SEQUENCE,
		DER_CONTEXT_CONSTRUCTED + 4 };
	for (size_t i = 0; i < sizeof(tags); i++) {
		struct reader r = reader_init(value);
		if (der_value(&r, tags[i], &value) != CERT_OK || !reader_done(&r))
			return false;
	}
	return span_equal(value, subject);
}

static enum cert_reject read_subtree(struct reader *r, struct span subject)
{
	struct span value;
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(subtree_oid), true, &value);
	if (reason != CERT_OK)
		return reason;
	return is_subtree(value, subject) ? CERT_OK : CERT_SUBTREE;
}

static enum cert_reject read_subject_key(struct reader *r, const struct cert *c)
{
	uint8_t expected[2 + CERT_KEY_IDENTIFIER_LEN] = { DER_OCTET_STRING,
		CERT_KEY_IDENTIFIER_LEN };
	struct span value;
	cert_key_identifier(c->pk, expected + 2);
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(subject_key_oid), false, &value);
	if (reason != CERT_OK)
		return reason;
	return span_equal(value, SPAN_OF(expected)) ? CERT_OK : CERT_KEY_IDENTIFIER;
}

/* Applied to a trust anchor, nameConstraints would end every cross-certificate below it. */
static bool has_subtree(const struct cert *c)
{
	return c->subject.parts[c->subject.count - 1].type != NAME_O ||
		!name_equal(&c->subject, &c->issuer);
}

static enum cert_reject read_certifier(struct reader *r, struct cert *c, const struct cert_parts *p)
{
	enum cert_reject reason = read_basic(r, c);
	if (reason == CERT_OK)
		reason = read_usage(r, c);
	if (reason == CERT_OK && has_subtree(c))
		reason = read_subtree(r, p->subject);
	if (reason == CERT_OK)
		reason = read_subject_key(r, c);
	return reason;
}

static enum cert_reject read_leaf(struct reader *r, struct cert *c)
{
	enum cert_reject reason = read_usage(r, c);
	return reason == CERT_OK ? read_purpose(r, c) : reason;
}

static enum cert_reject check_names(const struct cert *c)
{
	if (name_check(&c->subject, c->kind == CERT_CERTIFIER) != NAME_OK ||
		name_check(&c->issuer, !cert_is_issued_by_user(c)) != NAME_OK)
		return CERT_NAME;
	return CERT_OK;
}

/* basicConstraints first make a certifier. */
static enum cert_reject read_extensions(
	struct reader *r, struct cert *c, const struct cert_parts *p)
{
	struct cert_field_extension first;
	struct reader ahead = *r;
	enum cert_reject reason = cert_field_extension(&ahead, &first);
	if (reason != CERT_OK)
		return reason;
	c->kind = span_equal(first.oid, SPAN_OF(basic_oid)) ? CERT_CERTIFIER : CERT_USER;
	reason = check_names(c);
	if (reason == CERT_OK)
		reason = c->kind == CERT_CERTIFIER ? read_certifier(r, c, p) : read_leaf(r, c);
	if (reason == CERT_OK)
		reason = cert_field_authority(r, c->issuer_key_identifier);
	return reason == CERT_OK && r->left != 0 ? CERT_EXTENSION : reason;
}

static enum cert_reject read_tbs(struct reader *r, struct cert *c, struct cert_parts *p)
{
	struct reader extensions = { 0 };
	enum cert_reject reason = read_version(r);
	if (reason == CERT_OK)
		reason = read_serial(r, c);
	if (reason == CERT_OK)
		reason = cert_field_algorithm(r);
	if (reason == CERT_OK)
		reason = cert_field_name(r, &c->issuer, &p->issuer);
	if (reason == CERT_OK)
		reason = read_validity(r, c);
	if (reason == CERT_OK)
		reason = cert_field_name(r, &c->subject, &p->subject);
	if (reason == CERT_OK)
		reason = read_key(r, c);
	if (reason == CERT_OK)
		reason = enter_extensions(r, &extensions);
	return reason == CERT_OK ? read_extensions(&extensions, c, p) : reason;
}

enum cert_reject cert_decode(struct span der, struct cert *ret, struct cert_parts *ret_parts)
{
	struct cert c = { 0 };
	struct cert_parts p = { .der = der };
	struct cert_envelope e;
	enum cert_reject reason = cert_field_envelope(der, CERT_LEN_MAX, &e);
	if (reason != CERT_OK)
		return reason;
	p.tbs = e.tbs;
	p.signature = e.signature;
	reason = read_tbs(&e.in, &c, &p);
	if (reason != CERT_OK)
		return reason;
	*ret = c;
	*ret_parts = p;
	return CERT_OK;
}

enum cert_reject cert_take(struct span *chain, struct span *ret_der)
{
	struct reader r = reader_init(*chain);
	struct der_item item;
	enum cert_reject reason = der_item(&r, DER_SEQUENCE, &item);
	if (reason != CERT_OK)
		return reason;
	if (item.whole.len > CERT_LEN_MAX)
		return CERT_LENGTH;
	*ret_der = item.whole;
	*chain = reader_rest(&r);
	return CERT_OK;
}

bool cert_parts_signed_by(const struct cert_parts *p, const uint8_t issuer_pk[32])
{
	return cert_field_signed_by(p->tbs, p->signature, issuer_pk);
}
