#ifndef POSTERN_LIB_AGENT_WIRE_H
#define POSTERN_LIB_AGENT_WIRE_H

/*
 * What is said to an SSH agent and what it says (draft-ietf-sshm-ssh-agent): two questions, the list of
 * keys and one signature. Messages here are without the u32 length that goes before each on the socket.
 * Answers are a stranger's bytes. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "knock/spa.h"

#define AGENT_MESSAGE_MAX ((size_t)256 << 10)
#define AGENT_APPLICATION_MAX 64
#define AGENT_BLOB_MAX (4 + 26 + 4 + 32 + 4 + AGENT_APPLICATION_MAX)
#define AGENT_QUESTION_MAX 512

enum agent_answer {
	AGENT_OK = 0,
	AGENT_REFUSED,   /* the agent says no, without a reason: that is its protocol */
	AGENT_MALFORMED, /* not an answer to that question */
};

enum agent_kind {
	AGENT_OTHER, /* no key that can knock */
	AGENT_ED25519,
	AGENT_TOKEN, /* sk-ssh-ed25519@openssh.com */
};

/* Spans borrow the answer. */
struct agent_key {
	enum agent_kind kind;
	struct span blob, comment;
	struct span pk;          /* 32 bytes; not of AGENT_OTHER */
	struct span application; /* AGENT_TOKEN only */
};

/* A public key blob. Whatever is not exactly one of the two kinds is AGENT_OTHER. */
struct agent_key agent_key_read(struct span blob);

/* The question for the list. */
void agent_list_write(struct writer *w);

struct agent_list {
	struct reader r; /* private */
	uint32_t left;   /* keys still to come */
};

/* The whole answer is checked here, so that agent_list_next cannot fail. *ret only on AGENT_OK. */
enum agent_answer agent_list_read(struct span answer, struct agent_list *ret);

/* The next key; false after the last. */
bool agent_list_next(struct agent_list *l, struct agent_key *ret);

/* The question for a signature over data by the key of this blob. */
void agent_sign_write(struct writer *w, struct span blob, struct span data);

/* *ret only on AGENT_OK; of an AGENT_ED25519 key its FIDO fields are zero. */
enum agent_answer agent_sign_read(struct span answer, enum agent_kind kind, struct spa_proof *ret);

#endif
