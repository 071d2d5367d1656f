/* Programs: what they get, how they end, and what is not run at all. Needs root to change user. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "priv/run.h"
#include "test.h"

#define NOBODY 65534

struct bench {
	struct run_pool pool;
	char folder[64], path[128];
	unsigned ends;
	uint32_t tag;
	struct run_end end;
	char output[RUN_OUTPUT_MAX + 1];
};

static void on_done(void *arg, uint32_t tag, const struct run_end *end)
{
	struct bench *b = arg;
	b->ends++;
	b->tag = tag;
	b->end = *end;
	memcpy(b->output, end->output.data, end->output.len);
	b->output[end->output.len] = '\0';
}

static void write_script(struct bench *b, const char *text, mode_t mode)
{
	int fd = open(b->path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	strcpy(b->folder, "/tmp/postern-run-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	assert_int_equal(chmod(b->folder, 0755), 0);
	snprintf(b->path, sizeof(b->path), "%s/x", b->folder);
	assert_int_equal(run_pool_init(&b->pool, on_done, b), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	run_pool_deinit(&b->pool);
	unlink(b->path);
	rmdir(b->folder);
	free(b);
	return 0;
}

static int start_as(struct bench *b, const struct priv_user *user, const char *input,
	uint32_t timeout_ms, struct fault *f)
{
	const char *argv[] = { b->path, "one two", "$HOME", NULL };
	const char *env[] = { "POSTERN_X=y", NULL };
	const struct run_program p = {
		.argv = argv,
		.env = env,
		.user = user,
		.input = span_of(input, strlen(input)),
		.timeout_ms = timeout_ms,
	};
	return run_pool_start(&b->pool, &p, 7, clock_mono_ms(), f);
}

static void await(struct bench *b, unsigned ends)
{
	uint64_t until = clock_mono_ms() + 20000;
	while (b->ends < ends) {
		struct pollfd p[RUN_POLL_MAX];
		int wait_ms;
		size_t n = run_pool_poll(&b->pool, p, clock_mono_ms(), &wait_ms);
		assert_true(clock_mono_ms() < until);
		poll(p, n, wait_ms < 0 || wait_ms > 1000 ? 1000 : wait_ms);
		run_pool_work(&b->pool, clock_mono_ms());
	}
}

static void run(struct bench *b, const char *script, uint32_t timeout_ms)
{
	struct fault f = { "" };
	write_script(b, script, 0755);
	b->ends = 0;
	if (start_as(b, NULL, "", timeout_ms, &f) < 0)
		fail_msg("%s", f.text);
	await(b, 1);
	assert_int_equal(b->tag, 7);
	assert_int_equal(run_pool_count(&b->pool), 0);
}

static void test_ends(void **state)
{
	struct bench *b = *state;
	run(b, "#!/bin/sh\nexit 0\n", 5000);
	assert_int_equal(b->end.how, RUN_EXIT);
	assert_int_equal(b->end.detail, 0);
	run(b, "#!/bin/sh\nexit 250\n", 5000);
	assert_int_equal(b->end.how, RUN_EXIT);
	assert_int_equal(b->end.detail, 250);
	run(b, "#!/bin/sh\nkill -TERM $$\n", 5000);
	assert_int_equal(b->end.how, RUN_SIGNAL);
	assert_int_equal(b->end.detail, SIGTERM);
	run(b, "#!/bin/sh\ntrap '' TERM HUP INT\nsleep 100 &\nsleep 100\n", 200);
	assert_int_equal(b->end.how, RUN_TIMEOUT);
	assert_true(b->end.took_ms >= 200);
}

/* Output is kept up to its bound, and who goes on writing goes on living. */
static void test_output(void **state)
{
	struct bench *b = *state;
	run(b, "#!/bin/sh\necho out\necho err >&2\n", 5000);
	assert_string_equal(b->output, "out\nerr\n");
	assert_false(b->end.is_cut);
	run(b, "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x\nexit 5\n", 10000);
	assert_int_equal(b->end.detail, 5);
	assert_int_equal(b->end.output.len, RUN_OUTPUT_MAX);
	assert_true(b->end.is_cut);
	/* A child that keeps the pipe is ended with its parent. */
	run(b, "#!/bin/sh\nsleep 100 &\necho x\n", 5000);
	assert_string_equal(b->output, "x\n");
	assert_true(b->end.took_ms < 4000);
}

static void test_what_it_gets(void **state)
{
	struct bench *b = *state;
	struct fault f = { "" };
	const struct priv_user nobody = { NOBODY, NOBODY };
	int other = open("/dev/null", O_RDONLY); /* not close-on-exec */
	write_script(b,
		"#!/bin/sh\nid -u; id -G; pwd; umask; echo \"$#:$1:$2:$POSTERN_X:$HOME:\"; cat\n"
		"echo; ls /proc/self/fd | wc -w; grep -E '^(CapPrm|CapBnd|NoNewPrivs)' "
		"/proc/self/status\nexit 0\n",
		0755);
	assert_int_equal(start_as(b, &nobody, "in\nput", 5000, &f), 0);
	await(b, 1);
	close(other);
	assert_string_equal(b->output,
		"65534\n65534\n/\n0022\n2:one two:$HOME:y::\nin\nput\n4\n"
		"CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n");
}

static void refused(struct bench *b, const char *why)
{
	struct fault f = { "" };
	b->ends = 0;
	TEST_CASE(why, start_as(b, NULL, "", 5000, &f) < 0);
	if (strstr(f.text, why) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", why, f.text);
	TEST_CASE(why, run_pool_count(&b->pool) == 0 && b->ends == 0);
}

static void test_refused(void **state)
{
	struct bench *b = *state;
	const char good[] = "#!/bin/sh\nexit 0\n";
	unlink(b->path);
	refused(b, "No such file");
	write_script(b, good, 0644);
	refused(b, "is not executable");
	write_script(b, good, 0775);
	refused(b, "others than root may change it");
	write_script(b, good, 0757);
	refused(b, "others than root may change it");
	write_script(b, good, 0755);
	assert_int_equal(chown(b->path, NOBODY, 0), 0);
	refused(b, "does not belong to root");
	assert_int_equal(chown(b->path, 0, 0), 0);
	assert_int_equal(chmod(b->folder, 0777), 0);
	refused(b, "others than root may change it");
	/* Sticky: nobody can put another file in its place. */
	assert_int_equal(chmod(b->folder, 01777), 0);
	run(b, good, 5000);
	assert_int_equal(chmod(b->folder, 0755), 0);
	unlink(b->path);
	assert_int_equal(symlink("/etc", b->path), 0);
	refused(b, "is no file");
	unlink(b->path);
	write_script(b, "#!/no/such/shell\n", 0755);
	refused(b, "cannot be run: No such file");
	write_script(b, "no program", 0755);
	refused(b, "cannot be run: Exec format error");
}

static void test_parallel(void **state)
{
	struct bench *b = *state;
	struct fault f = { "" };
	write_script(b, "#!/bin/sh\nsleep 0.3\n", 0755);
	for (int i = 0; i < RUN_PARALLEL_MAX; i++)
		assert_int_equal(start_as(b, NULL, "", 5000, &f), 0);
	assert_int_equal(run_pool_count(&b->pool), RUN_PARALLEL_MAX);
	assert_int_equal(start_as(b, NULL, "", 5000, &f), -EAGAIN);
	await(b, RUN_PARALLEL_MAX);
	assert_int_equal(run_pool_count(&b->pool), 0);
	/* What runs at the end is ended with the pool, without a word. */
	write_script(b, "#!/bin/sh\nsleep 100\n", 0755);
	assert_int_equal(start_as(b, NULL, "", 5000, &f), 0);
	run_pool_deinit(&b->pool);
	assert_int_equal(b->ends, RUN_PARALLEL_MAX);
	assert_int_equal(run_pool_init(&b->pool, on_done, b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_it_gets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parallel, setup, teardown),
	};
	if (geteuid() != 0) {
		print_message("needs root; skipped\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
