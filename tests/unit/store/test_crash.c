/*
 * kill -9 in the middle of batches, thirty times on one file: what was reported as claimed is
 * there, and a batch is there whole or not at all.
 */

#include <signal.h>
#include <sys/wait.h>

#include "place.h"
#include "test.h"

#define ROUNDS 30
#define BATCH 16

/* Batches from first on until killed; each committed one is reported by its last key. */
static void be_daemon(const char *path, uint32_t first, int out)
{
	struct store_claim claims[BATCH];
	enum store_answer got[BATCH];
	struct store_record r = place_record(1);
	struct store *s = place_open(path);
	if (s == NULL)
		_exit(1);
	for (uint32_t n = first;; n += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++) {
			claims[i] = place_claim(n + i, 1);
			claims[i].record = &r;
		}
		if (store_claim_batch(s, claims, BATCH, got) < 0)
			_exit(2);
		uint32_t last = n + BATCH;
		if (write(out, &last, sizeof(last)) != sizeof(last))
			_exit(3);
	}
}

/* Run one daemon for a while; returns one past the last key that it reported. */
static uint32_t run_and_kill(const char *path, uint32_t first, unsigned ms)
{
	uint32_t last = first, word;
	int fds[2], status;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		be_daemon(path, first, fds[1]);
	}
	close(fds[1]);
	/* It has begun; now some time that hits it anywhere. */
	assert_int_equal(read(fds[0], &word, sizeof(word)), (ssize_t)sizeof(word));
	last = word;
	usleep(ms * 1000u + (unsigned)rand() % 1000u);
	kill(pid, SIGKILL);
	while (read(fds[0], &word, sizeof(word)) == sizeof(word))
		last = word;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return last;
}

static void test_kill(void **state)
{
	struct place *p = *state;
	uint32_t next = 0;
	srand(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t reported = run_and_kill(p->path, next, round % 10 * 3);
		struct store *s = place_open(p->path);
		assert_non_null(s);
		for (uint32_t n = 0; n < reported; n++)
			assert_int_equal(place_known(s, n), 1);
		/* One batch more may be on file, unreported, but whole. */
		int more = 0;
		for (uint32_t n = reported; n < reported + 2 * BATCH; n++)
			more += place_known(s, n);
		assert_true(more == 0 || more == BATCH);
		next = reported + (uint32_t)more;
		assert_int_equal(place_journal_len(s), (int)next);
		store_close(s);
	}
}

/* The owner that did not hear the answer asks again after the crash and gets it. */
static void test_ask_again(void **state)
{
	struct place *p = *state;
	uint32_t reported = run_and_kill(p->path, 0, 5);
	struct store *s = place_open(p->path);
	enum store_answer got;
	assert_non_null(s);
	for (uint32_t n = 0; n < reported + BATCH; n++) {
		struct store_claim c = place_claim(n, 1);
		assert_int_equal(store_claim_batch(s, &c, 1, &got), 0);
		assert_int_equal(got, STORE_ACCEPTED);
	}
	store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kill),
		TEST(test_ask_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
