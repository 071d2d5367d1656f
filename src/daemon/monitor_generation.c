/*
 * A generation: knock, gate and action process, how they are born, die and follow one another. Invariant:
 * the next knock process has its doors open before the running one goes, and two gate processes never
 * live at once.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/actiond.h"
#include "daemon/boot.h"
#include "daemon/gated.h"
#include "daemon/knockd.h"
#include "daemon/monitor_internal.h"
#include "daemon/place.h"
#include "daemon/scriptd.h"
#include "priv/priv.h"

#define READY_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 10000
#define LOST_EVERY_MS 5000 /* a table that is lost again within this waits for a moment */

/* The ends of the channels between the processes of a generation, until each has its own. -1: none. */
struct ends {
	int gate[2], action[2]; /* the knock process's end first */
};

void monitor_child_forget(struct child *c)
{
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct child){ .pid = 0, .fd = -1 };
}

int monitor_child_await(struct child *c, int ms)
{
	int status = 0;
	uint64_t until = clock_mono_ms() + (uint64_t)ms;
	if (c->pid == 0)
		return 0;
	while (waitpid(c->pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() >= until) {
			kill(c->pid, SIGKILL);
			waitpid(c->pid, &status, 0);
			break;
		}
		/* Its channel closes when it ends; a hung one is bounded by the time above. */
		struct pollfd p = { .fd = c->fd, .events = POLLIN | POLLHUP };
		uint8_t sink[MSG_LEN_MAX];
		if (poll(&p, 1, 50) > 0 && read(c->fd, sink, sizeof(sink)) <= 0)
			poll(NULL, 0, 1);
	}
	monitor_child_forget(c);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* As monitor_child_await. */
static int child_stop(struct child *c)
{
	struct msg m = { .type = MSG_STOP };
	if (c->pid == 0)
		return 0;
	if (msg_send(c->fd, &m) < 0)
		kill(c->pid, SIGKILL);
	return monitor_child_await(c, STOP_TIMEOUT_MS);
}

void monitor_child_settle(struct monitor *m, const char *who, const int *keep, size_t n)
{
	log_init(who);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
	priv_close_others(keep, n);
	/* The keys of before, of which this is a copy. */
	boot_free(m->old);
	m->old = NULL;
	boot_free(m->trial.before);
	m->trial.before = NULL;
}

void monitor_name_process(const char *who)
{
	prctl(PR_SET_NAME, who);
	place_set_title(who);
}

int monitor_fork_child(struct child *ret, int *ret_fd)
{
	int pair[2];
	int rc = priv_channel(pair);
	if (rc < 0)
		return rc;
	pid_t pid = fork();
	if (pid == 0) {
		*ret_fd = pair[1];
		return 0;
	}
	rc = pid < 0 ? -errno : 1;
	close(pair[1]);
	if (pid < 0)
		close(pair[0]);
	else
		*ret = (struct child){ pid, pair[0] };
	return rc;
}

static int fork_action(struct monitor *m, int to_knock, struct child *ret)
{
	int fd = -1;
	int rc = monitor_fork_child(ret, &fd);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	const int keep[] = { fd, to_knock };
	boot_forget_keys(m->boot);
	monitor_child_settle(m, "posternd: action", keep, 2);
	monitor_name_process("posternd: action");
	struct actiond_start s = { m->boot->config, fd, to_knock };
	_exit(actiond_run(&s));
}

static int fork_gate(struct monitor *m, int to_knock, bool is_successor, struct child *ret)
{
	int fd = -1;
	int rc = monitor_fork_child(ret, &fd);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	const int keep[] = { fd, to_knock };
	boot_forget_keys(m->boot);
	bool is_script = m->boot->config->server.backend == CONFIG_BACKEND_SCRIPT;
	const char *who = is_script ? "posternd: script" : "posternd: gate";
	monitor_child_settle(m, who, keep, 2);
	const char *const *passed = is_script ? scriptd_keep_environment() : NULL;
	monitor_name_process(who);
	struct gated_start s = {
		.config = m->boot->config,
		.monitor = fd,
		.knock = to_knock,
		.is_successor = is_successor,
		.is_table_lost = m->is_table_lost,
		.passed = passed,
	};
	_exit(is_script ? scriptd_run(&s) : gated_run(&s));
}

static int fork_knock(struct monitor *m, const struct ends *e, bool is_successor, struct child *ret)
{
	int fd = -1;
	int rc = monitor_fork_child(ret, &fd);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	int keep[5] = { fd, e->gate[0], m->control };
	size_t n = 3;
	if (e->action[0] >= 0)
		keep[n++] = e->action[0];
	if (m->metrics >= 0)
		keep[n++] = m->metrics;
	boot_forget_relay(m->boot);
	monitor_child_settle(m, "posternd: knock", keep, n);
	monitor_name_process("posternd: knock");
	struct knockd_start s = {
		.boot = m->boot,
		.monitor = fd,
		.gate = e->gate[0],
		.action = e->action[0],
		.control = m->control,
		.metrics = m->metrics,
		.generation = m->number,
		.reloads = m->reloads,
		.is_successor = is_successor,
		.is_table_lost = m->is_table_lost,
		.trial_until_mono_ms = m->trial.until_mono_ms,
		.is_fallback = m->trial.is_fallback,
	};
	_exit(knockd_run(&s));
}

/* Wait until a child says READY. 0, -ECHILD when it ended (it said why), -ETIMEDOUT. */
static int await_ready(struct child *c, enum msg_from from, bool *ret_is_new)
{
	uint64_t until = clock_mono_ms() + READY_TIMEOUT_MS;
	for (;;) {
		struct msg msg;
		uint64_t now = clock_mono_ms();
		int rc = msg_receive(c->fd, from, MSG_FROM_MONITOR, &msg);
		if (rc > 0 && msg.type == MSG_READY) {
			*ret_is_new = msg.is_new != 0;
			return 0;
		}
		if (rc == 0 || (rc < 0 && rc != -EAGAIN)) {
			monitor_child_await(c, STOP_TIMEOUT_MS);
			return -ECHILD;
		}
		if (now >= until)
			return -ETIMEDOUT;
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		poll(&p, 1, (int)(until - now));
	}
}

/* It takes no more orders, and ends when what it runs has. One too many is ended at once. */
static void child_retire(struct monitor *m, struct child *c)
{
	if (c->pid == 0)
		return;
	if (m->retired[MONITOR_RETIRED_MAX - 1] != 0) {
		kill(m->retired[MONITOR_RETIRED_MAX - 1], SIGKILL);
		waitpid(m->retired[MONITOR_RETIRED_MAX - 1], NULL, 0);
	}
	memmove(&m->retired[1], &m->retired[0], sizeof(m->retired) - sizeof(m->retired[0]));
	m->retired[0] = c->pid;
	monitor_child_forget(c);
}

void monitor_reap_retired(struct monitor *m)
{
	for (size_t i = 0; i < MONITOR_RETIRED_MAX; i++)
		if (m->retired[i] != 0 && waitpid(m->retired[i], NULL, WNOHANG) != 0)
			m->retired[i] = 0;
}

void monitor_kill_retired(const struct monitor *m)
{
	for (size_t i = 0; i < MONITOR_RETIRED_MAX; i++) {
		if (m->retired[i] == 0)
			continue;
		kill(m->retired[i], SIGKILL);
		waitpid(m->retired[i], NULL, 0);
	}
}

int monitor_stop_generation(struct monitor *m, struct generation *g)
{
	child_stop(&g->knock);
	int status = child_stop(&g->gate);
	if (m->is_stopping)
		(void)child_stop(&g->action);
	else
		child_retire(m, &g->action);
	return status;
}

static void ends_close(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		if (e->gate[i] >= 0)
			close(e->gate[i]);
		if (e->action[i] >= 0)
			close(e->action[i]);
	}
}

static int ends_open(const struct monitor *m, struct ends *ret)
{
	struct ends e = { { -1, -1 }, { -1, -1 } };
	int rc = priv_channel(e.gate);
	if (rc == 0 && actiond_is_needed(m->boot->config))
		rc = priv_channel(e.action);
	if (rc < 0)
		ends_close(&e);
	else
		*ret = e;
	return rc;
}

static int action_start(struct monitor *m, const struct ends *e, struct generation *g)
{
	bool ignored = false;
	if (e->action[1] < 0)
		return 0;
	int rc = fork_action(m, e->action[1], &g->action);
	if (rc == 0)
		rc = await_ready(&g->action, MSG_FROM_ACTION, &ignored);
	return rc;
}

/* Gate and action process, after the knock process has opened its doors. */
static int gate_start(
	struct monitor *m, const struct ends *e, bool is_successor, struct generation *g)
{
	int rc = fork_gate(m, e->gate[1], is_successor, &g->gate);
	if (rc == 0)
		rc = await_ready(&g->gate, MSG_FROM_GATE, &g->is_new_table);
	return rc == 0 ? action_start(m, e, g) : rc;
}

static int knock_start(
	struct monitor *m, const struct ends *e, bool is_successor, struct generation *g)
{
	bool ignored = false;
	int rc = fork_knock(m, e, is_successor, &g->knock);
	if (rc == 0)
		rc = await_ready(&g->knock, MSG_FROM_KNOCK, &ignored);
	return rc;
}

static int go(struct monitor *m)
{
	struct msg msg = { .type = MSG_GO, .is_new = m->now.is_new_table };
	m->now.began_mono_ms = clock_mono_ms();
	memset(m->lost, 0, sizeof(m->lost));
	/* Before anything may come through the gates that the knock process puts back. */
	monitor_relay_begin(m);
	int rc = msg_send(m->now.knock.fd, &msg);
	if (rc == 0) {
		monitor_relay_connect(m);
		monitor_log_begin(m);
	}
	return rc;
}

/* From nothing. The knock process opens its doors first: when it cannot, the firewall was not touched. */
int monitor_start_generation(struct monitor *m)
{
	struct ends e;
	int rc = ends_open(m, &e);
	if (rc < 0)
		return rc;
	m->number++;
	monitor_relay_resolve(m);
	rc = knock_start(m, &e, false, &m->now);
	if (rc == 0)
		rc = gate_start(m, &e, false, &m->now);
	if (rc == 0)
		rc = go(m);
	ends_close(&e);
	if (rc < 0)
		monitor_stop_generation(m, &m->now);
	else
		m->is_table_lost = false;
	return rc;
}

/*
 * The next generation with m->boot: the new knock process opens its doors while the old one still
 * answers; then the old pair goes and the new gate process adopts the table as it is.
 */
int monitor_replace_generation(struct monitor *m, const char *why)
{
	struct generation next = { .knock = { 0, -1 }, .gate = { 0, -1 }, .action = { 0, -1 } };
	struct ends e;
	int rc = ends_open(m, &e);
	if (rc < 0)
		return rc;
	m->number++;
	monitor_relay_resolve(m);
	rc = knock_start(m, &e, true, &next);
	if (rc < 0) {
		child_stop(&next.knock);
		m->number--;
		ends_close(&e);
		return rc;
	}
	monitor_tell(m, 0, why);
	monitor_stop_generation(m, &m->now);
	m->now = next;
	m->retry_at_mono_ms = 0;
	rc = gate_start(m, &e, true, &m->now);
	if (rc == 0)
		rc = go(m);
	ends_close(&e);
	if (rc < 0) {
		log_error("the new processes did not start; trying again");
		monitor_stop_generation(m, &m->now);
		m->backoff_ms = BACKOFF_MIN_MS;
		m->retry_at_mono_ms = clock_mono_ms() + m->backoff_ms;
	}
	return 0;
}

/*
 * The ports are open until the table is back, so there is no pause before it; but who takes it away again
 * and again gets no processor of ours for it.
 */
static void on_table_lost(struct monitor *m, uint64_t now)
{
	bool is_repeated = m->lost_mono_ms != 0 && now - m->lost_mono_ms < LOST_EVERY_MS;
	m->is_table_lost = true;
	m->lost_mono_ms = now;
	m->retry_at_mono_ms = now + (is_repeated ? BACKOFF_MIN_MS : 0);
}

/* A child of the running generation ended by itself: the other goes too, both come back. */
void monitor_on_death(struct monitor *m, int gate_status)
{
	int status = monitor_stop_generation(m, &m->now);
	uint64_t now = clock_mono_ms();
	if (gate_status == GATED_TABLE_LOST || status == GATED_TABLE_LOST) {
		on_table_lost(m, now);
		return;
	}
	log_error("a process ended unexpectedly; the ports stay closed, starting it anew");
	if (now - m->now.began_mono_ms > HEALTHY_MS || m->backoff_ms == 0)
		m->backoff_ms = BACKOFF_MIN_MS;
	else
		m->backoff_ms =
			m->backoff_ms * 2 < BACKOFF_MAX_MS ? m->backoff_ms * 2 : BACKOFF_MAX_MS;
	m->retry_at_mono_ms = now + m->backoff_ms;
}

bool monitor_child_ended(struct child *c, int *ret_status)
{
	int status = 0;
	if (c->pid == 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	monitor_child_forget(c);
	if (WIFEXITED(status))
		*ret_status = WEXITSTATUS(status);
	return true;
}
