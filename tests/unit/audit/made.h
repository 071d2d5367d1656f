#ifndef POSTERN_TEST_AUDIT_MADE_H
#define POSTERN_TEST_AUDIT_MADE_H

/* Made-up facts and certificates for the tests of findings and reports. */

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "audit/facts.h"
#include "audit/finding.h"
#include "audit/profile.h"
#include "audit/suite.h"
#include "test.h"

#define MADE_NOW INT64_C(1795000000) /* November 2026 */
#define MADE_DAY INT64_C(86400)

struct made_cert {
	const char *name, *issuer; /* common names; issuer NULL: signs itself */
	const char *san;           /* "DNS:mail.example.org"; NULL: none */
	int64_t from_s, to_s;
	const EVP_MD *digest;
	int bits; /* of RSA; 0: P-256 */
	const char *serial;
};

static inline EVP_PKEY *made_key(int bits)
{
	EVP_PKEY *key = bits > 0 ? EVP_RSA_gen((unsigned)bits) : EVP_EC_gen("P-256");
	assert_non_null(key);
	return key;
}

static inline void made_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* Malloc'd DER. The signature is by the key itself, whoever the issuer is said to be. */
static inline struct audit_cert made_der(const struct made_cert *m)
{
	X509 *x = X509_new();
	EVP_PKEY *key = made_key(m->bits);
	BIGNUM *serial = NULL;
	unsigned char *der = NULL;
	X509_set_version(x, 2);
	BN_dec2bn(&serial, m->serial != NULL ? m->serial : "8765432109876543210987");
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)m->name, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)(m->issuer != NULL ? m->issuer : m->name), -1, -1, 0);
	ASN1_TIME_set(X509_getm_notBefore(x), m->from_s);
	ASN1_TIME_set(X509_getm_notAfter(x), m->to_s);
	X509_set_pubkey(x, key);
	if (m->san != NULL)
		made_extension(x, NID_subject_alt_name, m->san);
	assert_true(X509_sign(x, key, m->digest != NULL ? m->digest : EVP_sha256()) > 0);
	int len = i2d_X509(x, &der);
	assert_true(len > 0);
	struct audit_cert c = { (size_t)len, malloc((size_t)len) };
	assert_non_null(c.der);
	memcpy(c.der, der, c.len);
	OPENSSL_free(der);
	BN_free(serial);
	X509_free(x);
	EVP_PKEY_free(key);
	return c;
}

static inline void made_chain(struct audit_facts *f, const struct made_cert *m)
{
	struct audit_cert c = made_der(m);
	struct audit_chain chain = { .version = AUDIT_TLS12, .count = 1, .certs = { c } };
	assert_true(audit_facts_add_chain(f, &chain));
	free(c.der);
}

static inline struct audit_facts *made_facts(const char *host, uint16_t port)
{
	struct audit_target t = { .port = port, .starttls = audit_starttls_of_port(port) };
	snprintf(t.host, sizeof(t.host), "%s", host);
	snprintf(t.given, sizeof(t.given), "%s", host);
	assert_true(addr_parse("192.0.2.7", &t.addr));
	struct audit_facts *f = audit_facts_new(&t);
	assert_non_null(f);
	f->end = AUDIT_END_COMPLETE;
	return f;
}

/* Accept suites by name, with blanks between. */
static inline void made_accept(struct audit_facts *f, enum audit_version v, const char *names)
{
	struct audit_protocol *p = &f->protocols[v];
	char copy[1024];
	snprintf(copy, sizeof(copy), "%s", names);
	p->offered = AUDIT_YES;
	for (char *at = NULL, *n = strtok_r(copy, " ", &at); n != NULL;
		n = strtok_r(NULL, " ", &at)) {
		const struct audit_suite *s = audit_suite_by_name(n);
		if (s == NULL)
			fail_msg("no suite %s", n);
		struct audit_accepted a = { .suite = s->id };
		assert_true(audit_facts_accept(p, &a));
	}
	p->preferred = p->suites[0].suite;
}

static inline struct audit_profile *made_profile(const char *text)
{
	struct fault f = { "" };
	struct audit_profile *p = audit_profile_parse("made.json", text, strlen(text), &f);
	if (p == NULL)
		fail_msg("%s", f.text);
	return p;
}

static inline const struct audit_finding *made_find(const struct audit_findings *f, const char *id)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->items[i].id, id) == 0)
			return &f->items[i];
	return NULL;
}

#endif
