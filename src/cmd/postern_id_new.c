/*
 * postern id new: a person or a server certified in one step. Invariant: the new files stand complete
 * under their names, or not at all, and nothing that was there is overwritten.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/fileset.h"
#include "cmd/id.h"
#include "cmd/issue.h"
#include "cmd/password.h"
#include "cmd/say.h"
#include "cmd/setup.h"

#define YEARS_SERVER 10
#define YEARS_USER 2
#define DAYS_MAX 36525u

static const char help[] =
	"usage: postern id new NAME --certifier FILE [options]\n"
	"\n"
	"Makes a key, a certificate and an ID file for a person, or with --server for a\n"
	"server, and prints the line that makes it known in a directory. NAME is a full\n"
	"name (\"Jane Doe/VSD\") or, below the certifier, just \"Jane Doe\".\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier\n"
	"  --out FILE          the new ID file (default: made of the name, jane-doe.id)\n"
	"  --for TIME          how long it is valid, 90d or 2y (default: 2y; server: 10y)\n"
	"  --server            an ID for a server: opens with a key file instead of a\n"
	"                      password; the key file and the card are written beside it\n"
	"  --host HOST         in the card: where clients reach the server\n"
	"  --service NAME      in the card: the service they get who name none\n"
	"  --port N            in the card: the UDP port to knock on (default: 62201)\n"
	"  --certifier-password-file F  read the certifier's password from F, line 1\n"
	"  --password-file F   read the new ID's password from F, line 1\n"
	"  --kdf-mem MIB       memory that a try of the password costs, 1 to 4096\n"
	"                      (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 the name or the password was refused, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 nothing was written.\n";

enum {
	OPT_CERTIFIER = 256,
	OPT_OUT,
	OPT_FOR,
	OPT_SERVER,
	OPT_HOST,
	OPT_SERVICE,
	OPT_PORT,
	OPT_CERTIFIER_PASSWORD_FILE,
	OPT_PASSWORD_FILE,
	OPT_KDF_MEM,
};

static const struct option options[] = {
	{ "certifier", required_argument, NULL, OPT_CERTIFIER },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "server", no_argument, NULL, OPT_SERVER },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "certifier-password-file", required_argument, NULL, OPT_CERTIFIER_PASSWORD_FILE },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "kdf-mem", required_argument, NULL, OPT_KDF_MEM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct order {
	const char *name_text, *certifier, *out;
	const char *host, *service;
	const char *certifier_password_file, *password_file;
	uint16_t port;
	unsigned years, days; /* both 0: the default */
	uint32_t mem_kib;
	bool is_server, is_help;
	uint64_t now_ms;
	struct name name;
};

/* ------------------------------------------------------------------ the command line */

/* "90d" or "2y": certificates count whole days. */
static int take_life(const char *text, struct order *o)
{
	char *end = NULL;
	unsigned long v =
		*text >= '0' && *text <= '9' && strlen(text) < 8 ? strtoul(text, &end, 10) : 0;
	bool is_years = v != 0 && strcmp(end, "y") == 0;
	if (v == 0 || (!is_years && strcmp(end, "d") != 0))
		return say_usage(
			"id new", "--for %s: not a time; write days or years, 90d or 2y", text);
	if (v > (is_years ? 100 : DAYS_MAX))
		return say_usage("id new", "--for %s: longer than a hundred years", text);
	o->years = is_years ? (unsigned)v : 0;
	o->days = is_years ? 0 : (unsigned)v;
	return EXIT_DONE;
}

static int take_option(int c, struct order *o)
{
	switch (c) {
	case OPT_CERTIFIER:
		o->certifier = optarg;
		break;
	case OPT_OUT:
		o->out = optarg;
		break;
	case OPT_FOR:
		return take_life(optarg, o);
	case OPT_SERVER:
		o->is_server = true;
		break;
	case OPT_HOST:
		o->host = optarg;
		break;
	case OPT_SERVICE:
		o->service = optarg;
		break;
	case OPT_PORT:
		if (!say_parse_port(optarg, &o->port))
			return say_usage(
				"id new", "--port %s: not a number from 1 to 65535", optarg);
		break;
	case OPT_CERTIFIER_PASSWORD_FILE:
		o->certifier_password_file = optarg;
		break;
	case OPT_PASSWORD_FILE:
		o->password_file = optarg;
		break;
	case OPT_KDF_MEM:
		if (!say_parse_mem(optarg, &o->mem_kib))
			return say_usage("id new",
				"--kdf-mem %s: not a number of MiB from 1 to 4096", optarg);
		break;
	case 'h':
		o->is_help = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int parse(int argc, char **argv, struct order *o)
{
	int c;
	while ((c = say_next_option("id new", argc, argv, options)) != -1) {
		int rc = take_option(c, o);
		if (rc != EXIT_DONE || o->is_help)
			return rc;
	}
	if (argc - optind != 1)
		return say_usage("id new",
			argc == optind ? "for whom? Say NAME"
				       : "more than one NAME; put a name with blanks in quotes");
	o->name_text = argv[optind];
	if (o->certifier == NULL)
		return say_usage("id new", "who certifies? Say --certifier FILE");
	if (!o->is_server && (o->host != NULL || o->service != NULL || o->port != 0))
		return say_usage(
			"id new", "--host, --service and --port are for the card of a --server");
	if (o->is_server && o->password_file != NULL)
		return say_usage("id new", "a --server opens with a key file, not with a password");
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ the name */

/* The certifier's own name, from its first certificate: needed before its password is asked for. */
static int certifier_name(
	const char *path, const struct idfile *id, struct name *ret, struct fault *f)
{
	struct cert c;
	struct fault why;
	if (idfile_cert_count(id) > 0 && cert_read(idfile_cert(id, 0), &c, &why) == 0 &&
		c.kind == CERT_CERTIFIER) {
		*ret = c.subject;
		return 0;
	}
	fault_set(f, "%s: not the ID file of a certifier", path);
	return -EINVAL;
}

/* -EDOM when the name is refused. */
static int settle_name(struct order *o, const struct name *certifier, struct fault *f)
{
	char above[NAME_TEXT_MAX];
	bool is_full = strpbrk(o->name_text, "/=") != NULL;
	enum name_reject r = is_full ? name_parse(o->name_text, false, &o->name)
				     : name_append(certifier, NAME_CN, o->name_text, &o->name);
	if (r != NAME_OK) {
		fault_set(f, "the name \"%s\" is refused: %s", o->name_text, name_reject_text(r));
		return -EDOM;
	}
	if (name_is_child(&o->name, certifier))
		return 0;
	fault_set(f,
		"\"%s\" is not directly below %s, the certifier in %s; take that name's own "
		"certifier, or change the name",
		o->name_text, name_format(certifier, above), o->certifier);
	return -EDOM;
}

/* ------------------------------------------------------------------ the files */

/* "jane-doe" of CN "Jane Doe". */
static void default_out(const struct order *o, char *to, size_t cap)
{
	const struct name_part *cn = &o->name.parts[o->name.count - 1];
	setup_file_name(cn->value, cn->len, ".id", to, cap);
	for (char *p = to; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
}

/* The name of a file beside the ID file: "gate2.id" gives "gate2.key". */
static void beside(const char *out, const char *suffix, char *to, size_t cap)
{
	size_t len = strlen(out);
	if (len > 3 && strcmp(out + len - 3, ".id") == 0)
		len -= 3;
	snprintf(to, cap, "%.*s%s", (int)len, out, suffix);
}

static void add_text(struct fileset *s, const char *path, char *text, mode_t mode, const char *note)
{
	fileset_add(s, NULL, path, text, text != NULL ? strlen(text) : 0, mode, note);
}

static int add_server(
	const struct order *o, const struct issue *i, struct fileset *s, struct fault *f)
{
	struct issue_card c = { o->host != NULL ? o->host : "",
		o->service != NULL ? o->service : "", o->port != 0 ? o->port : SETUP_KNOCK_PORT,
		o->now_ms, NULL };
	char path[PATH_MAX];

	char *card = issue_server_card(i, &c, f);
	if (card == NULL)
		return -EDOM;
	beside(o->out, ".card", path, sizeof(path));
	add_text(s, path, card, 0644, "what a client needs; give it to them");
	char *raw = malloc(IDFILE_KEY_LEN);
	if (raw == NULL) {
		s->is_short = true;
		return 0;
	}
	randombytes_buf(raw, IDFILE_KEY_LEN);
	struct issue_lock lock = { .raw_key = (const uint8_t *)raw };
	add_text(s, o->out, issue_idfile(i, &lock, o->now_ms), 0600, "the server's ID file");
	beside(o->out, ".key", path, sizeof(path));
	fileset_add(s, NULL, path, raw, IDFILE_KEY_LEN, 0600, "secret: opens the ID file");
	return 0;
}

static int add_user(
	const struct order *o, const struct issue *i, struct fileset *s, struct fault *f)
{
	struct password_source from = { .file = o->password_file, .line = 1 };
	struct password password = { 0 };
	char name[NAME_TEXT_MAX];

	int rc = password_choose(
		&from, name_format(&i->name, name), PASSWORD_QUALITY_USER, &password, f);
	if (rc == 0) {
		struct issue_lock lock = {
			.password = &password,
			.quality_min = PASSWORD_QUALITY_USER,
			.mem_kib = o->mem_kib,
		};
		add_text(s, o->out, issue_idfile(i, &lock, o->now_ms), 0600, "the ID file");
	}
	password_wipe(&password);
	return rc;
}

/* Refuse an existing file before any password is asked for. */
static int check_free(const struct order *o, struct fault *f)
{
	struct fileset s = { 0 };
	char path[PATH_MAX];
	add_text(&s, o->out, strdup(""), 0600, NULL);
	if (o->is_server) {
		beside(o->out, ".key", path, sizeof(path));
		add_text(&s, path, strdup(""), 0600, NULL);
		beside(o->out, ".card", path, sizeof(path));
		add_text(&s, path, strdup(""), 0600, NULL);
	}
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

/* ------------------------------------------------------------------ the command */

static int certify(
	const struct order *o, const struct idfile *certifier, struct issue **ret, struct fault *f)
{
	struct password_source from = { .file = o->certifier_password_file, .line = 1 };
	struct password password;
	struct issue *by = NULL;

	int rc = password_get(&from, idfile_header(certifier)->name, &password, f);
	if (rc < 0)
		return rc;
	rc = issue_load(o->certifier, certifier, &password, &by, f);
	password_wipe(&password);
	if (rc < 0)
		return rc;
	unsigned years = o->is_server ? YEARS_SERVER : YEARS_USER;
	if (o->years != 0 || o->days != 0)
		years = o->years;
	struct issue_order order = {
		.name = &o->name,
		.kind = o->is_server ? CERT_SERVER : CERT_USER,
		.now_ms = o->now_ms,
		.not_after_ms = issue_end_ms(o->now_ms, years, o->days),
		.by = by,
	};
	rc = issue_new(&order, ret, f);
	issue_free(by);
	return rc;
}

static void report(const struct issue *i, const struct fileset *s)
{
	char line[DIRECTORY_LINE_MAX + 2], when[TIME_TEXT_MAX], name[NAME_TEXT_MAX];
	struct directory_entry e;

	printf("Made %s, valid to %.10s:\n\n", name_format(&i->name, name),
		time_format_utc(i->not_after_ms, when));
	for (size_t n = 0; n < s->count; n++)
		printf("  %-20s %s\n", s->items[n].path, s->items[n].note);
	issue_entry(i, &e);
	if (directory_line_format(&e, NULL, line, sizeof(line)) > 0)
		printf("\nThe line for the directory of a server (postern directory add adds it):\n\n%s",
			line);
}

static int make(struct order *o, const struct idfile *certifier, struct fault *f)
{
	struct fileset s = { 0 };
	struct issue *i = NULL;
	struct name above;
	char out[NAME_VALUE_MAX + 8];

	int rc = certifier_name(o->certifier, certifier, &above, f);
	if (rc == 0)
		rc = settle_name(o, &above, f);
	if (rc < 0)
		return rc;
	if (o->out == NULL) {
		default_out(o, out, sizeof(out));
		o->out = out;
	}
	rc = check_free(o, f);
	if (rc == 0)
		rc = certify(o, certifier, &i, f);
	if (rc == 0)
		rc = o->is_server ? add_server(o, i, &s, f) : add_user(o, i, &s, f);
	if (rc == 0)
		rc = fileset_write(&s, f);
	if (rc == 0)
		report(i, &s);
	fileset_deinit(&s);
	issue_free(i);
	o->out = NULL;
	return rc;
}

int id_new(int argc, char **argv)
{
	struct order o = { .now_ms = clock_wall_ms() };
	struct idfile *certifier = NULL;
	struct fault f;

	int code = parse(argc, argv, &o);
	if (code != EXIT_DONE)
		return code;
	if (o.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	int rc = id_file_load(o.certifier, FILE_SECRET, &certifier, &f);
	if (rc == 0)
		rc = make(&o, certifier, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	idfile_free(certifier);
	return rc == 0 ? EXIT_DONE : rc == -EDOM || rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL;
}
