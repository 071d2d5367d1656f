/*
 * Knocks on their way, without privilege. Invariant: a socket of a knock lives no longer than the call
 * that knocks, so the kernel sends no SYN twice, and what comes back finds nobody.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd/carry.h"
#include "cmd/scheme.h"

#define FWKNOP_PORT 62201
#define CARRIER_TIMEOUT_MS 5000
#define ICMP_HEADER_LEN 8
#define ICMP6_ECHO_REPLY_TYPE 129

static void pause_ms(uint32_t ms)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

/* ------------------------------------------------------------------ on ports */

/*
 * Were the port open, its answer might be here before the socket is closed: then a reset ends it, and no
 * connection stays.
 */
static int knock_tcp(const struct exchange_peer *p)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int rc = 0, fd = socket(p->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (connect(fd, (const struct sockaddr *)&p->addr, p->len) < 0 && errno != EINPROGRESS &&
		errno != ECONNREFUSED)
		rc = -errno;
	close(fd);
	return rc;
}

static int knock_udp(const struct exchange_peer *p)
{
	int rc = 0, fd = socket(p->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, "", 1, 0, (const struct sockaddr *)&p->addr, p->len) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int send_knocks(const struct knock_args *a, const struct scheme_route *r,
	const struct scheme_plan *plan, struct fault *f)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct sequence_step *k = &plan->knocks[i];
		struct exchange_peer p = carry_peer(&r->peer, k->port);
		if (i > 0)
			pause_ms(a->classic.delay_ms);
		int rc = k->proto == IPPROTO_UDP ? knock_udp(&p) : knock_tcp(&p);
		if (rc < 0) {
			fault_set(f, "knock %zu of %zu cannot be sent: %s", i + 1, plan->count,
				strerror(-rc));
			return rc;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ with a text */

static int send_udp(const struct exchange_peer *p, struct span text)
{
	int rc = 0, fd = socket(p->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text.data, text.len, 0, (const struct sockaddr *)&p->addr, p->len) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int send_all(int fd, struct span text)
{
	while (text.len > 0) {
		ssize_t n = send(fd, text.data, text.len, MSG_NOSIGNAL);
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (n < 0 && errno == EAGAIN && poll(&p, 1, CARRIER_TIMEOUT_MS) == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			text = span_slice(text, (size_t)n, text.len - (size_t)n);
	}
	return 0;
}

static int send_tcp(const struct scheme_route *r, uint16_t port, struct span text, struct fault *f)
{
	int fd = scheme_wait(r, port, CARRIER_TIMEOUT_MS);
	int rc = fd < 0 ? fd : send_all(fd, text);
	if (fd < 0)
		fault_set(f,
			"no connection to tcp/%u; something must listen there for the carriers "
			"tcp and http, or choose --carrier udp",
			(unsigned)port);
	else if (rc < 0)
		fault_set(f, "the packet cannot be sent: %s", strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

static uint16_t checksum(struct span s)
{
	struct reader r = reader_init(s);
	uint32_t sum = 0;
	while (r.left > 1)
		sum += reader_u16(&r);
	if (r.left == 1)
		sum += (uint32_t)reader_u8(&r) << 8;
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

/* An echo reply, which nobody answers. The kernel puts in ICMPv6's checksum, for it knows the addresses. */
static int send_icmp(const struct exchange_peer *peer, const struct fwknop_text *text)
{
	uint8_t b[ICMP_HEADER_LEN + FWKNOP_TEXT_MAX];
	struct writer w = writer_init(b, sizeof(b));
	struct exchange_peer p = carry_peer(peer, 0);
	bool is_v4 = p.addr.ss_family == AF_INET;

	writer_u8(&w, is_v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY_TYPE);
	writer_zero(&w, ICMP_HEADER_LEN - 1);
	writer_put(&w, text->text, text->len);
	struct span all = writer_span(&w);
	if (is_v4) {
		uint16_t sum = checksum(all);
		b[2] = (uint8_t)(sum >> 8);
		b[3] = (uint8_t)sum;
	}
	int rc = 0,
	    fd = socket(p.addr.ss_family, SOCK_RAW | SOCK_CLOEXEC,
		    is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd < 0)
		return -errno;
	if (sendto(fd, all.data, all.len, 0, (const struct sockaddr *)&p.addr, p.len) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int send_http(const struct knock_args *a, const struct scheme_route *r, uint16_t port,
	const struct fwknop_text *text, struct fault *f)
{
	char request[FWKNOP_HTTP_MAX];
	size_t len = fwknop_http(text, a->host, false, request);
	if (len > 0)
		return send_tcp(r, port, span_of(request, len), f);
	fault_set(f, "%.200s: not a name that an HTTP request can have; use the address", a->host);
	return -EINVAL;
}

static int send_text(const struct knock_args *a, const struct scheme_route *r,
	const struct fwknop_text *text, struct fault *f)
{
	uint16_t port = a->udp_port != 0 ? a->udp_port : FWKNOP_PORT;
	struct exchange_peer p = carry_peer(&r->peer, port);
	struct span s = span_of(text->text, text->len);
	int rc = 0;
	switch (a->classic.carrier) {
	case KNOCK_BY_TCP:
		return send_tcp(r, port, s, f);
	case KNOCK_BY_HTTP:
		return send_http(a, r, port, text, f);
	case KNOCK_BY_UDP:
		rc = send_udp(&p, s);
		break;
	case KNOCK_BY_ICMP:
		rc = send_icmp(&p, text);
		break;
	}
	if (rc == -EPERM && a->classic.carrier == KNOCK_BY_ICMP)
		fault_set(f,
			"carrier icmp needs the capability CAP_NET_RAW; run this as root, or "
			"choose another --carrier");
	else if (rc < 0)
		fault_set(f, "the packet cannot be sent: %s", strerror(-rc));
	return rc;
}

int scheme_send(const struct knock_args *a, const struct scheme_route *r,
	const struct scheme_plan *p, struct fault *f)
{
	return a->scheme == KNOCK_FWKNOP ? send_text(a, r, &p->text, f) : send_knocks(a, r, p, f);
}
