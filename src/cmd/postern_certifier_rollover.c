/*
 * postern certifier rollover: a new key for a certifier. Invariant: the old key stays in the new ID file as a
 * retired one, and each key vouches for the other, so nobody certified under either is cut off; the ID file
 * is replaced last, whole, and everything written before it goes again when that fails.
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "cmd/id_open.h"
#include "knock/spa.h"

static const char help[] =
	"usage: postern certifier rollover FILE [options]\n"
	"\n"
	"Gives a certifier a new key. The old key stays in the ID file as a retired one,\n"
	"and the two vouch for each other in a file that belongs among the trust files:\n"
	"whoever trusts one key then trusts the other. Certificates issued under the old\n"
	"key stay valid. The ID file keeps its password. An organisation certifies its\n"
	"new key itself; for a unit say who is above it.\n"
	"\n"
	"  --certifier FILE    for a unit: the ID file of the certifier above it\n"
	"  --years N           how long the new certificate is valid, 1 to 100\n"
	"                      (default: 100)\n"
	"  -o, --out FILE      write a new ID file and leave FILE as it is (default: FILE\n"
	"                      is replaced)\n"
	"  --certifier-password-file F  read the password of the certifier above from F,\n"
	"                      line 1\n"
	"  --password-file F   read the password of FILE from F, line 1\n"
	"  --key-file F        the key file, if FILE opens with one\n"
	"  --kdf-mem MIB       memory that a try of the password costs, 1 to 4096\n"
	"                      (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 wrong password or trouble with a file;\n"
	"after any but 0 FILE is as it was.\n";

static const struct option options[] = {
	{ "certifier", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "years", required_argument, NULL, CERTIFIER_OPT_YEARS },
	{ "out", required_argument, NULL, 'o' },
	{ "certifier-password-file", required_argument, NULL,
		CERTIFIER_OPT_CERTIFIER_PASSWORD_FILE },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "key-file", required_argument, NULL, CERTIFIER_OPT_KEY_FILE },
	{ "kdf-mem", required_argument, NULL, CERTIFIER_OPT_KDF_MEM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command = {
	.name = "certifier rollover", .help = help, .operand = "FILE", .options = options
};

struct made {
	size_t len;
	uint8_t der[CERT_LEN_MAX];
};

struct work {
	const struct certifier_args *args;
	uint64_t now_ms;
	struct certifier self;  /* only what it says locked: its name, to ask and to refuse by */
	struct certifier above; /* empty for an organisation */
	struct id_open *old;
	struct idfile_secrets *secrets; /* of the new file, guarded */
	uint8_t pk[32];                 /* new */
	uint64_t not_after_ms;
	struct made own, new_by_old, old_by_new;
	char cert_path[PATH_MAX], rollover_path[PATH_MAX];
};

static bool is_organisation(const struct name *n)
{
	return n->parts[n->count - 1].type == NAME_O;
}

/* ------------------------------------------------------------------ before any password */

static int check_above(const struct work *w, struct fault *f)
{
	const struct name *n = &w->self.cert.subject;
	char name[NAME_TEXT_MAX], above[NAME_TEXT_MAX];
	if (is_organisation(n) != (w->above.file == NULL)) {
		fault_set(f,
			is_organisation(n)
				? "%s is an organisation, which certifies itself; leave "
				  "--certifier out"
				: "%s is a unit; say --certifier FILE, the certifier directly "
				  "above it",
			name_format(n, name));
		return -EDOM;
	}
	if (w->above.file == NULL || name_is_child(n, &w->above.cert.subject))
		return 0;
	fault_set(f, "%.200s is not directly below %.200s, the certifier in %s",
		name_format(n, name), name_format(&w->above.cert.subject, above), w->above.path);
	return -EDOM;
}

/* In place the certificate of the old key may stand beside: the new names have the day in them. */
static int settle_files(struct work *w, struct fault *f)
{
	const char *out = w->args->out;
	const char *paths[] = { out != NULL ? out : w->cert_path, w->cert_path, w->rollover_path,
		NULL };
	char when[TIME_TEXT_MAX], day[16] = "", suffix[64];
	if (out == NULL)
		snprintf(day, sizeof(day), "-%.10s", time_format_utc(w->now_ms, when));
	const char *base = out != NULL ? out : w->args->operand;
	snprintf(suffix, sizeof(suffix), "%s.pem", day);
	certifier_beside(base, suffix, w->cert_path, sizeof(w->cert_path));
	snprintf(suffix, sizeof(suffix), "%s-rollover.pem", day);
	certifier_beside(base, suffix, w->rollover_path, sizeof(w->rollover_path));
	return certifier_check_free(paths, f);
}

/* ------------------------------------------------------------------ the new key */

static int retire(struct work *w, struct fault *f)
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
	w->secrets = sodium_malloc(sizeof(*w->secrets));
	if (w->secrets == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	struct idfile_secrets *s = w->secrets;
	memcpy(s, &w->old->secrets, sizeof(*s));
	/* The oldest gives way: what it signed is the longest ended. */
	if (s->retired_count == IDFILE_RETIRED_MAX)
		memmove(&s->retired[0], &s->retired[1], --s->retired_count * sizeof(s->retired[0]));
	memcpy(s->retired[s->retired_count].seed, s->seed, sizeof(s->seed));
	s->retired[s->retired_count++].retired_ms = w->now_ms;
	randombytes_buf(s->seed, sizeof(s->seed));
	crypto_sign_seed_keypair(w->pk, sk, s->seed);
	sodium_memzero(sk, sizeof(sk));
	return 0;
}

static int grant(const struct work *w, const struct issue_signer *by, enum cert_role role,
	const uint8_t *pk, uint64_t not_after_ms, struct made *to, struct fault *f)
{
	struct issue_grant g = { role, &w->self.cert.subject, CERT_CERTIFIER, pk, w->now_ms,
		not_after_ms };
	int rc = issue_certify(by, &g, to->der, &to->len, f);
	return rc == -EINVAL ? -EDOM : rc;
}

/* Neither key vouches for longer than it was certified for itself. */
static int certify(struct work *w, struct fault *f)
{
	const struct cert *c = &w->self.cert;
	unsigned years = w->args->years != 0 ? w->args->years : CERTIFIER_YEARS_CERTIFIER;
	const struct issue *above = w->above.issue;
	w->not_after_ms = issue_last_ms(
		issue_end_ms(w->now_ms, years, 0), above != NULL ? above->not_after_ms : 0);
	uint64_t both_ms = c->not_after_ms < w->not_after_ms ? c->not_after_ms : w->not_after_ms;
	struct issue_signer old_key = { &c->subject, c->pk, w->old->secrets.seed };
	struct issue_signer new_key = { &c->subject, w->pk, w->secrets->seed };
	struct issue_signer by = above != NULL ? issue_signer(above) : new_key;

	int rc = grant(w, &by, CERT_BELOW, w->pk, w->not_after_ms, &w->own, f);
	if (rc == 0)
		rc = grant(w, &old_key, CERT_ROLLOVER, w->pk, both_ms, &w->new_by_old, f);
	if (rc == 0)
		rc = grant(w, &new_key, CERT_ROLLOVER, c->pk, both_ms, &w->old_by_new, f);
	return rc;
}

/* ------------------------------------------------------------------ the new file */

static struct span made_span(const struct made *m)
{
	return span_of(m->der, m->len);
}

/*
 * Own, and what is above it. An organisation's chain goes on with the old key's word for the new, so that
 * a verifier who knows the old key alone finds its anchor; certificates that are no ancestors stay.
 */
static void put_certs(const struct work *w, struct idfile_change *c)
{
	const struct issue *above = w->above.issue;
	c->has_certs = true;
	c->certs[c->cert_count++] = made_span(&w->own);
	if (above == NULL)
		c->certs[c->cert_count++] = made_span(&w->new_by_old);
	for (size_t i = 0; above != NULL && i < above->cert_count; i++)
		c->certs[c->cert_count++] = span_of(above->certs[i], above->cert_len[i]);
	for (size_t i = 1; i < w->old->cert_count && c->cert_count < IDFILE_CERTS_MAX; i++) {
		const struct id_open_cert *kept = &w->old->certs[i];
		if (!kept->is_good || !name_is_below(&w->self.cert.subject, &kept->c.subject))
			c->certs[c->cert_count++] = kept->der;
	}
}

static char *format(const struct work *w)
{
	struct idfile_header header = *idfile_header(w->old->file);
	struct idfile_key key; /* who opened an old copy has the old one */
	struct idfile_change c = {
		.secrets = w->secrets,
		.header = &header,
		.new_key = &key,
		.has_password = w->old->has_password,
		.password = password_span(&w->old->password),
		.mem_kib = w->args->mem_kib,
		.raw_key = w->old->has_raw_key ? w->old->raw_key : NULL,
	};
	spa_key_id(w->pk, header.key_id);
	header.created_ms = w->now_ms;
	/* The recovery of the old file is bound to the old key and falls away. */
	header.recovery_m = header.recovery_n = 0;
	put_certs(w, &c);
	randombytes_buf(key.b, sizeof(key.b));
	char *text = idfile_format_change(w->old->file, &w->old->key, &c);
	sodium_memzero(&key, sizeof(key));
	return text;
}

static int write_beside(struct work *w, struct fileset *s, struct fault *f)
{
	struct span own = made_span(&w->own);
	struct span both[] = { made_span(&w->new_by_old), made_span(&w->old_by_new) };
	certifier_add(
		s, w->cert_path, certifier_pem("CERTIFICATE", &own, 1), 0644, "its certificate");
	certifier_add(s, w->rollover_path, certifier_pem("CERTIFICATE", both, 2), 0644,
		"for the trust files: each key vouches for the other");
	return fileset_write(s, f);
}

static void report_files(const struct work *w, const struct fileset *s)
{
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	printf("A new key for %s, valid to %.10s:\n\n", name_format(&w->self.cert.subject, name),
		time_format_utc(w->not_after_ms, when));
	certifier_tell_key(w->pk);
	certifier_tell_fingerprint(made_span(&w->own));
	putchar('\n');
	if (w->args->out == NULL)
		printf("  %-24s secret: replaced, certifies with the new key\n", w->args->operand);
	certifier_tell_files(s);
}

/* Does the new ID file stand there although the folder could not be synced (file_write)? */
static bool is_replaced(const struct work *w, int rc)
{
	struct stat st;
	return rc != -EAGAIN && stat(w->args->operand, &st) == 0 &&
		(st.st_ino != w->old->st.st_ino || st.st_dev != w->old->st.st_dev);
}

/* text is freed. */
static int write_all(struct work *w, char *text, struct fileset *s, struct fault *f)
{
	sigset_t all, old;
	if (w->args->out != NULL)
		certifier_add(s, w->args->out, text, 0600,
			"secret: certifies with the new key; keep it offline");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	int rc = write_beside(w, s, f);
	if (rc == 0 && w->args->out == NULL) {
		rc = id_open_replace(w->old, text, f);
		text = NULL;
		for (size_t i = 0; rc < 0 && !is_replaced(w, rc) && i < s->count; i++)
			unlink(s->items[i].path);
	}
	if (w->args->out == NULL)
		free(text);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}

/* ------------------------------------------------------------------ the command */

static void report_next(const struct work *w)
{
	char when[TIME_TEXT_MAX];
	const char *id = w->args->out != NULL ? w->args->out : w->args->operand;
	printf("\nNext:\n\n"
	       "  put %s among the trust files of every server and client\n"
	       "  certify units, people and servers again, before %.10s when the old key\n"
	       "  ends, and have them put in what comes out (postern id merge):\n"
	       "      postern certifier sign THEIR.id --certifier %s\n"
	       "  start a revocation list of the new key; renew the old one while it is in use\n",
		w->rollover_path, time_format_utc(w->self.cert.not_after_ms, when), id);
	if (idfile_header(w->old->file)->recovery_n > 0)
		printf("  its recovery was bound to the old key: sign a new list with the new key\n"
		       "  (postern certifier recovery) and put it to use again:\n"
		       "      postern id protect %s --recovery LIST\n",
			id);
}

static int make(struct work *w, struct fault *f)
{
	struct fileset s = { 0 };
	struct id_way way = {
		.password_file = w->args->password_file,
		.key_file = w->args->key_file,
	};
	int rc = id_open_file(w->args->operand, &way, &w->old, f);
	/* The slots of the new key are made of all that opens the old one. */
	if (rc == 0)
		rc = id_open_more(w->old, &way, f);
	if (rc == 0 && w->above.file != NULL)
		rc = certifier_unlock(&w->above, w->args->certifier_password_file, f);
	if (rc == 0)
		rc = retire(w, f);
	if (rc == 0)
		rc = certify(w, f);
	if (rc < 0)
		return rc;
	char *text = format(w);
	if (text == NULL) {
		fault_set(f,
			"there is not enough memory to lock the ID file; take less with "
			"--kdf-mem 64");
		return -ENOMEM;
	}
	rc = write_all(w, text, &s, f);
	if (rc == 0) {
		report_files(w, &s);
		report_next(w);
	}
	fileset_deinit(&s);
	return rc;
}

int certifier_rollover(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	struct fault f;

	int code = certifier_parse(&command, argc, argv, &args);
	if (code != EXIT_DONE || args.is_help)
		return code;
	struct work w = { .args = &args, .now_ms = clock_wall_ms() };
	int rc = certifier_load(args.operand, true, &w.self, &f);
	if (rc == 0 && args.certifier != NULL)
		rc = certifier_load(args.certifier, true, &w.above, &f);
	if (rc == 0)
		rc = check_above(&w, &f);
	if (rc == 0)
		rc = settle_files(&w, &f);
	if (rc == 0)
		rc = make(&w, &f);
	id_open_free(w.old);
	sodium_free(w.secrets);
	certifier_close(&w.self);
	certifier_close(&w.above);
	return certifier_end(rc, &f);
}
