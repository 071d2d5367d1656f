/*
 * Certificates: issued, read back, and judged by the openssl program; the vector files, which were
 * issued elsewhere; orders that are refused.
 */

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pem.h"
#include "identity/cert.h"
#include "test.h"

#define BEGIN_MS UINT64_C(1767225600000) /* 2026-01-01 */
#define END_MS UINT64_C(1830297600000)   /* 2028-01-01 */
#define DURING "1798761600"              /* 2027-01-01, for openssl -attime */

struct holder {
	uint8_t seed[32], pk[32];
};

struct issued {
	uint8_t der[CERT_LEN_MAX];
	size_t len;
};

static struct holder holder(uint8_t fill)
{
	struct holder h;
	uint8_t sk[64];
	memset(h.seed, fill, sizeof(h.seed));
	crypto_sign_seed_keypair(h.pk, sk, h.seed);
	return h;
}

static struct name name_of(const char *text, bool is_certifier)
{
	struct name n = { 0 };
	if (name_parse(text, is_certifier, &n) != NAME_OK)
		fail_msg("\"%s\" is not read", text);
	return n;
}

static struct cert_order order(const char *subject, enum cert_kind kind, const struct holder *h,
	const char *issuer, const struct holder *by)
{
	struct cert_order o = {
		.subject = name_of(subject, kind == CERT_CERTIFIER),
		.kind = kind,
		.not_before_ms = BEGIN_MS,
		.not_after_ms = END_MS,
		.issuer = name_of(issuer, true),
		.issuer_seed = by->seed,
	};
	memcpy(o.pk, h->pk, 32);
	memcpy(o.issuer_pk, by->pk, 32);
	return o;
}

static struct span issue(const struct cert_order *o, struct issued *to)
{
	struct fault f = { "" };
	if (cert_issue(o, to->der, &to->len, &f) != 0)
		fail_msg("%s", f.text);
	return span_of(to->der, to->len);
}

static struct cert read_back(struct span der)
{
	struct cert c;
	struct fault f = { "" };
	if (cert_read(der, &c, &f) != 0)
		fail_msg("%s", f.text);
	return c;
}

static void test_read_back(void **state)
{
	(void)state;
	struct holder vsd = holder(1), john = holder(2);
	struct issued a, b;
	struct cert_order o = order("john smith/vsd", CERT_USER, &john, "VSD", &vsd);
	struct span der = issue(&o, &a);
	struct cert c = read_back(der);
	char text[NAME_TEXT_MAX];
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];

	/* The levels above are spelled as the issuer spells them. */
	assert_string_equal(name_format(&c.subject, text), "john smith/VSD");
	assert_string_equal(name_format(&c.issuer, text), "VSD");
	assert_int_equal(c.kind, CERT_USER);
	assert_true(c.not_before_ms == BEGIN_MS && c.not_after_ms == END_MS);
	assert_memory_equal(c.pk, john.pk, 32);
	cert_key_identifier(vsd.pk, id);
	assert_memory_equal(c.issuer_key_identifier, id, sizeof(id));
	assert_in_range(c.serial[0], 0x40, 0x7f);
	assert_true(cert_signed_by(der, vsd.pk));
	assert_false(cert_signed_by(der, john.pk));
	assert_false(cert_signed_by(span_of(a.der, a.len - 1), vsd.pk));
	assert_false(cert_signed_by(span_of(NULL, 0), vsd.pk));

	/* No two have one serial. */
	struct cert other = read_back(issue(&o, &b));
	assert_memory_not_equal(c.serial, other.serial, 8);
}

static void test_times(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t end_ms;
		uint8_t tag;
		const char *text;
	} cases[] = {
		{ "last second of UTCTime", UINT64_C(2524607999000), 0x17, "491231235959Z" },
		{ "and a part of it", UINT64_C(2524607999999), 0x17, "491231235959Z" },
		{ "first of GeneralizedTime", UINT64_C(2524608000000), 0x18, "20500101000000Z" },
		{ "the last second", UINT64_C(253402300799000), 0x18, "99991231235959Z" },
	};
	struct holder vsd = holder(1);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct issued a;
		uint8_t tlv[17] = { cases[i].tag, (uint8_t)strlen(cases[i].text) };
		struct cert_order o = order("VSD", CERT_CERTIFIER, &vsd, "VSD", &vsd);
		o.not_after_ms = cases[i].end_ms;
		memcpy(tlv + 2, cases[i].text, tlv[1]);
		struct span der = issue(&o, &a);
		TEST_CASE(cases[i].name, memmem(der.data, der.len, tlv, tlv[1] + 2u) != NULL);
		struct cert c = read_back(der);
		TEST_CASE(cases[i].name, c.not_after_ms == cases[i].end_ms / 1000 * 1000);
	}
}

static void test_largest(void **state)
{
	(void)state;
#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	static const char deep[] = A60 "4/" A60 "3/" A60 "2/" A60 "1xyz/" A60 "orgs/DE";
	static const char above[] = A60 "3/" A60 "2/" A60 "1xyz/" A60 "orgs/DE";
	struct holder vsd = holder(1), unit = holder(2);
	struct issued a;
	struct cert_order o = order(deep, CERT_CERTIFIER, &unit, above, &vsd);
	struct cert c = read_back(issue(&o, &a));
	assert_true(name_equal(&c.subject, &o.subject));
	assert_in_range(a.len, 1200, CERT_LEN_MAX);
}

static void test_refused_orders(void **state)
{
	(void)state;
	struct holder vsd = holder(1), other = holder(2);
	static const struct {
		const char *name, *subject, *issuer, *expected;
		enum cert_kind kind;
	} cases[] = {
		{ "two levels below", "John/QN/VSD", "VSD", "not one level below", CERT_USER },
		{ "another organisation", "John/ACME", "VSD", "not one level below", CERT_USER },
		{ "suffix of a name", "John/QNX/VSD", "QN/VSD", "not one level below", CERT_USER },
		{ "upwards", "VSD", "QN/VSD", "not one level below", CERT_CERTIFIER },
		{ "sideways", "UB/VSD", "QN/VSD", "not one level below", CERT_CERTIFIER },
		{ "unit by itself", "QN/VSD", "QN/VSD", "only an organisation", CERT_CERTIFIER },
	};
	struct issued a;
	struct fault f;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct cert_order o =
			order(cases[i].subject, cases[i].kind, &other, cases[i].issuer, &vsd);
		TEST_CASE(cases[i].name, cert_issue(&o, a.der, &a.len, &f) == -EINVAL);
		TEST_CASE(cases[i].name, strstr(f.text, cases[i].expected) != NULL);
	}
}

static void check_refused(const char *name, const struct cert_order *o, const char *expected)
{
	struct issued a;
	struct fault f = { "" };
	if (cert_issue(o, a.der, &a.len, &f) != -EINVAL || strstr(f.text, expected) == NULL)
		fail_msg("case \"%s\": \"%s\"", name, f.text);
}

static void test_refused_details(void **state)
{
	(void)state;
	struct holder vsd = holder(1), john = holder(2);
	struct cert_order good = order("John/VSD", CERT_USER, &john, "VSD", &vsd), o = good;

	o.kind = CERT_CERTIFIER;
	check_refused("a person as certifier", &o, "no common name");
	o = good;
	o.subject = name_of("QN/VSD", true);
	check_refused("a unit as user", &o, "needs a common name");
	o = good;
	o.subject.parts[1].value[0] = '/';
	check_refused("a slash", &o, "no / = * + ,");
	o.subject.parts[1].value[0] = '\n';
	check_refused("a line end", &o, "\"CN=\\x0aohn/O=VSD\" cannot stand");
	o = good;
	o.issuer = good.subject;
	check_refused("a person as issuer", &o, "no common name");
	o = good;
	o.not_after_ms = o.not_before_ms + 999;
	check_refused("no second long", &o, "end before it begins");
	o.not_after_ms = UINT64_C(253402300800000);
	check_refused("past the year 9999", &o, "year 9999");
	o = good;
	o.issuer_seed = john.seed;
	check_refused("another's key", &o, "private key is not");
	o = order("VSD", CERT_CERTIFIER, &john, "VSD", &vsd);
	check_refused("itself with two keys", &o, "with its own key");
}

static void slurp(const char *name, uint8_t *to, size_t cap, size_t *ret_len)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/identity/%s", TEST_VECTORS, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	*ret_len = fread(to, 1, cap, f);
	fclose(f);
}

static void test_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *file, *subject, *issuer, *signer, *fingerprint;
		enum cert_kind kind;
		uint64_t not_after_ms;
	} cases[] = {
		{ "vsd.pem", "VSD", "VSD", "vsd.pem",
			"c3fa 136b 2eb0 a745 867f e9f7 3a46 3ae7 9725 9e2e 21c2 db77 548a 3a47 980a "
			"0f10",
			CERT_CERTIFIER, UINT64_C(4891363199000) },
		{ "qn.pem", "QN/VSD", "VSD", "vsd.pem",
			"026e 95d1 2c26 75a0 adb2 2782 014e 49d2 cce9 5d3c 8d7f f419 de0c 76c5 3b26 "
			"8af9",
			CERT_CERTIFIER, UINT64_C(4891363199000) },
		{ "john.pem", "John Smith/QN/VSD", "QN/VSD", "qn.pem",
			"b957 60f5 fae2 3b47 6023 eeaa 9479 28ed 8c65 5a32 7a5a 44b9 eee6 057a e2d4 "
			"d1ee",
			CERT_USER, UINT64_C(1798761600000) },
		/* These two write their names as PrintableString. */
		{ "renovations.pem", "Renovations/US", "Renovations/US", "renovations.pem",
			"12c9 f00e d8b8 51ab 191c 67d9 944e 037d f45c ac3e 37bc 4248 5858 cf26 3d8c "
			"f143",
			CERT_CERTIFIER, UINT64_C(4891363199000) },
		{ "gate1.pem", "Gate1/Renovations/US", "Renovations/US", "renovations.pem",
			"4ef1 abd8 e426 9de9 1fa4 1862 cce1 9e35 bc7d 1022 0c4b 51bb 6deb c740 8abd "
			"cc62",
			CERT_SERVER, UINT64_C(2524607999000) },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t pem[8192], der[CERT_LEN_MAX];
		size_t pem_len, len;
		char text[NAME_TEXT_MAX], print[80];
		struct cert c, signer;
		struct fault f = { "" };
		slurp(cases[i].signer, pem, sizeof(pem), &pem_len);
		if (cert_read_pem(span_of(pem, pem_len), &signer, der, &len, &f) != 0)
			fail_msg("%s: %s", cases[i].signer, f.text);
		slurp(cases[i].file, pem, sizeof(pem), &pem_len);
		if (cert_read_pem(span_of(pem, pem_len), &c, der, &len, &f) != 0)
			fail_msg("%s: %s", cases[i].file, f.text);
		assert_string_equal(name_format(&c.subject, text), cases[i].subject);
		assert_string_equal(name_format(&c.issuer, text), cases[i].issuer);
		TEST_CASE(cases[i].file, c.kind == cases[i].kind);
		TEST_CASE(cases[i].file, c.not_before_ms == UINT64_C(1735689600000));
		TEST_CASE(cases[i].file, c.not_after_ms == cases[i].not_after_ms);
		TEST_CASE(cases[i].file, cert_signed_by(span_of(der, len), signer.pk));
		uint8_t id[CERT_KEY_IDENTIFIER_LEN];
		cert_key_identifier(signer.pk, id);
		assert_memory_equal(c.issuer_key_identifier, id, sizeof(id));
		assert_string_equal(
			cert_fingerprint(span_of(der, len), print), cases[i].fingerprint);
	}
}

static void test_pem(void **state)
{
	(void)state;
	struct cert c;
	uint8_t der[CERT_LEN_MAX];
	size_t len;
	static const struct {
		const char *name, *text, *expected;
	} cases[] = {
		{ "empty", "", "ends without a CERTIFICATE" },
		{ "another block", "-----BEGIN X-----\nAAAA\n-----END X-----\n",
			"line 3: the file ends without a CERTIFICATE" },
		{ "text", "Certificate:\n", "line 1: text outside a block; keep only" },
		{ "not base64", "-----BEGIN CERTIFICATE-----\n!AAA\n-----END CERTIFICATE-----\n",
			"line 1: the block is not base64" },
		{ "not DER", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
			"no X.509 certificate" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fault f = { "" };
		struct span text = span_of(cases[i].text, strlen(cases[i].text));
		int rc = cert_read_pem(text, &c, der, &len, &f);
		if (rc != -EINVAL || strstr(f.text, cases[i].expected) == NULL)
			fail_msg("case \"%s\": \"%s\"", cases[i].name, f.text);
	}
}

/* The certificates of one chain as files, for the openssl program. */
static void save(const char *folder, const char *file, struct span der)
{
	char path[256];
	uint8_t text[4096];
	struct writer w = writer_init(text, sizeof(text));
	snprintf(path, sizeof(path), "%s/%s", folder, file);
	pem_write(&w, "CERTIFICATE", der);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, w.len, f), w.len);
	fclose(f);
}

/* The exit status of openssl verify -x509_strict, run in folder. */
static int openssl_verify(
	const char *folder, const char *purpose, const char *untrusted, const char *leaf)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		if (chdir(folder) != 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		execl("/usr/bin/openssl", "openssl", "verify", "-x509_strict", "-attime", DURING,
			"-no-CApath", "-no-CAstore", "-CAfile", "o.pem", "-purpose", purpose,
			"-untrusted", untrusted, leaf, (char *)NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_openssl_agrees(void **state)
{
	(void)state;
	if (access("/usr/bin/openssl", X_OK) != 0)
		skip();
	char folder[] = "/tmp/postern-cert-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct holder o = holder(1), ou = holder(2), user = holder(3), gate = holder(4);
	struct issued a;
	struct cert_order orders[] = {
		order("VSD/DE", CERT_CERTIFIER, &o, "VSD/DE", &o),
		order("QN/VSD/DE", CERT_CERTIFIER, &ou, "VSD/DE", &o),
		order("Admin/VSD/DE", CERT_USER, &user, "VSD/DE", &o),
		order("J\xc3\xb6rg/QN/VSD/DE", CERT_USER, &user, "QN/VSD/DE", &ou),
		order("Gate1/QN/VSD/DE", CERT_SERVER, &gate, "QN/VSD/DE", &ou),
	};
	static const char *const files[] = { "o.pem", "ou.pem", "admin.pem", "joerg.pem",
		"gate.pem" };
	for (size_t i = 0; i < TEST_LEN(orders); i++)
		save(folder, files[i], issue(&orders[i], &a));

	assert_int_equal(openssl_verify(folder, "sslclient", "o.pem", "admin.pem"), 0);
	assert_int_equal(openssl_verify(folder, "sslclient", "ou.pem", "joerg.pem"), 0);
	assert_int_equal(openssl_verify(folder, "sslserver", "ou.pem", "gate.pem"), 0);
	/* So that the three above mean something: a broken chain, and the wrong purpose. */
	assert_int_not_equal(openssl_verify(folder, "sslclient", "o.pem", "joerg.pem"), 0);
	assert_int_not_equal(openssl_verify(folder, "sslserver", "ou.pem", "joerg.pem"), 0);
	assert_int_not_equal(openssl_verify(folder, "sslclient", "ou.pem", "gate.pem"), 0);

	for (size_t i = 0; i < TEST_LEN(files); i++) {
		char path[256];
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_refused_orders),
		cmocka_unit_test(test_refused_details),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_openssl_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
