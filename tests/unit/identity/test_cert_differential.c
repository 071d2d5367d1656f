/*
 * The strict reader against the one on OpenSSL, over mutants of good certificates (mutate.h): they accept
 * the same bytes and read the same, and OpenSSL's own decoder finds nothing wrong with what is accepted.
 * Some fields must fit others, which a change of one of them ends at once; so half of the mutants are put
 * right again there: nameConstraints follow the subject, subjectKeyIdentifier the key, and a certificate
 * whose subject is its issuer is signed again.
 */

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "cert_agree.h"
#include "identity/cert_shape.h"
#include "mutate.h"

#define SAMPLES_MAX 32

static struct mutant samples[SAMPLES_MAX];
static size_t sample_count;
static const uint8_t seed[32] = { 1 }, other_seed[32] = { 2 };

#define X62 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define DEEP "C/B" X62 "/A" X62 "/VSD"

static const struct {
	const char *subject, *issuer;
	enum cert_kind kind;
	bool is_own_key; /* the issuer's is the subject's */
	bool is_printable;
	uint64_t begin_s, end_s;
} goods[] = {
	{ "VSD", "VSD", CERT_CERTIFIER, true, false, 1767225600, 1830297600 },
	{ "VSD", "VSD", CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "VSD", "vsd", CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "Renovations/US", "Renovations/US", CERT_CERTIFIER, true, true, 0, 2524607999 },
	{ "QN/VSD", "VSD", CERT_CERTIFIER, false, false, 1767225600, 2524608000 },
	{ "QN/VSD", "QN/VSD", CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "QN/VSD", "QN/VSD", CERT_CERTIFIER, true, false, 1767225600, 1830297600 },
	{ "C/B/A/VSD/DE", "B/A/VSD/DE", CERT_CERTIFIER, false, true, 2524608000, 253402300799 },
	{ "D/" DEEP, DEEP, CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "John/QN/VSD", "QN/VSD", CERT_USER, false, false, 1767225600, 1830297600 },
	{ "J\xc3\xb6rg \xf0\x9f\x94\x91/VSD", "VSD", CERT_USER, false, false, 951782400,
		951868799 },
	{ "John Smith/VSD/DE", "VSD/DE", CERT_SERVER, false, true, 1767225600, 4107542400 },
	{ "Gate (1)/D/C/B/A/VSD", "D/C/B/A/VSD", CERT_SERVER, false, false, 1767225600,
		1830297600 },
	/* cross-certificates */
	{ "Renovations/US", "VSD", CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "VSD", "QN/VSD", CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "Gate1/ACME", "QN/VSD", CERT_SERVER, false, true, 1767225600, 1830297600 },
	{ "ACME", "John/QN/VSD", CERT_CERTIFIER, false, false, 1767225600, 1830297600 },
	{ "Gate1/ACME", "John/QN/VSD", CERT_SERVER, false, true, 1767225600, 1830297600 },
	{ "John/VSD", "John/QN/VSD", CERT_USER, false, false, 1767225600, 1830297600 },
};

static struct name name_of(const char *text)
{
	struct name n = { 0 };
	/* What stands before the organisation decides: units are short here, but in DEEP. */
	bool is_user = strncmp(text, "J", 1) == 0 || strncmp(text, "Gate", 4) == 0;
	if (name_parse(text, !is_user, &n) != NAME_OK)
		fail_msg("\"%s\" is not read", text);
	return n;
}

static void make_samples(void)
{
	for (size_t i = 0; i < TEST_LEN(goods); i++) {
		uint8_t sk[64], issuer_pk[32];
		struct cert c = {
			.subject = name_of(goods[i].subject),
			.issuer = name_of(goods[i].issuer),
			.kind = goods[i].kind,
			.serial = { 0x40, (uint8_t)i, 2, 3, 4, 5, 6, 7 },
			.not_before_ms = goods[i].begin_s * 1000,
			.not_after_ms = goods[i].end_s * 1000,
		};
		struct cert_strings strings;
		int string = goods[i].is_printable ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
		for (size_t k = 0; k < NAME_PARTS_MAX; k++)
			strings.subject[k] = strings.issuer[k] = string;
		const uint8_t *by = goods[i].is_own_key ? seed : other_seed;
		crypto_sign_seed_keypair(c.pk, sk, seed);
		crypto_sign_seed_keypair(issuer_pk, sk, by);
		cert_key_identifier(issuer_pk, c.issuer_key_identifier);
		X509 *x = cert_shape(&c, &strings);
		struct mutant *m = &samples[sample_count++];
		assert_non_null(x);
		assert_true(cert_sign(x, by, m->b, &m->len));
		X509_free(x);
	}
}

/* The value of the extension with this last byte of its OID, 2.5.29.x. */
static size_t extension(const struct mutant *m, const struct mutant_tree *t, uint8_t x)
{
	const uint8_t oid[] = { 0x06, 0x03, 0x55, 0x1d, x };
	for (size_t i = 0; i < t->count; i++) {
		if (!span_equal(mutate_whole(m, &t->nodes[i]), SPAN_OF(oid)))
			continue;
		for (size_t k = i + 1; k < t->count; k++)
			if (t->nodes[k].parent == t->nodes[i].parent &&
				m->b[t->nodes[k].at] == DER_OCTET_STRING)
				return k;
	}
	return MUTANT_NONE;
}

static void repair_subtree(struct mutant *m)
{
	struct mutant_tree t;
	struct mutant copy = *m;
	mutate_tree(&t, m);
	size_t subject = mutate_child(&t, mutate_child(&t, 0, 0), 5);
	size_t at = extension(m, &t, 0x1e);
	for (size_t depth = 0; depth < 5; depth++)
		at = mutate_child(&t, at, 0);
	if (subject != MUTANT_NONE && at != MUTANT_NONE)
		mutate_replace(m, &t, at, mutate_whole(&copy, &t.nodes[subject]));
}

static void repair_subject_key(struct mutant *m)
{
	struct mutant_tree t;
	mutate_tree(&t, m);
	size_t bits = mutate_child(&t, mutate_child(&t, mutate_child(&t, 0, 0), 6), 1);
	size_t at = mutate_child(&t, extension(m, &t, 0x0e), 0);
	if (bits != MUTANT_NONE && t.nodes[bits].len == 33 && at != MUTANT_NONE &&
		t.nodes[at].len == CERT_KEY_IDENTIFIER_LEN)
		cert_key_identifier(m->b + t.nodes[bits].at + 3, m->b + t.nodes[at].at + 2);
}

static void repair_signature(struct mutant *m)
{
	struct mutant_tree t;
	uint8_t pk[32], sk[64];
	mutate_tree(&t, m);
	size_t tbs = mutate_child(&t, 0, 0), bits = mutate_child(&t, 0, 2);
	size_t issuer = mutate_child(&t, tbs, 3), subject = mutate_child(&t, tbs, 5);
	if (bits == MUTANT_NONE || t.nodes[bits].len != 65 || subject == MUTANT_NONE ||
		!span_equal(mutate_whole(m, &t.nodes[issuer]), mutate_whole(m, &t.nodes[subject])))
		return;
	struct span signed_part = mutate_whole(m, &t.nodes[tbs]);
	crypto_sign_seed_keypair(pk, sk, seed);
	crypto_sign_detached(
		m->b + t.nodes[bits].at + 3, NULL, signed_part.data, signed_part.len, sk);
}

/* OpenSSL's decoder and what it makes of the extensions, without the profile. */
static const char *check_openssl(struct span der, const struct cert *c, const struct cert_parts *p)
{
	const unsigned char *at = der.data, *subject;
	size_t subject_len, pk_len = 32;
	uint8_t pk[32];
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	const char *why = NULL;
	if (x == NULL || at != der.data + der.len)
		why = "OpenSSL does not decode it wholly";
	else if (X509_NAME_get0_der(X509_get_subject_name(x), &subject, &subject_len) != 1 ||
		!span_equal(p->subject, span_of(subject, subject_len)))
		why = "OpenSSL has another subject";
	else if (EVP_PKEY_get_raw_public_key(X509_get0_pubkey(x), pk, &pk_len) != 1 ||
		pk_len != 32 || memcmp(pk, c->pk, 32) != 0)
		why = "OpenSSL has another key";
	else if ((X509_check_ca(x) == 1) != (c->kind == CERT_CERTIFIER))
		why = "OpenSSL disagrees about CA";
	else if ((X509_get_extension_flags(x) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0)
		why = "OpenSSL finds the extensions invalid";
	X509_free(x);
	ERR_clear_error();
	return why;
}

/* What the readers say of one another; NULL when they agree. */
static const char *check(struct span der, enum cert_reject *ret)
{
	struct cert strict, other;
	struct cert_parts p;
	struct fault f = { "" };
	enum cert_reject reason = *ret = cert_decode(der, &strict, &p);
	bool is_read = cert_read(der, &other, &f) == 0;
	if (reason != CERT_OK)
		return is_read ? "cert_read alone accepts it" : NULL;
	if (is_read == agree_is_damaged_root(&strict, &p))
		return is_read ? "its own key did not sign it" : "cert_decode alone accepts it";
	if (is_read && !agree_cert(&strict, &other))
		return "they read it differently";
	return check_openssl(der, &strict, &p);
}

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sample_count; i++) {
		enum cert_reject reason;
		const char *why = check(span_of(samples[i].b, samples[i].len), &reason);
		if (why != NULL || reason != CERT_OK)
			mutate_fail(&samples[i], i, why != NULL ? why : cert_reject_text(reason));
	}
}

static void test_mutants(void **state)
{
	(void)state;
	size_t met[CERT_REJECT_COUNT] = { 0 }, count = mutate_count(60000);
	uint64_t rng = 1;
	for (size_t i = 0; i < count; i++) {
		struct mutant m;
		mutate(&m, samples, sample_count, &rng);
		if (mutate_below(&rng, 2) == 0) {
			repair_subtree(&m);
			repair_subject_key(&m);
			repair_signature(&m);
		}
		/* A copy of the exact size, so that sanitizers see one byte too many. */
		uint8_t *der = malloc(m.len == 0 ? 1 : m.len);
		assert_non_null(der);
		memcpy(der, m.b, m.len);
		enum cert_reject reason;
		const char *why = check(span_of(der, m.len), &reason);
		free(der);
		if (why != NULL)
			mutate_fail(&m, i, why);
		met[reason]++;
	}
	for (size_t i = 0; i < CERT_REJECT_COUNT; i++)
		print_message("%8zu  %s\n", met[i], cert_reject_text((enum cert_reject)i));
	/* So many at least are worth the name of a test. */
	assert_true(met[CERT_OK] * 10 >= count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_mutants),
	};
	if (sodium_init() < 0)
		return 1;
	make_samples();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
