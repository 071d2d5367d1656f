/*
 * The profile written down once. Invariant: for one struct cert there is one DER, so a certificate
 * is of the profile exactly when writing it again gives the same bytes up to the signature.
 */

#include "identity/cert_shape.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <string.h>

static const int part_nids[] = {
	[NAME_C] = NID_countryName,
	[NAME_O] = NID_organizationName,
	[NAME_OU] = NID_organizationalUnitName,
	[NAME_CN] = NID_commonName,
};

X509_NAME *cert_shape_name(const struct name *n, const int *types)
{
	X509_NAME *x = X509_NAME_new();
	bool is_good = x != NULL;
	for (size_t i = 0; is_good && i < n->count; i++) {
		const struct name_part *p = &n->parts[i];
		unsigned char value[NAME_VALUE_MAX];
		memcpy(value, p->value, p->len);
		is_good = X509_NAME_add_entry_by_NID(x, part_nids[p->type],
				  types != NULL ? types[i] : V_ASN1_UTF8STRING, value, p->len, -1,
				  0) == 1;
	}
	if (is_good)
		return x;
	X509_NAME_free(x);
	return NULL;
}

static bool set_names(X509 *x, const struct cert *c, const struct cert_strings *strings)
{
	X509_NAME *subject =
		cert_shape_name(&c->subject, strings != NULL ? strings->subject : NULL);
	X509_NAME *issuer = cert_shape_name(&c->issuer, strings != NULL ? strings->issuer : NULL);
	bool is_good = subject != NULL && issuer != NULL &&
		X509_set_subject_name(x, subject) == 1 && X509_set_issuer_name(x, issuer) == 1;
	X509_NAME_free(subject);
	X509_NAME_free(issuer);
	return is_good;
}

static bool set_serial(X509 *x, const uint8_t serial[8])
{
	BIGNUM *n = BN_bin2bn(serial, 8, NULL);
	bool is_good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return is_good;
}

/* ASN1_TIME_adj writes UTCTime up to 2049 and GeneralizedTime from then on (RFC 5280 4.1.2.5). */
static bool set_times(X509 *x, const struct cert *c)
{
	return ASN1_TIME_adj(X509_getm_notBefore(x), (time_t)(c->not_before_ms / 1000), 0, 0) !=
		NULL &&
		ASN1_TIME_adj(X509_getm_notAfter(x), (time_t)(c->not_after_ms / 1000), 0, 0) !=
		NULL;
}

static bool set_key(X509 *x, const uint8_t pk[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pk, 32);
	bool is_good = key != NULL && X509_set_pubkey(x, key) == 1;
	EVP_PKEY_free(key);
	return is_good;
}

static bool add(X509 *x, const struct cert_extension *e, void *value)
{
	return X509_add1_ext_i2d(x, e->nid, value, e->is_critical, X509V3_ADD_DEFAULT) == 1;
}

static bool add_basic_constraints(X509 *x, const struct cert_extension *e, const struct cert *c)
{
	BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
	int units = 0;
	for (size_t i = 0; i < c->subject.count; i++)
		units += c->subject.parts[i].type == NAME_OU ? 1 : 0;
	bool is_good = false;
	if (bc != NULL) {
		bc->ca = 0xff; /* X.690 11.1: TRUE is ff; 1 would be written as 01 */
		bc->pathlen = ASN1_INTEGER_new();
		is_good = bc->pathlen != NULL &&
			ASN1_INTEGER_set(bc->pathlen, NAME_OU_MAX - units) == 1 && add(x, e, bc);
	}
	BASIC_CONSTRAINTS_free(bc);
	return is_good;
}

static bool add_key_usage(X509 *x, const struct cert_extension *e, const struct cert *c)
{
	enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 }; /* RFC 5280 4.2.1.3 */
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	bool is_good = bits != NULL;
	if (is_good && c->kind == CERT_CERTIFIER)
		is_good = ASN1_BIT_STRING_set_bit(bits, KEY_CERT_SIGN, 1) == 1 &&
			ASN1_BIT_STRING_set_bit(bits, CRL_SIGN, 1) == 1;
	else if (is_good)
		is_good = ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1) == 1;
	is_good = is_good && add(x, e, bits);
	ASN1_BIT_STRING_free(bits);
	return is_good;
}

static GENERAL_SUBTREE *subtree_of(const X509_NAME *name)
{
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	X509_NAME *copy = X509_NAME_dup(name);
	if (tree == NULL || copy == NULL) {
		GENERAL_SUBTREE_free(tree);
		X509_NAME_free(copy);
		return NULL;
	}
	GENERAL_NAME_set0_value(tree->base, GEN_DIRNAME, copy);
	return tree;
}

static bool add_name_constraints(X509 *x, const struct cert_extension *e)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	GENERAL_SUBTREE *tree = subtree_of(X509_get_subject_name(x));
	bool is_good = nc != NULL && tree != NULL;
	if (is_good) {
		nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
		is_good = nc->permittedSubtrees != NULL &&
			sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, tree) > 0;
	}
	if (is_good)
		tree = NULL; /* it belongs to the stack now */
	is_good = is_good && add(x, e, nc);
	GENERAL_SUBTREE_free(tree);
	NAME_CONSTRAINTS_free(nc);
	return is_good;
}

static bool add_extended_usage(X509 *x, const struct cert_extension *e, const struct cert *c)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
	int nid = c->kind == CERT_SERVER ? NID_server_auth : NID_client_auth;
	bool is_good = usage != NULL && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(nid)) > 0 &&
		add(x, e, usage);
	sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
	return is_good;
}

static ASN1_OCTET_STRING *octets_of(const uint8_t id[CERT_KEY_IDENTIFIER_LEN])
{
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	if (s != NULL && ASN1_OCTET_STRING_set(s, id, CERT_KEY_IDENTIFIER_LEN) == 1)
		return s;
	ASN1_OCTET_STRING_free(s);
	return NULL;
}

static bool add_subject_key(X509 *x, const struct cert_extension *e, const struct cert *c)
{
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(c->pk, id);
	ASN1_OCTET_STRING *s = octets_of(id);
	bool is_good = s != NULL && add(x, e, s);
	ASN1_OCTET_STRING_free(s);
	return is_good;
}

AUTHORITY_KEYID *cert_shape_issuer_key(const uint8_t id[CERT_KEY_IDENTIFIER_LEN])
{
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
	if (aki == NULL)
		return NULL;
	aki->keyid = octets_of(id);
	if (aki->keyid != NULL)
		return aki;
	AUTHORITY_KEYID_free(aki);
	return NULL;
}

static bool add_issuer_key(X509 *x, const struct cert_extension *e, const struct cert *c)
{
	AUTHORITY_KEYID *aki = cert_shape_issuer_key(c->issuer_key_identifier);
	bool is_good = aki != NULL && add(x, e, aki);
	AUTHORITY_KEYID_free(aki);
	return is_good;
}

static bool add_extension(X509 *x, const struct cert_extension *e, const struct cert *c)
{
	switch (e->nid) {
	case NID_basic_constraints:
		return add_basic_constraints(x, e, c);
	case NID_key_usage:
		return add_key_usage(x, e, c);
	case NID_name_constraints:
		return add_name_constraints(x, e);
	case NID_ext_key_usage:
		return add_extended_usage(x, e, c);
	case NID_subject_key_identifier:
		return add_subject_key(x, e, c);
	default:
		return add_issuer_key(x, e, c);
	}
}

bool cert_is_root(const struct cert *c)
{
	return c->subject.count > 0 && c->subject.parts[c->subject.count - 1].type == NAME_O &&
		name_equal(&c->subject, &c->issuer);
}

size_t cert_extensions(const struct cert *c, struct cert_extension ret[CERT_EXTENSIONS_MAX])
{
	size_t n = 0;
	if (c->kind == CERT_CERTIFIER)
		ret[n++] = (struct cert_extension){ NID_basic_constraints, true };
	ret[n++] = (struct cert_extension){ NID_key_usage, true };
	if (c->kind != CERT_CERTIFIER)
		ret[n++] = (struct cert_extension){ NID_ext_key_usage, false };
	/* On a trust anchor they would be applied, and end every cross-certificate below it. */
	if (c->kind == CERT_CERTIFIER && !cert_is_root(c))
		ret[n++] = (struct cert_extension){ NID_name_constraints, true };
	if (c->kind == CERT_CERTIFIER)
		ret[n++] = (struct cert_extension){ NID_subject_key_identifier, false };
	ret[n++] = (struct cert_extension){ NID_authority_key_identifier, false };
	return n;
}

X509 *cert_shape(const struct cert *c, const struct cert_strings *strings)
{
	struct cert_extension extensions[CERT_EXTENSIONS_MAX];
	size_t count = cert_extensions(c, extensions);
	X509 *x = X509_new();
	bool is_good = x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
		set_serial(x, c->serial) && set_names(x, c, strings) && set_times(x, c) &&
		set_key(x, c->pk);
	for (size_t i = 0; is_good && i < count; i++)
		is_good = add_extension(x, &extensions[i], c);
	if (is_good)
		return x;
	ERR_clear_error();
	X509_free(x);
	return NULL;
}

void cert_public_key(const uint8_t seed[32], uint8_t ret_pk[32])
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
	crypto_sign_seed_keypair(ret_pk, sk, seed);
	sodium_memzero(sk, sizeof(sk));
}

bool cert_seed_is_of(const uint8_t seed[32], const uint8_t pk[32])
{
	uint8_t made[32];
	cert_public_key(seed, made);
	return memcmp(made, pk, 32) == 0;
}

bool cert_sign(X509 *x, const uint8_t seed[32], uint8_t der[CERT_LEN_MAX], size_t *ret_len)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	/* Ed25519 hashes by itself: no digest is named. */
	bool is_good = key != NULL && X509_sign(x, key, NULL) > 0;
	EVP_PKEY_free(key);
	int len = is_good ? i2d_X509(x, NULL) : -1;
	if (len <= 0 || len > CERT_LEN_MAX || i2d_X509(x, &der) != len) {
		ERR_clear_error();
		return false;
	}
	*ret_len = (size_t)len;
	return true;
}
