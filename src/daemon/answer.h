#ifndef POSTERN_DAEMON_ANSWER_H
#define POSTERN_DAEMON_ANSWER_H

/*
 * The sealed answer leaves by a raw socket: no UDP socket is bound to the knock port, so the kernel knows
 * nothing of it. Headers and UDP checksum are made here. Opened as root, used without privilege.
 */

#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"

struct answer_socket {
	int fd4, fd6; /* -1: the kernel has no such family */
};

/* Needs CAP_NET_RAW. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int answer_open(struct answer_socket *ret, struct fault *f);
void answer_close(struct answer_socket *a);

struct answer_path {
	struct addr from, to;
	uint16_t from_port, to_port;
	unsigned interface; /* index, for link-local IPv6 addresses; 0 otherwise */
};

/* Send one datagram (<= 1232 bytes). 0 or -errno. Never blocks. */
__attribute__((warn_unused_result)) int answer_send(
	const struct answer_socket *a, const struct answer_path *p, struct span payload);

/* The packet from the IP header on, checksums included, for tests; returns its length, 0 when it does not fit. */
size_t answer_build(const struct answer_path *p, struct span payload, uint8_t *to, size_t cap);

#endif
