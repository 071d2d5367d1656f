#ifndef POSTERN_CMD_CLIENT_MEMORY_H
#define POSTERN_CMD_CLIENT_MEMORY_H

/*
 * What a client remembers of one server between knocks, as a small text file of its own. Losing it costs
 * one more round trip, nothing else, so a broken file is ignored.
 */

#include <postern/postern.h>
#include <stddef.h>

#include "base/file.h"
#include "base/span.h"

#define CLIENT_MEMORY_LEN_MAX 1024

/* Zero *ret and fill it from path; a missing file leaves it zero. 0, or -errno with *f (and *ret zero). */
__attribute__((warn_unused_result)) int client_memory_load(
	const char *path, struct postern_memory *ret, struct fault *f);

/* Replace path. server is the name for the comment in it. */
__attribute__((warn_unused_result)) int client_memory_store(
	const char *path, const char *server, const struct postern_memory *m, struct fault *f);

/* The text itself. Parse returns false and leaves *ret alone when any line is not as it should be. Pure. */
bool client_memory_parse(struct span text, struct postern_memory *ret);
size_t client_memory_format(
	const char *server, const struct postern_memory *m, char to[CLIENT_MEMORY_LEN_MAX]);

#endif
