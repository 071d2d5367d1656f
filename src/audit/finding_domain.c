/* What a mail domain promises, and what is wrong with the promises. */

#include "audit/finding_internal.h"

#define DAY_S 86400

static bool has_mail(const struct audit_domain *d)
{
	return !d->is_null_mx && d->mx_count > 0;
}

/* The gateways of which test is true, as far as they fit. */
static bool list(const struct audit_domain *d, char *to, bool (*test)(const struct audit_mx *))
{
	struct audit_list l = { .to = to };
	for (size_t i = 0; i < d->mx_count; i++)
		if (test(&d->mx[i]))
			audit_list_add(&l, d->mx[i].host);
	return audit_list_end(&l);
}

static bool find_dns(const struct audit_domain *d, char *to)
{
	return (d->dns_error != 0 || d->text[0] != '\0') && audit_detail(to, "%.200s", d->text);
}

static bool find_null(const struct audit_domain *d, char *to)
{
	return d->is_null_mx && audit_detail(to, "the domain takes no mail (RFC 7505)");
}

static bool find_implicit(const struct audit_domain *d, char *to)
{
	return d->is_implicit_mx &&
		audit_detail(to, "mail goes to the address of the domain itself");
}

static bool is_cname(const struct audit_mx *mx)
{
	return mx->is_cname;
}

static bool find_cname(const struct audit_domain *d, char *to)
{
	return list(d, to, is_cname);
}

static bool is_address(const struct audit_mx *mx)
{
	return mx->is_address;
}

static bool find_address(const struct audit_domain *d, char *to)
{
	return list(d, to, is_address);
}

static bool find_no_v6(const struct audit_domain *d, char *to)
{
	for (size_t i = 0; i < d->mx_count; i++)
		if (d->mx[i].has_v6 || d->mx[i].is_v6_failed)
			return false;
	return has_mail(d) && audit_detail(to, "no gateway has an IPv6 address");
}

static bool find_unsigned(const struct audit_domain *d, char *to)
{
	return has_mail(d) && d->is_mx_secure == AUDIT_NO &&
		audit_detail(to, "the answer was not validated");
}

static bool find_sts_broken(const struct audit_domain *d, char *to)
{
	return d->sts == AUDIT_STS_BROKEN && audit_detail(to, "%.200s", d->sts_text);
}

static bool find_sts_testing(const struct audit_domain *d, char *to)
{
	return d->sts == AUDIT_STS_TESTING && audit_detail(to, "the mode is testing");
}

static bool find_sts_missing(const struct audit_domain *d, char *to)
{
	return has_mail(d) && d->sts_look == AUDIT_LOOK_DONE && d->sts == AUDIT_STS_NONE &&
		audit_detail(to, "no policy");
}

static bool find_sts_short(const struct audit_domain *d, char *to)
{
	return (d->sts == AUDIT_STS_ENFORCE || d->sts == AUDIT_STS_TESTING) &&
		d->sts_max_age_s < DAY_S &&
		audit_detail(to, "max_age is %u seconds", (unsigned)d->sts_max_age_s);
}

static bool is_not_covered(const struct audit_mx *mx)
{
	return mx->matches_sts == AUDIT_NO;
}

static bool find_sts_mx(const struct audit_domain *d, char *to)
{
	return d->sts == AUDIT_STS_ENFORCE && list(d, to, is_not_covered);
}

static bool find_sts_mx_testing(const struct audit_domain *d, char *to)
{
	return d->sts == AUDIT_STS_TESTING && list(d, to, is_not_covered);
}

static bool find_no_report(const struct audit_domain *d, char *to)
{
	return has_mail(d) && d->tls_rpt_look == AUDIT_LOOK_DONE && d->tls_rpt[0] == '\0' &&
		audit_detail(to, "no record");
}

static bool find_no_caa(const struct audit_domain *d, char *to)
{
	return d->caa_look == AUDIT_LOOK_DONE && d->caa_count == 0 && audit_detail(to, "no record");
}

const struct audit_domain_row audit_domain_rows[] = {
	{ { "dns-trouble", AUDIT_MEDIUM, "See why the name servers do not answer." }, find_dns },
	{ { "mx-null", AUDIT_INFO, "Nothing to do: the domain says that it takes no mail." },
		find_null },
	{ { "mx-implicit", AUDIT_LOW, "Publish an MX record." }, find_implicit },
	{ { "mx-cname", AUDIT_LOW, "Name the host itself in MX, not an alias (RFC 5321 5.1)." },
		find_cname },
	{ { "mx-address", AUDIT_MEDIUM, "Name a host in MX, not an address." }, find_address },
	{ { "mx-no-ipv6", AUDIT_INFO, "Let mail in over IPv6 as well." }, find_no_v6 },
	{ { "mx-not-signed", AUDIT_INFO,
		  "Sign the zone, or ask a resolver that validates: DANE rests on DNSSEC." },
		find_unsigned },
	{ { "sts-broken", AUDIT_MEDIUM, "Mend the policy of MTA-STS (RFC 8461)." },
		find_sts_broken },
	{ { "sts-testing", AUDIT_LOW, "Set the mode to enforce when the reports are clean." },
		find_sts_testing },
	{ { "sts-missing", AUDIT_INFO, "Publish a policy of MTA-STS, or TLSA records." },
		find_sts_missing },
	{ { "sts-short", AUDIT_LOW, "Set max_age to weeks: a short one protects nobody." },
		find_sts_short },
	{ { "sts-mx", AUDIT_HIGH, "List every gateway in the policy: senders refuse the others." },
		find_sts_mx },
	{ { "sts-mx-testing", AUDIT_LOW,
		  "List every gateway in the policy before it is enforced." },
		find_sts_mx_testing },
	{ { "tls-rpt-missing", AUDIT_INFO, "Ask for reports of failed TLS (RFC 8460)." },
		find_no_report },
	{ { "caa-missing", AUDIT_INFO, "Say in CAA which certifiers may sign for the domain." },
		find_no_caa },
};
const size_t audit_domain_row_count = sizeof(audit_domain_rows) / sizeof(audit_domain_rows[0]);
