#ifndef POSTERN_IDENTITY_CERT_SHAPE_H
#define POSTERN_IDENTITY_CERT_SHAPE_H

/*
 * The profile as an OpenSSL object: what cert_issue.c signs and cert_read.c compares with. Lists
 * (crl_issue.c) and requests (request.c) take their parts from it.
 */

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "identity/cert.h"

/* ASN.1 string types, one for each part: V_ASN1_UTF8STRING or V_ASN1_PRINTABLESTRING. */
struct cert_strings {
	int subject[NAME_PARTS_MAX];
	int issuer[NAME_PARTS_MAX];
};

#define CERT_TIME_END_MS UINT64_C(253402300800000) /* 10000-01-01: a year has four digits */
#define CERT_EXTENSIONS_MAX 5

struct cert_extension {
	int nid;
	bool is_critical;
};

/* The extensions a certificate of c's kind and names has, in order; returns how many. */
size_t cert_extensions(const struct cert *c, struct cert_extension ret[CERT_EXTENSIONS_MAX]);

/*
 * True for a certificate an organisation issues to itself, under the same key or, rolling over, under
 * another: the one kind without nameConstraints.
 */
bool cert_is_root(const struct cert *c);

/* c as the profile writes it, not signed. strings NULL: all UTF8String. NULL when OpenSSL fails. */
X509 *cert_shape(const struct cert *c, const struct cert_strings *strings);

/* A name, one attribute a level; types as in struct cert_strings, NULL: all UTF8String. NULL: failed. */
X509_NAME *cert_shape_name(const struct name *n, const int *types);

/*
 * A name as it stands, not yet checked by the rules of identity/name.h, and its string types. *n is
 * zero before. NULL, or why it cannot be read.
 */
const char *cert_read_name(const X509_NAME *x, struct name *n, int strings[NAME_PARTS_MAX]);

/* An authorityKeyIdentifier that holds id alone. NULL when OpenSSL fails. */
AUTHORITY_KEYID *cert_shape_issuer_key(const uint8_t id[CERT_KEY_IDENTIFIER_LEN]);

/* The public key of a 32-byte seed, and whether pk is that. */
void cert_public_key(const uint8_t seed[32], uint8_t ret_pk[32]);
bool cert_seed_is_of(const uint8_t seed[32], const uint8_t pk[32]);

/* Sign x and encode it. key is a 32-byte seed. False when OpenSSL fails or it does not fit. */
bool cert_sign(X509 *x, const uint8_t seed[32], uint8_t der[CERT_LEN_MAX], size_t *ret_len);

#endif
