#ifndef POSTERN_IDENTITY_INTERNAL_H
#define POSTERN_IDENTITY_INTERNAL_H

/* What only the files of this folder need of each other. */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "identity/directory.h"

#define DIRECTORY_OPTION_NAME_MAX 31
#define DIRECTORY_OPTION_VALUE_MAX 1023

/* One option of a directory line as it stood, quotes and escapes removed. */
struct directory_option {
	char name[DIRECTORY_OPTION_NAME_MAX + 1];
	bool has_value;
	char value[DIRECTORY_OPTION_VALUE_MAX + 1];
};

/*
 * Give one option its meaning in *e. *seen, 0 before the first, remembers which ones stood already.
 * Returns 0, or -EINVAL with *f.
 */
int directory_option_apply(struct directory_entry *e, const struct directory_option *o,
	unsigned *seen, struct fault *f);

/* "sha256:" and 64 hex digits; false (ret untouched) for anything else. */
bool directory_key_id_parse(const char *text, uint8_t ret[32]);

#endif
