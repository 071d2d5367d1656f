#ifndef POSTERN_GATE_GATE_H
#define POSTERN_GATE_GATE_H

/*
 * Verdict to one timed nftables element. The rule set (gate/ruleset.c, doc/design.md "Rule set") is
 * loaded once, by a short-lived child with libnftables; afterwards only set and map elements change, as
 * netlink batches. Every gate and lease has a kernel time-out, so nothing here is needed to close one.
 *
 * The table is owned by this process's netlink socket where the kernel can (flags OWNER and PERSIST,
 * 6.9): then `nft flush ruleset` passes it by and nobody else changes it. It survives the death of every
 * process, and the next one adopts it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "config/config.h"

#define GATE_BATCH_MAX 64

#define GATE_LEASE_NONE UINT64_MAX
#define GATE_TIMES_MAX 1000

/* For one connection; for any number while the gate is open; for a number of them. As enum config_open. */
enum gate_kind { GATE_ONCE, GATE_WINDOW, GATE_TIMES };
enum gate_verb { GATE_OPEN, GATE_CLOSE, GATE_CUT, GATE_LEASE };

/*
 * One order. OPEN uses every field; CLOSE addr, bits, source_port, proto and port; CUT only mark; LEASE
 * mark and lease_ms: how long connections with that mark may go on, without a gate for new ones. That is
 * what a gate which was used needs when it is restored.
 *
 * A gate belongs to a service as a whole, which is known by its protocol and first port. It is open to one
 * host, to one host and source port, or, a window only, to a network: there are maps for those prefix
 * lengths alone that a service of the configuration allows (-ENOENT for another).
 */
struct gate_order {
	enum gate_verb verb;
	enum gate_kind kind;
	uint16_t times; /* GATE_TIMES: 2..GATE_TIMES_MAX */
	struct addr addr;
	uint8_t bits;         /* of addr, over the 16-byte form; 0 as 128: one host */
	uint16_t source_port; /* 0: any */
	uint8_t proto;
	uint16_t port;    /* the service's first */
	uint32_t mark;    /* not 0 */
	uint64_t wait_ms; /* how long the gate stays open; > 0 */
	uint64_t
		lease_ms; /* how long the admitted connection may live; > 0, >= wait_ms is the caller's;
			   * GATE_LEASE_NONE: until it ends */
};

/*
 * What the rule set sends to the log group: the first packet of each connection that a gate lets in, without a
 * prefix; and when the end of a lease, or a CUT, stops a connection, one packet of it, with a prefix and, as
 * its mark, that of the order: at least once for a mark and at most once a minute. ARRIVING: the packet is the
 * guest's, LEAVING: it is for the guest. Of datagrams that nobody ever answered nothing is told.
 */
#define GATE_CUT_ARRIVING "postern-cut-in"
#define GATE_CUT_LEAVING "postern-cut-out"

struct gate_counts {
	uint64_t opened; /* connections admitted, packets */
	uint64_t dropped;
	uint64_t cut;
};

struct gate;

/*
 * Take over or load the table so that exactly c's services are guarded and c's knock ports are silent.
 * A table of the same version (rules, log group, prefix lengths) is adopted with every live element;
 * another version is replaced, and its live elements go: *ret_is_new says that the caller is to restore them from the store and then to call
 * gate_settle(). Until that, and for ten seconds at most, everything to and from the guarded ports is
 * silently dropped (table inet postern-swap), so that nobody gets in and nobody is cut meanwhile.
 *
 * Needs CAP_NET_ADMIN and forks; call before the sandbox. What a service guards is guarded for new
 * connections: one that was established before, and never had a mark, goes on.
 *
 * Returns 0 or -errno with *f: no nftables in the kernel, a feature that is missing (named), -EPERM for
 * want of the capability or because another living process owns the table.
 */
__attribute__((warn_unused_result)) int gate_new(
	const struct config *c, struct gate **ret, bool *ret_is_new, struct fault *f);

/*
 * The same after somebody took the table away or changed it: whatever is there now is not believed and is
 * replaced, so it is always new.
 */
__attribute__((warn_unused_result)) int gate_new_anew(
	const struct config *c, struct gate **ret, struct fault *f);

/* After *ret_is_new, when what was live is restored: let traffic through again. Harmless otherwise. */
__attribute__((warn_unused_result)) int gate_settle(struct gate *g);

/*
 * Let c's rescuers in whenever the port of the rescue has not been kept alive for its time (c->rescue;
 * without one nobody is). was_well: postern was well a moment ago, so the port counts as kept alive now;
 * so it does in a table that gate_new has made. Else what is left of its time goes on. 0 or -errno.
 */
__attribute__((warn_unused_result)) int gate_rescue(
	struct gate *g, const struct config *c, bool was_well);

/* The rescuers stay out for c->rescue.after_s from now on. 0 or -errno. */
__attribute__((warn_unused_result)) int gate_keep_alive(struct gate *g, const struct config *c);

/*
 * Whoever may change nftables can take a table away that no living process owns, or change it. The
 * descriptor becomes readable when somebody changed any table; gate_watch_read takes all that waits there
 * and says whether it was ours. Never blocks.
 */
int gate_watch_fd(const struct gate *g);
bool gate_watch_read(struct gate *g, const struct config *c);

/*
 * Is the table still ours and whole? Where nobody owns it, guarded ports that somebody removed from it are
 * put back. *ret_is_lost: only gate_new_anew in another process can mend it. 0 or -errno.
 */
__attribute__((warn_unused_result)) int gate_check(
	struct gate *g, const struct config *c, bool *ret_is_lost);

/* False on a kernel before 6.9: there `nft flush ruleset` takes the table away and opens the ports. */
bool gate_is_owned(const struct gate *g);

/* Close the socket. The table, its gates and leases stay in the kernel. */
void gate_free(struct gate *g);

/*
 * Apply n (<= GATE_BATCH_MAX) orders, in order, in one transaction where all succeed; when one fails the
 * others are applied one by one. To give an order again is harmless, and an OPEN then counts its times
 * anew. An OPEN for a source, protocol and port that has a gate replaces it, also one of another kind.
 *
 * results[i] is 0 or -errno (-ENFILE set full, -EINVAL no such order; a CLOSE or CUT of nothing is 0).
 * Returns 0, or -errno when the socket itself failed. Times under 20 ms are taken as 20.
 */
__attribute__((warn_unused_result)) int gate_apply(
	struct gate *g, const struct gate_order *orders, size_t n, int *results);

/* Is there a lease without an end with this mark, so that its connection may still be there? 0, -ENOENT for no,
 * or -errno. */
__attribute__((warn_unused_result)) int gate_is_kept(struct gate *g, uint32_t mark);

/* Packets since the table was made. */
__attribute__((warn_unused_result)) int gate_counts(struct gate *g, struct gate_counts *ret);

/* What stands in the kernel, for posternctl doctor: looking changes nothing. */
struct gate_look {
	bool is_there;
	bool is_current; /* the rule set is the one this program would load */
	bool is_owned;   /* a living process owns it */
	bool is_lasting; /* it stays when that process dies */
	bool is_covered; /* a cover is there as well: its maker died half way, or works on it now */
	bool can_persist; /* the kernel knows tables that a flush passes by (6.9) */
};
/* c may be NULL: then every rule set counts as current. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int gate_look(
	const struct config *c, struct gate_look *ret, struct fault *f);

/* Can the kernel do this? Commands (a table inet postern-trial is made before them) that it checks and
 * does not carry out. 0 yes, or -errno with *f. */
__attribute__((warn_unused_result)) int gate_look_try(const char *commands, struct fault *f);

/* Every rule set of the machine as libnftables writes it in JSON, sets without their elements. *ret is
 * malloc'd and the caller's. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int gate_look_rules(char **ret, struct fault *f);

/* Remove the table: for uninstalling, and for a first trial that nobody confirmed. 0 also when there is none. */
__attribute__((warn_unused_result)) int gate_remove(struct fault *f);

#endif
