#ifndef POSTERN_TEST_CONFIG_HELPER_H
#define POSTERN_TEST_CONFIG_HELPER_H

/* A small configuration that is right, in pieces, and a report compared with what is expected. */

#include "config/internal.h"
#include "test.h"

#define SERVER "server { id = /s.id directory = /dir }\n"
#define DOOR "door wan { interface = eth0 spa { } }\n"
#define SERVICE "service ssh { port = tcp/22 allow = {\"*\"} }\n"

static inline struct config *parse(const char *text, struct config_report *r)
{
	return config_parse_text("t.conf", span_of(text, strlen(text)), r);
}

static inline void print_report(const struct config_report *r)
{
	for (size_t i = 0; i < r->kept; i++)
		print_message("  %s\n", r->lines[i]);
}

/* The report as one text, lines ended with LF. */
static inline char *join_report(const struct config_report *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	for (size_t i = 0; i < r->kept; i++)
		fprintf(f, "%s\n", r->lines[i]);
	fclose(f);
	return text;
}

/* Equal, where a '*' at the end of a line of want stands for the rest of it. */
static inline bool is_report(const char *got, const char *want)
{
	while (*want != '\0') {
		if (want[0] == '*' && want[1] == '\n') {
			got += strcspn(got, "\n");
			want++;
		} else if (*got++ != *want++) {
			return false;
		}
	}
	return *got == '\0';
}

/* Parse text and compare all mistakes. want "" is a text without one. */
static inline void expect_mistakes(const char *name, const char *text, const char *want)
{
	struct config_report r = { 0 };
	struct config *c = parse(text, &r);
	char *got = join_report(&r);
	if (!is_report(got, want))
		fail_msg("case \"%s\": got\n%swant\n%s", name, got, want);
	TEST_CASE(name, (c == NULL) == (want[0] != '\0'));
	TEST_CASE(name, r.count == r.kept);
	free(got);
	config_free(c);
	config_report_deinit(&r);
}

#endif
