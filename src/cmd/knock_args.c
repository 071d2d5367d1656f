/* The options of knock, close, connect and send: one table, each command takes its part of it. */

#include "cmd/knock_args.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/say.h"

#define SERVICE_NAME_MAX 63

static const char help_knock[] =
	"usage: postern knock HOST [SERVICE] [options]\n"
	"\n"
	"Asks the server HOST to open SERVICE (a name, or tcp/22) for you: one sealed\n"
	"packet, one sealed answer. Without SERVICE, the one its server card names.\n"
	"\n";

static const char help_close[] =
	"usage: postern close HOST [SERVICE] [options]\n"
	"\n"
	"Asks the server HOST to close what it opened for you. Without SERVICE, the\n"
	"service its server card names.\n"
	"\n";

static const char help_connect[] =
	"usage: postern connect HOST PORT [options]\n"
	"\n"
	"Knocks for tcp/PORT, connects to it and carries stdin and stdout. In ssh_config:\n"
	"    ProxyCommand postern connect %h %p\n"
	"\n";

static const char help_send[] =
	"usage: postern send HOST ACTION [options]\n"
	"\n"
	"Asks the server HOST to run ACTION, which its administrator has given a name,\n"
	"and says how it ended. It runs once, however often the packet is sent.\n"
	"\n"
	"  --message TEXT      a text of up to 900 bytes to go with it; - reads it\n"
	"                      from standard input, without the last line end\n";

static const char help_for[] =
	"  --for TIME          how long: 30s, 5m, 8h (default: what the service gives)\n";

static const char help_common[] =
	"  --address ADDR      the address to open, signed into the knock; observed (the\n"
	"                      default) is the one the server sees\n"
	"  --source-port N     only for connections that come from this port\n"
	"  --prefix N          with --address: for its whole network of N bits (24, 64)\n"
	"  --id FILE           your ID file (default: default.id in the client folder)\n"
	"  --agent             knock with a key in your SSH agent instead of an ID file\n"
	"  --agent-key KEY     which one: fingerprint, comment or .pub file (default: the\n"
	"                      first ssh-ed25519 or sk-ssh-ed25519 key)\n"
	"  --allow-forwarded   use the agent even if it is forwarded from elsewhere\n"
	"  --identity KIND     say who you are by your key's id (key) or by certificates\n"
	"                      (chain); auto, the default, finds out which is known there\n"
	"  --card FILE         the server's card (default: in the client folder\n"
	"                      HOST.card, or the card that names HOST)\n"
	"  --password-file F   read the password of the ID from the first line of F\n"
	"  --port N            UDP port to knock on (default: the card's, often 62201)\n";

static const char help_report[] =
	"  --probe             open nothing; ask for the time and your address\n"
	"  --dry-run           do everything but send\n"
	"  --scheme spa        the kind of knock; this version has only spa\n"
	"  --json              print the answer as JSON\n"
	"  --quiet             print nothing when all is well\n";

static const char help_report_close[] = "  --dry-run           do everything but send\n"
					"  --json              print the answer as JSON\n"
					"  --quiet             print nothing when all is well\n";

static const char help_end[] =
	"  --verbose           also say what was corrected or has changed\n"
	"\n"
	"The client folder is $POSTERN_HOME, else $XDG_CONFIG_HOME/postern, else\n"
	"~/.config/postern. root may also use what setup left in /etc/postern.\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 3 no answer, 4 trouble on this machine.\n";

static const char *const command_names[] = {
	[KNOCK_OPEN] = "knock",
	[KNOCK_CLOSE] = "close",
	[KNOCK_CONNECT] = "connect",
	[KNOCK_SEND] = "send",
};

#define ALL (KNOCK_OPEN | KNOCK_CLOSE | KNOCK_CONNECT | KNOCK_SEND)
#define REPORTING (KNOCK_OPEN | KNOCK_CLOSE | KNOCK_SEND)

enum {
	OPT_FOR = 256,
	OPT_MESSAGE,
	OPT_ADDRESS,
	OPT_ID,
	OPT_AGENT,
	OPT_AGENT_KEY,
	OPT_ALLOW_FORWARDED,
	OPT_IDENTITY,
	OPT_CARD,
	OPT_PASSWORD_FILE,
	OPT_PORT,
	OPT_SOURCE_PORT,
	OPT_PREFIX,
	OPT_SCHEME,
	OPT_PROBE,
	OPT_DRY_RUN,
	OPT_JSON,
	OPT_QUIET,
	OPT_VERBOSE,
};

static const struct {
	struct option option;
	unsigned commands;
} table[] = {
	{ { "for", required_argument, NULL, OPT_FOR }, KNOCK_OPEN | KNOCK_CONNECT },
	{ { "message", required_argument, NULL, OPT_MESSAGE }, KNOCK_SEND },
	{ { "address", required_argument, NULL, OPT_ADDRESS }, ALL },
	{ { "id", required_argument, NULL, OPT_ID }, ALL },
	{ { "agent", no_argument, NULL, OPT_AGENT }, ALL },
	{ { "agent-key", required_argument, NULL, OPT_AGENT_KEY }, ALL },
	{ { "allow-forwarded", no_argument, NULL, OPT_ALLOW_FORWARDED }, ALL },
	{ { "identity", required_argument, NULL, OPT_IDENTITY }, ALL },
	{ { "card", required_argument, NULL, OPT_CARD }, ALL },
	{ { "password-file", required_argument, NULL, OPT_PASSWORD_FILE }, ALL },
	{ { "port", required_argument, NULL, OPT_PORT }, ALL },
	{ { "source-port", required_argument, NULL, OPT_SOURCE_PORT }, ALL },
	{ { "prefix", required_argument, NULL, OPT_PREFIX }, KNOCK_OPEN | KNOCK_CONNECT },
	{ { "scheme", required_argument, NULL, OPT_SCHEME }, KNOCK_OPEN },
	{ { "probe", no_argument, NULL, OPT_PROBE }, KNOCK_OPEN },
	{ { "dry-run", no_argument, NULL, OPT_DRY_RUN }, REPORTING },
	{ { "json", no_argument, NULL, OPT_JSON }, REPORTING },
	{ { "quiet", no_argument, NULL, OPT_QUIET }, REPORTING },
	{ { "verbose", no_argument, NULL, OPT_VERBOSE }, ALL },
	{ { "help", no_argument, NULL, 'h' }, ALL },
};

#define TABLE_LEN (sizeof(table) / sizeof(table[0]))

static void print_help(enum knock_command command)
{
	switch (command) {
	case KNOCK_OPEN:
		printf("%s%s%s%s%s", help_knock, help_for, help_common, help_report, help_end);
		break;
	case KNOCK_CLOSE:
		printf("%s%s%s%s", help_close, help_common, help_report_close, help_end);
		break;
	case KNOCK_SEND:
		printf("%s%s%s%s", help_send, help_common, help_report_close, help_end);
		break;
	case KNOCK_CONNECT:
		printf("%s%s%s%s", help_connect, help_for, help_common, help_end);
		break;
	}
}

static int take_time(const char *name, const char *text, uint32_t *ret)
{
	uint32_t s = 0;
	int rc = duration_parse(text, &s);
	if (rc == -ERANGE)
		return say_usage(name, "--for %s: longer than ten years", text);
	if (rc < 0)
		return say_usage(name, "--for %s: not a time; write 30s, 5m, 8h or 2d", text);
	if (s == 0)
		return say_usage(name, "--for %s: not even a second", text);
	*ret = s;
	return EXIT_DONE;
}

static int take_port(const char *name, const char *option, const char *text, uint16_t *ret)
{
	if (say_parse_port(text, ret))
		return EXIT_DONE;
	return say_usage(name, "%s%s: not a port; write a number from 1 to 65535", option, text);
}

static int take_address(const char *name, const char *text, const char **ret)
{
	struct addr a;
	if (strcmp(text, "observed") == 0) {
		*ret = NULL;
		return EXIT_DONE;
	}
	if (!addr_parse(text, &a))
		return say_usage(
			name, "--address %s: neither \"observed\" nor an address in numbers", text);
	*ret = text;
	return EXIT_DONE;
}

/* A port is a number of the same shape. */
static int take_prefix(const char *name, const char *text, uint8_t *ret)
{
	uint16_t bits = 0;
	if (!say_parse_port(text, &bits) || bits > 128)
		return say_usage(name,
			"--prefix %s: not a prefix length; write a number from 1 to 128", text);
	*ret = (uint8_t)bits;
	return EXIT_DONE;
}

static int take_scheme(const char *name, const char *text)
{
	if (strcmp(text, "spa") == 0)
		return EXIT_DONE;
	return say_usage(name, "--scheme %s: this version knows only spa", text);
}

static int take_identity(const char *name, const char *text, enum postern_identity *ret)
{
	static const char *const words[] = {
		[POSTERN_IDENTITY_AUTO] = "auto",
		[POSTERN_IDENTITY_KEY] = "key",
		[POSTERN_IDENTITY_CHAIN] = "chain",
	};
	for (unsigned i = 0; i <= POSTERN_IDENTITY_CHAIN; i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*ret = (enum postern_identity)i;
		return EXIT_DONE;
	}
	return say_usage(name, "--identity %s: neither auto nor key nor chain", text);
}

static int take_option(int c, struct knock_args *a)
{
	const char *name = command_names[a->command];
	switch (c) {
	case OPT_FOR:
		return take_time(name, optarg, &a->for_s);
	case OPT_ADDRESS:
		return take_address(name, optarg, &a->address);
	case OPT_PORT:
		return take_port(name, "--port ", optarg, &a->udp_port);
	case OPT_SOURCE_PORT:
		return take_port(name, "--source-port ", optarg, &a->source_port);
	case OPT_PREFIX:
		return take_prefix(name, optarg, &a->prefix);
	case OPT_SCHEME:
		return take_scheme(name, optarg);
	case OPT_IDENTITY:
		return take_identity(name, optarg, &a->identity);
	case OPT_MESSAGE:
		a->message = optarg;
		break;
	case OPT_ID:
		a->id = optarg;
		break;
	case OPT_AGENT:
		a->is_agent = true;
		break;
	case OPT_AGENT_KEY:
		a->agent_key = optarg;
		break;
	case OPT_ALLOW_FORWARDED:
		a->may_forward = true;
		break;
	case OPT_CARD:
		a->card = optarg;
		break;
	case OPT_PASSWORD_FILE:
		a->password_file = optarg;
		break;
	case OPT_PROBE:
		a->is_probe = true;
		break;
	case OPT_DRY_RUN:
		a->is_dry_run = true;
		break;
	case OPT_JSON:
		a->is_json = true;
		break;
	case OPT_QUIET:
		a->is_quiet = true;
		break;
	case OPT_VERBOSE:
		a->is_verbose = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= SERVICE_NAME_MAX &&
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int take_action(const char *text, struct knock_args *a)
{
	if (!is_name(text))
		return say_usage(command_names[a->command],
			"%s: not an action; its name has 1 to 63 of a-z, 0-9 and -", text);
	a->service = text;
	return EXIT_DONE;
}

/* "6000", or "6000-6010" for all of these. */
static int take_ports(const char *name, const char *proto, const char *text, struct knock_args *a)
{
	char first[8];
	const char *dash = strchr(text, '-');
	size_t len = dash != NULL ? (size_t)(dash - text) : 0;
	if (dash == NULL || len >= sizeof(first))
		return take_port(name, proto, text, &a->service_port);
	memcpy(first, text, len);
	first[len] = '\0';
	int rc = take_port(name, proto, first, &a->service_port);
	if (rc == EXIT_DONE)
		rc = take_port(name, proto, dash + 1, &a->service_port_last);
	if (rc == EXIT_DONE && a->service_port_last <= a->service_port)
		return say_usage(name, "%s%s: write the lower port first", proto, text);
	return rc;
}

/* "ssh", or "tcp/22" for a port whatever its name. */
static int take_service(const char *text, struct knock_args *a)
{
	const char *name = command_names[a->command];
	if (strncmp(text, "tcp/", 4) == 0 || strncmp(text, "udp/", 4) == 0) {
		a->proto = text[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return take_ports(name, text[0] == 't' ? "tcp/" : "udp/", text + 4, a);
	}
	if (!is_name(text))
		return say_usage(name,
			"%s: not a service; write its name (a-z, 0-9 and -) or tcp/PORT", text);
	a->service = text;
	return EXIT_DONE;
}

static int take_operands(int count, char **operands, struct knock_args *a)
{
	const char *name = command_names[a->command];
	bool is_connect = a->command == KNOCK_CONNECT;

	if (count < 1)
		return say_usage(name, "which HOST?");
	if (is_connect && count < 2)
		return say_usage(name, "which PORT of %s?", operands[0]);
	if (a->command == KNOCK_SEND && count < 2)
		return say_usage(name, "which ACTION of %s?", operands[0]);
	if (count > 2)
		return say_usage(name, "%s: one argument too many", operands[2]);
	a->host = operands[0];
	if (a->host[0] == '\0')
		return say_usage(name, "the name of the HOST is empty");
	if (is_connect) {
		a->proto = IPPROTO_TCP;
		return take_port(name, "", operands[1], &a->service_port);
	}
	if (a->command == KNOCK_SEND)
		return take_action(operands[1], a);
	if (a->is_probe && count == 2)
		return say_usage(name, "--probe asks for no service; leave %s out", operands[1]);
	return count == 2 ? take_service(operands[1], a) : EXIT_DONE;
}

/* An ID is a file with a password, or a key in an agent. */
static int check_id(const struct knock_args *a)
{
	const char *name = command_names[a->command];
	if (a->prefix != 0 && a->address == NULL)
		return say_usage(name, "--prefix is of an address; say --address ADDR as well");
	if (a->prefix != 0 && a->source_port != 0)
		return say_usage(name, "a network has no one port; leave --source-port out");
	if (a->is_agent && a->id != NULL)
		return say_usage(name, "--agent and --id are two identities; choose one");
	if (a->is_agent && a->password_file != NULL)
		return say_usage(name, "--agent needs no password; leave --password-file out");
	if (a->is_agent && a->identity == POSTERN_IDENTITY_CHAIN)
		return say_usage(
			name, "a key in an agent has no certificates; leave --identity out");
	if (!a->is_agent && (a->agent_key != NULL || a->may_forward))
		return say_usage(name, "%s is about an agent; say --agent as well",
			a->agent_key != NULL ? "--agent-key" : "--allow-forwarded");
	return EXIT_DONE;
}

int knock_args_parse(enum knock_command command, int argc, char **argv, struct knock_args *ret,
	bool *ret_is_help)
{
	struct option options[TABLE_LEN + 1] = { 0 };
	struct knock_args a = { .command = command };
	size_t count = 0;
	int c;

	for (size_t i = 0; i < TABLE_LEN; i++)
		if ((table[i].commands & command) != 0)
			options[count++] = table[i].option;
	*ret_is_help = false;
	while ((c = say_next_option(command_names[command], argc, argv, options)) != -1) {
		if (c == 'h') {
			print_help(command);
			*ret_is_help = true;
			return EXIT_DONE;
		}
		int rc = c == SAY_BAD_OPTION ? EXIT_USAGE : take_option(c, &a);
		if (rc != EXIT_DONE)
			return rc;
	}
	int rc = take_operands(argc - optind, argv + optind, &a);
	if (rc == EXIT_DONE)
		rc = check_id(&a);
	if (rc == EXIT_DONE)
		*ret = a;
	return rc;
}
