/*
 * What a packet's way through the rules of a machine costs, whoever made them: "path WHAT CLIENT BARE RULED", three
 * network namespaces. The same is done to a machine without rules and to one with rules, in turn, and the
 * middle one of the differences counts: whatever slows the machine down slows both. Between namespaces a packet
 * is handled where it was sent, in the sender's time; so its CPU time is the whole cost.
 *
 *   strangers   TCP SYNs, each from another address: ns for one. The bare machine drops those before all else
 *   connect     connections, begun and ended: ns for one
 *   stream      one that stands: ns for a question and its answer, and for a kilobyte one way
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "capture/capture.h"

#define ROUNDS 41
#define ROUND_NS 10000000
#define SYNS_MIN 64
#define CONNECTIONS 30 /* a round */
#define QUESTIONS 200
#define CHUNK (16 * 1024)
#define LOG_GROUP 7

#define PORT 22
#define DROPPED_PORT 21

struct machine {
	int ns;
	struct sockaddr_in address;
	struct capture_nflog *log;
	int listener, client, server; /* one connection, for stream */
};

enum side { BARE, RULED, SIDES };

struct place {
	int there; /* the client's namespace */
	struct machine machines[SIDES];
};

static int namespace_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_die("%s: %s", path, strerror(errno));
	return fd;
}

static void enter(int ns)
{
	if (setns(ns, CLONE_NEWNET) < 0)
		bench_die("a network namespace cannot be entered: %s", strerror(errno));
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Of several figures, each as it was on both machines in the same rounds. */
struct figure {
	int64_t on[SIDES][ROUNDS];
};

static void say(const char *name, struct figure *f)
{
	int64_t more[ROUNDS];
	for (int i = 0; i < ROUNDS; i++)
		more[i] = f->on[RULED][i] - f->on[BARE][i];
	qsort(more, ROUNDS, sizeof(more[0]), compare);
	qsort(f->on[BARE], ROUNDS, sizeof(more[0]), compare);
	printf("%s=%lld %s_bare=%lld ", name, (long long)more[ROUNDS / 2], name,
		(long long)f->on[BARE][ROUNDS / 2]);
}

static int client_socket(const struct place *p)
{
	struct linger off = { 1, 0 }; /* ends at once, and leaves no port behind */
	int on = 1;
	enter(p->there);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		bench_die("socket: %s", strerror(errno));
	return fd;
}

static void serve(struct machine *m)
{
	int on = 1;
	enter(m->ns);
	m->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (m->listener < 0 ||
		setsockopt(m->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(m->listener, (const struct sockaddr *)&m->address, sizeof(m->address)) < 0 ||
		listen(m->listener, 64) < 0)
		bench_die("the service cannot listen: %s", strerror(errno));
}

/* A connection that stands, as its two ends. */
static void meet(const struct place *p, struct machine *m)
{
	m->client = client_socket(p);
	if (connect(m->client, (const struct sockaddr *)&m->address, sizeof(m->address)) < 0)
		bench_die("nobody is let in: %s", strerror(errno));
	m->server = accept(m->listener, NULL, NULL);
	if (m->server < 0)
		bench_die("accept: %s", strerror(errno));
}

/* Ours, whatever else runs on the machine. */
static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * (int64_t)BENCH_S + t.tv_nsec;
}

/* Nothing comes in between, where that may be asked for. */
static void be_alone(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	(void)!sched_setscheduler(0, SCHED_FIFO, &first);
}

static void strangers(struct place *p)
{
	struct figure f;
	uint32_t source = 0, sent = 0;
	enter(p->there);
	int fd = bench_raw();
	p->machines[BARE].address.sin_port = htons(DROPPED_PORT);
	be_alone();
	for (int round = 0; round < ROUNDS * SIDES; round++) {
		int side = round % SIDES;
		int64_t began = cpu_ns(), so_far = 0, n = 0;
		for (; so_far < ROUND_NS; n += SYNS_MIN, so_far = cpu_ns() - began) {
			for (int i = 0; i < SYNS_MIN; i++, source++)
				if (!bench_send_syn(fd, source % BENCH_SOURCES,
					    &p->machines[side].address,
					    (uint16_t)(1024 + source / BENCH_SOURCES)))
					bench_die("a SYN cannot be sent: %s", strerror(errno));
		}
		sent += side == RULED ? (uint32_t)n : 0;
		f.on[side][round / SIDES] = so_far / n;
	}
	close(fd);
	say("ns", &f);
	printf("sent=%u\n", (unsigned)sent);
}

static void ignore(void *arg, const struct sighting *s)
{
	(void)arg;
	(void)s;
}

static void hear(struct machine *m)
{
	struct fault f;
	const struct capture_group used = { .group = LOG_GROUP, .copy_len = 64, .is_all = true };
	enter(m->ns);
	if (capture_nflog_open(&used, &m->log, &f) < 0)
		bench_die("%s", f.text);
}

/* Somebody hears which gate was used, as the daemon does: where no rule logs, it costs nothing. */
static void connections(struct place *p)
{
	struct figure f;
	for (int side = 0; side < SIDES; side++) {
		hear(&p->machines[side]);
		serve(&p->machines[side]);
	}
	be_alone();
	for (int round = 0; round < ROUNDS * SIDES; round++) {
		struct machine *m = &p->machines[round % SIDES];
		int64_t began = cpu_ns();
		for (int i = 0; i < CONNECTIONS; i++) {
			meet(p, m);
			close(m->client);
			close(m->server);
		}
		f.on[round % SIDES][round / SIDES] = (cpu_ns() - began) / CONNECTIONS;
		if (capture_nflog_read(m->log, ignore, NULL) < 0)
			bench_die("the log group cannot be read");
	}
	say("ns", &f);
	putchar('\n');
}

static void pass(int from, int to, void *data, size_t len)
{
	if (send(from, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		bench_die("the connection ended: %s", strerror(errno));
	for (size_t got = 0; got < len;) {
		ssize_t n = recv(to, data, len - got, 0);
		if (n <= 0)
			bench_die("the connection ended: %s", strerror(errno));
		got += (size_t)n;
	}
}

static void stream(struct place *p)
{
	static uint8_t data[CHUNK];
	struct figure question, kilobyte;
	for (int side = 0; side < SIDES; side++) {
		serve(&p->machines[side]);
		meet(p, &p->machines[side]);
	}
	be_alone();
	for (int round = 0; round < ROUNDS * SIDES; round++) {
		const struct machine *m = &p->machines[round % SIDES];
		int64_t began = cpu_ns(), n = 0, so_far = 0;
		for (int i = 0; i < QUESTIONS; i++) {
			pass(m->client, m->server, data, 1);
			pass(m->server, m->client, data, 1);
		}
		question.on[round % SIDES][round / SIDES] = (cpu_ns() - began) / QUESTIONS;
		began = cpu_ns();
		for (; so_far < ROUND_NS; n++, so_far = cpu_ns() - began)
			pass(m->client, m->server, data, sizeof(data));
		kilobyte.on[round % SIDES][round / SIDES] =
			so_far * 1024 / (n * (int64_t)sizeof(data));
	}
	say("ns", &question);
	say("kilobyte_ns", &kilobyte);
	putchar('\n');
}

int main(int argc, char **argv)
{
	if (argc != 5)
		bench_die("usage: path strangers|connect|stream CLIENT BARE RULED");
	struct place p = { .there = namespace_open(argv[2]) };
	for (int side = 0; side < SIDES; side++) {
		p.machines[side].ns = namespace_open(argv[3 + side]);
		p.machines[side].address =
			bench_address(side == BARE ? "10.77.1.1" : "10.77.0.1", PORT);
	}
	if (strcmp(argv[1], "strangers") == 0)
		strangers(&p);
	else if (strcmp(argv[1], "connect") == 0)
		connections(&p);
	else if (strcmp(argv[1], "stream") == 0)
		stream(&p);
	else
		bench_die("%s: no such measurement", argv[1]);
	return 0;
}
