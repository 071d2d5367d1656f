/*
 * Where a passthru leads and what is spoken there, as text and back. A host is an address or a name that a
 * resolver can be asked for, nothing that looks like an address and is none.
 */

#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "config/internal.h"

#define QUOTED_MAX 80
#define LABEL_MAX 63
#define HEX_WORD "hex:"

static const char *const kinds[] = {
	[CONFIG_SPEAKS_ANY] = "any",
	[CONFIG_SPEAKS_SSH] = "ssh",
	[CONFIG_SPEAKS_TLS] = "tls",
	[CONFIG_SPEAKS_SMTP] = "smtp",
	[CONFIG_SPEAKS_IMAP] = "imap",
	[CONFIG_SPEAKS_HTTP] = "http",
	[CONFIG_SPEAKS_POSTGRES] = "postgres",
	[CONFIG_SPEAKS_HEX] = "hex",
};

const char *config_speaks_name(enum config_speaks s)
{
	return kinds[s];
}

__attribute__((format(printf, 3, 4))) static bool refuse(
	char why[CONFIG_WHY_MAX], const char *text, const char *fmt, ...)
{
	char q[QUOTED_MAX];
	va_list ap;
	int n = snprintf(why, CONFIG_WHY_MAX, "\"%s\" ",
		text_quote(span_of(text, strlen(text)), q, sizeof(q)));
	va_start(ap, fmt);
	vsnprintf(why + n, CONFIG_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* ------------------------------------------------------------------ where to */

/* Labels of letters, digits, '-' and '_'; the last not of digits alone, which would be half an address. */
static bool is_host_name(const char *host)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	const char *label = host;
	for (;;) {
		size_t len = strspn(label, good);
		if (len < 1 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
			return false;
		if (label[len] == '\0')
			return strspn(label, "0123456789") != len;
		if (label[len] != '.')
			return false;
		label += len + 1;
	}
}

/* What a connection cannot be made to: no address, a group's, or one that means nothing without its interface. */
static bool is_unreachable(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 0 || a->b[12] >= 224;
	return addr_is_zero(a) || a->b[0] == 0xff || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

static bool parse_port(const char *text, uint16_t *ret)
{
	unsigned v = 0;
	if (*text == '\0' || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
		return false;
	for (const char *p = text; *p != '\0'; p++)
		v = v * 10 + (unsigned)(*p - '0');
	*ret = (uint16_t)v;
	return v >= 1 && v <= 65535;
}

static bool set_port(
	const struct config_keyword *k, const char *text, void *base, char why[CONFIG_WHY_MAX])
{
	bool is_tcp = k->type == CONFIG_TYPE_TCP_PORT;
	uint16_t port = 0;
	if (strncmp(text, is_tcp ? "tcp/" : "udp/", 4) != 0 || !parse_port(text + 4, &port))
		return refuse(why, text, "is not a %s; write one like %s",
			is_tcp ? "TCP port" : "UDP port", is_tcp ? "tcp/1352" : "udp/62201");
	if (base != NULL)
		memcpy((char *)base + k->offset, &port, sizeof(port));
	return true;
}

bool config_place_split(
	const char *text, char host[CONFIG_HOST_MAX + 1], bool *ret_bracketed, uint16_t *ret_port)
{
	bool is_bracketed = text[0] == '[';
	const char *begin = text + is_bracketed;
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon < begin + is_bracketed)
		return false;
	size_t len = (size_t)(colon - begin) - is_bracketed;
	if (len < 1 || len > CONFIG_HOST_MAX || (is_bracketed && colon[-1] != ']'))
		return false;
	memcpy(host, begin, len);
	host[len] = '\0';
	*ret_bracketed = is_bracketed;
	return parse_port(colon + 1, ret_port);
}

struct place {
	char host[CONFIG_HOST_MAX + 1];
	struct addr addr; /* zero: host is a name */
	uint16_t port;
};

/* NULL, or why not. */
static const char *parse_place(const char *text, struct place *ret)
{
	struct place p = { .port = 0 };
	bool is_bracketed = false;
	if (!config_place_split(text, p.host, &is_bracketed, &p.port))
		return "is not a host and a port; write mail.example:25, 10.0.0.8:25 or [2001:db8::8]:25";
	bool is_numeric = addr_parse(p.host, &p.addr);
	if (is_numeric && (strchr(p.host, ':') != NULL) != is_bracketed)
		return "is not clear; write IPv6, and only that, as [2001:db8::8]:25";
	if (!is_numeric && (is_bracketed || !is_host_name(p.host)))
		return "names no host; write a host name or an address";
	if (is_numeric && is_unreachable(&p.addr))
		return "is not the address of a machine; name one that can be connected to";
	*ret = p;
	return NULL;
}

const char *config_place_refusal(const char *text)
{
	struct place place;
	return parse_place(text, &place);
}

static bool set_place(const char *text, struct config_passthru *p, struct config_arena *arena,
	char why[CONFIG_WHY_MAX])
{
	struct place place;
	const char *refusal = parse_place(text, &place);
	if (refusal != NULL)
		return refuse(why, text, "%s", refusal);
	if (p == NULL)
		return true;
	p->host = config_arena_keep(arena, place.host, strlen(place.host));
	p->addr = place.addr;
	p->port = place.port;
	return p->host != NULL || refuse(why, text, "cannot be kept: no memory");
}

/* ------------------------------------------------------------------ what is spoken */

static bool parse_hex(const char *text, size_t len, struct config_first_bytes *ret)
{
	size_t got = 0;
	*ret = (struct config_first_bytes){ 0 };
	if (len > 2 * sizeof(ret->b) ||
		sodium_hex2bin(ret->b, sizeof(ret->b), text, len, NULL, &got, NULL) != 0)
		return false;
	ret->len = (uint8_t)got;
	return got * 2 == len;
}

static bool set_speaks(const char *text, struct config_passthru *p, char why[CONFIG_WHY_MAX])
{
	struct config_first_bytes client, inner;
	for (size_t i = 0; i < CONFIG_SPEAKS_HEX; i++) {
		if (strcmp(text, kinds[i]) != 0)
			continue;
		if (p != NULL)
			p->speaks = (enum config_speaks)i;
		return true;
	}
	if (strncmp(text, HEX_WORD, strlen(HEX_WORD)) != 0)
		return refuse(why, text,
			"is not supported; choose from: any, ssh, tls, smtp, imap, http, postgres, "
			"hex:CLIENT/SERVER");
	const char *hex = text + strlen(HEX_WORD);
	const char *slash = strchr(hex, '/');
	if (slash == NULL || !parse_hex(hex, (size_t)(slash - hex), &client) ||
		!parse_hex(slash + 1, strlen(slash + 1), &inner))
		return refuse(why, text,
			"is not the first bytes of both sides; write hex:0f00/1a, at most %d bytes a side",
			CONFIG_SPEAKS_HEX_MAX);
	if (client.len + inner.len == 0)
		return refuse(why, text, "says nothing of either side; write any");
	if (p != NULL) {
		p->speaks = CONFIG_SPEAKS_HEX;
		p->client = client;
		p->inner = inner;
	}
	return true;
}

bool config_passthru_set(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX])
{
	struct config_passthru *p = base == NULL ? NULL : (void *)((char *)base + k->offset);
	if (k->type == CONFIG_TYPE_TCP_PORT || k->type == CONFIG_TYPE_UDP_PORT)
		return set_port(k, text, base, why);
	return k->type == CONFIG_TYPE_PLACE ? set_place(text, p, arena, why)
					    : set_speaks(text, p, why);
}

static void print_hex(const struct config_first_bytes *f, FILE *out)
{
	for (size_t i = 0; i < f->len; i++)
		fprintf(out, "%02x", f->b[i]);
}

static bool print_port(const struct config_keyword *k, const void *base, FILE *out)
{
	uint16_t port = 0;
	memcpy(&port, (const char *)base + k->offset, sizeof(port));
	if (port != 0)
		fprintf(out, "%s/%u", k->type == CONFIG_TYPE_TCP_PORT ? "tcp" : "udp",
			(unsigned)port);
	return port != 0;
}

bool config_passthru_print(const struct config_keyword *k, const void *base, FILE *out)
{
	if (k->type == CONFIG_TYPE_TCP_PORT || k->type == CONFIG_TYPE_UDP_PORT)
		return print_port(k, base, out);
	const struct config_passthru *p = (const void *)((const char *)base + k->offset);
	if (k->type == CONFIG_TYPE_PLACE) {
		bool is_v6 = strchr(p->host, ':') != NULL;
		fprintf(out, "\"%s%s%s:%u\"", is_v6 ? "[" : "", p->host, is_v6 ? "]" : "",
			(unsigned)p->port);
		return true;
	}
	if (p->speaks != CONFIG_SPEAKS_HEX) {
		fputs(kinds[p->speaks], out);
		return true;
	}
	fputs("\"" HEX_WORD, out);
	print_hex(&p->client, out);
	fputc('/', out);
	print_hex(&p->inner, out);
	fputc('"', out);
	return true;
}
