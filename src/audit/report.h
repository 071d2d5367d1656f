#ifndef POSTERN_AUDIT_REPORT_H
#define POSTERN_AUDIT_REPORT_H

/* What was found, written down: text, JSON, JSON lines, CSV, one HTML page; and what changed since. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "audit/facts.h"
#include "audit/finding.h"

struct audit_entry {
	const struct audit_facts *facts;
	const struct audit_findings *findings;
};
struct audit_domain_entry {
	const struct audit_domain *domain;
	const struct audit_findings *findings;
};
struct audit_report {
	const char *profile; /* names, with commas between when there are several */
	const char *note;    /* of the profile; NULL: none */
	int64_t at_s;
	bool is_incomplete; /* stopped before its end */
	size_t entry_count, domain_count;
	const struct audit_entry *entries;
	const struct audit_domain_entry *domains;
};

struct audit_text_options {
	bool has_colour, is_classic;
};

void audit_text_gateway(FILE *out, const struct audit_entry *e, const struct audit_text_options *o);
void audit_text_domain(
	FILE *out, const struct audit_domain_entry *e, const struct audit_text_options *o);

/* At the end of all: how many findings of each severity, and what to know about the profile. */
void audit_text_summary(
	FILE *out, const struct audit_report *r, const struct audit_text_options *o);

/* The worst finding of all, AUDIT_OFF without any: the exit code is 1 when it is --fail-on or worse. */
enum audit_severity audit_report_worst(const struct audit_report *r);

/* New references, or NULL without memory. */
json_t *audit_json_gateway(const struct audit_entry *e);
json_t *audit_json_domain(const struct audit_domain_entry *e);
json_t *audit_json(const struct audit_report *r);

/* The same document as text, with one gateway in memory at a time. False without memory, or when out fails. */
bool audit_json_write(FILE *out, const struct audit_report *r);

void audit_csv_header(FILE *out);
void audit_csv_gateway(FILE *out, const struct audit_entry *e);

void audit_html(FILE *out, const struct audit_report *r);

/* A report written by --json, for audit_compare. A new reference, or NULL with *f. */
json_t *audit_json_load(const char *path, struct fault *f);

/* What differs between two reports as audit_json makes them; lines of text. Returns how many. */
size_t audit_compare(FILE *out, const json_t *before, const json_t *now);

/* What a mail server's refusal means, by its words; NULL: not a known one. */
const char *audit_refusal_meaning(const char *words);

#endif
