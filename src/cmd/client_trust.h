#ifndef POSTERN_CMD_CLIENT_TRUST_H
#define POSTERN_CMD_CLIENT_TRUST_H

/*
 * The trust files of a client: cross-certificates and the like, one or more a file, all files NAME.pem of
 * the folder trust in the client folder.
 */

#include <postern/postern.h>
#include <stdbool.h>

/*
 * Give them all to id. A file that cannot be used is said and left out; one that says nothing to this ID is
 * left out, and said only when is_verbose, for it may be there for another.
 */
void client_trust_load(struct postern_id *id, bool is_verbose);

#endif
