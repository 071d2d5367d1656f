/* posternctl: the administrator's tool beside the daemon. Asks on the control socket, shows the answer. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/control_client.h"
#include "cmd/control_journal.h"
#include "cmd/control_show.h"
#include "cmd/control_trial.h"
#include "cmd/control_why.h"
#include "cmd/doctor.h"
#include "cmd/import.h"
#include "cmd/say.h"
#include "daemon/trial.h"

#define LIMIT_MAX 1000000
#define CONFIG_DEFAULT "/etc/postern/postern.conf"
#define LIMIT_DEFAULT 100
#define LIMIT_FOLLOW 10
#define LIMIT_WHY 5
#define STORE_DEFAULT "/var/lib/postern/postern.db"

static const char help[] =
	"usage: posternctl COMMAND [options]\n"
	"\n"
	"  status        what the daemon sees and does\n"
	"  metrics       counters, in the OpenMetrics text form\n"
	"  gates         the gates that are open now, and who is let through by passthrus\n"
	"  close WHAT    close gates: of a NAME, of an ADDRESS, a grant number; or --all\n"
	"  reload        read the configuration again; open gates stay\n"
	"  journal       what was decided and why\n"
	"  doctor        could you come back if you logged out now; what is in the way\n"
	"  trial TIME    run a changed configuration; back after TIME if not confirmed\n"
	"  disarm        remove the rules for good: what was guarded is open\n"
	"  revoke NAME   lock a name out, close its gates and end its connections\n"
	"  restore NAME  let it in again\n"
	"  why NAME SERVICE  would it be let in; if not, what would have to change\n"
	"  why NAME|ADDRESS  what was decided last about it, and what to do about that\n"
	"  import knockd|fwknop FILE...  their configuration as blocks of postern.conf;\n"
	"                see posternctl import --help\n"
	"\n"
	"  -s, --socket FILE   control socket (default: " CONTROL_DEFAULT ")\n"
	"  --json              one JSON object a line\n"
	"\n"
	"close:\n"
	"  --all               every gate\n"
	"  --cut               end the connections that came through them, too\n"
	"\n"
	"journal:\n"
	"  --since WHEN        30s, 5m, 8h, 2d ago, or 2026-11-22T10:00:00Z\n"
	"  --until WHEN        not after that\n"
	"  --name NAME         about this name\n"
	"  --address ADDRESS   about this source\n"
	"  --service SERVICE   about this service\n"
	"  --event EVENT       of this kind, such as granted or refused\n"
	"  --limit N           the newest N (default: 100)\n"
	"  --follow            then each new record as it comes\n"
	"  --verify            is every record there, as it was written?\n"
	"  --export FILE       write all of it to a file (- for stdout)\n"
	"  --from FILE         with --verify and --export: from this export on\n"
	"  --store FILE        read this when no daemon answers, or for the last four\n"
	"                      (default: " STORE_DEFAULT ")\n"
	"\n"
	"doctor:\n"
	"  --as NAME           who wants to come back; may stand several times\n"
	"  -c, --config FILE   what posternd is started with\n"
	"                      (default: " CONFIG_DEFAULT ")\n"
	"\n"
	"trial:\n"
	"  -c, --config FILE   try this file, which lies beside the live one\n"
	"                      (default: the live one, as it was edited)\n"
	"  --live FILE         what posternd was started with\n"
	"                      (default: " CONFIG_DEFAULT ")\n"
	"  --confirm           keep what is tried; --abort: go back at once\n"
	"\n"
	"disarm:\n"
	"  --yes               do not ask\n"
	"\n"
	"revoke:\n"
	"  --reason TEXT       why, for the journal and the list\n"
	"  --list              who is locked out\n"
	"\n"
	"why:\n"
	"  --limit N           with a name or address alone: the last N (default: 5)\n"
	"  --address ADDRESS   coming from there (default: where from= allows)\n"
	"  --door DOOR         through this door (default: each)\n"
	"  -c, --config FILE   answer from this file, without a daemon\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 3 no daemon answers, 4 trouble on this\n"
	"machine. More: man posternctl\n";

enum {
	OPT_JSON = 256,
	OPT_CUT,
	OPT_ALL,
	OPT_SINCE,
	OPT_UNTIL,
	OPT_SERVICE,
	OPT_EVENT,
	OPT_FOLLOW,
	OPT_VERIFY,
	OPT_EXPORT,
	OPT_FROM,
	OPT_NAME,
	OPT_ADDRESS,
	OPT_LIMIT,
	OPT_STORE,
	OPT_REASON,
	OPT_LIST,
	OPT_DOOR,
	OPT_LIVE,
	OPT_CONFIRM,
	OPT_ABORT,
	OPT_YES,
	OPT_AS,
	OPT_VERSION,
};

struct options {
	const char *socket, *store, *name, *address, *reason, *door, *config;
	const char *live, *only_service, *export, *from;
	struct doctor_options doctor;
	bool is_json, is_cut, is_all, is_list, is_follow, is_verify;
	bool is_confirm, is_abort, is_yes;
	uint64_t since_ms, until_ms;
	enum store_event event;
	unsigned long limit; /* 0: not given */
	const char *command, *what, *service;
};

static bool parse_since(const char *text, uint64_t *ret_ms)
{
	uint32_t ago = 0;
	struct tm tm = { 0 };
	if (duration_parse(text, &ago) == 0) {
		*ret_ms = clock_wall_ms() - ago * 1000ull;
		return true;
	}
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL) {
		tm = (struct tm){ 0 };
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	if (end == NULL || *end != '\0')
		return false;
	*ret_ms = (uint64_t)timegm(&tm) * 1000;
	return true;
}

/* An option of the journal; -1 to go on, else an exit status. */
static int take_of_journal(int c, struct options *o)
{
	switch (c) {
	case OPT_SINCE:
		return parse_since(optarg, &o->since_ms)
			? -1
			: say_usage("", "--since %s: neither a duration nor a time", optarg);
	case OPT_UNTIL:
		return parse_since(optarg, &o->until_ms)
			? -1
			: say_usage("", "--until %s: neither a duration nor a time", optarg);
	case OPT_SERVICE:
		o->only_service = optarg;
		return -1;
	case OPT_EVENT:
		return store_event_parse(optarg, &o->event)
			? -1
			: say_usage("", "--event %s: there is none of this name, see posternctl(8)",
				  optarg);
	case OPT_FOLLOW:
		o->is_follow = true;
		return -1;
	case OPT_VERIFY:
		o->is_verify = true;
		return -1;
	case OPT_EXPORT:
		o->export = optarg;
		return -1;
	case OPT_FROM:
		o->from = optarg;
		return -1;
	default:
		return EXIT_USAGE;
	}
}

/* One option; -1 to go on, else an exit status. */
static int take(int c, struct options *o)
{
	switch (c) {
	case 's':
		o->socket = optarg;
		return -1;
	case OPT_JSON:
		o->is_json = true;
		return -1;
	case OPT_CUT:
		o->is_cut = true;
		return -1;
	case OPT_ALL:
		o->is_all = true;
		return -1;
	case OPT_NAME:
		o->name = optarg;
		return -1;
	case OPT_ADDRESS:
		o->address = optarg;
		return -1;
	case OPT_LIMIT:
		return say_parse_number(optarg, LIMIT_MAX, &o->limit)
			? -1
			: say_usage("", "--limit %s: not a number from 1 to %d", optarg, LIMIT_MAX);
	case OPT_STORE:
		o->store = optarg;
		return -1;
	case OPT_REASON:
		o->reason = optarg;
		return -1;
	case OPT_LIST:
		o->is_list = true;
		return -1;
	case OPT_DOOR:
		o->door = optarg;
		return -1;
	case 'c':
		o->config = optarg;
		return -1;
	case OPT_LIVE:
		o->live = optarg;
		return -1;
	case OPT_CONFIRM:
		o->is_confirm = true;
		return -1;
	case OPT_ABORT:
		o->is_abort = true;
		return -1;
	case OPT_AS:
		if (o->doctor.name_count == DOCTOR_NAMES_MAX)
			return say_usage(
				"", "--as %s: more than %d names", optarg, DOCTOR_NAMES_MAX);
		o->doctor.names[o->doctor.name_count++] = optarg;
		return -1;
	case OPT_YES:
		o->is_yes = true;
		return -1;
	case OPT_VERSION:
		puts("posternctl " POSTERN_VERSION);
		return EXIT_DONE;
	case 'h':
		fputs(help, stdout);
		return EXIT_DONE;
	default:
		return take_of_journal(c, o);
	}
}

/* Commands with a name or something like it behind them. */
static bool takes_what(const char *command)
{
	static const char *const commands[] = { "close", "revoke", "restore", "why", "trial" };
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(command, commands[i]) == 0)
			return true;
	return false;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "cut", no_argument, NULL, OPT_CUT },
		{ "all", no_argument, NULL, OPT_ALL },
		{ "since", required_argument, NULL, OPT_SINCE },
		{ "until", required_argument, NULL, OPT_UNTIL },
		{ "service", required_argument, NULL, OPT_SERVICE },
		{ "event", required_argument, NULL, OPT_EVENT },
		{ "follow", no_argument, NULL, OPT_FOLLOW },
		{ "verify", no_argument, NULL, OPT_VERIFY },
		{ "export", required_argument, NULL, OPT_EXPORT },
		{ "from", required_argument, NULL, OPT_FROM },
		{ "name", required_argument, NULL, OPT_NAME },
		{ "address", required_argument, NULL, OPT_ADDRESS },
		{ "limit", required_argument, NULL, OPT_LIMIT },
		{ "store", required_argument, NULL, OPT_STORE },
		{ "reason", required_argument, NULL, OPT_REASON },
		{ "list", no_argument, NULL, OPT_LIST },
		{ "door", required_argument, NULL, OPT_DOOR },
		{ "config", required_argument, NULL, 'c' },
		{ "live", required_argument, NULL, OPT_LIVE },
		{ "confirm", no_argument, NULL, OPT_CONFIRM },
		{ "abort", no_argument, NULL, OPT_ABORT },
		{ "yes", no_argument, NULL, OPT_YES },
		{ "as", required_argument, NULL, OPT_AS },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;
	while ((c = say_next_option("", argc, argv, longs)) != -1) {
		int status = take(c, o);
		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return say_usage("", "no command was given");
	o->command = argv[optind++];
	if (takes_what(o->command) && optind < argc)
		o->what = argv[optind++];
	if (strcmp(o->command, "why") == 0 && optind < argc)
		o->service = argv[optind++];
	if (optind < argc)
		return say_usage("", "%s: one argument too many", argv[optind]);
	return -1;
}

static int run_close(const struct options *o)
{
	if ((o->what == NULL) != o->is_all)
		return say_usage("", "close takes a name, an address or a grant number, or --all");
	json_t *q = json_pack("{s:s, s:s, s:b}", "command", "close", "what",
		o->is_all ? "" : o->what, "cut", o->is_cut);
	return control_ask(o->socket, q, o->is_json, control_show_nothing);
}

static int run_journal(const struct options *o)
{
	struct journal_wish w = {
		.socket = o->socket,
		.store = o->store,
		.address = o->address,
		.is_json = o->is_json,
		.from = o->from,
		.query = { .since_ms = o->since_ms, .until_ms = o->until_ms, .event = o->event },
	};
	struct store_query *q = &w.query;
	unsigned short_limit = o->is_follow ? LIMIT_FOLLOW : LIMIT_DEFAULT;
	q->limit = o->limit != 0 ? (uint32_t)o->limit : short_limit;
	if (o->is_follow + o->is_verify + (o->export != NULL) > 1)
		return say_usage(
			"", "--follow, --verify and --export exclude each other; choose one");
	if (o->from != NULL && !o->is_verify && o->export == NULL)
		return say_usage("", "--from goes with --verify and --export only");
	if (*o->address != '\0' && !addr_parse(o->address, &q->source))
		return say_usage("", "--address %s: not an address in numbers", o->address);
	snprintf(q->name, sizeof(q->name), "%s", o->name);
	snprintf(q->service, sizeof(q->service), "%s", o->only_service);
	if (o->is_follow)
		return control_journal_follow(&w);
	if (o->is_verify)
		return control_journal_verify(&w);
	if (o->export != NULL)
		return control_journal_export(&w, o->export);
	return control_journal_show(&w);
}

/* Who asks, when sudo says so. */
static const char *by(void)
{
	const char *user = getenv("SUDO_USER");
	return user != NULL ? user : "";
}

static int run_revoke(const struct options *o)
{
	if ((o->what == NULL) != o->is_list)
		return say_usage("", "revoke takes a name, or --list");
	if (o->is_list)
		return control_ask(o->socket, json_pack("{s:s}", "command", "lockouts"), o->is_json,
			control_show_lockout);
	json_t *q = json_pack("{s:s, s:s, s:s, s:s}", "command", "revoke", "name", o->what, "by",
		by(), "text", o->reason);
	if (q == NULL)
		return say_usage("", "revoke: the name or the reason is no UTF-8");
	return control_ask(o->socket, q, o->is_json, control_show_nothing);
}

static int run_restore(const struct options *o)
{
	if (o->what == NULL)
		return say_usage("", "restore takes a name");
	json_t *q = json_pack("{s:s, s:s, s:s}", "command", "restore", "name", o->what, "by", by());
	if (q == NULL)
		return say_usage("", "restore: the name is no UTF-8");
	return control_ask(o->socket, q, o->is_json, control_show_nothing);
}

static int run_why_last(const struct options *o)
{
	if (o->config != NULL)
		return say_usage("", "--config goes with a name and a service");
	struct journal_wish w = { .store = o->store, .socket = o->socket, .is_json = o->is_json };
	w.query.limit = o->limit != 0 ? (uint32_t)o->limit : LIMIT_WHY;
	if (!addr_parse(o->what, &w.query.source))
		snprintf(w.query.name, sizeof(w.query.name), "%s", o->what);
	return control_journal_last(&w, o->what);
}

static int run_why(const struct options *o)
{
	struct why_question question = { o->what, o->service, o->address, o->door };
	if (o->what == NULL)
		return say_usage("", "why takes a name or an address, or a name and a service");
	if (o->service == NULL)
		return run_why_last(o);
	if (o->config != NULL)
		return control_answer_why(o->config, &question, o->is_json);
	json_t *q = json_pack("{s:s, s:s, s:s, s:s, s:s}", "command", "why", "name", o->what,
		"service", o->service, "address", o->address, "door", o->door);
	if (q == NULL)
		return say_usage("", "why: the name or the service is no UTF-8");
	return control_ask(o->socket, q, o->is_json, control_show_why);
}

static int run_trial(const struct options *o)
{
	struct control_trial t = { o->socket, o->live, o->config, 0 };
	if ((o->what != NULL) + o->is_confirm + o->is_abort != 1)
		return say_usage("", "trial takes a time, or --confirm, or --abort");
	if (o->is_confirm)
		return control_trial_confirm(&t);
	if (o->is_abort)
		return control_trial_abort(&t);
	if (duration_parse(o->what, &t.length_s) < 0 || t.length_s < TRIAL_MIN_S ||
		t.length_s > TRIAL_MAX_S)
		return say_usage("", "trial %s: not a time from 10s to 1d", o->what);
	return control_trial_begin(&t);
}

static int run_doctor(struct options *o)
{
	o->doctor.socket = o->socket;
	o->doctor.config = o->config != NULL ? o->config : CONFIG_DEFAULT;
	o->doctor.is_json = o->is_json;
	return doctor_run(&o->doctor);
}

static int run(int argc, char **argv)
{
	struct options o = {
		.socket = CONTROL_DEFAULT,
		.store = STORE_DEFAULT,
		.name = "",
		.address = "",
		.reason = "",
		.door = "",
		.live = CONFIG_DEFAULT,
		.only_service = "",
	};
	/* It has options of its own, and no daemon. */
	if (argc > 1 && strcmp(argv[1], "import") == 0)
		return cmd_import(argc - 1, argv + 1);
	int status = parse(argc, argv, &o);
	if (status >= 0)
		return status;
	if (strcmp(o.command, "status") == 0)
		return control_ask(o.socket, json_pack("{s:s}", "command", "status"), o.is_json,
			control_show_status);
	if (strcmp(o.command, "metrics") == 0)
		return control_ask(o.socket, json_pack("{s:s}", "command", "metrics"), o.is_json,
			control_show_metrics);
	if (strcmp(o.command, "gates") == 0)
		return control_ask(o.socket, json_pack("{s:s}", "command", "gates"), o.is_json,
			control_show_gate);
	if (strcmp(o.command, "reload") == 0)
		return control_ask(o.socket, json_pack("{s:s}", "command", "reload"), o.is_json,
			control_show_nothing);
	if (strcmp(o.command, "close") == 0)
		return run_close(&o);
	if (strcmp(o.command, "journal") == 0)
		return run_journal(&o);
	if (strcmp(o.command, "revoke") == 0)
		return run_revoke(&o);
	if (strcmp(o.command, "restore") == 0)
		return run_restore(&o);
	if (strcmp(o.command, "why") == 0)
		return run_why(&o);
	if (strcmp(o.command, "trial") == 0)
		return run_trial(&o);
	if (strcmp(o.command, "doctor") == 0)
		return run_doctor(&o);
	if (strcmp(o.command, "disarm") == 0)
		return control_disarm(o.socket, o.is_yes);
	return say_usage("", "there is no command %s", o.command);
}

int main(int argc, char **argv)
{
	say_as("posternctl");
	return say_end(run(argc, argv));
}
