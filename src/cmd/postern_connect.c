/*
 * postern connect: knock, connect, carry. Under ssh stdout is the connection itself, so all there is to
 * say goes to stderr, one line.
 */

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/carry.h"
#include "cmd/commands.h"
#include "cmd/knock_args.h"
#include "cmd/say.h"
#include "cmd/visit.h"

#define CONNECT_TIMEOUT_MS 15000

static void tell_opened(const struct visit *v)
{
	char address[ADDR_TEXT_MAX], length[TIME_TEXT_MAX];
	struct addr observed = addr_v6(v->answer.observed);
	fprintf(stderr, "postern: %s opened tcp/%u for %s, %s\n", v->args->host,
		(unsigned)v->args->service_port, addr_format(&observed, address),
		duration_format(v->answer.granted_s, length));
}

static int carry(const struct visit *v)
{
	struct fault f;
	int fd = carry_connect(&v->peers[v->peer], v->args->service_port, v->args->source_port,
		CONNECT_TIMEOUT_MS, &f);
	if (fd < 0) {
		say_trouble("%s: %s", v->args->host, f.text);
		return EXIT_LOCAL;
	}
	int rc = carry_run(fd, STDIN_FILENO, STDOUT_FILENO, &f);
	close(fd);
	if (rc < 0)
		say_trouble("%s: %s", v->args->host, f.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

int cmd_connect(int argc, char **argv)
{
	struct knock_args args;
	struct visit v;
	bool is_help;

	int rc = knock_args_parse(KNOCK_CONNECT, argc, argv, &args, &is_help);
	if (rc != EXIT_DONE || is_help)
		return rc;
	rc = visit_open(&args, &v);
	if (rc == EXIT_DONE)
		rc = visit_knock(&v);
	if (rc == EXIT_DONE && v.answer.status != POSTERN_OK) {
		say_trouble("%s did not open tcp/%u: %s", args.host, (unsigned)args.service_port,
			postern_status_advice(v.answer.status));
		rc = EXIT_REFUSED;
	} else if (rc == EXIT_DONE) {
		if (args.is_verbose)
			tell_opened(&v);
		rc = carry(&v);
	}
	visit_close(&v);
	return rc;
}
