/*
 * Checked reader and writer. Invariant: `at` never moves past the end of what the span covers, and a
 * reader that went short stays short with nothing left.
 */

#include "base/span.h"

#include <string.h>

struct span span_slice(struct span s, size_t off, size_t len)
{
	if (off >= s.len) /* at the end too: NULL plus 0 is undefined */
		return (struct span){ NULL, 0 };
	size_t left = s.len - off;
	return (struct span){ s.data + off, len < left ? len : left };
}

bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool span_is_zero(struct span s)
{
	uint8_t seen = 0;
	for (size_t i = 0; i < s.len; i++)
		seen |= s.data[i];
	return seen == 0;
}

struct reader reader_init(struct span s)
{
	return (struct reader){ .at = s.data, .left = s.len, .is_short = false };
}

struct span reader_take(struct reader *r, size_t len)
{
	if (len > r->left) {
		r->is_short = true;
		r->left = 0;
		return (struct span){ NULL, 0 };
	}
	struct span s = { r->at, len };
	if (len != 0)
		r->at += len;
	r->left -= len;
	return s;
}

static uint64_t take_be(struct reader *r, size_t len)
{
	struct span s = reader_take(r, len);
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.data[i];
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)take_be(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)take_be(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)take_be(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return take_be(r, 8);
}

void reader_copy(struct reader *r, void *to, size_t len)
{
	struct span s = reader_take(r, len);
	if (s.len == len && len != 0)
		memcpy(to, s.data, len);
	else
		memset(to, 0, len);
}

struct span reader_rest(struct reader *r)
{
	return reader_take(r, r->left);
}

bool reader_done(const struct reader *r)
{
	return !r->is_short && r->left == 0;
}

struct writer writer_init(void *to, size_t cap)
{
	return (struct writer){ .start = to, .len = 0, .cap = cap, .is_full = false };
}

static uint8_t *reserve(struct writer *w, size_t len)
{
	if (w->is_full || len > w->cap - w->len) {
		w->is_full = true;
		return NULL;
	}
	uint8_t *at = w->start + w->len;
	w->len += len;
	return at;
}

static void put_be(struct writer *w, uint64_t v, size_t len)
{
	uint8_t *at = reserve(w, len);
	if (at == NULL)
		return;
	for (size_t i = len; i > 0; i--) {
		at[i - 1] = (uint8_t)v;
		v >>= 8;
	}
}

void writer_u8(struct writer *w, uint8_t v)
{
	put_be(w, v, 1);
}

void writer_u16(struct writer *w, uint16_t v)
{
	put_be(w, v, 2);
}

void writer_u32(struct writer *w, uint32_t v)
{
	put_be(w, v, 4);
}

void writer_u64(struct writer *w, uint64_t v)
{
	put_be(w, v, 8);
}

void writer_put(struct writer *w, const void *data, size_t len)
{
	if (len == 0)
		return;
	uint8_t *at = reserve(w, len);
	if (at != NULL)
		memcpy(at, data, len);
}

void writer_zero(struct writer *w, size_t len)
{
	if (len == 0)
		return;
	uint8_t *at = reserve(w, len);
	if (at != NULL)
		memset(at, 0, len);
}

struct span writer_span(const struct writer *w)
{
	return (struct span){ w->start, w->len };
}
