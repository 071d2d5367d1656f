#ifndef POSTERN_CMD_THROUGH_H
#define POSTERN_CMD_THROUGH_H

/*
 * The way through edges to a machine behind them: at each edge a knock, a connection and a TLS of its own, each
 * inside the one before, so that every edge proves us and is proved end to end.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cmd/knock_args.h"
#include "cmd/through_args.h"
#include "cmd/through_tls.h"
#include "cmd/visit.h"

struct through_hop {
	struct knock_args args; /* of its knock */
	struct visit visit;
	uint16_t port; /* as it was said, 0: the next one's */
};

struct through {
	const struct knock_args *args; /* borrowed */
	size_t count;
	struct through_hop hops[THROUGH_MAX];
	struct through_identity identity;
};

/*
 * Until when which edge's gate is known to be open, by the monotonic clock, at which of the first edge's
 * addresses, and how often in a row that turned out to be wrong. Processes may share it.
 */
struct through_gates {
	_Atomic uint64_t until_ms[THROUGH_MAX];
	_Atomic size_t peer;
	atomic_uint misses;
};

struct through_way {
	int fd; /* -1: none */
	size_t count;
	struct through_tls *layers[THROUGH_MAX]; /* the last is the connection */
	uint32_t lease_s;                        /* 0: no end */
};

/*
 * Find and open the cards and our ID, and check what can be checked without a packet. EXIT_DONE, or another exit
 * code after saying why. To be closed in any case.
 */
int through_open(const struct knock_args *args, struct through *t);
void through_close(struct through *t);

/*
 * Go to host and port. gates (NULL: none) are tried without a knock while they are open, and noted when they have
 * been opened. EXIT_DONE, or another exit code after saying why. The way is to be closed in any case.
 */
int through_go(struct through *t, const char *host, uint16_t port, struct through_gates *gates,
	struct through_way *ret);
void through_way_close(struct through_way *w);

#endif
