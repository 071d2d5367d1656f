/*
 * The report as CSV, RFC 4180: a line a finding, one for a gateway without any. Invariant: every cell is quoted
 * and none begins like a formula, since spreadsheets run those.
 */

#include <string.h>

#include "audit/cert.h"
#include "audit/finding_internal.h"
#include "audit/report_internal.h"

static void put_cell(FILE *out, const char *text, char end)
{
	fputc('"', out);
	/* A quote mark in front makes text of it, in every spreadsheet. */
	if (text[0] != '\0' && strchr("=+-@\t\r|%", text[0]) != NULL)
		fputc('\'', out);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"')
			fputc('"', out);
		fputc(*c >= ' ' && *c <= '~' ? *c : '?', out);
	}
	fputc('"', out);
	fputs(end == ',' ? "," : "\r\n", out);
}

static void put_protocols(FILE *out, const struct audit_facts *f)
{
	char text[128] = "";
	size_t n = 0;
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		if (audit_offers(f, (enum audit_version)v))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "",
				audit_version_name((enum audit_version)v));
	put_cell(out, text, ',');
}

/* How many suites of each strength, a suite of two versions twice. */
static void put_strengths(FILE *out, const struct audit_facts *f)
{
	size_t counts[AUDIT_STRENGTH_COUNT] = { 0 };
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		for (size_t i = 0; i < f->protocols[v].suite_count; i++)
			counts[audit_suite_strength(
				(enum audit_version)v, f->protocols[v].suites[i].suite)]++;
	for (int s = AUDIT_STRENGTH_COUNT - 1; s >= 0; s--)
		fprintf(out, "\"%zu\",", counts[s]);
}

static void put_certificate(FILE *out, const struct audit_facts *f)
{
	struct audit_cert_facts c = { .not_after_s = INT64_MIN };
	char date[32];
	if (f->chain_count > 0)
		audit_cert_read(span_of(f->chains[0].certs[0].der, f->chains[0].certs[0].len), &c);
	put_cell(out, c.subject, ',');
	put_cell(out, c.issuer, ',');
	put_cell(out, audit_time_text(c.not_after_s, date), ',');
	put_cell(out, f->verify.is_done ? f->verify.text : "", ',');
}

static void put_gateway(FILE *out, const struct audit_facts *f)
{
	char host[AUDIT_HOST_MAX + 1], address[ADDR_TEXT_MAX], words[AUDIT_WORDS_MAX + 16];
	put_cell(out, f->target.given, ',');
	put_cell(out, f->target.domain, ',');
	put_cell(out, audit_host_text(&f->target, host), ',');
	put_cell(out, addr_format(&f->target.addr, address), ',');
	fprintf(out, "\"%u\",", (unsigned)f->target.port);
	put_cell(out, audit_starttls_name(f->target.starttls), ',');
	put_cell(out, audit_end_text(f->end), ',');
	put_cell(out, audit_words_text(&f->words, words), ',');
	put_protocols(out, f);
	put_strengths(out, f);
	put_certificate(out, f);
}

void audit_csv_header(FILE *out)
{
	fputs("given,domain,host,address,port,starttls,end,words,protocols,suites_strong,"
	      "suites_old,suites_weak,suites_broken,subject,issuer,not_after,verify,profile,"
	      "severity,finding,detail,advice\r\n",
		out);
}

void audit_csv_gateway(FILE *out, const struct audit_entry *e)
{
	const struct audit_findings *found = e->findings;
	for (size_t i = 0; i < found->count || i == 0; i++) {
		const struct audit_finding none = { .id = "", .advice = "" };
		const struct audit_finding *f = found->count > 0 ? &found->items[i] : &none;
		put_gateway(out, e->facts);
		put_cell(out, found->profile, ',');
		put_cell(out, found->count > 0 ? audit_severity_name(f->severity) : "", ',');
		put_cell(out, f->id, ',');
		put_cell(out, f->detail, ',');
		put_cell(out, f->advice, '\n');
	}
}
