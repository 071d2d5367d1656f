/*
 * Claims: the replay key, its token's counter, that its key is the next one, its gate and its journal line go to disk in one transaction, before
 * anything opens. Invariant: whoever is told STORE_ACCEPTED for a key is the only owner that ever
 * will be. An owner may ask again, after an error or a crash, and hears the same; that is why a
 * failed commit, which may yet come back from the log after a crash, does no harm.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "store/internal.h"

static bool is_same_key(const struct store_claim *a, const struct store_claim *b)
{
	return memcmp(a->replay_key, b->replay_key, STORE_REPLAY_KEY_LEN) == 0;
}

static bool seen_in_batch(const struct store_claim *claims, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (is_same_key(&claims[k], &claims[i]))
			return true;
	return false;
}

/* Who claimed the key that c collides with? */
static int compare_owner(struct store *s, const struct store_claim *c, bool *ret_is_same)
{
	uint8_t owner[STORE_OWNER_LEN];
	struct store_run r = store_begin_run(s, SQL_REPLAY_OWNER);
	store_bind_blob(&r, c->replay_key, sizeof(c->replay_key));
	int rc = store_row(&r);
	if (rc > 0) {
		store_get_blob(&r, owner, sizeof(owner));
		*ret_is_same = sodium_memcmp(owner, c->owner, sizeof(owner)) == 0;
	}
	store_end_run(&r);
	return rc > 0 ? 0 : rc == 0 ? -EUCLEAN : rc;
}

/* Add the key; *ret_is_new says that it was not there. */
static int add_key(struct store *s, const struct store_claim *c, bool *ret_is_new)
{
	struct store_run r = store_begin_run(s, SQL_REPLAY_ADD);
	store_bind_blob(&r, c->replay_key, sizeof(c->replay_key));
	store_bind_blob(&r, c->owner, sizeof(c->owner));
	store_bind_u64(&r, c->replay_until_ms);
	int rc = store_run(&r);
	if (rc == 0)
		*ret_is_new = sqlite3_changes(s->db) == 1;
	return rc;
}

static int claim_one(
	struct store *s, const struct store_claim *claims, size_t i, enum store_answer *ret)
{
	const struct store_claim *c = &claims[i];
	bool is_new = false, is_same = false;
	int rc = add_key(s, c, &is_new);
	if (rc == 0 && is_new) {
		if (c->counter_id != NULL)
			rc = store_counter_raise(s, c->counter_id, c->counter);
		if (rc == 0 && c->key_next != NULL)
			rc = store_key_next_put(s, c->key_next);
		if (rc == 0 && c->gate != NULL)
			rc = store_gate_add(s, c->gate);
		if (rc == 0 && c->record != NULL)
			rc = store_record_add(s, c->record);
		*ret = STORE_ACCEPTED;
		return rc;
	}
	if (rc == 0 && !seen_in_batch(claims, i))
		rc = compare_owner(s, c, &is_same);
	/* The same owner again: its gate and record came to disk with the key. */
	*ret = is_same ? STORE_ACCEPTED : STORE_REPLAY;
	return rc;
}

int store_claim_batch(
	struct store *s, const struct store_claim *claims, size_t n, enum store_answer *answers)
{
	enum store_answer got[STORE_BATCH_MAX];

	for (size_t i = 0; i < n; i++)
		answers[i] = STORE_UNKNOWN;
	if (n > STORE_BATCH_MAX)
		return -EINVAL;
	if (n == 0)
		return 0;
	int rc = store_start(s);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = claim_one(s, claims, i, &got[i]);
	rc = store_finish(s, rc);
	if (rc == 0)
		memcpy(answers, got, n * sizeof(got[0]));
	return rc;
}

int store_replay_known(struct store *s, const uint8_t key[STORE_REPLAY_KEY_LEN])
{
	struct store_run r = store_begin_run(s, SQL_REPLAY_OWNER);
	store_bind_blob(&r, key, STORE_REPLAY_KEY_LEN);
	int rc = store_row(&r);
	store_end_run(&r);
	return rc;
}
