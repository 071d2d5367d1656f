#ifndef POSTERN_CMD_THROUGH_KNOCK_H
#define POSTERN_CMD_THROUGH_KNOCK_H

/* Knocks for the machine behind an edge, as frames inside the TLS with that edge. */

#include "cmd/exchange.h"
#include "cmd/through_tls.h"

struct through_knock {
	struct through_tls *tls;
	/* What the relay said instead of an answer: it refuses. OPENED when there is such. */
	bool is_refused;
	struct frame refusal;
	size_t len; /* of an answer that waits to be received */
	uint8_t datagram[FRAME_DATAGRAM_MAX];
};

/*
 * A carrier over a layer whose handshake is done. Its wait ends with -ECONNREFUSED when the relay has refused,
 * with -EIO when the layer broke; see the layer's fault.
 */
struct exchange_carrier through_knock_carrier(struct through_knock *k, struct through_tls *t);

#endif
