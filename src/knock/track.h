#ifndef POSTERN_KNOCK_TRACK_H
#define POSTERN_KNOCK_TRACK_H

/*
 * Who knocked where: the connection attempts of each source at one door, as the formats of classic knocks
 * read them (doc/protocol.md "Classic knocks"). Fixed memory, constant time a knock, no allocation after
 * track_table_new, no clock of its own.
 *
 * A flood of spoofed sources must not push out who is in the middle of a sequence:
 *   - the first knock of a source is kept in a wide, shallow table, by a keyed hash; only the second one
 *     makes it a track, so a flood of single packets never touches the tracks
 *   - tracks of one /24 or /64 are at most a share of the table (1/16, at least 4)
 *   - of the candidates for a place the one with the fewest knocks goes, among equals a random one
 * A source is its address, IPv4 or IPv6, whole.
 *
 * A retransmission is no knock: the same source port, sequence number and port as one of the last
 * TRACK_SAME knocks of that source in the last TRACK_SAME_MS, also when these were understood and cleared.
 * Where a TCP sequence number is not known (a log line) the two ports must do. UDP is not retransmitted:
 * every datagram is a knock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define TRACK_MARKS 48 /* knocks of one source that are remembered, the latest */
#define TRACK_SAME 48
#define TRACK_SAME_MS 130000 /* the last retransmission of a SYN: Linux, six times, backing off */
#define TRACK_TAG_BYTES 16
#define TRACK_TAG_CANDIDATES 3

/* One knock. */
struct track_mark {
	uint64_t at_ms; /* monotonic */
	uint16_t port;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
};

/* What came of a tagged knock, in any order (knock/tagged.h). All zero: nothing yet. */
struct track_tag {
	uint8_t count[TRACK_TAG_BYTES];
	uint8_t byte[TRACK_TAG_BYTES][TRACK_TAG_CANDIDATES];   /* latest first */
	uint32_t at_ms[TRACK_TAG_BYTES][TRACK_TAG_CANDIDATES]; /* low bits of the mark's time */
};

/* What a TCP knock is recognised by when it comes again; track.c alone uses it. */
struct track_same {
	uint32_t mark; /* keyed hash of the two ports and the sequence number; 0: none */
	uint32_t at_ms;
};

/* A format reads source, count, marks and tag, and writes tag. A test may fill these in itself. */
struct track {
	struct addr source;
	size_t count;
	struct track_mark marks[TRACK_MARKS]; /* oldest first */
	struct track_tag tag;
	size_t same_next;
	struct track_same same[TRACK_SAME];
};

struct track_counts {
	uint64_t knocks;    /* that were noted, first ones included */
	uint64_t repeated;  /* retransmissions */
	uint64_t crowded;   /* not noted: the share of their network was used up */
	uint64_t displaced; /* tracks that had to go for others */
};

struct track_table;

/*
 * sources: tracks at most, rounded down to a multiple of 8, at least 8. seed: 16 random bytes. Memory is
 * about 2.3 KiB a source (1 KiB of first knocks, 64 a source and at most 4 Mi in all), used as it is
 * touched. NULL without memory.
 */
struct track_table *track_table_new(size_t sources, const uint8_t seed[16]);
void track_table_free(struct track_table *t);

struct track_knock {
	struct addr source;
	uint8_t proto;
	uint16_t port;
	uint16_t src_port;
	bool has_seq; /* TCP: seq is known */
	uint32_t seq;
};

/*
 * Note one knock. Returns the source's track, with this knock as its last mark, valid until the next
 * call; NULL for a retransmission, for the first knock of a source, or when there is no room. No format
 * is satisfied by one knock. Knocks older than max_age_ms are forgotten, and the tag with the last of
 * them: max_age_ms is the longest time that any format of the door allows. mono_ms never goes back,
 * and is below 2^40: 34 years.
 */
struct track *track_note(
	struct track_table *t, const struct track_knock *k, uint64_t mono_ms, uint64_t max_age_ms);

/* Forget the marks (not the tag) of a source, after one of its knocks was understood. Its
 * retransmissions are still known. */
void track_clear(struct track *t);

const struct track_counts *track_table_counts(const struct track_table *t);

#endif
