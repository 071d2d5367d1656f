/* One gateway on the page: a row of the table, and everything behind a fold. */

#include <string.h>

#include "audit/cert.h"
#include "audit/finding_internal.h"
#include "audit/report_html.h"

#define DAY_S 86400
#define SHORT 12 /* suites */

static void put_versions(FILE *out, const struct audit_facts *f)
{
	for (int v = AUDIT_VERSION_COUNT - 1; v >= 0; v--)
		if (audit_offers(f, (enum audit_version)v))
			audit_html_tag(out,
				v <= AUDIT_SSL3           ? AUDIT_HTML_BAD
					: v < AUDIT_TLS12 ? AUDIT_HTML_OLD
							  : AUDIT_HTML_PLAIN,
				audit_version_name((enum audit_version)v));
}

static struct audit_cert_facts leaf_of(const struct audit_facts *f)
{
	struct audit_cert_facts c = { .not_after_s = INT64_MIN };
	if (f->chain_count > 0)
		audit_cert_read(span_of(f->chains[0].certs[0].der, f->chains[0].certs[0].len), &c);
	return c;
}

/* How long a certificate is still good, by the report's clock. */
static void put_left(FILE *out, int64_t not_after_s, int64_t at_s)
{
	if (at_s == INT64_MIN)
		return;
	int64_t days = (not_after_s - at_s) / DAY_S;
	if (not_after_s < at_s)
		audit_html_tag(out, AUDIT_HTML_BAD, "expired");
	else
		fprintf(out, "<span class=\"dim\">%lld day%s left</span>", (long long)days,
			days == 1 ? "" : "s");
}

static void put_facts(FILE *out, const struct audit_report *r, const struct audit_facts *f)
{
	struct audit_cert_facts c = leaf_of(f);
	char date[32];
	fputs("<td>", out);
	put_versions(out, f);
	if (f->incomplete[0] != '\0')
		audit_html_tag(out, AUDIT_HTML_OLD, "incomplete");
	fputs("</td><td>", out);
	if (c.is_readable && audit_time_text(c.not_after_s, date)[0] != '\0') {
		fprintf(out, "until %.10s ", date);
		put_left(out, c.not_after_s, r->at_s);
	}
}

static void put_row(FILE *out, const struct audit_report *r, size_t number)
{
	const struct audit_entry *e = &r->entries[number];
	const struct audit_facts *f = e->facts;
	char host[AUDIT_HOST_MAX + 1], sentence[AUDIT_SENTENCE_MAX];
	fprintf(out, "<tr><td><a href=\"#g%zu\">", number);
	audit_html_text(out, audit_host_text(&f->target, host));
	fprintf(out, "</a> <span class=\"dim\">port %u</span></td>", (unsigned)f->target.port);
	if (audit_end_sentence(f, sentence)[0] != '\0') {
		fputs("<td colspan=\"2\">", out);
		audit_html_text(out, sentence);
	} else {
		put_facts(out, r, f);
	}
	fputs("</td><td>", out);
	audit_html_pill(out, audit_findings_worst(e->findings));
	fputs("</td></tr>\n", out);
}

void audit_html_table(FILE *out, const struct audit_report *r)
{
	fputs("<h2>Gateways</h2>\n<table><thead><tr><th>Gateway</th><th>Protocols</th>"
	      "<th>Certificate</th><th>Worst</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < r->entry_count; i++)
		put_row(out, r, i);
	fputs("</tbody></table>\n", out);
}

static void put_suite(FILE *out, enum audit_version v, uint32_t suite, bool is_preferred)
{
	const struct audit_suite *known = audit_suite_by_id(suite);
	enum audit_strength s = audit_suite_strength(v, suite);
	char name[64];
	fprintf(out,
		"<li><svg viewBox=\"0 0 1 1\" role=\"img\" aria-label=\"%s\"><rect class=\"f-%s\" "
		"width=\"1\" height=\"1\"/></svg><code>",
		audit_html_strength_words(s), audit_html_strength_class(s));
	audit_html_text(out, audit_suite_text(suite, name));
	fputs("</code> ", out);
	if (is_preferred)
		audit_html_tag(out, AUDIT_HTML_PLAIN, "preferred");
	if (known != NULL)
		fprintf(out, "<small>%u bits</small>", (unsigned)known->bits);
	fputs("</li>\n", out);
}

static void put_suites(FILE *out, const struct audit_facts *f)
{
	fputs("<div class=\"versions\">\n", out);
	for (int v = AUDIT_VERSION_COUNT - 1; v >= 0; v--) {
		const struct audit_protocol *p = &f->protocols[v];
		if (p->suite_count == 0)
			continue;
		/* A short list is not torn apart by the end of a column. */
		fprintf(out,
			"<section%s><h3>%s <small>%zu suite%s%s</small></h3>\n<ul class=\"suites\">\n",
			p->suite_count <= SHORT ? " class=\"short\"" : "",
			audit_version_name((enum audit_version)v), p->suite_count,
			p->suite_count == 1 ? "" : "s", p->is_incomplete ? ", incomplete" : "");
		for (size_t i = 0; i < p->suite_count; i++)
			put_suite(out, (enum audit_version)v, p->suites[i].suite,
				p->suites[i].suite == p->preferred);
		fputs("</ul></section>\n", out);
	}
	fputs("</div>\n", out);
}

static void put_time(FILE *out, const char *name, int64_t s)
{
	char iso[32], text[32];
	if (audit_time_text(s, iso)[0] == '\0')
		return;
	snprintf(text, sizeof(text), "%.10s %.5s UTC", iso, iso + 11);
	audit_html_fact(out, name, text);
}

static void put_certificate(FILE *out, const struct audit_facts *f)
{
	struct audit_cert_facts c = leaf_of(f);
	const char *cut = audit_chain_cut_text(f, 0),
		   *more = audit_chain_cut_text(f, f->chain_count);
	char key[128];
	if (!c.is_readable)
		return;
	fputs("<section><h3>Certificate</h3>\n<dl>\n", out);
	audit_html_fact(out, "Subject", c.subject);
	audit_html_fact(out, "Issuer", c.issuer);
	put_time(out, "Valid from", c.not_before_s);
	put_time(out, "Valid until", c.not_after_s);
	snprintf(key, sizeof(key), "%s, %u bits%s%s", c.key, c.key_bits,
		c.curve[0] != '\0' ? ", " : "", c.curve);
	audit_html_fact(out, "Key", key);
	audit_html_fact(out, "Signature", c.signature);
	audit_html_fact(out, "Serial number", c.serial);
	if (f->verify.is_done)
		audit_html_fact(out, "Chain",
			f->verify.error == 0 ? "leads to a known certifier" : f->verify.text);
	if (cut != NULL)
		audit_html_fact(out, "Incomplete", cut);
	if (more != NULL && f->chain_count > 0)
		audit_html_fact(out, "Incomplete", more);
	fputs("</dl></section>\n", out);
}

static void put_groups(FILE *out, const struct audit_facts *f)
{
	char number[16];
	if (f->group_count == 0)
		return;
	fputs("<h3>Key exchange groups</h3>\n<p>", out);
	for (size_t i = 0; i < f->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(f->groups[i]);
		snprintf(number, sizeof(number), "0x%04X", (unsigned)f->groups[i]);
		audit_html_tag(out,
			g != NULL && g->is_post_quantum ? AUDIT_HTML_GOOD : AUDIT_HTML_PLAIN,
			g != NULL ? g->name : number);
	}
	fputs("</p>\n", out);
}

static void put_tlsa(FILE *out, const struct audit_dane *d)
{
	char text[64];
	if (!d->is_asked && d->count == 0)
		return;
	fputs("<h3>TLSA</h3>\n<p>", out);
	if (d->is_failed)
		audit_html_tag(out, AUDIT_HTML_OLD, "could not be looked up");
	else if (d->count == 0)
		audit_html_tag(out, AUDIT_HTML_PLAIN, "none");
	for (size_t i = 0; i < d->count; i++)
		audit_html_tag(out,
			d->records[i].state == AUDIT_TLSA_MATCH              ? AUDIT_HTML_GOOD
				: d->records[i].state == AUDIT_TLSA_MISMATCH ? AUDIT_HTML_BAD
									     : AUDIT_HTML_PLAIN,
			audit_tlsa_text(&d->records[i], text));
	if (d->count > 0 && d->is_secure != AUDIT_YES)
		audit_html_tag(out, AUDIT_HTML_OLD, "not validated");
	fputs("</p>\n", out);
}

/* Single probes: the answer that is wished for is green, the other one is not; what was not asked is left out. */
static void put_probes(FILE *out, const struct audit_probes *p)
{
	const struct {
		const char *name;
		enum audit_answer answer, wished;
		enum audit_html_tone otherwise;
	} rows[] = {
		{ "Heartbleed", p->heartbleed, AUDIT_NO, AUDIT_HTML_BAD },
		{ "early ChangeCipherSpec", p->ccs_injection, AUDIT_NO, AUDIT_HTML_BAD },
		{ "ROBOT", p->robot, AUDIT_NO, AUDIT_HTML_BAD },
		{ "injected commands", p->starttls_injection, AUDIT_NO, AUDIT_HTML_BAD },
		{ "compression", p->compression, AUDIT_NO, AUDIT_HTML_BAD },
		{ "secure renegotiation", p->secure_renegotiation, AUDIT_YES, AUDIT_HTML_OLD },
		{ "downgrade signal", p->fallback_scsv, AUDIT_YES, AUDIT_HTML_OLD },
		{ "extended master secret", p->extended_master_secret, AUDIT_YES, AUDIT_HTML_OLD },
		{ "unknown values ignored", p->grease, AUDIT_YES, AUDIT_HTML_OLD },
	};
	bool is_begun = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64];
		if (rows[i].answer == AUDIT_UNKNOWN)
			continue;
		fputs(is_begun ? "" : "<h3>Probes</h3>\n<p>", out);
		is_begun = true;
		snprintf(text, sizeof(text), "%s: %s", rows[i].name,
			audit_answer_text(rows[i].answer));
		audit_html_tag(out,
			rows[i].answer == rows[i].wished ? AUDIT_HTML_GOOD : rows[i].otherwise,
			text);
	}
	fputs(is_begun ? "</p>\n" : "", out);
}

static void put_end(FILE *out, const struct audit_facts *f)
{
	char sentence[AUDIT_SENTENCE_MAX], words[AUDIT_WORDS_MAX + 16];
	audit_words_text(&f->words, words);
	const char *meaning = audit_refusal_meaning(words);
	if (audit_end_sentence(f, sentence)[0] != '\0') {
		fputs("<p class=\"end\">", out);
		audit_html_text(out, sentence);
		fputs("</p>\n", out);
		if (meaning != NULL)
			fprintf(out, "<p class=\"dim\">Meaning: %s</p>\n", meaning);
	}
	if (f->incomplete[0] != '\0') {
		fputs("<p class=\"end\"><strong>Incomplete:</strong> ", out);
		audit_html_text(out, f->incomplete);
		fputs("</p>\n", out);
	}
}

static void put_place(FILE *out, const struct audit_target *t)
{
	char address[ADDR_TEXT_MAX], host[AUDIT_HOST_MAX + 1];
	audit_html_text(out, audit_host_text(t, host));
	fprintf(out, " <small>port %u, %s, %s", (unsigned)t->port,
		audit_starttls_service(t->starttls), addr_format(&t->addr, address));
	if (t->domain[0] != '\0') {
		fputs(", mail of ", out);
		audit_html_text(out, t->domain);
	}
	fputs("</small>", out);
}

void audit_html_gateway(FILE *out, const struct audit_entry *e, size_t number)
{
	const struct audit_facts *f = e->facts;
	enum audit_severity worst = audit_findings_worst(e->findings);
	audit_html_open(out, worst, worst >= AUDIT_HIGH);
	put_place(out, &f->target);
	audit_html_head_end(out, worst);
	/* Within the fold, so that a link there opens it. */
	fprintf(out, "\n<div class=\"in\" id=\"g%zu\">\n", number);
	put_end(out, f);
	fputs("<h3>Findings <small>by profile ", out);
	audit_html_text(out, e->findings->profile);
	fputs("</small></h3>\n", out);
	audit_html_findings(out, e->findings);
	put_suites(out, f);
	fputs("<div class=\"sides\">\n", out);
	put_certificate(out, f);
	fputs("<section>\n", out);
	put_groups(out, f);
	put_tlsa(out, &f->dane);
	put_probes(out, &f->probes);
	fprintf(out,
		"</section></div>\n<p class=\"foot\">%u connections in %u.%u s</p>\n</div></details>\n",
		(unsigned)f->connections, (unsigned)(f->wall_ms / 1000),
		(unsigned)(f->wall_ms / 100 % 10));
}
