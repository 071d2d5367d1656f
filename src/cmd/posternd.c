/* posternd: the daemon. Parses its options and hands over. */

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/say.h"
#include "daemon/monitor.h"
#include "daemon/offline.h"
#include "daemon/place.h"

#define CONFIG_DEFAULT "/etc/postern/postern.conf"

static const char help[] =
	"usage: posternd [-c FILE]\n"
	"       posternd [-c FILE] --check\n"
	"       posternd [-c FILE] --read CAPTURE [--json]\n"
	"\n"
	"Watches for knocks, in the foreground.\n"
	"\n"
	"  -c, --config FILE   the configuration (default: " CONFIG_DEFAULT ")\n"
	"  --check             check the configuration and print it whole; do nothing\n"
	"  --read CAPTURE      say what each knock in a saved capture would have done\n"
	"  --json              with --read: one JSON object a line\n"
	"\n"
	"Logs to standard error. SIGHUP, or posternctl reload, reads the configuration\n"
	"again; SIGTERM stops. Guarded ports stay closed in the kernel whatever becomes\n"
	"of the daemon.\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 trouble on this machine. More: man posternd,\n"
	"man postern.conf\n";

enum { OPT_CHECK = 256, OPT_READ, OPT_JSON, OPT_VERSION };

struct options {
	const char *config;
	const char *capture;
	bool is_check, is_json;
	int status; /* -1: go on */
};

static struct options parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "read", required_argument, NULL, OPT_READ },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .config = CONFIG_DEFAULT, .status = -1 };
	int c;
	while (o.status < 0 && (c = say_next_option("", argc, argv, longs)) != -1) {
		switch (c) {
		case 'c':
			o.config = optarg;
			break;
		case OPT_CHECK:
			o.is_check = true;
			break;
		case OPT_READ:
			o.capture = optarg;
			break;
		case OPT_JSON:
			o.is_json = true;
			break;
		case OPT_VERSION:
			puts("posternd " POSTERN_VERSION);
			o.status = EXIT_DONE;
			break;
		case 'h':
			fputs(help, stdout);
			o.status = EXIT_DONE;
			break;
		default:
			o.status = EXIT_USAGE;
		}
	}
	if (o.status < 0 && optind < argc)
		o.status = say_usage("", "%s: one argument too many", argv[optind]);
	if (o.status < 0 && o.is_check && o.capture != NULL)
		o.status = say_usage("", "--check and --read exclude each other; choose one");
	if (o.status < 0 && o.is_json && o.capture == NULL)
		o.status = say_usage("", "--json goes with --read only");
	return o;
}

static int run(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	if (o.status >= 0)
		return o.status;
	if (sodium_init() < 0) {
		say_trouble("libsodium could not be started");
		return EXIT_LOCAL;
	}
	if (o.is_check)
		return offline_check(o.config);
	if (o.capture != NULL)
		return offline_read(o.config, o.capture, o.is_json);
	place_keep_argv(argc, argv);
	return monitor_run(o.config);
}

int main(int argc, char **argv)
{
	say_as("posternd");
	return say_end(run(argc, argv));
}
