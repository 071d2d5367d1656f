/*
 * From edge to edge. Invariant: nothing is asked of an edge, and nothing sent through it, before it has proved
 * to be the one of its card. A gate that is taken to be open may be so no longer: then the whole way is gone
 * again, with knocks, before anybody hears of trouble.
 */

#include "cmd/through.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/carry.h"
#include "cmd/commands.h"
#include "cmd/say.h"
#include "cmd/through_knock.h"

#define CONNECT_TIMEOUT_MS 15000
#define KNOWN_TIMEOUT_MS 2000 /* to a gate that may be closed by now: a knock is soon sent */
#define HANDSHAKE_TIMEOUT_MS 15000
#define LATE_MAX 64 /* answers to knocks that come when they are not waited for any more */
#define OPEN_TIMEOUT_MS 30000 /* the edge asks its judge, and connects */
#define GATE_MARGIN_MS 2000   /* before its end a gate is not relied on */
#define MISSES_MAX 2          /* then its gates seem to be good for one connection */
#define KEEP_IDLE_S 30
#define KEEP_INTERVAL_S 10
#define KEEP_COUNT 3
#define DEAD_MS 60000 /* without an acknowledgement: the network has changed */

/* ------------------------------------------------------------------ opening */

static void set_args(struct through *t, const struct through_edge *e)
{
	bool is_first = t->count == 0;
	struct through_hop *h = &t->hops[t->count++];
	h->args = *t->args;
	h->args.host = e->host;
	h->args.service = NULL;
	h->args.proto = IPPROTO_TCP;
	h->args.service_port = e->port;
	h->port = e->port;
	if (is_first)
		return;
	/* What the next edge sees is the edge before it. */
	h->args.udp_port = 0;
	h->args.source_port = 0;
	h->args.address = NULL;
	h->args.prefix = 0;
}

static int open_hop(struct through *t, size_t i)
{
	struct through_hop *h = &t->hops[i];
	/* Which port, may be known later, but a visit is about something. */
	if (h->args.service_port == 0)
		h->args.service_port = 1;
	if (i == 0)
		return visit_open(&h->args, &h->visit);
	return visit_open_behind(&h->args, t->hops[0].visit.id, &h->visit);
}

int through_open(const struct knock_args *args, struct through *t)
{
	struct fault f;

	memset(t, 0, sizeof(*t));
	t->args = args;
	/* The end of a connection is an answer of write, not the end of us. */
	signal(SIGPIPE, SIG_IGN);
	if (args->is_agent)
		return say_usage(knock_command_name(args->command),
			"a key in an SSH agent cannot be used for TLS; leave --agent out and use an ID "
			"file");
	if (args->card != NULL && args->through.count > 1)
		return say_usage(knock_command_name(args->command),
			"--card is one edge's, and there are several; put their cards into the client "
			"folder");
	for (size_t i = 0; i < args->through.count; i++)
		set_args(t, &args->through.edges[i]);
	for (size_t i = 0; i < t->count; i++) {
		int rc = open_hop(t, i);
		if (rc != EXIT_DONE)
			return rc;
	}
	if (through_identity_init(t->hops[0].visit.id, &t->identity, &f) == 0)
		return EXIT_DONE;
	say_trouble("%s: %s", t->hops[0].visit.files.id, f.text);
	return EXIT_LOCAL;
}

void through_close(struct through *t)
{
	through_identity_deinit(&t->identity);
	while (t->count > 0)
		visit_close(&t->hops[--t->count].visit);
}

/* ------------------------------------------------------------------ going */

/* One going of the whole way. */
struct walk {
	struct through *t;
	struct through_gates *gates; /* NULL: none */
	struct through_way *way;
	bool may_skip; /* knocks for gates that are open as far as we know */
	bool has_skipped;
	int rc; /* exit code */
	struct fault fault;
};

__attribute__((format(printf, 3, 4))) static bool fail(struct walk *w, int rc, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w->fault.text, sizeof(w->fault.text), fmt, ap);
	va_end(ap);
	w->rc = rc;
	return false;
}

static bool is_known_open(const struct walk *w, size_t i)
{
	return w->may_skip && w->gates != NULL &&
		(i > 0 || atomic_load(&w->gates->misses) < MISSES_MAX) &&
		atomic_load(&w->gates->until_ms[i]) > clock_mono_ms() + GATE_MARGIN_MS;
}

static void tell_opened(const struct visit *v)
{
	char address[ADDR_TEXT_MAX], length[TIME_TEXT_MAX];
	struct addr observed = addr_v6(v->answer.observed);
	say_trouble("%s opened tcp/%u for %s, %s", v->args->host, (unsigned)v->request.port,
		addr_format(&observed, address), duration_format(v->answer.granted_s, length));
}

/* What became of a knock that was answered. */
static bool take_answer(struct walk *w, size_t i)
{
	const struct visit *v = &w->t->hops[i].visit;
	uint64_t until_ms = clock_mono_ms() + (uint64_t)v->answer.granted_s * 1000;
	/* Who names no port gets that of the machine behind, which is seldom the edge's. */
	const char *hint = w->t->hops[i].port == 0 && v->answer.status == POSTERN_DENIED
		? "; if the edge has another port for this, say --through EDGE:PORT"
		: "";
	if (v->answer.status != POSTERN_OK)
		return fail(w, EXIT_REFUSED, "%s did not open tcp/%u: %s%s", v->args->host,
			(unsigned)v->request.port, postern_status_advice(v->answer.status), hint);
	if (w->gates != NULL && i == 0)
		atomic_store(&w->gates->peer, v->peer);
	if (w->gates != NULL)
		atomic_store(&w->gates->until_ms[i], until_ms);
	if (w->t->args->is_verbose)
		tell_opened(v);
	return true;
}

static const char *name_of(const struct walk *w, size_t i)
{
	return w->t->hops[i].args.host;
}

static bool knock_first(struct walk *w)
{
	struct visit *v = &w->t->hops[0].visit;
	/* In a process that has stayed, much may have changed since the visit was opened. */
	if (w->gates != NULL) {
		visit_recall(v);
		visit_relocate(v);
	}
	/* That says by itself what is wrong. */
	w->rc = visit_knock(v);
	return w->rc == EXIT_DONE && take_answer(w, 0);
}

/* A relay's answer that is not FRAME_OK. */
static bool tell_refusal(
	struct walk *w, size_t edge, const char *host, uint16_t port, const struct frame *f)
{
	const char *own = f->text, *text = own[0] != '\0' ? own : frame_status_text(f->status);
	const char *name = name_of(w, edge);
	switch (f->status) {
	case FRAME_DENIED:
		return fail(w, EXIT_REFUSED,
			"%s does not let you through to %s: %s; its journal says why", name, host,
			text);
	case FRAME_ELSEWHERE:
		return fail(w, EXIT_REFUSED,
			"tcp/%u of %s does not lead to %s port %u; say the edge's port as --through "
			"%s:PORT, and the host as its administrator wrote it",
			(unsigned)w->t->hops[edge].visit.request.port, name, host, (unsigned)port,
			name);
	case FRAME_BUSY:
		return fail(w, EXIT_REFUSED, "%s is busy: %s; try again later", name, text);
	case FRAME_NO_INNER:
		return fail(w, EXIT_LOCAL, "%s could not connect to %s: %s", name, host, text);
	case FRAME_OK:
	case FRAME_TROUBLE:
	case FRAME_STATUS_COUNT:
		break;
	}
	return fail(w, EXIT_LOCAL, "%s is in trouble: %s; try again, or ask its administrator",
		name, text);
}

/* The knock at the next edge, through the one before it. */
static bool knock_behind(struct walk *w, size_t i)
{
	struct visit *v = &w->t->hops[i].visit;
	struct through_tls *t = w->way->layers[i - 1];
	struct through_knock k;
	int broken = 0;

	struct exchange_carrier c = through_knock_carrier(&k, t);
	visit_recall(v);
	w->rc = visit_knock_by(v, &c, &broken);
	if (w->rc == EXIT_DONE)
		return take_answer(w, i);
	if (k.is_refused && k.refusal.status == FRAME_ELSEWHERE)
		return fail(w, EXIT_REFUSED,
			"%s takes no knocks for %s; its administrator sets knock in the passthru of "
			"tcp/%u",
			name_of(w, i - 1), name_of(w, i),
			(unsigned)w->t->hops[i - 1].visit.request.port);
	if (k.is_refused)
		return tell_refusal(w, i - 1, name_of(w, i), v->request.port, &k.refusal);
	if (w->rc == EXIT_SILENT)
		return fail(w, EXIT_SILENT,
			"%s did not answer through %s: perhaps %s carries no knocks there, %s is "
			"not in its directory, or %s is not its card (any more)",
			name_of(w, i), name_of(w, i - 1), name_of(w, i - 1), postern_id_name(v->id),
			v->files.card);
	if (broken != 0)
		return fail(w, EXIT_LOCAL, "%s: while knocking at %s: %s", name_of(w, i - 1),
			name_of(w, i), t->fault.text);
	return false;
}

/* Dead connections are to end soon: whoever waits on them goes again. */
static void set_options(int fd)
{
	const int idle = KEEP_IDLE_S, interval = KEEP_INTERVAL_S, count = KEEP_COUNT;
	const unsigned dead = DEAD_MS;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
}

/* Try a gate that was open a while ago. */
static bool connect_known(struct walk *w)
{
	const struct visit *v = &w->t->hops[0].visit;
	size_t peer = atomic_load(&w->gates->peer);
	struct fault f;
	int fd = carry_connect(&v->peers[peer < v->peer_count ? peer : 0], v->request.port,
		v->args->source_port, KNOWN_TIMEOUT_MS, &f);
	if (fd >= 0) {
		w->way->fd = fd;
		atomic_store(&w->gates->misses, 0);
		return true;
	}
	/* Connections that find out at the same time count as one. */
	if (atomic_exchange(&w->gates->until_ms[0], 0) != 0)
		atomic_fetch_add(&w->gates->misses, 1);
	return false;
}

static bool connect_first(struct walk *w)
{
	const struct visit *v = &w->t->hops[0].visit;
	struct fault f;
	if (is_known_open(w, 0) && connect_known(w)) {
		w->has_skipped = true;
		set_options(w->way->fd);
		return true;
	}
	if (!knock_first(w))
		return false;
	int fd = carry_connect(
		&v->peers[v->peer], v->request.port, v->args->source_port, CONNECT_TIMEOUT_MS, &f);
	if (fd < 0)
		return fail(w, EXIT_LOCAL, "%s: %s", name_of(w, 0), f.text);
	w->way->fd = fd;
	set_options(fd);
	return true;
}

/* Ask the last edge so far to connect to host and port. */
static bool ask_open(struct walk *w, const char *host, uint16_t port)
{
	size_t edge = w->way->count - 1;
	struct through_tls *t = w->way->layers[edge];
	struct frame f = { .type = FRAME_OPEN, .port = port };
	unsigned late = 0;
	uint64_t deadline_ms = clock_mono_ms() + OPEN_TIMEOUT_MS;

	snprintf(f.host, sizeof(f.host), "%s", host);
	int rc = through_tls_send(t, &f, OPEN_TIMEOUT_MS);
	/* A refusal that came first is worth more than that it takes nothing. */
	if (rc == -EIO && t->fault.text[0] != '\0')
		return fail(w, EXIT_LOCAL, "%s: %s", name_of(w, edge), t->fault.text);
	for (;;) {
		rc = through_tls_frame(t, &f);
		/* Late answers to knocks may still come. */
		if (rc == 1 && f.type == FRAME_OPENED)
			break;
		if (rc == 1 && ++late <= LATE_MAX)
			continue;
		if (rc == 1)
			return fail(w, EXIT_LOCAL, "%s: it does not stop talking of knocks",
				name_of(w, edge));
		if (rc != -EAGAIN)
			return fail(w, EXIT_LOCAL, "%s: %s", name_of(w, edge), t->fault.text);
		if (!through_tls_wait(t, deadline_ms))
			return fail(w, EXIT_LOCAL, "%s does not say whether it lets you through",
				name_of(w, edge));
	}
	if (f.status != FRAME_OK)
		return tell_refusal(w, edge, host, port, &f);
	if (f.lease_s != 0 && (w->way->lease_s == 0 || f.lease_s < w->way->lease_s))
		w->way->lease_s = f.lease_s;
	return true;
}

static bool begin_tls(struct walk *w, size_t i)
{
	struct through_way *way = w->way;
	struct through_tls *below = i > 0 ? way->layers[i - 1] : NULL;
	struct fault f;

	struct through_tls *t = malloc(sizeof(*t));
	if (t == NULL)
		return fail(w, EXIT_LOCAL, "no memory; close something and try again");
	if (through_tls_init(t, &w->t->identity, way->fd, below, w->t->hops[i].visit.server, &f) <
		0) {
		free(t);
		return fail(w, EXIT_LOCAL, "%s", f.text);
	}
	way->layers[way->count++] = t;
	int rc = through_tls_handshake(t, HANDSHAKE_TIMEOUT_MS, &f);
	if (rc < 0)
		return fail(w, rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL, "%s, tcp/%u: %s",
			name_of(w, i), (unsigned)w->t->hops[i].visit.request.port, f.text);
	return true;
}

static bool reach(struct walk *w, size_t i)
{
	const struct visit *v = &w->t->hops[i].visit;
	if (i == 0)
		return connect_first(w) && begin_tls(w, 0);
	bool is_known = is_known_open(w, i);
	w->has_skipped |= is_known;
	if (!is_known && !knock_behind(w, i))
		return false;
	return ask_open(w, v->args->host, v->request.port) && begin_tls(w, i);
}

/* An edge whose port was not said has that of what comes behind it. */
static void set_ports(struct through *t, uint16_t port)
{
	for (size_t i = t->count; i-- > 0;) {
		struct through_hop *h = &t->hops[i];
		if (h->port != 0)
			port = h->port;
		h->visit.request.port = port;
		h->args.service_port = port;
	}
}

static bool go(struct walk *w, const char *host, uint16_t port)
{
	*w->way = (struct through_way){ .fd = -1 };
	w->rc = EXIT_DONE;
	w->fault.text[0] = '\0';
	w->has_skipped = false;
	for (size_t i = 0; i < w->t->count; i++)
		if (!reach(w, i))
			return false;
	return ask_open(w, host, port);
}

int through_go(struct through *t, const char *host, uint16_t port, struct through_gates *gates,
	struct through_way *ret)
{
	struct walk w = { .t = t, .gates = gates, .way = ret, .may_skip = gates != NULL };

	set_ports(t, port);
	if (go(&w, host, port))
		return EXIT_DONE;
	/* What was refused or not there may be so because a gate had closed. */
	if (w.has_skipped && w.rc != EXIT_USAGE) {
		through_way_close(ret);
		w.may_skip = false;
		if (go(&w, host, port))
			return EXIT_DONE;
	}
	if (w.fault.text[0] != '\0')
		say_trouble("%s", w.fault.text);
	return w.rc;
}

void through_way_close(struct through_way *w)
{
	while (w->count > 0) {
		struct through_tls *t = w->layers[--w->count];
		through_tls_deinit(t);
		free(t);
	}
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}
