/*
 * Orders to the kernel. Invariant: whatever the knock process asks for, nothing opens that the
 * configuration does not name, and never for longer than it says.
 */

#include "daemon/gated.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/health.h"
#include "daemon/live.h"
#include "gate/gate.h"
#include "priv/priv.h"

#define ANSWER_WAIT_MS 5000
#define REFUSED_EVERY_MS 10000

/*
 * Every transaction, also one that fails, makes the kernel drop what it is collecting just then. So whoever asks
 * a full set again and again keeps it full: for so long nobody does.
 */
#define FULL_PAUSE_MS 100

struct gated {
	const struct gated_start *start;
	struct gate *gate;
	struct live *live; /* orders whose time has not run out: bounds how many can be open */
	uv_loop_t loop;
	uv_poll_t monitor_poll, knock_poll, watch_poll;
	struct health health;
	uint64_t refused_mono_ms; /* when that was last logged */
	uint64_t full_mono_ms;    /* when the kernel had no room last */
	int exit_status;
};

_Static_assert((int)GATE_ONCE == (int)CONFIG_OPEN_ONCE &&
		(int)GATE_WINDOW == (int)CONFIG_OPEN_WINDOW &&
		(int)GATE_TIMES == (int)CONFIG_OPEN_TIMES && GATE_TIMES == MSG_KIND_MAX,
	"a kind has one number in configuration, store, messages and gate");

/* An address, or a network without host bits. */
static bool is_sound_source(const struct msg *m)
{
	const struct prefix p = { m->addr, m->bits };
	return !addr_is_zero(&m->addr) && m->bits >= 1 && m->bits <= 128 &&
		prefix_contains(&p, &m->addr);
}

static bool is_source_allowed(const struct config_service *s, const struct msg *m)
{
	uint32_t widest = addr_is_v4(&m->addr) ? 96 + s->prefix_v4 : s->prefix_v6;
	return m->bits == 128 || (m->bits >= widest && m->source_port == 0);
}

int gated_check(const struct config *c, const struct msg *m)
{
	if (m->type == MSG_CUT)
		return (m->mark & 0xff000000) == c->server.mark_base ? 0 : -EPERM;
	/* Closing gives nobody anything, so it need not be a port of the configuration. */
	if (m->type == MSG_CLOSE)
		return is_sound_source(m) ? 0 : -EINVAL;
	if (m->service >= c->service_count)
		return -EPERM;
	const struct config_service *s = &c->services[m->service];
	bool is_lease = m->lease_ms > 0 &&
		(s->lease_s == CONFIG_LEASE_NONE || m->lease_ms <= s->lease_s * 1000ull);
	bool is_ours = (m->mark & 0xff000000) == c->server.mark_base;
	if (m->type == MSG_LEASE)
		return is_lease && is_ours ? 0 : -EPERM;
	if (m->kind != (uint8_t)s->open)
		return -EPERM;
	if (!is_sound_source(m))
		return -EINVAL;
	if (!is_source_allowed(s, m))
		return -EPERM;
	if (config_is_forwarded(s) &&
		(addr_is_v4(&m->addr) ? s->forward4.port : s->forward6.port) == 0)
		return -EPERM;
	if (!is_ours || !is_lease)
		return -EPERM;
	if (m->wait_ms == 0 || m->wait_ms > s->wait_s * 1000ull)
		return -EPERM;
	return 0;
}

static void stop(struct gated *g, int exit_status)
{
	g->exit_status = exit_status;
	uv_stop(&g->loop);
}

static void forget_ended(struct live *l, uint64_t now)
{
	for (size_t i = live_count(l); i > 0; i--)
		if (live_at(l, i - 1)->until_mono_ms <= now)
			live_remove(l, i - 1);
}

/* Count an order against server.gates-max. A spent ticket counts until its time is over: only the kernel knows. */
static int count(const struct config *c, struct live *l, const struct msg *m)
{
	uint64_t now = clock_mono_ms();
	struct live_place place = { m->addr, m->bits, m->source_port, m->service };
	if (m->type == MSG_CUT || m->type == MSG_LEASE)
		return 0;
	if (m->type == MSG_CLOSE) {
		const struct config_service *s = config_service_by_port(c, m->proto, m->port);
		if (s == NULL || s->port != m->port)
			return 0;
		place.service = (uint16_t)(s - c->services);
	}
	size_t old = live_find(l, &place);
	if (old != SIZE_MAX)
		live_remove(l, old);
	if (m->type != MSG_OPEN)
		return 0;
	struct live_gate g = { .place = place, .until_mono_ms = now + m->wait_ms };
	if (live_add(l, &g))
		return 0;
	forget_ended(l, now);
	return live_add(l, &g) ? 0 : -ENFILE;
}

static struct gate_order order_of(const struct config *c, const struct msg *m)
{
	struct gate_order o = { .mark = m->mark };
	if (m->type == MSG_CUT || m->type == MSG_LEASE) {
		o.verb = m->type == MSG_CUT ? GATE_CUT : GATE_LEASE;
		o.lease_ms = m->lease_ms;
		return o;
	}
	o.verb = m->type == MSG_OPEN ? GATE_OPEN : GATE_CLOSE;
	o.addr = m->addr;
	o.bits = m->bits;
	o.source_port = m->source_port;
	if (m->type == MSG_CLOSE) {
		/* A network has windows only; of one host every kind is closed. */
		o.kind = GATE_WINDOW;
		o.proto = m->proto;
		o.port = m->port;
		return o;
	}
	const struct config_service *s = &c->services[m->service];
	o.kind = (enum gate_kind)m->kind;
	o.times = (uint16_t)s->times;
	o.proto = s->proto;
	o.port = s->port;
	o.wait_ms = m->wait_ms;
	o.lease_ms = m->lease_ms;
	return o;
}

static void answer(struct gated *g, enum msg_type type, uint32_t seq, int result)
{
	struct msg m = { .type = type, .seq = seq, .result = result };
	int rc = msg_send(g->start->knock, &m);
	if (rc == -EAGAIN) {
		/* The knock process never waits for us, so waiting for it ends. */
		struct pollfd p = { .fd = g->start->knock, .events = POLLOUT };
		poll(&p, 1, ANSWER_WAIT_MS);
		rc = msg_send(g->start->knock, &m);
	}
	/* One that is gone is noticed at the end of its orders. */
	if (rc < 0 && rc != -EPIPE) {
		log_error("the knock process takes no answers: %s", strerror(-rc));
		stop(g, 1);
	}
}

static void list(struct gated *g, uint32_t seq)
{
	struct gate_counts n = { 0 };
	if (gate_counts(g->gate, &n) < 0)
		log_warn("the kernel does not tell its counters");
	struct msg m = {
		.type = MSG_LISTED, .seq = seq, .counts = { 0, n.opened, n.dropped, n.cut }
	};
	if (msg_send(g->start->knock, &m) < 0)
		stop(g, 1);
}

static void log_refused(struct gated *g)
{
	uint64_t now = clock_mono_ms();
	if (g->refused_mono_ms != 0 && now - g->refused_mono_ms < REFUSED_EVERY_MS)
		return;
	g->refused_mono_ms = now;
	log_error("an order outside the configuration was refused");
}

/* What was taken away is made anew by the next process: this one may start no child any more. */
static void lose(struct gated *g)
{
	log_error("somebody removed or changed table inet postern; making it anew");
	stop(g, GATED_TABLE_LOST);
}

static void look(struct gated *g)
{
	bool is_lost = false;
	int rc = gate_check(g->gate, g->start->config, &is_lost);
	if (rc < 0)
		log_warn("the kernel does not tell whether table inet postern is whole: %s",
			strerror(-rc));
	if (is_lost)
		lose(g);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
	struct gated *g = poll->data;
	(void)status;
	(void)events;
	if (gate_watch_read(g->gate, g->start->config))
		lose(g);
}

/* What changes nothing is answered at once. False for an order. */
static bool answer_question(struct gated *g, const struct msg *m)
{
	if (m->type == MSG_BEAT) {
		answer(g, MSG_BEATEN, m->seq, 0);
		look(g);
	} else if (m->type == MSG_WELL) {
		health_answered(&g->health, m->seq);
	} else if (m->type == MSG_LIST) {
		list(g, m->seq);
	} else if (m->type == MSG_KEPT) {
		answer(g, MSG_DONE, m->seq, gate_is_kept(g->gate, m->mark));
	} else {
		return false;
	}
	return true;
}

static bool is_full(const struct gated *g)
{
	return g->full_mono_ms != 0 && clock_mono_ms() - g->full_mono_ms < FULL_PAUSE_MS;
}

/* Does the order go to the kernel? 0 or -errno. */
static int admit(struct gated *g, const struct msg *m)
{
	int why = gated_check(g->start->config, m);
	if (why < 0) {
		log_refused(g);
		return why;
	}
	if (m->type == MSG_OPEN && is_full(g))
		return -ENFILE;
	return count(g->start->config, g->live, m);
}

/* All orders that wait, at most a batch, become one netlink transaction. */
static bool obey_batch(struct gated *g)
{
	struct gate_order orders[GATE_BATCH_MAX];
	uint32_t seqs[GATE_BATCH_MAX];
	int results[GATE_BATCH_MAX];
	struct msg m;
	size_t n = 0;
	int rc = 1;
	bool is_settled = false;
	uint32_t settle_seq = 0;

	while (n < GATE_BATCH_MAX) {
		rc = msg_receive(g->start->knock, MSG_FROM_KNOCK, MSG_FROM_GATE, &m);
		if (rc <= 0)
			break;
		if (answer_question(g, &m))
			continue;
		if (m.type == MSG_SETTLE) {
			/* What waits in this batch is part of what is restored. */
			settle_seq = m.seq;
			is_settled = true;
			break;
		}
		int why = admit(g, &m);
		if (why < 0) {
			answer(g, MSG_DONE, m.seq, why);
			continue;
		}
		orders[n] = order_of(g->start->config, &m);
		seqs[n++] = m.seq;
	}
	if (n > 0) {
		int failed = gate_apply(g->gate, orders, n, results);
		for (size_t i = 0; i < n; i++) {
			if (failed == 0 && results[i] == -ENFILE)
				g->full_mono_ms = clock_mono_ms();
			answer(g, MSG_DONE, seqs[i], failed < 0 ? failed : results[i]);
		}
	}
	if (is_settled)
		answer(g, MSG_DONE, settle_seq, gate_settle(g->gate));
	if (rc == 0 || (rc < 0 && rc != -EAGAIN)) {
		if (rc == -EPROTO)
			log_error("the knock process sent what is no order; ending");
		stop(g, rc == 0 ? 0 : 1);
		return false;
	}
	return rc > 0;
}

static void on_knock(uv_poll_t *poll, int status, int events)
{
	struct gated *g = poll->data;
	(void)status;
	(void)events;
	while (obey_batch(g))
		;
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
	struct gated *g = poll->data;
	struct msg m;
	(void)status;
	(void)events;
	int rc = msg_receive(g->start->monitor, MSG_FROM_MONITOR, MSG_FROM_GATE, &m);
	if (rc == -EAGAIN)
		return;
	stop(g, rc > 0 && m.type == MSG_STOP ? 0 : 1);
}

static int start_loop(struct gated *g)
{
	int rc = uv_loop_init(&g->loop);
	if (rc == 0)
		rc = uv_poll_init(&g->loop, &g->monitor_poll, g->start->monitor);
	if (rc == 0)
		rc = uv_poll_init(&g->loop, &g->knock_poll, g->start->knock);
	if (rc == 0)
		rc = uv_poll_init(&g->loop, &g->watch_poll, gate_watch_fd(g->gate));
	g->monitor_poll.data = g->knock_poll.data = g->watch_poll.data = g;
	if (rc == 0)
		rc = uv_poll_start(&g->monitor_poll, UV_READABLE, on_monitor);
	if (rc == 0)
		rc = uv_poll_start(&g->knock_poll, UV_READABLE, on_knock);
	if (rc == 0)
		rc = uv_poll_start(&g->watch_poll, UV_READABLE, on_watch);
	return rc;
}

static int confine(const struct gated *g)
{
	struct priv_user user;
	struct fault f;
	int landlock = 0;
	int rc = priv_user_find(g->start->config->server.user, &user, &f);
	if (rc == 0)
		rc = priv_drop(&user, 1ull << CAP_NET_ADMIN, &f);
	if (rc == 0)
		rc = priv_sandbox_gate(&landlock, &f);
	if (rc < 0)
		log_error("%s", f.text);
	return rc;
}

int gated_run(const struct gated_start *start)
{
	struct gated g = { .start = start };
	bool is_new = false;
	struct fault f;

	int rc = start->is_table_lost ? gate_new_anew(start->config, &g.gate, &f)
				      : gate_new(start->config, &g.gate, &is_new, &f);
	is_new = is_new || start->is_table_lost;
	if (rc < 0) {
		log_error("%s", f.text);
		return 1;
	}
	if (!gate_is_owned(g.gate))
		log_warn(
			"this kernel (before 6.9) cannot keep the table from a flush of all rules; "
			"after one the ports are open until the table is made anew, up to a second");
	g.live = live_new(start->config);
	rc = g.live != NULL ? start_loop(&g) : -ENOMEM;
	g.health =
		(struct health){ .gate = g.gate, .config = start->config, .knock = start->knock };
	if (rc == 0)
		rc = health_start(&g.health, &g.loop, start->is_successor);
	if (rc < 0)
		log_error("cannot start: %s", strerror(-rc));
	if (rc == 0)
		rc = confine(&g);
	struct msg ready = { .type = MSG_READY, .is_new = is_new };
	if (rc == 0)
		rc = msg_send(start->monitor, &ready);
	if (rc == 0)
		uv_run(&g.loop, UV_RUN_DEFAULT);
	else
		g.exit_status = 1;
	gate_free(g.gate);
	live_free(g.live);
	return g.exit_status;
}
