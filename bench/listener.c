/*
 * The guarded service: accepts every connection, reads until the peer closes or speaks, closes. One
 * thread; it must never be what a latency is waiting for, and it is not, since the kernel completes
 * handshakes up to the backlog without it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char **argv)
{
	if (argc != 2)
		bench_die("usage: listener PORT");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	struct sockaddr_in a = bench_address("0.0.0.0", (uint16_t)bench_number(argv[1], 1, 65535));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		bench_die("listener: %s", strerror(errno));
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		if (peer < 0 && errno != EINTR && errno != ECONNABORTED)
			bench_die("accept: %s", strerror(errno));
		if (peer >= 0)
			close(peer);
	}
}
