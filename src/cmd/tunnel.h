#ifndef POSTERN_CMD_TUNNEL_H
#define POSTERN_CMD_TUNNEL_H

/* Local ports whose connections go through edges, each in a process of its own. */

#include "cmd/through.h"

#define TUNNEL_CONNECTIONS_MAX 64
#define TUNNEL_LISTENERS_MAX (2 * TUNNELS_MAX) /* IPv4 and IPv6 each */

struct tunnel_listener {
	int fd;
	size_t tunnel; /* index into the arguments' */
};

struct tunnel_listeners {
	size_t count;
	struct tunnel_listener of[TUNNEL_LISTENERS_MAX];
};

/*
 * Listen for all tunnels of *a, and say where (stdout; with is_json a line of JSON each) and what is dangerous
 * about it (stderr). EXIT_DONE, or EXIT_LOCAL after saying why. To be closed in any case.
 */
int tunnel_listen(const struct knock_args *a, struct tunnel_listeners *ret);
void tunnel_close(struct tunnel_listeners *l);

/*
 * Carry connections until SIGINT or SIGTERM; SIGHUP ends those there are. EXIT_DONE, or EXIT_LOCAL after saying
 * why.
 */
int tunnel_run(struct through *t, struct tunnel_listeners *l);

#endif
