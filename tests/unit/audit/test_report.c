/* Reports: the text line by line, cells, escapes, refusals, what changed, and words that nobody should believe. */

#include <jansson.h>
#include <unistd.h>

#include "audit/report.h"
#include "made.h"

#define EVIL "\"<b>&'\x1b[31m\xe2\x80\xae\nx"

/* What a writer writes. */
static char *written;
static size_t written_len;

static FILE *begin(void)
{
	free(written);
	written = NULL;
	FILE *out = open_memstream(&written, &written_len);
	assert_non_null(out);
	return out;
}

static struct audit_facts *gateway(struct audit_findings *found, struct audit_entry *e)
{
	static struct audit_profile *p;
	struct audit_others none = { 0 };
	struct audit_facts *f = made_facts("mail.example.org", 25);
	audit_profile_free(p);
	p = made_profile("{\"format\": 1, \"name\": \"made\", \"severity\": {\"beast\": \"off\","
			 "\"lucky13\": \"off\", \"suite-cbc\": \"off\", \"suite-sha1\": \"off\"}}");
	made_accept(f, AUDIT_SSL3, "DHE-RSA-AES256-SHA EXP-RC4-MD5");
	made_accept(f, AUDIT_TLS10, "DES-CBC3-SHA");
	audit_find_at(p, f, &none, MADE_NOW, found);
	*e = (struct audit_entry){ f, found };
	return f;
}

static void test_text(void **state)
{
	static struct audit_findings found;
	struct audit_entry e;
	struct audit_text_options plain = { 0 }, classic = { .is_classic = true },
				  colour = { .has_colour = true };
	struct audit_facts *f = gateway(&found, &e);
	(void)state;
	found.count = 1;
	FILE *out = begin();
	audit_text_gateway(out, &e, &plain);
	fclose(out);
	assert_string_equal(written,
		"Testing SSL server mail.example.org on port 25\n"
		"Address: 192.0.2.7\n"
		"Supported Server Cipher(s):\n"
		"Accepted SSLv3 256 bits DHE-RSA-AES256-SHA\n"
		"Accepted SSLv3 40 bits EXP-RC4-MD5\n"
		"Accepted TLSv1 112 bits DES-CBC3-SHA\n"
		"Preferred Server Cipher(s):\n"
		"SSLv3 256 bits DHE-RSA-AES256-SHA\n"
		"TLSv1 112 bits DES-CBC3-SHA\n"
		"Findings by profile made:\n"
		"critical  freak: EXP-RC4-MD5\n"
		"          Remove RSA export suites (FREAK, CVE-2015-0204).\n\n");
	out = begin();
	audit_text_gateway(out, &e, &classic);
	fclose(out);
	assert_non_null(strstr(written, "on port 25\nSupported"));
	assert_non_null(strstr(written, "\nPrefered Server Cipher(s):\n"));
	assert_non_null(strstr(written, "\nAccepted TLSv1 168 bits DES-CBC3-SHA\n"));
	out = begin();
	audit_text_gateway(out, &e, &colour);
	fclose(out);
	assert_non_null(strstr(written, "\033[31mAccepted SSLv3 40 bits EXP-RC4-MD5\033[0m\n"));
	assert_non_null(strstr(written, "\033[34mAccepted TLSv1 112 bits DES-CBC3-SHA\033[0m\n"));
	audit_facts_free(f);
}

/* Whose order it is, and whether the list is in it. */
static void test_order(void **state)
{
	static const struct {
		enum audit_answer by_server;
		bool is_known;
		const char *line;
	} cases[] = {
		{ AUDIT_UNKNOWN, false, NULL },
		{ AUDIT_NO, false, "SSLv3 the client's\n" },
		{ AUDIT_YES, true, "SSLv3 the server's, as listed\n" },
		{ AUDIT_YES, false,
			"SSLv3 the server's, not known in full; --order asks for it\n" },
	};
	static struct audit_findings found;
	struct audit_entry e;
	struct audit_text_options plain = { 0 };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_facts *f = gateway(&found, &e);
		f->protocols[AUDIT_SSL3].server_order = cases[i].by_server;
		f->protocols[AUDIT_SSL3].is_order_known = cases[i].is_known;
		f->protocols[AUDIT_TLS10].server_order = AUDIT_YES; /* one suite has no order */
		FILE *out = begin();
		audit_text_gateway(out, &e, &plain);
		fclose(out);
		const char *order = strstr(written, "Order of Cipher(s):\n");
		assert_true((order != NULL) == (cases[i].line != NULL));
		if (order != NULL)
			assert_non_null(strstr(order, cases[i].line));
		assert_null(strstr(written, "TLSv1 the server's"));
		audit_facts_free(f);
	}
}

static void test_ends(void **state)
{
	static const struct {
		enum audit_end end;
		int code;
		const char *text, *keywords, *expected;
	} cases[] = {
		{ AUDIT_END_NO_STARTTLS, 0, "", "SIZE",
			"ERROR: The SMTP service on mail.example.org port 25 did not appear to "
			"support STARTTLS.\n" },
		{ AUDIT_END_NO_STARTTLS, 500, "500 5.5.1 what", "SIZE",
			"It said: 500 5.5.1 what\n" },
		{ AUDIT_END_NO_CONNECT, 0, "connection refused", "",
			"ERROR: Could not open a connection to host mail.example.org on port 25.\n"
			"It said: connection refused\n" },
		{ AUDIT_END_REFUSED, 454, "454 4.7.0 TLS not available due to local problem",
			"SIZE STARTTLS",
			"ERROR: The SMTP service on mail.example.org port 25 advertised STARTTLS but "
			"refused: 454 4.7.0 TLS not available due to local problem\nMeaning: " },
		{ AUDIT_END_REFUSED, 554, "no service", "",
			"ERROR: The SMTP service on mail.example.org port 25 refused to go on: 554 no "
			"service\nFindings" },
		{ AUDIT_END_RATE, 421, "421 RP-001 (x)", "",
			" is rate limited: 421 RP-001 (x)\nMeaning: this address may send little" },
		{ AUDIT_END_MUTE, 0, "", "", " took the connection and said nothing.\n" },
		{ AUDIT_END_NOT_TLS, 0, "first bytes 48 54 54 50", "",
			" does not speak TLS: first bytes 48 54 54 50\n" },
		{ AUDIT_END_RATE, 0, EVIL, "", " is rate limited: \"<b>&'?[31m????x\n" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		static struct audit_findings found = { .profile = "made" };
		struct audit_facts *f = made_facts("mail.example.org", 25);
		struct audit_entry e = { f, &found };
		struct audit_text_options o = { 0 };
		f->end = cases[i].end;
		f->words.code = cases[i].code;
		snprintf(f->words.text, sizeof(f->words.text), "%s", cases[i].text);
		snprintf(f->words.keywords, sizeof(f->words.keywords), "%s", cases[i].keywords);
		FILE *out = begin();
		audit_text_gateway(out, &e, &o);
		fclose(out);
		if (strstr(written, cases[i].expected) == NULL)
			fail_msg("no \"%s\" in \"%s\"", cases[i].expected, written);
		audit_facts_free(f);
	}
}

static void test_width(void **state)
{
	static struct audit_findings found = { .profile = "made",
		.count = 1,
		.items = { { .id = "cert-name", .severity = AUDIT_LOW } } };
	struct audit_facts *f = made_facts("mail.example.org", 25);
	struct audit_entry e = { f, &found };
	struct audit_text_options o = { 0 };
	(void)state;
	found.items[0].advice =
		"One sentence that has so many words in it that no line of a terminal "
		"holds all of them, and which is broken where there is a blank.";
	memset(found.items[0].detail, 'x', AUDIT_DETAIL_MAX - 1);
	for (size_t i = 40; i < AUDIT_DETAIL_MAX - 1; i += 41)
		found.items[0].detail[i] = ' ';
	FILE *out = begin();
	audit_text_gateway(out, &e, &o);
	fclose(out);
	for (char *at = NULL, *line = strtok_r(written, "\n", &at); line != NULL;
		line = strtok_r(NULL, "\n", &at)) {
		TEST_CASE(line, strlen(line) <= 80);
		TEST_CASE(line, line[strlen(line) - 1] != ' ');
	}
	audit_facts_free(f);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *words, *part;
	} cases[] = {
		{ "421 RP-001 (BAY) Unfortunately, some messages", "reputation" },
		{ "421 RP-002 ...", "this connection" },
		{ "421 RP-003 ...", "too many connections" },
		{ "550 SC-001 (x) Unfortunately", "policy" },
		{ "550 SC-002", "namespace mining" },
		{ "550 SC-003", "open proxy" },
		{ "550 SC-004", "complaints" },
		{ "550 DY-001", "dynamic" },
		{ "550 DY-002", "infected" },
		{ "550 OU-001", "blocklist" },
		{ "550 OU-002", "reputation" },
		{ "450 4.2.0 Greylisted, see", "come again" },
		{ "554 5.7.1 blocked using zen.spamhaus.org", "Spamhaus" },
		{ "421 Too many concurrent SMTP connections", "--polite" },
		{ "<stream:error><host-unknown xmlns='urn'/></stream:error>", "other domains" },
		{ "250 ok", NULL },
		{ "", NULL },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const char *meaning = audit_refusal_meaning(cases[i].words);
		TEST_CASE(cases[i].words, (meaning == NULL) == (cases[i].part == NULL));
		TEST_CASE(
			cases[i].words, meaning == NULL || strstr(meaning, cases[i].part) != NULL);
	}
}

static void test_csv(void **state)
{
	static struct audit_findings found = { .profile = "made" };
	struct audit_facts *f = made_facts("mail.example.org", 25);
	struct audit_entry e = { f, &found };
	(void)state;
	f->end = AUDIT_END_REFUSED;
	snprintf(f->words.text, sizeof(f->words.text), "@SUM(\"a\",1)\n\x80");
	FILE *out = begin();
	audit_csv_gateway(out, &e);
	fclose(out);
	assert_string_equal(written,
		"\"mail.example.org\",\"\",\"mail.example.org\",\"192.0.2.7\",\"25\",\"smtp\","
		"\"refused\",\"'@SUM(\"\"a\"\",1)??\",\"\",\"0\",\"0\",\"0\",\"0\",\"\",\"\",\"\","
		"\"\",\"made\",\"\",\"\",\"\",\"\"\r\n");
	audit_facts_free(f);
}

static json_t *json_of(struct audit_entry *entries, size_t count)
{
	struct audit_report r = {
		.profile = "made", .at_s = MADE_NOW, .entry_count = count, .entries = entries
	};
	json_t *j = audit_json(&r);
	assert_non_null(j);
	return j;
}

/* One gateway at a time makes the same text as all of them in one tree. */
static void test_json_write(void **state)
{
	static struct audit_findings found;
	struct audit_entry e[3];
	struct audit_facts *f = gateway(&found, &e[0]);
	(void)state;
	e[1] = e[2] = e[0];
	for (size_t count = 0; count <= TEST_LEN(e); count++) {
		struct audit_report r = {
			.profile = "made", .at_s = MADE_NOW, .entry_count = count, .entries = e
		};
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);
		assert_non_null(out);
		assert_true(audit_json_write(out, &r));
		assert_int_equal(fclose(out), 0);
		json_t *j = audit_json(&r);
		char *whole = json_dumps(j, JSON_INDENT(2));
		assert_string_equal(text, whole);
		free(whole);
		free(text);
		json_decref(j);
	}
	audit_facts_free(f);
}

static void test_json(void **state)
{
	static struct audit_findings found;
	struct audit_entry e;
	struct audit_facts *f = gateway(&found, &e);
	(void)state;
	snprintf(f->words.greeting, sizeof(f->words.greeting), "%s", EVIL);
	f->extension_count = 1;
	f->extensions[0] = 0x1234;
	f->dane.count = 1;
	f->dane.records[0].len = 2;
	json_t *j = json_of(&e, 1);
	json_t *g = json_array_get(json_object_get(j, "gateways"), 0);
	assert_string_equal(json_string_value(json_object_get(j, "at")), "2026-11-18T11:06:40Z");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(g, "words"), "greeting")),
		"\"<b>&'?[31m????x");
	json_t *suite = json_array_get(
		json_object_get(
			json_object_get(json_object_get(g, "protocols"), "SSLv3"), "suites"),
		1);
	assert_string_equal(json_string_value(json_object_get(suite, "id")), "0x0003");
	assert_string_equal(json_string_value(json_object_get(suite, "name")),
		"TLS_RSA_EXPORT_WITH_RC4_40_MD5");
	assert_int_equal(json_integer_value(json_object_get(suite, "bits")), 40);
	assert_int_equal(json_array_size(json_object_get(g, "findings")), found.count);
	json_decref(j);
	audit_facts_free(f);
}

static void test_compare(void **state)
{
	static struct audit_findings found, less;
	struct audit_entry e, other;
	struct audit_facts *f = gateway(&found, &e);
	(void)state;
	json_t *before = json_of(&e, 1);
	less = found;
	less.count--;
	other = (struct audit_entry){ f, &less };
	f->protocols[AUDIT_TLS10].offered = AUDIT_NO;
	f->protocols[AUDIT_SSL3].suite_count = 1;
	f->protocols[AUDIT_TLS13].offered = AUDIT_YES;
	json_t *now = json_of(&other, 1);
	FILE *out = begin();
	size_t changes = audit_compare(out, before, now);
	fclose(out);
	assert_int_equal(changes, 4);
	assert_non_null(strstr(written, "mail.example.org port 25, 192.0.2.7\n  gone finding: "));
	assert_non_null(strstr(written, "  gone suite: TLS_RSA_EXPORT_WITH_RC4_40_MD5, SSLv3\n"));
	assert_non_null(strstr(written, "  gone protocol: TLSv1\n"));
	assert_non_null(strstr(written, "  new protocol: TLSv1.3\n"));
	json_decref(now);
	/* What could not be asked is not gone. */
	f->end = AUDIT_END_RATE;
	f->protocols[AUDIT_SSL3].offered = AUDIT_UNKNOWN;
	f->protocols[AUDIT_TLS10].offered = f->protocols[AUDIT_TLS13].offered = AUDIT_UNKNOWN;
	now = json_of(&other, 1);
	out = begin();
	changes = audit_compare(out, before, now);
	fclose(out);
	assert_int_equal(changes, 1);
	assert_non_null(strstr(written, "  end: rate-limited, complete\n"));
	json_decref(now);
	now = json_of(NULL, 0);
	out = begin();
	assert_int_equal(audit_compare(out, before, now), 1);
	assert_int_equal(audit_compare(out, now, before), 1);
	assert_int_equal(audit_compare(out, before, before), 0);
	fclose(out);
	assert_non_null(strstr(written, "  gone gateway: "));
	assert_non_null(strstr(written, "  new gateway: complete\n"));
	json_decref(now);
	json_decref(before);
	audit_facts_free(f);
}

static void test_load(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"format\": \"postern-audit\"}",
		"{\"format\": \"postern-audit\", \"version\": 2}",
		"{\"format\": 1, \"version\": 1}" };
	char path[] = "/tmp/test_report_XXXXXX";
	struct fault fault;
	(void)state;
	assert_null(audit_json_load("/nonexistent/report.json", &fault));
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < TEST_LEN(texts); i++) {
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		fputs(texts[i], out);
		fclose(out);
		fault.text[0] = '\0';
		TEST_CASE(texts[i], audit_json_load(path, &fault) == NULL);
		TEST_CASE(texts[i], strncmp(fault.text, path, strlen(path)) == 0);
	}
	json_t *j = json_of(NULL, 0);
	assert_int_equal(json_dump_file(j, path, 0), 0);
	json_t *back = audit_json_load(path, &fault);
	assert_true(json_equal(j, back));
	json_decref(back);
	json_decref(j);
	unlink(path);
}

static void test_worst(void **state)
{
	static struct audit_findings none, some = { .count = 1 };
	struct audit_domain_entry d = { NULL, &some };
	struct audit_entry e = { NULL, &none };
	struct audit_report r = { .entry_count = 1, .entries = &e };
	(void)state;
	some.items[0].severity = AUDIT_MEDIUM;
	assert_int_equal(audit_report_worst(&r), AUDIT_OFF);
	r.domain_count = 1;
	r.domains = &d;
	assert_int_equal(audit_report_worst(&r), AUDIT_MEDIUM);
}

static void test_html(void **state)
{
	static struct audit_findings found;
	struct audit_entry e;
	struct audit_facts *f = gateway(&found, &e);
	struct audit_report r = { .profile = EVIL,
		.note = EVIL,
		.at_s = INT64_MIN,
		.is_incomplete = true,
		.entry_count = 1,
		.entries = &e };
	(void)state;
	snprintf(f->target.host, sizeof(f->target.host), "%s", EVIL);
	snprintf(f->incomplete, sizeof(f->incomplete), "%s", EVIL);
	FILE *out = begin();
	audit_html(out, &r);
	fclose(out);
	assert_null(strstr(written, "<b>&"));
	assert_non_null(strstr(written, "&quot;&lt;b&gt;&amp;&#39;?[31m????x"));
	for (size_t i = 0; i < written_len; i++)
		assert_true(written[i] == '\n' || (written[i] >= ' ' && written[i] <= '~'));
	audit_facts_free(f);
}

/* What DNS did not say is never told to be absent, in no form. */
static void test_looks(void **state)
{
	static const struct {
		enum audit_look look;
		const char *words, *json, *mode;
	} cases[] = {
		{ AUDIT_LOOK_NONE, "not looked up", "not-asked", "unknown" },
		{ AUDIT_LOOK_DONE, "none", "done", "none" },
		{ AUDIT_LOOK_FAILED, "could not be looked up", "failed", "unknown" },
		{ AUDIT_LOOK_BROKEN, "broken", "broken", "unknown" },
	};
	static struct audit_findings found = { .profile = "made" };
	static struct audit_domain d;
	struct audit_domain_entry e = { &d, &found };
	struct audit_text_options o = { 0 };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[512];
		enum audit_look l = cases[i].look;
		struct audit_report r = { .domain_count = 1, .domains = &e };
		d = (struct audit_domain){
			.mx_look = l, .sts_look = l, .tls_rpt_look = l, .caa_look = l
		};
		snprintf(text, sizeof(text),
			"Mail of \nMX: %s\nDNSSEC: unknown\nMTA-STS: %s\nTLS-RPT: %s\nCAA: %s\n",
			cases[i].words, cases[i].words, cases[i].words, cases[i].words);
		FILE *out = begin();
		audit_text_domain(out, &e, &o);
		fclose(out);
		if (strncmp(written, text, strlen(text)) != 0)
			fail_msg("\"%s\" is not \"%s\"", written, text);
		out = begin();
		audit_html(out, &r);
		fclose(out);
		TEST_CASE(cases[i].words,
			(strstr(written, "<dd>none<") != NULL) == (l == AUDIT_LOOK_DONE));
		TEST_CASE(cases[i].words, strstr(written, cases[i].words) != NULL);
		json_t *j = audit_json_domain(&e), *sts = json_object_get(j, "mta_sts");
		static const char *const keys[] = { "mx_lookup", "tls_rpt_lookup", "caa_lookup" };
		for (size_t k = 0; k < TEST_LEN(keys); k++)
			assert_string_equal(
				json_string_value(json_object_get(j, keys[k])), cases[i].json);
		assert_string_equal(
			json_string_value(json_object_get(sts, "lookup")), cases[i].json);
		assert_string_equal(json_string_value(json_object_get(sts, "mode")), cases[i].mode);
		json_decref(j);
	}
}

static void test_tlsa(void **state)
{
	static const struct {
		struct audit_dane dane;
		const char *expected; /* NULL: no word of it */
	} cases[] = {
		{ { .is_asked = false }, NULL },
		{ { .is_asked = true }, "TLSA: none\n" },
		{ { .is_asked = true, .is_failed = true }, "TLSA: could not be looked up\n" },
		{ { .is_asked = true,
			  .count = 2,
			  .is_secure = AUDIT_YES,
			  .records = { { 3, 1, 1, .state = AUDIT_TLSA_MATCH },
				  { 2, 0, 2, .state = AUDIT_TLSA_MISMATCH } } },
			"TLSA: 3 1 1, match\nTLSA: 2 0 2, mismatch\nDNSSEC of TLSA: yes\n" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		static struct audit_findings found;
		struct audit_entry e;
		struct audit_text_options o = { 0 };
		struct audit_facts *f = gateway(&found, &e);
		f->dane = cases[i].dane;
		FILE *out = begin();
		audit_text_gateway(out, &e, &o);
		fclose(out);
		const char *expected = cases[i].expected != NULL ? cases[i].expected : "TLSA";
		if ((strstr(written, expected) != NULL) != (cases[i].expected != NULL))
			fail_msg("case %zu: \"%s\"", i, written);
		audit_facts_free(f);
	}
}

/* A chain that is not whole says so in text, on the page and to programs, and is a finding. */
static void test_cut(void **state)
{
	static struct audit_findings found;
	struct audit_entry e;
	struct audit_text_options o = { 0 };
	struct audit_facts *f = gateway(&found, &e);
	struct audit_report r = { .entry_count = 1, .entries = &e };
	struct audit_profile *p = made_profile("{\"format\": 1, \"name\": \"made\"}");
	struct audit_others none = { 0 };
	(void)state;
	made_chain(f, &(struct made_cert){ .name = "a", .to_s = MADE_NOW });
	for (int i = 0; i < 2; i++) {
		f->chains[0].is_cut = f->is_chain_list_cut = i == 1;
		audit_find_at(p, f, &none, MADE_NOW, &found);
		assert_int_equal(made_find(&found, "cert-chain-long") != NULL, i == 1);
		FILE *out = begin();
		audit_text_gateway(out, &e, &o);
		fclose(out);
		assert_int_equal(
			strstr(written,
				"INCOMPLETE: more certificates were sent and left out\n"
				"INCOMPLETE: further chains were sent and left out\n") != NULL,
			i == 1);
		out = begin();
		audit_html(out, &r);
		fclose(out);
		assert_int_equal(strstr(written, "more certificates were sent") != NULL, i == 1);
		json_t *j = audit_json_gateway(&e);
		assert_int_equal(json_is_true(json_object_get(j, "chains_incomplete")), i == 1);
		assert_int_equal(json_is_true(json_object_get(
					 json_array_get(json_object_get(j, "chains"), 0), "cut")),
			i == 1);
		json_decref(j);
	}
	audit_profile_free(p);
	audit_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_json_write),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_worst),
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_tlsa),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
