#ifndef POSTERN_DAEMON_WHY_H
#define POSTERN_DAEMON_WHY_H

/*
 * posternctl why: would this name be let in to this service now, who or what says so, and what would have
 * to change. Decided as a knock is, but without one: what only a knock can show (a certificate, a signature)
 * is assumed, and the answer says so.
 */

#include <jansson.h>

#include "daemon/boot.h"
#include "store/store.h"

struct why_question {
	const char *name, *service;
	const char *address; /* "": one that the directory's from= allows */
	const char *door;    /* "": each door, one after the other */
};

/* Takes the reference. */
typedef void why_say(void *arg, json_t *object);

/*
 * One object a door, with the fields that posternctl(8) describes. store may be NULL: then it is assumed
 * that nobody is locked out. 0, or -EINVAL with *f when the question is none; *f is "" otherwise.
 */
__attribute__((warn_unused_result)) int why_answer(const struct boot *b, struct store *s,
	const struct why_question *q, uint64_t wall_ms, why_say *say, void *arg, struct fault *f);

#endif
