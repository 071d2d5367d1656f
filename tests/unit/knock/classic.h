#ifndef POSTERN_TEST_KNOCK_CLASSIC_H
#define POSTERN_TEST_KNOCK_CLASSIC_H

/* What the tests of enciphered, padded and tagged sequences share: vectors as numbers, tracks by hand. */

#include <netinet/in.h>

#include "knock/track.h"
#include "vector.h"

#define CLASSIC_PORTS_MAX 32

static inline struct vector classic_get(const char *file, const char *which, const char *field)
{
	char name[64];
	snprintf(name, sizeof(name), "%s_%s", which, field);
	return vector_get(file, name);
}

static inline uint16_t classic_u16(const char *file, const char *which, const char *field)
{
	struct vector v = classic_get(file, which, field);
	assert_int_equal(v.len, 2);
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline struct addr classic_addr(const char *file, const char *which)
{
	struct vector v = classic_get(file, which, "address");
	struct addr a;
	assert_int_equal(v.len, sizeof(a.b));
	memcpy(a.b, v.b, sizeof(a.b));
	return a;
}

static inline size_t classic_ports(
	const char *file, const char *which, uint16_t to[CLASSIC_PORTS_MAX])
{
	struct vector v = classic_get(file, which, "ports");
	assert_true(v.len <= 2 * CLASSIC_PORTS_MAX);
	for (size_t i = 0; i < v.len / 2; i++)
		to[i] = (uint16_t)(v.b[2 * i] << 8 | v.b[2 * i + 1]);
	return v.len / 2;
}

/* One knock more, the oldest falling out as in a real track. */
static inline void classic_knock(struct track *t, uint16_t port, uint64_t at_ms)
{
	if (t->count == TRACK_MARKS) {
		memmove(t->marks, t->marks + 1, sizeof(t->marks) - sizeof(t->marks[0]));
		t->count--;
	}
	t->marks[t->count++] = (struct track_mark){
		.at_ms = at_ms,
		.port = port,
		.proto = IPPROTO_TCP,
	};
}

static inline struct track classic_track(
	const struct addr *source, const uint16_t *ports, size_t count)
{
	struct track t = { .source = *source };
	for (size_t i = 0; i < count; i++)
		classic_knock(&t, ports[i], 1000 + 500 * i);
	return t;
}

#endif
