#ifndef POSTERN_DAEMON_GATED_H
#define POSTERN_DAEMON_GATED_H

/*
 * The gate process: the only one that can change nftables, with CAP_NET_ADMIN and nothing else. Takes a
 * few fixed-size messages and checks each against its own copy of the services.
 */

#include "config/config.h"

#define GATED_TABLE_LOST 3 /* exit status: the table must be made anew */

struct gated_start {
	const struct config *config; /* the process's own copy, after fork */
	int monitor;
	int knock;
	bool is_successor;  /* of one that was well, at a reload */
	bool is_table_lost; /* by the predecessor: what is there now is not believed */
};

/* Load or adopt the table, tell the monitor, obey until told to stop or a peer is gone. Returns the exit
 * status: 0 stopped, 1 trouble (logged), GATED_TABLE_LOST. */
int gated_run(const struct gated_start *start);

/* Check one order against the configuration: 0, or -EPERM (service, kind, time or lease is not its own),
 * -EINVAL. Pure; exposed for tests. */
struct msg;
int gated_check(const struct config *c, const struct msg *m);

#endif
