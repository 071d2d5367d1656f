/*
 * The path rule: the scenarios, what an identity says, and that no damage to a certificate is believed.
 */

#include "scenarios.h"
#include "test.h"

static struct trust *trust_of(
	const char *own, const char *items, const char *crls, enum trust_crl policy)
{
	static struct pki_material p;
	struct trust_faults faults;
	pki_material(&p, own, items, crls, policy);
	struct trust *t = trust_new(&p.m, &faults);
	if (t == NULL)
		fail_msg("%s", faults.items[0].text);
	return t;
}

static void test_scenarios(void **state)
{
	(void)state;
	bool is_met[CHAIN_REJECT_COUNT] = { false };
	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		const struct scenario *s = &scenarios[i];
		struct chain_identity id;
		struct trust *t = trust_of(s->own, s->items, s->crls, s->policy);
		struct chain c = pki_chain(s->chain);
		uint64_t at_ms = s->at_ms != 0 ? s->at_ms : PKI_NOW_MS;
		enum chain_reject got = chain_verify(t, &c, at_ms, &id);
		if (got != s->expected)
			fail_msg("case \"%s\": %s, not %s", s->name, chain_reject_name(got),
				chain_reject_name(s->expected));
		is_met[got] = true;
		trust_free(t);
	}
	/* the rest is met below */
	is_met[CHAIN_EMPTY] = is_met[CHAIN_TOO_LONG] = is_met[CHAIN_SIGNATURE] = true;
	for (size_t i = 0; i < CHAIN_REJECT_COUNT; i++)
		TEST_CASE(chain_reject_name((enum chain_reject)i), is_met[i]);
}

static void test_identity(void **state)
{
	(void)state;
	static const struct {
		const char *name, *own, *items, *chain, *who;
		enum cert_kind kind;
		enum trust_role role;
		size_t steps;
		uint64_t not_after_ms;
	} cases[] = {
		{ "person", "gate nn vsd", 0, "john qn", "John/QN/VSD", CERT_USER, TRUST_OWN, 2,
			PKI_END_MS },
		{ "server", "gate nn vsd", 0, "srv qn", "Gate2/QN/VSD", CERT_SERVER, TRUST_OWN, 2,
			PKI_END_MS },
		{ "nearest anchor", "gate nn vsd", 0, "mate nn", "Mate/NN/VSD", CERT_USER,
			TRUST_OWN, 1, PKI_END_MS },
		{ "leaf ends first", "gate nn vsd", 0, "john-soon qn", "John/QN/VSD", CERT_USER,
			TRUST_OWN, 2, PKI_SOON_MS },
		{ "unit ends first", "gate nn vsd", 0, "john qn-soon", "John/QN/VSD", CERT_USER,
			TRUST_OWN, 2, PKI_SOON_MS },
		{ "anchor ends first", "gate nn-soon vsd", 0, "mate", "Mate/NN/VSD", CERT_USER,
			TRUST_OWN, 1, PKI_SOON_MS },
		{ "above the anchor ends first", "gate nn vsd-soon", 0, "mate", "Mate/NN/VSD",
			CERT_USER, TRUST_OWN, 1, PKI_SOON_MS },
		{ "rollover", "gate nn vsd", "vsd2-by-1", "boss2", "Boss/VSD", CERT_USER,
			TRUST_ROLLOVER, 1, PKI_END_MS },
		{ "cross", "gate nn vsd", "acme-by-vsd", "bob r", "Bob/R/ACME", CERT_USER,
			TRUST_CROSS, 3, PKI_END_MS },
		{ "cross ends first", "gate nn vsd", "acme-by-vsd-soon", "bob r", "Bob/R/ACME",
			CERT_USER, TRUST_CROSS, 3, PKI_SOON_MS },
		{ "cross rolled over", "gate nn vsd", "acme-by-vsd acme2-by-1", "carl2",
			"Carl/ACME", CERT_USER, TRUST_CROSS, 2, PKI_END_MS },
		{ "one name", "gate nn vsd", "bob-by-vsd", "bob r", "Bob/R/ACME", CERT_USER,
			TRUST_CROSS, 1, PKI_END_MS },
		{ "one name by us", "boss vsd", "bob-by-boss", "bob", "Bob/R/ACME", CERT_USER,
			TRUST_CROSS, 0, PKI_END_MS },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[NAME_TEXT_MAX];
		struct chain_identity id;
		struct cert leaf;
		struct cert_parts parts;
		struct trust *t = trust_of(cases[i].own, cases[i].items, NULL, TRUST_CRL_OFF);
		struct chain c = pki_chain(cases[i].chain);
		TEST_CASE(cases[i].name, chain_verify(t, &c, PKI_NOW_MS, &id) == CHAIN_OK);
		TEST_CASE(cases[i].name, strcmp(name_format(&id.name, text), cases[i].who) == 0);
		TEST_CASE(cases[i].name, id.kind == cases[i].kind);
		TEST_CASE(cases[i].name, id.role == cases[i].role);
		TEST_CASE(cases[i].name, id.step_count == cases[i].steps);
		TEST_CASE(cases[i].name, id.not_after_ms == cases[i].not_after_ms);
		TEST_CASE(cases[i].name, id.valid_until_ms == cases[i].not_after_ms);
		assert_int_equal(cert_decode(c.der[0], &leaf, &parts), CERT_OK);
		assert_memory_equal(id.pk, leaf.pk, 32);
		trust_free(t);
	}
}

/* An owner whose certificate ran out or was revoked can be told so: who it is, is known. */
static void test_told(void **state)
{
	(void)state;
	char text[NAME_TEXT_MAX];
	struct chain_identity id = { 0 };
	struct trust *t = trust_of("gate nn vsd", "qn", "vsd-none qn-john", TRUST_CRL_REQUIRE);
	struct chain c = pki_chain("john qn");
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_REVOKED);
	assert_string_equal(name_format(&id.name, text), "John/QN/VSD");
	memset(&id, 0, sizeof(id));
	assert_int_equal(chain_verify(t, &c, PKI_END_MS, &id), CHAIN_EXPIRED);
	assert_string_equal(name_format(&id.name, text), "John/QN/VSD");

	/* A required list bounds how long the answer holds, not how long the certificate does. */
	c = pki_chain("boss");
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_OK);
	assert_true(id.valid_until_ms == PKI_SOON_MS && id.not_after_ms == PKI_END_MS);
	trust_free(t);
}

static void test_recheck(void **state)
{
	(void)state;
	struct chain_identity id;
	struct chain c = pki_chain("john qn");
	struct trust *before = trust_of("gate nn vsd", NULL, NULL, TRUST_CRL_IF_PRESENT);
	struct trust *leaf = trust_of("gate nn vsd", "qn", "qn-john", TRUST_CRL_IF_PRESENT);
	struct trust *unit = trust_of("gate nn vsd", NULL, "vsd-qn", TRUST_CRL_IF_PRESENT);
	struct trust *other = trust_of("gate nn vsd", NULL, "nn-mate", TRUST_CRL_IF_PRESENT);
	struct trust *must = trust_of("gate nn vsd", NULL, "vsd-none", TRUST_CRL_REQUIRE);
	struct trust *cross = trust_of("gate nn vsd", "acme-by-vsd", NULL, TRUST_CRL_IF_PRESENT);
	struct trust *revoked =
		trust_of("gate nn vsd", "acme-by-vsd", "vsd-cross", TRUST_CRL_IF_PRESENT);

	assert_int_equal(chain_verify(before, &c, PKI_NOW_MS, &id), CHAIN_OK);
	assert_int_equal(chain_recheck(before, &id, PKI_NOW_MS), CHAIN_OK);
	assert_int_equal(chain_recheck(before, &id, PKI_END_MS - 1), CHAIN_OK);
	assert_int_equal(chain_recheck(before, &id, PKI_END_MS), CHAIN_EXPIRED);
	assert_int_equal(chain_recheck(leaf, &id, PKI_NOW_MS), CHAIN_REVOKED);
	assert_int_equal(chain_recheck(unit, &id, PKI_NOW_MS), CHAIN_REVOKED);
	assert_int_equal(chain_recheck(other, &id, PKI_NOW_MS), CHAIN_OK);
	assert_int_equal(chain_recheck(must, &id, PKI_NOW_MS), CHAIN_NO_CRL);

	c = pki_chain("bob r");
	assert_int_equal(chain_verify(cross, &c, PKI_NOW_MS, &id), CHAIN_OK);
	assert_int_equal(chain_recheck(cross, &id, PKI_NOW_MS), CHAIN_OK);
	assert_int_equal(chain_recheck(revoked, &id, PKI_NOW_MS), CHAIN_REVOKED);
	trust_free(before);
	trust_free(leaf);
	trust_free(unit);
	trust_free(other);
	trust_free(must);
	trust_free(cross);
	trust_free(revoked);
}

static void test_split(void **state)
{
	(void)state;
	uint8_t der[(CHAIN_CERTS_MAX + 1) * 1024];
	struct writer w = writer_init(der, sizeof(der));
	struct chain c = { 0 };
	struct span john = pki_chain("john").der[0];
	assert_int_equal(chain_split(span_of(NULL, 0), &c), CHAIN_EMPTY);
	for (size_t i = 1; i <= CHAIN_CERTS_MAX; i++) {
		writer_put(&w, john.data, john.len);
		assert_int_equal(chain_split(writer_span(&w), &c), CHAIN_OK);
		assert_int_equal(c.count, i);
		assert_true(span_equal(c.der[i - 1], john));
	}
	for (size_t len = 1; len < john.len; len++)
		assert_int_equal(chain_split(span_of(der, len), &c), CHAIN_CERT);
	writer_put(&w, john.data, john.len);
	assert_int_equal(chain_split(writer_span(&w), &c), CHAIN_TOO_LONG);
	assert_false(w.is_full);

	struct trust *t = trust_of("gate nn vsd", NULL, NULL, TRUST_CRL_OFF);
	struct chain_identity id;
	c.count = 0;
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_EMPTY);
	c.count = CHAIN_CERTS_MAX + 1;
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_TOO_LONG);
	trust_free(t);
}

/* Eight certificates, the most there are: seven self-issued ones above a person. */
static void test_longest(void **state)
{
	(void)state;
	struct chain_identity id;
	struct trust *t = trust_of("gate nn vsd", "acme-by-vsd", NULL, TRUST_CRL_IF_PRESENT);
	struct chain c = pki_chain(
		"carl acme-by-acme2 acme2-by-1 acme-by-acme2 acme2-by-1 acme-by-acme2 acme2-by-1");
	/* The nearest anchor is ACME's first key: what is above it is not looked at. */
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_OK);
	assert_int_equal(id.step_count, 2);
	c = pki_chain("carl2 acme2-by-1 acme-by-acme2");
	assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_OK);
	assert_int_equal(id.step_count, 3);
	trust_free(t);
}

/* Each bit of each certificate of a chain: refused, and never for a date or a list. */
static void test_flips(void **state)
{
	(void)state;
	struct trust *t = trust_of("gate nn vsd", NULL, NULL, TRUST_CRL_OFF);
	struct chain good = pki_chain("anna ub qn");
	struct chain_identity id;
	for (size_t i = 0; i < good.count; i++) {
		uint8_t der[CERT_LEN_MAX];
		struct chain c = good;
		memcpy(der, good.der[i].data, good.der[i].len);
		c.der[i].data = der;
		for (size_t bit = 0; bit < 8 * c.der[i].len; bit++) {
			der[bit / 8] ^= (uint8_t)(1u << bit % 8);
			enum chain_reject got = chain_verify(t, &c, PKI_NOW_MS, &id);
			if (got == CHAIN_OK || got >= CHAIN_NOT_YET)
				fail_msg("certificate %zu, bit %zu: %s", i, bit,
					chain_reject_name(got));
			der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (size_t len = 0; len < good.der[i].len; len++) {
			c.der[i].len = len;
			assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_CERT);
		}
	}
	trust_free(t);
}

/* A good certificate under each other signature: from the anchor down the first bad one ends it. */
static void test_signature(void **state)
{
	(void)state;
	struct trust *t = trust_of("gate nn vsd", NULL, NULL, TRUST_CRL_OFF);
	struct chain good = pki_chain("anna ub qn");
	struct chain_identity id;
	for (size_t i = 0; i < good.count; i++) {
		uint8_t der[CERT_LEN_MAX];
		struct chain c = good;
		memcpy(der, good.der[i].data, good.der[i].len);
		der[good.der[i].len - 1] ^= 0x40;
		c.der[i].data = der;
		assert_int_equal(chain_verify(t, &c, PKI_NOW_MS, &id), CHAIN_SIGNATURE);
		/* also when it would have expired */
		assert_int_equal(chain_verify(t, &c, PKI_END_MS, &id), CHAIN_SIGNATURE);
	}
	trust_free(t);
}

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < CHAIN_REJECT_COUNT; i++) {
		enum chain_reject reason = (enum chain_reject)i;
		assert_non_null(chain_reject_name(reason));
		assert_non_null(chain_reject_text(reason));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(
				chain_reject_name(reason), chain_reject_name((enum chain_reject)k));
	}
	assert_string_equal(chain_reject_name(CHAIN_NO_ANCHOR), "no-anchor");
	assert_string_equal(chain_reject_name(CHAIN_REJECT_COUNT), "unknown");
	assert_non_null(chain_reject_text(CHAIN_REJECT_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_recheck),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_words),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	pki_free();
	return rc;
}
