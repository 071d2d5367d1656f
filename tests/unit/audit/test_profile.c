/* Profiles: those that are installed are right, and mistakes are told with their line. */

#include "made.h"

static void test_installed(void **state)
{
	static const char *const names[] = { "bsi-tr-02102-2", "mail", "mozilla-intermediate",
		"ncsc-nl-2025", "pci-dss-4", "rfc9325", "web" };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(names); i++) {
		char path[512];
		struct fault f = { "" };
		snprintf(path, sizeof(path),
			TEST_VECTORS "/../../src/share/postern/profiles/%s.json", names[i]);
		struct audit_profile *p = audit_profile_load(path, &f);
		if (p == NULL)
			fail_msg("%s", f.text);
		assert_string_equal(audit_profile_name(p), names[i]);
		TEST_CASE(names[i], p->title[0] != '\0' && p->source[0] != '\0');
		TEST_CASE(names[i], strpbrk(p->source, "0123456789") != NULL);
		TEST_CASE(names[i], p->is_version_allowed[AUDIT_TLS12]);
		TEST_CASE(names[i], !p->is_version_allowed[AUDIT_TLS11]);
		TEST_CASE(names[i], p->rsa_bits >= 2048);
		audit_profile_free(p);
	}
}

static void test_values(void **state)
{
	(void)state;
	struct audit_profile *p =
		made_profile("{\"format\": 1, \"name\": \"x\", \"note\": \"n\","
			     "\"bits\": {\"rsa\": 3000}, \"certificate_days\": 90,"
			     "\"severity\": {\"ssl2\": \"low\", \"beast\": \"off\"},"
			     "\"advice\": {\"ssl2\": \"Do it.\"}}");
	size_t ssl2 = audit_check_find("ssl2"), ssl3 = audit_check_find("ssl3");
	assert_int_equal(p->rsa_bits, 3000);
	assert_int_equal(p->dh_bits, 2048);
	assert_int_equal(p->days_max, 90);
	assert_string_equal(audit_profile_note(p), "n");
	assert_int_equal(audit_profile_severity(p, ssl2), AUDIT_LOW);
	assert_int_equal(audit_profile_severity(p, ssl3), AUDIT_HIGH);
	assert_string_equal(audit_profile_advice(p, ssl2), "Do it.");
	assert_string_equal(audit_profile_advice(p, ssl3), audit_check_at(ssl3)->advice);
	audit_profile_free(p);
}

#define HEAD "{\n\"format\": 1,\n\"name\": \"x\",\n"

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "p.json:1: not JSON: " },
		{ "{\n\"format\": 1,\n\"format\": 1}", "p.json:3: not JSON: duplicate" },
		{ "[]", "p.json:1: a profile is a JSON object" },
		{ "{}", "p.json:1: \"format\": 1 is missing" },
		{ "{\"format\": 2}", "p.json:1: format: this postern reads format 1" },
		{ "{\"format\": 1}", "p.json:1: \"name\" is missing" },
		{ HEAD "\"nam\": 1}", "p.json:4: nam: a profile has no such part" },
		{ "{\"format\": 1, \"name\": \"\"}", "p.json:1: name: must be a text" },
		{ "{\"format\": 1, \"name\": \"\\u202e\"}", "p.json:1: name: may have printable" },
		{ HEAD "\"severity\": {\n\"ssl2\": \"high\",\n\"ssl9\": \"high\"}}",
			"p.json:6: ssl9: is no finding" },
		{ HEAD "\"severity\": {\n\"ssl2\": \"huge\"}}",
			"p.json:5: ssl2: its severity is one" },
		{ HEAD "\"severity\": []}", "p.json:4: severity: must give" },
		{ HEAD "\"suites\": [\n\"AES128-SHA\",\n\"AES129-SHA\"]}",
			"p.json:6: AES129-SHA: is no suite" },
		{ HEAD "\"suites\": [1]}", "p.json:4: suites: must be a list of names" },
		{ HEAD "\"groups\": [\"x25519\", \"x25518\"]}", "p.json:4: x25518: is no group" },
		{ HEAD "\"signatures\": [\"rsa\"]}", "p.json:4: rsa: is no signature algorithm" },
		{ HEAD "\"versions\": {\n\"allowed\": [\"TLSv1.9\"]}}",
			"p.json:5: TLSv1.9: is no version" },
		{ HEAD "\"versions\": {\n\"liked\": []}}", "p.json:5: liked: is not known" },
		{ HEAD "\"versions\": []}", "p.json:4: versions: must have" },
		{ HEAD "\"bits\": {\n\"rsa\": -1}}", "p.json:5: rsa: must be a number" },
		{ HEAD "\"bits\": {\n\"dsa\": 1}}", "p.json:5: dsa: is not known" },
		{ HEAD "\"certificate_days\": \"many\"}",
			"p.json:4: certificate_days: must be a number" },
		{ HEAD "\"advice\": {\"ssl2\": 1}}", "p.json:4: ssl2: must be a text" },
		{ HEAD "\"advice\": {\"no\": \"x\"}}", "p.json:4: no: is no finding" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fault f = { "" };
		TEST_CASE(cases[i].text,
			audit_profile_parse("p.json", cases[i].text, strlen(cases[i].text), &f) ==
				NULL);
		if (strncmp(f.text, cases[i].expected, strlen(cases[i].expected)) != 0)
			fail_msg("\"%s\" gives \"%s\"", cases[i].text, f.text);
	}
}

/* Every beginning of a profile, and every bit of it turned, is refused with a sentence or is a profile. */
static void test_damage(void **state)
{
	static const char good[] =
		HEAD "\"versions\": {\"allowed\": [\"TLSv1.3\"]}, \"bits\": {\"rsa\": 3072},"
		     "\"groups\": [\"x25519\"], \"suites\": [\"AES128-SHA\"],"
		     "\"severity\": {\"ssl2\": \"low\"}, \"advice\": {\"ssl2\": \"Do.\"}}";
	char damaged[sizeof(good)];
	(void)state;
	for (size_t len = 0; len < sizeof(good) - 1; len++) {
		struct fault f = { "" };
		assert_null(audit_profile_parse("p.json", good, len, &f));
		assert_memory_equal(f.text, "p.json:", 7);
	}
	for (size_t bit = 0; bit < 8 * (sizeof(good) - 1); bit++) {
		struct fault f = { "" };
		memcpy(damaged, good, sizeof(good));
		damaged[bit / 8] = (char)(damaged[bit / 8] ^ (1 << bit % 8));
		struct audit_profile *p =
			audit_profile_parse("p.json", damaged, sizeof(good) - 1, &f);
		assert_true(p != NULL || strncmp(f.text, "p.json:", 7) == 0);
		audit_profile_free(p);
	}
}

static void test_load(void **state)
{
	struct fault f = { "" };
	(void)state;
	assert_null(audit_profile_load("no-such", &f));
	assert_non_null(strstr(f.text, "no-such: there is no profile of this name"));
	assert_null(audit_profile_load("./no-such.json", &f));
	assert_non_null(strstr(f.text, "no-such.json"));
	audit_profile_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
