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
#include "cmd/id_certifier.h"
#include "cmd/id_make.h"
#include "cmd/issue.h"
#include "cmd/say.h"
#include "cmd/setup.h"

#define YEARS_SERVER 10
#define YEARS_USER 2
#define DAYS_MAX 36525u

static const char help[] =
	"usage: postern id new NAME --certifier FILE [options]\n"
	"       postern id new NAME --request OUT [options]\n"
	"\n"
	"Makes a key, a certificate and an ID file for a person, or with --server for a\n"
	"server, and prints the line that makes it known in a directory. NAME is a full\n"
	"name (\"Jane Doe/VSD\") or, below the certifier, just \"Jane Doe\".\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier\n"
	"  --request OUT       where there is none at hand: write a request to be sent to\n"
	"                      the certifier; postern id merge takes what comes back\n"
	"  --kind user|server  server is the same as --server\n"
	"  --out FILE          the new ID file (default: made of the name, jane-doe.id)\n"
	"  --for TIME          how long it is valid, 90d or 2y (default: 2y; server: 10y)\n"
	"  --server            an ID for a server: opens with a key file instead of a\n"
	"                      password; the key file and the card are written beside it\n"
	"  --host HOST         in the card: where clients reach the server\n"
	"  --service NAME      in the card: the service they get who name none\n"
	"  --port N            in the card: the UDP port to knock on (default: 62201)\n"
	"  --stealth FILE      in the card: the secret, of 32 random bytes, that stealth\n"
	"                      names in postern.conf; the card is secret then\n"
	"  --certifier-password-file F  read the certifier's password from F, line 1\n"
	"  --password-file F   read the new ID's password from F, line 1\n"
	"  --kdf-mem MIB       memory that a try of the password costs, 1 to 4096\n"
	"                      (default: 256)\n"
	"\n"
	"Exit codes: 0 done, 1 the name or the password was refused, 2 usage, 4 wrong\n"
	"password or trouble with a file; after any but 0 nothing was written.\n";

enum {
	OPT_CERTIFIER = 256,
	OPT_REQUEST,
	OPT_KIND,
	OPT_OUT,
	OPT_FOR,
	OPT_SERVER,
	OPT_HOST,
	OPT_SERVICE,
	OPT_PORT,
	OPT_STEALTH,
	OPT_CERTIFIER_PASSWORD_FILE,
	OPT_PASSWORD_FILE,
	OPT_KDF_MEM,
};

static const struct option options[] = {
	{ "certifier", required_argument, NULL, OPT_CERTIFIER },
	{ "request", required_argument, NULL, OPT_REQUEST },
	{ "kind", required_argument, NULL, OPT_KIND },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "server", no_argument, NULL, OPT_SERVER },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "stealth", required_argument, NULL, OPT_STEALTH },
	{ "certifier-password-file", required_argument, NULL, OPT_CERTIFIER_PASSWORD_FILE },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "kdf-mem", required_argument, NULL, OPT_KDF_MEM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct order {
	const char *name_text, *certifier, *request, *out;
	const char *host, *service, *stealth;
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
	case OPT_REQUEST:
		o->request = optarg;
		break;
	case OPT_KIND:
		o->is_server = strcmp(optarg, "server") == 0;
		if (!o->is_server && strcmp(optarg, "user") != 0)
			return say_usage("id new", "--kind %s: it is user or server", optarg);
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
	case OPT_STEALTH:
		o->stealth = optarg;
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

/* What does not go together. */
static int check_words(const struct order *o)
{
	bool is_card = o->host != NULL || o->service != NULL || o->port != 0 || o->stealth != NULL;
	if (o->certifier != NULL && o->request != NULL)
		return say_usage(
			"id new", "either --certifier certifies now, or a --request is sent");
	if (o->request != NULL && (o->years != 0 || o->days != 0))
		return say_usage("id new", "--for is the certifier's to say, not the --request's");
	if (!o->is_server && is_card)
		return say_usage("id new",
			"--host, --service, --port and --stealth are for the card of a --server");
	if (o->request != NULL && is_card)
		return say_usage("id new", "there is no card before there is a certificate");
	if (o->is_server && o->password_file != NULL)
		return say_usage("id new", "a --server opens with a key file, not with a password");
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
	if (o->certifier == NULL && o->request == NULL)
		return say_usage("id new", "who certifies? Say --certifier FILE");
	return check_words(o);
}
/* ------------------------------------------------------------------ the name and the files */

/* -EDOM when the name is refused. */
static int settle_name(struct order *o, const struct id_certifier *by, struct fault *f)
{
	if (o->request == NULL)
		return id_certifier_settle(by, o->name_text, NAME_CN, &o->name, f);
	enum name_reject r = name_parse(o->name_text, false, &o->name);
	if (r == NAME_OK)
		return 0;
	fault_set(f, "the name \"%s\" is refused: %s; without a certifier it is the full name",
		o->name_text, name_reject_text(r));
	return -EDOM;
}

static int add_card(
	const struct order *o, const struct issue *i, struct fileset *s, struct fault *f)
{
	struct issue_card c = { o->host != NULL ? o->host : "",
		o->service != NULL ? o->service : "", o->port != 0 ? o->port : SETUP_KNOCK_PORT,
		o->now_ms, NULL };
	uint8_t stealth[ISSUE_STEALTH_LEN];
	char path[PATH_MAX];

	if (o->stealth != NULL) {
		int rc = issue_read_stealth(o->stealth, stealth, f);
		if (rc < 0)
			return rc;
		c.stealth = stealth;
	}
	char *card = issue_server_card(i, &c, f);
	sodium_memzero(stealth, sizeof(stealth));
	if (card == NULL)
		return -EDOM;
	id_make_beside(o->out, ".card", path, sizeof(path));
	id_make_add_text(s, path, card, issue_card_mode(c.stealth != NULL),
		c.stealth != NULL ? "secret: what a client needs; give it to no one else"
				  : "what a client needs; give it to them");
	return 0;
}

static int add_request(
	const struct order *o, const struct issue *i, struct fileset *s, struct fault *f)
{
	char *text = id_make_request(&i->name, i->kind, i->secrets.seed, f);
	if (text == NULL)
		return -EIO;
	id_make_add_text(s, o->request, text, 0644, "the request; send it to the certifier");
	return 0;
}

static int add_files(
	const struct order *o, const struct issue *i, struct fileset *s, struct fault *f)
{
	struct id_make_file m = { o->out, o->password_file, o->mem_kib, o->now_ms };
	int rc = 0;
	if (o->request != NULL)
		rc = add_request(o, i, s, f);
	else if (o->is_server)
		rc = add_card(o, i, s, f);
	return rc == 0 ? id_make_add(&m, i, s, f) : rc;
}

/* Refuse an existing file before any password is asked for. */
static int check_free(const struct order *o, struct fault *f)
{
	struct fileset s = { 0 };
	char path[PATH_MAX];
	id_make_add_text(&s, o->out, strdup(""), 0600, NULL);
	if (o->is_server) {
		id_make_beside(o->out, ".key", path, sizeof(path));
		id_make_add_text(&s, path, strdup(""), 0600, NULL);
	}
	if (o->is_server && o->request == NULL) {
		id_make_beside(o->out, ".card", path, sizeof(path));
		id_make_add_text(&s, path, strdup(""), 0600, NULL);
	}
	if (o->request != NULL)
		id_make_add_text(&s, o->request, strdup(""), 0644, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

/* ------------------------------------------------------------------ the command */

static int certify(const struct order *o, const struct id_certifier *certifier, struct issue **ret,
	struct fault *f)
{
	struct issue *by = NULL;

	int rc = id_certifier_open(certifier, o->certifier_password_file, &by, f);
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

static void report(const struct order *o, const struct issue *i, const struct fileset *s)
{
	char when[TIME_TEXT_MAX], name[NAME_TEXT_MAX];
	struct cert own;
	struct fault f;

	if (o->request != NULL)
		printf("Made %s, not certified yet:\n\n", name_format(&i->name, name));
	else
		printf("Made %s, valid to %.10s:\n\n", name_format(&i->name, name),
			time_format_utc(i->not_after_ms, when));
	for (size_t n = 0; n < s->count; n++)
		printf("  %-20s %s\n", s->items[n].path, s->items[n].note);
	if (o->request != NULL)
		printf("\nThe certifier signs the request (postern certifier sign). Put in what comes\n"
		       "back with:\n\n  postern id merge %s CHAIN.pem\n",
			o->out);
	else if (cert_read(span_of(i->certs[0], i->cert_len[0]), &own, &f) == 0)
		id_make_print_line(&own);
}

static int make(struct order *o, const struct id_certifier *certifier, struct fault *f)
{
	struct fileset s = { 0 };
	struct issue *i = NULL;
	char out[NAME_VALUE_MAX + 8];

	int rc = settle_name(o, certifier, f);
	if (rc < 0)
		return rc;
	if (o->out == NULL) {
		id_make_file_name(&o->name, out, sizeof(out));
		o->out = out;
	}
	rc = check_free(o, f);
	if (rc == 0 && o->request != NULL)
		rc = id_make_bare(&o->name, o->is_server ? CERT_SERVER : CERT_USER, NULL, &i, f);
	else if (rc == 0)
		rc = certify(o, certifier, &i, f);
	if (rc == 0)
		rc = add_files(o, i, &s, f);
	if (rc == 0)
		rc = fileset_write(&s, f);
	if (rc == 0)
		report(o, i, &s);
	fileset_deinit(&s);
	issue_free(i);
	o->out = NULL;
	return rc;
}

int id_new(int argc, char **argv)
{
	struct order o = { .now_ms = clock_wall_ms() };
	struct id_certifier certifier = { 0 };
	struct fault f;

	int code = parse(argc, argv, &o);
	if (code != EXIT_DONE)
		return code;
	if (o.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	int rc = o.request == NULL ? id_certifier_load(o.certifier, &certifier, &f) : 0;
	if (rc == 0)
		rc = make(&o, &certifier, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	id_certifier_deinit(&certifier);
	return rc == 0 ? EXIT_DONE : rc == -EDOM || rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL;
}
