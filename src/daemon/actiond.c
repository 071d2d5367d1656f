/*
 * Orders to programs. Invariant: whatever the knock process asks for, nothing runs that the configuration
 * does not name, word for word, as the user that it names.
 */

#include "daemon/actiond.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "priv/run.h"

#define OUTPUT_LINES_MAX 64
#define QUOTED_MAX 900
#define ROOT "root"
/* To become somebody else, with nothing of root's left; and to end what runs as somebody else. */
#define CAPS_NEEDED                                                                                \
	(1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_SETPCAP | 1ull << CAP_KILL)

struct actiond {
	const struct actiond_start *start;
	struct run_pool pool;
	bool is_stopping;
	bool is_retired;  /* nobody is left to take orders from */
	bool is_orphaned; /* nor anybody to be told to stop by */
	/* by tag, which is the slot of the knock process's order */
	struct {
		uint32_t seq;
		uint16_t action;
		bool is_used;
	} orders[RUN_PARALLEL_MAX];
};

bool actiond_is_needed(const struct config *c)
{
	for (size_t i = 0; i < c->action_count; i++)
		if (c->actions[i].run.is_set)
			return true;
	return false;
}

static bool is_root(const struct config_action *a)
{
	return strcmp(a->user, ROOT) == 0;
}

static bool has_root(const struct config *c)
{
	for (size_t i = 0; i < c->action_count; i++)
		if (c->actions[i].run.is_set && is_root(&c->actions[i]))
			return true;
	return false;
}

int actiond_check(const struct config *c, const struct msg *m)
{
	if (m->service >= c->action_count || !c->actions[m->service].run.is_set)
		return -EPERM;
	enum config_message wanted = c->actions[m->service].message;
	if (m->data_len > 0 && wanted == CONFIG_MESSAGE_NONE)
		return -EINVAL;
	return m->data_len == 0 && wanted == CONFIG_MESSAGE_REQUIRED ? -EINVAL : 0;
}

int actiond_check_programs(const struct config *c, struct fault *f)
{
	for (size_t i = 0; i < c->action_count; i++) {
		const struct config_action *a = &c->actions[i];
		struct priv_user user;
		struct fault why;
		if (!a->run.is_set)
			continue;
		int rc = is_root(a) ? 0 : priv_user_find(a->user, &user, &why);
		if (rc == 0)
			rc = run_check(a->run.items[0].text, &why);
		if (rc < 0) {
			fault_set(f, "%.100s:%u: action %s: %.300s", a->run.at.file, a->run.at.line,
				a->name, why.text);
			return rc;
		}
	}
	return 0;
}

/* Told once; who asked is gone when it cannot be told. */
static void tell(struct actiond *d, uint32_t seq, enum run_how how, uint8_t detail)
{
	struct msg m = { .type = MSG_RAN, .seq = seq, .how = (uint8_t)how, .detail = detail };
	if (!d->is_retired && msg_send(d->start->knock, &m) < 0)
		d->is_retired = true;
}

static void log_output(const char *name, const struct run_end *end)
{
	char quoted[QUOTED_MAX];
	struct reader r = reader_init(end->output);
	for (size_t i = 0; r.left > 0 && i < OUTPUT_LINES_MAX; i++) {
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		struct span line = reader_take(&r, lf != NULL ? (size_t)(lf - r.at) : r.left);
		reader_u8(&r);
		log_info("action %s says: %s", name, text_quote(line, quoted, sizeof(quoted)));
	}
	if (r.left > 0 || end->is_cut)
		log_info("action %s says more, which is not kept", name);
}

static void on_done(void *arg, uint32_t tag, const struct run_end *end)
{
	struct actiond *d = arg;
	char how[RUN_END_TEXT_MAX];
	const char *name = d->start->config->actions[d->orders[tag].action].name;
	log_output(name, end);
	log_info("action %s ended by %s after %llu ms", name,
		run_end_text(end->how, end->detail, how), (unsigned long long)end->took_ms);
	d->orders[tag].is_used = false;
	tell(d, d->orders[tag].seq, end->how, end->detail);
}

/* Exactly these three, whatever the daemon's own environment is. */
struct environment {
	char name[sizeof("POSTERN_NAME=") + MSG_NAME_MAX];
	char address[sizeof("POSTERN_ADDRESS=") + ADDR_TEXT_MAX];
	char action[sizeof("POSTERN_ACTION=") + CONFIG_NAME_MAX];
	const char *all[4];
};

static void fill_environment(
	struct environment *e, const struct config_action *a, const struct msg *m)
{
	char address[ADDR_TEXT_MAX];
	snprintf(e->name, sizeof(e->name), "POSTERN_NAME=%s", m->name);
	snprintf(e->address, sizeof(e->address), "POSTERN_ADDRESS=%s",
		addr_format(&m->addr, address));
	snprintf(e->action, sizeof(e->action), "POSTERN_ACTION=%s", a->name);
	e->all[0] = e->name;
	e->all[1] = e->address;
	e->all[2] = e->action;
	e->all[3] = NULL;
}

static int start(struct actiond *d, const struct msg *m, uint32_t tag, struct fault *f)
{
	const struct config_action *a = &d->start->config->actions[m->service];
	const char *argv[CONFIG_COMMAND_MAX + 1] = { NULL };
	struct environment env;
	struct priv_user user;

	for (size_t i = 0; i < a->run.len && i < CONFIG_COMMAND_MAX; i++)
		argv[i] = a->run.items[i].text;
	fill_environment(&env, a, m);
	struct run_program p = {
		.argv = argv,
		.env = env.all,
		.input = span_of(m->data, m->data_len),
		.timeout_ms = a->timeout_s * 1000,
	};
	if (!is_root(a)) {
		int rc = priv_user_find(a->user, &user, f);
		if (rc < 0)
			return rc;
		p.user = &user;
	}
	return run_pool_start(&d->pool, &p, tag, clock_mono_ms(), f);
}

static void obey(struct actiond *d, const struct msg *m)
{
	struct fault f;
	uint32_t tag = 0;
	int rc = actiond_check(d->start->config, m);
	if (rc < 0)
		fault_set(&f, "an order outside the configuration was refused");
	while (tag < RUN_PARALLEL_MAX && d->orders[tag].is_used)
		tag++;
	if (rc == 0 && tag == RUN_PARALLEL_MAX) {
		fault_set(&f, "%d actions run already", RUN_PARALLEL_MAX);
		rc = -EAGAIN;
	}
	if (rc == 0) {
		d->orders[tag].seq = m->seq;
		d->orders[tag].action = m->service;
		rc = start(d, m, tag, &f);
	}
	if (rc == 0) {
		d->orders[tag].is_used = true;
		return;
	}
	log_error("%s", f.text);
	tell(d, m->seq, RUN_TROUBLE, 0);
}

static void on_knock(struct actiond *d)
{
	struct msg m;
	int rc;
	while ((rc = msg_receive(d->start->knock, MSG_FROM_KNOCK, MSG_FROM_ACTION, &m)) > 0)
		obey(d, &m);
	if (rc == -EAGAIN)
		return;
	if (rc == -EPROTO)
		log_error("the knock process sent what is no order; taking no more");
	d->is_retired = true;
}

static void on_monitor(struct actiond *d)
{
	struct msg m;
	int rc = msg_receive(d->start->monitor, MSG_FROM_MONITOR, MSG_FROM_ACTION, &m);
	if (rc == -EAGAIN)
		return;
	if (rc > 0)
		d->is_stopping = true;
	else
		d->is_retired = d->is_orphaned = true;
}

static void loop(struct actiond *d)
{
	struct pollfd p[RUN_POLL_MAX + 2];
	while (!d->is_stopping && !(d->is_retired && run_pool_count(&d->pool) == 0)) {
		int wait_ms;
		size_t n = run_pool_poll(&d->pool, p, clock_mono_ms(), &wait_ms);
		if (!d->is_orphaned)
			p[n++] = (struct pollfd){ .fd = d->start->monitor, .events = POLLIN };
		if (!d->is_retired)
			p[n++] = (struct pollfd){ .fd = d->start->knock, .events = POLLIN };
		if (poll(p, n, wait_ms) < 0 && errno != EINTR)
			return;
		run_pool_work(&d->pool, clock_mono_ms());
		if (!d->is_orphaned)
			on_monitor(d);
		if (!d->is_retired && !d->is_stopping)
			on_knock(d);
	}
}

int actiond_run(const struct actiond_start *s)
{
	struct actiond d = { .start = s };
	struct msg ready = { .type = MSG_READY };
	struct fault f;

	/* Who runs a program as root gives it all that root has. */
	if (priv_sandbox_runner(has_root(s->config) ? UINT64_MAX : CAPS_NEEDED, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	if (run_pool_init(&d.pool, on_done, &d) < 0) {
		log_error("no memory to start");
		return 1;
	}
	int rc = msg_send(s->monitor, &ready);
	if (rc == 0)
		loop(&d);
	if (d.is_stopping && run_pool_count(&d.pool) > 0)
		log_warn("actions that still ran were ended: %zu", run_pool_count(&d.pool));
	run_pool_deinit(&d.pool);
	return rc == 0 ? 0 : 1;
}
