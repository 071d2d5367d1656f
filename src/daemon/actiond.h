#ifndef POSTERN_DAEMON_ACTIOND_H
#define POSTERN_DAEMON_ACTIOND_H

/*
 * The action process: starts the programs that the configuration names, as the users that it names, for
 * whom the knock process says. Has no key and decodes nothing but a few fixed messages; is root only to
 * become somebody else.
 */

#include "config/config.h"
#include "priv/priv.h"

struct actiond_start {
	const struct config *config; /* the process's own copy, after fork */
	int monitor;
	int knock;
};

/* Is there anything to run at all? Without it there is no such process. */
bool actiond_is_needed(const struct config *c);

/*
 * Obey until told to stop, which ends what runs; or until a peer is gone, which what runs outlives, up
 * to its time limit. Returns the exit status: 0, or 1 trouble (logged).
 */
int actiond_run(const struct actiond_start *start);

/* Check one order against the configuration: 0, -EPERM (no such action, or one that runs nothing), -EINVAL
 * (a message that is not wanted, or missing). Pure; exposed for tests. */
int actiond_check(const struct config *c, const struct msg *m);

/* May each action's program be run, and is there its user? 0, or -errno with *f: "FILE:LINE: ...". */
__attribute__((warn_unused_result)) int actiond_check_programs(
	const struct config *c, struct fault *f);

#endif
