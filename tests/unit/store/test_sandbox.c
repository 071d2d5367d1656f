/*
 * The store behind the knock sandbox: opened as root, then used as nobody who can open no file.
 * Batches, checkpoints, a log that outgrows its index, expiry, erasing a prekey, closing.
 */

#include <sqlite3.h>
#include <sys/wait.h>

#include "place.h"
#include "priv/priv.h"
#include "test.h"

#define SKIPPED 99
#define NOBODY 65534

/* How often each part is done; the log's index grows past its first page at 4062 log pages. */
#define BATCHES 60

static int enter(void)
{
	const struct priv_user nobody = { NOBODY, NOBODY };
	int landlock;
	struct fault f;
	if (geteuid() != 0)
		return SKIPPED;
	return priv_drop(&nobody, 0, &f) < 0 || priv_sandbox_knock(&landlock, &f) < 0 ? 1 : 0;
}

static int claim_many(struct store *s, uint32_t *next)
{
	static struct store_claim claims[STORE_BATCH_MAX];
	static struct store_gate gates[STORE_BATCH_MAX];
	static struct store_record r;
	static enum store_answer got[STORE_BATCH_MAX];

	r = place_record(1);
	memset(r.text, 't', STORE_TEXT_MAX);
	memset(r.name, 'n', STORE_NAME_MAX);
	for (size_t i = 0; i < STORE_BATCH_MAX; i++, ++*next) {
		claims[i] = place_claim(*next, 1);
		gates[i] = place_gate(*next + 1);
		claims[i].gate = &gates[i];
		claims[i].record = &r;
	}
	return store_claim_batch(s, claims, STORE_BATCH_MAX, got);
}

static int use_all(struct store *s)
{
	const struct store_change change = { 3, STORE_GATE_USED };
	const struct store_record r = place_record(2);
	struct store_prekey k = { .id = 7, .erase_ms = 100, .sk = { 1 } };
	uint64_t id;
	uint32_t next = 0;
	int gates = 0;

	for (int i = 0; i < BATCHES; i++)
		if (claim_many(s, &next) < 0)
			return 10;
	if (store_write(s, &change, 1, &r, 1) < 0 || store_reserve_grants(s, 100, &id) < 0)
		return 11;
	if (store_gates(s, 1, place_count_gate, &gates) < 0 || gates != (int)next)
		return 12;
	if (place_known(s, 5) != 1 || place_journal_len(s) != (int)next + 1)
		return 13;
	if (store_prekey_put(s, &k) < 0)
		return 14;
	for (int i = 0; i < 20; i++)
		if (store_expire(s, 1000000, 1) < 0)
			return 15;
	if (place_known(s, 5) != 0 || place_journal_len(s) != 0)
		return 16;
	/* Over again on the emptied tables, with a log that was cut. */
	next += 1;
	for (int i = 0; i < 3; i++)
		if (claim_many(s, &next) < 0)
			return 17;
	store_close(s);
	return 0;
}

static int alone(const char *path)
{
	struct store *s = place_open(path);
	int rc = s == NULL ? 2 : enter();
	return rc != 0 ? rc : use_all(s);
}

static void run(const char *path)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(alone(path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_alone(void **state)
{
	struct place *p = *state;
	run(p->path);
	/* What was written behind the sandbox is a sound store. */
	struct store *s = place_open(p->path);
	assert_non_null(s);
	assert_int_equal(place_journal_len(s), 3 * STORE_BATCH_MAX);
	store_close(s);
}

/* A reader that stays in the middle of reading: no checkpoint gets past it, the log only grows. */
static void test_log_grows(void **state)
{
	struct place *p = *state;
	sqlite3 *db = NULL;
	struct store *s = place_open(p->path);
	store_close(s);
	assert_non_null(s);
	assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN; SELECT * FROM journal", NULL, NULL, NULL), SQLITE_OK);
	run(p->path);
	sqlite3_close(db);
	char wal[128];
	snprintf(wal, sizeof(wal), "%s-wal", p->path);
	FILE *f = fopen(wal, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	assert_true(ftell(f) > 4062L * 4096);
	fclose(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_alone),
		TEST(test_log_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
