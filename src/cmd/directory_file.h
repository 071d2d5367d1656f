#ifndef POSTERN_CMD_DIRECTORY_FILE_H
#define POSTERN_CMD_DIRECTORY_FILE_H

/*
 * A directory file changed as a whole: read, made anew, replaced, all under a lock on its folder, so that
 * two changes at once do not lose one of them. What cannot be made leaves the file as it was.
 */

#include "base/file.h"
#include "cmd/directory_edit.h"

/*
 * make is given the file's text and what the caller passes with; it returns 0 with a new text (malloc'd;
 * data NULL: leave the file alone), or -errno with a clause in *why. Returns that, or -errno of the file,
 * with a sentence that begins with the path in *f.
 */
__attribute__((warn_unused_result)) int directory_file_change(const char *path,
	int (*make)(
		struct span text, const void *with, struct directory_text *ret, struct fault *why),
	const void *with, struct fault *f);

#endif
