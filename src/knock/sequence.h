#ifndef POSTERN_KNOCK_SEQUENCE_H
#define POSTERN_KNOCK_SEQUENCE_H

/*
 * Simple sequences, doc/protocol.md "Classic knocks": some ports in the right order within some time.
 * What is secret is the order. Text, comparison with what a source did, what a sequence is worth, and
 * files of sequences that work once. Pure: no clock, file, log or allocation.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "knock/track.h"

#define SEQUENCE_STEPS_MAX 32
#define SEQUENCE_TEXT_MAX (SEQUENCE_STEPS_MAX * 10 + 1) /* "65535:udp," each, and NUL */

struct sequence_step {
	uint16_t port;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
};

struct sequence {
	size_t count;
	struct sequence_step steps[SEQUENCE_STEPS_MAX];
	uint32_t within_ms; /* from the first knock to the last */
	bool strict;        /* nothing else in between */
};

/*
 * Do the latest knocks fulfil s? The last mark must be its last step. strict: the marks before it are the
 * other steps, with nothing in between; else marks that are none of its steps (port and protocol) are
 * skipped. As the end of the marks is compared, a new attempt may begin at any knock, also inside a
 * failed one. Clear the track when the answer is yes.
 */
bool sequence_is_met(const struct sequence *s, const struct track *t, uint64_t now_ms);

enum sequence_reject {
	SEQUENCE_OK = 0,
	SEQUENCE_EMPTY, /* no port at all */
	SEQUENCE_TEXT,  /* not ports between commas or blanks */
	SEQUENCE_PORT,  /* not 1 to 65535 */
	SEQUENCE_PROTO, /* neither tcp nor udp */
	SEQUENCE_LONG,  /* more than SEQUENCE_STEPS_MAX */
	SEQUENCE_REJECT_COUNT,
};

const char *sequence_reject_text(enum sequence_reject reason); /* "a port is not 1 to 65535" */

/*
 * "7000,8000:udp,9000", "7000 8000/udp 9000/tcp": ports between commas, blanks or both; TCP unless it says
 * udp. One such line is also what follows the host in the stock knock client's command line (with a
 * colon). Writes only count and steps of *ret, and only with SEQUENCE_OK.
 */
enum sequence_reject sequence_parse(struct span text, struct sequence *ret);

/* "7000,8000:udp,9000". Returns to. */
const char *sequence_format(const struct sequence *s, char to[SEQUENCE_TEXT_MAX]);

enum sequence_weakness {
	SEQUENCE_STRONG = 0,
	SEQUENCE_FEW,      /* fewer than three knocks */
	SEQUENCE_MONOTONE, /* never up, or never down: a sweep may walk it */
	SEQUENCE_NARROW,   /* all inside 16 adjacent ports */
	SEQUENCE_WEAKNESS_COUNT,
};

enum sequence_weakness sequence_weakness(const struct sequence *s);
const char *sequence_weakness_text(enum sequence_weakness w); /* "it has fewer than three knocks" */

/*
 * Bits that somebody who has observed nothing but knows the number of steps and their protocols has to
 * guess when each port was drawn at random from all 65,535: 16 a step. Half of that many guesses succeed
 * on average; as the end of the knocks is compared, a guess costs him little more than one packet. An
 * observer needs no guess: it is then 0. Sequences people think up are worth less.
 */
double sequence_bits(const struct sequence *s);

/*
 * One-time sequences: a text file with a sequence a line. A line whose first byte is "#" is used, or a
 * comment; blank lines do not count. The first unused line is the one that works.
 */
struct sequence_file {
	struct span text;
	size_t at;     /* where the next line begins */
	unsigned line; /* number of the line before it */
};

struct sequence_line {
	size_t off;               /* of the byte that becomes "#" once the line is used */
	unsigned line;            /* its number, from 1 */
	struct sequence sequence; /* count and steps; the rest is 0 */
};

struct sequence_file sequence_file_init(struct span text);

/*
 * The next unused line. Returns 1 with *ret; 0 when there is none; -EINVAL for a line that is no sequence,
 * *why being "line 12: a port is not 1 to 65535; write ..." for the caller to put the file's name before.
 * Then the next call goes on behind that line.
 */
int sequence_file_next(struct sequence_file *f, struct sequence_line *ret, struct fault *why);

#endif
