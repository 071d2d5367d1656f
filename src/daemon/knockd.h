#ifndef POSTERN_DAEMON_KNOCKD_H
#define POSTERN_DAEMON_KNOCKD_H

/*
 * The knock process: captures, judges, records, asks the gate process to open, answers. Unprivileged and
 * sandboxed before the first byte of input; it opens no file and no socket after that.
 */

#include <stdint.h>

#include "daemon/boot.h"

struct knockd_start {
	struct boot *boot;            /* the process's own copy, after fork */
	int monitor;                  /* channel; owned by this process */
	int gate;                     /* channel; owned by this process */
	int control;                  /* listening Unix socket; owned by this process */
	int metrics;                  /* listening TCP socket on loopback, the same; -1: none */
	uint32_t generation;          /* counts configurations, from 1 */
	uint32_t reloads;             /* of the configuration, since the monitor began */
	bool is_successor;            /* takes over from a living one, after a reload */
	bool is_table_lost;           /* somebody took the rules away, and they were made anew */
	uint64_t trial_until_mono_ms; /* when the running trial ends; 0: none runs */
	bool is_fallback; /* the confirmed configuration, not that of the file the daemon was given */
};

/* Run until told to stop or a peer process is gone. Returns the process's exit status: 0 stopped, 1
 * trouble (logged). */
int knockd_run(const struct knockd_start *start);

#endif
