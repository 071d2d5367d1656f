/*
 * IPv4 and IPv6 headers with their extensions, then UDP, TCP or ICMP, down to a payload span. Invariant: the
 * declared length of each layer is checked against the one around it before anything inside is read,
 * so a payload never includes link-layer padding or what another header claims.
 */

#include <netinet/in.h>

#include "capture/internal.h"

#define IPV4_LEN 20u
#define UDP_LEN 8u
#define TCP_LEN 20u
#define ICMP_LEN 8u

/* What the IP layer leaves for the next one. */
struct inner {
	struct addr src;
	struct addr dst;
	uint8_t proto;
	size_t len;       /* as the IP header declares */
	struct span data; /* what there is of it: less than len only when the packet is cut */
};

/* RFC 1071: 16-bit words, an odd last byte padded with a zero. 64 KiB cannot overflow 32 bits. */
static uint32_t add_words(uint32_t sum, struct span s)
{
	struct reader r = reader_init(s);

	while (r.left > 1)
		sum += reader_u16(&r);
	if (r.left == 1)
		sum += (uint32_t)reader_u8(&r) << 8;
	return sum;
}

/* With the checksum field among the words, the folded sum of what arrived whole is all ones. */
static bool sum_is_good(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static enum capture_reject decode_ipv4(
	struct span packet, const struct capture_rules *rules, struct inner *ret)
{
	struct reader r = reader_init(packet);

	size_t header_len = (reader_u8(&r) & 15u) * 4u;
	reader_u8(&r); /* service, congestion */
	size_t total_len = reader_u16(&r);
	reader_u16(&r); /* identification */
	uint16_t fragment = reader_u16(&r);
	reader_u8(&r); /* time to live */
	uint8_t proto = reader_u8(&r);
	reader_u16(&r); /* checksum */
	struct span src = reader_take(&r, 4);
	struct span dst = reader_take(&r, 4);

	if (r.is_short)
		return CAPTURE_SHORT;
	if (header_len < IPV4_LEN || total_len < header_len)
		return CAPTURE_LENGTH;
	if (header_len > packet.len || (total_len > packet.len && !rules->is_cut))
		return CAPTURE_SHORT;
	if (rules->check_sums && !sum_is_good(add_words(0, span_slice(packet, 0, header_len))))
		return CAPTURE_CHECKSUM;
	if ((fragment & 0x3fff) != 0) /* more to come, or not the first */
		return CAPTURE_FRAGMENT;
	ret->src = addr_v4(src.data);
	ret->dst = addr_v4(dst.data);
	ret->proto = proto;
	ret->len = total_len - header_len;
	ret->data = span_slice(packet, header_len, ret->len);
	return CAPTURE_OK;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
		proto == IPPROTO_AH || proto == IPPROTO_DSTOPTS;
}

/* Step over the extension header that in starts with. */
static enum capture_reject skip_extension(struct inner *in)
{
	struct reader r = reader_init(in->data);

	uint8_t next = reader_u8(&r);
	size_t units = reader_u8(&r);
	uint16_t detail = reader_u16(&r);
	size_t len = 8 * (units + 1);

	if (r.is_short)
		return CAPTURE_SHORT;
	if (in->proto == IPPROTO_FRAGMENT) {
		/* RFC 6946: offset 0 and no more to come is a whole packet; bits 1 and 2 are reserved. */
		if ((detail & 0xfff9) != 0)
			return CAPTURE_FRAGMENT;
		len = 8;
	}
	/* RFC 8200 4.4: with segments left, its destination is a waypoint, which we are not. */
	if (in->proto == IPPROTO_ROUTING && (detail & 0xff) != 0)
		return CAPTURE_PROTOCOL;
	if (in->proto == IPPROTO_AH) /* RFC 4302 2.2: words, less two */
		len = 4 * (units + 2);
	if (len > in->len)
		return CAPTURE_LENGTH;
	if (len > in->data.len)
		return CAPTURE_SHORT;
	in->proto = next;
	in->len -= len;
	in->data = span_slice(in->data, len, in->len);
	return CAPTURE_OK;
}

static enum capture_reject skip_extensions(struct inner *in)
{
	for (unsigned i = 0; is_extension(in->proto); i++) {
		/* RFC 8200 4.1: hop-by-hop options stand directly behind the IPv6 header. */
		if (i == CAPTURE_IPV6_EXT_MAX || (in->proto == IPPROTO_HOPOPTS && i > 0))
			return CAPTURE_PROTOCOL;
		enum capture_reject reason = skip_extension(in);
		if (reason != CAPTURE_OK)
			return reason;
	}
	return CAPTURE_OK;
}

static enum capture_reject decode_ipv6(
	struct span packet, const struct capture_rules *rules, struct inner *ret)
{
	struct reader r = reader_init(packet);

	reader_u32(&r); /* version, class, flow label */
	size_t payload_len = reader_u16(&r);
	uint8_t next = reader_u8(&r);
	reader_u8(&r); /* hop limit */
	struct span src = reader_take(&r, 16);
	struct span dst = reader_take(&r, 16);

	if (r.is_short)
		return CAPTURE_SHORT;
	if (payload_len == 0 && next == IPPROTO_HOPOPTS) /* RFC 2675: a jumbogram */
		return CAPTURE_LENGTH;
	if (payload_len > r.left && !rules->is_cut)
		return CAPTURE_SHORT;
	ret->src = addr_v6(src.data);
	ret->dst = addr_v6(dst.data);
	/* RFC 6890 2.2.3: mapped addresses are never on a wire; here they would pass for IPv4. */
	if (addr_is_v4(&ret->src) || addr_is_v4(&ret->dst))
		return CAPTURE_SOURCE;
	ret->proto = next;
	ret->len = payload_len;
	ret->data = span_slice(reader_rest(&r), 0, payload_len);
	return skip_extensions(ret);
}

/* RFC 768, RFC 8200 8.1. */
static bool udp_sum_is_good(const struct inner *in, uint16_t sum)
{
	/* A zero means "none", which only IPv4 allows. */
	if (sum == 0)
		return addr_is_v4(&in->src);
	/*
	 * The pseudo header. In the 16-byte form an IPv4 address has a word of all ones in front, which
	 * adds nothing in ones' complement, so both versions sum alike.
	 */
	uint32_t total = (uint32_t)in->len + IPPROTO_UDP;
	total = add_words(total, SPAN_OF(in->src.b));
	total = add_words(total, SPAN_OF(in->dst.b));
	return sum_is_good(add_words(total, in->data));
}

/* What the last header leaves. */
struct last {
	uint16_t src_port;
	uint16_t dst_port;
	uint8_t flags;
	bool has_seq;
	uint32_t seq;
	struct span payload;
};

/* Of a cut packet the two ports are all that must be there. */
#define PORTS_LEN 4u

static enum capture_reject decode_udp(
	const struct inner *in, const struct capture_rules *rules, struct last *ret)
{
	struct reader r = reader_init(in->data);

	ret->src_port = reader_u16(&r);
	ret->dst_port = reader_u16(&r);
	if (rules->is_cut && !r.is_short && r.left < UDP_LEN - PORTS_LEN)
		return CAPTURE_OK;
	size_t len = reader_u16(&r);
	uint16_t sum = reader_u16(&r);
	if (r.is_short)
		return CAPTURE_SHORT;
	/*
	 * No knock leaves a surplus behind its datagram. Of a cut packet only the ports count, and the
	 * kernel, which has let it pass, allows a surplus (RFC 9868).
	 */
	if (len < UDP_LEN || len > in->len || (len != in->len && !rules->is_cut))
		return CAPTURE_LENGTH;
	if (rules->check_sums && !udp_sum_is_good(in, sum))
		return CAPTURE_CHECKSUM;
	ret->payload = span_slice(reader_rest(&r), 0, len - UDP_LEN);
	return CAPTURE_OK;
}

/* Cut within its fixed header, a segment has no flags: it is no attempt then. */
static enum capture_reject decode_tcp(
	const struct inner *in, const struct capture_rules *rules, struct last *ret)
{
	struct reader r = reader_init(in->data);

	ret->src_port = reader_u16(&r);
	ret->dst_port = reader_u16(&r);
	if (rules->is_cut && !r.is_short && r.left < TCP_LEN - PORTS_LEN)
		return CAPTURE_OK;
	uint32_t seq = reader_u32(&r);
	reader_u32(&r); /* acknowledgement */
	size_t header_len = (reader_u8(&r) >> 4) * 4u;
	uint8_t flags = reader_u8(&r);
	reader_take(&r, 6); /* window, checksum, urgent */
	if (r.is_short)
		return CAPTURE_SHORT;
	if (header_len < TCP_LEN || header_len > in->len)
		return CAPTURE_LENGTH;
	ret->flags = flags;
	ret->has_seq = true;
	ret->seq = seq;
	if (header_len < in->len)
		ret->payload = span_slice(in->data, header_len, in->len - header_len);
	return CAPTURE_OK;
}

static enum capture_reject decode_icmp(
	const struct inner *in, const struct capture_rules *rules, struct last *ret)
{
	struct reader r = reader_init(in->data);

	/* The version of IP and that of ICMP are one. */
	if ((in->proto == IPPROTO_ICMP) != addr_is_v4(&in->src))
		return CAPTURE_PROTOCOL;
	ret->dst_port = reader_u16(&r); /* type, code */
	if (rules->is_cut && !r.is_short && r.left < ICMP_LEN - 2)
		return CAPTURE_OK;
	reader_take(&r, 6); /* checksum, and what differs by type */
	if (r.is_short)
		return CAPTURE_SHORT;
	ret->payload = reader_rest(&r);
	return CAPTURE_OK;
}

static enum capture_reject decode_last(
	const struct inner *in, const struct capture_rules *rules, struct last *ret)
{
	switch (in->proto) {
	case IPPROTO_UDP:
		return decode_udp(in, rules, ret);
	case IPPROTO_TCP:
		return decode_tcp(in, rules, ret);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return decode_icmp(in, rules, ret);
	default:
		return CAPTURE_PROTOCOL;
	}
}

enum capture_reject capture_ip_decode_by(
	struct span packet, const struct capture_rules *rules, struct sighting *ret)
{
	struct reader r = reader_init(packet);
	struct inner in = { 0 };
	struct last last = { 0 };
	enum capture_reject reason;

	unsigned version = reader_u8(&r) >> 4;
	if (r.is_short)
		return CAPTURE_SHORT;
	if ((version != 4 && version != 6) || (rules->version != 0 && rules->version != version))
		return CAPTURE_VERSION;
	reason = version == 4 ? decode_ipv4(packet, rules, &in) : decode_ipv6(packet, rules, &in);
	if (reason != CAPTURE_OK)
		return reason;
	if (!addr_is_host(&in.src))
		return CAPTURE_SOURCE;
	reason = decode_last(&in, rules, &last);
	if (reason != CAPTURE_OK)
		return reason;
	/* Field by field: door, interface and time are the caller's. */
	ret->proto = in.proto;
	ret->tcp_flags = last.flags;
	ret->has_seq = last.has_seq;
	ret->tcp_seq = last.seq;
	ret->src = in.src;
	ret->dst = in.dst;
	ret->src_port = last.src_port;
	ret->dst_port = last.dst_port;
	ret->payload = last.payload;
	return CAPTURE_OK;
}
