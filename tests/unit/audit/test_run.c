/* The schedule over a real loop: a server on loopback that refuses every hello by an alert, and closed ports. */

#include <sodium.h>
#include <string.h>
#include <uv.h>

#include "audit/run.h"
#include "test.h"

#define ALERT_HANDSHAKE_FAILURE 40

struct peer {
	uv_tcp_t tcp;
	uv_write_t write;
	char buffer[4096];
};

struct scene {
	uv_loop_t loop;
	uv_tcp_t server;
	uint16_t port;
	unsigned accepted, reports;
	enum audit_end ends[8];
	struct audit_run *run;
	bool is_mute, is_stopped;
	enum audit_answer tls12;
	char incomplete[AUDIT_WORDS_MAX + 1];
};

static void on_peer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *p = handle->data;
	(void)suggested;
	*buf = uv_buf_init(p->buffer, sizeof(p->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	static char alert[] = { 21, 3, 1, 0, 2, 2, ALERT_HANDSHAKE_FAILURE };
	struct peer *p = stream->data;
	struct scene *s = stream->loop->data;
	(void)buf;
	if (n > 0 && !s->is_mute) {
		uv_buf_t answer = uv_buf_init(alert, sizeof(alert));
		uv_try_write(stream, &answer, 1);
	}
	if (n < 0 && !uv_is_closing((uv_handle_t *)&p->tcp))
		uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct scene *s = server->loop->data;
	struct peer *p = calloc(1, sizeof(*p));
	assert_int_equal(status, 0);
	assert_non_null(p);
	s->accepted++;
	assert_int_equal(uv_tcp_init(server->loop, &p->tcp), 0);
	p->tcp.data = p;
	assert_int_equal(uv_accept(server, (uv_stream_t *)&p->tcp), 0);
	uv_read_start((uv_stream_t *)&p->tcp, on_buffer, on_read);
	if (s->is_mute && !s->is_stopped) {
		s->is_stopped = true;
		audit_run_stop(s->run, "interrupted");
	}
}

static void on_gateway(void *arg, struct audit_facts *f)
{
	struct scene *s = arg;
	s->ends[s->reports++] = f->end;
	if (f->target.port == s->port) {
		s->tls12 = f->protocols[AUDIT_TLS12].offered;
		snprintf(s->incomplete, sizeof(s->incomplete), "%s", f->incomplete);
	}
	audit_facts_free(f);
}

static void on_end(void *arg)
{
	struct scene *s = arg;
	audit_run_free(s->run);
	uv_close((uv_handle_t *)&s->server, NULL);
}

static void play(struct scene *s, size_t closed_ports)
{
	struct sockaddr_in at, bound;
	int len = sizeof(bound);
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->loop.data = s;
	assert_int_equal(uv_tcp_init(&s->loop, &s->server), 0);
	uv_ip4_addr("127.0.0.1", 0, &at);
	assert_int_equal(uv_tcp_bind(&s->server, (const struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->server, 64, on_connection), 0);
	assert_int_equal(uv_tcp_getsockname(&s->server, (struct sockaddr *)&bound, &len), 0);
	s->port = ntohs(bound.sin_port);

	struct audit_run_options o = audit_run_defaults();
	struct audit_run_calls calls = { .gateway = on_gateway, .end = on_end, .arg = s };
	struct audit_target t = { .port = s->port };
	assert_true(addr_parse("127.0.0.1", &t.addr));
	s->run = audit_run_new(&s->loop, &o, &calls);
	assert_non_null(s->run);
	assert_int_equal(audit_run_add(s->run, &t), 0);
	assert_int_equal(audit_run_add(s->run, &t), 0);
	for (size_t i = 0; i < closed_ports; i++) {
		t.port = (uint16_t)(1 + i);
		assert_int_equal(audit_run_add(s->run, &t), 0);
	}
	audit_run_close(s->run);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void test_refuser(void **state)
{
	(void)state;
	struct scene s = { 0 };
	play(&s, 3);
	assert_int_equal(s.reports, 4);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(s.ends[i], AUDIT_END_NO_CONNECT);
	assert_int_equal(s.ends[3], AUDIT_END_COMPLETE);
	assert_int_equal(s.tls12, AUDIT_NO);
	assert_string_equal(s.incomplete, "");
	assert_true(s.accepted > 5 && s.accepted < 25);
}

/* Stopped with connections in the air: reported at once, and nothing is left behind. */
static void test_stop(void **state)
{
	(void)state;
	struct scene s = { .is_mute = true };
	play(&s, 0);
	assert_int_equal(s.reports, 1);
	assert_int_equal(s.ends[0], AUDIT_END_INCOMPLETE);
	assert_int_equal(s.tls12, AUDIT_UNKNOWN);
	assert_string_equal(s.incomplete, "interrupted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuser),
		cmocka_unit_test(test_stop),
	};
	return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
