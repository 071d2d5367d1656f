/*
 * Bytes on their way through. Invariant: a buffer without bytes has no memory, so that ten thousand silent
 * connections cost none; a few blocks are kept for the next use, which most often comes at once.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "relay/internal.h"

#define KEPT_MAX 16

static uint8_t *kept[KEPT_MAX];
static size_t kept_count;

static uint8_t *block_take(void)
{
	return kept_count > 0 ? kept[--kept_count] : malloc(BUFFER_LEN);
}

static void block_give(uint8_t *block)
{
	if (block == NULL)
		return;
	if (kept_count < KEPT_MAX)
		kept[kept_count++] = block;
	else
		free(block);
}

void buffer_forget(void)
{
	while (kept_count > 0)
		free(kept[--kept_count]);
}

bool buffer_has_room(const struct buffer *b)
{
	return BUFFER_LEN - b->start - b->len >= READ_MIN;
}

uint8_t *buffer_room(struct buffer *b, size_t *ret_len)
{
	*ret_len = 0;
	if (b->data == NULL)
		b->data = block_take();
	if (b->data == NULL || !buffer_has_room(b))
		return NULL;
	*ret_len = BUFFER_LEN - b->start - b->len;
	return b->data + b->start + b->len;
}

void buffer_added(struct buffer *b, size_t len)
{
	assert(len <= BUFFER_LEN - b->start - b->len);
	b->len += len;
}

void buffer_put(struct buffer *b, const void *data, size_t len)
{
	if (b->data == NULL)
		b->data = block_take();
	if (b->data == NULL || BUFFER_LEN - b->start - b->len < len)
		return;
	memcpy(b->data + b->start + b->len, data, len);
	buffer_added(b, len);
}

struct span buffer_front(const struct buffer *b)
{
	return b->data == NULL ? (struct span){ NULL, 0 }
			       : span_of(b->data + b->start, b->len - b->held);
}

struct span buffer_held(const struct buffer *b)
{
	return b->data == NULL ? (struct span){ NULL, 0 }
			       : span_of(b->data + b->start + b->len - b->held, b->held);
}

void buffer_drop(struct buffer *b, size_t len)
{
	assert(len <= b->len - b->held);
	b->start += len;
	b->len -= len;
	if (b->len == 0)
		b->start = 0;
}

void buffer_rest(struct buffer *b)
{
	if (b->len > 0)
		return;
	block_give(b->data);
	*b = (struct buffer){ 0 };
}

void buffer_clear(struct buffer *b)
{
	b->len = 0;
	buffer_rest(b);
}
