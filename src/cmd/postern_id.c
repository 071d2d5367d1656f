/*
 * postern id: finds the part asked for, and changes passwords. Making and showing are in files of their
 * own. Invariant: a password change replaces the file whole or leaves it as it was.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_open.h"
#include "cmd/password.h"
#include "cmd/say.h"

static const char help[] =
	"usage: postern id PART [arguments]\n"
	"\n"
	"ID files: key, certificate and password of a person or a server.\n"
	"\n"
	"  new NAME           make one, certified at once or by request\n"
	"  show FILE          say whose it is, without the password; also of a card\n"
	"  passwd FILE        change its password\n"
	"  renew FILE         a new certificate for the key it has, or a request for one\n"
	"  rollover FILE      the next key, and its certificate or a request for one\n"
	"  merge FILE CHAIN   put in what a certifier sent back\n"
	"  export FILE        write its key for openssl, ssh or a browser\n"
	"  import             make one of a key there is, or put a certificate for the\n"
	"                     internet in\n"
	"  authority FILE     let its owner help others who lost their password\n"
	"  protect FILE       let authorities recover it\n"
	"  recover FILE       a new password with the help of the authorities\n"
	"  documents FILE     its key for files that others encrypt for it\n"
	"  encrypt FILE       encrypt a file for people of a directory\n"
	"  decrypt FILE       and read it again, knowing who it is from\n"
	"  card SERVER.id     a new card of a server, for its clients\n"
	"  cross CARD         trust a server of another organisation\n"
	"\n"
	"Secrets of the classic knocks, for both ends:\n"
	"\n"
	"  pad                a one-time pad for enciphered sequences\n"
	"  tag-key NAME       a key for tagged sequences\n"
	"  sequences          random sequences that work once each\n"
	"  fwknop-key NAME    the keys of fwknop packets\n"
	"\n"
	"postern id PART --help explains one part.\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 trouble with a file or a password.\n";

static const char help_passwd[] =
	"usage: postern id passwd FILE [options]\n"
	"\n"
	"Changes the password of an ID file. Copies of the old file keep the old one.\n"
	"\n"
	"  --password-file F      read the password it has from the first line of F\n"
	"  --key-file F           open it with this key file instead (a server's; it can\n"
	"                         have a password beside it)\n"
	"  --new-password-file F  read the new one from the first line of F\n"
	"  --kdf-mem MIB          memory that a try of the password costs, 1 to 4096\n"
	"                         (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 the new password is too weak, 2 usage, 4 wrong password or\n"
	"trouble with the file; after any but 0 the file is as it was.\n";

enum { OPT_PASSWORD_FILE = 256, OPT_KEY_FILE, OPT_NEW_PASSWORD_FILE, OPT_KDF_MEM };

/* ------------------------------------------------------------------ passwd */

struct passwd_words {
	const char *file, *new_file;
	struct id_way way;
	uint32_t mem_kib;
	bool is_help;
};

static int passwd_parse(int argc, char **argv, struct passwd_words *w)
{
	static const struct option options[] = {
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "key-file", required_argument, NULL, OPT_KEY_FILE },
		{ "new-password-file", required_argument, NULL, OPT_NEW_PASSWORD_FILE },
		{ "kdf-mem", required_argument, NULL, OPT_KDF_MEM },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;
	while ((c = say_next_option("id passwd", argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h')
			w->is_help = true;
		else if (c == OPT_PASSWORD_FILE)
			w->way.password_file = optarg;
		else if (c == OPT_KEY_FILE)
			w->way.key_file = optarg;
		else if (c == OPT_NEW_PASSWORD_FILE)
			w->new_file = optarg;
		else if (c == OPT_KDF_MEM && !say_parse_mem(optarg, &w->mem_kib))
			return say_usage("id passwd",
				"--kdf-mem %s: not a number of MiB from 1 to 4096", optarg);
	}
	if (w->is_help)
		return EXIT_DONE;
	if (argc - optind != 1)
		return say_usage(
			"id passwd", argc == optind ? "which FILE?" : "one FILE at a time");
	w->file = argv[optind];
	return EXIT_DONE;
}

static int change(const struct passwd_words *w, const struct id_open *o, struct fault *f)
{
	struct password_source from = { .file = w->new_file, .line = 1 };
	const struct idfile_header *h = idfile_header(o->file);
	struct password password = { 0 };

	/* A server's ID had no password so far, and hence no rule for one. */
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

static int id_passwd(int argc, char **argv)
{
	struct passwd_words w = { 0 };
	struct id_open *o = NULL;
	struct fault f;

	int code = passwd_parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help_passwd, stdout);
		return EXIT_DONE;
	}
	int rc = id_open_file(w.file, &w.way, &o, &f);
	if (rc == 0)
		rc = change(&w, o, &f);
	if (rc == 0)
		printf("the password of %s (%s) is changed; copies of the old file still open "
		       "with the old one\n",
			idfile_header(o->file)->name, w.file);
	else
		say_trouble("%s", f.text);
	id_open_free(o);
	return rc == 0 ? EXIT_DONE : rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL;
}

/* ------------------------------------------------------------------ the command */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} parts[] = {
	{ "new", id_new },
	{ "show", id_show },
	{ "passwd", id_passwd },
	{ "renew", id_renew },
	{ "rollover", id_rollover },
	{ "merge", id_merge },
	{ "export", id_export },
	{ "import", id_import },
	{ "authority", id_authority },
	{ "protect", id_protect },
	{ "recover", id_recover },
	{ "documents", id_documents },
	{ "encrypt", id_encrypt },
	{ "decrypt", id_decrypt },
	{ "cross", id_cross },
	{ "card", id_card },
	{ "pad", id_pad },
	{ "tag-key", id_tag_key },
	{ "sequences", id_sequences },
	{ "fwknop-key", id_fwknop_key },
};

int cmd_id(int argc, char **argv)
{
	if (argc < 2)
		return say_usage("id", "what with an ID? new, show, passwd ..");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(argv[1], parts[i].name) == 0)
			return parts[i].run(argc - 1, argv + 1);
	return say_usage("id", "there is no %s", argv[1]);
}
