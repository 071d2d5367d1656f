/*
 * Certification requests: made and read back, judged by the openssl program and made by it, and every
 * damage refused.
 */

#include <errno.h>

#include "identity/cert_field.h"
#include "identity/request.h"
#include "issue.h"

#define LABEL REQUEST_PEM_LABEL

static struct span make(
	const char *name, enum cert_kind kind, const struct holder *h, struct issued *to)
{
	struct fault f = { "" };
	struct name n = name_of(name, kind == CERT_CERTIFIER);
	if (request_make(&n, kind, h->seed, to->der, &to->len, &f) != 0)
		fail_msg("%s", f.text);
	return span_of(to->der, to->len);
}

static const struct {
	const char *name;
	enum cert_kind kind;
} good[] = {
	{ "Jane Doe/VSD", CERT_USER },
	{ "J\xc3\xb6rg/UB/QN/VSD/DE", CERT_USER },
	{ "gw/VSD", CERT_SERVER },
	{ "VSD/DE", CERT_CERTIFIER },
	{ "D/C/B/A/VSD", CERT_CERTIFIER },
};

static void test_read_back(void **state)
{
	(void)state;
	struct holder h = holder(7);
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		struct issued a;
		struct request r;
		struct fault f = { "" };
		char text[NAME_TEXT_MAX];
		struct span der = make(good[i].name, good[i].kind, &h, &a);
		TEST_CASE(good[i].name, request_read(der, &r, &f) == 0);
		TEST_CASE(good[i].name, strcmp(name_format(&r.name, text), good[i].name) == 0);
		TEST_CASE(good[i].name, r.kind == good[i].kind);
		TEST_CASE(good[i].name, memcmp(r.pk, h.pk, 32) == 0);
	}
}

static void test_largest(void **state)
{
	(void)state;
#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	static const char deep[] = A60 "cn/" A60 "4/" A60 "3/" A60 "2/" A60 "1xyz/" A60 "orgs/DE";
	struct holder h = holder(1);
	struct issued a;
	struct request r;
	struct fault f;
	assert_int_equal(request_read(make(deep, CERT_SERVER, &h, &a), &r, &f), 0);
}

static void test_refused_names(void **state)
{
	(void)state;
	struct holder h = holder(1);
	struct issued a;
	struct fault f = { "" };
	struct name n = name_of("Jane/VSD", false);
	assert_int_equal(request_make(&n, CERT_CERTIFIER, h.seed, a.der, &a.len, &f), -EINVAL);
	assert_non_null(strstr(f.text, "no common name"));
	n.parts[1].value[0] = '/';
	assert_int_equal(request_make(&n, CERT_USER, h.seed, a.der, &a.len, &f), -EINVAL);
	assert_non_null(strstr(f.text, "no / = * + ,"));
	n = name_of("QN/VSD", true);
	assert_int_equal(request_make(&n, CERT_USER, h.seed, a.der, &a.len, &f), -EINVAL);
	assert_non_null(strstr(f.text, "needs a common name"));
}

/* Every prefix and every single-bit flip: its own signature covers all of it. */
static void test_damage(void **state)
{
	(void)state;
	struct holder h = holder(7);
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		struct issued a;
		struct request r;
		struct fault f;
		make(good[i].name, good[i].kind, &h, &a);
		for (size_t len = 0; len < a.len; len++)
			TEST_CASE(
				good[i].name, request_read(span_of(a.der, len), &r, &f) == -EINVAL);
		a.der[a.len] = 0;
		TEST_CASE(good[i].name, request_read(span_of(a.der, a.len + 1), &r, &f) == -EINVAL);
		for (size_t bit = 0; bit < 8 * a.len; bit++) {
			a.der[bit / 8] ^= (uint8_t)(1u << bit % 8);
			TEST_CASE(good[i].name,
				request_read(span_of(a.der, a.len), &r, &f) == -EINVAL);
			a.der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* What of the right length is put in place of something, signed again by the key. */
static void test_refused_shapes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *from, *to, *expected;
	} cases[] = {
		{ "version 2", "\x02\x01\x00", "\x02\x01\x01", "version 1" },
		{ "another attribute", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e",
			"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f", "extensionRequest as its one" },
		{ "another extension", "\x55\x1d\x25", "\x55\x1d\x21", "alone" },
		{ "codeSigning", "\x05\x07\x03\x02", "\x05\x07\x03\x03", "clientAuth and" },
		{ "X25519 key", "\x2b\x65\x70\x03\x21", "\x2b\x65\x6e\x03\x21", "not Ed25519" },
		{ "a slash", "Jane Doe", "Jane/Doe", "no / = * + ," },
		{ "two spaces", "Jane Doe", "Jan  Doe", "space" },
		{ "not UTF-8", "Jane Doe",
			"Jane\xff"
			"Doe",
			"refused" },
		{ "another name", "VSD", "V D", NULL },
		{ "a surname", "\x55\x04\x03", "\x55\x04\x04", "C, O, OU and CN" },
		{ "IA5String", "\x0c\x08Jane", "\x16\x08Jane", "neither UTF8String" },
		{ "no PrintableString", "\x0c\x08Jane Doe", "\x13\x08Jane_Doe", "cannot have" },
		{ "PrintableString", "\x0c\x08Jane", "\x13\x08Jane", NULL },
		{ "unused bits in the key", "\x03\x21\x00", "\x03\x21\x01", "one DER encoding" },
	};
	struct holder h = holder(7);
	uint8_t sk[64], pk[32];
	crypto_sign_seed_keypair(pk, sk, h.seed);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct issued a;
		struct request r;
		struct fault f = { "" };
		struct cert_envelope e;
		size_t len = strlen(cases[i].from);
		/* A zero at the end of the pattern is the terminator. */
		len = len == 2 ? 3 : len;
		make("Jane Doe/VSD", CERT_USER, &h, &a);
		uint8_t *at = memmem(a.der, a.len, cases[i].from, len);
		TEST_CASE(cases[i].name, at != NULL);
		memcpy(at, cases[i].to, len);
		struct span der = span_of(a.der, a.len);
		TEST_CASE(cases[i].name, cert_field_envelope(der, sizeof(a.der), &e) == CERT_OK);
		crypto_sign_detached(a.der + a.len - 64, NULL, e.tbs.data, e.tbs.len, sk);
		int rc = request_read(der, &r, &f);
		if (cases[i].expected == NULL ? rc != 0 : strstr(f.text, cases[i].expected) == NULL)
			fail_msg("case \"%s\": %d \"%s\"", cases[i].name, rc, f.text);
	}
}

static void test_openssl_reads(void **state)
{
	(void)state;
	if (!has_openssl())
		skip();
	char folder[] = "/tmp/postern-request-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct holder h = holder(7);
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		char file[8], line[64];
		struct issued a;
		struct span der = make(good[i].name, good[i].kind, &h, &a);
		snprintf(file, sizeof(file), "r%zu", i);
		save(folder, file, LABEL, der);
		snprintf(line, sizeof(line), "req -in %s -verify -noout", file);
		TEST_CASE(good[i].name, openssl(folder, line) == 0);
	}
	remove_folder(folder);
}

/* DER that openssl wrote into folder/r, or its refusal. */
static int read_file(const char *folder, struct request *ret, struct fault *f)
{
	char path[256];
	uint8_t der[4096];
	snprintf(path, sizeof(path), "%s/r", folder);
	FILE *in = fopen(path, "rb");
	assert_non_null(in);
	size_t len = fread(der, 1, sizeof(der), in);
	fclose(in);
	return request_read(span_of(der, len), ret, f);
}

static void test_openssl_writes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *words, *expected; /* NULL: accepted */
		enum cert_kind kind;
	} cases[] = {
		{ "user", "ed", "-subj /O=VSD/CN=Joe -addext extendedKeyUsage=clientAuth", NULL,
			CERT_USER },
		{ "critical", "ed",
			"-subj /C=DE/O=VSD/CN=gw -addext extendedKeyUsage=critical,serverAuth",
			NULL, CERT_SERVER },
		{ "certifier", "ed", "-subj /O=VSD/OU=QN -addext basicConstraints=critical,CA:TRUE",
			NULL, CERT_CERTIFIER },
		{ "nothing asked", "ed", "-subj /O=VSD/CN=Joe", "extensionRequest", CERT_USER },
		{ "too much asked", "ed",
			"-subj /O=VSD/CN=Joe -addext extendedKeyUsage=clientAuth -addext "
			"subjectAltName=DNS:example.org",
			"alone", CERT_USER },
		{ "both usages", "ed",
			"-subj /O=VSD/CN=Joe -addext extendedKeyUsage=clientAuth,serverAuth",
			"extKeyUsage", CERT_USER },
		{ "not a certifier", "ed", "-subj /O=VSD/OU=QN -addext basicConstraints=CA:FALSE",
			"one DER encoding", CERT_USER },
		{ "a path length", "ed",
			"-subj /O=VSD/OU=QN -addext basicConstraints=CA:TRUE,pathlen:1",
			"one DER encoding", CERT_USER },
		{ "order of the name", "ed",
			"-subj /CN=Joe/O=VSD -addext extendedKeyUsage=clientAuth", "refused",
			CERT_USER },
		{ "another key", "ec", "-subj /O=VSD/CN=Joe -addext extendedKeyUsage=clientAuth",
			"key is not Ed25519", CERT_USER },
	};
	if (!has_openssl())
		skip();
	char folder[] = "/tmp/postern-request-XXXXXX", line[512];
	assert_non_null(mkdtemp(folder));
	assert_int_equal(openssl(folder, "genpkey -algorithm ed25519 -out ed"), 0);
	assert_int_equal(
		openssl(folder, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec"),
		0);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct request r;
		struct fault f = { "" };
		snprintf(line, sizeof(line), "req -new -utf8 -outform DER -out r -key %s %s",
			cases[i].key, cases[i].words);
		TEST_CASE(cases[i].name, openssl(folder, line) == 0);
		int rc = read_file(folder, &r, &f);
		if (cases[i].expected == NULL ? rc != 0 || r.kind != cases[i].kind
					      : strstr(f.text, cases[i].expected) == NULL)
			fail_msg("case \"%s\": %d \"%s\"", cases[i].name, rc, f.text);
	}
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_refused_names),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_refused_shapes),
		cmocka_unit_test(test_openssl_reads),
		cmocka_unit_test(test_openssl_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
