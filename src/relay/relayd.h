#ifndef POSTERN_RELAY_RELAYD_H
#define POSTERN_RELAY_RELAYD_H

/*
 * The relay process: takes connections on guarded ports, proves by TLS 1.3 who is there, asks the knock
 * process whether that person may through, looks at the first bytes, and carries. It has one key, of its own
 * certificate, opens no file, knows no list and no directory, and outlives both the knock process and a reload:
 * what it is to do comes in messages (relay/message.h).
 *
 * Invariant: no byte goes to an inner machine before its connection was granted, recorded, and its first
 * bytes fit.
 */

#include "priv/priv.h"

struct relayd_start {
	int monitor;              /* channel */
	struct priv_user user;    /* to become */
	uint32_t descriptors_max; /* for RLIMIT_NOFILE, set before the drop */
};

/*
 * Drop, sandbox, obey. Returns the exit status: 0 stopped, 1 trouble (logged), or the monitor is gone. A
 * connection needs two descriptors, three while it brings knocks along; without free ones nothing is accepted
 * for a moment.
 */
int relayd_run(const struct relayd_start *start);

#endif
