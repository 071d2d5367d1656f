#ifndef POSTERN_CMD_CONTROL_TRIAL_H
#define POSTERN_CMD_CONTROL_TRIAL_H

/* posternctl trial and posternctl disarm. Each returns an exit status. */

#include <stdbool.h>
#include <stdint.h>

struct control_trial {
	const char *socket;
	const char *live;   /* the configuration that the daemon was started with */
	const char *config; /* what is tried, in the same folder; NULL: the live one */
	uint32_t length_s;
};

/*
 * Check the configuration, ask for the trial and, on a terminal, show the time that is left until it is
 * confirmed or over. Without a daemon the trial begins when one is started. The trial does not need this
 * process: whatever becomes of it, what is not confirmed is rolled back.
 */
int control_trial_begin(const struct control_trial *t);

/* Keep what is tried; a file tried beside the live one takes its place. */
int control_trial_confirm(const struct control_trial *t);

/* Go back at once; without a daemon, forget a trial that was asked for or is over. */
int control_trial_abort(const struct control_trial *t);

/* Remove the table, after asking: what was guarded is then open. Not while a daemon runs. */
int control_disarm(const char *socket, bool is_yes);

#endif
