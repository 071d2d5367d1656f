#ifndef POSTERN_AUDIT_FLIGHT_MESSAGE_H
#define POSTERN_AUDIT_FLIGHT_MESSAGE_H

/* Handshake messages of a server, one at a time: RFC 5246 7.4, RFC 8446 4.1.3, RFC 8422 5.4, RFC 6066 8. */

#include "audit/flight.h"

#define AUDIT_MESSAGE_HEADER_LEN 4

/*
 * Read one whole message into f, whose spans then borrow body; sets f->end when it is the last one. NULL,
 * or a clause that says what is broken about it.
 */
const char *audit_message_read(struct audit_flight *f, uint8_t type, struct span body);

#endif
