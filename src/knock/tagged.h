#ifndef POSTERN_KNOCK_TAGGED_H
#define POSTERN_KNOCK_TAGGED_H

/*
 * Tagged sequences, doc/protocol.md "Classic knocks": 16 bytes, byte i on port base + 256 * i + byte, in
 * any order. Bytes: key slot, tag 4, service slot, MAC 10.
 *
 * Of each byte the TRACK_TAG_CANDIDATES latest different values are kept for TAGGED_LIFE_MS: a spoofer
 * pushes a value out only with three others after it, before the last knock is there; what came before
 * the attempt does nothing. (Were a random one dropped, a third spoofed value would spare the true one
 * more often than not, but no number of them would be harmless for certain; were a new one refused,
 * three spoofed values sent ahead would keep the true one out.)
 *
 * The MAC decides about bytes 6 to 15 by itself: it is computed for each choice of bytes 0 to 5 that can
 * be meant at all (a key in the slot, a tag in its limits, a service that exists) and looked up among the
 * candidates. So spoofed values in bytes 6 to 15 cost nothing, and at most TAGGED_TRIES MACs are computed
 * a knock, newest candidates first, only of choices that contain the latest knock. What two spoofed
 * values at every place can make of it: slots * tags in the limits * services * 2 addresses, which is 54
 * with a spoofer who knows time, slots and services, as long as the limits span at most 256 s; and so
 * inside the bound. With a wider window, and without a clock (tag = counter), the tag prunes less, and an
 * attempt survives as long as that product is at most 64.
 *
 * The address is in the MAC and not sent: a knock is for its source, never for a third party. The 64 MACs
 * cost 80 microseconds at most.
 *
 * A forger who keeps three candidates everywhere passes with (3/256)^9/256 for each MAC, 2^-59 a knock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"
#include "knock/legacy.h"
#include "knock/track.h"

#define TAGGED_KEY_LEN 32
#define TAGGED_SID_LEN 32
#define TAGGED_NAME_MAX 255
#define TAGGED_SLOTS 256
#define TAGGED_KNOCKS TRACK_TAG_BYTES
#define TAGGED_PORTS (TAGGED_KNOCKS * 256) /* from the base on */
#define TAGGED_LIFE_MS 10000
#define TAGGED_TRIES 64
#define TAGGED_SERVICE_CLOSE 255 /* close all of mine */

enum tagged_hash { TAGGED_SHA256, TAGGED_BLAKE2B, TAGGED_MD5 };

struct tagged_key {
	bool is_set;
	uint8_t key[TAGGED_KEY_LEN];
	char name[TAGGED_NAME_MAX +
		1]; /* as it is written; the directory knows whether it exists */
};

/* Secret: wipe it. */
struct tagged_keys {
	size_t count;
	struct tagged_key slot[TAGGED_SLOTS];
};

/*
 * The file of keys: lines "SLOT BASE64 NAME" (slot 0..255, 32 bytes, the rest of the line is the name),
 * blank lines and lines that begin with '#'. path is for the sentence only. 0, or -EINVAL with *f naming
 * the line, and *ret wiped.
 */
__attribute__((warn_unused_result)) int tagged_keys_parse(
	const char *path, struct span text, struct tagged_keys *ret, struct fault *f);

struct tagged {
	enum tagged_hash hash;
	struct legacy *md5; /* with TAGGED_MD5, else NULL */
	uint16_t base;      /* at most 61440 */
	bool observed;      /* a MAC over sixteen zero bytes means whoever sends it */
	uint8_t sid[TAGGED_SID_LEN];
	size_t service_count;           /* at most 255 */
	const struct tagged_keys *keys; /* borrowed */
};

/* What the tag may be at this moment, both included: now - window and now + window, or 0 and the
 * greatest of all when it is a counter. */
struct tagged_limits {
	uint32_t first, last;
};

struct tagged_wish {
	uint8_t slot;
	uint32_t tag; /* must be above the greatest that was accepted of this slot: the caller's */
	uint8_t service;  /* or TAGGED_SERVICE_CLOSE */
	bool is_observed; /* the address was zero: for whoever sends it, the source */
};

enum tagged_reject {
	TAGGED_OK = 0,
	TAGGED_OTHER, /* the latest knock is on none of its ports */
	TAGGED_FEW,   /* a byte of the sixteen is still missing */
	TAGGED_KEY,   /* no key in any of the slots */
	TAGGED_TIME,  /* no tag inside the limits */
	TAGGED_SERVICE,
	TAGGED_MAC, /* no choice has a good MAC for the source's address */
	TAGGED_REJECT_COUNT,
};

const char *tagged_reject_name(enum tagged_reject reason);

/*
 * Put the latest mark of t into t->tag (all its marks, if nothing is there), then look whether the
 * sixteen bytes make sense. *ret is written only with TAGGED_OK: then call tagged_clear. No
 * allocation but MD5's, no clock but the mark's.
 */
enum tagged_reject tagged_read(const struct tagged *g, const struct tagged_limits *limits,
	struct track *t, struct tagged_wish *ret);

/* Forget the marks and the tag of t, after its knocks were understood. */
void tagged_clear(struct track *t);

/* The first half of tagged_read: note mark; false when it is on none of the ports. */
bool tagged_note(struct track_tag *tag, uint16_t base, const struct track_mark *mark);

/*
 * The ports for w, in the order of their bytes (any other order will do), for the address (the source's
 * own; ignored with is_observed). False only when OpenSSL failed.
 */
__attribute__((warn_unused_result)) bool tagged_write(const struct tagged *g,
	const uint8_t key[TAGGED_KEY_LEN], const struct tagged_wish *w, const struct addr *address,
	uint16_t ret[TAGGED_KNOCKS]);

#endif
