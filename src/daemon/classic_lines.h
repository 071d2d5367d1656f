#ifndef POSTERN_DAEMON_CLASSIC_LINES_H
#define POSTERN_DAEMON_CLASSIC_LINES_H

/*
 * A file of sequences that work once, one a line (knock/sequence.h). A line is overwritten on disk before
 * what it opens is opened. Needs its name only to be opened, with privilege; then pwrite and fdatasync.
 */

#include <stdbool.h>

#include "base/file.h"
#include "config/config.h"
#include "knock/sequence.h"

#define CLASSIC_LINES_FILE_MAX ((size_t)1 << 20)

struct classic_lines;

/* Every line that does not fit is a mistake in r. */
void classic_lines_check(const struct config_sequence *q, struct config_report *r);

/*
 * Read it whole; for writing unless is_offline. q is borrowed. 0, or -errno with *f: -EPERM when others may
 * read it. Lines that do not fit are passed over.
 */
__attribute__((warn_unused_result)) int classic_lines_open(const struct config_sequence *q,
	bool is_offline, struct classic_lines **ret, struct fault *f);
void classic_lines_close(struct classic_lines *l); /* NULL is fine; memory is wiped */

/* The sequence that works now, or NULL: none is left. */
const struct sequence *classic_lines_now(const struct classic_lines *l);

/* Use it up: from now on the next line is the one that works. 0, or -errno when the disk may not have it. */
__attribute__((warn_unused_result)) int classic_lines_spend(struct classic_lines *l);

#endif
