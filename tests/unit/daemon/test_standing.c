/* Gates judged again: the same gates under changed configurations, directories and lock-outs. */

#include "daemon/standing.h"
#include "people.h"

#define SERVER(more) "server { id = /s directory = /d allow = {\"*/VSD\", \"*\"} " more " }\n"
#define DOORS                                                                                      \
	"door wan { interface = e spa { } }\n"                                                     \
	"door lan { interface = f spa { } deny = {\"Bob/VSD\"} }\n"
#define WIKI                                                                                       \
	"service wiki { port = tcp/8443 allow = {\"*\", \"*/VSD\", \"Bob/VSD\"} open = window wait = 60s }\n"
#define GOOD SERVER("") DOORS WIKI
#define ANN 0xaa
#define BOB 0xbb

/* Bob's gate for wiki through wan, and what became of the rest. */
static const struct {
	const char *name, *config;
	const char *options; /* of Bob's line; NULL: no line */
	const char *line_name;
	int line_key;
	const char *door;
	bool is_locked_out, has_path;
	enum policy_reason reason;
	const char *list, *entry;
	bool is_same;
} cases[] = {
	{ "nothing changed", GOOD, "", "Bob/VSD", BOB, "wan", false, false, POLICY_GRANT,
		"service wiki allow", "*", true },
	{ "locked out", GOOD, "", "Bob/VSD", BOB, "wan", true, false, POLICY_LOCKED, "", "", true },
	{ "locked", GOOD, "locked", "Bob/VSD", BOB, "wan", false, false, POLICY_LOCKED, "", "",
		true },
	{ "disabled", GOOD, "disabled", "Bob/VSD", BOB, "wan", false, false, POLICY_DISABLED, "",
		"", true },
	{ "expired", GOOD, "expires=2026-01-01", "Bob/VSD", BOB, "wan", false, false,
		POLICY_EXPIRED, "", "", true },
	{ "not yet", GOOD, "expires=2027-01-01", "Bob/VSD", BOB, "wan", false, false, POLICY_GRANT,
		"service wiki allow", "*", true },
	{ "from elsewhere", GOOD, "from=\"198.51.100.0/24\"", "Bob/VSD", BOB, "wan", false, false,
		POLICY_FROM, "", "", true },
	{ "removed", GOOD, NULL, "Bob/VSD", BOB, "wan", false, false, POLICY_KEY_CHECK, "", "",
		true },
	{ "removed, and nobody checks keys", SERVER("key-check = off") DOORS WIKI, NULL, "Bob/VSD",
		BOB, "wan", false, false, POLICY_NOT_ALLOWED_SERVER, "server allow", "", true },
	{ "removed, named by every list",
		"server { id = /s directory = /d key-check = off }\n" DOORS WIKI, NULL, "Bob/VSD",
		BOB, "wan", false, false, POLICY_KEY_CHECK, "", "", true },
	{ "another key", GOOD, "", "Bob/VSD", 0xcc, "wan", false, false, POLICY_KEY_CHECK, "", "",
		true },
	{ "the key is another's now", GOOD, "", "Rob/VSD", BOB, "wan", false, false,
		POLICY_KEY_CHECK, "", "", true },
	{ "the key is another's now, and nobody checks",
		"server { id = /s directory = /d key-check = off }\n" DOORS WIKI, "", "Rob/VSD",
		BOB, "wan", false, false, POLICY_KEY_CHECK, "", "", true },
	{ "denied", SERVER("deny = {\"Bob/VSD\"}") DOORS WIKI, "", "Bob/VSD", BOB, "wan", false,
		false, POLICY_DENY_SERVER, "server deny", "Bob/VSD", true },
	{ "not allowed",
		SERVER("") DOORS "service wiki { port = tcp/8443 allow = {} open = window }\n", "",
		"Bob/VSD", BOB, "wan", false, false, POLICY_NOT_ALLOWED_SERVICE,
		"service wiki allow", "", true },
	{ "denied at the door", GOOD, "", "Bob/VSD", BOB, "lan", false, false, POLICY_DENY_DOOR,
		"door lan deny", "Bob/VSD", true },
	{ "a door that is gone", GOOD, "", "Bob/VSD", BOB, "back", false, false,
		POLICY_NOT_ALLOWED_DOOR, "", "", true },
	{ "a door that nobody knows", GOOD, "", "Bob/VSD", BOB, "", false, false, POLICY_GRANT,
		"service wiki allow", "*", true },
	{ "no door that admits",
		SERVER("") "door lan { interface = f spa { } deny = {\"Bob/VSD\"} }\n" WIKI, "",
		"Bob/VSD", BOB, "", false, false, POLICY_DENY_DOOR, "door lan deny", "Bob/VSD",
		true },
	{ "renamed service",
		SERVER("") DOORS
		"service docs { port = tcp/8443 allow = {\"*\"} open = window wait = 60s }\n",
		"", "Bob/VSD", BOB, "wan", false, false, POLICY_GRANT, "service docs allow", "*",
		false },
	{ "renamed service that does not allow",
		SERVER("") DOORS
		"service docs { port = tcp/8443 allow = {} open = window wait = 60s }\n",
		"", "Bob/VSD", BOB, "wan", false, false, POLICY_NOT_ALLOWED_SERVICE,
		"service docs allow", "", false },
	{ "another kind",
		SERVER("") DOORS
		"service wiki { port = tcp/8443 allow = {\"*\"} open = once wait = 60s }\n",
		"", "Bob/VSD", BOB, "wan", false, false, POLICY_GRANT, "service wiki allow", "*",
		false },
	{ "another port",
		SERVER("") DOORS
		"service wiki { port = tcp/8444 allow = {\"*\"} open = window wait = 60s }\n",
		"", "Bob/VSD", BOB, "wan", false, false, POLICY_UNKNOWN_SERVICE, "", "", false },
	{ "by certificate, not listed", SERVER("key-check = listed") DOORS WIKI, NULL, "Bob/VSD",
		BOB, "wan", false, true, POLICY_GRANT, "service wiki allow", "*/VSD", true },
	{ "by certificate, must be listed", GOOD, NULL, "Bob/VSD", BOB, "wan", false, true,
		POLICY_KEY_CHECK, "", "", true },
	{ "by certificate, listed with another key", SERVER("key-check = listed") DOORS WIKI, "",
		"Bob/VSD", 0xcc, "wan", false, true, POLICY_KEY_CHECK, "", "", true },
	{ "by certificate, locked out", SERVER("key-check = listed") DOORS WIKI, NULL, "Bob/VSD",
		BOB, "wan", true, true, POLICY_LOCKED, "", "", true },
};

static void check(size_t i)
{
	char directory[1024] = "";
	struct boot before = people_boot(GOOD, "");
	struct store_gate g = people_gate(1, "Bob/VSD", BOB, &before.config->services[0]);
	people_line(directory, sizeof(directory), "", "Ann/VSD", ANN);
	if (cases[i].options != NULL)
		people_line(directory, sizeof(directory), cases[i].options, cases[i].line_name,
			cases[i].line_key);
	struct boot b = people_boot(cases[i].config, directory);
	struct lockout *l = lockout_new();
	struct standing st;
	if (cases[i].is_locked_out) {
		struct name n;
		uint8_t folded[NAME_FOLDED_MAX];
		assert_int_equal(name_parse("BOB/VSD", false, &n), NAME_OK);
		assert_true(lockout_put(l, folded, name_fold(&n, folded)));
	}
	snprintf(g.door, sizeof(g.door), "%s", cases[i].door);
	g.path_count = cases[i].has_path ? 2 : 0;
	g.is_certified = cases[i].has_path;
	standing_of(&b, l, &g, PEOPLE_WALL, &st);
	if (st.verdict.reason != cases[i].reason || strcmp(st.verdict.list, cases[i].list) != 0 ||
		strcmp(st.verdict.entry, cases[i].entry) != 0)
		fail_msg("%s: %s by \"%s\" \"%s\"", cases[i].name,
			policy_reason_name(st.verdict.reason), st.verdict.list, st.verdict.entry);
	TEST_CASE(cases[i].name, st.is_same == cases[i].is_same);
	TEST_CASE(cases[i].name, st.verdict.text[0] != '\0');
	TEST_CASE(
		cases[i].name, (st.service == NULL) == (cases[i].reason == POLICY_UNKNOWN_SERVICE));
	lockout_free(l);
	people_free(&b);
	people_free(&before);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		check(i);
}

/* What the record claims of a person without certificates counts for nothing. */
static void test_nothing_is_gained(void **state)
{
	static const char only_certified[] =
		"server { id = /s directory = /d }\n" DOORS
		"service wiki { port = tcp/8443 allow = {\"*/VSD\"} open = window wait = 60s }\n";
	char directory[512] = "";
	struct standing st;
	(void)state;
	people_line(directory, sizeof(directory), "", "Bob/VSD", BOB);
	struct boot b = people_boot(only_certified, directory);
	struct store_gate g = people_gate(1, "Bob/VSD", BOB, &b.config->services[0]);
	g.is_certified = true;
	standing_of(&b, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_NOT_ALLOWED_SERVICE);
	g.path_count = 1;
	standing_of(&b, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_GRANT);
	g.is_certified = false;
	standing_of(&b, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_NOT_ALLOWED_SERVICE);
	snprintf(g.name, sizeof(g.name), "no name");
	standing_of(&b, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_NOT_AUTHENTICATED);
	people_free(&b);
}

/* The end of the certificates or of the line, whichever is first. */
static void test_ends(void **state)
{
	static const uint64_t midnight = 1795046400000ull; /* after 2026-11-18 */
	static const struct {
		const char *name, *options;
		uint64_t not_after_ms;
		bool has_path;
		uint64_t want_ms;
	} ends[] = {
		{ "none", "", UINT64_MAX, true, UINT64_MAX },
		{ "certificate's", "", PEOPLE_WALL + 5, true, PEOPLE_WALL + 5 },
		{ "line's", "expires=2026-11-18", UINT64_MAX, true, midnight },
		{ "certificate's first", "expires=2026-11-18", midnight - 1, true, midnight - 1 },
		{ "line's first", "expires=2026-11-18", midnight + 1, true, midnight },
		{ "of the line as it is now", "expires=2026-11-18", PEOPLE_WALL - 1, false,
			midnight },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(ends); i++) {
		char directory[512] = "";
		struct standing st;
		people_line(directory, sizeof(directory), ends[i].options, "Bob/VSD", BOB);
		struct boot b = people_boot(GOOD, directory);
		struct store_gate g = people_gate(1, "Bob/VSD", BOB, &b.config->services[0]);
		g.path_count = ends[i].has_path ? 1 : 0;
		g.not_after_ms = ends[i].not_after_ms;
		standing_of(&b, NULL, &g, PEOPLE_WALL, &st);
		TEST_CASE(ends[i].name, st.end_ms == ends[i].want_ms);
		TEST_CASE(ends[i].name, st.verdict.reason == POLICY_GRANT);
		if (ends[i].want_ms != UINT64_MAX) {
			standing_of(&b, NULL, &g, ends[i].want_ms, &st);
			TEST_CASE(ends[i].name, st.verdict.reason == POLICY_EXPIRED);
		}
		people_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nothing_is_gained),
		cmocka_unit_test(test_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
