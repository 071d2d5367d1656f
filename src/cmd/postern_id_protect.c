/*
 * postern id authority and protect: who can recover an ID, and that they can. Invariant: an ID is
 * protected only by a list that one of its own certifiers signed.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_open.h"
#include "cmd/record_file.h"
#include "cmd/say.h"
#include "identity/recovery.h"

static const char help_authority[] =
	"usage: postern id authority FILE [-o OUT] [options]\n"
	"\n"
	"Makes the owner of this ID a recovery authority, who with others can help people\n"
	"whose password is lost. Writes the record that a certifier puts into its list\n"
	"(postern certifier recovery). Who opens this ID opens its share of every file\n"
	"under that list: it wants a good password.\n"
	"\n"
	"  -o, --out OUT       the record (default: standard output)\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 this ID cannot be one, 2 usage, 4 wrong password or\n"
	"trouble with a file.\n";

static const char help_protect[] =
	"usage: postern id protect FILE --recovery LIST [options]\n"
	"\n"
	"Lets the recovery authorities of LIST, so many of them together as it says, open\n"
	"this ID when its password is lost. Replaces what was there. One of the\n"
	"certifiers of this ID, or itself when it is one, must have signed LIST.\n"
	"\n"
	"  --recovery LIST     the list that the certifier made\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"\n"
	"Exit codes: 0 done, 1 the list is not by its certifier, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 the file is as it was.\n";

enum { OPT_RECOVERY = 256, OPT_PASSWORD_FILE, OPT_KEY_FILE };

struct words {
	const char *command, *file, *out, *list;
	struct id_way way;
	bool is_help;
};

static int parse(int argc, char **argv, const struct option *options, struct words *w)
{
	int c;
	while ((c = say_next_option(w->command, argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h')
			w->is_help = true;
		else if (c == 'o')
			w->out = optarg;
		else if (c == OPT_RECOVERY)
			w->list = optarg;
		else if (c == OPT_PASSWORD_FILE)
			w->way.password_file = optarg;
		else if (c == OPT_KEY_FILE)
			w->way.key_file = optarg;
	}
	if (w->is_help)
		return EXIT_DONE;
	if (argc - optind != 1)
		return say_usage(w->command, argc == optind ? "which FILE?" : "one FILE at a time");
	w->file = argv[optind];
	return EXIT_DONE;
}

static int end(int rc, const struct fault *f)
{
	if (rc < 0)
		say_trouble("%s", f->text);
	return rc == 0 ? EXIT_DONE : rc == -EDOM ? EXIT_REFUSED : EXIT_LOCAL;
}

/* ------------------------------------------------------------------ authority */

/* The key that shares are sealed to: made once, and kept for the files that are under it. */
static int need_x25519(struct id_open *o, struct fault *f)
{
	struct idfile_change c = { .secrets = &o->secrets };
	if (o->secrets.has_x25519)
		return 0;
	o->secrets.has_x25519 = true;
	randombytes_buf(o->secrets.x25519, sizeof(o->secrets.x25519));
	return id_open_save(o, &c, f);
}

static int make_record(const struct words *w, struct id_open *o, struct fault *f)
{
	struct recovery_authority a = { .created_ms = clock_wall_ms() };
	struct hpke_secret x25519;
	uint8_t record[RECOVERY_AUTHORITY_LEN_MAX];

	if (idfile_header(o->file)->kind == IDFILE_SERVER) {
		fault_set(f, "%s: a server is no recovery authority; take the ID of a person",
			w->file);
		return -EDOM;
	}
	int rc = need_x25519(o, f);
	if (rc < 0)
		return rc;
	memcpy(x25519.b, o->secrets.x25519, sizeof(x25519.b));
	hpke_public_key(&x25519, a.x25519);
	sodium_memzero(&x25519, sizeof(x25519));
	memcpy(a.name, idfile_header(o->file)->name, sizeof(a.name));
	memcpy(a.pk, o->pk, sizeof(a.pk));
	size_t len = recovery_authority_encode(&a, o->sk, record);
	if (len == 0) {
		fault_set(f, "%s: its name cannot stand in a record; have it renamed", w->file);
		return -EDOM;
	}
	return record_file_write(w->out, RECOVERY_LABEL_AUTHORITY, span_of(record, len), f);
}

int id_authority(int argc, char **argv)
{
	static const struct option options[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = { .command = "id authority" };
	struct id_open *o = NULL;
	struct fault f;
	char hex[65];

	int code = parse(argc, argv, options, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help_authority, stdout);
		return EXIT_DONE;
	}
	int rc = id_open_file(w.file, &w.way, &o, &f);
	if (rc == 0)
		rc = make_record(&w, o, &f);
	if (rc == 0)
		fprintf(w.out == NULL ? stderr : stdout,
			"%s is a recovery authority, key id %s; give its record to the certifier\n",
			idfile_header(o->file)->name,
			text_hex(SPAN_OF(idfile_header(o->file)->key_id), hex));
	id_open_free(o);
	return end(rc, &f);
}

/* ------------------------------------------------------------------ protect */

/* Is c one of the certifiers of this ID, or the ID itself, and the one that signed? */
static bool is_by(const struct id_open *o, size_t i, const struct recovery_list *l)
{
	const struct id_open_cert *c = &o->certs[i];
	const struct cert *own = id_open_own(o);
	if (!c->is_good || c->c.kind != CERT_CERTIFIER || memcmp(c->c.pk, l->certifier_pk, 32) != 0)
		return false;
	/* Certificates that this ID issued stand behind its path and name others. */
	return i == 0 || (own != NULL && name_is_below(&own->subject, &c->c.subject));
}

static int check_list(const struct words *w, const struct id_open *o, const struct recovery_list *l,
	struct fault *f)
{
	for (size_t i = 0; i < o->cert_count; i++)
		if (is_by(o, i, l))
			return 0;
	fault_set(f,
		"%s: it is signed by %s with a key that is of no certifier of this ID; get the list "
		"of one of its own",
		w->list, l->certifier);
	return -EDOM;
}

/* What a list and the block made of it need. */
struct work {
	size_t list_len;
	uint8_t list[RECOVERY_LIST_LEN_MAX];
	struct recovery_list l;
	uint8_t block[RECOVERY_LEN_MAX];
};

static int read_list(const struct words *w, struct work *k, struct fault *f)
{
	struct fault why;
	int rc = record_file_read(
		w->list, RECOVERY_LABEL_LIST, k->list, sizeof(k->list), &k->list_len, f);
	if (rc < 0)
		return rc;
	rc = recovery_list_decode(span_of(k->list, k->list_len), &k->l, &why);
	if (rc < 0)
		fault_set(f, "%s: %.400s", w->list, why.text);
	return rc;
}

static int put_block(struct id_open *o, struct work *k, struct fault *f)
{
	struct idfile_header h = *idfile_header(o->file);
	struct idfile_change c = { .secrets = &o->secrets, .header = &h, .has_recovery = true };
	size_t len =
		recovery_make(span_of(k->list, k->list_len), h.key_id, &o->key, o->sk, k->block);
	if (len == 0) {
		fault_set(f,
			"%s: no recovery block can be made of the list: a key in it is of no use, "
			"or memory is short",
			o->path);
		return -EINVAL;
	}
	h.recovery_m = k->l.m;
	h.recovery_n = k->l.n;
	c.recovery = span_of(k->block, len);
	return id_open_save(o, &c, f);
}

static int protect(const struct words *w, struct id_open **ret, struct work *k, struct fault *f)
{
	int rc = read_list(w, k, f);
	if (rc == 0)
		rc = id_open_file(w->file, &w->way, ret, f);
	if (rc == 0)
		rc = check_list(w, *ret, &k->l, f);
	return rc < 0 ? rc : put_block(*ret, k, f);
}

static void report(const struct id_open *o, const struct recovery_list *l)
{
	printf("%s (%s) can be recovered by %u of:\n", idfile_header(o->file)->name, o->path,
		(unsigned)l->m);
	for (size_t i = 0; i < l->n; i++)
		printf("  %s\n", l->authorities[i].name);
	printf("older copies of the file cannot, or by those they were made for\n");
}

int id_protect(int argc, char **argv)
{
	static const struct option options[] = {
		{ "recovery", required_argument, NULL, OPT_RECOVERY },
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "key-file", required_argument, NULL, OPT_KEY_FILE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = { .command = "id protect" };
	struct id_open *o = NULL;
	struct fault f;

	int code = parse(argc, argv, options, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help_protect, stdout);
		return EXIT_DONE;
	}
	if (w.list == NULL)
		return say_usage(w.command, "by whom? Say --recovery LIST");
	struct work *k = calloc(1, sizeof(*k));
	if (k == NULL) {
		say_trouble("there is not enough memory");
		return EXIT_LOCAL;
	}
	int rc = protect(&w, &o, k, &f);
	if (rc == 0)
		report(o, &k->l);
	id_open_free(o);
	free(k);
	return end(rc, &f);
}
