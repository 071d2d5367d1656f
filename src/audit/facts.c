/*
 * Names of versions and of the ways in which TLS begins, and the life of what is known of a gateway.
 * Invariant: the facts own every certificate and staple in them.
 */

#include "audit/facts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SUITES_FIRST 16 /* room for that many at first */

static const struct {
	const char *name;
	uint16_t code;
} versions[AUDIT_VERSION_COUNT] = {
	[AUDIT_SSL2] = { "SSLv2", 0x0002 },
	[AUDIT_SSL3] = { "SSLv3", 0x0300 },
	[AUDIT_TLS10] = { "TLSv1", 0x0301 },
	[AUDIT_TLS11] = { "TLSv1.1", 0x0302 },
	[AUDIT_TLS12] = { "TLSv1.2", 0x0303 },
	[AUDIT_TLS13] = { "TLSv1.3", 0x0304 },
};

static const struct {
	const char *name, *service;
	const char *schemes[2]; /* other words for it */
	uint16_t port;
} ways[AUDIT_STARTTLS_COUNT] = {
	[AUDIT_DIRECT] = { "direct", "TLS", { "https", "tls" }, 443 },
	[AUDIT_SMTP] = { "smtp", "SMTP", { "submission" }, 25 },
	[AUDIT_LMTP] = { "lmtp", "LMTP", { NULL }, 24 },
	[AUDIT_IMAP] = { "imap", "IMAP", { NULL }, 143 },
	[AUDIT_POP3] = { "pop3", "POP3", { "pop" }, 110 },
	[AUDIT_FTP] = { "ftp", "FTP", { NULL }, 21 },
	[AUDIT_LDAP] = { "ldap", "LDAP", { NULL }, 389 },
	[AUDIT_XMPP_CLIENT] = { "xmpp", "XMPP", { "xmpp-client" }, 5222 },
	[AUDIT_XMPP_SERVER] = { "xmpp-server", "XMPP", { NULL }, 5269 },
	[AUDIT_POSTGRES] = { "postgres", "PostgreSQL", { "postgresql" }, 5432 },
	[AUDIT_MYSQL] = { "mysql", "MySQL", { "mariadb" }, 3306 },
	[AUDIT_NNTP] = { "nntp", "NNTP", { NULL }, 119 },
	[AUDIT_SIEVE] = { "sieve", "ManageSieve", { "managesieve" }, 4190 },
	[AUDIT_IRC] = { "irc", "IRC", { NULL }, 6667 },
};

const char *audit_version_name(enum audit_version v)
{
	return v < AUDIT_VERSION_COUNT ? versions[v].name : "unknown";
}

uint16_t audit_version_code(enum audit_version v)
{
	return v < AUDIT_VERSION_COUNT ? versions[v].code : 0;
}

const char *audit_starttls_name(enum audit_starttls s)
{
	return s < AUDIT_STARTTLS_COUNT ? ways[s].name : "unknown";
}

const char *audit_starttls_service(enum audit_starttls s)
{
	return s < AUDIT_STARTTLS_COUNT ? ways[s].service : "unknown";
}

static bool is_named(size_t way, const char *name)
{
	for (size_t i = 0; i < sizeof(ways[way].schemes) / sizeof(ways[way].schemes[0]); i++)
		if (ways[way].schemes[i] != NULL && strcasecmp(ways[way].schemes[i], name) == 0)
			return true;
	return strcasecmp(ways[way].name, name) == 0;
}

bool audit_starttls_parse(const char *name, enum audit_starttls *ret)
{
	for (size_t i = 0; i < AUDIT_STARTTLS_COUNT; i++) {
		if (is_named(i, name)) {
			*ret = (enum audit_starttls)i;
			return true;
		}
	}
	return false;
}

uint16_t audit_starttls_port(enum audit_starttls s)
{
	return s < AUDIT_STARTTLS_COUNT ? ways[s].port : 0;
}

enum audit_starttls audit_starttls_of_port(uint16_t port)
{
	if (port == 587)
		return AUDIT_SMTP;
	for (size_t i = AUDIT_DIRECT + 1; i < AUDIT_STARTTLS_COUNT; i++)
		if (ways[i].port == port)
			return (enum audit_starttls)i;
	return AUDIT_DIRECT;
}

struct audit_facts *audit_facts_new(const struct audit_target *t)
{
	struct audit_facts *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->target = *t;
	f->probes.clock_skew_s = INT32_MAX;
	return f;
}

static void free_chain(struct audit_chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->certs[i].der);
	free(c->staple);
	*c = (struct audit_chain){ 0 };
}

void audit_facts_free(struct audit_facts *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->chain_count; i++)
		free_chain(&f->chains[i]);
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
		free(f->protocols[v].suites);
	free(f);
}

bool audit_facts_accept(struct audit_protocol *p, const struct audit_accepted *a)
{
	if (p->suite_count == AUDIT_SUITES_MAX)
		return false;
	if (p->suite_count == p->suite_room) {
		size_t room = p->suite_room == 0 ? SUITES_FIRST : 2 * p->suite_room;
		struct audit_accepted *more = reallocarray(p->suites, room, sizeof(*more));
		if (more == NULL)
			return false;
		p->suites = more;
		p->suite_room = room;
	}
	p->suites[p->suite_count++] = *a;
	return true;
}

/* False without memory; what was copied belongs to the copy. */
static bool copy_suites(struct audit_protocol *to, const struct audit_protocol *from)
{
	bool is_whole = true;
	for (size_t i = 0; i < from->suite_count && is_whole; i++)
		is_whole = audit_facts_accept(to, &from->suites[i]);
	return is_whole;
}

struct audit_facts *audit_facts_copy(const struct audit_facts *f, const struct audit_target *t)
{
	struct audit_facts *to = malloc(sizeof(*to));
	if (to == NULL)
		return NULL;
	*to = *f;
	to->target = *t;
	to->chain_count = 0;
	memset(to->chains, 0, sizeof(to->chains));
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++) {
		to->protocols[v].suites = NULL;
		to->protocols[v].suite_count = to->protocols[v].suite_room = 0;
	}
	bool is_whole = true;
	for (size_t v = 0; v < AUDIT_VERSION_COUNT && is_whole; v++)
		is_whole = copy_suites(&to->protocols[v], &f->protocols[v]);
	for (size_t i = 0; i < f->chain_count && is_whole; i++)
		is_whole = audit_facts_add_chain(to, &f->chains[i]);
	if (is_whole)
		return to;
	audit_facts_free(to);
	return NULL;
}

static bool is_same(const struct audit_chain *a, const struct audit_chain *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->certs[i].len != b->certs[i].len ||
			memcmp(a->certs[i].der, b->certs[i].der, a->certs[i].len) != 0)
			return false;
	return true;
}

static uint8_t *copy(const uint8_t *bytes, size_t len)
{
	uint8_t *p = malloc(len > 0 ? len : 1);
	if (p != NULL && len > 0)
		memcpy(p, bytes, len);
	return p;
}

static size_t size_of(const struct audit_chain *c)
{
	size_t n = c->staple_len;
	for (size_t i = 0; i < c->count; i++)
		n += c->certs[i].len;
	return n;
}

/* Facts of thousands of gateways are kept at once: what one of them sends has one bound for all its chains. */
static bool has_room(const struct audit_facts *f, const struct audit_chain *c)
{
	size_t n = size_of(c);
	for (size_t i = 0; i < f->chain_count; i++)
		n += size_of(&f->chains[i]);
	return n <= AUDIT_CHAINS_LEN_MAX;
}

bool audit_facts_add_chain(struct audit_facts *f, const struct audit_chain *c)
{
	for (size_t i = 0; i < f->chain_count; i++)
		if (is_same(&f->chains[i], c))
			return true;
	if (c->count == 0 || c->count > AUDIT_CHAIN_MAX)
		return false;
	if (f->chain_count == AUDIT_CHAINS_MAX || !has_room(f, c)) {
		f->is_chain_list_cut = true;
		return false;
	}
	struct audit_chain kept = {
		.is_without_name = c->is_without_name, .version = c->version, .is_cut = c->is_cut
	};
	bool is_whole = true;
	for (size_t i = 0; i < c->count; i++) {
		kept.certs[i] = (struct audit_cert){ c->certs[i].len,
			copy(c->certs[i].der, c->certs[i].len) };
		kept.count++;
		is_whole = is_whole && kept.certs[i].der != NULL;
	}
	if (c->staple_len > 0) {
		kept.staple = copy(c->staple, c->staple_len);
		kept.staple_len = kept.staple != NULL ? c->staple_len : 0;
	}
	if (!is_whole) {
		f->is_chain_list_cut = true;
		free_chain(&kept);
		return false;
	}
	f->chains[f->chain_count++] = kept;
	return true;
}
