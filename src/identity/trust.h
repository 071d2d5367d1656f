#ifndef POSTERN_IDENTITY_TRUST_H
#define POSTERN_IDENTITY_TRUST_H

/*
 * What one side trusts, doc/design.md "Trust": the certifiers above its own name, which are in its own ID
 * file; what these have cross-certified; and the same certifiers under an older or newer key, when one of
 * their keys vouches for the other (rollover). Nothing else: a foreign organisation's own certificate is
 * not trusted because it lies in a file, it is cross-certified.
 *
 *   own         the ID's own certificate is certified by the next in its file and so on up to an
 *               organisation that certifies itself
 *   rollover    subject equals issuer, another key; signed by a trusted certifier of that name
 *   cross       subject is not below the issuer nor in our own organisation; signed by a trusted certifier
 *               that is above our own name (or by our own ID), and not itself by virtue of a
 *               cross-certificate. It makes its subject trusted, for names that are or lie below that
 *               subject, until it ends. A rollover of it is trusted in the same way
 *
 * libsodium only. Built once, then const; every look-up allocates nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/cert.h"
#include "identity/cert_decode.h"

#define TRUST_ITEMS_MAX 256
#define TRUST_CRLS_MAX 64

enum trust_crl { TRUST_CRL_OFF, TRUST_CRL_IF_PRESENT, TRUST_CRL_REQUIRE };
enum trust_role { TRUST_OWN, TRUST_ROLLOVER, TRUST_CROSS };

/* DER of a certificate or list and where it came from ("FILE: certificate 2"), for messages. Borrowed. */
struct trust_item {
	struct span der;
	const char *where;
};

struct trust_material {
	/* the ID file's certificates in its order: own first, then whatever it holds */
	size_t own_count;
	const struct trust_item *own;
	/*
	 * trust files, in any order: ancestors again (of one name and key the one that ends last
	 * counts), rollovers, cross-certificates; and certificates of certifiers below a trusted one,
	 * which are no anchors, but make the lists of these certifiers believed
	 */
	size_t count;
	const struct trust_item *items;
	size_t crl_count;
	const struct trust_item *crls;
	enum trust_crl crl_policy;
};

struct trust;

/* Mistakes, each "where: what is wrong; what to do". */
#define TRUST_FAULTS_MAX 16
struct trust_faults {
	size_t count, kept;
	struct fault items[TRUST_FAULTS_MAX];
};

/*
 * Build. Copies all it needs. NULL with at least one fault: a certificate that is not of the profile, that
 * no trusted certifier signed, a list of an issuer that is not trusted or that is not signed by it, two
 * lists of one issuer and key with one number. Expiry is no mistake here: it is looked at in each check.
 * Without an ID of our own (own_count 0) nobody is trusted, and the rest is only read.
 */
struct trust *trust_new(const struct trust_material *m, struct trust_faults *faults);
void trust_free(struct trust *t);

/* A certifier, or a single name, that is trusted. */
struct trust_anchor {
	struct cert cert; /* as certified to us: subject, key, dates */
	enum trust_role role;
	struct span subject_der; /* borrowed from the trust */
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
	/* the least of its own end and of those it is trusted by */
	uint64_t not_after_ms;
	uint64_t not_before_ms; /* the greatest */
	uint8_t pathlen_left;   /* certifiers that may still follow below it */
	/*
	 * TRUST_CROSS: the cross-certificate it hangs on, for looking whether that is revoked. The issuer
	 * is empty when it is our own ID, which has no list.
	 */
	struct span cross_issuer_der;
	uint8_t cross_issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN];
	uint8_t cross_serial[8];
};

size_t trust_count(const struct trust *t);
const struct trust_anchor *trust_at(const struct trust *t, size_t i);

/* The anchor with this subject (DER bytes) and key identifier, or NULL. */
const struct trust_anchor *trust_find(const struct trust *t, struct span subject_der,
	const uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN]);

enum trust_revocation {
	TRUST_NOT_REVOKED = 0,
	TRUST_REVOKED,
	TRUST_NO_LIST, /* policy "require": this issuer's list is missing or past its next update */
};

/*
 * Is the serial revoked by the issuer of this name (any, when empty) and key at wall_ms? A list past its
 * next update still revokes. *ret_until_ms (may be NULL) is until when the answer holds for lack of a newer list:
 * UINT64_MAX but under "require".
 */
enum trust_revocation trust_revoked(const struct trust *t, struct span issuer_der,
	const uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN], const uint8_t serial[8],
	uint64_t wall_ms, uint64_t *ret_until_ms);

#endif
