#ifndef POSTERN_AUDIT_ENUMERATE_INTERNAL_H
#define POSTERN_AUDIT_ENUMERATE_INTERNAL_H

/*
 * The parts of a scan: jobs, each with at most one ask in the air. A track is a set of suites of one version
 * that is run down by removal: every answer takes one suite out, a refusal ends it.
 */

#include "audit/enumerate.h"

#define AUDIT_CHUNK_MAX 112 /* suites of one hello: some stacks read no more than the first 127 */
#define AUDIT_JOBS_MAX 96
#define AUDIT_SEEN_MAX 8
#define AUDIT_CHAIN_NONE UINT8_MAX

enum audit_purpose {
	AUDIT_DO_CANARY,
	AUDIT_DO_TRACK,
	AUDIT_DO_MODERN, /* TLS 1.3: suites and groups together */
	AUDIT_DO_SSL2,
	AUDIT_DO_CALIBRATE, /* a hello that nobody can accept: how does this server refuse? */
	AUDIT_DO_GROUPS,    /* TLS <= 1.2: is there a group that was not seen yet? */
	AUDIT_DO_ORDER,     /* whose preference counts, and what is chosen out of all */
	AUDIT_DO_RANK,      /* which of two accepted suites the server prefers */
	AUDIT_DO_FALLBACK,
	AUDIT_DO_NAMELESS, /* without server name */
	AUDIT_DO_HEARTBLEED,
	AUDIT_DO_CCS,
	AUDIT_DO_ROBOT,
	AUDIT_DO_INJECTION,
	AUDIT_DO_FETCH, /* the certificates of a server that shows them within TLS 1.3 alone */
};

enum audit_job_state {
	AUDIT_JOB_HELD, /* not before it is known that the version is offered */
	AUDIT_JOB_READY,
	AUDIT_JOB_AIR,
	AUDIT_JOB_WAITING, /* for a calibration */
	AUDIT_JOB_DOUBTED, /* refused by an end of the connection, if a control is still answered */
	AUDIT_JOB_DONE,
};

/* What a TLS 1.3 ask offers. */
enum audit_modern {
	AUDIT_MODERN_BOTH,   /* suites and groups that are left */
	AUDIT_MODERN_SUITES, /* suites that are left, all groups */
	AUDIT_MODERN_GROUPS, /* suites that were found, groups that are left */
	AUDIT_MODERN_LAST,   /* suites that are left, then those found; all groups */
};

/* A form of a hello that was answered where the usual one was dropped is believed only behind that again. */
enum audit_trial {
	AUDIT_TRIAL_NONE,
	AUDIT_TRIAL_USUAL, /* the form was answered: is the usual one dropped still? */
	AUDIT_TRIAL_FORM,  /* it is: is the form answered still? */
};

/* How a connection ends that is no answer. */
enum audit_drop {
	AUDIT_DROP_NONE,
	AUDIT_DROP_ALERT, /* only in calibrations */
	AUDIT_DROP_CLOSED,
	AUDIT_DROP_RESET,
	AUDIT_DROP_SILENT,
	AUDIT_DROP_MIXED,
	AUDIT_DROP_COUNT,
};

struct audit_job {
	enum audit_purpose purpose;
	enum audit_job_state state;
	enum audit_version version;
	enum audit_version
		subject; /* CALIBRATE: whose refusal is looked for; version is what is asked in */
	uint32_t id;     /* of the ask in the air */
	bool is_rare, is_given_up;
	bool is_bare;  /* this ask has no extensions: the one with them was dropped */
	bool is_small; /* few suites and short extensions, for the same reason */
	bool has_tried_bare;
	enum audit_trial trial;
	bool trial_is_bare, trial_is_small; /* the form that is tried */
	uint8_t trials;
	bool is_plain;        /* the ask in the air is of the usual form */
	bool is_greasy;       /* this ask has unknown values in it */
	uint8_t drops;        /* of this ask, in a row */
	uint8_t tries;        /* of this ask, whatever happened */
	enum audit_drop drop; /* how the last of them ended; MIXED: in different ways */
	uint8_t step;         /* of a job that has several */
	uint8_t doubts;       /* how often a refusal of it was not believed */
	uint32_t doubted_at;  /* DOUBTED: the last ask until then */
	uint8_t parent;       /* the track it was split from, or AUDIT_CHAIN_NONE */
	uint16_t parent_found, found, found_since_split;
	uint16_t count;
	uint16_t suites[AUDIT_CHUNK_MAX]; /* left, as offered */
	uint16_t at[AUDIT_CHUNK_MAX];     /* where each stood at first */
	uint16_t asked_count;
	uint16_t asked[AUDIT_CHUNK_MAX]; /* of the ask in the air: its first suites */
	size_t groups_before;            /* known when it was asked */
	bool has_asked_grease;
	bool has_asked_curves; /* MODERN: the ask in the air looks for those as well */
	bool is_early;         /* ORDER: ahead of the end */
};

/* How an accepted suite was found. */
struct audit_place {
	uint8_t chain;     /* job, or AUDIT_CHAIN_NONE */
	uint16_t seq;      /* in its chain */
	uint16_t at;       /* where it stood in the hello */
	uint16_t rank;     /* at the end: where it is listed, from 1 */
	bool is_misjudged; /* a guess where it stands in the server's order was wrong */
};

#define AUDIT_ORDER_FACTS_MAX 512 /* answers to AUDIT_DO_RANK, of one version */

/* In which order do servers have their suites? */
enum audit_guess {
	AUDIT_GUESS_CLASS,    /* forward secrecy and AEAD first, then strength */
	AUDIT_GUESS_STRENGTH, /* strength first */
};

struct audit_version_state {
	bool is_started;
	bool is_covered;      /* a refusal of a newer hello covers it */
	bool is_bare;         /* only hellos without extensions are answered */
	bool is_small;        /* or only short ones */
	bool has_tried_forms; /* all of them, in vain */
	uint8_t recalibrations;
	bool has_order;       /* it was thought about */
	bool has_early_order; /* asked ahead of the end: may a track be split? */
	uint8_t splits;
	uint16_t answered;       /* suites of the longest hello with extensions that was answered */
	uint32_t first_chosen;   /* what was taken when it stood first; 0: nothing */
	enum audit_drop refusal; /* by calibration */
	uint8_t calibrations;
	uint8_t ends[AUDIT_DROP_COUNT]; /* of calibrations, by their kind */
	bool is_calibrating;
	bool has_top; /* places[top] was chosen out of everything */
	uint16_t top;
	/* The full order: is an answer to be waited for, is it over? */
	bool is_rank_asked, is_ranked;
	uint8_t wrong_guesses;
	uint16_t fact_count;
	struct {
		uint16_t first, second; /* of suites[] */
	} facts[AUDIT_ORDER_FACTS_MAX];
	size_t place_room;
	struct audit_place *places; /* owned; one for each suite of the facts */
};

struct audit_scan {
	struct audit_facts *facts;
	struct audit_scan_options options;
	uint32_t next_id;
	size_t job_count;
	struct audit_job jobs[AUDIT_JOBS_MAX];
	struct audit_version_state versions[AUDIT_VERSION_COUNT];
	bool has_answer;     /* some TLS has come back */
	bool is_hungry;      /* an ask more could be in the air: split a track */
	bool is_last_chance; /* no TLS hello was answered: is SSLv2 spoken? */
	bool is_done, is_refused_for_now, is_short, is_stopped;
	bool shows_groups;     /* each flight of an old version still shows another group */
	bool has_new_group;    /* the last flight showed one */
	bool no_name, no_alpn; /* the server took offence */
	bool has_planned_singles, has_planned_groups, has_planned_fallback;
	unsigned early_in_row, ranked;
	uint32_t early_known; /* asks up to this one count as one loss */
	uint32_t given_up;
	unsigned
		losses; /* ends of the connection that were none of an answer, as the next try showed */
	/* TLS 1.3 */
	enum audit_modern modern;
	bool is_modern_last_tried, is_modern_suites_done, is_modern_groups_done,
		is_modern_mixed_refused, are_new_groups_done;
	/* public values of key exchanges, newest last */
	size_t seen_count;
	struct {
		bool is_dh;
		uint16_t group; /* or bits of the prime */
		uint8_t hash[32];
	} seen[AUDIT_SEEN_MAX];
	bool has_flight, has_cbc_flight; /* <= 1.2 with extensions */
	bool has_random_time;
	int32_t last_skew_s;
};

/* enumerate_hello.c: the bytes of a job's next ask. False when it cannot be written. */
bool audit_scan_write(struct audit_scan *s, struct audit_job *j, struct audit_ask *ret);
bool audit_scan_uses_name(const struct audit_scan *s);
/* Groups that no flight has shown, in table order; with_known: the others behind them. */
size_t audit_scan_groups(const struct audit_scan *s, bool with_known, uint16_t *to, size_t cap);
bool audit_scan_knows_group(const struct audit_scan *s, uint16_t group);

/* enumerate_learn.c: what a flight shows beside the answer to what was asked. */
void audit_scan_learn(struct audit_scan *s, const struct audit_job *j, const struct audit_flight *f,
	int64_t now_s);
void audit_scan_learn_group(struct audit_scan *s, uint16_t group);
/* Put down a suite of v; where it was found. False when it is known already, or there is no room. */
bool audit_scan_learn_suite(struct audit_scan *s, enum audit_version v,
	const struct audit_flight *f, struct audit_place place);
size_t audit_scan_index(const struct audit_scan *s, enum audit_version v, uint32_t suite);
void audit_scan_finish_facts(struct audit_scan *s);

/* enumerate_track.c */
void audit_track_start(struct audit_scan *s, enum audit_version v);
void audit_track_present(struct audit_scan *s, enum audit_version v);
void audit_track_accept(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f);
void audit_track_refuse(struct audit_scan *s, struct audit_job *j, bool is_alert, uint8_t code);
/* An ask was dropped again: another form of it, smaller parts, or the end of it. */
void audit_track_drop(struct audit_scan *s, struct audit_job *j);
void audit_track_take(struct audit_scan *s, enum audit_version v, const struct audit_flight *f);
/* Versions that nothing was said about yet, when nothing else is to be done. True when a job was added. */
bool audit_track_more_versions(struct audit_scan *s);
/* Another of its version finds out first which form of a hello is needed. */
bool audit_track_waits(const struct audit_scan *s, const struct audit_job *j);
void audit_track_give_up(struct audit_scan *s, struct audit_job *j);

/* enumerate_modern.c */
void audit_modern_start(struct audit_scan *s);
void audit_modern_accept(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f);
/* What the canary was told. */
void audit_modern_take(struct audit_scan *s, const struct audit_flight *f);
void audit_modern_refuse(struct audit_scan *s, struct audit_job *j);
size_t audit_modern_suites(const struct audit_scan *s, const struct audit_job *j, uint16_t *to);
size_t audit_modern_groups(
	const struct audit_scan *s, struct audit_job *j, uint16_t *to, size_t cap);
bool audit_modern_is_groups(const struct audit_job *j); /* the job for groups alone */
/* What it would ask for is about to be shown for nothing. */
bool audit_modern_waits(const struct audit_scan *s, const struct audit_job *j);
void audit_modern_give_up(struct audit_scan *s, struct audit_job *j);

/* enumerate_order.c */
bool audit_order_plan(struct audit_scan *s); /* true when a job was added */
bool audit_order_is_chacha(uint32_t suite);
/* Was a chosen out of a hello that offered b too? */
bool audit_order_is_before(
	const struct audit_scan *s, const struct audit_place *a, const struct audit_place *b);
/* Whose order counts, as far as is known; asks for it while tracks still run. */
enum audit_answer audit_order_early(struct audit_scan *s, enum audit_version v);
void audit_order_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f);
/* Accepted suites behind the n in to, first one that the server has passed over before. Returns how many. */
size_t audit_order_accepted(
	const struct audit_scan *s, enum audit_version v, uint32_t *to, size_t n);
void audit_order_seen(struct audit_scan *s, enum audit_version v, const uint32_t *offered, size_t n,
	uint32_t chosen);
void audit_order_finish(struct audit_scan *s);

/* enumerate_rank.c: the full order of a version whose lists are closed, where the server has one */
bool audit_rank_plan(struct audit_scan *s, enum audit_version v); /* true when a job was added */
void audit_rank_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f);
bool audit_rank_finish(struct audit_scan *s, enum audit_version v); /* sets ranks; is it proved? */
/* Which is known to be before all others? Its index among the suites. */
bool audit_rank_top(const struct audit_scan *s, enum audit_version v, size_t *ret);

/* enumerate_guess.c */
unsigned audit_guess_key(enum audit_guess g, uint32_t suite); /* those with less come first */
/* The guess that is nearest to what is known; does it agree with that? */
enum audit_guess audit_guess_best(const struct audit_scan *s, enum audit_version v, bool *ret_fits);
/* Suites of a track that the server may well accept. */
size_t audit_guess_rest(const struct audit_scan *s, const struct audit_job *j);
/* Cut a track into what the server probably prefers and what not; one flag a suite. */
void audit_guess_cut(const struct audit_scan *s, const struct audit_job *j, bool *ret_is_late);

/* enumerate_single.c */
bool audit_single_plan(struct audit_scan *s); /* true when a job was added */
bool audit_single_plan_groups(struct audit_scan *s);
bool audit_single_plan_fallback(struct audit_scan *s);
/* Will a single probe, or does one that is under way, tell whose order counts in v? */
bool audit_single_tells_order(const struct audit_scan *s, enum audit_version v);
void audit_single_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f);
void audit_single_verdict(struct audit_scan *s, struct audit_job *j, enum audit_answer answer,
	const struct audit_flight *f);
/* One of them stays without an answer: then all say nothing. */
void audit_single_end_robots(struct audit_scan *s);
/* Accepted suites that this job offers; at most AUDIT_CHUNK_MAX. */
size_t audit_single_suites(const struct audit_scan *s, const struct audit_job *j, uint32_t *to);
/* The newest version up to max with an accepted suite; false: none. */
bool audit_single_newest(
	const struct audit_scan *s, enum audit_version max, enum audit_version *ret);

/* enumerate_loss.c */
void audit_scan_calibrated(struct audit_scan *s, struct audit_job *j, enum audit_drop how);
/* The connection ended so behind our hello, without an answer. */
/* No hello of any kind was answered. how: as the last one ended. */
void audit_scan_unheard(struct audit_scan *s, enum audit_drop how);
enum audit_outcome audit_scan_dropped(
	struct audit_scan *s, struct audit_job *j, enum audit_probe_end end);
/* Refused, if a hello that was accepted before is still answered now. */
void audit_scan_doubt(struct audit_scan *s, struct audit_job *j);
/* It is accepted now: what ended the connections before was no refusal. */
void audit_scan_survived(struct audit_scan *s, const struct audit_job *j);
/* It ended before that. */
enum audit_outcome audit_scan_lost_early(
	struct audit_scan *s, struct audit_job *j, const struct audit_probe_result *r);

/* enumerate.c */
/* A refusal by alert, or by an end of the connection that is known to be one here. */
void audit_scan_refused(struct audit_scan *s, struct audit_job *j, bool is_alert, uint8_t code);
struct audit_job *audit_scan_add(
	struct audit_scan *s, enum audit_purpose purpose, enum audit_version v);
void audit_scan_give_up(struct audit_scan *s, struct audit_job *j);
/* A job is asked in another form or for the next thing: it begins anew. */
void audit_scan_again(struct audit_job *j);
/* Time is short: a track of rare suites is not begun. */
void audit_scan_leave_out(struct audit_scan *s, struct audit_job *j);
void audit_scan_say(struct audit_scan *s, const char *why); /* why a list may be short */
uint8_t audit_scan_job_index(const struct audit_scan *s, const struct audit_job *j);

#endif
