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

const char *text_quote(struct span s, char *to, size_t cap)
{
	size_t at = 0;
	if (cap == 0)
		return to;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];
		char piece[5];
		size_t n;
		if (c == '\\' || c == '"')
			n = (size_t)snprintf(piece, sizeof(piece), "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			n = (size_t)snprintf(piece, sizeof(piece), "%c", c);
		else
			n = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", c);
		/* Keep room for the dots unless this piece is the last and fits whole. */
		size_t spare = i + 1 == s.len ? 0 : 3;
		if (n + spare >= cap - at) {
			for (int d = 0; d < 3 && at + 1 < cap; d++)
				to[at++] = '.';
			break;
		}
		memcpy(to + at, piece, n);
		at += n;
	}
	to[at] = '\0';
	return to;
}
