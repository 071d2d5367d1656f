/* The decision: the rule step by step, and its independence of order against a second, plain reading. */

#include "helper.h"

#define NOW UINT64_C(1795000000000)

static const char config_text[] =
	"server { id = /s directory = /d key-check = off allow = {\"*/VSD\", \"*/Partner\"}\n"
	"deny = {Gone} }\n"
	"door wan { interface = e spa { } }\n"
	"door lan { interface = f spa { } allow = {\"*/NN/VSD\"} deny = {\"noisy/NN/VSD\"} }\n"
	"service ssh { port = tcp/22 allow = {Admins, \"*/NN/VSD\", \"boss/VSD\"}\n"
	"deny = {\"*/Temp/VSD\"} wait = 30s }\n"
	"service closed { port = tcp/1 allow = {} }\n"
	"service users { port = tcp/2 allow = {\"*(users)\"} }\n"
	"service servers { port = tcp/3 allow = {\"*(servers)\"} }\n"
	"service keys { port = tcp/4 allow = {\"*(ssh)\"} }\n"
	"service known { port = tcp/5 allow = {\"*\"} wait = 10m }\n"
	"group Admins { members = {\"adm/VSD\", Night} }\n"
	"group Night { members = {\"owl/VSD\", \"*/Night/VSD\"} }\n"
	"group Gone { members = {\"gone/NN/VSD\"} }\n";

static const char directory_text[] = "name=\"listed/NN/VSD\" postern-key sha256:" KEY_A "\n";

struct fixture {
	struct config *config;
	struct directory *directory;
	struct policy *policy;
};

static struct fixture fixture_of(const char *config, const char *directory)
{
	struct config_report r = { 0 };
	struct fixture f = { .config = config_of(config), .directory = directory_of(directory) };
	f.policy = policy_new(f.config, f.directory, &r);
	for (size_t i = 0; i < r.kept; i++)
		print_message("  %s\n", r.lines[i]);
	assert_non_null(f.policy);
	config_report_deinit(&r);
	return f;
}

static void fixture_free(struct fixture *f)
{
	policy_free(f->policy);
	directory_free(f->directory);
	config_free(f->config);
}

/* A certified, unlisted claim for a service. */
static struct claim claim_of(const struct fixture *f, const char *name, const char *service)
{
	struct claim c = { .name = name_of(name, false),
		.is_authenticated = true,
		.is_certified = true,
		.not_after_ms = UINT64_MAX,
		.service = config_service_by_name(f->config, service) };
	assert_true(addr_parse("192.0.2.7", &c.source));
	memset(c.key_id, 0xaa, sizeof(c.key_id));
	return c;
}

static void expect(const char *name, const struct fixture *f, const struct claim *c,
	enum policy_reason reason, const char *list, const char *entry)
{
	struct verdict v = policy_decide(f->policy, c, NOW);
	if (v.reason != reason || strcmp(v.list, list) != 0 || strcmp(v.entry, entry) != 0)
		fail_msg("case \"%s\": %s by \"%s\" \"%s\"", name, policy_reason_name(v.reason),
			v.list, v.entry);
	TEST_CASE(name, (v.granted_s > 0) == (reason == POLICY_GRANT));
}

static void test_lists(void **state)
{
	(void)state;
	static const struct {
		const char *who, *service;
		uint16_t door;
		bool is_certified;
		enum policy_reason reason;
		const char *list, *entry;
	} cases[] = {
		{ "a/NN/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "*/NN/VSD" },
		{ "a/b/NN/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "*/NN/VSD" },
		{ "A/nn/vsd", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "*/NN/VSD" },
		{ "a/NN/VSD", "ssh", 0, false, POLICY_NOT_ALLOWED_SERVICE, "service ssh allow",
			"" },
		{ "boss/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "boss/VSD" },
		{ "boss/VSD/US", "ssh", 0, true, POLICY_NOT_ALLOWED_SERVICE, "service ssh allow",
			"" },
		{ "adm/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "Admins" },
		{ "owl/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "Admins" },
		{ "x/Night/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "Admins" },
		{ "x/Day/VSD", "ssh", 0, true, POLICY_NOT_ALLOWED_SERVICE, "service ssh allow",
			"" },
		{ "x/Temp/VSD", "ssh", 0, true, POLICY_DENY_SERVICE, "service ssh deny",
			"*/Temp/VSD" },
		{ "gone/NN/VSD", "ssh", 0, true, POLICY_DENY_SERVER, "server deny", "Gone" },
		{ "NN/VSD", "ssh", 0, true, POLICY_NOT_ALLOWED_SERVICE, "service ssh allow", "" },
		{ "a/Elsewhere", "ssh", 0, true, POLICY_NOT_ALLOWED_SERVICE, "service ssh allow",
			"" },
		{ "a/NN/VSD", "ssh", 1, true, POLICY_GRANT, "service ssh allow", "*/NN/VSD" },
		{ "boss/VSD", "ssh", 1, true, POLICY_NOT_ALLOWED_DOOR, "door lan allow", "" },
		{ "noisy/NN/VSD", "ssh", 1, true, POLICY_DENY_DOOR, "door lan deny",
			"noisy/NN/VSD" },
		{ "noisy/NN/VSD", "ssh", 0, true, POLICY_GRANT, "service ssh allow", "*/NN/VSD" },
		{ "a/NN/VSD", "ssh", 2, true, POLICY_NOT_ALLOWED_DOOR, "", "" },
		{ "a/NN/VSD", "closed", 0, true, POLICY_NOT_ALLOWED_SERVICE, "service closed allow",
			"" },
		{ "a/NN/VSD", "nothing", 0, true, POLICY_UNKNOWN_SERVICE, "", "" },
		{ "a/NN/VSD", "known", 0, true, POLICY_NOT_ALLOWED_SERVICE, "service known allow",
			"" },
		{ "gone/NN/VSD", "closed", 1, true, POLICY_DENY_SERVER, "server deny", "Gone" },
	};
	struct fixture f = fixture_of(config_text, "");
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct claim c = claim_of(&f, cases[i].who, cases[i].service);
		c.door = cases[i].door;
		c.is_certified = cases[i].is_certified;
		expect(cases[i].who, &f, &c, cases[i].reason, cases[i].list, cases[i].entry);
	}
	fixture_free(&f);
}

/* An entry that lists the claim itself. */
static struct directory_entry entry_of(const struct claim *c)
{
	struct directory_entry e = {
		.name = c->name, .key = DIRECTORY_KEY_ID_ONLY, .expires_ms = UINT64_MAX
	};
	memcpy(e.key_id, c->key_id, sizeof(e.key_id));
	return e;
}

static void test_wildcards_of_the_listed(void **state)
{
	(void)state;
	static const struct {
		const char *name, *service;
		enum directory_kind kind;
		enum directory_key key;
		bool is_certified, is_granted;
	} cases[] = {
		{ "user", "users", DIRECTORY_USER, DIRECTORY_KEY_ID_ONLY, true, true },
		{ "user by key", "users", DIRECTORY_USER, DIRECTORY_ED25519, false, true },
		{ "server is no user", "users", DIRECTORY_SERVER, DIRECTORY_ED25519, false, false },
		{ "server", "servers", DIRECTORY_SERVER, DIRECTORY_KEY_ID_ONLY, true, true },
		{ "user is no server", "servers", DIRECTORY_USER, DIRECTORY_ED25519, true, false },
		{ "key", "keys", DIRECTORY_USER, DIRECTORY_ED25519, false, true },
		{ "token", "keys", DIRECTORY_USER, DIRECTORY_SK_ED25519, false, true },
		{ "certified key", "keys", DIRECTORY_USER, DIRECTORY_ED25519, true, false },
		{ "certified ID", "keys", DIRECTORY_USER, DIRECTORY_KEY_ID_ONLY, true, false },
		{ "everybody", "known", DIRECTORY_SERVER, DIRECTORY_KEY_ID_ONLY, true, true },
		{ "everybody by key", "known", DIRECTORY_USER, DIRECTORY_ED25519, false, true },
	};
	/* Without the server's own list, which wants a certificate. */
	static const char text[] =
		"server { id = /s directory = /d } door wan { interface = e spa { } }\n"
		"service users { port = tcp/2 allow = {\"*(users)\"} }\n"
		"service servers { port = tcp/3 allow = {Machines} }\n"
		"service keys { port = tcp/4 allow = {\"*(ssh)\"} }\n"
		"service known { port = tcp/5 allow = {All} }\n"
		"group All { members = {\"*\"} } group Machines { members = {\"*(servers)\"} }\n";
	struct fixture f = fixture_of(text, "");
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct claim c = claim_of(&f, "a/NN/VSD", cases[i].service);
		struct directory_entry e = entry_of(&c);
		e.kind = cases[i].kind;
		e.key = cases[i].key;
		c.is_certified = cases[i].is_certified;
		c.entry = &e;
		enum policy_reason reason = policy_decide(f.policy, &c, NOW).reason;
		TEST_CASE(cases[i].name,
			reason ==
				(cases[i].is_granted ? POLICY_GRANT : POLICY_NOT_ALLOWED_SERVICE));
	}
	fixture_free(&f);
}

static void test_identity(void **state)
{
	(void)state;
	struct fixture f = fixture_of(config_text, "");
	struct claim c = claim_of(&f, "a/NN/VSD", "ssh");
	struct directory_entry e = entry_of(&c);

	c.is_authenticated = false;
	e.is_locked = e.is_disabled = true;
	c.entry = &e;
	expect("nobody", &f, &c, POLICY_NOT_AUTHENTICATED, "", "");
	c.is_authenticated = true;
	c.is_locked_out = c.is_revoked = c.lacks_crl = true;
	expect("locked out", &f, &c, POLICY_LOCKED, "", "");
	assert_string_equal(
		policy_decide(f.policy, &c, NOW).text, "the administrator locked this name out");
	c.is_locked_out = false;
	expect("locked", &f, &c, POLICY_LOCKED, "", "");
	assert_string_equal(
		policy_decide(f.policy, &c, NOW).text, policy_reason_text(POLICY_LOCKED));
	e.is_locked = false;
	expect("disabled", &f, &c, POLICY_DISABLED, "", "");
	e.is_disabled = false;
	c.not_after_ms = NOW;
	expect("revoked", &f, &c, POLICY_REVOKED, "", "");
	c.is_revoked = false;
	expect("no list", &f, &c, POLICY_NO_CRL, "", "");
	c.lacks_crl = false;
	expect("expired", &f, &c, POLICY_EXPIRED, "", "");
	c.not_after_ms = UINT64_MAX;
	expect("good", &f, &c, POLICY_GRANT, "service ssh allow", "*/NN/VSD");

	e.expires_ms = NOW;
	expect("entry expired", &f, &c, POLICY_EXPIRED, "", "");
	e.expires_ms = NOW + 1;
	expect("entry about to", &f, &c, POLICY_GRANT, "service ssh allow", "*/NN/VSD");
	c.not_after_ms = NOW;
	expect("certificate expired", &f, &c, POLICY_EXPIRED, "", "");
	c.not_after_ms = NOW + 1;
	expect("certificate about to", &f, &c, POLICY_GRANT, "service ssh allow", "*/NN/VSD");

	e.from_count = 2;
	assert_true(prefix_parse("198.51.100.0/24", &e.from[0]));
	assert_true(prefix_parse("2001:db8::/32", &e.from[1]));
	expect("from elsewhere", &f, &c, POLICY_FROM, "", "");
	assert_true(addr_parse("2001:db8::1", &c.source));
	expect("from there", &f, &c, POLICY_GRANT, "service ssh allow", "*/NN/VSD");

	struct config_service copy = *c.service;
	c.service = &copy;
	expect("a service of another configuration", &f, &c, POLICY_UNKNOWN_SERVICE, "", "");
	fixture_free(&f);
}

static void test_key_check(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key_check, *who;
		uint8_t key, entry_key; /* entry_key 0: no entry */
		bool is_next, is_granted;
	} cases[] = {
		{ "off: outsider", "off", "a/NN/VSD", 0xbb, 0, false, true },
		{ "off: other key", "off", "listed/NN/VSD", 0xbb, 0, false, true },
		{ "listed: outsider", "listed", "a/NN/VSD", 0xbb, 0, false, true },
		{ "listed: other key", "listed", "listed/NN/VSD", 0xbb, 0, false, false },
		{ "listed: same name in capitals", "listed", "LISTED/NN/VSD", 0xbb, 0, false,
			false },
		{ "listed: its key", "listed", "listed/NN/VSD", 0xaa, 0xaa, false, true },
		{ "all: outsider", "all", "a/NN/VSD", 0xbb, 0, false, false },
		{ "all: other key", "all", "listed/NN/VSD", 0xbb, 0, false, false },
		{ "all: its key", "all", "listed/NN/VSD", 0xaa, 0xaa, false, true },
		{ "all: its next key", "all", "listed/NN/VSD", 0xbb, 0xaa, true, true },
		{ "all: entry of another key", "all", "listed/NN/VSD", 0xbb, 0xaa, false, false },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[512];
		snprintf(text, sizeof(text),
			"server { id = /s directory = /d key-check = %s }\n"
			"door wan { interface = e spa { } }\n"
			"service ssh { port = tcp/22 allow = {\"*/NN/VSD\"} }\n",
			cases[i].key_check);
		struct fixture f = fixture_of(text, directory_text);
		struct claim c = claim_of(&f, cases[i].who, "ssh");
		struct directory_entry e = entry_of(&c);
		memset(c.key_id, cases[i].key, sizeof(c.key_id));
		memset(e.key_id, cases[i].entry_key, sizeof(e.key_id));
		e.has_next = cases[i].is_next;
		memset(e.key_next, cases[i].key, sizeof(e.key_next));
		if (cases[i].entry_key != 0)
			c.entry = &e;
		enum policy_reason reason = policy_decide(f.policy, &c, NOW).reason;
		TEST_CASE(cases[i].name,
			reason == (cases[i].is_granted ? POLICY_GRANT : POLICY_KEY_CHECK));

		/* A key that the directory gives to somebody else lists nobody. */
		e.name = name_of("other/NN/VSD", false);
		c.entry = &e;
		reason = policy_decide(f.policy, &c, NOW).reason;
		if (strcmp(cases[i].key_check, "all") == 0)
			TEST_CASE(cases[i].name, reason == POLICY_KEY_CHECK);
		fixture_free(&f);
	}
}

static void test_open_lists(void **state)
{
	(void)state;
	static const char text[] =
		"server { id = /s directory = /d key-check = off compat-open-lists = yes }\n"
		"door wan { interface = e spa { } }\n"
		"service open { port = tcp/22 deny = {\"bad/VSD\"} }\n"
		"service shut { port = tcp/23 allow = {} }\n";
	struct fixture f = fixture_of(text, "");
	struct claim c = claim_of(&f, "a/VSD", "open");
	expect("no list admits", &f, &c, POLICY_GRANT, "", "");
	c = claim_of(&f, "bad/VSD", "open");
	expect("but for who is denied", &f, &c, POLICY_DENY_SERVICE, "service open deny",
		"bad/VSD");
	c = claim_of(&f, "a/VSD", "shut");
	expect("an empty list does not", &f, &c, POLICY_NOT_ALLOWED_SERVICE, "service shut allow",
		"");

	/* The parser refuses such a service otherwise; the decision does not rely on it. */
	f.config->server.compat_open_lists = false;
	c = claim_of(&f, "a/VSD", "open");
	expect("no list refuses", &f, &c, POLICY_NO_LIST, "service open allow", "");
	fixture_free(&f);
}

static void test_granted(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t asked_s;
		uint64_t left_ms, entry_left_ms;
		uint32_t want;
	} cases[] = {
		{ "as much as there is", 0, UINT64_MAX, UINT64_MAX, 30 },
		{ "less", 10, UINT64_MAX, UINT64_MAX, 10 },
		{ "more", 31, UINT64_MAX, UINT64_MAX, 30 },
		{ "much more", UINT32_MAX, UINT64_MAX, UINT64_MAX, 30 },
		{ "life ends", 0, 20000, UINT64_MAX, 20 },
		{ "life ends, rounded down", 0, 20999, UINT64_MAX, 20 },
		{ "listing ends", 0, UINT64_MAX, 5000, 5 },
		{ "asked before life ends", 3, 20000, 5000, 3 },
		{ "a last moment", 0, 1, UINT64_MAX, 1 },
	};
	struct fixture f = fixture_of(config_text, "");
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct claim c = claim_of(&f, "a/NN/VSD", "ssh");
		struct directory_entry e = entry_of(&c);
		c.asked_s = cases[i].asked_s;
		c.entry = &e;
		if (cases[i].left_ms != UINT64_MAX)
			c.not_after_ms = NOW + cases[i].left_ms;
		if (cases[i].entry_left_ms != UINT64_MAX)
			e.expires_ms = NOW + cases[i].entry_left_ms;
		TEST_CASE(
			cases[i].name, policy_decide(f.policy, &c, NOW).granted_s == cases[i].want);
	}
	fixture_free(&f);
}

static void test_first_entry_is_named(void **state)
{
	(void)state;
	static const char *const lists[][2] = {
		{ "{\"*/VSD\", \"a/NN/VSD\", G}", "*/VSD" },
		{ "{\"a/NN/VSD\", \"*/VSD\", G}", "a/NN/VSD" },
		{ "{G, \"*/VSD\", \"a/NN/VSD\"}", "G" },
		{ "{\"x/VSD\", g, G, \"*/VSD\"}", "g" },
		{ "{\"*/NN/VSD\", \"*/VSD\"}", "*/NN/VSD" },
		{ "{\"CN=a/OU=NN/O=VSD\", \"A/nn/vsd\"}", "CN=a/OU=NN/O=VSD" },
	};
	for (size_t i = 0; i < TEST_LEN(lists); i++) {
		char text[512];
		snprintf(text, sizeof(text),
			"server { id = /s directory = /d key-check = off }\n"
			"door wan { interface = e spa { } }\n"
			"service ssh { port = tcp/22 allow = %s }\n"
			"group G { members = {\"a/NN/VSD\"} }\n",
			lists[i][0]);
		struct fixture f = fixture_of(text, "");
		struct claim c = claim_of(&f, "a/NN/VSD", "ssh");
		expect(lists[i][0], &f, &c, POLICY_GRANT, "service ssh allow", lists[i][1]);
		fixture_free(&f);
	}
}

/* Random configurations, each read by a plain evaluator that follows the rule word for word. */
enum { GROUPS = 5, PICKS = 6 };

static const char *const pool[] = { "*", "*(users)", "*(servers)", "*(ssh)", "*/VSD", "*/NN/VSD",
	"*/QN/VSD", "*/UB/QN/VSD", "a/VSD", "a/NN/VSD", "b/NN/VSD", "a/QN/VSD", "a/UB/QN/VSD",
	"a/Other", "*/Other", "g0", "g1", "g2", "g3", "g4" };
#define POOL_LEN TEST_LEN(pool)
#define PLAIN (POOL_LEN - GROUPS) /* entries before the groups */

struct picks {
	size_t len;
	size_t items[PICKS]; /* indices of pool */
};

struct plan {
	struct picks lists[6]; /* server, door, service: allow and deny of each */
	bool is_set[6];
	struct picks groups[GROUPS];
};

static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state >> 16) % n;
}

/* Entries from the pool; groups only above least_group, so that there is no circle. */
static struct picks random_picks(size_t max, size_t least_group)
{
	struct picks p = { .len = random_below(max + 1) };
	for (size_t i = 0; i < p.len; i++) {
		p.items[i] = random_below(POOL_LEN);
		if (p.items[i] >= PLAIN && p.items[i] - PLAIN < least_group)
			p.items[i] = random_below(PLAIN);
	}
	return p;
}

static struct plan random_plan(void)
{
	struct plan p = { 0 };
	for (size_t i = 0; i < 6; i++) {
		p.lists[i] = random_picks(i % 2 == 0 ? PICKS : 2, 0);
		p.is_set[i] = i == 4 || random_below(3) != 0;
	}
	for (size_t g = 0; g < GROUPS; g++)
		p.groups[g] = random_picks(3, g + 1);
	return p;
}

static void shuffle(struct picks *p)
{
	for (size_t i = p->len; i > 1; i--) {
		size_t j = random_below(i);
		size_t t = p->items[i - 1];
		p->items[i - 1] = p->items[j];
		p->items[j] = t;
	}
}

static void print_picks(FILE *f, const char *option, const struct picks *p)
{
	fprintf(f, "%s = {", option);
	for (size_t i = 0; i < p->len; i++)
		fprintf(f, "%s\"%s\"", i == 0 ? "" : ", ", pool[p->items[i]]);
	fputs("}\n", f);
}

static void print_lists(FILE *f, const struct plan *p, size_t first)
{
	if (p->is_set[first])
		print_picks(f, "allow", &p->lists[first]);
	if (p->is_set[first + 1])
		print_picks(f, "deny", &p->lists[first + 1]);
}

static char *plan_text(const struct plan *p, const size_t group_order[GROUPS])
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	fputs("server { id = /s directory = /d key-check = off\n", f);
	print_lists(f, p, 0);
	fputs("}\ndoor w { interface = e spa { }\n", f);
	print_lists(f, p, 2);
	fputs("}\nservice s { port = tcp/22\n", f);
	print_lists(f, p, 4);
	fputs("}\n", f);
	for (size_t i = 0; i < GROUPS; i++) {
		fprintf(f, "group g%zu {", group_order[i]);
		print_picks(f, "members", &p->groups[group_order[i]]);
		fputs("}\n", f);
	}
	fclose(f);
	return text;
}

static bool plain_match(const struct plan *p, size_t item, const struct claim *c)
{
	const char *text = pool[item];
	bool is_listed = c->entry != NULL;
	if (item >= PLAIN) {
		const struct picks *g = &p->groups[item - PLAIN];
		for (size_t i = 0; i < g->len; i++)
			if (plain_match(p, g->items[i], c))
				return true;
		return false;
	}
	if (strcmp(text, "*") == 0)
		return is_listed;
	if (strcmp(text, "*(users)") == 0)
		return is_listed && c->entry->kind == DIRECTORY_USER;
	if (strcmp(text, "*(servers)") == 0)
		return is_listed && c->entry->kind == DIRECTORY_SERVER;
	if (strcmp(text, "*(ssh)") == 0)
		return is_listed && c->entry->key != DIRECTORY_KEY_ID_ONLY && !c->is_certified;
	struct name n = name_of(text[0] == '*' ? text + 2 : text, text[0] == '*');
	if (text[0] == '*')
		return c->is_certified && name_is_below(&c->name, &n);
	return name_equal(&c->name, &n);
}

static bool plain_any(const struct plan *p, size_t list, const struct claim *c)
{
	for (size_t i = 0; p->is_set[list] && i < p->lists[list].len; i++)
		if (plain_match(p, p->lists[list].items[i], c))
			return true;
	return false;
}

static enum policy_reason plain_decide(const struct plan *p, const struct claim *c)
{
	if (plain_any(p, 5, c))
		return POLICY_DENY_SERVICE;
	if (plain_any(p, 1, c))
		return POLICY_DENY_SERVER;
	if (plain_any(p, 3, c))
		return POLICY_DENY_DOOR;
	if (!plain_any(p, 4, c))
		return POLICY_NOT_ALLOWED_SERVICE;
	if (p->is_set[0] && !plain_any(p, 0, c))
		return POLICY_NOT_ALLOWED_SERVER;
	if (p->is_set[2] && !plain_any(p, 2, c))
		return POLICY_NOT_ALLOWED_DOOR;
	return POLICY_GRANT;
}

/* The explanation decides the same, and its first reason is the verdict's. */
static void check_explained(const struct fixture *f, const struct claim *c, const struct verdict *v)
{
	struct policy_trace t;
	unsigned first = 0;
	policy_explain(f->policy, c, NOW, &t);
	assert_int_equal(t.verdict.reason, v->reason);
	assert_string_equal(t.verdict.list, v->list);
	assert_string_equal(t.verdict.entry, v->entry);
	while (t.refusals != 0 && (t.refusals >> first & 1) == 0)
		first++;
	assert_int_equal(first, v->reason);
	assert_true(t.step_count == 0 || t.step_count == POLICY_STEPS);
	for (size_t i = 0; i < t.step_count; i++) {
		assert_int_equal(t.steps[i].is_deny, i < POLICY_STEPS / 2);
		assert_true(!t.steps[i].is_refusing || t.refusals != 0);
	}
}

/* Every kind of claim of a few names against one plan, written in one order. */
static void compare(const struct plan *p, const size_t group_order[GROUPS])
{
	static const char *const people[] = { "a/VSD", "a/NN/VSD", "B/nn/vsd", "a/QN/VSD",
		"a/UB/QN/VSD", "c/UB/QN/VSD", "a/Other", "a/VSD/US", "NN/VSD" };
	char *text = plan_text(p, group_order);
	struct fixture f = fixture_of(text, "");
	for (size_t i = 0; i < TEST_LEN(people); i++) {
		struct claim c = claim_of(&f, people[i], "s");
		struct directory_entry e = entry_of(&c);
		for (int kind = 0; kind < 16; kind++) {
			c.is_certified = (kind & 1) != 0;
			c.entry = (kind & 2) != 0 ? &e : NULL;
			e.kind = (kind & 4) != 0 ? DIRECTORY_SERVER : DIRECTORY_USER;
			e.key = (kind & 8) != 0 ? DIRECTORY_ED25519 : DIRECTORY_KEY_ID_ONLY;
			struct verdict v = policy_decide(f.policy, &c, NOW);
			check_explained(&f, &c, &v);
			if (v.reason != plain_decide(p, &c))
				fail_msg("%s kind %d: %s in\n%s", people[i], kind,
					policy_reason_name(v.reason), text);
		}
	}
	fixture_free(&f);
	free(text);
}

static void test_order_means_nothing(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct plan p = random_plan();
		size_t order[GROUPS] = { 0, 1, 2, 3, 4 };
		for (int again = 0; again < 3; again++) {
			compare(&p, order);
			for (size_t i = 0; i < 6; i++)
				shuffle(&p.lists[i]);
			for (size_t i = 0; i < GROUPS; i++)
				shuffle(&p.groups[i]);
			struct picks o = { .len = GROUPS };
			memcpy(o.items, order, sizeof(order));
			shuffle(&o);
			memcpy(order, o.items, sizeof(order));
		}
	}
}

/* All that refuses, which lists were asked, and which of their entries fit. */
static void test_explained(void **state)
{
	(void)state;
	static const struct {
		const char *who, *service;
		uint16_t door;
		bool is_certified;
		const char *refusals;
		const char *steps; /* s service, r server, d door; ! refuses, = fits, - not set */
		const char *hit;   /* the entry of the service's allow list that fits */
	} cases[] = {
		{ "a/NN/VSD", "ssh", 0, true, "", "s r d- s= r= d-", "*/NN/VSD" },
		{ "a/NN/VSD", "ssh", 1, true, "", "s r d s= r= d=", "*/NN/VSD" },
		{ "a/NN/VSD", "ssh", 1, false,
			"not-allowed-service not-allowed-server not-allowed-door", "s r d s! r! d!",
			NULL },
		{ "gone/NN/VSD", "ssh", 1, true, "deny-server", "s r=! d s= r= d=", "*/NN/VSD" },
		{ "owl/VSD", "ssh", 0, true, "", "s r d- s= r= d-", "Admins" },
		{ "x/Temp/VSD", "ssh", 1, true, "deny-service not-allowed-service not-allowed-door",
			"s=! r d s! r= d!", NULL },
		{ "noisy/NN/VSD", "closed", 1, true, "deny-door not-allowed-service",
			"s- r d=! s! r= d=", NULL },
		{ "a/NN/VSD", "nothing", 0, true, "unknown-service", "", NULL },
		{ "a/NN/VSD", "nothing", 9, true, "unknown-service", "", NULL },
		{ "a/NN/VSD", "ssh", 2, true, "not-allowed-door", "", NULL },
	};
	struct fixture f = fixture_of(config_text, "");
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct claim c = claim_of(&f, cases[i].who, cases[i].service);
		struct policy_trace t;
		char got[64] = "", why[256] = "";
		c.door = cases[i].door;
		c.is_certified = cases[i].is_certified;
		policy_explain(f.policy, &c, NOW, &t);
		for (size_t k = 0; k < t.step_count; k++) {
			const struct policy_step *s = &t.steps[k];
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%c%s%s%s",
				k == 0 ? "" : " ", "srd"[k % 3], s -> is_set ? "" : "-",
				s->hit != NULL ? "=" : "", s->is_refusing ? "!" : "");
		}
		for (unsigned r = 0; r < POLICY_REASON_COUNT; r++)
			if ((t.refusals >> r & 1) != 0)
				snprintf(why + strlen(why), sizeof(why) - strlen(why), "%s%s",
					why[0] == '\0' ? "" : " ",
					policy_reason_name((enum policy_reason)r));
		if (strcmp(got, cases[i].steps) != 0 || strcmp(why, cases[i].refusals) != 0)
			fail_msg("%s: \"%s\" for \"%s\"", cases[i].who, got, why);
		const struct config_text *hit = t.step_count > 3 ? t.steps[3].hit : NULL;
		TEST_CASE(cases[i].who, (hit == NULL) == (cases[i].hit == NULL));
		if (hit != NULL)
			assert_string_equal(hit->text, cases[i].hit);
		struct verdict v = policy_decide(f.policy, &c, NOW);
		check_explained(&f, &c, &v);
	}
	fixture_free(&f);
}

/* Of an identity with several things against it every one is told. */
static void test_all_refusals(void **state)
{
	(void)state;
	struct fixture f = fixture_of(config_text, "");
	struct claim c = claim_of(&f, "gone/NN/VSD", "closed");
	struct directory_entry e = entry_of(&c);
	struct policy_trace t;
	c.entry = &e;
	policy_explain(f.policy, &c, NOW, &t);
	assert_true(t.is_listed);
	e.is_locked = e.is_disabled = true;
	e.expires_ms = NOW;
	e.from_count = 1;
	assert_true(prefix_parse("198.51.100.0/24", &e.from[0]));
	e.key_id[0] ^= 1;
	c.is_revoked = c.lacks_crl = true;
	f.config->server.key_check = CONFIG_KEY_CHECK_ALL;
	policy_explain(f.policy, &c, NOW, &t);
	uint32_t want = 1u << POLICY_LOCKED | 1u << POLICY_DISABLED | 1u << POLICY_REVOKED |
		1u << POLICY_NO_CRL | 1u << POLICY_EXPIRED | 1u << POLICY_KEY_CHECK |
		1u << POLICY_FROM | 1u << POLICY_DENY_SERVER | 1u << POLICY_NOT_ALLOWED_SERVICE;
	assert_int_equal(t.refusals, want);
	assert_false(t.is_listed);
	assert_int_equal(t.verdict.reason, POLICY_LOCKED);
	fixture_free(&f);
}

static void test_end(void **state)
{
	(void)state;
	struct fixture f = fixture_of(config_text, "");
	struct claim c = claim_of(&f, "a/NN/VSD", "ssh");
	struct directory_entry e = entry_of(&c);
	assert_int_equal(policy_end_ms(&c), UINT64_MAX);
	c.not_after_ms = 7;
	assert_int_equal(policy_end_ms(&c), 7);
	c.entry = &e;
	assert_int_equal(policy_end_ms(&c), 7);
	e.expires_ms = 5;
	assert_int_equal(policy_end_ms(&c), 5);
	fixture_free(&f);
}

static void test_reasons(void **state)
{
	(void)state;
	for (int i = 0; i < POLICY_REASON_COUNT; i++) {
		const char *name = policy_reason_name((enum policy_reason)i);
		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		assert_non_null(policy_reason_text((enum policy_reason)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, policy_reason_name((enum policy_reason)j));
	}
	assert_string_equal(policy_reason_name(POLICY_DENY_SERVICE), "deny-service");
	assert_string_equal(policy_reason_name(POLICY_REASON_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_wildcards_of_the_listed),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_key_check),
		cmocka_unit_test(test_open_lists),
		cmocka_unit_test(test_granted),
		cmocka_unit_test(test_first_entry_is_named),
		cmocka_unit_test(test_order_means_nothing),
		cmocka_unit_test(test_explained),
		cmocka_unit_test(test_all_refusals),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
