/*
 * Charts of all gateways: bars of inline SVG beside labels that are text, so that they stay readable on a
 * narrow screen and without colours.
 */

#include <string.h>

#include "audit/cert.h"
#include "audit/finding_internal.h"
#include "audit/report_html.h"

#define GAP 3.0 /* of 1000 */

static const struct {
	const char *class, *words;
} strengths[AUDIT_STRENGTH_COUNT] = {
	[AUDIT_STRENGTH_NONE] = { "broken", "broken" },
	[AUDIT_STRENGTH_WEAK] = { "weak", "weak" },
	[AUDIT_STRENGTH_OLD] = { "old", "CBC or no forward secrecy" },
	[AUDIT_STRENGTH_STRONG] = { "strong", "AEAD with forward secrecy" },
};

const char *audit_html_strength_class(enum audit_strength s)
{
	return strengths[s].class;
}

const char *audit_html_strength_words(enum audit_strength s)
{
	return strengths[s].words;
}

/* One bar from parts in the order of strengths, strongest first. */
static void put_bar(FILE *out, const size_t parts[AUDIT_STRENGTH_COUNT], size_t whole)
{
	double at = 0;
	fputs("<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" "
	      "aria-hidden=\"true\">",
		out);
	for (int s = AUDIT_STRENGTH_COUNT - 1; s >= 0 && whole > 0; s--) {
		double width = 1000.0 * (double)parts[s] / (double)whole;
		/* A hair between neighbours keeps them apart without colours. */
		if (parts[s] > 0)
			fprintf(out,
				"<rect class=\"f-%s\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"10\"/>",
				strengths[s].class, at, width > GAP ? width - GAP : width);
		at += width;
	}
	fputs("</svg>", out);
}

static void put_protocols(FILE *out, const struct audit_report *r)
{
	/* How good it is to have a version. */
	static const enum audit_strength is[AUDIT_VERSION_COUNT] = { AUDIT_STRENGTH_NONE,
		AUDIT_STRENGTH_NONE, AUDIT_STRENGTH_WEAK, AUDIT_STRENGTH_WEAK, AUDIT_STRENGTH_OLD,
		AUDIT_STRENGTH_STRONG };
	fputs("<section class=\"card\"><h2>Protocols</h2><p class=\"dim\">gateways that offer each</p>\n",
		out);
	for (int v = AUDIT_VERSION_COUNT - 1; v >= 0; v--) {
		size_t parts[AUDIT_STRENGTH_COUNT] = { 0 };
		for (size_t i = 0; i < r->entry_count; i++)
			parts[is[v]] += audit_offers(r->entries[i].facts, (enum audit_version)v);
		fprintf(out, "<div class=\"row\"><span>%s</span>",
			audit_version_name((enum audit_version)v));
		put_bar(out, parts, r->entry_count);
		fprintf(out, "<span>%zu of %zu</span></div>\n", parts[is[v]], r->entry_count);
	}
	fputs("</section>\n", out);
}

static void put_strengths(FILE *out, const struct audit_report *r)
{
	size_t parts[AUDIT_VERSION_COUNT][AUDIT_STRENGTH_COUNT] = { 0 };
	size_t sums[AUDIT_VERSION_COUNT] = { 0 }, most = 0;
	for (size_t i = 0; i < r->entry_count; i++) {
		for (int v = 0; v < AUDIT_VERSION_COUNT; v++) {
			const struct audit_protocol *p = &r->entries[i].facts->protocols[v];
			sums[v] += p->suite_count;
			for (size_t k = 0; k < p->suite_count; k++)
				parts[v][audit_suite_strength(
					(enum audit_version)v, p->suites[k].suite)]++;
		}
	}
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		most = sums[v] > most ? sums[v] : most;
	fputs("<section class=\"card\"><h2>Suites</h2><p class=\"dim\">accepted, by strength</p>\n",
		out);
	for (int v = AUDIT_VERSION_COUNT - 1; v >= 0; v--) {
		fprintf(out, "<div class=\"row\"><span>%s</span>",
			audit_version_name((enum audit_version)v));
		put_bar(out, parts[v], most);
		fprintf(out, "<span>%zu</span></div>\n", sums[v]);
	}
	fputs("<ul class=\"key\">", out);
	for (int s = AUDIT_STRENGTH_COUNT - 1; s >= 0; s--) {
		size_t sum = 0;
		for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
			sum += parts[v][s];
		fprintf(out,
			"<li><svg viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"f-%s\" "
			"width=\"1\" height=\"1\"/></svg>%s: %zu</li>",
			strengths[s].class, strengths[s].words, sum);
	}
	fputs("</ul></section>\n", out);
}

void audit_html_charts(FILE *out, const struct audit_report *r)
{
	fputs("<div class=\"charts\">\n", out);
	put_protocols(out, r);
	put_strengths(out, r);
	fputs("</div>\n", out);
}
