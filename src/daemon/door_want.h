#ifndef POSTERN_DAEMON_DOOR_WANT_H
#define POSTERN_DAEMON_DOOR_WANT_H

/* What a door must be shown, by the blocks that it has. Pure. */

#include "capture/capture.h"
#include "config/config.h"

struct capture_want door_want(const struct config_door *d);

/* True when it has only what a capture of one UDP port shows. */
bool door_wants_attempts(const struct config_door *d);

#endif
