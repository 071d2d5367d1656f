/*
 * What the classic formats name and need: services that there are and that a knock can name, keys, and
 * nothing that takes back what another keyword says.
 */

#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "config/internal.h"

#define STRUCTURED_PORT_LAST 9999 /* four digits */
#define CIPHER_PORT_LAST 255      /* one byte */
#define TAGGED_SERVICES_MAX 255
#define FWKNOP_USER_MAX 48
#define UDP_PORTS_MAX 2 /* of datagrams that a door reads whole */

struct checker {
	const struct config *c;
	const struct config_scan *scan;
	struct config_notes *notes;
	size_t door;
};

/* A block of a door. */
struct block {
	enum config_block b;
	size_t ordinal;
};

static struct block block_of(const struct checker *k, enum config_block b, size_t nth)
{
	return (struct block){ b, config_scan_child(k->scan, b, k->door, nth)->ordinal };
}

static struct config_place place_of(
	const struct checker *k, const struct block *x, const char *keyword)
{
	return config_scan_place(k->scan, x->b, x->ordinal, keyword);
}

static bool is_written(const struct checker *k, const struct block *x, const char *keyword)
{
	return config_scan_has(k->scan, x->b, x->ordinal, keyword);
}

/* Has it a value that was understood, written or by default? */
static bool is_good(const struct checker *k, const struct block *x, const char *keyword)
{
	const struct config_statement *st =
		config_scan_find(k->scan, x->b, x->ordinal, config_keyword_find(x->b, keyword));
	return st == NULL || (!st->is_bad && !k->scan->values[st->first_value].is_bad);
}

static void note(
	const struct checker *k, const struct block *x, const char *keyword, const char *what)
{
	struct config_place at = place_of(k, x, keyword);
	config_note(k->notes, &at, "%s", what);
}

/* A service by name, with a note when there is none. */
static const struct config_service *find(const struct checker *k, const struct block *x,
	const char *keyword, const struct config_text *item)
{
	struct config_place at = place_of(k, x, keyword);
	const struct config_service *s = config_service_by_name(k->c, item->text);
	if (item->file != NULL) {
		at.file = item->file;
		at.line = item->line;
	}
	if (s == NULL)
		config_note(k->notes, &at, "%s: there is no service %s; name one that there is",
			keyword, item->text);
	return s;
}

/* Its address would have to be in the knock. */
static void check_bind(const struct checker *k, const struct block *x, const char *keyword,
	const struct config_service *s)
{
	struct config_place at = place_of(k, x, keyword);
	if (s != NULL && s->bind == CONFIG_BIND_REQUIRED)
		config_note(k->notes, &at,
			"%s: service %s wants an address in the knock (bind), which this one has not",
			keyword, s->name);
}

static void check_sequence(const struct checker *k, size_t n)
{
	const struct config_sequence *q = &k->c->doors[k->door].sequences[n];
	struct block x = block_of(k, CONFIG_BLOCK_SEQUENCE, n);
	const struct config_text open = { .text = q->open }, close = { .text = q->close };
	if (q->open != NULL)
		check_bind(k, &x, "open", find(k, &x, "open", &open));
	if (q->close != NULL)
		(void)find(k, &x, "close", &close);
}

/* last: the greatest port number that a knock can say; 0: it says no number. */
static void check_services(
	const struct checker *k, const struct block *x, const struct config_list *l, unsigned last)
{
	struct config_place at = place_of(k, x, "services");
	const struct config_statement *st =
		config_scan_find(k->scan, x->b, x->ordinal, config_keyword_find(x->b, "services"));
	if (st != NULL && !st->is_bad && st->value_count == 0)
		note(k, x, "services", "services: empty, so it can ask for nothing; name some");
	for (size_t i = 0; i < l->len; i++) {
		const struct config_service *s = find(k, x, "services", &l->items[i]);
		if (s == NULL || last == 0)
			continue;
		if (s->port > last)
			config_note(k->notes, &at,
				last == CIPHER_PORT_LAST
					? "services: port %u of %s does not fit one byte; add wide = yes"
					: "services: port %u of %s has more than four digits; leave it out",
				(unsigned)s->port, s->name);
		for (size_t j = 0; j < i; j++) {
			const struct config_service *t =
				config_service_by_name(k->c, l->items[j].text);
			if (t != NULL && t != s && t->port == s->port)
				config_note(k->notes, &at,
					"services: %s and %s have the same number, which is all that a knock "
					"says; leave one out",
					t->name, s->name);
		}
	}
}

static void check_structured(const struct checker *k, size_t n)
{
	const struct config_structured *t = &k->c->doors[k->door].structured[n];
	struct block x = block_of(k, CONFIG_BLOCK_STRUCTURED, n);
	check_services(k, &x, &t->services, STRUCTURED_PORT_LAST);
	for (size_t i = 0; i < t->services.len; i++)
		check_bind(
			k, &x, "services", config_service_by_name(k->c, t->services.items[i].text));
}

/* A pad brings its own keys, and each of its messages works once anyhow. */
static void check_pad(const struct checker *k, const struct block *x, const struct config_cipher *p)
{
	if (is_written(k, x, "key-file"))
		note(k, x, "key-file", "key-file: goes without pad; remove one");
	if (is_written(k, x, "iv"))
		note(k, x, "iv", "iv: goes without pad; remove one");
	if (p->random_iv)
		note(k, x, "random-iv", "random-iv: goes without pad; remove one");
	if (p->one_time)
		note(k, x, "one-time", "one-time: a pad is that already; remove it");
}

static void check_cipher(const struct checker *k, size_t n)
{
	const struct config_cipher *p = &k->c->doors[k->door].ciphers[n];
	struct block x = block_of(k, CONFIG_BLOCK_CIPHER, n);
	bool has_iv = is_written(k, &x, "iv");
	check_services(k, &x, &p->services, p->wide ? UINT16_MAX : CIPHER_PORT_LAST);
	if (is_written(k, &x, "pad")) {
		check_pad(k, &x, p);
		return;
	}
	if (!is_written(k, &x, "key-file"))
		note(k, &x, "key-file", "cipher: no key; add key-file, or pad");
	if (!has_iv && !p->random_iv)
		note(k, &x, "iv", "cipher: no first block; add iv, or random-iv = yes");
	if (has_iv && p->random_iv)
		note(k, &x, "iv", "iv: goes without random-iv; remove one");
	/* The IV goes in the clear and is not authenticated: it changes the first block at will. */
	if (p->random_iv && !p->one_time)
		note(k, &x, "random-iv",
			"random-iv: whoever saw one could change its address and port; add one-time = yes");
}

static void check_tagged(const struct checker *k)
{
	const struct config_tagged *t = &k->c->doors[k->door].tagged;
	if (!t->is_on)
		return;
	struct block x = block_of(k, CONFIG_BLOCK_TAGGED, 0);
	check_services(k, &x, &t->services, 0);
	if (t->services.len > TAGGED_SERVICES_MAX)
		note(k, &x, "services",
			"services: more than 255, which a knock can say; name fewer");
}

/* A file that others can read. What is not there cannot be read by anybody. */
static void check_secrecy(const struct checker *k, const struct block *x, const char *keyword)
{
	struct stat st;
	struct config_place at = place_of(k, x, keyword);
	if (is_written(k, x, keyword) && stat(at.file, &st) == 0 && (st.st_mode & 077) != 0)
		config_note(k->notes, &at,
			"%s: others can read this file; chmod 0600 it, or put the keys into a key-file",
			keyword);
}

static void check_keys(const struct checker *k, const struct block *x)
{
	bool has_key = is_written(k, x, "key-base64");
	bool has_hmac = is_written(k, x, "hmac-key-base64");
	bool has_file = is_written(k, x, "key-file");
	if (has_file && (has_key || has_hmac))
		note(k, x, "key-file", "key-file: both keys stand in it; remove it, or the others");
	else if (!has_file && !has_key)
		note(k, x, "key-base64", "fwknop: no key; add key-base64, or key-file");
	else if (!has_file && !has_hmac)
		note(k, x, "hmac-key-base64",
			"fwknop: no HMAC key, without which nothing is believed; add hmac-key-base64");
	check_secrecy(k, x, "key-base64");
	check_secrecy(k, x, "hmac-key-base64");
}

/* Only what is let in as far as a listener brings a segment with text. */
static void check_tcp(const struct checker *k, const struct block *x, uint16_t port)
{
	const struct config_server *server = &k->c->server;
	const struct config_service *s = config_service_by_port(k->c, IPPROTO_TCP, port);
	struct config_place at = place_of(k, x, "tcp");
	bool is_let_in = !server->lockdown;
	if (port == 0)
		return;
	for (size_t i = 0; i < server->opening_count; i++)
		is_let_in |= server->openings[i].proto == IPPROTO_TCP &&
			server->openings[i].port == port;
	if (s != NULL)
		config_note(k->notes, &at,
			"tcp: service %s guards %u, so no stranger's connection brings a text; choose "
			"another",
			s->name, (unsigned)port);
	else if (!is_let_in)
		config_note(k->notes, &at,
			"tcp: the lockdown closes %u, so no connection brings a text; add tcp/%u to "
			"lockdown-allow",
			(unsigned)port, (unsigned)port);
}

static void check_udp(const struct checker *k, const struct block *x, uint16_t port)
{
	const struct config_service *s = config_service_by_port(k->c, IPPROTO_UDP, port);
	struct config_place at = place_of(k, x, "udp");
	if (port != 0 && s != NULL)
		config_note(k->notes, &at,
			"udp: service %s guards %u; choose another for one of them", s->name,
			(unsigned)port);
}

/* A door's filter has room for two UDP ports and one of TCP. */
static void check_carriers(const struct checker *k)
{
	const struct config_door *d = &k->c->doors[k->door];
	uint16_t udp[UDP_PORTS_MAX] = { d->spa.is_on ? d->spa.port : 0 }, tcp = 0;
	for (size_t n = 0; n < d->fwknop_count; n++) {
		const struct config_fwknop *f = &d->fwknops[n];
		struct block x = block_of(k, CONFIG_BLOCK_FWKNOP, n);
		bool is_known = f->udp == 0 || f->udp == udp[0] || f->udp == udp[1];
		if (!is_known && udp[0] != 0 && udp[1] != 0)
			note(k, &x, "udp",
				"udp: a door takes packets on two ports at most; use one of them");
		else if (!is_known)
			udp[udp[0] != 0] = f->udp;
		if (f->tcp != 0 && tcp != 0 && f->tcp != tcp)
			note(k, &x, "tcp",
				"tcp: a door takes texts on one port only; use the same");
		tcp = f->tcp != 0 ? f->tcp : tcp;
	}
}

static void check_fwknop(const struct checker *k, size_t n)
{
	const struct config_fwknop *f = &k->c->doors[k->door].fwknops[n];
	struct block x = block_of(k, CONFIG_BLOCK_FWKNOP, n);
	check_services(k, &x, &f->services, 0);
	check_keys(k, &x);
	if (f->user != NULL && strlen(f->user) > FWKNOP_USER_MAX)
		note(k, &x, "user", "user: a packet has room for 48 bytes; write a shorter one");
	check_udp(k, &x, f->udp);
	check_tcp(k, &x, f->tcp);
	if (f->udp == 0 && f->tcp == 0 && !f->icmp && is_good(k, &x, "udp") &&
		is_good(k, &x, "tcp") && is_good(k, &x, "icmp"))
		note(k, &x, "udp", "udp: off, and nothing else is on; write a port, or icmp = yes");
}

void config_check_classic(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	for (size_t i = 0; i < c->door_count; i++) {
		const struct config_door *d = &c->doors[i];
		struct checker k = { c, s, notes, i };
		for (size_t n = 0; n < d->sequence_count; n++)
			check_sequence(&k, n);
		for (size_t n = 0; n < d->structured_count; n++)
			check_structured(&k, n);
		for (size_t n = 0; n < d->cipher_count; n++)
			check_cipher(&k, n);
		check_tagged(&k);
		for (size_t n = 0; n < d->fwknop_count; n++)
			check_fwknop(&k, n);
		check_carriers(&k);
	}
}
