#ifndef POSTERN_AUDIT_DOMAIN_H
#define POSTERN_AUDIT_DOMAIN_H

/* What the user wrote to targets, and what DNS and HTTPS say of a mail domain: MX, TLSA, MTA-STS, TLS-RPT, CAA. */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "audit/facts.h"
#include "base/span.h"

enum audit_input_kind {
	AUDIT_INPUT_MAIL, /* a domain by an address a@b: its gateways on port 25 */
	AUDIT_INPUT_HOST, /* a bare name: its gateways when it has MX records, else itself on 443 */
	AUDIT_INPUT_SERVICE, /* host and port, or a URL: that service alone */
};

struct audit_input {
	enum audit_input_kind kind;
	char given[AUDIT_HOST_MAX + 16];
	char host[AUDIT_HOST_MAX + 1]; /* or domain, lower case, A-labels */
	bool is_address;
	struct addr addr;
	uint16_t port; /* 0: the usual one */
	enum audit_starttls starttls;
};

/* False with one sentence in why. Pure. */
bool audit_input_parse(const char *text, struct audit_input *ret, char why[256]);

struct audit_input_calls {
	void (*input)(void *arg, const struct audit_input *in);
	void (*wrong)(void *arg, const char *why); /* "path:3: b!d: a name is of ..." */
	void *arg;
};

/* A list: one target a line; empty lines, and what is behind a #, do not count. Returns how many were wrong. */
size_t audit_input_list(const char *path, struct span text, const struct audit_input_calls *calls);

struct audit_domain_options {
	const char *resolver; /* address[:port]; NULL: as the system says */
	bool is_v4_only, is_v6_only;
	bool has_policy;    /* ask for MTA-STS, TLS-RPT, CAA, TLSA as well */
	const char *sts_ca; /* file of certifiers for the policy's server; NULL: the system's */
	uint32_t
		timeout_ms; /* of a question's first try; default 3000. A second takes twice that */
	uint32_t policy_timeout_ms; /* of the fetch of a policy; default 30000 */
};

struct audit_resolver;
struct audit_resolver *audit_resolver_new(
	uv_loop_t *loop, const struct audit_domain_options *o, char why[256]);

/* Whatever is still asked is given up without a call. The loop must run once more to close its handles. */
void audit_resolver_free(struct audit_resolver *r);

/* Why DNSSEC states are not known, for everything asked: the resolver is not to be believed. NULL: they are. */
const char *audit_resolver_doubt(const struct audit_resolver *r);

/*
 * Resolve one input. domain is NULL for a service and for a bare host that no mail goes to (no MX, or a null
 * MX), which is then taken as a server on port 443. Targets: one for each address, with DANE facts apart in
 * dane[] (same index). Borrowed for the call. error: a sentence, why there may be no target; NULL: none. A
 * domain with a null MX has neither targets nor error.
 */
struct audit_resolved {
	const struct audit_input *input;
	const struct audit_domain *domain;
	size_t target_count;
	const struct audit_target *targets;
	const struct audit_dane *dane;
	const char *error;
};
typedef void audit_resolved_fn(void *arg, const struct audit_resolved *r);

/* fn is called once, later. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int audit_resolve(struct audit_resolver *r,
	const struct audit_input *input, audit_resolved_fn *fn, void *arg);

/* RFC 8461 3.2: the text of a policy into mode, patterns and age of d. False with d->sts_text. Pure. */
bool audit_sts_parse(const char *text, size_t len, struct audit_domain *d);
bool audit_sts_matches(const char *pattern, const char *host);

#endif
