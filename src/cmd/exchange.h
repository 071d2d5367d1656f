#ifndef POSTERN_CMD_EXCHANGE_H
#define POSTERN_CMD_EXCHANGE_H

/*
 * One knock to one server: send, wait, send again, until answered or silent. Over UDP, or as somebody carries
 * it.
 */

#include <postern/postern.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/file.h"

struct exchange_peer {
	struct sockaddr_storage addr; /* with its port */
	socklen_t len;
};

/* Another way for datagrams than a UDP socket. All are given of. */
struct exchange_carrier {
	void *of;
	/* 0, or -errno: it may be lost, and that is all right. */
	int (*send)(void *of, const uint8_t *datagram, size_t len);
	/* Until there may be something to receive: 1; 0 after timeout_ms; -errno when no more can come. */
	int (*wait)(void *of, int timeout_ms);
	/* Length of what came, -EAGAIN when there is no more, or another -errno: what the way complains of. */
	int (*receive)(void *of, uint8_t *to, size_t cap);
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

/* The same by another carrier; also what its wait says, with an empty *f: why, its owner knows. */
__attribute__((warn_unused_result)) int exchange_by(const struct exchange *x,
	const struct exchange_carrier *c, struct postern_answer *ret, uint64_t *ret_us,
	struct fault *f);

/* Build the first datagram and send nothing. 0 and its length, or -errno with *f. */
__attribute__((warn_unused_result)) int exchange_dry_run(
	const struct exchange *x, size_t *ret_len, struct fault *f);

#endif
