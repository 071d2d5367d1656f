/*
 * The client's half of a connection: the same reading, writing and ending with and without TLS.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/internal.h"

static enum tls_result plain_read(int fd, uint8_t *to, size_t cap, size_t *ret_len)
{
	ssize_t n;
	do
		n = recv(fd, to, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		*ret_len = (size_t)n;
	return n > 0 ? TLS_OK : n == 0 ? TLS_END : errno == EAGAIN ? TLS_WANT_READ : TLS_CUT;
}

static enum tls_result plain_write(int fd, const uint8_t *from, size_t len, size_t *ret_len)
{
	ssize_t n;
	do
		n = send(fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		*ret_len = (size_t)n;
	return n >= 0 ? TLS_OK : errno == EAGAIN ? TLS_WANT_WRITE : TLS_CUT;
}

enum tls_result client_read(struct connection *c)
{
	size_t cap, len = 0;
	uint8_t *to = buffer_room(&c->up, &cap);
	if (to == NULL)
		return TLS_WANT_READ;
	enum tls_result result = c->ssl != NULL ? tls_read(c->ssl, to, cap, &len)
						: plain_read(c->client.fd, to, cap, &len);
	switch (result) {
	case TLS_OK:
		buffer_added(&c->up, len);
		c->used_ms = c->relay->now_ms;
		/* What was less than the room was all; TLS may have more within itself. */
		if (c->ssl == NULL && len < cap)
			c->client.can_read = false;
		break;
	case TLS_WANT_WRITE:
		c->client.can_read = c->client.can_write = false;
		c->client.wants_write = true;
		break;
	case TLS_WANT_READ:
		c->client.can_read = false;
		break;
	case TLS_END:
		c->client.is_ended = true;
		break;
	case TLS_CUT:
	case TLS_BROKEN:
		break;
	}
	buffer_rest(&c->up);
	return result == TLS_WANT_WRITE ? TLS_WANT_READ : result;
}

/* Of what was written, the connection's own bytes. */
static void count(struct connection *c, size_t len)
{
	size_t ours = len < c->down_frames ? len : c->down_frames;
	c->down_frames -= ours;
	c->to_client += len - ours;
	c->used_ms = c->relay->now_ms;
}

bool client_write(struct connection *c, bool *ret_any)
{
	struct span s = buffer_front(&c->down);
	while (s.len > 0 && c->client.can_write) {
		size_t len = 0;
		enum tls_result result = c->ssl != NULL
			? tls_write(c->ssl, s.data, s.len, &len)
			: plain_write(c->client.fd, s.data, s.len, &len);
		if (result == TLS_WANT_WRITE || result == TLS_WANT_READ) {
			c->client.can_write = false;
			break;
		}
		if (result != TLS_OK)
			return false;
		*ret_any = true;
		count(c, len);
		buffer_drop(&c->down, len);
		s = buffer_front(&c->down);
	}
	buffer_rest(&c->down);
	return true;
}

bool client_finish(struct connection *c)
{
	if (c->client.is_told)
		return true;
	if (c->ssl == NULL) {
		shutdown(c->client.fd, SHUT_WR);
	} else if (tls_close(c->ssl) == TLS_WANT_WRITE) {
		c->client.can_write = false;
		c->client.wants_write = true;
		return false;
	}
	c->client.is_told = true;
	return true;
}

void connection_put_frame(struct connection *c, const struct frame *f)
{
	uint8_t bytes[FRAME_LEN_MAX];
	if (!c->has_frames || !c->is_shaken)
		return;
	size_t len = frame_encode(f, bytes);
	buffer_put(&c->down, bytes, len);
	c->down_frames += len;
}
