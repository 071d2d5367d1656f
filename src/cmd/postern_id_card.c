/*
 * postern id card: a new server card, for a server whose certificate, key or name is another than before.
 * Invariant: what a card holds of secrets comes from files that nobody else can read and goes into one.
 */

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/card_file.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_make.h"
#include "cmd/id_open.h"
#include "cmd/issue.h"
#include "cmd/say.h"
#include "cmd/setup.h"

static const char help[] =
	"usage: postern id card SERVER.id --key-file K [options]\n"
	"\n"
	"Makes the card of a server: what clients need to knock there. They need a new\n"
	"one after its certificate was renewed or its name changed, before the old one's\n"
	"certificate ends; and at once when its key was rolled over, since no knock with\n"
	"the old card is understood then.\n"
	"\n"
	"  --key-file K        open the ID with this key file\n"
	"  --password-file F   or read its password, if it has one, from F, line 1\n"
	"  --like OLD.card     take host, service, port and stealth secret from a card of\n"
	"                      this server; what is named beside it goes first\n"
	"  --host HOST         where clients reach the server\n"
	"  --service NAME      the service they get who name none\n"
	"  --port N            the UDP port to knock on (default: 62201)\n"
	"  --stealth FILE      put in the secret that stealth names in postern.conf; the\n"
	"                      card is secret then, and readable to its owner only\n"
	"  -o, --out OUT       the card (default: made of the name of the ID file,\n"
	"                      server.card)\n"
	"  --force             replace OUT if it is there\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 wrong key or trouble with a file;\n"
	"after any but 0 nothing was written.\n";

enum {
	OPT_KEY_FILE = 256,
	OPT_PASSWORD_FILE,
	OPT_LIKE,
	OPT_HOST,
	OPT_SERVICE,
	OPT_PORT,
	OPT_STEALTH,
	OPT_FORCE,
};

static const struct option options[] = {
	{ "key-file", required_argument, NULL, OPT_KEY_FILE },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "like", required_argument, NULL, OPT_LIKE },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "stealth", required_argument, NULL, OPT_STEALTH },
	{ "out", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	const char *file, *like, *host, *service, *stealth, *out;
	struct id_way way;
	uint16_t port;
	bool is_forced, is_help;
	uint64_t now_ms;
};

/* ------------------------------------------------------------------ the command line */

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_KEY_FILE:
		w->way.key_file = optarg;
		break;
	case OPT_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case OPT_LIKE:
		w->like = optarg;
		break;
	case OPT_HOST:
		w->host = optarg;
		break;
	case OPT_SERVICE:
		w->service = optarg;
		break;
	case OPT_PORT:
		if (!say_parse_port(optarg, &w->port))
			return say_usage(
				"id card", "--port %s: not a number from 1 to 65535", optarg);
		break;
	case OPT_STEALTH:
		w->stealth = optarg;
		break;
	case 'o':
		w->out = optarg;
		break;
	case OPT_FORCE:
		w->is_forced = true;
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
	while ((c = say_next_option("id card", argc, argv, options)) != -1) {
		int rc = take_option(c, w);
		if (rc != EXIT_DONE || w->is_help)
			return rc;
	}
	if (argc - optind != 1)
		return say_usage("id card",
			argc == optind ? "whose card? Say SERVER.id, its ID file"
				       : "one ID file at a time");
	w->file = argv[optind];
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ whose card it is */

/* Only a server has one, and one that clients take without a warning. */
static int check_server(const struct words *w, const struct id_open *o, struct fault *f)
{
	char when[TIME_TEXT_MAX];
	const struct cert *own = id_open_own(o);
	if (idfile_header(o->file)->kind != IDFILE_SERVER) {
		fault_set(f, "%s: is not of a server; only servers have cards", w->file);
		return -EDOM;
	}
	if (own == NULL) {
		fault_set(f, "%s: is not certified yet; see postern id renew", w->file);
		return -EDOM;
	}
	if (own->kind != CERT_SERVER) {
		fault_set(f, "%s: its certificate is not a server's; have it certified again",
			w->file);
		return -EDOM;
	}
	if (!o->secrets.has_x25519) {
		fault_set(f,
			"%s: holds no X25519 key, which knocks are sealed to; make a new server "
			"ID with postern id new",
			w->file);
		return -EDOM;
	}
	if (own->not_after_ms >= w->now_ms)
		return 0;
	fault_set(f, "%s: its certificate ended on %.10s; renew it first with postern id renew",
		w->file, time_format_utc(own->not_after_ms, when));
	return -EDOM;
}

static bool is_key_of(const uint8_t seed[32], const uint8_t pk[32])
{
	uint8_t got[32], sk[64];
	crypto_sign_seed_keypair(got, sk, seed);
	sodium_memzero(sk, sizeof(sk));
	return memcmp(got, pk, sizeof(got)) == 0;
}

/* The secret of another server's cards must not get into ours unnoticed. */
static int check_like(
	const struct words *w, const struct id_open *o, const struct card *like, struct fault *f)
{
	struct name name;
	bool is_same = memcmp(like->identity_pk, o->pk, sizeof(o->pk)) == 0 ||
		(name_parse(like->name, false, &name) == NAME_OK &&
			name_equal(&name, &id_open_own(o)->subject));
	for (size_t i = 0; !is_same && i < o->secrets.retired_count; i++)
		is_same = is_key_of(o->secrets.retired[i].seed, like->identity_pk);
	if (is_same)
		return 0;
	fault_set(f,
		"%s: is the card of %s, which never had the name or a key of %s; name a card of "
		"this server, or say --host, --service, --port and --stealth",
		w->like, like->name, w->file);
	return -EDOM;
}

/* ------------------------------------------------------------------ the card */

static char *make_card(const struct words *w, const struct id_open *o, const struct card *like,
	const uint8_t *stealth, struct fault *f)
{
	struct issue *server = NULL;
	struct issue_card c = {
		.host = like != NULL ? like->host : "",
		.service = like != NULL ? like->service : "",
		.port = like != NULL ? like->port : SETUP_KNOCK_PORT,
		.now_ms = w->now_ms,
		.stealth = stealth,
	};
	if (w->host != NULL)
		c.host = w->host;
	if (w->service != NULL)
		c.service = w->service;
	if (w->port != 0)
		c.port = w->port;
	if (issue_of_open(w->file, o->file, &o->secrets, &server, f) < 0)
		return NULL;
	char *text = issue_server_card(server, &c, f);
	issue_free(server);
	return text;
}

static void report(
	const struct words *w, const struct id_open *o, const struct card *like, bool has_stealth)
{
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	const struct cert *own = id_open_own(o);
	printf("wrote %s, the card of %s, certified to %.10s\n", w->out,
		name_format(&own->subject, name), time_format_utc(own->not_after_ms, when));
	if (like != NULL && memcmp(like->identity_pk, o->pk, sizeof(o->pk)) != 0)
		fputs("\nThe old card holds the server's old key: once posternd runs with the new "
		      "one, no\nknock with it is understood. Give every client the new card.\n",
			stdout);
	else
		fputs("\nGive it to the clients, who put it into ~/.config/postern as HOST.card.\n",
			stdout);
	if (has_stealth)
		fputs("It holds the stealth secret: give it to nobody else, and by a way that is "
		      "safe.\n",
			stdout);
}

static int write_card(const struct words *w, const struct id_open *o, const struct card *like,
	const uint8_t *stealth, struct fault *f)
{
	char *text = make_card(w, o, like, stealth, f);
	if (text == NULL)
		return -EDOM;
	int rc = file_write(
		w->out, text, strlen(text), issue_card_mode(stealth != NULL), !w->is_forced, f);
	sodium_memzero(text, strlen(text));
	free(text);
	if (rc == 0)
		report(w, o, like, stealth != NULL);
	return rc;
}

/* ------------------------------------------------------------------ the command */

static int check_free(const struct words *w, struct fault *f)
{
	struct fileset s = { 0 };
	if (w->is_forced)
		return 0;
	id_make_add_text(&s, w->out, strdup(""), 0600, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	if (rc == -EEXIST)
		fault_set(f, "%s: exists already; --force replaces it", w->out);
	return rc;
}

/* With the ID open. stealth is room for the secret. */
static int make_from(const struct words *w, const struct id_open *o, const struct card *like,
	uint8_t stealth[ISSUE_STEALTH_LEN], struct fault *f)
{
	int rc = check_server(w, o, f);
	if (rc == 0 && like != NULL)
		rc = check_like(w, o, like, f);
	if (rc == 0 && w->stealth != NULL)
		rc = issue_read_stealth(w->stealth, stealth, f);
	if (rc < 0)
		return rc;
	const uint8_t *secret = like != NULL && like->has_stealth ? like->stealth : NULL;
	return write_card(w, o, like, w->stealth != NULL ? stealth : secret, f);
}

static int make(const struct words *w, struct fault *f)
{
	uint8_t stealth[ISSUE_STEALTH_LEN];
	struct card *like = NULL;
	struct id_open *o = NULL;

	int rc = check_free(w, f);
	/* As a client trusts what its card says, so do we. */
	if (rc == 0 && w->like != NULL)
		rc = card_file_load(w->like, FILE_TRUSTED, &like, f);
	if (rc == 0)
		rc = id_open_file(w->file, &w->way, &o, f);
	if (rc == 0)
		rc = make_from(w, o, like, stealth, f);
	sodium_memzero(stealth, sizeof(stealth));
	id_open_free(o);
	card_file_free(like);
	return rc;
}

int id_card(int argc, char **argv)
{
	struct words w = { .now_ms = clock_wall_ms() };
	char out[PATH_MAX];
	struct fault f;

	int code = parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	if (w.out == NULL) {
		id_make_beside(w.file, ".card", out, sizeof(out));
		w.out = out;
	}
	int rc = make(&w, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc == 0 ? EXIT_DONE : rc == -EDOM ? EXIT_REFUSED : EXIT_LOCAL;
}
