#ifndef POSTERN_LIB_TRUST_H
#define POSTERN_LIB_TRUST_H

/*
 * Whom an ID trusts: the certifiers in its own file, and what trust files add. Trust files serve all IDs of
 * a person, so a certificate there that says nothing to this ID is left out, not a mistake.
 */

#include "base/file.h"
#include "identity/chain.h"
#include "identity/idfile.h"
#include "identity/trust.h"

#define LIB_TRUST_ITEMS_MAX 128
#define LIB_TRUST_FILE_MAX ((size_t)1 << 20)

struct lib_trust;

/* Of the certificates of an ID file, which holds one at least. 0, or -EINVAL or -ENOMEM with *f. */
__attribute__((warn_unused_result)) int lib_trust_new(
	const struct idfile *file, struct lib_trust **ret, struct fault *f);
void lib_trust_free(struct lib_trust *t);

/*
 * Add the certificates and revocation lists of a PEM file. 0, or with *f: -ENOKEY when one says nothing to
 * this ID (yet: another file may make it do so), -EINVAL when the file or one in it is malformed, or what
 * file_read says. Only with 0 and -ENOKEY is anything taken from it.
 */
__attribute__((warn_unused_result)) int lib_trust_add(
	struct lib_trust *t, const char *path, struct fault *f);

/* The certificates of the ID file, own one first; borrowed. */
struct lib_certs {
	size_t count;
	struct span der[IDFILE_CERTS_MAX];
};
void lib_trust_own(const struct lib_trust *t, struct lib_certs *ret);

/* What it all comes to; borrowed until the next lib_trust_add. */
const struct trust *lib_trust_get(const struct lib_trust *t);

#endif
