#ifndef POSTERN_DAEMON_KNOCKD_INTERNAL_H
#define POSTERN_DAEMON_KNOCKD_INTERNAL_H

/*
 * What the files of the knock process share. knockd.c owns the loop, doors.c the doors; turn.c takes datagrams
 * to answers; action.c runs what was asked for by name; mirror.c keeps the table of open gates true; restore.c judges again what stood before; relays.c lets people through passthrus;
 * control.c talks to posternctl.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "capture/capture.h"
#include "capture/logfile.h"
#include "daemon/announce.h"
#include "daemon/answer.h"
#include "daemon/classic.h"
#include "daemon/closed.h"
#include "daemon/judge.h"
#include "daemon/knockd.h"
#include "daemon/live.h"
#include "daemon/lockout.h"
#include "daemon/metrics.h"
#include "daemon/relays.h"
#include "priv/priv.h"
#include "store/store.h"

#define SLOTS_MAX 256
#define READ_MAX 64
#define EVENTS_MAX 64
#define KEPT_MAX 64
#define GRANT_BLOCK 1024
#define TICK_MS 1000

/* One authenticated request on its way from the store to its answer. */
struct slot {
	struct judge_case judged;
	enum judge_outcome outcome;
	bool is_used;
	bool is_renewal;   /* of a gate that stands, or of one before it in the batch */
	uint16_t turn;     /* told apart from the slot's former uses */
	uint16_t awaiting; /* answers of the gate process */
	int result;        /* first of their errors */
	uint64_t began_mono_ms;
	bool is_running; /* an action; until_mono_ms: at most so long */
	uint32_t again;  /* copies of its request that were answered */
	uint64_t until_mono_ms;
	uint64_t began_us; /* the same moment, for the time an answer took */
	bool is_replacing; /* the mirror held another gate for the same place: */
	struct live_gate replaced;
	struct store_gate gate;
	struct store_record record;
};

struct door {
	struct knockd *owner;
	const struct config_door *config;
	struct capture_pcap *pcap;   /* NULL: the interface is not there, or it is no such door */
	struct capture_nflog *nflog; /* NULL: the group cannot be heard, or it is no such door */
	struct capture_logfile *log; /* NULL: it is no such door */
	int inotify;                 /* of the log; -1: none yet */
	bool has_more, is_log_bad;   /* lines wait in the log; it could not be read last time */
	unsigned interface;          /* index */
	uv_poll_t poll;
	bool is_polled;
	uint64_t sightings;         /* that went to turn_seen */
	struct capture_counts last; /* kept when the interface went */
};

/* State changes and records of one turn, written together. */
struct events {
	size_t change_count, record_count;
	struct store_change changes[EVENTS_MAX];
	struct store_record records[EVENTS_MAX];
};

struct knockd {
	const struct knockd_start *start;
	const struct config *config;
	struct judge judge;
	struct classic *classic;
	struct store *store;
	struct live *live;
	struct lockout *lockout;
	struct answer_socket answers;
	struct capture_nflog *nflog;
	struct door doors[CONFIG_DOORS_MAX];
	struct closed *closed; /* NULL: nobody asks */
	uv_idle_t more;        /* runs while a log has more lines than were read at once */
	uv_loop_t loop;
	uv_poll_t monitor_poll, gate_poll, action_poll, nflog_poll;
	uv_timer_t tick;
	bool is_stopping;
	bool is_replaced; /* a successor stands ready: this end is no stop of the daemon */
	int exit_status;
	/* turn.c */
	struct slot *slots;
	size_t in_flight;          /* slots that wait for the gate process */
	uint16_t batch[SLOTS_MAX]; /* slots judged in this turn, to be claimed together */
	size_t batch_count;
	bool has_classic;   /* one of them is of a classic knock */
	struct slot *spare; /* where the next datagram is judged */
	uint64_t grant_next, grant_end;
	uint64_t owner_count;
	uint64_t drops[JUDGE_DROP_COUNT];
	uint64_t statuses[SPA_STATUS_COUNT];
	uint64_t datagrams;
	uint64_t answers_failed;
	/* mirror.c */
	struct events events;
	uint64_t beat_sent_ms, beat_seen_ms;
	uint64_t started_wall_ms, started_mono_ms;
	int store_error; /* why it could not be written last; 0 since it could */
	uint64_t store_trouble_mono_ms, gate_trouble_mono_ms;
	uint64_t store_bad_mono_ms; /* last trouble, while nothing may be granted; 0: all is well */
	uint32_t asked_seq;         /* MSG_ASK that waits for the end of that; 0: none */
	uint64_t logged_drops, logged_mono_ms;
	unsigned ticks;
	uint64_t kept_after;     /* the last grant that was asked about; UINT64_MAX: all were */
	uint64_t kept[KEPT_MAX]; /* grants whose answers are awaited */
	size_t kept_count, kept_awaiting;
	/* lease.c */
	uint64_t lease_told_ms; /* of leases that end until then it was said */
	/* restore.c */
	uint64_t review_wall_ms; /* when the standing of gates must be looked at again */
	/* control.c */
	struct control *control;
	/* metrics.c, scrape.c */
	struct histogram answer_time, store_time;
	uint64_t kernel[4]; /* counts of the kernel as last heard */
	struct scrape *scrape;
	struct relays *relays; /* relays.c; NULL: there was never a relay process */
	struct announcer announcer;
};

/* doors.c */
int doors_open(struct knockd *k);         /* before the drop: interfaces; says why it fails */
void doors_open_groups(struct knockd *k); /* after the predecessor let them go; says why not */
int doors_watch(struct knockd *k);        /* 0 or what libuv says */
void doors_unwatch(struct knockd *k);
void doors_tick(struct knockd *k);
void doors_tell_lost(struct knockd *k); /* the monitor, of those that have nothing to see */
/* MSG_LOG; the descriptors are taken. */
void doors_take_log(struct knockd *k, const struct msg *m, struct msg_fds *fds);
void doors_close(struct knockd *k);
bool door_is_watching(const struct door *d);
const struct capture_counts *door_counts(const struct door *d);

/* turn.c */
int turn_init(struct knockd *k);
void turn_deinit(struct knockd *k);
void turn_seen(void *arg, const struct sighting *s); /* capture_seen; arg is the struct door */
void turn_flush(struct knockd *k); /* at the end of each read: claim, order, answer */
void turn_done(struct knockd *k, const struct msg *m);
void turn_finish(struct knockd *k); /* told to stop: once nobody waits for an answer any more */

void turn_ran(struct knockd *k, const struct msg *m);

/* turn_limit.c */
struct live_place turn_place(const struct knockd *k, const struct claim *c);
/* The limit of doc/design.md "Limits" that a slot of the batch is over, or NULL. A renewal takes the place
 * of its gate and is not counted again: s->is_renewal. */
const char *turn_over_limit(const struct knockd *k, struct slot *s);

/* turn_record.c */
void turn_record(const struct knockd *k, struct slot *s, uint64_t now);
/* Probes and requests to bind an address are part of a conversation, not decisions: no line for them. */
bool turn_is_journalled(const struct slot *s);
/* key-check-log: a line of its own when the key is not the directory's. */
void turn_note_key(struct knockd *k, const struct slot *s);

/* action.c */
/* The message in quotes, on one line; cap is at least 2 * SPA_MESSAGE_MAX + 8. */
void action_quote(const struct spa_request *q, char *to, size_t cap);
/* Why one more may not run beside those that do and those before it in the batch, or NULL. */
const char *action_limit(const struct knockd *k, const struct slot *s);
/* 0, or -errno when the action process cannot be asked. */
int action_order(struct knockd *k, struct slot *s, uint32_t seq);
/* It ended: a line for the journal, and in the slot what is to be answered. */
void action_done(struct knockd *k, struct slot *s, uint8_t how, uint8_t detail);
/* A copy of a request whose action runs: its slot, ready to be answered; NULL: there is none. */
struct slot *action_again(struct knockd *k, const struct judge_case *c);
/* Once a tick: does the action process keep its times? */
void action_watch(struct knockd *k, uint64_t mono_ms);

/* mirror.c */
void mirror_used(
	void *arg, const struct sighting *s); /* capture_seen of nflog; arg is the struct knockd */
void mirror_tick(struct knockd *k);
void mirror_kept(
	struct knockd *k, const struct msg *m); /* gate's answer about a lease without an end */

/* Why gates are closed before their time. */
struct closing {
	const char *reason;       /* word for the journal; NULL: no line */
	const char *text;         /* clause for people */
	const char *list, *entry; /* that decided; NULL: none */
	bool is_cut;              /* their connections end as well */
};

/* Take one gate out and have the kernel close it. */
int mirror_close(struct knockd *k, size_t live_index, uint32_t seq, const struct closing *why);
/* End the connection that came through a gate of the store. */
int mirror_cut(
	struct knockd *k, const struct store_gate *g, uint32_t seq, const struct closing *why);
/* Its state and journal line alone, after the cut. */
void mirror_note_cut(struct knockd *k, const struct store_gate *g, const struct closing *why);
void record_stored(struct store_record *r, const struct store_gate *g);
struct store_record *events_record(struct knockd *k, enum store_event event);
void events_change(struct knockd *k, uint64_t grant_id, enum store_gate_state state);
void events_write(struct knockd *k); /* what cannot be written is kept, as far as there is room */
enum store_gate_state mirror_end(
	const struct knockd *k, const struct live_gate *g, enum store_gate_state state);
void record_gate(struct store_record *r, const struct knockd *k, const struct live_gate *g);
void store_trouble(struct knockd *k, const char *doing, int rc);
void store_well(struct knockd *k); /* it was written */
const char *store_error_text(int rc);
void knockd_stop(struct knockd *k, int exit_status);
/* A gate was recorded, or as good as that: whoever asks for the rescue hears that all is well. */
void mirror_can_grant(struct knockd *k);
void knockd_told(struct knockd *k, const struct msg *m); /* something by the gate process */

/* restore.c */
void restore_gates(struct knockd *k, bool is_new_table, uint64_t wall_ms,
	uint64_t mono_ms); /* before the loop runs */
void restore_review(
	struct knockd *k, uint64_t wall_ms); /* once a tick: does somebody's time end now? */

/* control.c */
int control_start(struct knockd *k);
void control_done(struct knockd *k, const struct msg *m); /* gate's answer to one of its orders */
void control_reloaded(struct knockd *k, const struct msg *m); /* monitor's answer to a reload */
void control_listed(struct knockd *k, const struct msg *m);
void control_relays_listed(struct knockd *k); /* the relay has told, or took too long */
void control_close_all(struct knockd *k);

#define SEQ_CONTROL 0x80000000u /* seq of orders that did not come from a slot */
#define SEQ_KEPT 0x40000000u    /* and of questions about kept leases, with an index */

#endif
