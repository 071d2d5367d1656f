#ifndef POSTERN_CMD_THROUGH_TLS_H
#define POSTERN_CMD_THROUGH_TLS_H

/*
 * TLS 1.3 with an edge server, over a socket or inside such a layer with the edge before it. Both sides prove
 * themselves by certificates; the edge's is judged by lib/edge.h alone. Nothing here blocks but what takes
 * a time limit.
 */

#include <openssl/ssl.h>
#include <postern/postern.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "relay/frame.h"

/* Our certificates and key: what all connections have in common. */
struct through_identity {
	const struct postern_id *id; /* borrowed */
	SSL_CTX *ctx;
};

/* 0, or with *f: -ENOKEY for an ID that cannot do this, -ENOMEM. */
__attribute__((warn_unused_result)) int through_identity_init(
	const struct postern_id *id, struct through_identity *ret, struct fault *f);
void through_identity_deinit(struct through_identity *i);

struct through_tls {
	SSL *ssl;
	int fd;                    /* that everything goes over in the end; borrowed */
	struct through_tls *below; /* NULL: over fd itself */
	const struct postern_id *id;
	const char *name;   /* that the edge must prove */
	struct fault fault; /* why it broke; "" while it has not */
	short events;       /* what fd has to be polled for after -EAGAIN */
	unsigned knocks;    /* frames sent */
	/* Bytes decrypted, but not asked for yet; the first used of them are a frame that was. */
	size_t used, len;
	uint8_t bytes[2 * FRAME_LEN_MAX];
};

/* A layer on fd (below NULL) or inside below. 0 or -ENOMEM with *f. Stays where it is; freed before below. */
__attribute__((warn_unused_result)) int through_tls_init(struct through_tls *t,
	const struct through_identity *i, int fd, struct through_tls *below, const char *name,
	struct fault *f);
void through_tls_deinit(struct through_tls *t);

/* 0, or with *f, a clause about the edge: -EKEYREJECTED when it is not the one, -ETIMEDOUT, -EPROTO. */
__attribute__((warn_unused_result)) int through_tls_handshake(
	struct through_tls *t, int timeout_ms, struct fault *f);

/* Bytes (1 or more), 0 at the peer's end, -EAGAIN with events, or -EIO with fault. */
__attribute__((warn_unused_result)) int through_tls_read(
	struct through_tls *t, uint8_t *to, size_t cap);

/* Bytes taken (1 or more), -EAGAIN (then again with the same bytes), or -EIO. */
__attribute__((warn_unused_result)) int through_tls_write(
	struct through_tls *t, const uint8_t *bytes, size_t len);

/* Say that no more comes from us; reading goes on. 0, -EAGAIN (then again) or -EIO. */
__attribute__((warn_unused_result)) int through_tls_finish(struct through_tls *t);

/*
 * The next frame from the relay: 1 and *ret, whose datagram is borrowed until the next call on t; -EAGAIN, or
 * -EIO with fault, also at the end.
 */
__attribute__((warn_unused_result)) int through_tls_frame(struct through_tls *t, struct frame *ret);

/* Send one whole. 0, or -EIO with fault, also when that takes longer than timeout_ms. */
__attribute__((warn_unused_result)) int through_tls_send(
	struct through_tls *t, const struct frame *frame, int timeout_ms);

/* Wait for events, until the monotonic clock shows deadline_ms: 1, or 0 when it does. */
int through_tls_wait(const struct through_tls *t, uint64_t deadline_ms);

#endif
