#ifndef POSTERN_CMD_DOCUMENT_COPY_H
#define POSTERN_CMD_DOCUMENT_COPY_H

/* Files for named people on their way from one descriptor to another, in pieces. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "identity/document.h"
#include "identity/idfile.h"

/*
 * Where a file comes from and where it goes. A path of "-" is standard input or output. A new file stands
 * under its name only when all of it is there; one that is there already is refused.
 */
struct document_copy {
	const char *from, *to;
	int in, out;
	bool is_new;     /* not standard output */
	char temp[4096]; /* the new file while it grows; empty: it has no name yet */
	uint64_t size;   /* of the input; 0: not known */
	uint64_t done;
	int percent; /* shown last; -1: no progress is shown */
};

/* Open both ends, new files with mode. 0, or -errno with *f. End with document_copy_end. */
__attribute__((warn_unused_result)) int document_copy_begin(
	struct document_copy *c, const char *from, const char *to, mode_t mode, struct fault *f);

/* Give the new file its name, when rc is 0, or remove it. rc, or -errno with *f. */
__attribute__((warn_unused_result)) int document_copy_end(
	struct document_copy *c, int rc, struct fault *f);

/* The whole input, encrypted. 0, or -errno with *f. */
__attribute__((warn_unused_result)) int document_copy_encrypt(struct document_copy *c,
	const struct document_recipient *to, size_t count, const struct document_sender *sender,
	const uint8_t sk[64], struct fault *f);

/*
 * The whole input, decrypted. 0 when its last piece was verified and nothing follows it; -EDOM it is not
 * for these keys; -EBADMSG changed or cut; else -errno; with *f.
 */
__attribute__((warn_unused_result)) int document_copy_decrypt(struct document_copy *c,
	const struct idfile_secrets *secrets, struct document_sender *ret_sender, struct fault *f);

#endif
