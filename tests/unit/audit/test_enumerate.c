/* Scans of servers made of tables: everything found, nothing false, few connections. */

#include <string.h>

#include "audit/enumerate.h"
#include "fake.h"

#define SERVERS 400
#define AIR_MAX 8

static struct audit_facts *new_facts(const char *host)
{
	struct audit_target t = { .port = 443 };
	snprintf(t.host, sizeof(t.host), "%s", host);
	struct audit_facts *f = audit_facts_new(&t);
	assert_non_null(f);
	return f;
}

/* Scan with w asks in the air at a time, answered in any order. */
static unsigned scan_as(
	struct fake *s, struct audit_facts *f, unsigned w, const struct audit_scan_options *o)
{
	struct audit_scan *scan = audit_scan_new(f, o);
	static struct audit_ask air[AIR_MAX];
	unsigned n = 0, asks = 0;
	assert_non_null(scan);
	for (;;) {
		enum audit_next next = AUDIT_NEXT_WAIT;
		while (n < w && (next = audit_scan_next(scan, &air[n])) == AUDIT_NEXT_ASK) {
			n++;
			asks++;
			assert_true(asks < 3000);
		}
		if (n == 0) {
			assert_int_equal(next, AUDIT_NEXT_DONE);
			break;
		}
		unsigned i = fake_random(s) % n;
		struct audit_ask one = air[i];
		air[i] = air[--n];
		struct audit_probe_result r;
		if (one.kind == AUDIT_ASK_HELLO) {
			fake_answer(s, &one, &r);
			audit_scan_result(scan, one.id, &r, 0);
		} else if (one.kind == AUDIT_ASK_INJECTION || one.kind == AUDIT_ASK_FETCH) {
			audit_scan_verdict(scan, one.id, AUDIT_NO, NULL);
		} else {
			fake_answer(s, &one, &r);
			audit_scan_verdict(scan, one.id, AUDIT_NO, &r);
		}
	}
	assert_int_equal(asks, f->connections);
	audit_scan_free(scan);
	return asks;
}

static unsigned scan_with(struct fake *s, struct audit_facts *f, unsigned w, bool has_probes)
{
	struct audit_scan_options o = { .has_probes = has_probes, .seed = { 7 } };
	return scan_as(s, f, w, &o);
}

static void check_suites(const char *name, const struct fake *s, const struct audit_facts *f)
{
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++) {
		const struct audit_protocol *p = &f->protocols[v];
		if (p->suite_count != s->count[v])
			print_message("%s %s: %zu of %zu\n", name,
				audit_version_name((enum audit_version)v), p->suite_count,
				s->count[v]);
		for (size_t i = 0; p->suite_count < s->count[v] && i < s->count[v]; i++) {
			size_t k = 0;
			while (k < p->suite_count && p->suites[k].suite != s->suites[v][i])
				k++;
			if (k == p->suite_count)
				print_message("  not found: %06x\n", s->suites[v][i]);
		}
		TEST_CASE(name, p->suite_count == s->count[v]);
		for (size_t i = 0; i < p->suite_count; i++)
			TEST_CASE(name,
				fake_find(s->suites[v], s->count[v], p->suites[i].suite) !=
					SIZE_MAX);
		TEST_CASE(name, p->offered == (s->has[v] ? AUDIT_YES : AUDIT_NO));
		TEST_CASE(name, !p->is_incomplete);
	}
	TEST_CASE(name, f->end == AUDIT_END_COMPLETE);
	TEST_CASE(name, f->incomplete[0] == '\0');
}

/* Groups that no hello could show are none of the truth. */
static bool is_visible(const struct fake *s, uint16_t group)
{
	const struct audit_group *g = audit_group_by_id(group);
	if (s->has[AUDIT_TLS13])
		return true;
	if (g->is_finite_field || g->is_post_quantum)
		return false;
	/* SSLv3 has no way to name groups: there it is always this one. */
	for (size_t v = group == 23 ? AUDIT_SSL3 : AUDIT_TLS10; v <= AUDIT_TLS12; v++)
		for (size_t i = 0; i < s->count[v]; i++) {
			enum audit_kx kx = audit_suite_by_id(s->suites[v][i])->kx;
			if (kx == AUDIT_KX_ECDHE || kx == AUDIT_KX_ECDHE_PSK)
				return true;
		}
	return false;
}

static void check_groups(const char *name, const struct fake *s, const struct audit_facts *f)
{
	size_t visible = 0;
	for (size_t i = 0; i < s->group_count; i++)
		visible += is_visible(s, s->groups[i]);
	if (f->group_count != visible)
		print_message("%s: groups %zu of %zu\n", name, f->group_count, visible);
	TEST_CASE(name, f->group_count == visible);
	TEST_CASE(name, !f->is_group_list_incomplete);
}

static void check_order(const char *name, const struct fake *s, const struct audit_facts *f)
{
	for (size_t v = AUDIT_SSL3; v < AUDIT_VERSION_COUNT; v++) {
		const struct audit_protocol *p = &f->protocols[v];
		if (p->suite_count < 2)
			continue;
		TEST_CASE(name, p->server_order == (s->has_order ? AUDIT_YES : AUDIT_NO));
		TEST_CASE(name, !p->is_order_known || s->has_order);
		if (s->has_order && p->suite_count <= 112)
			TEST_CASE(name, p->preferred == s->suites[v][0]);
		for (size_t i = 0; p->is_order_known && i < p->suite_count; i++)
			TEST_CASE(name, p->suites[i].suite == s->suites[v][i]);
	}
}

static void add_groups(struct fake *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->groups[s->group_count++] = audit_group_at(i)->id;
}

static void add_likely(struct fake *s, enum audit_version v, size_t n)
{
	uint32_t all[AUDIT_SUITES_MAX];
	audit_suites_of(v, all, AUDIT_SUITES_MAX);
	for (size_t i = 0; i < n; i++)
		fake_add(s, v, all[i]);
}

static void test_lean(void **state)
{
	(void)state;
	for (unsigned w = 1; w <= AIR_MAX; w++) {
		for (unsigned order = 0; order < 2; order++) {
			struct fake s = { .has_scsv = true, .has_order = order, .random = w };
			add_likely(&s, AUDIT_TLS12, 9);
			add_likely(&s, AUDIT_TLS13, 3);
			add_groups(&s, 5);
			struct audit_facts *f = new_facts("www.example.org");
			unsigned n = scan_with(&s, f, w, true);
			check_suites("lean", &s, f);
			check_groups("lean", &s, f);
			check_order("lean", &s, f);
			/* Answers in another order than that of the questions cost one or two more. */
			assert_true(n <= 27);
			assert_int_equal(f->probes.fallback_scsv, AUDIT_YES);
			assert_int_equal(f->probes.needs_name, AUDIT_NO);
			assert_int_equal(f->probes.grease, AUDIT_YES);
			assert_int_equal(f->probes.ecdh_reuse, AUDIT_NO);
			assert_int_equal(f->chain_count, 2);
			audit_facts_free(f);
		}
	}
}

/* 91 suites as Postfix offers them: anonymous ones too, the same in the old versions. */
static void test_postfix(void **state)
{
	(void)state;
	for (unsigned w = 1; w <= AIR_MAX; w++) {
		struct fake s = { .has_scsv = true, .random = w };
		add_likely(&s, AUDIT_TLS12, 56);
		add_likely(&s, AUDIT_TLS11, 16);
		add_likely(&s, AUDIT_TLS10, 16);
		add_likely(&s, AUDIT_TLS13, 3);
		add_groups(&s, 10);
		struct audit_facts *f = new_facts("mail.example.org");
		f->target.starttls = AUDIT_SMTP;
		unsigned n = scan_with(&s, f, w, true);
		check_suites("postfix", &s, f);
		check_groups("postfix", &s, f);
		check_order("postfix", &s, f);
		assert_true(n <= 135);
		audit_facts_free(f);
	}
}

/* What OpenSSL 3 has for a server with an RSA certificate, in its own order: ALL, level 0. */
static const uint32_t openssl_order[] = { 0xc030, 0x009f, 0xcca8, 0xccaa, 0xc0a3, 0xc09f, 0xc061,
	0xc053, 0x00a7, 0xc02f, 0x009e, 0xc0a2, 0xc09e, 0xc060, 0xc052, 0x00a6, 0xc028, 0x006b,
	0xc077, 0x00c4, 0x006d, 0x00c5, 0xc027, 0x0067, 0xc076, 0x00be, 0x006c, 0x00bf, 0xc014,
	0x0039, 0x0088, 0xc019, 0x003a, 0x0089, 0xc013, 0x0033, 0x0045, 0xc018, 0x0034, 0x0046,
	0x009d, 0xc0a1, 0xc09d, 0xc051, 0x009c, 0xc0a0, 0xc09c, 0xc050, 0x003d, 0x00c0, 0x003c,
	0x00ba, 0x0035, 0x0084, 0x002f, 0x0041 };

enum order { ORDER_OPENSSL, ORDER_STRENGTH, ORDER_STRAY, ORDER_REVERSED, ORDER_RANDOM };

static int compare_strength(const void *a, const void *b)
{
	const struct audit_suite *x = audit_suite_by_id(*(const uint32_t *)a);
	const struct audit_suite *y = audit_suite_by_id(*(const uint32_t *)b);
	return x->bits != y->bits ? y->bits - x->bits : (int)x->kx - (int)y->kx;
}

static void put_in_order(struct fake *s, enum audit_version v, enum order o)
{
	uint32_t *list = s->suites[v];
	size_t n = s->count[v];
	if (o == ORDER_STRENGTH)
		qsort(list, n, sizeof(*list), compare_strength);
	if (o == ORDER_RANDOM)
		fake_shuffle(s, list, n);
	for (size_t i = 0; i < n / 2 && o == ORDER_REVERSED; i++) {
		uint32_t was = list[i];
		list[i] = list[n - 1 - i];
		list[n - 1 - i] = was;
	}
	/* One that somebody wanted first. */
	if (o == ORDER_STRAY) {
		uint32_t was = list[n * 3 / 4];
		memmove(&list[1], &list[0], n * 3 / 4 * sizeof(list[0]));
		list[0] = was;
	}
}

static void add_openssl(struct fake *s, enum order o)
{
	for (size_t i = 0; i < TEST_LEN(openssl_order); i++) {
		fake_add(s, AUDIT_TLS12, openssl_order[i]);
		for (unsigned v = AUDIT_TLS10; v <= AUDIT_TLS11; v++)
			if (audit_suite_by_id(openssl_order[i])->first <= v)
				fake_add(s, (enum audit_version)v, openssl_order[i]);
	}
	fake_add(s, AUDIT_TLS13, 0x1302);
	fake_add(s, AUDIT_TLS13, 0x1303);
	fake_add(s, AUDIT_TLS13, 0x1301);
	for (unsigned v = AUDIT_TLS10; v <= AUDIT_TLS12; v++)
		put_in_order(s, (enum audit_version)v, o);
}

/* The whole order of every version, whatever it is, for hardly a connection more than the lists cost. */
static void test_order(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum order order;
		bool prioritizes_chacha, wants_order;
		unsigned most;
	} cases[] = {
		{ "openssl", ORDER_OPENSSL, false, false, 135 },
		{ "openssl, chacha", ORDER_OPENSSL, true, false, 135 },
		{ "one astray", ORDER_STRAY, false, false, 135 },
		{ "one astray, chacha", ORDER_STRAY, true, false, 135 },
		{ "strength", ORDER_STRENGTH, false, true, 190 },
		{ "reversed", ORDER_REVERSED, false, false, 135 },
		{ "random", ORDER_RANDOM, false, false, 135 },
		{ "random, chacha", ORDER_RANDOM, true, false, 135 },
		{ "random, all wanted", ORDER_RANDOM, true, true, 150 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (unsigned w = 1; w <= AIR_MAX; w++) {
			struct fake s = { .has_order = true, .has_scsv = true, .random = w };
			struct audit_scan_options o = { .has_probes = true,
				.wants_order = cases[i].wants_order };
			struct audit_facts *f = new_facts("mail.example.org");
			s.prioritizes_chacha = cases[i].prioritizes_chacha;
			add_openssl(&s, cases[i].order);
			add_groups(&s, 10);
			f->target.starttls = AUDIT_SMTP;
			unsigned n = scan_as(&s, f, w, &o);
			check_suites(cases[i].name, &s, f);
			check_order(cases[i].name, &s, f);
			for (unsigned v = AUDIT_TLS10; v <= AUDIT_TLS13; v++)
				TEST_CASE(cases[i].name, f->protocols[v].is_order_known);
			if (n > cases[i].most)
				print_message("%s, w %u: %u\n", cases[i].name, w, n);
			TEST_CASE(cases[i].name, n <= cases[i].most);
			audit_facts_free(f);
		}
	}
}

static void fill_random(struct fake *s, uint64_t seed)
{
	*s = (struct fake){ .random = seed * 977 + 13, .intolerance = FAKE_SILENCE };
	unsigned percent = 5 + fake_random(s) % 60, rare = fake_random(s) % 4 == 0 ? 20 : 1;
	for (size_t v = AUDIT_SSL3; v < AUDIT_VERSION_COUNT; v++)
		if (fake_random(s) % 2)
			fake_fill(s, (enum audit_version)v, percent, rare);
	if (fake_random(s) % 4 == 0)
		add_likely(s, AUDIT_SSL2, 1 + fake_random(s) % 7);
	if (fake_total(s) == s->count[AUDIT_SSL2])
		fake_fill(s, AUDIT_TLS12, percent, rare);
	for (size_t i = 0; i < 41; i++)
		if (i == 1 || fake_random(s) % 4 == 0)
			s->groups[s->group_count++] = audit_group_at(i)->id;
	s->has_order = fake_random(s) % 2;
	s->has_group_order = fake_random(s) % 2;
	s->has_scsv = fake_random(s) % 2;
	s->needs_name = fake_random(s) % 8 == 0;
	s->hates_grease = fake_random(s) % 8 == 0;
	s->reuses_keys = fake_random(s) % 4 == 0;
	s->has_heartbeat = fake_random(s) % 4 == 0;
	s->hangs_at_256 = fake_random(s) % 4 == 0;
}

/* k + chunks of each version, splits, groups, and what is asked once. */
static unsigned bound(const struct fake *s)
{
	unsigned n = (unsigned)s->group_count + 36;
	for (size_t v = AUDIT_SSL3; v < AUDIT_VERSION_COUNT; v++)
		n += (unsigned)s->count[v] + (unsigned)s->count[v] / 3 + 5;
	return n;
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SERVERS; seed++) {
		struct fake s;
		char name[32];
		fill_random(&s, seed);
		snprintf(name, sizeof(name), "server %u", (unsigned)seed);
		struct audit_facts *f = new_facts("www.example.org");
		unsigned n = scan_with(&s, f, 1 + (unsigned)seed % AIR_MAX, seed % 2 == 0);
		check_suites(name, &s, f);
		check_groups(name, &s, f);
		check_order(name, &s, f);
		if (n > bound(&s))
			print_message("%s: %u of %u\n", name, n, bound(&s));
		TEST_CASE(name, n <= bound(&s));
		if (f->probes.grease == AUDIT_NO)
			TEST_CASE(name, s.hates_grease);
		if (f->probes.grease == AUDIT_YES)
			TEST_CASE(name, !s.hates_grease);
		audit_facts_free(f);
	}
}

/* Any servers with any order: when it is wanted it is known, and it is the right one. */
static void test_random_order(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SERVERS / 4; seed++) {
		struct fake s;
		char name[32];
		struct audit_scan_options o = { .wants_order = true };
		fill_random(&s, seed + 5000);
		s.prioritizes_chacha = s.has_order && seed % 3 == 0;
		snprintf(name, sizeof(name), "order %u", (unsigned)seed);
		struct audit_facts *f = new_facts("www.example.org");
		unsigned n = scan_as(&s, f, 1 + (unsigned)seed % AIR_MAX, &o);
		check_suites(name, &s, f);
		check_order(name, &s, f);
		if (n > bound(&s) + fake_total(&s) + 24)
			print_message("%s: %u of %zu\n", name, n, bound(&s) + fake_total(&s));
		TEST_CASE(name, n <= bound(&s) + fake_total(&s) + 24);
		for (unsigned v = AUDIT_SSL3; v < AUDIT_VERSION_COUNT; v++)
			TEST_CASE(name,
				!s.has_order || s.count[v] < 2 || s.count[v] > 128 ||
					f->protocols[v].is_order_known);
		audit_facts_free(f);
	}
}

/* Servers that end or lose connections where others say no. */
static void test_odd(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct fake how;
		bool is_complete; /* proved; otherwise marked */
		unsigned most;    /* connections */
	} cases[] = {
		{ "closes", { .refusal = FAKE_CLOSE, .version_refusal = FAKE_CLOSE }, true, 80 },
		{ "resets", { .refusal = FAKE_RESET, .version_refusal = FAKE_RESET }, true, 80 },
		{ "closes on versions", { .version_refusal = FAKE_CLOSE }, true, 70 },
		{ "silent", { .refusal = FAKE_SILENCE }, false, 70 },
		{ "silent on versions", { .version_refusal = FAKE_SILENCE }, false, 70 },
		{ "hangs at 256", { .hangs_at_256 = true, .intolerance = FAKE_SILENCE }, true, 45 },
		{ "no grease", { .hates_grease = true, .intolerance = FAKE_CLOSE }, true, 50 },
		{ "short hellos", { .len_max = 500, .intolerance = FAKE_CLOSE }, true, 110 },
		{ "short, silent", { .len_max = 500, .intolerance = FAKE_SILENCE }, false, 110 },
		{ "no extensions", { .is_bare_only = true, .intolerance = FAKE_RESET }, true, 80 },
		{ "needs a name", { .needs_name = true }, true, 45 },
		{ "own choice", { .picks_foreign = true }, true, 45 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (unsigned w = 1; w <= AIR_MAX; w += 3) {
			struct fake s = cases[i].how;
			s.random = i * 100 + w;
			add_likely(&s, AUDIT_TLS12, 8);
			add_likely(&s, AUDIT_TLS10, 5);
			add_groups(&s, 2);
			struct audit_facts *f = new_facts("www.example.org");
			unsigned n = scan_with(&s, f, w, false);
			TEST_CASE(cases[i].name, n <= cases[i].most);
			if (cases[i].is_complete)
				check_suites(cases[i].name, &s, f);
			else
				TEST_CASE(cases[i].name,
					f->end == AUDIT_END_INCOMPLETE &&
						f->incomplete[0] != '\0' &&
						f->protocols[AUDIT_TLS12].suite_count == 8);
			audit_facts_free(f);
		}
	}
}

/* Servers that end each connection once there were too many: that is no refusal, whenever it begins. */
static void test_limited(void **state)
{
	(void)state;
	for (unsigned limit = 1; limit <= 40; limit++) {
		for (unsigned w = 1; w <= AIR_MAX; w += 3) {
			struct fake s = { .limit = limit,
				.limited = limit % 2 == 0 ? FAKE_CLOSE : FAKE_RESET,
				.random = limit * 10 + w };
			char name[48];
			snprintf(name, sizeof(name), "%u hellos, %u at a time", limit, w);
			add_likely(&s, AUDIT_TLS12, 12);
			add_likely(&s, AUDIT_TLS10, 5);
			add_groups(&s, 2);
			struct audit_facts *f = new_facts("www.example.org");
			unsigned n = scan_with(&s, f, w, false);
			TEST_CASE(name, n <= limit + 120);
			if (f->end == AUDIT_END_COMPLETE)
				check_suites(name, &s, f);
			else
				TEST_CASE(name,
					f->end == AUDIT_END_INCOMPLETE && f->incomplete[0] != '\0');
			for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
				TEST_CASE(name, f->protocols[v].offered != AUDIT_NO || !s.has[v]);
			audit_facts_free(f);
		}
	}
}

/*
 * The same of servers that refuse in this way too, and for a while or for ever. A limit that ends while
 * nothing known is asked may go by, but no list that it shortened is called whole.
 */
static void test_limited_refusal(void **state)
{
	(void)state;
	unsigned complete = 0, all = 0;
	for (unsigned limit = 1; limit <= 70; limit++) {
		for (unsigned i = 0; i < 12; i++) {
			static const unsigned lengths[] = { 0, 3, 8, 15 };
			enum fake_refusal how = i % 2 == 0 ? FAKE_CLOSE : FAKE_RESET;
			unsigned w = i % 3 * 3 + 1, length = lengths[i / 3];
			struct fake s = { .refusal = how,
				.version_refusal = how,
				.limit = limit,
				.limit_end = length != 0 ? limit + length : 0,
				.limited = how,
				.random = limit * 10 + w };
			char name[64];
			snprintf(name, sizeof(name), "%u hellos, then %u not, %u at a time", limit,
				length, w);
			add_likely(&s, AUDIT_TLS12, 12);
			add_likely(&s, AUDIT_TLS10, 5);
			add_groups(&s, 2);
			struct audit_facts *f = new_facts("www.example.org");
			unsigned n = scan_with(&s, f, w, false);
			TEST_CASE(name, n <= limit + 200);
			all++;
			if (f->end == AUDIT_END_COMPLETE) {
				check_suites(name, &s, f);
				complete++;
			} else {
				TEST_CASE(name,
					f->end == AUDIT_END_INCOMPLETE && f->incomplete[0] != '\0');
			}
			for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
				TEST_CASE(name, f->protocols[v].offered != AUDIT_NO || !s.has[v]);
			audit_facts_free(f);
		}
	}
	print_message("complete: %u of %u\n", complete, all);
}

/*
 * A limit that ends just as a hello without extensions is tried, which the server answers with fewer suites:
 * that the usual hello is answered again has to be seen.
 */
static void test_limited_forms(void **state)
{
	(void)state;
	unsigned complete = 0, all = 0;
	for (unsigned limit = 1; limit <= 40; limit++) {
		for (unsigned i = 0; i < 40; i++) {
			enum fake_refusal how = i % 2 == 0 ? FAKE_CLOSE : FAKE_RESET;
			unsigned length = i / 2 + 2, w = limit % 3 + 1;
			struct fake s = { .refusal = i % 4 < 2 ? FAKE_ALERT : how,
				.version_refusal = i % 4 < 2 ? FAKE_ALERT : how,
				.limit = limit,
				.limit_end = limit + length,
				.limited = how,
				.signs_only_asked = true,
				.random = limit * 10 + w };
			char name[64];
			snprintf(name, sizeof(name),
				"forms: %u hellos, then %u not, %u at a time, %u", limit, length, w,
				i);
			add_likely(&s, AUDIT_TLS12, 25);
			add_likely(&s, AUDIT_TLS10, 12);
			add_groups(&s, 2);
			struct audit_facts *f = new_facts("www.example.org");
			unsigned n = scan_with(&s, f, w, false);
			TEST_CASE(name, n <= limit + 200);
			all++;
			if (f->end == AUDIT_END_COMPLETE) {
				check_suites(name, &s, f);
				complete++;
			}
			for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
				TEST_CASE(name, f->protocols[v].offered != AUDIT_NO || !s.has[v]);
			audit_facts_free(f);
		}
	}
	print_message("complete: %u of %u\n", complete, all);
}

/* Every so many connections one is lost, in the way of a refusal or in another: all is found, nothing else. */
static void test_lost_here_and_there(void **state)
{
	(void)state;
	for (unsigned each = 6; each <= 20; each++) {
		for (unsigned i = 0; i < 16; i++) {
			static const enum fake_refusal ways[] = { FAKE_ALERT, FAKE_CLOSE,
				FAKE_RESET };
			unsigned w = i % 4 + 1;
			struct fake s = { .refusal = ways[i % 3],
				.version_refusal = ways[i % 3],
				.lose_each = each,
				.lost = i / 8 == 0 ? FAKE_RESET : FAKE_CLOSE,
				.random = each * 100 + i };
			char name[64];
			snprintf(name, sizeof(name), "each %u, refusal %d, lost %d, %u at a time",
				each, (int)s.refusal, (int)s.lost, w);
			add_likely(&s, AUDIT_TLS13, 3);
			add_likely(&s, AUDIT_TLS12, 25);
			add_likely(&s, AUDIT_TLS10, 9);
			add_groups(&s, 2);
			struct audit_facts *f = new_facts("www.example.org");
			unsigned n = scan_with(&s, f, w, false);
			check_suites(name, &s, f);
			TEST_CASE(name, n < 330);
			audit_facts_free(f);
		}
	}
}

/* Boxes that drop what is newer than they are: what they have is found. */
static void test_intolerant(void **state)
{
	(void)state;
	static const enum fake_refusal ways[] = { FAKE_CLOSE, FAKE_RESET, FAKE_SILENCE };
	for (size_t i = 0; i < TEST_LEN(ways); i++) {
		for (unsigned v = AUDIT_TLS10; v <= AUDIT_TLS12; v++) {
			struct fake s = { .tolerates = (enum audit_version)v,
				.intolerance = ways[i],
				.random = v };
			add_likely(&s, (enum audit_version)v, 7);
			add_groups(&s, 2);
			struct audit_facts *f = new_facts("");
			unsigned n = scan_with(&s, f, 3, false);
			assert_int_equal(f->protocols[v].suite_count, 7);
			assert_false(f->protocols[v].is_incomplete);
			for (unsigned o = v + 1; o < AUDIT_VERSION_COUNT; o++) {
				assert_int_equal(f->protocols[o].suite_count, 0);
				/* What is never answered is never called refused. */
				assert_int_equal(f->protocols[o].offered == AUDIT_NO,
					ways[i] != FAKE_SILENCE);
			}
			assert_true(n < 90);
			audit_facts_free(f);
		}
	}
}

/* One connection in twenty is lost: nothing is missed, nothing false, or it is said. */
static void test_lossy(void **state)
{
	(void)state;
	unsigned complete = 0;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct fake s;
		char name[32];
		fill_random(&s, seed + 1000);
		s.drop_percent = 5;
		s.hates_grease = false;
		snprintf(name, sizeof(name), "lossy %u", (unsigned)seed);
		struct audit_facts *f = new_facts("www.example.org");
		unsigned n = scan_with(&s, f, 1 + (unsigned)seed % AIR_MAX, seed % 2 == 0);
		TEST_CASE(name, n <= bound(&s) * 5 / 4 + 10);
		for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++) {
			const struct audit_protocol *p = &f->protocols[v];
			for (size_t i = 0; i < p->suite_count; i++)
				TEST_CASE(name,
					fake_find(s.suites[v], s.count[v], p->suites[i].suite) !=
						SIZE_MAX);
			/* Nothing was heard at all: then nothing is said of lists. */
			TEST_CASE(name,
				p->is_incomplete || p->suite_count == s.count[v] ||
					f->end == AUDIT_END_MUTE);
		}
		complete += f->end == AUDIT_END_COMPLETE;
		audit_facts_free(f);
	}
	assert_true(complete >= 195);
}

static struct audit_scan *new_scan(struct audit_facts *f, struct audit_ask *ask)
{
	struct audit_scan_options o = { .has_probes = true };
	struct audit_scan *scan = audit_scan_new(f, &o);
	assert_non_null(scan);
	assert_int_equal(audit_scan_next(scan, ask), AUDIT_NEXT_ASK);
	assert_true(ask->is_canary);
	return scan;
}

/* Gateways that never come to TLS: one connection, and its own words. */
static void test_unheard(void **state)
{
	(void)state;
	static const struct audit_words words = { .code = 421, .text = "421 4.7.0 too many" };
	static const struct {
		const char *name;
		struct audit_probe_result r;
		enum audit_end end;
		bool is_for_now;
	} cases[] = {
		{ "no starttls",
			{ .end = AUDIT_PROBE_DIALOGUE,
				.stage = AUDIT_STAGE_DIALOGUE,
				.dialogue_end = AUDIT_END_NO_STARTTLS },
			AUDIT_END_NO_STARTTLS, false },
		{ "refused",
			{ .end = AUDIT_PROBE_DIALOGUE,
				.stage = AUDIT_STAGE_DIALOGUE,
				.dialogue_end = AUDIT_END_REFUSED },
			AUDIT_END_REFUSED, false },
		{ "rate",
			{ .end = AUDIT_PROBE_DIALOGUE,
				.stage = AUDIT_STAGE_DIALOGUE,
				.dialogue_end = AUDIT_END_RATE,
				.is_temporary = true,
				.words = &words },
			AUDIT_END_RATE, true },
		{ "nobody", { .end = AUDIT_PROBE_CONNECT, .error = UV_ECONNREFUSED },
			AUDIT_END_NO_CONNECT, false },
		{ "no answer", { .end = AUDIT_PROBE_TIMEOUT }, AUDIT_END_NO_CONNECT, false },
		{ "mute", { .end = AUDIT_PROBE_TIMEOUT, .stage = AUDIT_STAGE_DIALOGUE },
			AUDIT_END_MUTE, false },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		static struct audit_ask ask;
		struct audit_facts *f = new_facts("mx.example.org");
		struct audit_scan *scan = new_scan(f, &ask);
		assert_int_equal(
			audit_scan_result(scan, ask.id, &cases[i].r, 0), AUDIT_OUTCOME_EARLY);
		TEST_CASE(
			cases[i].name, audit_scan_is_refused_for_now(scan) == cases[i].is_for_now);
		if (cases[i].is_for_now) {
			audit_scan_try_again(scan);
			TEST_CASE(cases[i].name, audit_scan_next(scan, &ask) == AUDIT_NEXT_ASK);
			audit_scan_result(scan, ask.id, &cases[i].r, 0);
		}
		TEST_CASE(cases[i].name, audit_scan_next(scan, &ask) == AUDIT_NEXT_DONE);
		TEST_CASE(cases[i].name, f->end == cases[i].end);
		if (cases[i].r.words != NULL)
			assert_string_equal(f->words.text, words.text);
		audit_scan_free(scan);
		audit_facts_free(f);
	}
}

static void test_not_tls(void **state)
{
	(void)state;
	static struct audit_ask ask;
	struct audit_facts *f = new_facts("");
	struct audit_scan *scan = new_scan(f, &ask);
	struct audit_flight flight = { .end = AUDIT_FLIGHT_NOT_TLS, .first_len = 5 };
	memcpy(flight.first, "HTTP/", 5);
	struct audit_probe_result r = {
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO, .flight = &flight
	};
	audit_scan_result(scan, ask.id, &r, 0);
	assert_int_equal(audit_scan_next(scan, &ask), AUDIT_NEXT_DONE);
	assert_int_equal(f->end, AUDIT_END_NOT_TLS);
	assert_string_equal(f->words.text, "HTTP/");
	assert_int_equal(f->connections, 1);
	audit_scan_free(scan);
	audit_facts_free(f);
}

/* Stopped or cut short at any point: what is known stands, and the list is never called complete. */
static void test_stopped(void **state)
{
	(void)state;
	for (unsigned at = 1; at < 60; at++) {
		for (unsigned is_short = 0; is_short < 2; is_short++) {
			static struct audit_ask ask;
			struct fake s = { .random = at };
			fake_fill(&s, AUDIT_TLS12, 30, 5);
			add_groups(&s, 3);
			struct audit_facts *f = new_facts("");
			struct audit_scan *scan = new_scan(f, &ask);
			enum audit_next next = AUDIT_NEXT_ASK;
			for (unsigned n = 1; next == AUDIT_NEXT_ASK; n++) {
				struct audit_probe_result r;
				fake_answer(&s, &ask, &r);
				if (n == at && is_short)
					audit_scan_shorten(scan);
				else if (n == at)
					audit_scan_stop(scan, "time ran out");
				if (ask.kind == AUDIT_ASK_HELLO)
					audit_scan_result(scan, ask.id, &r, 0);
				else
					audit_scan_verdict(scan, ask.id, AUDIT_NO, &r);
				assert_true(audit_scan_rounds_left(scan, 3) < 1000);
				next = audit_scan_next(scan, &ask);
			}
			assert_int_equal(next, AUDIT_NEXT_DONE);
			assert_int_equal(audit_scan_rounds_left(scan, 3), 0);
			bool is_whole =
				f->protocols[AUDIT_TLS12].suite_count == s.count[AUDIT_TLS12];
			assert_true(is_whole || f->protocols[AUDIT_TLS12].is_incomplete);
			assert_true(is_whole || f->end == AUDIT_END_INCOMPLETE);
			assert_true(f->end == AUDIT_END_COMPLETE || f->incomplete[0] != '\0');
			audit_scan_free(scan);
			audit_facts_free(f);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lean),
		cmocka_unit_test(test_postfix),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_order),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_limited),
		cmocka_unit_test(test_limited_refusal),
		cmocka_unit_test(test_limited_forms),
		cmocka_unit_test(test_lost_here_and_there),
		cmocka_unit_test(test_intolerant),
		cmocka_unit_test(test_lossy),
		cmocka_unit_test(test_unheard),
		cmocka_unit_test(test_not_tls),
		cmocka_unit_test(test_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
