#ifndef POSTERN_DAEMON_CLASSIC_INTERNAL_H
#define POSTERN_DAEMON_CLASSIC_INTERNAL_H

/* What the files of the classic knocks share: classic.c dispatches, classic_track.c reads attempts on ports,
 * classic_fwknop.c texts, classic_count.c names what is counted. */

#include "daemon/classic.h"
#include "daemon/classic_lines.h"
#include "knock/pad.h"
#include "knock/sequence.h"
#include "knock/structured.h"
#include "knock/track.h"

enum classic_replay {
	CLASSIC_REPLAY_CIPHER,
	CLASSIC_REPLAY_PAD,
	CLASSIC_REPLAY_TAGGED,
	CLASSIC_REPLAY_FWKNOP,
	CLASSIC_REPLAY_SEQUENCE,
	CLASSIC_REPLAY_COUNT
};

struct classic_counts {
	uint64_t texts, understood;
	uint64_t structured[STRUCTURED_REJECT_COUNT];
	uint64_t cipher[CIPHER_REJECT_COUNT];
	uint64_t pad[PAD_REJECT_COUNT];
	uint64_t tagged[TAGGED_REJECT_COUNT];
	uint64_t fwknop[FWKNOP_REJECT_COUNT];
	uint64_t replay[CLASSIC_REPLAY_COUNT];
	uint64_t service;    /* asked for without a key, and there is none */
	uint64_t rate;       /* texts of one source */
	uint64_t knock_rate; /* its knocks on ports of a key */
	uint64_t disk;       /* what must be used up could not be */
};

struct classic_door {
	const struct config_door *config;
	struct classic_door_keys *keys;
	struct track_table *tracks;   /* NULL: no format of this door reads attempts */
	uint64_t max_age_ms;          /* of the slowest of them */
	struct sequence *sequences;   /* a block each; those that work once are in lines */
	struct classic_lines **lines; /* a block each; NULL: its ports work for ever */
	struct pad **pads;            /* a cipher block each; NULL: none */
	struct tagged tagged;
};

struct classic {
	struct classic_how how;
	struct classic_door doors[CONFIG_DOORS_MAX];
	struct limiter *texts, *knocks;
	struct fwknop_text text;
	struct classic_counts counts;
	size_t wish_count;
	struct judge_wish wishes[CLASSIC_WISHES_MAX];
};

/* One moment at one door. */
struct classic_moment {
	struct classic *x;
	struct classic_door *door;
	const struct sighting *seen;
	uint64_t wall_ms, mono_ms;
};

/* A new wish by a scheme, cleared, that nothing can repeat; NULL: there is no room for one more. */
__attribute__((format(printf, 3, 4))) struct judge_wish *classic_wish(
	const struct classic_moment *m, const struct classic_who *who, const char *scheme, ...);

/* The one of a block's services that has this port; proto 0: whichever. */
const struct config_service *classic_service(
	const struct config *c, const struct config_list *services, uint8_t proto, uint16_t port);

/* A wish's key in the memory of replays. */
void classic_replay_key(const char *label, struct span id, struct span content, unsigned index,
	uint8_t ret[STORE_REPLAY_KEY_LEN]);
bool classic_is_replay(const struct classic *x, const uint8_t key[STORE_REPLAY_KEY_LEN]);

__attribute__((format(printf, 2, 3))) void classic_say(
	const struct classic *x, const char *fmt, ...);

/* Attempts on ports. */
__attribute__((warn_unused_result)) int classic_track_init(
	struct classic *x, struct classic_door *d, struct fault *f);
void classic_track_deinit(struct classic_door *d);
void classic_track_seen(const struct classic_moment *m);

/* Texts. */
bool classic_fwknop_owns(const struct config_door *d, const struct sighting *s);
void classic_fwknop_seen(const struct classic_moment *m);

#endif
