/* However the child ends, the parent has a sentence and no child. */

#include <signal.h>
#include <sys/wait.h>

#include "gate/internal.h"
#include "gate/traffic.h"

enum ending { END_WELL, END_REFUSED, END_UNSTARTED, END_ABORT, END_NEVER, END_CHATTERING };

static void end(enum ending how, int fd)
{
	static const char complaint[] = "x:1:1-3: Error: Operation not supported\nadd this\n^^^\n";
	ssize_t n = 0;
	signal(SIGABRT, SIG_DFL);
	switch (how) {
	case END_WELL:
		_exit(0);
	case END_REFUSED:
		n = write(fd, complaint, sizeof(complaint) - 1);
		_exit(n > 0 ? 1 : 3);
	case END_UNSTARTED:
		_exit(2);
	case END_ABORT:
		n = write(fd, "BUG: one two\n", 13);
		if (n > 0)
			abort();
		_exit(3);
	case END_NEVER:
		pause();
		_exit(3);
	case END_CHATTERING:
		for (int i = 0; i < 1000; i++)
			n += write(fd, "Error: 0123456789 ", 18);
		_exit(n > 0 ? 1 : 3);
	}
}

static void test_endings(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum ending how;
		int expect;
		const char *text;
	} cases[] = {
		{ "well", END_WELL, 0, "" },
		{ "refused", END_REFUSED, -EREMOTEIO, "Operation not supported: add this" },
		{ "unstarted", END_UNSTARTED, -EREMOTEIO, "could not be started" },
		{ "abort", END_ABORT, -EREMOTEIO, "died by signal 6 (Aborted): BUG: one two" },
		{ "never", END_NEVER, -ETIMEDOUT, "did not finish" },
		{ "chattering", END_CHATTERING, -EREMOTEIO, "0123456789" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		int fds[2];
		struct fault f = { "" };
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			end(cases[i].how, fds[1]);
		close(fds[1]);
		int rc = gate_child_wait(pid, fds[0], cases[i].how == END_NEVER ? 50 : 5000, &f);
		TEST_CASE(cases[i].name, rc == cases[i].expect);
		TEST_CASE(cases[i].name, strstr(f.text, cases[i].text) != NULL);
		TEST_CASE(cases[i].name, kill(pid, 0) < 0 && errno == ESRCH);
		TEST_CASE(cases[i].name, close(fds[0]) < 0 && errno == EBADF);
	}
}

/* A child that nobody may wait for is an error, not a success. */
static void test_ignored_children(void **state)
{
	(void)state;
	struct fault f = { "" };
	int fds[2];
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	close(fds[1]);
	assert_int_equal(gate_child_wait(pid, fds[0], 5000, &f), -ECHILD);
	signal(SIGCHLD, SIG_DFL);
	assert_non_null(strstr(f.text, "was lost"));
}

static void test_libnftables(void **state)
{
	NEED_ROOT(state);
	struct fault f = { "" };
	static const char make[] = "add table inet t\nadd chain inet t c\n";

	/* A trial changes nothing. */
	assert_int_equal(gate_child_run(make, true, &f), 0);
	assert_int_equal(gate_child_run("delete table inet t\n", false, &f), -EREMOTEIO);
	assert_non_null(strstr(f.text, "No such file or directory"));
	assert_non_null(strstr(f.text, "delete table inet t"));
	assert_int_equal(gate_child_run(make, false, &f), 0);
	assert_int_equal(gate_child_run("delete table inet t\n", false, &f), 0);

	assert_int_equal(gate_child_run("add nonsense\n", false, &f), -EREMOTEIO);
	assert_non_null(strstr(f.text, "syntax error"));
	/* One transaction: the good half of it is not done either. */
	assert_int_equal(
		gate_child_run("add table inet t\nadd rule inet t none accept\n", false, &f),
		-EREMOTEIO);
	assert_int_equal(gate_child_run("delete table inet t\n", false, &f), -EREMOTEIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endings),
		cmocka_unit_test(test_ignored_children),
		NET_TEST(test_libnftables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
