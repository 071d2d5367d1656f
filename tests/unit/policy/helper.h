#ifndef POSTERN_TEST_POLICY_HELPER_H
#define POSTERN_TEST_POLICY_HELPER_H

/* Configurations and directories from text. */

#include "config/internal.h"
#include "policy/internal.h"
#include "test.h"

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static inline struct config *config_of(const char *text)
{
	struct config_report r = { 0 };
	struct config *c = config_parse_text("t.conf", span_of(text, strlen(text)), &r);
	for (size_t i = 0; i < r.kept; i++)
		print_message("  %s\n", r.lines[i]);
	config_report_deinit(&r);
	assert_non_null(c);
	return c;
}

static inline struct directory *directory_of(const char *text)
{
	static struct directory_faults faults;
	struct directory *d = directory_parse(span_of(text, strlen(text)), &faults);
	assert_non_null(d);
	return d;
}

static inline struct name name_of(const char *text, bool is_certifier)
{
	struct name n = { 0 };
	if (name_parse(text, is_certifier, &n) != NAME_OK)
		fail_msg("no name: %s", text);
	return n;
}

#endif
