/* Answers of name servers. Invariant: no step goes back to where one has been, and nothing is read twice without a bound. */

#include "audit/dns.h"

#include <string.h>
#include <strings.h>

#include "audit/dialogue.h"

#define HEADER_LEN 12
#define JUMPS_MAX 32
#define CLASS_IN 1
#define FLAG_RESPONSE 0x8000
#define FLAG_CUT 0x0200
#define FLAG_AUTHENTICATED 0x0020
#define LABEL_MAX 63

static char plain(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + ('a' - 'A'));
	/* A dot or a control within a label is no host name. */
	return c > ' ' && c < 0x7f && c != '.' ? (char)c : '?';
}

/* One label to to; *n is how much of it is used. */
static bool put_label(struct span label, char to[AUDIT_HOST_MAX + 1], size_t *n)
{
	if (*n + label.len + 1 > AUDIT_HOST_MAX)
		return false;
	if (*n > 0)
		to[(*n)++] = '.';
	for (size_t i = 0; i < label.len; i++)
		to[(*n)++] = plain(label.data[i]);
	return true;
}

bool audit_dns_name(struct span message, size_t *at, char to[AUDIT_HOST_MAX + 1])
{
	size_t n = 0, here = *at, end = 0;
	for (unsigned jumps = 0; jumps <= JUMPS_MAX;) {
		struct reader r = reader_init(span_slice(message, here, message.len));
		uint8_t len = reader_u8(&r);
		if (len >= 0xc0) {
			size_t target = (size_t)(len & 0x3f) << 8 | reader_u8(&r);
			/* RFC 1035 4.1.4: to a prior place. */
			if (r.is_short || target >= here)
				return false;
			if (end == 0)
				end = here + 2;
			here = target;
			jumps++;
			continue;
		}
		struct span label = reader_take(&r, len);
		if (r.is_short || len > LABEL_MAX)
			return false;
		here += 1 + (size_t)len;
		if (len == 0) {
			to[n] = '\0';
			*at = end != 0 ? end : here;
			return true;
		}
		if (!put_label(label, to, &n))
			return false;
	}
	return false;
}

struct head {
	char owner[AUDIT_HOST_MAX + 1];
	uint16_t type, class;
	size_t data, len;
};

static bool read_head(struct span message, size_t *at, struct head *h)
{
	if (!audit_dns_name(message, at, h->owner))
		return false;
	struct reader r = reader_init(span_slice(message, *at, message.len));
	h->type = reader_u16(&r);
	h->class = reader_u16(&r);
	reader_u32(&r); /* time to live */
	h->len = reader_u16(&r);
	h->data = *at + 10;
	reader_take(&r, h->len);
	*at = h->data + h->len;
	return !r.is_short;
}

/* The alias of d->name, once. False: there is none, or the answer is broken. */
static bool follow(struct audit_dns *d, size_t answers, size_t count)
{
	size_t at = answers;
	struct head h;
	for (size_t i = 0; i < count && read_head(d->message, &at, &h); i++) {
		if (h.type != AUDIT_DNS_CNAME || h.class != CLASS_IN ||
			strcasecmp(h.owner, d->name) != 0)
			continue;
		size_t to = h.data;
		char name[AUDIT_HOST_MAX + 1];
		if (!audit_dns_name(d->message, &to, name) || to != h.data + h.len)
			return false;
		memcpy(d->name, name, strlen(name) + 1);
		return true;
	}
	return false;
}

static bool collect(struct audit_dns *d, size_t answers, size_t count, enum audit_dns_type type)
{
	size_t at = answers;
	struct head h;
	for (size_t i = 0; i < count; i++) {
		if (!read_head(d->message, &at, &h))
			return false;
		if (h.type != type || h.class != CLASS_IN || strcasecmp(h.owner, d->name) != 0)
			continue;
		if (d->count == AUDIT_DNS_RECORDS_MAX) {
			d->is_cut = true;
			break;
		}
		d->records[d->count++] = (struct audit_dns_record){ h.data, h.len };
	}
	return true;
}

bool audit_dns_parse(
	struct span message, const char *host, enum audit_dns_type type, struct audit_dns *ret)
{
	struct reader r = reader_init(message);
	char asked[AUDIT_HOST_MAX + 1];
	*ret = (struct audit_dns){ .message = message };
	reader_u16(&r);
	uint16_t flags = reader_u16(&r);
	uint16_t questions = reader_u16(&r), count = reader_u16(&r);
	size_t at = HEADER_LEN;
	if (message.len < HEADER_LEN || (flags & FLAG_RESPONSE) == 0 || questions != 1 ||
		strlen(host) > AUDIT_HOST_MAX || !audit_dns_name(message, &at, asked))
		return false;
	struct reader q = reader_init(span_slice(message, at, message.len));
	if (reader_u16(&q) != type || reader_u16(&q) != CLASS_IN || q.is_short ||
		strcasecmp(asked, host) != 0)
		return false;
	at += 4;
	ret->rcode = flags & 0xf;
	ret->is_authenticated = (flags & FLAG_AUTHENTICATED) != 0;
	ret->is_cut = (flags & FLAG_CUT) != 0;
	ret->type = type;
	memcpy(ret->name, asked, strlen(asked) + 1);
	for (unsigned i = 0; type != AUDIT_DNS_CNAME && follow(ret, at, count); i++) {
		if (i == AUDIT_DNS_ALIASES_MAX)
			return false; /* in a circle, or as bad */
		ret->is_alias = true;
	}
	return collect(ret, at, count, type);
}

static struct span data_of(const struct audit_dns *d, size_t i)
{
	return span_slice(d->message, d->records[i].at, d->records[i].len);
}

bool audit_dns_mx(const struct audit_dns *d, size_t i, struct audit_mx *ret)
{
	struct reader r = reader_init(data_of(d, i));
	size_t at = d->records[i].at + 2;
	*ret = (struct audit_mx){ .preference = reader_u16(&r) };
	return !r.is_short && audit_dns_name(d->message, &at, ret->host) &&
		at == d->records[i].at + d->records[i].len;
}

bool audit_dns_address(const struct audit_dns *d, size_t i, struct addr *ret)
{
	struct span s = data_of(d, i);
	if (d->type == AUDIT_DNS_A && s.len == 4)
		*ret = addr_v4(s.data);
	else if (d->type == AUDIT_DNS_AAAA && s.len == 16)
		*ret = addr_v6(s.data);
	else
		return false;
	/* An IPv4 address in IPv6 clothes is none that can be reached. */
	return addr_is_v4(ret) == (s.len == 4);
}

bool audit_dns_tlsa(const struct audit_dns *d, size_t i, struct audit_tlsa *ret)
{
	struct reader r = reader_init(data_of(d, i));
	*ret = (struct audit_tlsa){ .usage = reader_u8(&r) };
	ret->selector = reader_u8(&r);
	ret->matching = reader_u8(&r);
	struct span data = reader_rest(&r);
	/* A whole certificate does not fit: it is unusable, and says so by its length. */
	if (data.len > sizeof(ret->data))
		data.len = 0;
	ret->len = data.len;
	if (data.len > 0)
		memcpy(ret->data, data.data, data.len);
	return !r.is_short;
}

bool audit_dns_txt(const struct audit_dns *d, size_t i, char *to, size_t cap, size_t *ret_len)
{
	struct reader r = reader_init(data_of(d, i));
	size_t n = 0;
	while (r.left > 0) {
		struct span part = reader_take(&r, reader_u8(&r));
		if (r.is_short || part.len > cap - n)
			return false;
		if (part.len > 0)
			memcpy(to + n, part.data, part.len);
		n += part.len;
	}
	*ret_len = n;
	return true;
}

bool audit_dns_caa(const struct audit_dns *d, size_t i, uint8_t *ret_flags, char tag[16],
	char value[AUDIT_HOST_MAX + 1])
{
	struct reader r = reader_init(data_of(d, i));
	*ret_flags = reader_u8(&r);
	struct span name = reader_take(&r, reader_u8(&r));
	if (r.is_short || name.len == 0 || name.len > 15)
		return false;
	audit_quote(name, tag, 16);
	audit_quote(reader_rest(&r), value, AUDIT_HOST_MAX + 1);
	return true;
}
