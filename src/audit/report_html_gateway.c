/* One gateway and one domain on the page: a row of the table, and everything behind a fold. */

#include <string.h>

#include "audit/cert.h"
#include "audit/finding_internal.h"
#include "audit/report_html.h"

static void put_pill(FILE *out, enum audit_severity s)
{
	fprintf(out, "<span class=\"pill %s\">%s</span>",
		s == AUDIT_OFF ? "none" : audit_severity_name(s),
		s == AUDIT_OFF ? "no finding" : audit_severity_name(s));
}

static void put_versions(FILE *out, const struct audit_facts *f)
{
	for (int v = AUDIT_VERSION_COUNT - 1; v >= 0; v--)
		if (audit_offers(f, (enum audit_version)v))
			fprintf(out, "<span class=\"tag%s\">%s</span>",
				v <= AUDIT_SSL3 ? " bad" : "",
				audit_version_name((enum audit_version)v));
}

static struct audit_cert_facts leaf_of(const struct audit_facts *f)
{
	struct audit_cert_facts c = { .not_after_s = INT64_MIN };
	if (f->chain_count > 0)
		audit_cert_read(span_of(f->chains[0].certs[0].der, f->chains[0].certs[0].len), &c);
	return c;
}

static void put_row(FILE *out, const struct audit_entry *e, size_t number)
{
	const struct audit_facts *f = e->facts;
	char host[AUDIT_HOST_MAX + 1], sentence[AUDIT_SENTENCE_MAX], date[32];
	struct audit_cert_facts c = leaf_of(f);
	fprintf(out, "<tr><td><a href=\"#g%zu\">", number);
	audit_html_text(out, audit_host_text(&f->target, host));
	fprintf(out, "</a> <span class=\"dim\">port %u</span></td><td>", (unsigned)f->target.port);
	if (audit_end_sentence(f, sentence)[0] != '\0')
		audit_html_text(out, sentence);
	else
		put_versions(out, f);
	fputs("</td><td>", out);
	if (c.is_readable && audit_time_text(c.not_after_s, date)[0] != '\0')
		fprintf(out, "until %.10s", date);
	fputs("</td><td>", out);
	put_pill(out, audit_findings_worst(e->findings));
	fputs("</td></tr>\n", out);
}

void audit_html_table(FILE *out, const struct audit_report *r)
{
	fputs("<h2>Gateways</h2>\n<table><thead><tr><th>Gateway</th><th>Protocols</th>"
	      "<th>Certificate</th><th>Worst</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < r->entry_count; i++)
		put_row(out, &r->entries[i], i);
	fputs("</tbody></table>\n", out);
}

static void put_findings(FILE *out, const struct audit_findings *found)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct audit_finding *f = &found->items[i];
		fputs("<div class=\"finding\"><div>", out);
		put_pill(out, f->severity);
		fputs("</div><div><p><code>", out);
		audit_html_text(out, f->id);
		fputs("</code> ", out);
		audit_html_text(out, f->detail);
		fputs("</p><p class=\"dim\">", out);
		audit_html_text(out, f->advice);
		fputs("</p></div></div>\n", out);
	}
	if (found->count == 0)
		fputs("<p>Nothing to find fault with.</p>\n", out);
}

static void put_suites(FILE *out, const struct audit_facts *f)
{
	for (int v = AUDIT_VERSION_COUNT - 1; v >= 0; v--) {
		const struct audit_protocol *p = &f->protocols[v];
		char name[64];
		if (p->suite_count == 0)
			continue;
		fprintf(out, "<h3>%s, %zu suite%s%s</h3>\n<ul class=\"suites\">\n",
			audit_version_name((enum audit_version)v), p->suite_count,
			p->suite_count == 1 ? "" : "s", p->is_incomplete ? ", incomplete" : "");
		for (size_t i = 0; i < p->suite_count; i++) {
			enum audit_strength s =
				audit_suite_strength((enum audit_version)v, p->suites[i].suite);
			fprintf(out,
				"<li><svg viewBox=\"0 0 1 1\" role=\"img\" aria-label=\"%s\"><rect "
				"class=\"f-%s\" width=\"1\" height=\"1\"/></svg><code>",
				audit_html_strength_words(s), audit_html_strength_class(s));
			audit_html_text(out, audit_suite_text(p->suites[i].suite, name));
			fprintf(out, "</code>%s</li>\n",
				p->suites[i].suite == p->preferred ? " <small>preferred</small>"
								   : "");
		}
		fputs("</ul>\n", out);
	}
}

static void put_fact(FILE *out, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	fprintf(out, "<dt>%s</dt><dd>", name);
	audit_html_text(out, value);
	fputs("</dd>\n", out);
}

static void put_certificate(FILE *out, const struct audit_facts *f)
{
	struct audit_cert_facts c = leaf_of(f);
	char date[32], key[128];
	if (!c.is_readable)
		return;
	fputs("<h3>Certificate</h3>\n<dl>\n", out);
	put_fact(out, "Subject", c.subject);
	put_fact(out, "Issuer", c.issuer);
	put_fact(out, "Valid from", audit_time_text(c.not_before_s, date));
	put_fact(out, "Valid until", audit_time_text(c.not_after_s, date));
	snprintf(key, sizeof(key), "%s, %u bits%s%s", c.key, c.key_bits,
		c.curve[0] != '\0' ? ", " : "", c.curve);
	put_fact(out, "Key", key);
	put_fact(out, "Signature", c.signature);
	put_fact(out, "Serial number", c.serial);
	if (f->verify.is_done)
		put_fact(out, "Chain",
			f->verify.error == 0 ? "leads to a known certifier" : f->verify.text);
	fputs("</dl>\n", out);
}

static void put_groups(FILE *out, const struct audit_facts *f)
{
	if (f->group_count == 0)
		return;
	fputs("<h3>Key exchange groups</h3>\n<p>", out);
	for (size_t i = 0; i < f->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(f->groups[i]);
		if (g != NULL)
			fprintf(out, "<span class=\"tag\">%s</span>", g->name);
		else
			fprintf(out, "<span class=\"tag\">0x%04X</span>", (unsigned)f->groups[i]);
	}
	fputs("</p>\n", out);
}

static void put_end(FILE *out, const struct audit_facts *f)
{
	char sentence[AUDIT_SENTENCE_MAX], words[AUDIT_WORDS_MAX + 16];
	audit_words_text(&f->words, words);
	const char *meaning = audit_refusal_meaning(words);
	if (audit_end_sentence(f, sentence)[0] != '\0') {
		fputs("<p>", out);
		audit_html_text(out, sentence);
		fputs("</p>\n", out);
		if (meaning != NULL)
			fprintf(out, "<p class=\"dim\">Meaning: %s</p>\n", meaning);
	}
	if (f->incomplete[0] != '\0') {
		fputs("<p><strong>Incomplete:</strong> ", out);
		audit_html_text(out, f->incomplete);
		fputs("</p>\n", out);
	}
}

void audit_html_gateway(FILE *out, const struct audit_entry *e, size_t number)
{
	const struct audit_facts *f = e->facts;
	char host[AUDIT_HOST_MAX + 1], address[ADDR_TEXT_MAX];
	fprintf(out, "<details id=\"g%zu\"%s><summary>", number,
		audit_findings_worst(e->findings) >= AUDIT_HIGH ? " open" : "");
	put_pill(out, audit_findings_worst(e->findings));
	audit_html_text(out, audit_host_text(&f->target, host));
	fprintf(out, " <small>port %u, %s, %s", (unsigned)f->target.port,
		audit_starttls_service(f->target.starttls), addr_format(&f->target.addr, address));
	if (f->target.domain[0] != '\0') {
		fputs(", mail of ", out);
		audit_html_text(out, f->target.domain);
	}
	fprintf(out, "</small></summary>\n<div class=\"in\">\n");
	put_end(out, f);
	fputs("<h3>Findings, by profile ", out);
	audit_html_text(out, e->findings->profile);
	fputs("</h3>\n", out);
	put_findings(out, e->findings);
	put_suites(out, f);
	put_groups(out, f);
	put_certificate(out, f);
	fprintf(out, "<p class=\"dim\">%u connections in %u.%u s</p>\n</div></details>\n",
		(unsigned)f->connections, (unsigned)(f->wall_ms / 1000),
		(unsigned)(f->wall_ms / 100 % 10));
}

void audit_html_domain(FILE *out, const struct audit_domain_entry *e)
{
	static const char *const modes[] = { "none", "testing", "enforce", "off", "broken" };
	const struct audit_domain *d = e->domain;
	char mx[AUDIT_HOST_MAX + 16];
	fprintf(out, "<details%s><summary>",
		audit_findings_worst(e->findings) >= AUDIT_MEDIUM ? " open" : "");
	put_pill(out, audit_findings_worst(e->findings));
	audit_html_text(out, d->name);
	fputs("</summary>\n<div class=\"in\">\n<dl>\n", out);
	for (size_t i = 0; i < d->mx_count; i++) {
		snprintf(mx, sizeof(mx), "%u %s", (unsigned)d->mx[i].preference, d->mx[i].host);
		put_fact(out, "MX", mx);
	}
	put_fact(out, "DNSSEC", audit_answer_text(d->is_mx_secure));
	put_fact(out, "MTA-STS", d->sts <= AUDIT_STS_BROKEN ? modes[d->sts] : "broken");
	put_fact(out, "TLS-RPT", d->tls_rpt);
	for (size_t i = 0; i < d->caa_count; i++)
		put_fact(out, "CAA", d->caa[i].value);
	fputs("</dl>\n", out);
	put_findings(out, e->findings);
	fputs("</div></details>\n", out);
}
