#ifndef POSTERN_CAPTURE_CAPTURE_H
#define POSTERN_CAPTURE_CAPTURE_H

/*
 * Doors: what arrived. A frame becomes a sighting (addresses, ports, payload span) or a reason to
 * ignore it. capture/packet.c (link layer) and capture/ip.c (the rest) are pure; capture/pcap.c owns a
 * live or saved libpcap handle; capture/nflog.c hears from the kernel which gate was used.
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
	uint16_t src_port; /* ICMP: type and code in dst_port and src_port are 0 */
	uint16_t dst_port;
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

/* Which packets a door is to see. What is not asked for is filtered out in the kernel. */
struct capture_want {
	uint16_t udp[2];   /* datagrams to these ports, whole; 0: none */
	uint16_t tcp_data; /* segments with a payload to this port, whole; 0: none */
	bool syns;         /* TCP segments with SYN and without ACK, to whatever port */
	bool all_udp; /* datagrams to whatever port; not those of tcp_data and udp may be cut */
	bool icmp;    /* ICMP and ICMPv6 messages with a payload, whole */
};

enum capture_reject {
	CAPTURE_OK = 0,
	CAPTURE_LINK,     /* link layer unknown, short, or not IP */
	CAPTURE_SHORT,    /* a header or the payload is cut off */
	CAPTURE_VERSION,  /* IP version field contradicts the link layer */
	CAPTURE_LENGTH,   /* lengths contradict each other */
	CAPTURE_FRAGMENT, /* a fragment: knocks are never fragmented */
	CAPTURE_PROTOCOL, /* neither UDP nor TCP, or behind IPv6 headers that we do not follow */
	CAPTURE_CHECKSUM, /* IPv4 header or UDP checksum wrong (zero UDP checksum over IPv4 is allowed) */
	CAPTURE_SOURCE, /* source is multicast, broadcast, unspecified or loopback (offered to the wire), */
			/* or an IPv6 address, source or destination, is v4-mapped */
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
	uint64_t seen; /* frames the handle delivered */
	uint64_t rejected[CAPTURE_REJECT_COUNT];
	uint64_t
		other; /* whole, but of a VLAN, or no UDP datagram to our port: extension headers hid that */
	uint64_t dropped; /* by the kernel, for want of buffer */
};

/*
 * Open interface for UDP datagrams to port (immediate mode, inbound only, non-blocking, compiled
 * filter: IPv4 and IPv6, and IPv6 packets that carry extension headers). Frames of a VLAN are not this
 * interface's but that of the VLAN, which may be a door with lists of its own: they are ignored. The
 * filter is locked: not even root can widen it afterwards. Needs CAP_NET_RAW to open and no privilege
 * to read. Returns 0, -ENODEV when there is no such interface or it is down (come back later), -EPERM,
 * -EPROTONOSUPPORT for a link layer that we do not read, or another -errno; *f says it in a sentence.
 */
__attribute__((warn_unused_result)) int capture_pcap_open(const char *interface, uint16_t door,
	uint16_t udp_port, struct capture_pcap **ret, struct fault *f);

/*
 * Open a saved capture (pcap or pcapng), same filter, frames with up to two VLAN tags included. The door index is put into every sighting.
 * Returns 0, -EBADMSG when it is no capture, -EPROTONOSUPPORT, or what the system said of the file.
 */
__attribute__((warn_unused_result)) int capture_pcap_open_file(const char *path, uint16_t door,
	uint16_t udp_port, struct capture_pcap **ret, struct fault *f);

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
 * NFLOG: the kernel says that a packet passed a gate (doc/design.md, "rule set"). Opening needs
 * CAP_NET_ADMIN and a group that nobody listens to, or else returns -EPERM; reading needs nothing.
 */
struct capture_nflog;

__attribute__((warn_unused_result)) int capture_nflog_open(
	uint16_t group, struct capture_nflog **ret, struct fault *f);
void capture_nflog_close(struct capture_nflog *n);
int capture_nflog_fd(const struct capture_nflog *n);

/*
 * Deliver what waits, within a bound (the descriptor stays readable past it): a TCP or UDP sighting a
 * logged packet, with its mark and the prefix of the rule; the door is 0 and the payload what 64 bytes of packet held of it. 0 or -errno; lost
 * messages (ENOBUFS) are counted, not an error.
 */
__attribute__((warn_unused_result)) int capture_nflog_read(
	struct capture_nflog *n, capture_seen *seen, void *arg);
uint64_t capture_nflog_lost(const struct capture_nflog *n);

#endif
