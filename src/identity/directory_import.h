#ifndef POSTERN_IDENTITY_DIRECTORY_IMPORT_H
#define POSTERN_IDENTITY_DIRECTORY_IMPORT_H

/*
 * Lists of people that others keep, as directory entries: OpenSSH's authorized_keys, sshd(8), and CSV with
 * a header line. Nothing that restricts a key gets lost in silence: what has no counterpart here and would
 * let somebody in more often is a mistake, what only matters inside an SSH session is listed as not
 * carried over.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/csv.h"
#include "identity/directory.h"

#define IMPORT_COMMENT_MAX 1024
#define IMPORT_DROPPED_MAX 256

enum import_format { IMPORT_AUTHORIZED_KEYS, IMPORT_CSV };

/* Column numbers; CSV_FIELDS_MAX: there is no such column. */
enum import_column {
	IMPORT_NAME,
	IMPORT_KEY,
	IMPORT_KIND,
	IMPORT_EXPIRES,
	IMPORT_FROM,
	IMPORT_LOCKED,
	IMPORT_DISABLED,
	IMPORT_COMMENT,
	IMPORT_COLUMNS,
};

struct import_rule {
	enum import_format format;
	const struct name *under;     /* names are common names below it; NULL: whole names */
	bool is_whole_comment;        /* authorized_keys: not only what stands before an @ */
	bool is_certified_equivalent; /* for every public key */
};

struct import_item {
	struct directory_entry entry; /* entry.line: where it began */
	char comment[IMPORT_COMMENT_MAX];
	char dropped[IMPORT_DROPPED_MAX]; /* "command, no-pty"; "" when all was carried over */
};

/* Callers keep it and look at line only. */
struct import {
	const struct import_rule *rule;
	unsigned line; /* of what was read last */
	/* private */
	struct csv csv; /* its reader is that of both formats */
	struct csv_row row;
	bool has_header;
	size_t columns[IMPORT_COLUMNS];
};

/* text and rule are borrowed until the last item was read. */
void import_init(struct import *im, struct span text, const struct import_rule *rule);

/*
 * The next entry: 1; 0 at the end; -EINVAL with *f for a line that cannot be taken, after which reading
 * goes on (a CSV without a usable header ends). Pure, no allocation.
 */
__attribute__((warn_unused_result)) int import_next(
	struct import *im, struct import_item *ret, struct fault *f);

/* A comment that fits a directory line, terminated; -EINVAL with *f otherwise. */
__attribute__((warn_unused_result)) int import_comment(
	struct span s, char to[IMPORT_COMMENT_MAX], struct fault *f);

/* One line of authorized_keys, without its end: 1, 0 for a blank line or comment, -EINVAL with *f. */
__attribute__((warn_unused_result)) int import_authorized_key(
	struct span line, const struct import_rule *rule, struct import_item *ret, struct fault *f);

#endif
