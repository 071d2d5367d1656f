/*
 * Policies by HTTPS. libcurl's sockets are poll handles of the loop, its time-outs one timer. Invariant:
 * a transfer reads a bounded body, ends by its time, and goes to the addresses it was given alone.
 */

#include "audit/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit/fetch_curl.h"

struct transfer {
	struct audit_fetch *owner;
	struct transfer *next;
	CURL *easy;
	struct curl_slist *resolve;
	audit_fetch_fn *fn;
	void *arg;
	char error[CURL_ERROR_SIZE];
	bool is_long;
	size_t len;
	uint8_t body[AUDIT_FETCH_LEN_MAX];
};

struct socket_poll {
	uv_poll_t poll; /* first: what is closed is freed */
	struct audit_fetch *owner;
	curl_socket_t fd;
	struct socket_poll *next;
};

struct audit_fetch {
	uv_timer_t timer;              /* first: what is closed is freed */
	const struct audit_curl *curl; /* NULL: no policy was asked for yet */
	CURLM *multi;
	struct transfer *transfers;
	struct socket_poll *polls;
	char *ca;
	uint32_t timeout_ms;
};

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void drop_poll(struct audit_fetch *f, struct socket_poll *s)
{
	struct socket_poll **at = &f->polls;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	uv_close((uv_handle_t *)&s->poll, on_closed);
}

static void drop_transfer(struct transfer *t)
{
	struct transfer **at = &t->owner->transfers;
	const struct audit_curl *curl = t->owner->curl;
	while (*at != NULL && *at != t)
		at = &(*at)->next;
	if (*at == t) {
		*at = t->next;
		curl->multi_remove_handle(t->owner->multi, t->easy);
	}
	curl->easy_cleanup(t->easy);
	curl->slist_free_all(t->resolve);
	free(t);
}

/* RFC 8461 3.2: the media type is text/plain. Parameters may follow. */
static bool is_plain_text(const struct audit_curl *curl, CURL *easy)
{
	const char *type = NULL;
	if (curl->easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type) != CURLE_OK || type == NULL)
		return false;
	return strncasecmp(type, "text/plain", 10) == 0 &&
		(type[10] == '\0' || type[10] == ';' || type[10] == ' ');
}

static bool judge(struct transfer *t, CURLcode code, char why[AUDIT_WORDS_MAX])
{
	const struct audit_curl *curl = t->owner->curl;
	long status = 0;
	curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->is_long)
		snprintf(why, AUDIT_WORDS_MAX, "it is longer than %d bytes", AUDIT_FETCH_LEN_MAX);
	else if (code != CURLE_OK)
		snprintf(why, AUDIT_WORDS_MAX, "%s",
			t->error[0] != '\0' ? t->error : curl->easy_strerror(code));
	else if (status >= 300 && status < 400)
		snprintf(why, AUDIT_WORDS_MAX,
			"the server redirects (status %ld), which must not be followed", status);
	else if (status != 200)
		snprintf(why, AUDIT_WORDS_MAX, "the server answers with status %ld", status);
	else if (!is_plain_text(curl, t->easy))
		snprintf(why, AUDIT_WORDS_MAX, "it is not served as text/plain");
	else
		return true;
	return false;
}

static void finish(struct transfer *t, CURLcode code)
{
	char why[AUDIT_WORDS_MAX] = "";
	bool is_good = judge(t, code, why);
	struct audit_fetch_reply r = { .why = is_good ? NULL : why };
	if (is_good)
		r.body = span_of(t->body, t->len);
	t->fn(t->arg, &r);
	drop_transfer(t);
}

static void finish_ended(struct audit_fetch *f)
{
	int left = 0;
	for (CURLMsg *m = NULL; (m = f->curl->multi_info_read(f->multi, &left)) != NULL;) {
		struct transfer *t = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		if (f->curl->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) ==
			CURLE_OK)
			finish(t, code);
	}
}

static void act(struct audit_fetch *f, curl_socket_t fd, int events)
{
	int running = 0;
	f->curl->multi_socket_action(f->multi, fd, events, &running);
	finish_ended(f);
}

static void on_timer(uv_timer_t *t)
{
	act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct socket_poll *s = p->data;
	int flags = (events & UV_READABLE) ? CURL_CSELECT_IN : 0;
	flags |= (events & UV_WRITABLE) ? CURL_CSELECT_OUT : 0;
	act(s->owner, s->fd, status < 0 ? CURL_CSELECT_ERR : flags);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct audit_fetch *f = arg;
	(void)multi;
	if (ms < 0)
		return uv_timer_stop(&f->timer);
	return uv_timer_start(&f->timer, on_timer, (uint64_t)ms, 0);
}

static struct socket_poll *add_poll(struct audit_fetch *f, curl_socket_t fd)
{
	struct socket_poll *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	if (uv_poll_init_socket(f->timer.loop, &s->poll, fd) != 0) {
		free(s);
		return NULL;
	}
	s->poll.data = s;
	s->owner = f;
	s->fd = fd;
	s->next = f->polls;
	f->polls = s;
	f->curl->multi_assign(f->multi, fd, s);
	return s;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct audit_fetch *f = arg;
	struct socket_poll *s = of_socket;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			drop_poll(f, s);
		f->curl->multi_assign(f->multi, fd, NULL);
		return 0;
	}
	if (s == NULL)
		s = add_poll(f, fd);
	if (s == NULL)
		return -1;
	return uv_poll_start(&s->poll,
		((what & CURL_POLL_IN) ? UV_READABLE : 0) |
			((what & CURL_POLL_OUT) ? UV_WRITABLE : 0),
		on_poll);
}

/* size is always 1. Less than len taken ends the transfer. */
static size_t on_body(char *bytes, size_t size, size_t len, void *arg)
{
	struct transfer *t = arg;
	(void)size;
	if (len > sizeof(t->body) - t->len) {
		t->is_long = true;
		return 0;
	}
	memcpy(t->body + t->len, bytes, len);
	t->len += len;
	return len;
}

struct audit_fetch *audit_fetch_new(uv_loop_t *loop, const char *ca, uint32_t timeout_ms)
{
	struct audit_fetch *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->ca = ca != NULL ? strdup(ca) : NULL;
	f->timeout_ms = timeout_ms;
	uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	if (ca != NULL && f->ca == NULL) {
		audit_fetch_free(f);
		return NULL;
	}
	return f;
}

/* With the first policy. */
static bool begin(struct audit_fetch *f, char why[256])
{
	if (f->curl != NULL)
		return true;
	const struct audit_curl *curl = audit_curl_load(why);
	if (curl == NULL)
		return false;
	snprintf(why, 256, "no memory to fetch the policy");
	if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	f->multi = curl->multi_init();
	if (f->multi == NULL) {
		curl->global_cleanup();
		return false;
	}
	curl->multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl->multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl->multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl->multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	f->curl = curl;
	return true;
}

void audit_fetch_free(struct audit_fetch *f)
{
	if (f == NULL)
		return;
	while (f->transfers != NULL)
		drop_transfer(f->transfers);
	if (f->curl != NULL)
		f->curl->multi_cleanup(f->multi);
	while (f->polls != NULL)
		drop_poll(f, f->polls);
	if (f->curl != NULL)
		f->curl->global_cleanup();
	free(f->ca);
	uv_close((uv_handle_t *)&f->timer, on_closed);
}

/* "HOST:443:address,address": libcurl asks no name server then. */
static struct curl_slist *pin(
	const struct audit_curl *curl, const char *host, const struct addr *addresses, size_t count)
{
	char line[AUDIT_HOST_MAX + 16 + AUDIT_FETCH_ADDRESSES_MAX * (ADDR_TEXT_MAX + 3)];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s:443:", host);
	for (size_t i = 0; i < count && i < AUDIT_FETCH_ADDRESSES_MAX; i++) {
		char text[ADDR_TEXT_MAX];
		bool is_v4 = addr_is_v4(&addresses[i]);
		addr_format(&addresses[i], text);
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s%s%s", i > 0 ? "," : "",
			is_v4 ? "" : "[", text, is_v4 ? "" : "]");
	}
	return curl->slist_append(NULL, line);
}

static bool set_options(struct transfer *t, const char *host)
{
	char url[AUDIT_HOST_MAX + 64];
	const struct audit_curl *curl = t->owner->curl;
	CURL *e = t->easy;
	snprintf(url, sizeof(url), "https://%s/.well-known/mta-sts.txt", host);
	return curl->easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_RESOLVE, t->resolve) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)t->owner->timeout_ms) == CURLE_OK &&
		curl->easy_setopt(e, CURLOPT_USERAGENT, "postern-audit") == CURLE_OK &&
		(t->owner->ca == NULL ||
			(curl->easy_setopt(e, CURLOPT_CAINFO, t->owner->ca) == CURLE_OK &&
				curl->easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

int audit_fetch_policy(struct audit_fetch *f, const char *host, const struct addr *addresses,
	size_t count, audit_fetch_fn *fn, void *arg, char why[256])
{
	if (!begin(f, why))
		return -ENOENT;
	struct transfer *t = calloc(1, sizeof(*t));
	snprintf(why, 256, "no memory to fetch the policy");
	if (t == NULL)
		return -ENOMEM;
	t->owner = f;
	t->fn = fn;
	t->arg = arg;
	t->easy = f->curl->easy_init();
	t->resolve = pin(f->curl, host, addresses, count);
	if (t->easy == NULL || t->resolve == NULL || !set_options(t, host) ||
		f->curl->multi_add_handle(f->multi, t->easy) != CURLM_OK) {
		drop_transfer(t);
		return -ENOMEM;
	}
	t->next = f->transfers;
	f->transfers = t;
	return 0;
}
