#ifndef POSTERN_CMD_FILESET_H
#define POSTERN_CMD_FILESET_H

/* New files that belong together: all of them are written, or none is. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/file.h"

#define FILESET_MAX 32
#define FILESET_FOLDERS_MAX 4

struct fileset_item {
	char *path; /* owned */
	char *data; /* owned, wiped */
	size_t len;
	mode_t mode;
	const char *note; /* borrowed: what it is, for the report */
};

/* Zero at first; end with fileset_deinit. */
struct fileset {
	size_t folder_count;
	char *folders[FILESET_FOLDERS_MAX]; /* made (0755) when missing, in this order */
	size_t count;
	struct fileset_item items[FILESET_MAX];
	bool is_short; /* memory ran out while it was filled */
};

void fileset_folder(struct fileset *s, const char *path);

/*
 * Add folder/name (folder NULL: name as it is). data is malloc'd and owned by the set from now on; NULL
 * marks the set short.
 */
void fileset_add(struct fileset *s, const char *folder, const char *name, char *data, size_t len,
	mode_t mode, const char *note);

/* 0, or -EEXIST with *f naming the first file that is there already, or -ENOMEM when the set is short. */
__attribute__((warn_unused_result)) int fileset_check(const struct fileset *s, struct fault *f);

/*
 * Write them all. On any failure what was written, and every folder made, is removed again. Signals
 * that end the program wait until it is done. 0 or -errno with *f.
 */
__attribute__((warn_unused_result)) int fileset_write(const struct fileset *s, struct fault *f);

void fileset_deinit(struct fileset *s);

#endif
