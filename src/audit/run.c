/*
 * The schedule over libuv: each errand is a probe, with what an attack or a whole handshake keeps beside it.
 * Invariant: an errand lives until its probe is done, and gives its ticket back exactly once.
 */

#include "audit/run.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/attack.h"
#include "audit/schedule.h"
#include "audit/session.h"
#include "base/clock.h"

struct audit_run {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct audit_schedule *schedule;
	struct audit_run_options options;
	char ehlo[AUDIT_HOST_MAX + 1];
};

struct errand {
	struct audit_run *run;
	void *ticket;
	bool is_cancelled; /* facts may be gone */
	enum audit_ask_kind kind;
	uint8_t variant;
	struct audit_attack attack;
	struct audit_attack *robots;
	struct audit_session *session;
	struct audit_facts *facts;
	struct audit_probe *probe;
};

struct audit_run_options audit_run_defaults(void)
{
	return (struct audit_run_options){ .deadline_s = 60, .has_probes = true };
}

static uint64_t now_ms(void *arg)
{
	struct audit_run *r = arg;
	uv_update_time(r->loop);
	return uv_now(r->loop);
}

static int64_t wall_s(void *arg)
{
	(void)arg;
	return (int64_t)(clock_wall_ms() / 1000);
}

static void fill_random(void *arg, uint8_t *to, size_t len)
{
	(void)arg;
	randombytes_buf(to, len);
}

static void on_timer(uv_timer_t *timer)
{
	struct audit_run *r = timer->data;
	audit_schedule_tick(r->schedule);
}

static void wake(void *arg, uint64_t at_ms)
{
	struct audit_run *r = arg;
	uint64_t now = now_ms(r);
	uv_timer_start(&r->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

/* ROBOT is judged when its last variant has come back. */
static enum audit_answer judge(struct errand *e, const struct audit_probe_result *r)
{
	switch (e->kind) {
	case AUDIT_ASK_HELLO:
		break;
	case AUDIT_ASK_HEARTBLEED:
	case AUDIT_ASK_CCS:
		audit_attack_end(
			&e->attack, r->end == AUDIT_PROBE_CLOSED, r->end == AUDIT_PROBE_RESET);
		return audit_attack_answer(&e->attack);
	case AUDIT_ASK_ROBOT:
		audit_attack_end(
			&e->attack, r->end == AUDIT_PROBE_CLOSED, r->end == AUDIT_PROBE_RESET);
		audit_robot_keep(&e->robots[e->variant], &e->attack);
		return e->variant + 1 == AUDIT_ROBOT_VARIANTS ? audit_robot_answer(e->robots)
							      : AUDIT_UNKNOWN;
	case AUDIT_ASK_INJECTION:
		audit_session_end(e->session, r);
		return audit_session_answer(e->session);
	case AUDIT_ASK_FETCH:
		return audit_session_chain(e->session, e->facts) ? AUDIT_YES : AUDIT_UNKNOWN;
	}
	return AUDIT_UNKNOWN;
}

static void free_errand(struct errand *e)
{
	audit_session_free(e->session);
	free(e);
}

static void on_done(void *arg, const struct audit_probe_result *r)
{
	struct errand *e = arg;
	struct audit_schedule *schedule = e->run->schedule;
	void *ticket = e->ticket;
	bool is_cut = e->is_cancelled || r->end == AUDIT_PROBE_CANCELLED;
	enum audit_answer answer = is_cut ? AUDIT_UNKNOWN : judge(e, r);
	free_errand(e);
	audit_schedule_done(schedule, ticket, r, answer);
}

/* What is said behind the first flight, or within TLS. False without memory. */
static bool prepare(struct errand *e, const struct audit_errand *what, struct audit_probe_ask *ask,
	uint8_t *hello)
{
	static const enum audit_attack_kind attacks[] = {
		[AUDIT_ASK_HEARTBLEED] = AUDIT_ATTACK_HEARTBLEED,
		[AUDIT_ASK_CCS] = AUDIT_ATTACK_CCS,
		[AUDIT_ASK_ROBOT] = AUDIT_ATTACK_ROBOT,
	};
	if (e->kind == AUDIT_ASK_HELLO)
		return true;
	if (e->kind != AUDIT_ASK_INJECTION && e->kind != AUDIT_ASK_FETCH) {
		audit_attack_init(&e->attack, attacks[e->kind], e->variant);
		ask->more = audit_attack_more;
		ask->more_arg = &e->attack;
		return true;
	}
	bool is_injection = e->kind == AUDIT_ASK_INJECTION;
	e->session = audit_session_new(is_injection ? AUDIT_SESSION_INJECTION : AUDIT_SESSION_FETCH,
		what->target, hello, &ask->hello_len);
	if (is_injection)
		ask->injected = audit_session_injected(what->target->starttls);
	ask->hello = hello;
	ask->is_raw = true;
	ask->more = audit_session_more;
	ask->more_arg = e->session;
	return e->session != NULL;
}

static void *start(void *arg, const struct audit_errand *what)
{
	struct audit_run *r = arg;
	uint8_t hello[AUDIT_HELLO_MAX];
	struct errand *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	*e = (struct errand){
		.run = r,
		.ticket = what->ticket,
		.kind = what->ask->kind,
		.variant = what->ask->variant,
		.robots = what->robots,
		.facts = what->facts,
	};
	struct audit_probe_ask ask = {
		.target = what->target,
		.ehlo = r->ehlo,
		.hello = what->ask->hello,
		.hello_len = what->ask->hello_len,
		.is_ssl2 = what->ask->is_ssl2,
		.is_polite = r->options.is_polite,
		.times = r->options.times,
		.done = on_done,
		.arg = e,
	};
	if (prepare(e, what, &ask, hello))
		e->probe = audit_probe_start(r->loop, &ask);
	if (e->probe == NULL) {
		free_errand(e);
		return NULL;
	}
	return e;
}

static void cancel(void *arg, void *link)
{
	struct errand *e = link;
	(void)arg;
	e->is_cancelled = true;
	audit_probe_cancel(e->probe);
}

struct audit_run *audit_run_new(
	uv_loop_t *loop, const struct audit_run_options *o, const struct audit_run_calls *calls)
{
	struct audit_run *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->options = *o;
	strncpy(r->ehlo, o->ehlo != NULL ? o->ehlo : "localhost", sizeof(r->ehlo) - 1);
	struct audit_world w = {
		.arg = r,
		.now_ms = now_ms,
		.wall_s = wall_s,
		.random = fill_random,
		.start = start,
		.cancel = cancel,
		.wake = wake,
	};
	uv_timer_init(loop, &r->timer); /* cannot fail */
	r->timer.data = r;
	r->schedule = audit_schedule_new(&w, o, calls);
	if (r->schedule == NULL) {
		audit_run_free(r);
		return NULL;
	}
	return r;
}

int audit_run_add(struct audit_run *r, const struct audit_target *t)
{
	return audit_schedule_add(r->schedule, t);
}

void audit_run_close(struct audit_run *r)
{
	audit_schedule_close(r->schedule);
}

void audit_run_stop(struct audit_run *r, const char *why)
{
	audit_schedule_stop(r->schedule, why);
}

static void on_closed(uv_handle_t *handle)
{
	struct audit_run *r = handle->data;
	audit_schedule_free(r->schedule);
	free(r);
}

void audit_run_free(struct audit_run *r)
{
	if (r != NULL)
		uv_close((uv_handle_t *)&r->timer, on_closed);
}
