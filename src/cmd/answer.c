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

static const char *describe_result(const struct postern_answer *a, char *to, size_t cap)
{
	switch (a->result) {
	case POSTERN_RESULT_EXIT:
		snprintf(to, cap, a->result_detail == 0 ? "done" : "ended with exit status %u",
			(unsigned)a->result_detail);
		return to;
	case POSTERN_RESULT_SIGNAL:
		snprintf(to, cap, "was ended by signal %u", (unsigned)a->result_detail);
		return to;
	case POSTERN_RESULT_TIMEOUT:
		return "took longer than it may, and was ended";
	case POSTERN_RESULT_TROUBLE:
		return "could not be started; ask the server's administrator, who finds the reason in its log";
	case POSTERN_RESULT_NOTED:
		return "noted in the journal";
	case POSTERN_RESULT_RUNNING:
		return "was started, but how it ended was not heard; the server's journal says it";
	case POSTERN_RESULT_NONE:
		break;
	}
	return "taken, but how it ended was not said";
}

/* Done as it should be: of an action, its own success. */
static bool is_success(const struct visit *v)
{
	const struct postern_answer *a = &v->answer;
	if (a->status != POSTERN_OK || v->request.op != POSTERN_ACTION)
		return a->status == POSTERN_OK;
	return a->result == POSTERN_RESULT_NOTED ||
		(a->result == POSTERN_RESULT_EXIT && a->result_detail == 0);
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
	} else if (v->request.op == POSTERN_ACTION) {
		printf("%s on %s: %s\n", v->request.service, v->args->host,
			describe_result(a, what, sizeof(what)));
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

static const char *verb(const struct visit *v)
{
	if (v->request.op == POSTERN_ACTION)
		return "run";
	return v->request.op == POSTERN_CLOSE ? "close" : "open";
}

/* The library's advice is about services; where an action differs, so do the words. */
static const char *action_advice(const struct visit *v)
{
	switch (v->answer.status) {
	case POSTERN_DENIED:
		return "the server knows who you are, but its lists do not allow you this action, it has none "
		       "of that name, or it wants a message or none; ask its administrator, who finds the "
		       "reason in the server's journal";
	case POSTERN_UNKNOWN_SERVICE:
		return "the server has no action of that name; check the spelling or ask its administrator "
		       "what it is called";
	case POSTERN_LIMIT:
		return "as many actions run as the server allows, or you knock too fast; wait and send it again";
	case POSTERN_OK:
	case POSTERN_STALE:
	case POSTERN_RETRY:
	case POSTERN_BIND:
	case POSTERN_EXPIRED:
	case POSTERN_BUSY:
		break;
	}
	return postern_status_advice(v->answer.status);
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
		say_trouble("%s did not %s %s: %s%s", v->args->host, verb(v),
			visit_service(v, service),
			v->request.op == POSTERN_ACTION ? action_advice(v) : advice, retry);
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

static json_t *json_of_result(const struct postern_answer *a)
{
	static const char *const names[] = {
		[POSTERN_RESULT_NONE] = "unknown",
		[POSTERN_RESULT_EXIT] = "exit",
		[POSTERN_RESULT_SIGNAL] = "signal",
		[POSTERN_RESULT_TIMEOUT] = "timeout",
		[POSTERN_RESULT_TROUBLE] = "trouble",
		[POSTERN_RESULT_NOTED] = "noted",
		[POSTERN_RESULT_RUNNING] = "running",
	};
	json_t *j = json_pack("{s:s}", "result", names[a->result]);
	if (j != NULL && a->result == POSTERN_RESULT_EXIT)
		json_object_set_new(j, "exit_status", json_integer(a->result_detail));
	if (j != NULL && a->result == POSTERN_RESULT_SIGNAL)
		json_object_set_new(j, "signal", json_integer(a->result_detail));
	return j;
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
	if (j != NULL && a->status == POSTERN_OK && v->request.op == POSTERN_ACTION)
		json_object_update_new(j, json_of_result(a));
	if (j != NULL && a->retry_after_s != 0)
		json_object_set_new(j, "retry_after_seconds", json_integer(a->retry_after_s));
	print_json(j);
}

/* The server did its part; the action did not. */
static void tell_failed(const struct visit *v)
{
	char what[VISIT_SERVICE_MAX];
	say_trouble("%s on %s: %s", v->request.service, v->args->host,
		describe_result(&v->answer, what, sizeof(what)));
}

int answer_tell(const struct visit *v)
{
	bool is_ok = v->answer.status == POSTERN_OK, is_done = is_success(v);
	bool is_text = !v->args->is_json && !v->args->is_quiet;

	if (v->args->is_json)
		tell_json(v);
	else if (is_done && is_text)
		tell_done(v);
	if (is_ok && !is_done)
		tell_failed(v);
	if (!is_ok)
		tell_refused(v);
	if (is_text && v->args->is_verbose)
		tell_more(v);
	return is_done ? EXIT_DONE : EXIT_REFUSED;
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
	else if (v->request.op == POSTERN_ACTION)
		printf("  to       run %s, with a message of %zu bytes\n",
			visit_service(v, service), v->request.message_len);
	else
		printf("  to       %s %s for %s\n", verb(v), visit_service(v, service),
			v->request.address != NULL ? v->request.address : "the address it sees");
	if (v->request.op == POSTERN_OPEN)
		printf("  for      %s\n",
			v->request.seconds == 0 ? "as long as the service gives"
						: duration_format(v->request.seconds, length));
	printf("  as       %s (%s)\n", postern_id_name(v->id), v->files.id);
	printf("  server   %s (%s)\n", v->server, v->files.card);
}
