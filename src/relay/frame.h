#ifndef POSTERN_RELAY_FRAME_H
#define POSTERN_RELAY_FRAME_H

/*
 * What a client and the relay say to each other inside TLS before the connection is carried; doc/protocol.md
 * "Passthru". Spoken when the client offers FRAME_ALPN; a client that does not offer it (any TLS client with a
 * certificate) is carried from the first byte, once its certificate was judged.
 *
 *   frame: type u8, length u16, body. Integers are big-endian.
 *
 *   client  KNOCK   1..1232 bytes: a knock for the machine behind this one, sent there by UDP
 *           OPEN    port u16, host u8 length + bytes (as the client wrote it; empty: wherever it leads)
 *   relay   KNOCKED the datagram that came back
 *           OPENED  status u8, seconds u32 (how long the connection may live; 0: no end), text u8 length + bytes
 *
 * The relay says OPENED exactly once: after OPEN, or before it when it refuses. With FRAME_OK everything
 * after it is the connection, in both directions; with any other status the connection ends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/text.h"

#define FRAME_ALPN "postern-relay/1"
#define FRAME_HEADER_LEN 3
#define FRAME_DATAGRAM_MAX 1232
#define FRAME_HOST_MAX 253
#define FRAME_TEXT_MAX 200
#define FRAME_LEN_MAX (FRAME_HEADER_LEN + FRAME_DATAGRAM_MAX)
#define FRAME_KNOCKS_MAX 16 /* that one connection may bring along */

enum frame_type { FRAME_KNOCK = 1, FRAME_OPEN = 2, FRAME_KNOCKED = 0x81, FRAME_OPENED = 0x82 };

enum frame_status {
	FRAME_OK = 0,
	FRAME_DENIED,    /* this certificate may not through here */
	FRAME_ELSEWHERE, /* this port does not lead to what was asked for */
	FRAME_NO_INNER,  /* the machine behind could not be reached */
	FRAME_BUSY,      /* a limit: try again later */
	FRAME_TROUBLE,   /* the edge cannot judge or connect at the moment */
	FRAME_STATUS_COUNT,
};

const char *frame_status_text(enum frame_status s); /* a clause for people */

struct frame {
	enum frame_type type;
	struct span datagram;          /* KNOCK, KNOCKED; borrowed */
	uint16_t port;                 /* OPEN; 0 only with an empty host */
	char host[FRAME_HOST_MAX + 1]; /* OPEN: letters, digits, '-', '.', ':', '_' */
	enum frame_status status;      /* OPENED */
	uint32_t lease_s;
	char text[FRAME_TEXT_MAX + 1]; /* printable ASCII */
};

/* Encode into to (FRAME_LEN_MAX bytes); returns the length. */
size_t frame_encode(const struct frame *f, uint8_t *to);

enum frame_side { FRAME_FROM_CLIENT, FRAME_FROM_RELAY };
enum frame_result { FRAME_MORE, FRAME_WHOLE, FRAME_BROKEN };

/* The frame at the beginning of bytes; FRAME_WHOLE: *ret, and *ret_len bytes of them were it. Pure. */
enum frame_result frame_decode(
	struct span bytes, enum frame_side from, struct frame *ret, size_t *ret_len);

#endif
