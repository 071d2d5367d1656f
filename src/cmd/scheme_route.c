/* The way to a host, and trying a port until it opens. */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/carry.h"
#include "cmd/scheme.h"

/*
 * When a new attempt begins, after the first. One that came too early waits for the kernel to send its SYN
 * again, after a second; a new one is there sooner. Few of them: a gate may be good for so many
 * connections only, and where the way is long several are under way at once.
 */
static const unsigned attempts_ms[] = { 0, 250, 500, 1000, 2000, 4000 };

#define ATTEMPTS_MAX (sizeof(attempts_ms) / sizeof(attempts_ms[0]))

/* A socket that is connected and never used: the kernel finds way and source. */
static int find_source(const struct addrinfo *ai, struct addr *ret)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	uint16_t port;
	int rc = 0, fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
		getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		rc = -errno;
	else if (!addr_from_sockaddr(&own, ret, &port))
		rc = -EAFNOSUPPORT;
	if (fd >= 0)
		close(fd);
	return rc;
}

int scheme_route_find(const char *host, int family, struct scheme_route *ret, struct fault *f)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *list = NULL;
	int rc = -EAFNOSUPPORT;

	/* Nothing is sent to it: any port tells which way a packet would go. */
	int gai = getaddrinfo(host, "9", &hints, &list);
	if (gai != 0) {
		fault_set(f,
			"%.200s cannot be looked up%s: %s; use its address or correct the name",
			host,
			family == AF_INET            ? " as IPv4"
				: family == AF_INET6 ? " as IPv6"
						     : "",
			gai_strerror(gai));
		return -ENOENT;
	}
	for (const struct addrinfo *ai = list; ai != NULL && rc < 0; ai = ai->ai_next) {
		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		rc = find_source(ai, &ret->source);
		if (rc < 0)
			continue;
		memcpy(&ret->peer.addr, ai->ai_addr, ai->ai_addrlen);
		ret->peer.len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	if (rc < 0)
		fault_set(f, "there is no way to %.200s: %s", host, strerror(-rc));
	return rc;
}

/* ------------------------------------------------------------------ until it opens */

struct trial {
	size_t count;
	struct pollfd at[ATTEMPTS_MAX];
};

static void begin(struct trial *t, const struct scheme_route *r, uint16_t port)
{
	int fd = carry_begin(&r->peer, port);
	t->at[t->count++] = (struct pollfd){ .fd = fd, .events = POLLOUT };
}

/* The socket that is connected, taken out of the trial; -1 when there is none yet. */
static int take_open(struct trial *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct pollfd *p = &t->at[i];
		int error = 0, fd = p->fd;
		socklen_t len = sizeof(error);
		if (fd < 0 || p->revents == 0)
			continue;
		p->fd = -1;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
			return fd;
		/* A refusal is no end: the gate may open yet. */
		close(fd);
	}
	return -1;
}

int scheme_wait(const struct scheme_route *r, uint16_t port, unsigned timeout_ms)
{
	struct trial t = { 0 };
	uint64_t began = clock_mono_ms();
	int fd = -1;

	for (;;) {
		uint64_t past = clock_mono_ms() - began;
		if (past >= timeout_ms)
			break;
		if (t.count < ATTEMPTS_MAX && past >= attempts_ms[t.count])
			begin(&t, r, port);
		uint64_t next = t.count < ATTEMPTS_MAX ? attempts_ms[t.count] : timeout_ms;
		if (next > timeout_ms)
			next = timeout_ms;
		int wait = next > past ? (int)(next - past) : 0;
		if (poll(t.at, t.count, wait) < 0 && errno != EINTR)
			break;
		fd = take_open(&t);
		if (fd >= 0)
			break;
	}
	for (size_t i = 0; i < t.count; i++)
		if (t.at[i].fd >= 0)
			close(t.at[i].fd);
	return fd >= 0 ? fd : -ETIMEDOUT;
}
