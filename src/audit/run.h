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
	uint32_t deadline_s;      /* from audit_run_new on; audit_run_defaults: 60; 0: none */
	uint32_t sockets_max;     /* 0: 500 */
	uint32_t concurrency_max; /* to one address and port; 0: 8 */
	uint32_t rate;       /* new connections a second to one address and port; 0: no limit */
	uint32_t rate_total; /* and to all; 0: no limit */
	bool is_polite;      /* fewer at a time, and QUIT */
	bool has_probes;     /* audit_run_defaults: true */
	bool wants_order;    /* the full order of suites, whatever it costs */
	const char *ehlo;
	struct audit_times times;
};

struct audit_run_options audit_run_defaults(void);

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

/*
 * Before or while it runs. The same address, port, way and name are asked once; a target whose domain differs
 * too is reported with facts of its own, any other such target is left out. Different names at one address
 * and port are asked one after another. 0 or -ENOMEM.
 */
__attribute__((warn_unused_result)) int audit_run_add(
	struct audit_run *r, const struct audit_target *t);

/* No more will be added: end is called when all are done. */
void audit_run_close(struct audit_run *r);

/* Give up what is left: every gateway is reported, those cut short as INCOMPLETE with why. */
void audit_run_stop(struct audit_run *r, const char *why);

/* After end, also from within it. */
void audit_run_free(struct audit_run *r);

#endif
