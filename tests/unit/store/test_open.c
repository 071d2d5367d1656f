/* Opening: new, ours, another's, damaged; who may read beside whom, alive or dead. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "place.h"
#include "test.h"

static int try_open(const char *path, struct fault *f)
{
	struct store *s = NULL;
	f->text[0] = '\0';
	int rc = store_open(path, &s, f);
	store_close(s);
	return rc;
}

static int try_read(const char *path, struct fault *f)
{
	struct store *s = NULL;
	f->text[0] = '\0';
	int rc = store_open_reader(path, &s, f);
	store_close(s);
	return rc;
}

static mode_t mode_of(const char *path, const char *end)
{
	char name[128];
	struct stat st;
	snprintf(name, sizeof(name), "%s%s", path, end);
	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static void test_new_file(void **state)
{
	struct place *p = *state;
	umask(0);
	struct store *s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(mode_of(p->path, ""), 0600);
	assert_int_equal(mode_of(p->path, "-wal"), 0600);
	assert_int_equal(mode_of(p->path, "-shm"), 0600);
	store_close(s);
	/* The log stays, so that a reader may come whenever it likes. */
	assert_int_equal(mode_of(p->path, "-wal"), 0600);
	assert_int_equal(chmod(p->path, 0644), 0);
	s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(mode_of(p->path, ""), 0600);
	store_close(s);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void count_lockout(void *arg, const struct store_lockout *l)
{
	(void)l;
	++*(int *)arg;
}

static void test_not_ours(void **state)
{
	static const struct {
		const char *name;
		const char *sql;
		const char *says;
		int rc;
	} cases[] = {
		{ "tables of another program", "CREATE TABLE t(x)", "not a store", -EMEDIUMTYPE },
		{ "another's mark", "PRAGMA application_id = 5", "not a store", -EMEDIUMTYPE },
		{ "a version but no mark", "PRAGMA user_version = 1", "not a store", -EMEDIUMTYPE },
		{ "a newer version of ours",
			"PRAGMA application_id = 0x70737472; PRAGMA user_version = 7; CREATE TABLE t(x)",
			"another version", -EMEDIUMTYPE },
		{ "our mark, other tables",
			"PRAGMA application_id = 0x70737472; PRAGMA user_version = 6; CREATE TABLE t(x)",
			"tables", -EUCLEAN },
	};
	struct place *p = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fault f;
		unlink(p->path);
		run_sql(p->path, cases[i].sql);
		TEST_CASE(cases[i].name, try_read(p->path, &f) == cases[i].rc);
		TEST_CASE(cases[i].name, strstr(f.text, cases[i].says) != NULL);
		TEST_CASE(cases[i].name, try_open(p->path, &f) == cases[i].rc);
		TEST_CASE(cases[i].name, strstr(f.text, cases[i].says) != NULL);
		TEST_CASE(cases[i].name, strstr(f.text, p->path) == f.text);
	}
}

/* The files of former layouts, made from one of today by taking away what they had not. */
static void make_layout_5(const char *path)
{
	run_sql(path,
		"ALTER TABLE gate DROP COLUMN times; ALTER TABLE gate DROP COLUMN bits;"
		"ALTER TABLE gate DROP COLUMN source_port; ALTER TABLE gate DROP COLUMN port_last;"
		"ALTER TABLE gate RENAME COLUMN kind TO is_once;"
		"UPDATE gate SET is_once = is_once = 0; PRAGMA user_version = 5");
}

static void make_layout_4(const char *path)
{
	make_layout_5(path);
	run_sql(path,
		"ALTER TABLE journal DROP COLUMN hash; DROP TABLE chain;"
		"CREATE INDEX journal_wall ON journal(wall_ms); PRAGMA user_version = 4");
}

static void make_layout_3(const char *path)
{
	make_layout_4(path);
	run_sql(path, "DROP TABLE key_next; PRAGMA user_version = 3");
}

static void make_layout_2(const char *path)
{
	make_layout_3(path);
	run_sql(path,
		"ALTER TABLE gate DROP COLUMN path; ALTER TABLE gate DROP COLUMN not_after_ms;"
		"ALTER TABLE gate DROP COLUMN is_certified; ALTER TABLE gate DROP COLUMN door;"
		"DROP TABLE lockout; PRAGMA user_version = 2");
}

static void make_layout_1(const char *path)
{
	make_layout_2(path);
	run_sql(path, "DROP TABLE fido; PRAGMA user_version = 1");
}

static void keep_gate(void *arg, const struct store_gate *g)
{
	*(struct store_gate *)arg = *g;
}

/* A gate of a former layout is still there, with what is not known of it, and a lock-out can be added. */
static void test_gates_are_taken_on(void **state)
{
	static void (*const makers[])(const char *) = { make_layout_1, make_layout_2, make_layout_3,
		make_layout_4, make_layout_5 };
	struct place *p = *state;
	for (uint32_t i = 0; i < TEST_LEN(makers); i++) {
		struct store_gate g = place_gate(i + 1), got = { 0 };
		struct store_claim c = place_claim(i, 1);
		struct store_lockout l = { .key_len = 1, .key = { 9 }, .name = "x/VSD" };
		enum store_answer answer = STORE_UNKNOWN;
		int lockouts = 0;
		bool has_grounds = i >= 2;
		g.path_count = 1;
		g.kind = i % 2;
		c.gate = &g;
		struct store *s = place_open(p->path);
		assert_int_equal(store_claim_batch(s, &c, 1, &answer), 0);
		store_close(s);
		makers[i](p->path);
		s = place_open(p->path);
		assert_non_null(s);
		assert_int_equal(store_gates(s, 1, keep_gate, &got), 0);
		assert_int_equal(got.grant_id, i + 1);
		assert_string_equal(got.name, g.name);
		assert_string_equal(got.door, "");
		assert_false(got.is_certified);
		assert_true(has_grounds || got.not_after_ms == UINT64_MAX);
		assert_int_equal(got.path_count, has_grounds ? 1 : 0);
		assert_int_equal(got.kind, g.kind);
		assert_int_equal(got.times, 0);
		assert_int_equal(got.bits, 128);
		assert_int_equal(got.source_port, 0);
		assert_int_equal(got.port_last, 0);
		assert_int_equal(store_lockout_put(s, &l, NULL), 0);
		store_close(s);
		s = place_open_reader(p->path);
		assert_int_equal(store_lockouts(s, count_lockout, &lockouts), 0);
		assert_int_equal(lockouts, 1);
		store_close(s);
	}
}

/* Records from before the chain get one, whatever ids are missing among them; and it goes on after them. */
static void test_records_are_chained(void **state)
{
	static void (*const makers[])(
		const char *) = { make_layout_1, make_layout_2, make_layout_3, make_layout_4 };
	struct place *p = *state;
	for (size_t i = 0; i < TEST_LEN(makers); i++) {
		struct store_record r = place_record(i);
		struct store_check check = { .id = 0 };
		uint64_t first = 6 * i + 1;
		struct store *s = place_open(p->path);
		for (int k = 0; k < 4; k++)
			assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
		store_close(s);
		makers[i](p->path);
		char sql[128];
		snprintf(sql, sizeof(sql), "DELETE FROM journal WHERE id IN (%d, %d) OR id < %d",
			(int)first, (int)first + 2, (int)first);
		run_sql(p->path, sql);
		s = place_open(p->path);
		assert_non_null(s);
		assert_int_equal(store_verify(s, NULL, &check), 0);
		assert_int_equal(check.chain, STORE_CHAIN_WHOLE);
		assert_int_equal(check.count, 2);
		assert_int_equal(check.anchor.id, first);
		for (int k = 0; k < 2; k++)
			assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
		assert_int_equal(store_verify(s, NULL, &check), 0);
		assert_int_equal(check.chain, STORE_CHAIN_WHOLE);
		assert_int_equal(check.head.id, first + 5);
		store_close(s);
	}
}

/* The chain of a former layout is taken on as it is: whoever altered a record is still found out. */
static void test_chain_is_taken_on(void **state)
{
	struct place *p = *state;
	for (int is_altered = 0; is_altered < 2; is_altered++) {
		struct store_record r = place_record(1);
		struct store_check check = { .id = 0 };
		struct store *s = place_open(p->path);
		for (int k = 0; k < 3; k++)
			assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
		store_close(s);
		make_layout_5(p->path);
		if (is_altered)
			run_sql(p->path, "UPDATE journal SET name = 'somebody/else' WHERE id = 2");
		s = place_open(p->path);
		assert_non_null(s);
		assert_int_equal(store_write(s, NULL, 0, &r, 1), 0);
		assert_int_equal(store_verify(s, NULL, &check), 0);
		assert_int_equal(check.chain == STORE_CHAIN_WHOLE, !is_altered);
		store_close(s);
	}
}

/* An upgrade that cannot be finished leaves the file as it was, for the version that made it. */
static void test_upgrade_is_whole(void **state)
{
	struct place *p = *state;
	struct fault f;
	store_close(place_open(p->path));
	make_layout_1(p->path);
	run_sql(p->path, "CREATE TABLE lockout(x)");
	assert_true(try_open(p->path, &f) < 0);
	assert_non_null(strstr(f.text, "cannot be taken on from an older version"));
	run_sql(p->path,
		"DROP TABLE lockout; CREATE TABLE fido(x); DROP TABLE fido;"
		"ALTER TABLE gate ADD COLUMN door TEXT; ALTER TABLE gate DROP COLUMN door");
	store_close(place_open(p->path));
	assert_int_equal(try_read(p->path, &f), 0);
}

/* A store of layout 3 gets the table of keys that follow others, and keeps its lock-outs. */
static void test_layout_3_is_taken_on(void **state)
{
	static const uint8_t key_id[32] = { 8 };
	struct place *p = *state;
	struct store_lockout l = { .key_len = 1, .key = { 9 }, .name = "x/VSD" };
	struct store_claim c = place_claim(1, 1);
	enum store_answer got = STORE_UNKNOWN;
	int lockouts = 0;
	struct store *s = place_open(p->path);
	assert_int_equal(store_lockout_put(s, &l, NULL), 0);
	store_close(s);
	make_layout_3(p->path);
	s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(store_key_next_known(s, key_id), 0);
	c.key_next = key_id;
	assert_int_equal(store_claim_batch(s, &c, 1, &got), 0);
	assert_int_equal(store_key_next_known(s, key_id), 1);
	assert_int_equal(store_lockouts(s, count_lockout, &lockouts), 0);
	assert_int_equal(lockouts, 1);
	store_close(s);
}

/* A store of layout 1, which had no counters, keeps what it has and gets the table. */
static void test_layout_1_is_taken_on(void **state)
{
	struct place *p = *state;
	struct store_claim c = place_claim(1, 1), token = place_claim(2, 1);
	static const uint8_t key_id[32] = { 7 };
	enum store_answer got = STORE_UNKNOWN;
	struct fault f;
	uint32_t counter = 0;

	struct store *s = place_open(p->path);
	assert_int_equal(store_claim_batch(s, &c, 1, &got), 0);
	store_close(s);
	make_layout_1(p->path);
	assert_int_equal(try_read(p->path, &f), -EMEDIUMTYPE);
	assert_non_null(strstr(f.text, "another version"));
	s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(place_known(s, 1), 1);
	token.counter_id = key_id;
	token.counter = 3;
	assert_int_equal(store_claim_batch(s, &token, 1, &got), 0);
	store_close(s);
	s = place_open(p->path);
	assert_int_equal(store_counter_get(s, key_id, &counter), 1);
	assert_int_equal(counter, 3);
	store_close(s);
}

/* Another program's file is left exactly as it was. */
static void test_not_touched(void **state)
{
	struct place *p = *state;
	uint8_t before[8192], after[8192];
	struct fault f;
	run_sql(p->path, "CREATE TABLE t(x)");
	FILE *file = fopen(p->path, "rb");
	size_t len = fread(before, 1, sizeof(before), file);
	fclose(file);
	assert_int_equal(try_open(p->path, &f), -EMEDIUMTYPE);
	file = fopen(p->path, "rb");
	assert_int_equal(fread(after, 1, sizeof(after), file), len);
	fclose(file);
	assert_memory_equal(before, after, len);
}

static void test_names(void **state)
{
	struct place *p = *state;
	struct fault f;
	char name[160];
	const char *const odd[] = { "store", ":memory:", "file:/tmp/x?mode=memory", "" };
	for (size_t i = 0; i < TEST_LEN(odd); i++) {
		TEST_CASE(odd[i], try_open(odd[i], &f) == -EINVAL);
		TEST_CASE(odd[i], try_read(odd[i], &f) == -EINVAL);
	}
	assert_int_equal(try_open(p->folder, &f), -EINVAL);
	assert_int_equal(try_read(p->path, &f), -ENOENT);
	assert_true(f.text[0] != '\0');
	snprintf(name, sizeof(name), "%s/none/store", p->folder);
	assert_int_equal(try_open(name, &f), -ENOENT);
	assert_non_null(strstr(f.text, name));
	/* A link is not followed to somebody else's file. */
	snprintf(name, sizeof(name), "%s/link", p->folder);
	assert_int_equal(symlink(p->path, name), 0);
	assert_int_equal(try_open(name, &f), -EINVAL);
	unlink(name);
}

/* A store with enough in it that every page kind is there; no log left beside it. */
static void make_full(const char *path)
{
	static struct store_claim claims[STORE_BATCH_MAX];
	static enum store_answer got[STORE_BATCH_MAX];
	struct store *s = place_open(path);
	struct store_record r = place_record(1);
	assert_non_null(s);
	for (uint32_t i = 0; i < STORE_BATCH_MAX; i++) {
		claims[i] = place_claim(i, 1);
		claims[i].record = &r;
	}
	assert_int_equal(store_claim_batch(s, claims, STORE_BATCH_MAX, got), 0);
	assert_int_equal(store_expire(s, 0, 1), 0);
	store_close(s);
}

static void spoil(const char *path, long at, size_t len, int how)
{
	uint8_t junk[4096];
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	memset(junk, how, sizeof(junk));
	assert_true(len <= sizeof(junk));
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fwrite(junk, 1, len, f), len);
	fclose(f);
}

static void test_damaged(void **state)
{
	static const struct {
		const char *name;
		long at; /* from the start; -1: cut the file to len */
		size_t len;
	} cases[] = {
		{ "no header", 0, 16 },
		{ "the first page", 0, 4096 },
		{ "the list of tables", 100, 2000 },
		{ "a page in the middle", 4096 * 5, 4096 },
		{ "many bytes of a page", 4096 * 7, 200 },
		{ "cut in a page", -1, 4096 * 6 + 100 },
		{ "cut after the first page", -1, 4096 },
		{ "cut to nearly nothing", -1, 10 },
	};
	struct place *p = *state;
	char wal[128], shm[128];
	snprintf(wal, sizeof(wal), "%s-wal", p->path);
	snprintf(shm, sizeof(shm), "%s-shm", p->path);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fault f;
		unlink(p->path);
		unlink(wal);
		unlink(shm);
		make_full(p->path);
		if (cases[i].at < 0)
			assert_int_equal(truncate(p->path, (off_t)cases[i].len), 0);
		else
			spoil(p->path, cases[i].at, cases[i].len, 0xa5);
		int rc = try_open(p->path, &f);
		if (rc != -EUCLEAN || strstr(f.text, "away") == NULL)
			fail_msg("case \"%s\": %d, %s", cases[i].name, rc, f.text);
	}
}

/* A broken log is not trusted: SQLite drops what its checksums do not cover, and the store opens.
 * */
static void test_damaged_log(void **state)
{
	struct place *p = *state;
	char wal[128];
	snprintf(wal, sizeof(wal), "%s-wal", p->path);
	make_full(p->path);
	struct store *s = place_open(p->path);
	struct store_claim c = place_claim(70000, 1);
	enum store_answer got;
	assert_int_equal(store_claim_batch(s, &c, 1, &got), 0);
	store_close(s);
	spoil(wal, 0, 4096, 0x5a);
	s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(place_known(s, 3), 1);
	store_close(s);
}

/* Everything a reader must not do answers -EROFS and does nothing. */
static void test_reader_writes_nothing(void **state)
{
	struct place *p = *state;
	make_full(p->path);
	struct store *s = place_open_reader(p->path);
	struct store_claim c = place_claim(90000, 1);
	struct store_record r = place_record(1);
	struct store_change change = { 1, STORE_GATE_CLOSED };
	struct store_prekey k = { .id = 1 };
	enum store_answer got = STORE_ACCEPTED;
	uint64_t id = 0;
	assert_non_null(s);
	assert_int_equal(store_claim_batch(s, &c, 1, &got), -EROFS);
	assert_int_equal(got, STORE_UNKNOWN);
	assert_int_equal(store_write(s, &change, 1, &r, 1), -EROFS);
	assert_int_equal(store_reserve_grants(s, 1, &id), -EROFS);
	assert_int_equal(store_expire(s, 1000000, 1), -EROFS);
	assert_int_equal(store_prekey_put(s, &k), -EROFS);
	assert_int_equal(store_prekeys(s, NULL, NULL), 0);
	assert_int_equal(place_journal_len(s), STORE_BATCH_MAX);
	assert_int_equal(place_known(s, 5), 1);
	assert_int_equal(place_known(s, 90000), 0);
	store_close(s);
}

/* A child that is the daemon: writes a line whenever it reads a byte, and answers one. */
static void be_daemon(const char *path, int in, int out)
{
	struct store *s = place_open(path);
	struct store_record r = place_record(1);
	char byte;
	if (s == NULL)
		_exit(1);
	while (read(in, &byte, 1) == 1) {
		if (store_write(s, NULL, 0, &r, 1) < 0 || write(out, &byte, 1) != 1)
			_exit(2);
	}
	_exit(0);
}

static void ask(int in, int out)
{
	char byte = 'x';
	assert_int_equal(write(in, &byte, 1), 1);
	assert_int_equal(read(out, &byte, 1), 1);
}

static void test_reader_beside_daemon(void **state)
{
	struct place *p = *state;
	int in[2], out[2];
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(in[1]);
		be_daemon(p->path, in[0], out[1]);
	}
	ask(in[1], out[0]);
	struct store *s = place_open_reader(p->path);
	assert_non_null(s);
	assert_int_equal(place_journal_len(s), 1);
	/* The open reader sees what comes. */
	ask(in[1], out[0]);
	assert_int_equal(place_journal_len(s), 2);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* And goes on, and can come anew, after the daemon's death. */
	assert_int_equal(place_journal_len(s), 2);
	store_close(s);
	s = place_open_reader(p->path);
	assert_non_null(s);
	assert_int_equal(place_journal_len(s), 2);
	store_close(s);
	/* The next daemon finds all of it. */
	s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(place_journal_len(s), 2);
	store_close(s);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
}

/* Gone with the files beside it: root's reader makes them again, and the daemon can still open. */
static void test_reader_alone(void **state)
{
	struct place *p = *state;
	char name[128];
	make_full(p->path);
	snprintf(name, sizeof(name), "%s-wal", p->path);
	unlink(name);
	snprintf(name, sizeof(name), "%s-shm", p->path);
	unlink(name);
	struct store *s = place_open_reader(p->path);
	assert_non_null(s);
	assert_int_equal(place_journal_len(s), STORE_BATCH_MAX);
	store_close(s);
	s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(place_journal_len(s), STORE_BATCH_MAX);
	store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_file),
		TEST(test_not_ours),
		TEST(test_layout_1_is_taken_on),
		TEST(test_layout_3_is_taken_on),
		TEST(test_gates_are_taken_on),
		TEST(test_records_are_chained),
		TEST(test_chain_is_taken_on),
		TEST(test_upgrade_is_whole),
		TEST(test_not_touched),
		TEST(test_names),
		TEST(test_damaged),
		TEST(test_damaged_log),
		TEST(test_reader_writes_nothing),
		TEST(test_reader_beside_daemon),
		TEST(test_reader_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
