#ifndef POSTERN_CMD_KNOCK_CHECK_H
#define POSTERN_CMD_KNOCK_CHECK_H

#include "cmd/knock_args.h"

/*
 * What options say together: contradictions, and what a scheme cannot do without; and what follows from
 * the rest is filled in. operand: what was asked for on the command line; NULL: nothing. EXIT_DONE, or
 * EXIT_USAGE after saying why.
 */
int knock_check(struct knock_args *a, const char *operand);

#endif
