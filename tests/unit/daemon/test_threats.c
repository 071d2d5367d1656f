/* What --check says of each kind of knock: the numbers, and that each switch changes what it should. */

#include "../config/helper.h"
#include "daemon/threats.h"
#include "test.h"

static struct config *load(const char *block)
{
	char text[2048];
	struct config_report r = { 0 };
	snprintf(text, sizeof(text), SERVER SERVICE "door wan { interface = eth0 spa { }\n%s }\n",
		block);
	struct config *c = parse(text, &r);
	print_report(&r);
	assert_non_null(c);
	return c;
}

static char *statements(const char *block)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct config *c = load(block);
	assert_non_null(f);
	threats_print(c, f);
	fclose(f);
	config_free(c);
	return text;
}

/* Every line is a comment and none is too long. */
static void check_lines(const char *name, const char *text)
{
	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, "\n");
		TEST_CASE(name, len <= 100 && (len == 0 || *p == '#'));
		p += len + (p[len] == '\n');
	}
}

#define SEQ(x) "sequence { open = ssh as = \"Ops/VSD\" " x " }"
#define CIPHER(x) "cipher { key-file = /k services = {ssh} as = \"Ops/VSD\" " x " }"
#define IV "iv = \"01234567\" "
#define TAGGED(x) "tagged { keys = /t services = {ssh} " x " }"
#define FWKNOP(x) "fwknop { services = {ssh} as = \"Ops/VSD\" " x " }"

static void test_statements(void **state)
{
	(void)state;
	static const struct {
		const char *block, *has, *has_not;
	} cases[] = {
		{ SEQ("ports = {7000, 100, 9000}"), "has 48 bits to guess",
			"walks through it with" },
		{ SEQ("ports = {7000, 100, 9000}"), "(3 knocks, 16 bits each)", "n! tries" },
		{ SEQ("ports = {7000, 100, 9000}"), "446 years", "accept-weak" },
		{ SEQ("ports = {7000, 100} accept-weak = yes"), "60 hours", "years" },
		{ SEQ("ports = {1, 100, 1000} accept-weak = yes strict = no"),
			"walks through it with one sweep", "n! tries" },
		{ SEQ("ports = {1, 100, 1000} accept-weak = yes"), "does not walk through it",
			"side by side" },
		{ SEQ("ports = {1, 2, 3} accept-weak = yes"), "side by side", "does not walk" },
		{ SEQ("ports = {7000, 100, 9000} strict = no"), "n! tries", "side by side" },
		{ SEQ("one-time = /f"), "never works again", "play it again" },
		{ "structured { services = {ssh} as = \"Ops/VSD\" }", "has 0 bits to guess",
			"16 bits at most" },
		{ "structured { base = 101 services = {ssh} as = \"Ops/VSD\" }", "16 bits at most",
			"100 is where" },
		{ CIPHER(IV), "has 48 bits to guess", "is never taken again" },
		{ CIPHER(IV), "play it again from the same address", "from any address, for" },
		{ CIPHER(IV "third-party = yes"), "one in 1800 knocks", "48 bits" },
		{ CIPHER(IV "third-party = yes"), "lets noise open gates", "same address\n" },
		{ CIPHER(IV "wide = yes"), "has 104 bits to guess", "48 bits" },
		{ CIPHER(IV "wide = yes third-party = yes"), "has 40 bits to guess", "104" },
		{ CIPHER(IV "one-time = yes"), "what was taken once is never taken again",
			"play it again" },
		{ CIPHER(IV "one-time = yes"), "random-iv = yes makes each another",
			"stop a knock" },
		{ CIPHER("random-iv = yes one-time = yes"), "stop a knock on its way",
			"makes each another" },
		{ "cipher { pad = /p services = {ssh} as = \"Ops/VSD\" }", "has 64 bits to guess",
			"passphrase" },
		{ TAGGED(""), "2^-59 a knock", "md5" },
		{ TAGGED(""), "names no address can be stopped", "there is no clock" },
		{ TAGGED("observed = no"), "cannot use them", "stopped on its way" },
		{ TAGGED("tag = counter"), "there is no clock", "later than the last" },
		{ TAGGED("hash = md5"), "hash = md5: nobody has broken HMAC-MD5", "?x" },
		{ FWKNOP("key-file = /f"), "as many bits as it has, at most 256", "is short" },
		{ FWKNOP("key-file = /f hmac = md5"), "at most 128", "at most 256" },
		{ FWKNOP("key-base64 = \"AAEC\" hmac-key-base64 = \"AAEC\""),
			"has 24 bits to guess", "AAEC" },
		{ FWKNOP("key-base64 = \"AAEC\" hmac-key-base64 = \"AAEC\""), "is short", "AAEC" },
		{ FWKNOP("key-base64 = \"AAEC\" "
			 "hmac-key-base64 = \"QEFCQ0RFRkdISUpLTE1OTw==\""),
			"has 128 bits to guess (HMAC key of 128 bits, code of 256)", "is short" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char *text = statements(cases[i].block), *flat = strdup(text);
		check_lines(cases[i].block, text);
		/* Lines joined again, so that a sentence is found wherever it was broken. */
		size_t at = 0;
		for (const char *p = text; *p != '\0';) {
			if (strncmp(p, "\n#   ", 5) == 0 && p[5] == ' ') {
				p += 5;
				p += strspn(p, " ");
				flat[at++] = ' ';
			} else {
				flat[at++] = *p++;
			}
		}
		flat[at] = '\0';
		if (strstr(flat, cases[i].has) == NULL || strstr(flat, cases[i].has_not) != NULL)
			fail_msg("%s: got\n%s", cases[i].block, text);
		assert_non_null(strstr(flat, "# door wan: spa\n"));
		assert_non_null(strstr(flat, "about 2^128 tries"));
		free(flat);
		free(text);
	}
}

static void test_names(void **state)
{
	(void)state;
	static const char text[] = SERVER SERVICE
		"door wan { interface = eth0\n"
		"structured { services = {ssh}\nas = \"Ops/VSD\" }\n" SEQ(
			"ports = {7000, 200, 9000}") "\ncipher { key-file = /k " IV
						     "services = {ssh}\nas = \"Nobody\" }\n"
						     "fwknop { key-file = /f services = {ssh} as = \"*/VSD\" }\n}\n";
	struct config_report r = { 0 };
	struct config *c = parse(text, &r);
	print_report(&r);
	assert_non_null(c);
	threats_check_names(c, &r);
	char *got = join_report(&r);
	if (!is_report(got, "t.conf:8: as: this is no name: *\nt.conf:9: as: this is no name: *\n"))
		fail_msg("got\n%s", got);
	free(got);
	config_report_deinit(&r);

	char *warnings = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&warnings, &len);
	struct directory_faults *faults = calloc(1, sizeof(*faults));
	struct directory *d = directory_parse(span_of(NULL, 0), faults);
	assert_non_null(d);
	threats_warn_names(c, d, NULL, 0, f);
	fclose(f);
	assert_string_equal(warnings,
		"warning: t.conf:6: as: the directory does not list Ops/VSD, so these knocks are "
		"refused; list the name, or change it\n"
		"warning: t.conf:5: as: the directory does not list Ops/VSD, so these knocks are "
		"refused; list the name, or change it\n");
	directory_free(d);
	free(faults);
	free(warnings);
	config_free(c);
}

/* Listed, but a list of the server says no. */
static void test_lists(void **state)
{
	(void)state;
	static const char text[] = SERVER SERVICE
		"door wan { interface = eth0  allow = {\"Ops/VSD\"}  deny = {\"Night/VSD\"}\n"
		"fwknop { key-file = /f services = {ssh}\nas = \"Ops/VSD\" }\n"
		"fwknop { key-file = /g services = {ssh}\nas = \"Night/VSD\" udp = 4000 } }\n";
	static const char people[] =
		"name=\"Ops/VSD\" postern-key "
		"sha256:0101010101010101010101010101010101010101010101010101010101010101\n"
		"name=\"Night/VSD\" postern-key "
		"sha256:0201010101010101010101010101010101010101010101010101010101010101\n";
	struct config_report r = { 0 };
	struct directory_faults *faults = calloc(1, sizeof(*faults));
	struct config *c = parse(text, &r);
	print_report(&r);
	assert_non_null(c);
	struct directory *d = directory_parse(span_of(people, sizeof(people) - 1), faults);
	assert_non_null(d);
	struct policy *p = policy_new(c, d, &r);
	print_report(&r);
	assert_non_null(p);
	char *warnings = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&warnings, &len);
	threats_warn_names(c, d, p, 1, f);
	fclose(f);
	assert_string_equal(warnings,
		"warning: t.conf:7: as: Night/VSD may not use ssh, so these knocks are refused: the door "
		"denies it (door wan deny: Night/VSD); change the list, or the name\n");
	policy_free(p);
	directory_free(d);
	free(faults);
	free(warnings);
	config_free(c);
}

/* Encrypted, an address is worth nothing; not encrypted, it is all there is. */
static void test_passthrus(void **state)
{
	(void)state;
	static const struct {
		const char *options, *want, *unwanted, *warning;
	} cases[] = {
		{ "allow = {\"*\"}", "he has the\n#                    address and not the key",
			"think over", "" },
		{ "", "# passthru notes of t.conf:3, encrypted\n", "think over",
			"warning: t.conf:3: passthru notes: nobody may through; add allow = {...}\n" },
		{ "allow = {} encrypt = no", "as often as he likes", "2^128 tries each",
			"warning: t.conf:3: passthru notes: nobody may through; add allow = {...}\n" },
		{ "allow = {\"*\"} encrypt = no", "is the only proof here", "2^128 tries each",
			"" },
		{ "allow = {\"*\"} encrypt = no open = once", "can be let through first",
			"as often as he likes", "" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char conf[512], *text = NULL, *warning = NULL;
		size_t len = 0;
		struct config_report r = { 0 };
		snprintf(conf, sizeof(conf),
			"server { id = /s directory = /d relay-id = /r }\n" DOOR
			"passthru notes { listen = tcp/1352 to = \"mail.inner:1352\" %s }\n",
			cases[i].options);
		struct config *c = parse(conf, &r);
		print_report(&r);
		assert_non_null(c);
		FILE *out = open_memstream(&text, &len), *err = open_memstream(&warning, &len);
		threats_print(c, out);
		threats_warn_passthrus(c, err);
		fclose(out);
		fclose(err);
		check_lines(cases[i].options, text);
		TEST_CASE(cases[i].options, strstr(text, cases[i].want) != NULL);
		TEST_CASE(cases[i].options, strstr(text, cases[i].unwanted) == NULL);
		assert_string_equal(warning, cases[i].warning);
		free(text);
		free(warning);
		config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_passthrus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
