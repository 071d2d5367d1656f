#ifndef POSTERN_AUDIT_SESSION_H
#define POSTERN_AUDIT_SESSION_H

/*
 * One whole handshake by libssl, for what only the inside of TLS shows: the certificates of a server that
 * speaks TLS 1.3 alone, and whether a command that was sent ahead of TLS is answered within
 * (CVE-2011-0411). Nothing is verified, every version and suite of the library is allowed, and no more than
 * AUDIT_FLIGHT_MAX bytes of a server are read. It runs on a raw probe (audit/probe.h): hello, then
 * audit_session_more.
 */

#include <stdbool.h>
#include <stdint.h>

#include "audit/facts.h"
#include "audit/flight.h"
#include "audit/probe.h"

enum audit_session_kind { AUDIT_SESSION_FETCH, AUDIT_SESSION_INJECTION };

struct audit_session;

/* hello: room of AUDIT_HELLO_MAX bytes for the first bytes to send, *ret_len of them. NULL without memory. */
struct audit_session *audit_session_new(enum audit_session_kind kind, const struct audit_target *t,
	uint8_t *hello, size_t *ret_len);
void audit_session_free(struct audit_session *s);

/* What to send ahead, for ask.injected; NULL: this protocol has no such test. */
const char *audit_session_injected(enum audit_starttls kind);

/* An audit_probe_more of a raw probe; arg is the session. */
bool audit_session_more(void *arg, const struct audit_flight *f, struct span bytes, bool is_closed,
	uint8_t *to, size_t cap, size_t *ret_len);

/* Did the handshake succeed? */
bool audit_session_is_open(const struct audit_session *s);

/* How its connection ended, before the answer is asked for. */
void audit_session_end(struct audit_session *s, const struct audit_probe_result *r);

/*
 * Of INJECTION. YES: the command was answered within TLS. NO: it was not, up to the answer to one that was
 * sent within; or the server refused the request that had more behind it, left at it, answered it in plain
 * text or took it for TLS. UNKNOWN: anything else.
 */
enum audit_answer audit_session_answer(const struct audit_session *s);

/* Of either: the chain that was sent, into the facts. False when there is none or no room. */
bool audit_session_chain(struct audit_session *s, struct audit_facts *f);

#endif
