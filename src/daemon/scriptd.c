/*
 * Orders to another firewall. Invariant: whatever the knock process asks for, nothing opens that the
 * configuration does not name, and what opens is closed by us, for nothing else closes it.
 */

#include "daemon/scriptd.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/script.h"
#include "priv/priv.h"

#define ROOT "root"
#define LAST_RESET_MS 4000 /* twice this is less than the monitor's patience */
/* To become the user of the program, and to end what it started. */
#define CAPS_NEEDED                                                                                \
	(1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_SETPCAP | 1ull << CAP_KILL)

struct scriptd {
	const struct gated_start *start;
	struct gate_script *gate;
	bool is_stopping, has_said_cut;
	int exit_status;
};

static bool is_root(const struct config *c)
{
	return strcmp(c->server.script_user, ROOT) == 0;
}

int scriptd_check(const struct config *c, struct fault *f)
{
	struct priv_user user;
	struct fault why;
	int rc = is_root(c) ? 0 : priv_user_find(c->server.script_user, &user, &why);
	if (rc == 0)
		rc = run_check(c->server.script, &why);
	if (rc < 0)
		fault_set(f, "%.100s: script: %.400s", c->file, why.text);
	return rc;
}

const char *const *scriptd_keep_environment(void)
{
	const char **kept = calloc(GATE_SCRIPT_PASSED_MAX + 1, sizeof(kept[0]));
	size_t n = 0;
	for (char *const *e = environ; kept != NULL && e != NULL && *e != NULL; e++) {
		bool is_ours =
			strncmp(*e, "POSTERN_", 8) == 0 && strncmp(*e, "POSTERN_SERVICE=", 16) != 0;
		if (is_ours && n < GATE_SCRIPT_PASSED_MAX && (kept[n] = strdup(*e)) != NULL)
			n++;
	}
	return kept;
}

static void stop(struct scriptd *d, int exit_status)
{
	d->is_stopping = true;
	if (exit_status > d->exit_status)
		d->exit_status = exit_status;
}

static void tell(struct scriptd *d, const struct msg *m)
{
	int rc = msg_send(d->start->knock, m);
	if (rc < 0 && rc != -EPIPE)
		log_error("the knock process takes no answers: %s", strerror(-rc));
	if (rc < 0)
		stop(d, rc == -EPIPE ? 0 : 1);
}

static void on_done(void *arg, uint32_t seq, int result)
{
	struct msg m = { .type = MSG_DONE, .seq = seq, .result = result };
	tell(arg, &m);
}

static void list(struct scriptd *d, uint32_t seq)
{
	struct msg m = { .type = MSG_LISTED,
		.seq = seq,
		.counts = { gate_script_stuck(d->gate), gate_script_opened(d->gate), 0, 0 } };
	tell(d, &m);
}

/* A program is told of one address: nothing narrower or wider opens, so none of it is there to close. */
static bool is_host(const struct msg *m)
{
	return m->bits == 128 && m->source_port == 0;
}

static void open_gate(struct scriptd *d, const struct msg *m)
{
	const struct config_service *s = &d->start->config->services[m->service];
	const struct gate_order o = {
		.verb = GATE_OPEN,
		.kind = GATE_WINDOW,
		.addr = m->addr,
		.proto = s->proto,
		.port = s->port,
		.mark = m->mark,
		.wait_ms = m->wait_ms,
		.lease_ms = m->lease_ms,
	};
	if (!is_host(m) || s->port_last != 0)
		on_done(d, m->seq, -EPERM);
	else
		gate_script_order(d->gate, &o, s->name, m->seq, clock_mono_ms());
}

/* Its service may be none any more. */
static void close_gate(struct scriptd *d, const struct msg *m)
{
	const struct config_service *s =
		config_service_by_port(d->start->config, m->proto, m->port);
	const struct gate_order o = {
		.verb = GATE_CLOSE,
		.kind = GATE_WINDOW,
		.addr = m->addr,
		.proto = m->proto,
		.port = m->port,
	};
	if (is_host(m))
		gate_script_order(d->gate, &o, s != NULL ? s->name : "", m->seq, clock_mono_ms());
	else
		on_done(d, m->seq, 0);
}

/* Connections that came through are the other firewall's: a gate is all that a program is asked about. */
static void note_cut(struct scriptd *d)
{
	if (!d->has_said_cut)
		log_warn("a script cannot end connections: those of gates that are closed before "
			 "their time go on");
	d->has_said_cut = true;
}

static void obey(struct scriptd *d, const struct msg *m)
{
	struct msg beaten = { .type = MSG_BEATEN, .seq = m->seq };
	if (m->type == MSG_BEAT) {
		tell(d, &beaten);
		return;
	}
	if (m->type == MSG_LIST) {
		list(d, m->seq);
		return;
	}
	if (m->type == MSG_KEPT) {
		/* A program knows no connections, so none is waited for. */
		on_done(d, m->seq, -ENOENT);
		return;
	}
	int why = m->type == MSG_SETTLE ? 0 : gated_check(d->start->config, m);
	if (why < 0)
		log_error("an order outside the configuration was refused");
	if (m->type == MSG_CUT && why == 0)
		note_cut(d);
	if (why == 0 && m->type == MSG_OPEN)
		open_gate(d, m);
	else if (why == 0 && m->type == MSG_CLOSE)
		close_gate(d, m);
	else
		on_done(d, m->seq, why);
}

static void on_knock(struct scriptd *d)
{
	struct msg m;
	int rc = 1;
	while (!d->is_stopping &&
		(rc = msg_receive(d->start->knock, MSG_FROM_KNOCK, MSG_FROM_GATE, &m)) > 0)
		obey(d, &m);
	if (rc == -EPROTO)
		log_error("the knock process sent what is no order; ending");
	if (rc == 0 || (rc < 0 && rc != -EAGAIN))
		stop(d, rc == 0 ? 0 : 1);
}

static void on_monitor(struct scriptd *d)
{
	struct msg m;
	int rc = msg_receive(d->start->monitor, MSG_FROM_MONITOR, MSG_FROM_GATE, &m);
	if (rc != -EAGAIN)
		stop(d, rc > 0 && m.type == MSG_STOP ? 0 : 1);
}

static void loop(struct scriptd *d)
{
	while (!d->is_stopping) {
		struct pollfd p[RUN_POLL_MAX + 2];
		int wait_ms;
		size_t n = gate_script_poll(d->gate, p, clock_mono_ms(), &wait_ms);
		p[n++] = (struct pollfd){ .fd = d->start->monitor, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = d->start->knock, .events = POLLIN };
		if (poll(p, n, wait_ms) < 0 && errno != EINTR) {
			stop(d, 1);
			return;
		}
		gate_script_work(d->gate, clock_mono_ms());
		on_monitor(d);
		on_knock(d);
	}
}

static int begin(struct scriptd *d, const struct priv_user *user)
{
	const struct config *c = d->start->config;
	struct fault f;
	int rc = priv_sandbox_runner(user == NULL ? UINT64_MAX : CAPS_NEEDED, &f);
	if (rc == 0) {
		rc = gate_script_new(c, user, d->start->passed, on_done, d, &d->gate);
		if (rc < 0)
			fault_set(&f, "no memory for the gates");
	}
	if (rc == 0)
		rc = gate_script_reset(d->gate, c->server.script_timeout_s * 1000, &f);
	if (rc < 0)
		log_error("%s", f.text);
	return rc;
}

/* Nobody is left who would close them. */
static void end(struct scriptd *d)
{
	uint32_t max_ms = d->start->config->server.script_timeout_s * 1000;
	struct fault f;
	if (gate_script_reset(d->gate, max_ms < LAST_RESET_MS ? max_ms : LAST_RESET_MS, &f) < 0)
		log_error("%s; gates may be left open", f.text);
}

int scriptd_run(const struct gated_start *start)
{
	struct scriptd d = { .start = start };
	/* All is closed, whatever was open before: the store knows what is to be opened again. */
	struct msg ready = { .type = MSG_READY, .is_new = 1 };
	struct priv_user user;
	struct fault f;
	bool root = is_root(start->config);
	if (start->passed == NULL) {
		log_error("no memory to start");
		return 1;
	}
	if (!root && priv_user_find(start->config->server.script_user, &user, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	int rc = begin(&d, root ? NULL : &user);
	if (rc == 0) {
		rc = msg_send(start->monitor, &ready);
		if (rc == 0)
			loop(&d);
		end(&d);
	}
	gate_script_free(d.gate);
	return rc < 0 ? 1 : d.exit_status;
}
