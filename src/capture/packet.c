/*
 * The link layer: from a captured frame to where its IP header starts. Invariant: a frame that is not
 * wholly understood up to there is no IP packet, whatever its bytes look like further on.
 */

#include <pcap/dlt.h>

#include "capture/internal.h"

#define VLAN_TAGS_MAX 2

enum ether_type {
	ETHER_IPV4 = 0x0800,
	ETHER_IPV6 = 0x86dd,
	ETHER_VLAN = 0x8100,         /* IEEE 802.1Q */
	ETHER_VLAN_SERVICE = 0x88a8, /* IEEE 802.1ad */
	ETHER_VLAN_OLD = 0x9100,     /* stacked tags before 802.1ad */
};

const char *capture_reject_name(enum capture_reject reason)
{
	static const char *const names[CAPTURE_REJECT_COUNT] = {
		[CAPTURE_OK] = "ok",
		[CAPTURE_LINK] = "link",
		[CAPTURE_SHORT] = "short",
		[CAPTURE_VERSION] = "version",
		[CAPTURE_LENGTH] = "length",
		[CAPTURE_FRAGMENT] = "fragment",
		[CAPTURE_PROTOCOL] = "protocol",
		[CAPTURE_CHECKSUM] = "checksum",
		[CAPTURE_SOURCE] = "source",
		[CAPTURE_FOREIGN] = "foreign",
		[CAPTURE_FIELD] = "field",
	};
	return (unsigned)reason < CAPTURE_REJECT_COUNT ? names[reason] : "unknown";
}

static bool is_vlan(uint16_t type)
{
	return type == ETHER_VLAN || type == ETHER_VLAN_SERVICE || type == ETHER_VLAN_OLD;
}

/* Step over the VLAN tags behind an EtherType. False when what they hold is not IP. */
static bool take_tags(struct reader *r, uint16_t type, unsigned *ret_version)
{
	for (unsigned i = 0; i < VLAN_TAGS_MAX && is_vlan(type); i++) {
		reader_u16(r); /* priority and VLAN number */
		type = reader_u16(r);
	}
	if (type == ETHER_IPV4)
		*ret_version = 4;
	else if (type == ETHER_IPV6)
		*ret_version = 6;
	else
		return false;
	return !r->is_short;
}

bool capture_link_is_tagged(struct span frame, int link)
{
	struct reader r = reader_init(frame);

	if (link != DLT_EN10MB)
		return false;
	reader_take(&r, 12); /* two addresses */
	/* VLAN 0 is a priority and no VLAN, IEEE 802.1Q 9.6. */
	return is_vlan(reader_u16(&r)) && (reader_u16(&r) & 0xfff) != 0;
}

/* The address family in front of a packet on BSD's loopback and tunnel interfaces. */
static bool take_family(struct reader *r, bool is_host_order, unsigned *ret_version)
{
	uint32_t family = reader_u32(r);
	/* Host order is that of the machine that captured; a family is a small number. */
	if (is_host_order && family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2:
		*ret_version = 4;
		break;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		*ret_version = 6;
		break;
	default:
		return false;
	}
	return !r->is_short;
}

static bool take_link(struct reader *r, int link, unsigned *ret_version)
{
	uint16_t type;

	switch (link) {
	case DLT_EN10MB:
		reader_take(r, 12); /* two addresses */
		return take_tags(r, reader_u16(r), ret_version);
	case DLT_LINUX_SLL:
		reader_take(r, 14); /* packet type, hardware type, address length and address */
		return take_tags(r, reader_u16(r), ret_version);
	case DLT_LINUX_SLL2:
		type = reader_u16(r);
		reader_take(r, 18); /* reserved, interface, and the fields of SLL */
		return take_tags(r, type, ret_version);
	case DLT_NULL:
		return take_family(r, true, ret_version);
	case DLT_LOOP:
		return take_family(r, false, ret_version);
	case DLT_RAW:
		*ret_version = 0;
		return true;
	case DLT_IPV4:
		*ret_version = 4;
		return true;
	case DLT_IPV6:
		*ret_version = 6;
		return true;
	default:
		return false;
	}
}

bool capture_link_is_known(int link)
{
	switch (link) {
	case DLT_EN10MB:
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2:
	case DLT_NULL:
	case DLT_LOOP:
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return true;
	default:
		return false;
	}
}

enum capture_reject capture_packet_decode_by(
	struct span frame, int link, const struct capture_rules *rules, struct sighting *ret)
{
	struct capture_rules inside = *rules;
	struct reader r = reader_init(frame);

	if (!take_link(&r, link, &inside.version))
		return CAPTURE_LINK;
	return capture_ip_decode_by(reader_rest(&r), &inside, ret);
}

enum capture_reject capture_packet_decode(
	struct span frame, int link, bool check_sums, struct sighting *ret)
{
	struct capture_rules rules = { .check_sums = check_sums };

	return capture_packet_decode_by(frame, link, &rules, ret);
}

enum capture_reject capture_ip_decode(struct span packet, bool is_cut, struct sighting *ret)
{
	struct capture_rules rules = { .is_cut = is_cut };

	return capture_ip_decode_by(packet, &rules, ret);
}
