#ifndef POSTERN_DAEMON_RELAYS_H
#define POSTERN_DAEMON_RELAYS_H

/*
 * The knock process's end of the channel to the relay process: judges who may through a passthru, writes it
 * down before the relay hears of it, and remembers who is through, so that a lock-out or an administrator's
 * word ends connections at once.
 *
 * Nobody is let through who is not on record. A knock process that dies takes this table with it; the relay
 * presents everybody to the next one (RELAY_HELD), which judges by what it was started with.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/judge.h"
#include "identity/name.h"
#include "priv/priv.h"
#include "relay/message.h"
#include "store/store.h"

struct knockd;
struct closing;

/* MSG_RELAY: the channel takes the place of the one before. The descriptor is taken. */
void relays_take(struct knockd *k, struct msg_fds *fds);

/* At the end: the handle of the loop goes. And after the loop was closed: all else. */
void relays_leave(struct knockd *k);
void relays_free(struct knockd *k);

void relays_tick(struct knockd *k, uint64_t mono_ms);

/* One connection that was let through. Texts are borrowed until the next message comes. */
struct relays_line {
	uint32_t id;
	const char *passthru, *name, *door;
	const uint8_t *key_id;
	uint64_t grant_id;         /* 0: of no gate */
	struct addr source, inner; /* inner zero: not known (yet) */
	uint16_t source_port, inner_port;
	bool is_through;                                                      /* bytes may flow */
	uint64_t took_ms, to_inner, to_client, to_inner_rate, to_client_rate; /* as last listed */
};

size_t relays_count(const struct knockd *k);
typedef void relays_fn(void *arg, const struct relays_line *l);
void relays_each(const struct knockd *k, relays_fn *fn, void *arg);

/* Ask how many bytes there were. False when there is nobody to ask; else control_relays_listed follows, at the
 * latest in some seconds. */
bool relays_list(struct knockd *k);

/* End those that is_meant says; how many those are. The relay's word that they ended is the journal's line. */
typedef bool relays_is_meant(void *arg, const struct relays_line *l);
size_t relays_cut(
	struct knockd *k, relays_is_meant *is_meant, void *arg, const struct closing *why);

/* For the page of metrics. */
#define RELAYS_REASONS_MAX 48

struct relays_counts {
	uint64_t through[CONFIG_PASSTHRUS_MAX]; /* let through, by passthru of the configuration */
	uint64_t to_inner, to_client;           /* bytes, as far as they are known */
	size_t reason_count;
	struct {
		char word[RELAY_REASON_MAX + 1];
		uint64_t count;
	} refused[RELAYS_REASONS_MAX]; /* by reason; the last one is all others */
};
void relays_counts(const struct knockd *k, struct relays_counts *ret);

/* relays_judge.c: who is it, and may that person through now? */

struct relays_decision {
	bool is_granted;
	bool is_proven;           /* gate names somebody who was proved to be there */
	struct store_gate gate;   /* who and by which gate; grant_id 0: of none */
	const char *reason;       /* word; "grant" */
	const char *text;         /* clause for people */
	const char *list, *entry; /* that decided; "": none */
	uint64_t end_ms;          /* wall clock; UINT64_MAX: no end */
};

/* An ASK or a HELD. Pure but for the memory of chains. */
void relays_judge(
	struct knockd *k, const struct relay_msg *m, uint64_t wall_ms, struct relays_decision *ret);

const struct config_passthru *relays_passthru(const struct config *c, const char *name);

#endif
