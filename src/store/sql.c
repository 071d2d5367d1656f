/*
 * Every statement of the store, in one table, and the one way they are run. Invariant: a statement
 * is reset and holds no borrowed bytes when a function of the store returns.
 */

#include <errno.h>
#include <string.h>

#include "store/internal.h"

/* The columns of a record, in the order in which it is read. */
#define RECORD                                                                                     \
	"id, wall_ms, event, reason, name, key_id, service, door, source, source_port, grant_id,"  \
	" until_ms, list, entry, text, hash"

/* The columns of a gate, in the order in which it is read. */
#define GATE                                                                                       \
	"grant_id, mark, state, name, key_id, service, source, proto, port, kind, opened_ms,"      \
	" until_ms, lease_until_ms, door, is_certified, not_after_ms, path, times, bits,"          \
	" source_port, port_last"

static const struct {
	const char *text;
	bool is_read;
} statements[SQL_COUNT] = {
	[SQL_BEGIN] = { "BEGIN IMMEDIATE", false },
	[SQL_COMMIT] = { "COMMIT", false },
	[SQL_ROLLBACK] = { "ROLLBACK", false },
	[SQL_BEGIN_READ] = { "BEGIN", true },
	[SQL_END_READ] = { "COMMIT", true },
	[SQL_OPENED] = { "UPDATE counter SET opened = opened + 1", false },
	[SQL_REPLAY_ADD] = { "INSERT INTO replay(key, owner, until_ms) VALUES(?, ?, ?)"
			     " ON CONFLICT(key) DO NOTHING",
		false },
	[SQL_REPLAY_OWNER] = { "SELECT owner FROM replay WHERE key = ?", true },
	[SQL_GRANT_NEXT] = { "SELECT next_grant FROM counter", false },
	[SQL_GRANT_SET] = { "UPDATE counter SET next_grant = ?", false },
	[SQL_GATE_ADD] = { "INSERT INTO gate(grant_id, mark, state, name, key_id, service, source,"
			   " proto, port, kind, opened_ms, until_ms, lease_until_ms, door,"
			   " is_certified, not_after_ms, path, times, bits, source_port, port_last)"
			   " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		false },
	/* States only go forward: what ended stays ended, whatever order events come in. */
	/* One whose lease has no end is over for good then, and may be forgotten. */
	[SQL_GATE_STATE] = { "UPDATE gate SET state = ?1, lease_until_ms = CASE"
			     " WHEN ?1 > 2 AND lease_until_ms = 9223372036854775807"
			     " THEN until_ms ELSE lease_until_ms END"
			     " WHERE grant_id = ?2 AND state < ?1 AND state IN (1, 2)",
		false },
	[SQL_GATE_LIST] = { "SELECT " GATE " FROM gate"
			    " WHERE max(until_ms, lease_until_ms) > ? AND state IN (1, 2)"
			    " ORDER BY grant_id",
		true },
	[SQL_GATE_LAST] = { "SELECT coalesce(max(grant_id), 0) FROM gate", true },
	[SQL_GATE_FIND] = { "SELECT " GATE " FROM gate WHERE grant_id = ?", true },
	/* By the index on the end, which of what is still open or used is the lease's. */
	[SQL_GATE_ENDING] = { "SELECT " GATE " FROM gate WHERE max(until_ms, lease_until_ms) > ?1"
			      " AND max(until_ms, lease_until_ms) <= ?2 AND state IN (1, 2)"
			      " ORDER BY max(until_ms, lease_until_ms), grant_id",
		true },
	[SQL_LOCKOUT_PUT] = { "INSERT INTO lockout(key, name, since_ms, by, text)"
			      " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(key) DO UPDATE SET"
			      " by = ?4, text = ?5",
		false },
	[SQL_LOCKOUT_REMOVE] = { "DELETE FROM lockout WHERE key = ?", false },
	[SQL_LOCKOUT_LIST] = { "SELECT key, name, since_ms, by, text FROM lockout"
			       " ORDER BY name COLLATE NOCASE, key",
		true },
	[SQL_JOURNAL_ADD] = { "INSERT INTO journal(id, wall_ms, event, reason, name, key_id,"
			      " service, door, source, source_port, grant_id, until_ms, list, entry,"
			      " text, hash) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		false },
	[SQL_JOURNAL_LIST] = { "SELECT " RECORD " FROM journal WHERE id IN (SELECT id FROM journal"
			       " WHERE id > ?1 AND wall_ms >= ?2"
			       " AND (?3 = '' OR name = ?3 COLLATE NOCASE)"
			       " AND (?4 IS NULL OR source = ?4)"
			       " AND (?6 = 0 OR wall_ms <= ?6) AND (?7 = '' OR service = ?7)"
			       " AND (?8 = 0 OR event = ?8) ORDER BY id DESC LIMIT ?5)"
			       " ORDER BY id",
		true },
	[SQL_CHAIN_ENDS] = { "SELECT cut_id, cut_hash, old_id,"
			     " (SELECT seq FROM sqlite_sequence WHERE name = 'journal') FROM chain",
		true },
	[SQL_CHAIN_LAST] = { "SELECT id, hash FROM journal ORDER BY id DESC LIMIT 1", true },
	[SQL_CHAIN_LIST] = { "SELECT " RECORD " FROM journal WHERE id > ? ORDER BY id", true },
	[SQL_CHAIN_SET] = { "UPDATE journal SET hash = ?2 WHERE id = ?1", false },
	[SQL_CHAIN_OLDEST] = { "SELECT id, wall_ms, hash FROM journal ORDER BY id LIMIT ?", false },
	[SQL_CHAIN_CUT] = { "DELETE FROM journal WHERE id <= ?", false },
	[SQL_CHAIN_ANCHOR] = { "UPDATE chain SET cut_id = ?, cut_hash = ?", false },
	[SQL_COUNTER_GET] = { "SELECT counter FROM fido WHERE key_id = ?", true },
	[SQL_COUNTER_RAISE] = { "INSERT INTO fido(key_id, counter) VALUES(?, ?)"
				" ON CONFLICT(key_id) DO UPDATE SET counter = excluded.counter"
				" WHERE excluded.counter > counter",
		false },
	[SQL_KEY_NEXT_GET] = { "SELECT 1 FROM key_next WHERE key_id = ?", true },
	[SQL_KEY_NEXT_PUT] = { "INSERT INTO key_next(key_id) VALUES(?)"
			       " ON CONFLICT(key_id) DO NOTHING",
		false },
	[SQL_PREKEY_PUT] = { "INSERT INTO prekey(id, not_before_ms, not_after_ms, erase_ms, sk)"
			     " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE SET"
			     " not_before_ms = ?2, not_after_ms = ?3, erase_ms = ?4, sk = ?5",
		false },
	[SQL_PREKEY_LIST] = { "SELECT id, not_before_ms, not_after_ms, erase_ms, sk FROM prekey"
			      " ORDER BY not_before_ms, id",
		true },
	[SQL_EXPIRE_REPLAY] = { "DELETE FROM replay WHERE key IN (SELECT key FROM replay"
				" WHERE until_ms <= ? ORDER BY until_ms LIMIT 4000)",
		false },
	[SQL_EXPIRE_GATE] = { "DELETE FROM gate WHERE grant_id IN (SELECT grant_id FROM gate"
			      " WHERE max(until_ms, lease_until_ms) <= ?"
			      " ORDER BY max(until_ms, lease_until_ms) LIMIT 1000)",
		false },
	[SQL_EXPIRE_PREKEY] = { "DELETE FROM prekey WHERE erase_ms <= ?", false },
};

const char *store_sql_text(enum store_sql id)
{
	return statements[id].text;
}

bool store_sql_is_read(enum store_sql id)
{
	return statements[id].is_read;
}

/* The system's word on a failed read or write, where it says more than "input/output". */
static int system_errno(struct store *s)
{
	int e = sqlite3_system_errno(s->db);
	if (e == ENOSPC || e == EDQUOT)
		return -ENOSPC;
	return e == EROFS ? -EROFS : -EIO;
}

int store_errno(struct store *s, int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS)
		return -EUCLEAN; /* the file ends before its pages do */
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN: {
		int e = sqlite3_system_errno(s->db);
		return e > 0 ? -e : -EIO;
	}
	case SQLITE_IOERR:
		return system_errno(s);
	default:
		return -EIO;
	}
}

struct store_run store_begin_run(struct store *s, enum store_sql id)
{
	sqlite3_stmt *stmt = s->sql[id];
	return (struct store_run){ s, stmt, 0, stmt == NULL ? SQLITE_READONLY : SQLITE_OK };
}

/* Remember the first failure. SQLite ignores a NULL statement and answers SQLITE_MISUSE. */
static void bound(struct store_run *r, int rc)
{
	if (r->rc == SQLITE_OK)
		r->rc = rc;
}

void store_bind_u64(struct store_run *r, uint64_t v)
{
	if (r->rc != SQLITE_OK)
		return;
	sqlite3_int64 i = v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v;
	bound(r, sqlite3_bind_int64(r->stmt, ++r->at, i));
}

void store_bind_blob(struct store_run *r, const void *data, size_t len)
{
	if (r->rc == SQLITE_OK)
		bound(r, sqlite3_bind_blob64(r->stmt, ++r->at, data, len, SQLITE_STATIC));
}

void store_bind_text(struct store_run *r, const char *text, size_t cap)
{
	if (r->rc != SQLITE_OK)
		return;
	int len = (int)strnlen(text, cap - 1);
	bound(r, sqlite3_bind_text(r->stmt, ++r->at, text, len, SQLITE_STATIC));
}

void store_bind_addr(struct store_run *r, const struct addr *a)
{
	if (!addr_is_zero(a))
		store_bind_blob(r, a->b, sizeof(a->b));
	else if (r->rc == SQLITE_OK)
		bound(r, sqlite3_bind_null(r->stmt, ++r->at));
}

void store_end_run(struct store_run *r)
{
	if (r->stmt == NULL)
		return;
	sqlite3_reset(r->stmt);
	sqlite3_clear_bindings(r->stmt);
}

int store_row(struct store_run *r)
{
	if (r->rc == SQLITE_OK)
		r->rc = sqlite3_step(r->stmt);
	if (r->rc != SQLITE_ROW)
		return store_errno(r->store, r->rc);
	r->rc = SQLITE_OK;
	r->at = 0;
	return 1;
}

int store_run(struct store_run *r)
{
	int rc = store_row(r);
	store_end_run(r);
	return rc > 0 ? 0 : rc;
}

uint64_t store_get_u64(struct store_run *r)
{
	sqlite3_int64 v = sqlite3_column_int64(r->stmt, r->at++);
	return v < 0 ? 0 : (uint64_t)v;
}

void store_get_blob(struct store_run *r, void *to, size_t len)
{
	int column = r->at++;
	const void *data = sqlite3_column_blob(r->stmt, column);
	if (data != NULL && (size_t)sqlite3_column_bytes(r->stmt, column) == len)
		memcpy(to, data, len);
	else
		memset(to, 0, len);
}

void store_get_text(struct store_run *r, char *to, size_t cap)
{
	int column = r->at++;
	const unsigned char *text = sqlite3_column_text(r->stmt, column);
	size_t len = text == NULL ? 0 : (size_t)sqlite3_column_bytes(r->stmt, column);
	if (len >= cap)
		len = cap - 1;
	if (len != 0)
		memcpy(to, text, len);
	to[len] = '\0';
}

void store_get_bytes(struct store_run *r, void *to, size_t cap, size_t *ret_len)
{
	int column = r->at++;
	const void *data = sqlite3_column_blob(r->stmt, column);
	size_t len = data == NULL ? 0 : (size_t)sqlite3_column_bytes(r->stmt, column);
	*ret_len = len <= cap ? len : 0;
	if (*ret_len > 0)
		memcpy(to, data, *ret_len);
}

int store_start(struct store *s)
{
	s->has_head = false;
	struct store_run r = store_begin_run(s, SQL_BEGIN);
	return store_run(&r);
}

int store_finish(struct store *s, int rc)
{
	s->has_head = false;
	if (rc == 0) {
		struct store_run r = store_begin_run(s, SQL_COMMIT);
		rc = store_run(&r);
	}
	/* Some failures have rolled back by themselves. */
	if (rc < 0 && s->db != NULL && sqlite3_get_autocommit(s->db) == 0) {
		struct store_run r = store_begin_run(s, SQL_ROLLBACK);
		int ignored = store_run(&r);
		(void)ignored;
	}
	return rc;
}
