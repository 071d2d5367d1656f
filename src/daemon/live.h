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

struct live_gate {
	uint64_t grant_id;
	uint32_t mark;
	uint16_t service; /* index in the configuration */
	bool is_once;
	bool is_used; /* a window through which somebody came; a gate through which somebody may have */
	struct addr source;
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

/* Index of the gate for this source and service, or SIZE_MAX. */
size_t live_find(const struct live *l, const struct addr *source, uint16_t service);

/* Index of the gate for this source, protocol and port, or SIZE_MAX. */
size_t live_find_port(
	const struct live *l, const struct addr *source, uint8_t proto, uint16_t port);

/* Index of the gate of this grant, or SIZE_MAX. */
size_t live_find_grant(const struct live *l, uint64_t grant_id);

/* Add one; false when the table is full. A gate for the same source and service must have been removed. */
bool live_add(struct live *l, const struct live_gate *g);

/* Remove by index; the last takes its place. */
void live_remove(struct live *l, size_t i);

void live_mark_used(struct live *l, size_t i);

#endif
