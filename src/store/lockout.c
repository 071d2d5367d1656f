/*
 * Names that are locked out. Invariant: a lock-out and its journal line are on disk together, so that
 * nobody is out without a record of who did it.
 */

#include <errno.h>

#include "store/internal.h"

static int put(struct store *s, const struct store_lockout *l)
{
	struct store_run r = store_begin_run(s, SQL_LOCKOUT_PUT);
	store_bind_blob(&r, l->key, l->key_len);
	store_bind_text(&r, l->name, sizeof(l->name));
	store_bind_u64(&r, l->since_ms);
	store_bind_text(&r, l->by, sizeof(l->by));
	store_bind_text(&r, l->text, sizeof(l->text));
	return store_run(&r);
}

int store_lockout_put(struct store *s, const struct store_lockout *l, const struct store_record *r)
{
	if (l->key_len == 0 || l->key_len > sizeof(l->key))
		return -EINVAL;
	int rc = store_start(s);
	if (rc < 0)
		return rc;
	rc = put(s, l);
	if (rc == 0 && r != NULL)
		rc = store_record_add(s, r);
	return store_finish(s, rc);
}

static int take_away(struct store *s, const uint8_t *key, size_t len)
{
	struct store_run r = store_begin_run(s, SQL_LOCKOUT_REMOVE);
	store_bind_blob(&r, key, len);
	int rc = store_run(&r);
	return rc == 0 && sqlite3_changes(s->db) == 0 ? -ENOENT : rc;
}

int store_lockout_remove(struct store *s, const struct name *name, const struct store_record *r)
{
	uint8_t key[NAME_FOLDED_MAX];
	size_t len = name_fold(name, key);
	int rc = store_start(s);
	if (rc < 0)
		return rc;
	rc = take_away(s, key, len);
	if (rc == 0 && r != NULL)
		rc = store_record_add(s, r);
	return store_finish(s, rc);
}

int store_lockouts(struct store *s, store_lockout_fn *fn, void *arg)
{
	struct store_lockout l = { 0 };
	struct store_run r = store_begin_run(s, SQL_LOCKOUT_LIST);
	int rc = store_row(&r);
	for (; rc > 0; rc = store_row(&r)) {
		store_get_bytes(&r, l.key, sizeof(l.key), &l.key_len);
		store_get_text(&r, l.name, sizeof(l.name));
		l.since_ms = store_get_u64(&r);
		store_get_text(&r, l.by, sizeof(l.by));
		store_get_text(&r, l.text, sizeof(l.text));
		fn(arg, &l);
	}
	store_end_run(&r);
	return rc;
}
