#ifndef POSTERN_IDENTITY_CERT_SHAPE_H
#define POSTERN_IDENTITY_CERT_SHAPE_H

/* The profile as an OpenSSL object: what cert_issue.c signs and cert_read.c compares with. */

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "identity/cert.h"

/* ASN.1 string types, one for each part: V_ASN1_UTF8STRING or V_ASN1_PRINTABLESTRING. */
struct cert_strings {
	int subject[NAME_PARTS_MAX];
	int issuer[NAME_PARTS_MAX];
};

#define CERT_EXTENSIONS_MAX 5

struct cert_extension {
	int nid;
	bool is_critical;
};

/* The extensions a certificate of c's kind and names has, in order; returns how many. */
size_t cert_extensions(const struct cert *c, struct cert_extension ret[CERT_EXTENSIONS_MAX]);

/*
 * True for the certificate an organisation issues to itself: the one kind without nameConstraints.
 */
bool cert_is_root(const struct cert *c);

/* c as the profile writes it, not signed. strings NULL: all UTF8String. NULL when OpenSSL fails. */
X509 *cert_shape(const struct cert *c, const struct cert_strings *strings);

/* Sign x and encode it. key is a 32-byte seed. False when OpenSSL fails or it does not fit. */
bool cert_sign(X509 *x, const uint8_t seed[32], uint8_t der[CERT_LEN_MAX], size_t *ret_len);

#endif
