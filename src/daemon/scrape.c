/*
 * The page of counters for a collector on this machine: HTTP on a loopback socket that the monitor opened.
 * Invariant: a connection costs one buffer and some seconds, there are few of them, and none of it is on
 * the packet path.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/http.h"
#include "daemon/knockd_internal.h"
#include "daemon/metrics.h"

#define CLIENTS_MAX 4
#define TIME_MAX_MS 5000
#define HEAD_MAX 256

struct visitor {
	struct scrape *owner;
	uv_tcp_t tcp;
	uv_write_t write;
	char *answer;
	bool is_used;
	uint64_t came_mono_ms;
	size_t len;
	uint8_t request[HTTP_REQUEST_MAX];
};

struct scrape {
	struct knockd *k;
	uv_tcp_t listener;
	bool is_waiting; /* somebody, until a visitor leaves */
	struct visitor visitors[CLIENTS_MAX];
};

static void admit(struct scrape *s);

static void on_closed(uv_handle_t *h)
{
	struct visitor *v = h->data;
	free(v->answer);
	v->answer = NULL;
	v->is_used = false;
	if (v->owner->is_waiting && !uv_is_closing((uv_handle_t *)&v->owner->listener))
		admit(v->owner);
}

static void leave(struct visitor *v)
{
	if (!uv_is_closing((uv_handle_t *)&v->tcp))
		uv_close((uv_handle_t *)&v->tcp, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	leave(w->data);
}

/* Head and page in one piece. NULL when memory is short. */
static char *compose(const struct knockd *k, enum http_request what, size_t *ret_len)
{
	char *page = what == HTTP_METRICS ? metrics_text(k) : strdup("");
	size_t len = page != NULL ? strlen(page) : 0;
	char *all = page != NULL ? malloc(HEAD_MAX + len) : NULL;
	if (all == NULL) {
		free(page);
		return NULL;
	}
	int n = snprintf(all, HEAD_MAX,
		"HTTP/1.1 %s\r\nContent-Type: application/openmetrics-text; version=1.0.0; "
		"charset=utf-8\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
		http_status(what), what == HTTP_METHOD ? "Allow: GET\r\n" : "", len);
	memcpy(all + n, page, len);
	free(page);
	*ret_len = (size_t)n + len;
	return all;
}

static void answer(struct visitor *v, enum http_request what)
{
	size_t len = 0;
	uv_read_stop((uv_stream_t *)&v->tcp);
	v->answer = compose(v->owner->k, what, &len);
	v->write.data = v;
	uv_buf_t b = uv_buf_init(v->answer, (unsigned)len);
	if (v->answer == NULL || uv_write(&v->write, (uv_stream_t *)&v->tcp, &b, 1, on_written) < 0)
		leave(v);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct visitor *v = h->data;
	(void)suggested;
	*ret = uv_buf_init((char *)v->request + v->len, (unsigned)(sizeof(v->request) - v->len));
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct visitor *v = stream->data;
	(void)buf;
	if (n < 0) {
		leave(v);
		return;
	}
	v->len += (size_t)n;
	enum http_request what = http_read(span_of(v->request, v->len));
	if (what != HTTP_MORE)
		answer(v, what);
}

static void admit(struct scrape *s)
{
	struct visitor *v = NULL;
	for (size_t i = 0; i < CLIENTS_MAX && v == NULL; i++)
		if (!s->visitors[i].is_used)
			v = &s->visitors[i];
	s->is_waiting = v == NULL;
	if (v == NULL)
		return;
	*v = (struct visitor){ .owner = s, .is_used = true, .came_mono_ms = clock_mono_ms() };
	if (uv_tcp_init(&s->k->loop, &v->tcp) < 0) {
		v->is_used = false;
		return;
	}
	v->tcp.data = v;
	if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&v->tcp) < 0 ||
		uv_read_start((uv_stream_t *)&v->tcp, on_room, on_bytes) < 0)
		leave(v);
}

static void on_visitor(uv_stream_t *listener, int status)
{
	if (status == 0)
		admit(listener->data);
}

int scrape_start(struct knockd *k)
{
	if (k->start->metrics < 0)
		return 0;
	k->scrape = calloc(1, sizeof(*k->scrape));
	if (k->scrape == NULL)
		return -ENOMEM;
	k->scrape->k = k;
	int rc = uv_tcp_init(&k->loop, &k->scrape->listener);
	k->scrape->listener.data = k->scrape;
	if (rc == 0)
		rc = uv_tcp_open(&k->scrape->listener, k->start->metrics);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&k->scrape->listener, CLIENTS_MAX, on_visitor);
	return rc;
}

void scrape_tick(struct knockd *k, uint64_t mono_ms)
{
	for (size_t i = 0; k->scrape != NULL && i < CLIENTS_MAX; i++) {
		struct visitor *v = &k->scrape->visitors[i];
		if (v->is_used && mono_ms - v->came_mono_ms > TIME_MAX_MS)
			leave(v);
	}
}

void scrape_free(struct knockd *k)
{
	for (size_t i = 0; k->scrape != NULL && i < CLIENTS_MAX; i++)
		free(k->scrape->visitors[i].answer);
	free(k->scrape);
	k->scrape = NULL;
}
