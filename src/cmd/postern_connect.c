/*
 * postern connect: knock, connect, carry; straight or through edges. Under ssh stdout is the connection itself, so all there is to
 * say goes to stderr, one line.
 */

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/carry.h"
#include "cmd/commands.h"
#include "cmd/knock_args.h"
#include "cmd/say.h"
#include "cmd/scheme.h"
#include "cmd/through_carry.h"
#include "cmd/visit.h"

#define CONNECT_TIMEOUT_MS 15000
#define CLASSIC_TIMEOUT_MS 5000 /* without an answer nobody knows whether it opens at all */

static void tell_opened(const struct visit *v)
{
	char address[ADDR_TEXT_MAX], length[TIME_TEXT_MAX];
	struct addr observed = addr_v6(v->answer.observed);
	fprintf(stderr, "postern: %s opened tcp/%u for %s, %s\n", v->args->host,
		(unsigned)v->args->service_port, addr_format(&observed, address),
		duration_format(v->answer.granted_s, length));
}

static int run(const struct knock_args *a, int fd)
{
	struct fault f;
	int rc = carry_run(fd, STDIN_FILENO, STDOUT_FILENO, &f);
	close(fd);
	if (rc < 0)
		say_trouble("%s: %s", a->host, f.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

static int carry(const struct visit *v)
{
	struct fault f;
	int fd = carry_connect(&v->peers[v->peer], v->args->service_port, v->args->source_port,
		CONNECT_TIMEOUT_MS, &f);
	if (fd >= 0)
		return run(v->args, fd);
	say_trouble("%s: %s", v->args->host, f.text);
	return EXIT_LOCAL;
}

static int visit(const struct knock_args *a)
{
	struct visit v;
	int rc = visit_open(a, &v);
	if (rc == EXIT_DONE)
		rc = visit_knock(&v);
	if (rc == EXIT_DONE && v.answer.status != POSTERN_OK) {
		say_trouble("%s did not open tcp/%u: %s", a->host, (unsigned)a->service_port,
			postern_status_advice(v.answer.status));
		rc = EXIT_REFUSED;
	} else if (rc == EXIT_DONE) {
		if (a->is_verbose)
			tell_opened(&v);
		rc = carry(&v);
	}
	visit_close(&v);
	return rc;
}

static int classic(const struct knock_args *a)
{
	struct scheme_route route;
	int rc = scheme_open(a, &route);
	if (rc != EXIT_DONE)
		return rc;
	int fd = scheme_wait(&route, a->service_port, CLASSIC_TIMEOUT_MS);
	if (fd >= 0)
		return run(a, fd);
	say_trouble("%s: tcp/%u did not open within %d seconds; the knock was lost or not "
		    "understood, or this key may not open it",
		a->host, (unsigned)a->service_port, CLASSIC_TIMEOUT_MS / 1000);
	return EXIT_SILENT;
}

static int go_through(const struct knock_args *a)
{
	struct through t;
	struct through_way way = { .fd = -1 };
	struct fault f;

	int rc = through_open(a, &t);
	if (rc == EXIT_DONE)
		rc = through_go(&t, a->host, a->service_port, NULL, &way);
	if (rc == EXIT_DONE && through_carry(&way, STDIN_FILENO, STDOUT_FILENO, &f) < 0) {
		say_trouble("%s: %s", a->host, f.text);
		rc = EXIT_LOCAL;
	}
	through_way_close(&way);
	through_close(&t);
	return rc;
}

static int connect_as_said(const struct knock_args *a)
{
	if (a->through.count > 0 && !through_is_host(a->host))
		return say_usage("connect", "%s: not a host's name or address", a->host);
	if (a->through.count > 0)
		return go_through(a);
	return a->scheme == KNOCK_SPA ? visit(a) : classic(a);
}

int cmd_connect(int argc, char **argv)
{
	struct knock_args args;
	bool is_help;

	int rc = knock_args_parse(KNOCK_CONNECT, argc, argv, &args, &is_help);
	if (rc == EXIT_DONE && !is_help)
		rc = connect_as_said(&args);
	knock_args_free(&args);
	return rc;
}
