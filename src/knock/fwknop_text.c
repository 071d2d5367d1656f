/*
 * The carriers of fwknop packets: where in a payload the text is, and the HTTP request that carries one.
 * Invariant: a text that is taken has the length and the characters of one and nothing else; the one
 * other spelling, that of HTTP, is taken only inside HTTP.
 */

#include <stdio.h>
#include <string.h>

#include "knock/fwknop_internal.h"
#include "knock/internal.h"

#define AGENT "Fwknop/3.0.0" /* servers look at what stands before the slash */

static bool begins(struct span s, struct span with)
{
	return span_equal(span_slice(s, 0, with.len), with);
}

static size_t find(struct span s, uint8_t c)
{
	size_t i = 0;
	while (i < s.len && s.data[i] != c)
		i++;
	return i;
}

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The target of the request line "GET TARGET HTTP/1.x", without the part up to its text. */
static bool http_text(struct span payload, struct span *ret)
{
	struct span rest = span_slice(payload, 4, payload.len);
	struct span target = span_slice(rest, 0, find(rest, ' '));
	struct span after = span_slice(rest, target.len, rest.len);

	if (!begins(after, KNOCK_TEXT(" HTTP/1.1\r\n")) &&
		!begins(after, KNOCK_TEXT(" HTTP/1.0\r\n")))
		return false;
	if (begins(target, KNOCK_TEXT("http://"))) {
		target = span_slice(target, 7, target.len);
		size_t host_len = find(target, '/');
		if (host_len == 0)
			return false;
		target = span_slice(target, host_len, target.len);
	}
	if (!begins(target, KNOCK_TEXT("/")))
		return false;
	*ret = span_slice(target, 1, target.len);
	return true;
}

enum fwknop_reject fwknop_text_take(
	enum fwknop_carrier carrier, struct span payload, struct fwknop_text *ret)
{
	bool is_http = carrier == FWKNOP_BY_TCP && begins(payload, KNOCK_TEXT("GET "));
	struct span text = payload;
	struct fwknop_text t = { 0 };
	uint8_t plus = is_http ? '-' : '+', slash = is_http ? '_' : '/';

	if (is_http && !http_text(payload, &text))
		return FWKNOP_CARRIER;
	if (text.len < FWKNOP_TEXT_MIN || text.len > FWKNOP_TEXT_MAX)
		return FWKNOP_LENGTH;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (!is_alnum(c) && c != plus && c != slash)
			return FWKNOP_ALPHABET;
		t.text[i] = (char)(c == plus ? '+' : c == slash ? '/' : c);
	}
	t.len = text.len;
	if (begins(span_of(t.text, t.len), KNOCK_TEXT(FWKNOP_PREFIX_TEXT)))
		return FWKNOP_PREFIX;
	*ret = t;
	return FWKNOP_OK;
}

static bool is_host(const char *host)
{
	size_t len = strlen(host);
	for (size_t i = 0; i < len; i++)
		if (!is_alnum((uint8_t)host[i]) && strchr(".-_:[]", host[i]) == NULL)
			return false;
	return len > 0 && len <= FWKNOP_HOST_MAX;
}

size_t fwknop_http(
	const struct fwknop_text *text, const char *host, bool by_proxy, char to[FWKNOP_HTTP_MAX])
{
	char path[FWKNOP_TEXT_MAX + 1];

	if (!is_host(host) || text->len > FWKNOP_TEXT_MAX)
		return 0;
	for (size_t i = 0; i < text->len; i++) {
		char c = text->text[i];
		path[i] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
	}
	path[text->len] = '\0';
	int n = snprintf(to, FWKNOP_HTTP_MAX,
		"GET %s%s/%s HTTP/1.1\r\nUser-Agent: " AGENT
		"\r\nAccept: */*\r\nHost: %s\r\nConnection: close\r\n\r\n",
		by_proxy ? "http://" : "", by_proxy ? host : "", path, host);
	return n > 0 && n < FWKNOP_HTTP_MAX ? (size_t)n : 0;
}
