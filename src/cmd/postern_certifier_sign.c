/*
 * postern certifier sign: a request, or an ID file's own certificate, to a new certificate. Invariant: the
 * key stays the one that was shown; only the name may be changed, and only to one directly below the
 * certifier.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pem.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "cmd/id.h"

static const char help[] =
	"usage: postern certifier sign REQUEST --certifier FILE [options]\n"
	"\n"
	"Certifies a key that somebody else holds. REQUEST is a certification request\n"
	"(PKCS#10 as PEM) or an ID file, whose own certificate is then renewed; the\n"
	"password of that ID is not needed. The result, the new certificate and those\n"
	"above it, goes back to the owner, who takes it in with postern id merge.\n"
	"Compare the key id with the owner first: whoever made the request gets the name.\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier directly above the name\n"
	"  --name NAME         certify this name instead: a new name, or a move to this\n"
	"                      certifier from another; \"Jane Doe\" alone is put below it\n"
	"  --years N           how long it is valid, 1 to 100 (default: certifiers 100,\n"
	"                      servers 10, people 2), never beyond the certifier's end\n"
	"  -o, --out FILE      the new file (default: made of the name,\n"
	"                      jane-doe-chain.pem)\n"
	"  --password-file F   read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 the request or its name was refused, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 nothing was written.\n";

static const struct option options[] = {
	{ "certifier", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "name", required_argument, NULL, CERTIFIER_OPT_NAME },
	{ "years", required_argument, NULL, CERTIFIER_OPT_YEARS },
	{ "out", required_argument, NULL, 'o' },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command = { "certifier sign", help, "REQUEST", true,
	options };

struct work {
	const struct certifier_args *args;
	uint64_t now_ms;
	struct request asked; /* name, kind and key as they were asked for */
	struct name name;     /* as it will be */
	struct certifier by;
	char path[PATH_MAX];
	uint8_t der[CERT_LEN_MAX];
	size_t len;
	uint64_t not_after_ms;
	bool is_cut;
};

/* ------------------------------------------------------------------ what is asked */

static int take_request(
	const char *path, const struct pem_block *b, struct request *ret, struct fault *f)
{
	uint8_t der[REQUEST_LEN_MAX];
	size_t len;
	struct fault why;
	if (!pem_decode(b, der, sizeof(der), &len)) {
		fault_set(f,
			"%s:%u: the block is not base64 of at most %d bytes; copy the file again",
			path, b->line, REQUEST_LEN_MAX);
		return -EDOM;
	}
	if (request_read(span_of(der, len), ret, &why) < 0) {
		fault_set(f, "%s:%u: %.400s", path, b->line, why.text);
		return -EDOM;
	}
	return 0;
}

/* The renewal: what the file's own certificate says. */
static int take_idfile(const char *path, struct span text, struct request *ret, struct fault *f)
{
	struct idfile *id = NULL;
	struct cert c;
	struct fault why;
	if (idfile_parse(text, &id, &why) != IDFILE_OK) {
		fault_set(f, "%s: not an ID file: %.400s", path, why.text);
		return -EDOM;
	}
	int rc = issue_own_cert(path, id, false, &c, f);
	if (rc == 0) {
		ret->name = c.subject;
		ret->kind = c.kind;
		memcpy(ret->pk, c.pk, sizeof(ret->pk));
	}
	idfile_free(id);
	return rc < 0 ? -EDOM : 0;
}

static int take_text(const char *path, struct span text, struct request *ret, struct fault *f)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b;
	enum pem_result got = pem_next(&r, &b);
	if (got == PEM_BLOCK && strcmp(b.label, "POSTERN ID") == 0)
		return take_idfile(path, text, ret, f);
	/* What other programs write into the first line, and nothing else. */
	if (got == PEM_BLOCK && strcmp(b.label, REQUEST_PEM_LABEL) == 0)
		return take_request(path, &b, ret, f);
	if (got == PEM_BAD)
		fault_set(f, "%s:%u: %s; name a certification request or an ID file", path, r.line,
			r.why);
	else
		fault_set(f, "%s: neither a certification request nor an ID file", path);
	return -EDOM;
}

static int read_asked(struct work *w, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	const char *path = w->args->operand;
	int rc = file_read(path, FILE_ANY, IDFILE_MAX, &text, &len, f);
	if (rc == 0)
		rc = take_text(path, span_of(text, len), &w->asked, f);
	free(text);
	return rc;
}

/* ------------------------------------------------------------------ the name */

static int settle_name(struct work *w, struct fault *f)
{
	struct id_certifier above = certifier_above(&w->by);
	enum name_type leaf = w->asked.kind == CERT_CERTIFIER ? NAME_OU : NAME_CN;
	if (memcmp(w->asked.pk, w->by.cert.pk, sizeof(w->asked.pk)) == 0) {
		fault_set(f,
			"%s: this is the certifier's own key; a new one is made with postern "
			"certifier rollover",
			w->args->operand);
		return -EDOM;
	}
	if (w->args->name != NULL)
		return id_certifier_settle(&above, w->args->name, leaf, &w->name, f);
	w->name = w->asked.name;
	return id_certifier_check(&above, &w->name, f);
}

static int settle_file(struct work *w, struct fault *f)
{
	const char *paths[] = { w->path, NULL };
	if (w->args->out != NULL)
		snprintf(w->path, sizeof(w->path), "%s", w->args->out);
	else
		certifier_file_name(&w->name, "-chain.pem", w->path, sizeof(w->path));
	return certifier_check_free(paths, f);
}

/* ------------------------------------------------------------------ the certificate */

static unsigned default_years(enum cert_kind kind)
{
	switch (kind) {
	case CERT_CERTIFIER:
		return CERTIFIER_YEARS_CERTIFIER;
	case CERT_SERVER:
		return CERTIFIER_YEARS_SERVER;
	case CERT_USER:
		break;
	}
	return CERTIFIER_YEARS_USER;
}

static int certify(struct work *w, struct fault *f)
{
	struct issue_signer by = issue_signer(w->by.issue);
	unsigned years = w->args->years != 0 ? w->args->years : default_years(w->asked.kind);
	uint64_t end_ms = issue_end_ms(w->now_ms, years, 0);
	w->not_after_ms = issue_last_ms(end_ms, w->by.issue->not_after_ms);
	w->is_cut = w->not_after_ms < issue_last_ms(end_ms, 0);
	struct issue_grant g = { CERT_BELOW, &w->name, w->asked.kind, w->asked.pk, w->now_ms,
		w->not_after_ms };
	int rc = issue_certify(&by, &g, w->der, &w->len, f);
	return rc == -EINVAL ? -EDOM : rc;
}

static void report(const struct work *w, const struct fileset *s)
{
	char name[NAME_TEXT_MAX], old[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	printf("Certified %s, %s, valid to %.10s:\n\n", name_format(&w->name, name),
		certifier_kind_text(w->asked.kind), time_format_utc(w->not_after_ms, when));
	certifier_tell_key(w->asked.pk);
	certifier_tell_fingerprint(span_of(w->der, w->len));
	putchar('\n');
	certifier_tell_files(s);
	if (!name_equal(&w->name, &w->asked.name))
		printf("\nThe name was %s.\n", name_format(&w->asked.name, old));
	if (w->is_cut)
		printf("\nIt ends when the certifier's own certificate does; renew that one first for "
		       "more.\n");
	printf("\nThe owner takes it in with: postern id merge ID-FILE %s\n", w->path);
}

static int make(struct work *w, struct fault *f)
{
	struct fileset s = { 0 };
	struct span chain[ISSUE_CERTS_MAX + 1];
	size_t count = 1;

	int rc = certifier_unlock(&w->by, w->args->password_file, f);
	if (rc == 0)
		rc = certify(w, f);
	if (rc < 0)
		return rc;
	chain[0] = span_of(w->der, w->len);
	for (size_t i = 0; i < w->by.issue->cert_count; i++)
		chain[count++] = span_of(w->by.issue->certs[i], w->by.issue->cert_len[i]);
	certifier_add(&s, w->path, certifier_pem("CERTIFICATE", chain, count), 0644,
		"the certificate and those above it");
	rc = fileset_write(&s, f);
	if (rc == 0)
		report(w, &s);
	fileset_deinit(&s);
	return rc;
}

int certifier_sign(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	struct work w = { .args = &args, .now_ms = clock_wall_ms() };
	struct fault f;

	int code = certifier_parse(&command, argc, argv, &args);
	if (code != EXIT_DONE || args.is_help)
		return code;
	int rc = read_asked(&w, &f);
	if (rc == 0)
		rc = certifier_load(args.certifier, true, &w.by, &f);
	if (rc == 0)
		rc = settle_name(&w, &f);
	if (rc == 0)
		rc = settle_file(&w, &f);
	if (rc == 0)
		rc = make(&w, &f);
	certifier_close(&w.by);
	return certifier_end(rc, &f);
}
