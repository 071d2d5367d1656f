/*
 * fwknop's access.conf and fwknopd.conf into a plan: lines "WORD VALUE", stanzas that begin with SOURCE, and
 * files that a file includes. Invariant: depth and number of included files are bounded, keys are wiped,
 * and a line whose meaning is not carried over is named in a note.
 */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/import.h"

#define DEPTH_MAX 3

/* Values of a stanza. */
static const struct {
	const char *name;
	enum import_key key;
} keys[] = {
	{ "SOURCE", IMPORT_SOURCE },
	{ "OPEN_PORTS", IMPORT_OPEN_PORTS },
	{ "RESTRICT_PORTS", IMPORT_RESTRICT_PORTS },
	{ "KEY", IMPORT_KEY },
	{ "KEY_BASE64", IMPORT_KEY_BASE64 },
	{ "HMAC_KEY", IMPORT_HMAC_KEY },
	{ "HMAC_KEY_BASE64", IMPORT_HMAC_KEY_BASE64 },
	{ "HMAC_DIGEST_TYPE", IMPORT_HMAC_TYPE },
	{ "ENCRYPTION_MODE", IMPORT_MODE },
	{ "FW_ACCESS_TIMEOUT", IMPORT_TIMEOUT },
	{ "MAX_FW_TIMEOUT", IMPORT_MAX_TIMEOUT },
	{ "ACCESS_EXPIRE", IMPORT_EXPIRE },
	{ "ACCESS_EXPIRE_EPOCH", IMPORT_EXPIRE_EPOCH },
	{ "REQUIRE_USERNAME", IMPORT_USERNAME },
	{ "REQUIRE_SOURCE", IMPORT_REQUIRE_SOURCE },
	{ "REQUIRE_SOURCE_ADDRESS", IMPORT_REQUIRE_SOURCE },
	{ "FORCE_NAT", IMPORT_FORCE_NAT },
	{ "FORCE_MASQUERADE", IMPORT_MASQUERADE },
};

/* Words that begin so are lost, unless the value is the one that changes nothing. */
static const struct {
	const char *name, *harmless, *why;
} lost[] = {
	{ "DESTINATION", "ANY",
		"a door hears all addresses of its interface; use capture = nflog and a rule for one" },
	{ "ENABLE_CMD_EXEC", "N",
		"commands out of packets are never run; write an action block for \"postern send\"" },
	{ "CMD_CYCLE_", "",
		"nothing is run for a packet; write an action block for \"postern send\"" },
	{ "CMD_EXEC_", "", "nothing is run for a packet; an action block has a user of its own" },
	{ "CMD_SUDO_", "", "nothing is run for a packet; an action block has a user of its own" },
	{ "ENABLE_CMD_SUDO_EXEC", "N", "nothing is run for a packet; write an action block" },
	{ "GPG_", "",
		"packets made with OpenPGP are not read; give each client a key and a MAC key" },
	{ "FORCE_SNAT", "N",
		"with forward, masquerade = yes does this with the server's own address" },
	{ "DISABLE_DNAT", "N", "without forward nothing is sent on" },
	{ "FORWARD_ALL", "N",
		"what is sent on is the service's port alone; write a service for each" },
	/* of fwknopd.conf */
	{ "ENABLE_SPA_PACKET_AGING", "Y", "the age of a packet is always looked at" },
	{ "ENABLE_DIGEST_PERSISTENCE", "Y",
		"a packet never counts twice, whatever happens between" },
	{ "ENABLE_X_FORWARDED_FOR", "N",
		"headers of HTTP requests are not read: anybody could write them" },
	{ "ALLOW_ANY_USER_AGENT", "Y", "the User-Agent is not looked at" },
	{ "ENABLE_PCAP_PROMISC", "N", "only what is sent to this machine is heard" },
	{ "ENABLE_FIREWD_", "N",
		"posternd makes its own rules; for another machine write forward" },
	{ "ENABLE_IPT_", "N", "posternd makes its own rules; for another machine write forward" },
	{ "FIREWD_", "", "posternd makes its own rules" },
	{ "IPT_", "", "posternd makes its own rules" },
};

struct file_reader {
	struct import *im;
	struct import_stanza *stanza;
	bool has_stanza;
	bool is_http;
	struct import_place http_at;
};

/* One file of those that are being read. */
struct input {
	const char *path; /* as it is opened */
	struct import_place at;
	unsigned depth;
	bool is_keys_only;
};

static void read_text(struct file_reader *r, struct input *in, struct span text);

static void end_stanza(struct file_reader *r)
{
	if (r->has_stanza)
		import_stanza(r->im, r->stanza);
	sodium_memzero(r->stanza, sizeof(*r->stanza));
	r->has_stanza = false;
}

/* ------------------------------------------------------------------ included files */

/* A path as the file means it: from the file's own folder unless it is absolute. */
static bool resolve(const struct input *in, const char *value, char to[PATH_MAX])
{
	const char *slash = strrchr(in->path, '/');
	int n = snprintf(to, PATH_MAX, "%.*s%s",
		value[0] != '/' && slash != NULL ? (int)(slash - in->path + 1) : 0, in->path,
		value);
	return n > 0 && n < PATH_MAX;
}

static void read_other(
	struct file_reader *r, const struct input *from, const char *path, bool is_keys_only)
{
	struct fault f;
	uint8_t *data = NULL;
	size_t len = 0;

	const char *name = from->depth < DEPTH_MAX ? import_file_name(r->im, path) : NULL;
	if (name == NULL) {
		import_note(r->im, IMPORT_LOST, from->at,
			"the file was read before, or is one too many: %d, and %d inside each other",
			IMPORT_FILES_MAX, DEPTH_MAX);
		return;
	}
	if (file_read(path, FILE_ANY, IMPORT_FILE_MAX, &data, &len, &f) < 0) {
		import_note(r->im, IMPORT_LOST, from->at, "%s", f.text);
		return;
	}
	struct input in = { path, { name, 0 }, from->depth + 1, is_keys_only };
	read_text(r, &in, span_of(data, len));
	sodium_memzero(data, len);
	free(data);
}

static int is_conf(const struct dirent *e)
{
	size_t len = strlen(e->d_name);
	return len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

static void read_folder(struct file_reader *r, const struct input *from, const char *path)
{
	struct dirent **found = NULL;
	char file[PATH_MAX];
	int n = scandir(path, &found, is_conf, alphasort);

	if (n < 0)
		import_note(r->im, IMPORT_LOST, from->at, "the folder cannot be read: %s",
			strerror(errno));
	for (int i = 0; i < n; i++) {
		if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, found[i]->d_name) <
			sizeof(file))
			read_other(r, from, file, false);
		free(found[i]);
	}
	free(found);
}

/* %include and the like; false when the word is none of them. */
static bool take_include(
	struct file_reader *r, const struct input *in, const char *word, const char *value)
{
	char path[PATH_MAX];
	bool is_folder = strcmp(word, "%include_folder") == 0;
	bool is_keys = strcmp(word, "%include_keys") == 0;

	if (!is_folder && !is_keys && strcmp(word, "%include") != 0)
		return false;
	if (in->is_keys_only || !r->im->reads_others || !resolve(in, value, path))
		import_note(r->im, IMPORT_LOST, in->at, "the file is not read; name it itself");
	else if (is_folder)
		read_folder(r, in, path);
	else
		read_other(r, in, path, is_keys);
	return true;
}

/* ------------------------------------------------------------------ lines */

static bool is_word(const char *name, const char *word)
{
	size_t len = strlen(name);
	return name[len - 1] == '_' ? strncmp(name, word, len) == 0 : strcmp(name, word) == 0;
}

static void take_lost(
	struct file_reader *r, const struct input *in, const char *word, const char *value)
{
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		if (!is_word(lost[i].name, word))
			continue;
		if (strcmp(value, lost[i].harmless) != 0)
			import_note(r->im, IMPORT_LOST, in->at, "%s", lost[i].why);
		return;
	}
	import_note(r->im, IMPORT_LOST, in->at, "posternd has nothing of this kind");
}

static bool take_port(
	struct file_reader *r, const struct input *in, const char *value, uint16_t *ret)
{
	unsigned long port;
	if (!import_number(value, 1, UINT16_MAX, &port)) {
		import_note(r->im, IMPORT_LOST, in->at, "not a port");
		return false;
	}
	*ret = (uint16_t)port;
	return true;
}

static void take_filter(struct file_reader *r, const struct input *in, const char *value)
{
	if (strncmp(value, "udp port ", 9) == 0 &&
		strspn(value + 9, "0123456789") == strlen(value + 9))
		take_port(r, in, value + 9, &r->im->udp);
	else
		import_note(r->im, IMPORT_LOST, in->at,
			"the filter is not \"udp port N\"; write udp, tcp or icmp by hand");
}

/* A line of fwknopd.conf; false when the word is none that means anything here. */
static bool take_daemon(
	struct file_reader *r, const struct input *in, const char *word, const char *value)
{
	unsigned long age;

	if (strcmp(word, "PCAP_INTF") == 0)
		import_interface(r->im, in->at, value);
	else if (strcmp(word, "PCAP_FILTER") == 0)
		take_filter(r, in, value);
	else if (strcmp(word, "UDPSERV_PORT") == 0)
		take_port(r, in, value, &r->im->udp);
	else if (strcmp(word, "TCPSERV_PORT") == 0)
		take_port(r, in, value, &r->im->tcp);
	else if (strcmp(word, "ENABLE_SPA_OVER_HTTP") == 0) {
		r->is_http = strcmp(value, "Y") == 0;
		r->http_at = in->at;
	} else if (strcmp(word, "MAX_SPA_PACKET_AGE") != 0)
		return false;
	else if (import_number(value, 5, 3600, &age))
		r->im->max_age_s = (uint32_t)age;
	else
		import_note(r->im, IMPORT_ASSUMED, in->at,
			"the age is not from 5 to 3600 seconds: %us is written", r->im->max_age_s);
	return true;
}

static void take_value(
	struct file_reader *r, const struct input *in, enum import_key key, const char *value)
{
	if (key == IMPORT_SOURCE) {
		end_stanza(r);
		r->has_stanza = true;
		r->stanza->at = in->at;
	}
	if (!r->has_stanza && key == IMPORT_MAX_TIMEOUT)
		return; /* fwknopd.conf may say it for all: what a client may ask for is the service's */
	if (!r->has_stanza) {
		import_note(r->im, IMPORT_LOST, in->at, "it stands before the first SOURCE");
		return;
	}
	if (r->stanza->values[key][0] != '\0')
		import_note(r->im, IMPORT_LOST, r->stanza->places[key],
			"another line of this stanza says it again");
	r->stanza->places[key] = in->at;
	snprintf(r->stanza->values[key], IMPORT_VALUE_MAX, "%s", value);
}

static void take_line(struct file_reader *r, struct input *in, struct span line)
{
	char word[IMPORT_VALUE_MAX], value[IMPORT_VALUE_MAX];
	size_t len = 0, end;

	if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
		return;
	while (len < line.len && line.data[len] != ' ' && line.data[len] != '\t')
		len++;
	struct span rest = import_trim(span_slice(line, len, line.len));
	for (end = 0; end < rest.len && rest.data[end] != ';';)
		end++;
	bool is_good = import_text(span_slice(line, 0, len), word) &&
		import_text(import_trim(span_slice(rest, 0, end)), value);
	len = strlen(word);
	if (len > 1 && word[len - 1] == ':')
		word[len - 1] = '\0';
	if (!is_good || value[0] == '\0') {
		import_note(r->im, IMPORT_LOST, in->at,
			"it has no value, is too long or not printable");
	} else if (!take_include(r, in, word, value)) {
		size_t i = 0;
		while (i < sizeof(keys) / sizeof(keys[0]) && strcmp(keys[i].name, word) != 0)
			i++;
		bool is_key = i < sizeof(keys) / sizeof(keys[0]);
		bool is_secret = is_key && keys[i].key >= IMPORT_KEY &&
			keys[i].key <= IMPORT_HMAC_KEY_BASE64;
		if (in->is_keys_only && !is_secret)
			import_note(r->im, IMPORT_LOST, in->at, "a file of keys holds keys alone");
		else if (is_key)
			take_value(r, in, keys[i].key, value);
		else if (!take_daemon(r, in, word, value))
			take_lost(r, in, word, value);
	}
	sodium_memzero(value, sizeof(value));
}

static void read_text(struct file_reader *r, struct input *in, struct span text)
{
	struct span line;
	while (import_line(&text, &line, &in->at.line))
		take_line(r, in, line);
}

void import_fwknop(struct import *im, const char *file, struct span text)
{
	struct file_reader r = { .im = im, .stanza = calloc(1, sizeof(*r.stanza)) };
	struct input in = { .path = file, .at = { import_file_name(im, file), 0 } };

	if (r.stanza == NULL || in.at.file == NULL) {
		free(r.stanza);
		import_note(im, IMPORT_LOST, (struct import_place){ "", 0 },
			"a file was named twice, or there are too many");
		return;
	}
	read_text(&r, &in, text);
	end_stanza(&r);
	if (r.is_http && im->tcp == 0) {
		im->tcp = 62201;
		import_note(im, IMPORT_ASSUMED, r.http_at,
			"requests come to TCP port %u; something must listen there", im->tcp);
	}
	free(r.stanza);
}
