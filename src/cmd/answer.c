/* Telling an answer. What is asked for goes to stdout, a refusal to stderr: scripts may rely on it. */

#include "cmd/answer.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/say.h"

/* "ssh (port 22)"; a service that was asked for by its port says all there is to say. */
static const char *describe(const struct visit *v, char *to, size_t cap)
{
	char service[VISIT_SERVICE_MAX];
	const char *name = visit_service(v, service);
	if (v->request.service != NULL && v->answer.granted_port != 0)
		snprintf(to, cap, "%s (port %u)", name, (unsigned)v->answer.granted_port);
	else
		snprintf(to, cap, "%s", name);
	return to;
}

static struct addr opened_address(const struct visit *v)
{
	struct addr a = addr_v6(v->answer.observed);
	if (v->request.address != NULL)
		addr_parse(v->request.address, &a);
	return a;
}

static void tell_cost(const struct visit *v)
{
	unsigned n = v->answer.round_trips;
	if (n <= 1)
		printf("one round trip");
	else
		printf("%u round trips", n);
	printf(", %" PRIu64 ".%" PRIu64 " ms%s\n", v->took_us / 1000, v->took_us / 100 % 10,
		n <= 1 ? "" : "; the first answer said what to correct");
}

static void tell_done(const struct visit *v)
{
	char what[VISIT_SERVICE_MAX + 32];
	char address[ADDR_TEXT_MAX];
	char until[TIME_TEXT_MAX], length[TIME_TEXT_MAX];
	const struct postern_answer *a = &v->answer;
	struct addr opened = opened_address(v);

	addr_format(&opened, address);
	if (v->request.op == POSTERN_PROBE) {
		printf("%s (%s) answers and sees you as %s port %u\n", v->args->host, v->server,
			address, (unsigned)a->observed_port);
	} else if (v->request.op == POSTERN_CLOSE) {
		printf("closed %s on %s\n", describe(v, what, sizeof(what)), v->args->host);
	} else {
		uint64_t end_ms = clock_wall_ms() + (uint64_t)a->granted_s * 1000;
		printf("opened %s on %s for %s until %s (%s)\n", describe(v, what, sizeof(what)),
			v->args->host, address, time_format_local(end_ms, until),
			duration_format(a->granted_s, length));
	}
}

/* A difference of clocks below a second is of no interest to anybody. */
static void tell_clock(const struct visit *v)
{
	int64_t offset = v->memory.offset_ms;
	char length[TIME_TEXT_MAX];
	uint64_t s = (uint64_t)(offset < 0 ? -offset : offset) / 1000;
	if (s > 0)
		printf("the clock of %s is %s %s this one; allowed for\n", v->args->host,
			duration_format(s, length), offset < 0 ? "behind" : "ahead of");
}

static void tell_more(const struct visit *v)
{
	char is[ADDR_TEXT_MAX], was[ADDR_TEXT_MAX];
	struct addr now = addr_v6(v->answer.observed);
	tell_cost(v);
	if (!addr_is_zero(&v->last_address) && !addr_equal(&now, &v->last_address))
		printf("your address as %s sees it was %s the last time, now it is %s\n",
			v->args->host, addr_format(&v->last_address, was), addr_format(&now, is));
	tell_clock(v);
}

static void tell_refused(const struct visit *v)
{
	char service[VISIT_SERVICE_MAX], retry[64] = "", length[TIME_TEXT_MAX];
	const char *advice = postern_status_advice(v->answer.status);
	if (v->answer.retry_after_s != 0)
		snprintf(retry, sizeof(retry), " (wait %s)",
			duration_format(v->answer.retry_after_s, length));
	if (v->request.op == POSTERN_PROBE)
		say_trouble("%s refused the probe: %s%s", v->args->host, advice, retry);
	else
		say_trouble("%s did not %s %s: %s%s", v->args->host,
			v->request.op == POSTERN_CLOSE ? "close" : "open",
			visit_service(v, service), advice, retry);
}

static json_t *json_of(const struct visit *v, const char *status)
{
	char service[VISIT_SERVICE_MAX], address[ADDR_TEXT_MAX];
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "status", status, "host", v->args->host,
		"server", v->server, "address", visit_peer_text(&v->peers[v->peer], address),
		"port", (int)v->udp_port, "service", visit_service(v, service));
}

static void print_json(json_t *j)
{
	if (j == NULL || json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) < 0)
		say_trouble("no memory for the JSON output");
	else
		putchar('\n');
	json_decref(j);
}

static void tell_json(const struct visit *v)
{
	const struct postern_answer *a = &v->answer;
	char address[ADDR_TEXT_MAX], when[TIME_TEXT_MAX];
	struct addr observed = addr_v6(a->observed);

	json_t *j = json_of(v, postern_status_name(a->status));
	if (j != NULL)
		json_object_update_new(j,
			json_pack("{s:s, s:i, s:b, s:I, s:I, s:i, s:f}", "observed",
				addr_format(&observed, address), "observed_port",
				(int)a->observed_port, "address_changed",
				!addr_is_zero(&v->last_address) &&
					!addr_equal(&observed, &v->last_address),
				"server_time_ms", (json_int_t)a->server_time_ms, "clock_offset_ms",
				(json_int_t)v->memory.offset_ms, "round_trips", (int)a->round_trips,
				"milliseconds", (double)v->took_us / 1000));
	if (j != NULL && a->status == POSTERN_OK && v->request.op == POSTERN_OPEN)
		json_object_update_new(j,
			json_pack("{s:I, s:I, s:i, s:s}", "grant", (json_int_t)a->grant_id,
				"granted_seconds", (json_int_t)a->granted_s, "granted_port",
				(int)a->granted_port, "until",
				time_format_utc(
					a->server_time_ms + (uint64_t)a->granted_s * 1000, when)));
	if (j != NULL && a->retry_after_s != 0)
		json_object_set_new(j, "retry_after_seconds", json_integer(a->retry_after_s));
	print_json(j);
}

int answer_tell(const struct visit *v)
{
	bool is_ok = v->answer.status == POSTERN_OK;
	bool is_text = !v->args->is_json && !v->args->is_quiet;

	if (v->args->is_json)
		tell_json(v);
	else if (is_ok && is_text)
		tell_done(v);
	if (!is_ok)
		tell_refused(v);
	if (is_text && v->args->is_verbose)
		tell_more(v);
	return is_ok ? EXIT_DONE : EXIT_REFUSED;
}

void answer_tell_none(const struct visit *v, int code)
{
	if (v->args->is_json)
		print_json(json_of(v, code == EXIT_SILENT ? "SILENT" : "TROUBLE"));
}

void answer_tell_dry_run(const struct visit *v, size_t len)
{
	char service[VISIT_SERVICE_MAX], place[VISIT_PLACE_MAX], length[TIME_TEXT_MAX];
	if (v->args->is_json) {
		json_t *j = json_of(v, "DRY_RUN");
		if (j != NULL)
			json_object_set_new(j, "datagram_bytes", json_integer((json_int_t)len));
		print_json(j);
		return;
	}
	printf("would send %zu bytes to %s; nothing was sent\n", len, visit_place(v, 0, place));
	if (v->request.op == POSTERN_PROBE)
		printf("  to       learn its time and your address\n");
	else
		printf("  to       %s %s for %s\n",
			v->request.op == POSTERN_CLOSE ? "close" : "open",
			visit_service(v, service),
			v->request.address != NULL ? v->request.address : "the address it sees");
	if (v->request.op == POSTERN_OPEN)
		printf("  for      %s\n",
			v->request.seconds == 0 ? "as long as the service gives"
						: duration_format(v->request.seconds, length));
	printf("  as       %s (%s)\n", postern_id_name(v->id), v->files.id);
	printf("  server   %s (%s)\n", v->server, v->files.card);
}
