/* The configuration setup writes: complete, commented, and accepted by posternd --check as it stands. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/say.h"
#include "cmd/setup.h"
#include "config/config.h"

#define SERVICE_NAME_MAX 63

int setup_guard_parse(const char *text, struct setup_guard *ret, struct fault *f)
{
	char port[8];
	struct setup_guard g = { 0 };
	const char *equals = strchr(text, '=');
	bool is_udp = strncmp(text, "udp/", 4) == 0;
	size_t name_len = equals != NULL ? strlen(equals + 1) : 0;

	if ((!is_udp && strncmp(text, "tcp/", 4) != 0) || name_len == 0 ||
		(size_t)(equals - text) - 4 >= sizeof(port)) {
		fault_set(f, "%s: not a port to guard; write tcp/22=ssh", text);
		return -EINVAL;
	}
	snprintf(port, sizeof(port), "%.*s", (int)(equals - text) - 4, text + 4);
	g.proto = is_udp ? IPPROTO_UDP : IPPROTO_TCP;
	if (!say_parse_port(port, &g.port)) {
		fault_set(f, "%s: the port is not a number from 1 to 65535", text);
		return -EINVAL;
	}
	if (name_len > SERVICE_NAME_MAX ||
		strspn(equals + 1, "abcdefghijklmnopqrstuvwxyz0123456789-") != name_len) {
		fault_set(f, "%s: the name of a service has a-z, 0-9 and -, at most %d", text,
			SERVICE_NAME_MAX);
		return -EINVAL;
	}
	if (is_udp && g.port == SETUP_KNOCK_PORT) {
		fault_set(f, "%s: this is the port knocks come in on; it guards itself", text);
		return -EINVAL;
	}
	memcpy(g.name, equals + 1, name_len + 1);
	*ret = g;
	return 0;
}

void setup_file_name(const char *value, size_t len, const char *suffix, char *to, size_t cap)
{
	size_t at = 0;
	for (size_t i = 0; i < len && at + strlen(suffix) + 1 < cap; i++) {
		unsigned char c = (unsigned char)value[i];
		bool is_good = c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			(c >= 'a' && c <= 'z') || c == '_' || (at > 0 && (c == '.' || c == '-'));
		to[at++] = is_good ? (char)c : '-';
	}
	/* A leading '-' would read as an option. */
	if (at > 0 && to[0] == '-')
		to[0] = '_';
	snprintf(to + at, cap - at, "%s", suffix);
}

/*
 * A quoted string. Inside "..." a ${ would name a variable of the environment, so text with a $ goes into
 * '...', which takes it as it is.
 */
static void put_string(FILE *out, const char *text)
{
	char quote = strchr(text, '$') != NULL ? '\'' : '"';
	fputc(quote, out);
	for (; *text != '\0'; text++) {
		if (*text == quote || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc(quote, out);
}

static void put_path(FILE *out, const struct setup_plan *p, const char *file)
{
	char path[PATH_MAX + NAME_VALUE_MAX + 32];
	snprintf(path, sizeof(path), "%s/%s", p->folder, file);
	put_string(out, path);
}

static void put_key(FILE *out, const struct setup_plan *p)
{
	switch (p->key) {
	case SETUP_KEY_FILE:
		put_path(out, p, "server.key");
		break;
	case SETUP_KEY_CREDENTIAL:
		put_string(out, CONFIG_CREDENTIAL SETUP_CREDENTIAL);
		break;
	case SETUP_KEY_ELSEWHERE:
		put_string(out, p->key_path);
		break;
	}
}

/* Read only when there is a passthru that encrypts. */
static void put_relay(FILE *out, const struct setup_plan *p)
{
	fputs("\n\n\t# who it is to those that a passthru takes: its name, with another key\n\trelay-id = ",
		out);
	put_path(out, p, "relay.id");
	fputs("\n\trelay-key = ", out);
	put_key(out, p);
}

static void put_below(FILE *out, const struct name *certifier)
{
	char name[NAME_TEXT_MAX + 2] = "*/";
	name_format(certifier, name + 2);
	put_string(out, name);
}

/* Everybody below the inner certifiers; and with is_own below the own organisation. */
static void put_all(FILE *out, const struct setup_plan *p, bool is_own)
{
	fputs("\tallow = {", out);
	if (is_own)
		put_below(out, &p->organisation);
	for (size_t i = 0; i < p->inner_count; i++) {
		fputs(i > 0 || is_own ? ",\n\t\t" : "", out);
		put_below(out, &p->inners[i].name);
	}
	fputs("}\n", out);
}

static void put_trust(FILE *out, const struct setup_plan *p)
{
	char file[NAME_MAX + 8];
	fputs("\n\n\t# the certifiers whose certificates count here\n\ttrust = {", out);
	snprintf(file, sizeof(file), "trust/%s", p->trust);
	put_path(out, p, file);
	for (size_t i = 0; i < p->inner_count; i++) {
		fputs(",\n\t\t", out);
		snprintf(file, sizeof(file), "trust/%s", p->inners[i].file);
		put_path(out, p, file);
	}
	fputs("}", out);
}

static void put_server_lists(FILE *out, const struct setup_plan *p)
{
	fputs("\n\n\t# who may use this server at all: everyone certified below ", out);
	fputs(p->inner_count > 0 ? "these names\n" : "this name\n", out);
	put_all(out, p, true);
	if (p->is_edge)
		fputs("\tdeny = {}\n\n\t# a key that is not the one in the directory is refused; who is "
		      "not in it comes by\n\t# certificate alone (all: is refused)\n"
		      "\tkey-check = listed\n}\n",
			out);
	else
		fputs("\t# deny = {\"Somebody Else\"}\n\n\t# a key that is not in the directory, or not "
		      "the one there, is refused\n\tkey-check = all\n}\n",
			out);
}

static void put_server(FILE *out, const struct setup_plan *p)
{

	fputs("server {\n\t# who this server is, and the key file that opens its ID file\n\tid = ",
		out);
	put_path(out, p, "server.id");
	fputs("\n\tid-key = ", out);
	put_key(out, p);
	if (p->is_stealth) {
		fputs("\n\n\t# the secret of the server cards: who lacks it is not heard\n\tstealth = ",
			out);
		put_path(out, p, "server.stealth");
	}
	put_relay(out, p);
	put_trust(out, p);
	fputs("\n\n\t# who is known; edit it with \"postern directory\", then reload\n\tdirectory = ",
		out);
	put_path(out, p, "directory");
	fputs("\n\n\t# the process that reads strangers' packets runs as this user\n", out);
	if (!p->is_user_own)
		fputs("\t# (better: a system user of its own, \"postern\"; others share this one)\n",
			out);
	fputs("\tuser = ", out);
	put_string(out, p->user);
	put_server_lists(out, p);
}

static void put_example(FILE *out, const struct setup_plan *p, const char *what, const char *block,
	const char *file, const char *rest)
{
	char who[NAME_TEXT_MAX];
	bool is_tagged = strcmp(block, "tagged { keys = ") == 0;
	fprintf(out, "\t# %s:\n\t# %s", what, block);
	if (file != NULL)
		put_path(out, p, file);
	fputs(rest, out);
	if (!is_tagged) {
		fputs("\n\t#   as = ", out);
		put_string(out, name_format(&p->admin, who));
	}
	fputs(" }\n", out);
}

/* All of them off: posternd --check says what each is worth once it is on. */
static void put_classic(FILE *out, const struct setup_plan *p)
{
	char rest[160];
	const char *service = p->guard_count > 0 ? p->guards[0].name : "ssh";
	fputs("\n\t# Knocks of older kinds; take the # away from one that you need, see postern.conf(5).\n"
	      "\t# posternd --check then says what others can do with it.\n",
		out);
	snprintf(rest, sizeof(rest), " open = %s", service);
	put_example(out, p, "attempts on closed ports; whoever sees them can do the same",
		"sequence { ports = {7000, 8200, 9100/udp, 7400}", NULL, rest);
	snprintf(rest, sizeof(rest),
		"\n\t#   wide = yes random-iv = yes one-time = yes services = {%s}", service);
	put_example(out, p, "attempts that spell an enciphered request",
		"cipher { key-file = ", "cipher.key", rest);
	snprintf(rest, sizeof(rest), " services = {%s}", service);
	put_example(out, p, "sixteen attempts that spell a signed request",
		"tagged { keys = ", "tagged.keys", rest);
	put_example(out, p, "packets of the fwknop client", "fwknop { key-file = ", "fwknop.keys",
		rest);
}

static void put_door(FILE *out, const struct setup_plan *p)
{
	fputs("\n# Where knocks come in.\ndoor wan {\n\tcapture = pcap\n\tinterface = ", out);
	put_string(out, p->interface);
	if (p->is_edge) {
		fputs("\n", out);
		put_all(out, p, true);
		fputs("\tdeny = {}", out);
	}
	fprintf(out,
		"\n\tspa {\n\t\tudp = %d\n"
		"\t\twindow = 30s # how far a client's clock may be off\n\t}\n",
		SETUP_KNOCK_PORT);
	put_classic(out, p);
	fputs("}\n", out);
}

static void put_service(FILE *out, const struct setup_plan *p, const struct setup_guard *g)
{
	char name[NAME_TEXT_MAX];
	fprintf(out, "\nservice %s {\n\tport = %s/%u\n\tallow = {", g->name,
		g->proto == IPPROTO_UDP ? "udp" : "tcp", (unsigned)g->port);
	put_string(out, name_format(&p->admin, name));
	fputs(p->is_edge ? "}\n\tdeny = {}" : "}", out);
	fputs("\n\topen = once # one connection for each knock\n"
	      "\twait = 30s  # that comes within this time\n"
	      "\tlease = 8h  # and is cut after this time\n}\n",
		out);
}

static void put_passthrus(FILE *out, const struct setup_plan *p)
{
	fputs("\n# From where people are let through to a machine inside: encrypted, proved by\n"
	      "# certificate, see postern.conf(5).\n",
		out);
	for (size_t i = 0; i < p->passthru_count; i++) {
		const struct setup_passthru *t = &p->passthrus[i];
		fprintf(out, "\npassthru %s {\n\tlisten = tcp/%u\n\tto = ", t->at.name,
			(unsigned)t->at.port);
		put_string(out, t->to);
		fputs("\n", out);
		put_all(out, p, false);
		fputs("\tdeny = {}\n\tspeaks = any # or ssh, tls, smtp, imap, http, postgres\n"
		      "\tlease = 8h\n}\n",
			out);
	}
	if (p->passthru_count == 0)
		fputs("# passthru notes {\n#\tlisten = tcp/1352\n#\tto = \"mail.inner:1352\"\n"
		      "#\tallow = {\"*/Sales/VSD\"}\n#\tdeny = {}\n#\tspeaks = any\n# }\n",
			out);
}

char *setup_config_format(const struct setup_plan *p)
{
	char when[TIME_TEXT_MAX], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	fprintf(out,
		"# Configuration of posternd, made by \"postern setup\" on %.10s (UTC).\n"
		"# All keys are explained in postern.conf(5). Before a reload, try it:\n"
		"# posternd --check -c FILE\n\n",
		time_format_utc(p->now_ms, when));
	put_server(out, p);
	put_door(out, p);
	fputs("\n# What is guarded: closed to everybody, opened one by one for those in allow.\n",
		out);
	for (size_t i = 0; i < p->guard_count; i++)
		put_service(out, p, &p->guards[i]);
	if (p->is_edge)
		put_passthrus(out, p);
	bool is_bad = ferror(out) != 0;
	if (fclose(out) != 0 || is_bad) {
		free(text);
		return NULL;
	}
	return text;
}
