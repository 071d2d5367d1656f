#ifndef POSTERN_BASE_FILE_H
#define POSTERN_BASE_FILE_H

/*
 * Small files that matter: read whole after checking who may write them, replaced whole or not at all.
 * Every failure fills a sentence that says what, where and what to do.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAULT_MAX 512

/* One sentence for a person: "path: what is wrong; what to do". */
struct fault {
	char text[FAULT_MAX];
};

__attribute__((format(printf, 2, 3))) void fault_set(struct fault *f, const char *fmt, ...);

enum file_need {
	FILE_TRUSTED, /* regular, owned by root or the caller, not writable by group or others */
	FILE_SECRET,  /* the same, and not readable by group or others either */
	FILE_ANY,     /* no check: public data named by a person on the command line */
};

/*
 * Read path whole, at most max bytes. *ret is malloc'd, NUL-terminated beyond *ret_len bytes, and owned
 * by the caller, who wipes it if it is secret. Returns 0, or -errno with *f filled: -EPERM when the
 * file's owner or mode is refused, -EFBIG past max, else what the system said.
 */
__attribute__((warn_unused_result)) int file_read(const char *path, enum file_need need, size_t max,
	uint8_t **ret, size_t *ret_len, struct fault *f);

/*
 * Replace path: write a new file beside it (mode as given), fsync, rename, fsync the folder. A failure
 * at any step leaves the old file whole and removes the new one; only when the folder cannot be
 * synced the new one already stands there. With is_new true an existing path is refused with -EEXIST.
 * Returns 0 or -errno with *f filled.
 */
__attribute__((warn_unused_result)) int file_write(
	const char *path, const void *data, size_t len, mode_t mode, bool is_new, struct fault *f);

#endif
