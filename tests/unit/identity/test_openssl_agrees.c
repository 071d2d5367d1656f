/*
 * The same chains through X509_verify_cert: it agrees on every one, but where X.509 asks for less than
 * postern does. Those and the other surprises of OpenSSL 3.0 have a test each, so that a version that
 * behaves otherwise is noticed.
 */

#include "judge.h"
#include "scenarios.h"
#include "test.h"

static struct trust *trust_of(const char *own, const char *items)
{
	static struct pki_material p;
	struct trust_faults faults;
	pki_material(&p, own, items, NULL, TRUST_CRL_OFF);
	struct trust *t = trust_new(&p.m, &faults);
	if (t == NULL)
		fail_msg("%s", faults.items[0].text);
	return t;
}

static enum chain_reject ours(const char *own, const char *items, const char *chain)
{
	struct chain_identity id;
	struct trust *t = trust_of(own, items);
	struct chain c = pki_chain(chain);
	enum chain_reject got = chain_verify(t, &c, PKI_NOW_MS, &id);
	trust_free(t);
	return got;
}

static size_t spans_of(const char *ids, bool is_list, struct span *to)
{
	size_t count = 0;
	char id[64];
	for (const char *at = ids; ids != NULL && pki_word(&at, id);)
		to[count++] = is_list ? pki_list(id) : pki(id);
	return count;
}

struct question {
	const char *anchors, *untrusted, *more, *lists, *target;
	uint64_t at_ms;
	int purpose;
	unsigned long less_flags;
	bool with_lists;
};

static int theirs(const struct question *q)
{
	struct span anchors[16], untrusted[64], lists[16];
	char target[64];
	const char *at = q->target;
	pki_init();
	assert_true(pki_word(&at, target));
	struct judge j = {
		.anchors = anchors,
		.anchor_count = spans_of(q->anchors, false, anchors),
		.untrusted = untrusted,
		.untrusted_count = spans_of(q->untrusted, false, untrusted),
		.lists = q->with_lists ? lists : NULL,
		.list_count = spans_of(q->lists, true, lists),
		.target = pki(target),
		.at_ms = q->at_ms != 0 ? q->at_ms : PKI_NOW_MS,
		.purpose = q->purpose,
		.less_flags = q->less_flags,
	};
	j.untrusted_count += spans_of(q->more, false, untrusted + j.untrusted_count);
	return judge(&j);
}

static void test_scenarios(void **state)
{
	(void)state;
	size_t asked = 0, accepted = 0, laxer = 0;
	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		const struct scenario *s = &scenarios[i];
		struct question q = {
			.anchors = s->anchors != NULL ? s->anchors : "vsd",
			.untrusted = s->chain,
			.more = s->items,
			.lists = s->crls,
			.target = s->target != NULL ? s->target : s->chain,
			.at_ms = s->at_ms,
			.with_lists = s->policy == TRUST_CRL_REQUIRE,
		};
		if (s->openssl == UNASKED)
			continue;
		int got = theirs(&q);
		bool is_expected =
			s->openssl == LAXER || (s->expected == CHAIN_OK && s->openssl != TIED);
		if (s->openssl == TIED)
			TEST_CASE(s->name, got == X509_V_ERR_PERMITTED_VIOLATION);
		if ((got == X509_V_OK) != is_expected)
			fail_msg("case \"%s\": %d %s; we say %s", s->name, got,
				X509_verify_cert_error_string(got), chain_reject_name(s->expected));
		asked++;
		accepted += got == X509_V_OK ? 1 : 0;
		laxer += s->openssl == LAXER ? 1 : 0;
	}
	assert_in_range(asked, 60, SCENARIO_COUNT);
	assert_in_range(accepted - laxer, 20, asked);
}

/* T1: BOOLEAN TRUE as 01 is BER; OpenSSL reads it as TRUE. */
static void test_t1_boolean(void **state)
{
	(void)state;
	static const uint8_t yes[] = { 0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01 };
	uint8_t der[CERT_LEN_MAX];
	struct cert c;
	struct cert_parts p;
	pki_init();
	struct span qn = pki("qn");
	memcpy(der, qn.data, qn.len);
	uint8_t *at = memmem(der, qn.len, yes, sizeof(yes));
	assert_non_null(at);
	assert_int_equal(cert_decode(span_of(der, qn.len), &c, &p), CERT_OK);
	at[4] = 0x01;
	assert_int_equal(cert_decode(span_of(der, qn.len), &c, &p), CERT_BASIC);
	X509 *x = judge_read(span_of(der, qn.len));
	assert_non_null(x);
	assert_int_equal(X509_check_ca(x), 1);
	X509_free(x);
}

/* T2: X.509 has no parent rule. */
static void test_t2_parent_rule(void **state)
{
	(void)state;
	static const struct {
		const char *chain;
		enum chain_reject expected;
	} cases[] = {
		{ "skip qn", CHAIN_PARENT },
		{ "own-dn qn", CHAIN_CERT },
		{ "anna skip-ou", CHAIN_PARENT },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct question q = {
			.anchors = "vsd", .untrusted = cases[i].chain, .target = cases[i].chain
		};
		TEST_CASE(cases[i].chain, theirs(&q) == X509_V_OK);
		TEST_CASE(cases[i].chain,
			ours("gate nn vsd", NULL, cases[i].chain) == cases[i].expected);
	}
}

/* T3: names compare after folding; ours chain by their bytes. */
static void test_t3_folded_names(void **state)
{
	(void)state;
	struct question q = { .anchors = "vsd", .untrusted = "qn", .target = "fold" };
	assert_int_equal(theirs(&q), X509_V_OK);
	assert_int_equal(ours("gate nn vsd", NULL, "fold qn"), CHAIN_ORDER);
	assert_int_equal(ours("john qn vsd", NULL, "fold"), CHAIN_NO_ANCHOR);
}

/* T4: of two certifiers with one name authorityKeyIdentifier picks the right one, in any order. */
static void test_t4_two_keys(void **state)
{
	(void)state;
	static const char *const untrusted[] = { "qn qn2", "qn2 qn" };
	static const char *const targets[] = { "john", "john2" };
	for (size_t i = 0; i < 4; i++) {
		struct question q = {
			.anchors = "vsd", .untrusted = untrusted[i / 2], .target = targets[i % 2]
		};
		assert_int_equal(theirs(&q), X509_V_OK);
	}
	assert_int_equal(ours("gate nn vsd", NULL, "john qn"), CHAIN_OK);
	assert_int_equal(ours("gate nn vsd", NULL, "john2 qn2"), CHAIN_OK);
	assert_int_equal(ours("gate nn vsd", NULL, "john2 qn"), CHAIN_ORDER);
	assert_int_equal(ours("gate nn vsd", NULL, "john qn2"), CHAIN_ORDER);
	/* A self-issued certificate is not taken for a self-signed one. */
	struct question q = { .anchors = "vsd", .untrusted = "vsd2-by-1", .target = "boss2" };
	assert_int_equal(theirs(&q), X509_V_OK);
	assert_int_equal(ours("gate nn vsd", NULL, "boss2 vsd2-by-1"), CHAIN_OK);
}

/* VSD with nameConstraints of its own name: what our profile never has. */
static void make_constrained_root(struct pki_cert *to)
{
	uint8_t seed[32];
	pki_seed(1, seed);
	X509 *x = judge_read(pki("vsd"));
	assert_non_null(x);
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	GENERAL_NAME_set0_value(tree->base, GEN_DIRNAME, X509_NAME_dup(X509_get_subject_name(x)));
	nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
	assert_true(sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, tree) > 0);
	assert_int_equal(X509_add1_ext_i2d(x, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT), 1);
	NAME_CONSTRAINTS_free(nc);
	assert_true(cert_sign(x, seed, to->der, &to->len));
	X509_free(x);
}

/* T5: nameConstraints of an anchor count, so a root's would end every cross-certificate. */
static void test_t5_root_constraints(void **state)
{
	(void)state;
	struct pki_cert root;
	struct cert c;
	struct cert_parts p;
	pki_init();
	make_constrained_root(&root);
	struct span anchor = span_of(root.der, root.len);
	struct span untrusted[] = { pki("r"), pki("acme-by-vsd") };
	struct judge j = {
		.anchors = &anchor,
		.anchor_count = 1,
		.untrusted = untrusted,
		.untrusted_count = 2,
		.target = pki("bob"),
		.at_ms = PKI_NOW_MS,
	};
	assert_int_equal(judge(&j), X509_V_ERR_PERMITTED_VIOLATION);
	anchor = pki("vsd");
	assert_int_equal(judge(&j), X509_V_OK);
	/* The profile's root has none, and with some it is not of the profile. */
	X509 *x = judge_read(pki("vsd"));
	assert_true(X509_get_ext_by_NID(x, NID_name_constraints, -1) < 0);
	X509_free(x);
	assert_int_not_equal(cert_decode(span_of(root.der, root.len), &c, &p), CERT_OK);
}

/* T6: extKeyUsage means nothing to OpenSSL without a purpose; we say what the certificate is for. */
static void test_t6_purpose(void **state)
{
	(void)state;
	struct question q = { .anchors = "vsd", .untrusted = "qn", .target = "srv" };
	assert_int_equal(theirs(&q), X509_V_OK);
	q.purpose = X509_PURPOSE_SSL_CLIENT;
	assert_int_equal(theirs(&q), X509_V_ERR_INVALID_PURPOSE);
	q.purpose = X509_PURPOSE_SSL_SERVER;
	assert_int_equal(theirs(&q), X509_V_OK);
	q.target = "john";
	assert_int_equal(theirs(&q), X509_V_ERR_INVALID_PURPOSE);

	struct chain_identity id;
	struct trust *t = trust_of("gate nn vsd", NULL);
	struct chain c = pki_chain("srv qn");
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_OK);
	assert_int_equal(id.kind, CERT_SERVER);
	trust_free(t);
}

/* T7: every certifier's list has to be there, and current. */
static void test_t7_every_list(void **state)
{
	(void)state;
	static const struct {
		const char *lists;
		int expected;
	} cases[] = {
		{ "vsd-none qn-none", X509_V_OK },
		{ "vsd-none", X509_V_ERR_UNABLE_TO_GET_CRL },
		{ "qn-none", X509_V_ERR_UNABLE_TO_GET_CRL },
		{ "vsd-none qn-old", X509_V_ERR_CRL_HAS_EXPIRED },
		{ "vsd-none qn-john", X509_V_ERR_CERT_REVOKED },
		{ "vsd-qn qn-none", X509_V_ERR_CERT_REVOKED },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct question q = { .anchors = "vsd",
			.untrusted = "qn",
			.target = "john",
			.lists = cases[i].lists,
			.with_lists = true };
		TEST_CASE(cases[i].lists, theirs(&q) == cases[i].expected);
	}
}

/* T8: d2i_X509 is no validator. Each byte of a leaf's names changed by one bit. */
static void test_t8_decoder(void **state)
{
	(void)state;
	uint8_t der[CERT_LEN_MAX];
	struct cert c;
	struct cert_parts p;
	size_t they = 0, we = 0, both = 0;
	pki_init();
	struct span john = pki("john");
	memcpy(der, john.data, john.len);
	for (size_t bit = 0; bit < 8 * john.len; bit++) {
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		X509 *x = judge_read(span_of(der, john.len));
		bool is_ours = cert_decode(span_of(der, john.len), &c, &p) == CERT_OK;
		they += x != NULL ? 1 : 0;
		we += is_ours ? 1 : 0;
		both += x != NULL && is_ours ? 1 : 0;
		X509_free(x);
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(both, we); /* what we accept, it does too */
	assert_true(they > we);

	/* One of them by name: a country attribute instead of a unit's. */
	static const uint8_t unit[] = { 0x06, 0x03, 0x55, 0x04, 0x0b };
	uint8_t *at = memmem(der, john.len, unit, sizeof(unit));
	assert_non_null(at);
	at[4] = 0x2b;
	X509 *x = judge_read(span_of(der, john.len));
	assert_non_null(x);
	X509_free(x);
	assert_int_equal(cert_decode(span_of(der, john.len), &c, &p), CERT_NAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_t1_boolean),
		cmocka_unit_test(test_t2_parent_rule),
		cmocka_unit_test(test_t3_folded_names),
		cmocka_unit_test(test_t4_two_keys),
		cmocka_unit_test(test_t5_root_constraints),
		cmocka_unit_test(test_t6_purpose),
		cmocka_unit_test(test_t7_every_list),
		cmocka_unit_test(test_t8_decoder),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	pki_free();
	return rc;
}
