#ifndef POSTERN_CMD_ID_DOCUMENT_H
#define POSTERN_CMD_ID_DOCUMENT_H

/* The document keys of an ID file that is open: the sealed halves, and the block that shows the newest. */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "cmd/id_open.h"
#include "identity/document.h"
#include "identity/idfile.h"

struct id_document_order {
	uint64_t now_ms;
	bool is_new;          /* one more key, even if there is one */
	bool is_oldest_given; /* when there is no room for it, the oldest goes */
};

/*
 * See to it that *o has a document key, and a block that shows the newest under the active key; the
 * file is written when either was missing (*ret_is_changed). 0, or -errno with *f: -EDOM when there
 * is no room for one more.
 */
__attribute__((warn_unused_result)) int id_document_need(struct id_open *o,
	const struct id_document_order *order, bool *ret_is_changed, struct fault *f);

/* The block for the newest document key of s, signed by sk, whose key id is key_id. There must be one. */
void id_document_block(const struct idfile_secrets *s, const uint8_t key_id[32],
	const uint8_t sk[64], uint8_t to[DOCUMENT_KEY_LEN]);

#endif
