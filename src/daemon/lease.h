#ifndef POSTERN_DAEMON_LEASE_H
#define POSTERN_DAEMON_LEASE_H

/*
 * Ends of leases in the journal. `cut`, when the kernel says that it stopped a connection whose lease is over;
 * `ending`, up to a minute before the end of a lease longer than ten minutes through whose gate somebody came.
 */

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"

struct knockd;

/* Is this packet one that the end of a lease stopped, and not one that used a gate? */
bool lease_is_cut(const struct sighting *s);

/* Write so, unless its grant was closed or has its line already. */
void lease_cut(struct knockd *k, const struct sighting *s);

/* What was told by a predecessor is not told again: before the first lease_tick. */
void lease_start(struct knockd *k);

/* Once a second. */
void lease_tick(struct knockd *k, uint64_t wall_ms);

#endif
