/* One domain on the page: its gateways, what it promises, and what of that could not be looked up. */

#include "audit/finding_internal.h"
#include "audit/report_html.h"

static void put_mx(FILE *out, const struct audit_domain *d, const struct audit_mx *mx)
{
	bool has_policy = d->sts == AUDIT_STS_TESTING || d->sts == AUDIT_STS_ENFORCE;
	fprintf(out, "<dt>MX %u</dt><dd>", (unsigned)mx->preference);
	audit_html_text(out, mx->host);
	fputc(' ', out);
	if (mx->has_v4)
		audit_html_tag(out, AUDIT_HTML_PLAIN, "IPv4");
	if (mx->has_v6)
		audit_html_tag(out, AUDIT_HTML_PLAIN, "IPv6");
	if (mx->is_cname)
		audit_html_tag(out, AUDIT_HTML_BAD, "alias");
	if (mx->is_address)
		audit_html_tag(out, AUDIT_HTML_BAD, "address");
	if (has_policy && mx->matches_sts == AUDIT_NO)
		audit_html_tag(out, AUDIT_HTML_BAD, "not in the policy");
	fputs("</dd>\n", out);
}

static void put_gateways(FILE *out, const struct audit_domain *d)
{
	for (size_t i = 0; i < d->mx_count; i++)
		put_mx(out, d, &d->mx[i]);
	if (d->mx_count == 0)
		audit_html_looked(out, "MX", d->mx_look, d->is_null_mx ? "takes no mail" : "none");
	audit_html_fact(out, "DNSSEC", audit_answer_text(d->is_mx_secure));
}

static void put_promises(FILE *out, const struct audit_domain *d)
{
	bool is_known = d->sts == AUDIT_STS_TESTING || d->sts == AUDIT_STS_ENFORCE;
	char mode[64];
	snprintf(mode, sizeof(mode), "%s, for %u days", audit_sts_words(d),
		(unsigned)(d->sts_max_age_s / 86400));
	audit_html_looked(out, "MTA-STS",
		d->sts == AUDIT_STS_BROKEN ? AUDIT_LOOK_BROKEN : d->sts_look,
		is_known ? mode : audit_sts_words(d));
	audit_html_looked(out, "TLS-RPT", d->tls_rpt_look, audit_tls_rpt_words(d));
	for (size_t i = 0; i < d->caa_count; i++) {
		fputs("<dt>CAA</dt><dd>", out);
		audit_html_text(out, d->caa[i].tag);
		fputc(' ', out);
		audit_html_text(out, d->caa[i].value);
		fputs("</dd>\n", out);
	}
	if (d->caa_count == 0)
		audit_html_looked(out, "CAA", d->caa_look, "none");
}

void audit_html_domain(FILE *out, const struct audit_domain_entry *e)
{
	const struct audit_domain *d = e->domain;
	enum audit_severity worst = audit_findings_worst(e->findings);
	audit_html_open(out, worst, worst >= AUDIT_MEDIUM);
	audit_html_text(out, d->name);
	audit_html_head_end(out, worst);
	fputs("<div class=\"in\">\n<dl>\n", out);
	put_gateways(out, d);
	put_promises(out, d);
	fputs("</dl>\n", out);
	audit_html_findings(out, e->findings);
	fputs("</div></details>\n", out);
}
