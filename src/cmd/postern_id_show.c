/*
 * postern id show: what an ID file or a server card says about itself. Nothing has proved what an ID file
 * says before it is unlocked; a card is at least signed by the key it names.
 */

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/card_file.h"
#include "cmd/card_show.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/say.h"
#include "identity/cert.h"

static const char help_show[] =
	"usage: postern id show FILE [--json]\n"
	"       postern id show CARD [--id ME.id] [--json]\n"
	"\n"
	"Says whose ID file this is, how it opens, and until when its certificates are\n"
	"valid. The password is not needed; what the file says about itself is therefore\n"
	"not yet proved. Of a server card: whose it is, where to knock, and who certified\n"
	"the server; of a stealth secret only that there is one.\n"
	"\n"
	"  --id ME.id          say also whether this ID trusts the card, as postern knock\n"
	"                      decides it; asks for the password of the ID\n"
	"  --password-file F   read that password from F, line 1\n"
	"  --json              for programs\n"
	"\n"
	"Exit codes: 0 done, 1 the ID does not trust the card, 2 usage, 4 wrong password,\n"
	"or the file cannot be read or is neither an ID file nor a card.\n";

enum { OPT_JSON = 256, OPT_ID, OPT_PASSWORD_FILE };

struct words {
	const char *file;
	struct card_show_id id; /* path NULL: nobody is asked */
	bool is_json, is_help;
	uint64_t now_ms;
};

static const char *kind_text(enum idfile_kind kind)
{
	switch (kind) {
	case IDFILE_SERVER:
		return "server";
	case IDFILE_CERTIFIER:
		return "certifier";
	case IDFILE_USER:
		break;
	}
	return "user";
}

static const char *cert_kind_text(enum cert_kind kind)
{
	switch (kind) {
	case CERT_SERVER:
		return "server";
	case CERT_CERTIFIER:
		return "certifier";
	case CERT_USER:
		break;
	}
	return "user";
}

static void show_slots(const struct idfile *id)
{
	for (size_t i = 0; i < idfile_slot_count(id); i++) {
		struct idfile_cost s = idfile_slot_cost(id, i);
		if (s.ops == 0)
			printf("  opens with    a key file\n");
		else
			printf("  opens with    a password (a try costs %u MiB, %u passes)\n",
				(unsigned)(s.mem_kib / 1024), (unsigned)s.ops);
	}
}

static void show_cert(size_t number, struct span der, uint64_t now_ms)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX], print[80];
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	struct cert c;
	struct fault f;

	if (cert_read(der, &c, &f) < 0) {
		printf("\ncertificate %zu cannot be used: %s\n", number, f.text);
		return;
	}
	printf("\ncertificate %zu: %s, %s\n", number, name_format(&c.subject, subject),
		cert_kind_text(c.kind));
	printf("  issued by     %s\n", name_format(&c.issuer, issuer));
	printf("  valid         %.10s to %.10s%s\n", time_format_utc(c.not_before_ms, from),
		time_format_utc(c.not_after_ms, to),
		c.not_after_ms < now_ms            ? " (ended)"
			: c.not_before_ms > now_ms ? " (not yet)"
						   : "");
	cert_fingerprint(der, print);
	/* Sixteen groups would just pass the edge of a terminal. */
	printf("  fingerprint   %.39s\n                %s\n", print, print + 40);
}

static void show(const struct idfile *id)
{
	const struct idfile_header *h = idfile_header(id);
	char hex[65], when[TIME_TEXT_MAX];

	printf("%s, %s\n", h->name, kind_text(h->kind));
	printf("  key id        %.32s\n", text_hex(SPAN_OF(h->key_id), hex));
	printf("                %s\n", hex + 32);
	printf("  created       %s\n", time_format_utc(h->created_ms, when));
	show_slots(id);
	if (h->quality_min != 0)
		printf("  password      quality %u of 16 at least\n", (unsigned)h->quality_min);
	if (h->recovery_n != 0)
		printf("  recovery      by %u of %u authorities\n", (unsigned)h->recovery_m,
			(unsigned)h->recovery_n);
	for (size_t i = 0; i < idfile_cert_count(id); i++)
		show_cert(i + 1, idfile_cert(id, i), clock_wall_ms());
	if (idfile_cert_count(id) == 0)
		printf("\nnot certified yet\n");
}

static json_t *cert_json(struct span der)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX], print[80], serial[17];
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	struct cert c;
	struct fault f;

	if (cert_read(der, &c, &f) < 0)
		return json_pack("{s:s}", "error", f.text);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "subject",
		name_format(&c.subject, subject), "kind", cert_kind_text(c.kind), "issuer",
		name_format(&c.issuer, issuer), "serial", text_hex(SPAN_OF(c.serial), serial),
		"not_before", time_format_utc(c.not_before_ms, from), "not_after",
		time_format_utc(c.not_after_ms, to), "fingerprint", cert_fingerprint(der, print));
}

static json_t *slots_json(const struct idfile *id)
{
	json_t *slots = json_array();
	for (size_t i = 0; i < idfile_slot_count(id); i++) {
		struct idfile_cost s = idfile_slot_cost(id, i);
		if (s.ops == 0)
			json_array_append_new(slots, json_pack("{s:s}", "kind", "key-file"));
		else
			json_array_append_new(slots,
				json_pack("{s:s, s:I, s:I}", "kind", "password", "passes",
					(json_int_t)s.ops, "memory_kib", (json_int_t)s.mem_kib));
	}
	return slots;
}

static int print_json(json_t *j)
{
	if (j == NULL || json_dumpf(j, stdout, JSON_INDENT(2)) < 0) {
		say_trouble("no memory for the JSON output");
		json_decref(j);
		return EXIT_LOCAL;
	}
	putchar('\n');
	json_decref(j);
	return EXIT_DONE;
}

static int show_json(const struct idfile *id)
{
	const struct idfile_header *h = idfile_header(id);
	char hex[65], when[TIME_TEXT_MAX];

	json_t *certs = json_array();
	for (size_t i = 0; i < idfile_cert_count(id); i++)
		json_array_append_new(certs, cert_json(idfile_cert(id, i)));
	return print_json(json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "name", h->name, "kind",
		kind_text(h->kind), "key_id", text_hex(SPAN_OF(h->key_id), hex), "created",
		time_format_utc(h->created_ms, when), "quality_min", (int)h->quality_min,
		"opens_with", slots_json(id), "certificates", certs));
}

/* ------------------------------------------------------------------ cards */

static struct span card_cert(const struct card *c, size_t i)
{
	return span_of(c->certs[i], c->cert_len[i]);
}

/* t NULL: nobody was asked. */
static void tell_card(const struct words *w, const struct card *c, const struct card_show_trust *t)
{
	card_show_tell(c, w->now_ms);
	for (size_t i = 0; i < c->cert_count; i++)
		show_cert(i + 1, card_cert(c, i), w->now_ms);
	if (c->cert_count == 0)
		printf("\nno certificates: nothing shows whose card it is\n");
	if (t == NULL)
		return;
	printf("\n%s %s it%s%s\n", w->id.path, t->is_trusted ? "trusts" : "does not trust",
		t->why[0] != '\0' ? ": " : "", t->why);
}

static int card_json(const struct words *w, const struct card *c, const struct card_show_trust *t)
{
	json_t *certs = json_array();
	for (size_t i = 0; i < c->cert_count; i++)
		json_array_append_new(certs, cert_json(card_cert(c, i)));
	json_t *j = card_show_json(c);
	json_object_set_new(j, "certificates", certs);
	if (t != NULL)
		json_object_set_new(j, "trust",
			json_pack("{s:s, s:b, s:s}", "id", w->id.path, "trusted",
				(int)t->is_trusted, "why", t->why));
	return print_json(j);
}

static int show_card(const struct words *w)
{
	struct card_show_trust trust;
	struct card *c = NULL;
	struct fault f;
	bool is_asked = w->id.path != NULL;

	int rc = card_file_load(w->file, FILE_ANY, &c, &f);
	if (rc == 0 && is_asked)
		rc = card_show_ask(w->file, &w->id, w->now_ms, &trust, &f);
	if (rc < 0) {
		say_trouble("%s", f.text);
		card_file_free(c);
		return EXIT_LOCAL;
	}
	rc = EXIT_DONE;
	if (w->is_json)
		rc = card_json(w, c, is_asked ? &trust : NULL);
	else
		tell_card(w, c, is_asked ? &trust : NULL);
	card_file_free(c);
	return rc == EXIT_DONE && is_asked && !trust.is_trusted ? EXIT_REFUSED : rc;
}

/* ------------------------------------------------------------------ the command */

static int show_id(const struct words *w)
{
	struct idfile *id = NULL;
	struct fault f;
	int rc = EXIT_DONE;

	if (w->id.path != NULL)
		return say_usage("id show", "--id goes with a server card");
	if (id_file_load(w->file, FILE_ANY, &id, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	if (w->is_json)
		rc = show_json(id);
	else
		show(id);
	idfile_free(id);
	return rc;
}

/* Whatever cannot be read is no card; what it is instead is said by who reads ID files. */
static bool is_card(const char *path)
{
	uint8_t *text = NULL;
	struct fault f;
	size_t len = 0;
	if (file_read(path, FILE_ANY, IDFILE_MAX, &text, &len, &f) < 0)
		return false;
	bool is = card_file_is(span_of(text, len));
	sodium_memzero(text, len); /* it may hold a stealth secret */
	free(text);
	return is;
}

static int parse(int argc, char **argv, struct words *w)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "id", required_argument, NULL, OPT_ID },
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;
	while ((c = say_next_option("id show", argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h') {
			w->is_help = true;
			return EXIT_DONE;
		}
		if (c == OPT_JSON)
			w->is_json = true;
		else if (c == OPT_ID)
			w->id.path = optarg;
		else
			w->id.password_file = optarg;
	}
	if (argc - optind != 1)
		return say_usage("id show", argc == optind ? "which FILE?" : "one FILE at a time");
	w->file = argv[optind];
	return EXIT_DONE;
}

int id_show(int argc, char **argv)
{
	struct words w = { .now_ms = clock_wall_ms() };
	int code = parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help_show, stdout);
		return EXIT_DONE;
	}
	return is_card(w.file) ? show_card(&w) : show_id(&w);
}
