#ifndef POSTERN_TEST_PLACE_H
#define POSTERN_TEST_PLACE_H

/* A folder of its own for each test, a store in it, and claims to put there. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

#define PLACE_KEY_SALT 0x5a

struct place {
	char folder[64];
	char path[96];
};

static inline int place_make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -1;
	snprintf(p->folder, sizeof(p->folder), "/tmp/postern-store-XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/store", p->folder);
	*state = p;
	return 0;
}

static inline int place_remove(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	struct place *p = *state;
	char name[128];
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", p->path, ends[i]);
		unlink(name);
	}
	int rc = rmdir(p->folder);
	free(p);
	return rc;
}

static inline struct store *place_open(const char *path)
{
	struct fault f = { "" };
	struct store *s = NULL;
	if (store_open(path, &s, &f) < 0)
		fprintf(stderr, "%s\n", f.text);
	return s;
}

static inline struct store *place_open_reader(const char *path)
{
	struct fault f = { "" };
	struct store *s = NULL;
	if (store_open_reader(path, &s, &f) < 0)
		fprintf(stderr, "%s\n", f.text);
	return s;
}

/* The nth key and owner. */
static inline struct store_claim place_claim(uint32_t n, uint8_t owner)
{
	struct store_claim c = { .replay_until_ms = 60000 };
	memset(c.replay_key, PLACE_KEY_SALT, sizeof(c.replay_key));
	memcpy(c.replay_key, &n, sizeof(n));
	memset(c.owner, owner, sizeof(c.owner));
	return c;
}

static inline int place_known(struct store *s, uint32_t n)
{
	struct store_claim c = place_claim(n, 0);
	return store_replay_known(s, c.replay_key);
}

static inline struct store_gate place_gate(uint64_t grant_id)
{
	struct store_gate g = { .grant_id = grant_id,
		.mark = 7,
		.state = STORE_GATE_OPEN,
		.name = "Gurkan/NN/VSD",
		.service = "ssh",
		.proto = 6,
		.port = 22,
		.port_last = 25,
		.kind = 2,
		.times = 3,
		.bits = 120,
		.source_port = 4000,
		.opened_ms = 1000,
		.until_ms = 31000,
		.lease_until_ms = 90000 };
	memset(g.key_id, 0x11, sizeof(g.key_id));
	memset(g.source.b, 0x20, sizeof(g.source.b));
	return g;
}

static inline struct store_record place_record(uint64_t wall_ms)
{
	struct store_record r = { .wall_ms = wall_ms,
		.event = STORE_GRANTED,
		.reason = "granted",
		.name = "Gurkan/NN/VSD",
		.service = "ssh",
		.door = "wan",
		.source_port = 40000,
		.grant_id = 1,
		.until_ms = 31000,
		.list = "service ssh allow",
		.entry = "*/NN/VSD",
		.text = "one connection within 30s" };
	memset(r.key_id, 0x11, sizeof(r.key_id));
	memset(r.source.b, 0x20, sizeof(r.source.b));
	return r;
}

static inline void place_count(void *arg, const struct store_record *r)
{
	(void)r;
	++*(int *)arg;
}

static inline void place_count_gate(void *arg, const struct store_gate *g)
{
	(void)g;
	++*(int *)arg;
}

/* How many journal lines, or -errno. */
static inline int place_journal_len(struct store *s)
{
	const struct store_query q = { .limit = 1000000 };
	int n = 0;
	int rc = store_journal(s, &q, place_count, &n);
	return rc < 0 ? rc : n;
}

#endif
