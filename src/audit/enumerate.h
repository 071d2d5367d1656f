#ifndef POSTERN_AUDIT_ENUMERATE_H
#define POSTERN_AUDIT_ENUMERATE_H

/*
 * What to ask a gateway next, and what its answers mean (doc/audit.md "How a server is asked"). A state
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
	AUDIT_ASK_INJECTION, /* of a command before STARTTLS: audit/injection.h, over libssl */
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
	uint8_t seed[32]; /* for randoms and orders */
};

/* facts are filled as answers come; borrowed. NULL without memory. */
struct audit_scan *audit_scan_new(struct audit_facts *facts, const struct audit_scan_options *o);
void audit_scan_free(struct audit_scan *s);

enum audit_next audit_scan_next(struct audit_scan *s, struct audit_ask *ret);

/* How an ask ended. is_final false: lost; it will be asked again, until it is given up. */
void audit_scan_result(struct audit_scan *s, uint32_t id, const struct audit_probe_result *r);

/* Of a single probe (not HELLO): its verdict. */
void audit_scan_verdict(struct audit_scan *s, uint32_t id, enum audit_answer answer);

/* Time is short: leave out what is rare, and say so in the facts. */
void audit_scan_shorten(struct audit_scan *s);

/* Stop here: what is not proved complete is marked so, with why. */
void audit_scan_stop(struct audit_scan *s, const char *why);

/* Rounds that are probably still needed with w connections at a time. */
uint32_t audit_scan_rounds_left(const struct audit_scan *s, unsigned w);

#endif
