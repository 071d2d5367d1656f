/*
 * Gates by a program. Invariants: one program at a time for a gate; a gate that the program may have opened
 * is in the table until the program said that it is closed.
 */

#include "gate/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define OUTPUT_LINES_MAX 64
#define QUOTED_MAX 900
#define NUMBER_MAX 24
#define PATH_VARIABLE "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TAG_ALONE UINT32_MAX /* of reset and list */

enum verb { VERB_NONE, VERB_OPEN, VERB_RENEW, VERB_CLOSE, VERB_RESET, VERB_LIST };

static const char *const verbs[] = {
	[VERB_OPEN] = "open",
	[VERB_RENEW] = "renew",
	[VERB_CLOSE] = "close",
	[VERB_RESET] = "reset",
	[VERB_LIST] = "list",
};

struct wish {
	enum verb verb;
	bool is_asked; /* by an order, to be answered under seq */
	uint32_t seq;
	uint64_t until_mono_ms; /* of open */
};

struct gate_entry {
	bool is_used, is_open; /* is_open: as far as is known, or feared */
	uint32_t id;
	struct addr addr;
	uint8_t proto;
	uint16_t port;
	char service[CONFIG_NAME_MAX + 1];
	uint64_t until_mono_ms;
	struct wish running, next; /* VERB_NONE: there is none */
	bool is_stuck;             /* its last close failed */
	uint32_t pause_ms;
	uint64_t retry_mono_ms;
};

struct gate_script {
	const struct config *config;
	const struct priv_user *user;
	const char *const *passed;
	gate_script_done *fn;
	void *arg;
	struct run_pool pool;
	size_t count;
	struct gate_entry *entries;
	uint64_t opened;
	bool is_alone; /* reset or list runs */
	int alone_result;
};

/* ------------------------------------------------------------------ the program */

static const char *number(uint64_t v, char to[NUMBER_MAX])
{
	snprintf(to, NUMBER_MAX, "%llu", (unsigned long long)v);
	return to;
}

/* PATH, what the gate is for, and what the administrator set for the daemon under our name. */
static void fill_environment(const struct gate_script *g,
	const char *env[GATE_SCRIPT_PASSED_MAX + 3], char service[128], const char *name)
{
	size_t n = 0;
	snprintf(service, 128, "POSTERN_SERVICE=%s", name);
	env[n++] = PATH_VARIABLE;
	env[n++] = service;
	for (size_t i = 0; i < GATE_SCRIPT_PASSED_MAX && g->passed[i] != NULL; i++)
		env[n++] = g->passed[i];
	env[n] = NULL;
}

/* e NULL: of a verb that is about no gate. */
static int start(struct gate_script *g, const struct gate_entry *e, enum verb verb,
	uint64_t left_ms, uint32_t timeout_ms, struct fault *f)
{
	char id[NUMBER_MAX], proto[NUMBER_MAX], port[NUMBER_MAX], seconds[NUMBER_MAX];
	char address[ADDR_TEXT_MAX], service[128];
	const char *env[GATE_SCRIPT_PASSED_MAX + 3],
		*argv[9] = { g->config->server.script, verbs[verb] };
	const struct run_program p = {
		.argv = argv, .env = env, .user = g->user, .timeout_ms = timeout_ms
	};
	fill_environment(g, env, service, e != NULL ? e->service : "");
	if (e != NULL) {
		argv[2] = number(e->id, id);
		argv[3] = addr_is_v4(&e->addr) ? "4" : "6";
		argv[4] = addr_format(&e->addr, address);
		argv[5] = number(e->proto, proto);
		argv[6] = number(e->port, port);
		argv[7] = number((left_ms + 999) / 1000, seconds);
	}
	uint32_t tag = e != NULL ? (uint32_t)(e - g->entries) : TAG_ALONE;
	return run_pool_start(&g->pool, &p, tag, clock_mono_ms(), f);
}

static void log_end(enum verb verb, const struct run_end *end)
{
	char quoted[QUOTED_MAX], how[RUN_END_TEXT_MAX];
	struct reader r = reader_init(end->output);
	for (size_t i = 0; verb != VERB_LIST && r.left > 0 && i < OUTPUT_LINES_MAX; i++) {
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		struct span line = reader_take(&r, lf != NULL ? (size_t)(lf - r.at) : r.left);
		reader_u8(&r);
		log_info("script %s says: %s", verbs[verb],
			text_quote(line, quoted, sizeof(quoted)));
	}
	if (end->is_cut)
		log_info("script %s says more, which is not kept", verbs[verb]);
	if (end->how != RUN_EXIT || end->detail != 0)
		log_error("script %s ended by %s after %llu ms", verbs[verb],
			run_end_text(end->how, end->detail, how), (unsigned long long)end->took_ms);
}

/* ------------------------------------------------------------------ one gate */

static void answer(struct gate_script *g, struct wish *w, int result)
{
	if (w->is_asked)
		g->fn(g->arg, w->seq, result);
	w->is_asked = false;
}

static void close_failed(struct gate_entry *e, uint64_t mono_ms)
{
	e->is_stuck = true;
	e->until_mono_ms = mono_ms;
	e->pause_ms = e->pause_ms == 0           ? PAUSE_MIN_MS
		: e->pause_ms * 2 < PAUSE_MAX_MS ? e->pause_ms * 2
						 : PAUSE_MAX_MS;
	e->retry_mono_ms = mono_ms + e->pause_ms;
}

/* A program ended, or did not begin. */
static void settle(struct gate_script *g, struct gate_entry *e, bool is_good, uint64_t mono_ms)
{
	struct wish was = e->running;
	e->running.verb = VERB_NONE;
	if (was.verb == VERB_CLOSE) {
		if (is_good)
			e->is_open = e->is_stuck = false;
		else
			close_failed(e, mono_ms);
	} else if (is_good) {
		e->until_mono_ms = was.until_mono_ms;
		g->opened++;
	} else if (was.verb == VERB_OPEN) {
		/* Who knows how far it got. */
		e->until_mono_ms = mono_ms;
	}
	answer(g, &was, is_good ? 0 : -EREMOTEIO);
	if (!e->is_open && e->next.verb == VERB_NONE)
		e->is_used = false;
}

/* Run w for e. False when no program may be started now. */
static bool begin(struct gate_script *g, struct gate_entry *e, struct wish w, uint64_t mono_ms)
{
	struct fault f;
	if (run_pool_count(&g->pool) == RUN_PARALLEL_MAX)
		return false;
	if (w.verb == VERB_OPEN && e->is_open)
		w.verb = VERB_RENEW;
	uint64_t left_ms = w.until_mono_ms > mono_ms ? w.until_mono_ms - mono_ms : 0;
	e->running = w;
	if (w.verb != VERB_CLOSE) {
		e->is_open = true;
		e->is_stuck = false;
		e->pause_ms = 0;
	}
	int rc = start(g, e, w.verb, w.verb == VERB_CLOSE ? 0 : left_ms,
		g->config->server.script_timeout_s * 1000, &f);
	if (rc < 0) {
		log_error("script %s: %s", verbs[w.verb], f.text);
		settle(g, e, false, mono_ms);
	}
	return true;
}

/* What this gate needs now, if anything. */
static struct wish due(const struct gate_entry *e, uint64_t mono_ms)
{
	static const struct wish nothing = { .verb = VERB_NONE };
	static const struct wish closing = { .verb = VERB_CLOSE };
	if (!e->is_used || e->running.verb != VERB_NONE)
		return nothing;
	if (e->next.verb != VERB_NONE)
		return e->next;
	bool is_over = e->is_open && e->until_mono_ms <= mono_ms;
	return is_over && (!e->is_stuck || e->retry_mono_ms <= mono_ms) ? closing : nothing;
}

static void on_done(void *arg, uint32_t tag, const struct run_end *end)
{
	struct gate_script *g = arg;
	bool is_good = end->how == RUN_EXIT && end->detail == 0;
	if (tag == TAG_ALONE) {
		g->is_alone = false;
		g->alone_result = !is_good ? -EREMOTEIO : end->output.len > 0 ? 1 : 0;
		return;
	}
	struct gate_entry *e = &g->entries[tag];
	log_end(e->running.verb, end);
	settle(g, e, is_good, clock_mono_ms());
}

/* ------------------------------------------------------------------ the table */

int gate_script_new(const struct config *c, const struct priv_user *user, const char *const *passed,
	gate_script_done *fn, void *arg, struct gate_script **ret)
{
	struct gate_script *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	*g = (struct gate_script){ .config = c,
		.user = user,
		.passed = passed,
		.fn = fn,
		.arg = arg,
		.count = c->server.gates_max };
	g->entries = calloc(g->count, sizeof(g->entries[0]));
	if (g->entries == NULL || run_pool_init(&g->pool, on_done, g) < 0) {
		gate_script_free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

void gate_script_free(struct gate_script *g)
{
	if (g == NULL)
		return;
	run_pool_deinit(&g->pool);
	free(g->entries);
	free(g);
}

/* 0, 1 when it printed something, or -errno. */
static int run_alone(struct gate_script *g, enum verb verb, uint32_t max_ms, struct fault *f)
{
	int rc = start(g, NULL, verb, 0, max_ms, f);
	g->is_alone = rc == 0;
	while (g->is_alone) {
		struct pollfd p[RUN_POLL_MAX];
		int wait_ms;
		size_t n = run_pool_poll(&g->pool, p, clock_mono_ms(), &wait_ms);
		poll(p, n, wait_ms);
		run_pool_work(&g->pool, clock_mono_ms());
	}
	if (rc == 0 && g->alone_result < 0) {
		rc = g->alone_result;
		fault_set(f, "%s %s: did not succeed within %u ms; run it by hand to see why",
			g->config->server.script, verbs[verb], (unsigned)max_ms);
	}
	return rc < 0 ? rc : g->alone_result;
}

int gate_script_reset(struct gate_script *g, uint32_t max_ms, struct fault *f)
{
	run_pool_deinit(&g->pool);
	if (run_pool_init(&g->pool, on_done, g) < 0) {
		fault_set(f, "no memory to run programs");
		return -ENOMEM;
	}
	memset(g->entries, 0, g->count * sizeof(g->entries[0]));
	int rc = run_alone(g, VERB_RESET, max_ms, f);
	if (rc >= 0)
		rc = run_alone(g, VERB_LIST, max_ms, f);
	if (rc > 0) {
		fault_set(f, "%s list: names gates that are open after a reset",
			g->config->server.script);
		rc = -EREMOTEIO;
	}
	return rc;
}

static struct gate_entry *find(struct gate_script *g, const struct gate_order *o)
{
	for (size_t i = 0; i < g->count; i++) {
		struct gate_entry *e = &g->entries[i];
		if (e->is_used && e->proto == o->proto && e->port == o->port &&
			addr_equal(&e->addr, &o->addr))
			return e;
	}
	return NULL;
}

static struct gate_entry *add(
	struct gate_script *g, const struct gate_order *o, const char *service)
{
	for (size_t i = 0; i < g->count; i++) {
		struct gate_entry *e = &g->entries[i];
		if (e->is_used)
			continue;
		*e = (struct gate_entry){ .is_used = true,
			.id = o->mark,
			.addr = o->addr,
			.proto = o->proto,
			.port = o->port };
		snprintf(e->service, sizeof(e->service), "%s", service);
		return e;
	}
	return NULL;
}

void gate_script_order(struct gate_script *g, const struct gate_order *o, const char *service,
	uint32_t seq, uint64_t mono_ms)
{
	struct gate_entry *e = find(g, o);
	struct wish w = { .is_asked = true, .seq = seq };
	w.verb = o->verb == GATE_OPEN ? VERB_OPEN : VERB_CLOSE;
	w.until_mono_ms = mono_ms + o->wait_ms;
	if (e == NULL && o->verb == GATE_OPEN)
		e = add(g, o, service);
	if (e == NULL)
		answer(g, &w, o->verb == GATE_OPEN ? -ENFILE : 0);
	else if (e->next.verb != VERB_NONE)
		answer(g, &w, -EBUSY);
	else
		e->next = w;
	gate_script_work(g, mono_ms);
}

size_t gate_script_poll(
	const struct gate_script *g, struct pollfd *to, uint64_t mono_ms, int *ret_wait_ms)
{
	size_t n = run_pool_poll(&g->pool, to, mono_ms, ret_wait_ms);
	if (run_pool_count(&g->pool) == RUN_PARALLEL_MAX)
		return n;
	for (size_t i = 0; i < g->count; i++) {
		const struct gate_entry *e = &g->entries[i];
		if (!e->is_used || !e->is_open || e->running.verb != VERB_NONE)
			continue;
		uint64_t at = e->is_stuck ? e->retry_mono_ms : e->until_mono_ms;
		uint64_t left = at > mono_ms ? at - mono_ms : 0;
		if (*ret_wait_ms < 0 || left < (uint64_t)*ret_wait_ms)
			*ret_wait_ms = left > INT32_MAX ? INT32_MAX : (int)left;
	}
	return n;
}

void gate_script_work(struct gate_script *g, uint64_t mono_ms)
{
	run_pool_work(&g->pool, mono_ms);
	for (size_t i = 0; i < g->count; i++) {
		struct gate_entry *e = &g->entries[i];
		struct wish w = due(e, mono_ms);
		if (w.verb == VERB_NONE)
			continue;
		if (!begin(g, e, w, mono_ms))
			return;
		if (w.is_asked)
			e->next.verb = VERB_NONE;
	}
}

uint64_t gate_script_opened(const struct gate_script *g)
{
	return g->opened;
}

size_t gate_script_stuck(const struct gate_script *g)
{
	size_t n = 0;
	for (size_t i = 0; i < g->count; i++)
		n += g->entries[i].is_used && g->entries[i].is_stuck;
	return n;
}
