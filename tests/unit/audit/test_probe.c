/*
 * One connection against scripted servers in the same loop: how each ends, where, with whose words, and that
 * nothing is said out of turn. Times are real but short.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "audit/probe.h"
#include "test.h"

#define STEPS_MAX 8
#define HEARD_MAX 2048
#define TLS "\x15\x03\x03\x00\x02\x02\x28" /* an alert: handshake_failure */
#define TLS_LEN 7
#define HELLO "hello"
#define S(text) (text), sizeof(text) - 1

enum act { ACT_GO_ON, ACT_CLOSE, ACT_RESET, ACT_FLOOD };

/* Wait until the client has said want ("" nothing), then delay, send, act. */
struct step {
	const char *want;
	unsigned delay_ms;
	const char *bytes;
	size_t len;
	enum act act;
};

struct server {
	uv_tcp_t listener;
	uint16_t port;
	const struct step *steps;
	bool is_slow; /* one byte at a time */
	size_t connections;
	size_t heard_len; /* by all of them */
	char heard[HEARD_MAX + 1];
};

struct peer {
	uv_tcp_t tcp;
	uv_timer_t timer;
	struct server *server;
	size_t at, sent; /* step, bytes of it */
	unsigned open;
	bool is_closing, is_late; /* the delay has passed */
	size_t said_len;
	char said[HEARD_MAX + 1];
	char buffer[1024];
};

static void peer_closed(uv_handle_t *handle)
{
	struct peer *p = handle->data;
	if (--p->open == 0)
		free(p);
}

static void peer_close(struct peer *p, bool is_reset)
{
	if (p->is_closing)
		return;
	p->is_closing = true;
	uv_close((uv_handle_t *)&p->timer, peer_closed);
	if (!is_reset || uv_tcp_close_reset(&p->tcp, peer_closed) != 0)
		uv_close((uv_handle_t *)&p->tcp, peer_closed);
}

static void peer_go_on(struct peer *p);

static void peer_timer(uv_timer_t *timer)
{
	struct peer *p = timer->data;
	p->is_late = true;
	peer_go_on(p);
}

static void peer_wait(struct peer *p, unsigned ms)
{
	if (!p->is_closing)
		uv_timer_start(&p->timer, peer_timer, ms, 0);
}

/* The next piece; small enough for any socket buffer. */
static void peer_send(struct peer *p, const struct step *s)
{
	size_t left = s->len - p->sent;
	size_t n = p->server->is_slow && left > 1 ? 1 : left;
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)(s->bytes + p->sent), (unsigned)n);
	int rc = uv_try_write((uv_stream_t *)&p->tcp, &buf, 1);
	if (rc > 0)
		p->sent += (size_t)rc;
	else if (rc != UV_EAGAIN)
		peer_close(p, false);
}

static void peer_go_on(struct peer *p)
{
	const struct step *s = &p->server->steps[p->at];
	if (p->is_closing || s->want == NULL || strstr(p->said, s->want) == NULL)
		return;
	if (s->delay_ms > 0 && !p->is_late) {
		if (!uv_is_active((uv_handle_t *)&p->timer))
			peer_wait(p, s->delay_ms);
		return;
	}
	if (p->sent < s->len)
		peer_send(p, s);
	if (p->is_closing)
		return;
	if (p->sent < s->len) {
		peer_wait(p, 1);
		return;
	}
	if (s->act == ACT_FLOOD) {
		for (int i = 0; i < 1000 && !p->is_closing && p->sent == s->len; i++) {
			p->sent = 0;
			peer_send(p, s);
		}
		peer_wait(p, 1);
		return;
	}
	if (s->act != ACT_GO_ON) {
		peer_close(p, s->act == ACT_RESET);
		return;
	}
	p->at++;
	p->sent = 0;
	p->is_late = false;
	peer_go_on(p);
}

static void peer_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *p = handle->data;
	(void)suggested;
	*buf = uv_buf_init(p->buffer, sizeof(p->buffer));
}

static void hear(char *to, size_t *len, const char *bytes, size_t n)
{
	if (n > HEARD_MAX - *len)
		n = HEARD_MAX - *len;
	memcpy(to + *len, bytes, n);
	*len += n;
}

static void peer_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *p = stream->data;
	if (n < 0) {
		peer_close(p, false);
		return;
	}
	hear(p->said, &p->said_len, buf->base, (size_t)n);
	hear(p->server->heard, &p->server->heard_len, buf->base, (size_t)n);
	peer_go_on(p);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	struct peer *p = calloc(1, sizeof(*p));
	assert_int_equal(status, 0);
	assert_non_null(p);
	s->connections++;
	p->server = s;
	p->open = 2;
	p->tcp.data = p->timer.data = p;
	uv_tcp_init(listener->loop, &p->tcp);
	uv_timer_init(listener->loop, &p->timer);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&p->tcp), 0);
	uv_read_start((uv_stream_t *)&p->tcp, peer_buffer, peer_read);
	peer_go_on(p);
}

static void server_start(struct server *s, uv_loop_t *loop, const char *host)
{
	struct sockaddr_storage at = { 0 };
	int len = sizeof(at);
	if (strchr(host, ':') != NULL)
		uv_ip6_addr(host, 0, (struct sockaddr_in6 *)&at);
	else
		uv_ip4_addr(host, 0, (struct sockaddr_in *)&at);
	uv_tcp_init(loop, &s->listener);
	s->listener.data = s;
	assert_int_equal(uv_tcp_bind(&s->listener, (const struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->listener, 512, on_connection), 0);
	uv_tcp_getsockname(&s->listener, (struct sockaddr *)&at, &len);
	s->port = ntohs(((struct sockaddr_in *)&at)->sin_port); /* the same place in both */
}

/* What done was told; words and flight are gone afterwards. */
struct seen {
	struct server *server;
	size_t left, done; /* probes */
	struct audit_probe_result result;
	struct audit_words words;
	enum audit_flight_end flight;
};

static void on_done(void *arg, const struct audit_probe_result *r)
{
	struct seen *s = arg;
	s->done++;
	s->result = *r;
	if (r->words != NULL)
		s->words = *r->words;
	s->flight = r->flight != NULL ? r->flight->end : AUDIT_FLIGHT_MORE;
	if (--s->left == 0)
		uv_close((uv_handle_t *)&s->server->listener, NULL);
}

struct spec {
	const char *name;
	enum audit_starttls kind;
	struct step steps[STEPS_MAX];
	enum audit_probe_end end;
	enum audit_stage stage;
	enum audit_end dialogue_end; /* of DIALOGUE */
	enum audit_flight_end flight;
	const char *text;           /* of words; NULL: whatever */
	const char *heard;          /* by the server; NULL: whatever */
	uint32_t slow_ms, until_ms; /* greeting_ms is between, unless 0 */
	bool is_slow, is_polite, is_nameless;
	struct audit_times times;
};

#define GREET                                                                                      \
	{                                                                                          \
		"", 0, S("220 x\r\n"), ACT_GO_ON                                                   \
	}
#define LIST                                                                                       \
	{                                                                                          \
		"EHLO us.test\r\n", 0, S("250-x\r\n250 STARTTLS\r\n"), ACT_GO_ON                   \
	}
#define GO                                                                                         \
	{                                                                                          \
		"STARTTLS\r\n", 0, S("220 go\r\n"), ACT_GO_ON                                      \
	}
#define ALERT                                                                                      \
	{                                                                                          \
		HELLO, 0, TLS, TLS_LEN, ACT_GO_ON                                                  \
	}
#define XMPP                                                                                       \
	{                                                                                          \
		"version='1.0'>", 0, S("<stream:features></stream:features>"), ACT_GO_ON           \
	}
#define XMPP_TO(name)                                                                              \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' to='" name "' version='1.0'>"
#define WHOLE "EHLO us.test\r\nSTARTTLS\r\n" HELLO

static const struct spec specs[] = {
	{ "alert", AUDIT_DIRECT, { ALERT }, .end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO,
		.flight = AUDIT_FLIGHT_ALERT, .heard = HELLO },
	{ "closed at the hello", AUDIT_DIRECT, { { HELLO, 0, NULL, 0, ACT_CLOSE } },
		.end = AUDIT_PROBE_CLOSED, .stage = AUDIT_STAGE_HELLO },
	{ "reset at the hello", AUDIT_DIRECT, { { HELLO, 0, NULL, 0, ACT_RESET } },
		.end = AUDIT_PROBE_RESET, .stage = AUDIT_STAGE_HELLO },
	{ "mute at the hello", AUDIT_DIRECT, { { NULL, 0, NULL, 0, ACT_GO_ON } },
		.end = AUDIT_PROBE_TIMEOUT, .stage = AUDIT_STAGE_HELLO,
		.times = { .step_ms = 50 } },
	{ "half an alert", AUDIT_DIRECT, { { HELLO, 0, S("\x15\x03\x03"), ACT_CLOSE } },
		.end = AUDIT_PROBE_CLOSED, .stage = AUDIT_STAGE_HELLO },
	{ "no TLS at once", AUDIT_DIRECT, { { "", 0, S("220 mail.test\r\n"), ACT_GO_ON } },
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO,
		.flight = AUDIT_FLIGHT_NOT_TLS },
	{ "smtp", AUDIT_SMTP, { GREET, LIST, GO, ALERT }, .end = AUDIT_PROBE_FLIGHT,
		.stage = AUDIT_STAGE_HELLO, .flight = AUDIT_FLIGHT_ALERT, .heard = WHOLE },
	{ "one byte a segment", AUDIT_SMTP, { GREET, LIST, GO, ALERT }, .end = AUDIT_PROBE_FLIGHT,
		.stage = AUDIT_STAGE_HELLO, .flight = AUDIT_FLIGHT_ALERT, .heard = WHOLE,
		.is_slow = true },
	{ "a late greeting", AUDIT_SMTP,
		{ { "", 120, S("220 x\r\n"), ACT_GO_ON }, LIST, GO, ALERT },
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO, .flight = AUDIT_FLIGHT_ALERT,
		.heard = WHOLE, .slow_ms = 100, .until_ms = 5000 },
	{ "a greeting in slow lines", AUDIT_SMTP,
		{ { "", 0, S("220-x\r\n"), ACT_GO_ON }, { "", 200, S("220-x\r\n"), ACT_GO_ON },
			{ "", 200, S("220-x\r\n"), ACT_GO_ON },
			{ "", 200, S("220 x\r\n"), ACT_GO_ON }, LIST, GO, ALERT },
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO, .flight = AUDIT_FLIGHT_ALERT,
		.heard = WHOLE, .slow_ms = 550, .until_ms = 5000, .times = { .step_ms = 190 } },
	{ "a greeting without an end", AUDIT_SMTP, { { "", 0, S("220-x\r\n"), ACT_FLOOD } },
		.end = AUDIT_PROBE_DIALOGUE, .stage = AUDIT_STAGE_DIALOGUE,
		.dialogue_end = AUDIT_END_REFUSED, .text = "it talks without an end", .heard = "" },
	{ "a line without an end, slowly", AUDIT_SMTP,
		{ { "", 40, S("2"), ACT_GO_ON }, { "", 40, S("2"), ACT_GO_ON },
			{ "", 40, S("0"), ACT_GO_ON }, { "", 40, S(" "), ACT_GO_ON },
			{ "", 40, S("x"), ACT_GO_ON }, { "", 40, S("y"), ACT_GO_ON } },
		.end = AUDIT_PROBE_TIMEOUT, .stage = AUDIT_STAGE_DIALOGUE, .heard = "",
		.times = { .greeting_ms = 120, .step_ms = 100 } },
	{ "mute behind the greeting", AUDIT_SMTP, { GREET }, .end = AUDIT_PROBE_TIMEOUT,
		.stage = AUDIT_STAGE_DIALOGUE, .heard = "EHLO us.test\r\n",
		.times = { .step_ms = 50 } },
	{ "mute", AUDIT_SMTP, { { NULL, 0, NULL, 0, ACT_GO_ON } }, .end = AUDIT_PROBE_TIMEOUT,
		.stage = AUDIT_STAGE_DIALOGUE, .heard = "", .times = { .greeting_ms = 50 } },
	{ "the time for all", AUDIT_SMTP, { { NULL, 0, NULL, 0, ACT_GO_ON } },
		.end = AUDIT_PROBE_TIMEOUT, .stage = AUDIT_STAGE_DIALOGUE,
		.times = { .total_ms = 50 } },
	{ "closed without a word", AUDIT_SMTP, { { "", 0, NULL, 0, ACT_CLOSE } },
		.end = AUDIT_PROBE_DIALOGUE, .stage = AUDIT_STAGE_DIALOGUE,
		.dialogue_end = AUDIT_END_MUTE, .text = "the connection was closed" },
	{ "reset without a word", AUDIT_SMTP, { { "", 50, NULL, 0, ACT_RESET } },
		.end = AUDIT_PROBE_RESET, .stage = AUDIT_STAGE_DIALOGUE, .heard = "" },
	{ "closed behind the greeting", AUDIT_SMTP, { GREET, { "EHLO", 0, NULL, 0, ACT_CLOSE } },
		.end = AUDIT_PROBE_DIALOGUE, .stage = AUDIT_STAGE_DIALOGUE,
		.dialogue_end = AUDIT_END_REFUSED, .text = "the connection was closed" },
	{ "rate limited", AUDIT_SMTP, { { "", 0, S("421 RP-001 slow down\r\n"), ACT_CLOSE } },
		.end = AUDIT_PROBE_DIALOGUE, .stage = AUDIT_STAGE_DIALOGUE,
		.dialogue_end = AUDIT_END_RATE, .text = "421 RP-001 slow down", .heard = "" },
	{ "a goodbye", AUDIT_SMTP, { GREET, { "EHLO", 0, S("250-x\r\n250 HELP\r\n"), ACT_GO_ON } },
		.end = AUDIT_PROBE_DIALOGUE, .stage = AUDIT_STAGE_DIALOGUE,
		.dialogue_end = AUDIT_END_NO_STARTTLS, .heard = "EHLO us.test\r\nQUIT\r\n",
		.is_polite = true },
	{ "no goodbye", AUDIT_SMTP, { GREET, { "EHLO", 0, S("250-x\r\n250 HELP\r\n"), ACT_GO_ON } },
		.end = AUDIT_PROBE_DIALOGUE, .stage = AUDIT_STAGE_DIALOGUE,
		.dialogue_end = AUDIT_END_NO_STARTTLS, .heard = "EHLO us.test\r\n" },
	{ "garbage instead of TLS", AUDIT_SMTP,
		{ GREET, LIST, GO, { HELLO, 0, S("502 what is that\r\n"), ACT_GO_ON } },
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO,
		.flight = AUDIT_FLIGHT_NOT_TLS },
	{ "closed behind the go-ahead", AUDIT_SMTP,
		{ GREET, LIST, { "STARTTLS", 0, S("220 go\r\n"), ACT_CLOSE } },
		.end = AUDIT_PROBE_CLOSED, .stage = AUDIT_STAGE_HELLO },
	{ "irc: we speak first", AUDIT_IRC,
		{ { "STARTTLS\r\n", 20, S(":irc NOTICE * :hi\r\n:irc 670 * :go\r\n"), ACT_GO_ON },
			ALERT },
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO, .flight = AUDIT_FLIGHT_ALERT,
		.heard = "CAP LS 302\r\nSTARTTLS\r\n" HELLO },
	{ "xmpp: a name", AUDIT_XMPP_CLIENT, { XMPP }, .end = AUDIT_PROBE_DIALOGUE,
		.stage = AUDIT_STAGE_DIALOGUE, .dialogue_end = AUDIT_END_NO_STARTTLS,
		.heard = XMPP_TO("mail.test") },
	{ "mysql: the last word is ours", AUDIT_MYSQL,
		{ { "", 0,
			  S("\x1b\0\0\0\x0a"
			    "5.7\0"
			    "\1\0\0\0"
			    "12345678\0"
			    "\xff\xff\x21\2\0\xff\x81\0\0"),
			  ACT_GO_ON },
			{ " ", 0, TLS, TLS_LEN, ACT_GO_ON } },
		.end = AUDIT_PROBE_FLIGHT, .stage = AUDIT_STAGE_HELLO,
		.flight = AUDIT_FLIGHT_ALERT },
};

/* RFC 7622 3.2: an address where no name is known, and never nothing. */
static const struct spec nameless[] = {
	{ "xmpp: no name, IPv4", AUDIT_XMPP_CLIENT, { XMPP }, .end = AUDIT_PROBE_DIALOGUE,
		.stage = AUDIT_STAGE_DIALOGUE, .dialogue_end = AUDIT_END_NO_STARTTLS,
		.heard = XMPP_TO("127.0.0.1"), .is_nameless = true },
	{ "xmpp: no name, IPv6", AUDIT_XMPP_CLIENT, { XMPP }, .end = AUDIT_PROBE_DIALOGUE,
		.stage = AUDIT_STAGE_DIALOGUE, .dialogue_end = AUDIT_END_NO_STARTTLS,
		.heard = XMPP_TO("[::1]"), .is_nameless = true },
};

static struct audit_target target_of(enum audit_starttls kind, const char *host, uint16_t port)
{
	struct audit_target t = { .port = port, .starttls = kind };
	assert_true(addr_parse(host, &t.addr));
	snprintf(t.host, sizeof(t.host), "mail.test");
	return t;
}

static struct audit_probe_ask ask_of(
	const struct audit_target *t, const struct audit_times *times, struct seen *seen)
{
	return (struct audit_probe_ask){
		.target = t,
		.ehlo = "us.test",
		.hello = (const uint8_t *)HELLO,
		.hello_len = sizeof(HELLO) - 1,
		.times = *times,
		.done = on_done,
		.arg = seen,
	};
}

static void check(const struct spec *c, const struct seen *s)
{
	const struct audit_probe_result *r = &s->result;
	if (r->end != c->end || r->stage != c->stage)
		fail_msg("%s: end %d at stage %d, %s", c->name, r->end, r->stage, s->words.text);
	if (c->end == AUDIT_PROBE_DIALOGUE && r->dialogue_end != c->dialogue_end)
		fail_msg("%s: the dialogue ends by %d", c->name, r->dialogue_end);
	if (c->end == AUDIT_PROBE_FLIGHT && s->flight != c->flight)
		fail_msg("%s: the flight ends by %d", c->name, s->flight);
	if (c->text != NULL && strcmp(s->words.text, c->text) != 0)
		fail_msg("%s: words are \"%s\"", c->name, s->words.text);
	if (c->heard != NULL && strcmp(s->server->heard, c->heard) != 0)
		fail_msg("%s: the server heard \"%s\"", c->name, s->server->heard);
	if (c->until_ms > 0 && (r->greeting_ms < c->slow_ms || r->greeting_ms > c->until_ms))
		fail_msg("%s: greeted after %u ms", c->name, r->greeting_ms);
	if (c->until_ms > 0 && s->words.greeting_ms != r->greeting_ms)
		fail_msg("%s: two times of greeting", c->name);
}

static void run_spec(const struct spec *c, const char *host)
{
	uv_loop_t loop;
	struct server server = { .steps = c->steps, .is_slow = c->is_slow };
	struct seen seen = { .server = &server, .left = 1 };
	uv_loop_init(&loop);
	server_start(&server, &loop, host);
	struct audit_target t = target_of(c->kind, host, server.port);
	struct audit_probe_ask ask = ask_of(&t, &c->times, &seen);
	if (c->is_nameless)
		t.host[0] = '\0';
	ask.is_polite = c->is_polite;
	assert_non_null(audit_probe_start(&loop, &ask));
	assert_int_equal(seen.done, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(seen.done, 1);
	assert_int_equal(server.connections, 1);
	check(c, &seen);
}

static void test_specs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(specs); i++)
		run_spec(&specs[i], i % 2 == 0 ? "127.0.0.1" : "::1");
	for (size_t i = 0; i < TEST_LEN(nameless); i++)
		run_spec(&nameless[i], i % 2 == 0 ? "127.0.0.1" : "::1");
}

/* Nobody there. */
static void test_refused(void **state)
{
	uv_loop_t loop;
	struct server server = { 0 };
	struct seen seen = { .server = &server, .left = 1 };
	(void)state;
	uv_loop_init(&loop);
	server_start(&server, &loop, "127.0.0.1");
	uv_close((uv_handle_t *)&server.listener, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_tcp_init(&loop, &server.listener);
	struct audit_target t = target_of(AUDIT_DIRECT, "127.0.0.1", server.port);
	struct audit_times times = { 0 };
	struct audit_probe_ask ask = ask_of(&t, &times, &seen);
	assert_non_null(audit_probe_start(&loop, &ask));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.result.end, AUDIT_PROBE_CONNECT);
	assert_int_equal(seen.result.stage, AUDIT_STAGE_CONNECT);
	assert_int_equal(seen.result.error, UV_ECONNREFUSED);
	assert_null(seen.result.flight);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* Cancelled before anything, and a hello that is too long. */
static void test_cancel(void **state)
{
	static const struct step steps[STEPS_MAX] = { 0 };
	uv_loop_t loop;
	struct server server = { .steps = steps };
	struct seen seen = { .server = &server, .left = 1 };
	(void)state;
	uv_loop_init(&loop);
	server_start(&server, &loop, "127.0.0.1");
	struct audit_target t = target_of(AUDIT_SMTP, "127.0.0.1", server.port);
	struct audit_times times = { 0 };
	struct audit_probe_ask ask = ask_of(&t, &times, &seen);
	ask.hello_len = 1 << 20;
	assert_null(audit_probe_start(&loop, &ask));
	ask.hello_len = 5;
	struct audit_probe *p = audit_probe_start(&loop, &ask);
	assert_non_null(p);
	audit_probe_cancel(p);
	audit_probe_cancel(p);
	assert_int_equal(seen.done, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.done, 1);
	assert_int_equal(seen.result.end, AUDIT_PROBE_CANCELLED);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* A talk behind the first flight. */
struct talk {
	unsigned calls;
	bool was_closed, is_endless;
	size_t got_len;
	char got[64];
};

static bool more(void *arg, const struct audit_flight *f, struct span bytes, bool is_closed,
	uint8_t *to, size_t cap, size_t *ret_len)
{
	struct talk *t = arg;
	assert_true(cap >= 5);
	if (!t->is_endless)
		assert_int_equal(f->end, AUDIT_FLIGHT_ALERT);
	t->was_closed = is_closed;
	for (size_t i = 0; i < bytes.len && t->got_len < sizeof(t->got) - 1; i++)
		t->got[t->got_len++] = (char)bytes.data[i];
	if (t->calls++ == 0) {
		memcpy(to, "ping1", 5);
		*ret_len = 5;
	} else if (t->got_len == 4 && !t->is_endless) {
		memcpy(to, "ping2", 5);
		*ret_len = 5;
	}
	return t->is_endless || t->got_len < 8;
}

static void run_more(const struct step *steps, struct talk *talk, bool is_raw, struct seen *seen)
{
	uv_loop_t loop;
	struct server server = { .steps = steps };
	*seen = (struct seen){ .server = &server, .left = 1 };
	uv_loop_init(&loop);
	server_start(&server, &loop, "127.0.0.1");
	struct audit_target t = target_of(AUDIT_DIRECT, "127.0.0.1", server.port);
	struct audit_times times = { .step_ms = 2000 };
	struct audit_probe_ask ask = ask_of(&t, &times, seen);
	ask.more = more;
	ask.more_arg = talk;
	ask.is_raw = is_raw;
	assert_non_null(audit_probe_start(&loop, &ask));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(seen->done, 1);
	seen->server = NULL;
}

static void test_more(void **state)
{
	static const struct step to_end[STEPS_MAX] = { ALERT, { "ping1", 0, S("pong"), ACT_GO_ON },
		{ "ping2", 0, S("pong"), ACT_GO_ON } };
	static const struct step closes[STEPS_MAX] = { ALERT, { "ping1", 0, S("pong"), ACT_GO_ON },
		{ "ping2", 0, NULL, 0, ACT_CLOSE } };
	static const struct step resets[STEPS_MAX] = { ALERT, { "ping1", 0, S("pong"), ACT_GO_ON },
		{ "ping2", 0, NULL, 0, ACT_RESET } };
	static const struct step endless[STEPS_MAX] = { { HELLO, 0, S("0123456789abcdef"),
								ACT_GO_ON },
		{ "ping1", 0, S("0123456789abcdef"), ACT_FLOOD } };
	struct seen seen;
	struct talk talk = { 0 };
	(void)state;
	run_more(to_end, &talk, false, &seen);
	assert_int_equal(seen.result.end, AUDIT_PROBE_FLIGHT);
	assert_string_equal(talk.got, "pongpong");
	assert_false(talk.was_closed);

	talk = (struct talk){ 0 };
	run_more(closes, &talk, false, &seen);
	assert_int_equal(seen.result.end, AUDIT_PROBE_CLOSED);
	assert_string_equal(talk.got, "pong");
	assert_true(talk.was_closed);

	talk = (struct talk){ 0 };
	run_more(resets, &talk, false, &seen);
	assert_int_equal(seen.result.end, AUDIT_PROBE_RESET);
	assert_true(talk.was_closed);

	talk = (struct talk){ .is_endless = true };
	run_more(endless, &talk, true, &seen);
	assert_int_equal(seen.result.end, AUDIT_PROBE_TIMEOUT);
}

/* What is sent ahead, and what the server sent ahead. */
static void test_ahead(void **state)
{
	static const struct step steps[STEPS_MAX] = { GREET, LIST,
		{ "STARTTLS\r\nRSET\r\n", 0, S("220 go\r\n250 ok\r\n"), ACT_GO_ON }, ALERT };
	uv_loop_t loop;
	struct server server = { .steps = steps };
	struct seen seen = { .server = &server, .left = 1 };
	(void)state;
	uv_loop_init(&loop);
	server_start(&server, &loop, "127.0.0.1");
	struct audit_target t = target_of(AUDIT_SMTP, "127.0.0.1", server.port);
	struct audit_times times = { 0 };
	struct audit_probe_ask ask = ask_of(&t, &times, &seen);
	ask.injected = "RSET\r\n";
	assert_non_null(audit_probe_start(&loop, &ask));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(seen.result.end, AUDIT_PROBE_FLIGHT);
	assert_int_equal(seen.result.leftover_len, 8);
	assert_true(seen.result.is_asked);
	assert_int_equal(seen.result.read, 7 + 7 + 14 + 16 + TLS_LEN);
	assert_int_equal(seen.result.written, 14 + 16 + 5);
}

/* Many at once in one loop. */
static void test_many(void **state)
{
	static const struct step steps[STEPS_MAX] = { GREET, LIST, GO, ALERT };
	static struct audit_target t;
	uv_loop_t loop;
	struct server server = { .steps = steps };
	struct seen seen = { .server = &server, .left = 200 };
	struct audit_times times = { 0 };
	(void)state;
	uv_loop_init(&loop);
	server_start(&server, &loop, "::1");
	t = target_of(AUDIT_SMTP, "::1", server.port);
	struct audit_probe_ask ask = ask_of(&t, &times, &seen);
	for (size_t i = 0; i < 200; i++)
		assert_non_null(audit_probe_start(&loop, &ask));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(seen.done, 200);
	assert_int_equal(server.connections, 200);
	assert_int_equal(seen.result.end, AUDIT_PROBE_FLIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_many),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
