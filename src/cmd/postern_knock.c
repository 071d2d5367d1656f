/*
 * postern knock, close and send: one visit to a server, and its answer told; or a knock of a classic
 * scheme, which has none.
 */

#include "cmd/answer.h"
#include "cmd/commands.h"
#include "cmd/exchange.h"
#include "cmd/knock_args.h"
#include "cmd/say.h"
#include "cmd/scheme.h"
#include "cmd/visit.h"

static int dry_run(struct visit *v)
{
	struct exchange x = {
		.card = v->card,
		.id = v->id,
		.request = &v->request,
		.memory = &v->memory,
	};
	struct fault f;
	size_t len;
	if (exchange_dry_run(&x, &len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	answer_tell_dry_run(v, len);
	return EXIT_DONE;
}

static int visit(const struct knock_args *args)
{
	struct visit v;
	int rc = visit_open(args, &v);
	if (rc != EXIT_DONE)
		goto out;
	if (args->is_dry_run) {
		rc = dry_run(&v);
		goto out;
	}
	rc = visit_knock(&v);
	if (rc == EXIT_DONE)
		rc = answer_tell(&v);
	else
		answer_tell_none(&v, rc);
out:
	visit_close(&v);
	return rc;
}

static int knock(enum knock_command command, int argc, char **argv)
{
	struct knock_args args;
	bool is_help;

	int rc = knock_args_parse(command, argc, argv, &args, &is_help);
	if (rc == EXIT_DONE && !is_help)
		rc = knock_args_save(&args);
	if (rc == EXIT_DONE && !is_help)
		rc = args.scheme == KNOCK_SPA ? visit(&args) : scheme_knock(&args);
	knock_args_free(&args);
	return rc;
}

int cmd_knock(int argc, char **argv)
{
	return knock(KNOCK_OPEN, argc, argv);
}

int cmd_close(int argc, char **argv)
{
	return knock(KNOCK_CLOSE, argc, argv);
}

int cmd_send(int argc, char **argv)
{
	return knock(KNOCK_SEND, argc, argv);
}
