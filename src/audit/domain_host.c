/*
 * One host in DNS: addresses first, then TLSA records at the name that RFC 7672 2.2 says. Invariant: a list
 * of addresses holds each once, none that cannot be a peer's, and says when it was cut.
 */

#include <stdlib.h>
#include <string.h>

#include "audit/domain_internal.h"

struct audit_host *audit_host_new(struct audit_job *j, const char *name, uint16_t port)
{
	struct audit_host *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->job = j;
	h->port = port;
	snprintf(h->name, sizeof(h->name), "%s", name);
	snprintf(h->base, sizeof(h->base), "%s", name);
	return h;
}

static bool is_peer(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] != 0 && a->b[12] < 224; /* neither "this network" nor multicast */
	return !addr_is_zero(a) && a->b[0] != 0xff;
}

bool audit_address_keep(const struct addr *a, struct addr *list, size_t *count, size_t max)
{
	if (!is_peer(a))
		return true;
	for (size_t i = 0; i < *count; i++)
		if (addr_equal(&list[i], a))
			return true;
	if (*count == max)
		return false;
	list[(*count)++] = *a;
	return true;
}

static void ask_tlsa(struct audit_host *h, const char *base);

static void take_tlsa(struct audit_host *h, const struct audit_dns *d)
{
	struct audit_dane *dane = &h->dane;
	for (size_t i = 0; i < d->count; i++) {
		if (dane->count == AUDIT_TLSA_MAX) {
			audit_say(
				h->error, "%s: more than %d TLSA records", h->name, AUDIT_TLSA_MAX);
			return;
		}
		struct audit_tlsa t;
		if (audit_dns_tlsa(d, i, &t))
			dane->records[dane->count++] = t;
	}
}

static void on_tlsa(void *arg, const struct audit_lookup_reply *r)
{
	struct audit_host *h = arg;
	h->dane.is_asked = true;
	h->dane.is_secure = r->is_secure;
	h->dane.is_failed = r->error != 0;
	if (r->error != 0)
		audit_say(h->error, "%s: its TLSA records: %s", h->name, r->why);
	else
		take_tlsa(h, r->dns);
	/* RFC 7672 2.2.3: at the end of the aliases first, else at the name itself. */
	if (r->error == 0 && h->dane.count == 0 && h->is_base_asked) {
		h->is_base_asked = false;
		ask_tlsa(h, h->name);
	}
	audit_job_release(h->job);
}

static void ask_tlsa(struct audit_host *h, const char *base)
{
	char name[AUDIT_HOST_MAX + 16];
	snprintf(name, sizeof(name), "_%u._tcp.%s", h->port, base);
	if (strlen(name) > AUDIT_HOST_MAX)
		return; /* no such name can be in DNS */
	h->job->pending++;
	audit_lookup_ask(h->job->resolver->lookup, name, AUDIT_DNS_TLSA, on_tlsa, h);
}

/* Secure when all answers are, insecure when one is. */
static enum audit_answer both(const enum audit_answer secure[2])
{
	if (secure[0] == AUDIT_NO || secure[1] == AUDIT_NO)
		return AUDIT_NO;
	return secure[0] == AUDIT_YES && secure[1] == AUDIT_YES ? AUDIT_YES : AUDIT_UNKNOWN;
}

static void take_addresses(struct audit_host *h, const struct audit_dns *d, bool is_v6)
{
	for (size_t i = 0; i < d->count; i++) {
		struct addr a;
		if (!audit_dns_address(d, i, &a))
			continue;
		if (!audit_address_keep(&a, h->addresses, &h->address_count, AUDIT_ADDRESSES_MAX))
			h->is_cut = true;
		*(is_v6 ? &h->has_v6 : &h->has_v4) = true;
	}
	if (d->is_alias) {
		h->is_alias = true;
		snprintf(h->base, sizeof(h->base), "%s", d->name);
	}
}

static void on_addresses(struct audit_host *h, const struct audit_lookup_reply *r, bool is_v6)
{
	h->secure[is_v6] = r->is_secure;
	h->is_v6_failed = h->is_v6_failed || (is_v6 && r->error != 0);
	if (r->error != 0)
		audit_say(h->error, "%s: its %s addresses: %s", h->name, is_v6 ? "IPv6" : "IPv4",
			r->why);
	else
		take_addresses(h, r->dns, is_v6);
	if (--h->pending == 0) {
		h->dane.is_host_secure = both(h->secure);
		if (h->is_cut)
			audit_say(h->error, "%s: more than %d addresses, the rest is left out",
				h->name, AUDIT_ADDRESSES_MAX);
		/* The alias leads to other records only when all of the way is signed. */
		h->is_base_asked = h->is_alias && h->dane.is_host_secure == AUDIT_YES;
		if (h->job->resolver->options.has_policy && h->address_count > 0)
			ask_tlsa(h, h->is_base_asked ? h->base : h->name);
	}
	audit_job_release(h->job);
}

static void on_a(void *arg, const struct audit_lookup_reply *r)
{
	on_addresses(arg, r, false);
}

static void on_aaaa(void *arg, const struct audit_lookup_reply *r)
{
	on_addresses(arg, r, true);
}

void audit_host_ask(struct audit_host *h)
{
	/* Both even when one family alone is to be tried: whether a gateway has IPv6 is a fact of it. */
	h->pending = 2;
	h->job->pending += 2;
	audit_lookup_ask(h->job->resolver->lookup, h->name, AUDIT_DNS_A, on_a, h);
	audit_lookup_ask(h->job->resolver->lookup, h->name, AUDIT_DNS_AAAA, on_aaaa, h);
}
