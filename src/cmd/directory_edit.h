#ifndef POSTERN_CMD_DIRECTORY_EDIT_H
#define POSTERN_CMD_DIRECTORY_EDIT_H

/* Edits of a directory's text. All lines but the one that is added or removed stay byte for byte. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/directory.h"

/* A text, malloc'd and owned by the caller. */
struct directory_text {
	char *data;
	size_t len;
};

/*
 * text and one line more. 0; -EINVAL when the entry does not fit a line; -EEXIST when name or key are
 * there already (or the whole would not be a valid directory); -ENOMEM. With *f.
 */
__attribute__((warn_unused_result)) int directory_edit_add(struct span text,
	const struct directory_entry *e, const char *comment, struct directory_text *ret,
	struct fault *f);

/* text without the entry of this name. 0; -ENOENT when there is none; -ENOMEM. With *f. */
__attribute__((warn_unused_result)) int directory_edit_remove(
	struct span text, const struct name *name, struct directory_text *ret, struct fault *f);

/*
 * A change of one entry: 0; -EALREADY when it is so already; -EINVAL with *f. with is what the caller
 * gave.
 */
struct directory_change {
	int (*change)(struct directory_entry *e, const void *with, struct fault *f);
	const void *with;
	const char *comment; /* NULL: the line keeps its own */
};

/*
 * text with the entry of this name changed where it stands. 0; -ENOENT when there is none; -EALREADY;
 * -EINVAL when the change is refused or the whole would not be a valid directory; -ENOMEM. With *f.
 */
__attribute__((warn_unused_result)) int directory_edit_change(struct span text,
	const struct name *name, const struct directory_change *c, struct directory_text *ret,
	struct fault *f);

/* Changes. roll: key-next becomes the key. replace: with is a struct directory_replacement. */
int directory_change_lock(struct directory_entry *e, const void *with, struct fault *f);
int directory_change_unlock(struct directory_entry *e, const void *with, struct fault *f);
int directory_change_disable(struct directory_entry *e, const void *with, struct fault *f);
int directory_change_enable(struct directory_entry *e, const void *with, struct fault *f);
int directory_change_roll(struct directory_entry *e, const void *with, struct fault *f);
int directory_change_replace(struct directory_entry *e, const void *with, struct fault *f);

/* Options of an entry as typed; NULL: not said. */
struct directory_words {
	const char *name, *kind, *expires, *from, *require;
	bool is_certified_equivalent;
};

/*
 * What stands in an entry's place: a new key, and what was said about it. Restrictions of the old entry
 * that nothing was said about stay: from, locked, disabled, require of a token, and the last day when
 * entry has none.
 */
struct directory_replacement {
	const struct directory_entry *entry;
	const struct directory_words *words;
};

/*
 * An entry of the first key line in the text of a .pub file. 0, or -EINVAL with *f. *ret_comment points
 * into the text (key_comment_len bytes): the comment the key came with.
 */
__attribute__((warn_unused_result)) int directory_edit_entry(struct span pub,
	const struct directory_words *w, struct directory_entry *ret, struct span *ret_comment,
	struct fault *f);

/* The options of w applied to an entry that has a key already. 0, or -EINVAL with *f. */
__attribute__((warn_unused_result)) int directory_edit_apply(
	const struct directory_words *w, struct directory_entry *e, struct fault *f);

#endif
