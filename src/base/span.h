#ifndef POSTERN_BASE_SPAN_H
#define POSTERN_BASE_SPAN_H

/*
 * The one way hostile bytes are read, and the one way wire bytes are written. Integers are big-endian.
 *
 * A span borrows bytes; it owns nothing. A read past the end of a reader gives zeros, marks the reader
 * short and leaves it short, so a decoder reads straight down its format and decides once at the end.
 * A write past the end of a writer writes nothing and marks the writer full in the same manner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const uint8_t *data; /* may be NULL when len is 0 */
	size_t len;
};

struct reader {
	const uint8_t *at;
	size_t left;
	bool is_short; /* a read asked for more than was left */
};

struct writer {
	uint8_t *start;
	size_t len; /* bytes written so far */
	size_t cap;
	bool is_full; /* a write did not fit; nothing more is written */
};

#define SPAN_OF(array) ((struct span){ (array), sizeof(array) })

static inline struct span span_of(const void *data, size_t len)
{
	return (struct span){ data, len };
}

/* The bytes of s from offset off, at most len of them; empty when off is past the end. */
struct span span_slice(struct span s, size_t off, size_t len);

bool span_equal(struct span a, struct span b); /* not constant time: never for secrets */
bool span_is_zero(struct span s);

struct reader reader_init(struct span s);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);

/* The next len bytes, borrowed; an empty span (data NULL) when fewer are left. */
struct span reader_take(struct reader *r, size_t len);

/* Copy the next len bytes to to; zeros when fewer are left. */
void reader_copy(struct reader *r, void *to, size_t len);

/* Everything that is left, borrowed. */
struct span reader_rest(struct reader *r);

/* True when nothing is left and no read ran past the end. */
bool reader_done(const struct reader *r);

struct writer writer_init(void *to, size_t cap);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_put(struct writer *w, const void *data, size_t len);
void writer_zero(struct writer *w, size_t len);
struct span writer_span(const struct writer *w); /* what was written, borrowed */

#endif
