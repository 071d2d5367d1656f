#ifndef POSTERN_DAEMON_LOCKOUT_H
#define POSTERN_DAEMON_LOCKOUT_H

/*
 * Names that are locked out (posternctl revoke), as the knock process asks for them at each knock. Fixed
 * size; the store has the whole list, with since when, by whom and why.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/name.h"

#define LOCKOUT_MAX 4096

struct lockout;

/* NULL when memory is short. */
struct lockout *lockout_new(void);
void lockout_free(struct lockout *l);

size_t lockout_count(const struct lockout *l);

/* Is this name out? Constant time on average, no allocation. l may be NULL: nobody is. */
bool lockout_has(const struct lockout *l, const struct name *n);

/* Add a name, as name_fold() gives it (1 to NAME_FOLDED_MAX bytes). True when it is there now; false when the
 * table is full. */
bool lockout_put(struct lockout *l, const uint8_t *folded, size_t len);

/* Take a name out; false when it was not there. */
bool lockout_remove(struct lockout *l, const struct name *n);

#endif
