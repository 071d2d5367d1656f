#ifndef POSTERN_LIB_AGENT_H
#define POSTERN_LIB_AGENT_H

/* A key in an SSH agent: which one, and how to have it sign. */

#include "base/file.h"
#include "lib/agent_wire.h"

struct lib_agent {
	char path[108]; /* of the socket */
	bool may_forward;
	enum agent_kind kind;
	size_t blob_len;
	uint8_t blob[AGENT_BLOB_MAX]; /* the public key; agent_key_read takes it */
};

/*
 * Have data signed; connects anew, and may wait a minute for a person. 0, or -errno with *f: -EACCES when
 * the agent refuses, -EBADMSG when its signature does not hold, else as agent_connect and agent_ask.
 */
__attribute__((warn_unused_result)) int lib_agent_sign(
	const struct lib_agent *a, struct span data, struct spa_proof *ret, struct fault *f);

#endif
