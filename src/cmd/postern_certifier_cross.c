/*
 * postern certifier cross: trust in a foreign name, written down. Invariant: nothing is signed before
 * somebody said that the fingerprint is the one that its owner reads out, by another way than the file came.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"

static const char help[] =
	"usage: postern certifier cross CERTIFICATE --certifier FILE [options]\n"
	"\n"
	"Issues a cross-certificate: everybody below the certifier then trusts the\n"
	"foreign name it is for, and what lies below that name. CERTIFICATE is a PEM file\n"
	"with one certificate or a chain, a server card or an ID file. With a person's ID\n"
	"file as certifier, that person alone trusts it. It works one way; the other side\n"
	"issues its own. Put the result among the trust files.\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier, or your own\n"
	"  --for organisation|unit|name  whom of the chain: the organisation, the nearest\n"
	"                      unit, or just the first certificate's name (default: name)\n"
	"  --years N           how long it is valid, 1 to 100 (default: 10)\n"
	"  --fingerprint HEX   what the owner says it is; instead of being asked\n"
	"  --yes               do not ask: the file came by a way that is trusted\n"
	"  -o, --out FILE      the new file (default: made of the name, acme-cross.pem)\n"
	"  --password-file F   read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 refused, or it is not what the owner reads, 2 usage, 4\n"
	"wrong password or trouble with a file; after any but 0 nothing was written.\n";

static const struct option options[] = {
	{ "certifier", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "for", required_argument, NULL, CERTIFIER_OPT_FOR },
	{ "years", required_argument, NULL, CERTIFIER_OPT_YEARS },
	{ "fingerprint", required_argument, NULL, CERTIFIER_OPT_FINGERPRINT },
	{ "yes", no_argument, NULL, CERTIFIER_OPT_YES },
	{ "out", required_argument, NULL, 'o' },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command = { "certifier cross", help, "CERTIFICATE", true,
	options };

struct work {
	const struct certifier_args *args;
	uint64_t now_ms;
	struct certifier_certs *certs;
	const struct cert *chosen; /* of certs */
	struct span chosen_der;
	struct certifier by;
	char path[PATH_MAX];
	uint8_t der[CERT_LEN_MAX];
	size_t len;
	uint64_t not_after_ms;
};

/* ------------------------------------------------------------------ whom */

/* Is c a certificate that --for may mean, seen from the first name of the file? */
static bool is_meant(enum certifier_for whom, const struct cert *c, const struct name *first)
{
	enum name_type last = c->subject.parts[c->subject.count - 1].type;
	if (c->kind != CERT_CERTIFIER ||
		(!name_equal(first, &c->subject) && !name_is_below(first, &c->subject)))
		return false;
	return last == (whom == CERTIFIER_FOR_ORG ? NAME_O : NAME_OU);
}

/* The longest name is the nearest unit; of two for one name the first stands in use. */
static int choose(struct work *w, struct fault *f)
{
	enum certifier_for whom = w->args->for_whom;
	bool is_first = whom == CERTIFIER_FOR_NAME;
	size_t at = 0;
	const struct cert *best = is_first ? &w->certs->items[0].c : NULL;
	for (size_t i = 0; !is_first && i < w->certs->count; i++) {
		const struct cert *c = &w->certs->items[i].c;
		if (is_meant(whom, c, &w->certs->items[0].c.subject) &&
			(best == NULL || c->subject.count > best->subject.count)) {
			best = c;
			at = i;
		}
	}
	if (best == NULL) {
		fault_set(f, "%s: no certificate of %s stands in it; ask for the whole chain",
			w->args->operand,
			whom == CERTIFIER_FOR_ORG ? "the organisation" : "a unit");
		return -EDOM;
	}
	w->chosen = best;
	w->chosen_der = span_of(w->certs->items[at].der, w->certs->items[at].len);
	return 0;
}

/* The organisation of a name: its country, if it has one, and its O. */
static struct name organisation_of(const struct name *n)
{
	struct name o = *n;
	while (o.count > 0 && o.parts[o.count - 1].type != NAME_O)
		o.count--;
	return o;
}

static int check_foreign(const struct work *w, struct fault *f)
{
	struct name own = organisation_of(&w->by.cert.subject);
	char name[NAME_TEXT_MAX], own_text[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	const struct name *n = &w->chosen->subject;
	if (name_equal(n, &own) || name_is_below(n, &own)) {
		fault_set(f,
			"%.200s is of our own organisation %.150s: its people trust each other without "
			"a cross-certificate",
			name_format(n, name), name_format(&own, own_text));
		return -EDOM;
	}
	if (w->chosen->not_after_ms < w->now_ms) {
		fault_set(f,
			"%s: the certificate of %.200s ended on %.10s; ask for the present one",
			w->args->operand, name_format(n, name),
			time_format_utc(w->chosen->not_after_ms, when));
		return -EDOM;
	}
	return 0;
}

/* ------------------------------------------------------------------ is it theirs */

/* True at yes, false at no and at the end of input. */
static bool answer_is_yes(int fd)
{
	static const char question[] = "Is this what they read to you? (yes/no) ";
	char line[64];
	for (;;) {
		if (write(fd, question, strlen(question)) < 0)
			return false;
		ssize_t n = read(fd, line, sizeof(line) - 1);
		if (n <= 0)
			return false;
		line[n] = '\0';
		if (strcmp(line, "yes\n") == 0)
			return true;
		if (strcmp(line, "no\n") == 0)
			return false;
	}
}

static int ask(struct fault *f)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		fault_set(f,
			"there is no terminal to ask on; have the owner read the fingerprint and "
			"say --fingerprint HEX");
		return -ENXIO;
	}
	bool is_yes = answer_is_yes(fd);
	close(fd);
	if (is_yes)
		return 0;
	fault_set(f, "nothing was certified: nobody said that this is the owner's fingerprint");
	return -EDOM;
}

static int confirm(const struct work *w, struct fault *f)
{
	char name[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX], print[80], hex[65];
	const struct cert *c = w->chosen;
	printf("%s, %s, certified by %s:\n\n", name_format(&c->subject, name),
		certifier_kind_text(c->kind), name_format(&c->issuer, issuer));
	certifier_tell_key(c->pk);
	certifier_tell_fingerprint(w->chosen_der);
	putchar('\n');
	fflush(stdout);
	if (w->args->has_fingerprint) {
		cert_fingerprint(w->chosen_der, print);
		text_hex(SPAN_OF(w->args->fingerprint), hex);
		for (size_t i = 0; i < 16; i++) {
			if (memcmp(print + 5 * i, hex + 4 * i, 4) == 0)
				continue;
			fault_set(f,
				"%s: the fingerprint is not the one given; somebody may have put "
				"another certificate in its place",
				w->args->operand);
			return -EDOM;
		}
		return 0;
	}
	return w->args->is_yes ? 0 : ask(f);
}

/* ------------------------------------------------------------------ the certificate */

static int settle_file(struct work *w, struct fault *f)
{
	const char *paths[] = { w->path, NULL };
	char name[NAME_MAX];
	certifier_file_name(&w->chosen->subject, "-cross.pem", name, sizeof(name));
	if (w->args->out != NULL)
		snprintf(w->path, sizeof(w->path), "%s", w->args->out);
	else if (w->args->folder != NULL)
		snprintf(w->path, sizeof(w->path), "%s/%s", w->args->folder, name);
	else
		snprintf(w->path, sizeof(w->path), "%s", name);
	return certifier_check_free(paths, f);
}

static int certify(struct work *w, struct fault *f)
{
	const struct issue *i = w->by.issue;
	struct issue_signer by = issue_signer(i);
	unsigned years = w->args->years != 0 ? w->args->years : CERTIFIER_YEARS_CROSS;
	/* A person's trust is by their key, which outlives the certificates it is given. */
	w->not_after_ms = issue_last_ms(
		issue_end_ms(w->now_ms, years, 0), i->kind == CERT_CERTIFIER ? i->not_after_ms : 0);
	struct issue_grant g = { CERT_CROSS, &w->chosen->subject, w->chosen->kind, w->chosen->pk,
		w->now_ms, w->not_after_ms };
	int rc = issue_certify(&by, &g, w->der, &w->len, f);
	return rc == -EINVAL ? -EDOM : rc;
}

static void report(const struct work *w, const struct fileset *s)
{
	char name[NAME_TEXT_MAX], by[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	const struct issue *i = w->by.issue;
	printf("%s%s trusts %s to %.10s by:\n\n",
		i->kind == CERT_CERTIFIER ? "Everybody below " : "", name_format(&i->name, by),
		name_format(&w->chosen->subject, name), time_format_utc(w->not_after_ms, when));
	certifier_tell_files(s);
	if (w->args->folder != NULL)
		return;
	if (i->kind == CERT_CERTIFIER)
		puts("\nPut it among the trust files of the servers and clients it is for: of a server it is\n"
		     "named in trust in postern.conf, of a client it lies in ~/.config/postern/trust.");
	else
		puts("\nPut it among the trust files of your own client.");
}

static int make(struct work *w, struct fault *f)
{
	struct fileset s = { 0 };
	int rc = certifier_unlock(&w->by, w->args->password_file, f);
	if (rc == 0)
		rc = certify(w, f);
	if (rc < 0)
		return rc;
	struct span der = span_of(w->der, w->len);
	certifier_add(
		&s, w->path, certifier_pem("CERTIFICATE", &der, 1), 0644, "the cross-certificate");
	rc = fileset_write(&s, f);
	if (rc == 0)
		report(w, &s);
	fileset_deinit(&s);
	return rc;
}

int certifier_cross_run(const struct certifier_args *a)
{
	struct work w = { .args = a, .now_ms = clock_wall_ms() };
	struct fault f;

	int rc = certifier_read_certs(a->operand, &w.certs, &f);
	if (rc == 0)
		rc = certifier_load(a->certifier, false, &w.by, &f);
	if (rc == 0)
		rc = choose(&w, &f);
	if (rc == 0)
		rc = check_foreign(&w, &f);
	if (rc == 0)
		rc = settle_file(&w, &f);
	if (rc == 0)
		rc = confirm(&w, &f);
	if (rc == 0)
		rc = make(&w, &f);
	certifier_close(&w.by);
	free(w.certs);
	return certifier_end(rc, &f);
}

int certifier_cross(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	int code = certifier_parse(&command, argc, argv, &args);
	return code != EXIT_DONE || args.is_help ? code : certifier_cross_run(&args);
}
