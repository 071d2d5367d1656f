#ifndef POSTERN_CMD_RECORD_FILE_H
#define POSTERN_CMD_RECORD_FILE_H

/* Files of one PEM block: the signed records that people hand each other. */

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"

/*
 * Read the one block of path, which has this label, to to. 0, or -errno with *f naming the file:
 * -EINVAL when it holds anything else, or more than cap bytes.
 */
__attribute__((warn_unused_result)) int record_file_read(const char *path, const char *label,
	uint8_t *to, size_t cap, size_t *ret_len, struct fault *f);

/* Write a new file (0644) of one block; path NULL: to stdout. 0, or -errno with *f. */
__attribute__((warn_unused_result)) int record_file_write(
	const char *path, const char *label, struct span body, struct fault *f);

#endif
