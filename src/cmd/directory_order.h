#ifndef POSTERN_CMD_DIRECTORY_ORDER_H
#define POSTERN_CMD_DIRECTORY_ORDER_H

/* What postern directory is told to do. All text is borrowed from argv. */

#include <stdbool.h>

#include "cmd/directory_edit.h"

struct directory_order {
	const char *path; /* of the directory; NULL: not said, and no default */
	const char *operand;
	const char *comment;
	const char *format, *under, *name_from; /* import */
	const char *config, *names_from, *out;  /* export-edge */
	struct directory_words words;
	bool is_json, is_help, is_replace, is_key_id, is_dry_run, is_all, keeps_keys;
};

#define DIRECTORY_DEFAULT_PATH "/etc/postern/directory"

/* These print what they do or find, and return an exit code. */
int directory_add(const struct directory_order *o);
int directory_remove(const struct directory_order *o);
int directory_lock(const struct directory_order *o);
int directory_unlock(const struct directory_order *o);
int directory_disable(const struct directory_order *o);
int directory_enable(const struct directory_order *o);
int directory_roll(const struct directory_order *o);
int directory_import(const struct directory_order *o);
int directory_export_edge(const struct directory_order *o);
int directory_list(const struct directory_order *o);
int directory_check(const struct directory_order *o);

/* The mistakes of a file, a line each on stderr: "FILE:LINE: what is wrong". */
void directory_say_faults(const char *path, const struct directory_faults *faults);

#endif
