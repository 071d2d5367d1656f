#ifndef POSTERN_AUDIT_FETCH_H
#define POSTERN_AUDIT_FETCH_H

/* The policy of MTA-STS by HTTPS (RFC 8461 3.3): libcurl in the loop. Certificate and name are verified, no redirect is followed. */

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "audit/facts.h"
#include "base/span.h"

#define AUDIT_FETCH_LEN_MAX 65536
#define AUDIT_FETCH_ADDRESSES_MAX 8

struct audit_fetch_reply {
	const char *
		why; /* NULL: body is the policy's text; else what is wrong. Borrowed for the call */
	struct span body; /* borrowed for the call */
};
typedef void audit_fetch_fn(void *arg, const struct audit_fetch_reply *r);

struct audit_fetch;

/* ca: a file of certifiers, NULL: the system's. timeout_ms: of one whole fetch. NULL without memory. */
struct audit_fetch *audit_fetch_new(uv_loop_t *loop, const char *ca, uint32_t timeout_ms);

/* Whatever is still under way is given up without a call. Not from within fn. */
void audit_fetch_free(struct audit_fetch *f);

/*
 * https://HOST/.well-known/mta-sts.txt from one of these addresses; nothing is resolved here, no proxy is
 * used. fn is called once, from the loop, unless this fails: 0, -ENOMEM or, where libcurl is not to be had,
 * -ENOENT, with one sentence in why.
 */
__attribute__((warn_unused_result)) int audit_fetch_policy(struct audit_fetch *f, const char *host,
	const struct addr *addresses, size_t count, audit_fetch_fn *fn, void *arg, char why[256]);

#endif
