#ifndef POSTERN_AUDIT_RUN_H
#define POSTERN_AUDIT_RUN_H

/*
 * Many gateways in one loop: a canary for each, then as many connections as it bears, a cap over all, a
 * deadline. Gentle: slows down at the first sign of a limit and never comes back faster than it was let.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "audit/facts.h"
#include "audit/probe.h"

struct audit_run_options {
	uint32_t deadline_s;      /* default 60; 0: none */
	uint32_t sockets_max;     /* default 500 */
	uint32_t concurrency_max; /* for one address; default 8 */
	uint32_t rate;            /* new connections a second to one address; 0: no limit */
	bool is_polite;           /* fewer at a time, and QUIT */
	bool has_probes;          /* default true */
	const char *ehlo;
	struct audit_times times;
};

struct audit_progress {
	size_t targets, done, running;
	uint64_t connections;
	uint32_t left_s; /* a guess; UINT32_MAX: none */
};

struct audit_run;

/* Called once a target, in the order in which they end; the facts are the callee's to free. */
typedef void audit_run_gateway(void *arg, struct audit_facts *f);
typedef void audit_run_progress(void *arg, const struct audit_progress *p);

struct audit_run_calls {
	audit_run_gateway *gateway;
	audit_run_progress *progress; /* a few times a second; may be NULL */
	void (*end)(void *arg);       /* all are done */
	void *arg;
};

struct audit_run *audit_run_new(
	uv_loop_t *loop, const struct audit_run_options *o, const struct audit_run_calls *calls);

/* Before or while it runs. The same address, port and name twice is one. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int audit_run_add(
	struct audit_run *r, const struct audit_target *t);

/* No more will be added: end is called when all are done. */
void audit_run_close(struct audit_run *r);

/* Give up what is left: every gateway is reported, those cut short as INCOMPLETE with why. */
void audit_run_stop(struct audit_run *r, const char *why);

void audit_run_free(struct audit_run *r); /* after end */

#endif
