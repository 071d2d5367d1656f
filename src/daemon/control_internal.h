#ifndef POSTERN_DAEMON_CONTROL_INTERNAL_H
#define POSTERN_DAEMON_CONTROL_INTERNAL_H

/* What the two halves of the control socket share: control.c has the socket, control_people.c the names. */

#include <jansson.h>

#include "daemon/control.h"
#include "daemon/knockd_internal.h"

#define CONTROL_CLIENTS_MAX 8

enum wait_for { WAIT_NOTHING, WAIT_DONE, WAIT_LISTED, WAIT_RELOADED, WAIT_RELAYS };

struct client {
	struct knockd *k;
	uv_pipe_t pipe;
	bool is_used, is_closing;
	bool is_metrics; /* asked for the page rather than the status */
	enum wait_for waits;
	unsigned awaiting; /* answers of the gate process */
	size_t closed, cut;
	int result;
	char said[STORE_TEXT_MAX +
		1];          /* what the last line says before what was closed; "" for nothing */
	const char *trouble; /* said instead, when something failed; NULL: the usual sentence */
	size_t len;
	char line[CONTROL_LINE_MAX];
};

/* Write one object as a line; takes the reference. */
void control_say(struct client *c, json_t *object);
/* The last line, and the end of the connection. */
void control_finish(struct client *c, int result, const char *text);
/* The number under which the gate process answers this client. */
uint32_t control_seq(const struct client *c);
/* After orders went out: wait for their answers, or conclude when there were none. */
void control_await(struct client *c);

/* Text of a request; "" when it is absent. */
const char *control_text(const json_t *q, const char *key);

void control_revoke(struct client *c, const json_t *q);
void control_restore(struct client *c, const json_t *q);
void control_lockouts(struct client *c);
void control_why(struct client *c, const json_t *q);

#endif
