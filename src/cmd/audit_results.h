#ifndef POSTERN_CMD_AUDIT_RESULTS_H
#define POSTERN_CMD_AUDIT_RESULTS_H

/* What came out of an audit, kept until it is written down, in the order of what was asked for. */

#include "audit/cert.h"
#include "audit/report.h"
#include "cmd/audit_args.h"

/* One target: what DNS says of it, and its facts when it was looked at. */
struct audit_kept {
	size_t order;               /* of its input */
	struct audit_target target; /* as it was added */
	struct audit_dane *dane;    /* owned; NULL: nothing to say */
	struct audit_facts *facts;  /* owned; NULL: not yet */
	struct audit_findings *findings;
};

struct audit_results {
	const struct audit_args *args;
	struct audit_anchors *anchors;
	struct audit_profile *mail, *web; /* the same when one was named */
	size_t count, cap;
	struct audit_kept *kept;
	size_t domain_count, domain_cap;
	struct audit_domain **domains; /* owned */
	struct audit_findings **domain_findings;
	size_t unresolved; /* inputs that came to nothing */
	bool is_incomplete;
	bool is_short; /* memory: something is missing */
};

/* 0, or -1 after saying what is wrong. Deinit whatever it returns. */
__attribute__((warn_unused_result)) int audit_results_init(
	struct audit_results *r, const struct audit_args *args);
void audit_results_deinit(struct audit_results *r);

/* What an input came to. False without memory. */
bool audit_results_resolved(struct audit_results *r, size_t order, const struct audit_resolved *in);

/* One gateway is done; f is taken. With --jsonl it is written at once. */
void audit_results_gateway(struct audit_results *r, struct audit_facts *f);

/* Write everything. Returns an exit code. */
int audit_results_write(struct audit_results *r);

#endif
