#ifndef POSTERN_AUDIT_ATTACK_H
#define POSTERN_AUDIT_ATTACK_H

/*
 * Single bounded probes for three old faults, each behind a server's first flight (audit/probe.h, more).
 * What a server gives away is counted, never kept.
 *
 *   Heartbleed  CVE-2014-0160: a heartbeat request (RFC 6520) that claims more payload than it has; an
 *               answer longer than what was sent is memory of the server
 *   CCS         CVE-2014-0224: two ChangeCipherSpec before any key is agreed; a server that takes the
 *               first fails to decrypt the second (bad_record_mac, decryption_failed), a sound one says
 *               unexpected_message at the first, or closes
 *   ROBOT       CVE-2017-13099 and others: RSA key exchanges whose padding is wrong in different places;
 *               a server that reacts in different ways is an oracle. The first thing that it does counts;
 *               oracles that show in a second alert, or in time, are not seen
 */

#include <stdbool.h>
#include <stdint.h>

#include "audit/flight.h"
#include "base/span.h"

#define AUDIT_ROBOT_VARIANTS 5

enum audit_attack_kind { AUDIT_ATTACK_HEARTBLEED, AUDIT_ATTACK_CCS, AUDIT_ATTACK_ROBOT };

/* How a server reacted, comparable between connections. */
enum audit_reaction {
	AUDIT_REACTION_NONE, /* nothing within the time */
	AUDIT_REACTION_CLOSED, /* or reset: which of them it is depends on what was still unread there */
	AUDIT_REACTION_ALERT, /* and its code */
	AUDIT_REACTION_OTHER, /* records of another kind */
};

struct audit_attack {
	enum audit_attack_kind kind;
	unsigned variant; /* ROBOT: 0..AUDIT_ROBOT_VARIANTS - 1; 0 is padded as it must be */
	bool is_sent;     /* false at the end: nothing could be asked, the answer is unknown */
	bool has_before;  /* of ROBOT, see audit_robot_keep */
	enum audit_reaction reaction;
	uint8_t alert_code;
	enum audit_reaction reaction_before;
	uint8_t alert_before;
	uint16_t heartbeat_len; /* of the longest response to the heartbeat */
	/* private */
	size_t header_len, body_left, body_at;
	uint8_t header[5];
	uint8_t record_type;
};

void audit_attack_init(struct audit_attack *a, enum audit_attack_kind kind, unsigned variant);

/* An audit_probe_more; arg is the struct audit_attack. */
bool audit_attack_more(void *arg, const struct audit_flight *f, struct span bytes, bool is_closed,
	uint8_t *to, size_t cap, size_t *ret_len);

/* When the connection ended: cleanly or by a reset (a time-out is neither). */
void audit_attack_end(struct audit_attack *a, bool is_closed, bool is_reset);

/*
 * Of Heartbleed and CCS. Silence is a sound answer to the heartbeat (RFC 6520 4 asks for it), and none at all
 * to CCS: UNKNOWN.
 */
enum audit_answer audit_attack_answer(const struct audit_attack *a);

/* Keep a variant's reaction, beside that of the series before, which kept has when there was one. */
void audit_robot_keep(struct audit_attack *kept, const struct audit_attack *a);

/*
 * Of ROBOT: all variants together. UNKNOWN unless each was sent, when nothing came back, and when reactions differ that were not the
 * same in the series before: a lost packet or a busy server is no oracle. Whoever asks repeats a YES once.
 */
enum audit_answer audit_robot_answer(const struct audit_attack attacks[AUDIT_ROBOT_VARIANTS]);

#endif
