#ifndef POSTERN_DAEMON_JUDGE_H
#define POSTERN_DAEMON_JUDGE_H

/*
 * One sighting to one outcome: the server procedure of doc/protocol.md section 4, steps 1 to 11, in that
 * order; for what a classic knock asks for (daemon/classic.h), steps 10 and 11. Reads the clock from its arguments, opens nothing, sends nothing, and writes only its own memory
 * of rates and answers. The knock process and posternd --read both stand on it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"
#include "daemon/boot.h"
#include "daemon/identify.h"
#include "daemon/lockout.h"
#include "daemon/resend.h"
#include "knock/spa.h"
#include "policy/policy.h"
#include "store/store.h"

#define JUDGE_SCHEME_MAX 80

/* Reasons to ignore a datagram beyond those of enum spa_reject; counted together. */
enum judge_drop {
	JUDGE_DROP_NONE = SPA_REJECT_COUNT,
	JUDGE_DROP_RATE,     /* source sends too many datagrams with a good cookie */
	JUDGE_DROP_NO_EPOCH, /* too many datagrams without epoch */
	JUDGE_DROP_IDENTITY, /* key id in no directory, or without a public key there */
	JUDGE_DROP_SIGNATURE,
	JUDGE_DROP_REPLAY,
	JUDGE_DROP_REFUSAL_RATE,  /* STALE is answered once in ten seconds to one identity */
	JUDGE_DROP_BUSY,          /* no room to work on it */
	JUDGE_DROP_IDENTITY_RATE, /* of classic knocks: nobody is told */
	JUDGE_DROP_COUNT,
};

const char *judge_drop_name(unsigned drop); /* also for enum spa_reject */

enum judge_outcome {
	JUDGE_IGNORE, /* no answer; ret->drop says why */
	JUDGE_RESEND, /* send ret->resend once more */
	JUDGE_ANSWER, /* answer ret->status; nothing to record */
	JUDGE_RECORD, /* record, then answer ret->status; nothing opens */
	JUDGE_OPEN,   /* record, open ret->verdict.granted_s, then answer */
	JUDGE_CLOSE,  /* record, close, then answer */
	JUDGE_RUN,    /* record, run ret->claim.action or only note it, then answer */
};

/* What a classic knock asks for. Whoever made it knew the secret that its scheme has. */
struct judge_wish {
	char scheme[JUDGE_SCHEME_MAX]; /* for the journal: "sequence ops" */
	const struct name *name;       /* borrowed for the call, as entry is for the life of boot */
	const struct directory_entry
		*entry; /* of that name; NULL: the directory does not list it */
	const struct config_service *service; /* NULL: none that may be opened has that port */
	char asked_for[SPA_SELECTOR_MAX + 1]; /* in words, where there is no service */
	uint32_t asked_s;                     /* 0: as long as the service gives */
	bool is_close;
	bool is_all; /* of a close: of all services; service is NULL */
	bool has_address, is_third_party;
	struct addr
		address; /* said inside the knock; another than the source's with is_third_party */
	bool is_refused; /* what is asked for is not offered; flaw says what */
	char flaw[128];
	/* A second knock with this key is a replay. */
	uint8_t replay_key[STORE_REPLAY_KEY_LEN];
	uint64_t replay_until_ms; /* UINT64_MAX: for ever */
	bool is_once; /* only a key made it, and once: remembered also when it came too often */
	bool has_counter;
	uint8_t counter_id[32];
	uint32_t counter; /* must be above the last one that was accepted of counter_id */
};

/* All that is known of one datagram. Large; kept in a pool. Spans inside point into the case itself. */
struct judge_case {
	unsigned drop; /* why it is ignored, or recorded without a line; else JUDGE_DROP_NONE */
	struct sighting seen; /* payload: this case's own copy */
	uint8_t datagram[SPA_LARGE_LEN];
	struct spa_header header;
	uint8_t plain[SPA_INNER_LARGE_LEN];
	struct spa_request request;
	struct hpke_context context; /* secret: judge_case_wipe */
	bool has_context;
	uint8_t replay_key[STORE_REPLAY_KEY_LEN];
	struct claim claim;
	struct chain_identity chain;     /* step_count 0: known by the directory, not by a chain */
	enum policy_key_match key_match; /* set when the claim was decided */
	struct verdict verdict;
	enum spa_status status;
	const char *reason; /* word for the journal */
	bool is_silent;     /* recorded, but its sender, whom no directory lists, hears nothing */
	uint16_t retry_after_s;
	enum spa_result result; /* of an action, once there is one */
	uint8_t result_detail;
	char flaw[128];                     /* what is wrong with the message; "": nothing */
	const uint8_t *resend;              /* 320 bytes, borrowed from the memory of answers */
	char service[SPA_SELECTOR_MAX + 1]; /* as asked for, for the journal */
	/* of a classic knock */
	char scheme[JUDGE_SCHEME_MAX]; /* "": a knock of section 4 */
	bool is_all;
	uint64_t replay_until_ms;
	bool has_counter;
	uint8_t counter_id[32];
	uint32_t counter;
};

void judge_case_wipe(struct judge_case *c);

struct judge {
	const struct boot *boot;
	struct store *store;           /* borrowed; NULL: no replay memory (posternd --read) */
	const struct lockout *lockout; /* borrowed; NULL: nobody is locked out */
	uint64_t instance;             /* another one when the wall clock is set back */
	uint64_t start_mono_ms;
	bool is_offline; /* any instance id is taken, rates do not apply */
	/* private */
	uint64_t wall_high_ms;       /* latest wall clock seen since it was set back */
	uint64_t cold_until_wall_ms; /* until then only our own instance id is accepted */
	struct spa_cookie_keys cookies;
	struct identify identify;
	struct limiter *source;
	struct limiter *no_epoch;
	struct limiter *identity;
	struct limiter *refusals;
	struct resend *resend;
	uint64_t *refused_ms; /* last STALE by hash of the key id */
};

/* Draw a new instance id and make the tables. 0 or -ENOMEM. boot is borrowed. */
__attribute__((warn_unused_result)) int judge_init(
	struct judge *j, const struct boot *boot, uint64_t mono_ms);
void judge_deinit(struct judge *j);

/* The latest wall clock time the store knows of: a clock set back past it makes old packets fresh again,
 * so until it is passed only our own instance id is accepted. */
void judge_set_high_water(struct judge *j, uint64_t wall_ms);

/* Judge one UDP sighting. c is overwritten. */
enum judge_outcome judge_sighting(struct judge *j, const struct sighting *s, uint64_t wall_ms,
	uint64_t mono_ms, struct judge_case *c);

/* Judge what a classic knock, of which s is the last packet, asks for. Its case is silent whatever comes. */
enum judge_outcome judge_wish(struct judge *j, const struct sighting *s, const struct judge_wish *w,
	uint64_t wall_ms, uint64_t mono_ms, struct judge_case *c);

/* What both begin with: nothing is known yet of what was seen. */
void judge_begin(struct judge_case *c, const struct sighting *s);

/* What both end with, step 11: may the claim's owner do what c->request.op says? */
enum judge_outcome judge_decide(const struct judge *j, struct judge_case *c, uint64_t wall_ms);

/* Build the answer to a judged case (status, granted_s of the verdict, grant id), remember it for resending, and
 * return its length. */
size_t judge_answer(struct judge *j, const struct judge_case *c, uint64_t grant_id,
	uint64_t wall_ms, uint64_t mono_ms, uint8_t to[SPA_SMALL_LEN]);

#endif
