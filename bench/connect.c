/*
 * Is the port open to whoever asks, and how long did that take? A new connection is begun every 10 ms, beside
 * those that wait, until one is accepted: the kernel itself would ask again only after a second.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CONNECTIONS_MAX 512u
#define INTERVAL_MS 10u

static int begin(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		bench_die("connecting: %s", strerror(errno));
	(void)connect(fd, (const struct sockaddr *)to, sizeof(*to)); /* asked for later */
	return fd;
}

static bool is_connected(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0;
}

/* Refused is an answer too, and ends that one connection. */
static bool any_connected(struct pollfd *p, nfds_t n)
{
	if (poll(p, n, INTERVAL_MS) <= 0)
		return false;
	for (nfds_t i = 0; i < n; i++) {
		if (p[i].revents == 0)
			continue;
		if (is_connected(p[i].fd))
			return true;
		close(p[i].fd);
		p[i].fd = -1;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct pollfd p[CONNECTIONS_MAX];
	nfds_t n = 0;
	if (argc != 4)
		bench_die("usage: connect SERVER PORT LIMIT-MS");
	struct sockaddr_in to = bench_address(argv[1], (uint16_t)bench_number(argv[2], 1, 65535));
	uint64_t began = bench_now_ns(), next = began;
	uint64_t end = began + bench_number(argv[3], 1, CONNECTIONS_MAX * INTERVAL_MS) * BENCH_MS;
	for (uint64_t now = began; now < end; now = bench_now_ns()) {
		if (now >= next && n < CONNECTIONS_MAX) {
			p[n++] = (struct pollfd){ .fd = begin(&to), .events = POLLOUT };
			next = now + INTERVAL_MS * BENCH_MS;
		}
		if (any_connected(p, n)) {
			printf("open_us=%llu\n",
				(unsigned long long)(bench_now_ns() - began) / 1000);
			return 0;
		}
	}
	return 1;
}
