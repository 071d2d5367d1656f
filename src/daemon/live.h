#ifndef POSTERN_DAEMON_LIVE_H
#define POSTERN_DAEMON_LIVE_H

/*
 * The gates that are open now, as the knock process believes: what the limits count, what close and
 * status work on. The kernel holds the truth and the time-outs; this table only mirrors it. Fixed size.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"

#define LIVE_NAME_MAX 127

/* For whom and for what: of two gates for one place the later holds. */
struct live_place {
	struct addr source;
	uint8_t bits;         /* of source; 128: one host */
	uint16_t source_port; /* 0: any */
	uint16_t service;     /* index in the configuration */
};

struct live_gate {
	uint64_t grant_id;
	uint32_t mark;
	struct live_place place;
	uint8_t kind; /* enum config_open */
	uint16_t
		uses_left; /* CONFIG_OPEN_TIMES: connections that may still come; at most, after a restart */
	uint32_t uses; /* how often somebody came through a window, since we started */
	bool is_used;  /* not spent, but somebody came through, or may have */
	uint8_t key_id[32];
	char name[LIVE_NAME_MAX + 1]; /* cut when longer; the store has it whole */
	uint64_t opened_ms;
	uint64_t until_ms;      /* wall clock, for people */
	uint64_t until_mono_ms; /* for us: the wall clock may be set */
};

struct live;

struct live *live_new(const struct config *c);
void live_free(struct live *l);

size_t live_count(const struct live *l);
const struct live_gate *live_at(const struct live *l, size_t i);

/* Gates of one identity, and of one service. */
size_t live_count_identity(const struct live *l, const uint8_t key_id[32]);
size_t live_count_service(const struct live *l, uint16_t service);

/* Index of the gate for this place, or SIZE_MAX. */
size_t live_find(const struct live *l, const struct live_place *place);

/* Index of the gate through which the kernel lets a connection, or SIZE_MAX: the closest one. */
struct live_arrival {
	struct addr source;
	uint16_t source_port;
	uint8_t proto;
	uint16_t port;
};
size_t live_find_arrival(const struct live *l, const struct live_arrival *a);

/* Index of the gate of this grant, or SIZE_MAX. */
size_t live_find_grant(const struct live *l, uint64_t grant_id);

/* Add one; false when the table is full. A gate for the same place must have been removed. */
bool live_add(struct live *l, const struct live_gate *g);

/* Remove by index; the last takes its place. */
void live_remove(struct live *l, size_t i);

/* Somebody came through. Returns how many more may; UINT16_MAX for any number. */
uint16_t live_use(struct live *l, size_t i);

#endif
