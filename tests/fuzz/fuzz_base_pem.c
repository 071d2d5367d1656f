/*
 * PEM. Every block that decodes must be, byte for byte, what writing its bytes again gives: there is one
 * text for a body. Between blocks there are only blank lines and comments, and the reader ends.
 */

#include <stdlib.h>
#include <string.h>

#include "base/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Only blank lines and comments. */
static void check_gap(struct span gap)
{
	bool at_start = true;
	bool in_comment = false;

	for (size_t i = 0; i < gap.len; i++) {
		uint8_t c = gap.data[i];
		in_comment = at_start ? c == '#' : in_comment;
		must(in_comment || c == '\n');
		at_start = c == '\n';
	}
	must(at_start);
}

static void check_block(const struct pem_block *b)
{
	size_t len = 0;
	size_t cap = b->body.len;

	uint8_t *bytes = malloc(cap + 1);
	uint8_t *text = malloc(b->text.len + 1);
	must(bytes != NULL && text != NULL);
	if (pem_decode(b, bytes, cap, &len)) {
		must(len <= cap);
		must(pem_written_len(b->label, len) == b->text.len);
		struct writer w = writer_init(text, b->text.len);
		pem_write(&w, b->label, span_of(bytes, len));
		must(!w.is_full && span_equal(writer_span(&w), b->text));
		/* With no byte to spare, and with one too few. */
		must(pem_decode(b, bytes, len, &len));
		must(len == 0 || !pem_decode(b, bytes, len - 1, &len));
	}
	free(text);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pem_reader r = pem_reader_init(span_of(data, len));
	struct pem_block b;
	enum pem_result got;
	size_t at = 0;

	while ((got = pem_next(&r, &b)) == PEM_BLOCK) {
		size_t start = (size_t)(b.text.data - data);
		must(start >= at && b.text.len <= len - start);
		check_gap(span_of(data + at, start - at));
		at = start + b.text.len;
		must(strlen(b.label) > 0 && strlen(b.label) <= PEM_LABEL_MAX);
		check_block(&b);
	}
	if (got == PEM_END)
		check_gap(span_slice(span_of(data, len), at, len));
	else
		must(r.why != NULL && r.line > 0);
	return 0;
}
