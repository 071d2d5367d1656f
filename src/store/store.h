#ifndef POSTERN_STORE_STORE_H
#define POSTERN_STORE_STORE_H

/*
 * What must survive: replay memory, counters, keys that follow others, gates, lock-outs, journal, prekeys. An interface; one back end a file
 * (store/sqlite.c). Opened by name once, before the sandbox; afterwards no file is opened by name.
 *
 * Every function returns 0 or -errno (-ENOSPC disk full, -EROFS also for a writer's call on a
 * reader, -EIO, -EUCLEAN damaged, -EBUSY another process holds the file) unless it says otherwise.
 * A batch is one transaction: all of it is on disk (survives the death of this process) when the
 * function returns 0, none of it otherwise.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "identity/chain.h"
#include "identity/name.h"

#define STORE_REPLAY_KEY_LEN 24
#define STORE_OWNER_LEN 16
#define STORE_NAME_MAX 512
#define STORE_SERVICE_MAX 63
#define STORE_LIST_MAX 127
#define STORE_TEXT_MAX 255
#define STORE_NOTE_MAX 2047 /* a message of 900 bytes, every one of them quoted */
#define STORE_BATCH_MAX 256
#define STORE_HASH_LEN 32

enum store_answer {
	STORE_ACCEPTED, /* first time, or the same owner again */
	STORE_REPLAY,   /* another owner claimed this key before */
	STORE_UNKNOWN,  /* the store cannot say: treat as refused, ask again with the same owner */
};

enum store_event {
	STORE_STARTED = 1, /* the daemon */
	STORE_STOPPED,
	STORE_RELOADED,
	STORE_GRANTED, /* recorded before the gate opens */
	STORE_REFUSED,
	STORE_CONNECTED,    /* the kernel says that the gate was used */
	STORE_CLOSED,       /* by its owner or an administrator, or because its owner may no more */
	STORE_EXPIRED,      /* unused at its end */
	STORE_FAILED,       /* granted, but the kernel refused the gate */
	STORE_DOOR,         /* a door came or went */
	STORE_REVOKED,      /* the administrator locked a name out */
	STORE_RESTORED,     /* and let it in again */
	STORE_KEY_MISMATCH, /* somebody's key is not the one in the directory; granted or not */
	STORE_ACTION,       /* recorded before an action runs, with its message */
	STORE_RAN,          /* how it ended */
	STORE_NOTE,         /* a message to the administrator */
	STORE_ENDING,       /* a lease of somebody who came through is over soon */
	STORE_CUT,          /* the end of a lease stopped a connection that was still there */
	STORE_RELAYED,      /* recorded before a connection is let through a passthru */
	STORE_RELAY_ENDED,  /* how that ended */
	STORE_EVENT_COUNT,
};

const char *store_event_name(enum store_event e); /* "granted" */

/* The event of a name; false (ret untouched) when there is none. */
bool store_event_parse(const char *name, enum store_event *ret);

/* One journal line. Text fields are terminated UTF-8; empty means absent. */
struct store_record {
	uint64_t id; /* given by the store, from 1, never reused */
	uint64_t wall_ms;
	enum store_event event;
	char reason[32]; /* policy_reason_name() or a word of the same kind */
	char name[STORE_NAME_MAX + 1];
	uint8_t key_id[32]; /* zero: none */
	char service[STORE_SERVICE_MAX + 1];
	char door[STORE_SERVICE_MAX + 1];
	struct addr source; /* zero: none */
	uint16_t source_port;
	uint64_t grant_id;
	uint64_t until_ms;
	char list[STORE_LIST_MAX + 1]; /* the list that decided, and its entry */
	char entry[STORE_LIST_MAX + 1];
	char text[STORE_NOTE_MAX + 1]; /* one clause for people, or a message in quotes */
	uint8_t hash[STORE_HASH_LEN];  /* given by the store: the chain up to here */
};

enum store_gate_state {
	STORE_GATE_OPEN = 1,
	STORE_GATE_USED,
	STORE_GATE_CLOSED,
	STORE_GATE_EXPIRED,
	STORE_GATE_FAILED
};

struct store_gate {
	uint64_t grant_id; /* chosen by the caller from store_next_grant() */
	uint32_t mark;
	enum store_gate_state state;
	char name[STORE_NAME_MAX + 1];
	uint8_t key_id[32];
	char service[STORE_SERVICE_MAX + 1];
	struct addr source;
	uint8_t bits;         /* of source; 128: one host */
	uint16_t source_port; /* 0: any */
	uint8_t proto;
	uint16_t port;
	uint16_t port_last; /* 0: one port */
	uint8_t kind;       /* enum config_open */
	uint16_t times;     /* CONFIG_OPEN_TIMES: how many connections */
	uint64_t opened_ms;
	uint64_t until_ms;
	uint64_t lease_until_ms; /* UINT64_MAX: no end */
	/* By what the gate was granted, to be judged again when that may have changed. */
	char door[STORE_SERVICE_MAX + 1]; /* empty: not known, of a gate that an older layout had */
	bool is_certified;
	uint64_t not_after_ms;                   /* of the identity; UINT64_MAX: no end */
	size_t path_count;                       /* 0: known by the directory alone */
	struct chain_step path[CHAIN_STEPS_MAX]; /* leaf first */
};

/* One authenticated request. gate NULL: nothing is opened (a refusal, a probe, a close). */
struct store_claim {
	uint8_t replay_key[STORE_REPLAY_KEY_LEN];
	uint8_t owner[STORE_OWNER_LEN]; /* names this attempt; a retry uses the same */
	uint64_t replay_until_ms;       /* remembered until then */
	const struct store_gate *gate;
	const struct store_record *record; /* NULL: not journalled */
	/* 32 bytes, of a token or of a key of tagged sequences; NULL: none, or a token that does not count */
	const uint8_t *counter_id;
	uint32_t counter; /* greater than what is remembered of that key */
	/* 32 bytes; the key id of a key-next that is accepted, and so ends the key before it; or NULL */
	const uint8_t *key_next;
};

struct store;

/* Open or create path (absolute; its folder must exist; the file gets mode 0600). -EMEDIUMTYPE:
 * another program's or another layout; -EUCLEAN: damaged; *f says what to do. */
__attribute__((warn_unused_result)) int store_open(
	const char *path, struct store **ret, struct fault *f);
/* Read only, beside a living daemon or after its death. */
__attribute__((warn_unused_result)) int store_open_reader(
	const char *path, struct store **ret, struct fault *f);
void store_close(struct store *s);

/*
 * Claim n (<= STORE_BATCH_MAX) requests in one transaction: for each, its replay key, and when that
 * is accepted its gate and record. On failure every answer is STORE_UNKNOWN and nothing was
 * written. Two claims of one key in one batch: the first is accepted, the second is a replay.
 */
__attribute__((warn_unused_result)) int store_claim_batch(
	struct store *s, const struct store_claim *claims, size_t n, enum store_answer *answers);

/*
 * The counter that a key was last accepted with: 1 and *ret, 0 when none is remembered,
 * or -errno. A claim whose counter is not greater fails with its whole batch (-ESTALE): ask before.
 */
int store_counter_get(struct store *s, const uint8_t key_id[32], uint32_t *ret);

/* Was a claim accepted with this key id as its key_next? 1 yes, 0 no, or -errno. */
int store_key_next_known(struct store *s, const uint8_t key_id[32]);

/* Is this key remembered? 1 yes, 0 no, or -errno. */
int store_replay_known(struct store *s, const uint8_t key[STORE_REPLAY_KEY_LEN]);

/* The next n grant ids, reserved for ever; returns the first in *ret. Ids are never used twice. */
__attribute__((warn_unused_result)) int store_reserve_grants(
	struct store *s, uint32_t n, uint64_t *ret);

/* State changes and records of one turn, in one transaction. Either array may be empty. A state
 * only goes forward, and what ended stays ended: a change that comes late or twice is no error and
 * does nothing. */
struct store_change {
	uint64_t grant_id;
	enum store_gate_state state;
};
__attribute__((warn_unused_result)) int store_write(struct store *s,
	const struct store_change *changes, size_t change_count, const struct store_record *records,
	size_t record_count);

/* Gates that are open or used and whose time or lease has not run out at wall_ms, oldest first;
 * each is given to fn. */
typedef void store_gate_fn(void *arg, const struct store_gate *g);
__attribute__((warn_unused_result)) int store_gates(
	struct store *s, uint64_t wall_ms, store_gate_fn *fn, void *arg);

/*
 * How long gates are remembered after their end: as long as the kernel remembers a silent connection, whose
 * first word then is when it is cut.
 */
#define STORE_GATE_KEEP_MS (5 * 86400000ull)

/*
 * Whatever its state, the one gate whose grant id ends in the low bits (1..32) of tail, if it is remembered: of
 * the ids up to the latest gate's the last such one. 1, 0 when it is not, or -errno.
 */
__attribute__((warn_unused_result)) int store_gate_latest(
	struct store *s, unsigned bits, uint32_t tail, struct store_gate *ret);

/* Gates that are open or used and whose lease ends after after_ms, and not later than until_ms, the first to
 * end first; each is given to fn. */
__attribute__((warn_unused_result)) int store_gates_ending(
	struct store *s, uint64_t after_ms, uint64_t until_ms, store_gate_fn *fn, void *arg);

/*
 * Names that may not in, whatever the directory says. The key is the name folded (name_fold), so that one
 * name is there once however it is written.
 */
struct store_lockout {
	size_t key_len;
	uint8_t key[NAME_FOLDED_MAX];
	char name[STORE_NAME_MAX + 1]; /* as the administrator wrote it */
	uint64_t since_ms;
	char by[STORE_SERVICE_MAX + 1]; /* who did it; empty: not known */
	char text[STORE_TEXT_MAX + 1];  /* why; may be empty */
};

/* Add one, or say something else of one that is there (its since stays), with its journal line (may be
 * NULL), in one transaction. */
__attribute__((warn_unused_result)) int store_lockout_put(
	struct store *s, const struct store_lockout *l, const struct store_record *r);

/* Remove the one of this name, with a journal line (may be NULL). -ENOENT: there is none, and nothing is
 * written. */
__attribute__((warn_unused_result)) int store_lockout_remove(
	struct store *s, const struct name *name, const struct store_record *r);

/* All of them, by name. */
typedef void store_lockout_fn(void *arg, const struct store_lockout *l);
__attribute__((warn_unused_result)) int store_lockouts(
	struct store *s, store_lockout_fn *fn, void *arg);

/* Journal lines, oldest first. Zero fields of the query do not restrict. While fn runs the log
 * cannot be cut: one that may wait for a person or a pipe collects first and shows afterwards. */
struct store_query {
	uint64_t after_id;
	uint64_t since_ms;
	uint64_t until_ms;             /* not later than this */
	char name[STORE_NAME_MAX + 1]; /* equal, ASCII case ignored */
	char service[STORE_SERVICE_MAX + 1];
	enum store_event event;
	struct addr source;
	uint32_t limit; /* the newest so many; 0 = 1000 */
};
typedef void store_record_fn(void *arg, const struct store_record *r);
__attribute__((warn_unused_result)) int store_journal(
	struct store *s, const struct store_query *q, store_record_fn *fn, void *arg);

/*
 * The chain, doc/design.md "Journal": a record's hash is over the hash before it and over itself. A head
 * is a record's id and hash; kept elsewhere, it shows later that nothing up to it was altered.
 */
struct store_head {
	uint64_t id;
	uint8_t hash[STORE_HASH_LEN];
};

enum store_chain {
	STORE_CHAIN_WHOLE,
	STORE_CHAIN_ALTERED, /* record id does not fit the one before it */
	STORE_CHAIN_MISSING, /* record id is not there, though it was written */
	STORE_CHAIN_OTHER,   /* record id is not the one that the kept head is of */
};

struct store_check {
	enum store_chain chain;
	uint64_t id;              /* the first record that does not fit */
	uint64_t count;           /* records that fit */
	struct store_head anchor; /* of the last record that retention took; id 0: none was */
	struct store_head head;   /* of the last record that fits */
	bool is_from_cut;         /* the kept head is older than the anchor: nothing to compare */
};

/* The id of the newest record, 0 when there is none. */
__attribute__((warn_unused_result)) int store_last_id(struct store *s, uint64_t *ret);

/* Walk the whole chain, from the anchor; from is a head that was kept elsewhere, or NULL. A reader may. */
__attribute__((warn_unused_result)) int store_verify(
	struct store *s, const struct store_head *from, struct store_check *ret);

/* Every record after an id, oldest first, as of one moment, and the anchor before them. */
__attribute__((warn_unused_result)) int store_export(struct store *s, uint64_t after_id,
	struct store_head *ret_anchor, store_record_fn *fn, void *arg);

/* Can it be written now? One small write. 0 or -errno. */
__attribute__((warn_unused_result)) int store_probe(struct store *s);

/* Forget replay keys and prekeys past their time, gates STORE_GATE_KEEP_MS after it, and journal lines older than keep_s.
 * Bounded work a call (at most some thousand rows): call it every few seconds. */
__attribute__((warn_unused_result)) int store_expire(
	struct store *s, uint64_t wall_ms, uint64_t keep_s);

/* Rotating prekeys, private halves included; erased with secure_delete. */
struct store_prekey {
	uint8_t id; /* 1..255 */
	uint64_t not_before_ms, not_after_ms;
	uint64_t erase_ms;
	uint8_t sk[32];
};
__attribute__((warn_unused_result)) int store_prekey_put(
	struct store *s, const struct store_prekey *k);
typedef void store_prekey_fn(void *arg, const struct store_prekey *k);
__attribute__((warn_unused_result)) int store_prekeys(
	struct store *s, store_prekey_fn *fn, void *arg);

#endif
