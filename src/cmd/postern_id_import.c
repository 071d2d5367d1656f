/*
 * postern id import: a key somebody has already becomes an ID, or an internet certificate goes into one.
 * Invariant: what was read is wiped when it stands in the ID file, and stays as it was where it came from.
 */

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/fileset.h"
#include "cmd/id.h"
#include "cmd/id_make.h"
#include "cmd/id_open.h"
#include "cmd/say.h"
#include "identity/keyfile.h"

static const char help[] =
	"usage: postern id import --key KEY NEW NAME [options]\n"
	"       postern id import --pkcs12 P12 FILE [options]\n"
	"\n"
	"Makes an ID file of an Ed25519 key there is already, not certified yet; or puts\n"
	"an internet certificate with its key into an ID file, in place of the one in it.\n"
	"\n"
	"  --key KEY           the key: PKCS#8 in PEM, or OpenSSH without a passphrase\n"
	"  --kind user|server  in NEW: whose ID it is (default: user)\n"
	"  --pkcs12 P12        the certificate and its key, of any kind, as browsers and\n"
	"                      mail programs keep them\n"
	"  --from-password-file F  read the password of KEY or P12 from F, line 1\n"
	"  --password-file F   read the password of the ID from F, line 1: the new one\n"
	"                      for NEW, the one it has for FILE\n"
	"  --key-file F        open FILE with this key file (a server's)\n"
	"  --kdf-mem MIB       memory that a try of the password costs, 1 to 4096\n"
	"                      (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 the name or the password was refused, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 nothing was changed.\n";

enum {
	OPT_KEY = 256,
	OPT_KIND,
	OPT_PKCS12,
	OPT_FROM_PASSWORD_FILE,
	OPT_PASSWORD_FILE,
	OPT_KEY_FILE,
	OPT_KDF_MEM,
};

static const struct option options[] = {
	{ "key", required_argument, NULL, OPT_KEY },
	{ "kind", required_argument, NULL, OPT_KIND },
	{ "pkcs12", required_argument, NULL, OPT_PKCS12 },
	{ "from-password-file", required_argument, NULL, OPT_FROM_PASSWORD_FILE },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "key-file", required_argument, NULL, OPT_KEY_FILE },
	{ "kdf-mem", required_argument, NULL, OPT_KDF_MEM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	const char *key, *pkcs12, *file, *name, *from_password_file;
	struct id_way way;
	uint32_t mem_kib;
	bool is_server, is_help;
	uint64_t now_ms;
};

/* ------------------------------------------------------------------ the command line */

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_KEY:
		w->key = optarg;
		break;
	case OPT_KIND:
		w->is_server = strcmp(optarg, "server") == 0;
		if (!w->is_server && strcmp(optarg, "user") != 0)
			return say_usage("id import", "--kind %s: it is user or server", optarg);
		break;
	case OPT_PKCS12:
		w->pkcs12 = optarg;
		break;
	case OPT_FROM_PASSWORD_FILE:
		w->from_password_file = optarg;
		break;
	case OPT_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case OPT_KEY_FILE:
		w->way.key_file = optarg;
		break;
	case OPT_KDF_MEM:
		if (!say_parse_mem(optarg, &w->mem_kib))
			return say_usage("id import",
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
	while ((c = say_next_option("id import", argc, argv, options)) != -1) {
		int rc = take_option(c, w);
		if (rc != EXIT_DONE || w->is_help)
			return rc;
	}
	if ((w->key == NULL) == (w->pkcs12 == NULL))
		return say_usage("id import", "import what? Say --key KEY or --pkcs12 P12");
	if (argc - optind != (w->key != NULL ? 2 : 1))
		return say_usage("id import", "%s",
			w->key != NULL ? "say NEW, the ID file to be, and NAME, whose it is"
				       : "say FILE, the ID file it goes into");
	if (w->key != NULL && w->is_server && w->way.password_file != NULL)
		return say_usage(
			"id import", "a server opens with a key file, not with a password");
	w->file = argv[optind];
	w->name = w->key != NULL ? argv[optind + 1] : NULL;
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ a key */

static int refuse(const char *path, enum keyfile_result r, struct fault *f)
{
	const char *more = "";
	if (r == KEYFILE_OK)
		return 0;
	if (r == KEYFILE_ENCRYPTED)
		more = "; take it off a copy first: ssh-keygen -p -N '' -f COPY";
	else if (r == KEYFILE_CIPHER)
		more = "; openssl pkcs12 -legacy reads most of those and writes them anew";
	fault_set(f, "%s: %s%s", path, keyfile_result_text(r), more);
	return r == KEYFILE_MEMORY ? -ENOMEM : -EINVAL;
}

static int unlock_pkcs8(const struct words *w, struct span text, uint8_t seed[32], struct fault *f)
{
	struct password_source from = { .file = w->from_password_file, .line = 1 };
	struct password password;
	int rc = password_get(&from, w->key, &password, f);
	if (rc < 0)
		return rc;
	rc = refuse(w->key, keyfile_pkcs8_read(text, password_span(&password), seed), f);
	password_wipe(&password);
	return rc;
}

static int read_key(const struct words *w, uint8_t seed[32], struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = file_read(w->key, FILE_SECRET, KEYFILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	enum keyfile_result r = keyfile_ssh_read(span_of(text, len), seed);
	if (r == KEYFILE_FORMAT) {
		r = keyfile_pkcs8_read(span_of(text, len), span_of(NULL, 0), seed);
		rc = r == KEYFILE_ENCRYPTED ? unlock_pkcs8(w, span_of(text, len), seed, f)
					    : refuse(w->key, r, f);
	} else {
		rc = refuse(w->key, r, f);
	}
	sodium_memzero(text, len);
	free(text);
	return rc;
}

static int check_free(const struct words *w, struct fault *f)
{
	struct fileset s = { 0 };
	char key[PATH_MAX];
	id_make_add_text(&s, w->file, strdup(""), 0600, NULL);
	id_make_beside(w->file, ".key", key, sizeof(key));
	if (w->is_server)
		id_make_add_text(&s, key, strdup(""), 0600, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

static int write_new(const struct words *w, const struct issue *i, struct fault *f)
{
	struct fileset s = { 0 };
	struct id_make_file m = { w->file, w->way.password_file, w->mem_kib, w->now_ms };
	char name[NAME_TEXT_MAX];

	int rc = id_make_add(&m, i, &s, f);
	if (rc == 0)
		rc = fileset_write(&s, f);
	if (rc == 0) {
		printf("Made %s, not certified yet:\n\n", name_format(&i->name, name));
		for (size_t n = 0; n < s.count; n++)
			printf("  %-20s %s\n", s.items[n].path, s.items[n].note);
		printf("\nNext: postern id renew %s --request OUT, or with --certifier FILE\n",
			w->file);
	}
	fileset_deinit(&s);
	return rc;
}

static int import_key(const struct words *w, struct fault *f)
{
	struct issue *i = NULL;
	struct name name;
	uint8_t seed[32];

	enum name_reject r = name_parse(w->name, false, &name);
	if (r != NAME_OK) {
		fault_set(f, "the name \"%s\" is refused: %s", w->name, name_reject_text(r));
		return -EDOM;
	}
	int rc = check_free(w, f);
	if (rc == 0)
		rc = read_key(w, seed, f);
	if (rc == 0)
		rc = id_make_bare(&name, w->is_server ? CERT_SERVER : CERT_USER, seed, &i, f);
	sodium_memzero(seed, sizeof(seed));
	if (rc == 0)
		rc = write_new(w, i, f);
	issue_free(i);
	return rc;
}

/* ------------------------------------------------------------------ an internet certificate */

static int read_pkcs12(const struct words *w, struct keyfile_pair *pair, struct fault *f)
{
	struct password_source from = { .file = w->from_password_file, .line = 1 };
	struct password password;
	uint8_t *der = NULL;
	size_t len = 0;

	int rc = file_read(w->pkcs12, FILE_ANY, KEYFILE_MAX, &der, &len, f);
	if (rc < 0)
		return rc;
	rc = password_get(&from, w->pkcs12, &password, f);
	if (rc == 0)
		rc = refuse(w->pkcs12,
			keyfile_pkcs12_read(span_of(der, len), password_span(&password), pair), f);
	password_wipe(&password);
	free(der);
	return rc;
}

static int put_pair(const struct words *w, const struct keyfile_pair *pair, struct fault *f)
{
	struct idfile_change c = { 0 };
	struct id_open *o = NULL;
	int rc = id_open_file(w->file, &w->way, &o, f);
	if (rc < 0)
		return rc;
	bool is_new = o->secrets.internet_cert_len == 0;
	o->secrets.internet_cert_len = pair->cert_len;
	o->secrets.internet_key_len = pair->key_len;
	memcpy(o->secrets.internet_cert, pair->cert, pair->cert_len);
	memcpy(o->secrets.internet_key, pair->key, pair->key_len);
	rc = id_open_save(o, &c, f);
	if (rc == 0)
		printf("%s holds the internet certificate of %s now%s\n", w->file, w->pkcs12,
			is_new ? "" : ", in place of the one it had");
	if (rc == 0 && pair->others > 0)
		printf("%zu more certificates in %s were left out\n", pair->others, w->pkcs12);
	id_open_free(o);
	return rc;
}

static int import_pkcs12(const struct words *w, struct fault *f)
{
	struct keyfile_pair *pair = sodium_malloc(sizeof(*pair));
	if (pair == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	memset(pair, 0, sizeof(*pair));
	int rc = read_pkcs12(w, pair, f);
	if (rc == 0)
		rc = put_pair(w, pair, f);
	sodium_free(pair);
	return rc;
}

/* ------------------------------------------------------------------ the command */

int id_import(int argc, char **argv)
{
	struct words w = { .now_ms = clock_wall_ms() };
	struct fault f;

	int code = parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	int rc = w.key != NULL ? import_key(&w, &f) : import_pkcs12(&w, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc == 0 ? EXIT_DONE : rc == -EDOM || rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL;
}
