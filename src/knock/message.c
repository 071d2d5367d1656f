/*
 * The text that goes with an action. Invariant: a text has one way to be cut into parts, and what passes
 * spa_message_check can be shown to a person without moving their cursor or turning their line around.
 */

#include <stdio.h>
#include <string.h>

#include "knock/spa.h"

bool spa_message_split(struct span text, struct spa_request *r)
{
	r->message_count = 0;
	if (text.len > SPA_MESSAGE_MAX)
		return false;
	for (size_t at = 0; at < text.len; at += SPA_MESSAGE_PART_MAX) {
		size_t left = text.len - at;
		size_t len = left < SPA_MESSAGE_PART_MAX ? left : SPA_MESSAGE_PART_MAX;
		r->message[r->message_count++] = span_slice(text, at, len);
	}
	return true;
}

size_t spa_message_join(const struct spa_request *r, uint8_t to[SPA_MESSAGE_MAX])
{
	struct writer w = writer_init(to, SPA_MESSAGE_MAX);
	for (size_t i = 0; i < r->message_count; i++)
		writer_put(&w, r->message[i].data, r->message[i].len);
	return w.len;
}

/* How a character begins, by its first byte: RFC 3629 3. */
static size_t char_len(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if ((first & 0xf0) == 0xe0)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* The next character; false when it is none. */
static bool take_char(struct reader *r, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = reader_u8(r);
	size_t len = char_len(first);
	if (len == 0)
		return false;
	uint32_t c = len == 1 ? first : first & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		uint8_t b = reader_u8(r);
		if (r->is_short || (b & 0xc0) != 0x80)
			return false;
		c = c << 6 | (b & 0x3f);
	}
	*ret = c;
	return c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* C0, C1 and delete, and those that end a line or turn its direction without being seen. */
static bool is_control(uint32_t c)
{
	return (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069);
}

enum spa_text spa_message_check(struct span text, struct spa_flaw *ret)
{
	struct reader r = reader_init(text);
	while (r.left > 0) {
		struct spa_flaw here = { .at = text.len - r.left };
		enum spa_text what = SPA_TEXT_OK;
		if (!take_char(&r, &here.point)) {
			here.point = 0;
			what = SPA_TEXT_UTF8;
		} else if (is_control(here.point)) {
			what = SPA_TEXT_CONTROL;
		}
		if (what != SPA_TEXT_OK) {
			*ret = here;
			return what;
		}
	}
	return SPA_TEXT_OK;
}

static const char *point_name(uint32_t c)
{
	static const struct {
		uint32_t point;
		const char *name;
	} names[] = {
		{ 0x00, " (null)" },
		{ 0x07, " (bell)" },
		{ 0x08, " (backspace)" },
		{ 0x09, " (tab)" },
		{ 0x0d, " (carriage return)" },
		{ 0x1b, " (escape)" },
		{ 0x7f, " (delete)" },
		{ 0x2028, " (line separator)" },
		{ 0x2029, " (paragraph separator)" },
		{ 0x202e, " (right-to-left override)" },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].point == c)
			return names[i].name;
	return "";
}

const char *spa_flaw_text(
	enum spa_text what, const struct spa_flaw *flaw, char to[SPA_FLAW_TEXT_MAX])
{
	if (what == SPA_TEXT_CONTROL)
		snprintf(to, SPA_FLAW_TEXT_MAX, "the control character U+%04X%s at byte %zu",
			(unsigned)flaw->point, point_name(flaw->point), flaw->at + 1);
	else
		snprintf(to, SPA_FLAW_TEXT_MAX, "a byte that is not UTF-8 at byte %zu",
			flaw->at + 1);
	return to;
}
