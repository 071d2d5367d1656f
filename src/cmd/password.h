#ifndef POSTERN_CMD_PASSWORD_H
#define POSTERN_CMD_PASSWORD_H

/* Passwords: asked on the terminal with echo off, or read from a file nobody else may read. */

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/span.h"

#define PASSWORD_MAX 1024
#define PASSWORD_QUALITY_USER 8
#define PASSWORD_QUALITY_CERTIFIER 12

/* Secret: wipe with password_wipe. */
struct password {
	size_t len;
	char b[PASSWORD_MAX];
};

/* Where one comes from: line (1, 2 ...) of file, or the terminal when file is NULL. */
struct password_source {
	const char *file;
	unsigned line;
	bool is_last_line_enough; /* a file with fewer lines: its last one serves */
};

struct span password_span(const struct password *p);
void password_wipe(struct password *p);

/*
 * The password of what ("Admin/VSD"), as it is. 0, or -errno with *f: -ENXIO without a terminal,
 * -EINTR when the person gave up, -EPERM when others may read the file, -ENODATA when it holds none.
 */
__attribute__((warn_unused_result)) int password_get(const struct password_source *from,
	const char *what, struct password *ret, struct fault *f);

/*
 * A new password, at least quality_min of 16 good. On a terminal it is asked for twice, and again (three
 * times at most) when weak or mistyped. As password_get; -EKEYREJECTED when it is too weak.
 */
__attribute__((warn_unused_result)) int password_choose(const struct password_source *from,
	const char *what, unsigned quality_min, struct password *ret, struct fault *f);

#endif
