/*
 * Names as bytes and sorted tables of them. A certifier's name is a prefix of the names below it, so a
 * lookup for each component of who asks finds every wildcard that covers it.
 */

#include <stdlib.h>
#include <string.h>

#include "policy/internal.h"

static uint8_t lower(char c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

void policy_key_init(struct policy_key *k, const struct name *n)
{
	size_t at = 0;
	k->count = n->count < NAME_PARTS_MAX ? n->count : NAME_PARTS_MAX;
	for (size_t i = 0; i < k->count; i++) {
		const struct name_part *p = &n->parts[i];
		size_t len = p->len < NAME_VALUE_MAX ? p->len : NAME_VALUE_MAX;
		k->bytes[at++] = p->type;
		k->bytes[at++] = (uint8_t)len;
		for (size_t c = 0; c < len; c++)
			k->bytes[at++] = lower(p->value[c]);
		k->ends[i] = at;
	}
}

static size_t whole_len(const struct policy_key *k)
{
	return k->count == 0 ? 0 : k->ends[k->count - 1];
}

bool policy_table_add(struct policy_table *t, const struct policy_key *k, uint32_t value)
{
	size_t len = whole_len(k);
	if (t->len == t->cap) {
		size_t cap = t->cap == 0 ? 16 : 2 * t->cap;
		struct policy_row *rows = reallocarray(t->rows, cap, sizeof(*rows));
		if (rows == NULL)
			return false;
		t->rows = rows;
		t->cap = cap;
	}
	uint8_t *bytes = malloc(len == 0 ? 1 : len);
	if (bytes == NULL)
		return false;
	memcpy(bytes, k->bytes, len);
	t->rows[t->len++] = (struct policy_row){ bytes, len, value };
	return true;
}

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
	if (c != 0)
		return c;
	return a_len == b_len ? 0 : a_len < b_len ? -1 : 1;
}

static int by_key_and_value(const void *a, const void *b)
{
	const struct policy_row *x = a, *y = b;
	int c = compare(x->bytes, x->len, y->bytes, y->len);
	if (c != 0)
		return c;
	return x->value == y->value ? 0 : x->value < y->value ? -1 : 1;
}

void policy_table_sort(struct policy_table *t)
{
	if (t->len > 0)
		qsort(t->rows, t->len, sizeof(*t->rows), by_key_and_value);
}

size_t policy_table_find(
	const struct policy_table *t, const struct policy_key *k, size_t len, size_t *ret_count)
{
	size_t low = 0, high = t->len;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare(t->rows[mid].bytes, t->rows[mid].len, k->bytes, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	size_t end = low;
	while (end < t->len && compare(t->rows[end].bytes, t->rows[end].len, k->bytes, len) == 0)
		end++;
	*ret_count = end - low;
	return low;
}

void policy_table_deinit(struct policy_table *t)
{
	for (size_t i = 0; i < t->len; i++)
		free(t->rows[i].bytes);
	free(t->rows);
	*t = (struct policy_table){ 0 };
}
