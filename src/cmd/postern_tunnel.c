/* postern tunnel: local ports that lead through edge servers, for as long as it runs. */

#include "cmd/commands.h"
#include "cmd/knock_args.h"
#include "cmd/tunnel.h"

/* The ports come first: one that is taken is found out before the password is asked for. */
static int stay(const struct knock_args *a)
{
	struct tunnel_listeners listeners = { 0 };
	struct through way = { 0 };

	int rc = tunnel_listen(a, &listeners);
	if (rc == EXIT_DONE)
		rc = through_open(a, &way);
	if (rc == EXIT_DONE)
		rc = tunnel_run(&way, &listeners);
	through_close(&way);
	tunnel_close(&listeners);
	return rc;
}

int cmd_tunnel(int argc, char **argv)
{
	struct knock_args args;
	bool is_help;

	int rc = knock_args_parse(KNOCK_TUNNEL, argc, argv, &args, &is_help);
	if (rc == EXIT_DONE && !is_help)
		rc = stay(&args);
	knock_args_free(&args);
	return rc;
}
