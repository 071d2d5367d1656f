/*
 * What an ID trusts: which anchors come of which files, in whatever order; what is refused, in which
 * words; and what lists say.
 */

#include "base/text.h"
#include "pki.h"
#include "test.h"

static int key_of(const uint8_t pk[32])
{
	enum { COUNT = 80 };
	static uint8_t known[COUNT][32];
	for (int k = 1; k < COUNT; k++) {
		if (known[k][0] == 0)
			pki_pk(k, known[k]);
		if (memcmp(known[k], pk, 32) == 0)
			return k;
	}
	return 0;
}

/* "own VSD 1 4": role, name, key, path length left; and when it ends; sorted. */
static void describe(const struct trust *t, char *to, size_t cap)
{
	static const char *const roles[] = { "own", "rollover", "cross" };
	char lines[32][600], name[NAME_TEXT_MAX];
	size_t count = trust_count(t), len = 0;
	assert_in_range(count, 0, 32);
	for (size_t i = 0; i < count; i++) {
		const struct trust_anchor *a = trust_at(t, i);
		snprintf(lines[i], sizeof(lines[i]), "%s %s %d %u%s", roles[a->role],
			name_format(&a->cert.subject, name), key_of(a->cert.pk), a->pathlen_left,
			a->not_after_ms == PKI_END_MS            ? ""
				: a->not_after_ms == PKI_SOON_MS ? " soon"
								 : " late");
	}
	qsort(lines, count, sizeof(lines[0]), (int (*)(const void *, const void *))strcmp);
	to[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(to + len, cap - len, "%s%s", i > 0 ? "; " : "", lines[i]);
}

static const struct {
	const char *name, *own, *items, *expected;
} good[] = {
	{ "nobody", NULL, NULL, "" },
	{ "nobody, whatever lies there", NULL, "acme vsd acme-by-vsd", "" },
	{ "organisation alone", "vsd", NULL, "own VSD 1 4" },
	{ "certifier", "nn vsd", NULL, "own NN/VSD 4 3; own VSD 1 4" },
	{ "server", "gate nn vsd", NULL, "own NN/VSD 4 3; own VSD 1 4" },
	{ "four units", "deep u4 u3 ub qn vsd", NULL,
		"own QN/VSD 3 3; own U3/UB/QN/VSD 7 1; own U4/U3/UB/QN/VSD 8 0; own UB/QN/VSD 6 2; "
		"own VSD 1 4" },
	{ "own file out of order", "gate vsd nn", NULL, "own NN/VSD 4 3; own VSD 1 4" },
	{ "the same twice", "gate nn vsd vsd", "vsd nn gate", "own NN/VSD 4 3; own VSD 1 4" },
	{ "others of ours are no anchors", "gate nn vsd", "john qn ub anna",
		"own NN/VSD 4 3; own VSD 1 4" },
	{ "ends with what is above", "gate nn vsd-soon", NULL,
		"own NN/VSD 4 3 soon; own VSD 1 4 soon" },
	{ "our unit renewed", "gate nn-soon vsd", "nn", "own NN/VSD 4 3; own VSD 1 4" },
	{ "organisation renewed", "gate nn vsd-soon", "vsd", "own NN/VSD 4 3; own VSD 1 4" },
	{ "organisation renewed beyond", "gate nn vsd", "vsd-late",
		"own NN/VSD 4 3; own VSD 1 4 late" },
	{ "our unit's next key", "john qn vsd", "qn2",
		"own QN/VSD 3 3; own QN/VSD 50 3; own VSD 1 4" },
	{ "our unit vouches", "john qn vsd", "qn2-by-1",
		"own QN/VSD 3 3; own VSD 1 4; rollover QN/VSD 50 3" },
	{ "old to new", "gate nn vsd", "vsd2-by-1",
		"own NN/VSD 4 3; own VSD 1 4; rollover VSD 2 4" },
	{ "old to new, with the new one itself", "gate nn vsd", "vsd2 vsd2-by-1",
		"own NN/VSD 4 3; own VSD 1 4; rollover VSD 2 4" },
	{ "new to old", "gate2 vsd2", "vsd1-by-2", "own VSD 2 4; rollover VSD 1 4" },
	{ "both ways", "gate2 vsd2", "vsd2-by-1 vsd1-by-2", "own VSD 2 4; rollover VSD 1 4" },
	{ "the way up leads over a rollover", "gate nn vsd1-by-2 vsd2", NULL,
		"own NN/VSD 4 3; own VSD 2 4; rollover VSD 1 4" },
	{ "twice", "gate nn vsd", "vsd3-by-2 vsd2-by-1",
		"own NN/VSD 4 3; own VSD 1 4; rollover VSD 2 4; rollover VSD 70 4" },
	{ "a rollover in the own file", "gate nn vsd vsd2-by-1", NULL,
		"own NN/VSD 4 3; own VSD 1 4; rollover VSD 2 4" },
	{ "another organisation", "gate nn vsd", "acme-by-vsd",
		"cross ACME 30 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "its own certificate beside that", "gate nn vsd", "acme acme-by-vsd",
		"cross ACME 30 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "from two of ours: the one with more room", "gate nn vsd", "acme-by-nn acme-by-vsd",
		"cross ACME 30 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "from two of ours: the one that lasts", "gate nn vsd", "acme-by-nn acme-by-vsd-soon",
		"cross ACME 30 2; own NN/VSD 4 3; own VSD 1 4" },
	{ "a foreign unit", "gate nn vsd", "r-by-vsd",
		"cross R/ACME 31 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "a single name", "gate nn vsd", "bob-by-vsd",
		"cross Bob/R/ACME 32 0; own NN/VSD 4 3; own VSD 1 4" },
	{ "by our own ID", "boss vsd", "acme-by-boss bob-by-boss",
		"cross ACME 30 4; cross Bob/R/ACME 32 0; own VSD 1 4" },
	{ "by our own ID, in its file", "boss vsd acme-by-boss", NULL,
		"cross ACME 30 4; own VSD 1 4" },
	{ "foreign rollover", "gate nn vsd", "acme2-by-1 acme-by-vsd",
		"cross ACME 30 3; cross ACME 36 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "foreign rollover, round and round", "gate nn vsd",
		"acme-by-acme2 acme2-by-1 acme-by-vsd",
		"cross ACME 30 3; cross ACME 36 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "foreign certifiers below it are no anchors", "gate nn vsd", "a2 r acme-by-vsd bob",
		"cross ACME 30 3; own NN/VSD 4 3; own VSD 1 4" },
	{ "under a rollover", "gate2 vsd2", "acme-by-vsd vsd1-by-2",
		"cross ACME 30 3; own VSD 2 4; rollover VSD 1 4" },
};

static void check(const char *name, const struct pki_material *p, const char *expected)
{
	char got[4096];
	struct trust_faults faults;
	struct trust *t = trust_new(&p->m, &faults);
	if (t == NULL)
		fail_msg("case \"%s\": %s", name, faults.items[0].text);
	assert_int_equal(faults.count, 0);
	describe(t, got, sizeof(got));
	if (strcmp(got, expected) != 0)
		fail_msg("case \"%s\": %s", name, got);
	trust_free(t);
}

static void test_good(void **state)
{
	(void)state;
	static struct pki_material p;
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		pki_material(&p, good[i].own, good[i].items, NULL, TRUST_CRL_OFF);
		check(good[i].name, &p, good[i].expected);
	}
}

/* Heap's algorithm over the items: each order gives the same. */
static void permute(const char *name, struct pki_material *p, size_t k, const char *expected)
{
	if (k <= 1) {
		check(name, p, expected);
		return;
	}
	for (size_t i = 0; i < k; i++) {
		permute(name, p, k - 1, expected);
		size_t with = k % 2 == 0 ? i : 0;
		struct trust_item kept = p->items[with];
		p->items[with] = p->items[k - 1];
		p->items[k - 1] = kept;
	}
}

static void test_any_order(void **state)
{
	(void)state;
	static struct pki_material p;
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		pki_material(&p, good[i].own, good[i].items, NULL, TRUST_CRL_OFF);
		permute(good[i].name, &p, p.m.count, good[i].expected);
	}
	pki_material(&p, "gate nn vsd-soon",
		"vsd3-by-2 acme2-by-1 vsd2-by-1 acme-by-nn vsd bob-by-vsd", NULL, TRUST_CRL_OFF);
	permute("all", &p, p.m.count,
		"cross ACME 30 2; cross ACME 36 2; cross Bob/R/ACME 32 0; own NN/VSD 4 3; "
		"own VSD 1 4; rollover VSD 2 4; rollover VSD 70 4");
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *own, *items, *crls, *expected;
		size_t count;
	} cases[] = {
		{ "own certificate alone", "gate", NULL, NULL,
			"gate: the certificate of \"NN/VSD\", which certified \"Gate1/NN/VSD\", is "
			"missing from the ID file; merge the whole chain",
			1 },
		{ "no organisation", "gate nn", NULL, NULL,
			"nn: the certificate of \"VSD\", which certified \"NN/VSD\", is missing",
			1 },
		{ "it does not help to have it elsewhere", "gate nn", "vsd", NULL, "is missing",
			1 },
		{ "under another key", "gate nn vsd2", NULL, NULL, "the certificate of \"VSD\"",
			1 },
		{ "not up to an organisation", "john unit-self", NULL, NULL,
			"does not lead to an organisation", 1 },
		{ "a foreign ladder", "gate nn vsd-by-acme acme", NULL, NULL,
			"does not lead to an organisation", 1 },
		{ "another organisation", "gate nn vsd", "acme", NULL,
			"acme: \"ACME\" is another organisation; cross-certify it with \"postern "
			"certifier cross\"",
			1 },
		{ "another in our own file", "gate nn vsd acme", NULL, NULL,
			"\"ACME\" is another organisation", 1 },
		{ "only its unit is trusted", "gate nn vsd", "acme r-by-vsd", NULL,
			"\"ACME\" is another organisation", 1 },
		{ "our name, another key", "gate nn vsd", "vsd3", NULL,
			"vsd3: \"VSD\" is our own organisation under another key; add what", 1 },
		{ "that vouches from the other side", "gate nn vsd", "vsd1-by-2", NULL,
			"vsd1-by-2: \"VSD\" is certified by another key of \"VSD\"", 1 },
		{ "somebody's", "gate nn vsd", "r", NULL,
			"r: \"R/ACME\" is certified by \"ACME\", whom nothing here makes trusted",
			1 },
		{ "our unit's unknown key", "gate nn vsd", "qn john2", NULL,
			"john2: \"John/QN/VSD\" is certified by another key of \"QN/VSD\"", 1 },
		{ "a skipped level", "gate nn vsd", "skip-ou", NULL,
			"\"UB/QN/VSD\" is not one level below \"VSD\"", 1 },
		{ "cross by a unit that is not ours", "gate nn vsd", "acme-by-qn", NULL,
			"whom nothing here makes trusted", 1 },
		{ "and is known", "gate nn vsd", "acme-by-qn qn", NULL,
			"acme-by-qn: the cross-certificate for \"ACME\" is by \"QN/VSD\", which is not "
			"above our own name",
			1 },
		{ "cross by a person that is not us", "gate nn vsd", "acme-by-boss", NULL,
			"whom nothing here makes trusted", 1 },
		{ "not transitive", "gate nn vsd", "third-by-acme acme-by-vsd", NULL,
			"third-by-acme: the cross-certificate for \"THIRD\" is by \"ACME\", which is "
			"only cross-certified itself",
			1 },
		{ "what it makes of us", "gate nn vsd", "vsd-by-acme acme-by-vsd", NULL,
			"only cross-certified itself", 1 },
		{ "inside our organisation", "gate nn vsd", "qn-by-nn", NULL,
			"qn-by-nn: the cross-certificate for \"QN/VSD\" is by \"NN/VSD\", but that name "
			"is of our own organisation",
			1 },
		{ "by the fourth unit", "deep u4 u3 ub qn vsd", "acme-by-u4", NULL,
			"below which no certifier may stand", 1 },
		{ "several", "gate nn vsd", "acme third vsd2 r pete", NULL,
			"\"ACME\" is another organisation", 5 },
		{ "list of nobody known", "gate nn vsd", NULL, "acme-none",
			"acme-none: is the revocation list of \"ACME\", which is not trusted under that "
			"key",
			1 },
		{ "list of a unit that is not there", "gate nn vsd", NULL, "qn-none",
			"add the certificate of that certifier", 1 },
		{ "forged list", "gate nn vsd", NULL, "vsd-forged",
			"vsd-forged: the revocation list is not signed by \"VSD\"", 1 },
		{ "two of one number", "gate nn vsd", NULL, "vsd-none vsd-qn vsd-same",
			"vsd-same: \"VSD\" gave this revocation list and another one (vsd-none) the "
			"same number",
			1 },
	};
	static struct pki_material p;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct trust_faults faults;
		pki_material(&p, cases[i].own, cases[i].items, cases[i].crls, TRUST_CRL_IF_PRESENT);
		struct trust *t = trust_new(&p.m, &faults);
		TEST_CASE(cases[i].name, t == NULL);
		if (strstr(faults.items[0].text, cases[i].expected) == NULL ||
			faults.count != cases[i].count)
			fail_msg("case \"%s\": %zu: %s", cases[i].name, faults.count,
				faults.items[0].text);
		for (size_t k = 0; k < faults.kept; k++)
			TEST_CASE(cases[i].name, strchr(faults.items[k].text, ';') != NULL);
	}
}

static void test_damaged(void **state)
{
	(void)state;
	static struct pki_material p;
	static uint8_t der[CERT_LEN_MAX], list[4096];
	struct trust_faults faults;
	pki_material(&p, "gate nn vsd", "acme-by-vsd", "vsd-none", TRUST_CRL_OFF);

	memcpy(der, p.items[0].der.data, p.items[0].der.len);
	der[p.items[0].der.len - 1] ^= 1;
	p.items[0].der.data = der;
	assert_null(trust_new(&p.m, &faults));
	assert_non_null(strstr(faults.items[0].text,
		"acme-by-vsd: the certificate of \"ACME\" is not signed by \"VSD\", which it names"));
	p.items[0].der.len--;
	assert_null(trust_new(&p.m, &faults));
	assert_non_null(strstr(faults.items[0].text,
		"acme-by-vsd: is not a certificate of the profile: it ends early"));

	pki_material(&p, "gate nn vsd", NULL, "vsd-none", TRUST_CRL_OFF);
	memcpy(list, p.crls[0].der.data, p.crls[0].der.len);
	p.crls[0].der.data = list;
	p.crls[0].der.len--;
	assert_null(trust_new(&p.m, &faults));
	assert_non_null(strstr(faults.items[0].text,
		"vsd-none: is not a revocation list of the profile: it ends early"));

	/* the organisation's own signature, and that of a unit above us */
	for (size_t i = 1; i <= 2; i++) {
		pki_material(&p, "gate nn vsd", NULL, NULL, TRUST_CRL_OFF);
		memcpy(der, p.own[i].der.data, p.own[i].der.len);
		der[p.own[i].der.len - 1] ^= 1;
		p.own[i].der.data = der;
		assert_null(trust_new(&p.m, &faults));
		assert_int_equal(faults.count, 1);
		assert_non_null(strstr(faults.items[0].text, "take the ID file from a backup"));
	}
	/* the own certificate no longer of the profile */
	pki_material(&p, "gate nn vsd", NULL, NULL, TRUST_CRL_OFF);
	p.own[0].der.len--;
	assert_null(trust_new(&p.m, &faults));
	assert_non_null(strstr(faults.items[0].text, "gate: is not a certificate of the profile"));
}

static void test_too_much(void **state)
{
	(void)state;
	static struct trust_item items[TRUST_ITEMS_MAX + 1];
	static struct pki_material p;
	struct trust_faults faults;
	pki_material(&p, NULL, NULL, NULL, TRUST_CRL_OFF);
	for (size_t i = 0; i < TEST_LEN(items); i++)
		items[i] = (struct trust_item){ pki("acme"), "acme" };
	struct trust_material m = { .count = TRUST_ITEMS_MAX, .items = items };
	struct trust *t = trust_new(&m, &faults);
	assert_non_null(t);
	trust_free(t);
	m.count++;
	assert_null(trust_new(&m, &faults));
	assert_non_null(strstr(faults.items[0].text, "257 certificates are given"));
	m = (struct trust_material){ .crl_count = TRUST_CRLS_MAX + 1, .crls = items };
	assert_null(trust_new(&m, &faults));
	assert_non_null(strstr(faults.items[0].text, "65 revocation lists are given"));

	/* Faults beyond the kept ones are counted. */
	m = p.m;
	pki_material(&p, "gate nn vsd", NULL, NULL, TRUST_CRL_OFF);
	m = p.m;
	m.count = 40;
	m.items = items;
	assert_null(trust_new(&m, &faults));
	assert_int_equal(faults.count, 40);
	assert_int_equal(faults.kept, TRUST_FAULTS_MAX);
	trust_free(NULL);
}

static void test_find(void **state)
{
	(void)state;
	static struct pki_material p;
	struct trust_faults faults;
	struct cert c;
	struct cert_parts parts;
	uint8_t pk[32], id[CERT_KEY_IDENTIFIER_LEN];
	pki_material(&p, "gate nn vsd", "acme-by-vsd", NULL, TRUST_CRL_OFF);
	struct trust *t = trust_new(&p.m, &faults);
	assert_non_null(t);
	assert_null(trust_at(t, trust_count(t)));

	assert_int_equal(cert_decode(pki("acme"), &c, &parts), CERT_OK);
	pki_pk(30, pk);
	cert_key_identifier(pk, id);
	const struct trust_anchor *a = trust_find(t, parts.subject, id);
	assert_non_null(a);
	assert_int_equal(a->role, TRUST_CROSS);
	assert_true(span_equal(a->subject_der, parts.subject));
	assert_memory_equal(a->cross_serial, pki_find("acme-by-vsd")->serial, 8);
	id[19] ^= 1;
	assert_null(trust_find(t, parts.subject, id));
	id[19] ^= 1;
	assert_int_equal(cert_decode(pki("r"), &c, &parts), CERT_OK);
	assert_null(trust_find(t, parts.subject, id));
	trust_free(t);
}

struct asked {
	const char *name, *lists;
	enum trust_crl policy;
	const char *who, *issuer;
	uint64_t at_ms;
	enum trust_revocation expected;
	uint64_t until_ms;
};

static void ask(const struct asked *a)
{
	static struct pki_material p;
	struct trust_faults faults;
	struct cert c;
	struct cert_parts issuer;
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	uint64_t until_ms = 0;
	pki_material(&p, "gate nn vsd", "qn", a->lists, a->policy);
	struct trust *t = trust_new(&p.m, &faults);
	if (t == NULL)
		fail_msg("case \"%s\": %s", a->name, faults.items[0].text);
	assert_int_equal(cert_decode(pki(a->issuer), &c, &issuer), CERT_OK);
	cert_key_identifier(c.pk, id);
	const uint8_t *serial = pki_find(a->who)->serial;
	TEST_CASE(a->name,
		trust_revoked(t, issuer.subject, id, serial, a->at_ms, &until_ms) == a->expected);
	TEST_CASE(a->name,
		trust_revoked(t, span_of(NULL, 0), id, serial, a->at_ms, NULL) == a->expected);
	TEST_CASE(a->name, a->expected != TRUST_NOT_REVOKED || until_ms == a->until_ms);
	trust_free(t);
}

static void test_lists(void **state)
{
	(void)state;
	static const struct asked cases[] = {
		{ "listed", "vsd-qn", TRUST_CRL_IF_PRESENT, "qn", "vsd", PKI_NOW_MS, TRUST_REVOKED,
			0 },
		{ "not listed", "vsd-qn", TRUST_CRL_IF_PRESENT, "nn", "vsd", PKI_NOW_MS,
			TRUST_NOT_REVOKED, UINT64_MAX },
		{ "by another issuer", "vsd-qn", TRUST_CRL_IF_PRESENT, "qn", "nn", PKI_NOW_MS,
			TRUST_NOT_REVOKED, UINT64_MAX },
		{ "policy off", "vsd-qn", TRUST_CRL_OFF, "qn", "vsd", PKI_NOW_MS, TRUST_NOT_REVOKED,
			UINT64_MAX },
		{ "required, none", NULL, TRUST_CRL_REQUIRE, "qn", "vsd", PKI_NOW_MS, TRUST_NO_LIST,
			0 },
		{ "required, empty", "vsd-none", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_NOW_MS,
			TRUST_NOT_REVOKED, PKI_SOON_MS },
		{ "required, of another", "qn-none", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_NOW_MS,
			TRUST_NO_LIST, 0 },
		{ "last moment", "vsd-none", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_SOON_MS - 1,
			TRUST_NOT_REVOKED, PKI_SOON_MS },
		{ "just over", "vsd-none", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_SOON_MS,
			TRUST_NO_LIST, 0 },
		{ "over, but listed", "vsd-qn", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_END_MS,
			TRUST_REVOKED, 0 },
		{ "first moment", "vsd-none", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_BEGIN_MS,
			TRUST_NOT_REVOKED, PKI_SOON_MS },
		{ "not begun", "vsd-none", TRUST_CRL_REQUIRE, "qn", "vsd", PKI_BEGIN_MS - 1,
			TRUST_NO_LIST, 0 },
		{ "newer first", "vsd-qn vsd-none", TRUST_CRL_IF_PRESENT, "qn", "vsd", PKI_NOW_MS,
			TRUST_REVOKED, 0 },
		{ "newer last", "vsd-none vsd-qn", TRUST_CRL_IF_PRESENT, "qn", "vsd", PKI_NOW_MS,
			TRUST_REVOKED, 0 },
		{ "newest of three", "vsd-qn vsd-cross vsd-none", TRUST_CRL_IF_PRESENT, "qn", "vsd",
			PKI_NOW_MS, TRUST_NOT_REVOKED, UINT64_MAX },
		{ "the same twice", "vsd-qn vsd-qn", TRUST_CRL_IF_PRESENT, "boss", "vsd",
			PKI_NOW_MS, TRUST_REVOKED, 0 },
		{ "of a unit below", "qn-john", TRUST_CRL_IF_PRESENT, "john", "qn", PKI_NOW_MS,
			TRUST_REVOKED, 0 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		ask(&cases[i]);
}

/* Many serials: each is found, none between them. */
static void test_long_list(void **state)
{
	(void)state;
	enum { COUNT = 3000 };
	static struct crl_entry entries[COUNT];
	static struct pki_material p;
	struct trust_faults faults;
	struct fault f;
	uint8_t seed[32], id[CERT_KEY_IDENTIFIER_LEN], serial[8] = { 0x40 };
	struct crl_order o = {
		.issuer = pki_name("VSD", false),
		.issuer_seed = seed,
		.number = 7,
		.this_update_ms = PKI_BEGIN_MS,
		.next_update_ms = PKI_END_MS,
		.count = COUNT,
		.entries = entries,
	};
	for (size_t i = 0; i < COUNT; i++) {
		entries[i].serial[0] = 0x40;
		entries[i].serial[6] = (uint8_t)(2 * (i + 1) >> 8);
		entries[i].serial[7] = (uint8_t)(2 * (i + 1));
		entries[i].revoked_ms = PKI_BEGIN_MS;
	}
	pki_seed(1, seed);
	pki_pk(1, o.issuer_pk);
	cert_key_identifier(o.issuer_pk, id);
	pki_material(&p, "gate nn vsd", NULL, NULL, TRUST_CRL_IF_PRESENT);
	uint8_t *der;
	struct trust_item item = { .where = "long" };
	assert_int_equal(crl_issue(&o, &der, &item.der.len, &f), 0);
	item.der.data = der;
	p.m.crl_count = 1;
	p.m.crls = &item;
	struct trust *t = trust_new(&p.m, &faults);
	assert_non_null(t);
	for (size_t i = 1; i <= 2 * COUNT + 1; i++) {
		serial[6] = (uint8_t)(i >> 8);
		serial[7] = (uint8_t)i;
		enum trust_revocation got =
			trust_revoked(t, span_of(NULL, 0), id, serial, PKI_NOW_MS, NULL);
		assert_int_equal(got, i % 2 == 0 ? TRUST_REVOKED : TRUST_NOT_REVOKED);
	}
	trust_free(t);
	free(der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_long_list),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	pki_free();
	return rc;
}
