/* The dead-man's switch on the wire: out while it is kept alive, in when it has lapsed, no other. */

#include "gate/internal.h"
#include "gate/traffic.h"

#define SSH 22
#define WEB 443
#define RESCUER 3
#define AFTER_S 1

static const int services[] = { SSH, WEB };

/* Host 3 and nobody else, IPv4 and IPv6. after_s is shorter than a configuration may have it. */
static struct config *make_config(void)
{
	struct config *c = configure(services, TEST_LEN(services));
	c->rescue.is_on = true;
	c->rescue.to = (struct config_endpoint){ IPPROTO_TCP, SSH };
	c->rescue.after_s = AFTER_S;
	c->rescue.prefix_count = 2;
	assert_true(prefix_parse("10.99.0.3", &c->rescue.prefixes[0]));
	assert_true(prefix_parse("fd99::3", &c->rescue.prefixes[1]));
	return c;
}

static struct gate *arm(const struct config *c, bool was_well)
{
	bool is_new = false;
	struct gate *g = take_gate(c, &is_new);
	assert_int_equal(gate_rescue(g, c, was_well), 0);
	assert_int_equal(gate_settle(g), 0);
	return g;
}

/* Kept alive over several of its times; each renewal must count anew. */
static void test_alive(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	static const enum gate_how hows[] = { GATE_DESTROY, GATE_ADD_FIRST };
	struct config *c = make_config();
	struct gate *g = arm(c, false);
	int s = serve(host(AF_INET, 1), SSH);
	for (size_t k = 0; k < TEST_LEN(hows); k++) {
		g->how = hows[k];
		for (int i = 0; i < 8; i++) {
			assert_int_equal(gate_keep_alive(g, c), 0);
			pause_ms(AFTER_S * 400);
			expect_out(n, g, host(AF_INET, RESCUER), SSH);
		}
	}
	close(s);
	gate_free(g);
	free(c);
}

static void test_lapse(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = make_config();
	struct gate *g = arm(c, false);
	int s4 = serve(host(AF_INET, 1), SSH), s6 = serve(host(AF_INET6, 1), SSH);
	int web = serve(host(AF_INET, 1), WEB);
	pause_ms(AFTER_S * 1000 + 100);
	for (size_t i = 0; i < TEST_LEN(families); i++) {
		expect_in(n, host(families[i], RESCUER), SSH);
		expect_out(n, g, host(families[i], RESCUER - 1), SSH);
		expect_out(n, g, host(families[i], RESCUER + 1), SSH);
	}
	expect_out(n, g, host(AF_INET, RESCUER), WEB);

	/* Who came in stays when the rescue is over, and no other comes. */
	int fd = call(n, host(AF_INET, RESCUER), SSH);
	assert_int_equal(outcome(fd), 0);
	assert_int_equal(gate_keep_alive(g, c), 0);
	expect_out(n, g, host(AF_INET, RESCUER), SSH);
	int peer = -1;
	char b;
	/* Calls that were taken before it wait in front of it. */
	for (int tries = 0; tries < 4; tries++) {
		peer = accept(s4, NULL, NULL);
		assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
		if (is_ready(peer, POLLIN, 200) && recv(peer, &b, 1, 0) == 1)
			break;
		close(peer);
	}
	assert_int_equal(b, 'x');
	close(fd);
	close(peer);
	close(web);
	close(s4);
	close(s6);
	gate_free(g);
	free(c);
}

/* The next process takes over what is left of the time, lapsed or not; a reload by one that was well renews. */
static void test_adopted(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = make_config();
	struct gate *g = arm(c, false);
	int s = serve(host(AF_INET, 1), SSH);
	gate_free(g);
	for (int i = 0; i < 4; i++) {
		pause_ms(AFTER_S * 300);
		g = arm(c, false);
		gate_free(g);
	}
	g = arm(c, false);
	expect_in(n, host(AF_INET, RESCUER), SSH);
	gate_free(g);
	g = arm(c, true);
	expect_out(n, g, host(AF_INET, RESCUER), SSH);
	gate_free(g);

	/* Without a rescue in the configuration there is none. */
	c->rescue.is_on = false;
	g = arm(c, false);
	pause_ms(AFTER_S * 1000 + 100);
	expect_out(n, g, host(AF_INET, RESCUER), SSH);
	close(s);
	gate_free(g);
	free(c);
}

/* Prefixes from one address to nearly all, and neighbours. */
static void test_prefixes(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	static const struct {
		const char *a, *b;
		int family;
		unsigned in[3], out[3];
	} cases[] = {
		{ "10.99.0.2/31", "10.99.0.5", AF_INET, { 2, 3, 5 }, { 4 } },
		{ "10.99.0.2/31", "10.99.0.4/31", AF_INET, { 2, 3, 5 }, { 0 } },
		{ "0.0.0.0/1", "192.0.0.0/2", AF_INET, { 2, 5 }, { 0 } },
		{ "128.0.0.0/1", "fd99::/16", AF_INET, { 0 }, { 2, 5 } },
		{ "fd99::2/127", "fd99::5", AF_INET6, { 2, 3, 5 }, { 4 } },
		{ "8000::/1", "10.0.0.0/8", AF_INET6, { 2, 4 }, { 0 } },
	};
	struct config *c = make_config();
	struct gate *g = arm(c, false);
	int s4 = serve(host(AF_INET, 1), SSH), s6 = serve(host(AF_INET6, 1), SSH);
	pause_ms(AFTER_S * 1000 + 100);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		assert_true(prefix_parse(cases[i].a, &c->rescue.prefixes[0]));
		assert_true(prefix_parse(cases[i].b, &c->rescue.prefixes[1]));
		g->is_made = false;
		assert_int_equal(gate_rescue(g, c, false), 0);
		for (size_t k = 0; k < 3 && cases[i].in[k] != 0; k++)
			expect_in(n, host(cases[i].family, cases[i].in[k]), SSH);
		for (size_t k = 0; k < 3 && cases[i].out[k] != 0; k++)
			expect_out(n, g, host(cases[i].family, cases[i].out[k]), SSH);
	}
	close(s4);
	close(s6);
	gate_free(g);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_alive),
		NET_TEST(test_lapse),
		NET_TEST(test_adopted),
		NET_TEST(test_prefixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
