#ifndef POSTERN_CAPTURE_CAPTURE_H
#define POSTERN_CAPTURE_CAPTURE_H

/*
 * Doors: what arrived. A frame becomes a sighting (addresses, ports, payload span) or a reason to
 * ignore it. capture/packet.c (link layer), capture/ip.c (the rest), capture/want.c (what a door asks for)
 * and capture/logline.c (a line of a log) are pure; capture/pcap.c owns a live or saved libpcap handle,
 * capture/nflog.c hears from a log group of the kernel, capture/logfile.c follows a log file.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"

#define CAPTURE_SNAPLEN 2048
#define CAPTURE_IPV6_EXT_MAX 8 /* extension headers followed in one packet */

/* One packet that a door saw. The payload borrows the capture buffer until the callback returns. */
struct sighting {
	uint16_t door;     /* index of the door in the configuration */
	uint8_t proto;     /* IPPROTO_UDP or IPPROTO_TCP; where asked for IPPROTO_ICMP or _ICMPV6 */
	uint8_t tcp_flags; /* the byte of the header; of a log line SIGHTING_SYN */
	bool has_seq;      /* tcp_seq is known: a log line may not have it */
	uint32_t tcp_seq;
	struct addr src;
	struct addr dst;
	uint16_t src_port;  /* ICMP: 0 */
	uint16_t dst_port;  /* ICMP: type in the high byte, code in the low one */
	unsigned interface; /* index of where it came in; 0: not known */
	uint64_t wall_ms;   /* when it was captured */
	struct span
		payload; /* what follows the UDP, TCP or 8-byte ICMP header; of a log line empty */
	/* Of what the kernel logged, else 0 and empty: */
	uint32_t mark;      /* the packet's */
	struct span prefix; /* of the rule that logged it, borrowed like the payload */
};

#define SIGHTING_FIN 0x01
#define SIGHTING_SYN 0x02
#define SIGHTING_RST 0x04
#define SIGHTING_ACK 0x10

#define SIGHTING_PSH 0x08
#define SIGHTING_URG 0x20

#define CAPTURE_PORTS_MAX 33 /* every fwknop block of a door may have its own, and spa one */

/*
 * Which packets a door is to see. What is not asked for is filtered out in the kernel as far as its filter
 * can tell, and is counted as "other" otherwise.
 */
struct capture_want {
	uint16_t udp[CAPTURE_PORTS_MAX];      /* datagrams to these ports, whole; 0: none */
	uint16_t tcp_data[CAPTURE_PORTS_MAX]; /* segments with a payload, the same */
	bool syns;    /* TCP segments with SYN and without ACK, to whatever port */
	bool all_udp; /* datagrams to whatever port; those not among udp may be cut */
	bool icmp;    /* ICMP and ICMPv6 messages with a payload, whole */
};

/* Does the want ask for this one? Pure. */
bool capture_is_wanted(const struct capture_want *w, const struct sighting *s);

enum capture_reject {
	CAPTURE_OK = 0,
	CAPTURE_LINK,     /* link layer unknown, short, or not IP */
	CAPTURE_SHORT,    /* a header or the payload is cut off */
	CAPTURE_VERSION,  /* IP version field contradicts the link layer */
	CAPTURE_LENGTH,   /* lengths contradict each other */
	CAPTURE_FRAGMENT, /* a fragment: knocks are never fragmented */
	CAPTURE_PROTOCOL, /* neither UDP, TCP nor ICMP, or behind IPv6 headers that we do not follow */
	CAPTURE_CHECKSUM, /* IPv4 header or UDP checksum wrong (zero UDP checksum over IPv4 is allowed) */
	CAPTURE_SOURCE, /* source is multicast, broadcast, unspecified or loopback (offered to the wire), */
			/* or an IPv6 address, source or destination, is v4-mapped */
	CAPTURE_FOREIGN, /* log line: not the kernel's word of a packet */
	CAPTURE_FIELD, /* log line: begins like that, but a field is not as the kernel writes it */
	CAPTURE_REJECT_COUNT,
};

const char *capture_reject_name(enum capture_reject reason); /* "short", for counters and --read */

/*
 * Decode one frame. link is a DLT_ value (EN10MB with up to two VLAN tags, RAW, IPV4, IPV6, LINUX_SLL,
 * LINUX_SLL2, NULL, LOOP). door and wall_ms of *ret are left to the caller. check_sums false skips the checksums: a
 * live capture may see packets of a local peer whose card would have filled them in.
 *
 * ret   written only when CAPTURE_OK is returned; its payload borrows frame
 *
 * Pure: no allocation, clock or log.
 */
enum capture_reject capture_packet_decode(
	struct span frame, int link, bool check_sums, struct sighting *ret);

/*
 * The same from the IP header on (NFLOG payloads), without checksums. With is_cut the end may be
 * missing: it is enough that the ports are there, and what was cut off is simply not in the span.
 */
enum capture_reject capture_ip_decode(struct span packet, bool is_cut, struct sighting *ret);

struct capture_pcap;

/* Called for every decoded packet. The sighting is borrowed for the call. */
typedef void capture_seen(void *arg, const struct sighting *s);

struct capture_counts {
	uint64_t seen; /* frames, logged packets or lines that came */
	uint64_t rejected[CAPTURE_REJECT_COUNT];
	uint64_t
		other; /* whole, but of a VLAN or another interface, or nothing that is asked for */
	uint64_t dropped; /* by the kernel, for want of buffer */
};

/*
 * Open interface for what is wanted (immediate mode, inbound only, non-blocking, compiled filter: IPv4 and
 * IPv6, and IPv6 packets that carry extension headers). Frames of a VLAN are not this
 * interface's but that of the VLAN, which may be a door with lists of its own: they are ignored. The
 * filter is locked: not even root can widen it afterwards. Needs CAP_NET_RAW to open and no privilege
 * to read. Returns 0, -ENODEV when there is no such interface or it is down (come back later), -EPERM,
 * -EPROTONOSUPPORT for a link layer that we do not read, or another -errno; *f says it in a sentence.
 */
__attribute__((warn_unused_result)) int capture_pcap_open(const char *interface, uint16_t door,
	const struct capture_want *want, struct capture_pcap **ret, struct fault *f);

/*
 * Open a saved capture (pcap or pcapng), same filter, both directions, frames with up to two VLAN tags
 * included. The door index is put into every sighting; its interface is 0.
 * Returns 0, -EBADMSG when it is no capture, -EPROTONOSUPPORT, or what the system said of the file.
 */
__attribute__((warn_unused_result)) int capture_pcap_open_file(const char *path, uint16_t door,
	const struct capture_want *want, struct capture_pcap **ret, struct fault *f);

void capture_pcap_close(struct capture_pcap *p);

/* Descriptor that polls readable when packets wait; -1 for a file. */
int capture_pcap_fd(const struct capture_pcap *p);

/*
 * Deliver at most max (above 0) waiting packets. Returns the number of frames read (0: none waits, or
 * end of file), or -ENODEV when the interface went away for good or has another name now, -EBADMSG for a damaged file, or
 * another -errno. Allocates nothing. Checksums are not verified.
 *
 * An interface that goes down makes the descriptor poll with an error condition, which libuv reports as
 * UV_EBADF and stops polling: read then too, and start polling again unless it says -ENODEV. When it
 * comes up again packets go on by themselves. Its removal may not wake the descriptor a second time,
 * so call this once a second or so whatever the descriptor says. System calls used: poll, getsockopt,
 * getsockname, ioctl(SIOCGIFFLAGS, SIOCGIFNAME).
 */
__attribute__((warn_unused_result)) int capture_pcap_read(
	struct capture_pcap *p, int max, capture_seen *seen, void *arg);

const struct capture_counts *capture_pcap_counts(struct capture_pcap *p);

/*
 * NFLOG: packets that a rule logs to a group: the gate's own, by which the kernel says that a gate was used
 * (doc/design.md, "rule set"), or one that is a door ("log group N" of nftables, NFLOG of iptables).
 * Opening needs CAP_NET_ADMIN and a group that nobody listens to, or else returns -EPERM; reading needs
 * nothing.
 */
struct capture_nflog;

struct capture_group {
	uint16_t group;
	uint16_t door;            /* put into every sighting */
	uint32_t copy_len;        /* bytes of each packet, CAPTURE_SNAPLEN at most */
	const char *interface;    /* where packets must have come in; NULL: anywhere */
	struct capture_want want; /* unless is_all */
	bool is_all;              /* every TCP, UDP or ICMP packet that is logged */
};

/* 0, -EPERM, -ENODEV when there is no such interface (come back later), or another -errno with *f. */
__attribute__((warn_unused_result)) int capture_nflog_open(
	const struct capture_group *g, struct capture_nflog **ret, struct fault *f);
void capture_nflog_close(struct capture_nflog *n);
int capture_nflog_fd(const struct capture_nflog *n);

/*
 * Deliver what waits, within a bound (the descriptor stays readable past it), with the mark and the
 * prefix of the rule that logged it. The payload is what copy_len
 * bytes of the packet hold of it; the interface is where it came in. 0, -ENODEV when the interface named
 * went away (call this once a second or so to hear of it), or -errno; lost messages (ENOBUFS) are counted,
 * not an error.
 */
__attribute__((warn_unused_result)) int capture_nflog_read(
	struct capture_nflog *n, capture_seen *seen, void *arg);

/* dropped: messages that did not fit into the socket, at least. */
const struct capture_counts *capture_nflog_counts(const struct capture_nflog *n);

#endif
