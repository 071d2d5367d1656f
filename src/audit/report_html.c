/*
 * The report as one HTML page that needs nothing but itself: no script, no font, no picture from elsewhere,
 * which its policy states. Invariant: every text of a stranger goes through audit_html_text.
 */

#include "audit/report_html.h"

#include <string.h>

#include "audit/finding_internal.h"

void audit_html_text(FILE *out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		switch (*c) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			/* Nothing that could turn the direction of writing around. */
			fputc(*c >= ' ' && *c <= '~' ? *c : '?', out);
			break;
		}
	}
}

void audit_html_tag(FILE *out, enum audit_html_tone tone, const char *text)
{
	static const char *const classes[] = { "", " good", " old", " bad" };
	fprintf(out, "<span class=\"tag%s\">", classes[tone]);
	audit_html_text(out, text);
	fputs("</span>", out);
}

void audit_html_pill(FILE *out, enum audit_severity s)
{
	fprintf(out, "<span class=\"pill %s\">%s</span>",
		s == AUDIT_OFF ? "none" : audit_severity_name(s),
		s == AUDIT_OFF ? "no finding" : audit_severity_name(s));
}

void audit_html_fact(FILE *out, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	fprintf(out, "<dt>%s</dt><dd>", name);
	audit_html_text(out, value);
	fputs("</dd>\n", out);
}

void audit_html_looked(FILE *out, const char *name, enum audit_look l, const char *value)
{
	if (l == AUDIT_LOOK_DONE) {
		audit_html_fact(out, name, value);
		return;
	}
	fprintf(out, "<dt>%s</dt><dd>", name);
	audit_html_tag(out, l == AUDIT_LOOK_BROKEN ? AUDIT_HTML_BAD : AUDIT_HTML_OLD,
		audit_look_words(l, value));
	fputs("</dd>\n", out);
}

void audit_html_findings(FILE *out, const struct audit_findings *found)
{
	fputs("<div class=\"findings\">\n", out);
	for (size_t i = 0; i < found->count; i++) {
		const struct audit_finding *f = &found->items[i];
		fputs("<div class=\"finding\"><div>", out);
		audit_html_pill(out, f->severity);
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
	fputs("</div>\n", out);
}

void audit_html_open(FILE *out, enum audit_severity worst, bool is_open)
{
	fprintf(out, "<details class=\"%s\"%s><summary><span>",
		worst == AUDIT_OFF ? "none" : audit_severity_name(worst), is_open ? " open" : "");
}

void audit_html_head_end(FILE *out, enum audit_severity worst)
{
	fputs("</span>", out);
	audit_html_pill(out, worst);
	fputs("</summary>\n", out);
}

static void count(const struct audit_report *r, size_t counts[AUDIT_SEVERITY_COUNT])
{
	memset(counts, 0, AUDIT_SEVERITY_COUNT * sizeof(counts[0]));
	for (size_t i = 0; i < r->entry_count; i++)
		for (size_t k = 0; k < r->entries[i].findings->count; k++)
			counts[r->entries[i].findings->items[k].severity]++;
	for (size_t i = 0; i < r->domain_count; i++)
		for (size_t k = 0; k < r->domains[i].findings->count; k++)
			counts[r->domains[i].findings->items[k].severity]++;
}

static void put_head(FILE *out, const struct audit_report *r)
{
	char date[32];
	fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"color-scheme\" content=\"light dark\">\n"
	      "<meta name=\"referrer\" content=\"no-referrer\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
	      "<title>TLS audit</title>\n<style>\n",
		out);
	for (size_t i = 0; audit_html_style[i] != NULL; i++)
		fputs(audit_html_style[i], out);
	fputs("</style>\n</head>\n<body>\n<main>\n<header>\n<h1>TLS audit</h1>\n<p class=\"sub\">",
		out);
	fprintf(out, "%zu gateway%s", r->entry_count, r->entry_count == 1 ? "" : "s");
	if (r->domain_count > 0)
		fprintf(out, ", %zu domain%s", r->domain_count, r->domain_count == 1 ? "" : "s");
	if (r->profile != NULL) {
		fputs(" &middot; profile ", out);
		audit_html_text(out, r->profile);
	}
	if (audit_time_text(r->at_s, date)[0] != '\0')
		fprintf(out, " &middot; <time datetime=\"%s\">%.10s %.5s UTC</time>", date, date,
			date + 11);
	fputs("</p>\n</header>\n", out);
	if (r->is_incomplete)
		fputs("<p class=\"note\"><strong>Incomplete.</strong> The audit was stopped before its end.</p>\n",
			out);
	if (r->note != NULL && r->note[0] != '\0') {
		fputs("<p class=\"note\">", out);
		audit_html_text(out, r->note);
		fputs("</p>\n", out);
	}
}

static void put_tiles(FILE *out, const struct audit_report *r)
{
	size_t counts[AUDIT_SEVERITY_COUNT];
	count(r, counts);
	fputs("<ul class=\"tiles\" aria-label=\"Findings by severity\">\n", out);
	for (int s = AUDIT_CRITICAL; s >= AUDIT_INFO; s--)
		fprintf(out, "<li class=\"tile %s%s\"><b>%zu</b> <span>%s</span></li>\n",
			audit_severity_name((enum audit_severity)s), counts[s] == 0 ? " zero" : "",
			counts[s], audit_severity_name((enum audit_severity)s));
	fputs("</ul>\n", out);
}

void audit_html(FILE *out, const struct audit_report *r)
{
	put_head(out, r);
	put_tiles(out, r);
	if (r->entry_count > 0) {
		audit_html_charts(out, r);
		audit_html_table(out, r);
	}
	if (r->domain_count > 0)
		fputs("<h2>Domains</h2>\n", out);
	for (size_t i = 0; i < r->domain_count; i++)
		audit_html_domain(out, &r->domains[i]);
	if (r->entry_count > 0)
		fputs("<h2>Gateways in detail</h2>\n", out);
	for (size_t i = 0; i < r->entry_count; i++)
		audit_html_gateway(out, &r->entries[i], i);
	fputs("<footer>postern " POSTERN_VERSION "</footer>\n</main>\n</body>\n</html>\n", out);
}
