/*
 * A plan as blocks of postern.conf and lines of the directory. Invariant: what came from a file stands in
 * quotes or, quoted again, in a comment, so no file can write a line of the configuration.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/import.h"

#define LEASE_DEFAULT 28800
#define INTERFACE_DEFAULT "eth0"

/* Without a $, a quote or a backslash in text this is all that a string needs; the others are escaped. */
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

static void put_key(FILE *out, const char *keyword, const uint8_t *key, size_t len)
{
	char text[sodium_base64_ENCODED_LEN(FWKNOP_HMAC_KEY_MAX, sodium_base64_VARIANT_ORIGINAL)];
	sodium_bin2base64(text, sizeof(text), key, len, sodium_base64_VARIANT_ORIGINAL);
	fprintf(out, "\t\t%s = \"%s\"\n", keyword, text);
	sodium_memzero(text, sizeof(text));
}

/* ------------------------------------------------------------------ notes */

static const char *kind_text(enum import_note_kind kind)
{
	switch (kind) {
	case IMPORT_LOST:
		return "not carried over";
	case IMPORT_ASSUMED:
		return "assumed";
	case IMPORT_TODO:
		return "to be done by hand";
	case IMPORT_KINDS:
	default:
		return "";
	}
}

void import_print_notes(const struct import *im, const char *before, FILE *out)
{
	for (int kind = 0; kind < IMPORT_KINDS; kind++)
		for (size_t i = 0; i < im->note_count; i++) {
			const struct import_note *n = &im->notes[i];
			if ((int)n->kind != kind)
				continue;
			fputs(before, out);
			if (n->at.line != 0)
				fprintf(out, "%s:%u: ", n->at.file, n->at.line);
			else if (n->at.file[0] != '\0')
				fprintf(out, "%s: ", n->at.file);
			fprintf(out, "%s: %s\n", kind_text(n->kind), n->text);
		}
	if (im->notes_unkept > 0)
		fprintf(out, "%s%zu more lines were not carried over\n", before, im->notes_unkept);
}

/* ------------------------------------------------------------------ blocks */

static void put_steps(FILE *out, const struct sequence *s)
{
	fputs("\t\tports = {", out);
	for (size_t i = 0; i < s->count; i++) {
		bool is_udp = s->steps[i].proto == IPPROTO_UDP;
		fprintf(out, "%s%s%u%s", i > 0 ? ", " : "", is_udp ? "\"" : "", s->steps[i].port,
			is_udp ? "/udp\"" : "");
	}
	fputs("}\n", out);
}

static void put_weakness(FILE *out, const struct sequence *s)
{
	const char *threat = "";
	switch (sequence_weakness(s)) {
	case SEQUENCE_FEW:
		threat = "so few knocks are guessed by trying";
		break;
	case SEQUENCE_MONOTONE:
		threat = "a scan of some ports in rising or falling order may walk through";
		break;
	case SEQUENCE_NARROW:
		threat = "a scan of a few neighbouring ports may walk through";
		break;
	case SEQUENCE_STRONG:
	case SEQUENCE_WEAKNESS_COUNT:
	default:
		return;
	}
	fprintf(out, "\t\t# weak: %s; choose others\n\t\taccept-weak = yes\n", threat);
}

static void put_sequence(FILE *out, const struct import *im, const struct import_sequence *q)
{
	char text[TIME_TEXT_MAX];

	fputs("\n\tsequence {\n", out);
	if (q->label[0] != '\0')
		fprintf(out, "\t\tname = \"%s\"\n", q->label);
	if (q->one_time[0] != '\0') {
		fputs("\t\tone-time = ", out);
		put_string(out, q->one_time);
		fputc('\n', out);
	} else {
		put_steps(out, &q->sequence);
		put_weakness(out, &q->sequence);
	}
	fprintf(out, "\t\t%s = \"%s\"\n\t\tas = ", q->is_close ? "close" : "open",
		im->services[q->service].name);
	put_string(out, im->people[q->person].name);
	fprintf(out, "\n\t\twithin = %s\n\t}\n", duration_format(q->within_s, text));
}

static void put_services(FILE *out, const struct import *im, const struct import_fwknop *q)
{
	bool is_first = true;
	fputs("\t\tservices = {", out);
	for (size_t i = 0; i < im->service_count; i++) {
		if (!q->is_for[i])
			continue;
		fprintf(out, "%s\"%s\"", is_first ? "" : ", ", im->services[i].name);
		is_first = false;
	}
	fputs("}\n", out);
}

static void put_fwknop(FILE *out, const struct import *im, const struct import_fwknop *q)
{
	static const char *const hashes[] = { "", "md5", "sha1", "sha256", "sha384", "sha512",
		"sha3-256", "sha3-512" };
	static const char *const modes[] = { "", "ecb", "cbc", "cfb", "", "ofb", "ctr" };
	char text[TIME_TEXT_MAX];

	fputs("\n\tfwknop {\n", out);
	put_key(out, "key-base64", q->secret.key, q->secret.key_len);
	put_key(out, "hmac-key-base64", q->secret.hmac_key, q->secret.hmac_key_len);
	fprintf(out, "\t\thmac = %s\n\t\tmode = %s\n", hashes[q->hmac], modes[q->mode]);
	put_services(out, im, q);
	fputs("\t\tas = ", out);
	put_string(out, im->people[q->person].name);
	if (q->user[0] != '\0') {
		fputs("\n\t\tuser = ", out);
		put_string(out, q->user);
	}
	fprintf(out, "\n\t\tmax-age = %s\n\t\tudp = %u\n", duration_format(im->max_age_s, text),
		im->udp);
	if (im->tcp != 0)
		fprintf(out, "\t\ttcp = %u\n", im->tcp);
	fputs("\t\tthird-party = no\n\t}\n", out);
}

static const char *interface_of(const struct import *im)
{
	for (size_t i = 0;
		im->interface[0] == '\0' && im->config != NULL && i < im->config->door_count; i++)
		if (im->config->doors[i].interface != NULL)
			return im->config->doors[i].interface;
	return im->interface[0] != '\0' ? im->interface : INTERFACE_DEFAULT;
}

static void put_door(FILE *out, const struct import *im, const char *door)
{
	fprintf(out, "\ndoor %s {\n\tcapture = pcap\n\tinterface = ", door);
	put_string(out, interface_of(im));
	fputc('\n', out);
	for (size_t i = 0; i < im->sequence_count; i++)
		put_sequence(out, im, &im->sequences[i]);
	for (size_t i = 0; i < im->fwknop_count; i++)
		put_fwknop(out, im, &im->fwknops[i]);
	fputs("}\n", out);
}

/* s NULL: everybody. */
static void put_allow(FILE *out, const struct import *im, const struct import_service *s)
{
	bool is_first = true;
	fputs("\tallow = {", out);
	for (size_t i = 0; i < im->person_count; i++) {
		if ((s != NULL && !s->is_for[i]) || !im->people[i].is_used)
			continue;
		fputs(is_first ? "" : ", ", out);
		put_string(out, im->people[i].name);
		is_first = false;
	}
	fputs("}\n", out);
}

static void put_service(FILE *out, const struct import *im, const struct import_service *s)
{
	char text[TIME_TEXT_MAX];

	if (!s->is_used)
		return;
	if (s->is_there) {
		fprintf(out, "\n# service %s is there already; it needs in its list:\n#", s->name);
		put_allow(out, im, s);
		return;
	}
	fprintf(out, "\nservice %s {\n\tport = \"%s/%u", s->name,
		s->proto == IPPROTO_UDP ? "udp" : "tcp", s->port);
	if (s->port_last != 0)
		fprintf(out, "-%u", s->port_last);
	fputs("\"\n", out);
	put_allow(out, im, s);
	fprintf(out,
		"\topen = window # any number of connections until the time is over\n"
		"\twait = %s\n",
		duration_format(s->wait_s, text));
	if (s->wait_s > LEASE_DEFAULT)
		fprintf(out, "\tlease = %s\n", duration_format(s->wait_s, text));
	if (s->forward[0] != '\0')
		fprintf(out, "\tforward = {\"%s\"}\n", s->forward);
	if (s->masquerade && s->forward[0] != '\0')
		fputs("\tmasquerade = yes\n", out);
	fputs("}\n", out);
}

static char *finish(FILE *out, char **text)
{
	bool is_bad = ferror(out) != 0;
	if (fclose(out) != 0 || is_bad) {
		free(*text);
		return NULL;
	}
	return *text;
}

static void put_server(FILE *out, const struct import *im)
{
	fputs("\n# No certificate is behind these names, so */... does not fit them. server needs in its list:\n#",
		out);
	put_allow(out, im, NULL);
}

char *import_format(const struct import *im, const char *door)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	fprintf(out,
		"# Made by \"posternctl import %s\". Read the notes, put the lines of the directory into\n"
		"# yours and the names into the lists, put this file beside postern.conf, write there\n"
		"#     include(\"%s.conf\")\n"
		"# and try it: posternd --check\n"
		"# Only root may read it, and the rest of the configuration with it.\n",
		door, door);
	if (im->note_count > 0)
		fputs("#\n", out);
	import_print_notes(im, "# ", out);
	if (!import_is_empty(im))
		put_door(out, im, door);
	if (!import_is_empty(im))
		put_server(out, im);
	for (size_t i = 0; i < im->service_count; i++)
		put_service(out, im, &im->services[i]);
	return finish(out, &text);
}

char *import_format_directory(const struct import *im)
{
	char *text = NULL, line[DIRECTORY_LINE_MAX + 2];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < im->person_count; i++)
		if (im->people[i].is_used &&
			directory_line_format(&im->people[i].entry, NULL, line, sizeof(line)) > 0)
			fputs(line, out);
	return finish(out, &text);
}
