/*
 * Protocols that have no lines: LDAP (RFC 4511 4.14), XMPP (RFC 6120 5), PostgreSQL ("SSLRequest" of its
 * protocol) and MySQL ("SSLRequest" of its handshake). Each looks at what has come as a whole; all of them
 * are short.
 */

#include <string.h>

#include "audit/dialogue_internal.h"

#define LDAP_OID "1.3.6.1.4.1.1466.20037"
#define LDAP_EXTENDED_RESPONSE 0x78
#define LDAP_PROTOCOL_ERROR 2
#define LDAP_BUSY 51
#define LDAP_UNAVAILABLE 52

static void ldap_begin(struct audit_dialogue *d)
{
	uint8_t to[64];
	struct writer w = writer_init(to, sizeof(to));
	size_t oid = sizeof(LDAP_OID) - 1;
	writer_u8(&w, 0x30);
	writer_u8(&w, (uint8_t)(3 + 2 + 2 + oid));
	writer_put(&w, "\x02\x01\x01", 3); /* message 1 */
	writer_u8(&w, 0x77);               /* extended request */
	writer_u8(&w, (uint8_t)(2 + oid));
	writer_u8(&w, 0x80);
	writer_u8(&w, (uint8_t)oid);
	writer_put(&w, LDAP_OID, oid);
	audit_dialogue_send(d, writer_span(&w));
}

/* A BER element: its value, or a short reader when it is not whole. Lengths of up to four bytes. */
static uint8_t ber(struct reader *r, struct span *ret)
{
	uint8_t tag = reader_u8(r);
	size_t len = reader_u8(r);
	if (len >= 0x80) {
		size_t octets = len & 0x7f;
		len = 0;
		for (size_t i = 0; i < octets && i < 4; i++)
			len = len << 8 | reader_u8(r);
		if (octets > 4 || octets == 0) /* 0: without a length, which LDAP forbids */
			len = SIZE_MAX;
	}
	*ret = reader_take(r, len);
	return tag;
}

static size_t ldap_bytes(struct audit_dialogue *d, struct span bytes)
{
	struct reader r = reader_init(bytes);
	struct span message, part, dn, text;
	if (bytes.data[0] != 0x30) {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, bytes);
		return bytes.len;
	}
	ber(&r, &message);
	if (r.is_short)
		return 0;
	size_t taken = bytes.len - r.left;
	audit_dialogue_greet(d, span_of("", 0));
	struct reader m = reader_init(message);
	ber(&m, &part); /* message id */
	uint8_t tag = ber(&m, &part);
	struct reader response = reader_init(part);
	ber(&response, &part);
	int code = part.len == 1 ? part.data[0] : -1;
	ber(&response, &dn);
	ber(&response, &text);
	if (m.is_short || response.is_short || tag != LDAP_EXTENDED_RESPONSE || code < 0)
		audit_dialogue_end(
			d, AUDIT_END_REFUSED, 0, span_of("no answer to the request", 24));
	else if (code == 0)
		audit_dialogue_go(d);
	else if (code == LDAP_BUSY || code == LDAP_UNAVAILABLE)
		audit_dialogue_defer(d, AUDIT_END_REFUSED, code, text);
	else
		audit_dialogue_end(d,
			code == LDAP_PROTOCOL_ERROR ? AUDIT_END_NO_STARTTLS : AUDIT_END_REFUSED,
			code, text);
	return taken;
}

const struct audit_dialogue_def audit_dialogue_ldap = {
	.begin = ldap_begin,
	.bytes = ldap_bytes,
	.goodbye = AUDIT_BYTES("0\x05\x02\x01\x02\x42\x00"), /* unbind */
};

enum { XMPP_FEATURES, XMPP_PROCEED };

static void xmpp_begin(struct audit_dialogue *d)
{
	bool is_server = d->kind == AUDIT_XMPP_SERVER;
	audit_dialogue_say(d,
		"<?xml version='1.0'?><stream:stream xmlns='jabber:%s' "
		"xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>",
		is_server ? "server" : "client", d->host);
}

/* Where text stands in bytes, or SIZE_MAX. No XML: what is looked for begins elements only. */
static size_t find(struct span bytes, const char *text)
{
	const void *at = memmem(bytes.data, bytes.len, text, strlen(text));
	return at == NULL ? SIZE_MAX : (size_t)((const uint8_t *)at - bytes.data);
}

/* The end of the element that begins at at, or SIZE_MAX while it is not there. */
static size_t end_of_tag(struct span bytes, size_t at)
{
	const void *end = memchr(bytes.data + at, '>', bytes.len - at);
	return end == NULL ? SIZE_MAX : (size_t)((const uint8_t *)end - bytes.data) + 1;
}

static size_t xmpp_features(struct audit_dialogue *d, struct span bytes)
{
	size_t starttls = find(bytes, "<starttls");
	size_t features = find(bytes, "</stream:features>");
	if (features == SIZE_MAX && find(bytes, "<stream:features/>") == SIZE_MAX)
		return 0;
	if (starttls == SIZE_MAX) {
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, bytes);
		return bytes.len;
	}
	d->has_starttls = true;
	d->state = XMPP_PROCEED;
	d->is_asked = true;
	audit_dialogue_say(d, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	return bytes.len;
}

/* RFC 6120 4.9: the element is whole, or what came is quoted at the end of the stream. */
static size_t xmpp_error(struct audit_dialogue *d, struct span error)
{
	if (find(error, "</stream:error>") == SIZE_MAX)
		return 0;
	if (find(error, "<resource-constraint") != SIZE_MAX)
		audit_dialogue_defer(d, AUDIT_END_RATE, 0, error);
	else
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, error);
	return error.len;
}

static size_t xmpp_bytes(struct audit_dialogue *d, struct span bytes)
{
	if (bytes.data[0] != '<' && bytes.data[0] > ' ') {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, bytes);
		return bytes.len;
	}
	audit_dialogue_greet(d, bytes);
	size_t at = find(bytes, "<stream:error");
	if (at != SIZE_MAX)
		return xmpp_error(d, span_slice(bytes, at, bytes.len - at));
	if (d->state == XMPP_PROCEED && find(bytes, "<failure") != SIZE_MAX) {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, bytes);
		return bytes.len;
	}
	if (d->state == XMPP_FEATURES)
		return xmpp_features(d, bytes);
	at = find(bytes, "<proceed");
	size_t end = at == SIZE_MAX ? SIZE_MAX : end_of_tag(bytes, at);
	if (end == SIZE_MAX)
		return 0;
	audit_dialogue_go(d);
	return end;
}

const struct audit_dialogue_def audit_dialogue_xmpp = {
	.begin = xmpp_begin, .bytes = xmpp_bytes, .goodbye = AUDIT_BYTES("</stream:stream>")
};

static void postgres_begin(struct audit_dialogue *d)
{
	static const uint8_t request[] = { 0, 0, 0, 8, 4, 210, 22, 47 }; /* 80877103 */
	audit_dialogue_send(d, SPAN_OF(request));
}

/* Up to a zero byte, which is taken too. */
static struct span take_string(struct reader *r)
{
	size_t len = 0;
	while (len < r->left && r->at[len] != 0)
		len++;
	struct span s = reader_take(r, len);
	reader_u8(r);
	return s;
}

/* An ErrorResponse: fields of a letter and a string. M is for people, C the SQLSTATE. */
static size_t postgres_error(struct audit_dialogue *d, struct span bytes)
{
	static const char too_many[] = "53300";
	struct span text = { 0 }, state = { 0 };
	struct reader r = reader_init(bytes);
	reader_u8(&r);
	uint32_t len = reader_u32(&r);
	if (r.is_short)
		return 0;
	if (len < 4 || len > AUDIT_LINE_MAX / 2) {
		/* Protocol 2: the text follows at once. */
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, span_slice(bytes, 1, bytes.len));
		return bytes.len;
	}
	struct reader fields = reader_init(reader_take(&r, len - 4));
	if (r.is_short)
		return 0;
	while (fields.left > 1) {
		uint8_t field = reader_u8(&fields);
		struct span s = take_string(&fields);
		if (field == 'M')
			text = s;
		else if (field == 'C')
			state = s;
	}
	if (audit_is(state, too_many))
		audit_dialogue_defer(d, AUDIT_END_RATE, 0, text);
	else
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, text);
	return bytes.len;
}

static size_t postgres_bytes(struct audit_dialogue *d, struct span bytes)
{
	audit_dialogue_greet(d, span_of("", 0));
	if (bytes.data[0] == 'E')
		return postgres_error(d, bytes);
	if (bytes.data[0] == 'S')
		audit_dialogue_go(d);
	else if (bytes.data[0] == 'N')
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, span_of(bytes.data, 1));
	else
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, bytes);
	return 1;
}

const struct audit_dialogue_def audit_dialogue_postgres = { .begin = postgres_begin,
	.bytes = postgres_bytes };

#define MYSQL_HEADER_LEN 4
#define MYSQL_PROTOCOL 10
#define MYSQL_ERROR 0xff
#define MYSQL_SSL 0x0800
#define MYSQL_TOO_MANY 1040
#define MYSQL_HOST_BLOCKED 1129

/* The last word in plain text: capabilities PROTOCOL_41, SSL and SECURE_CONNECTION; 16 MiB; UTF-8; 23 zeros. */
static void mysql_ask(struct audit_dialogue *d)
{
	uint8_t to[MYSQL_HEADER_LEN + 32] = { 32, 0, 0, 1, 0x00, 0x8a, 0, 0, 0, 0, 0, 1, 33 };
	audit_dialogue_send(d, SPAN_OF(to));
	d->is_last = true;
}

static void mysql_greeting(struct audit_dialogue *d, struct reader *r)
{
	audit_dialogue_greet(d, take_string(r));
	reader_take(r, 4 + 8 + 1); /* connection, first of the challenge, filler */
	uint16_t low = reader_u8(r);
	low |= (uint16_t)(reader_u8(r) << 8); /* little-endian */
	if (r->is_short)
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, span_of("the greeting is cut off", 23));
	else if ((low & MYSQL_SSL) == 0)
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, span_of("no SSL capability", 17));
	else
		mysql_ask(d);
}

/* A number, then perhaps '#' and five letters of state, then words. */
static void mysql_error(struct audit_dialogue *d, struct reader *r)
{
	int code = reader_u8(r);
	code |= reader_u8(r) << 8;
	struct span words = reader_rest(r);
	if (words.len > 6 && words.data[0] == '#')
		words = span_slice(words, 6, words.len);
	audit_dialogue_greet(d, words);
	if (code == MYSQL_TOO_MANY || code == MYSQL_HOST_BLOCKED)
		audit_dialogue_defer(d, AUDIT_END_RATE, code, words);
	else
		audit_dialogue_end(d, AUDIT_END_REFUSED, code, words);
}

static size_t mysql_bytes(struct audit_dialogue *d, struct span bytes)
{
	if (bytes.len < MYSQL_HEADER_LEN + 1)
		return 0;
	size_t len =
		(size_t)bytes.data[0] | (size_t)bytes.data[1] << 8 | (size_t)bytes.data[2] << 16;
	struct reader r = reader_init(span_slice(bytes, MYSQL_HEADER_LEN, bytes.len));
	uint8_t protocol = r.at[0];
	if (protocol != MYSQL_PROTOCOL && protocol != MYSQL_ERROR) {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, bytes);
		return bytes.len;
	}
	if (r.left < len)
		return 0;
	r = reader_init(span_slice(bytes, MYSQL_HEADER_LEN, len));
	reader_u8(&r);
	if (protocol == MYSQL_PROTOCOL)
		mysql_greeting(d, &r);
	else
		mysql_error(d, &r);
	return MYSQL_HEADER_LEN + len;
}

const struct audit_dialogue_def audit_dialogue_mysql = { .bytes = mysql_bytes };
