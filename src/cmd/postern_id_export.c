/*
 * postern id export: a key of an ID in a form that other programs read. Invariant: a private key leaves
 * for a new file that only its owner can read, and in the open only where the form has no other way.
 */

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/fileset.h"
#include "cmd/id.h"
#include "cmd/id_make.h"
#include "cmd/id_open.h"
#include "cmd/say.h"
#include "identity/keyfile.h"

static const char help[] =
	"usage: postern id export FILE --pkcs8|--openssh|--pkcs12 [options]\n"
	"\n"
	"Writes a private key of an ID file into a new file for other programs. Whoever\n"
	"has that file and what opens it is the owner of the ID, for good.\n"
	"\n"
	"  --pkcs8             the ID's key as PKCS#8 under a new password (scrypt,\n"
	"                      AES-256): for openssl\n"
	"  --openssh           the ID's key as OpenSSH reads it, and the .pub line beside\n"
	"                      it. Without a passphrase: ssh-keygen -p -f OUT adds one\n"
	"  --pkcs12            the internet certificate in the ID with its key, under a\n"
	"                      new password: for browsers and mail programs\n"
	"  -o, --out OUT       the new file (default: made of the name of the ID file,\n"
	"                      jane-doe.pem, jane-doe.key-ssh, jane-doe.p12)\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"  --new-password-file F  read the new password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 the new password is too weak, 2 usage, 4 wrong password\n"
	"or trouble with a file; after any but 0 nothing was written.\n";

enum {
	OPT_PKCS8 = 256,
	OPT_OPENSSH,
	OPT_PKCS12,
	OPT_PASSWORD_FILE,
	OPT_KEY_FILE,
	OPT_NEW_PASSWORD_FILE,
};

static const struct option options[] = {
	{ "pkcs8", no_argument, NULL, OPT_PKCS8 },
	{ "openssh", no_argument, NULL, OPT_OPENSSH },
	{ "pkcs12", no_argument, NULL, OPT_PKCS12 },
	{ "out", required_argument, NULL, 'o' },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "key-file", required_argument, NULL, OPT_KEY_FILE },
	{ "new-password-file", required_argument, NULL, OPT_NEW_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	int form; /* OPT_PKCS8 .., 0: not said */
	bool is_help;
	const char *file, *out, *new_password_file;
	struct id_way way;
};

/* ------------------------------------------------------------------ the command line */

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_PKCS8:
	case OPT_OPENSSH:
	case OPT_PKCS12:
		if (w->form != 0 && w->form != c)
			return say_usage(
				"id export", "one of --pkcs8, --openssh and --pkcs12 at a time");
		w->form = c;
		break;
	case 'o':
		w->out = optarg;
		break;
	case OPT_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case OPT_KEY_FILE:
		w->way.key_file = optarg;
		break;
	case OPT_NEW_PASSWORD_FILE:
		w->new_password_file = optarg;
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
	while ((c = say_next_option("id export", argc, argv, options)) != -1) {
		int rc = take_option(c, w);
		if (rc != EXIT_DONE || w->is_help)
			return rc;
	}
	if (argc - optind != 1)
		return say_usage(
			"id export", argc == optind ? "which FILE?" : "one FILE at a time");
	if (w->form == 0)
		return say_usage("id export", "in which form? --pkcs8, --openssh or --pkcs12");
	if (w->form == OPT_OPENSSH && w->new_password_file != NULL)
		return say_usage(
			"id export", "--openssh writes no password; ssh-keygen -p adds one");
	w->file = argv[optind];
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ the files */

static int choose(const struct words *w, struct password *ret, struct fault *f)
{
	struct password_source from = { .file = w->new_password_file, .line = 1 };
	return password_choose(&from, w->out, PASSWORD_QUALITY_USER, ret, f);
}

static int add_pkcs8(
	const struct words *w, const struct id_open *o, struct fileset *s, struct fault *f)
{
	struct password password = { 0 };
	int rc = choose(w, &password, f);
	if (rc == 0)
		id_make_add_text(s, w->out,
			keyfile_pkcs8_write(o->secrets.seed, password_span(&password)), 0600,
			"secret: the key, under the new password");
	password_wipe(&password);
	return rc;
}

static int add_openssh(const struct words *w, const struct id_open *o, struct fileset *s)
{
	char public[PATH_MAX];
	const char *comment = idfile_header(o->file)->name;
	snprintf(public, sizeof(public), "%s.pub", w->out);
	id_make_add_text(s, w->out, keyfile_ssh_write(o->secrets.seed, comment), 0600,
		"secret: the key, open to whoever reads the file");
	id_make_add_text(
		s, public, keyfile_ssh_public(o->secrets.seed, comment), 0644, "its public half");
	return 0;
}

static int pack(const struct words *w, const struct id_open *o, struct keyfile_pair *pair,
	struct fileset *s, struct fault *f)
{
	struct password password = { 0 };
	size_t len = 0;

	pair->cert_len = o->secrets.internet_cert_len;
	pair->key_len = o->secrets.internet_key_len;
	memcpy(pair->cert, o->secrets.internet_cert, pair->cert_len);
	memcpy(pair->key, o->secrets.internet_key, pair->key_len);
	int rc = choose(w, &password, f);
	if (rc == 0) {
		uint8_t *data = keyfile_pkcs12_write(
			pair, idfile_header(o->file)->name, password_span(&password), &len);
		rc = data == NULL ? -EINVAL : 0;
		if (rc == 0)
			fileset_add(s, NULL, w->out, (char *)data, len, 0600,
				"secret: certificate and key, under the new password");
		else
			fault_set(f, "%s: its internet certificate cannot be written by OpenSSL",
				w->file);
	}
	password_wipe(&password);
	return rc;
}

static int add_pkcs12(
	const struct words *w, const struct id_open *o, struct fileset *s, struct fault *f)
{
	if (o->secrets.internet_cert_len == 0) {
		fault_set(f,
			"%s: holds no internet certificate; postern id import --pkcs12 puts one "
			"in",
			w->file);
		return -ENOENT;
	}
	struct keyfile_pair *pair = sodium_malloc(sizeof(*pair));
	if (pair == NULL) {
		s->is_short = true;
		return 0;
	}
	int rc = pack(w, o, pair, s, f);
	sodium_free(pair);
	return rc;
}

static int add_files(
	const struct words *w, const struct id_open *o, struct fileset *s, struct fault *f)
{
	if (w->form == OPT_PKCS12)
		return add_pkcs12(w, o, s, f);
	if (w->form == OPT_OPENSSH)
		return add_openssh(w, o, s);
	return add_pkcs8(w, o, s, f);
}

/* ------------------------------------------------------------------ the command */

static const char *suffix(int form)
{
	return form == OPT_PKCS12 ? ".p12" : form == OPT_OPENSSH ? ".key-ssh" : ".pem";
}

static int check_free(const struct words *w, struct fault *f)
{
	struct fileset s = { 0 };
	char public[PATH_MAX];
	id_make_add_text(&s, w->out, strdup(""), 0600, NULL);
	snprintf(public, sizeof(public), "%s.pub", w->out);
	if (w->form == OPT_OPENSSH)
		id_make_add_text(&s, public, strdup(""), 0644, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

static void report(const struct words *w, const struct fileset *s)
{
	for (size_t i = 0; i < s->count; i++)
		printf("  %-20s %s\n", s->items[i].path, s->items[i].note);
	if (w->form == OPT_OPENSSH)
		printf("\nAdd a passphrase before it goes anywhere: ssh-keygen -p -f %s\n", w->out);
}

static int export(struct words *w, struct fault *f)
{
	struct fileset s = { 0 };
	struct id_open *o = NULL;
	char out[PATH_MAX];

	if (w->out == NULL) {
		id_make_beside(w->file, suffix(w->form), out, sizeof(out));
		w->out = out;
	}
	int rc = check_free(w, f);
	if (rc == 0)
		rc = id_open_file(w->file, &w->way, &o, f);
	if (rc == 0)
		rc = add_files(w, o, &s, f);
	if (rc == 0)
		rc = fileset_write(&s, f);
	if (rc == 0)
		report(w, &s);
	fileset_deinit(&s);
	id_open_free(o);
	w->out = NULL;
	return rc;
}

int id_export(int argc, char **argv)
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
	int rc = export(&w, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc == 0 ? EXIT_DONE : rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL;
}
