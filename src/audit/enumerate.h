#ifndef POSTERN_AUDIT_ENUMERATE_H
#define POSTERN_AUDIT_ENUMERATE_H

/*
 * What to ask a gateway next, and what its answers mean (doc/audit.md "What is asked of a server"). A state
 * machine without clock or socket: several asks may be in the air at once, answers come in any order. A
 * lost probe is never a refused one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "audit/facts.h"
#include "audit/hello.h"
#include "audit/probe.h"

struct audit_scan;

enum audit_ask_kind {
	AUDIT_ASK_HELLO,
	AUDIT_ASK_HEARTBLEED,
	AUDIT_ASK_CCS,
	AUDIT_ASK_ROBOT,
	AUDIT_ASK_INJECTION, /* of a command before STARTTLS: audit/session.h, over libssl */
	AUDIT_ASK_FETCH, /* of certificates, by a whole handshake: the same; YES: they are in the facts */
};

struct audit_ask {
	uint32_t id; /* given back with the result */
	enum audit_ask_kind kind;
	bool is_canary;
	bool is_rare;    /* may be dropped when time is short */
	uint8_t variant; /* ROBOT: which message */
	size_t hello_len;
	bool is_ssl2;
	uint8_t hello[AUDIT_HELLO_MAX];
};

enum audit_next {
	AUDIT_NEXT_ASK,  /* *ret is to be done */
	AUDIT_NEXT_WAIT, /* for those in the air */
	AUDIT_NEXT_DONE,
};

struct audit_scan_options {
	bool has_probes;  /* Heartbleed, CCS, ROBOT, injection as well */
	bool wants_order; /* the server's full order, whatever it costs */
	uint8_t seed[32]; /* for randoms and orders */
};

/* facts are filled as answers come; borrowed. NULL without memory. */
struct audit_scan *audit_scan_new(struct audit_facts *facts, const struct audit_scan_options *o);
void audit_scan_free(struct audit_scan *s);

enum audit_next audit_scan_next(struct audit_scan *s, struct audit_ask *ret);

/*
 * What became of an ask.
 *
 * FINAL  a ServerHello, an alert, or an end of the connection that a refused hello is known to have here; the
 *        last may be asked again nevertheless
 * LOST   anything else behind our hello; it will be asked again, in time given up
 * EARLY  it was lost before a byte of TLS was sent: a limit of the server, most likely
 */
enum audit_outcome { AUDIT_OUTCOME_FINAL, AUDIT_OUTCOME_LOST, AUDIT_OUTCOME_EARLY };

/* How an ask of kind HELLO ended. now_s: wall time, to see the server's clock in its random; 0: not known. */
enum audit_outcome audit_scan_result(
	struct audit_scan *s, uint32_t id, const struct audit_probe_result *r, int64_t now_s);

/*
 * Of a single probe (any other kind): its verdict, and how its connection ended (NULL: not known). Of ROBOT
 * the verdict that counts is that of the last variant; those before it are UNKNOWN.
 */
enum audit_outcome audit_scan_verdict(struct audit_scan *s, uint32_t id, enum audit_answer answer,
	const struct audit_probe_result *r);

/*
 * The canary came to a temporary refusal (r of the last result: is_temporary): ask it again after a wait.
 * Without this call the next audit_scan_next ends the scan with the server's words.
 */
bool audit_scan_is_refused_for_now(const struct audit_scan *s);
void audit_scan_try_again(struct audit_scan *s);

/* Time is short: leave out what is rare, and say so in the facts. */
void audit_scan_shorten(struct audit_scan *s);

/* Stop here: what is not proved complete is marked so, with why. */
void audit_scan_stop(struct audit_scan *s, const char *why);

/* Rounds that are probably still needed with w connections at a time. */
uint32_t audit_scan_rounds_left(const struct audit_scan *s, unsigned w);

#endif
