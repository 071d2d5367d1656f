/*
 * Two stages. Sources that knocked once are 16-byte entries of a wide table in sets of eight, the least
 * recent of which goes; a second knock makes a track, in one of the eight slots of its set. Which set is
 * a keyed hash of the address, so nobody chooses his neighbours.
 *
 * Invariants: active slots are in the list from oldest to newest by last_ms, and each is counted in
 * networks[]; an idle slot is neither, has no marks and no tag, and is only remembered for its
 * retransmissions. A source has one slot at most.
 */

#include "knock/track.h"

#include <assert.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

#define WAYS 8u /* of a set; 128 bytes of first knocks are two cache lines */
#define FIRST_PER_SOURCE 64u
#define FIRST_MAX (1u << 22)
#define LINE 64u
#define SHARE_OF 16u
#define SHARE_MIN 4u
#define NETWORKS_PER_SLOT 16u /* counters, so that two busy networks hardly ever share one */
#define RETIRE_MAX 8          /* slots that one knock makes idle */
#define NIL UINT32_MAX

/* The first knock of a source. */
struct first {
	uint32_t print; /* of the hash: what the set does not say */
	uint32_t same;
	uint32_t at_low; /* 40 bits of ms: they do not come round */
	uint16_t port;
	uint8_t proto; /* 0: empty */
	uint8_t at_high;
};

enum slot_state { SLOT_EMPTY = 0, SLOT_IDLE, SLOT_ACTIVE };

struct slot {
	uint64_t last_ms;
	uint32_t print;
	uint32_t network; /* index of its counter */
	uint32_t older, newer;
	enum slot_state state;
};

struct track_table {
	uint8_t seed[crypto_shorthash_KEYBYTES];
	uint64_t random;
	struct first *first_base, *first; /* as allocated, and from a cache line on */
	uint32_t first_mask;              /* of sets */
	uint32_t slot_count;
	struct slot *slots;
	struct track *tracks; /* of the slot with the same index */
	uint32_t *networks;
	uint32_t network_mask;
	uint32_t share;
	uint32_t oldest, newest; /* of the active ones */
	struct track_counts counts;
};

/* What the stages need to know of a knock. */
struct note {
	const struct track_knock *k;
	uint64_t hash; /* of the source */
	uint32_t same; /* 0: it has no repetition */
	uint64_t now_ms;
	uint64_t max_age_ms;
};

/* ------------------------------------------------------------------ helpers */

static uint64_t hash_of(const struct track_table *t, const void *data, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];
	uint64_t v;
	crypto_shorthash(h, data, len, t->seed);
	memcpy(&v, h, sizeof(v));
	return v;
}

/* The /24 or /64 of a source. */
static uint32_t network_of(const struct track_table *t, const struct addr *a)
{
	return (uint32_t)hash_of(t, a->b, addr_is_v4(a) ? 15 : 8) & t->network_mask;
}

static uint32_t same_of(const struct track_table *t, const struct track_knock *k)
{
	if (k->proto != IPPROTO_TCP)
		return 0;
	uint8_t covered[9];
	struct writer w = writer_init(covered, sizeof(covered));
	writer_u16(&w, k->port);
	writer_u16(&w, k->src_port);
	writer_u8(&w, k->has_seq);
	writer_u32(&w, k->has_seq ? k->seq : 0);
	uint32_t h = (uint32_t)hash_of(t, covered, sizeof(covered));
	return h != 0 ? h : 1;
}

static uint64_t age_of(uint64_t then_ms, uint64_t now_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

static uint32_t draw(struct track_table *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (uint32_t)(t->random >> 32);
}

static uint32_t pow2_at_least(uint64_t n)
{
	uint32_t p = 1;
	while (p < n)
		p <<= 1;
	return p;
}

/* ------------------------------------------------------------------ table */

static struct first *align_to_line(struct first *f)
{
	uintptr_t at = (uintptr_t)f;
	return (struct first *)((at + LINE - 1) / LINE * LINE);
}

static void take_seed(struct track_table *t, const uint8_t seed[16])
{
	memcpy(t->seed, seed, sizeof(t->seed));
	t->random = hash_of(t, "draw", 4) | 1;
}

struct track_table *track_table_new(size_t sources, const uint8_t seed[16])
{
	struct track_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	assert(sources <= UINT32_MAX / FIRST_PER_SOURCE);
	take_seed(t, seed);
	t->slot_count = sources < WAYS ? WAYS : (uint32_t)sources / WAYS * WAYS;
	t->share = t->slot_count / SHARE_OF > SHARE_MIN ? t->slot_count / SHARE_OF : SHARE_MIN;
	t->oldest = t->newest = NIL;

	uint32_t first = pow2_at_least((uint64_t)t->slot_count * FIRST_PER_SOURCE);
	first = first < FIRST_MAX ? first : FIRST_MAX;
	t->first_mask = first / WAYS - 1;
	t->network_mask = pow2_at_least((uint64_t)t->slot_count * NETWORKS_PER_SLOT) - 1;
	/* calloc'd, so that memory nobody knocks at is never there. */
	t->first_base = calloc(first + LINE / sizeof(struct first), sizeof(struct first));
	t->slots = calloc(t->slot_count, sizeof(*t->slots));
	t->tracks = calloc(t->slot_count, sizeof(*t->tracks));
	t->networks = calloc((size_t)t->network_mask + 1, sizeof(*t->networks));
	if (t->first_base == NULL || t->slots == NULL || t->tracks == NULL || t->networks == NULL) {
		track_table_free(t);
		return NULL;
	}
	t->first = align_to_line(t->first_base);
	return t;
}

void track_table_free(struct track_table *t)
{
	if (t == NULL)
		return;
	free(t->first_base);
	free(t->slots);
	free(t->tracks);
	free(t->networks);
	sodium_memzero(t, sizeof(*t));
	free(t);
}

const struct track_counts *track_table_counts(const struct track_table *t)
{
	return &t->counts;
}

/* ------------------------------------------------------------------ slots, active and idle */

static uint32_t index_of(const struct track_table *t, const struct slot *s)
{
	return (uint32_t)(s - t->slots);
}

static void list_remove(struct track_table *t, const struct slot *s)
{
	*(s->older != NIL ? &t->slots[s->older].newer : &t->oldest) = s->newer;
	*(s->newer != NIL ? &t->slots[s->newer].older : &t->newest) = s->older;
}

static void list_append(struct track_table *t, struct slot *s)
{
	uint32_t i = index_of(t, s);
	s->older = t->newest;
	s->newer = NIL;
	*(t->newest != NIL ? &t->slots[t->newest].newer : &t->oldest) = i;
	t->newest = i;
}

static void activate(struct track_table *t, struct slot *s)
{
	s->state = SLOT_ACTIVE;
	t->networks[s->network]++;
	list_append(t, s);
}

static void deactivate(struct track_table *t, struct slot *s)
{
	struct track *track = &t->tracks[index_of(t, s)];
	track->count = 0;
	track->tag = (struct track_tag){ 0 };
	s->state = SLOT_IDLE;
	t->networks[s->network]--;
	list_remove(t, s);
}

/* One knock makes one slot active at most, so a few at a time keep up. */
static void retire(struct track_table *t, uint64_t now_ms, uint64_t max_age_ms)
{
	for (int i = 0; i < RETIRE_MAX && t->oldest != NIL; i++) {
		struct slot *s = &t->slots[t->oldest];
		if (age_of(s->last_ms, now_ms) <= max_age_ms)
			return;
		deactivate(t, s);
	}
}

/* The first of the eight slots in which the source may be. */
static uint32_t set_of(const struct track_table *t, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * (t->slot_count / WAYS) >> 32) * WAYS;
}

static struct slot *find_slot(struct track_table *t, const struct note *n)
{
	uint32_t set = set_of(t, n->hash);
	for (uint32_t i = set; i < set + WAYS; i++) {
		struct slot *s = &t->slots[i];
		if (s->state != SLOT_EMPTY && s->print == (uint32_t)n->hash &&
			addr_equal(&t->tracks[i].source, &n->k->source))
			return s;
	}
	return NULL;
}

static size_t worth(const struct track_table *t, uint32_t i)
{
	enum slot_state state = t->slots[i].state;
	return state == SLOT_ACTIVE ? 2 + t->tracks[i].count : state == SLOT_IDLE ? 1 : 0;
}

/*
 * The slot for a new source: the one worth least. When its network has used up its share, only the place
 * of a neighbour will do. NULL when there is none.
 */
static struct slot *pick_slot(struct track_table *t, uint64_t hash, uint32_t network)
{
	uint32_t set = set_of(t, hash), start = draw(t);
	bool is_crowded = t->networks[network] >= t->share;
	struct slot *best = NULL;
	size_t best_worth = SIZE_MAX;
	for (uint32_t i = 0; i < WAYS; i++) {
		uint32_t at = set + (start + i) % WAYS;
		struct slot *s = &t->slots[at];
		if (is_crowded && (s->state != SLOT_ACTIVE || s->network != network))
			continue;
		if (worth(t, at) < best_worth) {
			best_worth = worth(t, at);
			best = s;
		}
	}
	return best;
}

/* ------------------------------------------------------------------ marks */

static bool is_repeated(const struct track *track, const struct note *n)
{
	if (n->same == 0)
		return false;
	for (size_t i = 0; i < TRACK_SAME; i++)
		if (track->same[i].mark == n->same &&
			(uint32_t)n->now_ms - track->same[i].at_ms <= TRACK_SAME_MS)
			return true;
	return false;
}

static void remember_same(struct track *track, uint32_t same, uint64_t at_ms)
{
	if (same == 0)
		return;
	track->same[track->same_next] = (struct track_same){ same, (uint32_t)at_ms };
	track->same_next = (track->same_next + 1) % TRACK_SAME;
}

static void drop_marks(struct track *track, size_t n)
{
	track->count -= n;
	memmove(track->marks, track->marks + n, track->count * sizeof(track->marks[0]));
}

static void forget_old(struct track *track, const struct note *n)
{
	size_t old = 0;
	while (old < track->count && age_of(track->marks[old].at_ms, n->now_ms) > n->max_age_ms)
		old++;
	if (old > 0)
		drop_marks(track, old);
}

static void add_mark(struct track *track, const struct track_mark *m)
{
	if (track->count == TRACK_MARKS)
		drop_marks(track, 1);
	track->marks[track->count++] = *m;
}

static struct track *add_knock(struct track_table *t, struct slot *s, const struct note *n)
{
	struct track *track = &t->tracks[index_of(t, s)];
	forget_old(track, n);
	add_mark(track, &(struct track_mark){ n->now_ms, n->k->port, n->k->proto });
	remember_same(track, n->same, n->now_ms);
	s->last_ms = n->now_ms;
	t->counts.knocks++;
	return track;
}

/* ------------------------------------------------------------------ the two stages */

static struct track *note_known(struct track_table *t, struct slot *s, const struct note *n)
{
	struct track *track = &t->tracks[index_of(t, s)];
	/* The times in same[] come round after 49 days. */
	if (age_of(s->last_ms, n->now_ms) > TRACK_SAME_MS)
		memset(track->same, 0, sizeof(track->same));
	if (is_repeated(track, n)) {
		t->counts.repeated++;
		return NULL;
	}
	if (s->state == SLOT_ACTIVE) {
		list_remove(t, s);
		list_append(t, s);
	} else if (t->networks[s->network] >= t->share) {
		t->counts.crowded++;
		return NULL;
	} else {
		activate(t, s);
	}
	return add_knock(t, s, n);
}

static uint64_t first_at(const struct first *f)
{
	return (uint64_t)f->at_high << 32 | f->at_low;
}

static void first_set(struct first *f, const struct note *n)
{
	*f = (struct first){
		.print = (uint32_t)(n->hash >> 32),
		.same = n->same,
		.at_low = (uint32_t)n->now_ms,
		.at_high = (uint8_t)(n->now_ms >> 32),
		.port = n->k->port,
		.proto = n->k->proto,
	};
}

/* The source's entry, or the one that is to make way for it. An empty one is older than all. */
static struct first *find_first(struct track_table *t, const struct note *n, bool *ret_is_known)
{
	struct first *set = &t->first[(size_t)((uint32_t)n->hash & t->first_mask) * WAYS];
	struct first *least = set;
	for (struct first *f = set; f < set + WAYS; f++) {
		if (f->proto != 0 && f->print == (uint32_t)(n->hash >> 32)) {
			*ret_is_known = age_of(first_at(f), n->now_ms) <= n->max_age_ms;
			return f;
		}
		if (first_at(f) < first_at(least))
			least = f;
	}
	*ret_is_known = false;
	return least;
}

/* The second knock of a source, whose first was f. */
static struct track *promote(struct track_table *t, struct first *f, const struct note *n)
{
	uint32_t network = network_of(t, &n->k->source);
	struct slot *s = pick_slot(t, n->hash, network);
	if (s == NULL) {
		t->counts.crowded++;
		return NULL;
	}
	if (s->state == SLOT_ACTIVE) {
		t->counts.displaced++;
		deactivate(t, s);
	}
	struct track *track = &t->tracks[index_of(t, s)];
	*track = (struct track){ .source = n->k->source };
	*s = (struct slot){ .print = (uint32_t)n->hash, .network = network };
	activate(t, s);
	add_mark(track, &(struct track_mark){ first_at(f), f->port, f->proto });
	remember_same(track, f->same, first_at(f));
	*f = (struct first){ 0 };
	return add_knock(t, s, n);
}

static struct track *note_new(struct track_table *t, const struct note *n)
{
	bool is_known;
	struct first *f = find_first(t, n, &is_known);
	if (!is_known) {
		first_set(f, n);
		t->counts.knocks++;
		return NULL;
	}
	if (n->same != 0 && f->same == n->same) {
		t->counts.repeated++;
		return NULL;
	}
	return promote(t, f, n);
}

struct track *track_note(
	struct track_table *t, const struct track_knock *k, uint64_t mono_ms, uint64_t max_age_ms)
{
	const struct note n = {
		.k = k,
		.hash = hash_of(t, k->source.b, sizeof(k->source.b)),
		.same = same_of(t, k),
		.now_ms = mono_ms,
		.max_age_ms = max_age_ms,
	};
	assert(k->proto != 0);
	retire(t, mono_ms, max_age_ms);
	struct slot *s = find_slot(t, &n);
	return s != NULL ? note_known(t, s, &n) : note_new(t, &n);
}

void track_clear(struct track *t)
{
	t->count = 0;
}
