/*
 * The plan of an import: notes, services and people, which both kinds of configuration need. Invariant:
 * names, labels and texts in it are such as postern.conf and the directory take, whatever the files had.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd/import.h"
#include "cmd/interface.h"

#define NOTE_MAX 1024
#define VALUE_MAX 48 /* of a common name, with room for a number */
#define ID_LABEL "postern import v1"

struct import *import_new(const struct name *organisation, const struct config *config)
{
	struct import *im = calloc(1, sizeof(*im));
	if (im == NULL)
		return NULL;
	im->organisation = *organisation;
	im->config = config;
	im->udp = 62201;
	im->max_age_s = 120;
	return im;
}

void import_free(struct import *im)
{
	if (im == NULL)
		return;
	for (size_t i = 0; i < im->note_count; i++)
		free(im->notes[i].text);
	for (size_t i = 0; i < im->file_count; i++)
		free(im->files[i]);
	sodium_memzero(im, sizeof(*im));
	free(im);
}

const char *import_file_name(struct import *im, const char *name)
{
	char quoted[1024];

	text_quote(span_of(name, strlen(name)), quoted, sizeof(quoted));
	for (size_t i = 0; i < im->file_count; i++)
		if (strcmp(im->files[i], quoted) == 0)
			return NULL;
	char *copy = im->file_count < IMPORT_FILES_MAX ? strdup(quoted) : NULL;
	if (copy == NULL)
		return NULL;
	im->files[im->file_count++] = copy;
	return copy;
}

void import_note(
	struct import *im, enum import_note_kind kind, struct import_place at, const char *fmt, ...)
{
	char text[NOTE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	char *copy = im->note_count < IMPORT_NOTES_MAX ? strdup(text) : NULL;
	if (copy == NULL)
		im->notes_unkept++;
	else
		im->notes[im->note_count++] = (struct import_note){ kind, at, copy };
}

const char *import_quoted(struct span s, char to[IMPORT_QUOTED_MAX])
{
	return text_quote(s, to, IMPORT_QUOTED_MAX);
}

/* ------------------------------------------------------------------ text */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

struct span import_trim(struct span s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = span_slice(s, 1, s.len);
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

bool import_line(struct span *text, struct span *ret, unsigned *line)
{
	size_t len = 0;

	if (text->len == 0)
		return false;
	while (len < text->len && text->data[len] != '\n')
		len++;
	*ret = import_trim(span_slice(*text, 0, len));
	*text = span_slice(*text, len + 1, text->len);
	(*line)++;
	return true;
}

bool import_text(struct span s, char to[IMPORT_VALUE_MAX])
{
	to[0] = '\0';
	if (s.len >= IMPORT_VALUE_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
			return false;
	if (s.len != 0)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
	return true;
}

bool import_is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

bool import_is_interface(const char *text)
{
	return interface_name_is_good(text) && text[0] != '-' && strchr(text, ':') == NULL &&
		import_is_ascii(text);
}

void import_interface(struct import *im, struct import_place at, const char *text)
{
	if (!import_is_interface(text))
		import_note(im, IMPORT_LOST, at, "not the name of an interface");
	else if (im->interface[0] == '\0')
		memcpy(im->interface, text, strlen(text) + 1);
	else if (strcmp(im->interface, text) != 0)
		import_note(im, IMPORT_LOST, at,
			"the interface is %s already; copy the door, one for each", im->interface);
}

bool import_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret)
{
	size_t len = strspn(text, "0123456789");
	unsigned long v = len > 0 && len <= 10 && text[len] == '\0' ? strtoul(text, NULL, 10) : 0;
	if (len == 0 || len > 10 || text[len] != '\0' || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

const char *import_label(const char *text, char to[CONFIG_NAME_MAX + 1])
{
	size_t len = 0;
	for (; *text != '\0' && len < CONFIG_NAME_MAX - 8; text++) {
		char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + 'a' - 'A') : *text;
		bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (is_good || (len > 0 && to[len - 1] != '-'))
			to[len++] = is_good ? c : '-';
	}
	while (len > 0 && to[len - 1] == '-')
		len--;
	to[len] = '\0';
	return to;
}

/* ------------------------------------------------------------------ services */

static const struct {
	uint16_t port;
	const char *name;
} known[] = {
	{ 20, "ftp-data" },
	{ 21, "ftp" },
	{ 22, "ssh" },
	{ 23, "telnet" },
	{ 25, "smtp" },
	{ 53, "dns" },
	{ 80, "http" },
	{ 110, "pop3" },
	{ 143, "imap" },
	{ 443, "https" },
	{ 465, "submissions" },
	{ 587, "submission" },
	{ 993, "imaps" },
	{ 995, "pop3s" },
	{ 1194, "openvpn" },
	{ 1352, "notes" },
	{ 3306, "mysql" },
	{ 3389, "rdp" },
	{ 5432, "postgresql" },
	{ 5900, "vnc" },
	{ 51820, "wireguard" },
};

static bool is_taken(const struct import *im, const char *name)
{
	for (size_t i = 0; i < im->service_count; i++)
		if (strcmp(im->services[i].name, name) == 0)
			return true;
	return im->config != NULL && config_service_by_name(im->config, name) != NULL;
}

static void name_service(const struct import *im, struct import_service *s)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && s->port_last == 0; i++)
		if (known[i].port == s->port)
			snprintf(s->name, sizeof(s->name), "%s", known[i].name);
	if (s->name[0] != '\0' && !is_taken(im, s->name))
		return;
	const char *proto = s->proto == IPPROTO_UDP ? "udp" : "tcp";
	if (s->port_last != 0)
		snprintf(s->name, sizeof(s->name), "%s-%u-%u", proto, s->port, s->port_last);
	else
		snprintf(s->name, sizeof(s->name), "%s-%u", proto, s->port);
}

/* A service that is there guards some of these ports: either it is the same, or in the way. */
static bool take_existing(struct import *im, struct import_place at, struct import_service *s)
{
	for (unsigned p = s->port;
		im->config != NULL && p <= (s->port_last ? s->port_last : s->port); p++) {
		const struct config_service *c =
			config_service_by_port(im->config, s->proto, (uint16_t)p);
		if (c == NULL)
			continue;
		if (c->port != s->port || c->port_last != s->port_last) {
			import_note(im, IMPORT_LOST, at,
				"port %u: service %s of the configuration guards it with other ports; "
				"make them one service",
				p, c->name);
			return false;
		}
		snprintf(s->name, sizeof(s->name), "%s", c->name);
		s->is_there = true;
		import_note(im, IMPORT_TODO, at,
			"service %s is in the configuration already and is not written again; add to "
			"its allow whom the blocks name",
			c->name);
		return true;
	}
	return true;
}

static size_t find_service(
	struct import *im, struct import_place at, const struct import_service *s)
{
	unsigned last = s->port_last != 0 ? s->port_last : s->port;
	for (size_t i = 0; i < im->service_count; i++) {
		const struct import_service *t = &im->services[i];
		unsigned t_last = t->port_last != 0 ? t->port_last : t->port;
		if (t->proto != s->proto || s->port > t_last || last < t->port)
			continue;
		if (t->port == s->port && t_last == last)
			return i;
		import_note(im, IMPORT_LOST, at,
			"port %u: service %s guards some of these ports with others; make them one "
			"service",
			s->port, t->name);
		return IMPORT_NONE;
	}
	return im->service_count;
}

size_t import_service(
	struct import *im, struct import_place at, uint8_t proto, uint16_t first, uint16_t last)
{
	struct import_service s = { .proto = proto, .port = first };

	s.port_last = last > first ? last : 0;
	if (first == 0 || last < first || last - first >= CONFIG_RANGE_MAX) {
		import_note(im, IMPORT_LOST, at, "port %u to %u: a service has 1 to %d ports",
			first, last, CONFIG_RANGE_MAX);
		return IMPORT_NONE;
	}
	size_t i = find_service(im, at, &s);
	if (i != im->service_count)
		return i;
	if (i == IMPORT_SERVICES_MAX) {
		import_note(im, IMPORT_LOST, at,
			"port %u: more than %d services; write it yourself", first,
			IMPORT_SERVICES_MAX);
		return IMPORT_NONE;
	}
	if (!take_existing(im, at, &s))
		return IMPORT_NONE;
	if (!s.is_there)
		name_service(im, &s);
	im->services[im->service_count++] = s;
	return i;
}

void import_service_wait(struct import *im, struct import_place at, size_t service, uint32_t wait_s)
{
	struct import_service *s = &im->services[service];
	if (s->is_there || s->wait_s == wait_s)
		return;
	if (s->wait_s != 0)
		import_note(im, IMPORT_ASSUMED, at,
			"service %s stays open for %us here, and for %us elsewhere; %us is written",
			s->name, wait_s, s->wait_s, s->wait_s);
	else
		s->wait_s = wait_s;
}

/* ------------------------------------------------------------------ people */

/* What a component of a name may hold of text. */
static void clean_value(const char *text, char to[VALUE_MAX + 1])
{
	size_t len = 0;
	for (; *text != '\0' && len < VALUE_MAX; text++) {
		bool is_good = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			(*text >= '0' && *text <= '9') ||
			(len > 0 && strchr("._-@", *text) != NULL);
		if (is_good)
			to[len++] = *text;
		else if (len > 0 && to[len - 1] != ' ')
			to[len++] = ' ';
	}
	while (len > 0 && to[len - 1] == ' ')
		len--;
	to[len] = '\0';
}

static bool is_person(const struct import *im, const struct name *n)
{
	for (size_t i = 0; i < im->person_count; i++)
		if (name_equal(&im->people[i].entry.name, n))
			return true;
	return false;
}

static bool name_person(const struct import *im, const char *text, struct name *ret)
{
	char value[VALUE_MAX + 1], numbered[VALUE_MAX + 16];

	clean_value(text, value);
	for (unsigned n = 1; n <= IMPORT_PEOPLE_MAX; n++) {
		snprintf(numbered, sizeof(numbered), n == 1 ? "%s" : "%s %u", value, n);
		/* Only an organisation of the greatest length is in the way, or an empty text. */
		if (name_append(&im->organisation, NAME_CN, numbered, ret) != NAME_OK)
			return false;
		if (!is_person(im, ret))
			return true;
	}
	return false;
}

static void hash_id(const struct import_person *p, struct span id, uint8_t ret[32])
{
	crypto_hash_sha256_state st;
	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, (const uint8_t *)ID_LABEL, sizeof(ID_LABEL));
	crypto_hash_sha256_update(&st, (const uint8_t *)p->name, strlen(p->name) + 1);
	crypto_hash_sha256_update(&st, id.data, id.len);
	crypto_hash_sha256_final(&st, ret);
	sodium_memzero(&st, sizeof(st));
}

size_t import_person(struct import *im, struct import_place at, const char *text, struct span id)
{
	struct import_person p = { .entry = { .kind = DIRECTORY_USER,
					   .key = DIRECTORY_KEY_ID_ONLY,
					   .expires_ms = UINT64_MAX } };

	if (im->person_count == IMPORT_PEOPLE_MAX || !name_person(im, text, &p.entry.name)) {
		import_note(im, IMPORT_LOST, at, "no name can be made for it; write it yourself");
		return IMPORT_NONE;
	}
	name_format(&p.entry.name, p.name);
	hash_id(&p, id, p.entry.key_id);
	im->people[im->person_count] = p;
	return im->person_count++;
}

void import_allow(struct import *im, size_t service, size_t person)
{
	im->services[service].is_for[person] = true;
}

bool import_is_empty(const struct import *im)
{
	return im->sequence_count == 0 && im->fwknop_count == 0;
}
