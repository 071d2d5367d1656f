/*
 * A set of hashes of folded names, in open addressing. Invariant: from the place that a hash asks for to
 * the place where it is there is no gap, and half of the places are always free.
 */

#include "daemon/lockout.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PLACES (2 * LOCKOUT_MAX) /* a power of two */
#define KEY_LEN 32

struct place {
	bool is_used;
	uint8_t key[KEY_LEN];
};

struct lockout {
	size_t count;
	struct place places[PLACES];
};

struct lockout *lockout_new(void)
{
	return calloc(1, sizeof(struct lockout));
}

void lockout_free(struct lockout *l)
{
	free(l);
}

size_t lockout_count(const struct lockout *l)
{
	return l->count;
}

static void make_key(const uint8_t *folded, size_t len, uint8_t ret[KEY_LEN])
{
	crypto_generichash(ret, KEY_LEN, folded, len, NULL, 0);
}

static size_t wanted(const uint8_t key[KEY_LEN])
{
	uint64_t h = 0;
	memcpy(&h, key, sizeof(h));
	return (size_t)h & (PLACES - 1);
}

/* Where the key is, or the gap where it would be put. */
static size_t find(const struct lockout *l, const uint8_t key[KEY_LEN])
{
	size_t i = wanted(key);
	while (l->places[i].is_used && memcmp(l->places[i].key, key, KEY_LEN) != 0)
		i = (i + 1) & (PLACES - 1);
	return i;
}

static size_t find_name(const struct lockout *l, const struct name *n)
{
	uint8_t folded[NAME_FOLDED_MAX], key[KEY_LEN];
	make_key(folded, name_fold(n, folded), key);
	return find(l, key);
}

bool lockout_has(const struct lockout *l, const struct name *n)
{
	return l != NULL && l->count > 0 && l->places[find_name(l, n)].is_used;
}

bool lockout_put(struct lockout *l, const uint8_t *folded, size_t len)
{
	uint8_t key[KEY_LEN];
	make_key(folded, len, key);
	struct place *p = &l->places[find(l, key)];
	if (p->is_used)
		return true;
	if (l->count == LOCKOUT_MAX)
		return false;
	p->is_used = true;
	memcpy(p->key, key, sizeof(p->key));
	l->count++;
	return true;
}

bool lockout_remove(struct lockout *l, const struct name *n)
{
	size_t gap = find_name(l, n);
	if (!l->places[gap].is_used)
		return false;
	l->count--;
	/* What stands behind the gap and asks for a place at or before it moves into it. */
	for (size_t i = (gap + 1) & (PLACES - 1); l->places[i].is_used;
		i = (i + 1) & (PLACES - 1)) {
		size_t from = wanted(l->places[i].key);
		if (((i - from) & (PLACES - 1)) < ((i - gap) & (PLACES - 1)))
			continue;
		l->places[gap] = l->places[i];
		gap = i;
	}
	l->places[gap].is_used = false;
	return true;
}
