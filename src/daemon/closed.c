/*
 * Ports that are open to strangers, from the kernel's lists of sockets. Invariant: what is asked is a whole
 * reading of the lists, never half of one; the descriptors are opened before the sandbox and only read
 * after it.
 */

#include "daemon/closed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_LEN 16384
#define CHUNKS_MAX 4096 /* of one list: no more than 64 MiB of sockets */
#define STATE_ESTABLISHED 0x01
#define STATE_LISTEN 0x0a
#define RANGE_FIRST 32768 /* the kernel's own default */
#define RANGE_LAST 60999

enum { TCP4, TCP6, UDP4, UDP6, LISTS };

static const struct {
	const char *path;
	uint8_t proto;
} lists[LISTS] = {
	[TCP4] = { "/proc/net/tcp", IPPROTO_TCP },
	[TCP6] = { "/proc/net/tcp6", IPPROTO_TCP },
	[UDP4] = { "/proc/net/udp", IPPROTO_UDP },
	[UDP6] = { "/proc/net/udp6", IPPROTO_UDP },
};

/* One bit a port. */
struct map {
	uint8_t bits[CLOSED_MAP_LEN];
};

struct closed {
	int fd[LISTS];                           /* -1: cannot be had */
	struct map open[2], guarded[2], next[2]; /* TCP, UDP */
	uint16_t own_first, own_last;            /* UDP ports that programs get by themselves */
	char chunk[CHUNK_LEN];
};

static size_t side(uint8_t proto)
{
	return proto == IPPROTO_UDP;
}

static void set_bit(uint8_t *bits, uint16_t port)
{
	bits[port / 8] |= (uint8_t)(1u << port % 8);
}

static bool has_bit(const struct map *m, uint16_t port)
{
	return (m->bits[port / 8] >> port % 8 & 1) != 0;
}

static int hex_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* So many digits; the reader is short when one is none. */
static uint32_t take_hex(struct reader *r, size_t digits)
{
	uint32_t v = 0;
	for (size_t i = 0; i < digits; i++) {
		int d = hex_of(reader_u8(r));
		if (d < 0)
			r->is_short = true;
		v = v << 4 | (uint32_t)(d & 15);
	}
	return v;
}

static void skip_spaces(struct reader *r)
{
	while (r->left > 0 && r->at[0] == ' ')
		reader_u8(r);
}

static void skip_word(struct reader *r)
{
	while (r->left > 0 && r->at[0] != ' ')
		reader_u8(r);
	skip_spaces(r);
}

/* The kernel prints an address as its 32-bit words in the order of the machine. */
static bool take_is_loopback(struct reader *r)
{
	const uint8_t *colon = memchr(r->at, ':', r->left);
	size_t digits = colon != NULL ? (size_t)(colon - r->at) : 0;
	union {
		uint32_t words[4];
		uint8_t bytes[16];
	} a = { { 0 } };
	static const uint8_t loopback6[16] = { [15] = 1 };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (digits != 8 && digits != 32) {
		r->is_short = true;
		return false;
	}
	for (size_t i = 0; i < digits / 8; i++)
		a.words[i] = take_hex(r, 8);
	reader_u8(r); /* the colon */
	if (digits == 8)
		return a.bytes[0] == 127;
	return memcmp(a.bytes, loopback6, sizeof(loopback6)) == 0 ||
		(memcmp(a.bytes, mapped, sizeof(mapped)) == 0 && a.bytes[12] == 127);
}

/* "   0: 0100007F:0277 00000000:0000 0A ...": number, here, there, state. False: no such line. */
static bool parse_line(
	struct span line, uint16_t *ret_port, bool *ret_is_loopback, uint8_t *ret_state)
{
	struct reader r = reader_init(line);
	skip_spaces(&r);
	skip_word(&r);
	if (r.left == 0)
		return false;
	*ret_is_loopback = take_is_loopback(&r);
	*ret_port = (uint16_t)take_hex(&r, 4);
	skip_word(&r);
	skip_word(&r);
	*ret_state = (uint8_t)take_hex(&r, 2);
	return !r.is_short;
}

/* An UDP socket with a peer hears nobody else. */
static bool is_open_to_all(uint8_t proto, uint8_t state)
{
	return proto == IPPROTO_TCP ? state == STATE_LISTEN : state != STATE_ESTABLISHED;
}

size_t closed_parse(
	struct span text, uint8_t proto, uint8_t open[CLOSED_MAP_LEN], bool *ret_is_over)
{
	size_t at = 0;
	const uint8_t *end;
	while (at < text.len && (end = memchr(text.data + at, '\n', text.len - at)) != NULL) {
		size_t len = (size_t)(end - text.data) - at;
		struct span line = span_slice(text, at, len);
		uint16_t port;
		bool is_loopback;
		uint8_t state;
		at += len + 1;
		/* The headline is none. */
		if (!parse_line(line, &port, &is_loopback, &state))
			continue;
		if (is_open_to_all(proto, state)) {
			if (!is_loopback)
				set_bit(open, port);
		} else if (proto == IPPROTO_TCP) {
			*ret_is_over = true;
			break;
		}
	}
	return at;
}

static bool read_list(struct closed *c, size_t list)
{
	uint8_t *open = c->next[side(lists[list].proto)].bits;
	size_t held = 0;
	off_t at = 0;
	bool is_over = false;
	for (int i = 0; i < CHUNKS_MAX && !is_over; i++) {
		ssize_t n = pread(c->fd[list], c->chunk + held, sizeof(c->chunk) - held, at);
		if (n < 0)
			return false;
		if (n == 0)
			break;
		at += n;
		held += (size_t)n;
		size_t used =
			closed_parse(span_of(c->chunk, held), lists[list].proto, open, &is_over);
		/* No line is as long as the chunk. */
		if (used == 0 && held == sizeof(c->chunk))
			return false;
		held -= used;
		memmove(c->chunk, c->chunk + used, held);
	}
	return true;
}

/* A machine without IPv6 has no list of it, and nobody who listens there. */
static void refresh_side(struct closed *c, size_t v4, size_t v6)
{
	size_t s = side(lists[v4].proto);
	memset(&c->next[s], 0, sizeof(c->next[s]));
	if (c->fd[v4] < 0 || !read_list(c, v4) || (c->fd[v6] >= 0 && !read_list(c, v6)))
		return;
	c->open[s] = c->next[s];
}

void closed_refresh(struct closed *c)
{
	if (c == NULL)
		return;
	refresh_side(c, TCP4, TCP6);
	refresh_side(c, UDP4, UDP6);
}

/* "32768	60999". What cannot be read is as the kernel has it by itself. */
static void read_range(struct closed *c)
{
	char text[64] = "";
	char *end = text;
	c->own_first = RANGE_FIRST;
	c->own_last = RANGE_LAST;
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	unsigned long first = strtoul(text, &end, 10);
	unsigned long last = strtoul(end, NULL, 10);
	if (n <= 0 || first == 0 || last < first || last > UINT16_MAX)
		return;
	c->own_first = (uint16_t)first;
	c->own_last = (uint16_t)last;
}

static void mark_guarded(struct closed *c, const struct config *config)
{
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *s = &config->services[i];
		for (uint32_t p = s->port; p <= config_service_last_port(s); p++)
			set_bit(c->guarded[side(s->proto)].bits, (uint16_t)p);
	}
}

int closed_new(const struct config *config, struct closed **ret, struct fault *f)
{
	struct closed *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < LISTS; i++) {
		c->fd[i] = open(lists[i].path, O_RDONLY | O_CLOEXEC);
		if (c->fd[i] < 0 && (i == TCP4 || i == UDP4))
			fault_set(f,
				"%s: cannot be read: %s; every port counts as closed, so that whoever "
				"uses an open one meanwhile spoils his own strict sequence",
				lists[i].path, strerror(errno));
	}
	read_range(c);
	mark_guarded(c, config);
	closed_refresh(c);
	*ret = c;
	return 0;
}

void closed_free(struct closed *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < LISTS; i++)
		if (c->fd[i] >= 0)
			close(c->fd[i]);
	free(c);
}

bool closed_has(const struct closed *c, uint8_t proto, uint16_t port)
{
	if (c == NULL || has_bit(&c->guarded[side(proto)], port))
		return true;
	if (proto == IPPROTO_UDP && port >= c->own_first && port <= c->own_last)
		return false;
	return !has_bit(&c->open[side(proto)], port);
}
