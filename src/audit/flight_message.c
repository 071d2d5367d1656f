/*
 * Handshake messages of a server. Lists and lengths must be whole; what is not asked for by the audit is
 * stepped over, so that odd servers are still heard to the end. Nothing is verified.
 */

#include "audit/flight_message.h"

#include <sodium.h>
#include <string.h>

#include "audit/suite.h"

enum message {
	MESSAGE_HELLO_REQUEST = 0,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_CERTIFICATE = 11,
	MESSAGE_KEY_EXCHANGE = 12,
	MESSAGE_CERTIFICATE_REQUEST = 13,
	MESSAGE_HELLO_DONE = 14,
	MESSAGE_STATUS = 22,
};

enum extension {
	EXT_STATUS = 5,
	EXT_HEARTBEAT = 15,
	EXT_ALPN = 16,
	EXT_ETM = 22,
	EXT_EMS = 23,
	EXT_TICKET = 35,
	EXT_VERSIONS = 43,
	EXT_KEY_SHARE = 51,
	EXT_RENEGOTIATION = 0xff01,
};

enum curve_type { CURVE_EXPLICIT_PRIME = 1, CURVE_EXPLICIT_CHAR2, CURVE_NAMED };
#define GROUP_EXPLICIT_PRIME 65281
#define GROUP_EXPLICIT_CHAR2 65282
#define STATUS_OCSP 1

/* RFC 8446 4.1.3: the random of a HelloRetryRequest, SHA-256 of "HelloRetryRequest". */
static const uint8_t retry_random[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe,
	0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
	0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };

static bool find_version(uint16_t code, enum audit_version *ret)
{
	for (int v = AUDIT_SSL3; v < AUDIT_VERSION_COUNT; v++) {
		if (audit_version_code((enum audit_version)v) == code) {
			*ret = (enum audit_version)v;
			return true;
		}
	}
	return false;
}

static const char *read_extension(
	struct audit_flight *f, uint16_t type, struct span value, bool is_retry)
{
	struct reader r = reader_init(value);
	if (f->extension_count < AUDIT_EXTENSIONS_MAX)
		f->extensions[f->extension_count++] = type;
	switch (type) {
	case EXT_RENEGOTIATION:
		f->has_renegotiation_info = true;
		break;
	case EXT_EMS:
		f->has_ems = true;
		break;
	case EXT_ETM:
		f->has_etm = true;
		break;
	case EXT_TICKET:
		f->has_ticket = true;
		break;
	case EXT_STATUS:
		f->has_status = true;
		break;
	case EXT_HEARTBEAT:
		f->has_heartbeat = true;
		break;
	case EXT_ALPN:
		f->has_alpn = true;
		break;
	case EXT_VERSIONS:
		f->version_code = reader_u16(&r);
		if (!reader_done(&r))
			return "the version that the server chose is not one version";
		break;
	case EXT_KEY_SHARE:
		f->group = reader_u16(&r);
		if (is_retry ? !reader_done(&r) : reader_take(&r, reader_u16(&r)).len == 0)
			return "the server's key share is cut off";
		break;
	default:
		break;
	}
	return NULL;
}

static const char *read_extensions(struct audit_flight *f, struct reader *r, bool is_retry)
{
	struct reader list = reader_init(reader_take(r, reader_u16(r)));
	if (r->is_short || !reader_done(r))
		return "the extensions of the server hello do not add up";
	while (!reader_done(&list)) {
		uint16_t type = reader_u16(&list);
		struct span value = reader_take(&list, reader_u16(&list));
		if (list.is_short)
			return "an extension of the server hello is cut off";
		const char *why = read_extension(f, type, value, is_retry);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *read_hello(struct audit_flight *f, struct span body)
{
	struct reader r = reader_init(body);
	const char *why = NULL;
	if (f->has_hello)
		return "a second server hello comes";
	f->version_code = reader_u16(&r);
	reader_copy(&r, f->random, sizeof(f->random));
	struct span session = reader_take(&r, reader_u8(&r));
	f->suite = reader_u16(&r);
	f->compression = reader_u8(&r);
	if (r.is_short || session.len > 32)
		return "the server hello is cut off";
	f->session_id_len = session.len;
	bool is_retry = memcmp(f->random, retry_random, sizeof(retry_random)) == 0;
	if (r.left > 0)
		why = read_extensions(f, &r, is_retry);
	if (why != NULL)
		return why;
	if (!find_version(f->version_code, &f->version))
		return "the server chose a version that there is not";
	f->has_hello = true;
	if (f->version == AUDIT_TLS13)
		f->end = is_retry ? AUDIT_FLIGHT_RETRY : AUDIT_FLIGHT_HELLO;
	return NULL;
}

static size_t read_u24(struct reader *r)
{
	size_t high = (size_t)reader_u8(r) << 16;
	return high | reader_u16(r);
}

static const char *read_certificates(struct audit_flight *f, struct span body)
{
	struct reader r = reader_init(body);
	struct reader list = reader_init(reader_take(&r, read_u24(&r)));
	if (r.is_short || !reader_done(&r))
		return "the list of certificates does not add up";
	f->cert_count = 0;
	f->is_chain_cut = false;
	while (!reader_done(&list)) {
		struct span der = reader_take(&list, read_u24(&list));
		if (list.is_short)
			return "a certificate is cut off";
		if (f->cert_count == AUDIT_CHAIN_MAX)
			f->is_chain_cut = true;
		else
			f->certs[f->cert_count++] = der;
	}
	return NULL;
}

static const char *read_status(struct audit_flight *f, struct span body)
{
	struct reader r = reader_init(body);
	uint8_t type = reader_u8(&r);
	struct span response = reader_take(&r, read_u24(&r));
	if (r.is_short || !reader_done(&r))
		return "the stapled status does not add up";
	if (type == STATUS_OCSP)
		f->staple = response;
	return NULL;
}

static unsigned bits_of(struct span number)
{
	while (number.len > 0 && number.data[0] == 0)
		number = span_slice(number, 1, number.len);
	if (number.len == 0)
		return 0;
	unsigned bits = (unsigned)(number.len - 1) * 8;
	for (uint8_t top = number.data[0]; top > 0; top >>= 1)
		bits++;
	return bits;
}

static void note_public(struct audit_flight *f, struct span value)
{
	crypto_hash_sha256(f->public_hash, value.data, value.len);
	f->has_public = value.len > 0;
}

/* RFC 8422 5.4. */
static const char *read_curve(struct audit_flight *f, struct reader *r)
{
	uint8_t type = reader_u8(r);
	if (type == CURVE_EXPLICIT_PRIME || type == CURVE_EXPLICIT_CHAR2) {
		f->group =
			type == CURVE_EXPLICIT_PRIME ? GROUP_EXPLICIT_PRIME : GROUP_EXPLICIT_CHAR2;
		reader_rest(r);
		return NULL;
	}
	f->group = reader_u16(r);
	struct span point = reader_take(r, reader_u8(r));
	if (r->is_short || type != CURVE_NAMED)
		return "the server's curve is cut off, or of no known type";
	note_public(f, point);
	return NULL;
}

/* RFC 5246 7.4.3. */
static const char *read_dh(struct audit_flight *f, struct reader *r)
{
	struct span p = reader_take(r, reader_u16(r));
	struct span g = reader_take(r, reader_u16(r));
	struct span y = reader_take(r, reader_u16(r));
	if (r->is_short || p.len == 0)
		return "the server's Diffie-Hellman values are cut off";
	if (p.len > AUDIT_DH_LEN_MAX)
		return "the server's prime is longer than 16384 bits";
	f->dh.bits = (uint16_t)bits_of(p);
	f->dh.len = p.len;
	memcpy(f->dh.prime, p.data, p.len);
	f->dh.generator = 0; /* what does not fit is not kept */
	if (bits_of(g) <= 16)
		for (size_t i = 0; i < g.len; i++)
			f->dh.generator = (uint16_t)(f->dh.generator << 8 | g.data[i]);
	note_public(f, y);
	return NULL;
}

static const char *read_rsa(struct audit_flight *f, struct reader *r)
{
	struct span modulus = reader_take(r, reader_u16(r));
	reader_take(r, reader_u16(r));
	if (r->is_short)
		return "the server's temporary RSA key is cut off";
	f->export_rsa_bits = (uint16_t)bits_of(modulus);
	note_public(f, modulus);
	return NULL;
}

static bool is_signed(const struct audit_suite *s)
{
	return s->auth != AUDIT_AUTH_NULL && s->auth != AUDIT_AUTH_PSK &&
		s->kx != AUDIT_KX_ECDHE_PSK && s->kx != AUDIT_KX_DHE_PSK &&
		s->kx != AUDIT_KX_RSA_PSK;
}

static const char *read_parameters(
	struct audit_flight *f, const struct audit_suite *s, struct reader *r)
{
	/* RFC 4279 2 to 4: a hint stands in front. */
	if (s->kx == AUDIT_KX_DHE_PSK || s->kx == AUDIT_KX_ECDHE_PSK)
		reader_take(r, reader_u16(r));
	switch (s->kx) {
	case AUDIT_KX_ECDHE:
	case AUDIT_KX_ECDHE_PSK:
		return read_curve(f, r);
	case AUDIT_KX_DHE:
	case AUDIT_KX_DHE_PSK:
		return read_dh(f, r);
	case AUDIT_KX_RSA:
	case AUDIT_KX_RSA_EXPORT:
		return read_rsa(f, r);
	case AUDIT_KX_NULL:
	case AUDIT_KX_DH:
	case AUDIT_KX_ECDH:
	case AUDIT_KX_PSK:
	case AUDIT_KX_RSA_PSK:
	case AUDIT_KX_SRP:
	case AUDIT_KX_KRB5:
	case AUDIT_KX_GOST:
	case AUDIT_KX_ECCPWD:
	case AUDIT_KX_SM2:
	case AUDIT_KX_ANY:
		break;
	}
	reader_rest(r);
	return NULL;
}

static const char *read_key_exchange(struct audit_flight *f, struct span body)
{
	const struct audit_suite *s = audit_suite_by_id(f->suite);
	struct reader r = reader_init(body);
	f->has_key_exchange = true;
	if (s == NULL)
		return NULL;
	const char *why = read_parameters(f, s, &r);
	if (why == NULL && f->version == AUDIT_TLS12 && is_signed(s) && r.left >= 2)
		f->signature = reader_u16(&r);
	return why;
}

const char *audit_message_read(struct audit_flight *f, uint8_t type, struct span body)
{
	if (type == MESSAGE_SERVER_HELLO)
		return read_hello(f, body);
	if (type == MESSAGE_HELLO_REQUEST)
		return NULL;
	if (!f->has_hello)
		return "a message comes before the server hello";
	switch (type) {
	case MESSAGE_CERTIFICATE:
		return read_certificates(f, body);
	case MESSAGE_STATUS:
		return read_status(f, body);
	case MESSAGE_KEY_EXCHANGE:
		return read_key_exchange(f, body);
	case MESSAGE_CERTIFICATE_REQUEST:
		f->wants_certificate = true;
		return NULL;
	case MESSAGE_HELLO_DONE:
		f->end = AUDIT_FLIGHT_HELLO;
		return NULL;
	default:
		return NULL;
	}
}
