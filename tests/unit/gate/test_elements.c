/* Orders in batches: all, some or none; full sets; and the way older kernels need it. */

#include "gate/internal.h"
#include "gate/traffic.h"

#define SSH 22
#define MARK 0x50000000u
#define SET_SIZE 65536

static const int services[] = { SSH };

/* A source of its own for every number; none of them is on the wire. */
static struct addr someone(uint32_t number)
{
	const uint8_t b[4] = { 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
		(uint8_t)number };
	return addr_v4(b);
}

static void test_bad_orders(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start_gate(services, 1);
	struct gate_order good = opening(GATE_WINDOW, host(AF_INET, 2), SSH, MARK + 1);
	struct gate_order orders[] = { good, good, good, good, good, good, good, good, good };
	static const int expect[] = { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL,
		-EINVAL, 0 };
	int results[TEST_LEN(orders)];

	orders[0].wait_ms = 0;
	orders[1].lease_ms = 0;
	orders[2].mark = 0;
	orders[3].port = 0;
	orders[4].proto = IPPROTO_ICMP;
	orders[5].verb = (enum gate_verb)99;
	orders[6].verb = GATE_CUT;
	orders[6].mark = 0;
	orders[7].verb = GATE_LEASE;
	orders[7].lease_ms = 0;

	/* Nothing good in it */
	assert_int_equal(gate_apply(g, orders, 8, results), 0);
	assert_memory_equal(results, expect, 8 * sizeof(int));
	expect_out(n, g, good.addr, SSH);
	assert_int_equal(gate_apply(g, orders, TEST_LEN(orders), results), 0);
	assert_memory_equal(results, expect, sizeof(expect));
	int s = serve(host(AF_INET, 1), SSH);
	expect_in(n, good.addr, SSH);
	assert_int_equal(gate_apply(g, orders, 0, results), 0);
	close(s);
	gate_free(g);
}

/* What is there, what was spent, what is not there, in every order and each way of removing. */
static void test_ways(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start_gate(services, 1);
	static const enum gate_how ways[] = { GATE_DESTROY, GATE_ADD_FIRST };

	for (size_t i = 0; i < TEST_LEN(families) * TEST_LEN(ways); i++) {
		enum gate_how how = ways[i / 2];
		struct addr me = host(families[i % 2], 2), other = host(families[i % 2], 3);
		int s = serve(host(families[i % 2], 1), SSH);
		struct gate_order close_me = opening(GATE_ONCE, me, SSH, MARK);
		close_me.verb = GATE_CLOSE;
		struct gate_order cut = { .verb = GATE_CUT, .mark = MARK + 77 };
		struct gate_order keep = {
			.verb = GATE_LEASE, .mark = MARK + 78, .lease_ms = 1000
		};
		/* The last order for a key wins; a mark of another value is in its way. */
		const struct gate_order orders[] = {
			close_me,
			cut,
			keep,
			opening(GATE_WINDOW, me, SSH, MARK + 1),
			opening(GATE_ONCE, other, SSH, MARK + 2),
			opening(GATE_ONCE, me, SSH, MARK + 3),
			opening(GATE_ONCE, me, SSH, MARK + 4),
		};
		int results[TEST_LEN(orders)];
		for (int again = 0; again < 2; again++) {
			memset(results, 0xff, sizeof(results));
			assert_int_equal(
				gate_apply_how(g, orders, TEST_LEN(orders), results, how), 0);
			for (size_t k = 0; k < TEST_LEN(orders); k++)
				assert_int_equal(results[k], 0);
			expect_in(n, me, SSH);
			expect_out(n, g, me, SSH);
			expect_in(n, other, SSH);
			expect_out(n, g, other, SSH);
		}
		/* Close what is open, cut what is not there. */
		assert_int_equal(gate_apply_how(g, &orders[6], 1, results, how), 0);
		assert_int_equal(gate_apply_how(g, orders, 2, results, how), 0);
		assert_int_equal(results[0], 0);
		assert_int_equal(results[1], 0);
		expect_out(n, g, me, SSH);
		close(s);
	}
	gate_free(g);
}

/* Fill from..to-1 in full batches. */
static void fill(struct gate *g, enum gate_kind kind, uint32_t from, uint32_t to)
{
	struct gate_order orders[GATE_BATCH_MAX];
	int results[GATE_BATCH_MAX];
	while (from < to) {
		size_t n = 0;
		for (; n < GATE_BATCH_MAX && from < to; n++, from++)
			orders[n] = opening(kind, someone(from), SSH, MARK + from);
		assert_int_equal(gate_apply(g, orders, n, results), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(results[i], 0);
	}
}

/* Full is a refusal for the new one only, and what is there can be renewed, replaced and closed. */
static void test_full(void **state)
{
	NEED_ROOT(state);
	struct gate *g = start_gate(services, 1);
	static const enum gate_how ways[] = { GATE_DESTROY, GATE_ADD_FIRST };

	fill(g, GATE_ONCE, 1, SET_SIZE + 1);
	for (size_t i = 0; i < TEST_LEN(ways); i++) {
		struct gate_order orders[] = {
			opening(GATE_ONCE, someone(1), SSH, MARK + 1),
			opening(GATE_ONCE, someone(SET_SIZE + 1), SSH, MARK + SET_SIZE + 1),
			opening(GATE_ONCE, someone(2), SSH, MARK + SET_SIZE + 2),
			opening(GATE_ONCE, someone(SET_SIZE + 3), SSH, 0),
			opening(GATE_ONCE, someone(3), SSH, MARK + 3),
		};
		orders[3].verb = GATE_CLOSE;
		orders[4].verb = GATE_CLOSE;
		static const int expect[] = { 0, -ENFILE, 0, 0, 0 };
		int results[TEST_LEN(orders)];
		assert_int_equal(gate_apply_how(g, orders, TEST_LEN(orders), results, ways[i]), 0);
		for (size_t k = 0; k < TEST_LEN(orders); k++)
			assert_int_equal(results[k], expect[k]);
		/* One was closed, so one has room. */
		assert_int_equal(gate_apply_how(g, &orders[1], 1, results, ways[i]), 0);
		assert_int_equal(results[0], 0);
		orders[1].verb = GATE_CLOSE;
		assert_int_equal(gate_apply_how(g, &orders[1], 1, results, ways[i]), 0);
		fill(g, GATE_ONCE, 3, 4);
	}
	gate_free(g);
}

/* Answers that do not fit the socket are noticed, and the orders given again. */
static void test_lost_answers(void **state)
{
	NEED_ROOT(state);
	static struct gate_nl nl;
	struct gate *g = start_gate(services, 1);
	gate_free(g);
	assert_int_equal(gate_nl_open(&nl), 0);
	int tiny = 0, refusal = 1;
	assert_int_equal(setsockopt(nl.fd, SOL_SOCKET, SO_RCVBUFFORCE, &tiny, sizeof(tiny)), 0);
	gate_nl_begin(&nl);
	for (uint32_t i = 0; i < GATE_BATCH_MAX; i++) {
		struct gate_order o = opening(GATE_ONCE, someone(i), SSH, MARK + i);
		for (int place = 0; place < GATE_PLACE_COUNT; place++)
			gate_elements_remove(&nl, &o, (enum gate_place)place);
	}
	assert_int_equal(gate_nl_commit(&nl, &refusal), -ENOBUFS);
	/* The socket is in step again. */
	struct gate_table t;
	assert_int_equal(gate_table_find(&nl, GATE_TABLE, &t, &refusal), 0);
	assert_int_equal(refusal, 0);
	assert_true(t.is_there);
	gate_nl_close(&nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_bad_orders),
		NET_TEST(test_ways),
		NET_TEST(test_full),
		NET_TEST(test_lost_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
