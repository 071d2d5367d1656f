/*
 * What is looked at before the start, and before a reload. Invariant: nothing here changes the machine,
 * but that an empty store is made.
 */

#include "daemon/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/actiond.h"
#include "daemon/scriptd.h"
#include "priv/priv.h"
#include "store/store.h"

#define PORT_TRIES 5
#define PORT_TRY_MS 200

int ground_check_caps(struct fault *f)
{
	static const struct {
		unsigned number;
		const char *name;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_NET_RAW, "CAP_NET_RAW" },
		{ CAP_SETUID, "CAP_SETUID" },
		{ CAP_SETGID, "CAP_SETGID" },
		{ CAP_SETPCAP, "CAP_SETPCAP" },
	};
	char missing[128] = "";
	size_t at = 0;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!priv_has_caps(1ull << needed[i].number))
			at += (size_t)snprintf(missing + at, sizeof(missing) - at, "%s%s",
				at > 0 ? ", " : "", needed[i].name);
	if (at == 0)
		return 0;
	fault_set(f, "%s missing; start it as root, with nothing that takes capabilities away",
		missing);
	return -EPERM;
}

static bool is_port_free(int family, uint16_t port)
{
	const int on = 1;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true; /* without the family nobody else has it either */
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	int rc = family == AF_INET6 ? bind(fd, (const struct sockaddr *)&a6, sizeof(a6))
				    : bind(fd, (const struct sockaddr *)&a4, sizeof(a4));
	bool is_taken = rc < 0 && errno == EADDRINUSE;
	close(fd);
	return !is_taken;
}

/* A resolver may have the port for one question: only who keeps it is in the way. */
static bool is_port_kept(uint16_t port)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		if (is_port_free(AF_INET, port) && is_port_free(AF_INET6, port))
			return false;
		poll(NULL, 0, PORT_TRY_MS);
	}
	return true;
}

static int check_knock_port(
	const struct config *c, const struct config_door *d, uint16_t port, struct fault *f)
{
	if (!is_port_kept(port))
		return 0;
	fault_set(f,
		"%s: door %s: another program has udp port %u, and would hear nothing any "
		"more; stop it or choose another udp",
		c->file, d->name, (unsigned)port);
	return -EADDRINUSE;
}

int ground_check(const struct config *c, struct fault *f)
{
	struct priv_user user;
	struct fault why;
	int rc = priv_user_find(c->server.user, &user, &why);
	if (rc < 0) {
		fault_set(f, "%s: %s", c->file, why.text);
		return rc;
	}
	rc = actiond_check_programs(c, f);
	if (rc == 0 && c->server.backend == CONFIG_BACKEND_SCRIPT)
		rc = scriptd_check(c, f);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->door_count && rc == 0; i++) {
		const struct config_door *d = &c->doors[i];
		if (d->capture != CONFIG_CAPTURE_PCAP)
			continue;
		if (d->spa.is_on)
			rc = check_knock_port(c, d, d->spa.port, f);
		for (size_t n = 0; n < d->fwknop_count && rc == 0; n++)
			if (d->fwknops[n].udp != 0)
				rc = check_knock_port(c, d, d->fwknops[n].udp, f);
	}
	return rc;
}

/* Of this network namespace. What cannot be read is not said to be off. */
static bool is_off(const char *path)
{
	char value = '1';
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, &value, 1);
	close(fd);
	return n == 1 && value == '0';
}

size_t ground_warn(const struct config *c, struct fault to[GROUND_WARNINGS_MAX])
{
	const struct config_service *v4 = NULL, *v6 = NULL;
	size_t n = 0;
	for (size_t i = 0; i < c->service_count; i++) {
		if (v4 == NULL && c->services[i].forward4.port != 0)
			v4 = &c->services[i];
		if (v6 == NULL && c->services[i].forward6.port != 0)
			v6 = &c->services[i];
	}
	if (v4 != NULL && is_off("/proc/sys/net/ipv4/ip_forward"))
		fault_set(&to[n++],
			"%s:%u: service %s: this kernel sends no IPv4 packets on; set net.ipv4.ip_forward = 1",
			v4->at.file, v4->at.line, v4->name);
	if (v6 != NULL && is_off("/proc/sys/net/ipv6/conf/all/forwarding"))
		fault_set(&to[n++],
			"%s:%u: service %s: this kernel sends no IPv6 packets on; set "
			"net.ipv6.conf.all.forwarding = 1",
			v6->at.file, v6->at.line, v6->name);
	return n;
}

int ground_check_store(const char *path, struct fault *f)
{
	struct store *s = NULL;
	int rc = store_open(path, &s, f);
	store_close(s);
	switch (rc) {
	case -ENOSPC:
	case -EDQUOT:
	case -EIO:
	case -EUCLEAN:
	case -EBUSY:
	case -ENOMEM:
		return 0;
	default:
		return rc;
	}
}
