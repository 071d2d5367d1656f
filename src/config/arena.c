/*
 * Memory of a configuration: taken piece by piece while it is read, given back all at once. Nothing in
 * it is freed alone, so every string of a config lives exactly as long as the config.
 */

#include <stdlib.h>
#include <string.h>

#include "config/internal.h"

struct config_chunk {
	struct config_chunk *next;
	max_align_t data[];
};

void *config_arena_zalloc(struct config_arena *a, size_t len)
{
	if (len > SIZE_MAX - sizeof(struct config_chunk))
		return NULL;
	struct config_chunk *c = calloc(1, sizeof(*c) + len);
	if (c == NULL)
		return NULL;
	c->next = a->chunks;
	a->chunks = c;
	return c->data;
}

const char *config_arena_keep(struct config_arena *a, const char *text, size_t len)
{
	char *to = config_arena_zalloc(a, len + 1);
	if (to != NULL)
		memcpy(to, text, len);
	return to;
}

void config_arena_deinit(struct config_arena *a)
{
	while (a->chunks != NULL) {
		struct config_chunk *c = a->chunks;
		a->chunks = c->next;
		free(c);
	}
}

bool config_grow(void **items, size_t *cap, size_t len, size_t item)
{
	if (len < *cap)
		return true;
	size_t more = *cap == 0 ? 16 : 2 * *cap;
	void *to = reallocarray(*items, more, item);
	if (to == NULL)
		return false;
	*items = to;
	*cap = more;
	return true;
}
