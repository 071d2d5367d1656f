/*
 * A disk that is full, and one that is read only: a small memory file system in a mount namespace
 * of the child's own.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "place.h"
#include "test.h"

#define SKIPPED 99
#define BATCH 64

static bool mount_small(const char *folder)
{
	return unshare(CLONE_NEWNS) == 0 &&
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("postern-test", folder, "tmpfs", 0, "size=1m") == 0;
}

/* Write until nothing more fits. */
static bool fill_disk(const char *path)
{
	static const uint8_t block[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	while (write(fd, block, sizeof(block)) > 0)
		;
	bool is_full = errno == ENOSPC;
	close(fd);
	return is_full;
}

static int claim_some(struct store *s, uint32_t first, enum store_answer *got)
{
	static struct store_claim claims[BATCH];
	static struct store_gate gates[BATCH];
	struct store_record r = place_record(1);
	for (uint32_t i = 0; i < BATCH; i++) {
		claims[i] = place_claim(first + i, 1);
		gates[i] = place_gate(first + i + 1);
		claims[i].gate = &gates[i];
		claims[i].record = &r;
	}
	return store_claim_batch(s, claims, BATCH, got);
}

/* Claim until the log has no room; returns the first key of the batch that failed. */
static int claim_until_full(struct store *s, uint32_t *ret_first)
{
	enum store_answer got[BATCH];
	for (uint32_t first = 0; first < 100000; first += BATCH) {
		int rc = claim_some(s, first, got);
		if (rc == 0)
			continue;
		for (size_t i = 0; i < BATCH; i++)
			if (got[i] != STORE_UNKNOWN)
				return -EPROTO;
		*ret_first = first;
		return rc;
	}
	return 0;
}

static int full(const struct place *p)
{
	char ballast[128];
	uint32_t first = 0;
	enum store_answer got[BATCH];

	if (!mount_small(p->folder))
		return SKIPPED;
	snprintf(ballast, sizeof(ballast), "%s/ballast", p->folder);
	struct store *s = place_open(p->path);
	if (s == NULL || !fill_disk(ballast))
		return 1;
	if (claim_until_full(s, &first) != -ENOSPC)
		return 2;
	/* Nothing of the failed batch, all of the others. */
	if (place_known(s, first) != 0 || place_known(s, first + BATCH - 1) != 0)
		return 3;
	if (place_journal_len(s) != (int)first || (first > 0 && place_known(s, first - 1) != 1))
		return 4;
	/* Still full: still no. Then there is room again. */
	if (claim_some(s, first, got) != -ENOSPC || unlink(ballast) < 0)
		return 5;
	if (claim_some(s, first, got) != 0 || got[0] != STORE_ACCEPTED)
		return 6;
	store_close(s);
	s = place_open(p->path);
	if (s == NULL || place_journal_len(s) != (int)(first + BATCH))
		return 7;
	store_close(s);
	return 0;
}

/* No room for the first table: an error that says so, and no trap for the next try. */
static int full_at_open(const struct place *p)
{
	char ballast[128];
	struct store *s = NULL;
	struct fault f = { "" };

	if (!mount_small(p->folder))
		return SKIPPED;
	snprintf(ballast, sizeof(ballast), "%s/ballast", p->folder);
	if (!fill_disk(ballast))
		return 1;
	if (store_open(p->path, &s, &f) != -ENOSPC || s != NULL || f.text[0] == '\0')
		return 2;
	unlink(ballast);
	s = place_open(p->path);
	store_close(s);
	return s == NULL ? 3 : 0;
}

static int read_only(const struct place *p)
{
	struct store *s = NULL;
	struct fault f = { "" };
	enum store_answer got[BATCH];

	if (!mount_small(p->folder))
		return SKIPPED;
	s = place_open(p->path);
	if (s == NULL || claim_some(s, 0, got) < 0)
		return 1;
	store_close(s);
	s = NULL;
	if (mount(NULL, p->folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return 2;
	if (store_open(p->path, &s, &f) != -EROFS || s != NULL || f.text[0] == '\0')
		return 3;
	/* What is on it can still be read. */
	s = place_open_reader(p->path);
	if (s == NULL || place_journal_len(s) != BATCH)
		return 4;
	store_close(s);
	return 0;
}

static void run(void **state, int (*fn)(const struct place *))
{
	int status = 0;
	if (geteuid() != 0)
		skip();
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_full(void **state)
{
	run(state, full);
}

static void test_full_at_open(void **state)
{
	run(state, full_at_open);
}

static void test_read_only(void **state)
{
	run(state, read_only);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full),
		TEST(test_full_at_open),
		TEST(test_read_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
