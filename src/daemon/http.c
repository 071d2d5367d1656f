/*
 * A request for the page of counters. Invariant: only a whole request, in the strict form, whose Host is an
 * address or localhost is answered with more than a status: a page that a browser loaded from elsewhere
 * cannot read the counters under a name of its own.
 */

#include "daemon/http.h"

#include <string.h>
#include <strings.h>

#include "base/addr.h"

#define HOST_MAX 64

/* The next line without its CR LF; false when there is none, or one with other control characters. */
static bool take_line(struct reader *r, struct span *ret)
{
	for (size_t i = 0; i < r->left; i++) {
		uint8_t c = r->at[i];
		if (c == '\r' && i + 1 < r->left && r->at[i + 1] == '\n') {
			*ret = reader_take(r, i);
			reader_take(r, 2);
			return true;
		}
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return false;
}

static bool is_text(struct span s, const char *text)
{
	return span_equal(s, span_of(text, strlen(text)));
}

/* Up to a blank, which is taken as well; all of it when there is none. */
static struct span take_word(struct reader *r)
{
	const uint8_t *blank = r->left > 0 ? memchr(r->at, ' ', r->left) : NULL;
	if (blank == NULL)
		return reader_rest(r);
	struct span word = reader_take(r, (size_t)(blank - r->at));
	reader_take(r, 1);
	return word;
}

static enum http_request read_request_line(struct span line)
{
	struct reader r = reader_init(line);
	struct span method = take_word(&r), target = take_word(&r), version = reader_rest(&r);
	if (method.len == 0 || target.len == 0 ||
		(!is_text(version, "HTTP/1.1") && !is_text(version, "HTTP/1.0")))
		return HTTP_BAD;
	if (!is_text(method, "GET"))
		return HTTP_METHOD;
	return is_text(target, "/metrics") ? HTTP_METRICS : HTTP_NOT_FOUND;
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	return len >= 1 && len <= 5 && text[len] == '\0';
}

/* 127.0.0.1:9462, [::1]:9462 or localhost:9462, or without the port. */
static bool is_local_host(struct span s)
{
	char text[HOST_MAX + 1];
	struct addr a;
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = span_slice(s, 1, s.len);
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	if (s.len == 0 || s.len > HOST_MAX)
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	char *host = text, *end = strchr(text, ':');
	if (text[0] == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (end == NULL)
			return false;
		*end++ = '\0';
	}
	if (end != NULL && *end == ':') {
		if (!is_port(end + 1))
			return false;
		*end = '\0';
	} else if (end != NULL && *end != '\0') {
		return false;
	}
	return addr_parse(host, &a) || strcasecmp(host, "localhost") == 0;
}

/* A field line: false when it is none; what it says of the host goes to *ret. */
static bool read_field(struct span line, bool *ret_is_local, unsigned *ret_hosts)
{
	static const char host[] = "host";
	const uint8_t *colon = memchr(line.data, ':', line.len);
	size_t len = colon != NULL ? (size_t)(colon - line.data) : 0;
	if (len == 0 || memchr(line.data, ' ', len) != NULL || memchr(line.data, '\t', len) != NULL)
		return false;
	if (len != strlen(host) || strncasecmp((const char *)line.data, host, len) != 0)
		return true;
	++*ret_hosts;
	*ret_is_local = is_local_host(span_slice(line, len + 1, line.len));
	return true;
}

/* Has the end of the fields come? */
static bool is_whole(struct span s)
{
	for (size_t i = 0; i + 4 <= s.len; i++)
		if (memcmp(s.data + i, "\r\n\r\n", 4) == 0)
			return true;
	return false;
}

enum http_request http_read(struct span bytes)
{
	if (bytes.len > HTTP_REQUEST_MAX)
		return HTTP_BAD;
	if (!is_whole(bytes))
		return bytes.len == HTTP_REQUEST_MAX ? HTTP_BAD : HTTP_MORE;
	struct reader r = reader_init(bytes);
	struct span line = { NULL, 0 };
	bool is_local = false;
	unsigned hosts = 0;
	if (!take_line(&r, &line))
		return HTTP_BAD;
	enum http_request what = read_request_line(line);
	if (what == HTTP_BAD)
		return HTTP_BAD;
	for (;;) {
		if (!take_line(&r, &line))
			return HTTP_BAD;
		if (line.len == 0)
			break;
		if (!read_field(line, &is_local, &hosts))
			return HTTP_BAD;
	}
	if (hosts != 1)
		return HTTP_BAD;
	return is_local ? what : HTTP_HOST;
}

const char *http_status(enum http_request r)
{
	static const char *const texts[] = {
		[HTTP_MORE] = "",
		[HTTP_METRICS] = "200 OK",
		[HTTP_NOT_FOUND] = "404 Not Found",
		[HTTP_METHOD] = "405 Method Not Allowed",
		[HTTP_HOST] = "421 Misdirected Request",
		[HTTP_BAD] = "400 Bad Request",
	};
	return texts[r];
}
