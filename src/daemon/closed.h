#ifndef POSTERN_DAEMON_CLOSED_H
#define POSTERN_DAEMON_CLOSED_H

/*
 * Which ports of this machine are closed to strangers: nobody listens there, or a service of postern guards
 * them. An attempt on one of those ends a strict sequence; one on an open port, as of a browser that fetches
 * pages meanwhile, does not.
 */

#include "base/file.h"
#include "base/span.h"
#include "config/config.h"

struct closed;

/*
 * Opens the lists of sockets in /proc/net, which are read again without a name by closed_refresh, and reads
 * the range of ports that programs get by themselves. 0 or -ENOMEM. Where a list cannot be had every
 * port counts as closed and *f says so, else *f is left alone.
 */
__attribute__((warn_unused_result)) int closed_new(
	const struct config *c, struct closed **ret, struct fault *f);
void closed_free(struct closed *c);

/* Once a tick. A list that cannot be read leaves what was known before. c may be NULL. */
void closed_refresh(struct closed *c);

/*
 * Is this port of IPPROTO_TCP or IPPROTO_UDP closed? As of the last refresh. A socket of either family
 * that takes what comes from outside opens it for both. UDP ports that programs get by themselves come and
 * go and never count as closed. With c NULL all do.
 */
bool closed_has(const struct closed *c, uint8_t proto, uint16_t port);

/*
 * Mark in open (a bit for each port) the listening sockets of one chunk of /proc/net/tcp or the like. Whole
 * lines only: returns how many bytes they take, so that the rest goes before the next chunk. *ret_is_over
 * becomes true at the first socket that does not listen, behind which in the lists of TCP none does. Pure.
 */
#define CLOSED_MAP_LEN 8192
size_t closed_parse(
	struct span text, uint8_t proto, uint8_t open[CLOSED_MAP_LEN], bool *ret_is_over);

#endif
