/* Policies of MTA-STS and the records beside them: RFC 8461 3.1, 3.2, 4.1 and RFC 8460 3. */

#include "audit/domain.h"
#include "audit/sts.h"
#include "test.h"

#define GOOD                                                                                       \
	"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"

static const struct {
	const char *text;
	enum audit_sts sts;
	size_t mx;
	uint32_t age;
	const char *why; /* NULL: good */
} policies[] = {
	{ GOOD, AUDIT_STS_ENFORCE, 2, 604800, NULL },
	{ "max_age:1\nmx:a.example\nmode:testing\nversion:STSv1", AUDIT_STS_TESTING, 1, 1, NULL },
	{ "version: STSv1\nmode: none\nmax_age: 5\n", AUDIT_STS_OFF, 0, 5, NULL },
	{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: 4294967295\n", AUDIT_STS_ENFORCE, 1,
		31557600, NULL },
	/* The first of two counts; what is not known does not. */
	{ "version: STSv1\nversion: STSv2\nmode: enforce\nmode: none\nmx: a\nmax_age: 7\n"
	  "max_age: x\nnew: thing\n",
		AUDIT_STS_ENFORCE, 1, 7, NULL },
	{ "\r\n\r\n" GOOD "\n \n", AUDIT_STS_ENFORCE, 2, 604800, NULL },
	{ "", AUDIT_STS_BROKEN, 0, 0, "no version" },
	{ "version: STSv2\nmode: none\nmax_age: 5\n", AUDIT_STS_BROKEN, 0, 0, "not STSv1" },
	{ "version: stsv1\nmode: none\nmax_age: 5\n", AUDIT_STS_BROKEN, 0, 0, "not STSv1" },
	{ "Version: STSv1\nmode: none\nmax_age: 5\n", AUDIT_STS_BROKEN, 0, 0, "no version" },
	{ "version: STSv1\nmax_age: 5\n", AUDIT_STS_BROKEN, 0, 0, "no mode" },
	{ "version: STSv1\nmode: none\n", AUDIT_STS_BROKEN, 0, 0, "no max_age" },
	{ "version: STSv1\nmode: Enforce\n", AUDIT_STS_BROKEN, 0, 0, "none of enforce" },
	{ "version: STSv1\nmode: enforce\nmax_age: 5\n", AUDIT_STS_BROKEN, 0, 0, "lists no mx" },
	{ "version: STSv1\nmax_age: -5\n", AUDIT_STS_BROKEN, 0, 0, "no number" },
	{ "version: STSv1\nmax_age:\n", AUDIT_STS_BROKEN, 0, 0, "no number" },
	{ "version: STSv1\nmax_age: 99999999999\n", AUDIT_STS_BROKEN, 0, 0, "no number" },
	{ "version: STSv1\nmx: a b\n", AUDIT_STS_BROKEN, 0, 0, "neither a name" },
	{ "version: STSv1\nmx: *.\n", AUDIT_STS_BROKEN, 0, 0, "neither a name" },
	{ "version: STSv1\nmx: *\n", AUDIT_STS_BROKEN, 0, 0, "neither a name" },
	{ "version: STSv1\nmx: a.*.b\n", AUDIT_STS_BROKEN, 0, 0, "neither a name" },
	{ "version: STSv1\nmx: .a\n", AUDIT_STS_BROKEN, 0, 0, "neither a name" },
	{ "version: STSv1\nmx: a.\n", AUDIT_STS_BROKEN, 0, 0, "neither a name" },
	{ "version: STSv1\n<html>\n", AUDIT_STS_BROKEN, 0, 0, "no colon" },
};

static void test_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(policies); i++) {
		static struct audit_domain d;
		bool is_good = audit_sts_parse(policies[i].text, strlen(policies[i].text), &d);
		TEST_CASE(policies[i].text, is_good == (policies[i].why == NULL));
		TEST_CASE(policies[i].text, d.sts == policies[i].sts);
		if (!is_good) {
			TEST_CASE(policies[i].text, strstr(d.sts_text, policies[i].why) != NULL);
			continue;
		}
		TEST_CASE(policies[i].text, d.sts_text[0] == '\0');
		TEST_CASE(policies[i].text, d.sts_mx_count == policies[i].mx);
		TEST_CASE(policies[i].text, d.sts_max_age_s == policies[i].age);
	}
}

static void test_too_many(void **state)
{
	static struct audit_domain d;
	char text[4096] = "version: STSv1\n";
	(void)state;
	for (size_t i = 0; i < 65; i++)
		strcat(text, "mx: a.example\n");
	assert_false(audit_sts_parse(text, strlen(text), &d));
	assert_non_null(strstr(d.sts_text, "more than 64"));
}

/* Each prefix is read or refused with a sentence; each flipped bit too. */
static void test_prefixes_and_flips(void **state)
{
	static struct audit_domain d;
	char text[] = GOOD;
	(void)state;
	for (size_t n = 0; n < strlen(GOOD); n++) {
		bool is_good = audit_sts_parse(text, n, &d);
		assert_int_equal(is_good, d.sts_text[0] == '\0');
		/* Complete only with a digit of its age. */
		assert_int_equal(is_good, n > strlen(GOOD) - strlen("604800\r\n"));
	}
	for (size_t bit = 0; bit < 8 * strlen(GOOD); bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		bool is_good = audit_sts_parse(text, strlen(GOOD), &d);
		assert_int_equal(is_good, d.sts != AUDIT_STS_BROKEN);
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
	}
}

static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool is_match;
	} names[] = {
		{ "mail.example.com", "mail.example.com", true },
		{ "Mail.example.com", "mail.EXAMPLE.com", true },
		{ "mail.example.com", "a.mail.example.com", false },
		{ "*.example.com", "mail.example.com", true },
		{ "*.example.com", "MAIL.Example.com", true },
		{ "*.example.com", "example.com", false },
		{ "*.example.com", "a.b.example.com", false },
		{ "*.example.com", ".example.com", false },
		{ "*.example.com", "mailexample.com", false },
		{ "example.com", "example.org", false },
		{ "", "example.org", false },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(names); i++)
		TEST_CASE(names[i].host,
			audit_sts_matches(names[i].pattern, names[i].host) == names[i].is_match);
}

static void test_records(void **state)
{
	static const struct {
		const char *text, *id; /* NULL: refused */
	} sts[] = {
		{ "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
		{ "v=STSv1;id=1", "1" },
		{ "v=STSv1 ; id=1 ; more=x", "1" },
		{ "v=STSv1; more=x; id=1", "1" },
		{ "v=STSv1; id=01234567890123456789012345678901", "01234567890123456789012345678901" },
		{ "v=STSv1; id=012345678901234567890123456789012", NULL },
		{ "v=STSv1; id=", NULL },
		{ "v=STSv1; id=a-b", NULL },
		{ "v=STSv1; id", NULL },
		{ "v=STSv1;", NULL },
		{ "v=STSv1", NULL },
		{ "v=STSv11; id=1", NULL },
		{ "V=STSv1; id=1", NULL },
		{ "id=1; v=STSv1", NULL },
		{ "", NULL },
	}, rpt[] = {
		{ "v=TLSRPTv1; rua=mailto:reports@example.com", "mailto:reports@example.com" },
		{ "v=TLSRPTv1;rua=https://r.example/v1;", "https://r.example/v1" },
		{ "v=TLSRPTv1; rua=mailto:a@b,https://r.example",
			"mailto:a@b,https://r.example" },
		{ "v=TLSRPTv1; rua=mailto:a@b, ftp://r.example", NULL },
		{ "v=TLSRPTv1; rua=nobody", NULL },
		{ "v=TLSRPTv1", NULL },
		{ "v=TLSRPTv2; rua=mailto:a@b", NULL },
	};
	char id[33], rua[AUDIT_WORDS_MAX + 1];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(sts); i++) {
		bool is_good = audit_sts_record(span_of(sts[i].text, strlen(sts[i].text)), id);
		TEST_CASE(sts[i].text, is_good == (sts[i].id != NULL));
		TEST_CASE(sts[i].text, !is_good || strcmp(id, sts[i].id) == 0);
	}
	for (size_t i = 0; i < TEST_LEN(rpt); i++) {
		bool is_good = audit_tls_rpt_record(span_of(rpt[i].text, strlen(rpt[i].text)), rua);
		TEST_CASE(rpt[i].text, is_good == (rpt[i].id != NULL));
		TEST_CASE(rpt[i].text, !is_good || strcmp(rua, rpt[i].id) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_prefixes_and_flips),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
