/*
 * Strict PEM. Invariant: what pem_next returns and the blank and comment lines between cover the whole
 * text, so that a file can be written back byte for byte.
 */

#include "base/pem.h"

#include <string.h>

#define LINE_LEN 64

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct pem_reader pem_reader_init(struct span text)
{
	return (struct pem_reader){ .text = text, .at = 0, .line = 0, .why = NULL };
}

static enum pem_result bad(struct pem_reader *r, const char *why)
{
	r->why = why;
	return PEM_BAD;
}

/* The line at r->at without its LF; false at the end of the text or when the last line has no LF. */
static bool take_line(struct pem_reader *r, struct span *ret, bool *ret_is_cut)
{
	size_t left = r->text.len - r->at;
	*ret_is_cut = false;
	if (left == 0)
		return false;
	const uint8_t *start = r->text.data + r->at;
	const uint8_t *lf = memchr(start, '\n', left);
	r->line++;
	if (lf == NULL) {
		*ret_is_cut = true;
		return false;
	}
	*ret = span_of(start, (size_t)(lf - start));
	r->at += ret->len + 1;
	return true;
}

static bool read_label(struct span line, const char *head, char to[PEM_LABEL_MAX + 1])
{
	size_t head_len = strlen(head);
	if (line.len < head_len + 6 || memcmp(line.data, head, head_len) != 0)
		return false;
	if (memcmp(line.data + line.len - 5, "-----", 5) != 0)
		return false;
	size_t len = line.len - head_len - 5;
	if (len == 0 || len > PEM_LABEL_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = line.data[head_len + i];
		/* RFC 7468 3: a space stands between two words, and only there. */
		bool is_gap = c == ' ' && i > 0 && i + 1 < len && to[i - 1] != ' ';
		if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && !is_gap)
			return false;
		to[i] = (char)c;
	}
	to[len] = '\0';
	return true;
}

enum pem_result pem_next(struct pem_reader *r, struct pem_block *ret)
{
	struct pem_block b;
	struct span line;
	bool is_cut;
	size_t start;

	do {
		start = r->at;
		if (!take_line(r, &line, &is_cut))
			return is_cut ? bad(r, "the last line has no line end") : PEM_END;
	} while (line.len == 0 || line.data[0] == '#');
	if (!read_label(line, "-----BEGIN ", b.label))
		return bad(r, "text outside a block");
	b.line = r->line;

	size_t body = r->at;
	bool was_last = false;
	for (;;) {
		size_t line_start = r->at;
		if (!take_line(r, &line, &is_cut))
			return bad(r, "the block has no END line");
		if (line.len > 0 && line.data[0] == '-') {
			char label[PEM_LABEL_MAX + 1];
			if (!read_label(line, "-----END ", label) || strcmp(label, b.label) != 0)
				return bad(r, "the END line does not match its BEGIN line");
			b.body = span_slice(r->text, body, line_start - body);
			b.text = span_slice(r->text, start, r->at - start);
			*ret = b;
			return PEM_BLOCK;
		}
		if (was_last || line.len == 0 || line.len > LINE_LEN || line.len % 4 != 0)
			return bad(r, "a line of base64 has the wrong length");
		was_last = line.len < LINE_LEN;
	}
}

static int value_of(uint8_t c)
{
	const char *p = c == 0 ? NULL : strchr(alphabet, c);
	return p == NULL ? -1 : (int)(p - alphabet);
}

/* Four characters to 1..3 bytes; 0 when they are not base64 in its one normal form. */
static size_t decode_group(const uint8_t c[4], uint8_t to[3])
{
	size_t pad = c[3] != '=' ? 0 : c[2] != '=' ? 1 : 2;
	uint32_t v = 0;
	for (size_t i = 0; i < 4; i++) {
		int d = i >= 4 - pad ? 0 : value_of(c[i]);
		if (d < 0)
			return 0;
		v = v << 6 | (uint32_t)d;
	}
	to[0] = (uint8_t)(v >> 16);
	to[1] = (uint8_t)(v >> 8);
	to[2] = (uint8_t)v;
	if ((pad == 1 && to[2] != 0) || (pad == 2 && (to[1] != 0 || to[2] != 0)))
		return 0;
	return 3 - pad;
}

bool pem_decode(const struct pem_block *b, uint8_t *to, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	bool was_padded = false;
	struct reader r = reader_init(b->body);
	while (r.left > 0) {
		uint8_t c[4], bytes[3];
		reader_copy(&r, c, 4);
		size_t n = decode_group(c, bytes);
		if (r.is_short || was_padded || n == 0 || n > cap - len)
			return false;
		memcpy(to + len, bytes, n);
		len += n;
		was_padded = n < 3;
		/* pem_next saw that lines are multiples of four characters. */
		if (r.left > 0 && *r.at == '\n')
			reader_u8(&r);
	}
	*ret_len = len;
	return true;
}

void pem_write(struct writer *w, const char *label, struct span body)
{
	writer_put(w, "-----BEGIN ", 11);
	writer_put(w, label, strlen(label));
	writer_put(w, "-----\n", 6);
	size_t column = 0;
	for (size_t i = 0; i < body.len; i += 3) {
		size_t n = body.len - i < 3 ? body.len - i : 3;
		uint32_t v = (uint32_t)body.data[i] << 16;
		if (n > 1)
			v |= (uint32_t)body.data[i + 1] << 8;
		if (n > 2)
			v |= body.data[i + 2];
		for (size_t k = 0; k < 4; k++)
			writer_u8(w, k <= n ? (uint8_t)alphabet[v >> (18 - 6 * k) & 63] : '=');
		column += 4;
		if (column == LINE_LEN) {
			writer_u8(w, '\n');
			column = 0;
		}
	}
	if (column != 0)
		writer_u8(w, '\n');
	writer_put(w, "-----END ", 9);
	writer_put(w, label, strlen(label));
	writer_put(w, "-----\n", 6);
}

size_t pem_written_len(const char *label, size_t body_len)
{
	size_t chars = (body_len + 2) / 3 * 4;
	size_t lines = (chars + LINE_LEN - 1) / LINE_LEN;
	return 11 + 6 + 9 + 6 + 2 * strlen(label) + chars + lines;
}

void pem_hash_body(crypto_hash_sha256_state *hash, struct span body)
{
	uint8_t len[4];
	struct writer w = writer_init(len, sizeof(len));
	writer_u32(&w, (uint32_t)body.len);
	crypto_hash_sha256_update(hash, len, sizeof(len));
	crypto_hash_sha256_update(hash, body.data, body.len);
}
