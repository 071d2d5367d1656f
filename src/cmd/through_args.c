/* Splitting texts at colons, of which addresses of IPv6 have their own: those stand in brackets. */

#include "cmd/through_args.h"

#include <string.h>

#include "base/addr.h"
#include "cmd/say.h"

#define PARTS_MAX 4

bool through_is_host(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= FRAME_HOST_MAX &&
		strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:_") ==
		len;
}

struct parts {
	size_t count;
	char text[PARTS_MAX][FRAME_HOST_MAX + 1];
};

/* One part, up to a colon or the end; in brackets with colons of its own. Returns where it ends, or NULL. */
static const char *take_part(const char *at, const char *end, char to[FRAME_HOST_MAX + 1])
{
	bool is_bracketed = at < end && *at == '[';
	const char *from = at + (is_bracketed ? 1 : 0), *to_end = from;
	char stop = is_bracketed ? ']' : ':';
	while (to_end < end && *to_end != stop)
		to_end++;
	if (is_bracketed && to_end == end)
		return NULL;
	size_t len = (size_t)(to_end - from);
	if (len > FRAME_HOST_MAX)
		return NULL;
	memcpy(to, from, len);
	to[len] = '\0';
	return is_bracketed ? to_end + 1 : to_end;
}

static bool split(const char *at, const char *end, struct parts *ret)
{
	ret->count = 0;
	while (ret->count < PARTS_MAX) {
		at = take_part(at, end, ret->text[ret->count++]);
		if (at == NULL || (at < end && *at != ':'))
			return false;
		if (at == end)
			return true;
		at++;
	}
	return false;
}

/* ------------------------------------------------------------------ edges */

static bool take_edge(const char *text, size_t len, struct through_edge *ret, struct fault *f)
{
	struct parts p;
	struct addr a;

	*ret = (struct through_edge){ .port = 0 };
	if (len > 0 && len <= FRAME_HOST_MAX) {
		memcpy(ret->host, text, len);
		if (addr_parse(ret->host, &a))
			return true;
	}
	if (!split(text, text + len, &p) || p.count > 2 || !through_is_host(p.text[0])) {
		fault_set(f, "not an edge; write EDGE, EDGE:PORT or [ADDRESS]:PORT");
		return false;
	}
	memcpy(ret->host, p.text[0], sizeof(ret->host));
	if (p.count == 2 && !say_parse_port(p.text[1], &ret->port)) {
		fault_set(f, "%s: not a port; write a number from 1 to 65535", p.text[1]);
		return false;
	}
	return true;
}

bool through_parse_path(const char *text, struct through_path *ret, struct fault *f)
{
	struct through_path path = { 0 };
	for (;;) {
		size_t len = strcspn(text, ",");
		if (path.count == THROUGH_MAX) {
			fault_set(f, "more than %d edges in a row", THROUGH_MAX);
			return false;
		}
		if (!take_edge(text, len, &path.edges[path.count++], f))
			return false;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	*ret = path;
	return true;
}

/* ------------------------------------------------------------------ tunnels */

bool through_parse_tunnel(const char *text, struct through_tunnel *ret, struct fault *f)
{
	struct through_tunnel t = { .bind = "localhost" };
	struct parts p;

	if (!split(text, text + strlen(text), &p) || p.count < 3) {
		fault_set(f,
			"not a tunnel; write [BIND:]PORT:HOST:PORT, addresses of IPv6 in brackets");
		return false;
	}
	size_t at = p.count - 3;
	if (at == 1)
		memcpy(t.bind, p.text[0], sizeof(t.bind));
	const char *bad = NULL;
	if (!say_parse_port(p.text[at], &t.listen))
		bad = p.text[at];
	else if (!say_parse_port(p.text[at + 2], &t.port))
		bad = p.text[at + 2];
	if (bad != NULL) {
		fault_set(f, "%s: not a port; write a number from 1 to 65535", bad);
		return false;
	}
	if (!through_is_host(p.text[at + 1])) {
		fault_set(f, "\"%s\": not a host's name or address", p.text[at + 1]);
		return false;
	}
	if (strcmp(t.bind, "*") != 0 && !through_is_host(t.bind)) {
		fault_set(f, "\"%s\": not an address to listen on; write an address, or *", t.bind);
		return false;
	}
	memcpy(t.host, p.text[at + 1], sizeof(t.host));
	*ret = t;
	return true;
}
