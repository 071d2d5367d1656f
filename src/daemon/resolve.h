#ifndef POSTERN_DAEMON_RESOLVE_H
#define POSTERN_DAEMON_RESOLVE_H

/*
 * Addresses of the hosts that passthrus lead to by name. Asked for by a process of its own, without
 * privilege and soon gone: what answers is a stranger, and the resolver is a large program.
 */

#include "base/addr.h"
#include "base/span.h"
#include "config/config.h"
#include "priv/priv.h"
#include "relay/message.h"

#define RESOLVE_ANSWER_MAX (3 + 16 * RELAY_ADDRS_MAX)
#define RESOLVE_TIME_S 20 /* for all of them together */

/* One answer, a datagram: index u16 of the passthru, count u8, so many addresses of 16 bytes. */
struct resolve_answer {
	uint16_t index;
	uint8_t count; /* 0: the name has none, or nobody said */
	struct addr addrs[RELAY_ADDRS_MAX];
};

size_t resolve_encode(const struct resolve_answer *a, uint8_t to[RESOLVE_ANSWER_MAX]);

/* False when it is none, about a passthru that c has not or that needs no resolving, or names what is no
 * host's address. Pure. */
bool resolve_decode(struct span s, const struct config *c, struct resolve_answer *ret);

/* Is the host of a passthru a name? */
bool resolve_is_needed(const struct config_passthru *p);
bool resolve_is_needed_for_any(const struct config *c);

/* The process's body: become u, ask for each name of c, one after another, answer on the channel to. The exit
 * status: 0, or 1 when it could not begin. The kernel ends it after RESOLVE_TIME_S. */
int resolve_run(const struct config *c, const struct priv_user *u, int to);

#endif
