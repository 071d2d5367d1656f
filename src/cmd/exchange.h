#ifndef POSTERN_CMD_EXCHANGE_H
#define POSTERN_CMD_EXCHANGE_H

/* One knock over a UDP socket to one address: send, wait, send again, until answered or silent. */

#include <postern/postern.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/file.h"

struct exchange_peer {
	struct sockaddr_storage addr; /* with its port */
	socklen_t len;
};

struct exchange {
	const struct postern_card *card;
	const struct postern_id *id;
	const struct postern_request *request;
	struct postern_memory *memory; /* updated as answers arrive */
};

/*
 * Knock. 0 and *ret and *ret_us (from first packet to final answer) when answered; -ETIMEDOUT when
 * nobody answered; -EHOSTUNREACH or -ENETUNREACH when, besides, the network said so; -ECANCELED when
 * the agent did not sign; else -errno of something local. *f is filled for all but -ETIMEDOUT.
 */
__attribute__((warn_unused_result)) int exchange_run(const struct exchange *x,
	const struct exchange_peer *peer, struct postern_answer *ret, uint64_t *ret_us,
	struct fault *f);

/* Build the first datagram and send nothing. 0 and its length, or -errno with *f. */
__attribute__((warn_unused_result)) int exchange_dry_run(
	const struct exchange *x, size_t *ret_len, struct fault *f);

#endif
