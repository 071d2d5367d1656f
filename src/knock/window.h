#ifndef POSTERN_KNOCK_WINDOW_H
#define POSTERN_KNOCK_WINDOW_H

/*
 * The bytes that a source's knocks spell on a range of 256 ports, and the ways in which the latest of
 * them can be a message of some length with up to two spoofed ones in between. Within this folder.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "knock/track.h"

#define WINDOW_PORTS 256
#define WINDOW_PORT_FIRST_MAX (65536 - WINDOW_PORTS)

struct window {
	size_t count;
	uint8_t byte[TRACK_MARKS]; /* oldest first */
};

/* The knocks of t on port_first and the 255 ports after it, at most within_ms older than the latest.
 * False when the latest knock is not one of them. */
bool window_init(struct window *w, const struct track *t, uint16_t port_first, uint32_t within_ms);

/* Start from zero, with len set. */
struct window_pick {
	size_t len; /* of the message, at least 2 */
	bool is_begun;
	size_t left_out
		[2]; /* counted back from the latest, which is 0 and never left out; 0: none */
};

/*
 * The next way to choose len bytes that end with the latest: first the latest len, then with one, then
 * with two left out, those near the end first; to holds len bytes. The first byte chosen stands right
 * after what does not count, so no way comes twice. 1 + (len-1) + len(len-1)/2 ways.
 */
bool window_pick_next(const struct window *w, struct window_pick *p, uint8_t *to);

/* Sum of bytes modulo 255, which is their checksum in all these formats. */
uint8_t window_checksum(const uint8_t *b, size_t len);

#endif
