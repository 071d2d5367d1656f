/* Every reason to refuse has a sentence, and the sentences name what they speak of. */

#include <stdio.h>
#include <string.h>

#include "daemon/advice.h"
#include "policy/policy.h"
#include "test.h"

static struct store_record refused(const char *reason)
{
	struct store_record r = { .event = STORE_REFUSED,
		.name = "Ann/NN/VSD",
		.service = "ssh",
		.list = "server deny",
		.entry = "*/NN/VSD" };
	snprintf(r.reason, sizeof(r.reason), "%s", reason);
	return r;
}

static void test_every_policy_reason(void **state)
{
	(void)state;
	for (unsigned i = POLICY_GRANT + 1; i < POLICY_REASON_COUNT; i++) {
		const char *name = policy_reason_name((enum policy_reason)i);
		struct store_record r = refused(name);
		char text[ADVICE_MAX];
		TEST_CASE(name, advice_for(&r, text));
		TEST_CASE(name, strchr(text, '%') == NULL && text[strlen(text) - 1] != '.');
	}
}

static void test_sentences(void **state)
{
	static const struct {
		enum store_event event;
		const char *reason, *text;
	} cases[] = {
		{ STORE_REFUSED, "not-allowed-service",
			"add the name or a group of it to allow of service ssh" },
		{ STORE_REFUSED, "deny-server",
			"take \"*/NN/VSD\" out of server deny, or the name out of what it covers" },
		{ STORE_CLOSED, "revoked",
			"let the name in again: posternctl restore \"Ann/NN/VSD\"" },
		{ STORE_REFUSED, "revoked",
			"a certificate of \"Ann/NN/VSD\" is on a revocation list: certify the name "
			"anew" },
		{ STORE_GRANTED, "grant", "" },
		{ STORE_GRANTED, "revoked", "" },
		{ STORE_REFUSED, "", "" },
		{ STORE_REFUSED, "no such word", "" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct store_record r = refused(cases[i].reason);
		char text[ADVICE_MAX];
		r.event = cases[i].event;
		TEST_CASE(cases[i].reason, advice_for(&r, text) == (cases[i].text[0] != '\0'));
		assert_string_equal(text, cases[i].text);
	}
}

/* Names as long as they may be are cut, not written past the end. */
static void test_longest(void **state)
{
	char text[ADVICE_MAX];
	struct store_record r = refused("deny-service");
	(void)state;
	memset(r.name, 'n', sizeof(r.name) - 1);
	memset(r.entry, 'e', sizeof(r.entry) - 1);
	memset(r.service, 's', sizeof(r.service) - 1);
	assert_true(advice_for(&r, text));
	r = refused("revoked");
	memset(r.name, 'n', sizeof(r.name) - 1);
	assert_true(advice_for(&r, text));
	assert_true(strlen(text) < ADVICE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_policy_reason),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
