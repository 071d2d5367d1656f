/* Names of ways and versions, and chains that are kept once. */

#include <string.h>

#include "audit/facts.h"
#include "test.h"

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool is_one;
		enum audit_starttls is;
		uint16_t port;
	} cases[] = {
		{ "smtp", true, AUDIT_SMTP, 25 },
		{ "IMAP", true, AUDIT_IMAP, 143 },
		{ "https", true, AUDIT_DIRECT, 443 },
		{ "xmpp-client", true, AUDIT_XMPP_CLIENT, 5222 },
		{ "gopher", false, AUDIT_DIRECT, 0 },
		{ "", false, AUDIT_DIRECT, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum audit_starttls s = AUDIT_STARTTLS_COUNT;
		assert_int_equal(audit_starttls_parse(cases[i].name, &s), cases[i].is_one);
		if (!cases[i].is_one) {
			assert_int_equal(s, AUDIT_STARTTLS_COUNT);
			continue;
		}
		assert_int_equal(s, cases[i].is);
		assert_int_equal(audit_starttls_port(s), cases[i].port);
		assert_int_equal(audit_starttls_of_port(cases[i].port), s);
	}
	assert_int_equal(audit_starttls_of_port(587), AUDIT_SMTP);
	assert_int_equal(audit_starttls_of_port(8443), AUDIT_DIRECT);
	assert_string_equal(audit_version_name(AUDIT_TLS10), "TLSv1");
	assert_int_equal(audit_version_code(AUDIT_TLS13), 0x0304);
}

static void test_chains(void **state)
{
	(void)state;
	uint8_t one[] = { 1, 2, 3 }, two[] = { 1, 2, 4 };
	struct audit_target t = { .port = 25 };
	struct audit_facts *f = audit_facts_new(&t);
	struct audit_chain a = { .count = 1, .certs = { { sizeof(one), one } } };
	struct audit_chain b = { .count = 1, .certs = { { sizeof(two), two } } };
	struct audit_chain none = { 0 };
	assert_non_null(f);
	assert_true(audit_facts_add_chain(f, &a));
	assert_true(audit_facts_add_chain(f, &a));
	assert_int_equal(f->chain_count, 1);
	assert_true(audit_facts_add_chain(f, &b));
	assert_int_equal(f->chain_count, 2);
	assert_false(audit_facts_add_chain(f, &none));
	assert_false(f->is_chain_list_cut);
	a.is_cut = true;
	for (uint8_t i = 0; i < 4; i++) {
		one[0] = (uint8_t)(10 + i);
		assert_int_equal(audit_facts_add_chain(f, &a), i < 2);
	}
	assert_int_equal(f->chain_count, AUDIT_CHAINS_MAX);
	assert_true(f->is_chain_list_cut);
	assert_false(f->chains[0].is_cut);
	assert_true(f->chains[AUDIT_CHAINS_MAX - 1].is_cut);
	struct audit_target other = { .port = 26, .domain = "example.org" };
	f->end = AUDIT_END_COMPLETE;
	for (uint32_t i = 0; i < AUDIT_SUITES_MAX; i++)
		assert_true(audit_facts_accept(
			&f->protocols[AUDIT_TLS10], &(struct audit_accepted){ .suite = i }));
	assert_false(audit_facts_accept(
		&f->protocols[AUDIT_TLS10], &(struct audit_accepted){ .suite = 9999 }));
	struct audit_facts *copy = audit_facts_copy(f, &other);
	assert_non_null(copy);
	assert_int_equal(copy->target.port, 26);
	assert_int_equal(copy->end, AUDIT_END_COMPLETE);
	assert_int_equal(copy->chain_count, AUDIT_CHAINS_MAX);
	assert_true(copy->is_chain_list_cut && copy->chains[AUDIT_CHAINS_MAX - 1].is_cut);
	assert_ptr_not_equal(copy->chains[0].certs[0].der, f->chains[0].certs[0].der);
	assert_memory_equal(copy->chains[0].certs[0].der, f->chains[0].certs[0].der, 3);
	assert_int_equal(copy->protocols[AUDIT_TLS10].suite_count, AUDIT_SUITES_MAX);
	assert_int_equal(copy->protocols[AUDIT_TLS10].suites[511].suite, 511);
	assert_ptr_not_equal(copy->protocols[AUDIT_TLS10].suites, f->protocols[AUDIT_TLS10].suites);
	assert_int_equal(copy->protocols[AUDIT_TLS12].suite_count, 0);
	audit_facts_free(copy);
	audit_facts_free(f);
	audit_facts_free(NULL);
}

/* A server that shows another certificate of a mebibyte each time is believed once. */
static void test_large_chains(void **state)
{
	static uint8_t large[AUDIT_CERT_LEN_MAX];
	struct audit_target t = { .port = 25 };
	struct audit_facts *f = audit_facts_new(&t);
	uint8_t small[] = { 1, 2, 3 };
	struct audit_chain a = { .count = 1, .certs = { { sizeof(large), large } } };
	struct audit_chain b = { .count = 1, .certs = { { sizeof(small), small } } };
	(void)state;
	assert_non_null(f);
	assert_true(audit_facts_add_chain(f, &a));
	large[0]++;
	assert_false(f->is_chain_list_cut);
	assert_false(audit_facts_add_chain(f, &a));
	assert_true(f->is_chain_list_cut);
	b.staple = large;
	b.staple_len = sizeof(large);
	assert_false(audit_facts_add_chain(f, &b));
	b.staple_len = 0;
	assert_true(audit_facts_add_chain(f, &b));
	assert_int_equal(f->chain_count, 2);
	audit_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_large_chains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
