/*
 * Frames inside TLS, before the connection is carried. The decoder is given what has arrived so far and says
 * whether a frame is whole; what can no longer become one is broken at the first byte that shows it, so that
 * nobody waits for the rest. Invariant: one encoding of each frame, and frame_decode takes nothing else.
 */

#include "relay/frame.h"

#include <assert.h>
#include <string.h>

static const char *const status_texts[FRAME_STATUS_COUNT] = {
	[FRAME_OK] = "let through",
	[FRAME_DENIED] = "this certificate may not through here",
	[FRAME_ELSEWHERE] = "this port does not lead to what was asked for",
	[FRAME_NO_INNER] = "the machine behind could not be reached",
	[FRAME_BUSY] = "a limit is reached; try again later",
	[FRAME_TROUBLE] = "the edge cannot judge or connect at the moment",
};

const char *frame_status_text(enum frame_status s)
{
	return (unsigned)s < FRAME_STATUS_COUNT ? status_texts[s] : "an unknown answer";
}

static bool is_host_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == ':' || c == '_';
}

static bool is_text_byte(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

static void put_open(struct writer *w, const struct frame *f)
{
	size_t len = strnlen(f->host, FRAME_HOST_MAX);
	assert(f->port != 0 || len == 0);
	writer_u16(w, f->port);
	writer_u8(w, (uint8_t)len);
	writer_put(w, f->host, len);
}

static void put_opened(struct writer *w, const struct frame *f)
{
	size_t len = strnlen(f->text, FRAME_TEXT_MAX);
	writer_u8(w, (uint8_t)f->status);
	writer_u32(w, f->lease_s);
	writer_u8(w, (uint8_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(w, is_text_byte((uint8_t)f->text[i]) ? (uint8_t)f->text[i] : '?');
}

static void put_body(struct writer *w, const struct frame *f)
{
	switch (f->type) {
	case FRAME_KNOCK:
	case FRAME_KNOCKED:
		assert(f->datagram.len > 0 && f->datagram.len <= FRAME_DATAGRAM_MAX);
		writer_put(w, f->datagram.data, f->datagram.len);
		break;
	case FRAME_OPEN:
		put_open(w, f);
		break;
	case FRAME_OPENED:
		put_opened(w, f);
		break;
	}
}

size_t frame_encode(const struct frame *f, uint8_t *to)
{
	struct writer head = writer_init(to, FRAME_HEADER_LEN);
	struct writer body = writer_init(to + FRAME_HEADER_LEN, FRAME_DATAGRAM_MAX);
	put_body(&body, f);
	assert(!body.is_full);
	writer_u8(&head, (uint8_t)f->type);
	writer_u16(&head, (uint16_t)body.len);
	return FRAME_HEADER_LEN + body.len;
}

/* A length and as many bytes, each of which must please is_fit; to holds max + 1. */
static bool take_chars(struct reader *r, size_t max, bool is_fit(uint8_t), char *to)
{
	size_t len = reader_u8(r);
	struct span s = reader_take(r, len);
	if (r->is_short || len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_fit(s.data[i]))
			return false;
		to[i] = (char)s.data[i];
	}
	to[s.len] = '\0';
	return true;
}

static bool take_open(struct reader *r, struct frame *f)
{
	f->port = reader_u16(r);
	if (!take_chars(r, FRAME_HOST_MAX, is_host_byte, f->host))
		return false;
	return f->port != 0 || f->host[0] == '\0';
}

static bool take_opened(struct reader *r, struct frame *f)
{
	uint8_t status = reader_u8(r);
	f->status = (enum frame_status)status;
	f->lease_s = reader_u32(r);
	return status < FRAME_STATUS_COUNT && take_chars(r, FRAME_TEXT_MAX, is_text_byte, f->text);
}

static bool take_body(struct reader *r, struct frame *f)
{
	switch (f->type) {
	case FRAME_KNOCK:
	case FRAME_KNOCKED:
		f->datagram = reader_rest(r);
		return f->datagram.len > 0 && f->datagram.len <= FRAME_DATAGRAM_MAX;
	case FRAME_OPEN:
		return take_open(r, f);
	case FRAME_OPENED:
		return take_opened(r, f);
	}
	return false;
}

/* The longest body of a type from this side; 0: it has no such type. */
static size_t body_max(uint8_t type, enum frame_side from)
{
	switch (type) {
	case FRAME_KNOCK:
		return from == FRAME_FROM_CLIENT ? FRAME_DATAGRAM_MAX : 0;
	case FRAME_OPEN:
		return from == FRAME_FROM_CLIENT ? 3 + FRAME_HOST_MAX : 0;
	case FRAME_KNOCKED:
		return from == FRAME_FROM_RELAY ? FRAME_DATAGRAM_MAX : 0;
	case FRAME_OPENED:
		return from == FRAME_FROM_RELAY ? 6 + FRAME_TEXT_MAX : 0;
	default:
		return 0;
	}
}

enum frame_result frame_decode(
	struct span bytes, enum frame_side from, struct frame *ret, size_t *ret_len)
{
	struct reader r = reader_init(bytes);
	struct frame f = { 0 };
	uint8_t type = reader_u8(&r);
	if (bytes.len == 0)
		return FRAME_MORE;
	size_t max = body_max(type, from);
	if (max == 0)
		return FRAME_BROKEN;
	size_t len = reader_u16(&r);
	if (r.is_short)
		return FRAME_MORE;
	if (len == 0 || len > max)
		return FRAME_BROKEN;
	if (r.left < len)
		return FRAME_MORE;
	struct reader body = reader_init(reader_take(&r, len));
	f.type = (enum frame_type)type;
	if (!take_body(&body, &f) || !reader_done(&body))
		return FRAME_BROKEN;
	*ret = f;
	*ret_len = FRAME_HEADER_LEN + len;
	return FRAME_WHOLE;
}
