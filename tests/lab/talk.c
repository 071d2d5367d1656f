/*
 * One connection of the audit, for tests: what one probe says of one server, as words on one line.
 *
 *   talk [-n ehlo] [-p] [-g greeting_ms] [-s step_ms] [-c count] [-i | -f] address port protocol
 *
 * -i tries to inject a command, -f fetches the certificates, -p is polite, -c does the same count times at once.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "audit/hello.h"
#include "audit/probe.h"
#include "audit/session.h"
#include "audit/suite.h"

static const char *const ends[] = {
	[AUDIT_PROBE_FLIGHT] = "flight",
	[AUDIT_PROBE_DIALOGUE] = "dialogue",
	[AUDIT_PROBE_CONNECT] = "connect",
	[AUDIT_PROBE_CLOSED] = "closed",
	[AUDIT_PROBE_RESET] = "reset",
	[AUDIT_PROBE_TIMEOUT] = "timeout",
	[AUDIT_PROBE_CANCELLED] = "cancelled",
};
static const char *const stages[] = { "connect", "dialogue", "hello" };
static const char *const dialogue_ends[] = {
	[AUDIT_END_NONE] = "none",
	[AUDIT_END_COMPLETE] = "complete",
	[AUDIT_END_INCOMPLETE] = "incomplete",
	[AUDIT_END_NO_CONNECT] = "no-connect",
	[AUDIT_END_NO_STARTTLS] = "no-starttls",
	[AUDIT_END_REFUSED] = "refused",
	[AUDIT_END_RATE] = "rate",
	[AUDIT_END_MUTE] = "mute",
	[AUDIT_END_NOT_TLS] = "not-tls",
};
static const char *const flights[] = { "more", "hello", "retry", "ssl2", "alert", "not-tls",
	"broken" };
static const char *const answers[] = { "unknown", "no", "yes" };

static struct audit_session *session;
static struct audit_target target;

static void on_done(void *arg, const struct audit_probe_result *r)
{
	(void)arg;
	printf("end=%s stage=%s greeting=%u leftover=%zu temporary=%d", ends[r->end],
		stages[r->stage], r->greeting_ms, r->leftover_len, r->is_temporary);
	if (r->error != 0)
		printf(" error=%s", uv_err_name(r->error));
	if (r->end == AUDIT_PROBE_DIALOGUE)
		printf(" dialogue=%s", dialogue_ends[r->dialogue_end]);
	if (r->flight != NULL)
		printf(" flight=%s certificates=%zu", flights[r->flight->end],
			r->flight->cert_count);
	if (session != NULL) {
		struct audit_facts *f = audit_facts_new(&target);
		audit_session_end(session, r);
		printf(" open=%d injection=%s chain=%zu", audit_session_is_open(session),
			answers[audit_session_answer(session)],
			f != NULL && audit_session_chain(session, f) ? f->chains[0].count : 0);
		audit_facts_free(f);
	}
	if (r->words != NULL)
		printf(" keywords=\"%s\" words=\"%s\"", r->words->keywords, r->words->text);
	printf("\n");
}

/* Suites that any server of today accepts one of, in TLS 1.0 to 1.2: certificates come in plain text. */
static size_t write_hello(uint8_t *to)
{
	static const uint32_t suites[] = { 0xc02b, 0xc02f, 0xc030, 0xc009, 0xc013, 0x009c, 0x002f };
	static const uint16_t groups[] = { 29, 23, 24 };
	static const uint16_t signatures[] = { 0x0403, 0x0804, 0x0401, 0x0201 };
	struct audit_hello h = {
		.max = AUDIT_TLS12,
		.min = AUDIT_TLS10,
		.suites = suites,
		.suite_count = sizeof(suites) / sizeof(suites[0]),
		.groups = groups,
		.group_count = 3,
		.signatures = signatures,
		.signature_count = 4,
		.server_name = target.host,
		.ems = true,
	};
	return audit_hello_write(&h, to, AUDIT_HELLO_MAX);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: talk [-n ehlo] [-p] [-g ms] [-s ms] [-c count] [-i | -f] address "
		"port protocol\n");
	return 2;
}

int main(int argc, char **argv)
{
	static uint8_t hello[AUDIT_HELLO_MAX];
	struct audit_probe_ask ask = { .target = &target, .hello = hello, .done = on_done };
	uv_loop_t *loop = uv_default_loop();
	long count = 1;
	int c, kind = -1;
	ask.ehlo = "client.test";
	while ((c = getopt(argc, argv, "n:pg:s:c:if")) != -1) {
		if (c == 'n')
			ask.ehlo = optarg;
		else if (c == 'p')
			ask.is_polite = true;
		else if (c == 'g')
			ask.times.greeting_ms = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 's')
			ask.times.step_ms = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'c')
			count = strtol(optarg, NULL, 10);
		else if (c == 'i' || c == 'f')
			kind = c == 'i' ? AUDIT_SESSION_INJECTION : AUDIT_SESSION_FETCH;
		else
			return usage();
	}
	if (argc - optind != 3 || !addr_parse(argv[optind], &target.addr) ||
		!audit_starttls_parse(argv[optind + 2], &target.starttls))
		return usage();
	target.port = (uint16_t)strtoul(argv[optind + 1], NULL, 10);
	snprintf(target.host, sizeof(target.host), "odd.test");
	signal(SIGPIPE, SIG_IGN);
	ask.hello_len = write_hello(hello);
	if (kind >= 0) {
		count = 1;
		session = audit_session_new(
			(enum audit_session_kind)kind, &target, hello, &ask.hello_len);
		ask.is_raw = true;
		ask.more = audit_session_more;
		ask.more_arg = session;
		if (kind == AUDIT_SESSION_INJECTION)
			ask.injected = audit_session_injected(target.starttls);
	}
	for (long i = 0; i < count; i++)
		if (audit_probe_start(loop, &ask) == NULL)
			return 1;
	uv_run(loop, UV_RUN_DEFAULT);
	audit_session_free(session);
	return uv_loop_close(loop) == 0 ? 0 : 1;
}
