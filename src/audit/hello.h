#ifndef POSTERN_AUDIT_HELLO_H
#define POSTERN_AUDIT_HELLO_H

/* ClientHellos, byte by byte: RFC 5246 7.4.1.2, RFC 8446 4.1.2, RFC 6101 and the SSL 2.0 specification. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/facts.h"

#define AUDIT_HELLO_MAX 16384

struct audit_hello {
	enum audit_version max; /* AUDIT_SSL2: an SSLv2 CLIENT-HELLO */
	enum audit_version min; /* with max = TLS 1.3: the last of supported_versions */
	const uint32_t *suites; /* borrowed; in the order offered */
	size_t suite_count;
	const uint16_t *groups, *signatures; /* borrowed; count 0: no such extension */
	size_t group_count, signature_count;
	/*
	 * TLS 1.3: the group of a real share of this hello; 0: an empty list, which makes the server name its
	 * choice in a HelloRetryRequest. X25519 (29) alone is offered.
	 */
	uint16_t share_group;
	uint8_t share[32];       /* public value for X25519 */
	const char *server_name; /* NULL: none */
	const char *alpn;        /* one protocol; NULL: none */
	bool deflate;            /* not sent where TLS 1.3 is offered, which forbids it */
	bool fallback_scsv, renegotiation_scsv;
	bool heartbeat, ems, etm, ticket, status_request, grease;
	bool is_bare; /* no extensions at all */
	uint8_t random[32];
	uint8_t session_id[32];
	size_t session_id_len;
	/* The handshake message is at least so long, by the padding extension (RFC 7685); 0: as it comes. */
	size_t pad_to;
};

/*
 * The whole record. Returns its length; 0 when it does not fit in cap, or when a suite, a name or a length is
 * none that such a hello can carry. Pure.
 */
size_t audit_hello_write(const struct audit_hello *h, uint8_t *to, size_t cap);

#endif
