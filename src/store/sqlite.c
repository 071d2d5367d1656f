/*
 * The store on SQLite: opening, and what must be true before the sandbox closes. Write-ahead log
 * with synchronous=NORMAL: a commit is in the kernel when a call returns, so it survives the death
 * of this process. A power loss may take the last commits; it also takes the server's instance id,
 * and without that every packet sent before is worthless. Invariant: after store_open no file is
 * opened by name.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"
#include "store/store.h"

#define READER_WAIT_MS 2000

/* The size the log is cut back to when it starts over. */
#define WAL_KEEP "4194304"

static int plain_file(const char *path, const struct stat *st, struct fault *f)
{
	if (S_ISREG(st->st_mode))
		return 0;
	fault_set(f, "%s: is not a regular file; name one", path);
	return -EINVAL;
}

static int look(const char *path, struct stat *ret, struct fault *f)
{
	/* SQLite would take ":memory:" and "file:" for something else than a name. */
	if (path[0] != '/') {
		fault_set(f, "%s: name the store with its whole path, from /", path);
		return -EINVAL;
	}
	if (lstat(path, ret) == 0)
		return plain_file(path, ret, f);
	int rc = -errno;
	fault_set(f, "%s: cannot be examined: %s", path, strerror(-rc));
	return rc;
}

/* The file exists, is regular and is its owner's alone; SQLite gives the log the same mode. */
static int prepare_file(const char *path, struct fault *f)
{
	struct stat st;
	int rc = look(path, &st, f);
	if (rc == -ENOENT) {
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		rc = fd < 0 ? -errno : 0;
		if (rc < 0)
			fault_set(f, "%s: cannot be made: %s", path, strerror(-rc));
		else
			close(fd);
		return rc;
	}
	if (rc < 0 || (st.st_mode & 07777) == 0600)
		return rc;
	if (chmod(path, 0600) == 0)
		return 0;
	rc = -errno;
	fault_set(f, "%s: its mode cannot be made 0600: %s", path, strerror(-rc));
	return rc;
}

static int open_db(struct store *s, const char *path, int flags, struct fault *f)
{
	int rc = store_errno(s, sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL));
	if (s->db == NULL)
		rc = -ENOMEM;
	if (rc < 0) {
		fault_set(f, "%s: cannot be opened: %s", path, strerror(-rc));
		return rc;
	}
	sqlite3_extended_result_codes(s->db, 1);
	/* A file is data: nothing in it may run, or make SQLite trust what it says. */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	return 0;
}

static int run_script(struct store *s, const char *sql, const char *path, struct fault *f)
{
	int rc = store_errno(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
	if (rc < 0)
		fault_set(f, "%s: cannot be set up: %s (%s)", path, strerror(-rc),
			sqlite3_errmsg(s->db));
	return rc;
}

int store_prepare(struct store *s, enum store_sql id)
{
	if (s->sql[id] != NULL)
		return 0;
	return store_errno(s,
		sqlite3_prepare_v3(s->db, store_sql_text(id), -1, SQLITE_PREPARE_PERSISTENT,
			&s->sql[id], NULL));
}

static int prepare_all(struct store *s, bool is_reader, const char *path, struct fault *f)
{
	for (int i = 0; i < SQL_COUNT; i++) {
		enum store_sql id = (enum store_sql)i;
		if (is_reader && !store_sql_is_read(id))
			continue;
		int rc = store_prepare(s, id);
		if (rc == 0)
			continue;
		fault_set(f, "%s: its tables are not those of this version (%s); move it away",
			path, sqlite3_errmsg(s->db));
		return rc == -EIO ? -EUCLEAN : rc;
	}
	return 0;
}

static int set_up(struct store *s, const char *path, struct fault *f)
{
	int rc = run_script(s,
		"PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
		"PRAGMA cell_size_check = ON;",
		path, f);
	if (rc == 0)
		rc = store_schema_make(s, path, f);
	if (rc == 0)
		rc = run_script(s,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
			"PRAGMA journal_size_limit = " WAL_KEEP ";",
			path, f);
	return rc;
}

/* Is the log in use? Some file systems cannot share its index, and then SQLite stays as it was. */
static int check_wal(struct store *s, const char *path, struct fault *f)
{
	sqlite3_stmt *stmt = NULL;
	bool is_wal = false;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode", -1, &stmt, NULL);
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const unsigned char *mode = sqlite3_column_text(stmt, 0);
		is_wal = mode != NULL && strcmp((const char *)mode, "wal") == 0;
	}
	sqlite3_finalize(stmt);
	if (is_wal)
		return 0;
	fault_set(
		f, "%s: this file system cannot hold a write-ahead log; choose a local one", path);
	return -ENOTSUP;
}

/*
 * What SQLite would open by name later is opened now: the log and its index by a write, their
 * folder (synced once for a new log) by a checkpoint, the system's random numbers by asking for
 * one.
 */
static int settle(struct store *s, const char *path, struct fault *f)
{
	int keep = 1;
	uint8_t seed;
	sqlite3_randomness(sizeof(seed), &seed);
	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	struct store_run r = store_begin_run(s, SQL_OPENED);
	int rc = store_run(&r);
	if (rc == 0)
		rc = store_errno(s,
			sqlite3_wal_checkpoint_v2(
				s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
	if (rc == -EBUSY) /* somebody else's checkpoint is as good */
		rc = 0;
	/* Whoever had the file before may have died between erasing a prekey and cleaning up. */
	s->must_scrub = true;
	if (rc < 0)
		fault_set(f, "%s: cannot be written: %s", path, strerror(-rc));
	return rc;
}

static int fill_writer(struct store *s, const char *path, struct fault *f)
{
	int rc = open_db(s, path, SQLITE_OPEN_READWRITE, f);
	if (rc < 0)
		return rc;
	sqlite3_busy_timeout(s->db, STORE_WRITER_WAIT_MS);
	if (sqlite3_db_readonly(s->db, "main") != 0) {
		fault_set(f, "%s: cannot be written; is its file system read only?", path);
		return -EROFS;
	}
	rc = set_up(s, path, f);
	if (rc == 0)
		rc = check_wal(s, path, f);
	if (rc == 0)
		rc = prepare_all(s, false, path, f);
	if (rc == 0)
		rc = settle(s, path, f);
	return rc;
}

static int fill_reader(struct store *s, const char *path, struct fault *f)
{
	struct stat st;
	int rc = look(path, &st, f);
	if (rc == 0)
		rc = open_db(s, path, SQLITE_OPEN_READONLY, f);
	if (rc < 0)
		return rc;
	sqlite3_busy_timeout(s->db, READER_WAIT_MS);
	rc = run_script(s, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;", path, f);
	if (rc == 0)
		rc = store_schema_check(s, path, f);
	if (rc == 0)
		rc = prepare_all(s, true, path, f);
	return rc;
}

static int open_with(int (*fill)(struct store *, const char *, struct fault *), const char *path,
	struct store **ret, struct fault *f)
{
	struct store *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		fault_set(f, "%s: no memory to open it", path);
		return -ENOMEM;
	}
	int rc = fill(s, path, f);
	if (rc < 0)
		store_close(s);
	else
		*ret = s;
	return rc;
}

int store_open(const char *path, struct store **ret, struct fault *f)
{
	int rc = prepare_file(path, f);
	return rc < 0 ? rc : open_with(fill_writer, path, ret, f);
}

int store_open_reader(const char *path, struct store **ret, struct fault *f)
{
	return open_with(fill_reader, path, ret, f);
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(s->sql[i]);
	sqlite3_close(s->db);
	free(s);
}
