/*
 * postern id cross: a person's own trust in a foreign name. It is the cross-certificate of postern certifier
 * cross, issued by the person's own ID and put where the person's client looks for it.
 */

#include <limits.h>
#include <unistd.h>

#include "cmd/certifier.h"
#include "cmd/client_home.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/say.h"

static const char help[] =
	"usage: postern id cross CARD [options]\n"
	"\n"
	"Trusts a server, unit or organisation that your certifiers have nothing to do\n"
	"with: your ID signs a cross-certificate for it, which goes into the folder\n"
	"trust of the client folder, where knock finds it. CARD is a server card or a\n"
	"PEM file with its certificates. Only you trust it, and only one way: that server\n"
	"must know you too, by its directory or by a cross-certificate of its own.\n"
	"\n"
	"  --id FILE           your ID file (default: default.id in the client folder)\n"
	"  --for organisation|unit|name  whom of the chain: the organisation, the nearest\n"
	"                      unit, or just the server (default: name)\n"
	"  --years N           how long it is valid, 1 to 100 (default: 10)\n"
	"  --fingerprint HEX   what its administrator says it is; instead of being asked\n"
	"  --yes               do not ask: the card came by a way that is trusted\n"
	"  -o, --out FILE      write it there (default: trust/NAME-cross.pem in the\n"
	"                      client folder)\n"
	"  --password-file F   read the password of your ID from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 refused, or it is not what its owner reads, 2 usage,\n"
	"4 wrong password or trouble with a file; after any but 0 nothing was written.\n";

static const struct option options[] = {
	{ "id", required_argument, NULL, CERTIFIER_OPT_CERTIFIER },
	{ "for", required_argument, NULL, CERTIFIER_OPT_FOR },
	{ "years", required_argument, NULL, CERTIFIER_OPT_YEARS },
	{ "fingerprint", required_argument, NULL, CERTIFIER_OPT_FINGERPRINT },
	{ "yes", no_argument, NULL, CERTIFIER_OPT_YES },
	{ "out", required_argument, NULL, 'o' },
	{ "password-file", required_argument, NULL, CERTIFIER_OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct certifier_command command = {
	.name = "id cross", .help = help, .operand = "CARD", .options = options
};

int id_cross(int argc, char **argv)
{
	struct certifier_args args = { 0 };
	char id[PATH_MAX], folder[PATH_MAX];
	struct fault f;

	int code = certifier_parse(&command, argc, argv, &args);
	if (code != EXIT_DONE || args.is_help)
		return code;
	if (args.certifier == NULL) {
		int rc = client_home_id(id, &f);
		if (rc < 0)
			return certifier_end(rc, &f);
		args.certifier = id;
	}
	if (args.out != NULL)
		return certifier_cross_run(&args);
	int rc = client_home_trust(true, folder, &f);
	if (rc < 0)
		return certifier_end(rc, &f);
	args.folder = folder;
	code = certifier_cross_run(&args);
	/* It was made for what was not written: then it is empty, and goes only if it is. */
	if (code != EXIT_DONE)
		rmdir(folder);
	return code;
}
