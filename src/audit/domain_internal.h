#ifndef POSTERN_AUDIT_DOMAIN_INTERNAL_H
#define POSTERN_AUDIT_DOMAIN_INTERNAL_H

/*
 * One input while it is resolved. Every question holds the job by job->pending; when none is left the
 * job is put together and its caller told. The caller's function is never called from within an answer.
 */

#include "audit/domain.h"
#include "audit/fetch.h"
#include "audit/lookup.h"

#define AUDIT_ADDRESSES_MAX 16 /* of one host */

struct audit_job;

/* One host: its addresses and what DANE promises of its port. */
struct audit_host {
	struct audit_job *job;
	char name[AUDIT_HOST_MAX + 1];
	uint16_t port, preference;
	bool is_alias; /* another name, base, has the addresses */
	char base[AUDIT_HOST_MAX + 1];
	bool is_base_asked;          /* for TLSA, rather than the name */
	unsigned pending;            /* questions for addresses */
	enum audit_answer secure[2]; /* of the answers for A and AAAA */
	bool has_v4, has_v6, is_v6_failed, is_cut;
	size_t address_count;
	struct addr addresses[AUDIT_ADDRESSES_MAX];
	struct audit_dane dane;
	char error[AUDIT_WORDS_MAX + 1]; /* why an answer is lacking; "" */
};

struct audit_job {
	struct audit_resolver *resolver;
	struct audit_job *next;
	struct audit_input input;
	audit_resolved_fn *fn;
	void *arg;
	unsigned pending;
	bool is_domain;
	struct audit_domain domain;
	size_t host_count;
	struct audit_host *
		*hosts; /* of a domain: hosts[i] is domain.mx[i], NULL where it is no name */
	char error[AUDIT_WORDS_MAX + 1];
	/* domain_policy.c */
	size_t climb; /* where the name asked for CAA begins */
	size_t sts_address_count;
	unsigned sts_pending;
	struct addr sts_addresses[AUDIT_FETCH_ADDRESSES_MAX];
	char sts_host[AUDIT_HOST_MAX + 1];
};

struct audit_resolver {
	uv_timer_t pump; /* first: what is closed is freed */
	struct audit_domain_options options;
	struct audit_lookup *lookup;
	struct audit_fetch *fetch; /* NULL: policies are not asked for */
	unsigned running;
	struct audit_job *waiting, **waiting_end, *active, *done;
};

/* A question less; the last one ends the job. */
void audit_job_release(struct audit_job *j);

/* The name and its addresses, then TLSA records for the port where policy is asked for. */
struct audit_host *audit_host_new(struct audit_job *j, const char *name, uint16_t port);
void audit_host_ask(struct audit_host *h);

/* Keep an address that can be a peer's; false when it is not kept. */
bool audit_address_keep(const struct addr *a, struct addr *list, size_t *count, size_t max);

/* MTA-STS, TLS-RPT and CAA of j->domain. */
void audit_policy_ask(struct audit_job *j);

/* Once all is known: which MX the policy names. */
void audit_policy_finish(struct audit_job *j);

/* Is it a host's name: letters, digits, '-', '_' and '.'? */
bool audit_is_host_name(const char *name);

/* Add a sentence to a text, behind "; ". What does not fit is left out. */
__attribute__((format(printf, 2, 3))) void audit_say(
	char to[AUDIT_WORDS_MAX + 1], const char *fmt, ...);

#endif
