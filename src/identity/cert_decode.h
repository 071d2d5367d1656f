#ifndef POSTERN_IDENTITY_CERT_DECODE_H
#define POSTERN_IDENTITY_CERT_DECODE_H

/*
 * The strict certificate reader: X.509 DER of the rigid profile (doc/protocol.md section 7.1) and nothing
 * else, read straight down with the checked reader. libsodium only; runs on strangers' bytes on the packet
 * path. It accepts exactly what cert_read (OpenSSL, identity/cert.h) accepts; a differential test holds
 * the two together. Signatures are not looked at here.
 */

#include "base/span.h"
#include "identity/cert.h"

/* Why bytes are not a certificate, or a list (identity/crl.h), of the profile. */
enum cert_reject {
	CERT_OK = 0,
	CERT_SHORT,    /* ends early, or a length points past its end */
	CERT_TRAILING, /* bytes after the end of the certificate or of a field */
	CERT_TAG,      /* another ASN.1 type than the profile has there */
	CERT_LENGTH,   /* a length not in its one DER form, or over CERT_LEN_MAX */
	CERT_VERSION,  /* not version 3; a list: not version 2 */
	CERT_SERIAL,   /* not a positive number of 8 bytes; in a list, not above the one before */
	CERT_ALGORITHM, /* not Ed25519 without parameters, in one of its three places; no 64-byte signature */
	CERT_NAME,      /* breaks the rules of identity/name.h, or an attribute the profile lacks */
	CERT_STRING,    /* neither UTF8String nor a true PrintableString */
	CERT_TIME,      /* not a valid time in the profile's form, or ends before it begins */
	CERT_KEY,       /* not a 32-byte key */
	CERT_EXTENSION, /* unknown, missing, out of order, twice, or wrongly critical */
	CERT_BASIC,     /* basicConstraints: CA not ff, or pathlen not that of the name's depth */
	CERT_USAGE,     /* keyUsage or extKeyUsage not those of its kind */
	CERT_SUBTREE,   /* nameConstraints not its own name alone */
	CERT_KEY_IDENTIFIER, /* subjectKeyIdentifier not that of the key; either not 20 bytes */
	CERT_NUMBER,         /* a list's cRLNumber is not a positive number of 1 to 8 bytes */
	CERT_REJECT_COUNT,
};

/* A clause: "its key has not 32 bytes". */
const char *cert_reject_text(enum cert_reject reason);

/* Where the parts lie; all borrow the DER. */
struct cert_parts {
	struct span der;     /* the whole certificate */
	struct span tbs;     /* what is signed, header included */
	struct span subject; /* the two Names, header included: chained by their bytes */
	struct span issuer;
	struct span signature; /* 64 bytes */
};

/*
 * Decode one certificate that der is wholly. *ret and *ret_parts are written only on CERT_OK. Pure: no
 * allocation, no clock, no signature.
 */
enum cert_reject cert_decode(struct span der, struct cert *ret, struct cert_parts *ret_parts);

/*
 * Take the first certificate off *chain (DER certificates one after the other): *ret_der is it and
 * *chain what follows. CERT_OK, CERT_SHORT, CERT_TAG or CERT_LENGTH. The certificate is not decoded.
 */
enum cert_reject cert_take(struct span *chain, struct span *ret_der);

/* True when the signature in p is one by issuer_pk over p->tbs. */
bool cert_parts_signed_by(const struct cert_parts *p, const uint8_t issuer_pk[32]);

#endif
