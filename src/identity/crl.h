#ifndef POSTERN_IDENTITY_CRL_H
#define POSTERN_IDENTITY_CRL_H

/*
 * Certificate revocation lists of a rigid profile, doc/protocol.md section 7.2: X.509 CRL version 2, Ed25519,
 * issuer as in the certificate profile, thisUpdate, nextUpdate, revokedCertificates (absent when empty;
 * serial and revocationDate, no entry extensions; each serial of 8 bytes, ascending, none twice), extensions
 * authorityKeyIdentifier (20 bytes) and cRLNumber (1 to 8 bytes, positive), not critical, in this order.
 * Reading: libsodium only. Issuing: OpenSSL (identity/crl_issue.c).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/cert.h"
#include "identity/cert_decode.h"

#define CRL_LEN_MAX ((size_t)4 << 20)
#define CRL_SERIAL_LEN 8

/* A decoded list. The spans borrow the DER, which must live as long. */
struct crl {
	struct name issuer;
	uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN];
	uint64_t number;
	uint64_t this_update_ms, next_update_ms;
	size_t count;
	struct span issuer_der;
	struct span entries; /* the DER entries, one after the other */
	struct span tbs;
	struct span signature;
};

/* CERT_OK or why not. *ret is written only on CERT_OK. Pure. */
enum cert_reject crl_decode(struct span der, struct crl *ret);

bool crl_signed_by(const struct crl *c, const uint8_t issuer_pk[32]);

/* Walk the entries: start with *at = c->entries. False at the end. */
bool crl_next(struct span *at, uint8_t ret_serial[CRL_SERIAL_LEN], uint64_t *ret_revoked_ms);

struct crl_entry {
	uint8_t serial[CRL_SERIAL_LEN];
	uint64_t revoked_ms;
};

struct crl_order {
	struct name issuer;
	uint8_t issuer_pk[32];
	const uint8_t *issuer_seed; /* 32 bytes, borrowed */
	uint64_t number;            /* grows with every list of this issuer */
	uint64_t this_update_ms, next_update_ms;
	size_t count;
	const struct crl_entry *entries; /* any order; borrowed. One serial twice is refused */
};

/* Issue. *ret is malloc'd and the caller's. 0, or -EINVAL, -ENOMEM, -EIO with *f. */
__attribute__((warn_unused_result)) int crl_issue(
	const struct crl_order *o, uint8_t **ret, size_t *ret_len, struct fault *f);

#endif
