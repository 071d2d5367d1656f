#ifndef POSTERN_CMD_CARRY_H
#define POSTERN_CMD_CARRY_H

/* A TCP connection carried over stdin and stdout. */

#include <stdint.h>

#include "base/file.h"
#include "cmd/exchange.h"

/* The address of peer with another port. */
struct exchange_peer carry_peer(const struct exchange_peer *peer, uint16_t port);

/* Begin to connect: a non-blocking socket that becomes writable when that has ended; or -errno. */
__attribute__((warn_unused_result)) int carry_begin(
	const struct exchange_peer *peer, uint16_t port);

/*
 * Connect to the address of peer, TCP port, from source_port (0: any), within timeout_ms. Returns a
 * non-blocking socket the caller closes, or -errno with *f.
 */
__attribute__((warn_unused_result)) int carry_connect(const struct exchange_peer *peer,
	uint16_t port, uint16_t source_port, int timeout_ms, struct fault *f);

/*
 * Carry both directions until both have ended; the end of one is passed on (shutdown, close) and the
 * other goes on. in and out stay blocking, for they are shared with other programs. 0 or -errno with *f.
 */
__attribute__((warn_unused_result)) int carry_run(int sock, int in, int out, struct fault *f);

#endif
