/*
 * One stanza of fwknop's access.conf into the plan: keys, ports, and the person who has the keys. Invariant:
 * a stanza that this daemon could not serve as safely, for want of a MAC key for example, is left out
 * whole, with a note that says why.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cmd/import.h"

#define WAIT_DEFAULT 30
#define WAIT_MAX 86400
#define DAY_S 86400

static bool has(const struct import_stanza *s, enum import_key k)
{
	return s->values[k][0] != '\0';
}

static bool is_yes(const struct import_stanza *s, enum import_key k)
{
	return s->values[k][0] == 'Y' || s->values[k][0] == 'y';
}

/* The next part between commas and blanks; empty at the end. */
static struct span part(struct span *list)
{
	size_t len = 0;
	while (list->len > 0 && strchr(", \t", list->data[0]) != NULL)
		*list = span_slice(*list, 1, list->len);
	while (len < list->len && strchr(", \t", list->data[len]) == NULL)
		len++;
	struct span s = span_slice(*list, 0, len);
	*list = span_slice(*list, len, list->len);
	return s;
}

static struct span value_of(const struct import_stanza *s, enum import_key k)
{
	return span_of(s->values[k], strlen(s->values[k]));
}

/* ------------------------------------------------------------------ keys */

/* A key as text or base64; false with a note when it is none. */
static bool read_key(struct import *im, const struct import_stanza *s, enum import_key text,
	enum import_key base64, size_t max, uint8_t *to, size_t *ret_len)
{
	enum import_key k = has(s, base64) ? base64 : text;
	const char *value = s->values[k];
	size_t len = strlen(value);
	const char *end = NULL;

	if (strstr(value, "__CHANGEME__") != NULL) {
		import_note(im, IMPORT_LOST, s->places[k],
			"the stanza goes with it: no key was ever set");
		return false;
	}
	if (k == text) {
		*ret_len = len <= max ? len : 0;
		memcpy(to, value, *ret_len);
	} else if (sodium_base642bin(to, max, value, len, NULL, ret_len, &end,
			   sodium_base64_VARIANT_ORIGINAL) != 0 ||
		*end != '\0') {
		*ret_len = 0;
	}
	if (*ret_len == 0)
		import_note(im, IMPORT_LOST, s->places[k],
			"the stanza goes with it: not a key of 1 to %zu bytes, or not base64", max);
	return *ret_len != 0;
}

static bool read_secret(struct import *im, const struct import_stanza *s, struct fwknop_secret *ret)
{
	if (!has(s, IMPORT_KEY) && !has(s, IMPORT_KEY_BASE64)) {
		import_note(im, IMPORT_LOST, s->at,
			"the stanza has no KEY; packets made with OpenPGP are not read");
		return false;
	}
	if (!has(s, IMPORT_HMAC_KEY) && !has(s, IMPORT_HMAC_KEY_BASE64)) {
		import_note(im, IMPORT_LOST, s->at,
			"the stanza has no HMAC_KEY, and a packet without a MAC is not read; make one "
			"with fwknop --key-gen --use-hmac, for client and stanza");
		return false;
	}
	return read_key(im, s, IMPORT_KEY, IMPORT_KEY_BASE64, FWKNOP_KEY_MAX, ret->key,
		       &ret->key_len) &&
		read_key(im, s, IMPORT_HMAC_KEY, IMPORT_HMAC_KEY_BASE64, FWKNOP_HMAC_KEY_MAX,
			ret->hmac_key, &ret->hmac_key_len);
}

static bool read_hmac(struct import *im, const struct import_stanza *s, enum config_hmac *ret)
{
	static const char *const names[] = { "MD5", "SHA1", "SHA256", "SHA384", "SHA512",
		"SHA3_256", "SHA3_512" };

	*ret = CONFIG_HMAC_SHA256;
	if (!has(s, IMPORT_HMAC_TYPE))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(s->values[IMPORT_HMAC_TYPE], names[i]) != 0)
			continue;
		*ret = (enum config_hmac)(CONFIG_HMAC_MD5 + i);
		return true;
	}
	import_note(im, IMPORT_LOST, s->places[IMPORT_HMAC_TYPE],
		"the stanza goes with it: no hash that is known");
	return false;
}

static bool read_mode(struct import *im, const struct import_stanza *s, enum config_aes *ret)
{
	static const struct {
		const char *name;
		enum config_aes mode;
	} modes[] = {
		{ "CBC", CONFIG_AES_CBC },
		{ "ECB", CONFIG_AES_ECB },
		{ "CFB", CONFIG_AES_CFB },
		{ "OFB", CONFIG_AES_OFB },
		{ "CTR", CONFIG_AES_CTR },
	};

	*ret = CONFIG_AES_CBC;
	if (!has(s, IMPORT_MODE))
		return true;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcasecmp(s->values[IMPORT_MODE], modes[i].name) != 0)
			continue;
		*ret = modes[i].mode;
		return true;
	}
	import_note(im, IMPORT_LOST, s->places[IMPORT_MODE],
		"the stanza goes with it: this mode is not offered; let clients send CBC");
	return false;
}

/* ------------------------------------------------------------------ ports */

/* "tcp/22" */
static bool read_port(struct span s, uint8_t *ret_proto, uint16_t *ret_port)
{
	char text[16];
	unsigned long port;

	if (s.len < 5 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	if ((strncasecmp(text, "tcp/", 4) != 0 && strncasecmp(text, "udp/", 4) != 0) ||
		!import_number(text + 4, 1, UINT16_MAX, &port))
		return false;
	*ret_proto = text[0] == 'u' || text[0] == 'U' ? IPPROTO_UDP : IPPROTO_TCP;
	*ret_port = (uint16_t)port;
	return true;
}

static bool is_restricted(const char *list, uint8_t proto, uint16_t port)
{
	struct span rest = span_of(list, strlen(list));
	for (struct span p = part(&rest); p.len > 0; p = part(&rest)) {
		uint8_t its_proto;
		uint16_t its_port;
		if (read_port(p, &its_proto, &its_port) && its_proto == proto && its_port == port)
			return true;
	}
	return false;
}

static void read_ports(struct import *im, const struct import_stanza *s, struct import_fwknop *ret)
{
	struct span rest = value_of(s, IMPORT_OPEN_PORTS);

	for (struct span p = part(&rest); p.len > 0; p = part(&rest)) {
		char quoted[IMPORT_QUOTED_MAX];
		uint8_t proto;
		uint16_t port;
		if (!read_port(p, &proto, &port)) {
			import_note(im, IMPORT_LOST, s->places[IMPORT_OPEN_PORTS],
				"%s: not a TCP or UDP port", import_quoted(p, quoted));
			continue;
		}
		if (is_restricted(ret->restricted, proto, port))
			continue;
		size_t i = import_service(im, s->places[IMPORT_OPEN_PORTS], proto, port, port);
		if (i != IMPORT_NONE)
			ret->is_for[i] = true;
	}
}

/* FORCE_NAT: the other machine and its port. */
static void read_nat(
	struct import *im, const struct import_stanza *s, const struct import_fwknop *q)
{
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	unsigned long port;
	struct span rest = value_of(s, IMPORT_FORCE_NAT);
	struct span host = part(&rest), number = part(&rest);

	snprintf(text, sizeof(text), "%.*s", (int)(host.len < 31 ? host.len : 31),
		(const char *)host.data);
	bool is_good = host.len < 16 && addr_parse(text, &addr) && addr_is_v4(&addr);
	snprintf(text, sizeof(text), "%.*s", (int)(number.len < 31 ? number.len : 31),
		number.len > 0 ? (const char *)number.data : "");
	if (!is_good || !import_number(text, 1, UINT16_MAX, &port) || q->opens_everything) {
		import_note(im, IMPORT_LOST, s->places[IMPORT_FORCE_NAT],
			"not an IPv4 address and a port, or no OPEN_PORTS beside it; write forward "
			"into the service");
		return;
	}
	addr_format(&addr, text);
	for (size_t i = 0; i < im->service_count; i++) {
		struct import_service *v = &im->services[i];
		char forward[sizeof(v->forward)];
		if (!q->is_for[i])
			continue;
		snprintf(forward, sizeof(forward), "%.15s:%lu", text, port);
		if (v->is_there || (v->forward[0] != '\0' && strcmp(v->forward, forward) != 0)) {
			import_note(im, IMPORT_LOST, s->places[IMPORT_FORCE_NAT],
				"service %s goes elsewhere already; a port has one service",
				v->name);
			continue;
		}
		memcpy(v->forward, forward, sizeof(forward));
		v->masquerade |= is_yes(s, IMPORT_MASQUERADE);
	}
}

/* ------------------------------------------------------------------ the person */

/* Networks of SOURCE, with the bits beyond their length taken off. */
static void read_source(struct import *im, const struct import_stanza *s, struct directory_entry *e)
{
	struct span rest = value_of(s, IMPORT_SOURCE);

	for (struct span p = part(&rest); p.len > 0; p = part(&rest)) {
		char text[PREFIX_TEXT_MAX], quoted[IMPORT_QUOTED_MAX];
		unsigned long bits = 32;
		struct prefix prefix = { 0 };
		snprintf(text, sizeof(text), "%.*s", (int)(p.len < 40 ? p.len : 40),
			(const char *)p.data);
		char *slash = strchr(text, '/');
		if (slash != NULL)
			*slash = '\0';
		bool is_any = strcasecmp(text, "ANY") == 0;
		bool is_good = is_any ||
			(addr_parse(text, &prefix.addr) && addr_is_v4(&prefix.addr) &&
				(slash == NULL || import_number(slash + 1, 0, 32, &bits)));
		if (is_any || (is_good && bits == 0)) {
			e->from_count = 0;
			return;
		}
		if (!is_good || e->from_count == DIRECTORY_FROM_MAX) {
			import_note(im, IMPORT_LOST, s->places[IMPORT_SOURCE],
				"%s: not an IPv4 network, or more than %d of them; nobody comes from there",
				import_quoted(p, quoted), DIRECTORY_FROM_MAX);
			continue;
		}
		prefix.bits = (uint8_t)(96 + bits);
		for (size_t bit = prefix.bits; bit < 128; bit++)
			prefix.addr.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		e->from[e->from_count++] = prefix;
	}
}

/* The day before: fwknop takes nothing from the first second of the day named. */
static void set_expiry(
	struct import *im, struct import_place at, int64_t end_s, struct directory_entry *e)
{
	int64_t days = end_s / DAY_S;
	if (days < 1)
		days = 1;
	e->expires_ms = (uint64_t)days * DIRECTORY_DAY_MS;
	import_note(im, IMPORT_ASSUMED, at,
		"expires names the last whole day (UTC) on which it is still good");
}

static void read_expiry(struct import *im, const struct import_stanza *s, struct directory_entry *e)
{
	struct tm tm = { 0 };
	unsigned long epoch;

	if (has(s, IMPORT_EXPIRE_EPOCH)) {
		if (import_number(s->values[IMPORT_EXPIRE_EPOCH], 0, 4102444800, &epoch))
			set_expiry(im, s->places[IMPORT_EXPIRE_EPOCH], (int64_t)epoch, e);
		else
			import_note(im, IMPORT_LOST, s->places[IMPORT_EXPIRE_EPOCH],
				"not a time; write expires into the directory");
	}
	if (has(s, IMPORT_EXPIRE)) {
		const char *end = strptime(s->values[IMPORT_EXPIRE], "%m/%d/%Y", &tm);
		if (end != NULL && *end == '\0' && tm.tm_year >= 70 && tm.tm_year < 200)
			set_expiry(im, s->places[IMPORT_EXPIRE], timegm(&tm), e);
		else
			import_note(im, IMPORT_LOST, s->places[IMPORT_EXPIRE],
				"not a date like 12/31/2027; write expires into the directory");
	}
}

static size_t make_person(
	struct import *im, const struct import_stanza *s, const struct fwknop_secret *secret)
{
	char name[IMPORT_VALUE_MAX];

	if (has(s, IMPORT_USERNAME))
		snprintf(name, sizeof(name), "%s", s->values[IMPORT_USERNAME]);
	else
		snprintf(name, sizeof(name), "Fwknop %zu", im->fwknop_count + 1);
	size_t i = import_person(im, s->at, name, span_of(secret, sizeof(*secret)));
	if (i == IMPORT_NONE)
		return i;
	read_source(im, s, &im->people[i].entry);
	read_expiry(im, s, &im->people[i].entry);
	return i;
}

/* ------------------------------------------------------------------ the stanza */

static void note_rest(struct import *im, const struct import_stanza *s)
{
	if (is_yes(s, IMPORT_REQUIRE_SOURCE))
		import_note(im, IMPORT_LOST, s->places[IMPORT_REQUIRE_SOURCE],
			"a packet that names no address is taken for its source; one that names "
			"another is refused");
	else
		import_note(im, IMPORT_ASSUMED, s->at,
			"an address in the packet must be its source's; with third-party = yes it may "
			"be another");
	if (is_yes(s, IMPORT_MASQUERADE) && !has(s, IMPORT_FORCE_NAT))
		import_note(im, IMPORT_LOST, s->places[IMPORT_MASQUERADE],
			"nothing is sent on without FORCE_NAT");
	if (has(s, IMPORT_MAX_TIMEOUT))
		import_note(im, IMPORT_LOST, s->places[IMPORT_MAX_TIMEOUT],
			"a client cannot ask for more than the service's wait");
}

static uint32_t read_wait(struct import *im, const struct import_stanza *s)
{
	unsigned long wait = WAIT_DEFAULT;
	if (has(s, IMPORT_TIMEOUT) && !import_number(s->values[IMPORT_TIMEOUT], 1, WAIT_MAX, &wait))
		import_note(im, IMPORT_ASSUMED, s->places[IMPORT_TIMEOUT],
			"not from 1 to %d seconds: %ds is written", WAIT_MAX, WAIT_DEFAULT);
	return (uint32_t)wait;
}

static bool read_user(
	struct import *im, const struct import_stanza *s, char to[FWKNOP_USER_MAX + 1])
{
	const char *user = s->values[IMPORT_USERNAME];
	if (strlen(user) > FWKNOP_USER_MAX || !import_is_ascii(user)) {
		import_note(im, IMPORT_LOST, s->places[IMPORT_USERNAME],
			"the stanza goes with it: no packet can hold such a name");
		return false;
	}
	snprintf(to, FWKNOP_USER_MAX + 1, "%s", user);
	return true;
}

/* A plan has a service for nothing that no stanza needs, so the checks come first. */
static bool read_stanza(struct import *im, const struct import_stanza *s, struct import_fwknop *q)
{
	if (!read_hmac(im, s, &q->hmac) || !read_mode(im, s, &q->mode) ||
		!read_user(im, s, q->user) || !read_secret(im, s, &q->secret))
		return false;
	snprintf(q->restricted, sizeof(q->restricted), "%s", s->values[IMPORT_RESTRICT_PORTS]);
	q->opens_everything = !has(s, IMPORT_OPEN_PORTS);
	q->wait_s = read_wait(im, s);
	read_ports(im, s, q);
	bool has_any = q->opens_everything;
	for (size_t i = 0; i < im->service_count; i++)
		has_any |= q->is_for[i];
	if (!has_any) {
		import_note(im, IMPORT_LOST, s->at, "the stanza opens nothing that is left");
		return false;
	}
	q->person = make_person(im, s, &q->secret);
	return q->person != IMPORT_NONE;
}

void import_stanza(struct import *im, const struct import_stanza *s)
{
	struct import_fwknop q = { .at = s->at };

	if (im->fwknop_count == CONFIG_FWKNOPS_MAX) {
		import_note(im, IMPORT_LOST, s->at,
			"more than %d stanzas; spread them over two doors", CONFIG_FWKNOPS_MAX);
	} else if (read_stanza(im, s, &q)) {
		for (size_t i = 0; i < im->service_count; i++) {
			if (!q.is_for[i])
				continue;
			import_service_wait(im, s->at, i, q.wait_s);
			import_allow(im, i, q.person);
		}
		if (has(s, IMPORT_FORCE_NAT))
			read_nat(im, s, &q);
		note_rest(im, s);
		im->fwknops[im->fwknop_count++] = q;
	}
	sodium_memzero(&q, sizeof(q));
}

/* The services that q may open of those there are. */
static void open_everything(struct import *im, struct import_fwknop *q)
{
	import_note(im, IMPORT_ASSUMED, q->at,
		"OPEN_PORTS is missing, so fwknop opens whatever is asked for; here it is the "
		"services below: add what is missing");
	for (size_t i = 0; i < im->service_count; i++) {
		const struct import_service *v = &im->services[i];
		if (v->port_last == 0 && is_restricted(q->restricted, v->proto, v->port))
			continue;
		q->is_for[i] = true;
		import_service_wait(im, q->at, i, q->wait_s);
		import_allow(im, i, q->person);
	}
}

void import_fwknop_everything(struct import *im)
{
	for (size_t f = 0; f < im->fwknop_count; f++) {
		struct import_fwknop *q = &im->fwknops[f];
		if (!q->opens_everything)
			continue;
		if (im->service_count == 0 && !is_restricted(q->restricted, IPPROTO_TCP, 22))
			import_service(im, q->at, IPPROTO_TCP, 22, 22);
		open_everything(im, q);
	}
}
