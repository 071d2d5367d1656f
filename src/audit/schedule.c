/*
 * Gateways wait, run and are done. Invariants: each target is reported once; a connection in the air has a
 * ticket, for which its gateway stays even when that is given up; the callers' functions are called from
 * audit_schedule_tick and audit_schedule_done alone.
 */

#include "audit/schedule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/schedule_pace.h"

#define DEADLINE_S 60
#define SOCKETS_MAX 500
#define CONCURRENCY_MAX 8
#define RUNNING_MAX 256 /* gateways in work, each with facts and a scan */
#define SHORTEN_NUM 5   /* of 6 parts of the time: then rare suites are left out */
#define SHORTEN_DEN 6
#define PROGRESS_MS 250
#define RETRY_MS 100   /* after there was no descriptor left */
#define SILENT_MS 5000 /* without an answer, while others wait for a place */
#define SLOW_MS 1000   /* the same, while sockets are scarce: others come first */
#define PARKS_MAX 4    /* each time it may be silent for twice as long, so many times */

static const uint32_t canary_waits_s[] = { 5, 15, 45 };
#define CANARY_WAITS (sizeof(canary_waits_s) / sizeof(canary_waits_s[0]))

struct gateway {
	struct audit_target target;
	struct gateway *twin; /* the same server under another domain */
	struct audit_facts *facts;
	struct audit_scan *scan;
	struct audit_pace pace;
	unsigned open;
	bool is_waiting; /* for an answer: nothing can be asked now */
	bool is_over;    /* reported; freed with its last connection */
	unsigned canary_waits, parks;
	uint64_t begun_ms, heard_ms; /* the last answer, or the begin */
	struct audit_attack robots[AUDIT_ROBOT_VARIANTS];
};

struct ticket {
	struct gateway *gateway;
	struct ticket *next, *prev;
	void *link;
	uint32_t id;
	enum audit_ask_kind kind;
	unsigned brakes; /* of its gateway's pace when it began */
};

struct audit_schedule {
	struct audit_world world;
	struct audit_run_options options;
	struct audit_run_calls calls;
	struct gateway **waiting; /* from waiting_at on */
	size_t waiting_at, waiting_count, waiting_cap;
	struct gateway *running[RUNNING_MAX];
	size_t running_count, running_max;
	struct ticket *tickets;
	size_t open, targets, done;
	uint64_t connections, began_ms, wake_ms, progress_ms, not_before_ms;
	uint64_t done_ms; /* sum of what finished gateways took */
	bool is_closed, is_ended, is_short, is_stopping, is_busy;
	char why[AUDIT_WORDS_MAX + 1];
	struct audit_ask ask; /* the one that is being begun: too large for a stack of its own */
};

struct audit_schedule *audit_schedule_new(const struct audit_world *w,
	const struct audit_run_options *o, const struct audit_run_calls *calls)
{
	struct audit_schedule *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->world = *w;
	s->options = *o;
	s->calls = *calls;
	if (s->options.sockets_max == 0)
		s->options.sockets_max = SOCKETS_MAX;
	if (s->options.concurrency_max == 0)
		s->options.concurrency_max = CONCURRENCY_MAX;
	s->running_max =
		s->options.sockets_max < RUNNING_MAX ? s->options.sockets_max : RUNNING_MAX;
	s->began_ms = w->now_ms(w->arg);
	s->wake_ms = UINT64_MAX;
	return s;
}

static void free_gateway(struct gateway *g)
{
	while (g != NULL) {
		struct gateway *twin = g->twin;
		audit_scan_free(g->scan);
		audit_facts_free(g->facts);
		free(g);
		g = twin;
	}
}

void audit_schedule_free(struct audit_schedule *s)
{
	if (s == NULL)
		return;
	while (s->tickets != NULL) {
		struct ticket *next = s->tickets->next;
		struct gateway *g = s->tickets->gateway;
		if (--g->open == 0 && g->is_over)
			free_gateway(g);
		free(s->tickets);
		s->tickets = next;
	}
	for (size_t i = s->waiting_at; i < s->waiting_count; i++)
		free_gateway(s->waiting[i]);
	for (size_t i = 0; i < s->running_count; i++)
		free_gateway(s->running[i]);
	free(s->waiting);
	free(s);
}

static void wake(struct audit_schedule *s, uint64_t at_ms)
{
	if (at_ms >= s->wake_ms)
		return;
	s->wake_ms = at_ms;
	s->world.wake(s->world.arg, at_ms);
}

static bool is_same_place(const struct audit_target *a, const struct audit_target *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

/* One scan tells of both. XMPP servers are asked for a domain by name. */
static bool is_same_server(const struct audit_target *a, const struct audit_target *b)
{
	bool has_domain = a->starttls == AUDIT_XMPP_CLIENT || a->starttls == AUDIT_XMPP_SERVER;
	return is_same_place(a, b) && a->starttls == b->starttls && strcmp(a->host, b->host) == 0 &&
		(!has_domain || strcmp(a->domain, b->domain) == 0);
}

static struct gateway *find(struct audit_schedule *s, const struct audit_target *t)
{
	for (size_t i = s->waiting_at; i < s->waiting_count; i++)
		if (is_same_server(&s->waiting[i]->target, t))
			return s->waiting[i];
	for (size_t i = 0; i < s->running_count; i++)
		if (is_same_server(&s->running[i]->target, t))
			return s->running[i];
	return NULL;
}

static int make_room(struct audit_schedule *s)
{
	if (s->waiting_count < s->waiting_cap)
		return 0;
	if (s->waiting_at > s->waiting_cap / 2) {
		s->waiting_count -= s->waiting_at;
		memmove(s->waiting, s->waiting + s->waiting_at,
			s->waiting_count * sizeof(s->waiting[0]));
		s->waiting_at = 0;
		return 0;
	}
	size_t cap = s->waiting_cap == 0 ? 64 : s->waiting_cap * 2;
	struct gateway **p = reallocarray(s->waiting, cap, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	s->waiting = p;
	s->waiting_cap = cap;
	return 0;
}

int audit_schedule_add(struct audit_schedule *s, const struct audit_target *t)
{
	struct gateway *same = find(s, t);
	for (const struct gateway *g = same; g != NULL; g = g->twin)
		if (strcmp(g->target.domain, t->domain) == 0)
			return 0;
	int rc = same == NULL ? make_room(s) : 0;
	struct gateway *g = rc == 0 ? calloc(1, sizeof(*g)) : NULL;
	if (g == NULL)
		return -ENOMEM;
	g->target = *t;
	if (same != NULL) {
		g->twin = same->twin;
		same->twin = g;
	} else {
		s->waiting[s->waiting_count++] = g;
	}
	s->targets++;
	wake(s, s->world.now_ms(s->world.arg));
	return 0;
}

void audit_schedule_close(struct audit_schedule *s)
{
	s->is_closed = true;
	wake(s, s->world.now_ms(s->world.arg));
}

void audit_schedule_stop(struct audit_schedule *s, const char *why)
{
	if (s->is_stopping)
		return;
	s->is_stopping = true;
	snprintf(s->why, sizeof(s->why), "%s", why);
	wake(s, s->world.now_ms(s->world.arg));
}

/* Hand the facts over, to each domain its own. */
static void report(struct audit_schedule *s, struct gateway *g, uint64_t now_ms)
{
	struct audit_facts *first = g->facts;
	first->wall_ms = (uint32_t)(g->begun_ms != 0 ? now_ms - g->begun_ms : 0);
	s->done_ms += first->wall_ms;
	g->facts = NULL;
	for (struct gateway *t = g->twin; t != NULL; t = t->twin)
		t->facts = audit_facts_copy(first, &t->target);
	s->done++;
	s->calls.gateway(s->calls.arg, first);
	for (struct gateway *t = g->twin; t != NULL; t = t->twin) {
		s->done++;
		if (t->facts != NULL)
			s->calls.gateway(s->calls.arg, t->facts);
		t->facts = NULL;
	}
}

static void finish(struct audit_schedule *s, size_t at, uint64_t now_ms)
{
	struct gateway *g = s->running[at];
	s->running[at] = s->running[--s->running_count];
	g->is_over = true;
	for (struct ticket *t = s->tickets; t != NULL; t = t->next)
		if (t->gateway == g)
			s->world.cancel(s->world.arg, t->link);
	report(s, g, now_ms);
	if (g->open == 0)
		free_gateway(g);
}

static bool is_running(const struct audit_schedule *s, const struct audit_target *t)
{
	for (size_t i = 0; i < s->running_count; i++)
		if (is_same_place(&s->running[i]->target, t))
			return true;
	return false;
}

static void enter(struct audit_schedule *s, struct gateway *g, uint64_t now_ms)
{
	if (s->is_short)
		audit_scan_shorten(g->scan);
	g->heard_ms = now_ms;
	s->running[s->running_count++] = g;
}

static bool begin(struct audit_schedule *s, struct gateway *g, uint64_t now_ms)
{
	struct audit_scan_options o = { .has_probes = s->options.has_probes,
		.wants_order = s->options.wants_order };
	s->world.random(s->world.arg, o.seed, sizeof(o.seed));
	g->facts = audit_facts_new(&g->target);
	g->scan = g->facts != NULL ? audit_scan_new(g->facts, &o) : NULL;
	if (g->scan == NULL) {
		audit_facts_free(g->facts);
		g->facts = NULL;
		return false;
	}
	g->begun_ms = now_ms;
	audit_pace_init(
		&g->pace, s->options.concurrency_max, s->options.rate, s->options.is_polite);
	enter(s, g, now_ms);
	return true;
}

static uint64_t silent_until(const struct gateway *g)
{
	unsigned parks = g->parks < PARKS_MAX ? g->parks : PARKS_MAX;
	return g->heard_ms + ((uint64_t)SILENT_MS << parks);
}

static bool is_crowded(const struct audit_schedule *s)
{
	return s->running_count == s->running_max && s->waiting_at < s->waiting_count;
}

/* Its place is for others now; it goes on where it was when its turn comes again. */
static bool park(struct audit_schedule *s, size_t at)
{
	struct gateway *g = s->running[at];
	if (make_room(s) != 0)
		return false;
	s->running[at] = s->running[--s->running_count];
	s->waiting[s->waiting_count++] = g;
	g->parks++;
	audit_pace_pause(&g->pace);
	for (struct ticket *t = s->tickets; t != NULL; t = t->next)
		if (t->gateway == g)
			s->world.cancel(s->world.arg, t->link);
	return true;
}

/* Whoever lets others wait and says nothing, or a byte now and then, gives its place up. */
static void park_silent(struct audit_schedule *s, uint64_t now_ms)
{
	size_t waiting = s->waiting_count - s->waiting_at;
	if (!is_crowded(s))
		return;
	for (size_t i = s->running_count; i > 0 && waiting > 0; i--)
		if (now_ms >= silent_until(s->running[i - 1])) {
			if (!park(s, i - 1))
				return;
			waiting--;
		}
}

/* The next that waits and whose place nobody is at; the others stay in their order. */
static bool begin_next(struct audit_schedule *s, uint64_t now_ms)
{
	for (size_t i = s->waiting_at; i < s->waiting_count; i++) {
		struct gateway *g = s->waiting[i];
		if (is_running(s, &g->target))
			continue;
		if (g->scan != NULL)
			enter(s, g, now_ms);
		else if (!begin(s, g, now_ms))
			return false;
		memmove(&s->waiting[s->waiting_at + 1], &s->waiting[s->waiting_at],
			(i - s->waiting_at) * sizeof(s->waiting[0]));
		s->waiting_at++;
		return true;
	}
	return false;
}

/* A canary that is refused for now is asked again, as long as there is time for it. */
static bool wait_for_canary(struct audit_schedule *s, struct gateway *g, uint64_t now_ms)
{
	if (g->canary_waits == CANARY_WAITS)
		return false;
	uint64_t wait_ms = 1000ULL * canary_waits_s[g->canary_waits];
	uint64_t end_ms = s->began_ms + 1000ULL * s->options.deadline_s;
	if (s->options.deadline_s != 0 && now_ms + wait_ms >= end_ms)
		return false;
	g->canary_waits++;
	g->pace.not_before_ms = now_ms + wait_ms;
	audit_scan_try_again(g->scan);
	return true;
}

/* A limit that shows: in words, by not being let in at all, or by a control. A connection may just be lost. */
static bool is_told(const struct audit_probe_result *r)
{
	if (r->stage == AUDIT_STAGE_CONNECT)
		return r->error != UV_ECONNRESET;
	return r->end == AUDIT_PROBE_DIALOGUE || r->stage == AUDIT_STAGE_HELLO;
}

/* A single probe that came so far and was not hung up on met no limit, whatever its answer says. */
static bool is_let_in(
	const struct ticket *t, const struct audit_probe_result *r, enum audit_answer answer)
{
	return t->kind != AUDIT_ASK_HELLO && r->stage == AUDIT_STAGE_HELLO &&
		(r->end == AUDIT_PROBE_FLIGHT || answer != AUDIT_UNKNOWN);
}

static void settle(struct audit_schedule *s, struct ticket *t, const struct audit_probe_result *r,
	enum audit_answer answer)
{
	struct gateway *g = t->gateway;
	uint64_t now_ms = s->world.now_ms(s->world.arg);
	enum audit_outcome o = t->kind == AUDIT_ASK_HELLO
		? audit_scan_result(g->scan, t->id, r, s->world.wall_s(s->world.arg))
		: audit_scan_verdict(g->scan, t->id, answer, r);
	g->is_waiting = false;
	if (r->end == AUDIT_PROBE_CANCELLED)
		return;
	if (r->end != AUDIT_PROBE_TIMEOUT)
		g->heard_ms = now_ms;
	if (audit_scan_is_refused_for_now(g->scan) && wait_for_canary(s, g, now_ms))
		return;
	if (is_let_in(t, r, answer)) {
		audit_pace_let_in(&g->pace);
		return;
	}
	switch (o) {
	case AUDIT_OUTCOME_FINAL:
		if (t->kind == AUDIT_ASK_HELLO)
			audit_pace_good(&g->pace, r->total_ms);
		break;
	case AUDIT_OUTCOME_LOST:
		audit_pace_lost(&g->pace, t->brakes, now_ms);
		break;
	case AUDIT_OUTCOME_EARLY:
		if (is_told(r))
			audit_pace_limited(&g->pace, t->brakes, now_ms);
		else
			audit_pace_lost(&g->pace, t->brakes, now_ms);
		break;
	}
}

static void unlink_ticket(struct audit_schedule *s, struct ticket *t)
{
	if (t->prev != NULL)
		t->prev->next = t->next;
	else
		s->tickets = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	s->open--;
}

static void run(struct audit_schedule *s);

void audit_schedule_done(struct audit_schedule *s, void *ticket, const struct audit_probe_result *r,
	enum audit_answer answer)
{
	struct ticket *t = ticket;
	unlink_ticket(s, t);
	struct gateway *g = t->gateway;
	g->open--;
	if (!g->is_over)
		settle(s, t, r, answer);
	else if (g->open == 0)
		free_gateway(g);
	free(t);
	run(s);
}

static struct ticket *new_ticket(struct audit_schedule *s, struct gateway *g)
{
	struct ticket *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	*t = (struct ticket){ .gateway = g,
		.id = s->ask.id,
		.kind = s->ask.kind,
		.brakes = g->pace.brakes,
		.next = s->tickets };
	if (s->tickets != NULL)
		s->tickets->prev = t;
	s->tickets = t;
	s->open++;
	return t;
}

/* Make the connection that is in s->ask. False: there is no descriptor or memory for it now. */
static bool start(struct audit_schedule *s, struct gateway *g, uint64_t now_ms)
{
	static const struct audit_probe_result none = { .end = AUDIT_PROBE_CANCELLED };
	struct ticket *t = new_ticket(s, g);
	struct audit_errand e = {
		.target = &g->target,
		.ask = &s->ask,
		.facts = g->facts,
		.robots = g->robots,
		.ticket = t,
	};
	g->open++;
	if (t != NULL)
		t->link = s->world.start(s->world.arg, &e);
	if (t != NULL && t->link != NULL) {
		s->connections++;
		audit_pace_began(&g->pace, now_ms);
		return true;
	}
	if (t != NULL)
		unlink_ticket(s, t);
	free(t);
	g->open--;
	if (s->ask.kind == AUDIT_ASK_HELLO)
		audit_scan_result(g->scan, s->ask.id, &none, 0);
	else
		audit_scan_verdict(g->scan, s->ask.id, AUDIT_UNKNOWN, &none);
	s->not_before_ms = now_ms + RETRY_MS;
	return false;
}

static bool may_ask(const struct audit_schedule *s, const struct gateway *g, uint64_t now_ms)
{
	return !g->is_waiting && audit_pace_allows(&g->pace, g->open, now_ms) &&
		now_ms >= s->not_before_ms && s->open < s->options.sockets_max;
}

/* Who needs the most rounds goes first where sockets are short; else the order is of no matter. */
static size_t choose(const struct audit_schedule *s, uint64_t now_ms)
{
	bool is_scarce = s->open + 2 * s->running_count > s->options.sockets_max ||
		s->options.rate_total != 0;
	size_t best = SIZE_MAX;
	uint32_t most = 0;
	for (size_t i = 0; i < s->running_count; i++) {
		const struct gateway *g = s->running[i];
		if (!may_ask(s, g, now_ms))
			continue;
		if (!is_scarce)
			return i;
		/* Who does not answer has the least claim to more. */
		bool is_silent = g->open > 0 && now_ms >= g->heard_ms + SLOW_MS;
		uint32_t rounds =
			1 + (is_silent ? 0 : audit_scan_rounds_left(g->scan, g->pace.window));
		if (rounds > most) {
			most = rounds;
			best = i;
		}
	}
	return best;
}

static void note_total_rate(struct audit_schedule *s, uint64_t now_ms)
{
	if (s->options.rate_total != 0)
		s->not_before_ms =
			now_ms + (1000 + s->options.rate_total - 1) / s->options.rate_total;
}

/* Ask whoever may be asked until nobody is left. */
static void ask_all(struct audit_schedule *s, uint64_t now_ms)
{
	for (size_t i; (i = choose(s, now_ms)) != SIZE_MAX;) {
		struct gateway *g = s->running[i];
		switch (audit_scan_next(g->scan, &s->ask)) {
		case AUDIT_NEXT_ASK:
			if (!start(s, g, now_ms))
				return;
			note_total_rate(s, now_ms);
			break;
		case AUDIT_NEXT_WAIT:
			g->is_waiting = true;
			break;
		case AUDIT_NEXT_DONE:
			finish(s, i, now_ms);
			while (s->running_count < s->running_max && begin_next(s, now_ms))
				continue;
			break;
		}
	}
}

static void give_up_waiting(struct audit_schedule *s, uint64_t now_ms)
{
	while (s->waiting_at < s->waiting_count) {
		struct gateway *g = s->waiting[s->waiting_at++];
		g->is_over = true;
		if (g->scan != NULL) {
			audit_scan_stop(g->scan, s->why);
			report(s, g, now_ms);
		} else if ((g->facts = audit_facts_new(&g->target)) != NULL) {
			snprintf(g->facts->incomplete, sizeof(g->facts->incomplete), "%s", s->why);
			report(s, g, 0);
		} else {
			for (const struct gateway *t = g; t != NULL; t = t->twin)
				s->done++;
		}
		if (g->open == 0)
			free_gateway(g);
	}
}

static void stop_all(struct audit_schedule *s, uint64_t now_ms)
{
	while (s->running_count > 0) {
		audit_scan_stop(s->running[0]->scan, s->why);
		finish(s, 0, now_ms);
	}
	give_up_waiting(s, now_ms);
}

static void watch_deadline(struct audit_schedule *s, uint64_t now_ms)
{
	if (s->options.deadline_s == 0)
		return;
	uint64_t all_ms = 1000ULL * s->options.deadline_s;
	uint64_t short_ms = s->began_ms + all_ms * SHORTEN_NUM / SHORTEN_DEN;
	if (now_ms >= s->began_ms + all_ms && !s->is_stopping) {
		s->is_stopping = true;
		snprintf(
			s->why, sizeof(s->why), "the time of %u s was over", s->options.deadline_s);
	}
	if (now_ms >= short_ms && !s->is_short) {
		s->is_short = true;
		for (size_t i = 0; i < s->running_count; i++)
			audit_scan_shorten(s->running[i]->scan);
	}
	if (!s->is_stopping)
		wake(s, s->is_short ? s->began_ms + all_ms : short_ms);
}

/* Guess: the longest of those in work, and those that wait at the pace of those that are done. */
static uint32_t guess_left_s(const struct audit_schedule *s, uint64_t now_ms)
{
	uint64_t longest_ms = 0;
	bool is_known = s->running_count == 0;
	for (size_t i = 0; i < s->running_count; i++) {
		const struct gateway *g = s->running[i];
		if (g->pace.best_ms == UINT32_MAX)
			continue;
		uint64_t round_ms = g->pace.best_ms + g->pace.spacing_ms;
		uint64_t ms = round_ms * audit_scan_rounds_left(g->scan, g->pace.window);
		longest_ms = ms > longest_ms ? ms : longest_ms;
		is_known = true;
	}
	if (s->done > 0 && s->running_max > 0)
		longest_ms +=
			s->done_ms / s->done * (s->waiting_count - s->waiting_at) / s->running_max;
	uint64_t end_ms = s->began_ms + 1000ULL * s->options.deadline_s;
	if (s->options.deadline_s != 0 && now_ms + longest_ms > end_ms)
		longest_ms = end_ms > now_ms ? end_ms - now_ms : 0;
	return is_known ? (uint32_t)((longest_ms + 999) / 1000) : UINT32_MAX;
}

static void tell_progress(struct audit_schedule *s, uint64_t now_ms)
{
	if (s->calls.progress == NULL || s->is_ended)
		return;
	if (now_ms >= s->progress_ms) {
		s->progress_ms = now_ms + PROGRESS_MS;
		struct audit_progress p = {
			.targets = s->targets,
			.done = s->done,
			.running = s->running_count,
			.connections = s->connections,
			.left_s = guess_left_s(s, now_ms),
		};
		s->calls.progress(s->calls.arg, &p);
	}
	if (s->done < s->targets)
		wake(s, s->progress_ms);
}

/* When somebody may be asked who may not yet. */
static void plan_wake(struct audit_schedule *s, uint64_t now_ms)
{
	for (size_t i = 0; i < s->running_count; i++) {
		const struct gateway *g = s->running[i];
		if (is_crowded(s) && silent_until(g) > now_ms)
			wake(s, silent_until(g));
		if (g->is_waiting || g->open >= g->pace.window)
			continue;
		uint64_t at_ms = g->pace.not_before_ms > s->not_before_ms ? g->pace.not_before_ms
									  : s->not_before_ms;
		if (at_ms > now_ms)
			wake(s, at_ms);
	}
}

static void run(struct audit_schedule *s)
{
	/* A callback may add, close or stop: that is seen to below, or at the next tick. */
	if (s->is_busy || s->is_ended)
		return;
	s->is_busy = true;
	uint64_t now_ms = s->world.now_ms(s->world.arg);
	watch_deadline(s, now_ms);
	if (!s->is_stopping) {
		park_silent(s, now_ms);
		while (s->running_count < s->running_max && begin_next(s, now_ms))
			continue;
		ask_all(s, now_ms);
	}
	if (s->is_stopping)
		stop_all(s, now_ms);
	plan_wake(s, now_ms);
	tell_progress(s, now_ms);
	s->is_busy = false;
	if (!s->is_closed || s->done < s->targets || s->open > 0)
		return;
	s->is_ended = true;
	if (s->calls.end != NULL)
		s->calls.end(s->calls.arg);
}

void audit_schedule_tick(struct audit_schedule *s)
{
	s->wake_ms = UINT64_MAX;
	run(s);
}
