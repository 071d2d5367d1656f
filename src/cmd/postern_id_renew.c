/*
 * postern id renew and rollover: a new certificate for the key there is, or for a new one. Invariant: a
 * key that is in use stays active until a certificate for the next one is merged.
 */

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_certifier.h"
#include "cmd/id_make.h"
#include "cmd/id_open.h"
#include "cmd/id_path.h"
#include "cmd/say.h"
#include "knock/spa.h"

#define YEARS_MAX 100

static const char help_renew[] =
	"usage: postern id renew FILE --certifier FILE [options]\n"
	"       postern id renew FILE --request OUT [options]\n"
	"\n"
	"A new certificate for the same key: at once with the certifier's ID file, or by\n"
	"a request that is sent to the certifier.\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier directly above\n"
	"  --request OUT       write a request to OUT instead; postern id merge takes\n"
	"                      what comes back\n"
	"  --name NAME         a new name: with another certifier that is a move\n"
	"  --years N           how long it is valid (default: 2; server 10, certifier\n"
	"                      100)\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"  --certifier-password-file F  read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 wrong password or trouble with a\n"
	"file; after any but 0 the ID file is as it was.\n";

static const char help_rollover[] =
	"usage: postern id rollover FILE --certifier FILE [options]\n"
	"       postern id rollover FILE --request OUT [options]\n"
	"\n"
	"Makes the next key of an ID and has it certified. The ID goes on with its old\n"
	"key until postern id merge puts the new certificate in; so servers can be told\n"
	"of the next key before it is used. A next key that is there already is taken\n"
	"again.\n"
	"\n"
	"  --certifier FILE    the ID file of the certifier directly above\n"
	"  -o, --out CHAIN     where its certificate goes (default: made of the name of\n"
	"                      the ID file, jane-doe.chain.pem)\n"
	"  --request OUT       write a request to OUT instead, to be sent to the\n"
	"                      certifier\n"
	"  --years N           how long it is valid (default: 2; server 10, certifier\n"
	"                      100)\n"
	"  --password-file F   read the password of the ID from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"  --certifier-password-file F  read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 wrong password or trouble with a\n"
	"file.\n";

enum {
	OPT_CERTIFIER = 256,
	OPT_REQUEST,
	OPT_NAME,
	OPT_YEARS,
	OPT_PASSWORD_FILE,
	OPT_KEY_FILE,
	OPT_CERTIFIER_PASSWORD_FILE,
};

static const struct option options[] = {
	{ "certifier", required_argument, NULL, OPT_CERTIFIER },
	{ "request", required_argument, NULL, OPT_REQUEST },
	{ "out", required_argument, NULL, 'o' },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "years", required_argument, NULL, OPT_YEARS },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "key-file", required_argument, NULL, OPT_KEY_FILE },
	{ "certifier-password-file", required_argument, NULL, OPT_CERTIFIER_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	const char *command; /* "id renew" */
	bool is_rollover, is_help;
	const char *file, *certifier, *certifier_password_file, *request, *out, *name;
	struct id_way way;
	unsigned long years; /* 0: the default */
	uint64_t now_ms;
};

/* ------------------------------------------------------------------ the command line */

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_CERTIFIER:
		w->certifier = optarg;
		break;
	case OPT_REQUEST:
		w->request = optarg;
		break;
	case 'o':
		w->out = optarg;
		break;
	case OPT_NAME:
		w->name = optarg;
		break;
	case OPT_YEARS:
		if (!say_parse_number(optarg, YEARS_MAX, &w->years))
			return say_usage(w->command, "--years %s: not a number from 1 to %d",
				optarg, YEARS_MAX);
		break;
	case OPT_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case OPT_KEY_FILE:
		w->way.key_file = optarg;
		break;
	case OPT_CERTIFIER_PASSWORD_FILE:
		w->certifier_password_file = optarg;
		break;
	case 'h':
		w->is_help = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int check_words(const struct words *w)
{
	if ((w->certifier == NULL) == (w->request == NULL))
		return say_usage(w->command, "%s",
			w->certifier == NULL
				? "who certifies? Say --certifier FILE, or --request OUT"
				: "either --certifier certifies now, or a --request is sent");
	if (w->request != NULL && w->years != 0)
		return say_usage(
			w->command, "--years is the certifier's to say, not the --request's");
	if (w->is_rollover && w->name != NULL)
		return say_usage(w->command,
			"--name goes with postern id renew; a new key keeps "
			"the name");
	if (w->out != NULL && (!w->is_rollover || w->request != NULL))
		return say_usage(w->command, "--out is for what rollover --certifier writes");
	return EXIT_DONE;
}

static int parse(int argc, char **argv, struct words *w)
{
	int c;
	while ((c = say_next_option(w->command, argc, argv, options)) != -1) {
		int rc = take_option(c, w);
		if (rc != EXIT_DONE || w->is_help)
			return rc;
	}
	if (argc - optind != 1)
		return say_usage(w->command, argc == optind ? "which FILE?" : "one FILE at a time");
	w->file = argv[optind];
	return check_words(w);
}

/* ------------------------------------------------------------------ what both do */

static enum cert_kind kind_of(const struct idfile_header *h)
{
	switch (h->kind) {
	case IDFILE_SERVER:
		return CERT_SERVER;
	case IDFILE_CERTIFIER:
		return CERT_CERTIFIER;
	case IDFILE_USER:
		break;
	}
	return CERT_USER;
}

static enum name_type leaf_of(const struct idfile_header *h)
{
	return h->kind == IDFILE_CERTIFIER ? NAME_OU : NAME_CN;
}

/* The name in the ID file. */
static int own_name(
	const char *path, const struct idfile_header *h, struct name *ret, struct fault *f)
{
	enum name_reject r = name_parse(h->name, h->kind == IDFILE_CERTIFIER, ret);
	if (r == NAME_OK)
		return 0;
	fault_set(f, "%s: the name in it is refused: %s", path, name_reject_text(r));
	return -EINVAL;
}

/* The name the new certificate is to have; -EDOM when the certifier cannot give it. */
static int settle_name(const struct words *w, const struct idfile_header *h,
	const struct id_certifier *by, struct name *ret, struct fault *f)
{
	bool is_certifier = h->kind == IDFILE_CERTIFIER;
	if (w->name == NULL) {
		int rc = own_name(w->file, h, ret, f);
		if (rc == 0 && is_certifier && ret->parts[ret->count - 1].type == NAME_O) {
			fault_set(f,
				"%s: an organisation certifies itself; see postern certifier "
				"rollover",
				w->file);
			return -EDOM;
		}
		return rc < 0 || w->certifier == NULL ? rc : id_certifier_check(by, ret, f);
	}
	if (w->certifier != NULL)
		return id_certifier_settle(by, w->name, leaf_of(h), ret, f);
	enum name_reject r = name_parse(w->name, is_certifier, ret);
	if (r == NAME_OK)
		return 0;
	fault_set(f, "the name \"%s\" is refused: %s; in a request it is the full name", w->name,
		name_reject_text(r));
	return -EDOM;
}

/* Open both IDs, and make the path of the key pk, which is the ID's own or its next one. */
static int certify(const struct words *w, const struct id_certifier *by, const struct name *name,
	enum cert_kind kind, const uint8_t pk[32], struct id_path **ret, struct fault *f)
{
	struct issue *issuer = NULL;
	struct id_path_order order = {
		.name = *name,
		.kind = kind,
		.now_ms = w->now_ms,
		.years = (unsigned)w->years,
	};

	int rc = id_certifier_open(by, w->certifier_password_file, &issuer, f);
	if (rc < 0)
		return rc;
	memcpy(order.pk, pk, sizeof(order.pk));
	order.by = issuer;
	rc = id_path_make(&order, ret, f);
	issue_free(issuer);
	return rc;
}

static int write_text(const char *path, char *text, struct fault *f)
{
	if (text == NULL)
		return -EIO;
	int rc = file_write(path, text, strlen(text), 0644, true, f);
	free(text);
	return rc;
}

static void report_request(const struct words *w)
{
	printf("wrote the request %s; send it to the certifier, who signs it (postern\n"
	       "certifier sign). Put in what comes back with:\n\n"
	       "  postern id merge %s CHAIN.pem\n",
		w->request, w->file);
}

/* ------------------------------------------------------------------ renew */

static int renew_at_once(const struct words *w, const struct id_certifier *by, struct id_open *o,
	const struct name *name, struct fault *f)
{
	struct id_path *path = NULL;
	char text[NAME_TEXT_MAX], when[TIME_TEXT_MAX];

	int rc = certify(w, by, name, kind_of(idfile_header(o->file)), o->pk, &path, f);
	if (rc == 0)
		rc = id_path_apply(o, path, w->now_ms, f);
	if (rc == 0) {
		printf("%s (%s) is certified to %.10s\n", name_format(name, text), w->file,
			time_format_utc(path->certs[0].c.not_after_ms, when));
		if (path->certs[0].c.kind == CERT_SERVER)
			id_make_print_server(w->file, false);
		id_make_print_line(&path->certs[0].c);
	}
	free(path);
	return rc;
}

static int renew(const struct words *w, const struct id_certifier *by, const struct name *name,
	struct fault *f)
{
	struct id_open *o = NULL;
	int rc = id_open_file(w->file, &w->way, &o, f);
	if (rc < 0)
		return rc;
	if (w->certifier != NULL) {
		rc = renew_at_once(w, by, o, name, f);
	} else {
		rc = write_text(w->request,
			id_make_request(name, kind_of(idfile_header(o->file)), o->secrets.seed, f),
			f);
		if (rc == 0)
			report_request(w);
	}
	id_open_free(o);
	return rc;
}

/* ------------------------------------------------------------------ rollover */

static int add_pending(struct id_open *o, struct fault *f)
{
	struct idfile_change c = { 0 };
	if (o->secrets.has_pending)
		return 0;
	o->secrets.has_pending = true;
	randombytes_buf(o->secrets.pending_seed, sizeof(o->secrets.pending_seed));
	return id_open_save(o, &c, f);
}

static int write_chain(const struct words *w, const struct id_certifier *by,
	const struct id_open *o, const struct name *name, const uint8_t pk[32], struct fault *f)
{
	struct id_path *path = NULL;
	int rc = certify(w, by, name, kind_of(idfile_header(o->file)), pk, &path, f);
	if (rc < 0)
		return rc;
	char *text = id_path_format(path);
	if (text == NULL)
		fault_set(f, "there is not enough memory");
	rc = write_text(w->out, text, f);
	free(path);
	return rc;
}

static void report_rollover(
	const struct words *w, const uint8_t pk[32], const char *name, bool is_server)
{
	uint8_t key_id[32];
	char hex[65];
	spa_key_id(pk, key_id);
	if (w->request != NULL)
		report_request(w);
	else
		printf("wrote the certificate of the next key to %s; put it in with:\n\n"
		       "  postern id merge %s %s\n",
			w->out, w->file, w->out);
	printf("\nBefore that, where a directory lists %s, add to its line there:\n\n"
	       "  key-next=sha256:%s\n\n"
	       "After it, postern directory add %s --replace makes the new line.\n",
		name, text_hex(SPAN_OF(key_id), hex), w->file);
	if (is_server)
		printf("\nClients know a server by its key: after the merge all of them need its "
		       "new card.\n");
}

static int rollover(const struct words *w, const struct id_certifier *by, const struct name *name,
	struct fault *f)
{
	struct id_open *o = NULL;
	uint8_t pk[32], sk[64];

	int rc = id_open_file(w->file, &w->way, &o, f);
	if (rc == 0)
		rc = add_pending(o, f);
	if (rc < 0) {
		id_open_free(o);
		return rc;
	}
	crypto_sign_seed_keypair(pk, sk, o->secrets.pending_seed);
	sodium_memzero(sk, sizeof(sk));
	if (w->certifier != NULL)
		rc = write_chain(w, by, o, name, pk, f);
	else
		rc = write_text(w->request,
			id_make_request(
				name, kind_of(idfile_header(o->file)), o->secrets.pending_seed, f),
			f);
	if (rc == 0)
		report_rollover(w, pk, idfile_header(o->file)->name,
			idfile_header(o->file)->kind == IDFILE_SERVER);
	id_open_free(o);
	return rc;
}

/* ------------------------------------------------------------------ the commands */

/* Files that are there already are refused before any password is asked for. */
static int check_free(const struct words *w, struct fault *f)
{
	const char *path = w->request != NULL ? w->request : w->out;
	struct fileset s = { 0 };
	if (path != NULL)
		id_make_add_text(&s, path, strdup(""), 0644, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

static int run_with(struct words *w, const struct id_certifier *by, struct fault *f)
{
	struct idfile *id = NULL;
	struct name name;
	char out[PATH_MAX];

	if (w->is_rollover && w->certifier != NULL && w->out == NULL) {
		id_make_beside(w->file, ".chain.pem", out, sizeof(out));
		w->out = out;
	}
	int rc = id_file_load(w->file, FILE_SECRET, &id, f);
	if (rc == 0)
		rc = settle_name(w, idfile_header(id), by, &name, f);
	idfile_free(id);
	if (rc == 0)
		rc = check_free(w, f);
	if (rc == 0)
		rc = w->is_rollover ? rollover(w, by, &name, f) : renew(w, by, &name, f);
	w->out = NULL;
	return rc;
}

static int run(struct words *w, int argc, char **argv)
{
	struct id_certifier by = { 0 };
	struct fault f;

	int code = parse(argc, argv, w);
	if (code != EXIT_DONE)
		return code;
	if (w->is_help) {
		fputs(w->is_rollover ? help_rollover : help_renew, stdout);
		return EXIT_DONE;
	}
	int rc = w->certifier != NULL ? id_certifier_load(w->certifier, &by, &f) : 0;
	if (rc == 0)
		rc = run_with(w, &by, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	id_certifier_deinit(&by);
	return rc == 0 ? EXIT_DONE : rc == -EDOM ? EXIT_REFUSED : EXIT_LOCAL;
}

int id_renew(int argc, char **argv)
{
	struct words w = { .command = "id renew", .now_ms = clock_wall_ms() };
	return run(&w, argc, argv);
}

int id_rollover(int argc, char **argv)
{
	struct words w = {
		.command = "id rollover", .is_rollover = true, .now_ms = clock_wall_ms()
	};
	return run(&w, argc, argv);
}
