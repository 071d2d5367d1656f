/*
 * Two directions, each with one buffer that is filled only when empty. Invariant: no read or write here
 * can block, so neither direction ever waits for the other.
 */

#include "cmd/carry.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"

#define BUFFER_LEN 65536

struct half {
	int from, to;
	bool is_ended; /* from gave its end, or to takes no more */
	bool is_told;  /* and to was told */
	size_t at, len;
	size_t write_max; /* what a poll for writing promises */
	uint8_t b[BUFFER_LEN];
};

static void set_port(struct sockaddr_storage *ss, uint16_t port)
{
	struct addr a;
	uint16_t old;
	if (ss->ss_family == AF_INET6) {
		/* Kept whole: a link-local address is nothing without its scope. */
		struct sockaddr_in6 in6;
		memcpy(&in6, ss, sizeof(in6));
		in6.sin6_port = htons(port);
		memcpy(ss, &in6, sizeof(in6));
	} else if (addr_from_sockaddr(ss, &a, &old)) {
		addr_to_sockaddr(&a, port, ss);
	}
}

static int bind_source(int fd, int family, uint16_t port)
{
	struct sockaddr_storage ss = { .ss_family = (sa_family_t)family };
	int on = 1;
	if (port == 0)
		return 0;
	set_port(&ss, port);
	socklen_t len =
		family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&ss, len) < 0)
		return -errno;
	return 0;
}

static int finish_connect(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);
	int n = poll(&p, 1, timeout_ms);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

struct exchange_peer carry_peer(const struct exchange_peer *peer, uint16_t port)
{
	struct exchange_peer p = *peer;
	set_port(&p.addr, port);
	return p;
}

/* What is carried is often typed by hand. */
static void set_options(int fd)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int carry_begin(const struct exchange_peer *peer, uint16_t port)
{
	struct exchange_peer p = carry_peer(peer, port);
	int fd = socket(p.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	set_options(fd);
	if (connect(fd, (const struct sockaddr *)&p.addr, p.len) == 0 || errno == EINPROGRESS)
		return fd;
	int rc = -errno;
	close(fd);
	return rc;
}

int carry_connect(const struct exchange_peer *peer, uint16_t port, uint16_t source_port,
	int timeout_ms, struct fault *f)
{
	struct sockaddr_storage ss = peer->addr;
	int rc;

	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	rc = bind_source(fd, ss.ss_family, source_port);
	if (rc < 0) {
		fault_set(f, "source port %u cannot be used: %s", (unsigned)source_port,
			strerror(-rc));
		close(fd);
		return rc;
	}
	set_port(&ss, port);
	rc = connect(fd, (const struct sockaddr *)&ss, peer->len) < 0 ? -errno : 0;
	if (rc == -EINPROGRESS)
		rc = finish_connect(fd, timeout_ms);
	if (rc == 0) {
		set_options(fd);
		return fd;
	}
out:
	fault_set(f, "no connection to port %u, though it was opened: %s", (unsigned)port,
		strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

static void end(struct half *h)
{
	h->is_ended = true;
	h->at = h->len = 0;
}

static int fill(struct half *h)
{
	ssize_t n = read(h->from, h->b, sizeof(h->b));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A terminal that went away reads as EIO: its end, as far as we care. */
	if (n < 0 && errno != EIO)
		return -errno;
	h->at = 0;
	h->len = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		end(h);
	return 0;
}

static int drain(struct half *h)
{
	size_t len = h->len - h->at < h->write_max ? h->len - h->at : h->write_max;
	ssize_t n = write(h->to, h->b + h->at, len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno == EPIPE) {
		end(h);
		return 0;
	}
	if (n < 0)
		return -errno;
	h->at += (size_t)n;
	if (h->at == h->len)
		h->at = h->len = 0;
	return 0;
}

static int step(struct half *h, const struct pollfd *from, const struct pollfd *to)
{
	int rc = 0;
	if (h->len == 0 && !h->is_ended && from->revents != 0)
		rc = fill(h);
	else if (h->len > 0 && to->revents != 0)
		rc = drain(h);
	return rc;
}

static void ask_poll(const struct half *h, struct pollfd *from, struct pollfd *to)
{
	bool is_reading = h->len == 0 && !h->is_ended;
	*from = (struct pollfd){ .fd = is_reading ? h->from : -1, .events = POLLIN };
	*to = (struct pollfd){ .fd = h->len > 0 ? h->to : -1, .events = POLLOUT };
}

static int carry(struct half *up, struct half *down)
{
	bool is_terminal = isatty(up->from) == 1;
	for (;;) {
		struct pollfd p[4];
		if (up->is_ended && up->len == 0 && !up->is_told) {
			shutdown(up->to, SHUT_WR);
			up->is_told = true;
		}
		if (down->is_ended && down->len == 0 && !down->is_told) {
			close(down->to);
			down->is_told = true;
		}
		/* Nobody types an end of file for a server that has hung up. */
		if (down->is_told && (up->is_told || is_terminal))
			return 0;
		ask_poll(up, &p[0], &p[1]);
		ask_poll(down, &p[2], &p[3]);
		if (poll(p, 4, -1) < 0 && errno != EINTR)
			return -errno;
		int rc = step(up, &p[0], &p[1]);
		if (rc == 0)
			rc = step(down, &p[2], &p[3]);
		if (rc < 0)
			return rc;
	}
}

int carry_run(int sock, int in, int out, struct fault *f)
{
	static struct half up, down;

	signal(SIGPIPE, SIG_IGN);
	up = (struct half){ .from = in, .to = sock, .write_max = BUFFER_LEN };
	/* out is blocking: a writable pipe takes this much for certain. */
	down = (struct half){ .from = sock, .to = out, .write_max = PIPE_BUF };
	int rc = carry(&up, &down);
	if (rc < 0)
		fault_set(f, "the connection broke: %s", strerror(-rc));
	return rc;
}
