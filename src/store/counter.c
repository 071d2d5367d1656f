/*
 * Counters of tokens' signatures and of tagged sequences. Invariant: what is remembered of a key only grows,
 * and lives as long as the store: there are as many rows as there were such keys, which the directory and
 * the files of keys bound. The table has the name of its first use.
 */

#include <errno.h>

#include "store/internal.h"

int store_counter_get(struct store *s, const uint8_t key_id[32], uint32_t *ret)
{
	struct store_run r = store_begin_run(s, SQL_COUNTER_GET);
	store_bind_blob(&r, key_id, 32);
	int rc = store_row(&r);
	if (rc > 0)
		*ret = (uint32_t)store_get_u64(&r);
	store_end_run(&r);
	return rc;
}

int store_counter_raise(struct store *s, const uint8_t key_id[32], uint32_t counter)
{
	struct store_run r = store_begin_run(s, SQL_COUNTER_RAISE);
	store_bind_blob(&r, key_id, 32);
	store_bind_u64(&r, counter);
	int rc = store_run(&r);
	return rc == 0 && sqlite3_changes(s->db) != 1 ? -ESTALE : rc;
}
