/* Gates judged again: the same gates under changed configurations, directories and lock-outs. */

#include <unistd.h>

#include "base/text.h"
#include "daemon/standing.h"
#include "identity/pki.h"
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

static struct trust *trust_of(const char *items, const char *crls, enum trust_crl policy)
{
	static struct pki_material p;
	struct trust_faults faults;
	pki_material(&p, "gate nn vsd", items, crls, policy);
	struct trust *t = trust_new(&p.m, &faults);
	if (t == NULL)
		fail_msg("%s", faults.items[0].text);
	return t;
}

/* A certificate of VSD itself, with others below it. */
static void certify(struct store_gate *g, size_t steps)
{
	uint8_t pk[32];
	pki_pk(1, pk);
	g->path_count = steps;
	if (steps > 0)
		cert_key_identifier(pk, g->path[steps - 1].issuer_key_identifier);
}

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
	b.trust = trust_of(NULL, NULL, TRUST_CRL_IF_PRESENT);
	certify(&g, cases[i].has_path ? 2 : 0);
	g.is_certified = cases[i].has_path;
	standing_of(&b, l, NULL, &g, PEOPLE_WALL, &st);
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

/* A gate of a key that was known by the directory alone, under lines that only name key ids. */
static void test_superseded(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char directory[512] = "", folder[] = "/tmp/postern-next-XXXXXX", path[64], option[100];
	uint8_t next[32];
	char hex[65];
	struct store_claim c = { .replay_until_ms = PEOPLE_WALL, .key_next = next };
	struct store *s = NULL;
	struct standing st;
	enum store_answer answer;
	struct fault f;
	(void)state;
	memset(next, 0xcc, sizeof(next));
	snprintf(option, sizeof(option), "key-next=sha256:%s", text_hex(SPAN_OF(next), hex));
	people_line(directory, sizeof(directory), option, "Bob/VSD", BOB);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	assert_int_equal(store_open(path, &s, &f), 0);
	struct boot b = people_boot(GOOD, directory);
	struct store_gate old = people_gate(1, "Bob/VSD", BOB, &b.config->services[0]);
	struct store_gate new = people_gate(2, "Bob/VSD", 0xcc, &b.config->services[0]);
	b.trust = trust_of(NULL, NULL, TRUST_CRL_IF_PRESENT);
	certify(&new, 2);
	/* Nor is it refused to who came by a classic knock, once the next key is in use. */
	standing_of(&b, NULL, s, &new, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_GRANT);
	new.path_count = 0;
	standing_of(&b, NULL, s, &new, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_GRANT);
	standing_of(&b, NULL, s, &old, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_GRANT);
	assert_int_equal(store_claim_batch(s, &c, 1, &answer), 0);
	standing_of(&b, NULL, s, &old, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_SUPERSEDED);
	store_close(s);
	people_free(&b);
	for (size_t i = 0; i < TEST_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s/db%s", folder, ends[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
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
	standing_of(&b, NULL, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_NOT_ALLOWED_SERVICE);
	certify(&g, 1);
	standing_of(&b, NULL, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_NOT_AUTHENTICATED);
	b.trust = trust_of(NULL, NULL, TRUST_CRL_IF_PRESENT);
	standing_of(&b, NULL, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_GRANT);
	g.is_certified = false;
	standing_of(&b, NULL, NULL, &g, PEOPLE_WALL, &st);
	assert_int_equal(st.verdict.reason, POLICY_NOT_ALLOWED_SERVICE);
	snprintf(g.name, sizeof(g.name), "no name");
	standing_of(&b, NULL, NULL, &g, PEOPLE_WALL, &st);
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
		b.trust = trust_of(NULL, NULL, TRUST_CRL_IF_PRESENT);
		certify(&g, ends[i].has_path ? 1 : 0);
		g.not_after_ms = ends[i].not_after_ms;
		standing_of(&b, NULL, NULL, &g, PEOPLE_WALL, &st);
		TEST_CASE(ends[i].name, st.end_ms == ends[i].want_ms);
		TEST_CASE(ends[i].name, st.verdict.reason == POLICY_GRANT);
		if (ends[i].want_ms != UINT64_MAX) {
			standing_of(&b, NULL, NULL, &g, ends[i].want_ms, &st);
			TEST_CASE(ends[i].name, st.verdict.reason == POLICY_EXPIRED);
		}
		people_free(&b);
	}
}

/* What the certificates say after lists and trust files were changed. */
static void test_certificates(void **state)
{
	static const char open_to_all[] =
		"server { id = /s directory = /d key-check = off }\n" DOORS
		"service wiki { port = tcp/8443 allow = {\"*/VSD\", \"*/ACME\"} open = window }\n";
	static const struct {
		const char *name, *items, *chain; /* when the gate opened */
		const char *items_now, *crls;     /* and now */
		enum trust_crl policy;
		uint64_t at_ms; /* 0: PKI_NOW_MS */
		enum policy_reason reason;
	} changes[] = {
		{ "nothing", NULL, "john qn", NULL, NULL, TRUST_CRL_IF_PRESENT, 0, POLICY_GRANT },
		{ "a list without it", NULL, "john qn", "qn", "vsd-none qn-none", TRUST_CRL_REQUIRE,
			0, POLICY_GRANT },
		{ "revoked", NULL, "john qn", "qn", "qn-john", TRUST_CRL_IF_PRESENT, 0,
			POLICY_REVOKED },
		{ "revoked, and lists are not looked at", NULL, "john qn", "qn", "qn-john",
			TRUST_CRL_OFF, 0, POLICY_GRANT },
		{ "its unit revoked", NULL, "john qn", NULL, "vsd-qn", TRUST_CRL_IF_PRESENT, 0,
			POLICY_REVOKED },
		{ "another revoked", NULL, "srv qn", "qn", "qn-john", TRUST_CRL_IF_PRESENT, 0,
			POLICY_GRANT },
		{ "no list", NULL, "john qn", NULL, "vsd-none", TRUST_CRL_REQUIRE, 0,
			POLICY_NO_CRL },
		{ "a list too old", NULL, "john qn", "qn", "vsd-none qn-old", TRUST_CRL_REQUIRE, 0,
			POLICY_NO_CRL },
		{ "expired", NULL, "john-soon qn", NULL, NULL, TRUST_CRL_IF_PRESENT, PKI_SOON_MS,
			POLICY_EXPIRED },
		{ "not yet expired", NULL, "john-soon qn", NULL, NULL, TRUST_CRL_IF_PRESENT,
			PKI_SOON_MS - 1, POLICY_GRANT },
		{ "of another organisation", "acme-by-vsd", "bob r", "acme-by-vsd", NULL,
			TRUST_CRL_IF_PRESENT, 0, POLICY_GRANT },
		{ "cross-certificate taken away", "acme-by-vsd", "bob r", NULL, NULL,
			TRUST_CRL_IF_PRESENT, 0, POLICY_NOT_AUTHENTICATED },
		{ "another cross-certificate", "acme-by-vsd", "bob r", "acme-by-nn", NULL,
			TRUST_CRL_IF_PRESENT, 0, POLICY_NOT_AUTHENTICATED },
		{ "cross-certificate revoked", "acme-by-vsd", "bob r", "acme-by-vsd", "vsd-cross",
			TRUST_CRL_IF_PRESENT, 0, POLICY_REVOKED },
		{ "one name", "bob-by-vsd", "bob r", "bob-by-vsd", NULL, TRUST_CRL_IF_PRESENT, 0,
			POLICY_GRANT },
		{ "one name taken away", "bob-by-vsd", "bob r", "acme-by-vsd", NULL,
			TRUST_CRL_IF_PRESENT, 0, POLICY_NOT_AUTHENTICATED },
		{ "rollover", "vsd2-by-1", "boss2", "vsd2-by-1", NULL, TRUST_CRL_IF_PRESENT, 0,
			POLICY_GRANT },
		{ "rollover taken away", "vsd2-by-1", "boss2", NULL, NULL, TRUST_CRL_IF_PRESENT, 0,
			POLICY_NOT_AUTHENTICATED },
	};
	struct boot b = people_boot(open_to_all, "");
	(void)state;
	for (size_t i = 0; i < TEST_LEN(changes); i++) {
		struct store_gate g = people_gate(1, "", BOB, &b.config->services[0]);
		struct chain_identity id;
		struct standing st;
		struct trust *before = trust_of(changes[i].items, NULL, TRUST_CRL_IF_PRESENT);
		struct chain c = pki_chain(changes[i].chain);
		assert_int_equal(chain_verify(before, &c, PKI_NOW_MS, &id), CHAIN_OK);
		trust_free(before);
		name_format(&id.name, g.name);
		g.path_count = id.step_count;
		memcpy(g.path, id.steps, id.step_count * sizeof(id.steps[0]));
		g.is_certified = true;
		g.not_after_ms = id.not_after_ms;
		b.trust = trust_of(changes[i].items_now, changes[i].crls, changes[i].policy);
		uint64_t at_ms = changes[i].at_ms != 0 ? changes[i].at_ms : PKI_NOW_MS;
		standing_of(&b, NULL, NULL, &g, at_ms, &st);
		if (st.verdict.reason != changes[i].reason)
			fail_msg("%s: %s", changes[i].name, policy_reason_name(st.verdict.reason));
		trust_free(b.trust);
		b.trust = NULL;
	}
	people_free(&b);
	pki_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nothing_is_gained),
		cmocka_unit_test(test_superseded),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_certificates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
