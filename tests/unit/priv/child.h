#ifndef POSTERN_TEST_CHILD_H
#define POSTERN_TEST_CHILD_H

/* A function in a child that gave up what postern's children give up; its answer is the exit
 * status. */

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "priv/priv.h"

#define CHILD_NOBODY 65534

/* How a child ended: its exit status, or 1000 + the signal. */
static inline int child_run(int (*fn)(void *arg), void *arg)
{
	int status = 0;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline int child_drop(uint64_t keep)
{
	const struct priv_user nobody = { CHILD_NOBODY, CHILD_NOBODY };
	struct fault f;
	int rc = priv_drop(&nobody, keep, &f);
	if (rc < 0)
		fprintf(stderr, "%s\n", f.text);
	return rc;
}

#endif
