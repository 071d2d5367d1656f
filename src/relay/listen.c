/*
 * Taking connections. Who is not let through yet may hold few places: so many in total, and of those that the
 * knock process is not being asked about so many an address (of IPv6, its /64). What is over is closed at once
 * and counted. Without free descriptors nothing is accepted for a moment, so that the kernel's queue fills and
 * not the processor.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/internal.h"

#define ACCEPTS_A_TURN 64
#define NET_LEN 8 /* of an IPv6 address, the bytes that name a network */

static bool is_same_source(const struct addr *a, const struct addr *b)
{
	return addr_is_v4(a) || addr_is_v4(b) ? addr_equal(a, b) : memcmp(a->b, b->b, NET_LEN) == 0;
}

static size_t count_unproven(const struct relay *r, const struct addr *source)
{
	size_t n = 0;
	/* The newest first: those without proof are among them. */
	size_t left = r->unproven;
	for (const struct connection *c = r->last; c != NULL && left > 0; c = c->prev) {
		if (!c->is_unproven)
			continue;
		left--;
		if (c->state != STATE_ASKING && is_same_source(&c->source, source))
			n++;
	}
	return n;
}

static const char *refusal(const struct relay *r, const struct addr *source)
{
	if (r->unproven >= UNPROVEN_MAX)
		return "too many connections wait to be proved";
	if (count_unproven(r, source) >= UNPROVEN_SOURCE_MAX)
		return "too many connections of this address wait to be proved";
	return NULL;
}

static void set_options(int fd)
{
	const int on = 1;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0)
		return; /* a slower connection is one all the same */
}

static void welcome(struct passthru *p, int fd, const struct sockaddr_storage *ss)
{
	struct addr source = { 0 };
	uint16_t port = 0;
	if (!addr_from_sockaddr(ss, &source, &port)) {
		close(fd);
		return;
	}
	const char *why = refusal(p->relay, &source);
	struct connection *c = NULL;
	if (why == NULL) {
		set_options(fd);
		c = connection_new(p, fd, &source, port);
		if (c == NULL)
			why = "there is no memory for it";
	}
	if (c != NULL) {
		connection_step(c);
		return;
	}
	close(fd);
	report_stranger(p, NULL, &source, port, "relay-busy", why);
}

/* Of the connection that was to be accepted, not of us. */
static bool is_of_one(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPERM || error == EPROTO ||
		error == ENETDOWN || error == EHOSTDOWN || error == EHOSTUNREACH ||
		error == ENETUNREACH || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

static void pause_all(struct relay *r, int error)
{
	if (!r->is_paused)
		log_warn("no connection can be accepted for a moment: %s", strerror(error));
	r->is_paused = true;
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		if (p->listener != NULL)
			uv_poll_stop(&p->listener->poll);
	relay_tick_on(r);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	struct passthru *p = l->passthru;
	(void)status;
	(void)events;
	p->relay->now_ms = clock_mono_ms();
	for (int i = 0; i < ACCEPTS_A_TURN && l->passthru != NULL; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(p, fd, &ss);
		} else if (errno == EAGAIN) {
			return;
		} else if (!is_of_one(errno)) {
			pause_all(p->relay, errno);
			return;
		}
	}
}

void listen_resume(struct relay *r)
{
	r->is_paused = false;
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		if (p->listener != NULL)
			uv_poll_start(&p->listener->poll, UV_READABLE, on_listener);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int listen_start(struct passthru *p, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));
	int rc = l != NULL ? uv_poll_init(&p->relay->loop, &l->poll, fd) : -ENOMEM;
	if (rc < 0) {
		close(fd);
		free(l);
		return rc;
	}
	l->fd = fd;
	l->passthru = p;
	l->poll.data = l;
	p->listener = l;
	return uv_poll_start(&l->poll, UV_READABLE, on_listener);
}

void listen_stop(struct passthru *p)
{
	struct listener *l = p->listener;
	if (l == NULL)
		return;
	p->listener = NULL;
	l->passthru = NULL;
	uv_close((uv_handle_t *)&l->poll, on_closed);
	close(l->fd);
}
