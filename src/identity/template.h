#ifndef POSTERN_IDENTITY_TEMPLATE_H
#define POSTERN_IDENTITY_TEMPLATE_H

/*
 * Template chains, doc/protocol.md section 7.4: certificates of the profile without what the profile and
 * the certificate above already say, so that a leaf and four OU fit into one packet. The DER is rebuilt bit
 * for bit; nothing is trusted by rebuilding it. libsodium only, no allocation.
 *
 *   issuer of the first record: key identifier 20, components u8, each type u8, length u8, value
 *   records, from the top down to the leaf, each 117 + n bytes:
 *     kind and path length u8 (low four bits enum cert_kind, high four the path length, 0 but for
 *     certifiers), serial 8, notBefore 5, notAfter 5 (seconds), component type u8, length u8, value n,
 *     public key 32, signature 64
 *
 * A component of length 0 and type 0 is a self-issued rollover: the subject is the issuer's.
 */

#include "base/span.h"
#include "identity/chain.h"

/* The DER of the rebuilt certificates lives here. */
struct template_room {
	uint8_t der[CHAIN_CERTS_MAX][CERT_LEN_MAX];
};

/*
 * c as a template into to. Returns its length; 0 when it does not fit to, or cannot be said so (a
 * PrintableString, a certificate that is not the next one's issuer, a cross-certificate).
 */
size_t template_encode(const struct chain *c, uint8_t *to, size_t cap);

/* Rebuild. CHAIN_OK, CHAIN_EMPTY, CHAIN_TOO_LONG or CHAIN_CERT. *ret borrows room. Pure. */
enum chain_reject template_decode(struct span s, struct template_room *room, struct chain *ret);

#endif
