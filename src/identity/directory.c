/*
 * The directory as a whole: entries in one array, found by key id and by name through two tables of
 * open addressing that are at most half full. Invariant: no two entries share a key id (key or
 * key-next) or a name, so every lookup has one answer whatever the order of the lines.
 */

#include "identity/directory.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/*
 * Slots hold 1 + the index of a name or key; 0 is free. Key 2i is the key of entry i, 2i+1 its key-
 * next.
 */
struct table {
	uint32_t *slots;
	size_t mask;
};

struct directory {
	struct directory_entry *entries;
	size_t count, cap;
	struct table by_key, by_name;
	uint8_t seed[crypto_shorthash_KEYBYTES]; /* so that no set of names makes long chains */
};

static void add_fault(struct directory_faults *faults, unsigned line, const char *text)
{
	faults->count++;
	if (faults->kept == DIRECTORY_FAULTS_MAX)
		return;
	struct directory_fault *item = &faults->items[faults->kept++];
	item->line = line;
	size_t len = strnlen(text, sizeof(item->text) - 1);
	memcpy(item->text, text, len);
	item->text[len] = '\0';
}

static size_t hash(const struct directory *d, const void *data, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];
	crypto_shorthash(h, data, len, d->seed);
	struct reader r = reader_init(SPAN_OF(h));
	return (size_t)reader_u64(&r);
}

static bool table_init(struct table *t, size_t items)
{
	size_t cap = 8;
	while (cap < 2 * items)
		cap *= 2;
	t->slots = calloc(cap, sizeof(*t->slots));
	t->mask = cap - 1;
	return t->slots != NULL;
}

static const uint8_t *key_at(const struct directory *d, uint32_t key)
{
	const struct directory_entry *e = &d->entries[key / 2];
	return key % 2 == 0 ? e->key_id : e->key_next;
}

/* The slot of this key id, or the free one where it belongs. */
static uint32_t *key_slot(const struct directory *d, const uint8_t key_id[32])
{
	const struct table *t = &d->by_key;
	size_t i = hash(d, key_id, 32) & t->mask;
	while (t->slots[i] != 0 && memcmp(key_at(d, t->slots[i] - 1), key_id, 32) != 0)
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

static uint32_t *name_slot(const struct directory *d, const struct name *n)
{
	const struct table *t = &d->by_name;
	uint8_t folded[NAME_FOLDED_MAX];
	size_t i = hash(d, folded, name_fold(n, folded)) & t->mask;
	while (t->slots[i] != 0 && !name_equal(&d->entries[t->slots[i] - 1].name, n))
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

const struct directory_entry *directory_find(const struct directory *d, const uint8_t key_id[32])
{
	uint32_t at = *key_slot(d, key_id);
	return at == 0 ? NULL : &d->entries[(at - 1) / 2];
}

const struct directory_entry *directory_find_name(const struct directory *d, const struct name *n)
{
	uint32_t at = *name_slot(d, n);
	return at == 0 ? NULL : &d->entries[at - 1];
}

size_t directory_count(const struct directory *d)
{
	return d->count;
}

const struct directory_entry *directory_at(const struct directory *d, size_t i)
{
	return i < d->count ? &d->entries[i] : NULL;
}

static void index_key(struct directory *d, uint32_t key, struct directory_faults *faults)
{
	const uint8_t *id = key_at(d, key);
	uint32_t *slot = key_slot(d, id);
	if (*slot != 0) {
		char hex[65];
		struct fault f;
		fault_set(&f, "key sha256:%s stands on line %u already; remove one of them",
			text_hex(span_of(id, 32), hex), d->entries[(*slot - 1) / 2].line);
		add_fault(faults, d->entries[key / 2].line, f.text);
		return;
	}
	*slot = key + 1;
}

static void index_name(struct directory *d, size_t i, struct directory_faults *faults)
{
	const struct directory_entry *e = &d->entries[i];
	uint32_t *slot = name_slot(d, &e->name);
	if (*slot != 0) {
		char name[NAME_TEXT_MAX], quoted[100];
		struct fault f;
		name_format(&e->name, name);
		fault_set(&f,
			"name \"%s\" stands on line %u already; one person has one line, remove or "
			"rename one",
			text_quote(span_of(name, strlen(name)), quoted, sizeof(quoted)),
			d->entries[*slot - 1].line);
		add_fault(faults, e->line, f.text);
		return;
	}
	*slot = (uint32_t)i + 1;
}

static bool build_index(struct directory *d, struct directory_faults *faults)
{
	size_t keys = 0;
	for (size_t i = 0; i < d->count; i++)
		keys += d->entries[i].has_next ? 2 : 1;
	if (!table_init(&d->by_key, keys) || !table_init(&d->by_name, d->count))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		index_key(d, (uint32_t)(2 * i), faults);
		if (d->entries[i].has_next)
			index_key(d, (uint32_t)(2 * i + 1), faults);
		index_name(d, i, faults);
	}
	return true;
}

static bool reserve_one(struct directory *d)
{
	if (d->count < d->cap)
		return true;
	size_t cap = d->cap == 0 ? 16 : 2 * d->cap;
	struct directory_entry *grown = reallocarray(d->entries, cap, sizeof(*grown));
	if (grown == NULL)
		return false;
	d->entries = grown;
	d->cap = cap;
	return true;
}

static bool read_lines(struct directory *d, struct span text, struct directory_faults *faults)
{
	unsigned line = 0;
	for (struct reader r = reader_init(text); r.left > 0;) {
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		struct span s = reader_take(&r, lf == NULL ? r.left : (size_t)(lf - r.at));
		struct fault f;
		reader_take(&r, lf == NULL ? 0 : 1);
		line++;
		if (!reserve_one(d))
			return false;
		int rc = directory_line_parse(s, &d->entries[d->count], &f);
		if (rc < 0)
			add_fault(faults, line, f.text);
		if (rc > 0)
			d->entries[d->count++].line = line;
	}
	return true;
}

static int by_line(const void *a, const void *b)
{
	const struct directory_fault *p = a, *q = b;
	return (p->line > q->line) - (p->line < q->line);
}

struct directory *directory_parse(struct span text, struct directory_faults *faults)
{
	faults->count = 0;
	faults->kept = 0;
	if (text.len > DIRECTORY_FILE_MAX) {
		add_fault(faults, 0, "the directory is larger than 512 MiB; split it");
		return NULL;
	}
	struct directory *d = calloc(1, sizeof(*d));
	bool has_memory = d != NULL;
	if (has_memory) {
		randombytes_buf(d->seed, sizeof(d->seed));
		has_memory = read_lines(d, text, faults) && build_index(d, faults);
	}
	if (!has_memory)
		add_fault(faults, 0, "not enough memory for the directory; free some");
	if (faults->count > 0) {
		qsort(faults->items, faults->kept, sizeof(faults->items[0]), by_line);
		directory_free(d);
		return NULL;
	}
	return d;
}

void directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	free(d->entries);
	free(d->by_key.slots);
	free(d->by_name.slots);
	free(d);
}
