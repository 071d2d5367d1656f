/*
 * The monitor. A plain poll() and a signalfd, no event library: this process forks, and the children must
 * not share an event loop with it.
 *
 * Invariant: knock, gate and action process are born and die together (a "generation"), and a configuration takes
 * the place of the running one only after everything in it was found good.
 */

#include "daemon/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/capture.h"
#include "daemon/boot.h"
#include "daemon/ground.h"
#include "daemon/monitor_internal.h"
#include "daemon/place.h"
#include "priv/priv.h"

#define RELOAD_EVERY_MS 1000 /* at most, by the knock process's word */
#define LOOK_EVERY_MS 500
#define EXIT_TROUBLE 4

void monitor_tell(struct monitor *m, int result, const char *text)
{
	struct msg msg = { .type = MSG_RELOADED, .result = result };
	snprintf(msg.text, sizeof(msg.text), "%s", text);
	if (m->now.knock.pid != 0 && msg_send(m->now.knock.fd, &msg) < 0)
		log_warn("the answer to the reload was lost");
	if (result == 0) {
		log_info("%s", text);
		return;
	}
	log_error("reload refused, the running configuration stays");
	for (const char *line = text; *line != '\0'; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");
		log_error("%.*s", (int)len, line);
		line += len;
	}
}

static void warn(const struct config *c)
{
	struct fault f[GROUND_WARNINGS_MAX];
	size_t n = ground_warn(c, f);
	for (size_t i = 0; i < n; i++)
		log_warn("%s", f[i].text);
}

void monitor_report_text(const struct config_report *r, char *to, size_t cap)
{
	size_t at = 0;
	to[0] = '\0';
	for (size_t i = 0; i < r->kept && at < cap; i++) {
		int n = snprintf(to + at, cap - at, "%s%s", i > 0 ? "\n" : "", r->lines[i]);
		if (n < 0)
			break;
		at += (size_t)n;
	}
}

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

struct boot *monitor_load_next(struct monitor *m, const char *path)
{
	struct config_report r = { 0 };
	struct boot *next = boot_load(path, &r);
	struct fault f;
	char text[MSG_TEXT_MAX];
	if (next == NULL) {
		monitor_report_text(&r, text, sizeof(text));
		monitor_tell(m, -EINVAL, text);
		config_report_deinit(&r);
		return NULL;
	}
	config_report_deinit(&r);
	const struct config_server *a = &m->boot->config->server, *b = &next->config->server;
	if (strcmp(a->control, b->control) != 0 || strcmp(a->store, b->store) != 0 ||
		!is_same_text(a->metrics, b->metrics)) {
		monitor_tell(m, -EINVAL,
			"control, store and metrics cannot change while running; restart posternd");
		boot_free(next);
		return NULL;
	}
	if (ground_check(next->config, &f) < 0 || monitor_listen_bind(m, next->config, &f) < 0) {
		monitor_listen_trim(m);
		monitor_tell(m, -EINVAL, f.text);
		boot_free(next);
		return NULL;
	}
	if (next->warning[0] != '\0')
		log_warn("%s", next->warning);
	warn(next->config);
	return next;
}

int monitor_swap(struct monitor *m, struct boot *next, struct boot **ret_old, const char *why)
{
	m->old = m->boot;
	m->boot = next;
	m->reloads++;
	const struct boot *told = m->relay.told;
	m->relay.told = NULL;
	int rc = monitor_replace_generation(m, why);
	if (rc < 0) {
		m->reloads--;
		m->boot = m->old;
		m->old = NULL;
		m->relay.told = told;
		monitor_relay_resolve(m);
		monitor_listen_trim(m);
		return rc;
	}
	*ret_old = m->old;
	m->old = NULL;
	return 0;
}

static void reload(struct monitor *m)
{
	char text[MSG_TEXT_MAX];
	struct boot *old = NULL;
	if (monitor_trial_forbids(m))
		return;
	struct boot *next = monitor_load_next(m, m->path);
	if (next == NULL)
		return;
	bool was_fallback = m->trial.is_fallback;
	m->trial.is_fallback = false;
	snprintf(text, sizeof(text), "reloaded %.500s; services guarded: %zu, people known: %zu",
		m->path, next->config->service_count, directory_count(next->directory));
	if (monitor_swap(m, next, &old, text) < 0) {
		m->trial.is_fallback = was_fallback;
		boot_free(next);
		monitor_tell(
			m, -EIO, "the new knock process did not start; its reason is in the log");
		return;
	}
	boot_free(old);
	monitor_trial_settled(m);
}
static void on_signal(struct monitor *m)
{
	struct signalfd_siginfo info;
	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			m->is_stopping = true;
			return;
		case SIGHUP:
			reload(m);
			break;
		case SIGCHLD: {
			int ignored = 0, gate_status = 0;
			bool knock = monitor_child_ended(&m->now.knock, &ignored);
			bool gate = monitor_child_ended(&m->now.gate, &gate_status);
			bool action = monitor_child_ended(&m->now.action, &ignored);
			monitor_reap_retired(m);
			monitor_relay_reap(m);
			if (knock || gate || action)
				monitor_on_death(m, gate_status);
			break;
		}
		default:
			break;
		}
	}
}

static void on_door_lost(struct monitor *m, uint16_t door)
{
	if (m->boot->config->doors[door].capture == CONFIG_CAPTURE_LOG)
		monitor_log_moved(m, door);
	else
		m->lost[door] = true;
}

static void on_knock(struct monitor *m)
{
	struct msg msg;
	int rc = msg_receive(m->now.knock.fd, MSG_FROM_KNOCK, MSG_FROM_MONITOR, &msg);
	if (rc == -EAGAIN)
		return;
	if (rc <= 0) {
		monitor_on_death(m, 0);
		return;
	}
	if (msg.type == MSG_RELOAD && m->reload_at_mono_ms == 0)
		m->reload_at_mono_ms = m->reloaded_mono_ms + RELOAD_EVERY_MS;
	else if (msg.type == MSG_TRIAL_BEGIN || msg.type == MSG_TRIAL_CONFIRM ||
		msg.type == MSG_TRIAL_ABORT)
		monitor_trial_word(m, msg.type);
	else if (msg.type == MSG_RELAY_BROKEN)
		monitor_relay_broken(m);
	else if (msg.type == MSG_DOOR_LOST && msg.door < m->boot->config->door_count)
		on_door_lost(m, msg.door);
}

/* A door that is lost again and again, by the knock process's word, is looked after more and more seldom. */
static void pause_looking(struct monitor *m)
{
	uint64_t now = clock_mono_ms();
	if (now - m->now.began_mono_ms > HEALTHY_MS || m->look_ms == 0)
		m->look_ms = LOOK_EVERY_MS;
	else
		m->look_ms = m->look_ms * 2 < BACKOFF_MAX_MS ? m->look_ms * 2 : BACKOFF_MAX_MS;
	m->look_at_mono_ms = now + m->look_ms;
}

/* One group has one listener, so whether it is free can only be tried. */
static bool is_group_free(const struct config_door *d)
{
	const struct capture_group g = {
		.group = (uint16_t)d->group, .copy_len = 1, .is_all = true
	};
	struct capture_nflog *n = NULL;
	struct fault f;
	if (capture_nflog_open(&g, &n, &f) < 0)
		return false;
	capture_nflog_close(n);
	return true;
}

static bool is_there(const struct config_door *d)
{
	if (d->interface != NULL && !place_interface_is_up(d->interface))
		return false;
	return d->capture != CONFIG_CAPTURE_NFLOG || is_group_free(d);
}

static void look_for_doors(struct monitor *m)
{
	for (size_t i = 0; i < m->boot->config->door_count; i++) {
		const struct config_door *d = &m->boot->config->doors[i];
		if (!m->lost[i] || m->now.knock.pid == 0 || !is_there(d))
			continue;
		m->lost[i] = false;
		pause_looking(m);
		char text[160];
		if (d->capture == CONFIG_CAPTURE_NFLOG)
			snprintf(text, sizeof(text),
				"log group %u is there; door %s opens its eyes", (unsigned)d->group,
				d->name);
		else
			snprintf(text, sizeof(text),
				"interface %s is there; door %s opens its eyes", d->interface,
				d->name);
		if (monitor_replace_generation(m, text) < 0)
			m->lost[i] = true;
		return;
	}
}

/* What is due: the next try, a reload, an interface that came. */
static void look_around(struct monitor *m)
{
	uint64_t now = clock_mono_ms();
	monitor_trial_look(m, now);
	if (m->retry_at_mono_ms != 0 && now >= m->retry_at_mono_ms) {
		m->retry_at_mono_ms = 0;
		if (monitor_start_generation(m) < 0)
			monitor_on_death(m, 0);
	} else if (m->reload_at_mono_ms != 0 && now >= m->reload_at_mono_ms) {
		m->reload_at_mono_ms = 0;
		reload(m);
		m->reloaded_mono_ms = clock_mono_ms();
	} else if (now >= m->look_at_mono_ms) {
		look_for_doors(m);
	}
	monitor_log_look(m, now);
	monitor_relay_look(m, now);
}

static int until(uint64_t at_mono_ms, int wait)
{
	uint64_t now = clock_mono_ms();
	uint64_t left = at_mono_ms > now ? at_mono_ms - now : 0;
	return wait < 0 || left < (uint64_t)wait ? (int)left : wait;
}

static int wait_ms(const struct monitor *m)
{
	int wait = -1;
	if (m->retry_at_mono_ms != 0)
		wait = until(m->retry_at_mono_ms, wait);
	if (m->reload_at_mono_ms != 0)
		wait = until(m->reload_at_mono_ms, wait);
	if (m->trial.until_mono_ms != 0)
		wait = until(m->trial.until_mono_ms, wait);
	if (m->log_look_at_mono_ms != 0 && m->now.knock.pid != 0)
		wait = until(m->log_look_at_mono_ms, wait);
	if (monitor_relay_due_mono_ms(m) != 0)
		wait = until(monitor_relay_due_mono_ms(m), wait);
	for (size_t i = 0; i < m->boot->config->door_count; i++)
		if (m->lost[i] && m->now.knock.pid != 0)
			return until(m->look_at_mono_ms > clock_mono_ms()
					? m->look_at_mono_ms
					: clock_mono_ms() + LOOK_EVERY_MS,
				wait);
	return wait;
}

static void loop(struct monitor *m)
{
	while (!m->is_stopping) {
		struct pollfd p[] = {
			{ .fd = m->signals, .events = POLLIN },
			{ .fd = m->now.knock.fd, .events = POLLIN },
			{ .fd = m->now.gate.fd, .events = POLLIN },
			{ .fd = m->now.action.fd, .events = POLLIN },
			{ .fd = m->relay.child.fd, .events = POLLIN },
			{ .fd = m->relay.resolver.fd, .events = POLLIN },
		};
		if (poll(p, sizeof(p) / sizeof(p[0]), wait_ms(m)) < 0 && errno != EINTR)
			break;
		if (p[0].revents != 0)
			on_signal(m);
		else if (p[1].revents != 0 && m->now.knock.fd >= 0)
			on_knock(m);
		else if (p[2].revents != 0 && m->now.gate.fd >= 0)
			monitor_on_death(m, 0); /* the gate process never speaks after READY */
		else if (p[3].revents != 0 && m->now.action.fd >= 0)
			monitor_on_death(m, 0); /* nor does the action process */
		else if (p[4].revents != 0 && m->relay.child.fd >= 0)
			monitor_relay_heard(m);
		else if (p[5].revents != 0 && m->relay.resolver.fd >= 0)
			monitor_relay_resolved(m);
		look_around(m);
	}
}

static int take_signals(struct monitor *m)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &m->old_mask);
	signal(SIGPIPE, SIG_IGN);
	m->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return m->signals < 0 ? -errno : 0;
}

/* 0, 1 when nothing is to be guarded, or -errno; it says why. */
static int prepare(struct monitor *m)
{
	struct fault f;
	int rc = ground_check_caps(&f);
	if (rc < 0) {
		log_error("%s", f.text);
		return rc;
	}
	/* It holds the server's keys, and so does a child until it has dropped its privilege. */
	const struct rlimit none = { 0, 0 };
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		log_warn("a core file may be written: %s", strerror(errno));
	rc = monitor_trial_choose(m);
	if (rc != 0)
		return rc;
	if (m->boot->warning[0] != '\0')
		log_warn("%s", m->boot->warning);
	warn(m->boot->config);
	rc = ground_check(m->boot->config, &f);
	if (rc == 0)
		rc = monitor_listen_bind(m, m->boot->config, &f);
	if (rc == 0)
		rc = place_make_folder(m->boot->config->server.store, 0700, &f);
	if (rc == 0)
		rc = ground_check_store(m->boot->config->server.store, &f);
	if (rc == 0)
		rc = place_make_folder(m->boot->config->server.control, 0755, &f);
	if (rc == 0)
		rc = place_listen(m->boot->config->server.control, &m->control, &f);
	if (rc == 0 && m->boot->config->server.metrics != NULL)
		rc = place_listen_tcp(m->boot->config->server.metrics, &m->metrics, &f);
	if (rc < 0)
		log_error("%s", f.text);
	return rc;
}

int monitor_run(const char *config_path)
{
	struct monitor m = {
		.path = config_path,
		.control = -1,
		.metrics = -1,
		.signals = -1,
		.now = { .knock = { 0, -1 }, .gate = { 0, -1 }, .action = { 0, -1 } },
		.relay = { .child = { 0, -1 }, .resolver = { 0, -1 } },
	};
	int status = EXIT_TROUBLE;

	log_init("posternd");
	int rc = prepare(&m);
	if (rc > 0) {
		/* Not to be started again and again by whoever waits for READY. */
		place_notify("READY=1");
		status = 0;
	}
	if (rc != 0)
		goto out;
	rc = take_signals(&m);
	if (rc < 0) {
		log_error("no signals: %s", strerror(-rc));
		goto out;
	}
	rc = monitor_trial_start(&m);
	if (rc == 0)
		rc = monitor_start_generation(&m);
	if (rc < 0) {
		if (rc != -ECHILD)
			log_error("cannot start: %s", strerror(-rc));
		goto out;
	}
	monitor_trial_settled(&m);
	place_notify("READY=1");
	loop(&m);
	monitor_relay_stop(&m);
	place_notify("STOPPING=1");
	(void)monitor_stop_generation(&m, &m.now);
	monitor_kill_retired(&m);
	if (!monitor_trial_stop(&m))
		log_info("stopped; guarded ports stay closed");
	status = 0;
out:
	if (m.control >= 0) {
		close(m.control);
		unlink(m.boot->config->server.control);
	}
	if (m.metrics >= 0)
		close(m.metrics);
	if (m.signals >= 0)
		close(m.signals);
	monitor_log_end(&m);
	monitor_listen_end(&m);
	boot_free(m.trial.before);
	boot_free(m.boot);
	return status;
}
