#ifndef POSTERN_CMD_CARD_FILE_H
#define POSTERN_CMD_CARD_FILE_H

/* Server cards as files: read by those who make them or show them. Clients read theirs with libpostern. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "knock/prekey.h"

/* Does text, of a file of PEM blocks, begin as a card does? */
bool card_file_is(struct span text);

/*
 * Read and verify a card. 0, or -errno with *f: -EINVAL when it is none. *ret may hold a stealth secret;
 * the caller frees it with card_file_free.
 */
__attribute__((warn_unused_result)) int card_file_load(
	const char *path, enum file_need need, struct card **ret, struct fault *f);

/* Wipes. NULL is fine. */
void card_file_free(struct card *c);

#endif
