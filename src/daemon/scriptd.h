#ifndef POSTERN_DAEMON_SCRIPTD_H
#define POSTERN_DAEMON_SCRIPTD_H

/*
 * The script process: in the gate process's place where backend = script. Takes the same messages from the
 * knock process, checks them in the same way (gated_check), and has a program of the administrator do what
 * nftables would. Has no key; is root, unless script-user names somebody else.
 */

#include "base/file.h"
#include "daemon/gated.h"

/*
 * Copies of the variables POSTERN_* of this process, for gated_start.passed; before its environment is
 * given up. NULL at the end, owned by the caller for the life of the process; NULL without memory.
 */
const char *const *scriptd_keep_environment(void);

/* Close all by the program, tell the monitor, obey until told to stop or a peer is gone, close all again.
 * Returns the exit status: 0 stopped, 1 trouble (logged). */
int scriptd_run(const struct gated_start *start);

/* May the program be run, and is there its user? 0, or -errno with *f. */
__attribute__((warn_unused_result)) int scriptd_check(const struct config *c, struct fault *f);

#endif
