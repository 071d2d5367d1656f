/* Chains against anchors, TLSA records against chains, staples: RFC 5280, 6698, 7671, 7672, 6960. */

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <time.h>
#include <unistd.h>

#include "audit/cert.h"
#include "certs.h"

/* root certifies middle, middle certifies leaf; other stands apart, with root's name. */
static EVP_PKEY *keys[5];
static X509 *root, *middle, *leaf, *other, *self;
static char anchors_path[64];
static struct audit_anchors *anchors;

#define CA                                                                                         \
	{                                                                                          \
		NID_basic_constraints, "critical,CA:TRUE"                                          \
	}
#define SAN                                                                                        \
	{                                                                                          \
		NID_subject_alt_name, "DNS:mail.example.org"                                       \
	}

static int make(void **state)
{
	char why[256];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(keys); i++)
		keys[i] = EVP_EC_gen("P-256");
	root = cert_make(&(struct cert_spec){
		.subject = "root", .key = keys[0], .version = 2, .ext = { CA } });
	middle = cert_make(&(struct cert_spec){ .subject = "middle",
		.issuer = root,
		.key = keys[1],
		.sign_with = keys[0],
		.version = 2,
		.ext = { CA } });
	leaf = cert_make(&(struct cert_spec){ .subject = "leaf",
		.issuer = middle,
		.key = keys[2],
		.sign_with = keys[1],
		.version = 2,
		.ext = { SAN } });
	other = cert_make(&(struct cert_spec){
		.subject = "middle", .key = keys[3], .version = 2, .ext = { CA } });
	self = cert_make(&(struct cert_spec){
		.subject = "mail", .key = keys[4], .version = 2, .ext = { SAN } });
	snprintf(anchors_path, sizeof(anchors_path), "/tmp/postern-anchors-XXXXXX");
	FILE *f = fdopen(mkstemp(anchors_path), "w");
	PEM_write_X509(f, root);
	fclose(f);
	anchors = audit_anchors_new(anchors_path, why);
	return anchors == NULL;
}

static int unmake(void **state)
{
	X509 *const all[] = { root, middle, leaf, other, self };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(all); i++)
		X509_free(all[i]);
	for (size_t i = 0; i < TEST_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
	audit_anchors_free(anchors);
	return unlink(anchors_path);
}

/* Facts of one chain of those certificates, NULL ends them. */
static struct audit_facts *facts_of(X509 *a, X509 *b, X509 *c)
{
	static uint8_t der[3][4096];
	struct audit_target t = { .host = "mail.example.org", .port = 25, .starttls = AUDIT_SMTP };
	struct audit_facts *f = audit_facts_new(&t);
	struct audit_chain chain = { 0 };
	X509 *const all[] = { a, b, c };
	for (size_t i = 0; i < 3 && all[i] != NULL; i++) {
		chain.certs[i].der = der[i];
		chain.certs[i].len = cert_der(all[i], der[i], sizeof(der[i]));
		chain.count++;
	}
	assert_true(audit_facts_add_chain(f, &chain));
	return f;
}

static void test_verify(void **state)
{
	const struct {
		const char *name;
		X509 *sent[3];
		const char *text;
		enum audit_answer order, lacks, matches;
	} chains[] = {
		{ "whole", { leaf, middle }, "ok", AUDIT_YES, AUDIT_NO, AUDIT_YES },
		{ "with the root", { leaf, middle, root }, "ok", AUDIT_YES, AUDIT_NO, AUDIT_YES },
		{ "out of order", { leaf, root, middle }, "ok", AUDIT_NO, AUDIT_NO, AUDIT_YES },
		{ "something more", { leaf, middle, self }, "ok", AUDIT_NO, AUDIT_NO, AUDIT_YES },
		{ "a gap", { leaf }, "unable to get local issuer certificate", AUDIT_YES, AUDIT_YES,
			AUDIT_YES },
		{ "self-signed", { self }, "self signed certificate", AUDIT_YES, AUDIT_NO,
			AUDIT_YES },
		{ "another's", { middle }, "ok", AUDIT_YES, AUDIT_NO, AUDIT_NO },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(chains); i++) {
		struct audit_facts *f =
			facts_of(chains[i].sent[0], chains[i].sent[1], chains[i].sent[2]);
		audit_verify(f, anchors, time(NULL));
		TEST_CASE(chains[i].name, f->verify.is_done);
		if (strcmp(f->verify.text, chains[i].text) != 0)
			fail_msg("case \"%s\": %s", chains[i].name, f->verify.text);
		TEST_CASE(chains[i].name,
			(f->verify.error == 0) == (strcmp(chains[i].text, "ok") == 0));
		TEST_CASE(chains[i].name, f->verify.order_right == chains[i].order);
		TEST_CASE(chains[i].name, f->verify.lacks_intermediate == chains[i].lacks);
		TEST_CASE(chains[i].name, f->verify.name_matches == chains[i].matches);
		audit_facts_free(f);
	}
}

static void test_times(void **state)
{
	struct audit_facts *f = facts_of(leaf, middle, NULL);
	(void)state;
	audit_verify(f, anchors, time(NULL) + 11 * 86400);
	assert_string_equal(f->verify.text, "certificate has expired");
	audit_verify(f, anchors, time(NULL) - 2 * 86400);
	assert_string_equal(f->verify.text, "certificate is not yet valid");
	audit_facts_free(f);
}

/* A private anchor that nobody here has: no gap that could be seen. */
static void test_unknown_anchor(void **state)
{
	char why[256], path[] = "/tmp/postern-anchors-XXXXXX";
	(void)state;
	FILE *out = fdopen(mkstemp(path), "w");
	PEM_write_X509(out, self);
	fclose(out);
	struct audit_anchors *a = audit_anchors_new(path, why);
	assert_non_null(a);
	struct audit_facts *f = facts_of(leaf, middle, NULL);
	audit_verify(f, a, time(NULL));
	assert_true(f->verify.error != 0 && f->verify.lacks_intermediate == AUDIT_UNKNOWN);
	audit_facts_free(f);
	audit_anchors_free(a);
	unlink(path);
	assert_null(audit_anchors_new("/nowhere/at/all", why));
	assert_string_equal(why, "/nowhere/at/all: there is no such file");
	assert_null(audit_anchors_new("/dev/null", why));
	assert_string_equal(why, "/dev/null: no certificates of certifiers in it");
}

/* The leaf is not readable: the next one is not taken for it. */
static void test_unreadable(void **state)
{
	struct audit_facts *f = facts_of(leaf, middle, NULL);
	(void)state;
	f->chains[0].certs[0].der[0] ^= 1;
	audit_verify(f, anchors, time(NULL));
	assert_true(f->verify.is_done && f->verify.error != 0);
	assert_string_equal(f->verify.text, "the certificate is not readable");
	assert_int_equal(f->verify.name_matches, AUDIT_UNKNOWN);
	audit_facts_free(f);
}

/* The record of usage, selector and matching type that x fits. */
static struct audit_tlsa record(X509 *x, uint8_t usage, uint8_t selector, uint8_t matching)
{
	struct audit_tlsa t = { .usage = usage, .selector = selector, .matching = matching };
	unsigned char *der = NULL;
	int n = selector == 1 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : i2d_X509(x, &der);
	size_t len = (size_t)n;
	if (matching == 1) {
		t.len = crypto_hash_sha256_BYTES;
		crypto_hash_sha256(t.data, der, len);
	} else if (matching == 2) {
		t.len = crypto_hash_sha512_BYTES;
		crypto_hash_sha512(t.data, der, len);
	} else {
		t.len = len;
		assert_true(len <= sizeof(t.data));
		memcpy(t.data, der, len);
	}
	OPENSSL_free(der);
	return t;
}

static enum audit_tlsa_state state_of(struct audit_facts *f, struct audit_tlsa t)
{
	f->dane.count = 1;
	f->dane.records[0] = t;
	audit_dane_match(f);
	return f->dane.records[0].state;
}

static void test_dane(void **state)
{
	struct audit_facts *f = facts_of(leaf, middle, other);
	(void)state;
	for (uint8_t selector = 0; selector < 2; selector++) {
		for (uint8_t matching = 0; matching < 3; matching++) {
			struct audit_tlsa t = record(leaf, 3, selector, matching);
			assert_int_equal(state_of(f, t), AUDIT_TLSA_MATCH);
			t.data[5] ^= 1;
			assert_int_equal(state_of(f, t), AUDIT_TLSA_MISMATCH);
			t = record(middle, 2, selector, matching);
			assert_int_equal(state_of(f, t), AUDIT_TLSA_MATCH);
		}
	}
	/* Each in the place of the other. */
	assert_int_equal(state_of(f, record(middle, 3, 1, 1)), AUDIT_TLSA_MISMATCH);
	assert_int_equal(state_of(f, record(leaf, 2, 1, 1)), AUDIT_TLSA_MISMATCH);
	/* Sent along, of the right name, but it signed nothing here. */
	assert_int_equal(state_of(f, record(other, 2, 0, 1)), AUDIT_TLSA_MISMATCH);
	/* Not sent. */
	assert_int_equal(state_of(f, record(root, 2, 0, 1)), AUDIT_TLSA_MISMATCH);
	/* Of mail the usages 0 and 1 mean nothing, RFC 7672 3.1.3. */
	assert_int_equal(state_of(f, record(leaf, 1, 1, 1)), AUDIT_TLSA_UNUSABLE);
	assert_int_equal(state_of(f, record(middle, 0, 1, 1)), AUDIT_TLSA_UNUSABLE);
	/* A name is asked for by 2, not by 3, RFC 7671 5.1. */
	snprintf(f->target.host, sizeof(f->target.host), "other.example.org");
	assert_int_equal(state_of(f, record(leaf, 3, 1, 1)), AUDIT_TLSA_MATCH);
	assert_int_equal(state_of(f, record(middle, 2, 1, 1)), AUDIT_TLSA_MISMATCH);
	snprintf(f->target.domain, sizeof(f->target.domain), "mail.example.org");
	assert_int_equal(state_of(f, record(middle, 2, 1, 1)), AUDIT_TLSA_MATCH);
	audit_facts_free(f);
}

static double seconds_for(struct audit_facts *f, size_t records)
{
	clock_t begin = clock();
	f->dane.count = records;
	audit_dane_match(f);
	for (size_t i = 0; i < records; i++)
		assert_int_equal(f->dane.records[i].state, AUDIT_TLSA_MISMATCH);
	return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* Records that all name every certificate, and a chain that fails at its end: it is followed once for each. */
static void test_dane_is_bounded(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	X509 *chain[AUDIT_CHAIN_MAX];
	struct audit_target t = { .port = 25, .starttls = AUDIT_SMTP, .host = "mail.example.org" };
	struct audit_facts *f = audit_facts_new(&t);
	struct audit_chain *c = &f->chains[0];
	char name[16];
	(void)state;
	for (size_t i = AUDIT_CHAIN_MAX; i-- > 0;) {
		struct cert_spec s = { .subject = name, .key = key, .version = 2, .ext = { CA } };
		snprintf(name, sizeof(name), "c%zu", i);
		s.issuer = i + 1 < AUDIT_CHAIN_MAX ? chain[i + 1] : NULL;
		if (i == 0) {
			s.ext[0].nid = NID_subject_alt_name;
			s.ext[0].value = "DNS:mail.example.org";
			s.sign_with = keys[0]; /* not by whom it says */
		}
		chain[i] = cert_make(&s);
	}
	for (size_t i = 0; i < AUDIT_CHAIN_MAX; i++) {
		int len = i2d_X509(chain[i], &c->certs[i].der);
		assert_true(len > 0);
		c->certs[i].len = (size_t)len;
		c->count++;
	}
	f->chain_count = 1;
	for (size_t i = 0; i < AUDIT_TLSA_MAX; i++)
		f->dane.records[i] = record(chain[1], 2, 1, 1);
	seconds_for(f, 1); /* what OpenSSL makes once */
	double one = seconds_for(f, 1), all = seconds_for(f, AUDIT_TLSA_MAX);
	assert_true(all < 4 * one + 0.02);
	audit_facts_free(f);
	for (size_t i = 0; i < AUDIT_CHAIN_MAX; i++)
		X509_free(chain[i]);
	EVP_PKEY_free(key);
}

static void test_dane_of_web(void **state)
{
	struct audit_facts *f = facts_of(leaf, middle, NULL);
	(void)state;
	f->target.starttls = AUDIT_DIRECT;
	audit_verify(f, anchors, time(NULL));
	assert_int_equal(state_of(f, record(leaf, 1, 1, 1)), AUDIT_TLSA_MATCH);
	assert_int_equal(state_of(f, record(middle, 0, 1, 1)), AUDIT_TLSA_MATCH);
	audit_verify(f, anchors, time(NULL) + 11 * 86400);
	assert_int_equal(state_of(f, record(leaf, 1, 1, 1)), AUDIT_TLSA_MISMATCH);
	audit_facts_free(f);
	f = facts_of(self, NULL, NULL);
	assert_int_equal(state_of(f, record(self, 2, 1, 1)), AUDIT_TLSA_MATCH);
	audit_facts_free(f);
}

static void test_dane_unusable(void **state)
{
	static const struct audit_tlsa records[] = {
		{ .usage = 4, .selector = 1, .matching = 1, .len = 32 },
		{ .usage = 3, .selector = 2, .matching = 1, .len = 32 },
		{ .usage = 3, .selector = 1, .matching = 3, .len = 32 },
		{ .usage = 3, .selector = 1, .matching = 1, .len = 31 },
		{ .usage = 3, .selector = 1, .matching = 2, .len = 32 },
		{ .usage = 3, .selector = 0, .matching = 0, .len = 0 },
	};
	struct audit_facts *f = facts_of(leaf, middle, NULL);
	(void)state;
	for (size_t i = 0; i < TEST_LEN(records); i++)
		assert_int_equal(state_of(f, records[i]), AUDIT_TLSA_UNUSABLE);
	audit_facts_free(f);
}

struct staple_spec {
	X509 *of, *issuer, *signer;
	EVP_PKEY *key;
	const EVP_MD *id_digest;
	int status;
	long from_s, to_s; /* from now */
};

static size_t make_staple(const struct staple_spec *s, uint8_t *to, size_t cap)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(s->id_digest, s->of, s->issuer);
	ASN1_TIME *from = X509_gmtime_adj(NULL, s->from_s), *until = X509_gmtime_adj(NULL, s->to_s);
	ASN1_TIME *revoked = s->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL;
	assert_non_null(OCSP_basic_add1_status(basic, id, s->status, 0, revoked, from, until));
	assert_int_equal(OCSP_basic_sign(basic, s->signer, s->key, EVP_sha256(), NULL, 0), 1);
	OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	unsigned char *at = to;
	assert_true(i2d_OCSP_RESPONSE(r, NULL) <= (int)cap);
	int len = i2d_OCSP_RESPONSE(r, &at);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	return (size_t)len;
}

static void test_staples(void **state)
{
	const struct {
		const char *name;
		struct staple_spec spec;
		enum audit_staple result;
	} staples[] = {
		{ "good", { leaf, middle, middle, keys[1], NULL, V_OCSP_CERTSTATUS_GOOD, -60, 600 },
			AUDIT_STAPLE_GOOD },
		{ "named by SHA-256",
			{ leaf, middle, middle, keys[1], EVP_sha256(), V_OCSP_CERTSTATUS_GOOD, -60,
				600 },
			AUDIT_STAPLE_GOOD },
		{ "revoked",
			{ leaf, middle, middle, keys[1], NULL, V_OCSP_CERTSTATUS_REVOKED, -60,
				600 },
			AUDIT_STAPLE_REVOKED },
		{ "unknown",
			{ leaf, middle, middle, keys[1], NULL, V_OCSP_CERTSTATUS_UNKNOWN, -60,
				600 },
			AUDIT_STAPLE_UNKNOWN },
		{ "old",
			{ leaf, middle, middle, keys[1], NULL, V_OCSP_CERTSTATUS_GOOD, -7200,
				-3600 },
			AUDIT_STAPLE_OLD },
		{ "not yet",
			{ leaf, middle, middle, keys[1], NULL, V_OCSP_CERTSTATUS_GOOD, 3600, 7200 },
			AUDIT_STAPLE_OLD },
		{ "of another",
			{ self, middle, middle, keys[1], NULL, V_OCSP_CERTSTATUS_GOOD, -60, 600 },
			AUDIT_STAPLE_BROKEN },
		{ "signed by the leaf",
			{ leaf, middle, leaf, keys[2], NULL, V_OCSP_CERTSTATUS_GOOD, -60, 600 },
			AUDIT_STAPLE_BROKEN },
		{ "signed by one of the same name",
			{ leaf, middle, other, keys[3], NULL, V_OCSP_CERTSTATUS_GOOD, -60, 600 },
			AUDIT_STAPLE_BROKEN },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(staples); i++) {
		uint8_t der[8192];
		struct audit_facts *f = facts_of(leaf, middle, NULL);
		struct audit_chain c = f->chains[0];
		c.staple = der;
		c.staple_len = make_staple(&staples[i].spec, der, sizeof(der));
		TEST_CASE(staples[i].name, audit_staple_read(&c) == staples[i].result);
		audit_facts_free(f);
	}
}

/* No prefix and no flipped bit of a revoked staple is a good one. */
static void test_staple_prefixes_and_flips(void **state)
{
	uint8_t der[8192];
	struct audit_facts *f = facts_of(leaf, middle, NULL);
	struct audit_chain c = f->chains[0];
	const struct staple_spec s = { leaf, middle, middle, keys[1], NULL,
		V_OCSP_CERTSTATUS_REVOKED, -60, 600 };
	(void)state;
	c.staple = der;
	size_t len = make_staple(&s, der, sizeof(der));
	for (size_t n = 1; n < len; n++) {
		c.staple_len = n;
		assert_int_equal(audit_staple_read(&c), AUDIT_STAPLE_BROKEN);
	}
	c.staple_len = 0;
	assert_int_equal(audit_staple_read(&c), AUDIT_STAPLE_NONE);
	c.staple_len = len;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(audit_staple_read(&c) != AUDIT_STAPLE_GOOD);
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	audit_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_unknown_anchor),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_dane_is_bounded),
		cmocka_unit_test(test_dane_of_web),
		cmocka_unit_test(test_dane_unusable),
		cmocka_unit_test(test_staples),
		cmocka_unit_test(test_staple_prefixes_and_flips),
	};
	return cmocka_run_group_tests(tests, make, unmake);
}
