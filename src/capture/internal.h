#ifndef POSTERN_CAPTURE_INTERNAL_H
#define POSTERN_CAPTURE_INTERNAL_H

/* What the files of this folder share. */

#include <stdbool.h>

#include "capture/capture.h"

/* What is asked of an IP packet. */
struct capture_rules {
	unsigned version; /* 4 or 6 as the link layer promised; 0 when it promised nothing */
	bool is_cut;      /* the end may be missing, see capture_ip_decode */
	bool check_sums;  /* verify the IPv4 header and UDP checksums; not with is_cut */
};

/* From the IP header on. *ret is written only with CAPTURE_OK. Pure. */
enum capture_reject capture_ip_decode_by(
	struct span packet, const struct capture_rules *rules, struct sighting *ret);

/* The same from the link layer on: capture_packet_decode with rules. Pure. */
enum capture_reject capture_packet_decode_by(
	struct span frame, int link, const struct capture_rules *rules, struct sighting *ret);

/* Must this one be there with its last byte? Of attempts on any port the headers are enough. Pure. */
bool capture_is_wanted_whole(const struct capture_want *w, const struct sighting *s);

/* Room for the text of a filter, all ports in use. */
#define CAPTURE_FILTER_MAX 12288

/* What libpcap is to compile for a want on a link layer; "" lets everything pass. */
void capture_want_filter(const struct capture_want *w, int link, char to[CAPTURE_FILTER_MAX]);

/* True for a frame that belongs to a VLAN and not to the interface which that one stands on. Pure. */
bool capture_link_is_tagged(struct span frame, int link);

/* True when capture_packet_decode knows this DLT_ value. */
bool capture_link_is_known(int link);

#endif
