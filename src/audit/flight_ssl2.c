/* One record of SSL 2.0 in plain text. Invariant: the parts must add up to the record, to the byte. */

#include "audit/flight_ssl2.h"

enum ssl2_message { SSL2_ERROR = 0, SSL2_SERVER_HELLO = 4 };

/* Two bytes of header, or three when the record is padded. */
static size_t header_len(struct span bytes)
{
	return (bytes.data[0] & 0x80) != 0 ? 2 : 3;
}

bool audit_ssl2_is_answer(struct span first)
{
	uint8_t type = first.data[header_len(first)];
	return type == SSL2_ERROR || type == SSL2_SERVER_HELLO;
}

static const char *read_suites(struct audit_flight *f, struct span kinds)
{
	struct reader r = reader_init(kinds);
	if (kinds.len % 3 != 0)
		return "the list of an SSLv2 hello is no list of three-byte kinds";
	while (!reader_done(&r)) {
		uint32_t kind = (uint32_t)reader_u8(&r) << 16;
		kind |= reader_u16(&r);
		if (f->ssl2_suite_count < AUDIT_SUITES_MAX)
			f->ssl2_suites[f->ssl2_suite_count++] = kind;
	}
	return NULL;
}

static const char *read_hello(struct audit_flight *f, struct reader *r)
{
	reader_u8(r); /* session id hit */
	reader_u8(r); /* type of certificate */
	f->version_code = reader_u16(r);
	uint16_t cert_len = reader_u16(r);
	uint16_t kinds_len = reader_u16(r);
	uint16_t id_len = reader_u16(r);
	struct span cert = reader_take(r, cert_len);
	struct span kinds = reader_take(r, kinds_len);
	reader_take(r, id_len);
	if (r->is_short || !reader_done(r))
		return "the parts of an SSLv2 hello do not add up";
	if (f->version_code != audit_version_code(AUDIT_SSL2))
		return "an SSLv2 hello is of another version";
	const char *why = read_suites(f, kinds);
	if (why != NULL)
		return why;
	f->has_hello = true;
	f->version = AUDIT_SSL2;
	f->session_id_len = 0;
	if (cert.len > 0) {
		f->certs[0] = cert;
		f->cert_count = 1;
	}
	f->end = AUDIT_FLIGHT_SSL2;
	return NULL;
}

const char *audit_ssl2_read(struct audit_flight *f, struct span bytes)
{
	if (bytes.len < AUDIT_SSL2_HEADER_MAX)
		return NULL;
	struct reader r = reader_init(bytes);
	size_t head = header_len(bytes), padding = 0;
	size_t len = reader_u16(&r) & (head == 2 ? 0x7fff : 0x3fff);
	if (head == 3)
		padding = reader_u8(&r);
	if (padding >= len)
		return "an SSLv2 record is all padding";
	if (r.left < len)
		return NULL;
	struct reader body = reader_init(reader_take(&r, len - padding));
	if (reader_u8(&body) == SSL2_SERVER_HELLO)
		return read_hello(f, &body);
	f->has_alert = true;
	f->alert_level = 2;
	f->alert_code = (uint8_t)reader_u16(&body);
	f->end = AUDIT_FLIGHT_ALERT;
	return NULL;
}
