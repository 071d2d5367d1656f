/*
 * Protocols and suites, and the attacks that follow from them without a probe of their own. Invariant: only
 * what the server accepted is told, each suite once.
 */

#include <stdio.h>
#include <string.h>

#include "audit/finding_internal.h"

#define FREAK_BITS 1024 /* a key of the export suites that a person can factor is shorter */

static bool is_old_offered(const struct audit_facts *f)
{
	for (int v = AUDIT_SSL2; v <= AUDIT_TLS11; v++)
		if (audit_offers(f, (enum audit_version)v))
			return true;
	return false;
}

static bool find_version(const struct context *c, char *to, unsigned v)
{
	return audit_offers(c->facts, (enum audit_version)v) &&
		!c->profile->is_version_allowed[v] &&
		audit_detail(to, "%s is offered", audit_version_name((enum audit_version)v));
}

/* A server that has TLS 1.3 alone lacks nothing that protects. */
static bool lacks_tls12(const struct context *c, char *to, unsigned how)
{
	const struct audit_protocol *p = c->facts->protocols;
	(void)how;
	return c->profile->is_version_wanted[AUDIT_TLS12] && is_old_offered(c->facts) &&
		p[AUDIT_TLS12].offered == AUDIT_NO && p[AUDIT_TLS13].offered == AUDIT_NO &&
		audit_detail(to, "nothing newer than TLSv1.1 is offered");
}

static bool lacks_tls13(const struct context *c, char *to, unsigned how)
{
	const struct audit_protocol *p = c->facts->protocols;
	(void)how;
	return c->profile->is_version_wanted[AUDIT_TLS13] &&
		(is_old_offered(c->facts) || audit_offers(c->facts, AUDIT_TLS12)) &&
		p[AUDIT_TLS13].offered == AUDIT_NO && audit_detail(to, "TLSv1.3 is not offered");
}

static bool is_odd(enum audit_kx kx)
{
	return kx == AUDIT_KX_PSK || kx == AUDIT_KX_DHE_PSK || kx == AUDIT_KX_ECDHE_PSK ||
		kx == AUDIT_KX_RSA_PSK || kx == AUDIT_KX_SRP || kx == AUDIT_KX_KRB5 ||
		kx == AUDIT_KX_GOST || kx == AUDIT_KX_ECCPWD || kx == AUDIT_KX_SM2;
}

bool audit_suite_is_weak(const struct audit_suite *s, enum audit_weakness w)
{
	switch (w) {
	case AUDIT_WEAK_NULL:
		return s->bits == 0;
	case AUDIT_WEAK_ANONYMOUS:
		return s->auth == AUDIT_AUTH_NULL;
	case AUDIT_WEAK_EXPORT:
		return s->is_export;
	case AUDIT_WEAK_DES:
		return strcmp(s->cipher, "DES") == 0 && !s->is_export;
	case AUDIT_WEAK_RC2:
		return strcmp(s->cipher, "RC2") == 0 && !s->is_export;
	case AUDIT_WEAK_RC4:
		return strcmp(s->cipher, "RC4") == 0;
	case AUDIT_WEAK_IDEA:
		return strcmp(s->cipher, "IDEA") == 0;
	case AUDIT_WEAK_3DES:
		return strcmp(s->cipher, "3DES") == 0;
	case AUDIT_WEAK_MD5:
		return strcmp(s->mac, "MD5") == 0;
	case AUDIT_WEAK_STATIC:
		/* RFC 5054: SRP has ephemeral values on both sides. */
		return !s->has_forward_secrecy && s->kx != AUDIT_KX_SRP;
	case AUDIT_WEAK_DHE:
		return s->kx == AUDIT_KX_DHE || s->kx == AUDIT_KX_DHE_PSK;
	case AUDIT_WEAK_CBC:
		return s->is_cbc;
	case AUDIT_WEAK_SHA1:
		return strcmp(s->mac, "SHA1") == 0;
	case AUDIT_WEAK_ODD:
		return is_odd(s->kx);
	case AUDIT_WEAK_COUNT:
		break;
	}
	return false;
}

typedef bool suite_test(const struct context *c, const struct audit_suite *s, unsigned how);

struct question {
	suite_test *test;
	unsigned how, first, last; /* versions */
};

/* Each suite once, whatever versions of those asked about accept it. */
static bool is_told(const struct audit_facts *f, unsigned first, unsigned version, size_t i)
{
	uint32_t suite = f->protocols[version].suites[i].suite;
	for (unsigned v = first; v <= version; v++)
		for (size_t k = 0; k < f->protocols[v].suite_count && (v < version || k < i); k++)
			if (f->protocols[v].suites[k].suite == suite)
				return true;
	return false;
}

static bool list_suites(const struct context *c, char *to, const struct question *q)
{
	struct audit_list l = { .to = to };
	for (unsigned v = q->first; v <= q->last; v++) {
		const struct audit_protocol *p = &c->facts->protocols[v];
		for (size_t i = 0; i < p->suite_count; i++) {
			const struct audit_suite *s = audit_suite_by_id(p->suites[i].suite);
			char name[64];
			if (s != NULL && q->test(c, s, q->how) &&
				!is_told(c->facts, q->first, v, i))
				/* OpenSSL gave suites of SSLv2 the names of later ones. */
				audit_list_add(&l,
					v == AUDIT_SSL2 ? s->name : audit_suite_text(s->id, name));
		}
	}
	return audit_list_end(&l);
}

static bool is_weak(const struct context *c, const struct audit_suite *s, unsigned how)
{
	(void)c;
	return audit_suite_is_weak(s, (enum audit_weakness)how);
}

static bool find_weak(const struct context *c, char *to, unsigned how)
{
	struct question q = { is_weak, how, AUDIT_SSL2, AUDIT_TLS13 };
	return list_suites(c, to, &q);
}

static bool is_unlisted(const struct context *c, const struct audit_suite *s, unsigned how)
{
	(void)how;
	for (size_t i = 0; i < c->profile->suite_count; i++)
		if (c->profile->suites[i] == s->id)
			return false;
	return c->profile->suite_count > 0;
}

static bool find_unlisted(const struct context *c, char *to, unsigned how)
{
	struct question q = { is_unlisted, how, AUDIT_SSL2, AUDIT_TLS13 };
	return list_suites(c, to, &q);
}

static bool find_poodle(const struct context *c, char *to, unsigned how)
{
	struct question q = { is_weak, AUDIT_WEAK_CBC, AUDIT_SSL3, AUDIT_SSL3 };
	(void)how;
	return list_suites(c, to, &q);
}

/* The chained initialisation vectors that TLS 1.1 did away with. */
static bool find_beast(const struct context *c, char *to, unsigned how)
{
	struct question q = { is_weak, AUDIT_WEAK_CBC, AUDIT_SSL3, AUDIT_TLS10 };
	(void)how;
	return list_suites(c, to, &q);
}

static bool find_lucky13(const struct context *c, char *to, unsigned how)
{
	struct question q = { is_weak, AUDIT_WEAK_CBC, AUDIT_TLS10, AUDIT_TLS12 };
	(void)how;
	return c->facts->probes.encrypt_then_mac != AUDIT_YES && list_suites(c, to, &q);
}

static bool is_short_block(const struct context *c, const struct audit_suite *s, unsigned how)
{
	(void)c;
	(void)how;
	return s->block_bits == 64;
}

static bool find_sweet32(const struct context *c, char *to, unsigned how)
{
	struct question q = { is_short_block, how, AUDIT_SSL2, AUDIT_TLS13 };
	return list_suites(c, to, &q);
}

/* The export suites whose temporary key is short, or was not seen. */
static bool find_freak(const struct context *c, char *to, unsigned how)
{
	(void)how;
	for (unsigned v = AUDIT_SSL3; v <= AUDIT_TLS12; v++) {
		const struct audit_protocol *p = &c->facts->protocols[v];
		for (size_t i = 0; i < p->suite_count; i++) {
			const struct audit_suite *s = audit_suite_by_id(p->suites[i].suite);
			unsigned bits = p->suites[i].rsa_bits;
			char name[64];
			if (s == NULL || s->kx != AUDIT_KX_RSA_EXPORT || bits >= FREAK_BITS)
				continue;
			audit_suite_text(s->id, name);
			return bits == 0 ? audit_detail(to, "%s", name)
					 : audit_detail(to, "%s, RSA key of %u bits", name, bits);
		}
	}
	return false;
}

static bool has_same_key(const struct context *c, const struct audit_facts *o)
{
	for (size_t i = 0; i < o->chain_count; i++) {
		struct audit_cert_facts leaf;
		audit_cert_read(
			span_of(o->chains[i].certs[0].der, o->chains[i].certs[0].len), &leaf);
		if (leaf.is_readable &&
			memcmp(leaf.spki_sha256, c->leaf.spki_sha256, sizeof(leaf.spki_sha256)) ==
				0)
			return true;
	}
	return false;
}

/* DROWN: SSLv2 here, or elsewhere under the same RSA key. */
static bool find_drown(const struct context *c, char *to, unsigned how)
{
	char host[AUDIT_HOST_MAX + 1];
	(void)how;
	if (audit_offers(c->facts, AUDIT_SSL2))
		return audit_detail(to, "SSLv2 is offered");
	if (!c->leaf.is_readable || strncmp(c->leaf.key, "rsa", 3) != 0)
		return false;
	for (size_t i = 0; i < c->other_count; i++) {
		const struct audit_facts *o = c->others[i];
		if (o != c->facts && audit_offers(o, AUDIT_SSL2) && has_same_key(c, o))
			return audit_detail(to, "%.180s port %u has the same key and offers SSLv2",
				audit_host_text(&o->target, host), (unsigned)o->target.port);
	}
	return false;
}

static bool find_client_order(const struct context *c, char *to, unsigned how)
{
	struct audit_list l = { .to = to };
	(void)how;
	for (int v = AUDIT_SSL3; v <= AUDIT_TLS12; v++)
		if (c->facts->protocols[v].server_order == AUDIT_NO)
			audit_list_add(&l, audit_version_name((enum audit_version)v));
	return audit_list_end(&l);
}

const struct audit_row audit_suite_rows[] = {
	{ { "ssl2", AUDIT_CRITICAL, "Switch SSLv2 off: it protects nothing." }, find_version,
		AUDIT_SSL2 },
	{ { "ssl3", AUDIT_HIGH, "Switch SSLv3 off." }, find_version, AUDIT_SSL3 },
	{ { "tls10", AUDIT_MEDIUM, "Switch TLS 1.0 off, unless old clients must be served." },
		find_version, AUDIT_TLS10 },
	{ { "tls11", AUDIT_MEDIUM, "Switch TLS 1.1 off: hardly a client has nothing better." },
		find_version, AUDIT_TLS11 },
	{ { "tls12", AUDIT_LOW, "The profile allows TLS 1.3 alone: switch TLS 1.2 off." },
		find_version, AUDIT_TLS12 },
	{ { "no-tls12", AUDIT_HIGH, "Offer TLS 1.2, the least that others expect." }, lacks_tls12,
		0 },
	{ { "no-tls13", AUDIT_LOW, "Offer TLS 1.3 as well." }, lacks_tls13, 0 },
	{ { "suite-null", AUDIT_CRITICAL, "Remove suites that do not encrypt." }, find_weak,
		AUDIT_WEAK_NULL },
	{ { "suite-anonymous", AUDIT_HIGH, "Remove suites without authentication (ADH, AECDH)." },
		find_weak, AUDIT_WEAK_ANONYMOUS },
	{ { "suite-export", AUDIT_CRITICAL, "Remove export suites: they are broken in hours." },
		find_weak, AUDIT_WEAK_EXPORT },
	{ { "suite-des", AUDIT_HIGH, "Remove suites with single DES." }, find_weak,
		AUDIT_WEAK_DES },
	{ { "suite-rc2", AUDIT_HIGH, "Remove suites with RC2." }, find_weak, AUDIT_WEAK_RC2 },
	{ { "suite-rc4", AUDIT_HIGH, "Remove suites with RC4, which RFC 7465 forbids." }, find_weak,
		AUDIT_WEAK_RC4 },
	{ { "suite-idea", AUDIT_MEDIUM, "Remove suites with IDEA." }, find_weak, AUDIT_WEAK_IDEA },
	{ { "suite-3des", AUDIT_MEDIUM, "Remove suites with Triple DES." }, find_weak,
		AUDIT_WEAK_3DES },
	{ { "suite-md5", AUDIT_HIGH, "Remove suites that authenticate records with MD5." },
		find_weak, AUDIT_WEAK_MD5 },
	{ { "suite-static", AUDIT_LOW,
		  "Prefer ECDHE: without it, a key that leaks later opens recorded sessions." },
		find_weak, AUDIT_WEAK_STATIC },
	{ { "suite-dhe", AUDIT_LOW,
		  "Prefer ECDHE: RFC 10015 ends Diffie-Hellman over finite fields in TLS 1.2." },
		find_weak, AUDIT_WEAK_DHE },
	{ { "suite-cbc", AUDIT_INFO, "Prefer AEAD suites (GCM, ChaCha20-Poly1305) to CBC." },
		find_weak, AUDIT_WEAK_CBC },
	{ { "suite-sha1", AUDIT_INFO, "Prefer suites that do not rest on SHA-1." }, find_weak,
		AUDIT_WEAK_SHA1 },
	{ { "suite-odd", AUDIT_LOW,
		  "Remove suites of PSK, SRP, Kerberos and the like unless clients have such keys." },
		find_weak, AUDIT_WEAK_ODD },
	{ { "suite-not-listed", AUDIT_MEDIUM, "Offer only suites that the profile lists." },
		find_unlisted, 0 },
	{ { "poodle", AUDIT_HIGH, "Switch SSLv3 off (POODLE, CVE-2014-3566)." }, find_poodle, 0 },
	{ { "beast", AUDIT_LOW, "Switch TLS 1.0 and older off (BEAST, CVE-2011-3389)." },
		find_beast, 0 },
	{ { "lucky13", AUDIT_INFO,
		  "Prefer AEAD suites, or have encrypt-then-MAC (Lucky Thirteen, CVE-2013-0169)." },
		find_lucky13, 0 },
	{ { "sweet32", AUDIT_MEDIUM,
		  "Remove suites with blocks of 64 bits (SWEET32, CVE-2016-2183)." },
		find_sweet32, 0 },
	{ { "freak", AUDIT_CRITICAL, "Remove RSA export suites (FREAK, CVE-2015-0204)." },
		find_freak, 0 },
	{ { "drown", AUDIT_CRITICAL,
		  "Switch SSLv2 off wherever this key is used (DROWN, CVE-2016-0800)." },
		find_drown, 0 },
	{ { "client-order", AUDIT_INFO, "Let the server's order of suites decide." },
		find_client_order, 0 },
};
const size_t audit_suite_row_count = sizeof(audit_suite_rows) / sizeof(audit_suite_rows[0]);
