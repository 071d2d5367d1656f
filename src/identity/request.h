#ifndef POSTERN_IDENTITY_REQUEST_H
#define POSTERN_IDENTITY_REQUEST_H

/*
 * Certification requests: PKCS#10 (RFC 2986) with Ed25519, written and read with OpenSSL. What somebody
 * who has a key sends to a certifier: name, kind and public key, signed by that key. Not on the packet
 * path, not part of libpostern.
 *
 * Version 0; the name as in identity/cert.h; one attribute, extensionRequest, with one extension:
 * extKeyUsage clientAuth (user) or serverAuth (server), or basicConstraints CA TRUE without pathlen
 * (certifier). It may be critical or not; written here, basicConstraints is and extKeyUsage is not.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/cert.h"
#include "identity/name.h"

#define REQUEST_LEN_MAX 1024
#define REQUEST_PEM_LABEL "CERTIFICATE REQUEST"

struct request {
	struct name name;
	enum cert_kind kind;
	uint8_t pk[32];
};

/*
 * Make a request for the key of a 32-byte seed. der holds REQUEST_LEN_MAX bytes. 0, -EINVAL (the name
 * breaks the rules of its kind) or -EIO (OpenSSL) with *f.
 */
__attribute__((warn_unused_result)) int request_make(const struct name *name, enum cert_kind kind,
	const uint8_t seed[32], uint8_t *der, size_t *ret_len, struct fault *f);

/*
 * Read one request that der is wholly, and check it byte for byte and its signature. 0, or -EINVAL with
 * *f; *ret is then untouched.
 */
__attribute__((warn_unused_result)) int request_read(
	struct span der, struct request *ret, struct fault *f);

#endif
