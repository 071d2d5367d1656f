/*
 * Interfaces and listening sockets. The kernel's tables of sockets are text with fixed fields; whoever owns a
 * socket does not matter, only whether strangers reach it.
 */

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"
#include "daemon/place.h"

#define PORTS_TEXT_MAX 16 /* of a service */
#define LISTENERS_MAX 4096
#define LIST_MAX 400
#define TCP_LISTEN 0x0a
#define UDP_UNCONNECTED 0x07

/* The words of /proc are in the machine's byte order, so a loopback address shows its 127 last or first. */
static bool is_loopback(const char *hex, bool is_v6)
{
	uint32_t w[4] = { 0 };
	for (size_t i = 0; i < (is_v6 ? 4u : 1u); i++)
		if (sscanf(hex + 8 * i, "%8x", &w[i]) != 1)
			return false;
	if (!is_v6)
		return ntohl(w[0]) >> 24 == 127;
	if (w[0] == 0 && w[1] == 0 && ntohl(w[2]) == 0xffff)
		return ntohl(w[3]) >> 24 == 127;
	return w[0] == 0 && w[1] == 0 && w[2] == 0 && ntohl(w[3]) == 1;
}

bool doctor_listener_parse(const char *line, uint8_t proto, bool is_v6, struct doctor_listener *ret)
{
	char local[33], remote[33];
	unsigned port, remote_port, state;
	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %32[0-9A-Fa-f]:%4x %2x", local, &port, remote,
		    &remote_port, &state) != 5)
		return false;
	if (strlen(local) != (is_v6 ? 32u : 8u) || port == 0)
		return false;
	if (state != (proto == IPPROTO_TCP ? TCP_LISTEN : UDP_UNCONNECTED))
		return false;
	*ret = (struct doctor_listener){
		.proto = proto,
		.is_v6 = is_v6,
		.is_local = is_loopback(local, is_v6),
		.port = (uint16_t)port,
	};
	return true;
}

static size_t read_table(const char *path, uint8_t proto, bool is_v6, struct doctor_listener *to,
	size_t at, size_t cap)
{
	char line[512];
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return at;
	while (at < cap && fgets(line, sizeof(line), f) != NULL)
		at += doctor_listener_parse(line, proto, is_v6, &to[at]);
	fclose(f);
	return at;
}

size_t doctor_listeners(struct doctor_listener **ret)
{
	struct doctor_listener *l = calloc(LISTENERS_MAX, sizeof(*l));
	size_t n = 0;
	*ret = l;
	if (l == NULL)
		return 0;
	n = read_table("/proc/net/tcp", IPPROTO_TCP, false, l, n, LISTENERS_MAX);
	n = read_table("/proc/net/tcp6", IPPROTO_TCP, true, l, n, LISTENERS_MAX);
	n = read_table("/proc/net/udp", IPPROTO_UDP, false, l, n, LISTENERS_MAX);
	return read_table("/proc/net/udp6", IPPROTO_UDP, true, l, n, LISTENERS_MAX);
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

static void format_ports(const struct config_service *s, char to[PORTS_TEXT_MAX])
{
	unsigned last = config_service_last_port(s);
	int n = snprintf(to, PORTS_TEXT_MAX, "%u", (unsigned)s->port);
	if (last != s->port)
		snprintf(to + n, PORTS_TEXT_MAX - (size_t)n, "-%u", last);
}

static bool is_served(const struct config_service *s, const struct doctor_listener *l)
{
	return l->proto == s->proto && l->port >= s->port &&
		l->port <= config_service_last_port(s) && !l->is_local;
}

static void check_guarded(struct doctor *d, const struct doctor_listener *l, size_t n)
{
	for (size_t i = 0; i < d->boot->config->service_count; i++) {
		const struct config_service *s = &d->boot->config->services[i];
		char ports[PORTS_TEXT_MAX];
		bool is_heard = false;
		for (size_t j = 0; j < n; j++)
			is_heard = is_heard || is_served(s, &l[j]);
		format_ports(s, ports);
		if (config_is_forwarded(s))
			doctor_note(d, DOCTOR_OK, "ports",
				"%s port %s (%s) is guarded, and sent on to another machine",
				proto_name(s->proto), ports, s->name);
		else if (is_heard)
			doctor_note(d, DOCTOR_OK, "ports", "%s port %s (%s) is guarded and in use",
				proto_name(s->proto), ports, s->name);
		else if (s->passthru != NULL)
			doctor_note(d, DOCTOR_WARN, "ports",
				"%s port %s (%s) is guarded, but nobody listens there; it is a passthru, "
				"where posternd itself does while it runs",
				proto_name(s->proto), ports, s->name);
		else
			doctor_note(d, DOCTOR_WARN, "ports",
				"%s port %s (%s) is guarded, but nobody listens there; start what "
				"should, or correct the port",
				proto_name(s->proto), ports, s->name);
	}
}

static bool is_known(const struct doctor *d, const struct doctor_listener *l)
{
	if (l->is_local || config_service_by_port(d->boot->config, l->proto, l->port) != NULL)
		return true;
	return false;
}

/* Each port once; one that only IPv6 reaches says so, since it is easily overlooked. */
static void check_open(struct doctor *d, const struct doctor_listener *l, size_t n)
{
	char list[LIST_MAX] = "";
	size_t at = 0, count = 0;
	for (size_t i = 0; i < n; i++) {
		bool is_seen = false, has_v4 = !l[i].is_v6;
		if (is_known(d, &l[i]))
			continue;
		for (size_t j = 0; j < n; j++) {
			bool is_same = l[j].proto == l[i].proto && l[j].port == l[i].port &&
				!l[j].is_local;
			is_seen = is_seen || (is_same && j < i);
			has_v4 = has_v4 || (is_same && !l[j].is_v6);
		}
		if (is_seen)
			continue;
		count++;
		if (at + 32 < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s/%u%s",
				at > 0 ? ", " : "", proto_name(l[i].proto), (unsigned)l[i].port,
				has_v4 ? "" : " (an IPv6 socket)");
	}
	if (count == 0)
		doctor_note(d, DOCTOR_OK, "ports",
			"no port listens to strangers without being guarded");
	else
		doctor_note(d, DOCTOR_WARN, "ports",
			"%zu listen to strangers and are not guarded: %s; guard them, bind them to "
			"loopback, or audit them",
			count, list);
}

static void check_knock_port(
	struct doctor *d, const struct config_door *door, const struct doctor_listener *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (door->spa.is_on && l[i].proto == IPPROTO_UDP && l[i].port == door->spa.port)
			doctor_note(d, DOCTOR_FAIL, "knock",
				"another program has udp port %u, where knocks of door %s arrive; stop "
				"it or choose another udp",
				(unsigned)door->spa.port, door->name);
}

static bool has_address(const struct ifaddrs *all, const char *interface, int family)
{
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != family ||
			strcmp(a->ifa_name, interface) != 0)
			continue;
		const struct sockaddr_in6 *six =
			(const struct sockaddr_in6 *)(const void *)a->ifa_addr;
		if (family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
			return true;
	}
	return false;
}

static const char *knock_port_text(const struct config_door *door, char to[48])
{
	to[0] = '\0';
	if (door->spa.is_on)
		snprintf(to, 48, ", knocks come to udp port %u", (unsigned)door->spa.port);
	return to;
}

static void check_door(struct doctor *d, const struct config_door *door, const struct ifaddrs *all)
{
	char port[48];
	bool v4 = has_address(all, door->interface, AF_INET);
	bool v6 = has_address(all, door->interface, AF_INET6);
	if (!place_interface_is_up(door->interface))
		doctor_note(d, DOCTOR_FAIL, "knock",
			"door %s: interface %s is not there or down: no knock arrives; bring it up or "
			"name another",
			door->name, door->interface);
	else if (!v4 && !v6)
		doctor_note(d, DOCTOR_FAIL, "knock",
			"door %s: interface %s has no address: no knock arrives; give it one",
			door->name, door->interface);
	else
		doctor_note(d, DOCTOR_OK, "knock", "door %s: interface %s is up with %s%s",
			door->name, door->interface,
			v4 && v6     ? "IPv4 and IPv6"
				: v4 ? "IPv4"
				     : "IPv6",
			knock_port_text(door, port));
}

/* A log group or a log file tells of what came in anywhere. */
static bool is_everywhere(const struct config_door *door)
{
	return door->interface == NULL;
}

static bool is_door(const struct config *c, const char *interface)
{
	for (size_t i = 0; i < c->door_count; i++)
		if (is_everywhere(&c->doors[i]) || strcmp(c->doors[i].interface, interface) == 0)
			return true;
	return false;
}

static bool is_door_family(const struct config *c, const struct ifaddrs *all, int family)
{
	for (size_t i = 0; i < c->door_count; i++)
		if (is_everywhere(&c->doors[i]) || has_address(all, c->doors[i].interface, family))
			return true;
	return false;
}

/*
 * The guard covers both families on every interface, and knocks are heard only at doors: where another
 * interface has the only addresses of a family, whoever comes that way finds everything closed.
 */
static void check_others(struct doctor *d, const struct ifaddrs *all)
{
	static const int families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < 2; i++) {
		if (is_door_family(d->boot->config, all, families[i]))
			continue;
		for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
			if ((a->ifa_flags & IFF_LOOPBACK) != 0 ||
				is_door(d->boot->config, a->ifa_name) || a->ifa_addr == NULL ||
				a->ifa_addr->sa_family != families[i] ||
				!has_address(all, a->ifa_name, families[i]))
				continue;
			doctor_note(d, DOCTOR_WARN, "knock",
				"only %s has %s addresses, and no door watches it: who comes that way "
				"cannot knock; add a door",
				a->ifa_name, families[i] == AF_INET ? "IPv4" : "IPv6");
			break;
		}
	}
}

void doctor_network(struct doctor *d)
{
	struct doctor_listener *l = NULL;
	struct ifaddrs *all = NULL;
	if (d->boot == NULL)
		return;
	size_t n = doctor_listeners(&l);
	if (getifaddrs(&all) < 0)
		all = NULL;
	for (size_t i = 0; i < d->boot->config->door_count; i++) {
		if (d->boot->config->doors[i].capture == CONFIG_CAPTURE_PCAP)
			check_door(d, &d->boot->config->doors[i], all);
		check_knock_port(d, &d->boot->config->doors[i], l, n);
	}
	check_others(d, all);
	check_guarded(d, l, n);
	check_open(d, l, n);
	if (all != NULL)
		freeifaddrs(all);
	free(l);
}
