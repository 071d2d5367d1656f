#ifndef POSTERN_IDENTITY_CERT_H
#define POSTERN_IDENTITY_CERT_H

/*
 * X.509 certificates of the rigid profile (doc/protocol.md section 7.1). Issued and read with OpenSSL:
 * cert_issue, cert_read and cert_read_pem are neither on the packet path nor part of libpostern.
 *
 * Version 3; serial 8 bytes, the first 01..7f; Ed25519 without parameters; names [C] O OU{0,4}
 * [CN], root first, one attribute a level, UTF8String (PrintableString accepted when reading);
 * times with seconds and Z, UTCTime up to 2049. Extensions in this order, no other, none twice:
 *
 *   certifier     basicConstraints critical CA TRUE (ff), pathlen 4 - number of OU; keyUsage
 *                 critical keyCertSign + cRLSign; nameConstraints critical, one permitted
 *                 directoryName, its own (not when an organisation's subject is its issuer);
 *                 subjectKeyIdentifier; authorityKeyIdentifier
 *   user, server  keyUsage critical digitalSignature; extKeyUsage clientAuth or serverAuth;
 *                 authorityKeyIdentifier
 *
 * The issuer is a certifier or, of a cross-certificate, a user. Key identifiers are the first 20 bytes of SHA-256(32-byte key).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/name.h"

#define CERT_LEN_MAX 2048
#define CERT_KEY_IDENTIFIER_LEN 20

enum cert_kind { CERT_CERTIFIER, CERT_USER, CERT_SERVER };

struct cert {
	struct name subject;
	struct name issuer;
	enum cert_kind kind;
	uint8_t serial[8];
	uint64_t not_before_ms;
	uint64_t not_after_ms;
	uint8_t pk[32]; /* Ed25519 */
	/* authorityKeyIdentifier: which of the issuer's keys signed */
	uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN];
};

/* What a new certificate is to its issuer. */
enum cert_role {
	CERT_BELOW =
		0,  /* one level below it (parent rule), or an organisation that certifies itself */
	CERT_CROSS, /* a cross-certificate: a name that is not below it. The issuer may be a user */
	CERT_ROLLOVER, /* the issuer's own name under another key of it; certifiers only */
};

struct cert_order {
	enum cert_role role;
	struct name subject;
	enum cert_kind kind;
	uint8_t pk[32];
	uint64_t not_before_ms, not_after_ms; /* cut to seconds, up to the year 9999 */
	struct name issuer;                   /* equal to subject for a self-signed organisation */
	uint8_t issuer_pk[32];
	const uint8_t *issuer_seed; /* 32-byte Ed25519 seed of the issuer, borrowed */
};

/*
 * Issue. Refuses what the profile forbids (parent rule, depth, name rules) with *f filled: -EINVAL;
 * or -EIO when OpenSSL fails. The subject takes over the issuer's spelling of the levels they
 * share. der holds CERT_LEN_MAX bytes.
 */
__attribute__((warn_unused_result)) int cert_issue(
	const struct cert_order *o, uint8_t *der, size_t *ret_len, struct fault *f);

/*
 * Read one certificate and check it against the profile, byte for byte; a certificate signed by its
 * own key also against that key. Who signed any other, and the parent rule, are the path's
 * business. 0 or -EINVAL with *f.
 */
__attribute__((warn_unused_result)) int cert_read(
	struct span der, struct cert *ret, struct fault *f);

/*
 * Read the first CERTIFICATE of a PEM text (trust files). der holds CERT_LEN_MAX bytes. 0 or
 * -EINVAL with *f ("line N: ..." when the text is at fault).
 */
__attribute__((warn_unused_result)) int cert_read_pem(
	struct span pem, struct cert *ret, uint8_t *der, size_t *ret_len, struct fault *f);

/* The 20-byte key identifier of a key. */
void cert_key_identifier(const uint8_t pk[32], uint8_t ret[CERT_KEY_IDENTIFIER_LEN]);

/*
 * True when the issuer is a user, who may cross-certify: the issuer has a CN and the subject is neither
 * that name nor below it. Any other issuer's name is a certifier's.
 */
bool cert_is_issued_by_user(const struct cert *c);

/* True when the certificate's signature is one by issuer_pk. The rest of it is not looked at. */
bool cert_signed_by(struct span der, const uint8_t issuer_pk[32]);

/* SHA-256 of the DER, for comparing out of band: "ab12 cd34 ..." 16 groups; to holds 80 bytes. */
const char *cert_fingerprint(struct span der, char to[80]);

#endif
