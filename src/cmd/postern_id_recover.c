/*
 * postern id recover: an authority opens its share, the owner puts shares together. Invariant: a share is
 * opened only for a name that was shown, and a new password is asked for only when the shares have opened
 * the file.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_open.h"
#include "cmd/say.h"
#include "identity/recovery.h"
#include "knock/spa.h"

#define SHARE_LINE_MAX 256

static const char command[] = "id recover";

static const char help[] =
	"usage: postern id recover FILE --as ID [options]\n"
	"       postern id recover FILE [--share-file F].. [options]\n"
	"\n"
	"When the password of FILE is lost. Each recovery authority opens its share with\n"
	"--as and reads it to the owner, and to nobody else. The owner types as many as\n"
	"are needed and chooses a new password. A share that was misread is told at once.\n"
	"Copies of the old file keep the old password.\n"
	"\n"
	"  --as ID             the ID file of the authority; prints its share\n"
	"  --password-file F   read the password of ID from F, line 1\n"
	"  --yes               do not ask whether it is the owner who wants it\n"
	"  -o, --out OUT       write the share to OUT, which others may not read\n"
	"\n"
	"  --share-file F      a share, instead of typing it; say it for each\n"
	"  --new-password-file F  read the new password from F, line 1\n"
	"  --kdf-mem MIB       memory that a try of the password costs, 1 to 4096\n"
	"                      (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 wrong password or share, or trouble\n"
	"with a file; after any but 0 FILE is as it was.\n";

enum {
	OPT_AS = 256,
	OPT_PASSWORD_FILE,
	OPT_YES,
	OPT_SHARE_FILE,
	OPT_NEW_PASSWORD_FILE,
	OPT_KDF_MEM,
};

static const struct option options[] = {
	{ "as", required_argument, NULL, OPT_AS },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "yes", no_argument, NULL, OPT_YES },
	{ "out", required_argument, NULL, 'o' },
	{ "share-file", required_argument, NULL, OPT_SHARE_FILE },
	{ "new-password-file", required_argument, NULL, OPT_NEW_PASSWORD_FILE },
	{ "kdf-mem", required_argument, NULL, OPT_KDF_MEM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	const char *file, *as, *out, *new_password_file;
	struct id_way way;
	size_t share_count;
	const char *share_files[RECOVERY_AUTHORITIES_MAX];
	uint32_t mem_kib;
	bool is_sure, is_help;
};

/* The file that is to be recovered, still locked, and what its recovery block says. */
struct lost {
	struct idfile *id;
	struct cert own; /* proved up to root by the certificates in the file */
	char root[NAME_TEXT_MAX];
	uint8_t root_pk[32];
	struct recovery r;
};

/* ------------------------------------------------------------------ the command line */

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_AS:
		w->as = optarg;
		break;
	case OPT_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case OPT_YES:
		w->is_sure = true;
		break;
	case 'o':
		w->out = optarg;
		break;
	case OPT_SHARE_FILE:
		if (w->share_count == RECOVERY_AUTHORITIES_MAX)
			return say_usage(command, "more than %d times --share-file",
				RECOVERY_AUTHORITIES_MAX);
		w->share_files[w->share_count++] = optarg;
		break;
	case OPT_NEW_PASSWORD_FILE:
		w->new_password_file = optarg;
		break;
	case OPT_KDF_MEM:
		if (!say_parse_mem(optarg, &w->mem_kib))
			return say_usage(command,
				"--kdf-mem %s: not a number of MiB from 1 to 4096", optarg);
		break;
	case 'h':
		w->is_help = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int parse(int argc, char **argv, struct words *w)
{
	int c;
	while ((c = say_next_option(command, argc, argv, options)) != -1) {
		int code = take_option(c, w);
		if (code != EXIT_DONE || w->is_help)
			return code;
	}
	if (argc - optind != 1)
		return say_usage(command, argc == optind ? "which FILE?" : "one FILE at a time");
	w->file = argv[optind];
	bool is_owners = w->share_count > 0 || w->new_password_file != NULL || w->mem_kib != 0;
	bool is_authoritys = w->is_sure || w->out != NULL || w->way.password_file != NULL;
	if (w->as != NULL && is_owners)
		return say_usage(command,
			"--share-file, --new-password-file and --kdf-mem are the owner's, who does "
			"not say --as");
	if (w->as == NULL && is_authoritys)
		return say_usage(command,
			"--yes, --out and --password-file go with --as, the authority's ID");
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ the lost file */

/*
 * The one above: one level up, or the organisation that certifies itself; it signed the one below. Words by
 * which one key of a certifier vouches for another may stand between them.
 */
static bool find_above(
	const struct idfile *id, struct span below_der, const struct cert *below, size_t *ret)
{
	for (size_t i = 1; i < idfile_cert_count(id); i++) {
		struct cert c;
		struct fault why;
		struct span der = idfile_cert(id, i);
		if (cert_read(der, &c, &why) == 0 && c.kind == CERT_CERTIFIER &&
			name_equal(&c.subject, &below->issuer) &&
			name_is_child(&below->subject, &c.subject) &&
			cert_signed_by(below_der, c.pk) &&
			(!name_equal(&c.subject, &c.issuer) || cert_signed_by(der, c.pk))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* The certificates from its own up to one that certifies itself; each must have signed the one before. */
static bool prove_path(struct lost *l)
{
	struct cert at;
	struct fault why;
	size_t i = 0;
	if (cert_read(idfile_cert(l->id, 0), &at, &why) < 0)
		return false;
	l->own = at;
	/* Each step is one level up, so there is an end. */
	while (!name_equal(&at.subject, &at.issuer))
		if (!find_above(l->id, idfile_cert(l->id, i), &at, &i) ||
			cert_read(idfile_cert(l->id, i), &at, &why) < 0)
			return false;
	/* Else somebody could put another name to a key that others know. */
	if (!cert_signed_by(idfile_cert(l->id, i), at.pk))
		return false;
	name_format(&at.subject, l->root);
	memcpy(l->root_pk, at.pk, sizeof(l->root_pk));
	return true;
}

static int load(const struct words *w, enum file_need need, struct lost *l, struct fault *f)
{
	struct fault why;
	int rc = id_file_load(w->file, need, &l->id, f);
	if (rc < 0)
		return rc;
	struct span block = idfile_block(l->id, RECOVERY_LABEL);
	if (block.len == 0) {
		fault_set(f, "%s: it has no recovery block, so nobody can open it but its owner",
			w->file);
		return -EDOM;
	}
	if (!prove_path(l)) {
		fault_set(f, "%s: its certificates do not hold; take it from a backup", w->file);
		return -EINVAL;
	}
	rc = recovery_decode(block, l->own.pk, &l->r, &why);
	if (rc < 0)
		fault_set(f, "%s: %.400s", w->file, why.text);
	else if (memcmp(l->r.key_id, idfile_header(l->id)->key_id, 32) != 0) {
		fault_set(f, "%s: its recovery block is of another ID; take it from a backup",
			w->file);
		rc = -EINVAL;
	}
	return rc;
}

/* ------------------------------------------------------------------ the authority */

/* Whether this ID trusts the organisation that vouches for the owner's name. */
static bool knows(const struct id_open *o, const uint8_t pk[32])
{
	for (size_t i = 0; i < o->cert_count; i++)
		if (o->certs[i].is_good && memcmp(o->certs[i].c.pk, pk, 32) == 0)
			return true;
	return false;
}

static int confirm(
	const struct words *w, const struct lost *l, const struct id_open *o, struct fault *f)
{
	char name[NAME_TEXT_MAX], hex[65];
	fprintf(stderr, "%s is the ID file of %s\n  key id %s\n  certified below %s%s\n", w->file,
		name_format(&l->own.subject, name), text_hex(SPAN_OF(l->r.key_id), hex), l->root,
		knows(o, l->root_pk) ? ""
				     : ", which your own ID does not know: compare the key id");
	fprintf(stderr, "  %u of %u authorities open it; the list is of %s\n",
		(unsigned)l->r.list.m, (unsigned)l->r.list.n, l->r.list.certifier);
	if (w->is_sure)
		return 0;
	return ask_yes("Do you know that it is the owner who wants your share?", f);
}

/* By the key in use or, when the list is older than a rollover, by one of before. */
static int open_share(
	const struct lost *l, const struct id_open *o, struct recovery_share *ret, struct fault *f)
{
	struct hpke_secret x25519;
	if (!o->secrets.has_x25519) {
		fault_set(
			f, "%s: it is of no recovery authority: it has no key for shares", o->path);
		return -EDOM;
	}
	memcpy(x25519.b, o->secrets.x25519, sizeof(x25519.b));
	int rc = recovery_open_share(&l->r, o->pk, &x25519, ret, f);
	for (size_t i = o->secrets.retired_count; rc == -ENOENT && i-- > 0;) {
		uint8_t pk[32], sk[64];
		crypto_sign_seed_keypair(pk, sk, o->secrets.retired[i].seed);
		sodium_memzero(sk, sizeof(sk));
		rc = recovery_open_share(&l->r, pk, &x25519, ret, f);
	}
	sodium_memzero(&x25519, sizeof(x25519));
	return rc == -ENOENT ? -EDOM : rc;
}

static int give_share(const struct words *w, const struct recovery_share *s, struct fault *f)
{
	char text[RECOVERY_TEXT_MAX + 1];
	int rc = 0;
	recovery_share_format(s, text);
	strcat(text, "\n");
	if (w->out != NULL)
		rc = file_write(w->out, text, strlen(text), 0600, true, f);
	else
		fputs(text, stdout);
	sodium_memzero(text, sizeof(text));
	return rc;
}

static int help_owner(const struct words *w, struct lost *l, struct fault *f)
{
	struct recovery_share s;
	struct id_open *o = NULL;
	int rc = load(w, FILE_ANY, l, f);
	if (rc == 0)
		rc = id_open_file(w->as, &w->way, &o, f);
	if (rc == 0)
		rc = confirm(w, l, o, f);
	if (rc == 0)
		rc = open_share(l, o, &s, f);
	if (rc == 0)
		rc = give_share(w, &s, f);
	sodium_memzero(&s, sizeof(s));
	id_open_free(o);
	return rc;
}

/* ------------------------------------------------------------------ the owner */

struct shares {
	size_t count;
	struct recovery_share s[RECOVERY_AUTHORITIES_MAX];
};

/* Whether a share is one that helps: of this file, and not there yet. */
static int add_share(struct shares *all, const struct recovery *r, const struct recovery_share *s,
	struct fault *f)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->s[i].x == s->x) {
			fault_set(
				f, "this share was given already; the share of another is needed");
			return -EEXIST;
		}
	if (!recovery_share_is_good(r, s)) {
		fault_set(f, "this share is of another file; ask for the one of this file");
		return -EINVAL;
	}
	all->s[all->count++] = *s;
	return 0;
}

static int parse_share(
	struct shares *all, const struct recovery *r, struct span text, struct fault *f)
{
	struct recovery_share s;
	int rc = recovery_share_parse(text, &s, f);
	if (rc == 0)
		rc = add_share(all, r, &s, f);
	sodium_memzero(&s, sizeof(s));
	return rc;
}

static int read_share(
	const char *path, struct shares *all, const struct recovery *r, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault why;
	int rc = file_read(path, FILE_SECRET, SHARE_LINE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	rc = parse_share(all, r, span_of(text, len), &why);
	if (rc < 0)
		fault_set(f, "%s: %.400s", path, why.text);
	sodium_memzero(text, len);
	free(text);
	return rc;
}

/* Typed until it is right, or the input ends. */
static int type_share(struct shares *all, const struct recovery *r, struct fault *f)
{
	char prompt[64], line[SHARE_LINE_MAX];
	struct fault why;
	int rc;
	snprintf(prompt, sizeof(prompt), "Share %zu of %u: ", all->count + 1, (unsigned)r->list.m);
	do {
		rc = ask_line(prompt, line, sizeof(line), f);
		if (rc < 0)
			break;
		rc = parse_share(all, r, span_of(line, strlen(line)), &why);
		if (rc < 0)
			fprintf(stderr, "%s\n", why.text);
	} while (rc < 0);
	sodium_memzero(line, sizeof(line));
	return rc;
}

static int collect(
	const struct words *w, const struct recovery *r, struct shares *all, struct fault *f)
{
	int rc = 0;
	for (size_t i = 0; i < w->share_count && rc == 0; i++)
		rc = read_share(w->share_files[i], all, r, f);
	while (rc == 0 && all->count < r->list.m)
		rc = type_share(all, r, f);
	if (rc == -ENXIO)
		fault_set(f,
			"%zu of %u shares were given, and there is no terminal to type more; name "
			"a file for each with --share-file",
			all->count, (unsigned)r->list.m);
	return rc;
}

static int new_password(const struct words *w, const struct id_open *o, struct fault *f)
{
	struct password_source from = { .file = w->new_password_file, .line = 1 };
	const struct idfile_header *h = idfile_header(o->file);
	struct password password = { 0 };
	unsigned quality = h->quality_min != 0 ? h->quality_min : PASSWORD_QUALITY_USER;
	int rc = password_choose(&from, h->name, quality, &password, f);
	if (rc == 0)
		rc = id_open_replace(o,
			idfile_format_password(
				o->file, &o->key, password_span(&password), 0, w->mem_kib),
			f);
	password_wipe(&password);
	return rc;
}

static void name_authorities(const struct recovery_list *l)
{
	fprintf(stderr, "shares of %u of these are needed:\n", (unsigned)l->m);
	for (size_t i = 0; i < l->n; i++)
		fprintf(stderr, "  %s\n", l->authorities[i].name);
}

static int recover(const struct words *w, struct lost *l, struct fault *f)
{
	struct shares all = { 0 };
	struct idfile_key key;
	struct id_way way = { .file_key = &key };
	struct id_open *o = NULL;
	int rc = load(w, FILE_SECRET, l, f);
	if (rc < 0)
		return rc;
	if (w->share_count < l->r.list.m)
		name_authorities(&l->r.list);
	rc = collect(w, &l->r, &all, f);
	if (rc == 0)
		rc = recovery_combine(&l->r, all.s, all.count, &key, f);
	if (rc == 0)
		rc = id_open_file(w->file, &way, &o, f);
	if (rc == 0)
		rc = new_password(w, o, f);
	if (rc == 0)
		printf("%s (%s) has a new password; copies of the old file keep the old one\n",
			idfile_header(o->file)->name, w->file);
	sodium_memzero(&key, sizeof(key));
	sodium_memzero(&all, sizeof(all));
	id_open_free(o);
	return rc;
}

int id_recover(int argc, char **argv)
{
	struct words w = { 0 };
	struct fault f;
	int code = parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	struct lost *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		say_trouble("there is not enough memory");
		return EXIT_LOCAL;
	}
	int rc = w.as != NULL ? help_owner(&w, l, &f) : recover(&w, l, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	idfile_free(l->id);
	free(l);
	bool is_refusal = rc == -EDOM || rc == -ECANCELED || rc == -EKEYREJECTED;
	return rc == 0 ? EXIT_DONE : is_refusal ? EXIT_REFUSED : EXIT_LOCAL;
}
