/*
 * Frames: what a client says before its connection is carried. Knocks go on by UDP, to the passthru's own host
 * and nowhere else, and only for somebody who was let through here. Invariant: what follows OPEN stays in the
 * buffer, as the first bytes of the connection.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/internal.h"

#define DATAGRAMS_A_TURN 8

static void knock_open(struct connection *c)
{
	const struct rules *rules = &c->passthru->rules;
	struct sockaddr_storage to;
	if (c->knock.fd >= 0 || rules->addr_count == 0)
		return;
	socklen_t len = addr_to_sockaddr(&rules->addrs[0], rules->knock, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&to, len) < 0 ||
		connection_watch_side(c, &c->knock, fd) < 0)
		close(fd);
}

/* Lost on the way is lost: the client knocks again. */
static void knock(struct connection *c, struct span datagram)
{
	if (c->passthru->rules.knock == 0) {
		connection_refuse(c, FRAME_ELSEWHERE, "relay-destination",
			"this passthru carries no knocks on (knock is not set)");
		return;
	}
	if (++c->knocks > FRAME_KNOCKS_MAX) {
		connection_refuse(c, FRAME_BUSY, "relay-limit", "it brought too many knocks along");
		return;
	}
	knock_open(c);
	if (c->knock.fd >= 0 &&
		send(c->knock.fd, datagram.data, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

void talk_hear(struct connection *c)
{
	uint8_t datagram[FRAME_DATAGRAM_MAX + 1];
	for (int i = 0; i < DATAGRAMS_A_TURN && c->knock.fd >= 0; i++) {
		ssize_t n = recv(c->knock.fd, datagram, sizeof(datagram), MSG_DONTWAIT);
		if (n < 0)
			break;
		struct frame f = { .type = FRAME_KNOCKED,
			.datagram = span_of(datagram, (size_t)n) };
		if (n > 0 && n <= FRAME_DATAGRAM_MAX && buffer_has_room(&c->down))
			connection_put_frame(c, &f);
	}
}

static bool is_numeric_target(const struct rules *rules, const char *host)
{
	struct addr a;
	if (!addr_parse(host, &a))
		return false;
	for (size_t i = 0; i < rules->addr_count; i++)
		if (addr_equal(&a, &rules->addrs[i]))
			return true;
	return false;
}

/* Where somebody wants to is only compared; where it leads to is the configuration's. */
static bool is_here(const struct rules *rules, const struct frame *f)
{
	if (f->port != 0 && f->port != rules->port)
		return false;
	return f->host[0] == '\0' || strcasecmp(f->host, rules->host) == 0 ||
		is_numeric_target(rules, f->host);
}

static void refuse_elsewhere(struct connection *c, const struct frame *f)
{
	char text[RELAY_TEXT_MAX + 1];
	snprintf(text, sizeof(text),
		"it asks for %.100s port %u, where this passthru does not lead",
		f->host[0] != '\0' ? f->host : "any host,", (unsigned)f->port);
	connection_refuse(c, FRAME_ELSEWHERE, "relay-destination", text);
}

static void obey(struct connection *c, const struct frame *f)
{
	if (f->type == FRAME_KNOCK)
		knock(c, f->datagram);
	else if (!is_here(&c->passthru->rules, f))
		refuse_elsewhere(c, f);
	else
		inner_begin(c);
}

/* All whole frames; false when there is no more to be done with what has arrived. */
static bool take_frames(struct connection *c)
{
	while (c->state == STATE_TALKING) {
		struct frame f;
		size_t len = 0;
		enum frame_result result =
			frame_decode(buffer_front(&c->up), FRAME_FROM_CLIENT, &f, &len);
		if (result == FRAME_MORE)
			return false;
		if (result == FRAME_BROKEN) {
			connection_refuse(
				c, FRAME_TROUBLE, "relay-destination", "what it said is no frame");
			return true;
		}
		/* The datagram is borrowed from the buffer. */
		obey(c, &f);
		if (c->state < STATE_FAREWELL)
			buffer_drop(&c->up, len);
	}
	return true;
}

bool talk_step(struct connection *c)
{
	bool any = false;
	talk_hear(c);
	while (c->client.can_read) {
		enum tls_result result = client_read(c);
		if (result == TLS_END || result == TLS_CUT || result == TLS_BROKEN) {
			connection_end(c, "relay-destination",
				"it went away before it said where to", false);
			return false;
		}
		if (result != TLS_OK)
			break;
		if (take_frames(c))
			return true;
	}
	if (!client_write(c, &any)) {
		connection_end(
			c, "relay-destination", "it went away before it said where to", false);
		return false;
	}
	return false;
}
