/* Forwarded services: where to, for which version of IP, and what makes no sense. */

#include "helper.h"

#define WIKI(rest) SERVER DOOR "service wiki { port = tcp/8443 allow = {\"*\"} " rest " }\n"
#define NOT_A_TARGET " is not an address and a port; write 10.0.0.8:443 or [2001:db8::8]:443\n"

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "one", WIKI("forward = \"10.0.0.8:443\""), "" },
		{ "IPv6", WIKI("forward = \"[2001:db8::8]:443\""), "" },
		{ "both", WIKI("forward = {10.0.0.8:443, \"[2001:db8::8]:80\"} masquerade = yes"),
			"" },
		{ "a list of one", WIKI("forward = {10.0.0.8:1}"), "" },
		{ "two of one", WIKI("forward = {10.0.0.8:443, 10.0.0.9:443}"),
			"t.conf:3: forward: two places for one version of IP; name one of each at "
			"most\n" },
		{ "none", WIKI("forward = {}"),
			"t.conf:3: forward: empty; remove it, or name where to\n" },
		{ "masquerade alone", WIKI("masquerade = yes"),
			"t.conf:3: masquerade: nothing is forwarded; remove it, or add forward\n" },
		{ "here", WIKI("forward = \"127.0.0.1:443\""),
			"t.conf:3: forward: not an address of another machine; name one that packets "
			"can be sent on to\n" },
		{ "link-local", WIKI("forward = \"[fe80::1]:443\""),
			"t.conf:3: forward: not an address of another machine; name one that packets "
			"can be sent on to\n" },
		{ "no port", WIKI("forward = \"10.0.0.8\""),
			"t.conf:3: forward: \"10.0.0.8\"" NOT_A_TARGET },
		{ "port 0", WIKI("forward = \"10.0.0.8:0\""),
			"t.conf:3: forward: \"10.0.0.8:0\"" NOT_A_TARGET },
		{ "port beyond", WIKI("forward = \"10.0.0.8:65536\""),
			"t.conf:3: forward: \"10.0.0.8:65536\"" NOT_A_TARGET },
		{ "bare IPv6", WIKI("forward = \"2001:db8::8:443\""),
			"t.conf:3: forward: \"2001:db8::8:443\"" NOT_A_TARGET },
		{ "bracketed IPv4", WIKI("forward = \"[10.0.0.8]:443\""),
			"t.conf:3: forward: \"[10.0.0.8]:443\"" NOT_A_TARGET },
		{ "open bracket", WIKI("forward = \"[2001:db8::8:443\""),
			"t.conf:3: forward: \"[2001:db8::8:443\"" NOT_A_TARGET },
		{ "a bracket alone", WIKI("forward = \"[\""),
			"t.conf:3: forward: \"[\"" NOT_A_TARGET },
		{ "a colon alone", WIKI("forward = \":\""),
			"t.conf:3: forward: \":\"" NOT_A_TARGET },
		{ "bracket and colon", WIKI("forward = \"[:1\""),
			"t.conf:3: forward: \"[:1\"" NOT_A_TARGET },
		{ "a name", WIKI("forward = \"wiki.example:443\""),
			"t.conf:3: forward: \"wiki.example:443\"" NOT_A_TARGET },
		{ "twice", WIKI("forward = 10.0.0.8:443 forward = 10.0.0.9:443"),
			"t.conf:3: forward: given twice in this block, first on line 3; remove one\n" },
		{ "rescued",
			WIKI("forward = 10.0.0.8:443") "rescue { from = {10.1.1.1} port = tcp/8443 }",
			"t.conf:4: port: service wiki is forwarded, and nobody is rescued on another "
			"machine; name a port of this one\n" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_mistakes(cases[i].name, cases[i].text, cases[i].want);
}

static void test_fields(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct addr v4, v6;
	struct config *c =
		parse(WIKI("forward = {\"[2001:db8::8]:80\", 10.0.0.8:443} masquerade = yes"), &r);
	assert_non_null(c);
	assert_true(addr_parse("10.0.0.8", &v4) && addr_parse("2001:db8::8", &v6));
	const struct config_service *s = &c->services[0];
	assert_true(addr_equal(&s->forward4.addr, &v4) && s->forward4.port == 443);
	assert_true(addr_equal(&s->forward6.addr, &v6) && s->forward6.port == 80);
	assert_true(s->masquerade && config_is_forwarded(s));
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
