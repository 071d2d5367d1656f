#ifndef POSTERN_CMD_ANSWER_H
#define POSTERN_CMD_ANSWER_H

/* The answer to a knock, told to a person or as JSON. */

#include <stddef.h>

#include "cmd/visit.h"

/* Tell the answer of a visit as its options ask. Returns EXIT_DONE for status OK, else EXIT_REFUSED. */
int answer_tell(const struct visit *v);

/* JSON for a visit that got none; code is the exit code. Nothing without --json. */
void answer_tell_none(const struct visit *v, int code);

/* What --dry-run found: a datagram of len bytes would go out. */
void answer_tell_dry_run(const struct visit *v, size_t len);

#endif
