/*
 * The directory as a whole: entries in one block of memory, each only as long as what it uses (a million
 * whole ones would fill a gigabyte), found by key id and by name through two tables of open addressing
 * that are at most half full. Invariant: no two entries share a key id (key or key-next) or a name, so
 * every lookup has one answer whatever the order of the lines.
 */

#include "identity/directory.h"

#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define STEP sizeof(uint64_t) /* entries begin at multiples of it, as their alignment asks */

/*
 * Of a name or a key. entry is 1 + where the entry starts, in STEPs; 0 is free. The tag is more of the
 * hash: a miss is told without looking at any entry.
 */
struct slot {
	uint32_t tag, entry;
};

struct table {
	struct slot *slots;
	size_t mask;
};

struct directory {
	uint8_t *block; /* entries, and room beyond the last one for a whole one */
	size_t used, block_cap;
	uint32_t *starts; /* of each entry, in STEPs */
	size_t count, starts_cap;
	struct table by_key, by_name;
	uint8_t seed[crypto_shorthash_KEYBYTES]; /* so that no set of names makes long chains */
};

static const struct directory_entry *entry_of(const struct directory *d, const struct slot *s)
{
	return s->entry == 0 ? NULL : (const void *)(d->block + STEP * (s->entry - 1));
}

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

static uint64_t hash(const struct directory *d, const void *data, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];
	uint64_t v;
	crypto_shorthash(h, data, len, d->seed);
	memcpy(&v, h, sizeof(v));
	return v;
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

static bool has_key(const struct directory_entry *e, const uint8_t key_id[32])
{
	return memcmp(e->key_id, key_id, sizeof(e->key_id)) == 0 ||
		(e->has_next && memcmp(e->key_next, key_id, sizeof(e->key_next)) == 0);
}

/* The slot of this key id, or the free one where it belongs; *ret_tag is what it has or will have. */
static struct slot *key_slot(const struct directory *d, const uint8_t key_id[32], uint32_t *ret_tag)
{
	const struct table *t = &d->by_key;
	uint64_t h = hash(d, key_id, 32);
	uint32_t tag = (uint32_t)(h >> 32);
	size_t i = (size_t)h & t->mask;
	while (t->slots[i].entry != 0 &&
		(t->slots[i].tag != tag || !has_key(entry_of(d, &t->slots[i]), key_id)))
		i = (i + 1) & t->mask;
	*ret_tag = tag;
	return &t->slots[i];
}

static struct slot *name_slot(const struct directory *d, const struct name *n, uint32_t *ret_tag)
{
	const struct table *t = &d->by_name;
	uint8_t folded[NAME_FOLDED_MAX];
	uint64_t h = hash(d, folded, name_fold(n, folded));
	uint32_t tag = (uint32_t)(h >> 32);
	size_t i = (size_t)h & t->mask;
	while (t->slots[i].entry != 0 &&
		(t->slots[i].tag != tag || !name_equal(&entry_of(d, &t->slots[i])->name, n)))
		i = (i + 1) & t->mask;
	*ret_tag = tag;
	return &t->slots[i];
}

const struct directory_entry *directory_find(const struct directory *d, const uint8_t key_id[32])
{
	uint32_t tag;
	return entry_of(d, key_slot(d, key_id, &tag));
}

const struct directory_entry *directory_find_name(const struct directory *d, const struct name *n)
{
	uint32_t tag;
	return entry_of(d, name_slot(d, n, &tag));
}

size_t directory_count(const struct directory *d)
{
	return d->count;
}

const struct directory_entry *directory_at(const struct directory *d, size_t i)
{
	return i < d->count ? (const void *)(d->block + STEP * d->starts[i]) : NULL;
}

static void index_key(
	struct directory *d, size_t i, const uint8_t id[32], struct directory_faults *faults)
{
	uint32_t tag;
	struct slot *slot = key_slot(d, id, &tag);
	if (slot->entry != 0) {
		char hex[65];
		struct fault f;
		fault_set(&f, "key sha256:%s stands on line %u already; remove one of them",
			text_hex(span_of(id, 32), hex), entry_of(d, slot)->line);
		add_fault(faults, directory_at(d, i)->line, f.text);
		return;
	}
	*slot = (struct slot){ tag, d->starts[i] + 1 };
}

static void index_name(struct directory *d, size_t i, struct directory_faults *faults)
{
	const struct directory_entry *e = directory_at(d, i);
	uint32_t tag;
	struct slot *slot = name_slot(d, &e->name, &tag);
	if (slot->entry != 0) {
		char name[NAME_TEXT_MAX], quoted[100];
		struct fault f;
		name_format(&e->name, name);
		fault_set(&f,
			"name \"%s\" stands on line %u already; one person has one line, remove or "
			"rename one",
			text_quote(span_of(name, strlen(name)), quoted, sizeof(quoted)),
			entry_of(d, slot)->line);
		add_fault(faults, e->line, f.text);
		return;
	}
	*slot = (struct slot){ tag, d->starts[i] + 1 };
}

static bool build_index(struct directory *d, struct directory_faults *faults)
{
	size_t keys = 0;
	for (size_t i = 0; i < d->count; i++)
		keys += directory_at(d, i)->has_next ? 2 : 1;
	if (!table_init(&d->by_key, keys) || !table_init(&d->by_name, d->count))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		const struct directory_entry *e = directory_at(d, i);
		index_key(d, i, e->key_id, faults);
		if (e->has_next)
			index_key(d, i, e->key_next, faults);
		index_name(d, i, faults);
	}
	return true;
}

/* p with room for need items, or NULL (p is then as it was). */
static void *grow(void *p, size_t *cap, size_t item_len, size_t need)
{
	if (need <= *cap)
		return p;
	size_t more = *cap < 16 ? 16 : *cap + *cap / 2;
	if (more < need)
		more = need;
	void *grown = reallocarray(p, more, item_len);
	if (grown != NULL)
		*cap = more;
	return grown;
}

static size_t used_len(const struct directory_entry *e)
{
	const struct name_part *last = &e->name.parts[e->name.count - 1];
	if (e->from_count > 0)
		return offsetof(struct directory_entry, from) + e->from_count * sizeof(e->from[0]);
	if (e->application_len > 0)
		return offsetof(struct directory_entry, application) + e->application_len;
	return (size_t)(last->value + last->len - (const char *)e);
}

static bool append(struct directory *d, const struct directory_entry *e)
{
	size_t len = used_len(e);
	/* A whole entry fits behind each one, so that copying one as a struct reads our own memory. */
	uint8_t *block = grow(d->block, &d->block_cap, 1, d->used + 2 * sizeof(*e));
	if (block == NULL)
		return false;
	d->block = block;
	uint32_t *starts = grow(d->starts, &d->starts_cap, sizeof(*starts), d->count + 1);
	if (starts == NULL || d->used / STEP >= UINT32_MAX)
		return false;
	d->starts = starts;
	memcpy(d->block + d->used, e, len);
	d->starts[d->count++] = (uint32_t)(d->used / STEP);
	d->used += (len + STEP - 1) / STEP * STEP;
	return true;
}

static bool read_lines(struct directory *d, struct span text, struct directory_faults *faults)
{
	unsigned line = 0;
	struct directory_entry e;
	for (struct reader r = reader_init(text); r.left > 0;) {
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		struct span s = reader_take(&r, lf == NULL ? r.left : (size_t)(lf - r.at));
		struct fault f;
		reader_take(&r, lf == NULL ? 0 : 1);
		line++;
		int rc = directory_line_parse(s, &e, &f);
		if (rc < 0)
			add_fault(faults, line, f.text);
		e.line = line;
		if (rc > 0 && !append(d, &e))
			return false;
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
	free(d->block);
	free(d->starts);
	free(d->by_key.slots);
	free(d->by_name.slots);
	free(d);
}
