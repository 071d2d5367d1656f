/*
 * Keys that follow others (key-next of a directory's line), once they were used. Invariant: what is here was
 * accepted, and stays for as long as the store lives: there are as many rows as there were rollovers.
 */

#include "store/internal.h"

int store_key_next_known(struct store *s, const uint8_t key_id[32])
{
	struct store_run r = store_begin_run(s, SQL_KEY_NEXT_GET);
	store_bind_blob(&r, key_id, 32);
	int rc = store_row(&r);
	store_end_run(&r);
	return rc;
}

int store_key_next_put(struct store *s, const uint8_t key_id[32])
{
	struct store_run r = store_begin_run(s, SQL_KEY_NEXT_PUT);
	store_bind_blob(&r, key_id, 32);
	return store_run(&r);
}
