/*
 * ClientHellos. Invariant: what is written is whole or nothing; every length is that of what follows it.
 */

#include "audit/hello.h"

#include <string.h>

#include "base/span.h"

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_STATUS_REQUEST = 5,
	EXT_GROUPS = 10,
	EXT_POINT_FORMATS = 11,
	EXT_SIGNATURES = 13,
	EXT_HEARTBEAT = 15,
	EXT_ALPN = 16,
	EXT_PADDING = 21,
	EXT_ETM = 22,
	EXT_EMS = 23,
	EXT_TICKET = 35,
	EXT_VERSIONS = 43,
	EXT_PSK_MODES = 45,
	EXT_KEY_SHARE = 51,
	EXT_RENEGOTIATION = 0xff01,
};

#define SCSV_RENEGOTIATION 0x00ff /* RFC 5746 3.3 */
#define SCSV_FALLBACK 0x5600      /* RFC 7507 */
#define GREASE_SUITE 0x1a1a       /* RFC 8701 */
#define GREASE_GROUP 0x2a2a
#define GREASE_EXTENSION 0x3a3a
#define GREASE_VERSION 0x4a4a
#define X25519 29
#define RECORD_HANDSHAKE 22
#define MESSAGE_CLIENT_HELLO 1
#define SSL2_CHALLENGE_LEN 32
#define ALPN_MAX 255
#define EXT_HEADER_LEN 4

/* A length that is not known yet: where it stands and how wide it is. */
struct mark {
	size_t at;
	unsigned width;
};

static struct mark begin(struct writer *w, unsigned width)
{
	struct mark m = { w->len, width };
	writer_zero(w, width);
	return m;
}

static void end(struct writer *w, struct mark m)
{
	if (w->is_full)
		return;
	size_t len = w->len - m.at - m.width;
	for (unsigned i = 0; i < m.width; i++)
		w->start[m.at + i] = (uint8_t)(len >> 8 * (m.width - 1 - i));
}

static struct mark begin_extension(struct writer *w, enum extension type)
{
	writer_u16(w, (uint16_t)type);
	return begin(w, 2);
}

static void put_empty(struct writer *w, uint16_t type)
{
	writer_u16(w, type);
	writer_u16(w, 0);
}

static void put_suites(struct writer *w, const struct audit_hello *h)
{
	struct mark m = begin(w, 2);
	if (h->grease)
		writer_u16(w, GREASE_SUITE);
	for (size_t i = 0; i < h->suite_count; i++)
		writer_u16(w, (uint16_t)h->suites[i]);
	if (h->renegotiation_scsv)
		writer_u16(w, SCSV_RENEGOTIATION);
	if (h->fallback_scsv)
		writer_u16(w, SCSV_FALLBACK);
	end(w, m);
}

static void put_name(struct writer *w, const char *name)
{
	struct mark whole = begin_extension(w, EXT_SERVER_NAME);
	struct mark list = begin(w, 2);
	writer_u8(w, 0); /* host_name, RFC 6066 3 */
	struct mark one = begin(w, 2);
	writer_put(w, name, strlen(name));
	end(w, one);
	end(w, list);
	end(w, whole);
}

static void put_numbers(
	struct writer *w, enum extension type, const uint16_t *list, size_t count, uint16_t extra)
{
	struct mark whole = begin_extension(w, type);
	struct mark inner = begin(w, 2);
	if (extra != 0)
		writer_u16(w, extra);
	for (size_t i = 0; i < count; i++)
		writer_u16(w, list[i]);
	end(w, inner);
	end(w, whole);
}

static void put_groups(struct writer *w, const struct audit_hello *h)
{
	if (h->group_count == 0)
		return;
	put_numbers(w, EXT_GROUPS, h->groups, h->group_count, h->grease ? GREASE_GROUP : 0);
	if (h->max == AUDIT_TLS13 && h->min == AUDIT_TLS13)
		return;
	struct mark m = begin_extension(w, EXT_POINT_FORMATS);
	static const uint8_t formats[] = { 3, 0, 1, 2 }; /* all that RFC 4492 has */
	writer_put(w, formats, sizeof(formats));
	end(w, m);
}

static void put_alpn(struct writer *w, const char *protocol)
{
	struct mark whole = begin_extension(w, EXT_ALPN);
	struct mark list = begin(w, 2);
	struct mark one = begin(w, 1);
	writer_put(w, protocol, strlen(protocol));
	end(w, one);
	end(w, list);
	end(w, whole);
}

static void put_versions(struct writer *w, const struct audit_hello *h)
{
	struct mark whole = begin_extension(w, EXT_VERSIONS);
	struct mark list = begin(w, 1);
	if (h->grease)
		writer_u16(w, GREASE_VERSION);
	for (unsigned v = AUDIT_TLS13; v >= h->min && v >= AUDIT_SSL3; v--)
		writer_u16(w, audit_version_code((enum audit_version)v));
	end(w, list);
	end(w, whole);
}

static void put_shares(struct writer *w, const struct audit_hello *h)
{
	struct mark whole = begin_extension(w, EXT_KEY_SHARE);
	struct mark list = begin(w, 2);
	if (h->share_group == X25519) {
		writer_u16(w, X25519);
		writer_u16(w, sizeof(h->share));
		writer_put(w, h->share, sizeof(h->share));
	}
	end(w, list);
	end(w, whole);
	struct mark modes = begin_extension(w, EXT_PSK_MODES);
	writer_u8(w, 1);
	writer_u8(w, 1); /* psk_dhe_ke */
	end(w, modes);
}

/* At least up to the length wanted; never empty, for some servers do not take an empty last extension. */
static void put_padding(struct writer *w, size_t message_at, size_t pad_to)
{
	size_t len = w->len - message_at;
	if (w->is_full || len >= pad_to)
		return;
	size_t zeros = pad_to - len;
	struct mark m = begin_extension(w, EXT_PADDING);
	writer_zero(w, zeros > EXT_HEADER_LEN ? zeros - EXT_HEADER_LEN : 1);
	end(w, m);
}

static void put_small(struct writer *w, const struct audit_hello *h)
{
	static const uint8_t status[] = { 1, 0, 0, 0, 0 }; /* ocsp, RFC 6066 8 */
	if (h->status_request) {
		struct mark m = begin_extension(w, EXT_STATUS_REQUEST);
		writer_put(w, status, sizeof(status));
		end(w, m);
	}
	if (h->heartbeat) {
		struct mark m = begin_extension(w, EXT_HEARTBEAT);
		writer_u8(w, 1); /* peer_allowed_to_send, RFC 6520 2 */
		end(w, m);
	}
	if (h->etm)
		put_empty(w, EXT_ETM);
	if (h->ems)
		put_empty(w, EXT_EMS);
	if (h->ticket)
		put_empty(w, EXT_TICKET);
}

static void put_extensions(struct writer *w, const struct audit_hello *h, size_t message_at)
{
	struct mark all = begin(w, 2);
	if (h->grease)
		put_empty(w, GREASE_EXTENSION);
	if (h->server_name != NULL)
		put_name(w, h->server_name);
	put_groups(w, h);
	if (h->signature_count > 0)
		put_numbers(w, EXT_SIGNATURES, h->signatures, h->signature_count, 0);
	put_small(w, h);
	if (h->alpn != NULL)
		put_alpn(w, h->alpn);
	if (h->max == AUDIT_TLS13) {
		put_versions(w, h);
		put_shares(w, h);
	}
	put_padding(w, message_at, h->pad_to);
	end(w, all);
	/* Some servers choke on an empty list: none is better. */
	if (!w->is_full && w->len == all.at + 2)
		w->len = all.at;
}

/* SSL 2.0, "CLIENT-HELLO": kinds of three bytes, no session, a challenge. */
static void put_ssl2(struct writer *w, const struct audit_hello *h)
{
	struct mark m = begin(w, 2);
	writer_u8(w, 1);
	writer_u16(w, audit_version_code(AUDIT_SSL2));
	writer_u16(w, (uint16_t)(3 * h->suite_count));
	writer_u16(w, 0);
	writer_u16(w, SSL2_CHALLENGE_LEN);
	for (size_t i = 0; i < h->suite_count; i++) {
		writer_u8(w, (uint8_t)(h->suites[i] >> 16));
		writer_u16(w, (uint16_t)h->suites[i]);
	}
	writer_put(w, h->random, SSL2_CHALLENGE_LEN);
	end(w, m);
	if (!w->is_full)
		w->start[m.at] |= 0x80; /* two-byte header, no padding */
}

static void put_tls(struct writer *w, const struct audit_hello *h)
{
	enum audit_version legacy = h->max == AUDIT_TLS13 ? AUDIT_TLS12 : h->max;
	/* RFC 5246 appendix E.1: the record of a first hello is of the oldest version. */
	enum audit_version record = h->max == AUDIT_SSL3 ? AUDIT_SSL3 : AUDIT_TLS10;
	writer_u8(w, RECORD_HANDSHAKE);
	writer_u16(w, audit_version_code(record));
	struct mark record_len = begin(w, 2);
	size_t message_at = w->len;
	writer_u8(w, MESSAGE_CLIENT_HELLO);
	struct mark message_len = begin(w, 3);
	writer_u16(w, audit_version_code(legacy));
	writer_put(w, h->random, sizeof(h->random));
	writer_u8(w, (uint8_t)h->session_id_len);
	writer_put(w, h->session_id, h->session_id_len);
	put_suites(w, h);
	/* RFC 8446 4.1.2: with TLS 1.3 nothing but the null method. */
	bool has_deflate = h->deflate && h->max != AUDIT_TLS13;
	writer_u8(w, has_deflate ? 2 : 1);
	if (has_deflate)
		writer_u8(w, 1); /* RFC 3749 */
	writer_u8(w, 0);
	if (!h->is_bare)
		put_extensions(w, h, message_at);
	end(w, message_len);
	end(w, record_len);
}

/* Numbers that are too long would become others. */
static bool has_room_for_suites(const struct audit_hello *h)
{
	if (h->suite_count > AUDIT_SUITES_MAX)
		return false;
	for (size_t i = 0; i < h->suite_count; i++)
		if (h->suites[i] > (h->max == AUDIT_SSL2 ? 0xffffff : 0xffff))
			return false;
	return true;
}

static bool fits(const char *text, size_t max)
{
	return text == NULL || (text[0] != '\0' && strlen(text) <= max);
}

size_t audit_hello_write(const struct audit_hello *h, uint8_t *to, size_t cap)
{
	struct writer w = writer_init(to, cap < AUDIT_HELLO_MAX ? cap : AUDIT_HELLO_MAX);

	if (h->session_id_len > sizeof(h->session_id) || !has_room_for_suites(h) ||
		!fits(h->alpn, ALPN_MAX) || !fits(h->server_name, AUDIT_HOST_MAX))
		return 0;
	if (h->max == AUDIT_SSL2)
		put_ssl2(&w, h);
	else
		put_tls(&w, h);
	return w.is_full ? 0 : w.len;
}
