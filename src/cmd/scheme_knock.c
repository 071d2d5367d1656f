/*
 * knock, close and the first half of connect in a classic scheme. Invariant: it says that the knock was
 * sent, never that anything opened, unless a connection showed it.
 */

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/say.h"
#include "cmd/scheme.h"
#include "cmd/visit.h"

#define WAIT_MS 3000
#define PLACE_MAX 330

/* What one knock went like. */
struct told {
	const struct knock_args *args;
	const struct scheme_route *route; /* NULL: not looked up */
	const struct scheme_plan *plan;
	bool has_tried, is_open; /* --wait */
};

/* Of the addresses a host has, one of the kind that the scheme can speak of. */
static int family_of(const struct knock_args *a)
{
	const struct knock_classic *c = &a->classic;
	bool is_only_v4 = a->scheme == KNOCK_FWKNOP ||
		(a->scheme == KNOCK_CIPHER && c->pad == NULL && !c->is_wide);
	if (c->is_v4)
		return AF_INET;
	if (c->is_v6)
		return AF_INET6;
	return is_only_v4 && c->allow == KNOCK_ALLOW_OURS ? AF_INET : AF_UNSPEC;
}

static int make_plan(
	const struct knock_args *a, const struct scheme_route *r, struct scheme_plan *ret)
{
	struct scheme_world w = { .route = r, .wall_ms = clock_wall_ms() };
	struct fault f;
	int rc = scheme_plan_make(a, &w, ret, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

static int find_route(const struct knock_args *a, struct scheme_route *ret)
{
	struct fault f;
	int rc = scheme_route_find(a->host, family_of(a), ret, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

/* ------------------------------------------------------------------ telling */

static json_t *json_of_ports(const struct scheme_plan *p)
{
	char text[16];
	json_t *ports = json_array();
	for (size_t i = 0; i < p->count; i++) {
		snprintf(text, sizeof(text), "%u%s", (unsigned)p->knocks[i].port,
			p->knocks[i].proto == IPPROTO_UDP ? ":udp" : "");
		json_array_append_new(ports, json_string(text));
	}
	return ports;
}

static json_t *json_of_told(const struct told *t)
{
	const struct knock_args *a = t->args;
	char scheme[KNOCK_SCHEME_TEXT_MAX], address[ADDR_TEXT_MAX];
	bool is_text = a->scheme == KNOCK_FWKNOP;
	json_t *j = json_pack("{s:s, s:s, s:s}", "status", a->is_dry_run ? "DRY_RUN" : "SENT",
		"host", a->host, "scheme", knock_scheme_text(a->scheme, scheme));
	if (j == NULL)
		return NULL;
	if (t->route != NULL)
		json_object_set_new(
			j, "address", json_string(visit_peer_text(&t->route->peer, address)));
	if (!is_text)
		json_object_set_new(j, "knocks", json_integer((json_int_t)t->plan->count));
	if (a->is_dry_run && is_text)
		json_object_set_new(j, "text", json_stringn(t->plan->text.text, t->plan->text.len));
	else if (a->is_dry_run)
		json_object_set_new(j, "ports", json_of_ports(t->plan));
	if (t->plan->has_left)
		json_object_set_new(j, "left", json_integer((json_int_t)t->plan->left));
	if (t->has_tried)
		json_object_set_new(j, "open", json_boolean(t->is_open));
	return j;
}

static void tell_json(const struct told *t)
{
	json_t *j = json_of_told(t);
	if (j == NULL || json_dumpf(j, stdout, JSON_INDENT(2)) < 0)
		say_trouble("no memory for the JSON output");
	else
		putchar('\n');
	json_decref(j);
}

/* "gw (192.0.2.1)" */
static void put_place(const struct told *t, char to[PLACE_MAX])
{
	char address[ADDR_TEXT_MAX];
	const char *host = t->args->host;
	visit_peer_text(&t->route->peer, address);
	if (strcmp(host, address) == 0)
		snprintf(to, PLACE_MAX, "%s", address);
	else
		snprintf(to, PLACE_MAX, "%.255s (%s)", host, address);
}

static void tell_left(const struct scheme_plan *p)
{
	if (p->has_left)
		printf("%u are left for later knocks\n", p->left);
}

static void tell(const struct told *t)
{
	const struct knock_args *a = t->args;
	char scheme[KNOCK_SCHEME_TEXT_MAX], place[PLACE_MAX], what[32] = "one packet";
	knock_scheme_text(a->scheme, scheme);
	put_place(t, place);
	if (a->scheme != KNOCK_FWKNOP)
		snprintf(what, sizeof(what), "%zu knock%s", t->plan->count,
			t->plan->count == 1 ? "" : "s");
	if (t->has_tried)
		printf("sent %s to %s: tcp/%u is open\n", what, place, (unsigned)a->service_port);
	else
		printf("sent %s to %s; scheme %s has no answer, so whether the door %s is not "
		       "known\n",
			what, place, scheme, a->classic.is_close ? "closed" : "opened");
	if (a->is_verbose)
		tell_left(t->plan);
}

/* ------------------------------------------------------------------ knocking */

static int show(
	const struct knock_args *a, const struct scheme_route *r, const struct scheme_plan *p)
{
	struct told t = { .args = a, .route = r, .plan = p };
	if (a->is_json) {
		tell_json(&t);
		return EXIT_DONE;
	}
	char *text = scheme_plan_format(p);
	if (text == NULL) {
		say_trouble("no memory for the knocks");
		return EXIT_LOCAL;
	}
	puts(text);
	free(text);
	return EXIT_DONE;
}

static int dry_run(const struct knock_args *a)
{
	struct scheme_route route;
	struct scheme_plan plan = { 0 };
	bool has_route = scheme_needs_route(a);
	int rc = has_route ? find_route(a, &route) : EXIT_DONE;
	if (rc == EXIT_DONE)
		rc = make_plan(a, has_route ? &route : NULL, &plan);
	if (rc == EXIT_DONE)
		rc = show(a, has_route ? &route : NULL, &plan);
	sodium_memzero(&plan, sizeof(plan));
	return rc;
}

/* The way first: nothing is used up for a host that cannot be reached. */
static int send_plan(
	const struct knock_args *a, struct scheme_route *route, struct scheme_plan *plan)
{
	struct fault f;
	int rc = find_route(a, route);
	if (rc == EXIT_DONE)
		rc = make_plan(a, route, plan);
	if (rc == EXIT_DONE && scheme_send(a, route, plan, &f) < 0) {
		say_trouble("%s: %s", a->host, f.text);
		rc = EXIT_LOCAL;
	}
	return rc;
}

/* Connect, and go again: what is asked is only whether it can be done. */
static void try_port(struct told *t)
{
	int fd = scheme_wait(t->route, t->args->service_port, WAIT_MS);
	t->has_tried = true;
	t->is_open = fd >= 0;
	if (fd >= 0)
		close(fd);
}

int scheme_knock(const struct knock_args *a)
{
	struct scheme_route route;
	struct scheme_plan plan = { 0 };
	struct told t = { .args = a, .route = &route, .plan = &plan };

	if (a->is_dry_run)
		return dry_run(a);
	int rc = send_plan(a, &route, &plan);
	if (rc != EXIT_DONE)
		goto out;
	if (a->classic.is_waiting)
		try_port(&t);
	bool is_silent = t.has_tried && !t.is_open;
	if (a->is_json)
		tell_json(&t);
	else if (!is_silent && !a->is_quiet)
		tell(&t);
	if (is_silent)
		say_trouble("%s: tcp/%u did not open within %d seconds; the knock was lost or not "
			    "understood, or this key may not open it",
			a->host, (unsigned)a->service_port, WAIT_MS / 1000);
	rc = is_silent ? EXIT_SILENT : EXIT_DONE;
out:
	sodium_memzero(&plan, sizeof(plan));
	return rc;
}

int scheme_open(const struct knock_args *a, struct scheme_route *ret)
{
	struct scheme_plan plan = { 0 };
	int rc = send_plan(a, ret, &plan);
	sodium_memzero(&plan, sizeof(plan));
	return rc;
}
