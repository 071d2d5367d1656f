#ifndef POSTERN_CMD_CARD_SHOW_H
#define POSTERN_CMD_CARD_SHOW_H

/* What a server card says, all but its certificates, and whether an ID trusts it. Never its secret. */

#include <jansson.h>
#include <stdint.h>

#include "base/file.h"
#include "knock/prekey.h"

/* On stdout. */
void card_show_tell(const struct card *c, uint64_t now_ms);

/* The same as the members of a JSON object; NULL when memory is short. */
json_t *card_show_json(const struct card *c);

/* Who is asked: an ID file, opened with its password, and the trust files of the client folder. */
struct card_show_id {
	const char *path;
	const char *password_file; /* NULL: asked on the terminal */
};

struct card_show_trust {
	bool is_trusted;     /* as knock decides it, dates and all: they only warn */
	char why[FAULT_MAX]; /* what is to be said beside it; may be "" */
};

/* 0; or -errno with *f when the card or the ID cannot be read or opened. */
__attribute__((warn_unused_result)) int card_show_ask(const char *card_path,
	const struct card_show_id *id, uint64_t now_ms, struct card_show_trust *ret,
	struct fault *f);

#endif
