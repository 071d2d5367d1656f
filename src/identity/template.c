/*
 * Template chains. Invariant: encoding gives a template only when rebuilding it gives the same DER, so
 * what one side leaves out the other side has; both go through the one function that rebuilds.
 */

#include "identity/template.h"

#include <string.h>

#include "identity/cert_write.h"

#define KIND_BITS 0x0f
#define PATH_LENGTH_SHIFT 4

/* What the certificate above says for the one below it. */
struct above {
	struct name subject;
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
};

/* One record as it is sent. */
struct record {
	uint8_t kind, path_length;
	uint8_t serial[8];
	uint64_t not_before_s, not_after_s; /* five bytes each */
	struct name_part part;              /* type 0 and length 0: the issuer's name again */
	uint8_t pk[32];
	uint8_t signature[CERT_SIGNATURE_LEN];
};

/* ------------------------------------------------------------------ records to certificates */

static bool fill_subject(const struct above *a, const struct record *r, struct cert *c)
{
	bool is_certifier = r->kind == CERT_CERTIFIER;
	c->issuer = a->subject;
	c->subject = a->subject;
	if (r->part.type == 0) {
		if (r->part.len != 0 || !is_certifier)
			return false;
	} else {
		if (c->subject.count >= NAME_PARTS_MAX)
			return false;
		c->subject.parts[c->subject.count++] = r->part;
	}
	return name_check(&c->subject, is_certifier) == NAME_OK;
}

static bool is_plausible(const struct record *r, const struct cert *c)
{
	uint8_t path_length = r->kind == CERT_CERTIFIER ? cert_path_length(&c->subject) : 0;
	/* The first byte of the serial keeps it positive and of 8 bytes. */
	return r->path_length == path_length && r->serial[0] >= 0x01 && r->serial[0] <= 0x7f &&
		r->not_before_s < r->not_after_s && r->not_after_s < CERT_TIME_END_S;
}

/* The certificate of a record, into w; *a becomes what it says for the next. */
static bool rebuild(struct above *a, const struct record *r, struct writer *w)
{
	struct cert c = { 0 };
	if (r->kind > CERT_SERVER || !fill_subject(a, r, &c) || !is_plausible(r, &c))
		return false;
	c.kind = (enum cert_kind)r->kind;
	c.not_before_ms = r->not_before_s * 1000;
	c.not_after_ms = r->not_after_s * 1000;
	memcpy(c.serial, r->serial, sizeof(c.serial));
	memcpy(c.pk, r->pk, sizeof(c.pk));
	memcpy(c.issuer_key_identifier, a->key_identifier, sizeof(c.issuer_key_identifier));
	cert_write(w, &c, r->signature);
	a->subject = c.subject;
	cert_key_identifier(c.pk, a->key_identifier);
	return !w->is_full;
}

/* ------------------------------------------------------------------ decoding */

static bool read_part(struct reader *r, struct name_part *p)
{
	p->type = reader_u8(r);
	p->len = reader_u8(r);
	if (p->len > NAME_VALUE_MAX)
		return false;
	reader_copy(r, p->value, p->len);
	return !r->is_short;
}

static bool read_issuer(struct reader *r, struct above *a)
{
	reader_copy(r, a->key_identifier, sizeof(a->key_identifier));
	a->subject.count = reader_u8(r);
	if (a->subject.count > NAME_PARTS_MAX)
		return false;
	for (size_t i = 0; i < a->subject.count; i++)
		if (!read_part(r, &a->subject.parts[i]))
			return false;
	return !r->is_short && name_check(&a->subject, true) == NAME_OK;
}

static uint64_t read_seconds(struct reader *r)
{
	uint64_t high = reader_u8(r);
	return high << 32 | reader_u32(r);
}

static bool read_record(struct reader *r, struct record *ret)
{
	uint8_t kind = reader_u8(r);
	ret->kind = kind & KIND_BITS;
	ret->path_length = (uint8_t)(kind >> PATH_LENGTH_SHIFT);
	reader_copy(r, ret->serial, sizeof(ret->serial));
	ret->not_before_s = read_seconds(r);
	ret->not_after_s = read_seconds(r);
	if (!read_part(r, &ret->part))
		return false;
	reader_copy(r, ret->pk, sizeof(ret->pk));
	reader_copy(r, ret->signature, sizeof(ret->signature));
	return !r->is_short;
}

enum chain_reject template_decode(struct span s, struct template_room *room, struct chain *ret)
{
	struct reader r = reader_init(s);
	struct above above = { 0 };
	struct span der[CHAIN_CERTS_MAX];
	size_t count = 0;

	if (s.len == 0)
		return CHAIN_EMPTY;
	if (!read_issuer(&r, &above))
		return CHAIN_CERT;
	while (!reader_done(&r)) {
		struct record record = { 0 };
		if (count == CHAIN_CERTS_MAX)
			return CHAIN_TOO_LONG;
		struct writer w = writer_init(room->der[count], sizeof(room->der[count]));
		if (!read_record(&r, &record) || !rebuild(&above, &record, &w))
			return CHAIN_CERT;
		der[count++] = writer_span(&w);
	}
	if (count == 0)
		return CHAIN_EMPTY;
	ret->count = count;
	for (size_t i = 0; i < count; i++)
		ret->der[i] = der[count - 1 - i];
	return CHAIN_OK;
}

/* ------------------------------------------------------------------ encoding */

static void write_part(struct writer *w, const struct name_part *p)
{
	writer_u8(w, p->type);
	writer_u8(w, p->len);
	writer_put(w, p->value, p->len);
}

static void write_seconds(struct writer *w, uint64_t s)
{
	writer_u8(w, (uint8_t)(s >> 32));
	writer_u32(w, (uint32_t)s);
}

static void write_record(struct writer *w, const struct record *r)
{
	writer_u8(w, (uint8_t)(r->kind | r->path_length << PATH_LENGTH_SHIFT));
	writer_put(w, r->serial, sizeof(r->serial));
	write_seconds(w, r->not_before_s);
	write_seconds(w, r->not_after_s);
	write_part(w, &r->part);
	writer_put(w, r->pk, sizeof(r->pk));
	writer_put(w, r->signature, sizeof(r->signature));
}

static void write_issuer(struct writer *w, const struct above *a)
{
	writer_put(w, a->key_identifier, sizeof(a->key_identifier));
	writer_u8(w, a->subject.count);
	for (size_t i = 0; i < a->subject.count; i++)
		write_part(w, &a->subject.parts[i]);
}

/* What of c the certificate above does not say. Whether that was enough, rebuilding shows. */
static struct record record_of(const struct cert *c, const struct cert_parts *p)
{
	bool is_certifier = c->kind == CERT_CERTIFIER;
	struct record r = {
		.kind = (uint8_t)c->kind,
		.path_length = is_certifier ? cert_path_length(&c->subject) : 0,
		.not_before_s = c->not_before_ms / 1000,
		.not_after_s = c->not_after_ms / 1000,
	};
	if (!span_equal(p->subject, p->issuer))
		r.part = c->subject.parts[c->subject.count - 1];
	memcpy(r.serial, c->serial, sizeof(r.serial));
	memcpy(r.pk, c->pk, sizeof(r.pk));
	memcpy(r.signature, p->signature.data, sizeof(r.signature));
	return r;
}

static bool encode_next(struct above *a, bool is_first, struct span der, struct writer *w)
{
	struct cert c;
	struct cert_parts p;
	uint8_t again[CERT_LEN_MAX];
	if (cert_decode(der, &c, &p) != CERT_OK)
		return false;
	if (is_first) {
		a->subject = c.issuer;
		memcpy(a->key_identifier, c.issuer_key_identifier, sizeof(a->key_identifier));
		write_issuer(w, a);
	}
	struct record record = record_of(&c, &p);
	struct writer made = writer_init(again, sizeof(again));
	if (!rebuild(a, &record, &made) || !span_equal(writer_span(&made), der))
		return false;
	write_record(w, &record);
	return true;
}

size_t template_encode(const struct chain *c, uint8_t *to, size_t cap)
{
	struct above above = { 0 };
	struct writer w = writer_init(to, cap);
	if (c->count > CHAIN_CERTS_MAX)
		return 0;
	for (size_t i = c->count; i > 0; i--)
		if (!encode_next(&above, i == c->count, c->der[i - 1], &w))
			return 0;
	return w.is_full ? 0 : w.len;
}
