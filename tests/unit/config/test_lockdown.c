/* The lockdown and what it leaves open. */

#include "helper.h"

#define LOCKED(allow)                                                                              \
	"server { id = /s.id directory = /dir lockdown = yes lockdown-allow = {" allow             \
	"} }\n" DOOR SERVICE

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "nothing left open", LOCKED(""), "" },
		{ "some", LOCKED("tcp/80, udp/53, icmp-echo"), "" },
		{ "off, and nothing said", SERVER DOOR SERVICE, "" },
		{ "nothing locked",
			"server { id = /s.id directory = /dir lockdown-allow = {tcp/80} }\n" DOOR
				SERVICE,
			"t.conf:1: lockdown-allow: nothing is locked down; remove it, or set lockdown = "
			"yes\n" },
		{ "guarded", LOCKED("tcp/22"),
			"t.conf:1: lockdown-allow: service ssh guards tcp/22, which stays closed; "
			"remove one of them\n" },
		{ "in a guarded range",
			"server { id = /s.id directory = /dir lockdown = yes lockdown-allow = "
			"{tcp/6005} }\n" DOOR
			"service games { port = tcp/6000-6010 open = window allow = {} }\n",
			"t.conf:1: lockdown-allow: service games guards tcp/6005, which stays closed; "
			"remove one of them\n" },
		{ "no port", LOCKED("80"),
			"t.conf:1: lockdown-allow: \"80\" is no port; write tcp/80, udp/53 or "
			"icmp-echo\n" },
		{ "port 0", LOCKED("tcp/0"),
			"t.conf:1: lockdown-allow: \"tcp/0\" is no port; write tcp/80, udp/53 or "
			"icmp-echo\n" },
		{ "another message", LOCKED("icmp-redirect"),
			"t.conf:1: lockdown-allow: \"icmp-redirect\" is no port; write tcp/80, udp/53 "
			"or icmp-echo\n" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_mistakes(cases[i].name, cases[i].text, cases[i].want);
}

static void test_limit(void **state)
{
	(void)state;
	for (int n = CONFIG_OPENINGS_MAX; n <= CONFIG_OPENINGS_MAX + 1; n++) {
		/* The word is not counted among the ports. */
		char text[4096] = "server { id = /s.id directory = /dir lockdown = yes "
				  "lockdown-allow = {icmp-echo";
		size_t at = strlen(text);
		for (int i = 0; i < n; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, ", tcp/%d", 1000 + i);
		snprintf(text + at, sizeof(text) - at, "} }\n" DOOR SERVICE);
		expect_mistakes("at the limit", text,
			n == CONFIG_OPENINGS_MAX ? ""
						 : "t.conf:1: lockdown-allow: more than 64 ports; "
						   "name fewer\n");
	}
}

static void test_fields(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct config *c = parse(LOCKED("tcp/80, icmp-echo, udp/53"), &r);
	assert_non_null(c);
	assert_true(c->server.lockdown && c->server.allows_echo);
	assert_int_equal(c->server.opening_count, 2);
	assert_int_equal(c->server.openings[0].port, 80);
	assert_int_equal(c->server.openings[1].port, 53);
	config_free(c);
	config_report_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
