/* Each check says what it should of facts that are made up for it, and nothing of those that are right. */

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "made.h"

#define PLAIN "{\"format\": 1, \"name\": \"made\"}"

static struct audit_findings found;

static void find(struct audit_facts *f, const char *profile)
{
	static struct audit_profile *p;
	struct audit_others none = { 0 };
	audit_profile_free(p);
	p = made_profile(profile);
	audit_find_at(p, f, &none, MADE_NOW, &found);
}

/* ids with blanks between: all of them are found, with something in one detail. */
static void expect(const char *name, const char *ids)
{
	char copy[512];
	snprintf(copy, sizeof(copy), "%s", ids);
	for (char *at = NULL, *id = strtok_r(copy, " ", &at); id != NULL;
		id = strtok_r(NULL, " ", &at)) {
		bool is_not = id[0] == '!';
		const struct audit_finding *is = made_find(&found, id + is_not);
		if ((is == NULL) != is_not)
			fail_msg("case \"%s\": %s is %sfound", name, id + is_not,
				is_not ? "" : "not ");
		if (audit_check_find(id + is_not) == AUDIT_FINDINGS_MAX)
			fail_msg("case \"%s\": no finding %s", name, id + is_not);
	}
}

static void test_table(void **state)
{
	(void)state;
	assert_true(audit_check_count() <= AUDIT_FINDINGS_MAX);
	for (size_t i = 0; i < audit_check_count(); i++) {
		const struct audit_check *c = audit_check_at(i);
		assert_int_equal(audit_check_find(c->id), i);
		TEST_CASE(c->id,
			strspn(c->id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(c->id));
		TEST_CASE(c->id, c->severity > AUDIT_OFF && c->severity < AUDIT_SEVERITY_COUNT);
		TEST_CASE(c->id, strlen(c->advice) > 8 && strlen(c->advice) < AUDIT_ADVICE_MAX);
	}
	assert_null(audit_check_at(audit_check_count()));
	assert_int_equal(audit_check_find("nothing"), AUDIT_FINDINGS_MAX);
}

/* doc/audit.md has a line for each: | `id` | severity | ... */
static void test_document(void **state)
{
	static char text[1 << 17];
	FILE *in = fopen(TEST_VECTORS "/../../doc/audit.md", "r");
	(void)state;
	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	for (size_t i = 0; i < audit_check_count(); i++) {
		const struct audit_check *c = audit_check_at(i);
		char row[128];
		snprintf(
			row, sizeof(row), "| `%s` | %s |", c->id, audit_severity_name(c->severity));
		TEST_CASE(row, strstr(text, row) != NULL);
	}
}

static void test_severities(void **state)
{
	(void)state;
	for (int s = 0; s < AUDIT_SEVERITY_COUNT; s++) {
		enum audit_severity is = AUDIT_SEVERITY_COUNT;
		assert_true(audit_severity_parse(audit_severity_name((enum audit_severity)s), &is));
		assert_int_equal(is, s);
	}
	enum audit_severity kept = AUDIT_LOW;
	assert_false(audit_severity_parse("High", &kept));
	assert_int_equal(kept, AUDIT_LOW);
}

static void test_suites(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum audit_version version;
		const char *suites, *expected;
	} cases[] = {
		{ "good", AUDIT_TLS12, "ECDHE-RSA-AES128-GCM-SHA256",
			"!suite-static !suite-cbc !suite-sha1 !lucky13 !sweet32 !tls12 !freak" },
		{ "1.3", AUDIT_TLS13, "TLS_AES_128_GCM_SHA256",
			"!no-tls12 !no-tls13 !suite-static" },
		{ "null", AUDIT_TLS12, "NULL-MD5", "suite-null suite-md5 suite-static !suite-cbc" },
		{ "anonymous", AUDIT_TLS12, "ADH-AES128-SHA", "suite-anonymous !suite-static" },
		{ "export", AUDIT_SSL3, "EXP-RC4-MD5",
			"suite-export suite-rc4 freak ssl3 !poodle !suite-des" },
		{ "export des", AUDIT_TLS10, "EXP-DES-CBC-SHA",
			"suite-export freak beast !suite-des" },
		{ "des", AUDIT_TLS10, "DES-CBC-SHA", "suite-des sweet32 tls10 beast lucky13" },
		{ "3des", AUDIT_TLS12, "DES-CBC3-SHA", "suite-3des sweet32 !suite-des !beast" },
		{ "idea", AUDIT_TLS12, "IDEA-CBC-SHA", "suite-idea sweet32" },
		{ "poodle", AUDIT_SSL3, "AES128-SHA", "poodle beast ssl3 !lucky13" },
		{ "dhe", AUDIT_TLS12, "DHE-RSA-AES128-GCM-SHA256", "suite-dhe !suite-static" },
		{ "ecdhe", AUDIT_TLS12, "ECDHE-RSA-AES128-GCM-SHA256", "!suite-dhe" },
		{ "psk", AUDIT_TLS12, "PSK-AES128-CBC-SHA", "suite-odd suite-static" },
		{ "srp", AUDIT_TLS12, "SRP-AES-128-CBC-SHA", "suite-odd !suite-static" },
		{ "ssl2", AUDIT_SSL2, "SSL_CK_RC4_128_WITH_MD5", "ssl2 drown suite-rc4 suite-md5" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_facts *f = made_facts("mail.example.org", 443);
		made_accept(f, cases[i].version, cases[i].suites);
		find(f, PLAIN);
		expect(cases[i].name, cases[i].expected);
		audit_facts_free(f);
	}
}

/* A suite that SSLv3 accepts as well is still one of TLS 1.0, and told once where both are asked about. */
static void test_told(void **state)
{
	(void)state;
	struct audit_facts *f = made_facts("mail.example.org", 443);
	made_accept(f, AUDIT_SSL3, "AES128-SHA");
	made_accept(f, AUDIT_TLS10, "AES128-SHA AES256-SHA");
	made_accept(f, AUDIT_TLS12, "AES128-SHA");
	find(f, PLAIN);
	assert_string_equal(made_find(&found, "poodle")->detail, "AES128-SHA");
	assert_string_equal(made_find(&found, "beast")->detail, "AES128-SHA, AES256-SHA");
	assert_string_equal(made_find(&found, "lucky13")->detail, "AES128-SHA, AES256-SHA");
	f->probes.encrypt_then_mac = AUDIT_YES;
	find(f, PLAIN);
	expect("encrypt then mac", "!lucky13");
	audit_facts_free(f);
}

static void test_long_list(void **state)
{
	(void)state;
	uint32_t all[AUDIT_SUITES_MAX];
	struct audit_facts *f = made_facts("mail.example.org", 443);
	size_t n = audit_suites_of(AUDIT_TLS12, all, AUDIT_SUITES_MAX);
	f->protocols[AUDIT_TLS12].offered = AUDIT_YES;
	for (size_t i = 0; i < n; i++) {
		struct audit_accepted a = { .suite = all[i] };
		assert_true(audit_facts_accept(&f->protocols[AUDIT_TLS12], &a));
	}
	find(f, PLAIN);
	const char *detail = made_find(&found, "suite-cbc")->detail;
	assert_true(strlen(detail) < AUDIT_DETAIL_MAX);
	assert_non_null(strstr(detail, " more"));
	for (size_t i = 1; i < found.count; i++)
		assert_true(found.items[i - 1].severity >= found.items[i].severity);
	assert_int_equal(audit_findings_worst(&found), AUDIT_CRITICAL);
	audit_facts_free(f);
}

static void test_versions(void **state)
{
	(void)state;
	struct audit_facts *f = made_facts("mail.example.org", 443);
	made_accept(f, AUDIT_TLS10, "AES128-SHA");
	find(f, PLAIN);
	expect("not asked", "!no-tls12 !no-tls13");
	f->protocols[AUDIT_TLS12].offered = f->protocols[AUDIT_TLS13].offered = AUDIT_NO;
	find(f, PLAIN);
	expect("old alone", "no-tls12 no-tls13 tls10");
	made_accept(f, AUDIT_TLS12, "ECDHE-RSA-AES128-GCM-SHA256");
	find(f,
		"{\"format\": 1, \"name\": \"x\", \"versions\": {\"allowed\": [\"TLSv1\", \"TLSv1.3\"],"
		"\"wanted\": []}}");
	expect("by profile", "!no-tls12 !no-tls13 !tls10 tls12");
	audit_facts_free(f);
}

static void test_lists(void **state)
{
	(void)state;
	struct audit_facts *f = made_facts("mail.example.org", 443);
	made_accept(f, AUDIT_TLS12, "ECDHE-RSA-AES128-GCM-SHA256 AES128-SHA");
	made_accept(f, AUDIT_TLS13, "TLS_AES_128_GCM_SHA256");
	f->group_count = 3;
	f->groups[0] = 29;
	f->groups[1] = 19;
	f->groups[2] = 0xfffe;
	f->signature_count = 2;
	f->signatures[0] = 0x0804;
	f->signatures[1] = 0x0201;
	find(f, PLAIN);
	expect("plain",
		"!suite-not-listed !group-not-listed group-weak no-post-quantum "
		"signature-weak !signature-not-listed");
	find(f,
		"{\"format\": 1, \"name\": \"x\", \"suites\": [\"ECDHE-RSA-AES128-GCM-SHA256\","
		"\"TLS_AES_128_GCM_SHA256\"], \"groups\": [\"x25519\"],"
		"\"signatures\": [\"rsa_pss_rsae_sha256\"], \"severity\": {\"group-weak\": \"off\"}}");
	expect("listed", "!group-weak");
	assert_string_equal(made_find(&found, "suite-not-listed")->detail, "AES128-SHA");
	assert_string_equal(made_find(&found, "group-not-listed")->detail, "secp192r1, 0xFFFE");
	assert_string_equal(made_find(&found, "signature-not-listed")->detail, "rsa_pkcs1_sha1");
	f->groups[1] = 4588;
	find(f, PLAIN);
	expect("hybrid", "!no-post-quantum !group-weak");
	audit_facts_free(f);
}

static void set_prime(struct audit_facts *f, const BIGNUM *p)
{
	f->dh.bits = (uint16_t)BN_num_bits(p);
	f->dh.len = (size_t)BN_bn2bin(p, f->dh.prime);
}

static BIGNUM *named_prime(const char *name)
{
	char group[32];
	BIGNUM *p = NULL;
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DHX", NULL);
	snprintf(group, sizeof(group), "%s", name);
	OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_END };
	assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &p), 1);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	return p;
}

static void test_dh(void **state)
{
	(void)state;
	struct audit_facts *f = made_facts("mail.example.org", 443);
	BIGNUM *p = BN_get_rfc2409_prime_1024(NULL);
	made_accept(f, AUDIT_TLS12, "DHE-RSA-AES128-GCM-SHA256");
	set_prime(f, p);
	find(f, PLAIN);
	expect("group 2", "!logjam dh-weak dh-common !dh-composite !dh-unsafe-prime");
	BN_sub_word(p, 2);
	set_prime(f, p);
	find(f, PLAIN);
	expect("composite", "dh-composite !dh-unsafe-prime !dh-common");
	BN_free(p);
	p = BN_get_rfc3526_prime_2048(NULL);
	set_prime(f, p);
	find(f, PLAIN);
	expect("group 14", "!dh-weak !dh-common !dh-composite !dh-unsafe-prime");
	BN_free(p);
	/* RFC 5114 2.1 has a prime with a subgroup of 160 bits. */
	p = named_prime("dh_1024_160");
	set_prime(f, p);
	find(f, PLAIN);
	expect("subgroup", "dh-unsafe-prime !dh-composite");
	BN_free(p);
	f->dh.bits = 512;
	f->dh.is_reused = AUDIT_YES;
	find(f, PLAIN);
	expect("512", "logjam !dh-weak dh-reused");
	audit_facts_free(f);
}

static void test_probes(void **state)
{
	(void)state;
	struct audit_facts *f = made_facts("mail.example.org", 443);
	made_accept(f, AUDIT_TLS13, "TLS_AES_128_GCM_SHA256");
	f->probes.secure_renegotiation = f->probes.fallback_scsv = AUDIT_NO;
	f->probes.extended_master_secret = AUDIT_NO;
	find(f, PLAIN);
	expect("1.3 alone", "!no-secure-renegotiation !no-fallback-scsv !no-ems !heartbleed");
	made_accept(f, AUDIT_TLS12, "ECDHE-RSA-AES128-GCM-SHA256");
	f->probes.heartbleed = f->probes.robot = f->probes.compression = AUDIT_YES;
	f->probes.grease = AUDIT_NO;
	find(f, PLAIN);
	expect("1.2",
		"no-secure-renegotiation !no-fallback-scsv no-ems heartbleed robot crime grease");
	made_accept(f, AUDIT_TLS11, "AES128-SHA");
	f->protocols[AUDIT_TLS11].server_order = AUDIT_NO;
	find(f, PLAIN);
	expect("two", "no-fallback-scsv client-order");
	audit_facts_free(f);
}

static void test_certificates(void **state)
{
	(void)state;
	const int64_t now = MADE_NOW;
	const struct {
		const char *name;
		struct made_cert cert;
		const char *expected;
	} cases[] = {
		{ "good",
			{ "mail", "ca", "DNS:mail.example.org", now - 10 * MADE_DAY,
				now + 80 * MADE_DAY, NULL, 0, NULL },
			"!cert-expired !cert-soon !cert-not-yet !cert-weak-key !cert-no-san "
			"!cert-weak-signature !cert-serial-short !cert-long !cert-self-signed" },
		{ "expired", { "mail", "ca", "DNS:a", now - 90 * MADE_DAY, now - 1, NULL, 0, NULL },
			"cert-expired !cert-soon !cert-untrusted" },
		{ "soon",
			{ "mail", "ca", "DNS:a", now - 80 * MADE_DAY, now + 10 * MADE_DAY, NULL, 0,
				NULL },
			"cert-soon !cert-expired" },
		{ "short life",
			{ "mail", "ca", "DNS:a", now - 2 * MADE_DAY, now + 4 * MADE_DAY, NULL, 0,
				NULL },
			"!cert-soon" },
		{ "early",
			{ "mail", "ca", "DNS:a", now + MADE_DAY, now + 90 * MADE_DAY, NULL, 0,
				NULL },
			"cert-not-yet !cert-expired !cert-untrusted" },
		{ "old",
			{ "mail", NULL, NULL, now - 500 * MADE_DAY, now + 5000 * MADE_DAY,
				EVP_sha1(), 1024, "-12920724846010265987" },
			"cert-self-signed cert-weak-key cert-weak-signature cert-serial-negative "
			"cert-long cert-no-san !cert-untrusted !cert-serial-short" },
		{ "serial",
			{ "mail", "ca", "DNS:a", now - MADE_DAY, now + 90 * MADE_DAY, NULL, 0,
				"17" },
			"cert-serial-short cert-untrusted !cert-serial-negative" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_facts *f = made_facts("mail.example.org", 443);
		made_chain(f, &cases[i].cert);
		f->verify = (struct audit_verify){ .is_done = true, .error = 1, .text = "bad" };
		find(f, "{\"format\": 1, \"name\": \"x\", \"certificate_days\": 398}");
		expect(cases[i].name, cases[i].expected);
		audit_facts_free(f);
	}
}

static void test_vouched(void **state)
{
	(void)state;
	struct made_cert m = { "mail", NULL, "DNS:other", MADE_NOW - MADE_DAY,
		MADE_NOW + MADE_DAY * 300, NULL, 0, NULL };
	struct audit_facts *f = made_facts("mail.example.org", 25);
	made_chain(f, &m);
	f->verify = (struct audit_verify){ .is_done = true, .error = 18, .name_matches = AUDIT_NO };
	f->dane.count = 2;
	f->dane.records[0].state = AUDIT_TLSA_MISMATCH;
	f->dane.records[1].state = AUDIT_TLSA_MATCH;
	find(f, PLAIN);
	expect("unknown", "cert-self-signed cert-name !dane-mismatch !dane-insecure");
	f->dane.is_secure = AUDIT_NO;
	find(f, PLAIN);
	expect("insecure", "cert-self-signed cert-name dane-insecure !dane-mismatch");
	f->dane.is_secure = AUDIT_YES;
	find(f, PLAIN);
	expect("vouched", "!cert-self-signed !cert-name !dane-mismatch");
	f->dane.records[1].state = AUDIT_TLSA_UNUSABLE;
	find(f, PLAIN);
	expect("mismatch", "cert-self-signed dane-mismatch dane-unusable");
	f->verify.error = 0;
	find(f, PLAIN);
	expect("own anchor", "!cert-self-signed");
	f->dane.count = 0;
	f->dane.is_host_secure = AUDIT_YES;
	find(f, PLAIN);
	expect("missing", "dane-missing !dane-failed");
	f->dane.is_failed = true;
	find(f, PLAIN);
	expect("failed", "!dane-missing dane-failed");
	audit_facts_free(f);
}

static void test_missing_issuer(void **state)
{
	(void)state;
	struct made_cert m = { "mail", "some ca", "DNS:a", MADE_NOW - MADE_DAY,
		MADE_NOW + 300 * MADE_DAY, NULL, 0, NULL };
	struct audit_facts *f = made_facts("mail.example.org", 443);
	made_chain(f, &m);
	f->verify = (struct audit_verify){ .is_done = true,
		.error = 20,
		.lacks_intermediate = AUDIT_YES,
		.order_right = AUDIT_NO };
	find(f, PLAIN);
	expect("missing", "cert-intermediate !cert-untrusted cert-order");
	assert_string_equal(made_find(&found, "cert-intermediate")->detail,
		"/CN=some ca is neither sent nor known here");
	audit_facts_free(f);
}

/* The same key elsewhere, where SSLv2 is on. */
static void test_drown(void **state)
{
	(void)state;
	struct made_cert m = { "mail", NULL, NULL, MADE_NOW - MADE_DAY, MADE_NOW + 300 * MADE_DAY,
		NULL, 2048, NULL };
	struct audit_facts *a = made_facts("a.example.org", 443), *b = made_facts("", 25),
			   *c = made_facts("c.example.org", 25);
	struct audit_profile *p = made_profile(PLAIN);
	const struct audit_facts *all[] = { a, b, c };
	struct audit_others others = { all, 3 };
	made_chain(a, &m);
	made_chain(c, &m);
	assert_true(audit_facts_add_chain(b, &a->chains[0]));
	made_accept(a, AUDIT_TLS12, "AES128-SHA");
	made_accept(c, AUDIT_SSL2, "SSL_CK_RC4_128_WITH_MD5");
	audit_find_at(p, a, &others, MADE_NOW, &found);
	expect("another key", "!drown");
	made_accept(b, AUDIT_SSL2, "SSL_CK_RC4_128_WITH_MD5");
	audit_find_at(p, a, &others, MADE_NOW, &found);
	assert_string_equal(made_find(&found, "drown")->detail,
		"192.0.2.7 port 25 has the same key and offers SSLv2");
	audit_profile_free(p);
	audit_facts_free(a);
	audit_facts_free(b);
	audit_facts_free(c);
}

static void test_ends(void **state)
{
	(void)state;
	static const struct {
		enum audit_end end;
		const char *expected;
	} cases[] = {
		{ AUDIT_END_COMPLETE,
			"!no-handshake !incomplete !no-starttls !mute !slow-greeting" },
		{ AUDIT_END_INCOMPLETE, "incomplete" },
		{ AUDIT_END_NONE, "incomplete" },
		{ AUDIT_END_NO_CONNECT, "no-connect" },
		{ AUDIT_END_NO_STARTTLS, "no-starttls dane-no-starttls" },
		{ AUDIT_END_REFUSED, "starttls-refused" },
		{ AUDIT_END_RATE, "rate-limited" },
		{ AUDIT_END_MUTE, "mute" },
		{ AUDIT_END_NOT_TLS, "not-tls" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_facts *f = made_facts("mail.example.org", 25);
		f->end = cases[i].end;
		f->dane.count = 1;
		f->dane.is_secure = AUDIT_YES;
		snprintf(f->words.text, sizeof(f->words.text), "421 no");
		find(f, PLAIN);
		expect(cases[i].expected, cases[i].expected);
		audit_facts_free(f);
	}
	struct audit_facts *f = made_facts("mail.example.org", 25);
	f->words.greeting_ms = 20150;
	f->protocols[AUDIT_TLS12].is_incomplete = true;
	find(f, PLAIN);
	assert_string_equal(made_find(&found, "slow-greeting")->detail, "the greeting took 20.1 s");
	expect("short", "incomplete");
	audit_facts_free(f);
	f = made_facts("mail.example.org", 25);
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		f->protocols[v].offered = AUDIT_NO;
	find(f, PLAIN);
	expect("nothing accepted", "no-handshake");
	made_accept(f, AUDIT_TLS12, "AES128-SHA");
	find(f, PLAIN);
	expect("one suite is enough", "!no-handshake");
	audit_facts_free(f);
}

static void test_domain(void **state)
{
	(void)state;
	static struct audit_domain d;
	struct audit_profile *p = made_profile(PLAIN);
	d = (struct audit_domain){ .name = "example.org", .mx_count = 2, .is_mx_secure = AUDIT_NO };
	audit_find_domain(p, &d, &found);
	expect("not asked", "!sts-missing !tls-rpt-missing !caa-missing");
	d.sts_look = d.tls_rpt_look = d.caa_look = AUDIT_LOOK_FAILED;
	d.mx[0].is_v6_failed = true;
	audit_find_domain(p, &d, &found);
	expect("no answers", "!sts-missing !tls-rpt-missing !caa-missing !mx-no-ipv6");
	d.sts_look = d.tls_rpt_look = d.caa_look = AUDIT_LOOK_DONE;
	d.mx[0].is_v6_failed = false;
	snprintf(d.mx[0].host, sizeof(d.mx[0].host), "a.example.org");
	snprintf(d.mx[1].host, sizeof(d.mx[1].host), "b.example.org");
	d.mx[1].is_cname = true;
	d.mx[1].matches_sts = AUDIT_NO;
	audit_find_domain(p, &d, &found);
	expect("bare",
		"mx-cname mx-no-ipv6 mx-not-signed sts-missing tls-rpt-missing caa-missing "
		"!sts-mx !mx-null !mx-address");
	assert_string_equal(made_find(&found, "mx-cname")->detail, "b.example.org");
	d.sts = AUDIT_STS_TESTING;
	d.sts_max_age_s = 60;
	d.mx[0].has_v6 = true;
	d.mx[0].is_address = true;
	snprintf(d.tls_rpt, sizeof(d.tls_rpt), "mailto:a@example.org");
	audit_find_domain(p, &d, &found);
	expect("testing",
		"sts-testing sts-short sts-mx-testing !sts-mx mx-address !mx-no-ipv6 !tls-rpt-missing");
	d.sts = AUDIT_STS_ENFORCE;
	audit_find_domain(p, &d, &found);
	expect("enforced", "sts-mx !sts-mx-testing !sts-testing");
	d.tls_rpt_look = AUDIT_LOOK_BROKEN;
	d.tls_rpt[0] = '\0';
	audit_find_domain(p, &d, &found);
	expect("a broken record is one", "!tls-rpt-missing");
	d = (struct audit_domain){ .is_null_mx = true };
	audit_find_domain(p, &d, &found);
	expect("null", "mx-null !sts-missing !mx-no-ipv6 !tls-rpt-missing");
	d = (struct audit_domain){ .dns_error = 11, .text = "no answer" };
	audit_find_domain(p, &d, &found);
	expect("dns", "dns-trouble !caa-missing");
	audit_profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_dh),
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_vouched),
		cmocka_unit_test(test_missing_issuer),
		cmocka_unit_test(test_drown),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_domain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
