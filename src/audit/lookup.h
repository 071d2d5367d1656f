#ifndef POSTERN_AUDIT_LOOKUP_H
#define POSTERN_AUDIT_LOOKUP_H

/* Questions to name servers, many in the air at once: c-ares over libuv. audit/dns.h reads the answers. */

#include <stdint.h>
#include <uv.h>

#include "audit/dns.h"
#include "audit/facts.h"

struct audit_lookup_reply {
	int error; /* 0, or of c-ares */
	const char
		*why; /* with an error: what it means, "the name server did not answer in time" */
	const struct audit_dns *dns; /* borrowed for the call; NULL with an error */
	enum audit_answer is_secure; /* by DNSSEC; UNKNOWN when nobody believable says it */
};
typedef void audit_lookup_fn(void *arg, const struct audit_lookup_reply *r);

struct audit_lookup;

/*
 * resolver    "address", "address:port" or "[v6]:port"; NULL: as resolv.conf says
 * timeout_ms  of the first try; there is a second one, twice as long
 */
struct audit_lookup *audit_lookup_new(
	uv_loop_t *loop, const char *resolver, uint32_t timeout_ms, char why[256]);

/* Whatever is still asked is given up without a call. */
void audit_lookup_free(struct audit_lookup *l);

/*
 * Why its word on DNSSEC is not believed; NULL: it is. The AD bit crosses the network unprotected, so it
 * counts from this machine, or from a resolver that the user named.
 */
const char *audit_lookup_doubt(const struct audit_lookup *l);

/* fn is called once, perhaps before this returns. Asks for the name as it is, no search list. */
void audit_lookup_ask(struct audit_lookup *l, const char *host, enum audit_dns_type type,
	audit_lookup_fn *fn, void *arg);

/* Addresses of a name in the hosts file, for a lookup as the system says; at most max. Returns how many. */
size_t audit_lookup_hosts(struct audit_lookup *l, const char *host, struct addr *to, size_t max);

#endif
