/* What people write for a target, and lists of it. */

#include "audit/domain.h"
#include "test.h"

static const struct {
	const char *text;
	enum audit_input_kind kind;
	const char *host;
	uint16_t port;
	enum audit_starttls starttls;
	bool is_address;
} good[] = {
	{ "someone@Example.ORG", AUDIT_INPUT_MAIL, "example.org", 0, AUDIT_DIRECT, false },
	{ "a@b@example.org.", AUDIT_INPUT_MAIL, "example.org", 0, AUDIT_DIRECT, false },
	{ "example.org", AUDIT_INPUT_HOST, "example.org", 0, AUDIT_DIRECT, false },
	{ "example.org.", AUDIT_INPUT_HOST, "example.org", 0, AUDIT_DIRECT, false },
	{ "localhost", AUDIT_INPUT_HOST, "localhost", 0, AUDIT_DIRECT, false },
	{ "xn--bcher-kva.example", AUDIT_INPUT_HOST, "xn--bcher-kva.example", 0, AUDIT_DIRECT,
		false },
	{ "mail.example.org:25", AUDIT_INPUT_SERVICE, "mail.example.org", 25, AUDIT_SMTP, false },
	{ "mail.example.org:587", AUDIT_INPUT_SERVICE, "mail.example.org", 587, AUDIT_SMTP, false },
	{ "mail.example.org:8443", AUDIT_INPUT_SERVICE, "mail.example.org", 8443, AUDIT_DIRECT,
		false },
	{ "mail.example.org:143", AUDIT_INPUT_SERVICE, "mail.example.org", 143, AUDIT_IMAP, false },
	{ "smtp://mail.example.org", AUDIT_INPUT_SERVICE, "mail.example.org", 25, AUDIT_SMTP,
		false },
	{ "SMTP://Mail.example.org:2525/", AUDIT_INPUT_SERVICE, "mail.example.org", 2525,
		AUDIT_SMTP, false },
	{ "submission://m.example", AUDIT_INPUT_SERVICE, "m.example", 587, AUDIT_SMTP, false },
	{ "submissions://m.example", AUDIT_INPUT_SERVICE, "m.example", 465, AUDIT_DIRECT, false },
	{ "https://www.example.org/a/b?c", AUDIT_INPUT_SERVICE, "www.example.org", 443,
		AUDIT_DIRECT, false },
	{ "imaps://m.example:1993", AUDIT_INPUT_SERVICE, "m.example", 1993, AUDIT_DIRECT, false },
	{ "ldaps://m.example", AUDIT_INPUT_SERVICE, "m.example", 636, AUDIT_DIRECT, false },
	{ "postgres://db.example", AUDIT_INPUT_SERVICE, "db.example", 5432, AUDIT_POSTGRES, false },
	{ "192.0.2.1", AUDIT_INPUT_SERVICE, "192.0.2.1", 443, AUDIT_DIRECT, true },
	{ "192.0.2.1:25", AUDIT_INPUT_SERVICE, "192.0.2.1", 25, AUDIT_SMTP, true },
	{ "2001:db8::1", AUDIT_INPUT_SERVICE, "2001:db8::1", 443, AUDIT_DIRECT, true },
	{ "[2001:db8::1]", AUDIT_INPUT_SERVICE, "2001:db8::1", 443, AUDIT_DIRECT, true },
	{ "[2001:db8::1]:25", AUDIT_INPUT_SERVICE, "2001:db8::1", 25, AUDIT_SMTP, true },
	{ "smtp://[2001:db8::1]", AUDIT_INPUT_SERVICE, "2001:db8::1", 25, AUDIT_SMTP, true },
};

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "no name" },
	{ "@example.org", "nobody before the @" },
	{ "a@", "no name" },
	{ "a@b c", "letters, digits" },
	{ "a@[192.0.2.1]", "letters, digits" },
	{ "a..b", "part of the name is empty" },
	{ ".", "part of the name is empty" },
	{ "..", "part of the name is empty" },
	{ "exa mple", "letters, digits" },
	{ "b\xc3\xbc"
	  "cher.example",
		"xn--" },
	{ "host:", "a port is" },
	{ "host:0", "a port is" },
	{ "host:65536", "a port is" },
	{ "host:25x", "a port is" },
	{ "host:-1", "a port is" },
	{ "host:99999999999999999999999", "a port is" },
	{ "[::1", "] is missing" },
	{ "[::1]25", "behind ]" },
	{ "[host]:25", "no IPv6 address" },
	{ "192.0.2.300", "looks like an address" },
	{ "1234", "looks like an address" },
	{ "gopher://host", "may stand before ://" },
	{ "://host", "may stand before ://" },
	{ "smtp://", "no name" },
	{ "smtp://a@host", "letters, digits" },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
		"at most 63" },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		struct audit_input in;
		char why[256] = "";
		TEST_CASE(good[i].text, audit_input_parse(good[i].text, &in, why));
		TEST_CASE(good[i].text, in.kind == good[i].kind);
		TEST_CASE(good[i].text, strcmp(in.host, good[i].host) == 0);
		TEST_CASE(good[i].text, strcmp(in.given, good[i].text) == 0);
		TEST_CASE(good[i].text, in.port == good[i].port);
		TEST_CASE(good[i].text, in.starttls == good[i].starttls);
		TEST_CASE(good[i].text, in.is_address == good[i].is_address);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(bad); i++) {
		struct audit_input in;
		char why[256] = "";
		TEST_CASE(bad[i].text, !audit_input_parse(bad[i].text, &in, why));
		TEST_CASE(bad[i].text, strstr(why, bad[i].why) != NULL);
		for (const char *c = why; *c != '\0'; c++)
			TEST_CASE(bad[i].text, *c >= ' ' && *c < 0x7f);
	}
}

/* Names at the bounds of DNS, and lines beyond every bound. */
static void test_long(void **state)
{
	static char text[5000];
	struct audit_input in;
	char why[256];
	(void)state;
	for (size_t len = 1; len < sizeof(text); len++) {
		memset(text, 'a', len);
		for (size_t i = 49; i + 1 < len; i += 50)
			text[i] = '.';
		text[len] = '\0';
		bool is_good = audit_input_parse(text, &in, why);
		assert_int_equal(is_good, len <= AUDIT_HOST_MAX);
	}
}

struct seen {
	char text[1024];
};

static void on_input(void *arg, const struct audit_input *in)
{
	struct seen *s = arg;
	strcat(strcat(s->text, in->host), "\n");
}

static void on_wrong(void *arg, const char *why)
{
	struct seen *s = arg;
	strcat(strcat(s->text, why), "\n");
}

static void test_list(void **state)
{
	static const char list[] =
		"# ours\r\n\n  example.org  # main\n\tb!d\na@b.example\r\n#\nlast";
	struct seen s = { "" };
	const struct audit_input_calls calls = { on_input, on_wrong, &s };
	(void)state;
	assert_int_equal(audit_input_list("list", span_of(list, sizeof(list) - 1), &calls), 1);
	assert_string_equal(s.text,
		"example.org\nlist:4: b!d: a name is of letters, digits, - and .\nb.example\nlast\n");
	s.text[0] = '\0';
	assert_int_equal(audit_input_list("l", span_of("a\0b\n", 4), &calls), 1);
	assert_int_equal(audit_input_list("l", span_of(NULL, 0), &calls), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
