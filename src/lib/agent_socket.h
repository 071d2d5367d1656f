#ifndef POSTERN_LIB_AGENT_SOCKET_H
#define POSTERN_LIB_AGENT_SOCKET_H

/* The socket of an SSH agent: who is behind it, and one question with its answer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "base/span.h"

#define AGENT_LIST_MS 10000
#define AGENT_SIGN_MS 60000 /* somebody may have to answer a question or touch a token */

/* Where the process that listens is, as far as can be told. */
enum agent_place {
	AGENT_LOCAL,
	AGENT_FORWARDED, /* an SSH server or client: the agent itself is on another machine */
	AGENT_HIDDEN,    /* a process we cannot look at: in another container, perhaps */
};

/*
 * The place of process pid, by its name in /proc. A process that has ended was not forwarding, since
 * a forwarded socket dies with its process; ssh-agent listens before it goes into the background.
 */
enum agent_place agent_place_of(pid_t pid);

/*
 * Connect to the socket at path. 0 and *ret_fd, or -errno with *f (without the path): -EPERM when the
 * agent is not local and may not be forwarded.
 */
__attribute__((warn_unused_result)) int agent_connect(
	const char *path, bool may_forward, int *ret_fd, struct fault *f);

/*
 * Ask, and take one answer, all within timeout_ms. *ret is malloc'd, at most AGENT_MESSAGE_MAX bytes.
 * 0 or -errno with *f: -ETIMEDOUT, -EPIPE when the agent hangs up, -EMSGSIZE for a length past the bound.
 */
__attribute__((warn_unused_result)) int agent_ask(int fd, struct span question, uint32_t timeout_ms,
	uint8_t **ret, size_t *ret_len, struct fault *f);

#endif
