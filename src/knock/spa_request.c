/*
 * The plaintext of a knock. Anybody who holds the server card can produce a seal that opens, so
 * these are still strangers' bytes. Invariant: everything not named by the format is zero, and what
 * is accepted says one thing only.
 */

#include <string.h>

#include "knock/internal.h"
#include "knock/spa.h"

#define INNER_VERSION 1
#define FLAGS_KNOWN                                                                                \
	(SPA_FLAG_EXPLICIT | SPA_FLAG_WANT_SIGNATURE | SPA_FLAG_WANT_PREKEY |                      \
		SPA_FLAG_AFTER_STALE | SPA_FLAG_AFTER_BIND)
#define TLV_CRITICAL_BELOW 128
#define V4_BITS 96 /* of the ::ffff: prefix */
#define PROTO_TCP 6
#define PROTO_UDP 17
#define TEMPLATE_VALUE_MAX 64
#define TEMPLATE_COMPONENTS_MAX 7 /* C, O, four OU, CN */
#define TEMPLATE_KEY_IDENTIFIER_LEN 20

enum spa_reject knock_tail_check(struct span tail)
{
	struct reader r = reader_init(tail);
	/* Each round consumes at least two bytes of a tail under 1100. */
	while (r.left > 0) {
		uint8_t type = reader_u8(&r);
		if (type == 0)
			return span_is_zero(reader_rest(&r)) ? SPA_OK : SPA_RESERVED;
		uint8_t len = reader_u8(&r);
		reader_take(&r, len);
		if (r.is_short || type < TLV_CRITICAL_BELOW)
			return SPA_TLV;
	}
	return SPA_OK;
}

/* An IPv6 network that holds IPv4's ::ffff:0:0/96, or a part of it. */
static bool touches_v4(const struct prefix *p)
{
	static const struct addr v4_any = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0,
		0 } };
	return p->bits > V4_BITS ? addr_is_v4(&p->addr) : prefix_contains(p, &v4_any);
}

static bool address_is_sound(const struct spa_request *q)
{
	const struct prefix p = { .addr = q->address, .bits = q->prefix_bits };
	bool is_explicit = (q->flags & SPA_FLAG_EXPLICIT) != 0;

	if (q->address_mode == 0)
		return !is_explicit && addr_is_zero(&q->address) && q->prefix_bits == 128;
	/* prefix_contains masks its second argument: a host bit beyond the prefix makes it false. */
	if (!is_explicit || addr_is_zero(&q->address) || q->prefix_bits > 128 ||
		!prefix_contains(&p, &q->address))
		return false;
	if (q->address_mode == 4)
		return addr_is_v4(&q->address) && q->prefix_bits >= V4_BITS;
	return q->address_mode == 6 && !touches_v4(&p);
}

static bool ports_are_sound(struct span selector, bool is_range)
{
	struct reader r = reader_init(selector);
	uint8_t proto = reader_u8(&r);
	uint16_t first = reader_u16(&r);
	uint16_t last = is_range ? reader_u16(&r) : first;
	return reader_done(&r) && (proto == PROTO_TCP || proto == PROTO_UDP) && first != 0 &&
		first <= last;
}

static bool selector_is_sound(uint8_t type, struct span selector)
{
	switch (type) {
	case SPA_SELECT_NAME:
		return spa_is_service_name(selector);
	case SPA_SELECT_PORT:
		return ports_are_sound(selector, false);
	case SPA_SELECT_RANGE:
		return ports_are_sound(selector, true);
	default:
		return false;
	}
}

/* Whether it is a certificate that each length is about, the certificate reader says. */
static bool chain_is_sound(struct span identity)
{
	struct reader r = reader_init(identity);
	for (unsigned i = 0; i < SPA_CHAIN_CERTS_MAX; i++) {
		uint16_t len = reader_u16(&r);
		reader_take(&r, len);
		if (r.is_short || len == 0)
			return false;
		if (reader_done(&r))
			return true;
	}
	return false;
}

/* Components of the name above the first record: type, length, value. */
static bool skip_components(struct reader *r)
{
	uint8_t count = reader_u8(r);
	if (count > TEMPLATE_COMPONENTS_MAX)
		return false;
	for (unsigned i = 0; i < count; i++) {
		reader_u8(r);
		uint8_t len = reader_u8(r);
		reader_take(r, len);
		if (len == 0 || len > TEMPLATE_VALUE_MAX)
			return false;
	}
	return !r->is_short;
}

static bool template_is_sound(struct span identity)
{
	struct reader r = reader_init(identity);
	reader_take(&r, TEMPLATE_KEY_IDENTIFIER_LEN);
	if (!skip_components(&r))
		return false;
	for (unsigned i = 0; i < SPA_CHAIN_CERTS_MAX; i++) {
		reader_take(&r, 1 + 8 + 5 + 5 + 1); /* kind, serial, two dates, name type */
		uint8_t len = reader_u8(&r);        /* 0: the name above once more, another key */
		reader_take(&r, len);
		reader_take(&r, 32 + SPA_SIGNATURE_LEN);
		if (r.is_short || len > TEMPLATE_VALUE_MAX)
			return false;
		if (reader_done(&r))
			return true;
	}
	return false;
}

static bool identity_is_sound(uint8_t type, struct span identity)
{
	switch (type) {
	case SPA_ID_KEY:
	case SPA_ID_SSH:
		return identity.len == SPA_KEY_ID_LEN;
	case SPA_ID_CHAIN:
		return chain_is_sound(identity);
	case SPA_ID_TEMPLATE:
		return template_is_sound(identity);
	default:
		return false;
	}
}

/* The types and lengths that stand before what they describe. */
struct shape {
	uint8_t version, op;
	uint8_t selector_type, selector_len;
	uint8_t identity_type, signature_type;
	uint16_t identity_len;
	uint16_t reserved;
};

static struct shape read_fixed(struct reader *r, struct spa_request *q)
{
	struct shape s = { 0 };
	s.version = reader_u8(r);
	s.op = reader_u8(r);
	q->flags = reader_u16(r);
	q->time_ms = reader_u64(r);
	reader_copy(r, q->nonce, sizeof(q->nonce));
	q->instance = reader_u64(r);
	q->seconds = reader_u32(r);
	q->address_mode = reader_u8(r);
	q->prefix_bits = reader_u8(r);
	q->source_port = reader_u16(r);
	reader_copy(r, q->address.b, sizeof(q->address.b));
	s.selector_type = reader_u8(r);
	s.selector_len = reader_u8(r);
	s.identity_type = reader_u8(r);
	s.signature_type = reader_u8(r);
	s.identity_len = reader_u16(r);
	s.reserved = reader_u16(r);
	return s;
}

static enum spa_reject check_fixed(const struct shape *s, const struct spa_request *q)
{
	if (s->version != INNER_VERSION)
		return SPA_INNER_VERSION;
	if (s->reserved != 0)
		return SPA_RESERVED;
	if (s->op > SPA_PROBE)
		return SPA_OP;
	if ((q->flags & ~FLAGS_KNOWN) != 0)
		return SPA_FLAGS;
	return address_is_sound(q) ? SPA_OK : SPA_ADDRESS;
}

/* Selector, identity and TLVs: what lies between the fixed fields and the signature. */
static enum spa_reject read_variable(struct span body, const struct shape *s, struct spa_request *q)
{
	struct reader r = reader_init(body);
	q->selector = reader_take(&r, s->selector_len);
	if (r.is_short || !selector_is_sound(s->selector_type, q->selector))
		return SPA_SELECTOR;
	q->identity = reader_take(&r, s->identity_len);
	if (r.is_short || !identity_is_sound(s->identity_type, q->identity))
		return SPA_IDENTITY;
	if (s->signature_type < SPA_SIG_ED25519 || s->signature_type > SPA_SIG_SK)
		return SPA_SIGNATURE_TYPE;
	return knock_tail_check(reader_rest(&r));
}

/* The id of a token's key is an SSH key id: no other kind of identity can name one. */
static enum spa_reject check_types(const struct shape *s)
{
	if (s->identity_type != SPA_ID_SSH && s->signature_type == SPA_SIG_SK)
		return SPA_SIGNATURE_TYPE;
	return SPA_OK;
}

enum spa_reject spa_request_decode(struct span inner, struct spa_request *ret)
{
	struct spa_request q = { 0 };
	struct reader r = reader_init(inner);

	if (inner.len != SPA_INNER_SMALL_LEN && inner.len != SPA_INNER_LARGE_LEN)
		return SPA_LENGTH;
	const struct shape s = read_fixed(&r, &q);
	size_t fido_len = s.signature_type == SPA_SIG_SK ? KNOCK_FIDO_LEN : 0;
	struct span body = reader_take(&r, r.left - SPA_SIGNATURE_LEN - fido_len);
	q.signed_part = span_slice(inner, 0, SPA_INNER_FIXED_LEN + body.len);
	if (fido_len != 0) {
		q.fido_flags = reader_u8(&r);
		q.fido_counter = reader_u32(&r);
	}
	q.signature = reader_take(&r, SPA_SIGNATURE_LEN);

	enum spa_reject reason = check_fixed(&s, &q);
	if (reason == SPA_OK)
		reason = read_variable(body, &s, &q);
	if (reason != SPA_OK)
		return reason;
	reason = check_types(&s);
	if (reason != SPA_OK)
		return reason;
	q.op = (enum spa_op)s.op;
	q.selector_type = (enum spa_selector)s.selector_type;
	q.identity_type = (enum spa_identity)s.identity_type;
	q.signature_type = (enum spa_signature)s.signature_type;
	*ret = q;
	return SPA_OK;
}
