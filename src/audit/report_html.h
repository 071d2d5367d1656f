#ifndef POSTERN_AUDIT_REPORT_HTML_H
#define POSTERN_AUDIT_REPORT_HTML_H

/* The parts of the HTML page. */

#include "audit/report_internal.h"

extern const char *const audit_html_style[]; /* up to NULL */

/* Text between tags or in a quoted attribute: escaped, ASCII alone. */
void audit_html_text(FILE *out, const char *text);

const char *audit_html_strength_class(enum audit_strength s);
const char *audit_html_strength_words(enum audit_strength s);

/* Small words with a ground of their own; the words say it as well. */
enum audit_html_tone { AUDIT_HTML_PLAIN, AUDIT_HTML_GOOD, AUDIT_HTML_OLD, AUDIT_HTML_BAD };
void audit_html_tag(FILE *out, enum audit_html_tone tone, const char *text);
void audit_html_pill(FILE *out, enum audit_severity s);

/* A line of a list of facts; nothing for "". */
void audit_html_fact(FILE *out, const char *name, const char *value);
/* The same of what was asked of DNS. */
void audit_html_looked(FILE *out, const char *name, enum audit_look l, const char *value);
void audit_html_findings(FILE *out, const struct audit_findings *found);
/* A fold up to the words of its head, and the end of the head. */
void audit_html_open(FILE *out, enum audit_severity worst, bool is_open);
void audit_html_head_end(FILE *out, enum audit_severity worst);

void audit_html_charts(FILE *out, const struct audit_report *r);
void audit_html_table(FILE *out, const struct audit_report *r);
void audit_html_gateway(FILE *out, const struct audit_entry *e, size_t number);
void audit_html_domain(FILE *out, const struct audit_domain_entry *e);

#endif
