#ifndef POSTERN_GATE_GATE_H
#define POSTERN_GATE_GATE_H

/*
 * Verdict to one timed nftables element. The rule set (gate/ruleset.nft, doc/design.md "Rule set") is
 * loaded once, by a short-lived child with libnftables; afterwards only set and map elements change, as
 * netlink batches. Every gate and lease has a kernel time-out, so nothing here is needed to close one.
 *
 * The table is owned by this process's netlink socket where the kernel can (flags OWNER and PERSIST,
 * 6.9): it survives `nft flush ruleset` and the death of every process, and the next one adopts it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "config/config.h"

#define GATE_BATCH_MAX 64

enum gate_kind { GATE_ONCE, GATE_WINDOW };
enum gate_verb { GATE_OPEN, GATE_CLOSE, GATE_CUT };

/* One order. OPEN uses every field; CLOSE kind, addr, proto and port; CUT only mark. */
struct gate_order {
	enum gate_verb verb;
	enum gate_kind kind;
	struct addr addr;
	uint8_t proto;
	uint16_t port;
	uint32_t mark;
	uint64_t wait_ms; /* how long the gate stays open; > 0 */
	uint64_t
		lease_ms; /* how long the admitted connection may live; >= wait_ms is the caller's business */
};

struct gate_counts {
	uint64_t opened; /* connections admitted, packets */
	uint64_t dropped;
	uint64_t cut;
};

struct gate;

/*
 * Take over or load the table so that exactly c's services are guarded and c's knock ports are silent.
 * A table of the same version is adopted with every live element; another version is replaced in one
 * transaction (its live elements go: the caller restores them from the store). *ret_is_new says that the
 * table was (re)created. Needs CAP_NET_ADMIN and may fork; call before the sandbox. Returns 0 or -errno with *f: no
 * nftables in the kernel, a feature that is missing (named), a table of another owner.
 */
__attribute__((warn_unused_result)) int gate_new(
	const struct config *c, struct gate **ret, bool *ret_is_new, struct fault *f);

/* Close the socket. The table, its gates and leases stay in the kernel. */
void gate_free(struct gate *g);

/* Apply n (<= GATE_BATCH_MAX) orders, in order, in one transaction where all succeed; when one fails the
 * others are applied one by one. results[i] is 0 or -errno (-ENFILE set full; a CLOSE or CUT of
 * nothing is 0). Returns 0, or -errno when the socket itself failed. */
__attribute__((warn_unused_result)) int gate_apply(
	struct gate *g, const struct gate_order *orders, size_t n, int *results);

__attribute__((warn_unused_result)) int gate_counts(struct gate *g, struct gate_counts *ret);

/* Remove the table: for tests, and for uninstalling by hand. 0 also when there is none. */
__attribute__((warn_unused_result)) int gate_remove(struct fault *f);

#endif
