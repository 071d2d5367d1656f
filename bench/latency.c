/*
 * Knock to first accepted connection. The clock starts when the knock is sent; from then on a new
 * connection is begun every INTERVAL, beside those that wait, until the kernel says that one of them
 * stands. A gate for one connection admits the first SYN that comes after its opening.
 *
 * With a window above 1 so many knocks are under way at once: then the total time is the figure.
 */

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "sender.h"

#define EVENTS_MAX 64
#define CLOSED_MS 20 /* no connection within this time: closed */

struct options {
	uint32_t tries, window, first, checked;
	uint64_t pause_ns, limit_ns, interval_ns;
	struct sockaddr_in service;
};

/* One knock under way. fds is a ring of its newest connections: descriptors are not without end. */
struct
try {
	bool is_busy;
	uint32_t source;
	uint64_t start_ns, next_ns;
	int *fds;
	size_t begun, cap;
};

struct run {
	const struct options *o;
	struct sender *sender;
	int epoll;
	struct try *tries;
	uint32_t begun, ended, opened;
	uint64_t not_before_ns; /* the next knock */
	uint64_t first_ns, last_ns;
	uint64_t *took_ns; /* opened entries */
};

/* A connection from source i on its way; -1 when the system has no more. */
static int begin_connection(const struct options *o, uint32_t i)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = bench_source(i) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0 &&
		(connect(fd, (const struct sockaddr *)&o->service, sizeof(o->service)) == 0 ||
			errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

static bool is_connected(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0;
}

/* The ports must be closed before a knock, or the figures mean nothing. */
static void check_closed(const struct options *o, int epoll, uint32_t source)
{
	struct epoll_event e = { .events = EPOLLOUT };
	int fd = begin_connection(o, source);
	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		bench_die("connecting: %s", strerror(errno));
	if (epoll_wait(epoll, &e, 1, CLOSED_MS) > 0)
		bench_die("the port answered before any knock");
	close(fd);
}

static void try_begin(struct run *r, struct try *t)
{
	const struct options *o = r->o;
	t->source = o->first + r->begun;
	if (r->begun < o->checked)
		check_closed(o, r->epoll, t->source);
	sender_prepare(r->sender, r->begun);
	r->begun++;
	t->is_busy = true;
	t->begun = 0;
	t->start_ns = t->next_ns = bench_now_ns();
	sender_send(r->sender, t->source);
	if (r->first_ns == 0)
		r->first_ns = t->start_ns;
}

static void try_end(struct run *r, struct try *t, bool is_open, uint64_t now)
{
	if (is_open) {
		r->took_ns[r->opened++] = now - t->start_ns;
		r->last_ns = now;
	}
	for (size_t i = 0; i < t->begun && i < t->cap; i++)
		close(t->fds[i]);
	t->is_busy = false;
	r->ended++;
	uint64_t pause = r->o->pause_ns / BENCH_MS;
	r->not_before_ns = bench_now_ns();
	if (pause > 0)
		r->not_before_ns += randombytes_uniform((uint32_t)pause * 1000) * 1000ull;
}

static void try_connect(struct run *r, struct try *t, uint64_t now)
{
	t->next_ns = now + r->o->interval_ns;
	int *slot = &t->fds[t->begun % t->cap];
	if (t->begun >= t->cap)
		close(*slot);
	int fd = begin_connection(r->o, t->source);
	if (fd < 0)
		bench_die("connecting: %s", strerror(errno));
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	e.data.u64 = (uint64_t)(t - r->tries) << 32 | (uint32_t)fd;
	*slot = fd;
	t->begun++;
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		bench_die("epoll: %s", strerror(errno));
}

/* Begin what is due; returns when something is due next. */
static uint64_t advance(struct run *r, uint64_t now)
{
	const struct options *o = r->o;
	uint64_t next = now + BENCH_S;
	for (uint32_t i = 0; i < o->window; i++) {
		struct try *t = &r->tries[i];
		if (!t->is_busy && r->begun < o->tries && now >= r->not_before_ns)
			try_begin(r, t);
		if (!t->is_busy) {
			if (r->begun < o->tries && r->not_before_ns < next)
				next = r->not_before_ns;
			continue;
		}
		if (now - t->start_ns >= o->limit_ns && now > t->start_ns) {
			try_end(r, t, false, now);
			next = now;
			continue;
		}
		if (now >= t->next_ns)
			try_connect(r, t, now);
		if (t->next_ns < next)
			next = t->next_ns;
	}
	return next;
}

static void await(struct run *r, uint64_t until)
{
	struct epoll_event e[EVENTS_MAX];
	uint64_t now = bench_now_ns();
	uint64_t left = until > now ? until - now : 0;
	struct timespec wait = { (time_t)(left / BENCH_S), (long)(left % BENCH_S) };
	int n = epoll_pwait2(r->epoll, e, EVENTS_MAX, &wait, NULL);
	now = bench_now_ns();
	for (int i = 0; i < n; i++) {
		struct try *t = &r->tries[e[i].data.u64 >> 32];
		/* An event of a socket that was closed in this very turn finds its try over. */
		if (t->is_busy && is_connected((int)(uint32_t)e[i].data.u64))
			try_end(r, t, true, now);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Nearest rank; 0 when that many did not open: an unopened try has no time, and is the slowest. */
static unsigned long long percentile_us(const struct run *r, unsigned percent)
{
	uint32_t rank = (r->o->tries * percent + 99) / 100;
	return rank == 0 || rank > r->opened ? 0 : r->took_ns[rank - 1] / 1000;
}

static void report(struct run *r)
{
	qsort(r->took_ns, r->opened, sizeof(r->took_ns[0]), compare);
	printf("tries=%u opened=%u p50_us=%llu p90_us=%llu p99_us=%llu total_us=%llu\n",
		r->o->tries, r->opened, percentile_us(r, 50), percentile_us(r, 90),
		percentile_us(r, 99),
		r->opened == 0 ? 0ull : (unsigned long long)(r->last_ns - r->first_ns) / 1000);
}

/* How many connections each try may hold: as many as its time asks for, or the system allows. */
static size_t raise_limits(const struct options *o)
{
	struct rlimit l;
	size_t wanted = (size_t)(o->limit_ns / o->interval_ns) + 2;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_max < o->window * 2 + 256)
		bench_die("too few descriptors are allowed");
	size_t allowed = ((size_t)l.rlim_max - 256) / o->window;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		bench_die("%llu descriptors: %s", (unsigned long long)l.rlim_max, strerror(errno));
	prctl(PR_SET_TIMERSLACK, 1ul);
	return wanted < allowed ? wanted : allowed;
}

static void run(const struct options *o, struct sender *sender)
{
	struct run r = { .o = o, .sender = sender, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	size_t cap = raise_limits(o);
	r.took_ns = bench_new(o->tries, sizeof(r.took_ns[0]));
	r.tries = bench_new(o->window, sizeof(r.tries[0]));
	for (uint32_t i = 0; i < o->window; i++) {
		r.tries[i].cap = cap;
		r.tries[i].fds = bench_new(cap, sizeof(int));
	}
	while (r.ended < o->tries)
		await(&r, advance(&r, bench_now_ns()));
	report(&r);
	for (uint32_t i = 0; i < o->window; i++)
		free(r.tries[i].fds);
	free(r.tries);
	free(r.took_ns);
	close(r.epoll);
}

static const char usage[] =
	"usage: latency [-n TRIES] [-w WINDOW] [-p PAUSE-MS] [-l LIMIT-MS] [-i INTERVAL-US] [-f FIRST]\n"
	"               [-c CHECKED] SERVER SERVICE-PORT KNOCK-PORT KIND ARGUMENTS...\n"
	"KIND: postern CARD ID PASSWORD-FILE SERVICE, file FILE, syn PORT,PORT...";

int main(int argc, char **argv)
{
	struct options o = { .tries = 1, .window = 1, .limit_ns = BENCH_S, .interval_ns = 100000 };
	int c;
	while ((c = getopt(argc, argv, "n:w:p:l:i:f:c:")) != -1) {
		uint32_t v = (uint32_t)bench_number(optarg != NULL ? optarg : "", 0, 1000000);
		switch (c) {
		case 'n':
			o.tries = v;
			break;
		case 'w':
			o.window = v;
			break;
		case 'p':
			o.pause_ns = v * BENCH_MS;
			break;
		case 'l':
			o.limit_ns = v * BENCH_MS;
			break;
		case 'i':
			o.interval_ns = v * 1000ull;
			break;
		case 'f':
			o.first = v;
			break;
		case 'c':
			o.checked = v;
			break;
		default:
			bench_die("%s", usage);
		}
	}
	if (argc - optind < 5 || o.window == 0 || o.interval_ns == 0 ||
		o.first + o.tries > BENCH_SOURCES || sodium_init() < 0)
		bench_die("%s", usage);
	char **a = argv + optind;
	o.service = bench_address(a[0], (uint16_t)bench_number(a[1], 1, 65535));
	struct sockaddr_in to = bench_address(a[0], (uint16_t)bench_number(a[2], 1, 65535));
	struct sender *s = sender_new(a[3], a + 4, argc - optind - 4, &to);
	run(&o, s);
	sender_free(s);
	return 0;
}
