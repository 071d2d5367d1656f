/* postern id show: what an ID file says about itself, which nothing has proved before it is unlocked. */

#include <jansson.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/say.h"
#include "identity/cert.h"

static const char help_show[] =
	"usage: postern id show FILE [--json]\n"
	"\n"
	"Says whose ID file this is, how it opens, and until when its certificates are\n"
	"valid. The password is not needed; what the file says about itself is therefore\n"
	"not yet proved.\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 the file cannot be read or is not an ID file.\n";

enum { OPT_JSON = 256 };

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

static int show_json(const struct idfile *id)
{
	const struct idfile_header *h = idfile_header(id);
	char hex[65], when[TIME_TEXT_MAX];

	json_t *certs = json_array();
	for (size_t i = 0; i < idfile_cert_count(id); i++)
		json_array_append_new(certs, cert_json(idfile_cert(id, i)));
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "name", h->name, "kind",
		kind_text(h->kind), "key_id", text_hex(SPAN_OF(h->key_id), hex), "created",
		time_format_utc(h->created_ms, when), "quality_min", (int)h->quality_min,
		"opens_with", slots_json(id), "certificates", certs);
	if (j == NULL || json_dumpf(j, stdout, JSON_INDENT(2)) < 0) {
		say_trouble("no memory for the JSON output");
		json_decref(j);
		return EXIT_LOCAL;
	}
	putchar('\n');
	json_decref(j);
	return EXIT_DONE;
}

int id_show(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct idfile *id = NULL;
	struct fault f;
	bool is_json = false;
	int c, rc = EXIT_DONE;

	while ((c = say_next_option("id show", argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h') {
			fputs(help_show, stdout);
			return EXIT_DONE;
		}
		is_json = true;
	}
	if (argc - optind != 1)
		return say_usage("id show", argc == optind ? "which FILE?" : "one FILE at a time");
	if (id_file_load(argv[optind], FILE_ANY, &id, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	if (is_json)
		rc = show_json(id);
	else
		show(id);
	idfile_free(id);
	return rc;
}
