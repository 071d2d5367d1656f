/* Landlock alone, without the system call filter: what it denies by itself, version by version. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "child.h"
#include "priv/internal.h"
#include "test.h"

#define SKIPPED 99

/* In a child, as nobody, behind Landlock: the version had, or -1 when there is none. */
static int enter(void)
{
	int abi = 0;
	if (child_drop(0) < 0 || priv_landlock_close(PRIV_NET_NONE, &abi) < 0)
		return -1;
	return abi;
}

static bool is_denied(long rc)
{
	return rc < 0 && (errno == EACCES || errno == EPERM || errno == EXDEV);
}

static int try_files(void *arg)
{
	const int *held = arg;
	char byte;
	if (enter() <= 0)
		return SKIPPED;
	if (!is_denied(open("/etc/passwd", O_RDONLY)))
		return 1;
	if (!is_denied(open("/tmp", O_RDONLY | O_DIRECTORY)))
		return 2;
	if (!is_denied(open("/tmp/postern-test-none", O_WRONLY | O_CREAT, 0600)))
		return 3;
	if (!is_denied(mkdir("/tmp/postern-test-none", 0700)))
		return 4;
	if (!is_denied(execl("/bin/true", "true", NULL)))
		return 5;
	/* What was open before works on. */
	return read(*held, &byte, 1) == 1 ? 0 : 6;
}

static int try_network(void *arg)
{
	const struct sockaddr_in loopback = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	(void)arg;
	if (enter() < 4)
		return SKIPPED;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return 1;
	if (!is_denied(connect(fd, (const struct sockaddr *)&loopback, sizeof(loopback))))
		return 2;
	return is_denied(bind(fd, (const struct sockaddr *)&loopback, sizeof(loopback))) ? 0 : 3;
}

/* The target is nobody's too, so that only Landlock stands between. */
static int signal_from_child(void *arg)
{
	pid_t self = getpid();
	(void)arg;
	if (child_drop(0) < 0)
		return 1;
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		int abi = 0;
		if (priv_landlock_close(PRIV_NET_NONE, &abi) < 0 || abi < 6)
			_exit(SKIPPED);
		_exit(is_denied(kill(self, 0)) && kill(getpid(), 0) == 0 ? 0 : 2);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 3;
	return WEXITSTATUS(status);
}

static void run(int (*fn)(void *), void *arg)
{
	if (geteuid() != 0)
		skip();
	int ended = child_run(fn, arg);
	if (ended == SKIPPED)
		skip();
	assert_int_equal(ended, 0);
}

static void test_files(void **state)
{
	(void)state;
	int held = open("/etc/passwd", O_RDONLY);
	assert_true(held >= 0);
	run(try_files, &held);
	close(held);
}

static void test_network(void **state)
{
	(void)state;
	run(try_network, NULL);
}

static void test_signals(void **state)
{
	(void)state;
	run(signal_from_child, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
