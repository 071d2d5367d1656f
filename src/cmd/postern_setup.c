/*
 * postern setup: from words on the command line, or typed on a terminal, to a plan in which everything is
 * decided. setup_make.c carries it out.
 */

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
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* What was said on the command line, or typed or taken for granted later; NULL: not said. */
struct words {
	const char *org, *unit, *server, *admin, *dir, *interface, *host, *password_file;
	bool is_help;
	struct {
		char org[ANSWER_MAX], server[ANSWER_MAX], admin[ANSWER_MAX], host[ANSWER_MAX],
			interface[ANSWER_MAX];
	} typed; /* where the text lives that did not come from argv */
};

/* ------------------------------------------------------------------ the command line */

static int take_guard(const char *text, struct setup_plan *p)
{
	struct setup_guard g;
	struct fault f;
	if (setup_guard_parse(text, &g, &f) < 0)
		return say_usage("setup", "--guard %s", f.text);
	for (size_t i = 0; i < p->guard_count; i++) {
		if (strcmp(p->guards[i].name, g.name) == 0)
			return say_usage(
				"setup", "--guard %s: there is a service %s already", text, g.name);
		if (p->guards[i].proto == g.proto && p->guards[i].port == g.port)
			return say_usage("setup", "--guard %s: %s guards that port already", text,
				p->guards[i].name);
	}
	if (p->guard_count == SETUP_GUARDS_MAX)
		return say_usage("setup",
			"--guard %s: that is more than %d; write the others into "
			"postern.conf afterwards",
			text, SETUP_GUARDS_MAX);
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
		return take_guard(optarg, p);
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
		rc = take_guard(g, p);
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

static int plan_place(const struct words *w, struct setup_plan *p)
{
	char here[PATH_MAX] = "";
	size_t len = strlen(w->dir);
	while (len > 1 && w->dir[len - 1] == '/')
		len--;
	if (w->dir[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return say_usage("setup", "--dir %s: name it from / on", w->dir);
	int n = snprintf(p->folder, sizeof(p->folder), "%s%s%.*s", here, here[0] ? "/" : "",
		(int)len, w->dir);
	if (n < 0 || (size_t)n > sizeof(p->folder) - NAME_VALUE_MAX - 64)
		return say_usage("setup", "--dir %s: the name is too long", w->dir);
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
	return rc == EXIT_DONE ? plan_place(w, p) : rc;
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
