/* Answers as whole packets: IP and UDP headers of our own over IPPROTO_RAW sockets. */

#include "daemon/answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPV4_LEN 20
#define IPV6_LEN 40
#define UDP_LEN 8
#define TTL 64
#define PACKET_MAX (IPV6_LEN + UDP_LEN + 1232)

int answer_open(struct answer_socket *ret, struct fault *f)
{
	ret->fd4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	int rc4 = ret->fd4 < 0 ? -errno : 0;
	ret->fd6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	int rc6 = ret->fd6 < 0 ? -errno : 0;
	if (rc4 == 0 || rc6 == 0)
		return 0;
	fault_set(f, "no raw socket for answers: %s; start as root or with CAP_NET_RAW",
		strerror(-rc4));
	return rc4;
}

void answer_close(struct answer_socket *a)
{
	if (a->fd4 >= 0)
		close(a->fd4);
	if (a->fd6 >= 0)
		close(a->fd6);
	a->fd4 = a->fd6 = -1;
}

static uint32_t sum(uint32_t acc, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		acc += i % 2 == 0 ? (uint32_t)s.data[i] << 8 : s.data[i];
	return acc;
}

static uint16_t fold(uint32_t acc)
{
	while (acc > 0xffff)
		acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)~acc;
}

static void put_ipv4(struct writer *w, const struct answer_path *p, uint16_t udp_len)
{
	size_t start = w->len;
	writer_u16(w, 0x4500);
	writer_u16(w, (uint16_t)(IPV4_LEN + udp_len));
	writer_u16(w, 0);      /* identification: never fragmented */
	writer_u16(w, 0x4000); /* don't fragment */
	writer_u8(w, TTL);
	writer_u8(w, IPPROTO_UDP);
	writer_u16(w, 0);
	writer_put(w, p->from.b + 12, 4);
	writer_put(w, p->to.b + 12, 4);
	if (w->is_full)
		return;
	uint16_t c = fold(sum(0, span_of(w->start + start, IPV4_LEN)));
	w->start[start + 10] = (uint8_t)(c >> 8);
	w->start[start + 11] = (uint8_t)c;
}

static void put_ipv6(struct writer *w, const struct answer_path *p, uint16_t udp_len)
{
	writer_u32(w, 0x60000000);
	writer_u16(w, udp_len);
	writer_u8(w, IPPROTO_UDP);
	writer_u8(w, TTL);
	writer_put(w, p->from.b, 16);
	writer_put(w, p->to.b, 16);
}

/* RFC 768, RFC 8200 8.1: over addresses, protocol and length as well; zero is sent as ones. */
static uint16_t udp_checksum(const struct answer_path *p, struct span udp, bool is_v4)
{
	size_t skip = is_v4 ? 12 : 0;
	uint32_t acc = IPPROTO_UDP + (uint32_t)udp.len;
	acc = sum(acc, span_of(p->from.b + skip, 16 - skip));
	acc = sum(acc, span_of(p->to.b + skip, 16 - skip));
	uint16_t c = fold(sum(acc, udp));
	return c == 0 ? 0xffff : c;
}

size_t answer_build(const struct answer_path *p, struct span payload, uint8_t *to, size_t cap)
{
	struct writer w = writer_init(to, cap);
	bool is_v4 = addr_is_v4(&p->to);
	if (payload.len > 1232 || is_v4 != addr_is_v4(&p->from))
		return 0;
	uint16_t udp_len = (uint16_t)(UDP_LEN + payload.len);
	if (is_v4)
		put_ipv4(&w, p, udp_len);
	else
		put_ipv6(&w, p, udp_len);
	size_t udp = w.len;
	writer_u16(&w, p->from_port);
	writer_u16(&w, p->to_port);
	writer_u16(&w, udp_len);
	writer_u16(&w, 0);
	writer_put(&w, payload.data, payload.len);
	if (w.is_full)
		return 0;
	uint16_t c = udp_checksum(p, span_of(to + udp, udp_len), is_v4);
	to[udp + 6] = (uint8_t)(c >> 8);
	to[udp + 7] = (uint8_t)c;
	return w.len;
}

static bool is_link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

int answer_send(const struct answer_socket *a, const struct answer_path *p, struct span payload)
{
	uint8_t packet[PACKET_MAX];
	size_t len = answer_build(p, payload, packet, sizeof(packet));
	int fd = addr_is_v4(&p->to) ? a->fd4 : a->fd6;
	if (len == 0)
		return -EINVAL;
	if (fd < 0)
		return -EAFNOSUPPORT;
	struct sockaddr_storage ss;
	/* A raw socket's port must be 0: the protocol number stands there. */
	socklen_t ss_len = addr_to_sockaddr(&p->to, 0, &ss);
	if (is_link_local(&p->to)) {
		struct sockaddr_in6 in6;
		memcpy(&in6, &ss, sizeof(in6));
		in6.sin6_scope_id = p->interface;
		memcpy(&ss, &in6, sizeof(in6));
	}
	ssize_t n = sendto(fd, packet, len, MSG_NOSIGNAL, (const struct sockaddr *)&ss, ss_len);
	return n < 0 ? -errno : 0;
}
