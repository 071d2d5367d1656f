#ifndef POSTERN_CMD_AUDIT_ARGS_H
#define POSTERN_CMD_AUDIT_ARGS_H

/* The options of postern audit, and what it is to look at. */

#include "audit/domain.h"
#include "audit/finding.h"
#include "audit/run.h"

enum audit_form { AUDIT_FORM_TEXT, AUDIT_FORM_JSON, AUDIT_FORM_JSONL, AUDIT_FORM_CSV };

struct audit_args {
	struct audit_run_options run;
	struct audit_domain_options domain;
	enum audit_form form;
	enum audit_severity fail_on;
	const char *profile; /* NULL: mail or web, as the port asks for */
	const char *ca, *html, *compare;
	bool is_classic, is_quiet;
	bool has_starttls;
	enum audit_starttls starttls;
	char ehlo[AUDIT_HOST_MAX + 1];
	size_t input_count, input_cap;
	struct audit_input *inputs; /* owned */
	size_t wrong;               /* lines of a list that are no target */
};

/* An exit code; EXIT_DONE with *ret_is_help when help was printed. Free *ret whatever it returns. */
int audit_args_parse(int argc, char **argv, struct audit_args *ret, bool *ret_is_help);
void audit_args_deinit(struct audit_args *a);

/* "22,80,8000-8100" to ports in to; how many, or 0 when it is none of that form or too many. */
size_t audit_args_ports(const char *text, uint16_t *to, size_t cap);

/* postern audit stealth; argv[0] is "stealth". */
int audit_stealth_command(int argc, char **argv);

/* Say that what was given came to nothing, and why, with its name once: most errors begin with it. */
void audit_args_unresolved(const char *given, const char *error);

#endif
