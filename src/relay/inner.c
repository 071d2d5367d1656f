/*
 * The way to the machine behind: its addresses in order, each with a time of its own. When one has answered,
 * the knock process is told, and not before it was does the first byte go there.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/internal.h"

static void give_up(struct connection *c)
{
	const struct rules *rules = &c->passthru->rules;
	char text[RELAY_TEXT_MAX + 1];
	snprintf(text, sizeof(text), "port %u of %.200s: %s", rules->port, rules->host,
		c->addr_count == 0 ? "its name has no address" : strerror(c->inner_errno));
	connection_refuse(c, FRAME_NO_INNER, "relay-inner", text);
}

static void answered(struct connection *c)
{
	c->inner_addr = c->addrs[c->addr_at];
	c->inner.can_read = c->inner.can_write = true;
	connection_close_side(&c->knock, false);
	c->state = STATE_RECORDING;
	c->deadline_ms = c->relay->now_ms + HANDSHAKE_MS;
	/* Asked again by a new knock process, it is for that one to say. */
	if (!c->is_asked && (c->owed & OWED_ASK) == 0)
		report_owe(c, OWED_THROUGH);
}

/* 0: on its way, or there; or why not. */
static int try_one(struct connection *c)
{
	const int on = 1;
	struct sockaddr_storage to;
	socklen_t len = addr_to_sockaddr(&c->addrs[c->addr_at], c->inner_port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int rc = connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS ? errno : 0;
	if (rc == 0 &&
		(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0))
		rc = errno;
	if (rc == 0)
		rc = -connection_watch_side(c, &c->inner, fd);
	if (rc != 0)
		close(fd);
	c->inner.can_read = c->inner.can_write = false;
	c->deadline_ms = c->relay->now_ms + CONNECT_MS;
	return rc;
}

/* From addr_at on, the first that is not refused at once. */
static void try_rest(struct connection *c)
{
	for (; c->addr_at < c->addr_count; c->addr_at++) {
		int rc = try_one(c);
		if (rc == 0)
			return;
		c->inner_errno = rc;
	}
	give_up(c);
}

void inner_begin(struct connection *c)
{
	const struct rules *rules = &c->passthru->rules;
	c->state = STATE_CONNECTING;
	c->addr_at = 0;
	c->addr_count = rules->addr_count;
	memcpy(c->addrs, rules->addrs, sizeof(c->addrs));
	c->inner_port = rules->port;
	try_rest(c);
}

static void fail(struct connection *c, int error)
{
	c->inner_errno = error;
	connection_close_side(&c->inner, true);
	c->addr_at++;
	try_rest(c);
}

void inner_next(struct connection *c)
{
	fail(c, ETIMEDOUT);
}

bool inner_step(struct connection *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	bool any = false;
	if (!client_write(c, &any)) {
		connection_end(
			c, "relay-inner", "it went away before the inner machine answered", false);
		return false;
	}
	if (!c->inner.can_write)
		return false;
	if (getsockopt(c->inner.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		fail(c, error);
	else
		answered(c);
	return true;
}
