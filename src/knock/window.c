/*
 * Windows over what a source knocked. Invariant: a message is at most two longer on the ground than it is,
 * so the ways to read it are bounded by its own length, whatever a spoofer sends.
 */

#include "knock/window.h"

bool window_init(struct window *w, const struct track *t, uint16_t port_first, uint32_t within_ms)
{
	w->count = 0;
	if (t->count == 0)
		return false;
	const struct track_mark *latest = &t->marks[t->count - 1];
	for (size_t i = 0; i < t->count; i++) {
		const struct track_mark *m = &t->marks[i];
		if (m->port < port_first || m->port - port_first >= WINDOW_PORTS ||
			latest->at_ms - m->at_ms > within_ms)
			continue;
		w->byte[w->count++] = (uint8_t)(m->port - port_first);
	}
	return latest->port >= port_first && latest->port - port_first < WINDOW_PORTS;
}

/* The first and the last of the bytes on the ground are always chosen: what is left out lies between. */
static bool advance(struct window_pick *p)
{
	size_t *out = p->left_out;
	if (!p->is_begun) {
		p->is_begun = true;
		return true;
	}
	if (out[1] == 0) {
		if (++out[0] < p->len)
			return true;
		out[0] = 1;
		out[1] = 2;
		return true;
	}
	if (++out[1] > p->len) {
		out[0]++;
		out[1] = out[0] + 1;
	}
	return out[1] <= p->len;
}

bool window_pick_next(const struct window *w, struct window_pick *p, uint8_t *to)
{
	if (!advance(p))
		return false;
	size_t spread = p->len + (p->left_out[0] != 0) + (p->left_out[1] != 0);
	if (w->count < spread)
		return false;
	size_t n = p->len;
	for (size_t back = 0; back < spread; back++)
		if (back == 0 || (back != p->left_out[0] && back != p->left_out[1]))
			to[--n] = w->byte[w->count - 1 - back];
	return true;
}

uint8_t window_checksum(const uint8_t *b, size_t len)
{
	unsigned sum = 0;
	for (size_t i = 0; i < len; i++)
		sum += b[i];
	return (uint8_t)(sum % 255);
}
