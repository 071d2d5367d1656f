/* What a script cannot do in the place of nftables is refused, with its line. */

#include "helper.h"

#define SCRIPT(more)                                                                               \
	"server { id = /s.id directory = /dir backend = script script = /s" more " }\n" DOOR
#define WINDOW(more) "service ssh { port = tcp/22 allow = {\"*\"} open = window" more " }\n"

static void test_mistakes(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "good", SCRIPT("") WINDOW(""), "" },
		{ "lockdown", SCRIPT("\nlockdown = yes") WINDOW(""),
			"t.conf:2: lockdown: a script locks nothing down; remove it, or use backend = "
			"nft\n" },
		{ "no lockdown", SCRIPT("\nlockdown = no") WINDOW(""), "" },
		{ "forward", SCRIPT("") WINDOW("\nforward = \"10.0.0.8:22\""),
			"t.conf:4: forward: a script forwards nothing; remove it, or use backend = "
			"nft\n" },
		{ "range",
			SCRIPT("") "service x { allow = {}\nopen = window\nport = tcp/6000-6010 }",
			"t.conf:5: port: a script is told of one port; make each port a service of "
			"its own\n" },
		{ "networks", SCRIPT("") WINDOW("\nprefix-v4 = 24\nprefix-v6 = 64"),
			"t.conf:4: prefix-v4: a script lets in no networks; remove it, or use backend "
			"= nft\n"
			"t.conf:5: prefix-v6: a script lets in no networks; remove it, or use backend "
			"= nft\n" },
		{ "hosts", SCRIPT("") WINDOW(" prefix-v4 = 32 prefix-v6 = 128"), "" },
		{ "lease without an end", SCRIPT("") WINDOW("\nlease = none"),
			"t.conf:4: lease: a script does not see connections end; give it a length\n" },
		{ "counted",
			SCRIPT("") "service x { port = tcp/1 allow = {} times = 5\nopen = times }",
			"t.conf:4: service x: a script counts no connections; write open = window\n" },
		{ "rescue",
			SCRIPT("") WINDOW("") "rescue {\nfrom = {192.0.2.0/24} port = tcp/22 }\n",
			"t.conf:5: from: a script rescues nobody; remove the block, or use backend = "
			"nft\n" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_mistakes(cases[i].name, cases[i].text, cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
