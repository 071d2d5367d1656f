#ifndef TEST_IDENTITY_PKI_H
#define TEST_IDENTITY_PKI_H

/*
 * Two organisations and what goes wrong between them: certificates and lists by name, good and bad
 * ones, made by OpenSSL without any of our checks. Keys are numbers; everything is the same each time.
 */

#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/cert_shape.h"
#include "identity/chain.h"
#include "identity/crl.h"

#define PKI_BEGIN_MS UINT64_C(1767225600000) /* 2026-01-01 */
#define PKI_NOW_MS UINT64_C(1798761600000)   /* 2027-01-01 */
#define PKI_SOON_MS UINT64_C(1814313600000)  /* 2027-06-30 */
#define PKI_END_MS UINT64_C(1830297600000)   /* 2028-01-01 */
#define PKI_DAY_MS UINT64_C(86400000)

struct pki_spec {
	const char *id, *subject, *issuer; /* abbreviated; issuer NULL: itself */
	enum cert_kind kind;
	int key, by;
	uint64_t begin_ms, end_ms; /* 0: PKI_BEGIN_MS, PKI_END_MS */
};

#define C CERT_CERTIFIER
#define U CERT_USER
#define S CERT_SERVER
#define R "R/ACME"
#define U4 "U4/U3/UB/QN/VSD"
static const struct pki_spec pki_specs[] = {
	/* our organisation */
	{ "vsd", "VSD", NULL, C, 1, 1, 0, 0 },
	{ "nn", "NN/VSD", "VSD", C, 4, 1, 0, 0 },
	{ "gate", "Gate1/NN/VSD", "NN/VSD", S, 10, 4, 0, 0 },
	{ "qn", "QN/VSD", "VSD", C, 3, 1, 0, 0 },
	{ "qnx", "QNX/VSD", "VSD", C, 5, 1, 0, 0 },
	{ "ub", "UB/QN/VSD", "QN/VSD", C, 6, 3, 0, 0 },
	{ "u3", "U3/UB/QN/VSD", "UB/QN/VSD", C, 7, 6, 0, 0 },
	{ "u4", U4, "U3/UB/QN/VSD", C, 8, 7, 0, 0 },
	{ "u5", "U5/" U4, U4, C, 9, 8, 0, 0 },
	{ "boss", "Boss/VSD", "VSD", U, 23, 1, 0, 0 },
	{ "john", "John/QN/VSD", "QN/VSD", U, 20, 3, 0, 0 },
	{ "john-b", "John/QN/VSD", "QN/VSD", U, 20, 3, 0, 0 },
	{ "anna", "Anna/UB/QN/VSD", "UB/QN/VSD", U, 21, 6, 0, 0 },
	{ "deep", "Deep/" U4, U4, U, 22, 8, 0, 0 },
	{ "deeper", "Deeper/U5/" U4, "U5/" U4, U, 24, 9, 0, 0 },
	{ "srv", "Gate2/QN/VSD", "QN/VSD", S, 25, 3, 0, 0 },
	{ "mate", "Mate/NN/VSD", "NN/VSD", U, 26, 4, 0, 0 },
	/* that a certifier may not issue */
	{ "skip", "Skip/UB/QN/VSD", "QN/VSD", U, 60, 3, 0, 0 },
	{ "skip-ou", "UB/QN/VSD", "VSD", C, 6, 1, 0, 0 },
	{ "own-dn", "QN/VSD", "QN/VSD", U, 61, 3, 0, 0 },
	{ "up", "Eve/VSD", "QN/VSD", U, 62, 3, 0, 0 },
	{ "sibling", "Eve/QNX/VSD", "QN/VSD", U, 63, 3, 0, 0 },
	{ "sibling-ou", "QNX/VSD", "QN/VSD", C, 64, 3, 0, 0 },
	{ "eve-qnx", "Eve/QNX/VSD", "QNX/VSD", U, 65, 64, 0, 0 },
	{ "by-user", "Eve/QN/VSD", "QN/VSD", U, 66, 20, 0, 0 },
	{ "unit-self", "QN/VSD", NULL, C, 3, 3, 0, 0 },
	/* spelled otherwise */
	{ "fold", "John/QN/VSD", "qn/vsd", U, 20, 3, 0, 0 },
	{ "fold-subject", "John/qn/vsd", "QN/VSD", U, 20, 3, 0, 0 },
	/* dates */
	{ "nn-soon", "NN/VSD", "VSD", C, 4, 1, 0, PKI_SOON_MS },
	{ "vsd-soon", "VSD", NULL, C, 1, 1, 0, PKI_SOON_MS },
	{ "vsd-late", "VSD", NULL, C, 1, 1, 0, PKI_END_MS + PKI_DAY_MS },
	{ "qn-soon", "QN/VSD", "VSD", C, 3, 1, 0, PKI_SOON_MS },
	{ "qn-later", "QN/VSD", "VSD", C, 3, 1, PKI_SOON_MS, 0 },
	{ "john-soon", "John/QN/VSD", "QN/VSD", U, 20, 3, 0, PKI_SOON_MS },
	{ "john-later", "John/QN/VSD", "QN/VSD", U, 20, 3, PKI_SOON_MS, 0 },
	/* another key of one name */
	{ "vsd2", "VSD", NULL, C, 2, 2, 0, 0 },
	{ "vsd2-by-1", "VSD", "VSD", C, 2, 1, 0, 0 },
	{ "vsd1-by-2", "VSD", "VSD", C, 1, 2, 0, 0 },
	{ "boss2", "Boss/VSD", "VSD", U, 23, 2, 0, 0 },
	{ "gate2", "Gate1/VSD", "VSD", S, 10, 2, 0, 0 },
	{ "qn2", "QN/VSD", "VSD", C, 50, 1, 0, 0 },
	{ "qn2-by-1", "QN/VSD", "QN/VSD", C, 50, 3, 0, 0 },
	{ "john2", "John/QN/VSD", "QN/VSD", U, 20, 50, 0, 0 },
	{ "vsd3", "VSD", NULL, C, 70, 70, 0, 0 },
	{ "boss3", "Boss/VSD", "VSD", U, 23, 70, 0, 0 },
	{ "vsd3-by-2", "VSD", "VSD", C, 70, 2, 0, 0 },
	/* the other organisation */
	{ "acme", "ACME", NULL, C, 30, 30, 0, 0 },
	{ "r", R, "ACME", C, 31, 30, 0, 0 },
	{ "bob", "Bob/" R, R, U, 32, 31, 0, 0 },
	{ "bob-other-key", "Bob/" R, R, U, 71, 31, 0, 0 },
	{ "carl", "Carl/ACME", "ACME", U, 33, 30, 0, 0 },
	{ "carl2", "Carl/ACME", "ACME", U, 33, 36, 0, 0 },
	{ "acme2-by-1", "ACME", "ACME", C, 36, 30, 0, 0 },
	{ "a2", "A2/" R, R, C, 37, 31, 0, 0 },
	{ "a3", "A3/A2/" R, "A2/" R, C, 38, 37, 0, 0 },
	{ "a4", "A4/A3/A2/" R, "A3/A2/" R, C, 39, 38, 0, 0 },
	{ "dora", "Dora/A3/A2/" R, "A3/A2/" R, U, 34, 38, 0, 0 },
	{ "emil", "Emil/A4/A3/A2/" R, "A4/A3/A2/" R, U, 35, 39, 0, 0 },
	{ "forged", "Admin/VSD", "ACME", U, 72, 30, 0, 0 },
	{ "forged-nn", "NN/VSD", "ACME", C, 73, 30, 0, 0 },
	{ "forged-mate", "Mate/NN/VSD", "NN/VSD", U, 74, 73, 0, 0 },
	/* cross-certificates */
	{ "acme-by-vsd", "ACME", "VSD", C, 30, 1, 0, 0 },
	{ "acme-by-vsd-soon", "ACME", "VSD", C, 30, 1, 0, PKI_SOON_MS },
	{ "acme-by-nn", "ACME", "NN/VSD", C, 30, 4, 0, 0 },
	{ "acme-by-qn", "ACME", "QN/VSD", C, 30, 3, 0, 0 },
	{ "acme-by-boss", "ACME", "CN=Boss/O=VSD", C, 30, 23, 0, 0 },
	{ "acme-by-u4", "ACME", U4, C, 30, 8, 0, 0 },
	{ "acme-by-acme2", "ACME", "ACME", C, 30, 36, 0, 0 },
	{ "r-by-vsd", R, "VSD", C, 31, 1, 0, 0 },
	{ "bob-by-vsd", "Bob/" R, "VSD", U, 32, 1, 0, 0 },
	{ "bob-by-boss", "Bob/" R, "CN=Boss/O=VSD", U, 32, 23, 0, 0 },
	{ "qn-by-nn", "QN/VSD", "NN/VSD", C, 3, 4, 0, 0 },
	{ "vsd-by-acme", "VSD", "ACME", C, 1, 30, 0, 0 },
	{ "third", "THIRD", NULL, C, 40, 40, 0, 0 },
	{ "third-by-acme", "THIRD", "ACME", C, 40, 30, 0, 0 },
	{ "pete", "Pete/THIRD", "THIRD", U, 41, 40, 0, 0 },
};
#undef C
#undef U
#undef S
#undef R
#undef U4

#define PKI_COUNT (sizeof(pki_specs) / sizeof(pki_specs[0]))

struct pki_cert {
	uint8_t der[CERT_LEN_MAX];
	size_t len;
	uint8_t serial[8];
};

static struct pki_cert pki_certs[PKI_COUNT];

static inline void pki_seed(int key, uint8_t ret[32])
{
	memset(ret, 0, 32);
	ret[0] = (uint8_t)key;
}

static inline void pki_pk(int key, uint8_t ret[32])
{
	uint8_t seed[32], sk[64];
	pki_seed(key, seed);
	crypto_sign_seed_keypair(ret, sk, seed);
}

/* Leaf first, without the rules of name_parse: five units, a person without CN. */
static inline struct name pki_name(const char *text, bool has_cn)
{
	struct name n = { 0 };
	const char *parts[NAME_PARTS_MAX];
	size_t lens[NAME_PARTS_MAX], count = 0;
	if (strncmp(text, "CN=", 3) == 0) {
		if (name_parse(text, false, &n) != NAME_OK)
			abort();
		return n;
	}
	for (const char *at = text;; at += lens[count - 1] + 1) {
		if (count == NAME_PARTS_MAX)
			abort();
		parts[count] = at;
		lens[count++] = strcspn(at, "/");
		if (at[lens[count - 1]] == '\0')
			break;
	}
	for (size_t i = count; i > 0; i--) {
		struct name_part *p = &n.parts[n.count++];
		p->type = i == count ? NAME_O : i == 1 && has_cn ? NAME_CN : NAME_OU;
		p->len = (uint8_t)lens[i - 1];
		memcpy(p->value, parts[i - 1], lens[i - 1]);
	}
	return n;
}

/* Without one OpenSSL takes a person who has the certifier's name for a self-signed certificate. */
static inline void pki_add_subject_key(X509 *x, const uint8_t pk[32])
{
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	cert_key_identifier(pk, id);
	if (s == NULL || ASN1_OCTET_STRING_set(s, id, sizeof(id)) != 1 ||
		X509_add1_ext_i2d(x, NID_subject_key_identifier, s, 0, X509V3_ADD_DEFAULT) != 1)
		abort();
	ASN1_OCTET_STRING_free(s);
}

static inline void pki_make(const struct pki_spec *s, size_t number, struct pki_cert *to)
{
	struct cert c = { .kind = s->kind };
	uint8_t pk[32], seed[32];
	bool is_own_dn = strcmp(s->id, "own-dn") == 0;
	bool is_whole = s->kind != CERT_CERTIFIER && !is_own_dn;
	c.subject = pki_name(s->subject, is_whole);
	c.issuer = pki_name(s->issuer != NULL ? s->issuer : s->subject, false);
	c.not_before_ms = s->begin_ms != 0 ? s->begin_ms : PKI_BEGIN_MS;
	c.not_after_ms = s->end_ms != 0 ? s->end_ms : PKI_END_MS;
	memcpy(c.serial, "\x40serial", 7);
	c.serial[7] = (uint8_t)number;
	pki_pk(s->key, c.pk);
	pki_pk(s->by, pk);
	pki_seed(s->by, seed);
	cert_key_identifier(pk, c.issuer_key_identifier);
	memcpy(to->serial, c.serial, 8);
	X509 *x = cert_shape(&c, NULL);
	if (x != NULL && is_own_dn)
		pki_add_subject_key(x, c.pk);
	if (x == NULL || !cert_sign(x, seed, to->der, &to->len))
		abort();
	X509_free(x);
}

static inline void pki_init(void)
{
	if (pki_certs[0].len != 0)
		return;
	for (size_t i = 0; i < PKI_COUNT; i++)
		pki_make(&pki_specs[i], i, &pki_certs[i]);
}

static inline const struct pki_cert *pki_find(const char *id)
{
	for (size_t i = 0; i < PKI_COUNT; i++)
		if (strcmp(pki_specs[i].id, id) == 0)
			return &pki_certs[i];
	abort();
}

static inline struct span pki(const char *id)
{
	const struct pki_cert *c = pki_find(id);
	return span_of(c->der, c->len);
}

/* ------------------------------------------------------------------ lists */

struct pki_list_spec {
	const char *id, *issuer;
	int by;
	uint64_t number, begin_ms, end_ms;
	const char *revoked; /* ids of certificates */
};

static const struct pki_list_spec pki_list_specs[] = {
	{ "vsd-none", "VSD", 1, 1, PKI_BEGIN_MS, PKI_SOON_MS, "" },
	{ "vsd-same", "VSD", 1, 1, PKI_BEGIN_MS, PKI_SOON_MS, "boss" },
	{ "vsd-qn", "VSD", 1, 2, PKI_BEGIN_MS, PKI_SOON_MS, "qn boss" },
	{ "vsd-cross", "VSD", 1, 3, PKI_BEGIN_MS, PKI_SOON_MS, "acme-by-vsd bob-by-vsd" },
	{ "vsd-old", "VSD", 1, 1, PKI_BEGIN_MS, PKI_BEGIN_MS + PKI_DAY_MS, "boss" },
	{ "vsd-early", "VSD", 1, 1, PKI_NOW_MS + PKI_DAY_MS, PKI_SOON_MS, "" },
	{ "vsd-forged", "VSD", 1, 9, PKI_BEGIN_MS, PKI_SOON_MS, "" },
	{ "qn-none", "QN/VSD", 3, 1, PKI_BEGIN_MS, PKI_END_MS, "" },
	{ "qn-john", "QN/VSD", 3, 2, PKI_BEGIN_MS, PKI_SOON_MS, "gate john anna" },
	{ "qn-old", "QN/VSD", 3, 1, PKI_BEGIN_MS, PKI_BEGIN_MS + PKI_DAY_MS, "srv" },
	{ "ub-none", "UB/QN/VSD", 6, 1, PKI_BEGIN_MS, PKI_SOON_MS, "" },
	{ "nn-mate", "NN/VSD", 4, 1, PKI_BEGIN_MS, PKI_SOON_MS, "mate" },
	{ "acme-none", "ACME", 30, 1, PKI_BEGIN_MS, PKI_SOON_MS, "" },
	{ "acme-r", "ACME", 30, 2, PKI_BEGIN_MS, PKI_SOON_MS, "r carl" },
	{ "r-none", "R/ACME", 31, 1, PKI_BEGIN_MS, PKI_SOON_MS, "" },
	{ "third-none", "THIRD", 40, 1, PKI_BEGIN_MS, PKI_SOON_MS, "" },
};

#define PKI_LIST_COUNT (sizeof(pki_list_specs) / sizeof(pki_list_specs[0]))

static struct {
	uint8_t *der;
	size_t len;
} pki_lists[PKI_LIST_COUNT];

/* Words of a text, one after the other; false at the end. */
static inline bool pki_word(const char **at, char to[64])
{
	size_t skip = strspn(*at, " "), len = strcspn(*at + skip, " ");
	if (len == 0 || len > 63)
		return false;
	memcpy(to, *at + skip, len);
	to[len] = '\0';
	*at += skip + len;
	return true;
}

static inline void pki_make_list(size_t i)
{
	const struct pki_list_spec *s = &pki_list_specs[i];
	struct crl_entry entries[8];
	uint8_t seed[32];
	char id[64];
	struct fault f;
	struct crl_order o = {
		.issuer = pki_name(s->issuer, false),
		.issuer_seed = seed,
		.number = s->number,
		.this_update_ms = s->begin_ms,
		.next_update_ms = s->end_ms,
		.entries = entries,
	};
	pki_seed(s->by, seed);
	pki_pk(s->by, o.issuer_pk);
	for (const char *at = s->revoked; pki_word(&at, id);) {
		memcpy(entries[o.count].serial, pki_find(id)->serial, 8);
		entries[o.count++].revoked_ms = s->begin_ms;
	}
	if (crl_issue(&o, &pki_lists[i].der, &pki_lists[i].len, &f) != 0)
		abort();
	if (strcmp(s->id, "vsd-forged") == 0)
		pki_lists[i].der[pki_lists[i].len - 1] ^= 1;
}

static inline struct span pki_list(const char *id)
{
	for (size_t i = 0; i < PKI_LIST_COUNT; i++) {
		if (strcmp(pki_list_specs[i].id, id) != 0)
			continue;
		if (pki_lists[i].der == NULL)
			pki_make_list(i);
		return span_of(pki_lists[i].der, pki_lists[i].len);
	}
	abort();
}

static inline void pki_free(void)
{
	for (size_t i = 0; i < PKI_LIST_COUNT; i++) {
		free(pki_lists[i].der);
		pki_lists[i].der = NULL;
	}
}

/* ------------------------------------------------------------------ material and chains by ids */

struct pki_material {
	struct trust_item own[16], items[64], crls[16];
	char names[96][64];
	size_t name_count;
	struct trust_material m;
};

static inline size_t pki_items(
	struct pki_material *p, const char *ids, bool is_list, struct trust_item *to)
{
	size_t count = 0;
	for (const char *at = ids; ids != NULL && pki_word(&at, p->names[p->name_count]);) {
		to[count].where = p->names[p->name_count++];
		to[count].der = is_list ? pki_list(to[count].where) : pki(to[count].where);
		count++;
	}
	return count;
}

/* ids separated by spaces; NULL none */
static inline void pki_material(struct pki_material *p, const char *own, const char *items,
	const char *crls, enum trust_crl policy)
{
	memset(p, 0, sizeof(*p));
	pki_init();
	p->m.own_count = pki_items(p, own, false, p->own);
	p->m.count = pki_items(p, items, false, p->items);
	p->m.crl_count = pki_items(p, crls, true, p->crls);
	p->m.own = p->own;
	p->m.items = p->items;
	p->m.crls = p->crls;
	p->m.crl_policy = policy;
}

static inline struct chain pki_chain(const char *ids)
{
	struct chain c = { .count = 0 };
	char id[64];
	pki_init();
	for (const char *at = ids; pki_word(&at, id);) {
		if (c.count == CHAIN_CERTS_MAX)
			abort();
		c.der[c.count++] = pki(id);
	}
	return c;
}

#endif
