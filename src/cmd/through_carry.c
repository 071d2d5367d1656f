/*
 * Two directions, each with one buffer that is filled only when empty. Invariant: before each wait everything
 * that TLS holds already has been asked for, for a poll of its socket does not see that; and no call here can
 * block.
 */

#include "cmd/through_carry.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define BUFFER_LEN 65536
#define GOODBYE_MS 1000

struct side {
	bool is_ended; /* whoever gives has ended, or whoever takes takes no more */
	bool is_told;  /* whoever takes was told */
	size_t at, len;
	uint8_t b[BUFFER_LEN];
};

struct carrying {
	struct through_tls *tls;
	int in, out;
	bool is_socket;   /* out is one */
	bool is_terminal; /* in is one */
	bool is_in_ready, is_out_ready;
	short up_events, down_events; /* what TLS waits for */
	struct side up, down;
};

static void end(struct side *s)
{
	s->is_ended = true;
	s->at = s->len = 0;
}

/* 1 something was done, 0 nothing can be now, or -errno. */
static int read_in(struct carrying *c)
{
	if (!c->is_in_ready)
		return 0;
	c->is_in_ready = false;
	ssize_t n = read(c->in, c->up.b, sizeof(c->up.b));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A terminal that went away, or a program that reset: its end, as far as we care. */
	if (n < 0 && errno != EIO && errno != ECONNRESET)
		return -errno;
	c->up.at = 0;
	c->up.len = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		end(&c->up);
	return 1;
}

static int write_tls(struct carrying *c)
{
	struct side *s = &c->up;
	int n = through_tls_write(c->tls, s->b + s->at, s->len - s->at);
	if (n == -EAGAIN) {
		c->up_events = c->tls->events;
		return 0;
	}
	if (n < 0)
		return n;
	s->at += (size_t)n;
	if (s->at == s->len)
		s->at = s->len = 0;
	return 1;
}

static int finish_tls(struct carrying *c)
{
	int rc = through_tls_finish(c->tls);
	if (rc == -EAGAIN) {
		c->up_events = c->tls->events;
		return 0;
	}
	c->up.is_told = true;
	return rc < 0 ? rc : 1;
}

static int step_up(struct carrying *c)
{
	c->up_events = 0;
	if (c->up.len > 0)
		return write_tls(c);
	if (!c->up.is_ended)
		return read_in(c);
	return c->up.is_told ? 0 : finish_tls(c);
}

static int read_tls(struct carrying *c)
{
	int n = through_tls_read(c->tls, c->down.b, sizeof(c->down.b));
	if (n == -EAGAIN) {
		c->down_events = c->tls->events;
		return 0;
	}
	if (n < 0)
		return n;
	c->down.at = 0;
	c->down.len = (size_t)n;
	if (n == 0)
		end(&c->down);
	return 1;
}

static int write_out(struct carrying *c)
{
	struct side *s = &c->down;
	size_t len = s->len - s->at;
	if (!c->is_out_ready)
		return 0;
	c->is_out_ready = false;
	/* A blocking pipe that polls as writable takes this much for certain. */
	if (!c->is_socket && len > PIPE_BUF)
		len = PIPE_BUF;
	ssize_t n = c->is_socket ? send(c->out, s->b + s->at, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(c->out, s->b + s->at, len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		end(s);
		return 1;
	}
	if (n < 0)
		return -errno;
	s->at += (size_t)n;
	if (s->at == s->len)
		s->at = s->len = 0;
	return 1;
}

static void tell_out(struct carrying *c)
{
	if (c->in == c->out)
		shutdown(c->out, SHUT_WR);
	else
		close(c->out);
	c->down.is_told = true;
}

static int step_down(struct carrying *c)
{
	c->down_events = 0;
	if (c->down.len > 0)
		return write_out(c);
	if (!c->down.is_ended)
		return read_tls(c);
	if (c->down.is_told)
		return 0;
	tell_out(c);
	return 1;
}

static bool has_ended(const struct carrying *c)
{
	/* Nobody types an end of file for a server that has hung up. */
	return c->down.is_told && (c->up.is_told || c->is_terminal);
}

/* 0, or -EPIPE when the connection has gone altogether after its end, or -errno. */
static int wait(struct carrying *c)
{
	bool is_reading = c->up.len == 0 && !c->up.is_ended;
	struct pollfd p[3] = {
		{ .fd = is_reading ? c->in : -1, .events = POLLIN },
		{ .fd = c->down.len > 0 ? c->out : -1, .events = POLLOUT },
		{ .fd = c->tls->fd, .events = (short)(c->up_events | c->down_events) },
	};
	/* While TLS waits for nothing, its socket's hanging up is of interest only at the end. */
	if (p[2].events == 0 && !c->down.is_told)
		p[2].fd = -1;
	if (poll(p, 3, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	c->is_in_ready = p[0].revents != 0;
	c->is_out_ready = p[1].revents != 0;
	return c->down.is_told && (p[2].revents & (POLLHUP | POLLERR)) != 0 ? -EPIPE : 0;
}

static int carry(struct carrying *c)
{
	while (!has_ended(c)) {
		int up = step_up(c);
		int down = up < 0 ? up : step_down(c);
		if (down < 0)
			return down;
		if (up > 0 || down > 0)
			continue;
		int rc = wait(c);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Each layer's goodbye, the innermost first, as far as it gets out at once. */
static void say_goodbye(struct through_way *w)
{
	uint64_t deadline_ms = clock_mono_ms() + GOODBYE_MS;
	for (size_t i = w->count; i-- > 0;)
		while (through_tls_finish(w->layers[i]) == -EAGAIN &&
			through_tls_wait(w->layers[i], deadline_ms))
			continue;
}

int through_carry(struct through_way *w, int in, int out, struct fault *f)
{
	int type;
	socklen_t len = sizeof(type);
	struct carrying *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		fault_set(f, "no memory; close something and try again");
		return -ENOMEM;
	}
	c->tls = w->layers[w->count - 1];
	c->in = in;
	c->out = out;
	c->is_socket = getsockopt(out, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	c->is_terminal = isatty(in) == 1;
	int rc = carry(c);
	/* It had ended: that nobody takes our rest any more breaks nothing. */
	if (rc == -EPIPE || (rc == -EIO && c->down.is_told))
		rc = 0;
	if (rc == -EIO)
		fault_set(f, "the connection broke: %.400s", c->tls->fault.text);
	else if (rc < 0)
		fault_set(f, "the connection broke: %s", strerror(-rc));
	else
		say_goodbye(w);
	free(c);
	return rc;
}
