/*
 * postern id documents, encrypt and decrypt: files for people of a directory. Invariant: who a file is
 * from is said with what vouches for it, the directory, or with a warning.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/document_copy.h"
#include "cmd/id.h"
#include "cmd/id_document.h"
#include "cmd/id_open.h"
#include "cmd/say.h"
#include "identity/directory.h"
#include "knock/spa.h"

#define SUFFIX ".postern"
#define SUFFIX_LEN (sizeof(SUFFIX) - 1)

static const char help_documents[] =
	"usage: postern id documents FILE [options]\n"
	"\n"
	"Gives an ID its key for files that others encrypt for it, and shows the public\n"
	"half in the ID file, from where postern directory add takes it. Does nothing\n"
	"when there is one.\n"
	"\n"
	"  --new               one more; files are encrypted with the newest, older keys\n"
	"                      go on opening older files\n"
	"  --drop-oldest       when there are 8 already: give up the oldest\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"\n"
	"Exit codes: 0 done, 1 there are too many, 2 usage, 4 wrong password or trouble\n"
	"with the file.\n";

static const char help_encrypt[] =
	"usage: postern id encrypt FILE --to NAME .. --directory FILE --id ID [-o OUT]\n"
	"\n"
	"Encrypts a file for people of a directory, signed by you. Only they can read it:\n"
	"you too only with --self. An ID without a key for such files is given one.\n"
	"\n"
	"  --to NAME           for whom; say it for each, up to 64. Names only, no groups\n"
	"  --self              for the owner of ID too\n"
	"  --directory FILE    who has which key\n"
	"  --id ID             your ID file\n"
	"  -o, --out OUT       the new file (default: FILE.postern); - is standard output\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"\n"
	"FILE may be - for standard input, with -o.\n"
	"\n"
	"Exit codes: 0 done, 1 somebody is not in the directory or has no key for files,\n"
	"2 usage, 4 wrong password or trouble with a file.\n";

static const char help_decrypt[] =
	"usage: postern id decrypt FILE --id ID [--directory FILE] [-o OUT]\n"
	"\n"
	"Decrypts a file that was encrypted for you, and says who encrypted it. The new\n"
	"file is there only when all of it was verified.\n"
	"\n"
	"  --id ID             your ID file\n"
	"  --directory FILE    look up who it is from; else that is only what the file\n"
	"                      says\n"
	"  -o, --out OUT       the new file (default: FILE without .postern); - is\n"
	"                      standard output, a pipe or a terminal. What comes out\n"
	"                      there is verified piece by piece: when it ends with an\n"
	"                      error, the tail is missing and what is there is not the\n"
	"                      whole file\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"\n"
	"FILE may be - for standard input, with -o.\n"
	"\n"
	"Exit codes: 0 done, 1 not for this ID, changed or cut, 2 usage, 4 wrong password\n"
	"or trouble with a file.\n";

enum {
	OPT_NEW = 256,
	OPT_DROP_OLDEST,
	OPT_TO,
	OPT_SELF,
	OPT_DIRECTORY,
	OPT_ID,
	OPT_PASSWORD_FILE,
	OPT_KEY_FILE,
};

struct words {
	const char *command, *help;
	const char *file, *out, *directory, *id;
	size_t to_count;
	const char *to[DOCUMENT_RECIPIENTS_MAX];
	struct id_way way;
	struct id_document_order order;
	bool is_for_self, is_help;
	char made_out[PATH_MAX]; /* what out points to when none was given */
};

/* ------------------------------------------------------------------ the command line */

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_NEW:
		w->order.is_new = true;
		break;
	case OPT_DROP_OLDEST:
		w->order.is_new = w->order.is_oldest_given = true;
		break;
	case OPT_TO:
		if (w->to_count == DOCUMENT_RECIPIENTS_MAX)
			return say_usage(
				w->command, "more than %d times --to", DOCUMENT_RECIPIENTS_MAX);
		w->to[w->to_count++] = optarg;
		break;
	case OPT_SELF:
		w->is_for_self = true;
		break;
	case OPT_DIRECTORY:
		w->directory = optarg;
		break;
	case OPT_ID:
		w->id = optarg;
		break;
	case OPT_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case OPT_KEY_FILE:
		w->way.key_file = optarg;
		break;
	case 'o':
		w->out = optarg;
		break;
	case 'h':
		w->is_help = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int parse(int argc, char **argv, const struct option *options, struct words *w)
{
	int c;
	while ((c = say_next_option(w->command, argc, argv, options)) != -1) {
		int code = take_option(c, w);
		if (code != EXIT_DONE)
			return code;
		if (w->is_help) {
			fputs(w->help, stdout);
			return EXIT_DONE;
		}
	}
	if (argc - optind != 1)
		return say_usage(w->command, argc == optind ? "which FILE?" : "one FILE at a time");
	w->file = argv[optind];
	return EXIT_DONE;
}

static int check_id(const struct words *w)
{
	if (w->id == NULL)
		return say_usage(w->command, "whose ID? Say --id ID");
	if (w->out == NULL && strcmp(w->file, "-") == 0)
		return say_usage(w->command, "where to? Standard input has no name: say -o OUT");
	return EXIT_DONE;
}

static int end(int rc, const struct fault *f)
{
	if (rc < 0)
		say_trouble("%s", f->text);
	bool is_refusal = rc == -EDOM || rc == -EBADMSG;
	return rc == 0 ? EXIT_DONE : is_refusal ? EXIT_REFUSED : EXIT_LOCAL;
}

/* ------------------------------------------------------------------ documents */

int id_documents(int argc, char **argv)
{
	static const struct option options[] = {
		{ "new", no_argument, NULL, OPT_NEW },
		{ "drop-oldest", no_argument, NULL, OPT_DROP_OLDEST },
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "key-file", required_argument, NULL, OPT_KEY_FILE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = { 0 };
	struct id_open *o = NULL;
	struct fault f;
	bool is_changed = false;

	w.command = "id documents";
	w.help = help_documents;
	w.order.now_ms = clock_wall_ms();
	int code = parse(argc, argv, options, &w);
	if (code != EXIT_DONE || w.is_help)
		return code;
	int rc = id_open_file(w.file, &w.way, &o, &f);
	if (rc == 0)
		rc = id_document_need(o, &w.order, &is_changed, &f);
	if (rc == 0)
		printf(is_changed ? "%s (%s) has a key for files; postern directory add makes it "
				    "known\n"
				  : "%s (%s) has a key for files already\n",
			idfile_header(o->file)->name, w.file);
	id_open_free(o);
	return end(rc, &f);
}

/* ------------------------------------------------------------------ the directory */

static int load_directory(const char *path, struct directory **ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct directory_faults *faults;
	int rc = file_read(path, FILE_TRUSTED, DIRECTORY_FILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	faults = calloc(1, sizeof(*faults));
	if (faults != NULL)
		*ret = directory_parse(span_of(text, len), faults);
	if (faults == NULL || *ret == NULL) {
		rc = faults == NULL ? -ENOMEM : -EINVAL;
		if (faults == NULL)
			fault_set(f, "there is not enough memory");
		else
			fault_set(f, "%s:%u: %.300s", path, faults->items[0].line,
				faults->items[0].text);
	}
	free(faults);
	free(text);
	return rc;
}

static int refuse_name(const char *name, const char *why, const char *path, struct fault *f)
{
	fault_set(f, "%s %s in %s; nothing was encrypted", name, why, path);
	return -EDOM;
}

static int find_key(const struct words *w, const struct directory *d, const char *text,
	struct document_recipient *ret, struct fault *f)
{
	struct name n;
	enum name_reject r = name_parse(text, false, &n);
	if (r != NAME_OK) {
		fault_set(f, "--to \"%s\": %s", text, name_reject_text(r));
		return -EDOM;
	}
	const struct directory_entry *e = directory_find_name(d, &n);
	if (e == NULL)
		return refuse_name(text, "is not", w->directory, f);
	if (e->is_disabled || e->is_locked || e->expires_ms <= w->order.now_ms)
		return refuse_name(text, "is disabled, locked or expired", w->directory, f);
	if (!e->has_document_key)
		return refuse_name(text, "has no key for files (postern id documents makes one)",
			w->directory, f);
	memcpy(ret->x25519, e->document_key, sizeof(ret->x25519));
	return 0;
}

/* Somebody named twice is one recipient. */
static void add_recipient(
	struct document_recipient *all, size_t *count, const struct document_recipient *r)
{
	for (size_t i = 0; i < *count; i++)
		if (memcmp(all[i].x25519, r->x25519, sizeof(r->x25519)) == 0)
			return;
	all[(*count)++] = *r;
}

static int find_recipients(
	const struct words *w, struct document_recipient *all, size_t *ret_count, struct fault *f)
{
	struct directory *d = NULL;
	int rc = w->to_count > 0 ? load_directory(w->directory, &d, f) : 0;
	for (size_t i = 0; i < w->to_count && rc == 0; i++) {
		struct document_recipient r;
		rc = find_key(w, d, w->to[i], &r, f);
		if (rc == 0)
			add_recipient(all, ret_count, &r);
	}
	directory_free(d);
	return rc;
}

/* ------------------------------------------------------------------ encrypt */

struct recipients {
	size_t count;
	struct document_recipient all[DOCUMENT_RECIPIENTS_MAX + 1];
};

/* The sender's own key: made when there is none, and one of the recipients with --self. */
static int settle_self(
	const struct words *w, struct id_open *o, struct recipients *r, struct fault *f)
{
	struct document_key k;
	struct document_recipient self;
	uint8_t block[DOCUMENT_KEY_LEN];
	bool is_changed;
	int rc = id_document_need(o, &w->order, &is_changed, f);
	if (rc < 0)
		return rc;
	if (is_changed)
		fprintf(stderr,
			"%s (%s) has a key for files now; postern directory add makes it "
			"known\n",
			idfile_header(o->file)->name, w->id);
	if (!w->is_for_self)
		return 0;
	id_document_block(&o->secrets, idfile_header(o->file)->key_id, o->sk, block);
	if (!document_key_decode(SPAN_OF(block), o->pk, &k)) {
		fault_set(f, "%s: its key for files is of no use", w->id);
		return -EINVAL;
	}
	memcpy(self.x25519, k.x25519, sizeof(self.x25519));
	add_recipient(r->all, &r->count, &self);
	return 0;
}

static int encrypt(const struct words *w, struct fault *f)
{
	struct recipients r = { 0 };
	struct document_sender sender = { "", { 0 } };
	struct document_copy c;
	struct id_open *o = NULL;
	int rc = find_recipients(w, r.all, &r.count, f);
	if (rc == 0)
		rc = id_open_file(w->id, &w->way, &o, f);
	if (rc == 0)
		rc = settle_self(w, o, &r, f);
	if (rc < 0)
		goto out;
	memcpy(sender.name, idfile_header(o->file)->name, sizeof(sender.name));
	memcpy(sender.pk, o->pk, sizeof(sender.pk));
	rc = document_copy_begin(&c, w->file, w->out, 0644, f);
	if (rc == 0)
		rc = document_copy_encrypt(&c, r.all, r.count, &sender, o->sk, f);
	rc = document_copy_end(&c, rc, f);
	if (rc == 0 && strcmp(w->out, "-") != 0)
		printf("%s is encrypted for %zu %s; %s itself is as it was\n", w->out, r.count,
			r.count == 1 ? "reader" : "readers", w->file);
out:
	id_open_free(o);
	return rc;
}

/* FILE.postern */
static int default_encrypted(struct words *w)
{
	int n = snprintf(w->made_out, sizeof(w->made_out), "%s" SUFFIX, w->file);
	if (n < 0 || (size_t)n >= sizeof(w->made_out))
		return say_usage(w->command, "the name of FILE is too long; say -o OUT");
	w->out = w->made_out;
	return EXIT_DONE;
}

int id_encrypt(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, OPT_TO },
		{ "self", no_argument, NULL, OPT_SELF },
		{ "directory", required_argument, NULL, OPT_DIRECTORY },
		{ "id", required_argument, NULL, OPT_ID },
		{ "out", required_argument, NULL, 'o' },
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "key-file", required_argument, NULL, OPT_KEY_FILE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = { 0 };
	struct fault f;

	w.command = "id encrypt";
	w.help = help_encrypt;
	w.order.now_ms = clock_wall_ms();
	int code = parse(argc, argv, options, &w);
	if (code != EXIT_DONE || w.is_help)
		return code;
	if (w.to_count == 0 && !w.is_for_self)
		return say_usage(w.command, "for whom? Say --to NAME");
	if (w.to_count > 0 && w.directory == NULL)
		return say_usage(w.command, "where are their keys? Say --directory FILE");
	code = check_id(&w);
	if (code == EXIT_DONE && w.out == NULL)
		code = default_encrypted(&w);
	if (code != EXIT_DONE)
		return code;
	int rc = encrypt(&w, &f);
	return end(rc, &f);
}

/* ------------------------------------------------------------------ decrypt */

/* What the directory knows of the sender: NULL when name and key belong together. */
static const char *doubt(
	const struct directory *d, const struct document_sender *s, const uint8_t key_id[32])
{
	struct name n;
	const struct directory_entry *e = NULL;
	if (name_parse(s->name, false, &n) == NAME_OK)
		e = directory_find_name(d, &n);
	if (e == NULL)
		return "nobody of this name is in the directory";
	bool is_key = memcmp(e->key_id, key_id, 32) == 0 ||
		(e->has_next && memcmp(e->key_next, key_id, 32) == 0);
	if (!is_key)
		return "in the directory this name has another key";
	return e->is_disabled || e->is_locked ? "this entry of the directory is disabled" : NULL;
}

static int tell_sender(const struct words *w, const struct document_sender *s, struct fault *f)
{
	FILE *to = strcmp(w->out, "-") == 0 ? stderr : stdout;
	struct directory *d = NULL;
	uint8_t key_id[32];
	char hex[65];
	spa_key_id(s->pk, key_id);
	text_hex(SPAN_OF(key_id), hex);
	if (w->directory != NULL) {
		int rc = load_directory(w->directory, &d, f);
		if (rc < 0)
			return rc;
	}
	const char *why = d == NULL ? "no --directory was given" : doubt(d, s, key_id);
	directory_free(d);
	fprintf(to, "encrypted by %s%s\n  key id %s\n", s->name, why == NULL ? ", listed" : "",
		hex);
	fflush(to);
	if (why != NULL)
		fprintf(stderr,
			"warning: %s, and anybody can write any name into a file; compare the key "
			"id with the sender's\n",
			why);
	return 0;
}

static int decrypt(const struct words *w, struct fault *f)
{
	struct document_sender sender = { "", { 0 } };
	struct document_copy c;
	struct id_open *o = NULL;
	int rc = id_open_file(w->id, &w->way, &o, f);
	if (rc < 0)
		return rc;
	rc = document_copy_begin(&c, w->file, w->out, 0600, f);
	if (rc == 0)
		rc = document_copy_decrypt(&c, &o->secrets, &sender, f);
	rc = document_copy_end(&c, rc, f);
	id_open_free(o);
	return rc == 0 ? tell_sender(w, &sender, f) : rc;
}

/* FILE without its suffix. */
static int default_plain(struct words *w)
{
	size_t len = strlen(w->file);
	if (len <= SUFFIX_LEN || len >= sizeof(w->made_out) ||
		strcmp(w->file + len - SUFFIX_LEN, SUFFIX) != 0)
		return say_usage(w->command,
			"%s: where to? Its name does not end in " SUFFIX ": say -o OUT", w->file);
	snprintf(w->made_out, sizeof(w->made_out), "%.*s", (int)(len - SUFFIX_LEN), w->file);
	w->out = w->made_out;
	return EXIT_DONE;
}

/* Half a file that looks like a whole one is what must not be left behind. */
static int check_stdout(const struct words *w)
{
	struct stat st;
	if (strcmp(w->out, "-") != 0 || fstat(STDOUT_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return EXIT_DONE;
	return say_usage(w->command,
		"standard output is a file, in which half of it could be left; name it with -o");
}

int id_decrypt(int argc, char **argv)
{
	static const struct option options[] = {
		{ "directory", required_argument, NULL, OPT_DIRECTORY },
		{ "id", required_argument, NULL, OPT_ID },
		{ "out", required_argument, NULL, 'o' },
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "key-file", required_argument, NULL, OPT_KEY_FILE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = { 0 };
	struct fault f;

	w.command = "id decrypt";
	w.help = help_decrypt;
	int code = parse(argc, argv, options, &w);
	if (code != EXIT_DONE || w.is_help)
		return code;
	code = check_id(&w);
	if (code == EXIT_DONE && w.out == NULL)
		code = default_plain(&w);
	if (code == EXIT_DONE)
		code = check_stdout(&w);
	if (code != EXIT_DONE)
		return code;
	int rc = decrypt(&w, &f);
	return end(rc, &f);
}
