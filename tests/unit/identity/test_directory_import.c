/*
 * Lists of others: what each option of authorized_keys becomes, each mistake with its sentence, columns of
 * a CSV in any order, and a damaged line that is never the same entry with less asked of it.
 */

#include <errno.h>

#include "identity/directory_import.h"
#include "test.h"

#define PK "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
#define KEY "ssh-ed25519 " PK
#define SK                                                                                             \
	"sk-ssh-ed25519@openssh.com "                                                                  \
	"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYMAAAA" \
	"BHNzaDo="
#define ID "sha256:313caffd0edb20236f7ae9b2ea265148afa8e44d3c9c1c6f5634b4b20a3ec8d2"

static struct import_item item;
static struct import im;

static struct span text_span(const char *text)
{
	return span_of(text, strlen(text));
}

static const struct name *unit(const char *text)
{
	static struct name n;
	assert_int_equal(name_parse(text, true, &n), NAME_OK);
	return &n;
}

/* The entry as a directory line with "> " and what was dropped behind it; or the mistake. */
static const char *shown(int rc, const struct fault *f)
{
	static char line[DIRECTORY_LINE_MAX + 400];
	if (rc < 0) {
		snprintf(line, sizeof(line), "!%s", f->text);
		return line;
	}
	size_t n = directory_line_format(&item.entry, item.comment, line, DIRECTORY_LINE_MAX);
	assert_true(n > 0);
	snprintf(line + n - 1, sizeof(line) - n, "> %s", item.dropped);
	return line;
}

static void test_authorized_keys(void **state)
{
	static const struct {
		const char *name, *line, *expected;
	} cases[] = {
		{ "plain", KEY " ann@desk", "name=\"ann/QN/VSD\",kind=user " KEY " ann@desk> " },
		{ "blanks", "\t " KEY "  ann@desk ",
			"name=\"ann/QN/VSD\",kind=user " KEY " ann@desk > " },
		{ "no @", KEY " Ann Lee", "name=\"Ann Lee/QN/VSD\",kind=user " KEY " Ann Lee> " },
		{ "token", SK " bob@desk",
			"name=\"bob/QN/VSD\",kind=user,require=\"up\" " SK " bob@desk> " },
		{ "verify-required", "verify-required " SK " bob@desk",
			"name=\"bob/QN/VSD\",kind=user,require=\"up,uv\" " SK " bob@desk> " },
		{ "verify-required of no token", "verify-required " KEY " b",
			"name=\"b/QN/VSD\",kind=user " KEY " b> verify-required" },
		{ "from", "from=\"10.0.0.0/8,::1\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user,from=\"10.0.0.0/8,::1/128\" " KEY " b> " },
		{ "expiry, a date", "expiry-time=\"20281123\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user,expires=2028-11-22 " KEY " b> " },
		{ "expiry, first of a year", "Expiry-Time=\"20290101\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user,expires=2028-12-31 " KEY " b> " },
		{ "expiry, a minute", "expiry-time=\"202811232359\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user,expires=2028-11-22 " KEY " b> " },
		{ "expiry, a second of UTC", "expiry-time=\"20281123235960Z\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user,expires=2028-11-22 " KEY " b> " },
		{ "dropped", "command=\"a \\\"b\\\", c\",No-PTY,permitopen=\"h:1\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user " KEY " b> command, no-pty, permitopen" },
		{ "backslash in a value", "command=\"a\\b\" " KEY " b",
			"name=\"b/QN/VSD\",kind=user " KEY " b> command" },
		{ "RSA", "ssh-rsa AAAA b", "!key type \"ssh-rsa\" is not accepted" },
		{ "ECDSA token", "sk-ecdsa-sha2-nistp256@openssh.com AAAA b",
			"!key type \"sk-ecdsa-sha2-nistp256@openssh.com\" is not accepted" },
		{ "certificate", "ssh-ed25519-cert-v01@openssh.com AAAA b",
			"!key type \"ssh-ed25519-cert-v01@openssh.com\" is not accepted" },
		{ "ours", "postern-key " ID " b", "!option \"postern-key\" is unknown" },
		{ "authority", "cert-authority,principals=\"a\" " KEY " b", "!cert-authority:" },
		{ "no touch", "no-touch-required " SK " b", "!no-touch-required:" },
		{ "unknown", "colour=\"red\" " KEY " b", "!option \"colour\" is unknown" },
		{ "not an option", "\xff " KEY " b", "!\"\\xff" },
		{ "value without quotes", "from=10.0.0.0/8 " KEY " b", "!the value of from needs" },
		{ "quote never closed", "from=\"10.0.0.0/8 " KEY " b",
			"!the value of from has no" },
		{ "value missing", "from " KEY " b", "!option from needs a value" },
		{ "value unwanted", "no-pty=\"x\" " KEY " b", "!option no-pty takes no value" },
		{ "twice", "from=\"::1\",from=\"::2\" " KEY " b", "!option from stands twice" },
		{ "behind a value", "from=\"::1\"x " KEY " b", "!something follows option from" },
		{ "from, a name", "from=\"gw.example\" " KEY " b",
			"!from \"gw.example\" is no prefix" },
		{ "from, a pattern", "from=\"10.0.0.*\" " KEY " b",
			"!from=\"10.0.0.*\" has patterns" },
		{ "from, negated", "from=\"!10.0.0.1,10.0.0.0/8\" " KEY " b", "!from=\"!10.0" },
		{ "expiry, no day", "expiry-time=\"20281131\" " KEY " b",
			"!expires \"2028-11-31\"" },
		{ "expiry, hour 24", "expiry-time=\"202811232400\" " KEY " b", "!expiry-time" },
		{ "expiry, short", "expiry-time=\"2028112\" " KEY " b", "!expiry-time" },
		{ "expiry, the first day", "expiry-time=\"19700101\" " KEY " b", "!expiry-time" },
		{ "no comment", KEY, "!there is no comment" },
		{ "only a host", KEY " @desk", "!there is no comment" },
		{ "no name", KEY " a/b", "!\"a/b\" makes no name" },
		{ "no key", "from=\"::1\"", "!no key" },
		{ "key cut", "ssh-ed25519 AAAA b", "!the key is not of type" },
		{ "control character", KEY " b\x01", "!the comment" },
	};
	const struct import_rule rule = { .under = unit("QN/VSD") };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fault f = { "" };
		const char *got = shown(
			import_authorized_key(text_span(cases[i].line), &rule, &item, &f), &f);
		bool is_whole = cases[i].expected[0] != '!';
		if (is_whole ? strcmp(got, cases[i].expected) != 0
			     : strncmp(got, cases[i].expected, strlen(cases[i].expected)) != 0)
			fail_msg("case \"%s\": %s", cases[i].name, got);
	}
	struct fault f;
	assert_int_equal(import_authorized_key(text_span(" \t"), &rule, &item, &f), 0);
	assert_int_equal(import_authorized_key(text_span("# x"), &rule, &item, &f), 0);
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *under, *comment, *expected;
		bool is_whole;
	} cases[] = {
		{ "user", "VSD", "ann@desk", "ann/VSD", false },
		{ "comment", "VSD", "ann@desk", "ann@desk/VSD", true },
		{ "whole name", NULL, "Ann Lee/QN/VSD", "Ann Lee/QN/VSD", true },
		{ "no organisation", NULL, "ann@desk", NULL, false },
		{ "organisation smuggled in", "VSD", "Admin/VSD", NULL, true },
		{ "nothing before the @", "VSD", "@", NULL, false },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct import_rule rule = {
			.under = cases[i].under == NULL ? NULL : unit(cases[i].under),
			.is_whole_comment = cases[i].is_whole,
			.is_certified_equivalent = true,
		};
		char line[300], name[NAME_TEXT_MAX];
		struct fault f;
		snprintf(line, sizeof(line), "%s %s", KEY, cases[i].comment);
		int rc = import_authorized_key(text_span(line), &rule, &item, &f);
		TEST_CASE(cases[i].name, (rc == 1) == (cases[i].expected != NULL));
		if (rc != 1)
			continue;
		TEST_CASE(cases[i].name,
			strcmp(name_format(&item.entry.name, name), cases[i].expected) == 0);
		TEST_CASE(cases[i].name, item.entry.is_certified_equivalent);
	}
}

static void test_damage(void **state)
{
	static const char good[] =
		"from=\"10.0.0.0/8\",expiry-time=\"20281123\",verify-required " SK " ann@desk";
	const struct import_rule rule = { .under = unit("VSD") };
	char line[sizeof(good)];
	size_t len = sizeof(good) - 1;
	struct fault f;
	(void)state;
	assert_int_equal(import_authorized_key(span_of(good, len), &rule, &item, &f), 1);
	/* Cut inside the name it is somebody of a shorter one; before that it is nobody. */
	for (size_t n = 1; n < len - strlen("ann@desk") + 1; n++)
		assert_int_equal(
			import_authorized_key(span_of(good, n), &rule, &item, &f), -EINVAL);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		memcpy(line, good, sizeof(good));
		line[bit / 8] = (char)(line[bit / 8] ^ 1 << bit % 8);
		if (line[0] == '#' ||
			import_authorized_key(span_of(line, len), &rule, &item, &f) < 0)
			continue;
		assert_true(item.entry.from_count == 1 && item.entry.requires_uv);
		assert_true(item.entry.expires_ms != UINT64_MAX);
	}
}

/* All items of a list, or their mistakes, each with its line. */
static const char *read_all(const char *text, const struct import_rule *rule)
{
	static char to[8192];
	size_t len = 0;
	struct fault f;
	to[0] = '\0';
	import_init(&im, text_span(text), rule);
	for (int rc; (rc = import_next(&im, &item, &f)) != 0;)
		len += (size_t)snprintf(
			to + len, sizeof(to) - len, "%u:%.90s\n", im.line, shown(rc, &f));
	return to;
}

static void test_csv(void **state)
{
	static const struct {
		const char *name, *under, *text, *expected;
	} cases[] = {
		{ "any order", NULL, "key,NAME\n" KEY " x,Ann/VSD\n",
			"2:name=\"Ann/VSD\",kind=user " },
		{ "below", "QN/VSD", "key,name\n" ID ",Ann\n",
			"2:name=\"Ann/QN/VSD\",kind=user post" },
		{ "whole, below", "VSD", "key,name\n" ID ",Ann/QN/VSD\n", "2:name=\"Ann/QN/VSD\"" },
		{ "whole, elsewhere", "QN/VSD", "key,name\n" ID ",Ann/VSD\n",
			"2:!\"Ann/VSD\" does not lie below" },
		{ "flags", NULL,
			"name,key,locked,disabled,kind,comment\nGate/VSD," ID
			",yes,TRUE,server,x\n",
			"2:name=\"Gate/VSD\",kind=server,disabled,locked postern-key" },
		{ "no flags", NULL, "name,key,locked,disabled\nGate/VSD," ID ",0,no\n",
			"2:name=\"Gate/VSD\",kind=user postern-key" },
		{ "header twice", NULL, "name,key,name\na,b,c\n", "1:!column name stands twice" },
		{ "no key column", NULL, "name\na\n", "1:!there is no column key" },
		{ "unknown column", NULL, "name,key,\xff\na,b,c\n",
			"1:!column \"\\xff\" is unknown" },
		{ "empty", NULL, "", "1:!the file is empty" },
		{ "broken header", NULL, "na\"me\na\n", "1:!a quote stands inside" },
		{ "row too long", NULL, "name,key\na,b,c\n",
			"2:!the row has 3 fields, the header has 2" },
		{ "row too short", NULL, "name,key\na\n", "2:!the row has 1 fields" },
		{ "bad flag", NULL, "name,key,locked\na/VSD," ID ",maybe\n",
			"2:!locked \"maybe\" is" },
		{ "bad kind", NULL, "name,key,kind\na/VSD," ID ",robot\n",
			"2:!kind \"robot\" is unkn" },
		{ "bad id", NULL, "name,key\na/VSD,sha256:00\n", "2:!the key id is not sha256" },
		{ "no name", NULL, "name,key\n," ID "\n", "2:!no name" },
		{ "no key", NULL, "name,key\na/VSD,\n", "2:!no key" },
		{ "option smuggled in", NULL, "name,key\n\"a/VSD\"\",locked=\"\"\"," ID "\n",
			"2:!name \"" },
		{ "line smuggled in", NULL, "name,key,comment\na/VSD," ID ",\"x\nname=b\"\n",
			"2:!the comment is too long or has control" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct import_rule rule = {
			.format = IMPORT_CSV,
			.under = cases[i].under == NULL ? NULL : unit(cases[i].under),
		};
		const char *got = read_all(cases[i].text, &rule);
		if (strncmp(got, cases[i].expected, strlen(cases[i].expected)) != 0)
			fail_msg("case \"%s\": %s", cases[i].name, got);
	}
}

/* A mistake ends a line, not the list; without a header there is no list. */
static void test_goes_on(void **state)
{
	const struct import_rule keys = { .under = unit("VSD") };
	const struct import_rule csv = { .format = IMPORT_CSV };
	char text[600];
	(void)state;
	snprintf(text, sizeof(text), "# x\n\nnonsense\n%s a\r\nmore\n%s b", KEY, KEY);
	assert_int_equal(strncmp(read_all(text, &keys), "3:!option \"nonsense\"", 20), 0);
	assert_non_null(strstr(read_all(text, &keys), "\n4:name=\"a/VSD\""));
	assert_non_null(strstr(read_all(text, &keys), "\n6:name=\"b/VSD\""));
	assert_non_null(
		strstr(read_all("name,key\na\"\nb/VSD," ID "\n", &csv), "\n3:name=\"b/VSD\""));
	assert_null(strstr(read_all("nome,key\nb/VSD," ID "\n", &csv), "2:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authorized_keys),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
