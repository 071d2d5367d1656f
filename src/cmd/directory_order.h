#ifndef POSTERN_CMD_DIRECTORY_ORDER_H
#define POSTERN_CMD_DIRECTORY_ORDER_H

/* What postern directory is told to do. All text is borrowed from argv. */

#include <stdbool.h>

#include "cmd/directory_edit.h"

struct directory_order {
	const char *path;
	const char *operand;
	const char *comment;
	struct directory_words words;
	bool is_json, is_help;
};

/* These print what they find and return an exit code. */
int directory_list(const struct directory_order *o);
int directory_check(const struct directory_order *o);

#endif
