#ifndef POSTERN_POLICY_POLICY_H
#define POSTERN_POLICY_POLICY_H

/*
 * May they: a claim in, a verdict out. Lists are compiled once from the configuration; the order of
 * entries never matters. The rule is doc/design.md "Access lists":
 *
 *   1 refuse unless authenticated; refuse when locked out, locked, disabled, revoked, expired or superseded,
 *     or when the key check fails
 *   2 for L in service, server, door: a matching deny refuses
 *   3 for L in service, server, door: an allow that is set and does not match refuses
 *   4 a service without an allow list refuses (unless compat-open-lists)
 *   5 grant min(asked, service maximum, remaining life of the identity)
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"
#include "identity/directory.h"

#define POLICY_GROUP_DEPTH_MAX 16

/* Who asks, after the signature was verified. */
struct claim {
	const struct directory_entry *entry; /* NULL: not listed */
	struct name name;
	uint8_t key_id[32];
	bool is_authenticated;
	bool is_locked_out; /* by the administrator (posternctl revoke), whatever the directory says */
	bool is_revoked;    /* a certificate of the chain is on its certifier's list */
	bool lacks_crl;     /* lists are required, and one is missing or too old */
	bool is_not_yet;    /* a certificate of the chain is not valid yet */
	bool is_superseded; /* the line's key-next was used already, and this is the key before it */
	bool is_certified;  /* verified chain, or the entry says certified-equivalent */
	uint64_t not_after_ms; /* of the identity; UINT64_MAX: no end */
	/* what for */
	const struct config_service *service; /* NULL: no service has that name or port */
	const struct config_action *action;   /* NULL: no action has that name */
	bool is_action;                       /* it asks for an action, not for a service */
	uint32_t asked_s;                     /* 0: as long as the service gives */
	/* from where */
	uint16_t door;
	struct addr source;   /* address to be opened */
	uint8_t source_bits;  /* of it; 0 as 128: one host. What may come is all of that network */
	uint16_t source_port; /* 0: any */
};

/* In the order in which they are looked at. */
enum policy_reason {
	POLICY_GRANT = 0,
	POLICY_NOT_AUTHENTICATED,
	POLICY_LOCKED,
	POLICY_DISABLED,
	POLICY_REVOKED,
	POLICY_NO_CRL,
	POLICY_NOT_YET,
	POLICY_EXPIRED,
	POLICY_SUPERSEDED, /* an old key, after the first use of the one that follows it */
	POLICY_KEY_CHECK,  /* not in the directory, or with another key, under key-check */
	POLICY_FROM,       /* the entry's from= does not cover the source */
	POLICY_UNKNOWN_SERVICE,
	POLICY_DENY_SERVICE,
	POLICY_DENY_SERVER,
	POLICY_DENY_DOOR,
	POLICY_NOT_ALLOWED_SERVICE,
	POLICY_NOT_ALLOWED_SERVER,
	POLICY_NOT_ALLOWED_DOOR,
	POLICY_NO_LIST, /* the service has no allow list */
	POLICY_REASON_COUNT,
};

const char *policy_reason_name(enum policy_reason r); /* "deny-service", for journal and JSON */
const char *policy_reason_text(enum policy_reason r); /* a clause for people */

struct verdict {
	enum policy_reason reason;
	uint32_t granted_s; /* 0 unless POLICY_GRANT of a service */
	const char *list;  /* "service ssh allow", borrowed from the policy; "" when none decided */
	const char *entry; /* the entry that matched, as written; "" when none did */
	const char *text;  /* a clause for people: policy_reason_text(), or more than that */
};

struct policy;

/*
 * Compile. Unknown group, cycle, depth, malformed wildcard or name: a mistake in r with file and line,
 * and NULL. c and d are borrowed for the life of the policy.
 */
struct policy *policy_new(
	const struct config *c, const struct directory *d, struct config_report *r);
void policy_free(struct policy *p);

/* Pure but for the borrowed tables; allocates nothing. */
struct verdict policy_decide(const struct policy *p, const struct claim *claim, uint64_t wall_ms);

/* The claim's entry when it lists this very name with this very key, or NULL. */
const struct directory_entry *policy_listed(const struct claim *c);

/* The key presented against the directory's. */
enum policy_key_match {
	POLICY_KEY_MATCHES = 0,
	POLICY_KEY_DIFFERS,  /* the directory lists the name with another key */
	POLICY_KEY_UNLISTED, /* it does not list the name */
};
enum policy_key_match policy_key_match(const struct policy *p, const struct claim *c);

/* Does key-check-log ask for a note of it? */
bool policy_key_match_is_logged(const struct policy *p, enum policy_key_match m);
/* When the claim's identity ends, by its certificates or its line in the directory; UINT64_MAX: never. */
uint64_t policy_end_ms(const struct claim *claim);

/*
 * The decision with its reasons: every list that stands in the way of this claim or lets it through, and
 * all that refuses, not only the first of it.
 */
#define POLICY_STEPS 6

struct policy_step {
	const char *list;              /* "door wan deny" */
	bool is_deny, is_set;          /* a list that is not set says nothing */
	bool is_refusing;              /* a deny that matches, an allow that does not */
	const struct config_text *at;  /* the list itself; its text is the option's name */
	const struct config_text *hit; /* the entry that matches, where it stands; NULL: none */
};

struct policy_trace {
	struct verdict verdict; /* as policy_decide gives it */
	uint32_t refusals;      /* one bit, 1 << reason, for each reason to refuse; 0: a grant */
	bool is_listed;         /* the claim's entry lists this very name with this very key */
	size_t step_count;      /* 0 when the service or the door is not there */
	struct policy_step steps[POLICY_STEPS]; /* in the order asked */
};

/* Pure but for the borrowed tables, whose texts *ret borrows; allocates nothing. */
void policy_explain(const struct policy *p, const struct claim *claim, uint64_t wall_ms,
	struct policy_trace *ret);

/*
 * Rates: token buckets in a table of fixed size, keyed by 16 bytes (a source prefix, an identity). A new
 * key takes a random place among few candidates, so a flood of keys cannot starve one that is used.
 */
struct limiter;

/* slots is rounded up to a power of two. rate: tokens a second; burst: tokens at most. seed: 16 random bytes. */
struct limiter *limiter_new(size_t slots, uint32_t rate, uint32_t burst, const uint8_t seed[16]);
void limiter_free(struct limiter *l);

/* Take one token of key at mono_ms. False when there is none. */
bool limiter_take(struct limiter *l, const uint8_t key[16], uint64_t mono_ms);

/* The key of a source: its /32 (IPv4) or /64 (IPv6). */
void limiter_source_key(const struct addr *a, uint8_t key[16]);

#endif
