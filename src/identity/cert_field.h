#ifndef POSTERN_IDENTITY_CERT_FIELD_H
#define POSTERN_IDENTITY_CERT_FIELD_H

/*
 * The fields that certificates and revocation lists share, inside this folder. Each is taken off a reader;
 * CERT_OK or why it is not of the profile, and results are written on CERT_OK only.
 */

#include "base/span.h"
#include "identity/cert_decode.h"

#define CERT_SERIAL_LEN 8
#define CERT_SIGNATURE_LEN 64

/* What is signed, and the signature over it. */
struct cert_envelope {
	struct span tbs;  /* header included */
	struct reader in; /* its value */
	struct span signature;
};

/* The whole of der: SEQUENCE of what is signed, algorithm and signature. */
enum cert_reject cert_field_envelope(struct span der, size_t len_max, struct cert_envelope *ret);

/* AlgorithmIdentifier: Ed25519 without parameters (RFC 8410 3). */
enum cert_reject cert_field_algorithm(struct reader *r);

/* An INTEGER of exactly 8 bytes, positive; borrowed. */
enum cert_reject cert_field_serial(struct reader *r, struct span *ret);

/* A Name. Its shape and strings are checked, the rules of identity/name.h are the caller's: name_check. */
enum cert_reject cert_field_name(struct reader *r, struct name *ret, struct span *ret_der);

/* One extension. */
struct cert_field_extension {
	struct span oid;
	bool is_critical;
	struct span value;
};

enum cert_reject cert_field_extension(struct reader *r, struct cert_field_extension *ret);

/* The next extension is this one, or CERT_EXTENSION; its value alone. */
enum cert_reject cert_field_expect(
	struct reader *r, struct span oid, bool is_critical, struct span *ret);

/* The extension that both have: authorityKeyIdentifier with a 20-byte key identifier alone. */
enum cert_reject cert_field_authority(struct reader *r, uint8_t ret[CERT_KEY_IDENTIFIER_LEN]);

/* True when the signature is one by pk over tbs. */
bool cert_field_signed_by(struct span tbs, struct span signature, const uint8_t pk[32]);

#endif
