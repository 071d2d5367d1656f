#ifndef POSTERN_CMD_THROUGH_CARRY_H
#define POSTERN_CMD_THROUGH_CARRY_H

/* A connection through edges carried over two descriptors, or over one socket. */

#include "cmd/through.h"

/*
 * Carry both directions until both have ended; the end of one is passed on and the other goes on. in and
 * out may be the same socket, whose half is then shut; else out is closed. Both stay blocking if they are.
 * 0, or -errno with *f.
 */
__attribute__((warn_unused_result)) int through_carry(
	struct through_way *w, int in, int out, struct fault *f);

#endif
