/* Addresses in one 16-byte form, so that no code below has an IPv4 and an IPv6 branch to keep alike. */

#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct addr addr_v4(const uint8_t b[4])
{
	struct addr a;
	memcpy(a.b, v4_prefix, 12);
	memcpy(a.b + 12, b, 4);
	return a;
}

struct addr addr_v6(const uint8_t b[16])
{
	struct addr a;
	memcpy(a.b, b, 16);
	return a;
}

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, v4_prefix, 12) == 0;
}

bool addr_is_zero(const struct addr *a)
{
	static const struct addr zero = { { 0 } };
	return addr_equal(a, &zero);
}

bool addr_is_host(const struct addr *a)
{
	static const struct addr loopback = { { [15] = 1 } };
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (!addr_is_v4(a))
		return a->b[0] != 0xff && !addr_is_zero(a) && !addr_equal(a, &loopback);
	bool is_multicast = (a->b[12] & 0xf0) == 0xe0;
	return a->b[12] != 127 && a->b[12] != 0 && !is_multicast &&
		memcmp(a->b + 12, broadcast, sizeof(broadcast)) != 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

bool addr_parse(const char *text, struct addr *ret)
{
	uint8_t b[16];
	if (inet_pton(AF_INET, text, b) == 1) {
		*ret = addr_v4(b);
		return true;
	}
	if (inet_pton(AF_INET6, text, b) == 1) {
		*ret = addr_v6(b);
		return true;
	}
	return false;
}

const char *addr_format(const struct addr *a, char to[ADDR_TEXT_MAX])
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, to, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, to, ADDR_TEXT_MAX);
	return to;
}

static struct addr masked(const struct addr *a, unsigned bits)
{
	struct addr m = *a;
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
		if (keep < 8)
			m.b[i] = (uint8_t)(m.b[i] & (0xff00 >> keep));
	}
	return m;
}

bool prefix_parse(const char *text, struct prefix *ret)
{
	char host[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';

	struct addr a;
	if (!addr_parse(host, &a))
		return false;
	/* A dotted address counts its own 32 bits; text with a colon counts 128. */
	bool dotted = strchr(host, ':') == NULL;
	unsigned long bits = dotted ? 32 : 128;
	if (slash != NULL) {
		char *end = NULL;
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		unsigned long asked = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || asked > bits)
			return false;
		bits = asked;
	}
	if (dotted)
		bits += 96;
	struct addr m = masked(&a, (unsigned)bits);
	if (!addr_equal(&m, &a))
		return false;
	ret->addr = a;
	ret->bits = (uint8_t)bits;
	return true;
}

const char *prefix_format(const struct prefix *p, char to[PREFIX_TEXT_MAX])
{
	char host[ADDR_TEXT_MAX];
	bool v4 = addr_is_v4(&p->addr) && p->bits >= 96;
	snprintf(to, PREFIX_TEXT_MAX, "%s/%u", addr_format(&p->addr, host),
		v4 ? p->bits - 96u : (unsigned)p->bits);
	return to;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct addr m = masked(a, p->bits);
	return addr_equal(&m, &p->addr);
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is_v4(a)) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&in.sin_addr, a->b + 12, 4);
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&in6.sin6_addr, a->b, 16);
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

bool addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *ret, uint16_t *ret_port)
{
	if (ss->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, ss, sizeof(in));
		uint8_t b[4];
		memcpy(b, &in.sin_addr, 4);
		*ret = addr_v4(b);
		*ret_port = ntohs(in.sin_port);
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, ss, sizeof(in6));
		*ret = addr_v6(in6.sin6_addr.s6_addr);
		*ret_port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}
