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
		/* Those that follow a text say how they were compared with it. */
		TEST_CASE(names[i],
			p->checked[0] != '\0' || strcmp(names[i], "mail") == 0 ||
				strcmp(names[i], "web") == 0);
		audit_profile_free(p);
	}
}

#define GOOD12 "ECDHE-RSA-AES128-GCM-SHA256"
#define CBC12 "ECDHE-RSA-AES128-SHA256"

/* Verdicts that are well known. suites and groups by name; expected: "id=severity", or "!id" for none. */
static const struct verdict {
	const char *profile;
	enum audit_version version;
	const char *suites, *groups, *signatures;
	int rsa, dh; /* bits of a certificate's key and of a prime; 0: none */
	const char *expected;
} verdicts[] = {
	{ "mail", AUDIT_TLS10, "AES128-SHA", "", "", 2048, 0,
		"tls10=info suite-static=info beast=info !cert-weak-key cert-self-signed=low" },
	{ "mail", AUDIT_TLS12, "ADH-AES128-SHA EXP-RC4-MD5", "", "", 0, 1024,
		"suite-anonymous=info suite-export=high suite-rc4=medium suite-dhe=info dh-weak=low" },
	{ "mail", AUDIT_TLS12, GOOD12, "x25519", "", 1024, 0, "cert-weak-key=medium !tls12" },
	{ "web", AUDIT_TLS10, "AES128-SHA", "", "", 2048, 0, "tls10=medium cert-self-signed=high" },
	{ "web", AUDIT_TLS12, "DHE-RSA-AES128-GCM-SHA256", "", "", 0, 2048,
		"suite-dhe=low !dh-weak" },
	{ "rfc9325", AUDIT_TLS10, "DES-CBC3-SHA", "", "", 0, 0,
		"tls10=high suite-3des=medium sweet32=medium suite-static=high" },
	{ "rfc9325", AUDIT_TLS12, "DHE-RSA-AES256-GCM-SHA384 AES128-GCM-SHA256", "", "", 0, 1024,
		"suite-dhe=high suite-static=high dh-weak=high !suite-not-listed" },
	{ "rfc9325", AUDIT_TLS12, GOOD12, "x25519 secp256r1", "rsa_pkcs1_sha1", 2048, 0,
		"signature-weak=high !suite-dhe !group-not-listed !cert-weak-key" },
	{ "rfc9325", AUDIT_TLS12, "RC4-SHA NULL-SHA", "", "", 1024, 0,
		"suite-rc4=high suite-null=critical cert-weak-key=high" },
	{ "bsi-tr-02102-2", AUDIT_TLS12, "ECDHE-ECDSA-CHACHA20-POLY1305", "x25519",
		"rsa_pkcs1_sha256", 2048, 2048,
		"suite-not-listed group-not-listed signature-not-listed=low cert-weak-key=high "
		"dh-weak=high" },
	{ "bsi-tr-02102-2", AUDIT_TLS12, CBC12 " DHE-RSA-AES128-CCM",
		"secp256r1 brainpoolP384r1 SecP256r1MLKEM768", "rsa_pss_rsae_sha256", 3072, 3072,
		"!suite-not-listed !group-not-listed !signature-not-listed !cert-weak-key !dh-weak "
		"lucky13=medium suite-dhe=info" },
	{ "bsi-tr-02102-2", AUDIT_TLS13, "TLS_AES_128_CCM_8_SHA256", "secp384r1", "ed25519", 0, 0,
		"suite-not-listed signature-not-listed !tls12" },
	{ "ncsc-nl-2025", AUDIT_TLS12, CBC12 " DHE-RSA-AES256-GCM-SHA384", "ffdhe4096 secp224r1",
		"rsa_pkcs1_sha224", 2048, 2048,
		"suite-not-listed=medium group-not-listed=medium group-weak=high cert-weak-key=medium "
		"signature-not-listed dh-weak=high" },
	{ "ncsc-nl-2025", AUDIT_TLS12, GOOD12 " ECDHE-RSA-CHACHA20-POLY1305",
		"x25519 x448 brainpoolP512r1 X25519MLKEM768", "rsa_pss_rsae_sha256 ed25519", 3072,
		0, "!suite-not-listed !group-not-listed !signature-not-listed !cert-weak-key" },
	{ "ncsc-nl-2025", AUDIT_TLS11, "AES128-SHA", "", "rsa_pkcs1_sha1", 0, 0,
		"tls11=high suite-static=high signature-weak=high" },
	{ "mozilla-intermediate", AUDIT_TLS12, "DHE-RSA-AES128-GCM-SHA256 " CBC12, "ffdhe2048", "",
		0, 2048, "suite-not-listed group-not-listed !dh-weak" },
	{ "mozilla-intermediate", AUDIT_TLS12, GOOD12 " ECDHE-ECDSA-CHACHA20-POLY1305",
		"X25519MLKEM768 x25519 secp256r1 secp384r1", "", 2048, 0,
		"!suite-not-listed !group-not-listed !cert-weak-key" },
	{ "mozilla-intermediate", AUDIT_TLS13, "TLS_AES_128_GCM_SHA256", "secp521r1", "", 0, 0,
		"group-not-listed no-post-quantum=low !suite-not-listed" },
	{ "pci-dss-4", AUDIT_TLS11, "DES-CBC3-SHA", "", "", 2048, 0,
		"tls11=high suite-3des=high sweet32=high !cert-weak-key cert-self-signed=high" },
	{ "pci-dss-4", AUDIT_SSL3, "RC4-MD5", "", "", 1024, 0,
		"ssl3=critical suite-rc4=critical suite-md5=high cert-weak-key=high" },
	{ "pci-dss-4", AUDIT_TLS12, GOOD12 " AES128-SHA", "", "", 2048, 2048,
		"!tls12 !no-tls13 suite-static=info !suite-not-listed !dh-weak" },
};

static void offer(struct audit_facts *f, const struct verdict *v)
{
	char copy[512];
	made_accept(f, v->version, v->suites);
	f->dh.bits = (uint16_t)v->dh;
	snprintf(copy, sizeof(copy), "%s", v->groups);
	for (char *at = NULL, *n = strtok_r(copy, " ", &at); n != NULL;
		n = strtok_r(NULL, " ", &at))
		for (size_t i = 0; i < audit_group_count(); i++)
			if (strcmp(audit_group_at(i)->name, n) == 0)
				f->groups[f->group_count++] = audit_group_at(i)->id;
	snprintf(copy, sizeof(copy), "%s", v->signatures);
	for (char *at = NULL, *n = strtok_r(copy, " ", &at); n != NULL;
		n = strtok_r(NULL, " ", &at))
		for (size_t i = 0; i < audit_signature_count(); i++)
			if (strcmp(audit_signature_at(i)->name, n) == 0)
				f->signatures[f->signature_count++] = audit_signature_at(i)->id;
	if (v->rsa > 0)
		made_chain(f,
			&(struct made_cert){ .name = "mail.example.org",
				.san = "DNS:mail.example.org",
				.from_s = MADE_NOW - MADE_DAY,
				.to_s = MADE_NOW + 80 * MADE_DAY,
				.bits = v->rsa });
}

static void expect(const struct verdict *v, const struct audit_findings *found)
{
	char copy[512];
	snprintf(copy, sizeof(copy), "%s", v->expected);
	for (char *at = NULL, *id = strtok_r(copy, " ", &at); id != NULL;
		id = strtok_r(NULL, " ", &at)) {
		char *severity = strchr(id, '=');
		bool is_not = id[0] == '!';
		if (severity != NULL)
			*severity++ = '\0';
		const struct audit_finding *is = made_find(found, id + is_not);
		if (audit_check_find(id + is_not) == AUDIT_FINDINGS_MAX || (is == NULL) != is_not)
			fail_msg("%s, \"%s\": %s is %sfound", v->profile, v->suites, id + is_not,
				is_not ? "" : "not ");
		if (severity != NULL && strcmp(audit_severity_name(is->severity), severity) != 0)
			fail_msg("%s, \"%s\": %s is %s", v->profile, v->suites, id,
				audit_severity_name(is->severity));
	}
}

static void test_verdicts(void **state)
{
	static struct audit_findings found;
	(void)state;
	for (size_t i = 0; i < TEST_LEN(verdicts); i++) {
		char path[512];
		struct fault fault = { "" };
		struct audit_others none = { 0 };
		snprintf(path, sizeof(path),
			TEST_VECTORS "/../../src/share/postern/profiles/%s.json",
			verdicts[i].profile);
		struct audit_profile *p = audit_profile_load(path, &fault);
		struct audit_facts *f = made_facts("mail.example.org", 443);
		if (p == NULL)
			fail_msg("%s", fault.text);
		offer(f, &verdicts[i]);
		/* What libssl says of such a certificate. */
		f->verify.is_done = verdicts[i].rsa > 0;
		f->verify.error = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
		audit_find_at(p, f, &none, MADE_NOW, &found);
		expect(&verdicts[i], &found);
		audit_facts_free(f);
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
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
