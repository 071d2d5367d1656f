/*
 * What a mail domain promises beside its MX records: MTA-STS (RFC 8461), TLS-RPT (RFC 8460), CAA (RFC 8659).
 * Invariant: a promise that cannot be read is said to be broken, and one that could not be looked up is said to be
 * that; never to be absent.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/dialogue.h"
#include "audit/domain_internal.h"
#include "audit/sts.h"

#define TXT_LEN_MAX 2048
#define STS_VERSION "v=STSv1"
#define RPT_VERSION "v=TLSRPTv1"

__attribute__((format(printf, 2, 3))) static void break_sts(
	struct audit_domain *d, const char *fmt, ...)
{
	va_list ap;
	char text[AUDIT_WORDS_MAX + 1];
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->sts = AUDIT_STS_BROKEN;
	audit_quote(span_of(text, strlen(text)), d->sts_text, sizeof(d->sts_text));
}

static void on_policy(void *arg, const struct audit_fetch_reply *r)
{
	struct audit_job *j = arg;
	struct audit_domain *d = &j->domain;
	char why[AUDIT_WORDS_MAX + 1];
	if (r->why != NULL) {
		break_sts(d, "the policy of https://%s: %s", j->sts_host, r->why);
	} else if (!audit_sts_parse((const char *)r->body.data, r->body.len, d)) {
		memcpy(why, d->sts_text, sizeof(why));
		break_sts(d, "the policy of https://%s: %.240s", j->sts_host, why);
	}
	audit_job_release(j);
}

static void fetch(struct audit_job *j)
{
	if (j->sts_address_count == 0) {
		if (j->domain.sts != AUDIT_STS_BROKEN)
			break_sts(&j->domain, "%s, which should serve the policy, has no address",
				j->sts_host);
		return;
	}
	char why[256];
	j->pending++;
	if (audit_fetch_policy(j->resolver->fetch, j->sts_host, j->sts_addresses,
		    j->sts_address_count, on_policy, j, why) != 0) {
		break_sts(&j->domain, "%s", why);
		audit_job_release(j);
	}
}

static void on_sts_address(void *arg, const struct audit_lookup_reply *r)
{
	struct audit_job *j = arg;
	if (r->error != 0)
		break_sts(&j->domain, "%s, which should serve the policy: %s", j->sts_host, r->why);
	for (size_t i = 0; r->error == 0 && i < r->dns->count; i++) {
		struct addr a;
		if (audit_dns_address(r->dns, i, &a))
			audit_address_keep(&a, j->sts_addresses, &j->sts_address_count,
				AUDIT_FETCH_ADDRESSES_MAX);
	}
	if (--j->sts_pending == 0)
		fetch(j);
	audit_job_release(j);
}

/* Ask below the domain; false when that would be no name. */
static bool ask_below(struct audit_job *j, const char *label, enum audit_dns_type type,
	audit_lookup_fn *fn, char name[AUDIT_HOST_MAX + 1])
{
	int n = snprintf(name, AUDIT_HOST_MAX + 1, "%s.%s", label, j->domain.name);
	if (n > AUDIT_HOST_MAX)
		return false;
	j->pending++;
	audit_lookup_ask(j->resolver->lookup, name, type, fn, j);
	return true;
}

/* Records that begin so, and the last of them. RFC 8461 3.1, RFC 8460 3: others are left aside, one must stay. */
static size_t pick(
	const struct audit_dns *d, const char *version, char to[TXT_LEN_MAX], struct span *ret)
{
	char text[TXT_LEN_MAX];
	size_t found = 0, len = 0;
	for (size_t i = 0; i < d->count; i++) {
		if (!audit_dns_txt(d, i, text, sizeof(text), &len) || len < strlen(version) ||
			memcmp(text, version, strlen(version)) != 0)
			continue;
		found++;
		memcpy(to, text, len);
		*ret = span_of(to, len);
	}
	return found;
}

static void ask_sts_addresses(struct audit_job *j)
{
	audit_lookup_fn *fn = on_sts_address;
	j->sts_pending = 2;
	if (ask_below(j, "mta-sts", AUDIT_DNS_A, fn, j->sts_host))
		(void)ask_below(j, "mta-sts", AUDIT_DNS_AAAA, fn, j->sts_host);
}

static void on_sts_record(void *arg, const struct audit_lookup_reply *r)
{
	struct audit_job *j = arg;
	struct audit_domain *d = &j->domain;
	char text[TXT_LEN_MAX];
	struct span txt = { 0 };
	size_t found = r->error == 0 ? pick(r->dns, STS_VERSION, text, &txt) : 0;
	d->sts_look = r->error != 0 ? AUDIT_LOOK_FAILED : AUDIT_LOOK_DONE;
	if (r->error != 0)
		audit_say(d->text, "the TXT records of _mta-sts.%s: %s", d->name, r->why);
	else if (found > 1)
		break_sts(d, "there are %zu TXT records for MTA-STS at _mta-sts.%s, one may be",
			found, d->name);
	else if (found == 1 && !audit_sts_record(txt, d->sts_id))
		break_sts(d,
			"the TXT record of _mta-sts.%s has no id of 1 to 32 letters and digits",
			d->name);
	else if (found == 1)
		ask_sts_addresses(j);
	audit_job_release(j);
}

static void on_rpt_record(void *arg, const struct audit_lookup_reply *r)
{
	struct audit_job *j = arg;
	struct audit_domain *d = &j->domain;
	char text[TXT_LEN_MAX];
	struct span txt = { 0 };
	size_t found = r->error == 0 ? pick(r->dns, RPT_VERSION, text, &txt) : 0;
	bool is_usable = found == 0 || (found == 1 && audit_tls_rpt_record(txt, d->tls_rpt));
	d->tls_rpt_look = r->error != 0 ? AUDIT_LOOK_FAILED
		: is_usable             ? AUDIT_LOOK_DONE
					: AUDIT_LOOK_BROKEN;
	if (r->error != 0)
		audit_say(d->text, "the TXT records of _smtp._tls.%s: %s", d->name, r->why);
	else if (found > 1)
		audit_say(d->text, "there are %zu TXT records for TLS reports, one may be", found);
	else if (!is_usable)
		audit_say(d->text,
			"the TXT record of _smtp._tls.%s has no rua=mailto: or rua=https:",
			d->name);
	audit_job_release(j);
}

static void take_caa(struct audit_domain *d, const struct audit_dns *dns)
{
	for (size_t i = 0; i < dns->count; i++) {
		if (d->caa_count == AUDIT_CAA_MAX) {
			audit_say(d->text, "more than %d CAA records, the rest is left out",
				AUDIT_CAA_MAX);
			return;
		}
		if (audit_dns_caa(dns, i, &d->caa[d->caa_count].flags, d->caa[d->caa_count].tag,
			    d->caa[d->caa_count].value))
			d->caa_count++;
	}
}

static void on_caa(void *arg, const struct audit_lookup_reply *r)
{
	struct audit_job *j = arg;
	const char *here = j->domain.name + j->climb;
	const char *dot = strchr(here, '.');
	j->domain.caa_look = r->error != 0 ? AUDIT_LOOK_FAILED : AUDIT_LOOK_DONE;
	if (r->error != 0) {
		audit_say(j->domain.text, "the CAA records of %s: %s", here, r->why);
	} else if (r->dns->count > 0) {
		take_caa(&j->domain, r->dns);
	} else if (dot != NULL && dot[1] != '\0') {
		/* RFC 8659 3: those of the next name above, up to the top. */
		j->climb = (size_t)(dot + 1 - j->domain.name);
		j->pending++;
		audit_lookup_ask(j->resolver->lookup, dot + 1, AUDIT_DNS_CAA, on_caa, j);
	}
	audit_job_release(j);
}

void audit_policy_ask(struct audit_job *j)
{
	char name[AUDIT_HOST_MAX + 1];
	(void)ask_below(j, "_mta-sts", AUDIT_DNS_TXT, on_sts_record, name);
	(void)ask_below(j, "_smtp._tls", AUDIT_DNS_TXT, on_rpt_record, name);
	j->climb = 0;
	j->pending++;
	audit_lookup_ask(j->resolver->lookup, j->domain.name, AUDIT_DNS_CAA, on_caa, j);
}

void audit_policy_finish(struct audit_job *j)
{
	struct audit_domain *d = &j->domain;
	if (d->sts != AUDIT_STS_TESTING && d->sts != AUDIT_STS_ENFORCE)
		return;
	for (size_t i = 0; i < d->mx_count; i++) {
		d->mx[i].matches_sts = AUDIT_NO;
		for (size_t k = 0; k < d->sts_mx_count; k++)
			if (audit_sts_matches(d->sts_mx[k], d->mx[i].host))
				d->mx[i].matches_sts = AUDIT_YES;
	}
}
