/* What a guarded machine looks like from the wire, in namespaces of the test's own: over IPv4 and IPv6. */

#include "gate/internal.h"
#include "gate/traffic.h"

#define SSH 22
#define OPEN_PORT 8080
#define DNS (-53)
#define MARK 0x50000001u

static const int services[] = { SSH, DNS };

static struct gate *start(void)
{
	return start_gate(services, TEST_LEN(services));
}

/* Closed: no answer of any kind, though something listens. Unguarded: as ever. */
static void test_closed(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		int tcp = serve(host(families[i], 1), SSH);
		int udp = serve(host(families[i], 1), DNS);
		int other = serve(host(families[i], 1), OPEN_PORT);
		int ear = listen_to_wire(n);

		expect_out(n, g, me, SSH);
		expect_out(n, g, me, DNS);
		close(tcp);
		close(udp);
		/* nor when nothing listens */
		expect_out(n, g, me, SSH);
		expect_out(n, g, me, DNS);
		assert_int_equal(heard(ear), 0);

		expect_in(n, me, OPEN_PORT);
		close(other);
		int fd = call(n, me, OPEN_PORT);
		assert_int_equal(outcome(fd), -ECONNREFUSED);
		close(fd);
		close(ear);
	}
	gate_free(g);
}

/* A knock port sends no ICMP, and ports beside it do. */
static void test_knock_port(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		int ear = listen_to_wire(n);
		int silent = call(n, host(families[i], 2), -KNOCK_PORT);
		int loud = call(n, host(families[i], 2), -KNOCK_PORT - 1);
		assert_int_equal(send(silent, "knock", 5, 0), 5);
		assert_int_equal(send(loud, "knock", 5, 0), 5);
		/* One packet comes back, and it is for the second. */
		assert_true(is_ready(loud, POLLERR, PATIENCE_MS));
		assert_int_equal(outcome(loud), -ECONNREFUSED);
		assert_false(is_ready(silent, POLLIN, 0));
		assert_int_equal(heard(ear), 1);
		close(silent);
		close(loud);
		close(ear);
	}
	gate_free(g);
}

/* A datagram for host 3, given to the server to carry: an IPv4 header, a UDP header, no payload. */
static void send_by_server(const struct net *n, uint16_t port)
{
	struct ifreq r = { .ifr_name = "srv" };
	struct {
		struct iphdr ip;
		uint16_t udp[4];
	} p = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP } };
	struct addr from = host(AF_INET, 2), to = host(AF_INET, 3);

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &r), 0);
	close(fd);
	p.ip.tot_len = htons(sizeof(p));
	memcpy(&p.ip.saddr, from.b + 12, 4);
	memcpy(&p.ip.daddr, to.b + 12, 4);
	uint32_t sum = sum16(&p.ip, sizeof(p.ip), 0);
	p.ip.check = htons((uint16_t) ~((sum & 0xffff) + (sum >> 16)));
	p.udp[0] = p.udp[1] = htons(port);
	p.udp[2] = htons(sizeof(p.udp));

	net_enter(n->client);
	struct sockaddr_ll via = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex("cli"),
		.sll_halen = ETH_ALEN };
	memcpy(via.sll_addr, r.ifr_hwaddr.sa_data, ETH_ALEN);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		sendto(fd, &p, sizeof(p), 0, (struct sockaddr *)&via, sizeof(via)), sizeof(p));
	close(fd);
	net_enter(n->server);
}

/* Others may use our knock port: what only passes through this machine is theirs. */
static void test_forwarded(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	int forward = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(forward, "1", 1), 1);
	close(forward);
	int ear = listen_to_wire(n);
	send_by_server(n, KNOCK_PORT);
	for (bool is_heard = false; !is_heard;) {
		uint8_t b[64] = { 0 };
		struct sockaddr_ll from = { 0 };
		socklen_t len = sizeof(from);
		assert_true(is_ready(ear, POLLIN, PATIENCE_MS));
		recvfrom(ear, b, sizeof(b), 0, (struct sockaddr *)&from, &len);
		is_heard = from.sll_protocol == htons(ETH_P_IP) && b[9] == IPPROTO_UDP &&
			from.sll_pkttype != PACKET_OUTGOING;
	}
	close(ear);
	gate_free(g);
}

static void test_once(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		int s = serve(host(families[i], 1), SSH);
		struct gate_counts before = counts(g);
		apply(g, opening(GATE_ONCE, me, SSH, MARK + (uint32_t)i));

		expect_out(n, g, host(families[i], 3), SSH);
		int first = call(n, me, SSH);
		assert_int_equal(outcome(first), 0);
		expect_out(n, g, me, SSH);
		expect_out(n, g, host(families[i], 3), SSH);
		assert_int_equal(counts(g).opened, before.opened + 1);

		/* The admitted one goes on, both ways. */
		int peer = accept(s, NULL, NULL);
		char c;
		assert_int_equal(send(first, "a", 1, 0), 1);
		assert_int_equal(recv(peer, &c, 1, 0), 1);
		assert_int_equal(send(peer, "b", 1, 0), 1);
		assert_true(is_ready(first, POLLIN, PATIENCE_MS));
		assert_int_equal(recv(first, &c, 1, 0), 1);
		close(first);
		close(peer);
		close(s);
	}
	gate_free(g);
}

/*
 * The admitted first packet, sent again because nobody answered: the server cannot reach host 9, which is
 * not there. A stray segment before it spends nothing.
 */
static void test_retransmission(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr absent = host(families[i], 9);
		int s = serve(host(families[i], 1), SSH);
		int raw = raw_socket(n, families[i]);
		struct segment syn = { absent, 40000, SSH, TH_SYN, 1000 };
		struct segment stray = { absent, 40001, SSH, TH_ACK, 1000 };
		struct gate_counts before = counts(g);
		apply(g, opening(GATE_ONCE, absent, SSH, MARK + (uint32_t)i));

		assert_true(send_segment(raw, &stray));
		for (int k = 0; k < 4; k++)
			assert_true(send_segment(raw, &syn));
		syn.from_port = 40002;
		assert_true(send_segment(raw, &syn));
		/* Packets of one sender keep their order, so the last one is the only other that is out. */
		wait_dropped(g, before, 2);
		assert_int_equal(counts(g).opened, before.opened + 1);
		assert_int_equal(counts(g).dropped, before.dropped + 2);
		close(raw);
		close(s);
	}
	gate_free(g);
}

static void test_window(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		int s = serve(host(families[i], 1), SSH);
		uint64_t opened = counts(g).opened;
		apply(g, opening(GATE_WINDOW, me, SSH, MARK + (uint32_t)i));
		for (int k = 0; k < 5; k++)
			expect_in(n, me, SSH);
		assert_int_equal(counts(g).opened, opened + 5);
		expect_out(n, g, host(families[i], 3), SSH);

		/* Asking for one connection now takes the window away. */
		apply(g, opening(GATE_ONCE, me, SSH, MARK + 2 + (uint32_t)i));
		expect_in(n, me, SSH);
		expect_out(n, g, me, SSH);
		close(s);
	}
	gate_free(g);
}

static void test_udp(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		char c;
		int s = serve(host(families[i], 1), DNS);
		apply(g, opening(GATE_ONCE, me, DNS, MARK + (uint32_t)i));

		int first = call(n, me, DNS);
		for (int k = 0; k < 3; k++) {
			assert_int_equal(send(first, "?", 1, 0), 1);
			assert_true(is_ready(s, POLLIN, PATIENCE_MS));
			assert_int_equal(recvfrom(s, &c, 1, 0, (struct sockaddr *)&from, &len), 1);
			assert_int_equal(sendto(s, "!", 1, 0, (struct sockaddr *)&from, len), 1);
			assert_true(is_ready(first, POLLIN, PATIENCE_MS));
			assert_int_equal(recv(first, &c, 1, 0), 1);
		}
		/* Another port of the same host is another conversation. */
		expect_out(n, g, me, DNS);
		close(first);
		close(s);
	}
	gate_free(g);
}

static void test_close_and_lapse(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		int s = serve(host(families[i], 1), SSH);
		for (int kind = GATE_ONCE; kind <= GATE_WINDOW; kind++) {
			struct gate_order o =
				opening((enum gate_kind)kind, host(families[i], 2), SSH, MARK);
			apply(g, o);
			o.verb = GATE_CLOSE;
			apply(g, o);
			expect_out(n, g, host(families[i], 2), SSH);

			/* What is left of a gate may be less than a tick; it is not for ever. */
			static const uint64_t waits[] = { 1, 1000 };
			for (size_t k = 0; k < TEST_LEN(waits); k++) {
				o.verb = GATE_OPEN;
				o.wait_ms = waits[k];
				apply(g, o);
				pause_ms((long)waits[k] + 150);
				expect_out(n, g, host(families[i], 2), SSH);
			}
		}
		close(s);
	}
	gate_free(g);
}

/* Renewed for several of its times, a gate and its lease outlive each of them. */
static void test_renew(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	int s4 = serve(host(AF_INET, 1), SSH);
	int s6 = serve(host(AF_INET6, 1), SSH);
	struct gate_order a = opening(GATE_WINDOW, host(AF_INET, 2), SSH, MARK);
	struct gate_order b = opening(GATE_ONCE, host(AF_INET6, 2), SSH, MARK + 1);
	a.wait_ms = a.lease_ms = b.wait_ms = b.lease_ms = 1000;
	for (int k = 0; k < 6; k++) {
		apply(g, a);
		apply(g, b);
		pause_ms(600);
	}
	int fd = call(n, a.addr, SSH);
	assert_int_equal(outcome(fd), 0);
	expect_in(n, b.addr, SSH);
	expect_out(n, g, b.addr, SSH);

	/* A renewed ticket is a new one: spent, then given again, it admits again. */
	apply(g, b);
	expect_in(n, b.addr, SSH);
	expect_out(n, g, b.addr, SSH);
	close(fd);
	close(s4);
	close(s6);
	gate_free(g);
}

/* Send on one end until that end hears of the reset; how long it took since start, in ms. */
static uint64_t until_reset(int fd, uint64_t start_ms)
{
	for (;;) {
		uint64_t taken = clock_mono_ms() - start_ms;
		ssize_t n = send(fd, "x", 1, MSG_NOSIGNAL);
		if (n < 0 && (errno == ECONNRESET || errno == EPIPE))
			return taken;
		if (taken > PATIENCE_MS)
			fail_msg("no reset");
		pause_ms(10);
	}
}

static void test_lease_end(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		int s = serve(host(families[i], 1), SSH);
		for (int by_server = 0; by_server < 2; by_server++) {
			struct gate_order o = opening(GATE_ONCE, host(families[i], 2), SSH, MARK);
			o.lease_ms = 1000;
			uint64_t start_ms = clock_mono_ms();
			uint64_t cut = counts(g).cut;
			apply(g, o);
			int fd = call(n, o.addr, SSH);
			assert_int_equal(outcome(fd), 0);
			int peer = accept(s, NULL, NULL);
			assert_true(peer >= 0);
			uint64_t taken = until_reset(by_server ? peer : fd, start_ms);
			assert_in_range(taken, 900, 2000);
			assert_true(counts(g).cut > cut);
			close(fd);
			close(peer);
		}
		close(s);
	}
	gate_free(g);
}

/* CUT ends one connection now and leaves another alone. */
static void test_cut(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		int s = serve(host(families[i], 1), SSH);
		int fds[2], peers[2];
		for (unsigned k = 0; k < 2; k++) {
			struct addr from = host(families[i], 2 + k);
			apply(g, opening(GATE_ONCE, from, SSH, MARK + k));
			fds[k] = call(n, from, SSH);
			assert_int_equal(outcome(fds[k]), 0);
			peers[k] = accept(s, NULL, NULL);
		}
		struct gate_order cut = { .verb = GATE_CUT, .mark = MARK };
		apply(g, cut);
		until_reset(fds[0], clock_mono_ms());
		char c;
		assert_int_equal(send(fds[1], "x", 1, 0), 1);
		assert_int_equal(recv(peers[1], &c, 1, 0), 1);
		for (unsigned k = 0; k < 2; k++) {
			close(fds[k]);
			close(peers[k]);
		}
		close(s);
	}
	gate_free(g);
}

/* Who was connected before the port was guarded stays, where connection tracking knew of it. */
static void test_established_before(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct fault f;
	assert_int_equal(
		gate_child_run("add table inet other\n"
			       "add chain inet other in { type filter hook input priority 0; }\n"
			       "add rule inet other in ct state established accept\n",
			false, &f),
		0);
	int s = serve(host(AF_INET, 1), SSH);
	int fd = call(n, host(AF_INET, 2), SSH);
	assert_int_equal(outcome(fd), 0);
	int peer = accept(s, NULL, NULL);

	struct gate *g = start();
	char c;
	for (int k = 0; k < 3; k++) {
		assert_int_equal(send(fd, "x", 1, 0), 1);
		assert_true(is_ready(peer, POLLIN, PATIENCE_MS));
		assert_int_equal(recv(peer, &c, 1, 0), 1);
		assert_int_equal(send(peer, "x", 1, 0), 1);
		assert_true(is_ready(fd, POLLIN, PATIENCE_MS));
		assert_int_equal(recv(fd, &c, 1, 0), 1);
	}
	expect_out(n, g, host(AF_INET, 2), SSH);
	close(fd);
	close(peer);
	close(s);
	gate_free(g);
}

/* What the machine begins itself is its own affair, also from a guarded port, also over loopback. */
static void test_own_traffic(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	struct sockaddr_storage ss;
	int s = serve(host(AF_INET, 1), SSH);
	int local = serve(host(AF_INET, 1), DNS);
	char c;

	struct addr self = host(AF_INET, 1);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = addr_to_sockaddr(&self, SSH, &ss);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	close(fd);

	net_enter(n->client);
	int remote = serve(host(AF_INET, 2), -5353);
	net_enter(n->server);
	struct addr to = host(AF_INET, 2);
	len = addr_to_sockaddr(&to, 5353, &ss);
	assert_int_equal(sendto(local, "?", 1, 0, (struct sockaddr *)&ss, len), 1);
	assert_true(is_ready(remote, POLLIN, PATIENCE_MS));
	len = sizeof(ss);
	assert_int_equal(recvfrom(remote, &c, 1, 0, (struct sockaddr *)&ss, &len), 1);
	assert_int_equal(sendto(remote, "!", 1, 0, (struct sockaddr *)&ss, len), 1);
	assert_true(is_ready(local, POLLIN, PATIENCE_MS));
	assert_int_equal(counts(g).dropped, 0);
	close(remote);
	close(local);
	close(s);
	gate_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_closed),
		NET_TEST(test_knock_port),
		NET_TEST(test_forwarded),
		NET_TEST(test_once),
		NET_TEST(test_retransmission),
		NET_TEST(test_window),
		NET_TEST(test_udp),
		NET_TEST(test_close_and_lapse),
		NET_TEST(test_renew),
		NET_TEST(test_lease_end),
		NET_TEST(test_cut),
		NET_TEST(test_established_before),
		NET_TEST(test_own_traffic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
