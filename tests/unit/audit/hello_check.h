#ifndef POSTERN_TEST_HELLO_CHECK_H
#define POSTERN_TEST_HELLO_CHECK_H

/*
 * A strict reader of ClientHellos that shares nothing with their writer: every length must be right to the
 * byte, no extension may come twice, and what was asked for must be there, and nothing else.
 */

#include <string.h>

#include "audit/hello.h"

#define CHECK_EXTENSIONS_MAX 32

struct hello_seen {
	size_t count;
	unsigned types[CHECK_EXTENSIONS_MAX];
	const uint8_t *values[CHECK_EXTENSIONS_MAX];
	size_t lens[CHECK_EXTENSIONS_MAX];
};

static unsigned be(const uint8_t *p, unsigned n)
{
	unsigned v = 0;
	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static const uint8_t *find(const struct hello_seen *s, unsigned type, size_t *ret_len)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->types[i] == type) {
			*ret_len = s->lens[i];
			return s->values[i];
		}
	}
	return NULL;
}

static const char *split_extensions(const uint8_t *p, size_t len, struct hello_seen *ret)
{
	size_t known;
	while (len > 0) {
		if (len < 4 || be(p + 2, 2) > len - 4)
			return "an extension is cut off";
		if (find(ret, be(p, 2), &known) != NULL)
			return "an extension comes twice";
		if (ret->count == CHECK_EXTENSIONS_MAX)
			return "too many extensions";
		ret->types[ret->count] = be(p, 2);
		ret->values[ret->count] = p + 4;
		ret->lens[ret->count++] = be(p + 2, 2);
		len -= 4 + be(p + 2, 2);
		p += 4 + be(p + 2, 2);
	}
	return NULL;
}

/* An extension that is there or not, with these bytes. */
static const char *check_bytes(
	const struct hello_seen *s, unsigned type, bool is_wanted, const void *bytes, size_t len)
{
	size_t got_len = 0;
	const uint8_t *got = find(s, type, &got_len);
	if (!is_wanted)
		return got == NULL ? NULL : "an extension that nobody wanted";
	if (got == NULL)
		return "a wanted extension is missing";
	return got_len == len && (len == 0 || memcmp(got, bytes, len) == 0)
		? NULL
		: "an extension's value";
}

static const char *check_list(const struct hello_seen *s, unsigned type, const uint16_t *list,
	size_t count, unsigned first)
{
	size_t len = 0, extra = first != 0 ? 1 : 0;
	const uint8_t *got = find(s, type, &len);
	if (count == 0)
		return got == NULL ? NULL : "a list that nobody wanted";
	if (got == NULL || len != 2 + 2 * (count + extra) || be(got, 2) != len - 2)
		return "the length of a list";
	if (extra != 0 && be(got + 2, 2) != first)
		return "the first of a list";
	for (size_t i = 0; i < count; i++)
		if (be(got + 2 + 2 * (i + extra), 2) != list[i])
			return "an entry of a list";
	return NULL;
}

static const char *check_words(const struct audit_hello *h, const struct hello_seen *s)
{
	uint8_t bytes[5 + AUDIT_HOST_MAX];
	size_t n = h->server_name != NULL ? strlen(h->server_name) : 0;
	bytes[0] = bytes[3] = 0;
	bytes[1] = (uint8_t)(n + 3);
	bytes[0] = (uint8_t)(n + 3 > 255);
	bytes[2] = 0;
	bytes[4] = (uint8_t)n;
	if (n > 0)
		memcpy(bytes + 5, h->server_name, n);
	const char *why = check_bytes(s, 0, n > 0, bytes, 5 + n);
	if (why != NULL)
		return why;
	n = h->alpn != NULL ? strlen(h->alpn) : 0;
	if (n > AUDIT_HOST_MAX)
		return NULL;
	bytes[0] = 0;
	bytes[1] = (uint8_t)(n + 1);
	bytes[2] = (uint8_t)n;
	if (n > 0)
		memcpy(bytes + 3, h->alpn, n);
	return check_bytes(s, 16, n > 0, bytes, 3 + n);
}

/* What TLS 1.3 needs and older versions must not have. */
static const char *check_modern(const struct audit_hello *h, const struct hello_seen *s)
{
	uint8_t versions[16] = { 0 }, shares[38] = { 0, 36, 0, 29, 0, 32 };
	bool is_modern = h->max == AUDIT_TLS13, has_share = h->share_group == 29;
	size_t n = 1;
	if (h->grease) {
		versions[n++] = 0x4a;
		versions[n++] = 0x4a;
	}
	for (int v = AUDIT_TLS13; v >= (int)h->min && v >= AUDIT_SSL3; v--) {
		versions[n++] = 3;
		versions[n++] = (uint8_t)(v - AUDIT_SSL3);
	}
	versions[0] = (uint8_t)(n - 1);
	memcpy(shares + 6, h->share, 32);
	if (!has_share)
		shares[1] = 0;
	const char *why = check_bytes(s, 43, is_modern, versions, n);
	if (why == NULL)
		why = check_bytes(s, 51, is_modern, shares, has_share ? 38 : 2);
	if (why == NULL)
		why = check_bytes(s, 45, is_modern, "\1\1", 2);
	return why;
}

static const char *check_extensions(const struct audit_hello *h, const struct hello_seen *s)
{
	bool only_modern = h->max == AUDIT_TLS13 && h->min == AUDIT_TLS13;
	const struct {
		unsigned type;
		bool is_wanted;
		const char *bytes;
		size_t len;
	} small[] = {
		{ 5, h->status_request, "\1\0\0\0", 5 },
		{ 11, h->group_count > 0 && !only_modern, "\3\0\1\2", 4 },
		{ 15, h->heartbeat, "\1", 1 },
		{ 22, h->etm, "", 0 },
		{ 23, h->ems, "", 0 },
		{ 35, h->ticket, "", 0 },
		{ 0x3a3a, h->grease, "", 0 },
		{ 0xff01, false, "", 0 },
	};
	const char *why = check_list(s, 10, h->groups, h->group_count, h->grease ? 0x2a2a : 0);
	if (why == NULL)
		why = check_list(s, 13, h->signatures, h->signature_count, 0);
	for (size_t i = 0; why == NULL && i < sizeof(small) / sizeof(small[0]); i++)
		why = check_bytes(
			s, small[i].type, small[i].is_wanted, small[i].bytes, small[i].len);
	if (why == NULL)
		why = check_words(h, s);
	return why == NULL ? check_modern(h, s) : why;
}

static const char *check_padding(
	const struct audit_hello *h, const struct hello_seen *s, size_t len)
{
	size_t padding = 0;
	const uint8_t *zeros = find(s, 21, &padding);
	size_t bare = len - (zeros != NULL ? 4 + padding : 0);
	if (zeros == NULL)
		return len >= h->pad_to ? NULL : "it is too short";
	if (padding == 0 || s->types[s->count - 1] != 21)
		return "padding is empty or not the last";
	for (size_t i = 0; i < padding; i++)
		if (zeros[i] != 0)
			return "padding is not zero";
	if (bare >= h->pad_to || len < h->pad_to)
		return "padding for nothing";
	return len == h->pad_to || padding == 1 ? NULL : "too much padding";
}

static const char *check_suites(const struct audit_hello *h, const uint8_t *p, size_t len)
{
	size_t at = 0;
	if (len != 2 * (h->suite_count + h->grease + h->renegotiation_scsv + h->fallback_scsv))
		return "the length of the list of suites";
	if (h->grease && be(p + 2 * at++, 2) != 0x1a1a)
		return "the suite that is none";
	for (size_t i = 0; i < h->suite_count; i++)
		if (be(p + 2 * at++, 2) != h->suites[i])
			return "a suite";
	if (h->renegotiation_scsv && be(p + 2 * at++, 2) != 0x00ff)
		return "the signal of renegotiation";
	if (h->fallback_scsv && be(p + 2 * at, 2) != 0x5600)
		return "the signal of a fallback";
	return NULL;
}

/* Behind the suites: compression, then extensions to the end. */
static const char *check_tail(
	const struct audit_hello *h, const uint8_t *p, size_t left, size_t message_len)
{
	struct hello_seen seen = { 0 };
	bool has_deflate = h->deflate && h->max != AUDIT_TLS13;
	size_t methods = has_deflate ? 2 : 1;
	if (left < 1 + methods || p[0] != methods || (has_deflate && p[1] != 1) || p[methods] != 0)
		return "compression";
	p += 1 + methods;
	left -= 1 + methods;
	if (h->is_bare)
		return left == 0 ? NULL : "a bare hello with more";
	if (left > 0) {
		if (left < 6 || be(p, 2) != left - 2)
			return "the length of the extensions";
		const char *why = split_extensions(p + 2, left - 2, &seen);
		if (why != NULL)
			return why;
	}
	const char *why = check_extensions(h, &seen);
	return why != NULL ? why : check_padding(h, &seen, message_len);
}

static const char *check_ssl2(const struct audit_hello *h, const uint8_t *p, size_t len)
{
	if (len != 11 + 3 * h->suite_count + 32 || be(p, 2) != (0x8000 | (len - 2)))
		return "the length";
	if (p[2] != 1 || be(p + 3, 2) != 2 || be(p + 5, 2) != 3 * h->suite_count ||
		be(p + 7, 2) != 0 || be(p + 9, 2) != 32)
		return "the head";
	for (size_t i = 0; i < h->suite_count; i++)
		if (be(p + 11 + 3 * i, 3) != h->suites[i])
			return "a kind";
	return memcmp(p + len - 32, h->random, 32) == 0 ? NULL : "the challenge";
}

/* NULL: p[0..len) is the record of h. */
static const char *hello_check(const struct audit_hello *h, const uint8_t *p, size_t len)
{
	static const unsigned versions[] = { 2, 0x0300, 0x0301, 0x0302, 0x0303, 0x0303 };
	size_t suites_len, at = 44 + h->session_id_len;
	if (h->max == AUDIT_SSL2)
		return check_ssl2(h, p, len);
	if (len < at + 2 || len > AUDIT_HELLO_MAX)
		return "the length";
	if (p[0] != 22 || be(p + 1, 2) != (h->max == AUDIT_SSL3 ? 0x0300u : 0x0301u) ||
		be(p + 3, 2) != len - 5)
		return "the record";
	if (p[5] != 1 || be(p + 6, 3) != len - 9 || be(p + 9, 2) != versions[h->max])
		return "the message";
	if (memcmp(p + 11, h->random, 32) != 0 || p[43] != h->session_id_len ||
		memcmp(p + 44, h->session_id, h->session_id_len) != 0)
		return "random or session";
	suites_len = be(p + at, 2);
	if (suites_len > len - at - 2)
		return "the suites are cut off";
	const char *why = check_suites(h, p + at + 2, suites_len);
	if (why != NULL)
		return why;
	at += 2 + suites_len;
	return check_tail(h, p + at, len - at, len - 5);
}

#endif
