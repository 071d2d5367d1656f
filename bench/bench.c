/* See bench.h. Addresses are numbered from 10.78.0.0 upwards. */

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define SOURCE_BASE 0x0a4e0000u /* 10.78.0.0 */
#define BUFFER_LEN (8 << 20)
#define FILE_LEN_MAX (64u << 20)

void bench_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *bench_new(size_t count, size_t size)
{
	void *p = calloc(count, size);
	if (p == NULL)
		bench_die("no memory for %zu times %zu bytes", count, size);
	return p;
}

uint64_t bench_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * BENCH_S + (uint64_t)t.tv_nsec;
}

void bench_sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / BENCH_S), (long)(ns % BENCH_S) };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

struct in_addr bench_source(uint32_t i)
{
	return (struct in_addr){ htonl(SOURCE_BASE + i) };
}

uint32_t bench_source_index(struct in_addr a)
{
	uint32_t i = ntohl(a.s_addr) - SOURCE_BASE;
	return i < BENCH_SOURCES ? i : UINT32_MAX;
}

struct sockaddr_in bench_address(const char *text, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		bench_die("%s: not an IPv4 address", text);
	return a;
}

unsigned long bench_number(const char *text, unsigned long min, unsigned long max)
{
	char *end = NULL;
	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
		bench_die("%s: not a number from %lu to %lu", text, min, max);
	return v;
}

int bench_udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = { .sin_family = AF_INET };
	int on = 1, len = BUFFER_LEN;
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
		bench_die("UDP socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &len, sizeof(len));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len));
	return fd;
}

/* Room for one control message that holds a struct in_pktinfo, aligned for its header. */
union pktinfo_room {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

bool bench_send(int fd, uint32_t i, const struct sockaddr_in *to, const void *data, size_t len)
{
	struct sockaddr_in peer = *to;
	union pktinfo_room room = { .bytes = { 0 } };
	/* iovec is not const; sendmsg does not write through it. */
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr m = {
		.msg_name = &peer,
		.msg_namelen = sizeof(peer),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct in_pktinfo info = { .ipi_spec_dst = bench_source(i) };
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return sendmsg(fd, &m, 0) == (ssize_t)len;
}

ssize_t bench_receive(int fd, void *to, size_t cap, uint32_t *ret_source)
{
	union pktinfo_room room = { .bytes = { 0 } };
	struct iovec iov = { to, cap };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	ssize_t n = recvmsg(fd, &m, 0);
	*ret_source = UINT32_MAX;
	if (n < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		struct in_pktinfo info;
		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		*ret_source = bench_source_index(info.ipi_addr);
	}
	return n;
}

int bench_raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		bench_die("raw socket: %s", strerror(errno));
	return fd;
}

/* RFC 9293 3.1: over the pseudo-header and the TCP header, sixteen bits at a time. */
static uint16_t tcp_checksum(struct in_addr from, struct in_addr to, const struct tcphdr *tcp)
{
	uint8_t bytes[12 + sizeof(*tcp)] = { 0 };
	uint32_t sum = 0;
	memcpy(bytes, &from, 4);
	memcpy(bytes + 4, &to, 4);
	bytes[9] = IPPROTO_TCP;
	bytes[11] = sizeof(*tcp);
	memcpy(bytes + 12, tcp, sizeof(*tcp));
	for (size_t i = 0; i < sizeof(bytes); i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

bool bench_send_syn(int fd, uint32_t i, const struct sockaddr_in *to, uint16_t source_port)
{
	struct {
		uint8_t ip[20];
		struct tcphdr tcp;
	} p = { .ip = { 0x45, 0, 0, sizeof(p), 0, 0, 0x40, 0, 64, IPPROTO_TCP } };
	struct in_addr from = bench_source(i);
	memcpy(p.ip + 12, &from, 4);
	memcpy(p.ip + 16, &to->sin_addr, 4);
	p.tcp.source = htons(source_port);
	p.tcp.dest = to->sin_port;
	p.tcp.seq = htonl(i);
	p.tcp.doff = sizeof(p.tcp) / 4;
	p.tcp.syn = 1;
	p.tcp.window = htons(64240);
	p.tcp.check = tcp_checksum(from, to->sin_addr, &p.tcp);
	/* The kernel fills in identification and IP checksum. */
	return sendto(fd, &p, sizeof(p), 0, (const struct sockaddr *)to, sizeof(*to)) ==
		(ssize_t)sizeof(p);
}

uint8_t *bench_read(const char *path, size_t *ret_len)
{
	struct fault f;
	uint8_t *data = NULL;
	if (file_read(path, FILE_ANY, FILE_LEN_MAX, &data, ret_len, &f) < 0)
		bench_die("%s", f.text);
	return data;
}
