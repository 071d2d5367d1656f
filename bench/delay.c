/*
 * bench-delay NETNS-A NETNS-B MILLISECONDS: a wire between two network namespaces, a TUN device "wire" in each,
 * on which every packet takes that long. Prints "ready" when the devices are there; the caller gives them
 * addresses. Ends on a signal, and the devices with it.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16384 /* of one direction */
#define PACKET_MAX 1600
#define FOREVER_NS 1000000000

struct packet {
	uint64_t due_ns;
	size_t len;
	uint8_t bytes[PACKET_MAX];
};

struct direction {
	int from, to;
	size_t head, count;
	uint64_t lost;
	struct packet *ring;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int open_in(const char *ns)
{
	char path[256];
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	int ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ns_fd < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	close(ns_fd);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "wire");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		err(1, "TUN device in %s", ns);
	return fd;
}

/* All that has come, as long as there is room; a full wire loses packets like any other. */
static void take(struct direction *d, uint64_t delay_ns)
{
	static uint8_t none[PACKET_MAX];
	for (;;) {
		bool is_full = d->count == SLOTS;
		struct packet *p = &d->ring[(d->head + d->count) % SLOTS];
		ssize_t n = read(d->from, is_full ? none : p->bytes, PACKET_MAX);
		if (n <= 0)
			return;
		if (is_full) {
			d->lost++;
			continue;
		}
		p->len = (size_t)n;
		p->due_ns = now_ns() + delay_ns;
		d->count++;
	}
}

/* What is due goes out. Returns nanoseconds until the next is. */
static uint64_t give(struct direction *d)
{
	while (d->count > 0) {
		struct packet *p = &d->ring[d->head];
		uint64_t now = now_ns();
		if (p->due_ns > now)
			return p->due_ns - now;
		if (write(d->to, p->bytes, p->len) < 0 && errno == EAGAIN)
			return 100000;
		d->head = (d->head + 1) % SLOTS;
		d->count--;
	}
	return FOREVER_NS;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: bench-delay NETNS-A NETNS-B MILLISECONDS");
	uint64_t delay_ns = strtoul(argv[3], NULL, 10) * 1000000U;
	int a = open_in(argv[1]), b = open_in(argv[2]);
	struct direction ways[2] = { { .from = a, .to = b }, { .from = b, .to = a } };
	for (size_t i = 0; i < 2; i++) {
		ways[i].ring = calloc(SLOTS, sizeof(*ways[i].ring));
		if (ways[i].ring == NULL)
			errx(1, "no memory");
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd fds[2] = { { .fd = a, .events = POLLIN },
			{ .fd = b, .events = POLLIN } };
		uint64_t wait = give(&ways[0]), other = give(&ways[1]);
		wait = other < wait ? other : wait;
		struct timespec t = { .tv_sec = (time_t)(wait / 1000000000U),
			.tv_nsec = (long)(wait % 1000000000U) };
		if (ppoll(fds, 2, &t, NULL) < 0 && errno != EINTR)
			err(1, "poll");
		take(&ways[0], delay_ns);
		take(&ways[1], delay_ns);
	}
}
