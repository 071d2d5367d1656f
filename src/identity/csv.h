#ifndef POSTERN_IDENTITY_CSV_H
#define POSTERN_IDENTITY_CSV_H

/*
 * Comma-separated values, RFC 4180: fields with commas, quotes or line ends stand in double quotes, a
 * quote inside is doubled. Lines end with CRLF or LF. A byte order mark at the start and empty lines are
 * passed over. Bytes are not judged further: whoever uses a field does that.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/span.h"

#define CSV_FIELDS_MAX 32
#define CSV_ROW_MAX 8192 /* bytes of all fields of a row */

struct csv {
	struct reader r;
	unsigned line; /* of what comes next */
};

struct csv_row {
	unsigned line; /* where it begins, from 1 */
	size_t count;
	struct span fields[CSV_FIELDS_MAX]; /* into text */
	uint8_t text[CSV_ROW_MAX];
};

struct csv csv_init(struct span text);

/*
 * The next row. 1; 0 at the end; -EINVAL with *f, where ret->line is set and the next row is the one
 * after the next line end. Its fields stay until ret is used again; ret must not be copied.
 */
__attribute__((warn_unused_result)) int csv_next(
	struct csv *c, struct csv_row *ret, struct fault *f);

#endif
