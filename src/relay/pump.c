/*
 * Carrying. Each direction has one bounded buffer; who does not take stops who gives. The end of one side goes
 * to the other when the last byte before it has, and the way back stays open; a reset goes on as a reset.
 * Invariant: of each side nothing goes on until its first bytes fit.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/internal.h"

void pump_begin(struct connection *c)
{
	const struct rules *rules = &c->passthru->rules;
	uint64_t left_s = 0;
	if (c->lease_until_ms != UINT64_MAX)
		left_s = (c->lease_until_ms - c->relay->now_ms + 999) / 1000;
	struct frame f = { .type = FRAME_OPENED,
		.status = FRAME_OK,
		.lease_s = left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX };
	connection_put_frame(c, &f);
	speaks_init(&c->speaks, rules->speaks, &rules->client, &rules->inner);
	c->up.held = c->up.len;
}

static bool is_fitting(const struct connection *c, enum speaks_side side)
{
	return c->speaks.kind == CONFIG_SPEAKS_ANY || c->speaks.has_fitted[side];
}

/* More than is ever looked at waits for an answer that the bytes before it will give. */
static bool is_held_full(const struct connection *c, enum speaks_side side)
{
	const struct buffer *b = side == SPEAKS_CLIENT ? &c->up : &c->down;
	return !is_fitting(c, side) && b->held >= SPEAKS_MAX;
}

bool pump_wants_client(const struct connection *c)
{
	return !c->client.is_ended && buffer_has_room(&c->up) && !is_held_full(c, SPEAKS_CLIENT);
}

bool pump_wants_inner(const struct connection *c)
{
	return !c->inner.is_ended && buffer_has_room(&c->down) && !is_held_full(c, SPEAKS_INNER);
}

/* Look at what one side has said; false: it ended the connection. */
static bool look(struct connection *c, enum speaks_side side)
{
	struct buffer *b = side == SPEAKS_CLIENT ? &c->up : &c->down;
	bool is_end = side == SPEAKS_CLIENT ? c->client.is_ended : c->inner.is_ended;
	char text[RELAY_TEXT_MAX + 1];
	if (is_fitting(c, side)) {
		b->held = 0;
		return true;
	}
	if (b->held == 0 && !is_end)
		return true;
	switch (speaks_look(&c->speaks, side, buffer_held(b), is_end)) {
	case SPEAKS_FITS:
		c->speaks.has_fitted[side] = true;
		b->held = 0;
		return true;
	case SPEAKS_MORE:
		if (!is_end && b->held < SPEAKS_MAX)
			return true;
		break;
	case SPEAKS_MISFIT:
		break;
	}
	snprintf(text, sizeof(text), "the first bytes of the %s are not %s: %s",
		side == SPEAKS_CLIENT ? "client" : "inner machine", speaks_name(c->speaks.kind),
		c->speaks.flaw != NULL ? c->speaks.flaw : "they do not become it");
	connection_end(c, "relay-protocol", text, false);
	return false;
}

/* Has the speaker of what is in the buffer been found to fit? Else what is added to it is held. */
static void hold(struct connection *c, enum speaks_side side, size_t len)
{
	struct buffer *b = side == SPEAKS_CLIENT ? &c->up : &c->down;
	if (!is_fitting(c, side))
		b->held += len;
}

static bool read_client(struct connection *c, size_t *moved)
{
	while (c->client.can_read && pump_wants_client(c) && *moved < TURN_BYTES) {
		size_t before = c->up.len;
		enum tls_result result = client_read(c);
		size_t len = c->up.len - before;
		if (result == TLS_CUT || result == TLS_BROKEN) {
			connection_end(c, "relay-client",
				result == TLS_CUT ? "the client broke it off"
						  : "the client broke the rules of TLS",
				false);
			return false;
		}
		hold(c, SPEAKS_CLIENT, len);
		*moved += len > READ_COST ? len : READ_COST;
		if (result == TLS_WANT_READ)
			break;
		if (!look(c, SPEAKS_CLIENT))
			return false;
	}
	return true;
}

static void end_inner(struct connection *c, int error)
{
	char text[RELAY_TEXT_MAX + 1];
	snprintf(text, sizeof(text), "the inner machine broke it off: %s", strerror(error));
	connection_end(c, "relay-inner", text, false);
}

/* As many bytes as there are and fit; -errno, -EAGAIN, or 0 at the end of what it says. */
static ssize_t receive(struct connection *c)
{
	size_t cap;
	ssize_t n;
	uint8_t *to = buffer_room(&c->down, &cap);
	if (to == NULL)
		return -EAGAIN;
	do
		n = recv(c->inner.fd, to, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* What was less than the room was all. */
	if ((size_t)n < cap)
		c->inner.can_read = false;
	return n;
}

static bool read_inner(struct connection *c, size_t *moved)
{
	while (c->inner.can_read && pump_wants_inner(c) && *moved < TURN_BYTES) {
		ssize_t n = receive(c);
		if (n == -EAGAIN) {
			c->inner.can_read = false;
			buffer_rest(&c->down);
			break;
		}
		if (n < 0) {
			end_inner(c, (int)-n);
			return false;
		}
		buffer_added(&c->down, (size_t)n);
		hold(c, SPEAKS_INNER, (size_t)n);
		*moved += (size_t)n;
		if (n == 0)
			c->inner.is_ended = true;
		else
			c->used_ms = c->relay->now_ms;
		if (!look(c, SPEAKS_INNER))
			return false;
		buffer_rest(&c->down);
	}
	return true;
}

static bool write_inner(struct connection *c, bool *ret_any)
{
	struct span s = buffer_front(&c->up);
	while (s.len > 0 && c->inner.can_write) {
		ssize_t n = send(c->inner.fd, s.data, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			c->inner.can_write = false;
			break;
		}
		if (n < 0) {
			end_inner(c, errno);
			return false;
		}
		*ret_any = true;
		c->to_inner += (size_t)n;
		c->used_ms = c->relay->now_ms;
		buffer_drop(&c->up, (size_t)n);
		s = buffer_front(&c->up);
	}
	buffer_rest(&c->up);
	return true;
}

/* One round of all four; false: it has ended. *ret_any: something moved. */
static bool go_round(struct connection *c, size_t *moved, bool *ret_any)
{
	size_t before = *moved;
	/* The inner machine first: who must wait for its greeting did, when both are there. */
	if (!read_inner(c, moved) || !read_client(c, moved) || !write_inner(c, ret_any))
		return false;
	if (!client_write(c, ret_any)) {
		connection_end(c, "relay-client", "the client broke it off", false);
		return false;
	}
	*ret_any = *ret_any || *moved > before;
	return true;
}

/* Each end goes on when all before it has. */
static void pass_ends(struct connection *c)
{
	if (c->client.is_ended && c->up.len == 0 && !c->inner.is_told) {
		shutdown(c->inner.fd, SHUT_WR);
		c->inner.is_told = true;
	}
	if (c->inner.is_ended && c->down.len == 0 && !client_finish(c))
		return;
	if (c->inner.is_told && c->client.is_told)
		connection_end(c, "closed", "both sides have ended it", true);
}

void pump_step(struct connection *c)
{
	size_t moved = 0;
	bool any = true;
	/* What was said together with OPEN has not been looked at. */
	if (c->up.held > 0 && !look(c, SPEAKS_CLIENT))
		return;
	while (any && moved < TURN_BYTES) {
		any = false;
		if (!go_round(c, &moved, &any))
			return;
	}
	pass_ends(c);
	if (c->state != STATE_CARRYING)
		return;
	/* TLS may hold bytes of which the kernel knows nothing any more; and others want their turn. */
	if (c->client.can_read && pump_wants_client(c))
		connection_again(c);
}
