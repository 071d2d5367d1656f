/*
 * The ports of passthrus. Bound as root before a configuration is taken up, so that one whose port is
 * somebody else's is refused while the old one runs. Invariant: a socket listens only once the rules that
 * guard its port are there, and is the same one over reloads, so that nobody who waits in it is lost.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/monitor_internal.h"

#define BACKLOG 512

static int bind_family(int family, uint16_t port)
{
	const int on = 1, off = 0;
	const struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int rc = 0;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0))
		rc = -errno;
	else if (family == AF_INET6)
		rc = bind(fd, (const struct sockaddr *)&a6, sizeof(a6)) < 0 ? -errno : 0;
	else
		rc = bind(fd, (const struct sockaddr *)&a4, sizeof(a4)) < 0 ? -errno : 0;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* One socket for both families; for IPv4 where the kernel has no IPv6. The descriptor, or -errno. */
static int bind_port(uint16_t port)
{
	int fd = bind_family(AF_INET6, port);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = bind_family(AF_INET, port);
	return fd;
}

static struct monitor_listener *find(struct monitor *m, uint16_t port)
{
	for (size_t i = 0; i < m->relay.listener_count; i++)
		if (m->relay.listeners[i].port == port)
			return &m->relay.listeners[i];
	return NULL;
}

int monitor_listen_bind(struct monitor *m, const struct config *c, struct fault *f)
{
	struct monitor_relay *r = &m->relay;
	for (size_t i = 0; i < c->passthru_count; i++) {
		const struct config_passthru *p = &c->passthrus[i];
		if (find(m, p->service->port) != NULL)
			continue;
		int fd = r->listener_count < sizeof(r->listeners) / sizeof(r->listeners[0])
			? bind_port(p->service->port)
			: -EMFILE;
		if (fd < 0) {
			fault_set(f,
				"%s:%u: passthru %s: cannot listen on tcp port %u: %s; stop what has "
				"it, or choose another port",
				p->at.file, p->at.line, p->name, (unsigned)p->service->port,
				strerror(-fd));
			return fd;
		}
		r->listeners[r->listener_count++] =
			(struct monitor_listener){ .port = p->service->port, .fd = fd };
	}
	return 0;
}

int monitor_listen_on(struct monitor *m, const struct config_passthru *p)
{
	struct monitor_listener *l = find(m, p->service->port);
	if (l == NULL)
		return -1;
	if (!l->is_listening && listen(l->fd, BACKLOG) < 0) {
		log_error("passthru %s: cannot listen on tcp port %u: %s; stop what has it, then "
			  "reload",
			p->name, (unsigned)p->service->port, strerror(errno));
		return -1;
	}
	l->is_listening = true;
	return l->fd;
}

static bool is_named(const struct config *c, uint16_t port)
{
	for (size_t i = 0; c != NULL && i < c->passthru_count; i++)
		if (c->passthrus[i].service->port == port)
			return true;
	return false;
}

static void keep(struct monitor *m, const struct config *c)
{
	struct monitor_relay *r = &m->relay;
	size_t kept = 0;
	for (size_t i = 0; i < r->listener_count; i++) {
		if (is_named(c, r->listeners[i].port))
			r->listeners[kept++] = r->listeners[i];
		else
			close(r->listeners[i].fd);
	}
	r->listener_count = kept;
}

void monitor_listen_trim(struct monitor *m)
{
	keep(m, m->boot->config);
}

void monitor_listen_end(struct monitor *m)
{
	keep(m, NULL);
}
