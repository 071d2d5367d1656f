/*
 * The plaintext of a fwknop packet: fields of text between colons, most of them base64 of another text.
 * It was authenticated, so its author holds the keys; it is read as strictly all the same. Invariant:
 * every field has one spelling, and which fields there are follows from the type.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "knock/fwknop_internal.h"
#include "knock/internal.h"

#define FIELDS_MIN 6 /* random, user, time, version, type, message */
#define FIELDS_MAX 9 /* and nat, server authentication, timeout */
#define USER_CHARS_MAX 64
#define TIME_CHARS_MAX 12
#define VERSION_CHARS_MAX 8
#define ACCESS_CHARS_MAX 255
#define NAT_CHARS_MAX 256
#define AUTH_CHARS_MAX 256
#define V4_CHARS_MAX 15

bool fwknop_unbase64(struct span text, uint8_t *to, size_t cap, size_t *ret_len)
{
	return sodium_base642bin(to, cap, (const char *)text.data, text.len, NULL, ret_len, NULL,
		       sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0;
}

bool fwknop_number(struct span text, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;

	if (text.len == 0 || text.len > TIME_CHARS_MAX || (text.len > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Cut what stands before the first c off *rest, c too; with no c all of it, and *rest has data NULL. */
static struct span cut(struct span *rest, uint8_t c)
{
	struct span s = *rest;
	size_t i = 0;

	while (i < s.len && s.data[i] != c)
		i++;
	*rest = i < s.len ? span_of(s.data + i + 1, s.len - i - 1) : span_of(NULL, 0);
	return span_slice(s, 0, i);
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 0x20 || s.data[i] > 0x7e)
			return false;
	return true;
}

static bool has_any(struct span s, const char *of)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr(of, s.data[i]) != NULL)
			return true;
	return false;
}

static bool is_random(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return s.len == FWKNOP_RANDOM_LEN;
}

static bool read_user(struct span field, char to[FWKNOP_USER_MAX + 1])
{
	uint8_t raw[FWKNOP_USER_MAX];
	size_t len;

	if (field.len == 0 || field.len > USER_CHARS_MAX ||
		!fwknop_unbase64(field, raw, sizeof(raw), &len) || len == 0)
		return false;
	struct span user = span_of(raw, len);
	if (!is_printable(user) || has_any(user, "\"/\\[]:;|=,+*?<>"))
		return false;
	memcpy(to, raw, len);
	to[len] = '\0';
	return true;
}

/* A dotted quad; 0.0.0.0 leaves the zero address, which stands for the sender's. */
static bool read_v4(struct span s, struct addr *ret)
{
	char text[V4_CHARS_MAX + 1];
	struct addr a;

	if (s.len == 0 || s.len > V4_CHARS_MAX)
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	if (strspn(text, "0123456789.") != s.len || !addr_parse(text, &a) || !addr_is_v4(&a))
		return false;
	*ret = span_is_zero(span_of(a.b + 12, 4)) ? (struct addr){ 0 } : a;
	return true;
}

static bool read_port(struct span s, uint16_t *ret)
{
	uint32_t v;
	if (!fwknop_number(s, UINT16_MAX, &v) || v == 0)
		return false;
	*ret = (uint16_t)v;
	return true;
}

/* One "proto/port". */
static bool read_one_access(struct span s, struct fwknop_access *ret)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} protos[] = {
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "icmp", IPPROTO_ICMP },
		{ "none", 0 },
	};
	struct span proto = cut(&s, '/');

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (!span_equal(proto, span_of(protos[i].name, strlen(protos[i].name))))
			continue;
		ret->proto = protos[i].proto;
		return read_port(s, &ret->port);
	}
	return false;
}

/* "address,proto/port,..." */
static bool read_access(struct span field, struct fwknop_message *m)
{
	uint8_t raw[ACCESS_CHARS_MAX];
	size_t len;

	if (!fwknop_unbase64(field, raw, sizeof(raw), &len))
		return false;
	struct span rest = span_of(raw, len);
	if (!read_v4(cut(&rest, ','), &m->address) || rest.data == NULL)
		return false;
	while (rest.data != NULL) {
		if (m->access_count == FWKNOP_ACCESS_MAX ||
			!read_one_access(cut(&rest, ','), &m->accesses[m->access_count++]))
			return false;
	}
	return true;
}

/* "host,port" */
static bool read_nat(struct span field, struct fwknop_message *m)
{
	uint8_t raw[NAT_CHARS_MAX];
	size_t len;

	if (!fwknop_unbase64(field, raw, sizeof(raw), &len))
		return false;
	struct span rest = span_of(raw, len);
	struct span host = cut(&rest, ',');
	if (host.len == 0 || host.len > FWKNOP_HOST_MAX || !is_printable(host) ||
		has_any(host, " /?\"'\\"))
		return false;
	memcpy(m->nat_host, host.data, host.len);
	m->nat_host[host.len] = '\0';
	return read_port(rest, &m->nat_port);
}

static bool is_auth(struct span field)
{
	uint8_t raw[AUTH_CHARS_MAX];
	size_t len;
	return field.len > 0 && fwknop_unbase64(field, raw, sizeof(raw), &len);
}

static bool has_nat(uint32_t type)
{
	return type == FWKNOP_TYPE_NAT || type == FWKNOP_TYPE_NAT_TIMEOUT ||
		type == FWKNOP_TYPE_LOCAL_NAT || type == FWKNOP_TYPE_LOCAL_NAT_TIMEOUT;
}

static bool has_timeout(uint32_t type)
{
	return type == FWKNOP_TYPE_ACCESS_TIMEOUT || type == FWKNOP_TYPE_NAT_TIMEOUT ||
		type == FWKNOP_TYPE_LOCAL_NAT_TIMEOUT;
}

/* What stands behind the type; which fields these are, it says. */
static enum fwknop_reject read_tail(
	const struct span *fields, size_t count, struct fwknop_message *m)
{
	size_t at = 0;
	size_t want = (size_t)1 + has_nat(m->type) + has_timeout(m->type);

	/* One more is the server authentication: nobody's client sends it, and the MAC says more. */
	if (count != want && count != want + 1)
		return FWKNOP_FIELDS;
	if (m->type == FWKNOP_TYPE_COMMAND)
		return FWKNOP_COMMAND;
	if (!read_access(fields[at++], m))
		return FWKNOP_ACCESS;
	if (has_nat(m->type) && !read_nat(fields[at++], m))
		return FWKNOP_NAT;
	if (count == want + 1 && !is_auth(fields[at++]))
		return FWKNOP_AUTH;
	if (has_timeout(m->type) && !fwknop_number(fields[at], FWKNOP_TIMEOUT_MAX, &m->timeout_s))
		return FWKNOP_TIMEOUT;
	return FWKNOP_OK;
}

enum fwknop_reject fwknop_fields_decode(struct span text, struct fwknop_message *ret)
{
	struct span fields[FIELDS_MAX];
	struct fwknop_message m = { 0 };
	uint32_t type;
	size_t count = 0;

	while (text.data != NULL && count < FIELDS_MAX)
		fields[count++] = cut(&text, ':');
	if (text.data != NULL || count < FIELDS_MIN)
		return FWKNOP_FIELDS;
	if (!is_random(fields[0]))
		return FWKNOP_RANDOM;
	if (!read_user(fields[1], m.user))
		return FWKNOP_USER;
	if (!fwknop_number(fields[2], UINT32_MAX, &m.time_s))
		return FWKNOP_TIME;
	if (fields[3].len == 0 || fields[3].len > VERSION_CHARS_MAX || !is_printable(fields[3]))
		return FWKNOP_VERSION;
	if (!fwknop_number(fields[4], FWKNOP_TYPE_LOCAL_NAT_TIMEOUT, &type))
		return FWKNOP_TYPE;
	m.type = (enum fwknop_type)type;

	enum fwknop_reject reason = read_tail(fields + 5, count - 5, &m);
	if (reason == FWKNOP_OK)
		*ret = m;
	return reason;
}
