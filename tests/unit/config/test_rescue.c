/* The rescue: what it takes, and each one that would be useless or too much. */

#include "helper.h"

#define RESCUE(from) SERVER DOOR SERVICE "rescue { from = {" from "} port = tcp/22 }\n"

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "one", RESCUE("203.0.113.7/32"), "" },
		{ "bare address", RESCUE("203.0.113.7"), "" },
		{ "both families", RESCUE("203.0.113.7, \"2001:db8::/48\", 10.0.0.0/8"), "" },
		{ "neighbours", RESCUE("203.0.113.6/31, 203.0.113.8"), "" },
		{ "half of all", RESCUE("128.0.0.0/1, \"8000::/1\""), "" },
		{ "sixteen",
			RESCUE("10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, "
			       "10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10, 10.0.0.11, 10.0.0.12, "
			       "10.0.0.13, 10.0.0.14, 10.0.0.15, 10.0.0.16"),
			"" },
		{ "seventeen",
			RESCUE("10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, "
			       "10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10, 10.0.0.11, 10.0.0.12, "
			       "10.0.0.13, 10.0.0.14, 10.0.0.15, 10.0.0.16, 10.0.0.17"),
			"t.conf:4: from: more than 16 prefixes; name fewer\n" },
		{ "nobody", RESCUE(""),
			"t.conf:4: from: nobody could ever be rescued; name the addresses you come from\n" },
		{ "everybody", RESCUE("0.0.0.0/0"),
			"t.conf:4: from: this is everybody, so the port would be open; name fewer\n" },
		{ "everybody, IPv6", RESCUE("\"::/0\""),
			"t.conf:4: from: this is everybody, so the port would be open; name fewer\n" },
		{ "everybody in two", RESCUE("0.0.0.0/1, 128.0.0.0/1"),
			"t.conf:4: from: this is everybody, so the port would be open; name fewer\n" },
		{ "loopback", RESCUE("127.0.0.1"),
			"t.conf:4: from: 127.0.0.1/32 is this machine itself, which is never kept out; "
			"name the addresses you come from\n" },
		{ "loopback, IPv6", RESCUE("\"::1\""),
			"t.conf:4: from: ::1/128 is this machine itself, which is never kept out; "
			"name the addresses you come from\n" },
		{ "a group's", RESCUE("224.0.0.0/4"),
			"t.conf:4: from: 224.0.0.0/4 is nobody's address; name the addresses you come "
			"from\n" },
		{ "no prefix", RESCUE("home"),
			"t.conf:4: from: \"home\" is not a prefix; write one like 203.0.113.7/32 or "
			"2001:db8::/48\n" },
		{ "bits beyond", RESCUE("10.0.0.1/8"),
			"t.conf:4: from: \"10.0.0.1/8\" is not a prefix; write one like 203.0.113.7/32 "
			"or 2001:db8::/48\n" },
		{ "within", RESCUE("10.0.0.0/8, 10.1.0.0/16"),
			"t.conf:4: from: 10.1.0.0/16 lies within 10.0.0.0/8; remove it\n" },
		{ "twice", RESCUE("10.0.0.1, 10.0.0.1"),
			"t.conf:4: from: 10.0.0.1/32 lies within 10.0.0.1/32; remove it\n" },
		{ "not guarded",
			SERVER DOOR SERVICE "rescue {\nfrom = {10.0.0.1}\nport = tcp/2222 }\n",
			"t.conf:6: port: no service guards tcp/2222, so nobody is kept out of it; name "
			"a guarded port\n" },
		{ "not guarded, udp",
			SERVER DOOR SERVICE "rescue { from = {10.0.0.1} port = udp/22 }\n",
			"t.conf:4: port: no service guards udp/22, so nobody is kept out of it; name a "
			"guarded port\n" },
		{ "no port", SERVER DOOR SERVICE "rescue { from = {10.0.0.1} }\n",
			"t.conf:4: port: missing; this block needs it\n" },
		{ "no from", SERVER DOOR SERVICE "rescue { port = tcp/22 }\n",
			"t.conf:4: from: missing; this block needs it\n" },
		{ "bad port", SERVER DOOR SERVICE "rescue { from = {10.0.0.1} port = 22 }\n",
			"t.conf:4: port: \"22\" is not a port; write one like tcp/22 or udp/51820\n" },
		{ "soon",
			SERVER DOOR SERVICE
			"rescue { from = {10.0.0.1} port = tcp/22 after = 9s }\n",
			"t.conf:4: after: 9s is below 10s\n" },
		{ "late",
			SERVER DOOR SERVICE
			"rescue { from = {10.0.0.1} port = tcp/22 after = 86401s }\n",
			"t.conf:4: after: 86401s is above 1d\n" },
		{ "two",
			SERVER DOOR SERVICE "rescue { from = {10.0.0.1} port = tcp/22 }\n"
					    "rescue { from = {10.0.0.2} port = tcp/22 }\n",
			"t.conf:5: rescue: given twice, first on line 4; join them\n" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_mistakes(cases[i].name, cases[i].text, cases[i].want);
}

static void test_fields(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct prefix want;
	struct config *c = parse(RESCUE("203.0.113.0/24, \"2001:db8::/48\""), &r);
	assert_non_null(c);
	assert_true(c->rescue.is_on);
	assert_int_equal(c->rescue.prefix_count, 2);
	assert_true(prefix_parse("203.0.113.0/24", &want));
	assert_memory_equal(&c->rescue.prefixes[0], &want, sizeof(want));
	assert_true(prefix_parse("2001:db8::/48", &want));
	assert_memory_equal(&c->rescue.prefixes[1], &want, sizeof(want));
	assert_int_equal(c->rescue.to.port, 22);
	assert_int_equal(c->rescue.after_s, 60);
	config_free(c);
	c = parse(SERVER DOOR SERVICE, &r);
	assert_non_null(c);
	assert_false(c->rescue.is_on);
	config_free(c);
	config_report_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
