#ifndef POSTERN_STORE_INTERNAL_H
#define POSTERN_STORE_INTERNAL_H

/*
 * Shared by the files of the SQLite back end: the connection, its statements, and one way to bind,
 * run and read them. Statements are made once when the store is opened; nothing is parsed
 * afterwards.
 */

#include <sqlite3.h>

#include "store/store.h"

#define STORE_WRITER_WAIT_MS 250 /* for another process's lock, which none should hold for long */

enum store_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_BEGIN_READ,
	SQL_END_READ,
	SQL_OPENED,
	SQL_REPLAY_ADD,
	SQL_REPLAY_OWNER,
	SQL_GRANT_NEXT,
	SQL_GRANT_SET,
	SQL_GATE_ADD,
	SQL_GATE_STATE,
	SQL_GATE_LIST,
	SQL_GATE_LAST,
	SQL_GATE_FIND,
	SQL_GATE_ENDING,
	SQL_LOCKOUT_PUT,
	SQL_LOCKOUT_REMOVE,
	SQL_LOCKOUT_LIST,
	SQL_JOURNAL_ADD,
	SQL_JOURNAL_LIST,
	SQL_CHAIN_ENDS,
	SQL_CHAIN_LAST,
	SQL_CHAIN_LIST,
	SQL_CHAIN_SET,
	SQL_CHAIN_OLDEST,
	SQL_CHAIN_CUT,
	SQL_CHAIN_ANCHOR,
	SQL_COUNTER_GET,
	SQL_COUNTER_RAISE,
	SQL_KEY_NEXT_GET,
	SQL_KEY_NEXT_PUT,
	SQL_PREKEY_PUT,
	SQL_PREKEY_LIST,
	SQL_EXPIRE_REPLAY,
	SQL_EXPIRE_GATE,
	SQL_EXPIRE_PREKEY,
	SQL_COUNT,
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *sql[SQL_COUNT]; /* NULL: a reader does not have it */
	bool must_scrub;              /* a prekey was erased: the log still holds its bytes */
	bool has_head;                /* in a transaction that has written a record: */
	struct store_head head;       /* the last one's */
};

/* The text of a statement, and whether a reader has it too. */
const char *store_sql_text(enum store_sql id);
bool store_sql_is_read(enum store_sql id);

/* What an SQLite result means in our terms: 0 or -errno. */
int store_errno(struct store *s, int rc);

/*
 * One run of one statement: bind the parameters left to right, then store_run, or store_row until
 * it is 0 and read the columns left to right. A failed bind is remembered and reported by the run.
 * The bytes bound are borrowed until the run is over.
 */
struct store_run {
	struct store *store;
	sqlite3_stmt *stmt;
	int at;
	int rc;
};

struct store_run store_begin_run(struct store *s, enum store_sql id);
void store_bind_u64(struct store_run *r, uint64_t v); /* past INT64_MAX: INT64_MAX */
void store_bind_blob(struct store_run *r, const void *data, size_t len);
void store_bind_text(struct store_run *r, const char *text, size_t cap);
void store_bind_addr(struct store_run *r, const struct addr *a); /* zero: NULL */

/* Run to the end. 0 or -errno. */
__attribute__((warn_unused_result)) int store_run(struct store_run *r);

/* The next row: 1, 0 when there is none, or -errno. store_end_run after the last. */
__attribute__((warn_unused_result)) int store_row(struct store_run *r);
void store_end_run(struct store_run *r);

/* The next column. What is absent or has another length than asked for gives zeros. */
uint64_t store_get_u64(struct store_run *r);
void store_get_blob(struct store_run *r, void *to, size_t len);
void store_get_text(struct store_run *r, char *to, size_t cap);

/* A column of any length up to cap, which is *ret_len then; what is longer gives nothing. */
void store_get_bytes(struct store_run *r, void *to, size_t cap, size_t *ret_len);

/* A transaction. store_finish commits when rc is 0, else rolls back; returns rc or why not. */
__attribute__((warn_unused_result)) int store_start(struct store *s);
__attribute__((warn_unused_result)) int store_finish(struct store *s, int rc);

/* Inside a transaction. */
__attribute__((warn_unused_result)) int store_gate_add(struct store *s, const struct store_gate *g);
__attribute__((warn_unused_result)) int store_record_add(
	struct store *s, const struct store_record *r);

/* The columns of SQL_JOURNAL_LIST and SQL_CHAIN_LIST. */
void store_read_record(struct store_run *r, struct store_record *ret);

/* The hash of a record, its id included, after another's. ret may be before. */
void store_chain_hash(const uint8_t before[STORE_HASH_LEN], const struct store_record *r,
	uint8_t ret[STORE_HASH_LEN]);

/* Where the next record goes on: the hash of the last, and the last id that was given out. */
__attribute__((warn_unused_result)) int store_chain_head(struct store *s, struct store_head *ret);

/* Give every record its hash: for a file that had none. */
__attribute__((warn_unused_result)) int store_chain_build(struct store *s);

/* Forget the oldest records, as many as one call may, and keep the anchor. */
__attribute__((warn_unused_result)) int store_chain_cut(
	struct store *s, uint64_t before_ms, uint64_t wall_ms);

/* -ESTALE when the counter is not greater than the one that is remembered. */
__attribute__((warn_unused_result)) int store_counter_raise(
	struct store *s, const uint8_t key_id[32], uint32_t counter);

__attribute__((warn_unused_result)) int store_key_next_put(
	struct store *s, const uint8_t key_id[32]);

/* Make the file ours when it is new, refuse it when it is another's or damaged. 0 or -errno with
 * *f. */
__attribute__((warn_unused_result)) int store_schema_make(
	struct store *s, const char *path, struct fault *f);
/* Make one statement ready before the others. 0 or -errno. */
__attribute__((warn_unused_result)) int store_prepare(struct store *s, enum store_sql id);

__attribute__((warn_unused_result)) int store_schema_check(
	struct store *s, const char *path, struct fault *f);

#endif
