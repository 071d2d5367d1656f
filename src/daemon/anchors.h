#ifndef POSTERN_DAEMON_ANCHORS_H
#define POSTERN_DAEMON_ANCHORS_H

/* Whom the server trusts: what its ID file, its trust files and its revocation lists say, loaded at boot. */

#include "config/config.h"
#include "identity/idfile.h"
#include "identity/trust.h"

/* The certificates of an ID file, copied out of it after its seal was found whole. */
struct anchors_own {
	size_t count;
	size_t len[IDFILE_CERTS_MAX];
	uint8_t der[IDFILE_CERTS_MAX][IDFILE_CERT_LEN_MAX];
};

/*
 * Read the trust files (PEM, any number of certificates each) and revocation lists that c names and put
 * them together with the server's own certificates. Mistakes go to r; NULL then. The caller frees.
 */
struct trust *anchors_load(
	const struct config *c, const struct anchors_own *own, struct config_report *r);

#endif
