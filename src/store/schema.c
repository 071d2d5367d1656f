/*
 * What the file looks like, and how we know it for ours: application_id says postern, user_version
 * says which tables. Invariant: nothing is written to a file before it is known to be ours or
 * empty.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"

#define APPLICATION_ID 0x70737472 /* "pstr" */
#define SCHEMA_VERSION 6
#define CHAINED_VERSION 5 /* the first whose journal is chained */

/* Up to this size every page is looked at when the store is opened, which takes well under a
 * second; past it only what the statements touch. */
#define CHECK_ALL_MAX (64LL << 20)

#define QUOTED(x) QUOTED_(x)
#define QUOTED_(x) #x

#define FIDO_TABLE                                                                                 \
	"CREATE TABLE fido(key_id BLOB PRIMARY KEY, counter INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

#define LOCKOUT_TABLE                                                                               \
	"CREATE TABLE lockout(key BLOB PRIMARY KEY, name TEXT NOT NULL, since_ms INTEGER NOT NULL," \
	" by TEXT NOT NULL, text TEXT NOT NULL) STRICT, WITHOUT ROWID;"

#define KEY_NEXT_TABLE "CREATE TABLE key_next(key_id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
/* cut: the last record that retention took. old_id: the last that is older than the chain. */
#define CHAIN_TABLE                                                                                \
	"CREATE TABLE chain(cut_id INTEGER NOT NULL, cut_hash BLOB NOT NULL,"                      \
	" old_id INTEGER NOT NULL) STRICT;"

#define MARK                                                                                       \
	"PRAGMA application_id = " QUOTED(APPLICATION_ID) ";PRAGMA user_version = " QUOTED(        \
		SCHEMA_VERSION) ";"

/*
 * No index on name or source: decisions are written all the time and searched by a person now and
 * then. replay has no rowid: its key is the row. AUTOINCREMENT: a journal id is never used twice.
 */
static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE counter(next_grant INTEGER NOT NULL, opened INTEGER NOT NULL) STRICT;"
	"INSERT INTO counter VALUES(1, 0);"
	"CREATE TABLE replay(key BLOB PRIMARY KEY, owner BLOB NOT NULL, until_ms INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX replay_until ON replay(until_ms);"
	"CREATE TABLE gate(grant_id INTEGER PRIMARY KEY, mark INTEGER NOT NULL,"
	" state INTEGER NOT NULL, name TEXT NOT NULL, key_id BLOB NOT NULL, service TEXT NOT NULL,"
	" source BLOB, proto INTEGER NOT NULL, port INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" opened_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, lease_until_ms INTEGER NOT NULL,"
	" door TEXT NOT NULL, is_certified INTEGER NOT NULL, not_after_ms INTEGER NOT NULL,"
	" path BLOB NOT NULL, times INTEGER NOT NULL, bits INTEGER NOT NULL,"
	" source_port INTEGER NOT NULL, port_last INTEGER NOT NULL) STRICT;"
	"CREATE INDEX gate_end ON gate(max(until_ms, lease_until_ms));"
	"CREATE TABLE journal(id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms INTEGER NOT NULL,"
	" event INTEGER NOT NULL, reason TEXT NOT NULL, name TEXT NOT NULL, key_id BLOB NOT NULL,"
	" service TEXT NOT NULL, door TEXT NOT NULL, source BLOB, source_port INTEGER NOT NULL,"
	" grant_id INTEGER NOT NULL, until_ms INTEGER NOT NULL, list TEXT NOT NULL,"
	" entry TEXT NOT NULL, text TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
	"CREATE TABLE prekey(id INTEGER PRIMARY KEY, not_before_ms INTEGER NOT NULL,"
	" not_after_ms INTEGER NOT NULL, erase_ms INTEGER NOT NULL, sk BLOB NOT NULL) STRICT;" FIDO_TABLE
		LOCKOUT_TABLE KEY_NEXT_TABLE CHAIN_TABLE
	"INSERT INTO chain VALUES(0, zeroblob(32), 0);" MARK "COMMIT;";

/*
 * What came with each layout since the first: counters of tokens; lock-outs, and what a gate was granted
 * by; keys that follow others; the chain of the journal, which is then made for the records there are
 * (from id 0 of a zero hash); more kinds of gates. Of the gates of older layouts the directory knew every
 * owner, and the end of each lease stands in
 * its own column, so that no end of the identity is needed.
 */
static const char *const upgrades[SCHEMA_VERSION] = {
	[1] = FIDO_TABLE,
	[2] = "ALTER TABLE gate ADD COLUMN door TEXT NOT NULL DEFAULT '';"
	      "ALTER TABLE gate ADD COLUMN is_certified INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE gate ADD COLUMN not_after_ms INTEGER NOT NULL"
	      " DEFAULT 9223372036854775807;"
	      "ALTER TABLE gate ADD COLUMN path BLOB NOT NULL DEFAULT x'';" LOCKOUT_TABLE,
	[3] = KEY_NEXT_TABLE,
	[4] = "ALTER TABLE journal ADD COLUMN hash BLOB NOT NULL DEFAULT x'';"
	      "DROP INDEX journal_wall;" CHAIN_TABLE "INSERT INTO chain VALUES("
	      " coalesce((SELECT min(id) - 1 FROM journal),"
	      " (SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0), zeroblob(32),"
	      " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0));",
	[5] = "ALTER TABLE gate RENAME COLUMN is_once TO kind;"
	      "UPDATE gate SET kind = kind = 0;"
	      "ALTER TABLE gate ADD COLUMN times INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE gate ADD COLUMN bits INTEGER NOT NULL DEFAULT 128;"
	      "ALTER TABLE gate ADD COLUMN source_port INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE gate ADD COLUMN port_last INTEGER NOT NULL DEFAULT 0;",
};

/* The first column of the first row, as a number. 0 or -errno. */
static int ask(struct store *s, const char *sql, sqlite3_int64 *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? -EUCLEAN : store_errno(s, rc);
}

/* 0 when SQLite finds nothing wrong with the pages, else -errno. */
static int check_pages(struct store *s)
{
	sqlite3_int64 count = 0, size = 0;
	int rc = ask(s, "PRAGMA page_count", &count);
	if (rc == 0)
		rc = ask(s, "PRAGMA page_size", &size);
	if (rc < 0)
		return rc;
	if (count > CHECK_ALL_MAX / (size > 0 ? size : 1))
		return 0;
	sqlite3_stmt *stmt = NULL;
	bool is_sound = false;
	int step = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	if (step == SQLITE_OK)
		step = sqlite3_step(stmt);
	if (step == SQLITE_ROW) {
		const unsigned char *text = sqlite3_column_text(stmt, 0);
		is_sound = text != NULL && strcmp((const char *)text, "ok") == 0;
	}
	sqlite3_finalize(stmt);
	rc = store_errno(s, step);
	return rc < 0 ? rc : is_sound ? 0 : -EUCLEAN;
}

static int damaged(const char *path, struct fault *f)
{
	fault_set(f,
		"%s: is damaged; move it and the files %s-wal and %s-shm away and start again:"
		" knocks sent before then are refused by the new instance id",
		path, path, path);
	return -EUCLEAN;
}

static int explain(struct store *s, int rc, const char *path, struct fault *f)
{
	if (rc == -EUCLEAN)
		return damaged(path, f);
	fault_set(f, "%s: cannot be read: %s (%s)", path, strerror(-rc), sqlite3_errmsg(s->db));
	return rc;
}

/* What the file says of itself. 0 or -errno. */
struct mark {
	sqlite3_int64 application, version, objects;
};

static int read_mark(struct store *s, struct mark *ret)
{
	int rc = ask(s, "PRAGMA application_id", &ret->application);
	if (rc == 0)
		rc = ask(s, "PRAGMA user_version", &ret->version);
	if (rc == 0)
		rc = ask(s, "SELECT count(*) FROM sqlite_schema", &ret->objects);
	return rc;
}

int store_schema_check(struct store *s, const char *path, struct fault *f)
{
	struct mark m = { 0 };
	int rc = read_mark(s, &m);
	if (rc < 0)
		return explain(s, rc, path, f);
	if (m.application != APPLICATION_ID) {
		fault_set(f, "%s: is not a store of postern; name another file or move it away",
			path);
		return -EMEDIUMTYPE;
	}
	if (m.version != SCHEMA_VERSION) {
		fault_set(f,
			"%s: was made by another version of postern (layout %lld, this one reads"
			" %d); move it away or use that version",
			path, (long long)m.version, SCHEMA_VERSION);
		return -EMEDIUMTYPE;
	}
	rc = check_pages(s);
	return rc < 0 ? explain(s, rc, path, f) : 0;
}

static bool is_empty(const struct mark *m)
{
	return m->application == 0 && m->version == 0 && m->objects == 0;
}

/* The tables of this version, in a file that had none. */
static int run_schema(struct store *s, const char *sql, const char *path, struct fault *f)
{
	/* The log's mode is set first, so that making the tables needs no rollback journal. */
	int done = sqlite3_exec(
		s->db, "PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = WAL;", NULL, NULL, NULL);
	if (done == SQLITE_OK)
		done = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	int rc = store_errno(s, done);
	if (rc < 0)
		fault_set(f, "%s: cannot be made: %s (%s)", path, strerror(-rc),
			sqlite3_errmsg(s->db));
	return rc;
}

static int chain_old_records(struct store *s)
{
	static const enum store_sql needed[] = { SQL_CHAIN_ENDS, SQL_CHAIN_LIST, SQL_CHAIN_SET };
	int rc = 0;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && rc == 0; i++)
		rc = store_prepare(s, needed[i]);
	return rc == 0 ? store_chain_build(s) : rc;
}

/* From a layout to this one, in one transaction: a failure leaves the file as it was. */
static int upgrade(struct store *s, size_t from, const char *path, struct fault *f)
{
	int done = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (size_t i = from; i < SCHEMA_VERSION && done == SQLITE_OK; i++)
		done = sqlite3_exec(s->db, upgrades[i], NULL, NULL, NULL);
	int rc = store_errno(s, done);
	/* A chain that is there stays as it is: made anew, it would fit whatever somebody altered. */
	if (rc == 0 && from < CHAINED_VERSION)
		rc = chain_old_records(s);
	if (rc == 0)
		rc = store_errno(s, sqlite3_exec(s->db, MARK "COMMIT", NULL, NULL, NULL));
	if (rc < 0) {
		fault_set(f, "%s: cannot be taken on from an older version: %s (%s)", path,
			strerror(-rc), sqlite3_errmsg(s->db));
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	}
	return rc;
}

int store_schema_make(struct store *s, const char *path, struct fault *f)
{
	struct mark m = { 0 };
	int rc = read_mark(s, &m);
	if (rc < 0)
		return explain(s, rc, path, f);
	if (is_empty(&m))
		return run_schema(s, schema, path, f);
	if (m.application != APPLICATION_ID || m.version < 1 || m.version >= SCHEMA_VERSION)
		return store_schema_check(s, path, f);
	rc = check_pages(s);
	return rc < 0 ? explain(s, rc, path, f) : upgrade(s, (size_t)m.version, path, f);
}
