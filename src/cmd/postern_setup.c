/*
 * postern setup: from words on the command line, or typed on a terminal, to a plan in which everything is
 * decided. setup_make.c carries it out.
 */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/interface.h"
#include "cmd/say.h"
#include "cmd/setup.h"

#define ANSWER_MAX 300

static const char help[] =
	"usage: postern setup --org NAME [options]\n"
	"\n"
	"Makes a first server: an organisation that certifies, a server and an\n"
	"administrator certified by it, and a configuration. Writes files, never touches\n"
	"the firewall. On a terminal it asks for what is not given.\n"
	"\n"
	"  --org NAME          the organisation, three characters or more\n"
	"  --unit NAME         a unit of it that certifies people and servers instead\n"
	"  --server NAME       name of the server (default: this machine's name)\n"
	"  --admin NAME        name of the administrator (default: Admin)\n"
	"  --guard tcp/22=ssh  a port to guard and its name; may stand several times\n"
	"                      (default: tcp/22=ssh)\n"
	"  --dir FOLDER        where the files go (default: /etc/postern)\n"
	"  --interface NAME    where knocks come in (default: the default route's)\n"
	"  --host HOST         host name or address clients reach this server by\n"
	"                      (default: this machine's name)\n"
	"  --server-key KEY    where the key is that opens the server's ID file at boot:\n"
	"                      file, beside it (default); credential, passed on by\n"
	"                      systemd; elsewhere=PATH, on a stick or mount\n"
	"  --stealth           put a secret into the server card: without it a client is\n"
	"                      not heard, so the card is to be kept like a key\n"
	"  --edge              an exposed server that lets people of inner organisations\n"
	"                      through to machines inside; its organisation is one of its\n"
	"                      own, such as VSD-EDGE, and every list is written out\n"
	"  --inner-certifier F\n"
	"                      with --edge: the certificate of an inner unit whose people\n"
	"                      may come; may stand several times\n"
	"  --passthru tcp/1352=notes=mail.inner:1352\n"
	"                      with --edge: a port, its name and where it leads; may\n"
	"                      stand several times\n"
	"  --certifier-dir D   with --edge: where the ID files of certifier and\n"
	"                      administrator go, which are to be taken away (default:\n"
	"                      the folder's name with -certifier)\n"
	"  --yes               do not ask about inner certificates: they came by a way\n"
	"                      that is trusted\n"
	"  --password-file F   read the passwords from F: line 1 the certifier's, line 2\n"
	"                      the administrator's; one line serves for both\n"
	"  --kdf-mem MIB       memory that a try of a password costs, 1 to 4096 (default:\n"
	"                      256); less for small machines and tests\n"
	"\n"
	"Exit codes: 0 done, 1 a password or name was refused, 2 usage, 4 trouble with a\n"
	"file; after any but 0 nothing was written.\n";

enum {
	OPT_ORG = 256,
	OPT_UNIT,
	OPT_SERVER,
	OPT_ADMIN,
	OPT_GUARD,
	OPT_DIR,
	OPT_INTERFACE,
	OPT_HOST,
	OPT_SERVER_KEY,
	OPT_STEALTH,
	OPT_PASSWORD_FILE,
	OPT_KDF_MEM,
	OPT_EDGE,
	OPT_INNER,
	OPT_PASSTHRU,
	OPT_APART,
	OPT_YES,
};

static const struct option options[] = {
	{ "org", required_argument, NULL, OPT_ORG },
	{ "unit", required_argument, NULL, OPT_UNIT },
	{ "server", required_argument, NULL, OPT_SERVER },
	{ "admin", required_argument, NULL, OPT_ADMIN },
	{ "guard", required_argument, NULL, OPT_GUARD },
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "interface", required_argument, NULL, OPT_INTERFACE },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "server-key", required_argument, NULL, OPT_SERVER_KEY },
	{ "stealth", no_argument, NULL, OPT_STEALTH },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "kdf-mem", required_argument, NULL, OPT_KDF_MEM },
	{ "edge", no_argument, NULL, OPT_EDGE },
	{ "inner-certifier", required_argument, NULL, OPT_INNER },
	{ "passthru", required_argument, NULL, OPT_PASSTHRU },
	{ "certifier-dir", required_argument, NULL, OPT_APART },
	{ "yes", no_argument, NULL, OPT_YES },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* What was said on the command line, or typed or taken for granted later; NULL: not said. */
struct words {
	const char *org, *unit, *server, *admin, *dir, *interface, *host, *password_file;
	const char *apart;
	size_t inner_count;
	const char *inners[SETUP_INNERS_MAX];
	bool is_help, is_yes;
	struct {
		char org[ANSWER_MAX], server[ANSWER_MAX], admin[ANSWER_MAX], host[ANSWER_MAX],
			interface[ANSWER_MAX];
	} typed; /* where the text lives that did not come from argv */
};

/* ------------------------------------------------------------------ the command line */

static bool is_apart(const struct setup_guard *a, const char *option, const char *text,
	const struct setup_guard *b)
{
	if (strcmp(a->name, b->name) == 0)
		say_usage("setup",
			"%s %s: there is a service or passthru %s already; give it another name",
			option, text, b->name);
	else if (a->proto == b->proto && a->port == b->port)
		say_usage("setup", "%s %s: %s guards that port already", option, text, a->name);
	else
		return true;
	return false;
}

/* Neither its name nor its port is another's. */
static bool is_free(const struct setup_plan *p, const char *option, const char *text,
	const struct setup_guard *g)
{
	bool is_good = true;
	for (size_t i = 0; is_good && i < p->guard_count; i++)
		is_good = is_apart(&p->guards[i], option, text, g);
	for (size_t i = 0; is_good && i < p->passthru_count; i++)
		is_good = is_apart(&p->passthrus[i].at, option, text, g);
	return is_good;
}

static int take_passthru(const char *text, struct setup_plan *p)
{
	struct setup_passthru t;
	struct fault f;
	if (setup_passthru_parse(text, &t, &f) < 0)
		return say_usage("setup", "--passthru %s", f.text);
	if (!is_free(p, "--passthru", text, &t.at))
		return EXIT_USAGE;
	if (p->passthru_count == SETUP_PASSTHRUS_MAX)
		return say_usage("setup",
			"--passthru %s: that is more than %d; write the others into postern.conf "
			"afterwards",
			text, SETUP_PASSTHRUS_MAX);
	p->passthrus[p->passthru_count++] = t;
	return EXIT_DONE;
}

static int take_inner(const char *path, struct words *w)
{
	if (w->inner_count == SETUP_INNERS_MAX)
		return say_usage("setup", "--inner-certifier %s: that is more than %d", path,
			SETUP_INNERS_MAX);
	w->inners[w->inner_count++] = path;
	return EXIT_DONE;
}

static int take_guard(const char *option, const char *text, struct setup_plan *p)
{
	struct setup_guard g;
	struct fault f;
	if (setup_guard_parse(text, &g, &f) < 0)
		return say_usage("setup", "%s %s", option, f.text);
	if (!is_free(p, option, text, &g))
		return EXIT_USAGE;
	if (p->guard_count == SETUP_GUARDS_MAX)
		return say_usage("setup",
			"%s %s: that is more than %d; write the others into "
			"postern.conf afterwards",
			option, text, SETUP_GUARDS_MAX);
	p->guards[p->guard_count++] = g;
	return EXIT_DONE;
}

static int take_server_key(const char *text, struct setup_plan *p)
{
	static const char elsewhere[] = "elsewhere=";
	p->key_path = NULL;
	if (strcmp(text, "file") == 0) {
		p->key = SETUP_KEY_FILE;
	} else if (strcmp(text, "credential") == 0) {
		p->key = SETUP_KEY_CREDENTIAL;
	} else if (strncmp(text, elsewhere, sizeof(elsewhere) - 1) == 0) {
		p->key = SETUP_KEY_ELSEWHERE;
		p->key_path = text + sizeof(elsewhere) - 1;
		if (p->key_path[0] != '/')
			return say_usage("setup", "--server-key %s: name the file from / on", text);
	} else {
		return say_usage(
			"setup", "--server-key %s: it is file, credential or elsewhere=PATH", text);
	}
	return EXIT_DONE;
}

static int take_option(int c, struct words *w, struct setup_plan *p)
{
	switch (c) {
	case OPT_ORG:
		w->org = optarg;
		break;
	case OPT_UNIT:
		w->unit = optarg;
		break;
	case OPT_SERVER:
		w->server = optarg;
		break;
	case OPT_ADMIN:
		w->admin = optarg;
		break;
	case OPT_GUARD:
		return take_guard("--guard", optarg, p);
	case OPT_DIR:
		w->dir = optarg;
		break;
	case OPT_INTERFACE:
		w->interface = optarg;
		break;
	case OPT_HOST:
		w->host = optarg;
		break;
	case OPT_SERVER_KEY:
		return take_server_key(optarg, p);
	case OPT_STEALTH:
		p->is_stealth = true;
		break;
	case OPT_PASSWORD_FILE:
		w->password_file = optarg;
		break;
	case OPT_EDGE:
		p->is_edge = true;
		break;
	case OPT_INNER:
		return take_inner(optarg, w);
	case OPT_PASSTHRU:
		return take_passthru(optarg, p);
	case OPT_APART:
		w->apart = optarg;
		break;
	case OPT_YES:
		w->is_yes = true;
		break;
	case OPT_KDF_MEM:
		if (!say_parse_mem(optarg, &p->mem_kib))
			return say_usage("setup",
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

static int parse(int argc, char **argv, struct words *w, struct setup_plan *p)
{
	int c;
	while ((c = say_next_option("setup", argc, argv, options)) != -1) {
		int rc = take_option(c, w, p);
		if (rc != EXIT_DONE || w->is_help)
			return rc;
	}
	if (optind < argc)
		return say_usage("setup", "%s: what is this? The organisation goes with --org",
			argv[optind]);
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ what is not said is asked */

/* The line typed, or fallback for an empty one. False at the end of input. */
static bool ask(const char *question, const char *fallback, char to[ANSWER_MAX])
{
	if (fallback[0] != '\0')
		printf("%s [%s]: ", question, fallback);
	else
		printf("%s: ", question);
	fflush(stdout);
	if (fgets(to, ANSWER_MAX, stdin) == NULL)
		return false;
	to[strcspn(to, "\n")] = '\0';
	if (to[0] == '\0')
		snprintf(to, ANSWER_MAX, "%s", fallback);
	return true;
}

/* *said stays, or becomes what was typed on a terminal, or the fallback. */
static void fill(const char **said, const char *question, const char *fallback, char to[ANSWER_MAX],
	bool is_asking)
{
	if (*said != NULL)
		return;
	snprintf(to, ANSWER_MAX, "%s", fallback);
	if (is_asking && !ask(question, fallback, to))
		to[0] = '\0';
	if (to[0] != '\0')
		*said = to;
}

static int fill_guards(struct setup_plan *p, bool is_asking)
{
	char answer[ANSWER_MAX], *rest = NULL;
	const char *said = NULL;
	if (p->guard_count > 0)
		return EXIT_DONE;
	fill(&said, "Ports to guard, separated by blanks", "tcp/22=ssh", answer, is_asking);
	int rc = said == NULL ? say_usage("setup", "there is nothing to guard") : EXIT_DONE;
	for (char *g = strtok_r(answer, " ", &rest); g != NULL && rc == EXIT_DONE;
		g = strtok_r(NULL, " ", &rest))
		rc = take_guard(is_asking ? "--guard" : "the default --guard", g, p);
	return rc;
}

/* ------------------------------------------------------------------ words to plan */

static int refuse_name(const char *option, const char *text, enum name_reject reason)
{
	return say_usage("setup", "%s \"%s\": %s", option, text, name_reject_text(reason));
}

static int plan_names(const struct words *w, struct setup_plan *p)
{
	enum name_reject r = name_parse(w->org, true, &p->organisation);
	if (r == NAME_OK && p->organisation.parts[p->organisation.count - 1].type != NAME_O)
		return say_usage("setup",
			"--org \"%s\": write the organisation alone; a unit goes with --unit",
			w->org);
	if (r != NAME_OK)
		return refuse_name("--org", w->org, r);
	p->unit = p->organisation;
	p->has_unit = w->unit != NULL;
	if (p->has_unit)
		r = name_append(&p->organisation, NAME_OU, w->unit, &p->unit);
	if (r != NAME_OK)
		return refuse_name("--unit", w->unit, r);
	r = name_append(&p->unit, NAME_CN, w->server, &p->server);
	if (r != NAME_OK)
		return refuse_name("--server", w->server, r);
	r = name_append(&p->unit, NAME_CN, w->admin, &p->admin);
	if (r != NAME_OK)
		return refuse_name("--admin", w->admin, r);
	if (name_equal(&p->server, &p->admin))
		return say_usage("setup", "server and administrator are both named %s", w->admin);
	const struct name_part *o = &p->organisation.parts[p->organisation.count - 1];
	setup_file_name(o->value, o->len, ".pem", p->trust, sizeof(p->trust));
	return EXIT_DONE;
}

/* A folder as it was said, from / on. */
static int plan_folder(const char *option, const char *said, char to[PATH_MAX])
{
	char here[PATH_MAX] = "";
	size_t len = strlen(said);
	while (len > 1 && said[len - 1] == '/')
		len--;
	if (said[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return say_usage("setup", "%s %s: name it from / on", option, said);
	int n = snprintf(to, PATH_MAX, "%s%s%.*s", here, here[0] ? "/" : "", (int)len, said);
	if (n < 0 || n > PATH_MAX - NAME_MAX - 64)
		return say_usage("setup", "%s %s: the name is too long", option, said);
	return EXIT_DONE;
}

/* Nothing that certifies is made where it could be forgotten. */
static int plan_apart(const struct words *w, struct setup_plan *p)
{
	char said[PATH_MAX + 16];
	snprintf(p->apart, sizeof(p->apart), "%s", p->folder);
	if (!p->is_edge)
		return EXIT_DONE;
	snprintf(said, sizeof(said), "%s-certifier", p->folder);
	int rc = plan_folder("--certifier-dir", w->apart != NULL ? w->apart : said, p->apart);
	if (rc == EXIT_DONE && setup_is_within(p->apart, p->folder))
		return say_usage("setup",
			"--certifier-dir %s: this is within the folder that stays; name another",
			p->apart);
	return rc;
}

static int plan_place(const struct words *w, struct setup_plan *p)
{
	int rc = plan_folder("--dir", w->dir, p->folder);
	if (rc == EXIT_DONE)
		rc = plan_apart(w, p);
	if (rc != EXIT_DONE)
		return rc;
	if (!interface_name_is_good(w->interface))
		return say_usage(
			"setup", "--interface %s: not the name of an interface", w->interface);
	snprintf(p->interface, sizeof(p->interface), "%s", w->interface);
	if (strlen(w->host) > SETUP_HOST_MAX)
		return say_usage("setup", "--host: longer than %d characters", SETUP_HOST_MAX);
	snprintf(p->host, sizeof(p->host), "%s", w->host);
	p->is_user_own = getpwnam("postern") != NULL;
	p->user = p->is_user_own ? "postern" : "nobody";
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ an edge */

static bool confirm_inner(const struct setup_inner *in)
{
	char name[NAME_TEXT_MAX], answer[ANSWER_MAX];
	printf("%s, certifier\n  fingerprint   %s\n", name_format(&in->name, name),
		in->fingerprint);
	do {
		if (!ask("Is this what its owner reads out? (yes/no)", "", answer))
			return false;
	} while (strcmp(answer, "yes") != 0 && strcmp(answer, "no") != 0);
	return answer[0] == 'y';
}

static int plan_inner(const struct words *w, const char *path, struct setup_plan *p, bool is_asking)
{
	struct fault f;
	int rc = setup_inner_read(path, p, &f);
	if (rc < 0) {
		say_trouble("%s", f.text);
		return rc == -EDOM ? EXIT_REFUSED : EXIT_LOCAL;
	}
	if (w->is_yes)
		return EXIT_DONE;
	if (is_asking && confirm_inner(&p->inners[p->inner_count - 1]))
		return EXIT_DONE;
	say_trouble(
		"%s: nobody said that this is the owner's certificate; compare its fingerprint and "
		"say --yes",
		path);
	return EXIT_REFUSED;
}

static int plan_edge(const struct words *w, struct setup_plan *p, bool is_asking)
{
	int rc = EXIT_DONE;
	if (!p->is_edge && (w->inner_count > 0 || p->passthru_count > 0 || w->apart != NULL))
		return say_usage("setup", "%s goes with --edge",
			w->inner_count > 0              ? "--inner-certifier"
				: p->passthru_count > 0 ? "--passthru"
							: "--certifier-dir");
	for (size_t i = 0; i < w->inner_count && rc == EXIT_DONE; i++)
		rc = plan_inner(w, w->inners[i], p, is_asking);
	return rc;
}

static int plan(struct words *w, struct setup_plan *p)
{
	char machine[SETUP_HOST_MAX + 1] = "", guess[IF_NAMESIZE] = "";
	bool is_asking = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;

	if (gethostname(machine, sizeof(machine) - 1) < 0)
		machine[0] = '\0';
	if (!interface_guess(guess))
		guess[0] = '\0';
	if (w->dir == NULL)
		w->dir = "/etc/postern";
	fill(&w->org, "Name of the organisation", "", w->typed.org, is_asking);
	if (w->org == NULL)
		return say_usage("setup", "the organisation is missing; say --org NAME");
	fill(&w->server, "Name of this server", machine, w->typed.server, is_asking);
	if (w->server == NULL)
		return say_usage("setup", "the server is missing; say --server NAME");
	fill(&w->admin, "Name of the administrator", "Admin", w->typed.admin, is_asking);
	fill(&w->host, "Host name or address clients reach it by", machine, w->typed.host,
		is_asking);
	if (w->host == NULL)
		return say_usage("setup", "the host is missing; say --host HOST");
	fill(&w->interface, "Interface on which knocks come in", guess, w->typed.interface,
		is_asking);
	if (w->interface == NULL)
		return say_usage("setup",
			"there is no default route and not exactly one interface; "
			"say --interface NAME");
	int rc = fill_guards(p, is_asking);
	if (rc == EXIT_DONE)
		rc = plan_names(w, p);
	if (rc == EXIT_DONE)
		rc = plan_place(w, p);
	return rc == EXIT_DONE ? plan_edge(w, p, is_asking) : rc;
}

/* ------------------------------------------------------------------ the command */

int cmd_setup(int argc, char **argv)
{
	struct words w = { 0 };
	struct setup_plan p = { .now_ms = clock_wall_ms() };

	int rc = parse(argc, argv, &w, &p);
	if (rc != EXIT_DONE)
		return rc;
	if (w.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	rc = plan(&w, &p);
	return rc == EXIT_DONE ? setup_make(&p, w.password_file) : rc;
}
