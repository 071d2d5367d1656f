#ifndef POSTERN_BASE_PEM_H
#define POSTERN_BASE_PEM_H

/*
 * PEM blocks, strictly (RFC 7468 3, "stricttextualmsg"): LF lines, base64 lines of 64 characters but the
 * last, no headers, no text outside blocks but blank lines and lines that begin with '#'.
 */

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

#define PEM_LABEL_MAX 40

struct pem_block {
	char label[PEM_LABEL_MAX + 1];
	struct span
		text; /* the whole block in the input, first '-' to last LF: to be kept as it is */
	struct span body; /* its base64 lines in the input */
	unsigned line;    /* of its BEGIN line, from 1 */
};

enum pem_result { PEM_BLOCK, PEM_END, PEM_BAD };

struct pem_reader {
	struct span text;
	size_t at;
	unsigned line; /* where the fault was found, after PEM_BAD */
	const char *why;
};

struct pem_reader pem_reader_init(struct span text);

/* The next block, the end, or what is wrong (r->line, r->why). Pure. */
enum pem_result pem_next(struct pem_reader *r, struct pem_block *ret);

/* Decode a block's body to at most cap bytes; false when it is not strict base64 or does not fit. */
bool pem_decode(const struct pem_block *b, uint8_t *to, size_t cap, size_t *ret_len);

/* Append one block to a writer. Marks it full when it does not fit. */
void pem_write(struct writer *w, const char *label, struct span body);

/* Bytes pem_write needs for a body of body_len bytes. */
size_t pem_written_len(const char *label, size_t body_len);

/*
 * Add a decoded body, with its length as a u32 before it, to the hash that binds the blocks of a file
 * together, doc/protocol.md sections 2.2 and 6.
 */
void pem_hash_body(crypto_hash_sha256_state *hash, struct span body);

#endif
