#ifndef POSTERN_TEST_KNOCK_SWEEP_H
#define POSTERN_TEST_KNOCK_SWEEP_H

/*
 * Scanners: all 65,535 ports up, down, and in twenty random orders, by TCP, through a real table. After
 * each knock the format under test looks at the track.
 */

#include <netinet/in.h>
#include <string.h>

#include "knock/track.h"
#include "test.h"

#define SWEEP_PORTS 65535u
#define SWEEP_ORDERS 22u

typedef void sweep_look(void *arg, const struct track *t, uint64_t now_ms);

/* A small generator of the tests' own; the same numbers each time. */
static inline uint32_t sweep_draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static inline void sweep_shuffle(uint16_t *ports, uint64_t *state)
{
	for (uint32_t i = SWEEP_PORTS - 1; i > 0; i--) {
		uint32_t j = sweep_draw(state) % (i + 1);
		uint16_t p = ports[i];
		ports[i] = ports[j];
		ports[j] = p;
	}
}

static inline void sweep_once(
	struct track_table *table, const uint16_t *ports, sweep_look *look, void *arg)
{
	static uint64_t now_ms = 1000;
	struct track_knock k = { .proto = IPPROTO_TCP, .has_seq = true };
	memset(k.source.b, 0x20, sizeof(k.source.b));
	for (uint32_t i = 0; i < SWEEP_PORTS; i++) {
		k.port = ports[i];
		k.src_port = (uint16_t)(40000 + i % 20000);
		k.seq = i * 2654435761u;
		now_ms += i % 16 == 0;
		struct track *t = track_note(table, &k, now_ms, 60000);
		if (t != NULL)
			look(arg, t, now_ms);
	}
}

static inline void sweep_all(sweep_look *look, void *arg)
{
	static uint16_t ports[SWEEP_PORTS];
	uint64_t random = 1;
	struct track_table *table = track_table_new(64, (const uint8_t[16]){ 1 });
	assert_non_null(table);
	for (uint32_t order = 0; order < SWEEP_ORDERS; order++) {
		for (uint32_t i = 0; i < SWEEP_PORTS; i++)
			ports[i] = (uint16_t)(order == 1 ? SWEEP_PORTS - i : i + 1);
		if (order >= 2)
			sweep_shuffle(ports, &random);
		sweep_once(table, ports, look, arg);
	}
	track_table_free(table);
}

#endif
