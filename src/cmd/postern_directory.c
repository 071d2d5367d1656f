/*
 * postern directory: edit and check the list of those a server knows. This is the command line; what it does
 * stands in directory_alter.c, directory_import.c, directory_edge.c and directory_list.c.
 */

#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/directory_order.h"
#include "cmd/say.h"

static const char help[] =
	"usage: postern directory add FILE [options]\n"
	"       postern directory remove|lock|unlock|disable|enable|roll NAME\n"
	"       postern directory import FILE --format authorized_keys|csv [options]\n"
	"       postern directory export-edge --config FILE -o FILE [options]\n"
	"       postern directory list|check [--json]\n"
	"\n"
	"Edits or checks the directory of a server, one line for each person or server it\n"
	"knows. Comments and all other lines stay as they are. A running posternd sees a\n"
	"change after \"posternctl reload\".\n"
	"\n"
	"  --directory FILE    the directory (default: /etc/postern/directory)\n"
	"  --json              print what is listed or found as JSON\n"
	"\n"
	"add takes the key from an ID file (with name and last day from its certificate)\n"
	"or from an OpenSSH .pub file (ssh-ed25519, sk-ssh-ed25519):\n"
	"  --name NAME         the name, \"Jane Doe/VSD\" (a .pub file needs it)\n"
	"  --kind user|server  what it is (default: what its certificate says, or user)\n"
	"  --expires DATE      the last day, 2028-11-22\n"
	"  --from PREFIX,...   only from these addresses\n"
	"  --require up|up,uv  what a token must prove: touch (always), or touch and PIN\n"
	"  --certified-equivalent\n"
	"                      count the key of a .pub file like a certified one, so that\n"
	"                      lists like */VSD cover it\n"
	"  --key-id            of an ID file write only name and key id; whoever has it\n"
	"                      then sends certificates with each knock\n"
	"  --replace           put it in the place of the entry of that name; addresses,\n"
	"                      locked and disabled stay as they were unless said\n"
	"  --comment TEXT      put TEXT at the end of the line\n"
	"\n"
	"lock, unlock, disable, enable change one entry; roll makes its key-next the key.\n"
	"\n"
	"import adds all people of a list, or nobody when it has a mistake:\n"
	"  --format authorized_keys|csv\n"
	"                      what the list is; the first line of a CSV names its\n"
	"                      columns: name, key, kind, expires, from, locked, disabled,\n"
	"                      comment\n"
	"  --under OU/O        put the names below this unit or organisation\n"
	"  --name-from user|comment\n"
	"                      authorized_keys: the name is the comment up to its @\n"
	"                      (default), or the whole comment\n"
	"  --certified-equivalent  as above, for everybody in the list\n"
	"  --dry-run           check everything, write nothing\n"
	"\n"
	"export-edge writes what an exposed server needs of this directory and no more:\n"
	"  --config FILE       that server's postern.conf: whom its lists can match\n"
	"  --names-from FILE   or names and */OU/O, one a line (with --directory)\n"
	"  -o, --out FILE      where to\n"
	"  --all               also when a list takes in everybody (*)\n"
	"  --keep-keys         keep public keys also of those who have certificates\n"
	"\n"
	"Exit codes: 0 done, 1 refused (there already, not there, mistakes found), 2\n"
	"usage, 4 trouble with a file.\n";

/* Which options a command takes. */
enum { FOR_ADD = 1, FOR_JSON = 2, FOR_IMPORT = 4, FOR_EDGE = 8 };

enum {
	OPT_DIRECTORY = 256,
	OPT_NAME,
	OPT_KIND,
	OPT_EXPIRES,
	OPT_FROM,
	OPT_REQUIRE,
	OPT_CERTIFIED,
	OPT_COMMENT,
	OPT_JSON,
	OPT_KEY_ID,
	OPT_REPLACE,
	OPT_FORMAT,
	OPT_UNDER,
	OPT_NAME_FROM,
	OPT_DRY_RUN,
	OPT_CONFIG,
	OPT_NAMES_FROM,
	OPT_ALL,
	OPT_KEEP_KEYS,
};

static const struct action {
	const char *name;
	const char *command; /* for messages */
	int (*run)(const struct directory_order *o);
	const char *operand; /* NULL: takes none */
	unsigned takes;
} actions[] = {
	{ "add", "directory add", directory_add, "FILE", FOR_ADD },
	{ "remove", "directory remove", directory_remove, "NAME", 0 },
	{ "lock", "directory lock", directory_lock, "NAME", 0 },
	{ "unlock", "directory unlock", directory_unlock, "NAME", 0 },
	{ "disable", "directory disable", directory_disable, "NAME", 0 },
	{ "enable", "directory enable", directory_enable, "NAME", 0 },
	{ "roll", "directory roll", directory_roll, "NAME", 0 },
	{ "import", "directory import", directory_import, "FILE", FOR_IMPORT },
	{ "export-edge", "directory export-edge", directory_export_edge, NULL, FOR_EDGE },
	{ "list", "directory list", directory_list, NULL, FOR_JSON },
	{ "check", "directory check", directory_check, NULL, FOR_JSON },
};

#define COMMANDS                                                                                   \
	"add, remove, lock, unlock, disable, enable, roll, import, export-edge, list or check"

/* Who takes an option; 0: everybody. */
static const struct choice {
	struct option option;
	unsigned takes;
} choices[] = {
	{ { "directory", required_argument, NULL, OPT_DIRECTORY }, 0 },
	{ { "help", no_argument, NULL, 'h' }, 0 },
	{ { "name", required_argument, NULL, OPT_NAME }, FOR_ADD },
	{ { "kind", required_argument, NULL, OPT_KIND }, FOR_ADD },
	{ { "expires", required_argument, NULL, OPT_EXPIRES }, FOR_ADD },
	{ { "from", required_argument, NULL, OPT_FROM }, FOR_ADD },
	{ { "require", required_argument, NULL, OPT_REQUIRE }, FOR_ADD },
	{ { "certified-equivalent", no_argument, NULL, OPT_CERTIFIED }, FOR_ADD | FOR_IMPORT },
	{ { "comment", required_argument, NULL, OPT_COMMENT }, FOR_ADD },
	{ { "key-id", no_argument, NULL, OPT_KEY_ID }, FOR_ADD },
	{ { "replace", no_argument, NULL, OPT_REPLACE }, FOR_ADD },
	{ { "json", no_argument, NULL, OPT_JSON }, FOR_JSON },
	{ { "format", required_argument, NULL, OPT_FORMAT }, FOR_IMPORT },
	{ { "under", required_argument, NULL, OPT_UNDER }, FOR_IMPORT },
	{ { "name-from", required_argument, NULL, OPT_NAME_FROM }, FOR_IMPORT },
	{ { "dry-run", no_argument, NULL, OPT_DRY_RUN }, FOR_IMPORT },
	{ { "config", required_argument, NULL, OPT_CONFIG }, FOR_EDGE },
	{ { "names-from", required_argument, NULL, OPT_NAMES_FROM }, FOR_EDGE },
	{ { "out", required_argument, NULL, 'o' }, FOR_EDGE },
	{ { "all", no_argument, NULL, OPT_ALL }, FOR_EDGE },
	{ { "keep-keys", no_argument, NULL, OPT_KEEP_KEYS }, FOR_EDGE },
};

#define CHOICES (sizeof(choices) / sizeof(choices[0]))

/* Where the text of an option goes; NULL: it is a flag. */
static const char **text_of(int c, struct directory_order *o)
{
	switch (c) {
	case OPT_DIRECTORY:
		return &o->path;
	case OPT_NAME:
		return &o->words.name;
	case OPT_KIND:
		return &o->words.kind;
	case OPT_EXPIRES:
		return &o->words.expires;
	case OPT_FROM:
		return &o->words.from;
	case OPT_REQUIRE:
		return &o->words.require;
	case OPT_COMMENT:
		return &o->comment;
	case OPT_FORMAT:
		return &o->format;
	case OPT_UNDER:
		return &o->under;
	case OPT_NAME_FROM:
		return &o->name_from;
	case OPT_CONFIG:
		return &o->config;
	case OPT_NAMES_FROM:
		return &o->names_from;
	case 'o':
		return &o->out;
	default:
		return NULL;
	}
}

static bool *flag_of(int c, struct directory_order *o)
{
	switch (c) {
	case OPT_CERTIFIED:
		return &o->words.is_certified_equivalent;
	case OPT_JSON:
		return &o->is_json;
	case OPT_KEY_ID:
		return &o->is_key_id;
	case OPT_REPLACE:
		return &o->is_replace;
	case OPT_DRY_RUN:
		return &o->is_dry_run;
	case OPT_ALL:
		return &o->is_all;
	case OPT_KEEP_KEYS:
		return &o->keeps_keys;
	default:
		return &o->is_help;
	}
}

static int parse(const struct action *a, int argc, char **argv, struct directory_order *o)
{
	struct option options[CHOICES + 1] = { 0 };
	size_t n = 0;
	int c;

	for (size_t i = 0; i < CHOICES; i++)
		if (choices[i].takes == 0 || (choices[i].takes & a->takes) != 0)
			options[n++] = choices[i].option;
	while ((c = say_next_option(a->command, argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		const char **text = text_of(c, o);
		if (text != NULL)
			*text = optarg;
		else
			*flag_of(c, o) = true;
	}
	int wanted = a->operand != NULL ? 1 : 0, given = argc - optind;
	if (o->is_help)
		return EXIT_DONE;
	if (given < wanted)
		return say_usage(a->command, "which %s?", a->operand);
	if (given > wanted)
		return say_usage(a->command, "%s: one argument too many", argv[optind + wanted]);
	o->operand = wanted == 1 ? argv[optind] : NULL;
	/* An edge server's configuration names a directory itself. */
	if (o->path == NULL && (a->takes & FOR_EDGE) == 0)
		o->path = DIRECTORY_DEFAULT_PATH;
	return EXIT_DONE;
}

int cmd_directory(int argc, char **argv)
{
	if (argc < 2)
		return say_usage("directory", COMMANDS "?");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct directory_order o = { 0 };
		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		int rc = parse(&actions[i], argc - 1, argv + 1, &o);
		if (rc == EXIT_DONE && o.is_help)
			fputs(help, stdout);
		else if (rc == EXIT_DONE)
			rc = actions[i].run(&o);
		return rc;
	}
	return say_usage("directory", "there is no %s; it is " COMMANDS, argv[1]);
}
