/*
 * The frame decoder. The first byte chooses the link layer (low three bits) and whether checksums count
 * (the next). What is accepted must lie inside the frame, be the same each time, stay the same with link
 * padding behind it or checksums ignored, and have a possible source.
 */

#include <netinet/in.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"

#define FRAME_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_same(const struct sighting *a, const struct sighting *b)
{
	return a->proto == b->proto && addr_equal(&a->src, &b->src) &&
		addr_equal(&a->dst, &b->dst) && a->src_port == b->src_port &&
		a->dst_port == b->dst_port && a->tcp_flags == b->tcp_flags &&
		a->has_seq == b->has_seq && a->tcp_seq == b->tcp_seq &&
		span_equal(a->payload, b->payload);
}

static void check_source(const struct addr *a)
{
	struct prefix p;
	static const char *const never[] = { "127.0.0.0/8", "224.0.0.0/4", "0.0.0.0",
		"255.255.255.255", "::", "::1", "ff00::/8" };

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		must(prefix_parse(never[i], &p));
		must(!prefix_contains(&p, a));
	}
}

static void check_accepted(struct span frame, int link, const struct sighting *s)
{
	struct sighting again = { 0 };
	uint8_t padded[FRAME_MAX + 1];

	must(s->door == 3 && s->wall_ms == 4);
	bool is_icmp = s->proto == (addr_is_v4(&s->src) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	must(s->proto == IPPROTO_UDP || s->proto == IPPROTO_TCP || is_icmp);
	must(s->has_seq == (s->proto == IPPROTO_TCP));
	must(s->has_seq || (s->tcp_flags == 0 && s->tcp_seq == 0));
	must(!is_icmp || s->src_port == 0);
	check_source(&s->src);
	if (s->payload.len != 0) {
		must(s->payload.data > frame.data);
		must(s->payload.data + s->payload.len <= frame.data + frame.len);
	}
	must(capture_packet_decode(frame, link, false, &again) == CAPTURE_OK);
	must(is_same(s, &again));
	if (frame.len > FRAME_MAX)
		return;
	memcpy(padded, frame.data, frame.len);
	padded[frame.len] = 0x5a;
	must(capture_packet_decode(span_of(padded, frame.len + 1), link, false, &again) ==
		CAPTURE_OK);
	must(is_same(s, &again));
}

/* Without a link layer: a packet that is good when whole is as good when it might be cut. */
static void check_cut(struct span packet)
{
	struct sighting whole = { 0 }, cut = { 0 };

	if (capture_ip_decode(packet, false, &whole) != CAPTURE_OK)
		return;
	must(capture_ip_decode(packet, true, &cut) == CAPTURE_OK);
	must(is_same(&whole, &cut));
	for (size_t len = 0; len < packet.len && len < 128; len++) {
		if (capture_ip_decode(span_slice(packet, 0, len), true, &cut) != CAPTURE_OK)
			continue;
		must(cut.src_port == whole.src_port && cut.dst_port == whole.dst_port);
		must(cut.payload.len <= whole.payload.len);
		/* No flags of its own making: all of them or none. */
		must(cut.tcp_flags == whole.tcp_flags || (cut.tcp_flags == 0 && !cut.has_seq));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const int links[8] = { DLT_EN10MB, DLT_RAW, DLT_IPV4, DLT_IPV6, DLT_LINUX_SLL,
		DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP };
	struct sighting s = { .door = 3, .wall_ms = 4 };

	if (len == 0)
		return 0;
	int link = links[data[0] & 7];
	struct span frame = span_of(data + 1, len - 1);
	struct sighting before = s;
	enum capture_reject reason = capture_packet_decode(frame, link, (data[0] & 8) != 0, &s);
	must(reason < CAPTURE_REJECT_COUNT);
	if (reason == CAPTURE_OK)
		check_accepted(frame, link, &s);
	else
		must(memcmp(&s, &before, sizeof(s)) == 0);
	check_cut(frame);
	return 0;
}
