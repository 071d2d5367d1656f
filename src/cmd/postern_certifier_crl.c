/*
 * postern certifier revoke and crl: a certifier's revocation list. Invariant: a list is only followed by one
 * with all its entries and the next number, and a list that is not this certifier's is never replaced.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pem.h"
#include "base/text.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "identity/crl.h"

#define DAYS_DEFAULT 30
#define LABEL "X509 CRL"

static const char help_revoke[] =
	"usage: postern certifier revoke --certifier FILE --certificate PEM [options]\n"
	"\n"
	"Revokes certificates: puts their serials on the certifier's revocation list, a\n"
	"new one if there is none. Copy the list to the servers that look at it.\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier that issued them\n"
	"  --certificate PEM   the first certificate in this file; may stand repeatedly\n"
	"  --serial HEX        the one with this serial, 16 hex digits; repeatedly too\n"
	"  --crl FILE          the list (default: beside the ID file, vsd.crl)\n"
	"  --days N            until the next list is due, 1 to 3650 (default: 30)\n"
	"  --password-file F   read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 a certificate or the list is not this certifier's, 2\n"
	"usage, 4 wrong password or trouble with a file; after any but 0 the list is as\n"
	"it was.\n";

static const char help_crl[] =
	"usage: postern certifier crl --certifier FILE [options]\n"
	"\n"
	"Renews a certifier's revocation list, which servers may refuse when it is\n"
	"overdue; makes a first one, without entries, if there is none.\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier\n"
	"  --crl FILE          the list (default: beside the ID file, vsd.crl)\n"
	"  --days N            until the next list is due, 1 to 3650 (default: 30)\n"
	"  --password-file F   read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 the list is not this certifier's, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 the list is as it was.\n";

static const struct option options_revoke[] = {
	{ "certifier", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "certificate", required_argument, NULL, CERTIFIER_OPT_CERTIFICATE },
	{ "serial", required_argument, NULL, CERTIFIER_OPT_SERIAL },
	{ "crl", required_argument, NULL, CERTIFIER_OPT_CRL },
	{ "days", required_argument, NULL, CERTIFIER_OPT_DAYS },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct option options_crl[] = {
	{ "certifier", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "crl", required_argument, NULL, CERTIFIER_OPT_CRL },
	{ "days", required_argument, NULL, CERTIFIER_OPT_DAYS },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command_revoke = { "certifier revoke", help_revoke, NULL,
	true, options_revoke };
static const struct certifier_command command_crl = { "certifier crl", help_crl, NULL, true,
	options_crl };

struct work {
	const struct certifier_args *args;
	uint64_t now_ms;
	struct certifier by;
	char path[PATH_MAX];
	uint64_t number; /* of the list there is; 0: there is none */
	size_t old_count, count;
	struct crl_entry *entries; /* of the list there is, then the new ones; owned */
	uint8_t *der;              /* the new list; owned */
	size_t len;
	uint64_t next_ms;
};

/* ------------------------------------------------------------------ the list there is */

static int refuse_list(const struct work *w, const char *why, struct fault *f)
{
	fault_set(f, "%s: %s; name another file with --crl", w->path, why);
	return -EDOM;
}

static int check_list(const struct work *w, const struct crl *c, struct fault *f)
{
	const struct cert *own = &w->by.cert;
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(own->pk, id);
	if (!name_equal(&c->issuer, &own->subject))
		return refuse_list(w, "the list of another certifier", f);
	if (memcmp(id, c->issuer_key_identifier, sizeof(id)) != 0)
		return refuse_list(w, "the list that an older or newer key of it signed", f);
	if (!crl_signed_by(c, own->pk))
		return refuse_list(w, "damaged: the certifier did not sign this list", f);
	if (c->this_update_ms > w->now_ms) {
		fault_set(f, "%s: the list is from after now; set this machine's clock", w->path);
		return -ETIME;
	}
	return 0;
}

/* Room for the new ones is kept. */
static int take_entries(struct work *w, const struct crl *c, struct fault *f)
{
	size_t old_count = c != NULL ? c->count : 0, i = 0;
	w->entries = calloc(old_count + CERTIFIER_REVOKE_MAX, sizeof(*w->entries));
	if (w->entries == NULL) {
		fault_set(f, "%s: there is not enough memory to read it", w->path);
		return -ENOMEM;
	}
	struct span at = c != NULL ? c->entries : span_of(NULL, 0);
	while (i < old_count && crl_next(&at, w->entries[i].serial, &w->entries[i].revoked_ms))
		i++;
	w->old_count = w->count = i;
	w->number = c != NULL ? c->number : 0;
	return 0;
}

static int decode_list(struct work *w, const struct pem_block *b, struct fault *f)
{
	struct crl c;
	char why[200];
	size_t len = 0;
	uint8_t *der = malloc(b->body.len + 1);
	if (der == NULL) {
		fault_set(f, "%s: there is not enough memory to read it", w->path);
		return -ENOMEM;
	}
	int rc;
	if (!pem_decode(b, der, b->body.len, &len)) {
		rc = refuse_list(w, "its block is not base64", f);
	} else {
		enum cert_reject reason = crl_decode(span_of(der, len), &c);
		snprintf(why, sizeof(why), "not a revocation list: %s", cert_reject_text(reason));
		rc = reason != CERT_OK ? refuse_list(w, why, f) : check_list(w, &c, f);
	}
	if (rc == 0)
		rc = take_entries(w, &c, f);
	free(der);
	return rc;
}

static int read_list(struct work *w, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct pem_block b, more;
	int rc = file_read(w->path, FILE_TRUSTED, CERTIFIER_FILE_MAX, &text, &len, f);
	if (rc == -ENOENT)
		return take_entries(w, NULL, f);
	if (rc < 0)
		return rc;
	struct pem_reader r = pem_reader_init(span_of(text, len));
	if (pem_next(&r, &b) != PEM_BLOCK || strcmp(b.label, LABEL) != 0 ||
		pem_next(&r, &more) != PEM_END)
		rc = refuse_list(w, "not a file with one revocation list", f);
	else
		rc = decode_list(w, &b, f);
	free(text);
	return rc;
}

/* ------------------------------------------------------------------ what is added */

static int serial_of(const struct work *w, const char *path, uint8_t ret[8], struct fault *f)
{
	struct certifier_certs *certs = NULL;
	const struct cert *own = &w->by.cert;
	char name[NAME_TEXT_MAX];
	int rc = certifier_read_certs(path, &certs, f);
	if (rc < 0)
		return rc;
	const struct cert *c = &certs->items[0].c;
	struct span der = span_of(certs->items[0].der, certs->items[0].len);
	if (!name_equal(&c->issuer, &own->subject) || !cert_signed_by(der, own->pk)) {
		fault_set(f, "%s: %.200s did not issue it with this key; name the ID file that did",
			path, name_format(&own->subject, name));
		rc = -EDOM;
	} else {
		memcpy(ret, c->serial, sizeof(c->serial));
	}
	free(certs);
	return rc;
}

static int check_serial(const struct work *w, const uint8_t serial[8], struct fault *f)
{
	char hex[17];
	if (serial[0] == 0 || serial[0] > 0x7f) {
		fault_set(f, "%s: no certificate has this serial; its first digits are 01 to 7f",
			text_hex(span_of(serial, 8), hex));
		return -EDOM;
	}
	if (memcmp(serial, w->by.cert.serial, 8) == 0 &&
		name_equal(&w->by.cert.subject, &w->by.cert.issuer)) {
		fault_set(f, "%s: that is the certifier itself, which no list of its own can end",
			text_hex(span_of(serial, 8), hex));
		return -EDOM;
	}
	return 0;
}

static void add_serial(struct work *w, const uint8_t serial[8])
{
	char hex[17], when[TIME_TEXT_MAX];
	text_hex(span_of(serial, 8), hex);
	for (size_t i = 0; i < w->count; i++) {
		if (memcmp(w->entries[i].serial, serial, 8) != 0)
			continue;
		printf("%s was revoked already, on %.10s\n", hex,
			time_format_utc(w->entries[i].revoked_ms, when));
		return;
	}
	memcpy(w->entries[w->count].serial, serial, 8);
	w->entries[w->count++].revoked_ms = w->now_ms;
}

static int add_all(struct work *w, struct fault *f)
{
	for (size_t i = 0; i < w->args->revoke_count; i++) {
		uint8_t serial[8];
		int rc = 0;
		if (w->args->revoke[i].certificate != NULL)
			rc = serial_of(w, w->args->revoke[i].certificate, serial, f);
		else
			memcpy(serial, w->args->revoke[i].serial, sizeof(serial));
		if (rc == 0)
			rc = check_serial(w, serial, f);
		if (rc < 0)
			return rc;
		add_serial(w, serial);
	}
	return 0;
}

/* ------------------------------------------------------------------ the next list */

static int make_list(struct work *w, struct fault *f)
{
	const struct issue *i = w->by.issue;
	unsigned days = w->args->days != 0 ? w->args->days : DAYS_DEFAULT;
	w->next_ms = w->now_ms + days * UINT64_C(86400000);
	struct crl_order o = {
		.issuer = i->name,
		.issuer_seed = i->secrets.seed,
		.number = w->number + 1,
		.this_update_ms = w->now_ms,
		.next_update_ms = w->next_ms,
		.count = w->count,
		.entries = w->entries,
	};
	memcpy(o.issuer_pk, i->pk, sizeof(o.issuer_pk));
	int rc = crl_issue(&o, &w->der, &w->len, f);
	return rc == -EINVAL ? -EDOM : rc;
}

static int write_list(const struct work *w, struct fault *f)
{
	struct span der = span_of(w->der, w->len);
	char *text = certifier_pem(LABEL, &der, 1);
	if (text == NULL) {
		fault_set(f, "%s: there is not enough memory to write it", w->path);
		return -ENOMEM;
	}
	int rc = file_write(w->path, text, strlen(text), 0644, w->number == 0, f);
	free(text);
	return rc;
}

static void report(const struct work *w)
{
	char name[NAME_TEXT_MAX], hex[17], when[TIME_TEXT_MAX];
	for (size_t i = w->old_count; i < w->count; i++)
		printf("revoked %s\n", text_hex(SPAN_OF(w->entries[i].serial), hex));
	printf("%s: list %llu of %s, %zu revoked, the next is due on %.10s\n", w->path,
		(unsigned long long)(w->number + 1), name_format(&w->by.cert.subject, name),
		w->count, time_format_utc(w->next_ms, when));
	fputs("Copy it to the servers whose crl-files names it, then: posternctl reload\n", stdout);
}

static int make(struct work *w, struct fault *f)
{
	int rc = certifier_load(w->args->certifier, true, &w->by, f);
	if (rc < 0)
		return rc;
	if (w->args->crl != NULL)
		snprintf(w->path, sizeof(w->path), "%s", w->args->crl);
	else
		certifier_beside(w->args->certifier, ".crl", w->path, sizeof(w->path));
	rc = read_list(w, f);
	if (rc == 0)
		rc = add_all(w, f);
	if (rc == 0)
		rc = certifier_unlock(&w->by, w->args->password_file, f);
	if (rc == 0)
		rc = make_list(w, f);
	if (rc == 0)
		rc = write_list(w, f);
	if (rc == 0)
		report(w);
	return rc;
}

static int run(const struct certifier_args *args)
{
	struct work w = { .args = args, .now_ms = clock_wall_ms() };
	struct fault f;
	int rc = make(&w, &f);
	certifier_close(&w.by);
	free(w.entries);
	free(w.der);
	return certifier_end(rc, &f);
}

int certifier_revoke(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	int code = certifier_parse(&command_revoke, argc, argv, &args);
	if (code != EXIT_DONE || args.is_help)
		return code;
	if (args.revoke_count == 0)
		return say_usage("certifier revoke",
			"which certificate? Say --certificate PEM or --serial HEX");
	return run(&args);
}

int certifier_crl(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	int code = certifier_parse(&command_crl, argc, argv, &args);
	return code != EXIT_DONE || args.is_help ? code : run(&args);
}
