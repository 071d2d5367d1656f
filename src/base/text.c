/* Text forms of bytes. Nothing a peer sent reaches a terminal or a log but through text_quote. */

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

const char *text_hex(struct span s, char *to)
{
	for (size_t i = 0; i < s.len; i++) {
		to[2 * i] = digits[s.data[i] >> 4];
		to[2 * i + 1] = digits[s.data[i] & 15];
	}
	to[2 * s.len] = '\0';
	return to;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_unhex(const char *text, uint8_t *ret, size_t len)
{
	if (strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < 2 * len; i++)
		if (nibble(text[i]) < 0)
			return false;
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	return true;
}

/* How c is shown; returns the length. */
static size_t quote_byte(uint8_t c, char to[5])
{
	if (c == '\\' || c == '"')
		return (size_t)snprintf(to, 5, "\\%c", c);
	if (c >= 0x20 && c < 0x7f)
		return (size_t)snprintf(to, 5, "%c", c);
	return (size_t)snprintf(to, 5, "\\x%02x", c);
}

const char *text_quote(struct span s, char *to, size_t cap)
{
	char piece[5];
	size_t need = 0;
	size_t at = 0;

	if (cap == 0)
		return to;
	for (size_t i = 0; i < s.len && need < cap; i++)
		need += quote_byte(s.data[i], piece);
	bool is_cut = need >= cap;
	size_t dots = !is_cut ? 0 : cap > 3 ? 3 : cap - 1;
	for (size_t i = 0; i < s.len; i++) {
		size_t n = quote_byte(s.data[i], piece);
		if (n >= cap - dots - at)
			break;
		memcpy(to + at, piece, n);
		at += n;
	}
	memset(to + at, '.', dots);
	to[at + dots] = '\0';
	return to;
}
