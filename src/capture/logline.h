#ifndef POSTERN_CAPTURE_LOGLINE_H
#define POSTERN_CAPTURE_LOGLINE_H

/*
 * One line of a log, as the word of a packet filter about one packet.
 *
 * Two forms are understood, IPv4 and IPv6:
 *   kernel   ... IN=eth0 OUT= MAC=... SRC=... DST=... LEN=... PROTO=TCP SPT=... DPT=... SYN ...
 *   older    ... DENY eth1 PROTO=6 SRC:SPORT DST:DPORT ...   (or REJECT; an IPv6 address in brackets)
 *
 * A log holds text that strangers chose: names that they tried to log in with, pages that they asked for.
 * So what stands in front is part of the form:
 *   - nothing, or "<4>"; then the kernel's own stamp "[12345.678901] ", or the form itself; or
 *   - a stamp of the day, a host, and "kernel:", the field that a syslog daemon fills in and no sender;
 *     then the kernel's stamp or not
 * then at most CAPTURE_LOGLINE_PREFIX_MAX bytes that the rule puts there, and the fields in the kernel's
 * order. What cannot be told apart: a line that the kernel itself wrote with a text of somebody who is
 * logged in on this machine or plugs something into it, what somebody with the right to speak as the
 * kernel hands to the syslog daemon, and whatever who can write the file writes.
 */

#include "capture/capture.h"

#define CAPTURE_LOGLINE_MAX 4096       /* longer ones are no line of the kernel */
#define CAPTURE_LOGLINE_PREFIX_MAX 128 /* nftables allows 127 */
#define CAPTURE_LOGLINE_NAME_MAX 15    /* of an interface */

/* What a line says beside the sighting. Borrows the line. */
struct logline {
	struct sighting seen;  /* addresses, ports, protocol, flags, sequence number */
	struct span interface; /* its name */
};

/*
 * Decode one line without its line end. TCP has its flags; in the older form without any it counts as SYN.
 * ret is written only with CAPTURE_OK, its seen.door, .interface, .wall_ms and .payload are 0.
 *
 * CAPTURE_FOREIGN not the kernel's word, CAPTURE_FIELD a field is not as it should be, CAPTURE_SHORT ends too
 * early, CAPTURE_PROTOCOL neither TCP nor UDP, CAPTURE_FRAGMENT, CAPTURE_SOURCE as for packets.
 * Pure: no allocation, clock or log.
 */
enum capture_reject capture_logline_decode(struct span line, struct logline *ret);

#endif
