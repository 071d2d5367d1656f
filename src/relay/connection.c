/*
 * The life of one connection, from its acceptance to the last word about it:
 *
 *     HANDSHAKE -> ASKING -> TALKING -> CONNECTING -> RECORDING -> CARRYING -> ENDED
 *
 * with FAREWELL on the way from any but CARRYING to ENDED, so that a client that is refused can read why.
 * Each event makes the steps that can be made without waiting. Invariant: a struct is freed only by
 * connection_settle, from the loop itself, when nothing of it is open, queued or owed; so a step may end the
 * connection it works on.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/internal.h"

/* Which of the sides can have what they wait for; then as far as it goes. */
static void on_side(uv_poll_t *poll, int status, int events)
{
	struct handle *h = poll->data;
	struct side *s = h->side;
	if (s == NULL)
		return;
	if (status < 0)
		s->events = 0; /* the loop stopped watching: the next attempt says what is wrong */
	s->can_read = s->can_read || status < 0 || (events & UV_READABLE) != 0;
	s->can_write = s->can_write || status < 0 || (events & UV_WRITABLE) != 0;
	if (s->can_write)
		s->wants_write = false;
	h->connection->relay->now_ms = clock_mono_ms();
	connection_step(h->connection);
}

static void on_side_closed(uv_handle_t *handle)
{
	struct handle *h = handle->data;
	struct connection *c = h->connection;
	free(h);
	c->handles--;
	connection_settle(c);
}

int connection_watch_side(struct connection *c, struct side *s, int fd)
{
	struct handle *h = calloc(1, sizeof(*h));
	int rc = h != NULL ? uv_poll_init(&c->relay->loop, &h->poll, fd) : -ENOMEM;
	if (rc < 0) {
		free(h);
		return rc;
	}
	h->poll.data = h;
	h->connection = c;
	h->side = s;
	c->handles++;
	*s = (struct side){ .handle = h, .fd = fd, .can_read = true, .can_write = true };
	return 0;
}

void connection_close_side(struct side *s, bool is_reset)
{
	const struct linger reset = { 1, 0 };
	if (s->fd < 0)
		return;
	s->handle->side = NULL;
	uv_close((uv_handle_t *)&s->handle->poll, on_side_closed);
	if (is_reset && setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		log_warn("a connection cannot be reset: %s", strerror(errno));
	close(s->fd);
	*s = (struct side){ .fd = -1 };
}

static void watch_side(struct side *s, int events)
{
	if (s->fd < 0 || s->events == events)
		return;
	s->events = events;
	if (events == 0)
		uv_poll_stop(&s->handle->poll);
	else
		uv_poll_start(&s->handle->poll, events, on_side);
}

static int client_events(const struct connection *c)
{
	bool is_written = buffer_front(&c->down).len > 0 || c->client.wants_write;
	int write = !c->client.can_write && is_written ? UV_WRITABLE : 0;
	switch (c->state) {
	case STATE_HANDSHAKE:
		return (c->client.can_read ? 0 : UV_READABLE) |
			(c->client.can_write ? 0 : UV_WRITABLE);
	case STATE_TALKING:
		return write | UV_READABLE;
	case STATE_CARRYING:
		return write | (pump_wants_client(c) ? UV_READABLE : 0);
	case STATE_FAREWELL:
		/* It is heard only when it was told all. */
		return write | (c->client.is_told ? UV_READABLE : 0);
	case STATE_ASKING:
	case STATE_CONNECTING:
	case STATE_RECORDING:
		return write;
	case STATE_ENDED:
		break;
	}
	return 0;
}

static int inner_events(const struct connection *c)
{
	if (c->state == STATE_CONNECTING)
		return UV_WRITABLE;
	if (c->state != STATE_CARRYING)
		return 0;
	bool is_written = buffer_front(&c->up).len > 0;
	return (!c->inner.can_write && is_written ? UV_WRITABLE : 0) |
		(pump_wants_inner(c) ? UV_READABLE : 0);
}

void connection_watch(struct connection *c)
{
	watch_side(&c->client, client_events(c));
	watch_side(&c->inner, inner_events(c));
	watch_side(&c->knock, c->state == STATE_TALKING ? UV_READABLE : 0);
}

void connection_again(struct connection *c)
{
	if (c->is_again)
		return;
	c->is_again = true;
	c->again_next = c->relay->again;
	c->relay->again = c;
	relay_wake(c->relay);
}

static void enlist(struct connection *c)
{
	struct relay *r = c->relay;
	c->prev = r->last;
	if (r->last != NULL)
		r->last->next = c;
	else
		r->first = c;
	r->last = c;
	c->id_next = r->by_id[c->id % IDS];
	r->by_id[c->id % IDS] = c;
	r->connections++;
	c->passthru->users++;
}

static void delist(struct connection *c)
{
	struct relay *r = c->relay;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		r->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		r->last = c->prev;
	struct connection **at = &r->by_id[c->id % IDS];
	while (*at != c)
		at = &(*at)->id_next;
	*at = c->id_next;
	r->connections--;
	passthru_leave(c->passthru);
}

static void ask(struct connection *c)
{
	c->state = STATE_ASKING;
	c->deadline_ms = c->relay->now_ms + HANDSHAKE_MS;
	report_owe(c, OWED_ASK);
}

struct connection *connection_new(
	struct passthru *p, int fd, const struct addr *source, uint16_t port)
{
	struct relay *r = p->relay;
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->relay = r;
	c->passthru = p;
	c->inner.fd = c->knock.fd = -1;
	c->source = *source;
	c->source_port = port;
	if (p->rules.encrypt) {
		c->ssl = r->tls != NULL ? tls_new(r->tls, fd, &c->flaw) : NULL;
		if (c->ssl == NULL)
			goto out;
	}
	if (connection_watch_side(c, &c->client, fd) < 0)
		goto out;
	c->id = relay_next_id(r);
	c->state = STATE_HANDSHAKE;
	c->deadline_ms = r->now_ms + HANDSHAKE_MS;
	c->lease_until_ms = UINT64_MAX;
	c->is_unproven = true;
	r->unproven++;
	enlist(c);
	relay_tick_on(r);
	return c;
out:
	SSL_free(c->ssl);
	free(c);
	return NULL;
}

/* Without TLS there is nothing to be proved: the address alone is judged. */
static bool step_handshake(struct connection *c)
{
	if (c->ssl == NULL) {
		ask(c);
		return true;
	}
	enum tls_result result = tls_handshake(c->ssl, &c->flaw);
	switch (result) {
	case TLS_OK:
		c->is_shaken = true;
		c->has_frames = tls_has_frames(c->ssl);
		ask(c);
		return true;
	case TLS_WANT_READ:
		c->client.can_read = false;
		return false;
	case TLS_WANT_WRITE:
		c->client.can_write = false;
		return false;
	case TLS_END:
	case TLS_CUT:
	case TLS_BROKEN:
		break;
	}
	connection_refuse(c, FRAME_TROUBLE, c->flaw.word, c->flaw.text);
	return true;
}

/* Let the last words arrive: close only when the client has, or its time is over. */
static bool step_farewell(struct connection *c)
{
	bool any = false;
	struct relay *r = c->relay;
	if (!client_write(c, &any)) {
		connection_end(c, c->reason, c->text, false);
		return false;
	}
	if (buffer_front(&c->down).len > 0)
		return false;
	if (!c->client.is_told) {
		if (c->is_shaken && !client_finish(c))
			return false;
		c->client.is_told = true;
		shutdown(c->client.fd, SHUT_WR);
	}
	ssize_t n = 1;
	for (int i = 0; i < 8 && n > 0; i++)
		n = recv(c->client.fd, r->buffer, sizeof(r->buffer), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		connection_end(c, c->reason, c->text, true);
	return false;
}

static bool step_once(struct connection *c)
{
	switch (c->state) {
	case STATE_HANDSHAKE:
		return step_handshake(c);
	case STATE_TALKING:
		return talk_step(c);
	case STATE_CONNECTING:
		return inner_step(c);
	case STATE_CARRYING:
		pump_step(c);
		return false;
	case STATE_FAREWELL:
		return step_farewell(c);
	case STATE_ASKING:
	case STATE_RECORDING:
	case STATE_ENDED:
		break;
	}
	return false;
}

void connection_step(struct connection *c)
{
	while (step_once(c))
		;
	connection_watch(c);
}

struct connection *connection_find(struct relay *r, uint32_t id)
{
	struct connection *c = r->by_id[id % IDS];
	while (c != NULL && c->id != id)
		c = c->id_next;
	return c;
}

/* Refused or gone before it was let through: who is to hear of it, and how. */
static void tell_caught(struct connection *c)
{
	/* Asked, not answered: when it was granted, the answer is followed by this end. */
	if (c->is_asked || c->is_known)
		return;
	if (c->is_granted)
		report_owe(c, OWED_CAUGHT);
	else
		report_stranger(c->passthru, c, &c->source, c->source_port, c->reason, c->text);
}

static void set_reason(struct connection *c, const char *reason, const char *text)
{
	if (reason != c->reason)
		snprintf(c->reason, sizeof(c->reason), "%s", reason);
	if (text != c->text)
		snprintf(c->text, sizeof(c->text), "%s", text);
}

void connection_refuse(
	struct connection *c, enum frame_status status, const char *reason, const char *text)
{
	struct frame f = { .type = FRAME_OPENED, .status = status };
	if (c->state >= STATE_FAREWELL)
		return;
	set_reason(c, reason, text);
	c->owed &= ~(unsigned)(OWED_ASK | OWED_THROUGH);
	/* Why the lists say no is for the journal. */
	if (status != FRAME_DENIED)
		snprintf(f.text, sizeof(f.text), "%.*s", FRAME_TEXT_MAX, text);
	tell_caught(c);
	c->state = STATE_FAREWELL;
	c->deadline_ms = c->relay->now_ms + FAREWELL_MS;
	connection_close_side(&c->inner, true);
	connection_close_side(&c->knock, false);
	buffer_clear(&c->up);
	connection_put_frame(c, &f);
	connection_again(c);
}

static void uncount(struct connection *c)
{
	struct relay *r = c->relay;
	if (c->is_unproven)
		r->unproven--;
	c->is_unproven = false;
	if (c->is_granted) {
		r->granted--;
		c->passthru->granted--;
	}
}

void connection_end(struct connection *c, const char *reason, const char *text, bool is_clean)
{
	struct relay *r = c->relay;
	if (c->state == STATE_ENDED)
		return;
	set_reason(c, reason, text);
	if (c->is_through) {
		c->is_asked = false;
		report_owe(c, OWED_ENDED);
	} else if (c->state != STATE_FAREWELL) {
		c->owed &= ~(unsigned)(OWED_ASK | OWED_THROUGH);
		tell_caught(c);
	}
	uncount(c);
	c->state = STATE_ENDED;
	c->ended_ms = r->now_ms;
	c->deadline_ms = UINT64_MAX;
	SSL_free(c->ssl);
	c->ssl = NULL;
	buffer_clear(&c->up);
	c->down.held = c->up.held = 0;
	buffer_clear(&c->down);
	connection_close_side(&c->client, !is_clean);
	connection_close_side(&c->inner, !is_clean);
	connection_close_side(&c->knock, false);
	r->records++;
	if (c->owed == 0 || (r->judge == NULL && r->records > RECORDS_MAX))
		report_disown(c);
}

void connection_settle(struct connection *c)
{
	if (c->state != STATE_ENDED || c->handles > 0 || c->is_again || c->is_owing ||
		c->owed != 0 || c->is_asked)
		return;
	c->relay->records--;
	delist(c);
	free(c);
}

static void check_deadline(struct connection *c)
{
	switch (c->state) {
	case STATE_HANDSHAKE:
		connection_refuse(c, FRAME_TROUBLE, "relay-handshake",
			"its handshake was not done within 10s");
		break;
	case STATE_ASKING:
	case STATE_RECORDING:
		connection_refuse(
			c, FRAME_TROUBLE, "relay-trouble", "nobody was there to judge it");
		break;
	case STATE_TALKING:
		connection_refuse(c, FRAME_TROUBLE, "relay-destination",
			"it did not say within 30s where to");
		break;
	case STATE_CONNECTING:
		inner_next(c);
		break;
	case STATE_FAREWELL:
		connection_end(c, c->reason, c->text, false);
		break;
	case STATE_CARRYING:
	case STATE_ENDED:
		break;
	}
}

void connection_check_time(struct connection *c)
{
	uint64_t now = c->relay->now_ms;
	uint64_t idle_ms = c->passthru->rules.idle_s * UINT64_C(1000);
	if (now >= c->deadline_ms)
		check_deadline(c);
	else if (c->state == STATE_CARRYING && now >= c->lease_until_ms)
		connection_end(c, "relay-lease", "its lease is over", false);
	else if (c->state == STATE_CARRYING && now - c->used_ms >= idle_ms)
		connection_end(c, "relay-idle", "no byte either way for too long", false);
	else
		return;
	connection_step(c);
}
