#ifndef POSTERN_DAEMON_STANDING_H
#define POSTERN_DAEMON_STANDING_H

/*
 * Where the owner of an open gate stands now: would the gate be granted again, under this configuration,
 * this directory and these lock-outs, to who knocked then, from there and through that door?
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/boot.h"
#include "daemon/lockout.h"
#include "store/store.h"

struct standing {
	struct verdict verdict; /* POLICY_GRANT, or who put the owner out */
	/* what guards the gate's port now; NULL: nothing does */
	const struct config_service *service;
	bool is_same;    /* that is what the gate was granted for: by name, port and kind */
	uint64_t end_ms; /* of the identity: to be judged again then; UINT64_MAX: never */
};

/*
 * Pure but for the borrowed tables; allocates nothing. lockout may be NULL, and so may s, which is asked
 * for keys that ended others. A gate of an older layout, whose door is not known, is judged as through the
 * door that admits it, if one does.
 */
void standing_of(const struct boot *b, const struct lockout *lockout, struct store *s,
	const struct store_gate *g, uint64_t wall_ms, struct standing *ret);

#endif
