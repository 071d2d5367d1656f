/*
 * Reading revocation lists. Invariant: every entry was looked at before a list is accepted, and they
 * ascend, so walking them cannot fail and a serial is looked up in one pass.
 */

#include "identity/crl.h"

#include <string.h>

#include "identity/cert_field.h"
#include "identity/der.h"

#define NUMBER_LEN_MAX 8

static const uint8_t number_oid[] = { 0x55, 0x1d, 0x14 }; /* 2.5.29.20 */

/* INTEGER 1: version 2. Version 1 has no such field. */
static enum cert_reject read_version(struct reader *r)
{
	struct span value;
	if (!der_is_next(r, DER_INTEGER))
		return r->left == 0 ? CERT_SHORT : CERT_VERSION;
	enum cert_reject reason = der_value(r, DER_INTEGER, &value);
	if (reason != CERT_OK)
		return reason;
	return value.len == 1 && value.data[0] == 1 ? CERT_OK : CERT_VERSION;
}

static enum cert_reject read_issuer(struct reader *r, struct crl *c)
{
	enum cert_reject reason = cert_field_name(r, &c->issuer, &c->issuer_der);
	if (reason != CERT_OK)
		return reason;
	return name_check(&c->issuer, true) == NAME_OK ? CERT_OK : CERT_NAME;
}

static enum cert_reject read_updates(struct reader *r, struct crl *c)
{
	enum cert_reject reason = der_time(r, &c->this_update_ms);
	if (reason == CERT_OK)
		reason = der_time(r, &c->next_update_ms);
	if (reason != CERT_OK)
		return reason;
	return c->next_update_ms > c->this_update_ms ? CERT_OK : CERT_TIME;
}

/* SEQUENCE { userCertificate, revocationDate } */
static enum cert_reject read_entry(struct reader *r, struct span *ret_serial, uint64_t *ret_ms)
{
	struct reader in = { 0 };
	enum cert_reject reason = der_enter(r, DER_SEQUENCE, &in);
	if (reason == CERT_OK)
		reason = cert_field_serial(&in, ret_serial);
	if (reason == CERT_OK)
		reason = der_time(&in, ret_ms);
	return reason == CERT_OK ? der_end(&in) : reason;
}

/* Absent when empty, so there is at least one. The bytes of the list bound the loop. */
static enum cert_reject read_entries(struct reader *r, struct crl *c)
{
	struct reader in = { 0 };
	struct span before = { 0 };
	if (!der_is_next(r, DER_SEQUENCE))
		return CERT_OK;
	enum cert_reject reason = der_value(r, DER_SEQUENCE, &c->entries);
	if (reason != CERT_OK)
		return reason;
	in = reader_init(c->entries);
	do {
		struct span serial = { 0 };
		uint64_t revoked_ms;
		reason = read_entry(&in, &serial, &revoked_ms);
		if (reason != CERT_OK)
			return reason;
		if (before.len != 0 && memcmp(before.data, serial.data, CRL_SERIAL_LEN) >= 0)
			return CERT_SERIAL;
		before = serial;
		c->count++;
	} while (in.left > 0);
	return CERT_OK;
}

/* Positive and in the shortest form (X.690 8.3.2). */
static enum cert_reject read_number(struct reader *r, struct crl *c)
{
	struct span value = { 0 }, number = { 0 };
	enum cert_reject reason = cert_field_expect(r, SPAN_OF(number_oid), false, &value);
	if (reason != CERT_OK)
		return reason;
	struct reader in = reader_init(value);
	if (der_value(&in, DER_INTEGER, &number) != CERT_OK || !reader_done(&in))
		return CERT_NUMBER;
	if (number.len == 0 || number.len > NUMBER_LEN_MAX || number.data[0] > 0x7f)
		return CERT_NUMBER;
	if (number.data[0] == 0 && (number.len == 1 || number.data[1] < 0x80))
		return CERT_NUMBER;
	for (size_t i = 0; i < number.len; i++)
		c->number = c->number << 8 | number.data[i];
	return CERT_OK;
}

/* [0] EXPLICIT SEQUENCE OF Extension, the last field. */
static enum cert_reject read_extensions(struct reader *r, struct crl *c)
{
	struct reader outer = { 0 }, in = { 0 };
	if (r->left == 0)
		return CERT_EXTENSION;
	enum cert_reject reason = der_enter(r, DER_CONTEXT_CONSTRUCTED, &outer);
	if (reason == CERT_OK)
		reason = der_end(r);
	if (reason == CERT_OK)
		reason = der_enter(&outer, DER_SEQUENCE, &in);
	if (reason == CERT_OK)
		reason = der_end(&outer);
	if (reason == CERT_OK)
		reason = cert_field_authority(&in, c->issuer_key_identifier);
	if (reason == CERT_OK)
		reason = read_number(&in, c);
	return reason == CERT_OK && in.left != 0 ? CERT_EXTENSION : reason;
}

enum cert_reject crl_decode(struct span der, struct crl *ret)
{
	struct crl c = { 0 };
	struct cert_envelope e = { 0 };
	enum cert_reject reason = cert_field_envelope(der, CRL_LEN_MAX, &e);
	if (reason == CERT_OK)
		reason = read_version(&e.in);
	if (reason == CERT_OK)
		reason = cert_field_algorithm(&e.in);
	if (reason == CERT_OK)
		reason = read_issuer(&e.in, &c);
	if (reason == CERT_OK)
		reason = read_updates(&e.in, &c);
	if (reason == CERT_OK)
		reason = read_entries(&e.in, &c);
	if (reason == CERT_OK)
		reason = read_extensions(&e.in, &c);
	if (reason != CERT_OK)
		return reason;
	c.tbs = e.tbs;
	c.signature = e.signature;
	*ret = c;
	return CERT_OK;
}

bool crl_signed_by(const struct crl *c, const uint8_t issuer_pk[32])
{
	return cert_field_signed_by(c->tbs, c->signature, issuer_pk);
}

bool crl_next(struct span *at, uint8_t ret_serial[CRL_SERIAL_LEN], uint64_t *ret_revoked_ms)
{
	struct reader r = reader_init(*at);
	struct span serial = { 0 };
	if (at->len == 0 || read_entry(&r, &serial, ret_revoked_ms) != CERT_OK)
		return false;
	memcpy(ret_serial, serial.data, CRL_SERIAL_LEN);
	*at = reader_rest(&r);
	return true;
}
