/* posternd: the daemon. Parses its options and hands over. */

#include <getopt.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/monitor.h"
#include "daemon/offline.h"
#include "daemon/place.h"

#define CONFIG_DEFAULT "/etc/postern/postern.conf"

static const char help[] =
	"posternd [-c FILE]                    watch, in the foreground; log to standard error\n"
	"posternd [-c FILE] --check            check the configuration and print it whole\n"
	"posternd [-c FILE] --read PCAP        say what each knock in a capture would have done\n"
	"\n"
	"  -c, --config FILE   default " CONFIG_DEFAULT "\n"
	"      --json          with --read: one JSON object a line\n"
	"      --version, --help\n"
	"\n"
	"SIGHUP, or posternctl reload, reads the configuration again; SIGTERM stops. Guarded ports stay\n"
	"closed in the kernel whatever becomes of the daemon.\n"
	"Exit status: 0 done, 2 wrong options, 4 local trouble. More: man posternd, man postern.conf\n";

enum { OPT_CHECK = 256, OPT_READ, OPT_JSON, OPT_VERSION, OPT_HELP };

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
		{ "help", no_argument, NULL, OPT_HELP },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .config = CONFIG_DEFAULT, .status = -1 };
	int c;
	while (o.status < 0 && (c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
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
			o.status = 0;
			break;
		case OPT_HELP:
			fputs(help, stdout);
			o.status = 0;
			break;
		default:
			fputs("posternd --help lists the options\n", stderr);
			o.status = 2;
		}
	}
	if (o.status < 0 && optind < argc) {
		fprintf(stderr, "posternd: %s: not an option; posternd --help lists them\n",
			argv[optind]);
		o.status = 2;
	}
	if (o.status < 0 && o.is_check && o.capture != NULL) {
		fputs("posternd: --check and --read exclude each other; choose one\n", stderr);
		o.status = 2;
	}
	return o;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	if (o.status >= 0)
		return o.status;
	if (sodium_init() < 0) {
		fputs("posternd: libsodium does not start; no randomness?\n", stderr);
		return 4;
	}
	if (o.is_check)
		return offline_check(o.config);
	if (o.capture != NULL)
		return offline_read(o.config, o.capture, o.is_json);
	place_keep_argv(argc, argv);
	return monitor_run(o.config);
}
