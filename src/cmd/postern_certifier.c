/* postern certifier: finds the part asked for. The parts are in files of their own. */

#include <stdio.h>
#include <string.h>

#include "cmd/certifier.h"
#include "cmd/commands.h"

static const char help[] =
	"usage: postern certifier new NAME [--certifier FILE] [options]\n"
	"       postern certifier sign REQUEST --certifier FILE [options]\n"
	"       postern certifier cross CERTIFICATE --certifier FILE [options]\n"
	"       postern certifier revoke --certifier FILE --certificate PEM [options]\n"
	"       postern certifier crl --certifier FILE [options]\n"
	"       postern certifier rollover FILE [options]\n"
	"       postern certifier show FILE [--json]\n"
	"       postern certifier recovery --certifier FILE --authority RECORD .. -m M\n"
	"\n"
	"Makes certifiers and does what they are for: certifies people, servers and other\n"
	"certifiers, trusts foreign ones, revokes, renews its own key, and says who can\n"
	"recover lost passwords. Each part explains itself with --help. A certifier's ID\n"
	"file belongs on a machine without a network.\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 trouble with a file or a password.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} parts[] = {
	{ "new", certifier_new },
	{ "sign", certifier_sign },
	{ "cross", certifier_cross },
	{ "revoke", certifier_revoke },
	{ "crl", certifier_crl },
	{ "rollover", certifier_rollover },
	{ "show", certifier_show },
	{ "recovery", certifier_recovery },
};

int cmd_certifier(int argc, char **argv)
{
	static const char words[] = "new, sign, cross, revoke, crl, rollover, show or recovery";
	if (argc < 2)
		return say_usage("certifier", "%s?", words);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(argv[1], parts[i].name) == 0)
			return parts[i].run(argc - 1, argv + 1);
	return say_usage("certifier", "there is no %s; it is %s", argv[1], words);
}
