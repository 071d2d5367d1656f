/*
 * The chain of the journal: every record carries a hash over the hash before it and over itself, in one
 * canonical form. Invariant: the records in the file, from the anchor to the last, are a prefix cut off
 * (by retention, which leaves the anchor) and nothing else missing, moved or altered. It shows a change
 * to whoever kept a head elsewhere; one who can write the file can also make a chain of his own.
 */

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/span.h"
#include "store/internal.h"

/* First of what is hashed, so that a hash of ours is one of nothing else. */
#define CHAIN_DOMAIN "postern journal 1"

#define RECORD_LEN_MAX 2048
#define CUT_MAX 2000 /* records that one call forgets */

static void put_text(struct writer *w, const char *text, size_t cap)
{
	size_t len = strnlen(text, cap - 1);
	writer_u16(w, (uint16_t)len);
	writer_put(w, text, len);
}

/* As it comes back: numbers are signed in the file. */
static void put_number(struct writer *w, uint64_t v)
{
	writer_u64(w, v > INT64_MAX ? INT64_MAX : v);
}

/* The canonical form, doc/design.md "Journal": numbers big-endian, each text with its length before it. */
static struct span encode(const struct store_record *r, uint8_t to[RECORD_LEN_MAX])
{
	struct writer w = writer_init(to, RECORD_LEN_MAX);
	put_number(&w, r->id);
	put_number(&w, r->wall_ms);
	put_number(&w, (uint64_t)r->event);
	put_number(&w, r->grant_id);
	put_number(&w, r->until_ms);
	writer_u16(&w, r->source_port);
	writer_put(&w, r->source.b, sizeof(r->source.b));
	writer_put(&w, r->key_id, sizeof(r->key_id));
	put_text(&w, r->reason, sizeof(r->reason));
	put_text(&w, r->name, sizeof(r->name));
	put_text(&w, r->service, sizeof(r->service));
	put_text(&w, r->door, sizeof(r->door));
	put_text(&w, r->list, sizeof(r->list));
	put_text(&w, r->entry, sizeof(r->entry));
	put_text(&w, r->text, sizeof(r->text));
	assert(!w.is_full);
	return writer_span(&w);
}

void store_chain_hash(const uint8_t before[STORE_HASH_LEN], const struct store_record *r,
	uint8_t ret[STORE_HASH_LEN])
{
	uint8_t bytes[RECORD_LEN_MAX];
	struct span s = encode(r, bytes);
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, STORE_HASH_LEN);
	crypto_generichash_update(&state, (const uint8_t *)CHAIN_DOMAIN, sizeof(CHAIN_DOMAIN) - 1);
	crypto_generichash_update(&state, before, STORE_HASH_LEN);
	crypto_generichash_update(&state, s.data, s.len);
	crypto_generichash_final(&state, ret, STORE_HASH_LEN);
}

/* What the file says of the chain. */
struct ends {
	struct store_head anchor;
	uint64_t old_id;  /* up to it records are older than the chain, and ids may be missing */
	uint64_t used_id; /* the last id given out, by SQLite's own count */
};

static int read_ends(struct store *s, struct ends *ret)
{
	struct store_run r = store_begin_run(s, SQL_CHAIN_ENDS);
	int rc = store_row(&r);
	if (rc > 0) {
		ret->anchor.id = store_get_u64(&r);
		store_get_blob(&r, ret->anchor.hash, sizeof(ret->anchor.hash));
		ret->old_id = store_get_u64(&r);
		ret->used_id = store_get_u64(&r);
	}
	store_end_run(&r);
	return rc > 0 ? 0 : rc == 0 ? -EUCLEAN : rc;
}

/* The last record there is: 1, 0 when there is none (ret untouched), or -errno. */
static int read_last(struct store *s, struct store_head *ret)
{
	struct store_run r = store_begin_run(s, SQL_CHAIN_LAST);
	int rc = store_row(&r);
	if (rc > 0) {
		ret->id = store_get_u64(&r);
		store_get_blob(&r, ret->hash, sizeof(ret->hash));
	}
	store_end_run(&r);
	return rc;
}

int store_last_id(struct store *s, uint64_t *ret)
{
	struct store_head head = { .id = 0 };
	int rc = read_last(s, &head);
	if (rc < 0)
		return rc;
	*ret = head.id;
	return 0;
}

/*
 * An id that was given out and is no longer the last one was taken away by somebody: it is not given out
 * again, and stays missing.
 */
int store_chain_head(struct store *s, struct store_head *ret)
{
	struct ends e = { .old_id = 0 };
	int rc = read_ends(s, &e);
	if (rc < 0)
		return rc;
	*ret = e.anchor;
	rc = read_last(s, ret);
	if (rc < 0)
		return rc;
	if (e.used_id > ret->id)
		ret->id = e.used_id;
	return 0;
}

int store_chain_build(struct store *s)
{
	struct store_record rec = { 0 };
	struct ends e = { .old_id = 0 };
	int rc = read_ends(s, &e);
	if (rc < 0)
		return rc;
	struct store_head head = e.anchor;
	struct store_run r = store_begin_run(s, SQL_CHAIN_LIST);
	store_bind_u64(&r, 0);
	for (rc = store_row(&r); rc > 0; rc = store_row(&r)) {
		store_read_record(&r, &rec);
		store_chain_hash(head.hash, &rec, head.hash);
		struct store_run set = store_begin_run(s, SQL_CHAIN_SET);
		store_bind_u64(&set, rec.id);
		store_bind_blob(&set, head.hash, sizeof(head.hash));
		rc = store_run(&set);
		if (rc < 0)
			break;
	}
	store_end_run(&r);
	return rc;
}

/*
 * The records to forget are the first ones: up to the last that is too old, and before the first that is
 * not. One from a clock that was ahead of now says nothing of its age and goes with those after it.
 */
static int find_cut(
	struct store *s, uint64_t before_ms, uint64_t wall_ms, struct store_head *ret_anchor)
{
	struct store_run r = store_begin_run(s, SQL_CHAIN_OLDEST);
	store_bind_u64(&r, CUT_MAX);
	int rc = store_row(&r);
	for (; rc > 0; rc = store_row(&r)) {
		uint64_t id = store_get_u64(&r), at_ms = store_get_u64(&r);
		if (at_ms >= before_ms && at_ms <= wall_ms)
			break;
		if (at_ms >= before_ms)
			continue;
		ret_anchor->id = id;
		store_get_blob(&r, ret_anchor->hash, sizeof(ret_anchor->hash));
	}
	store_end_run(&r);
	return rc < 0 ? rc : 0;
}

int store_chain_cut(struct store *s, uint64_t before_ms, uint64_t wall_ms)
{
	struct store_head anchor = { .id = 0 };
	int rc = find_cut(s, before_ms, wall_ms, &anchor);
	if (rc < 0 || anchor.id == 0)
		return rc;
	struct store_run r = store_begin_run(s, SQL_CHAIN_CUT);
	store_bind_u64(&r, anchor.id);
	rc = store_run(&r);
	if (rc < 0)
		return rc;
	r = store_begin_run(s, SQL_CHAIN_ANCHOR);
	store_bind_u64(&r, anchor.id);
	store_bind_blob(&r, anchor.hash, sizeof(anchor.hash));
	return store_run(&r);
}

/* One walk along the chain. */
struct walk {
	struct ends ends;
	const struct store_head *from; /* NULL: none */
	struct store_check *check;
};

static bool found(struct walk *w, enum store_chain what, uint64_t id)
{
	w->check->chain = what;
	w->check->id = id;
	return false;
}

static bool is_same_hash(const struct store_head *a, const struct store_head *b)
{
	return memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

/* Does the record fit what is before it? false after saying why not. */
static bool fits(struct walk *w, const struct store_record *rec)
{
	struct store_head *head = &w->check->head;
	struct store_head next = { .id = rec->id };
	if (rec->id != head->id + 1 && rec->id > w->ends.old_id)
		return found(w, STORE_CHAIN_MISSING, head->id + 1);
	store_chain_hash(head->hash, rec, next.hash);
	if (memcmp(next.hash, rec->hash, sizeof(next.hash)) != 0)
		return found(w, STORE_CHAIN_ALTERED, rec->id);
	*head = next;
	w->check->count++;
	if (w->from != NULL && w->from->id == next.id && !is_same_hash(w->from, &next))
		return found(w, STORE_CHAIN_OTHER, next.id);
	return true;
}

/* What can be said of the head that was kept elsewhere before any record is looked at. */
static bool begin(struct walk *w)
{
	w->check->anchor = w->check->head = w->ends.anchor;
	w->check->is_from_cut = w->from != NULL && w->from->id < w->ends.anchor.id;
	if (w->from != NULL && w->from->id == w->ends.anchor.id &&
		!is_same_hash(w->from, &w->ends.anchor))
		return found(w, STORE_CHAIN_OTHER, w->from->id);
	return true;
}

static bool end(struct walk *w)
{
	uint64_t last = w->check->head.id;
	if (last < w->ends.used_id || (w->from != NULL && last < w->from->id))
		return found(w, STORE_CHAIN_MISSING, last + 1);
	return true;
}

static int walk(struct store *s, struct walk *w)
{
	struct store_record rec = { 0 };
	bool is_good = true;
	int rc = read_ends(s, &w->ends);
	if (rc < 0 || !begin(w))
		return rc;
	struct store_run r = store_begin_run(s, SQL_CHAIN_LIST);
	store_bind_u64(&r, 0);
	for (rc = store_row(&r); rc > 0 && is_good; rc = store_row(&r)) {
		store_read_record(&r, &rec);
		is_good = fits(w, &rec);
		if (!is_good)
			break;
	}
	store_end_run(&r);
	if (rc == 0 && is_good)
		end(w);
	return rc < 0 ? rc : 0;
}

/* A transaction of a reader: everything in it sees the same moment. */
static int as_of_now(struct store *s, int (*fn)(struct store *s, void *arg), void *arg)
{
	struct store_run r = store_begin_run(s, SQL_BEGIN_READ);
	int rc = store_run(&r);
	if (rc < 0)
		return rc;
	rc = fn(s, arg);
	r = store_begin_run(s, SQL_END_READ);
	int ended = store_run(&r);
	return rc < 0 ? rc : ended;
}

static int walk_as_of_now(struct store *s, void *arg)
{
	return walk(s, arg);
}

int store_verify(struct store *s, const struct store_head *from, struct store_check *ret)
{
	struct store_check check = { .chain = STORE_CHAIN_WHOLE };
	struct walk w = { .from = from, .check = &check };
	int rc = as_of_now(s, walk_as_of_now, &w);
	if (rc == 0)
		*ret = check;
	return rc;
}

struct export
{
	uint64_t after_id;
	store_record_fn *fn;
	void *arg;
	struct store_head *anchor;
};

static int export_as_of_now(struct store *s, void *arg)
{
	struct export *e = arg;
	struct ends ends = { .old_id = 0 };
	struct store_record rec = { 0 };
	int rc = read_ends(s, &ends);
	if (rc < 0)
		return rc;
	*e->anchor = ends.anchor;
	struct store_run r = store_begin_run(s, SQL_CHAIN_LIST);
	store_bind_u64(&r, e->after_id);
	for (rc = store_row(&r); rc > 0; rc = store_row(&r)) {
		store_read_record(&r, &rec);
		e->fn(e->arg, &rec);
	}
	store_end_run(&r);
	return rc;
}

int store_export(struct store *s, uint64_t after_id, struct store_head *ret_anchor,
	store_record_fn *fn, void *arg)
{
	struct export e = { after_id, fn, arg, ret_anchor };
	return as_of_now(s, export_as_of_now, &e);
}
