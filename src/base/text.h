#ifndef POSTERN_BASE_TEXT_H
#define POSTERN_BASE_TEXT_H

/* Bytes as text: hexadecimal, and the one quoting function through which peer text reaches a log. */

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* Lower-case hex of s; to holds 2 * s.len + 1 bytes. Returns to. */
const char *text_hex(struct span s, char *to);

/* Exactly len bytes from 2 * len hex digits; false (ret untouched) otherwise. */
bool text_unhex(const char *text, uint8_t *ret, size_t len);

/*
 * Peer bytes made fit for a log line or a terminal: printable ASCII as it is, all else as \xNN, a
 * backslash or quote with a backslash before it; cut with "..." when it does not fit. Always
 * terminated when cap > 0. Returns to.
 */
const char *text_quote(struct span s, char *to, size_t cap);

#endif
