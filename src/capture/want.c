/*
 * What a door asks for: as a question about one sighting, and as the text of a filter that the kernel
 * runs. Invariant: the filter lets pass everything that capture_is_wanted says yes to, and as little
 * else as classic BPF can tell.
 */

#include <assert.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <string.h>

#include "capture/internal.h"

#define WANTED_MAX (CAPTURE_FILTER_MAX / 4)

static bool has_port(const uint16_t ports[CAPTURE_PORTS_MAX], uint16_t port)
{
	for (size_t i = 0; i < CAPTURE_PORTS_MAX && ports[i] != 0; i++)
		if (ports[i] == port)
			return true;
	return false;
}

static bool is_attempt(const struct sighting *s)
{
	return (s->tcp_flags & (SIGHTING_SYN | SIGHTING_ACK)) == SIGHTING_SYN;
}

bool capture_is_wanted_whole(const struct capture_want *w, const struct sighting *s)
{
	switch (s->proto) {
	case IPPROTO_UDP:
		return has_port(w->udp, s->dst_port);
	case IPPROTO_TCP:
		return s->payload.len > 0 && has_port(w->tcp_data, s->dst_port);
	default:
		return w->icmp && s->payload.len > 0;
	}
}

bool capture_is_wanted(const struct capture_want *w, const struct sighting *s)
{
	if (s->proto == IPPROTO_UDP && w->all_udp)
		return true;
	if (s->proto == IPPROTO_TCP && w->syns && is_attempt(s))
		return true;
	return capture_is_wanted_whole(w, s);
}

/* The clauses of one filter, joined by "or". */
struct text {
	size_t len;
	char bytes[WANTED_MAX];
};

static void put(struct text *t, const char *clause)
{
	int n = snprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, "%s%s",
		t->len > 0 ? " or " : "", clause);

	/* Every list is bounded, and there is room for all of them in full. */
	assert(n > 0 && (size_t)n < sizeof(t->bytes) - t->len);
	t->len += (size_t)n;
}

static void put_udp(struct text *t, const struct capture_want *w)
{
	char clause[32];

	if (w->all_udp) {
		put(t, "udp");
		return;
	}
	for (size_t i = 0; i < CAPTURE_PORTS_MAX && w->udp[i] != 0; i++) {
		snprintf(clause, sizeof(clause), "udp dst port %u", (unsigned)w->udp[i]);
		put(t, clause);
	}
}

/* libpcap looks for TCP flags behind IPv4 only; behind IPv6 they are found by their offset. */
static void put_syns(struct text *t)
{
	put(t,
		"tcp[13] & 0x12 = 0x02 or "
		"(ip6 and ip6[6] = 6 and ip6[53] & 0x12 = 0x02)");
}

/* With a payload: what IP declares is more than the headers. A busy port sends many bare answers. */
static void put_tcp_data(struct text *t, const struct capture_want *w)
{
	struct text ports = { 0 };
	char clause[WANTED_MAX / 2];

	for (size_t i = 0; i < CAPTURE_PORTS_MAX && w->tcp_data[i] != 0; i++) {
		snprintf(clause, sizeof(clause), "tcp dst port %u", (unsigned)w->tcp_data[i]);
		put(&ports, clause);
	}
	if (ports.len == 0)
		return;
	snprintf(clause, sizeof(clause),
		"((%.*s) and (ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0 or "
		"(ip6 and ip6[4:2] - ((ip6[52] & 0xf0) >> 2) != 0)))",
		WANTED_MAX / 4, ports.bytes);
	put(t, clause);
}

static void put_icmp(struct text *t)
{
	put(t,
		"(icmp and ip[2:2] - ((ip[0] & 0xf) << 2) > 8) or "
		"(ip6 and ip6[6] = 58 and ip6[4:2] > 8)");
}

/* IPv6 packets that begin with an extension header: classic BPF cannot look behind it. */
static void put_extended(struct text *t)
{
	char clause[128];

	snprintf(clause, sizeof(clause),
		"(ip6 and (ip6[6] = %d or ip6[6] = %d or ip6[6] = %d or ip6[6] = %d or ip6[6] = "
		"%d))",
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS);
	put(t, clause);
}

/*
 * "vlan" moves the offsets of everything to its right in the expression, also behind a closing bracket,
 * so it comes last at each depth. On cooked links libpcap knows no "vlan"; whatever is still tagged there
 * goes to user space. So does all of a BSD loopback file: libpcap would look for this machine's number of
 * IPv6, not the one in the file. No "inbound": libpcap runs a new filter itself on what the buffer may hold
 * already, at least on one packet, and cannot tell there.
 */
void capture_want_filter(const struct capture_want *w, int link, char to[CAPTURE_FILTER_MAX])
{
	struct text t = { 0 };

	put_udp(&t, w);
	if (w->syns)
		put_syns(&t);
	put_tcp_data(&t, w);
	if (w->icmp)
		put_icmp(&t);
	put_extended(&t);
	if (link == DLT_EN10MB)
		snprintf(to, CAPTURE_FILTER_MAX, "%s or (vlan and (%s or (vlan and (%s))))",
			t.bytes, t.bytes, t.bytes);
	else if (link == DLT_LINUX_SLL || link == DLT_LINUX_SLL2)
		snprintf(to, CAPTURE_FILTER_MAX,
			"%s or ether proto 0x8100 or ether proto 0x88a8 or ether proto 0x9100",
			t.bytes);
	else if (link == DLT_NULL || link == DLT_LOOP)
		to[0] = '\0';
	else
		snprintf(to, CAPTURE_FILTER_MAX, "%s", t.bytes);
}
