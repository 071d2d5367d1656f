/*
 * Forgetting: replay keys, gates, prekeys and old journal lines. Each call does a bounded amount,
 * so that it fits between two packets. Invariant: a prekey that was erased is soon in no file:
 * pages are overwritten with zeros (secure_delete), and the log that still holds them is written
 * back and cut.
 */

#include <errno.h>
#include <sodium.h>

#include "store/internal.h"

static int forget(struct store *s, enum store_sql id, uint64_t before_ms)
{
	struct store_run r = store_begin_run(s, id);
	store_bind_u64(&r, before_ms);
	return store_run(&r);
}

static int forget_all(struct store *s, uint64_t wall_ms, uint64_t journal_ms)
{
	int rc = forget(s, SQL_EXPIRE_REPLAY, wall_ms);
	if (rc == 0)
		rc = forget(s, SQL_EXPIRE_GATE,
			wall_ms > STORE_GATE_KEEP_MS ? wall_ms - STORE_GATE_KEEP_MS : 0);
	if (rc == 0)
		rc = store_chain_cut(s, journal_ms, wall_ms);
	if (rc == 0)
		rc = forget(s, SQL_EXPIRE_PREKEY, wall_ms);
	if (rc == 0 && sqlite3_changes(s->db) > 0)
		s->must_scrub = true;
	return rc;
}

/* A reader may stand in the way: then the next call tries again, and packets do not wait for it. */
static int scrub(struct store *s)
{
	if (!s->must_scrub)
		return 0;
	sqlite3_busy_timeout(s->db, 0);
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(s->db, STORE_WRITER_WAIT_MS);
	rc = store_errno(s, rc);
	if (rc == 0)
		s->must_scrub = false;
	return rc == -EBUSY ? 0 : rc;
}

int store_expire(struct store *s, uint64_t wall_ms, uint64_t keep_s)
{
	uint64_t journal_ms = keep_s > wall_ms / 1000 ? 0 : wall_ms - keep_s * 1000;
	int rc = store_start(s);
	if (rc < 0)
		return rc;
	rc = store_finish(s, forget_all(s, wall_ms, journal_ms));
	return rc < 0 ? rc : scrub(s);
}

int store_probe(struct store *s)
{
	struct store_run r = store_begin_run(s, SQL_OPENED);
	return store_run(&r);
}

int store_prekey_put(struct store *s, const struct store_prekey *k)
{
	if (k->id == 0)
		return -EINVAL;
	struct store_run r = store_begin_run(s, SQL_PREKEY_PUT);
	store_bind_u64(&r, k->id);
	store_bind_u64(&r, k->not_before_ms);
	store_bind_u64(&r, k->not_after_ms);
	store_bind_u64(&r, k->erase_ms);
	store_bind_blob(&r, k->sk, sizeof(k->sk));
	int rc = store_run(&r);
	/* The id may have been another key's. */
	if (rc == 0)
		s->must_scrub = true;
	return rc;
}

int store_prekeys(struct store *s, store_prekey_fn *fn, void *arg)
{
	struct store_prekey k = { 0 };
	struct store_run r = store_begin_run(s, SQL_PREKEY_LIST);
	int rc = store_row(&r);
	for (; rc > 0; rc = store_row(&r)) {
		k.id = (uint8_t)store_get_u64(&r);
		k.not_before_ms = store_get_u64(&r);
		k.not_after_ms = store_get_u64(&r);
		k.erase_ms = store_get_u64(&r);
		store_get_blob(&r, k.sk, sizeof(k.sk));
		fn(arg, &k);
	}
	store_end_run(&r);
	sodium_memzero(&k, sizeof(k));
	return rc;
}
