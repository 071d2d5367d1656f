/*
 * A table that nobody owns, as on kernels before 6.9: whoever takes it away or changes it is noticed, and
 * what our own orders do is not. An owned one stands a flush.
 */

#include "gate/internal.h"
#include "gate/traffic.h"

#define SSH 22
#define MARK 0x50000001u

static const int services[] = { SSH };
static const struct gate_wish unowned = { .is_unowned = true };

static struct gate *take(const struct config *c, const struct gate_wish *wish)
{
	struct gate *g = NULL;
	struct fault f;
	bool is_new = false;
	if (gate_take(c, wish, &g, &is_new, &f) != 0)
		fail_msg("gate_take: %s", f.text);
	assert_int_equal(gate_settle(g), 0);
	return g;
}

static void nft(const char *text)
{
	struct fault f;
	if (gate_child_run(text, false, &f) != 0)
		fail_msg("%s: %s", text, f.text);
}

static bool is_touched(struct gate *g, const struct config *c)
{
	return is_ready(gate_watch_fd(g), POLLIN, 100) && gate_watch_read(g, c);
}

static bool is_lost(struct gate *g, const struct config *c)
{
	bool ret = false;
	assert_int_equal(gate_check(g, c, &ret), 0);
	return ret;
}

static void test_lost(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	static const struct {
		const char *name, *command;
		bool is_lost; /* which a look at the table itself shows as well */
	} cases[] = {
		{ "flush of all", "flush ruleset\n", true },
		{ "table deleted", "delete table inet postern\n", true },
		{ "deleted and made by others",
			"delete table inet postern\nadd table inet postern\n", true },
		{ "table flushed", "flush table inet postern\n", false },
		{ "chain flushed", "flush chain inet postern arriving\n", false },
		{ "rule before ours", "insert rule inet postern input accept\n", false },
		{ "put to sleep", "add table inet postern { flags dormant; }\n", true },
	};
	struct config *c = configure(services, TEST_LEN(services));
	int s = serve(host(AF_INET, 1), SSH);
	struct gate *g = take(c, &unowned);
	assert_false(gate_is_owned(g));
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct gate_wish anew = { .is_anew = true, .is_unowned = true };
		TEST_CASE(cases[i].name, !is_touched(g, c) && !is_lost(g, c));
		nft(cases[i].command);
		TEST_CASE(cases[i].name, is_touched(g, c));
		TEST_CASE(cases[i].name, is_lost(g, c) == cases[i].is_lost);
		gate_free(g);
		g = take(c, &anew);
		expect_out(n, g, host(AF_INET, 2), SSH);
		apply(g, opening(GATE_ONCE, host(AF_INET, 2), SSH, MARK));
		expect_in(n, host(AF_INET, 2), SSH);
	}
	close(s);
	gate_free(g);
	free(c);
}

/* Our orders and the tables of others are no loss; a guarded port that somebody removed comes back. */
static void test_not_lost(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = configure(services, TEST_LEN(services));
	struct gate *g = take(c, &unowned);
	int s = serve(host(AF_INET, 1), SSH);
	for (uint32_t i = 0; i < 200; i++)
		apply(g, opening(i % 2 ? GATE_ONCE : GATE_WINDOW, host(AF_INET, 2), SSH, MARK + i));
	nft("add table inet other\nadd chain inet other x\nadd rule inet other x accept\n"
	    "delete table inet other\n");
	assert_false(is_touched(g, c));
	assert_false(is_lost(g, c));
	nft("flush set inet postern guarded\n");
	assert_false(is_lost(g, c));
	expect_out(n, g, host(AF_INET, 3), SSH);
	assert_false(is_touched(g, c));
	close(s);
	gate_free(g);
	free(c);
}

/* More events than the socket holds: what was missed is asked for. */
static void test_overflow(void **state)
{
	NEED_ROOT(state);
	struct config *c = configure(services, TEST_LEN(services));
	struct gate *g = take(c, &unowned);
	int small = 1;
	assert_int_equal(
		setsockopt(gate_watch_fd(g), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 8; i++)
		nft("add table inet other\nadd chain inet other x\ndelete table inet other\n");
	nft("delete table inet postern\n");
	bool is_noticed = false;
	for (int i = 0; i < 8 && !is_noticed; i++)
		is_noticed = is_touched(g, c);
	assert_true(is_noticed);
	gate_free(g);
	free(c);
}

static void test_owned(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = configure(services, TEST_LEN(services));
	const struct gate_wish wish = { 0 };
	struct gate *g = take(c, &wish);
	if (!gate_is_owned(g)) {
		gate_free(g);
		free(c);
		skip();
	}
	nft("add table inet other\n");
	nft("flush ruleset\n");
	assert_false(is_touched(g, c));
	assert_false(is_lost(g, c));
	int s = serve(host(AF_INET, 1), SSH);
	expect_out(n, g, host(AF_INET, 2), SSH);
	close(s);
	gate_free(g);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_lost),
		NET_TEST(test_not_lost),
		NET_TEST(test_overflow),
		NET_TEST(test_owned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
