/*
 * Names to addresses. Invariant: what comes out of the process that asks is taken for addresses of the one
 * passthru it is about, and for nothing else.
 */

#include "daemon/resolve.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

bool resolve_is_needed(const struct config_passthru *p)
{
	return addr_is_zero(&p->addr);
}

bool resolve_is_needed_for_any(const struct config *c)
{
	for (size_t i = 0; i < c->passthru_count; i++)
		if (resolve_is_needed(&c->passthrus[i]))
			return true;
	return false;
}

size_t resolve_encode(const struct resolve_answer *a, uint8_t to[RESOLVE_ANSWER_MAX])
{
	struct writer w = writer_init(to, RESOLVE_ANSWER_MAX);
	writer_u16(&w, a->index);
	writer_u8(&w, a->count);
	for (size_t i = 0; i < a->count; i++)
		writer_put(&w, a->addrs[i].b, sizeof(a->addrs[i].b));
	return w.len;
}

bool resolve_decode(struct span s, const struct config *c, struct resolve_answer *ret)
{
	struct reader r = reader_init(s);
	struct resolve_answer a = { .index = reader_u16(&r) };
	a.count = reader_u8(&r);
	if (r.is_short || a.index >= c->passthru_count || a.count > RELAY_ADDRS_MAX ||
		!resolve_is_needed(&c->passthrus[a.index]))
		return false;
	for (size_t i = 0; i < a.count; i++) {
		reader_copy(&r, a.addrs[i].b, sizeof(a.addrs[i].b));
		if (!addr_is_host(&a.addrs[i]))
			return false;
	}
	if (!reader_done(&r))
		return false;
	*ret = a;
	return true;
}

static bool has(const struct resolve_answer *a, const struct addr *addr)
{
	for (size_t i = 0; i < a->count; i++)
		if (addr_equal(&a->addrs[i], addr))
			return true;
	return false;
}

/* In the order of the resolver, RFC 6724. */
static void ask(const char *host, struct resolve_answer *a)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return;
	for (const struct addrinfo *i = list; i != NULL && a->count < RELAY_ADDRS_MAX;
		i = i->ai_next) {
		struct sockaddr_storage ss = { 0 };
		struct addr addr;
		uint16_t port;
		if (i->ai_addrlen > sizeof(ss))
			continue;
		memcpy(&ss, i->ai_addr, i->ai_addrlen);
		if (addr_from_sockaddr(&ss, &addr, &port) && addr_is_host(&addr) && !has(a, &addr))
			a->addrs[a->count++] = addr;
	}
	freeaddrinfo(list);
}

int resolve_run(const struct config *c, const struct priv_user *u, int to)
{
	struct fault f;
	alarm(RESOLVE_TIME_S);
	if (priv_drop(u, 0, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	for (size_t i = 0; i < c->passthru_count; i++) {
		uint8_t data[RESOLVE_ANSWER_MAX];
		struct resolve_answer a = { .index = (uint16_t)i };
		if (!resolve_is_needed(&c->passthrus[i]))
			continue;
		ask(c->passthrus[i].host, &a);
		size_t len = resolve_encode(&a, data);
		if (send(to, data, len, MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}
