/*
 * Cross-certificates and rollovers: what may be ordered, what stands in it, and that openssl walks over
 * them as the path rule does.
 */

#include <errno.h>

#include "issue.h"

static struct cert_order role_order(enum cert_role role, const char *subject, enum cert_kind kind,
	const struct holder *h, const char *issuer, const struct holder *by)
{
	struct cert_order o = order(subject, kind, h, "VSD", by);
	bool is_person = strncmp(issuer, "CN=", 3) == 0;
	o.issuer = name_of(issuer, !is_person);
	o.role = role;
	return o;
}

static void test_good(void **state)
{
	(void)state;
	static const struct {
		const char *name, *subject, *issuer;
		enum cert_role role;
		enum cert_kind kind;
	} cases[] = {
		{ "organisation", "ACME", "VSD", CERT_CROSS, CERT_CERTIFIER },
		{ "its unit", "UB/QN/ACME/DE", "QN/VSD", CERT_CROSS, CERT_CERTIFIER },
		{ "a person", "Jane Doe/ACME", "VSD", CERT_CROSS, CERT_USER },
		{ "a server", "Gate1/UB/ACME", "QN/VSD", CERT_CROSS, CERT_SERVER },
		{ "another country's", "VSD/DE", "VSD", CERT_CROSS, CERT_CERTIFIER },
		{ "organisation rolls", "VSD", "VSD", CERT_ROLLOVER, CERT_CERTIFIER },
		{ "unit rolls", "QN/VSD", "QN/VSD", CERT_ROLLOVER, CERT_CERTIFIER },
		{ "other spelling", "vsd", "VSD", CERT_ROLLOVER, CERT_CERTIFIER },
	};
	struct holder by = holder(1), other = holder(2);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct issued a;
		struct cert_order o = role_order(cases[i].role, cases[i].subject, cases[i].kind,
			&other, cases[i].issuer, &by);
		struct cert c = read_back(issue(&o, &a));
		uint8_t id[CERT_KEY_IDENTIFIER_LEN];
		cert_key_identifier(by.pk, id);
		TEST_CASE(cases[i].name, name_equal(&c.subject, &o.subject));
		TEST_CASE(cases[i].name, name_equal(&c.issuer, &o.issuer));
		TEST_CASE(cases[i].name, c.kind == cases[i].kind);
		TEST_CASE(cases[i].name, memcmp(c.pk, other.pk, 32) == 0);
		TEST_CASE(cases[i].name, memcmp(c.issuer_key_identifier, id, sizeof(id)) == 0);
		TEST_CASE(cases[i].name, cert_signed_by(span_of(a.der, a.len), by.pk));
		/* A name of one's own is spelled one way, a foreign one as its owner does. */
		struct name_part *p = &c.subject.parts[c.subject.count - 1];
		TEST_CASE(cases[i].name,
			cases[i].role != CERT_ROLLOVER ||
				memcmp(p->value, o.issuer.parts[o.issuer.count - 1].value,
					p->len) == 0);
	}
}

/* A person's own cross-certificate is like a certifier's: the issuer's bytes are that name. */
static void test_by_person(void **state)
{
	(void)state;
	struct holder by = holder(1), other = holder(2);
	struct issued a, b;
	struct cert_order o =
		role_order(CERT_CROSS, "ACME", CERT_CERTIFIER, &other, "CN=Jane/OU=QN/O=VSD", &by);
	struct span der = issue(&o, &a);
	assert_true(cert_signed_by(der, by.pk));
	assert_non_null(memmem(der.data, der.len, "Jane", 4));
	o = role_order(CERT_CROSS, "Gate/ACME", CERT_SERVER, &other, "CN=Jane/O=VSD", &by);
	assert_true(cert_signed_by(issue(&o, &b), by.pk));
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *subject, *issuer, *expected;
		enum cert_role role;
		enum cert_kind kind;
		uint8_t key; /* 1: the issuer's own */
	} cases[] = {
		{ "below", "QN/VSD", "VSD", "\"QN/VSD\" is not foreign to \"VSD\"", CERT_CROSS,
			CERT_CERTIFIER, 2 },
		{ "far below", "John/QN/VSD", "VSD", "is not foreign", CERT_CROSS, CERT_USER, 2 },
		{ "itself", "VSD", "VSD", "is not foreign", CERT_CROSS, CERT_CERTIFIER, 2 },
		{ "the person itself", "Jane/VSD", "CN=Jane/O=VSD", "is not foreign", CERT_CROSS,
			CERT_USER, 2 },
		{ "person certifies", "QN/VSD", "CN=Jane/O=VSD", "no common name", CERT_BELOW,
			CERT_CERTIFIER, 2 },
		{ "person rolls", "Jane/VSD", "CN=Jane/O=VSD", "no common name", CERT_ROLLOVER,
			CERT_USER, 2 },
		{ "rolls to a user", "Jane/VSD", "VSD", "in a rollover both are one name",
			CERT_ROLLOVER, CERT_USER, 2 },
		{ "to another name", "QN/VSD", "VSD", "in a rollover both are one name",
			CERT_ROLLOVER, CERT_CERTIFIER, 2 },
		{ "to the same key", "VSD", "VSD", "both keys are the same", CERT_ROLLOVER,
			CERT_CERTIFIER, 1 },
	};
	struct holder by = holder(1);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct holder other = holder(cases[i].key);
		struct issued a;
		struct fault f = { "" };
		struct cert_order o = role_order(cases[i].role, cases[i].subject, cases[i].kind,
			&other, cases[i].issuer, &by);
		if (cert_issue(&o, a.der, &a.len, &f) != -EINVAL ||
			strstr(f.text, cases[i].expected) == NULL)
			fail_msg("case \"%s\": \"%s\"", cases[i].name, f.text);
	}
}

static void add(const char *folder, const char *file, enum cert_role role, const char *subject,
	enum cert_kind kind, const struct holder *h, const char *issuer, const struct holder *by)
{
	struct issued a;
	struct cert_order o = role_order(role, subject, kind, h, issuer, by);
	save(folder, file, "CERTIFICATE", issue(&o, &a));
}

#define VERIFY "verify -x509_strict -attime " DURING " -no-CApath -no-CAstore "

static void test_openssl_cross(void **state)
{
	(void)state;
	if (!has_openssl())
		skip();
	char folder[] = "/tmp/postern-roles-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct holder vsd = holder(1), acme = holder(2), ub = holder(3), leaf = holder(4);
	add(folder, "vsd", CERT_BELOW, "VSD", CERT_CERTIFIER, &vsd, "VSD", &vsd);
	add(folder, "acme", CERT_BELOW, "ACME", CERT_CERTIFIER, &acme, "ACME", &acme);
	add(folder, "leaf", CERT_BELOW, "Jane/UB/ACME", CERT_USER, &leaf, "UB/ACME", &ub);
	add(folder, "own", CERT_BELOW, "Joe/VSD", CERT_USER, &leaf, "VSD", &vsd);
	add(folder, "forged", CERT_BELOW, "Joe/VSD", CERT_USER, &leaf, "VSD", &acme);
	/* ACME as a whole, its UB alone, Jane alone. */
	add(folder, "whole", CERT_BELOW, "UB/ACME", CERT_CERTIFIER, &ub, "ACME", &acme);
	add(folder, "whole", CERT_CROSS, "ACME", CERT_CERTIFIER, &acme, "VSD", &vsd);
	add(folder, "unit", CERT_CROSS, "UB/ACME", CERT_CERTIFIER, &ub, "VSD", &vsd);
	add(folder, "jane", CERT_CROSS, "Jane/UB/ACME", CERT_USER, &leaf, "VSD", &vsd);
	add(folder, "other", CERT_CROSS, "QN/ACME", CERT_CERTIFIER, &ub, "VSD", &vsd);

	assert_int_equal(openssl(folder, VERIFY "-CAfile vsd -untrusted whole leaf"), 0);
	assert_int_equal(openssl(folder, VERIFY "-CAfile vsd -untrusted unit leaf"), 0);
	assert_int_equal(openssl(folder, VERIFY "-CAfile vsd jane"), 0);
	assert_int_equal(openssl(folder, VERIFY "-CAfile vsd own"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile vsd leaf"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile vsd -untrusted other leaf"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile vsd -untrusted whole forged"), 0);
	/* One way only. */
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile acme -untrusted whole own"), 0);
	remove_folder(folder);
}

static void test_openssl_rollover(void **state)
{
	(void)state;
	if (!has_openssl())
		skip();
	char folder[] = "/tmp/postern-roles-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct holder old = holder(1), new = holder(2), qn = holder(3), qn2 = holder(4),
		      leaf = holder(5);
	add(folder, "old", CERT_BELOW, "VSD", CERT_CERTIFIER, &old, "VSD", &old);
	add(folder, "new", CERT_BELOW, "VSD", CERT_CERTIFIER, &new, "VSD", &new);
	/* One who trusts the old key meets a leaf of the new one, and the other way round. */
	add(folder, "new-by-old", CERT_ROLLOVER, "VSD", CERT_CERTIFIER, &new, "VSD", &old);
	add(folder, "old-by-new", CERT_ROLLOVER, "VSD", CERT_CERTIFIER, &old, "VSD", &new);
	add(folder, "of-new", CERT_BELOW, "Joe/VSD", CERT_USER, &leaf, "VSD", &new);
	add(folder, "of-old", CERT_BELOW, "Joe/VSD", CERT_USER, &leaf, "VSD", &old);
	assert_int_equal(openssl(folder, VERIFY "-CAfile old -untrusted new-by-old of-new"), 0);
	assert_int_equal(openssl(folder, VERIFY "-CAfile new -untrusted old-by-new of-old"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile old of-new"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile old -untrusted old-by-new of-new"), 0);

	/* A unit: its rollover certificate costs no path length. */
	add(folder, "unit", CERT_BELOW, "QN/VSD", CERT_CERTIFIER, &qn, "VSD", &old);
	add(folder, "unit", CERT_ROLLOVER, "QN/VSD", CERT_CERTIFIER, &qn2, "QN/VSD", &qn);
	add(folder, "of-unit", CERT_BELOW, "Joe/QN/VSD", CERT_USER, &leaf, "QN/VSD", &qn2);
	assert_int_equal(openssl(folder, VERIFY "-CAfile old -untrusted unit of-unit"), 0);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_by_person),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_openssl_cross),
		cmocka_unit_test(test_openssl_rollover),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
