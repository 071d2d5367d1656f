#ifndef POSTERN_AUDIT_SCHEDULE_PACE_H
#define POSTERN_AUDIT_SCHEDULE_PACE_H

/* How fast one gateway may be asked. Pure. */

#include <stdbool.h>
#include <stdint.h>

struct audit_pace {
	unsigned window, ceiling; /* connections at a time: now, and at most, by what was refused */
	unsigned top;             /* and at most in any case */
	unsigned good;            /* since the last change of speed */
	unsigned lost_in_row;
	unsigned patience;   /* good ones before a speed that was refused is tried again */
	bool has_tried_more; /* since the last brake */
	uint32_t best_ms;    /* the fastest handshake */
	uint32_t spacing_ms; /* between connections, when one at a time is too fast; 0: none */
	unsigned brakes;     /* how often it was slowed down */
	uint64_t not_before_ms;
	uint32_t interval_ms; /* between two connections in any case; 0: none */
};

void audit_pace_init(struct audit_pace *p, unsigned ceiling, uint32_t rate, bool is_polite);

/* May another connection begin, with so many open? */
bool audit_pace_allows(const struct audit_pace *p, unsigned open, uint64_t now_ms);
void audit_pace_began(struct audit_pace *p, uint64_t now_ms);

/* A handshake went well and took so long. */
void audit_pace_good(struct audit_pace *p, uint32_t took_ms);

/* A connection was answered whose time says nothing: those lost before it were not in a row. */
void audit_pace_let_in(struct audit_pace *p);

/* A limit was met by a connection that began after so many brakes; it may be asked again after a pause. */
void audit_pace_limited(struct audit_pace *p, unsigned brakes, uint64_t now_ms);

/* It goes on later, with one connection at first. */
void audit_pace_pause(struct audit_pace *p);

/* A connection was lost that may have been one too many, or just lost; several in a row are a limit. */
void audit_pace_lost(struct audit_pace *p, unsigned brakes, uint64_t now_ms);

#endif
