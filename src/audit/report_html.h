#ifndef POSTERN_AUDIT_REPORT_HTML_H
#define POSTERN_AUDIT_REPORT_HTML_H

/* The parts of the HTML page. */

#include "audit/report_internal.h"

extern const char *const audit_html_style[]; /* up to NULL */

/* Text between tags or in a quoted attribute: escaped, ASCII alone. */
void audit_html_text(FILE *out, const char *text);

const char *audit_html_strength_class(enum audit_strength s);
const char *audit_html_strength_words(enum audit_strength s);

void audit_html_charts(FILE *out, const struct audit_report *r);
void audit_html_table(FILE *out, const struct audit_report *r);
void audit_html_gateway(FILE *out, const struct audit_entry *e, size_t number);
void audit_html_domain(FILE *out, const struct audit_domain_entry *e);

#endif
