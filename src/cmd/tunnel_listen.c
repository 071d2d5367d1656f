/* Where tunnels begin. Invariant: nobody listens beyond loopback without having said so, and being warned. */

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/say.h"
#include "cmd/tunnel.h"

#define BACKLOG 64

static bool is_loopback(const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	memcpy(&in6, sa, sizeof(in6));
	return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

static int listen_at(const struct addrinfo *ai)
{
	int on = 1;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int rc = -errno;
	close(fd);
	return rc;
}

static void tell(const struct knock_args *a, const struct through_tunnel *t, const char *address)
{
	if (a->is_json) {
		json_t *line = json_pack("{s:s, s:s, s:i, s:s, s:i, s:s}", "event", "listening",
			"address", address, "port", (int)t->listen, "host", t->host, "host_port",
			(int)t->port, "through", a->through.edges[a->through.count - 1].host);
		if (line != NULL)
			json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
	} else if (!a->is_quiet) {
		printf("%s port %u leads to %s port %u through %s\n", address, (unsigned)t->listen,
			t->host, (unsigned)t->port, a->through.edges[a->through.count - 1].host);
	}
	fflush(stdout);
}

/* Listen at one address of a tunnel. 0 or -errno. */
static int add(const struct knock_args *a, size_t tunnel, const struct addrinfo *ai,
	struct tunnel_listeners *l)
{
	const struct through_tunnel *t = &a->tunnels[tunnel];
	char address[NI_MAXHOST] = "?";

	if (l->count == TUNNEL_LISTENERS_MAX)
		return -ENOSPC;
	int fd = listen_at(ai);
	if (fd < 0)
		return fd;
	l->of[l->count++] = (struct tunnel_listener){ fd, tunnel };
	getnameinfo(ai->ai_addr, ai->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST);
	tell(a, t, address);
	if (!is_loopback(ai->ai_addr))
		say_trouble(
			"warning: everybody who reaches %s port %u of this machine goes through "
			"as you",
			address, (unsigned)t->listen);
	return 0;
}

/* An address family that this machine does not have is no trouble while there is another. */
static bool is_missing(int rc)
{
	return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL;
}

/* One of each family. */
static int listen_for(const struct knock_args *a, size_t tunnel, struct tunnel_listeners *l)
{
	const struct through_tunnel *t = &a->tunnels[tunnel];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	bool has[2] = { false, false };
	char port[8];
	int rc = 0, bad = 0;

	snprintf(port, sizeof(port), "%u", (unsigned)t->listen);
	int error = getaddrinfo(strcmp(t->bind, "*") == 0 ? NULL : t->bind, port, &hints, &list);
	if (error != 0) {
		say_trouble("%s cannot be looked up: %s; listen on an address of this machine",
			t->bind, gai_strerror(error));
		return EXIT_LOCAL;
	}
	for (const struct addrinfo *ai = list; ai != NULL && bad == 0; ai = ai->ai_next) {
		bool is_v6 = ai->ai_family == AF_INET6;
		if ((ai->ai_family != AF_INET && !is_v6) || has[is_v6])
			continue;
		rc = add(a, tunnel, ai, l);
		has[is_v6] = rc == 0;
		bad = rc == 0 || is_missing(rc) ? 0 : rc;
	}
	freeaddrinfo(list);
	if (bad == 0 && (has[0] || has[1]))
		return EXIT_DONE;
	say_trouble("port %u of %s cannot be listened on: %s; choose another port",
		(unsigned)t->listen, t->bind, strerror(bad != 0 ? -bad : -rc));
	return EXIT_LOCAL;
}

int tunnel_listen(const struct knock_args *a, struct tunnel_listeners *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < a->tunnel_count; i++) {
		int rc = listen_for(a, i, ret);
		if (rc != EXIT_DONE)
			return rc;
	}
	return EXIT_DONE;
}

void tunnel_close(struct tunnel_listeners *l)
{
	while (l->count > 0)
		close(l->of[--l->count].fd);
}
