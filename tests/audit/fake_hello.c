/* ClientHellos, as a server reads them: records and SSLv2 headers, RFC 5246 and RFC 8446. */

#include <string.h>

#include "base/span.h"
#include "fake.h"

#define SCSV_RENEGOTIATION 0x00ff
#define SCSV_FALLBACK 0x5600

static bool is_grease(unsigned v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void offer(struct fake_hello *h, unsigned code)
{
	if (code > h->newest && !is_grease(code) && code <= 0x0304)
		h->newest = code;
	for (unsigned v = 0; v < FAKE_VERSIONS; v++)
		if (fake_version_code[v] == code)
			h->is_offered[v] = true;
}

static size_t take_u16s(struct span s, uint16_t *to, size_t cap)
{
	struct reader r = reader_init(s);
	size_t n = 0;
	while (r.left >= 2 && n < cap)
		to[n++] = reader_u16(&r);
	return n;
}

static void take_shares(struct fake_hello *h, struct reader r)
{
	struct reader list = reader_init(reader_take(&r, reader_u16(&r)));
	h->has_shares = true;
	while (list.left >= 4 && h->share_count < 16) {
		h->shares[h->share_count++] = reader_u16(&list);
		reader_take(&list, reader_u16(&list));
	}
}

static void take_versions(struct fake_hello *h, struct reader r)
{
	struct reader list = reader_init(reader_take(&r, reader_u8(&r)));
	h->has_versions = true;
	memset(h->is_offered, 0, sizeof(h->is_offered));
	while (list.left >= 2)
		offer(h, reader_u16(&list));
}

static void take_extension(struct fake_hello *h, unsigned type, struct span body)
{
	struct reader r = reader_init(body);
	switch (type) {
	case 0:
		h->has_name = body.len > 0;
		break;
	case 5:
		h->has_status = true;
		break;
	case 10:
		h->has_groups = true;
		h->group_count =
			take_u16s(reader_take(&r, reader_u16(&r)), h->groups, FAKE_LIST_MAX);
		break;
	case 11:
		break;
	case 13:
		h->has_signatures = true;
		h->signature_count =
			take_u16s(reader_take(&r, reader_u16(&r)), h->signatures, FAKE_LIST_MAX);
		break;
	case 15:
		h->has_heartbeat = true;
		break;
	case 16:
		h->has_alpn = true;
		break;
	case 21:
		break;
	case 22:
		h->has_etm = true;
		break;
	case 23:
		h->has_ems = true;
		break;
	case 35:
		h->has_ticket = true;
		break;
	case 43:
		take_versions(h, r);
		break;
	case 51:
		take_shares(h, r);
		break;
	case 0xff01:
		h->has_renegotiation = true;
		break;
	default:
		h->has_unknown = h->has_unknown || is_grease(type);
	}
}

static bool read_body(struct fake_hello *h, struct span body)
{
	struct reader r = reader_init(body);
	h->legacy = reader_u16(&r);
	reader_take(&r, 32);
	h->session_id_len = reader_u8(&r);
	if (h->session_id_len > 32)
		return false;
	reader_copy(&r, h->session_id, h->session_id_len);
	struct reader suites = reader_init(reader_take(&r, reader_u16(&r)));
	struct reader methods = reader_init(reader_take(&r, reader_u8(&r)));
	if (r.is_short || suites.left == 0 || suites.left % 2 != 0)
		return false;
	while (suites.left > 0 && h->suite_count < 2 * FAKE_LIST_MAX) {
		uint32_t s = reader_u16(&suites);
		if (s == SCSV_RENEGOTIATION)
			h->has_renegotiation = true;
		else if (s == SCSV_FALLBACK)
			h->has_scsv = true;
		else
			h->suites[h->suite_count++] = s;
	}
	while (methods.left > 0)
		h->has_deflate = reader_u8(&methods) == 1 || h->has_deflate;
	for (unsigned code = 0x0300; code <= h->legacy && code <= 0x0303; code++)
		offer(h, code);
	if (r.left == 0)
		return true;
	h->has_extensions = true;
	struct reader all = reader_init(reader_take(&r, reader_u16(&r)));
	while (all.left > 0) {
		unsigned type = reader_u16(&all);
		struct span ext = reader_take(&all, reader_u16(&all));
		if (all.is_short)
			return false;
		take_extension(h, type, ext);
	}
	return !r.is_short && r.left == 0;
}

/* SSLv2 CLIENT-HELLO: two bytes of header, the kinds are three bytes each. */
static int read_ssl2(const uint8_t *in, size_t len, struct fake_hello *h, size_t *used)
{
	size_t body_len = (size_t)(in[0] & 0x7f) << 8 | in[1];
	if (len < body_len + 2)
		return 0;
	struct reader r = reader_init(span_of(in + 2, body_len));
	*used = body_len + 2;
	h->is_ssl2 = true;
	h->len = body_len;
	if (reader_u8(&r) != 1)
		return -1;
	h->legacy = reader_u16(&r);
	struct span kinds = { 0 };
	size_t kinds_len = reader_u16(&r), id_len = reader_u16(&r), challenge_len = reader_u16(&r);
	kinds = reader_take(&r, kinds_len);
	reader_take(&r, id_len);
	reader_take(&r, challenge_len);
	if (!reader_done(&r) || kinds_len % 3 != 0 || challenge_len < 16 || challenge_len > 32)
		return -1;
	struct reader k = reader_init(kinds);
	while (k.left > 0 && h->suite_count < 2 * FAKE_LIST_MAX) {
		uint32_t high = reader_u8(&k);
		h->suites[h->suite_count++] = high << 16 | reader_u16(&k);
	}
	h->is_offered[FAKE_SSL2] = true;
	for (unsigned code = 0x0300; code <= h->legacy && code <= 0x0303; code++)
		offer(h, code);
	return 1;
}

int fake_hello_read(const uint8_t *in, size_t len, struct fake_hello *ret, size_t *used)
{
	static uint8_t message[FAKE_IN_MAX];
	size_t at = 0, message_len = 0;
	memset(ret, 0, sizeof(*ret));
	if (len < 3)
		return 0;
	if ((in[0] & 0x80) != 0 && in[2] == 1)
		return read_ssl2(in, len, ret, used);
	if (in[0] != 22 || in[1] != 3)
		return -1;
	for (;;) {
		if (len - at < 5)
			return 0;
		size_t record = (size_t)in[at + 3] << 8 | in[at + 4];
		if (in[at] != 22 || record == 0 || record > 16384 ||
			message_len + record > sizeof(message))
			return -1;
		if (len - at - 5 < record)
			return 0;
		memcpy(message + message_len, in + at + 5, record);
		message_len += record;
		at += 5 + record;
		if (message_len < 4)
			continue;
		size_t want = (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
		if (message[0] != 1)
			return -1;
		if (message_len - 4 < want)
			continue;
		*used = at;
		ret->len = want + 4;
		return read_body(ret, span_of(message + 4, want)) ? 1 : -1;
	}
}
