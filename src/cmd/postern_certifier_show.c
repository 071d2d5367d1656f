/*
 * postern certifier show: what stands in a file of certificates, lists, requests or an ID. Invariant: only
 * what was read strictly is shown as a fact; names come through name_format, which holds no control
 * character, and all else is numbers and dates.
 */

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pem.h"
#include "base/text.h"
#include "cmd/card_file.h"
#include "cmd/card_show.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "identity/crl.h"
#include "knock/spa.h"

static const char help[] =
	"usage: postern certifier show FILE [--json]\n"
	"\n"
	"Says what stands in a file: an ID file (its password is not needed), a\n"
	"certificate or a chain, a revocation list, a certification request, a server\n"
	"card. A certificate's fingerprint is what its owner reads to somebody who wants\n"
	"to cross-certify it. The signatures of certificates that others issued, and of\n"
	"lists, are not checked here.\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 the file cannot be read or nothing in it is\n"
	"known.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, CERTIFIER_OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command = {
	.name = "certifier show", .help = help, .operand = "FILE", .options = options
};

struct show {
	const char *path;
	uint64_t now_ms;
	bool is_json;
	size_t count; /* of what was shown */
	json_t *items;
};

/* ------------------------------------------------------------------ one of each */

static const char *relation(const struct cert *c)
{
	if (certifier_is_rollover(c))
		return "rollover";
	if (name_equal(&c->subject, &c->issuer))
		return "self-signed";
	return certifier_is_cross(c) ? "cross-certificate" : "certified";
}

static const char *relation_text(const struct cert *c)
{
	if (certifier_is_rollover(c))
		return " (rollover: under another key of its own)";
	if (name_equal(&c->subject, &c->issuer))
		return " (self-signed)";
	return certifier_is_cross(c) ? " (cross-certificate)" : "";
}

static const char *now_text(uint64_t now_ms, uint64_t begin_ms, uint64_t end_ms)
{
	return end_ms < now_ms ? " (ended)" : begin_ms > now_ms ? " (not yet)" : "";
}

static void key_id_hex(const uint8_t pk[32], char to[65])
{
	uint8_t id[32];
	spa_key_id(pk, id);
	text_hex(SPAN_OF(id), to);
}

static void tell_cert(const struct show *s, const struct cert *c, struct span der)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX], serial[17];
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	printf("certificate of %s, %s\n", name_format(&c->subject, subject),
		certifier_kind_text(c->kind));
	printf("  issued by     %s%s\n", name_format(&c->issuer, issuer), relation_text(c));
	certifier_tell_key(c->pk);
	printf("  serial        %s\n", text_hex(SPAN_OF(c->serial), serial));
	printf("  valid         %.10s to %.10s%s\n", time_format_utc(c->not_before_ms, from),
		time_format_utc(c->not_after_ms, to),
		now_text(s->now_ms, c->not_before_ms, c->not_after_ms));
	certifier_tell_fingerprint(der);
}

static json_t *cert_json(const struct cert *c, struct span der)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX], serial[17], key_id[65], print[80];
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	key_id_hex(c->pk, key_id);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "type",
		"certificate", "subject", name_format(&c->subject, subject), "kind",
		certifier_kind_text(c->kind), "issuer", name_format(&c->issuer, issuer), "relation",
		relation(c), "key_id", key_id, "serial", text_hex(SPAN_OF(c->serial), serial),
		"not_before", time_format_utc(c->not_before_ms, from), "not_after",
		time_format_utc(c->not_after_ms, to), "fingerprint", cert_fingerprint(der, print));
}

static void tell_list(const struct show *s, const struct crl *c)
{
	char issuer[NAME_TEXT_MAX], hex[2 * CERT_KEY_IDENTIFIER_LEN + 1], when[TIME_TEXT_MAX];
	char next[TIME_TEXT_MAX];
	struct span at = c->entries;
	uint8_t serial[CRL_SERIAL_LEN];
	uint64_t ms;
	printf("revocation list of %s\n", name_format(&c->issuer, issuer));
	printf("  issuer's key  %s\n", text_hex(SPAN_OF(c->issuer_key_identifier), hex));
	printf("  number        %llu\n", (unsigned long long)c->number);
	printf("  made          %s\n", time_format_utc(c->this_update_ms, when));
	printf("  next due      %s%s\n", time_format_utc(c->next_update_ms, next),
		c->next_update_ms < s->now_ms ? " (overdue)" : "");
	printf("  revoked       %zu\n", c->count);
	while (crl_next(&at, serial, &ms))
		printf("    %s  %.10s\n", text_hex(SPAN_OF(serial), hex),
			time_format_utc(ms, when));
}

static json_t *list_json(const struct crl *c)
{
	char issuer[NAME_TEXT_MAX], hex[2 * CERT_KEY_IDENTIFIER_LEN + 1], when[TIME_TEXT_MAX];
	char next[TIME_TEXT_MAX];
	struct span at = c->entries;
	uint8_t serial[CRL_SERIAL_LEN];
	uint64_t ms;
	json_t *revoked = json_array();
	while (crl_next(&at, serial, &ms))
		json_array_append_new(revoked,
			json_pack("{s:s, s:s}", "serial", text_hex(SPAN_OF(serial), hex), "revoked",
				time_format_utc(ms, when)));
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:o}", "type", "crl", "issuer",
		name_format(&c->issuer, issuer), "issuer_key_identifier",
		text_hex(SPAN_OF(c->issuer_key_identifier), hex), "number", (json_int_t)c->number,
		"this_update", time_format_utc(c->this_update_ms, when), "next_update",
		time_format_utc(c->next_update_ms, next), "revoked", revoked);
}

static void tell_request(const struct request *r)
{
	char name[NAME_TEXT_MAX];
	printf("certification request of %s, %s\n", name_format(&r->name, name),
		certifier_kind_text(r->kind));
	certifier_tell_key(r->pk);
}

static json_t *request_json(const struct request *r)
{
	char name[NAME_TEXT_MAX], key_id[65];
	key_id_hex(r->pk, key_id);
	return json_pack("{s:s, s:s, s:s, s:s}", "type", "request", "subject",
		name_format(&r->name, name), "kind", certifier_kind_text(r->kind), "key_id",
		key_id);
}

/* ------------------------------------------------------------------ blocks */

static void begin(struct show *s)
{
	if (s->count++ > 0 && !s->is_json)
		putchar('\n');
}

static int show_cert(struct show *s, struct span der, struct fault *why)
{
	struct cert c;
	if (cert_read(der, &c, why) < 0)
		return -EINVAL;
	begin(s);
	if (s->is_json)
		json_array_append_new(s->items, cert_json(&c, der));
	else
		tell_cert(s, &c, der);
	return 0;
}

static int show_list(struct show *s, struct span der, struct fault *why)
{
	struct crl c;
	enum cert_reject reason = crl_decode(der, &c);
	if (reason != CERT_OK) {
		fault_set(why, "the revocation list is not of the profile: %s",
			cert_reject_text(reason));
		return -EINVAL;
	}
	begin(s);
	if (s->is_json)
		json_array_append_new(s->items, list_json(&c));
	else
		tell_list(s, &c);
	return 0;
}

static int show_request(struct show *s, struct span der, struct fault *why)
{
	struct request r;
	if (request_read(der, &r, why) < 0)
		return -EINVAL;
	begin(s);
	if (s->is_json)
		json_array_append_new(s->items, request_json(&r));
	else
		tell_request(&r);
	return 0;
}

static const struct {
	const char *label;
	int (*show)(struct show *s, struct span der, struct fault *why);
} blocks[] = {
	{ "CERTIFICATE", show_cert },
	{ "X509 CRL", show_list },
	{ REQUEST_PEM_LABEL, show_request },
};

static int show_block(struct show *s, const struct pem_block *b, struct fault *f)
{
	struct fault why = { "the block is not base64; copy the file again" };
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (strcmp(b->label, blocks[i].label) != 0)
			continue;
		size_t len = 0;
		int rc = -EINVAL;
		uint8_t *der = malloc(b->body.len + 1);
		if (der == NULL)
			fault_set(&why, "there is not enough memory to read it");
		else if (pem_decode(b, der, b->body.len, &len))
			rc = blocks[i].show(s, span_of(der, len), &why);
		free(der);
		if (rc < 0)
			fault_set(f, "%s:%u: %.400s", s->path, b->line, why.text);
		return rc;
	}
	return 0;
}

/* What an ID file says before its certificates. */
static int show_id(struct show *s, struct span text, struct fault *f)
{
	struct idfile *id = NULL;
	struct fault why;
	char hex[65], when[TIME_TEXT_MAX];
	if (idfile_parse(text, &id, &why) != IDFILE_OK) {
		fault_set(f, "%s: not an ID file: %.400s", s->path, why.text);
		return -EINVAL;
	}
	const struct idfile_header *h = idfile_header(id);
	const char *kind = certifier_kind_text(h->kind == IDFILE_CERTIFIER ? CERT_CERTIFIER
			: h->kind == IDFILE_SERVER                         ? CERT_SERVER
									   : CERT_USER);
	text_hex(SPAN_OF(h->key_id), hex);
	time_format_utc(h->created_ms, when);
	begin(s);
	if (s->is_json)
		json_array_append_new(s->items,
			json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "id", "name", h->name,
				"kind", kind, "key_id", hex, "created", when));
	else
		printf("ID file of %s, %s\n  key id        %.32s\n                %s\n"
		       "  created       %s\n",
			h->name, kind, hex, hex + 32, when);
	idfile_free(id);
	return 0;
}

/* What a server card says before its certificates. */
static int show_card(struct show *s, struct span text, struct fault *f)
{
	struct fault why;
	struct card *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		fault_set(f, "there is not enough memory to read it");
		return -ENOMEM;
	}
	int rc = card_parse(text, c, &why);
	if (rc < 0) {
		fault_set(f, "%s: %.400s", s->path, why.text);
		card_file_free(c);
		return rc;
	}
	begin(s);
	if (s->is_json)
		json_array_append_new(s->items, card_show_json(c));
	else
		card_show_tell(c, s->now_ms);
	card_file_free(c);
	return 0;
}

static int show_any(struct show *s, struct span text, const struct pem_block *b, struct fault *f)
{
	if (strcmp(b->label, "POSTERN ID") == 0)
		return show_id(s, text, f);
	if (strcmp(b->label, "POSTERN CARD") == 0)
		return show_card(s, text, f);
	return show_block(s, b, f);
}

static int show_text(struct show *s, struct span text, struct fault *f)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b;
	enum pem_result got;
	while ((got = pem_next(&r, &b)) == PEM_BLOCK) {
		int rc = show_any(s, text, &b, f);
		if (rc < 0)
			return rc;
	}
	if (got == PEM_BAD) {
		fault_set(f, "%s:%u: %s; name a file of PEM blocks", s->path, r.line, r.why);
		return -EINVAL;
	}
	if (s->count > 0)
		return 0;
	fault_set(f, "%s: neither an ID, a card, a certificate, a revocation list nor a request",
		s->path);
	return -EINVAL;
}

static int print_json(struct show *s, struct fault *f)
{
	if (json_array_size(s->items) != s->count ||
		json_dumpf(s->items, stdout, JSON_INDENT(2)) < 0) {
		fault_set(f, "no memory for the JSON output");
		return -ENOMEM;
	}
	putchar('\n');
	return 0;
}

int certifier_show(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;

	int code = certifier_parse(&command, argc, argv, &args);
	if (code != EXIT_DONE || args.is_help)
		return code;
	struct show s = {
		.path = args.operand,
		.now_ms = clock_wall_ms(),
		.is_json = args.is_json,
		.items = args.is_json ? json_array() : NULL,
	};
	int rc = file_read(args.operand, FILE_ANY, CERTIFIER_FILE_MAX, &text, &len, &f);
	if (rc == 0)
		rc = show_text(&s, span_of(text, len), &f);
	if (rc == 0 && s.is_json)
		rc = print_json(&s, &f);
	json_decref(s.items);
	sodium_memzero(text, len); /* a card may hold a stealth secret */
	free(text);
	return certifier_end(rc, &f);
}
