/* What may stand in a list, and what is said about the rest. */

#include "helper.h"

#define BASE                                                                                       \
	"server { id = /s directory = /d } door w { interface = e spa { } }\n"                     \
	"service s { port = tcp/22 allow = {\"*\"} }\n"

static void expect(const char *name, const char *text, const char *want)
{
	struct config *c = config_of(text);
	struct directory *d = directory_of("");
	struct config_report r = { 0 };
	struct policy *p = policy_new(c, d, &r);
	char got[4096] = "";
	for (size_t i = 0; i < r.kept; i++) {
		strcat(got, r.lines[i]);
		strcat(got, "\n");
	}
	if (strcmp(got, want) != 0)
		fail_msg("case \"%s\": got\n%swant\n%s", name, got, want);
	TEST_CASE(name, (p == NULL) == (want[0] != '\0'));
	policy_free(p);
	config_report_deinit(&r);
	directory_free(d);
	config_free(c);
}

static void test_entries(void **state)
{
	(void)state;
	static const struct {
		const char *entry, *want;
	} cases[] = {
		{ "*", "" },
		{ "*(users)", "" },
		{ "*(servers)", "" },
		{ "*(ssh)", "" },
		{ "*/VSD", "" },
		{ "*/NN/VSD", "" },
		{ "*/OU=NN/O=VSD", "" },
		{ "a/VSD", "" },
		{ "CN=a/OU=NN/O=VSD", "" },
		{ "Admins", "" },
		{ "ADMINS", "" },
		{ "admin",
			"no group \"admin\"; define it, or write a whole name like "
			"NAME/UNIT/ORGANISATION" },
		{ "VSD",
			"no group \"VSD\"; define it, or write a whole name like "
			"NAME/UNIT/ORGANISATION" },
		{ "*(people)",
			"\"*(people)\" is no wildcard; write *, */UNIT/ORGANISATION, *(users), "
			"*(servers) or *(ssh)" },
		{ "**",
			"\"**\" is no wildcard; write *, */UNIT/ORGANISATION, *(users), *(servers) "
			"or *(ssh)" },
		{ "*VSD",
			"\"*VSD\" is no wildcard; write *, */UNIT/ORGANISATION, *(users), "
			"*(servers) or *(ssh)" },
		{ "*/A/*/Bcd", "\"*/A/*/Bcd\": a wildcard stands only as the leftmost component" },
		{ "a/*/VSD", "\"a/*/VSD\": a wildcard stands only as the leftmost component" },
		{ "a*", "\"a*\": a wildcard stands only as the leftmost component" },
		{ "*/", "\"*/\": the name is empty" },
		{ "*/VS",
			"\"*/VS\": an organisation is missing; two letters at the end are a "
			"country" },
		{ "/VSD", "\"/VSD\": a component has 1 to 64 bytes" },
		{ "a//VSD", "\"a//VSD\": a component has 1 to 64 bytes" },
		{ "a b/VSD", "" },
		{ "a  b/VSD",
			"\"a  b/VSD\": a component has no leading, trailing or double "
			"space" },
		{ "O=VSD", "\"O=VSD\": a person or server needs a common name" },
		{ "a/1/2/3/4/5/VSD",
			"\"a/1/2/3/4/5/VSD\": a name has at most four organisational units" },
	};
	static const char *const places[] = { "server { id = /s directory = /d\ndeny = {\"%s\"} }\n"
					      "door w { interface = e spa { } }\n"
					      "service s { port = tcp/22 allow = {} }\n"
					      "group Admins { members = {} }\n",
		BASE "group Admins { members = {} } group G { members = {\"%s\"} }" };
	static const char *const options[] = { "deny", "members" };

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (size_t k = 0; k < TEST_LEN(places); k++) {
			char text[1024], want[512] = "";
			const char *hole = strstr(places[k], "%s");
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(hole - places[k]), places[k],
				cases[i].entry, hole + 2);
			if (cases[i].want[0] != '\0')
				snprintf(want, sizeof(want), "t.conf:%zu: %s: %s\n", k + 2,
					options[k], cases[i].want);
			if (k == 1 && want[0] != '\0')
				want[strlen("t.conf:")] = '3';
			expect(cases[i].entry, text, want);
		}
	}
}

static void test_all_at_once(void **state)
{
	(void)state;
	expect("every list",
		"server { id = /s directory = /d\nallow = {x}\ndeny = {y} }\n"
		"door w { interface = e spa { }\nallow = {x}\ndeny = {y} }\n"
		"service s { port = tcp/22\nallow = {x,\n\"*\", z} }\n",
		"t.conf:2: allow: no group \"x\"; define it, or write a whole name like "
		"NAME/UNIT/ORGANISATION\n"
		"t.conf:3: deny: no group \"y\"; define it, or write a whole name like "
		"NAME/UNIT/ORGANISATION\n"
		"t.conf:5: allow: no group \"x\"; define it, or write a whole name like "
		"NAME/UNIT/ORGANISATION\n"
		"t.conf:6: deny: no group \"y\"; define it, or write a whole name like "
		"NAME/UNIT/ORGANISATION\n"
		"t.conf:8: allow: no group \"x\"; define it, or write a whole name like "
		"NAME/UNIT/ORGANISATION\n"
		"t.conf:9: allow: no group \"z\"; define it, or write a whole name like "
		"NAME/UNIT/ORGANISATION\n");
}

/* A group is told from an organisation by its name alone. */
static void test_groups_are_no_organisations(void **state)
{
	(void)state;
	static const struct {
		const char *name, *group, *entry, *directory;
		bool is_good;
	} cases[] = {
		{ "another name", "Admins", "a/NN/VSD", "b/NN/VSD", true },
		{ "of a wildcard", "VSD", "*/NN/VSD", NULL, false },
		{ "of a name, in other letters", "vsd", "a/VSD", NULL, false },
		{ "of the directory", "Acme", "a/VSD", "b/Acme/US", false },
		{ "a unit is none", "NN", "*/NN/VSD", "b/NN/VSD", true },
		{ "a country is none", "US", "a/VSD/US", NULL, true },
		{ "a longer one", "VSDX", "*/VSD", NULL, true },
		{ "a shorter one", "VS", "*/VSD", NULL, true },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[512], line[256] = "", want[256] = "";
		struct config_report r = { 0 };
		snprintf(text, sizeof(text), BASE "group \"%s\" { members = {\"%s\", \"c/VSD\"} }",
			cases[i].group, cases[i].entry);
		if (cases[i].directory != NULL)
			snprintf(line, sizeof(line), "name=\"%s\" postern-key sha256:" KEY_A "\n",
				cases[i].directory);
		struct config *c = config_of(text);
		struct directory *d = directory_of(line);
		struct policy *p = policy_new(c, d, &r);
		TEST_CASE(cases[i].name, (p != NULL) == cases[i].is_good);
		TEST_CASE(cases[i].name, r.count == (cases[i].is_good ? 0 : 1));
		snprintf(want, sizeof(want),
			"t.conf:3: group %s: an organisation has this name; choose another",
			cases[i].group);
		if (!cases[i].is_good)
			assert_string_equal(r.lines[0], want);
		policy_free(p);
		directory_free(d);
		config_free(c);
		config_report_deinit(&r);
	}
}

static void test_circles(void **state)
{
	(void)state;
	expect("itself", BASE "group A { members = {a} }",
		"t.conf:3: members: group \"A\" in \"A\" closes a circle; remove it\n");
	expect("two", BASE "group A { members = {B} }\ngroup B { members = {\"x/VSD\",\nA} }",
		"t.conf:5: members: group \"A\" in \"B\" closes a circle; remove it\n");
	expect("three",
		BASE "group A { members = {B} }\ngroup B { members = {C} }\n"
		     "group C { members = {A} }\n",
		"t.conf:5: members: group \"A\" in \"C\" closes a circle; remove it\n");
	expect("diamond is no circle",
		BASE "group A { members = {B, C} } group B { members = {D} }"
		     "group C { members = {D} } group D { members = {\"*\"} }",
		"");
}

/* A chain of count groups, each in the one before it; reversed puts the innermost first. */
static void chain(char *to, size_t cap, size_t count, bool is_reversed)
{
	size_t at = (size_t)snprintf(to, cap, BASE);
	for (size_t i = 0; i < count; i++) {
		size_t g = is_reversed ? count - 1 - i : i;
		if (g + 1 < count)
			at += (size_t)snprintf(
				to + at, cap - at, "group g%zu { members = {g%zu} }\n", g, g + 1);
		else
			at += (size_t)snprintf(
				to + at, cap - at, "group g%zu { members = {} }\n", g);
	}
}

static void test_depth(void **state)
{
	(void)state;
	char text[16384];
	for (int is_reversed = 0; is_reversed <= 1; is_reversed++) {
		chain(text, sizeof(text), POLICY_GROUP_DEPTH_MAX, is_reversed != 0);
		expect("16", text, "");
		chain(text, sizeof(text), POLICY_GROUP_DEPTH_MAX + 1, is_reversed != 0);
		expect("17", text,
			is_reversed != 0
				? "t.conf:19: group g0: groups nest more than 16 deep in it\n"
				: "t.conf:3: group g0: groups nest more than 16 deep in "
				  "it\n");
		chain(text, sizeof(text), 200, is_reversed != 0);
		expect("200", text,
			is_reversed != 0
				? "t.conf:19: group g183: groups nest more than 16 deep in it\n"
				: "t.conf:186: group g183: groups nest more than 16 deep in it\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_groups_are_no_organisations),
		cmocka_unit_test(test_circles),
		cmocka_unit_test(test_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
