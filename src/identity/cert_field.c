/*
 * The fields that certificates and revocation lists share. Invariant: each has one encoding, so what was
 * read, written again, gives the same bytes.
 */

#include "identity/cert_field.h"

#include <sodium.h>
#include <string.h>

#include "identity/der.h"

static const uint8_t ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 }; /* 1.3.101.112 */
static const uint8_t authority_oid[] = { 0x55, 0x1d, 0x23 };       /* 2.5.29.35 */

enum cert_reject cert_field_algorithm(struct reader *r)
{
	struct span value;
	enum cert_reject reason = der_value(r, DER_SEQUENCE, &value);
	if (reason != CERT_OK)
		return reason;
	return span_equal(value, SPAN_OF(ed25519)) ? CERT_OK : CERT_ALGORITHM;
}

static enum cert_reject read_signature(struct reader *r, struct span *ret)
{
	struct reader in;
	enum cert_reject reason = der_enter(r, DER_BIT_STRING, &in);
	if (reason != CERT_OK)
		return reason;
	uint8_t unused_bits = reader_u8(&in);
	struct span signature = reader_take(&in, CERT_SIGNATURE_LEN);
	if (unused_bits != 0 || !reader_done(&in))
		return CERT_ALGORITHM;
	*ret = signature;
	return CERT_OK;
}

enum cert_reject cert_field_envelope(struct span der, size_t len_max, struct cert_envelope *ret)
{
	struct cert_envelope e = { 0 };
	struct der_item tbs = { 0 };
	struct reader r = reader_init(der), in = { 0 };
	if (der.len > len_max)
		return CERT_LENGTH;
	enum cert_reject reason = der_enter(&r, DER_SEQUENCE, &in);
	if (reason == CERT_OK)
		reason = der_end(&r);
	if (reason == CERT_OK)
		reason = der_item(&in, DER_SEQUENCE, &tbs);
	if (reason == CERT_OK)
		reason = cert_field_algorithm(&in);
	if (reason == CERT_OK)
		reason = read_signature(&in, &e.signature);
	if (reason == CERT_OK)
		reason = der_end(&in);
	if (reason != CERT_OK)
		return reason;
	e.tbs = tbs.whole;
	e.in = reader_init(tbs.value);
	*ret = e;
	return CERT_OK;
}

enum cert_reject cert_field_serial(struct reader *r, struct span *ret)
{
	struct span value;
	enum cert_reject reason = der_value(r, DER_INTEGER, &value);
	if (reason != CERT_OK)
		return reason;
	/* 00 first would be a number of 7 bytes, or one that needs 9. */
	if (value.len != CERT_SERIAL_LEN || value.data[0] < 0x01 || value.data[0] > 0x7f)
		return CERT_SERIAL;
	*ret = value;
	return CERT_OK;
}

static uint8_t part_type(struct span oid)
{
	if (oid.len != 3 || oid.data[0] != 0x55 || oid.data[1] != 0x04)
		return 0;
	switch (oid.data[2]) { /* 2.5.4.x */
	case 6:
		return NAME_C;
	case 10:
		return NAME_O;
	case 11:
		return NAME_OU;
	case 3:
		return NAME_CN;
	default:
		return 0;
	}
}

/* X.680 41.4 */
static bool is_printable(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool is_digit = c >= '0' && c <= '9';
		if (!is_letter && !is_digit && (c == 0 || strchr(" '()+,-./:=?", c) == NULL))
			return false;
	}
	return true;
}

static enum cert_reject read_string(struct reader *r, struct name_part *ret)
{
	struct der_item item;
	enum cert_reject reason = der_next(r, &item);
	if (reason != CERT_OK)
		return reason;
	if (item.tag != DER_UTF8_STRING && item.tag != DER_PRINTABLE_STRING)
		return CERT_STRING;
	if (item.value.len == 0 || item.value.len > NAME_VALUE_MAX)
		return CERT_NAME;
	if (item.tag == DER_PRINTABLE_STRING && !is_printable(item.value))
		return CERT_STRING;
	ret->len = (uint8_t)item.value.len;
	memcpy(ret->value, item.value.data, item.value.len);
	return CERT_OK;
}

/* SET of one SEQUENCE of type and value. */
static enum cert_reject read_part(struct reader *r, struct name_part *ret)
{
	struct reader set = { 0 }, in = { 0 };
	struct span oid = { 0 };
	enum cert_reject reason = der_enter(r, DER_SET, &set);
	if (reason == CERT_OK)
		reason = der_enter(&set, DER_SEQUENCE, &in);
	if (reason == CERT_OK && set.left != 0)
		reason = CERT_NAME;
	if (reason == CERT_OK)
		reason = der_value(&in, DER_OID, &oid);
	if (reason != CERT_OK)
		return reason;
	ret->type = part_type(oid);
	if (ret->type == 0)
		return CERT_NAME;
	reason = read_string(&in, ret);
	return reason == CERT_OK ? der_end(&in) : reason;
}

enum cert_reject cert_field_name(struct reader *r, struct name *ret, struct span *ret_der)
{
	struct name n = { 0 };
	struct der_item item;
	enum cert_reject reason = der_item(r, DER_SEQUENCE, &item);
	if (reason != CERT_OK)
		return reason;
	struct reader in = reader_init(item.value);
	while (in.left > 0) {
		if (n.count == NAME_PARTS_MAX)
			return CERT_NAME;
		reason = read_part(&in, &n.parts[n.count]);
		if (reason != CERT_OK)
			return reason;
		n.count++;
	}
	*ret = n;
	*ret_der = item.whole;
	return CERT_OK;
}

/* critical BOOLEAN DEFAULT FALSE: DER writes it when it is TRUE only, and TRUE as ff (X.690 11.1, 11.5). */
static enum cert_reject read_critical(struct reader *r, bool *ret)
{
	struct span value;
	*ret = der_is_next(r, DER_BOOLEAN);
	if (!*ret)
		return CERT_OK;
	enum cert_reject reason = der_value(r, DER_BOOLEAN, &value);
	if (reason != CERT_OK)
		return reason;
	return value.len == 1 && value.data[0] == 0xff ? CERT_OK : CERT_EXTENSION;
}

enum cert_reject cert_field_extension(struct reader *r, struct cert_field_extension *ret)
{
	struct cert_field_extension e = { 0 };
	struct reader in = { 0 };
	if (r->left == 0)
		return CERT_EXTENSION;
	enum cert_reject reason = der_enter(r, DER_SEQUENCE, &in);
	if (reason == CERT_OK)
		reason = der_value(&in, DER_OID, &e.oid);
	if (reason == CERT_OK)
		reason = read_critical(&in, &e.is_critical);
	if (reason == CERT_OK)
		reason = der_value(&in, DER_OCTET_STRING, &e.value);
	if (reason == CERT_OK)
		reason = der_end(&in);
	if (reason == CERT_OK)
		*ret = e;
	return reason;
}

enum cert_reject cert_field_expect(
	struct reader *r, struct span oid, bool is_critical, struct span *ret)
{
	struct cert_field_extension e;
	enum cert_reject reason = cert_field_extension(r, &e);
	if (reason != CERT_OK)
		return reason;
	if (!span_equal(e.oid, oid) || e.is_critical != is_critical)
		return CERT_EXTENSION;
	*ret = e.value;
	return CERT_OK;
}

/* SEQUENCE { [0] keyIdentifier }, in the one form it has here. */
enum cert_reject cert_field_authority(struct reader *r, uint8_t ret[CERT_KEY_IDENTIFIER_LEN])
{
	static const uint8_t header[] = { DER_SEQUENCE, 2 + CERT_KEY_IDENTIFIER_LEN, DER_CONTEXT,
		CERT_KEY_IDENTIFIER_LEN };
	struct span value;
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(authority_oid), false, &value);
	if (reason != CERT_OK)
		return reason;
	if (value.len != sizeof(header) + CERT_KEY_IDENTIFIER_LEN ||
		!span_equal(span_slice(value, 0, sizeof(header)), SPAN_OF(header)))
		return CERT_KEY_IDENTIFIER;
	memcpy(ret, value.data + sizeof(header), CERT_KEY_IDENTIFIER_LEN);
	return CERT_OK;
}

bool cert_field_signed_by(struct span tbs, struct span signature, const uint8_t pk[32])
{
	return tbs.len != 0 && signature.len == CERT_SIGNATURE_LEN &&
		crypto_sign_verify_detached(signature.data, tbs.data, tbs.len, pk) == 0;
}
