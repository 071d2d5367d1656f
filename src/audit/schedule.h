#ifndef POSTERN_AUDIT_SCHEDULE_H
#define POSTERN_AUDIT_SCHEDULE_H

/*
 * Which gateway may be asked its next question, and when. Sockets and the clock are behind struct
 * audit_world, so that what is decided here can be watched with made-up ones; audit/run.h is this over libuv.
 *
 * A gateway begins with three connections at a time and gets one more with every round whose handshakes take
 * no longer than before. A sign of a limit halves that; below one connection the questions are spaced. A speed
 * that was refused is tried again after a while, more rarely each time that it is refused again. Where more
 * gateways wait than are in work, one that does not answer gives its place up until its turn comes again.
 */

#include "audit/attack.h"
#include "audit/enumerate.h"
#include "audit/run.h"

struct audit_schedule;

/* One connection to make. Everything is borrowed, the ask until start returns, the rest until it is done. */
struct audit_errand {
	const struct audit_target *target;
	const struct audit_ask *ask;
	struct audit_facts *facts;   /* for what a whole handshake shows */
	struct audit_attack *robots; /* AUDIT_ROBOT_VARIANTS of them: the variants of one gateway */
	void *ticket;                /* to give back */
};

struct audit_world {
	void *arg;
	uint64_t (*now_ms)(void *arg);
	int64_t (*wall_s)(void *arg);
	void (*random)(void *arg, uint8_t *to, size_t len);
	/* audit_schedule_done follows, not from within. NULL: no descriptor or memory is left. */
	void *(*start)(void *arg, const struct audit_errand *e);
	void (*cancel)(void *arg, void *link); /* audit_schedule_done follows, with CANCELLED */
	void (*wake)(void *arg,
		uint64_t at_ms); /* call audit_schedule_tick then, and not at the time before */
};

/* NULL without memory. World and calls are copied. */
struct audit_schedule *audit_schedule_new(const struct audit_world *w,
	const struct audit_run_options *o, const struct audit_run_calls *calls);
void audit_schedule_free(struct audit_schedule *s);

__attribute__((warn_unused_result)) int audit_schedule_add(
	struct audit_schedule *s, const struct audit_target *t);
void audit_schedule_close(struct audit_schedule *s);
void audit_schedule_stop(struct audit_schedule *s, const char *why);

/* How an errand ended; answer: of anything but a HELLO. */
void audit_schedule_done(struct audit_schedule *s, void *ticket, const struct audit_probe_result *r,
	enum audit_answer answer);

/* The time has come that was asked for. */
void audit_schedule_tick(struct audit_schedule *s);

#endif
