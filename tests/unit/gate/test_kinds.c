/* Gates for several connections, for ranges, for one source port, for networks; leases without an end. */

#include <endian.h>
#include <linux/netfilter/nf_tables.h>

#include "gate/internal.h"
#include "gate/traffic.h"

#define SSH 22
#define DNS (-53)
#define FIRST 6000
#define LAST 6010
#define MARK 0x50000001u

/* ssh, a range, and a UDP service; networks of /24 and /56 or narrower are allowed. */
static struct config *everything(void)
{
	static const int ports[] = { SSH, FIRST, DNS };
	struct config *c = configure(ports, TEST_LEN(ports));
	c->services[1].port_last = LAST;
	c->services[1].prefix_v4 = 24;
	c->services[1].prefix_v6 = 56;
	return c;
}

static struct gate *start(void)
{
	bool is_new = false;
	struct config *c = everything();
	struct gate *g = take_gate(c, &is_new);
	assert_true(is_new);
	assert_int_equal(gate_settle(g), 0);
	free(c);
	return g;
}

static struct gate_order closing(struct gate_order o)
{
	o.verb = GATE_CLOSE;
	return o;
}

/* As many as it is for, and after a renewal as many again. */
static void test_times(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	static const uint16_t times[] = { 2, 5 };
	for (size_t i = 0; i < TEST_LEN(families) * TEST_LEN(times); i++) {
		struct addr me = host(families[i / 2], 2);
		int s = serve(host(families[i / 2], 1), SSH);
		struct gate_order o = opening(GATE_TIMES, me, SSH, MARK + (uint32_t)i);
		o.times = times[i % 2];
		for (int again = 0; again < 2; again++) {
			apply(g, o);
			for (unsigned k = 0; k < o.times; k++)
				expect_in(n, me, SSH);
			expect_out(n, g, me, SSH);
			expect_out(n, g, host(families[i / 2], 3), SSH);
		}
		apply(g, o);
		expect_in(n, me, SSH);
		apply(g, closing(o));
		expect_out(n, g, me, SSH);
		close(s);
	}
	gate_free(g);
}

/* Of two orders for one place the later one alone holds, whatever their kinds. */
static void test_another_kind(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	static const enum gate_kind kinds[] = { GATE_ONCE, GATE_WINDOW, GATE_TIMES };
	static const enum gate_how ways[] = { GATE_DESTROY, GATE_ADD_FIRST };
	struct addr me = host(AF_INET6, 2);
	int s = serve(host(AF_INET6, 1), SSH);
	for (size_t i = 0; i < 9 * TEST_LEN(ways); i++) {
		enum gate_kind before = kinds[i % 3], after = kinds[i / 3 % 3];
		struct gate_order orders[] = {
			opening(before, me, SSH, MARK + (uint32_t)(2 * i)),
			opening(after, me, SSH, MARK + (uint32_t)(2 * i + 1)),
		};
		int results[2] = { 1, 1 };
		orders[0].times = 9;
		orders[1].times = 2;
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(
				gate_apply_how(g, &orders[k], 1, &results[k], ways[i / 9]), 0);
		assert_int_equal(results[0], 0);
		assert_int_equal(results[1], 0);
		unsigned expected = after == GATE_ONCE ? 1 : after == GATE_TIMES ? 2 : 4;
		for (unsigned k = 0; k < expected; k++)
			expect_in(n, me, SSH);
		if (after != GATE_WINDOW)
			expect_out(n, g, me, SSH);
		/* It closes whatever kind it is taken for. */
		orders[1].verb = GATE_CLOSE;
		orders[1].kind = before;
		assert_int_equal(gate_apply_how(g, &orders[1], 1, &results[1], ways[i / 9]), 0);
		assert_int_equal(results[1], 0);
		expect_out(n, g, me, SSH);
	}
	close(s);
	gate_free(g);
}

/* One order opens all ports of a range, and one closes them. */
static void test_range(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	static const int ports[] = { FIRST, FIRST + 5, LAST };
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		struct gate_order o = opening(GATE_WINDOW, me, FIRST, MARK + (uint32_t)i);
		int s[TEST_LEN(ports)];
		for (size_t k = 0; k < TEST_LEN(ports); k++) {
			s[k] = serve(host(families[i], 1), ports[k]);
			expect_out(n, g, me, ports[k]);
		}
		int beside = serve(host(families[i], 1), LAST + 1);
		expect_in(n, host(families[i], 3), LAST + 1);
		apply(g, o);
		for (size_t k = 0; k < TEST_LEN(ports); k++) {
			expect_in(n, me, ports[k]);
			expect_in(n, me, ports[k]);
			expect_out(n, g, host(families[i], 3), ports[k]);
		}
		expect_out(n, g, me, SSH);
		apply(g, closing(o));
		for (size_t k = 0; k < TEST_LEN(ports); k++) {
			expect_out(n, g, me, ports[k]);
			close(s[k]);
		}
		close(beside);
	}
	gate_free(g);
}

/* As many ports as there may be: every one of them is guarded and opens. */
static void test_many_ports(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	static const int ports[] = { 1000, 2000, 3000, -4000 };
	struct config *c = configure(ports, TEST_LEN(ports));
	bool is_new = false;
	for (size_t i = 0; i < c->service_count; i++)
		c->services[i].port_last = (uint16_t)(c->services[i].port + CONFIG_RANGE_MAX - 1);
	assert_int_equal(TEST_LEN(ports) * CONFIG_RANGE_MAX, CONFIG_PORTS_MAX);
	struct gate *g = take_gate(c, &is_new);
	assert_int_equal(gate_settle(g), 0);
	struct addr me = host(AF_INET, 2);
	expect_out(n, g, me, 1000);
	expect_out(n, g, me, 1255);
	expect_out(n, g, me, 3255);
	expect_out(n, g, me, -4255);
	int s = serve(host(AF_INET, 1), 3255);
	apply(g, opening(GATE_WINDOW, me, 3000, MARK));
	expect_in(n, me, 3255);
	expect_out(n, g, me, 2255);
	close(s);
	gate_free(g);
	free(c);
}

static int in_from(const struct net *n, struct addr from, uint16_t from_port, int port)
{
	int fd = call_from(n, from, from_port, port);
	assert_int_equal(outcome(fd), 0);
	return fd;
}

/* From that port and no other, whatever the kind; a gate for the host is another gate. */
static void test_source_port(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		int s = serve(host(families[i], 1), SSH);
		struct gate_order o = opening(GATE_ONCE, me, SSH, MARK + (uint32_t)(4 * i));
		o.source_port = 40000;
		apply(g, o);
		expect_out_from(n, g, me, 40001, SSH);
		expect_out_from(n, g, host(families[i], 3), 40000, SSH);
		int fd = in_from(n, me, 40000, SSH);
		expect_out(n, g, me, SSH);

		/* Two ports, and the host: three gates, each spent by its own. */
		struct gate_order second = o,
				  any = opening(GATE_ONCE, me, SSH, MARK + (uint32_t)(4 * i + 1));
		second.source_port = 40002;
		second.mark = MARK + (uint32_t)(4 * i + 2);
		apply(g, second);
		apply(g, any);
		int fd2 = in_from(n, me, 40002, SSH);
		int fd3 = in_from(n, me, 40003, SSH);
		expect_out_from(n, g, me, 40004, SSH);

		o.source_port = 40005;
		apply(g, o);
		apply(g, closing(any)); /* another gate */
		int fd4 = in_from(n, me, 40005, SSH);
		o.source_port = 40006;
		apply(g, o);
		apply(g, closing(o));
		expect_out_from(n, g, me, 40006, SSH);
		o.kind = GATE_TIMES;
		o.times = 2;
		apply(g, o);
		expect_out_from(n, g, me, 40007, SSH);
		int fd5 = in_from(n, me, 40006, SSH);
		close(fd);
		close(fd2);
		close(fd3);
		close(fd4);
		close(fd5);
		close(s);
	}
	gate_free(g);
}

static void say(int fd)
{
	assert_int_equal(send(fd, "x", 1, 0), 1);
}

static void expect_heard(int s)
{
	char c;
	assert_true(is_ready(s, POLLIN, PATIENCE_MS));
	assert_int_equal(recv(s, &c, 1, 0), 1);
}

/* On UDP one connection is one source port: its later datagrams follow, others find nothing. */
static void test_udp(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		struct addr me = host(families[i], 2);
		int s = serve(host(families[i], 1), DNS);
		apply(g, opening(GATE_ONCE, me, DNS, MARK + (uint32_t)(2 * i)));
		int fd = call(n, me, DNS);
		for (int k = 0; k < 3; k++) {
			say(fd);
			expect_heard(s);
		}
		expect_out(n, g, me, DNS);
		apply(g, opening(GATE_WINDOW, me, DNS, MARK + (uint32_t)(2 * i + 1)));
		for (int k = 0; k < 3; k++) {
			int other = call(n, me, DNS);
			say(other);
			expect_heard(s);
			close(other);
		}
		close(fd);
		close(s);
	}
	gate_free(g);
}

/* The network of hosts 2 and 3 (10.99.0.2/31), then all of them; not hosts outside. */
static void test_net(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		int s = serve(host(families[i], 1), FIRST);
		struct gate_order o = opening(GATE_WINDOW, host(families[i], 2), FIRST, MARK);
		struct gate_order all = o;
		o.bits = 127;
		apply(g, o);
		expect_in(n, host(families[i], 2), FIRST);
		expect_in(n, host(families[i], 3), FIRST);
		expect_out(n, g, host(families[i], 4), FIRST);
		apply(g, o);
		expect_in(n, host(families[i], 3), FIRST);

		all.addr = host(families[i], 0);
		all.bits = families[i] == AF_INET ? 96 + 24 : 56;
		all.mark = MARK + 1;
		apply(g, all);
		expect_in(n, host(families[i], 5), FIRST);
		apply(g, closing(o));
		expect_in(n, host(families[i], 2), FIRST);
		apply(g, closing(all));
		expect_out(n, g, host(families[i], 2), FIRST);
		expect_out(n, g, host(families[i], 5), FIRST);
		close(s);
	}
	gate_free(g);
}

/* Leave a kept mark so much time, as if nothing had been said for days. */
static void age(struct gate *g, uint32_t mark, uint64_t ms)
{
	struct gate_order o = { .verb = GATE_LEASE, .mark = mark, .lease_ms = GATE_LEASE_NONE };
	int refusal = 1;
	gate_nl_begin(&g->nl);
	gate_elements_remove(&g->nl, &o, GATE_IN_KEPT);
	struct nlmsghdr *h = gate_nl_message(&g->nl, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, "kept");
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	struct nlattr *key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(mark), &mark);
	mnl_attr_nest_end(h, key);
	mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(ms));
	mnl_attr_nest_end(h, element);
	mnl_attr_nest_end(h, list);
	assert_int_equal(gate_nl_commit(&g->nl, &refusal), 0);
	assert_int_equal(refusal, 0);
}

/* An end comes after days of silence, for which connection tracking forgets as well. */
static void test_silence(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	int s = serve(host(AF_INET, 1), SSH);
	struct gate_order o = opening(GATE_WINDOW, host(AF_INET, 2), SSH, MARK);
	o.lease_ms = GATE_LEASE_NONE;
	apply(g, o);
	int fd = call(n, o.addr, SSH);
	assert_int_equal(outcome(fd), 0);
	int peer = accept(s, NULL, NULL);
	age(g, MARK, 300);
	pause_ms(600);
	assert_int_equal(gate_is_kept(g, MARK), -ENOENT);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_true(is_ready(fd, POLLIN, PATIENCE_MS));
	char c;
	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	close(peer);
	close(s);
	gate_free(g);
}

static void test_refused(void **state)
{
	NEED_ROOT(state);
	struct gate *g = start();
	struct gate_order good = opening(GATE_WINDOW, host(AF_INET, 2), FIRST, MARK);
	struct gate_order orders[9];
	static const int expect[9] = { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL,
		-EINVAL, -EINVAL, -ENOENT };
	int results[9];
	for (size_t i = 0; i < TEST_LEN(orders); i++)
		orders[i] = good;
	orders[0].kind = GATE_TIMES; /* 0 times */
	orders[1].kind = GATE_TIMES;
	orders[1].times = GATE_TIMES_MAX + 1;
	orders[2].kind = (enum gate_kind)3;
	orders[3].bits = 126; /* host bits */
	orders[3].addr = host(AF_INET, 3);
	orders[4].bits = 127;
	orders[4].kind = GATE_ONCE;
	orders[5].bits = 127;
	orders[5].source_port = 1;
	orders[6].bits = 129;
	orders[7].bits = 96;
	orders[8].bits = 96 + 23; /* wider than the configuration allows */
	orders[8].addr = host(AF_INET, 0);
	assert_int_equal(gate_apply(g, orders, TEST_LEN(orders), results), 0);
	for (size_t i = 0; i < TEST_LEN(orders); i++)
		assert_int_equal(results[i], expect[i]);
	gate_free(g);
}

static void talk(int fd, int peer)
{
	say(fd);
	expect_heard(peer);
	say(peer);
	expect_heard(fd);
}

/* Without an end: it goes on past any time, until it is cut, and then nothing revives it. */
static void test_no_end(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start();
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		int s = serve(host(families[i], 1), SSH);
		struct gate_order o = opening(GATE_ONCE, host(families[i], 2), SSH, MARK);
		o.lease_ms = GATE_LEASE_NONE;
		o.wait_ms = 300;
		apply(g, o);
		int fd = call(n, o.addr, SSH);
		assert_int_equal(outcome(fd), 0);
		int peer = accept(s, NULL, NULL);
		pause_ms(500);
		talk(fd, peer);
		struct gate_order again = {
			.verb = GATE_LEASE, .mark = MARK, .lease_ms = GATE_LEASE_NONE
		};
		apply(g, again);
		talk(fd, peer);
		assert_int_equal(gate_is_kept(g, MARK), 0);
		/* Each packet gives it the whole time again. */
		age(g, MARK, 1000);
		talk(fd, peer);
		pause_ms(1200);
		talk(fd, peer);

		struct gate_counts before = counts(g);
		struct gate_order cut = { .verb = GATE_CUT, .mark = MARK };
		apply(g, cut);
		assert_int_equal(gate_is_kept(g, MARK), -ENOENT);
		assert_true(send(fd, "x", 1, MSG_NOSIGNAL) >= 0);
		assert_true(is_ready(fd, POLLIN, PATIENCE_MS));
		char c;
		assert_int_equal(recv(fd, &c, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		assert_true(counts(g).cut > before.cut);
		/* The mark is free for another, with and without an end. */
		for (int kind = 0; kind < 2; kind++) {
			o.lease_ms = kind == 0 ? GATE_LEASE_NONE : 1000;
			o.wait_ms = 1000;
			apply(g, o);
			expect_in(n, o.addr, SSH);
		}
		close(fd);
		close(peer);
		close(s);
	}
	gate_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_times),
		NET_TEST(test_another_kind),
		NET_TEST(test_range),
		NET_TEST(test_many_ports),
		NET_TEST(test_source_port),
		NET_TEST(test_udp),
		NET_TEST(test_net),
		NET_TEST(test_refused),
		NET_TEST(test_no_end),
		NET_TEST(test_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
