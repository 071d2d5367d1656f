/* The postern program: finds the command and runs it. The commands are in files of their own. */

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/say.h"

static const char help[] =
	"usage: postern COMMAND [arguments]\n"
	"\n"
	"  setup              make the first server: keys, certificates, configuration\n"
	"  knock HOST [SVC]   ask a server to open a service for you\n"
	"  close HOST [SVC]   ask it to close the service again\n"
	"  send HOST ACTION   ask it to run something it knows by that name\n"
	"  connect HOST PORT  knock, then carry stdin and stdout: an ssh ProxyCommand;\n"
	"                     with --through EDGE, by way of an edge server\n"
	"  tunnel             stay, and carry local ports through an edge server\n"
	"  profile list|show|add|remove\n"
	"                     keep the options of a knock under a name\n"
	"  id new NAME        make a key, a certificate and an ID file for a person\n"
	"  id show FILE       say whose ID file it is, without the password\n"
	"  id PART            passwd, renew, protect, recover, encrypt, ...: all the rest\n"
	"                     of a key's life; see postern id --help\n"
	"  certifier PART     new, sign, cross, revoke, crl, rollover, show, recovery:\n"
	"                     make certifiers, certify others, take it back\n"
	"  directory PART     add, remove, lock, disable, import, list, check, ...: the\n"
	"                     list of those a server knows\n"
	"  audit TARGET...    say how good the TLS of servers and mail domains is\n"
	"  audit stealth HOST say what strangers see of ports that should be silent\n"
	"\n"
	"postern COMMAND --help explains one command, postern --version says which\n"
	"version this is.\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 3 no answer, 4 trouble on this machine\n"
	"(file, network, key or password).\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "setup", cmd_setup },
	{ "knock", cmd_knock },
	{ "close", cmd_close },
	{ "send", cmd_send },
	{ "connect", cmd_connect },
	{ "tunnel", cmd_tunnel },
	{ "profile", cmd_profile },
	{ "id", cmd_id },
	{ "certifier", cmd_certifier },
	{ "directory", cmd_directory },
	{ "audit", cmd_audit },
};

static int run(int argc, char **argv)
{
	if (argc < 2) {
		fputs("postern: no command was given; see postern --help\n", stderr);
		return EXIT_USAGE;
	}
	const char *what = argv[1];
	if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0 || strcmp(what, "help") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	if (strcmp(what, "--version") == 0) {
		puts("postern " POSTERN_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(what, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "postern: there is no %s %s; see postern --help\n",
		what[0] == '-' ? "option" : "command", what);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0) {
		say_trouble("libsodium could not be started");
		return EXIT_LOCAL;
	}
	return say_end(run(argc, argv));
}
