#ifndef POSTERN_KNOCK_STRUCTURED_H
#define POSTERN_KNOCK_STRUCTURED_H

/*
 * Structured sequences, doc/protocol.md "Classic knocks": twelve TCP knocks on ten ports from base on say
 * which port to open and for how long. There is no secret in them but the base port; a checksum catches
 * accidents, not people. Pure: no clock, log or allocation.
 */

#include <stdbool.h>
#include <stdint.h>

#include "knock/track.h"

#define STRUCTURED_KNOCKS 12
#define STRUCTURED_PORTS 10 /* base..base+9 */
#define STRUCTURED_BASE_MAX (UINT16_MAX - STRUCTURED_PORTS + 1)
#define STRUCTURED_PORT_MAX 9999 /* four digits */
#define STRUCTURED_TIME_OPEN 0   /* until closed, as long as the service allows */
#define STRUCTURED_TIME_CLOSE 9  /* between them: time * 10 minutes */

struct structured {
	uint16_t port; /* of the service, 1..9999 */
	uint8_t time;  /* 0..9 */
};

struct structured_rule {
	uint16_t base;      /* 1..STRUCTURED_BASE_MAX */
	uint32_t within_ms; /* from the first knock to the last */
};

enum structured_reject {
	STRUCTURED_OK = 0,
	STRUCTURED_NONE,     /* no frame ends with the latest knock: nothing to count */
	STRUCTURED_FRAME,    /* twelve knocks began with a header and did not end with a footer */
	STRUCTURED_CHECKSUM, /* a whole frame with the wrong checksum */
	STRUCTURED_PORT,     /* a whole frame that asks for port 0 */
	STRUCTURED_LATE,     /* a whole frame that took too long */
	STRUCTURED_REJECT_COUNT,
};

const char *structured_reject_name(enum structured_reject reason); /* "checksum", for counters */

/*
 * Do the latest knocks make a frame? TCP knocks on base..base+9 count; others are as if they were not
 * there. To be called once for each new mark: then each broken frame is told once, with the knock at which
 * it is known to be broken. The next frame may begin inside a broken one. Clear the track after
 * STRUCTURED_OK; *ret is written only then. Whether there is such a service is for the caller to say.
 */
enum structured_reject structured_read(const struct structured_rule *rule, const struct track *t,
	uint64_t now_ms, struct structured *ret);

/* The ports to knock at, in order. False (nothing written) when port, time or base is out of bounds. */
bool structured_write(uint16_t base, const struct structured *s, uint16_t ports[STRUCTURED_KNOCKS]);

#endif
