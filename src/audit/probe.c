/*
 * One connection, from connect to its end. Invariant: done is called once, from the loop, after the socket
 * was closed; one timer stands for whatever is awaited, another for the whole. Hundreds of them wait at a
 * time: what is kept for the dialogue ends with it, and a flight begins with its first byte.
 */

#include "audit/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/hello.h"

#define READ_LEN 4096
#define READ_MAX ((uint64_t)2 << 20) /* bytes of one connection */
#define MORE_LEN 4096
#define GOODBYE_LEN 64
#define FLIGHT_RATE 8 /* bytes a millisecond: the slowest that is waited for */
#define HANDLES 3

static const struct audit_times defaults = {
	.connect_ms = 5000, .greeting_ms = 30000, .step_ms = 10000, .total_ms = 60000
};

struct audit_probe {
	struct audit_probe_ask ask;
	uv_loop_t *loop;
	uv_tcp_t tcp;
	uv_timer_t step, total;
	uv_connect_t connect;
	uv_write_t write;
	unsigned open; /* handles that are not closed yet */
	bool is_ending, is_writing, is_begun, has_more;
	uint64_t began_ms, connected_ms;
	uint64_t asked_ms;   /* the last thing was sent then */
	uint64_t flight_len; /* bytes of the answer to it */
	enum audit_stage stage;
	struct audit_dialogue *dialogue; /* from connect until TLS begins */
	struct audit_words *words;       /* then */
	struct audit_flight *flight;     /* NULL: no byte of it has come */
	struct audit_probe_result result;
	uint8_t *more; /* MORE_LEN bytes behind the hello, when the ask has more */
	uint8_t goodbye[GOODBYE_LEN];
	uint8_t hello[]; /* hundreds of probes are kept: each takes what it needs */
};

/* What was read is used up before anything else is: one for all probes. */
static uint8_t buffer[READ_LEN];
static const struct audit_flight no_flight = { .end = AUDIT_FLIGHT_MORE };
static const struct audit_words no_words = { .code = 0 };

static void on_closed(uv_handle_t *handle)
{
	struct audit_probe *p = handle->data;
	if (--p->open > 0)
		return;
	p->result.total_ms = (uint32_t)(uv_now(p->loop) - p->began_ms);
	if (p->ask.target->starttls != AUDIT_DIRECT)
		p->result.words = p->dialogue != NULL ? &p->dialogue->words
			: p->words != NULL            ? p->words
						      : &no_words;
	if (p->stage == AUDIT_STAGE_HELLO)
		p->result.flight = p->flight != NULL ? p->flight : &no_flight;
	p->ask.done(p->ask.arg, &p->result);
	audit_flight_free(p->flight);
	free(p->dialogue);
	free(p->words);
	free(p);
}

static void close_all(struct audit_probe *p)
{
	uv_close((uv_handle_t *)&p->tcp, on_closed);
	uv_close((uv_handle_t *)&p->step, on_closed);
	uv_close((uv_handle_t *)&p->total, on_closed);
}

/* Where no TLS began, a polite client says goodbye; nobody waits for the answer. */
static void say_goodbye(struct audit_probe *p)
{
	if (!p->ask.is_polite || p->result.end != AUDIT_PROBE_DIALOGUE || p->dialogue == NULL)
		return;
	struct span bye = audit_dialogue_goodbye(p->dialogue);
	if (bye.len == 0 || bye.len > sizeof(p->goodbye))
		return;
	memcpy(p->goodbye, bye.data, bye.len);
	uv_buf_t buf = uv_buf_init((char *)p->goodbye, (unsigned)bye.len);
	int n = uv_try_write((uv_stream_t *)&p->tcp, &buf, 1);
	if (n > 0)
		p->result.written += (uint64_t)n;
}

/* What the result says of the dialogue, which may end before the rest. */
static void note_dialogue(struct audit_probe *p)
{
	const struct audit_dialogue *d = p->dialogue;
	if (d == NULL)
		return;
	p->result.is_temporary = d->is_temporary;
	p->result.is_asked = d->is_asked;
	p->result.dialogue_end = d->end;
	p->result.leftover_len = d->leftover_len;
}

static void finish(struct audit_probe *p, enum audit_probe_end end, int error)
{
	if (p->is_ending)
		return;
	p->is_ending = true;
	p->result.end = end;
	p->result.error = error;
	p->result.stage = p->stage;
	note_dialogue(p);
	say_goodbye(p);
	close_all(p);
}

static void on_time(uv_timer_t *timer)
{
	finish(timer->data, AUDIT_PROBE_TIMEOUT, 0);
}

static void await(struct audit_probe *p, uint32_t ms)
{
	uv_timer_start(&p->step, on_time, ms, 0);
}

static void go_on(struct audit_probe *p);

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init((char *)buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *req, int status)
{
	struct audit_probe *p = req->data;
	p->is_writing = false;
	if (p->is_ending)
		return;
	if (p->stage == AUDIT_STAGE_DIALOGUE && status == 0) {
		audit_dialogue_sent(p->dialogue);
		go_on(p);
	}
	/* When it failed, what the server said before may still be there to read; then the end is. */
	if (!p->is_ending && p->stage == AUDIT_STAGE_HELLO && p->ask.more != NULL)
		uv_read_start((uv_stream_t *)&p->tcp, on_buffer, on_read);
}

static void send_bytes(struct audit_probe *p, uint8_t *bytes, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)len);
	p->is_writing = true;
	p->asked_ms = uv_now(p->loop);
	p->result.written += len;
	p->write.data = p;
	/* What more has to say next must not meet what is still being written. */
	if (p->stage == AUDIT_STAGE_HELLO && p->ask.more != NULL)
		uv_read_stop((uv_stream_t *)&p->tcp);
	int rc = uv_write(&p->write, (uv_stream_t *)&p->tcp, &buf, 1, on_written);
	if (rc < 0) {
		p->is_writing = false;
		finish(p, AUDIT_PROBE_RESET, rc);
	}
}

static void begin_hello(struct audit_probe *p)
{
	bool has_words = p->ask.target->starttls != AUDIT_DIRECT;
	p->stage = AUDIT_STAGE_HELLO;
	p->words = has_words ? malloc(sizeof(*p->words)) : NULL;
	if (has_words && p->words == NULL) {
		finish(p, AUDIT_PROBE_CANCELLED, UV_ENOMEM);
		return;
	}
	if (has_words)
		*p->words = p->dialogue->words;
	note_dialogue(p);
	free(p->dialogue);
	p->dialogue = NULL;
	await(p, p->ask.times.step_ms);
	send_bytes(p, p->hello, p->ask.hello_len);
}

/* As long as something comes, but no longer than that: a byte now and then is not to hold a connection. */
static void await_until(struct audit_probe *p, uint64_t end_ms)
{
	uint64_t now_ms = uv_now(p->loop), ms = end_ms > now_ms ? end_ms - now_ms : 0;
	await(p, ms < p->ask.times.step_ms ? (uint32_t)ms : p->ask.times.step_ms);
}

/*
 * The greeting has one time for all its lines: it begins with the connection, not with each of them. An answer
 * has as much, since those who greet slowly answer slowly.
 */
static void await_words(struct audit_probe *p)
{
	if (p->is_begun)
		await_until(p, p->asked_ms + p->ask.times.greeting_ms);
}

/* A flight has the time of a step, and what its bytes need over a slow line. */
static void await_flight(struct audit_probe *p)
{
	await_until(p, p->asked_ms + p->ask.times.step_ms + p->flight_len / FLIGHT_RATE);
}

/* What the dialogue wants next. */
static void go_on(struct audit_probe *p)
{
	switch (p->dialogue->step) {
	case AUDIT_STEP_READ:
		await_words(p);
		break;
	case AUDIT_STEP_SEND:
		if (!p->is_writing)
			send_bytes(p, p->dialogue->send, p->dialogue->send_len);
		break;
	case AUDIT_STEP_TLS:
		begin_hello(p);
		break;
	case AUDIT_STEP_ENDED:
		finish(p, AUDIT_PROBE_DIALOGUE, 0);
		break;
	}
}

/* Ask the owner of a single probe what to send now; false: nothing, it is over. */
static bool ask_more(struct audit_probe *p, struct span bytes, bool is_end)
{
	size_t len = 0;
	p->has_more = true;
	const struct audit_flight *f = p->flight != NULL ? p->flight : &no_flight;
	if (!p->ask.more(p->ask.more_arg, f, bytes, is_end, p->more, MORE_LEN, &len))
		return false;
	if (len > 0 && !is_end) {
		await(p, p->ask.times.step_ms);
		send_bytes(p, p->more, len);
	}
	return true;
}

static void read_flight(struct audit_probe *p, struct span bytes)
{
	bool is_first = !p->has_more && !p->ask.is_raw;
	if (p->flight == NULL)
		p->flight = audit_flight_new(p->ask.is_ssl2);
	if (p->flight == NULL) {
		finish(p, AUDIT_PROBE_CANCELLED, UV_ENOMEM);
		return;
	}
	p->flight_len += bytes.len;
	if (is_first && audit_flight_feed(p->flight, bytes) == AUDIT_FLIGHT_MORE) {
		await_flight(p);
		return;
	}
	if (p->ask.more == NULL || !ask_more(p, is_first ? span_of(NULL, 0) : bytes, false))
		finish(p, AUDIT_PROBE_FLIGHT, 0);
}

static void note_greeting(struct audit_probe *p)
{
	if (p->is_begun || !p->dialogue->is_greeted || p->dialogue->step == AUDIT_STEP_READ)
		return;
	p->is_begun = true;
	p->result.greeting_ms = (uint32_t)(uv_now(p->loop) - p->connected_ms);
	p->dialogue->words.greeting_ms = p->result.greeting_ms;
}

static void read_dialogue(struct audit_probe *p, struct span bytes, bool is_end)
{
	audit_dialogue_feed(p->dialogue, bytes, is_end);
	note_greeting(p);
	go_on(p);
}

static void read_end(struct audit_probe *p, int error)
{
	bool is_clean = error == UV_EOF;
	if (p->stage == AUDIT_STAGE_DIALOGUE && is_clean)
		read_dialogue(p, span_of(NULL, 0), true);
	else if (p->stage == AUDIT_STAGE_DIALOGUE)
		audit_dialogue_feed(p->dialogue, span_of(NULL, 0), true); /* for its words */
	else if (p->has_more || p->ask.is_raw)
		ask_more(p, span_of(NULL, 0), true);
	finish(p, is_clean ? AUDIT_PROBE_CLOSED : AUDIT_PROBE_RESET, is_clean ? 0 : error);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct audit_probe *p = stream->data;
	if (p->is_ending || n == 0)
		return;
	if (n < 0) {
		read_end(p, (int)n);
		return;
	}
	p->result.read += (uint64_t)n;
	if (p->stage == AUDIT_STAGE_HELLO)
		read_flight(p, span_of(buf->base, (size_t)n));
	else
		read_dialogue(p, span_of(buf->base, (size_t)n), false);
	if (p->result.read > READ_MAX)
		finish(p, AUDIT_PROBE_TIMEOUT, UV_E2BIG);
}

/*
 * Whom we ask for. XMPP servers speak for domains and are asked for one; RFC 7622 3.2: an address may stand
 * for it, of IPv6 in brackets, but never nothing.
 */
static const char *asked_for(const struct audit_target *t, char address[ADDR_TEXT_MAX + 2])
{
	char text[ADDR_TEXT_MAX];
	bool is_xmpp = t->starttls == AUDIT_XMPP_CLIENT || t->starttls == AUDIT_XMPP_SERVER;
	if (t->domain[0] != '\0' && (is_xmpp || t->host[0] == '\0'))
		return t->domain;
	if (!is_xmpp || t->host[0] != '\0')
		return t->host;
	snprintf(address, ADDR_TEXT_MAX + 2, addr_is_v4(&t->addr) ? "%s" : "[%s]",
		addr_format(&t->addr, text));
	return address;
}

static bool begin_dialogue(struct audit_probe *p)
{
	const struct audit_target *t = p->ask.target;
	char address[ADDR_TEXT_MAX + 2];
	p->dialogue = malloc(sizeof(*p->dialogue));
	if (p->dialogue == NULL)
		return false;
	audit_dialogue_init(p->dialogue, t->starttls, asked_for(t, address),
		p->ask.ehlo != NULL ? p->ask.ehlo : "localhost");
	audit_dialogue_inject(p->dialogue, p->ask.injected);
	return true;
}

static void on_connect(uv_connect_t *req, int status)
{
	struct audit_probe *p = req->data;
	if (p->is_ending)
		return;
	if (status < 0) {
		finish(p, AUDIT_PROBE_CONNECT, status);
		return;
	}
	p->connected_ms = uv_now(p->loop);
	p->result.connect_ms = (uint32_t)(p->connected_ms - p->began_ms);
	if (!begin_dialogue(p)) {
		finish(p, AUDIT_PROBE_CANCELLED, UV_ENOMEM);
		return;
	}
	p->stage = AUDIT_STAGE_DIALOGUE;
	await(p, p->ask.times.greeting_ms);
	/* A hello of more than one segment is not to wait for its first to be acknowledged. */
	uv_tcp_nodelay(&p->tcp, 1);
	int rc = uv_read_start((uv_stream_t *)&p->tcp, on_buffer, on_read);
	if (rc < 0)
		finish(p, AUDIT_PROBE_CONNECT, rc);
	else
		go_on(p);
}

static void use_defaults(struct audit_times *t)
{
	t->connect_ms = t->connect_ms != 0 ? t->connect_ms : defaults.connect_ms;
	t->greeting_ms = t->greeting_ms != 0 ? t->greeting_ms : defaults.greeting_ms;
	t->step_ms = t->step_ms != 0 ? t->step_ms : defaults.step_ms;
	t->total_ms = t->total_ms != 0 ? t->total_ms : defaults.total_ms;
}

/* A failure here is told from the loop like any other. */
static void on_start_failed(uv_timer_t *timer)
{
	struct audit_probe *p = timer->data;
	finish(p, AUDIT_PROBE_CONNECT, p->result.error);
}

static struct audit_probe *new_probe(const struct audit_probe_ask *ask)
{
	if (ask->hello_len > AUDIT_HELLO_MAX)
		return NULL;
	struct audit_probe *p =
		calloc(1, sizeof(*p) + ask->hello_len + (ask->more != NULL ? MORE_LEN : 0));
	if (p == NULL)
		return NULL;
	p->ask = *ask;
	use_defaults(&p->ask.times);
	memcpy(p->hello, ask->hello, ask->hello_len);
	p->ask.hello = p->hello;
	p->more = p->hello + ask->hello_len;
	return p;
}

struct audit_probe *audit_probe_start(uv_loop_t *loop, const struct audit_probe_ask *ask)
{
	struct sockaddr_storage to;
	struct audit_probe *p = new_probe(ask);
	if (p == NULL)
		return NULL;
	p->loop = loop;
	if (uv_tcp_init(loop, &p->tcp) < 0) {
		free(p);
		return NULL;
	}
	/* These cannot fail. */
	uv_timer_init(loop, &p->step);
	uv_timer_init(loop, &p->total);
	p->tcp.data = p->step.data = p->total.data = p->connect.data = p;
	p->open = HANDLES;
	uv_update_time(loop);
	p->began_ms = uv_now(loop);
	addr_to_sockaddr(&ask->target->addr, ask->target->port, &to);
	uv_timer_start(&p->total, on_time, p->ask.times.total_ms, 0);
	await(p, p->ask.times.connect_ms);
	int rc = uv_tcp_connect(&p->connect, &p->tcp, (const struct sockaddr *)&to, on_connect);
	if (rc < 0) {
		p->result.error = rc;
		uv_timer_start(&p->step, on_start_failed, 0, 0);
	}
	return p;
}

void audit_probe_cancel(struct audit_probe *p)
{
	finish(p, AUDIT_PROBE_CANCELLED, 0);
}
