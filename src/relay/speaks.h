#ifndef POSTERN_RELAY_SPEAKS_H
#define POSTERN_RELAY_SPEAKS_H

/*
 * Do the first bytes of both sides of a connection belong to the protocol that was promised for its port?
 * A guard against other protocols through a well-known port, not a filter of that protocol's content. Pure:
 * fed with the first bytes of each side from their beginning, it keeps none of them, allocates nothing.
 *
 *   ssh       both "SSH-2.0-" or "SSH-1.99-"; before it the server may say other lines (RFC 4253 4.2)
 *   tls       client: a handshake record of version 3.x that begins with a ClientHello; server: a handshake
 *             record with a ServerHello, or an alert (RFC 8446 4, 5.1)
 *   smtp      the server first, "220" or another greeting code; then the client, who must have waited for
 *             it, one of the commands that may begin a session (RFC 5321 4.1.1, 4.3.1)
 *   imap      the server first, "* OK", "* PREAUTH" or "* BYE"; the client a tag and a command (RFC 3501 7.1, 2.2.1)
 *   http      client: method, target, "HTTP/1.x", or the preface of HTTP/2; server: "HTTP/1.x NNN", or a
 *             SETTINGS frame (RFC 9112 3, 4; RFC 9113 3.4)
 *   postgres  client: StartupMessage 3.x, SSLRequest, GSSENCRequest or CancelRequest with a sensible length;
 *             server: 'S', 'N', 'G', 'E', 'R' or 'v' (PostgreSQL's protocol 3)
 *   hex       the configured bytes of each side
 *   any       everything
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "config/config.h"

/* No side is looked at further than this; one that has not fitted by then does not fit. RFC 9112 3: 8000 bytes of a request line. */
#define SPEAKS_MAX 8192

enum speaks_side { SPEAKS_CLIENT, SPEAKS_INNER };

enum speaks_verdict {
	SPEAKS_MORE, /* fits so far: nothing of it may go on yet */
	SPEAKS_FITS, /* all of this side may go on from now on */
	SPEAKS_MISFIT,
};

struct speaks {
	enum config_speaks kind;
	const struct config_first_bytes *hex[2]; /* borrowed; for CONFIG_SPEAKS_HEX */
	bool has_fitted[2];
	const char *flaw; /* of a misfit: a clause for people, static */
};

void speaks_init(struct speaks *s, enum config_speaks kind, const struct config_first_bytes *client,
	const struct config_first_bytes *inner);

/*
 * All that came from one side so far, from its first byte. Called again with more of the same until it is
 * no longer SPEAKS_MORE. An empty span with is_end: the side ended without (another) byte, which fits when
 * what it has said so far is nothing at all.
 */
enum speaks_verdict speaks_look(
	struct speaks *s, enum speaks_side side, struct span bytes, bool is_end);

const char *speaks_name(enum config_speaks kind); /* "ssh" */

#endif
