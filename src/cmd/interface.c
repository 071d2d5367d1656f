/* The kernel's route tables as text, one route a line; the smallest metric among the defaults wins. */

#include "cmd/interface.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUTES_MAX 65536
#define FIELDS_MAX 12
#define RTF_UP 1ul
#define RTF_REJECT 0x200ul

static const char any_v6[] = "00000000000000000000000000000000";

/* Split a line at blanks; returns the number of fields. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
	char *rest = NULL;
	size_t n = 0;
	for (char *w = strtok_r(line, " \t", &rest); w != NULL && n < FIELDS_MAX;
		w = strtok_r(NULL, " \t", &rest))
		fields[n++] = w;
	return n;
}

struct route {
	const char *interface;
	unsigned long metric;
	unsigned long flags;
	bool is_default;
};

/* Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT */
static bool read_v4(char *line, struct route *ret)
{
	char *f[FIELDS_MAX];
	if (split(line, f) < 8)
		return false;
	ret->interface = f[0];
	ret->flags = strtoul(f[3], NULL, 16);
	ret->metric = strtoul(f[6], NULL, 10);
	ret->is_default = strcmp(f[1], "00000000") == 0 && strcmp(f[7], "00000000") == 0;
	return true;
}

/* Destination Length Source Length NextHop Metric RefCnt Use Flags Iface */
static bool read_v6(char *line, struct route *ret)
{
	char *f[FIELDS_MAX];
	if (split(line, f) < 10)
		return false;
	ret->interface = f[9];
	ret->flags = strtoul(f[8], NULL, 16);
	ret->metric = strtoul(f[5], NULL, 16);
	ret->is_default = strcmp(f[0], any_v6) == 0 && strcmp(f[1], "00") == 0;
	return true;
}

static bool best_default(
	struct span text, bool (*read_line)(char *line, struct route *ret), char to[IF_NAMESIZE])
{
	unsigned long best = 0;
	bool is_found = false;
	for (size_t at = 0; at < text.len;) {
		char line[256];
		struct route r;
		const uint8_t *start = text.data + at;
		const uint8_t *lf = memchr(start, '\n', text.len - at);
		size_t len = lf != NULL ? (size_t)(lf - start) : text.len - at;
		at += len + 1;
		if (len >= sizeof(line))
			continue;
		memcpy(line, start, len);
		line[len] = '\0';
		if (!read_line(line, &r) || !r.is_default || (r.flags & RTF_UP) == 0 ||
			(r.flags & RTF_REJECT) != 0 || strcmp(r.interface, "lo") == 0 ||
			!interface_name_is_good(r.interface))
			continue;
		if (is_found && r.metric >= best)
			continue;
		is_found = true;
		best = r.metric;
		snprintf(to, IF_NAMESIZE, "%s", r.interface);
	}
	return is_found;
}

bool interface_from_route(struct span text, char to[IF_NAMESIZE])
{
	return best_default(text, read_v4, to);
}

bool interface_from_ipv6_route(struct span text, char to[IF_NAMESIZE])
{
	return best_default(text, read_v6, to);
}

bool interface_name_is_good(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len >= IF_NAMESIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)name[i]) || strchr("/:\"\\", name[i]) != NULL)
			return false;
	return true;
}

/* A file of /proc has no size, so it is read until it ends. */
static bool from_file(const char *path, bool (*find)(struct span text, char to[IF_NAMESIZE]),
	char to[IF_NAMESIZE])
{
	bool is_found = false;
	size_t len = 0;
	uint8_t *text = malloc(ROUTES_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (text != NULL && fd >= 0 && len < ROUTES_MAX) {
		ssize_t n = read(fd, text + len, ROUTES_MAX - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (text != NULL)
		is_found = find(span_of(text, len), to);
	if (fd >= 0)
		close(fd);
	free(text);
	return is_found;
}

static bool only_one(char to[IF_NAMESIZE])
{
	size_t count = 0;
	struct if_nameindex *list = if_nameindex();
	for (struct if_nameindex *i = list; i != NULL && i->if_index != 0; i++) {
		if (strcmp(i->if_name, "lo") == 0)
			continue;
		snprintf(to, IF_NAMESIZE, "%s", i->if_name);
		count++;
	}
	if (list != NULL)
		if_freenameindex(list);
	return count == 1;
}

bool interface_guess(char to[IF_NAMESIZE])
{
	return from_file("/proc/net/route", interface_from_route, to) ||
		from_file("/proc/net/ipv6_route", interface_from_ipv6_route, to) || only_one(to);
}
