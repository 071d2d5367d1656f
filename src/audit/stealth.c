/*
 * Looking at ports from outside, without privilege. Invariant: a port is settled by what came back for it and
 * by nothing else; only a whole round without an answer counts as tries.
 */

#include "audit/stealth.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define WINDOW_MAX 256
#define UDP_SENDS 3 /* in one round */
#define SYNS_MAX 4

struct look {
	struct audit_stealth_port *port;
	int fd;
	unsigned sends;
	uint64_t began_us, sent_us, until_us;
};

/* What a service at such a port is likely to answer; anything else gets a few zeros. */
static const struct greeting {
	uint16_t port;
	uint8_t len;
	uint8_t bytes[48];
} greetings[] = {
	/* RFC 1035: the name servers of the root */
	{ 53, 17, { 0x70, 0x6b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 } },
	{ 123, 48, { 0x23 } }, /* RFC 5905: a client's request */
	{ 500, 28, { 1, 2, 3, 4, 5, 6, 7, 8, [17] = 0x20, [18] = 34, [19] = 8, [27] = 28 } },
	{ 3478, 20, { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1 } }, /* RFC 8489: a binding request */
};

static int send_greeting(const struct look *l)
{
	static const uint8_t zeros[8];
	const uint8_t *bytes = zeros;
	size_t len = sizeof(zeros);
	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		if (greetings[i].port == l->port->port) {
			bytes = greetings[i].bytes;
			len = greetings[i].len;
		}
	}
	/* An ICMP error of the packet before is told here; it stands in the error queue as well. */
	return send(l->fd, bytes, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void set_options(int fd, bool is_v4)
{
	int one = 1;
	if (is_v4) {
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one));
	} else {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof(one));
	}
}

static void fail(struct look *l, int error)
{
	l->port->sight = AUDIT_SIGHT_FAILED;
	l->port->error = error;
}

/* False when the port is settled at once. */
static bool begin(struct look *l, const struct addr *to, uint32_t wait_ms)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, l->port->port, &ss);
	int kind = l->port->is_udp ? SOCK_DGRAM : SOCK_STREAM;
	l->fd = socket(ss.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0) {
		fail(l, errno);
		return false;
	}
	set_options(l->fd, addr_is_v4(to));
	l->began_us = l->sent_us = clock_mono_us();
	l->until_us = l->began_us + (uint64_t)wait_ms * 1000;
	l->sends = 1;
	int rc = connect(l->fd, (const struct sockaddr *)&ss, len) < 0 ? -errno : 0;
	if (rc == 0 && l->port->is_udp)
		rc = send_greeting(l);
	else if (rc == 0)
		l->port->sight = AUDIT_SIGHT_OPEN;
	if (rc == -ECONNREFUSED)
		l->port->sight = AUDIT_SIGHT_REFUSES;
	else if (rc < 0 && rc != -EINPROGRESS)
		fail(l, -rc);
	return l->port->sight == AUDIT_SIGHT_SILENT;
}

static void take_error(struct look *l, const struct sock_extended_err *e)
{
	struct audit_stealth_port *p = l->port;
	struct sockaddr_storage from = { 0 };
	uint16_t unused;
	/* SO_EE_OFFENDER, which loses the const: the address lies behind the error. */
	const void *offender = e + 1;
	bool is_v4 = e->ee_origin == SO_EE_ORIGIN_ICMP;
	if (!is_v4 && e->ee_origin != SO_EE_ORIGIN_ICMP6) {
		fail(l, (int)e->ee_errno);
		return;
	}
	p->has_icmp = true;
	p->icmp_type = e->ee_type;
	p->icmp_code = e->ee_code;
	memcpy(&from, offender, is_v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	(void)addr_from_sockaddr(&from, &p->icmp_from, &unused);
	bool is_port = is_v4
		? e->ee_type == ICMP_DEST_UNREACH && e->ee_code == ICMP_PORT_UNREACH
		: e->ee_type == ICMP6_DST_UNREACH && e->ee_code == ICMP6_DST_UNREACH_NOPORT;
	/* Of TCP a host's own refusal is a reset: port unreachable is the word of a filter. */
	p->sight = is_port && p->is_udp ? AUDIT_SIGHT_REFUSES : AUDIT_SIGHT_UNREACHABLE;
}

/* One message of the socket or of its error queue. False when there is none. */
static bool take_message(struct look *l, int flags)
{
	uint8_t bytes[64];
	union {
		char room[512];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	if (recvmsg(l->fd, &m, flags) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		bool is_v4 = c->cmsg_level == IPPROTO_IP, is_v6 = c->cmsg_level == IPPROTO_IPV6;
		if ((is_v4 && c->cmsg_type == IP_RECVERR) ||
			(is_v6 && c->cmsg_type == IPV6_RECVERR))
			take_error(l, (const struct sock_extended_err *)(void *)CMSG_DATA(c));
		int ttl = 0;
		if ((is_v4 && c->cmsg_type == IP_TTL) || (is_v6 && c->cmsg_type == IPV6_HOPLIMIT)) {
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
			l->port->ttl = (uint8_t)ttl;
		}
	}
	return true;
}

static void take_tcp(struct look *l)
{
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0)
		l->port->sight = AUDIT_SIGHT_OPEN;
	else if (error == ECONNREFUSED || error == ECONNRESET)
		l->port->sight = AUDIT_SIGHT_REFUSES;
	else if (error != ETIMEDOUT)
		fail(l, error);
}

/* Something came. True when that settles the port. */
static bool take(struct look *l)
{
	l->port->rtt_us = (uint32_t)(clock_mono_us() - l->sent_us);
	if (take_message(l, MSG_ERRQUEUE) && l->port->sight != AUDIT_SIGHT_SILENT)
		return true;
	if (!l->port->is_udp)
		take_tcp(l);
	else if (take_message(l, 0))
		l->port->sight = AUDIT_SIGHT_OPEN;
	return l->port->sight != AUDIT_SIGHT_SILENT;
}

/* Time passes: a datagram is sent again, a round ends. True when it has ended. */
static bool tick(struct look *l, uint64_t now_us)
{
	if (now_us >= l->until_us) {
		uint64_t took = l->until_us - l->began_us;
		/* The kernel sends a SYN again after 1 s, 3 s, 7 s. */
		unsigned syns = 1;
		for (uint64_t at = 1000000; at < took && syns < SYNS_MAX; at = 2 * at + 1000000)
			syns++;
		l->port->tries += l->port->is_udp ? l->sends : syns;
		return true;
	}
	uint64_t pause = (l->until_us - l->began_us) / UDP_SENDS;
	if (l->port->is_udp && l->sends < UDP_SENDS && now_us >= l->sent_us + pause) {
		l->sent_us = now_us;
		l->sends++;
		(void)send_greeting(l);
	}
	return false;
}

struct round {
	struct look looks[WINDOW_MAX];
	size_t count, cap;
	size_t next; /* port */
};

static void fill(struct round *r, const struct addr *to, struct audit_stealth_port *ports,
	size_t count, uint32_t wait_ms)
{
	while (r->count < r->cap && r->next < count) {
		struct audit_stealth_port *p = &ports[r->next++];
		struct look *l = &r->looks[r->count];
		if (p->sight != AUDIT_SIGHT_SILENT)
			continue;
		*l = (struct look){ .port = p, .fd = -1 };
		if (begin(l, to, wait_ms))
			r->count++;
		else if (l->fd >= 0)
			close(l->fd);
	}
}

static int turn(struct round *r)
{
	struct pollfd fds[WINDOW_MAX];
	for (size_t i = 0; i < r->count; i++)
		fds[i] = (struct pollfd){ .fd = r->looks[i].fd,
			.events = r->looks[i].port->is_udp ? POLLIN : POLLOUT };
	if (poll(fds, r->count, 50) < 0 && errno != EINTR)
		return -errno;
	uint64_t now_us = clock_mono_us();
	for (size_t i = r->count; i-- > 0;) {
		struct look *l = &r->looks[i];
		if (!(fds[i].revents != 0 && take(l)) && !tick(l, now_us))
			continue;
		close(l->fd);
		r->looks[i] = r->looks[--r->count];
		fds[i] = fds[r->count];
	}
	return 0;
}

int audit_stealth_look(const struct addr *to, struct audit_stealth_port *ports, size_t count,
	const struct audit_stealth_options *o)
{
	unsigned rounds = o->rounds != 0 ? o->rounds : 2;
	uint32_t wait_ms = o->wait_ms != 0 ? o->wait_ms : 2500;
	size_t cap = o->at_once != 0 ? o->at_once : 128;
	for (unsigned n = 0; n < rounds; n++) {
		struct round r = { .cap = cap < WINDOW_MAX ? cap : WINDOW_MAX };
		int rc = 0;
		fill(&r, to, ports, count, wait_ms);
		while (r.count > 0) {
			rc = turn(&r);
			if (rc < 0)
				break;
			fill(&r, to, ports, count, wait_ms);
		}
		for (size_t i = 0; i < r.count; i++)
			close(r.looks[i].fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}
