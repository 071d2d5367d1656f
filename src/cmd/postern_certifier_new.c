/*
 * postern certifier new: an organisation, or a unit below one. Invariant: ID file and certificate stand
 * complete under their names, or neither does, and nothing that was there is overwritten.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "cmd/password.h"

static const char help[] =
	"usage: postern certifier new NAME [--certifier FILE] [options]\n"
	"\n"
	"Makes the ID file of a certifier and, beside it, its certificate. NAME is the\n"
	"name of an organisation (\"VSD\", \"VSD/DE\"), which certifies itself, or of a unit\n"
	"of one (\"NN/VSD\"), which the certifier directly above it certifies. There are at\n"
	"most four units below each other.\n"
	"\n"
	"  --certifier FILE    for a unit: the ID file of the certifier above it\n"
	"  --years N           how long it is valid, 1 to 100 (default: 100)\n"
	"  -o, --out FILE      the new ID file (default: made of the name, vsd.id)\n"
	"  --certifier-password-file F  read the certifier's password from F, line 1\n"
	"  --password-file F   read the new ID's password from F, line 1\n"
	"  --kdf-mem MIB       memory that a try of the password costs, 1 to 4096\n"
	"                      (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 the name or the password was refused, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 nothing was written.\n";

static const struct option options[] = {
	{ "certifier", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "years", required_argument, NULL, CERTIFIER_OPT_YEARS },
	{ "out", required_argument, NULL, 'o' },
	{ "certifier-password-file", required_argument, NULL,
		CERTIFIER_OPT_CERTIFIER_PASSWORD_FILE },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "kdf-mem", required_argument, NULL, CERTIFIER_OPT_KDF_MEM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command = {
	.name = "certifier new", .help = help, .operand = "NAME", .options = options
};

struct work {
	const struct certifier_args *args;
	uint64_t now_ms;
	struct name name;
	struct certifier above; /* empty for an organisation */
	char id_path[PATH_MAX], cert_path[PATH_MAX];
};

/* -EDOM when the name is refused. */
static int settle_name(struct work *w, struct fault *f)
{
	const char *text = w->args->operand;
	if (w->above.file != NULL) {
		struct id_certifier above = certifier_above(&w->above);
		return id_certifier_settle(&above, text, NAME_OU, &w->name, f);
	}
	enum name_reject r = name_parse(text, true, &w->name);
	if (r != NAME_OK) {
		fault_set(f, "the name \"%s\" is refused: %s", text, name_reject_text(r));
		return -EDOM;
	}
	if (w->name.parts[w->name.count - 1].type == NAME_O)
		return 0;
	fault_set(f,
		"\"%s\" is a unit, which does not certify itself; say --certifier FILE, the "
		"certifier directly above it",
		text);
	return -EDOM;
}

static int settle_files(struct work *w, struct fault *f)
{
	const char *paths[] = { w->id_path, w->cert_path, NULL };
	if (w->args->out != NULL)
		snprintf(w->id_path, sizeof(w->id_path), "%s", w->args->out);
	else
		certifier_file_name(&w->name, ".id", w->id_path, sizeof(w->id_path));
	certifier_beside(w->id_path, ".pem", w->cert_path, sizeof(w->cert_path));
	return certifier_check_free(paths, f);
}

static int add_files(struct work *w, const struct issue *made, struct fileset *s, struct fault *f)
{
	struct password_source from = { .file = w->args->password_file, .line = 1 };
	struct password password = { 0 };
	char what[NAME_TEXT_MAX + 32], name[NAME_TEXT_MAX];

	snprintf(what, sizeof(what), "the certifier %s", name_format(&made->name, name));
	int rc = password_choose(&from, what, PASSWORD_QUALITY_CERTIFIER, &password, f);
	if (rc == 0) {
		struct issue_lock lock = {
			.password = &password,
			.quality_min = PASSWORD_QUALITY_CERTIFIER,
			.mem_kib = w->args->mem_kib,
		};
		certifier_add(s, w->id_path, issue_idfile(made, &lock, w->now_ms), 0600,
			"secret: certifies; keep it offline");
		certifier_add(
			s, w->cert_path, issue_certificate_pem(made), 0644, "its certificate");
	}
	password_wipe(&password);
	return rc;
}

static void report(const struct issue *made, const struct fileset *s)
{
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	printf("Made the certifier %s, valid to %.10s:\n\n", name_format(&made->name, name),
		time_format_utc(made->not_after_ms, when));
	certifier_tell_key(made->pk);
	certifier_tell_fingerprint(span_of(made->certs[0], made->cert_len[0]));
	putchar('\n');
	certifier_tell_files(s);
}

static int make(struct work *w, struct fault *f)
{
	struct fileset s = { 0 };
	struct issue *made = NULL;
	unsigned years = w->args->years != 0 ? w->args->years : CERTIFIER_YEARS_CERTIFIER;

	if (w->above.file != NULL) {
		int rc = certifier_unlock(&w->above, w->args->certifier_password_file, f);
		if (rc < 0)
			return rc;
	}
	struct issue_order order = {
		.name = &w->name,
		.kind = CERT_CERTIFIER,
		.now_ms = w->now_ms,
		.not_after_ms = issue_end_ms(w->now_ms, years, 0),
		.by = w->above.issue,
	};
	int rc = issue_new(&order, &made, f);
	if (rc == 0)
		rc = add_files(w, made, &s, f);
	if (rc == 0)
		rc = fileset_write(&s, f);
	if (rc == 0)
		report(made, &s);
	fileset_deinit(&s);
	issue_free(made);
	return rc;
}

int certifier_new(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	struct work w = { .args = &args, .now_ms = clock_wall_ms() };
	struct fault f;

	int code = certifier_parse(&command, argc, argv, &args);
	if (code != EXIT_DONE || args.is_help)
		return code;
	int rc = args.certifier != NULL ? certifier_load(args.certifier, true, &w.above, &f) : 0;
	if (rc == 0)
		rc = settle_name(&w, &f);
	if (rc == 0)
		rc = settle_files(&w, &f);
	if (rc == 0)
		rc = make(&w, &f);
	certifier_close(&w.above);
	return certifier_end(rc, &f);
}
