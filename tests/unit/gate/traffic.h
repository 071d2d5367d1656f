#ifndef POSTERN_TEST_GATE_TRAFFIC_H
#define POSTERN_TEST_GATE_TRAFFIC_H

/* Peers, services and raw packets on the wire of netns.h, and a gate to stand between them. */

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "gate/gate.h"
#include "gate/netns.h"

#define PATIENCE_MS 5000
#define KNOCK_PORT 62201

/* Both address families run every test of traffic. */
static const int families[] = { AF_INET, AF_INET6 };

static inline struct addr host(int family, unsigned number)
{
	char text[ADDR_TEXT_MAX];
	struct addr a = { { 0 } };
	snprintf(text, sizeof(text), family == AF_INET ? "10.99.0.%u" : "fd99::%x", number);
	assert_true(addr_parse(text, &a));
	return a;
}

/* A configuration with these services ("tcp" port when positive, "udp" when negative) and one door. */
static inline struct config *configure(const int *ports, size_t n)
{
	struct config *c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->server.log_group = 7;
	c->server.mark_base = 0x50000000;
	c->service_count = n;
	for (size_t i = 0; i < n; i++) {
		c->services[i].proto = ports[i] > 0 ? IPPROTO_TCP : IPPROTO_UDP;
		c->services[i].port = (uint16_t)abs(ports[i]);
	}
	c->door_count = 1;
	c->doors[0].spa.is_on = true;
	c->doors[0].spa.port = KNOCK_PORT;
	return c;
}

static inline struct gate *take_gate(const struct config *c, bool *ret_is_new)
{
	struct gate *g = NULL;
	struct fault f = { "" };
	if (gate_new(c, &g, ret_is_new, &f) != 0)
		fail_msg("gate_new: %s", f.text);
	return g;
}

/* As a daemon starts: taken, nothing to restore, settled. */
static inline struct gate *start_gate(const int *ports, size_t n)
{
	bool is_new = false;
	struct config *c = configure(ports, n);
	struct gate *g = take_gate(c, &is_new);
	assert_true(is_new);
	assert_int_equal(gate_settle(g), 0);
	free(c);
	return g;
}

static inline void apply(struct gate *g, struct gate_order o)
{
	int result = 1;
	assert_int_equal(gate_apply(g, &o, 1, &result), 0);
	assert_int_equal(result, 0);
}

static inline struct gate_order opening(
	enum gate_kind kind, struct addr from, int port, uint32_t mark)
{
	return (struct gate_order){ .verb = GATE_OPEN,
		.kind = kind,
		.addr = from,
		.proto = port > 0 ? IPPROTO_TCP : IPPROTO_UDP,
		.port = (uint16_t)abs(port),
		.mark = mark,
		.wait_ms = 30000,
		.lease_ms = 60000 };
}

static inline struct gate_counts counts(struct gate *g)
{
	struct gate_counts n = { 0 };
	assert_int_equal(gate_counts(g, &n), 0);
	return n;
}

static inline void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&ts, NULL);
}

/* Wait until the kernel has dropped so many packets since before. */
static inline void wait_dropped(struct gate *g, struct gate_counts before, uint64_t packets)
{
	for (uint64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; pause_ms(1))
		if (counts(g).dropped >= before.dropped + packets)
			return;
	fail_msg("nothing was dropped");
}

/* A socket of this type bound to an address; TCP listens. */
static inline int serve(struct addr at, int port)
{
	struct sockaddr_storage ss;
	int one = 1;
	socklen_t len = addr_to_sockaddr(&at, (uint16_t)abs(port), &ss);
	int fd = socket(ss.ss_family, (port > 0 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (port > 0)
		assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* A socket in the client's namespace that has begun to connect to the server; from_port 0: any. */
static inline int call_from(const struct net *n, struct addr from, uint16_t from_port, int port)
{
	int one = 1;
	struct sockaddr_storage ss;
	struct addr to = host(addr_is_v4(&from) ? AF_INET : AF_INET6, 1);

	net_enter(n->client);
	socklen_t len = addr_to_sockaddr(&from, from_port, &ss);
	int fd = socket(ss.ss_family,
		(port > 0 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = addr_to_sockaddr(&to, (uint16_t)abs(port), &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	net_enter(n->server);
	return fd;
}

static inline int call(const struct net *n, struct addr from, int port)
{
	return call_from(n, from, 0, port);
}

static inline bool is_ready(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	return poll(&p, 1, timeout_ms) == 1;
}

/* How a connection attempt ended: 0 in, or -errno. */
static inline int outcome(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);
	if (!is_ready(fd, POLLOUT, PATIENCE_MS))
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return -error;
}

static inline void expect_in(const struct net *n, struct addr from, int port)
{
	int fd = call(n, from, port);
	assert_int_equal(outcome(fd), 0);
	close(fd);
}

/* The first packet is dropped, and nothing is heard. */
static inline void expect_out_from(
	const struct net *n, struct gate *g, struct addr from, uint16_t from_port, int port)
{
	struct gate_counts before = counts(g);
	int fd = call_from(n, from, from_port, port);
	if (port < 0)
		assert_int_equal(send(fd, "x", 1, 0), 1);
	wait_dropped(g, before, 1);
	assert_false(is_ready(fd, port > 0 ? POLLOUT : POLLIN, 0));
	close(fd);
}

static inline void expect_out(const struct net *n, struct gate *g, struct addr from, int port)
{
	expect_out_from(n, g, from, 0, port);
}

/* An ear on the client's end of the wire. */
static inline int listen_to_wire(const struct net *n)
{
	net_enter(n->client);
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex("cli") };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	net_enter(n->server);
	return fd;
}

/* TCP, UDP and ICMP packets that came from the server since the last call; not its neighbour traffic. */
static inline unsigned heard(int ear)
{
	unsigned packets = 0;
	for (;;) {
		uint8_t b[256] = { 0 };
		struct sockaddr_ll from = { 0 };
		socklen_t len = sizeof(from);
		if (recvfrom(ear, b, sizeof(b), 0, (struct sockaddr *)&from, &len) < 0)
			return packets;
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		bool is_v6 = from.sll_protocol == htons(ETH_P_IPV6);
		/* ICMPv6 130 to 143: neighbours, routers and listeners */
		bool is_chatter = b[6] == IPPROTO_ICMPV6 ? b[40] >= 130 : b[6] == IPPROTO_HOPOPTS;
		if (from.sll_protocol == htons(ETH_P_IP) || (is_v6 && !is_chatter))
			packets++;
	}
}

struct segment {
	struct addr from;
	uint16_t from_port, to_port;
	uint8_t flags;
	uint32_t seq;
};

static inline uint32_t sum16(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *b = data;
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	return sum;
}

static inline uint16_t tcp_checksum(
	const struct addr *from, const struct addr *to, const struct tcphdr *tcp)
{
	/* The mapped prefix adds nothing to a sum of 16-bit words but ffff twice, which is zero. */
	uint32_t sum = IPPROTO_TCP + sizeof(*tcp);
	sum = sum16(from->b, 16, sum);
	sum = sum16(to->b, 16, sum);
	sum = sum16(tcp, sizeof(*tcp), sum);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* A raw socket in the client's namespace; send_segment may be used from any thread. */
static inline int raw_socket(const struct net *n, int family)
{
	net_enter(n->client);
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	assert_true(fd >= 0);
	net_enter(n->server);
	return fd;
}

/* One bare TCP segment to the server. */
static inline bool send_segment(int raw, const struct segment *s)
{
	uint8_t packet[60] = { 0 };
	bool is_v4 = addr_is_v4(&s->from);
	struct addr to = host(is_v4 ? AF_INET : AF_INET6, 1);
	struct tcphdr tcp = { .th_sport = htons(s->from_port),
		.th_dport = htons(s->to_port),
		.th_seq = htonl(s->seq),
		.th_off = 5,
		.th_flags = s->flags,
		.th_win = htons(65535) };
	struct sockaddr_storage ss;
	socklen_t ss_len = addr_to_sockaddr(&to, 0, &ss);
	size_t len;

	tcp.th_sum = tcp_checksum(&s->from, &to, &tcp);
	if (is_v4) {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };
		ip.tot_len = htons(sizeof(ip) + sizeof(tcp));
		memcpy(&ip.saddr, s->from.b + 12, 4);
		memcpy(&ip.daddr, to.b + 12, 4);
		memcpy(packet, &ip, sizeof(ip));
		len = sizeof(ip);
	} else {
		struct ip6_hdr ip = { 0 };
		ip.ip6_vfc = 0x60;
		ip.ip6_plen = htons(sizeof(tcp));
		ip.ip6_nxt = IPPROTO_TCP;
		ip.ip6_hlim = 64;
		memcpy(&ip.ip6_src, s->from.b, 16);
		memcpy(&ip.ip6_dst, to.b, 16);
		memcpy(packet, &ip, sizeof(ip));
		len = sizeof(ip);
	}
	memcpy(packet + len, &tcp, sizeof(tcp));
	len += sizeof(tcp);
	return sendto(raw, packet, len, 0, (struct sockaddr *)&ss, ss_len) == (ssize_t)len;
}

#endif
