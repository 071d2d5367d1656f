/*
 * The knock process. Invariant: everything it will ever need is open before priv_drop and the sandbox;
 * the first byte of a stranger's input is read after them.
 */

#include "daemon/knockd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/knockd_internal.h"
#include "daemon/lease.h"

#define USED_COPY_LEN 64 /* of a packet through a gate: IP header and ports */

void knockd_stop(struct knockd *k, int exit_status)
{
	k->is_stopping = true;
	if (exit_status > k->exit_status)
		k->exit_status = exit_status;
	uv_stop(&k->loop);
}

static int tell_monitor(struct knockd *k, const struct msg *m)
{
	return msg_send(k->start->monitor, m);
}

/* Wait for the monitor's word that the predecessor is gone and the gate process stands. */
static int await_go(struct knockd *k, bool *ret_is_new_table)
{
	struct msg m = { .type = MSG_READY };
	int rc = tell_monitor(k, &m);
	if (rc < 0)
		return rc;
	for (;;) {
		struct pollfd p = { .fd = k->start->monitor, .events = POLLIN };
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		rc = msg_receive(k->start->monitor, MSG_FROM_MONITOR, MSG_FROM_KNOCK, &m);
		if (rc == -EAGAIN)
			continue;
		if (rc <= 0)
			return rc < 0 ? rc : -EPIPE;
		if (m.type == MSG_STOP)
			return -ECANCELED;
		*ret_is_new_table = m.is_new != 0;
		return m.type == MSG_GO ? 0 : -EPROTO;
	}
}

static void on_used(uv_poll_t *poll, int status, int events)
{
	struct knockd *k = poll->data;
	(void)status;
	(void)events;
	int rc = capture_nflog_read(k->nflog, mirror_used, k);
	events_write(k);
	if (rc < 0) {
		log_warn("no more word of used gates: %s", strerror(-rc));
		uv_poll_stop(poll);
	}
}

void knockd_told(struct knockd *k, const struct msg *m)
{
	if (m->type == MSG_BEATEN) {
		k->beat_seen_ms = clock_mono_ms();
	} else if (m->type == MSG_ASK) {
		struct msg well = { .type = MSG_WELL, .seq = m->seq };
		k->asked_seq = k->store_bad_mono_ms != 0 ? m->seq : 0;
		/* One that is gone is noticed at the end of its answers. */
		if (k->store_bad_mono_ms == 0)
			(void)!msg_send(k->start->gate, &well);
	} else if (m->type == MSG_LISTED) {
		control_listed(k, m);
	} else if ((m->seq & SEQ_CONTROL) != 0) {
		control_done(k, m);
	} else if ((m->seq & SEQ_KEPT) != 0) {
		mirror_kept(k, m);
	} else {
		turn_done(k, m);
	}
}

static void on_gate(uv_poll_t *poll, int status, int events)
{
	struct knockd *k = poll->data;
	struct msg m;
	(void)status;
	(void)events;
	for (;;) {
		int rc = msg_receive(k->start->gate, MSG_FROM_GATE, MSG_FROM_KNOCK, &m);
		if (rc == -EAGAIN)
			break;
		if (rc <= 0) {
			if (!k->is_stopping)
				log_error(
					"the gate process is gone; ending so that both are started anew");
			knockd_stop(k, 1);
			return;
		}
		knockd_told(k, &m);
	}
	events_write(k);
	turn_finish(k);
}

static void on_action(uv_poll_t *poll, int status, int events)
{
	struct knockd *k = poll->data;
	struct msg m;
	int rc;
	(void)status;
	(void)events;
	while ((rc = msg_receive(k->start->action, MSG_FROM_ACTION, MSG_FROM_KNOCK, &m)) > 0)
		turn_ran(k, &m);
	events_write(k);
	if (rc == -EAGAIN)
		return;
	log_error("the action process is gone; ending so that all are started anew");
	knockd_stop(k, 1);
}

/*
 * Told to stop. What is in the kernel's buffers is for the next process; who waits for the gate process
 * gets an answer first, until the next tick.
 */
static void wind_up(struct knockd *k)
{
	k->is_stopping = true;
	doors_unwatch(k);
	turn_finish(k);
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
	struct knockd *k = poll->data;
	struct msg m;
	(void)status;
	(void)events;
	for (;;) {
		struct msg_fds fds;
		int rc = msg_receive_with(
			k->start->monitor, MSG_FROM_MONITOR, MSG_FROM_KNOCK, &m, &fds);
		if (rc == -EAGAIN)
			return;
		if (rc <= 0) {
			log_error("the monitor is gone; the ports stay closed, open gates run out");
			knockd_stop(k, 1);
			return;
		}
		if (m.type == MSG_RELOADED) {
			k->is_replaced = m.result == 0;
			control_reloaded(k, &m);
		} else if (m.type == MSG_LOG) {
			doors_take_log(k, &m, &fds);
		} else if (m.type == MSG_RELAY) {
			relays_take(k, &fds);
		} else {
			wind_up(k);
			return;
		}
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct knockd *k = timer->data;
	if (k->is_stopping) {
		knockd_stop(k, 0);
		return;
	}
	closed_refresh(k->closed);
	doors_tick(k);
	mirror_tick(k);
}

static int watch(struct knockd *k, uv_poll_t *poll, int fd, void *data, uv_poll_cb cb)
{
	int rc = uv_poll_init(&k->loop, poll, fd);
	poll->data = data;
	return rc < 0 ? rc : uv_poll_start(poll, UV_READABLE, cb);
}

static int start_loop(struct knockd *k)
{
	int rc = watch(k, &k->monitor_poll, k->start->monitor, k, on_monitor);
	if (rc == 0)
		rc = watch(k, &k->gate_poll, k->start->gate, k, on_gate);
	if (rc == 0 && k->start->action >= 0)
		rc = watch(k, &k->action_poll, k->start->action, k, on_action);
	if (rc == 0 && k->nflog != NULL)
		rc = watch(k, &k->nflog_poll, capture_nflog_fd(k->nflog), k, on_used);
	if (rc == 0)
		rc = doors_watch(k);
	if (rc == 0)
		rc = uv_timer_init(&k->loop, &k->tick);
	k->tick.data = k;
	if (rc == 0)
		rc = uv_timer_start(&k->tick, on_tick, TICK_MS, TICK_MS);
	return rc;
}

/* For what does not say itself why it failed. */
static int tell(int rc, const char *what)
{
	if (rc < 0)
		log_error("cannot start: %s: %s", what, strerror(-rc));
	return rc;
}

static void load_lockout(void *arg, const struct store_lockout *l)
{
	struct knockd *k = arg;
	/* The store takes no more than the table does. */
	if (l->key_len > 0 && !lockout_put(k->lockout, l->key, l->key_len))
		log_error("%s: more names are locked out than there is room for", l->name);
}

/* Without them nobody can be let in. */
static int load_lockouts(struct knockd *k)
{
	k->lockout = lockout_new();
	if (k->lockout == NULL)
		return tell(-ENOMEM, "the tables");
	int rc = store_lockouts(k->store, load_lockout, k);
	if (rc < 0)
		store_trouble(k, "reading back who is locked out", rc);
	return rc;
}

static int open_store(struct knockd *k)
{
	struct fault f;
	int rc = store_open(k->config->server.store, &k->store, &f);
	if (rc < 0) {
		log_error("%s", f.text);
		return rc;
	}
	rc = keys_restore(k->start->boot->keys, k->store, clock_wall_ms());
	if (rc == 0)
		rc = keys_rotate(k->start->boot->keys, k->store, clock_wall_ms());
	if (rc < 0) {
		store_trouble(k, "reading back the prekeys", rc);
		return rc;
	}
	return load_lockouts(k);
}

static void note_high(void *arg, const struct store_record *r)
{
	judge_set_high_water(arg, r->wall_ms);
}

static void note_start(struct knockd *k)
{
	struct store_query newest = { .limit = 1 };
	if (store_journal(k->store, &newest, note_high, &k->judge) < 0)
		log_warn("the journal cannot be read back");
	struct store_record *r =
		events_record(k, k->start->is_successor ? STORE_RELOADED : STORE_STARTED);
	if (k->start->is_table_lost)
		snprintf(r->reason, sizeof(r->reason), "table-lost");
	snprintf(r->text, sizeof(r->text), "%sservices guarded: %zu, people known: %zu",
		k->start->is_table_lost ? "somebody took the rules away, they were made anew; "
					: "",
		k->config->service_count, directory_count(k->start->boot->directory));
	events_write(k);
}

static int become_nobody(struct knockd *k)
{
	struct priv_user user;
	struct fault f;
	int landlock = 0;
	int rc = priv_user_find(k->config->server.user, &user, &f);
	if (rc == 0)
		rc = priv_drop(&user, 0, &f);
	if (rc == 0)
		rc = priv_sandbox_knock(&landlock, &f);
	if (rc < 0)
		log_error("%s", f.text);
	else if (landlock == 0)
		log_warn(
			"this kernel has no Landlock; the system call filter alone guards the knock process");
	return rc;
}

static void tell_classic(void *arg, const char *text)
{
	(void)arg;
	log_warn("%s", text);
}

static bool is_closed(void *arg, uint8_t proto, uint16_t port)
{
	const struct knockd *k = arg;
	return closed_has(k->closed, proto, port);
}

/* The files of sequences and pads are the predecessor's until it is gone. */
static int open_classic(struct knockd *k)
{
	const struct classic_how how = {
		.boot = k->start->boot,
		.store = k->store,
		.tell = tell_classic,
		.is_closed = is_closed,
		.closed_arg = k,
	};
	struct fault f;
	int rc = classic_new(&how, &k->classic, &f);
	if (rc < 0)
		log_error("%s", f.text);
	return rc;
}

/* Only sequences ask which ports are closed. */
static int open_closed(struct knockd *k)
{
	struct fault f = { "" };
	bool is_asked = false;
	for (size_t i = 0; i < k->config->door_count; i++)
		is_asked = is_asked || k->config->doors[i].sequence_count > 0;
	int rc = is_asked ? closed_new(k->config, &k->closed, &f) : 0;
	if (rc == 0 && f.text[0] != '\0')
		log_warn("%s", f.text);
	return rc;
}

/* Everything that needs a name or a privilege, in the order of doc/design.md "Start". Says why it fails. */
static int prepare(struct knockd *k)
{
	const struct capture_group used = {
		.group = k->config->server.log_group,
		.copy_len = USED_COPY_LEN,
		.is_all = true,
	};
	struct fault f;
	bool is_new_table = false;
	int rc = doors_open(k);
	if (rc < 0)
		return rc;
	rc = open_closed(k);
	if (rc < 0)
		return tell(rc, "the set of closed ports");
	rc = answer_open(&k->answers, &f);
	if (rc < 0) {
		log_error("%s", f.text);
		return rc;
	}
	rc = await_go(k, &is_new_table);
	if (rc < 0)
		return rc == -ECANCELED ? rc : tell(rc, "the monitor's word");
	/* After the predecessor let the group go: the kernel gives one to one listener. */
	if (k->config->server.backend == CONFIG_BACKEND_SCRIPT) {
		k->nflog = NULL;
	} else if (capture_nflog_open(&used, &k->nflog, &f) < 0) {
		log_warn("%s; the journal will not say when a gate is used", f.text);
		k->nflog = NULL;
	}
	doors_open_groups(k);
	if (announce_open(k->config->server.journal_log, &k->announcer, &f) < 0)
		log_warn("%s", f.text);
	rc = open_store(k);
	if (rc < 0)
		return rc;
	k->live = live_new(k->config);
	if (k->live == NULL || turn_init(k) < 0)
		return tell(-ENOMEM, "the tables");
	rc = tell(judge_init(&k->judge, k->start->boot, clock_mono_ms()), "the tables");
	if (rc < 0)
		return rc;
	k->judge.store = k->store;
	k->judge.lockout = k->lockout;
	rc = open_classic(k);
	if (rc < 0)
		return rc;
	rc = tell(start_loop(k), "the event loop");
	if (rc == 0)
		rc = tell(control_start(k), "the control socket");
	if (rc == 0)
		rc = tell(scrape_start(k), "the page of metrics");
	if (rc == 0)
		rc = become_nobody(k);
	if (rc < 0)
		return rc;
	restore_gates(k, is_new_table, clock_wall_ms(), clock_mono_ms());
	lease_start(k);
	note_start(k);
	return 0;
}

static void note_stop(struct knockd *k)
{
	if (k->store == NULL || k->live == NULL || k->exit_status != 0 || k->is_replaced)
		return;
	struct store_record *r = events_record(k, STORE_STOPPED);
	snprintf(r->text, sizeof(r->text), "ports stay closed; open gates that run out: %zu",
		live_count(k->live));
	events_write(k);
}

static void release(struct knockd *k)
{
	doors_close(k);
	closed_free(k->closed);
	capture_nflog_close(k->nflog);
	judge_deinit(&k->judge);
	classic_free(k->classic);
	relays_free(k);
	turn_deinit(k);
	live_free(k->live);
	lockout_free(k->lockout);
	store_close(k->store);
	announce_close(&k->announcer);
	answer_close(&k->answers);
}

int knockd_run(const struct knockd_start *start)
{
	struct knockd *k = calloc(1, sizeof(*k));
	if (k == NULL || uv_loop_init(&k->loop) < 0) {
		log_error("no memory to start");
		free(k);
		return 1;
	}
	k->start = start;
	k->config = start->boot->config;
	k->answers = (struct answer_socket){ -1, -1 };
	k->announcer.fd = -1;
	k->started_wall_ms = clock_wall_ms();
	k->started_mono_ms = k->beat_seen_ms = k->logged_mono_ms = clock_mono_ms();

	int rc = prepare(k);
	int status = rc == -ECANCELED ? 0 : 1;
	if (rc == 0) {
		doors_tell_lost(k);
		log_info("watching; services guarded: %zu", k->config->service_count);
		uv_run(&k->loop, UV_RUN_DEFAULT);
		relays_leave(k);
		control_close_all(k);
		scrape_free(k);
		note_stop(k);
		status = k->exit_status;
	}
	release(k);
	free(k);
	return status;
}
