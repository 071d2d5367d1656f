/*
 * postern's gates in the kernel, many of them, by the same functions as the daemon's. One command a run, in
 * the network namespace that is meant; the table stays. It is nobody's, so that the next run can go on with it,
 * and its sets are larger than the daemon's, which hold 65536 gates of a kind.
 *
 *   load          make the table, guarding tcp port 22
 *   fill N        N gates for one connection, for addresses from 11.0.0.0 on: ns for one, 64 at a time
 *   open K        K more, one at a time, with their answers: us at p50 and p99
 *   admit ADDRESS a window
 *   dropped       packets that were let in by none so far (nft would list a million gates to say it)
 *   expire NAMESPACE ADDRESS   how late the ends of 10,000 windows come
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "gate/internal.h"

#define PORT 22
#define FILL_FIRST 0x0b000000u /* 11.0.0.0 */
#define OPEN_FIRST 0x0c000000u
#define MARK_BASE 0x5a000000u
#define OPEN_MAX 5000
#define HOUR_MS 3600000u

#define ENDING 10000      /* gates whose end is looked at */
#define SAMPLED_EVERY 100 /* of which so many are tried */
#define COLLECT_MS 3000
#define AGAIN_MS 100 /* as the gate process: more often, and the kernel finds no time to collect */
#define ROOM 2097152 /* in a set */
#define WAIT_MS 4000 /* of the first; each other ends a little later */
#define APART_US 600
#define TRY_EVERY_US 250
#define TRIES 80 /* of one: from a little before its end on */
#define EARLY_US 10000

static struct config *configure(void)
{
	struct config *c = bench_new(1, sizeof(*c));
	c->server.log_group = 7;
	c->server.mark_base = MARK_BASE;
	c->service_count = 1;
	c->services[0].proto = IPPROTO_TCP;
	c->services[0].port = PORT;
	return c;
}

/* The rule set with other room in its sets; malloc'd. */
static char *resized(const struct config *c, unsigned room)
{
	static const char *const sizes[] = { "size 65536;", "size 1048576;" };
	char *text = gate_ruleset_text(GATE_TABLE, c), *to = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&to, &len);
	if (text == NULL || f == NULL)
		bench_die("no memory for the rule set");
	for (const char *p = text; *p != '\0';) {
		const char *size = strncmp(p, sizes[0], strlen(sizes[0])) == 0 ? sizes[0]
			: strncmp(p, sizes[1], strlen(sizes[1])) == 0          ? sizes[1]
									       : NULL;
		if (size == NULL) {
			fputc(*p++, f);
			continue;
		}
		fprintf(f, "size %u;", room);
		p += strlen(size);
	}
	fclose(f);
	free(text);
	return to;
}

static struct gate *take(const struct config *c)
{
	const struct gate_wish wish = { .is_unowned = true };
	struct gate *g = NULL;
	struct fault f = { "" };
	bool is_new = false;
	if (gate_take(c, &wish, &g, &is_new, &f) < 0)
		bench_die("%s", f.text);
	if (is_new && gate_settle(g) < 0)
		bench_die("the table cannot be settled");
	return g;
}

static void load(const struct config *c, unsigned room)
{
	struct gate *g = take(c);
	struct fault f = { "" };
	int refusal = 0;
	char *text = resized(c, room);
	if (gate_table_replace(&g->nl, true, g->version, 0, &refusal) < 0 || refusal < 0 ||
		gate_child_run(text, false, &f) < 0 ||
		gate_table_adopt(&g->nl, c, 0, &refusal) < 0 || refusal < 0)
		bench_die("the table cannot be resized: %d %s", refusal, f.text);
	free(text);
	gate_free(g);
}

static struct gate_order order(enum gate_kind kind, uint32_t from, uint32_t mark)
{
	uint8_t b[4] = { (uint8_t)(from >> 24), (uint8_t)(from >> 16), (uint8_t)(from >> 8),
		(uint8_t)from };
	return (struct gate_order){
		.verb = GATE_OPEN,
		.kind = kind,
		.addr = addr_v4(b),
		.proto = IPPROTO_TCP,
		.port = PORT,
		.mark = MARK_BASE | mark,
		.wait_ms = HOUR_MS,
		.lease_ms = 2 * HOUR_MS,
	};
}

static void apply(struct gate *g, const struct gate_order *o, size_t n)
{
	int results[GATE_BATCH_MAX];
	int rc = gate_apply(g, o, n, results);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = results[i];
	if (rc < 0)
		bench_die("a gate was refused: %s", strerror(-rc));
}

static void fill(struct gate *g, uint32_t count)
{
	struct gate_order o[GATE_BATCH_MAX];
	uint64_t began = bench_now_ns();
	for (uint32_t i = 0; i < count;) {
		size_t n = 0;
		for (; n < GATE_BATCH_MAX && i < count; n++, i++)
			o[n] = order(GATE_ONCE, FILL_FIRST + i, i + 1);
		apply(g, o, n);
	}
	printf("ns=%llu\n", (unsigned long long)(count > 0 ? (bench_now_ns() - began) / count : 0));
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void open_some(struct gate *g, uint32_t count)
{
	static uint64_t took[OPEN_MAX];
	for (uint32_t i = 0; i < count; i++) {
		struct gate_order o = order(GATE_ONCE, OPEN_FIRST + i, 0xe00000 + i);
		uint64_t began = bench_now_ns();
		apply(g, &o, 1);
		took[i] = bench_now_ns() - began;
		o.verb = GATE_CLOSE;
		apply(g, &o, 1);
	}
	qsort(took, count, sizeof(took[0]), compare);
	printf("p50_us=%.1f p99_us=%.1f\n", (double)took[count / 2] / 1e3,
		(double)took[count * 99 / 100] / 1e3);
}

static void admit(struct gate *g, const char *address)
{
	struct sockaddr_in a = bench_address(address, PORT);
	struct gate_order o = order(GATE_WINDOW, ntohl(a.sin_addr.s_addr), 0xf00001);
	apply(g, &o, 1);
}

/* -- the ends of gates ----------------------------------------------------------------------------- */

struct ending {
	uint64_t end_ns[ENDING]; /* by our clock: when the order was given and its time */
	struct sockaddr_in server;
	int there;
};

/* One window an address, each with an end of its own. What the kernel is late it is by its own clock, which
 * begins when it does the order: after the call and before its return. */
static void open_ending(struct gate *g, struct ending *e)
{
	struct gate_order o[GATE_BATCH_MAX];
	uint64_t first = bench_now_ns() + WAIT_MS * BENCH_MS;
	for (uint32_t i = 0; i < ENDING;) {
		size_t n = 0;
		uint64_t now = bench_now_ns();
		for (; n < GATE_BATCH_MAX && i < ENDING; n++, i++) {
			uint64_t end = first + i * APART_US * 1000ull;
			o[n] = order(GATE_WINDOW, ntohl(bench_source(i).s_addr), 0x100000 + i);
			o[n].wait_ms = (end - now) / BENCH_MS;
			e->end_ns[i] = now + o[n].wait_ms * BENCH_MS;
		}
		apply(g, o, n);
	}
}

static int begin(const struct ending *e, uint32_t source)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = bench_source(source) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct linger off = { 1, 0 };
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off)) < 0 ||
		bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		bench_die("socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&e->server, sizeof(e->server)) < 0 &&
		errno != EINPROGRESS)
		bench_die("connect: %s", strerror(errno));
	return fd;
}

/*
 * Begin connections all the time around the end of one. How late the last was let in, in ns, against the end by
 * our clock: below 0 when it was before.
 */
static int64_t lateness(const struct ending *e, uint32_t i)
{
	int fds[TRIES];
	uint64_t at[TRIES];
	int64_t last = INT64_MIN;
	uint64_t first = e->end_ns[i] - EARLY_US * 1000ull;
	for (int t = 0; t < TRIES; t++) {
		bench_sleep_until(first + (uint64_t)t * TRY_EVERY_US * 1000);
		at[t] = bench_now_ns();
		fds[t] = begin(e, i);
	}
	for (int t = 0; t < TRIES; t++) {
		struct pollfd p = { .fd = fds[t], .events = POLLOUT };
		/* Nobody listens there: an answer is a reset, and who is not let in has none. */
		if (poll(&p, 1, 0) > 0)
			last = (int64_t)(at[t] - e->end_ns[i]);
		close(fds[t]);
	}
	return last;
}

static int compare_signed(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void try_ends(const struct ending *e)
{
	static int64_t late[ENDING / SAMPLED_EVERY];
	size_t n = 0, never = 0;
	if (setns(e->there, CLONE_NEWNET) < 0)
		bench_die("the client's namespace cannot be entered: %s", strerror(errno));
	for (uint32_t i = SAMPLED_EVERY / 2; i < ENDING; i += SAMPLED_EVERY) {
		late[n] = lateness(e, i);
		if (late[n] == INT64_MIN)
			never++;
		else
			n++;
	}
	if (n == 0)
		bench_die("no gate was ever open");
	qsort(late, n, sizeof(late[0]), compare_signed);
	printf("tried=%zu never=%zu min_ms=%.2f p50_ms=%.2f max_ms=%.2f ", n, never,
		(double)late[0] / 1e6, (double)late[n / 2] / 1e6, (double)late[n - 1] / 1e6);
}

/*
 * When the room of those that ended is given back: the sets hold as many as these, which end together, and one
 * more is asked for until it is let in.
 */
static void collect(struct gate *g)
{
	struct gate_order o[GATE_BATCH_MAX], more = order(GATE_WINDOW, OPEN_FIRST, 0x200000);
	uint64_t end = bench_now_ns() + COLLECT_MS * BENCH_MS;
	int result = 0;
	for (uint32_t i = 0; i < ENDING;) {
		size_t n = 0;
		for (; n < GATE_BATCH_MAX && i < ENDING; n++, i++) {
			o[n] = order(GATE_WINDOW, FILL_FIRST + i, i + 1);
			o[n].wait_ms = o[n].lease_ms = (end - bench_now_ns()) / BENCH_MS;
		}
		apply(g, o, n);
	}
	if (gate_apply(g, &more, 1, &result) < 0 || result != -ENFILE)
		bench_die("the sets are not full: %d", result);
	for (bench_sleep_until(end); result < 0;
		bench_sleep_until(bench_now_ns() + AGAIN_MS * BENCH_MS))
		if (gate_apply(g, &more, 1, &result) < 0)
			bench_die("the socket to nftables failed");
	printf("collected_ms=%.0f\n", (double)(int64_t)(bench_now_ns() - end) / 1e6);
}

static void expire(const struct config *c, const char *namespace, const char *address)
{
	static struct ending e;
	e.server = bench_address(address, PORT);
	e.there = open(namespace, O_RDONLY | O_CLOEXEC);
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (e.there < 0 || here < 0)
		bench_die("%s: %s", namespace, strerror(errno));
	load(c, ENDING);
	struct gate *g = take(c);
	const struct sched_param first = { .sched_priority = 1 };
	(void)!sched_setscheduler(0, SCHED_FIFO, &first);
	open_ending(g, &e);
	try_ends(&e);
	gate_free(g);
	if (setns(here, CLONE_NEWNET) < 0)
		bench_die("back: %s", strerror(errno));
	load(c, ENDING);
	g = take(c);
	collect(g);
	gate_free(g);
}

int main(int argc, char **argv)
{
	struct config *c = configure();
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "load") == 0 && argc == 2) {
		load(c, ROOM);
	} else if (strcmp(what, "expire") == 0 && argc == 4) {
		expire(c, argv[2], argv[3]);
	} else if (strcmp(what, "dropped") == 0 && argc == 2) {
		struct gate *g = take(c);
		struct gate_counts n = { 0 };
		if (gate_counts(g, &n) < 0)
			bench_die("the kernel does not tell its counters");
		printf("%llu\n", (unsigned long long)n.dropped);
		gate_free(g);
	} else if (argc == 3) {
		struct gate *g = take(c);
		if (strcmp(what, "fill") == 0)
			fill(g, (uint32_t)bench_number(argv[2], 0, ROOM / 2));
		else if (strcmp(what, "open") == 0)
			open_some(g, (uint32_t)bench_number(argv[2], 1, OPEN_MAX));
		else if (strcmp(what, "admit") == 0)
			admit(g, argv[2]);
		else
			bench_die("%s: no such command", what);
		gate_free(g);
	} else {
		bench_die("usage: gates load | fill N | open N | admit ADDRESS | dropped | "
			  "expire NAMESPACE ADDRESS");
	}
	free(c);
	return 0;
}
