/*
 * The relay process: its loop, its clock and the monitor's channel. It is one thread, and whatever it does for
 * one connection is bounded before the others have their turn.
 */

#include "relay/relayd.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/internal.h"

#define TICK_MS 250
#define RATES_MS 1000
#define GOODBYE_MS 1000 /* for what the knock process is to hear of the last ones */

static void on_tick(uv_timer_t *timer);

void relay_stop(struct relay *r, int exit_status)
{
	r->exit_status = exit_status;
	uv_stop(&r->loop);
}

uint32_t relay_next_id(struct relay *r)
{
	/* Wrapping around takes four thousand million connections; the first of them are gone. */
	if (r->next_id == 0)
		r->next_id = 1;
	return r->next_id++;
}

void relay_tick_on(struct relay *r)
{
	if (!uv_is_active((uv_handle_t *)&r->tick))
		uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
}

static void step_again(struct relay *r)
{
	struct connection *list = r->again;
	r->again = NULL;
	while (list != NULL) {
		struct connection *c = list;
		list = c->again_next;
		c->is_again = false;
		connection_step(c);
		connection_settle(c);
	}
}

static void on_idle(uv_idle_t *idle)
{
	struct relay *r = idle->data;
	r->now_ms = clock_mono_ms();
	step_again(r);
	report_flush(r);
	if (r->again == NULL)
		uv_idle_stop(idle);
}

void relay_wake(struct relay *r)
{
	uv_idle_start(&r->idle, on_idle);
}

static void measure(struct connection *c)
{
	c->rate_inner = (c->rate_inner + (c->to_inner - c->last_inner)) / 2;
	c->rate_client = (c->rate_client + (c->to_client - c->last_client)) / 2;
	c->last_inner = c->to_inner;
	c->last_client = c->to_client;
}

static bool is_busy(const struct relay *r)
{
	for (size_t i = 0; i < CAUGHT_MAX; i++)
		if (r->caught[i].last.id != 0 && r->caught[i].last.count > 0)
			return true;
	return r->connections > 0 || r->is_paused || r->is_stopping;
}

/* No more is taken; what is carried may go on for a while, and the others cannot begin any more. */
static void stop_slowly(struct relay *r, uint32_t grace_ms)
{
	r->is_stopping = true;
	r->stop_ms = r->now_ms + grace_ms;
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		listen_stop(p);
	for (struct connection *c = r->first; c != NULL; c = c->next)
		if (c->state != STATE_CARRYING && c->state < STATE_FAREWELL)
			connection_refuse(c, FRAME_TROUBLE, "relay-stopped", "the edge stops");
	relay_tick_on(r);
}

static void look_at_stop(struct relay *r)
{
	if (r->now_ms >= r->stop_ms)
		for (struct connection *c = r->first; c != NULL; c = c->next)
			connection_end(c, "relay-stopped", "the edge stops", false);
	bool is_told = r->owing == NULL || r->judge == NULL;
	if ((r->connections == 0 || r->connections == r->records) &&
		(is_told || r->now_ms >= r->stop_ms + GOODBYE_MS))
		relay_stop(r, 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct relay *r = timer->data;
	r->now_ms = clock_mono_ms();
	bool is_measuring = r->now_ms - r->rates_ms >= RATES_MS;
	if (is_measuring)
		r->rates_ms = r->now_ms;
	/* Nothing is freed while it goes through: connection_settle is called from elsewhere. */
	for (struct connection *c = r->first; c != NULL; c = c->next) {
		if (is_measuring)
			measure(c);
		connection_check_time(c);
	}
	if (r->is_paused)
		listen_resume(r);
	report_tick(r);
	if (r->is_stopping)
		look_at_stop(r);
	if (!is_busy(r))
		uv_timer_stop(timer);
}

/* 0, or why the monitor is not obeyed any more. */
static int obey(struct relay *r, const struct relay_msg *m, int fd)
{
	switch (m->type) {
	case RELAY_BEGIN:
		return setup_begin(r, m);
	case RELAY_IDENTITY:
		return setup_identity(r, m);
	case RELAY_PASSTHRU:
		return setup_passthru(r, m, fd);
	case RELAY_TARGET:
		return setup_target(r, m);
	case RELAY_COMMIT:
		return setup_commit(r);
	case RELAY_CHANNEL:
		report_channel(r, fd);
		return 0;
	case RELAY_STOP:
		stop_slowly(r, m->grace_ms);
		return 0;
	case RELAY_NONE:
	case RELAY_TAKEN:
	case RELAY_ASK:
	case RELAY_HELD:
	case RELAY_THROUGH:
	case RELAY_CAUGHT:
	case RELAY_ENDED:
	case RELAY_LISTED:
	case RELAY_ANSWER:
	case RELAY_CUT:
	case RELAY_LIST:
	case RELAY_MSG_COUNT:
		break;
	}
	return -EPROTO;
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
	struct relay *r = poll->data;
	struct relay_msg m;
	int fd, rc = 1;
	(void)status;
	(void)events;
	r->now_ms = clock_mono_ms();
	while (rc > 0) {
		rc = relay_msg_receive(r->monitor, RELAY_MONITOR, RELAY_RELAY, r->buffer, &m, &fd);
		if (rc <= 0)
			break;
		int failed = obey(r, &m, fd);
		if (m.type == RELAY_IDENTITY)
			sodium_memzero(r->buffer, sizeof(r->buffer));
		relay_msg_wipe(&m);
		if (failed < 0)
			rc = failed;
	}
	if (rc == -EAGAIN)
		return;
	if (rc < 0)
		log_error("cannot obey the monitor: %s; ending", strerror(-rc));
	relay_stop(r, rc == 0 && r->is_stopping ? 0 : 1);
}

static int start_loop(struct relay *r)
{
	int rc = uv_loop_init(&r->loop);
	if (rc < 0)
		return rc;
	rc = uv_poll_init(&r->loop, &r->monitor_poll, r->monitor);
	if (rc == 0)
		rc = uv_timer_init(&r->loop, &r->tick);
	if (rc == 0)
		rc = uv_idle_init(&r->loop, &r->idle);
	r->monitor_poll.data = r->tick.data = r->idle.data = r;
	if (rc == 0)
		rc = uv_poll_start(&r->monitor_poll, UV_READABLE, on_monitor);
	return rc;
}

/* Everything is closed, and the loop lets go of it, before memory is given back. */
static void wind_up(struct relay *r)
{
	report_close(r);
	for (struct connection *c = r->first; c != NULL; c = c->next) {
		connection_end(c, "relay-stopped", "the edge stops", false);
		c->owed = 0;
		c->is_asked = c->is_again = c->is_owing = false;
	}
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		listen_stop(p);
	uv_close((uv_handle_t *)&r->monitor_poll, NULL);
	uv_close((uv_handle_t *)&r->tick, NULL);
	uv_close((uv_handle_t *)&r->idle, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	while (r->first != NULL)
		connection_settle(r->first);
	while (r->passthrus != NULL) {
		struct passthru *p = r->passthrus;
		p->is_named = false;
		p->users++;
		passthru_leave(p);
	}
	setup_forget(r);
	SSL_CTX_free(r->tls);
	buffer_forget();
	uv_loop_close(&r->loop);
	sodium_memzero(r, sizeof(*r));
}

static struct relay relay;

static int begin(struct relay *r, int monitor)
{
	*r = (struct relay){ .monitor = monitor };
	signal(SIGPIPE, SIG_IGN);
	tls_init();
	if (sodium_init() < 0)
		return -EIO;
	randombytes_buf(r->hash_key, sizeof(r->hash_key));
	r->now_ms = clock_mono_ms();
	return start_loop(r);
}

static int serve(struct relay *r)
{
	uv_run(&r->loop, UV_RUN_DEFAULT);
	int exit_status = r->exit_status;
	wind_up(r);
	return exit_status;
}

int relay_serve(int monitor)
{
	int rc = begin(&relay, monitor);
	return rc < 0 ? 1 : serve(&relay);
}

static int confine(const struct relayd_start *start, struct fault *f)
{
	const struct rlimit descriptors = { start->descriptors_max, start->descriptors_max };
	int landlock = 0;
	if (setrlimit(RLIMIT_NOFILE, &descriptors) < 0)
		log_warn("the limit of descriptors cannot be set to %u: %s", start->descriptors_max,
			strerror(errno));
	int rc = priv_drop(&start->user, 0, f);
	return rc < 0 ? rc : priv_sandbox_relay(&landlock, f);
}

int relayd_run(const struct relayd_start *start)
{
	struct fault f = { "" };
	int rc = begin(&relay, start->monitor);
	if (rc < 0) {
		log_error("cannot start: %s", strerror(-rc));
		return 1;
	}
	rc = confine(start, &f);
	if (rc < 0) {
		log_error("%s", f.text);
		return 1;
	}
	return serve(&relay);
}
