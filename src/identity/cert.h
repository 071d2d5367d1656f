#ifndef POSTERN_IDENTITY_CERT_H
#define POSTERN_IDENTITY_CERT_H

/*
 * X.509 certificates of the rigid profile (doc/protocol.md section 7), issued and read with OpenSSL.
 * Not on the packet path, not part of libpostern.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/name.h"

#define CERT_LEN_MAX 2048

enum cert_kind { CERT_CERTIFIER, CERT_USER, CERT_SERVER };

struct cert {
	struct name subject;
	struct name issuer;
	enum cert_kind kind;
	uint8_t serial[8];
	uint64_t not_before_ms;
	uint64_t not_after_ms;
	uint8_t pk[32]; /* Ed25519 */
};

struct cert_order {
	struct name subject;
	enum cert_kind kind;
	uint8_t pk[32];
	uint64_t not_before_ms, not_after_ms;
	struct name issuer; /* equal to subject for a self-signed organisation */
	uint8_t issuer_pk[32];
	const uint8_t *issuer_seed; /* 32-byte Ed25519 seed of the issuer, borrowed */
};

/* Issue. Refuses what the profile forbids (parent rule, depth, name rules) with *f filled: -EINVAL;
 * or -EIO when OpenSSL fails. der holds CERT_LEN_MAX bytes. */
__attribute__((warn_unused_result)) int cert_issue(
	const struct cert_order *o, uint8_t *der, size_t *ret_len, struct fault *f);

/* Read one certificate and check it against the profile. 0 or -EINVAL with *f. */
__attribute__((warn_unused_result)) int cert_read(
	struct span der, struct cert *ret, struct fault *f);

/* Read the first CERTIFICATE of a PEM text (trust files). 0 or -EINVAL with *f. */
__attribute__((warn_unused_result)) int cert_read_pem(
	struct span pem, struct cert *ret, uint8_t *der, size_t *ret_len, struct fault *f);

/* True when child is signed by issuer_pk. */
bool cert_signed_by(struct span der, const uint8_t issuer_pk[32]);

/* SHA-256 of the DER, for comparing out of band: "ab12 cd34 ..." 16 groups; to holds 80 bytes. */
const char *cert_fingerprint(struct span der, char to[80]);

#endif
