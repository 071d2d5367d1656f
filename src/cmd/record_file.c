/* Files of one PEM block. Nothing else may stand in them, so that nobody signs half of what he saw. */

#include "cmd/record_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"

#define FILE_LEN_MAX 65536

static int read_block(const char *path, const char *label, struct span text, uint8_t *to,
	size_t cap, size_t *ret_len, struct fault *f)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b, more;
	enum pem_result got = pem_next(&r, &b);
	if (got == PEM_BLOCK && strcmp(b.label, label) != 0) {
		fault_set(f, "%s: line %u: it holds %s, not %s; name another file", path, b.line,
			b.label, label);
		return -EINVAL;
	}
	if (got == PEM_BLOCK && !pem_decode(&b, to, cap, ret_len)) {
		fault_set(f, "%s: line %u: the block is not base64, or too long; get it again",
			path, b.line);
		return -EINVAL;
	}
	if (got == PEM_BLOCK)
		got = pem_next(&r, &more) == PEM_END ? PEM_BLOCK : PEM_BAD;
	if (got == PEM_BLOCK)
		return 0;
	fault_set(f, "%s: it does not hold just one block of %s; get it again", path, label);
	return -EINVAL;
}

int record_file_read(const char *path, const char *label, uint8_t *to, size_t cap, size_t *ret_len,
	struct fault *f)
{
	uint8_t *text = NULL;
	size_t len;
	int rc = file_read(path, FILE_ANY, FILE_LEN_MAX, &text, &len, f);
	if (rc == 0)
		rc = read_block(path, label, span_of(text, len), to, cap, ret_len, f);
	free(text);
	return rc;
}

int record_file_write(const char *path, const char *label, struct span body, struct fault *f)
{
	size_t len = pem_written_len(label, body.len);
	uint8_t *text = malloc(len);
	struct writer w = writer_init(text, len);
	int rc = 0;
	if (text == NULL) {
		fault_set(f, "there is not enough memory to write a record");
		return -ENOMEM;
	}
	pem_write(&w, label, body);
	if (path != NULL)
		rc = file_write(path, text, w.len, 0644, true, f);
	else
		fwrite(text, 1, w.len, stdout); /* say_end tells what came of it */
	free(text);
	return rc;
}
