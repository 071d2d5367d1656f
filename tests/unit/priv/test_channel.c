/* Channels: what arrives, what a dead or broken peer looks like, and which descriptors stay open.
 * */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "priv/priv.h"
#include "test.h"

static void open_pair(int fds[2])
{
	assert_int_equal(priv_channel(fds), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
		assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
	}
}

static int receive(int fd, struct msg *ret)
{
	return msg_receive(fd, MSG_FROM_KNOCK, MSG_FROM_GATE, ret);
}

static void test_messages_arrive(void **state)
{
	(void)state;
	int fds[2];
	struct msg m = { .type = MSG_CUT, .mark = 9 }, got;
	open_pair(fds);
	assert_int_equal(receive(fds[1], &got), -EAGAIN);
	for (m.seq = 1; m.seq <= 3; m.seq++)
		assert_int_equal(msg_send(fds[0], &m), 0);
	for (uint32_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(receive(fds[1], &got), 1);
		assert_int_equal(got.type, MSG_CUT);
		assert_int_equal(got.seq, seq);
		assert_int_equal(got.mark, 9);
	}
	assert_int_equal(receive(fds[1], &got), -EAGAIN);
	close(fds[0]);
	close(fds[1]);
}

static void test_full_and_gone(void **state)
{
	(void)state;
	int fds[2], rc = 0;
	struct msg m = { .type = MSG_BEAT }, got;
	open_pair(fds);
	for (int i = 0; i < 1000000 && rc == 0; i++)
		rc = msg_send(fds[0], &m);
	assert_int_equal(rc, -EAGAIN);
	close(fds[1]);
	assert_int_equal(msg_send(fds[0], &m), -EPIPE);
	assert_int_equal(receive(fds[0], &got), 0);
	close(fds[0]);
}

static void test_end_of_file(void **state)
{
	(void)state;
	int fds[2];
	struct msg m = { .type = MSG_BEAT }, got;
	open_pair(fds);
	assert_int_equal(msg_send(fds[0], &m), 0);
	close(fds[0]);
	assert_int_equal(receive(fds[1], &got), 1);
	assert_int_equal(receive(fds[1], &got), 0);
	close(fds[1]);
}

static void test_broken_peer(void **state)
{
	static const uint8_t beat[] = { MSG_BEAT, 1, 0, 0, 0, 0, 0, 0 };
	uint8_t big[MSG_LEN_MAX + 200] = { MSG_BEAT, 1 };
	(void)state;
	int fds[2];
	struct msg got;
	open_pair(fds);
	assert_int_equal(send(fds[0], "x", 1, 0), 1);
	assert_int_equal(receive(fds[1], &got), -EPROTO);
	assert_int_equal(send(fds[0], big, sizeof(big), 0), (ssize_t)sizeof(big));
	assert_int_equal(receive(fds[1], &got), -EPROTO);
	assert_int_equal(send(fds[0], beat, sizeof(beat), 0), (ssize_t)sizeof(beat));
	assert_int_equal(msg_receive(fds[1], MSG_FROM_GATE, MSG_FROM_KNOCK, &got), -EPROTO);
	assert_int_equal(send(fds[0], beat, sizeof(beat), 0), (ssize_t)sizeof(beat));
	assert_int_equal(receive(fds[1], &got), 1);
	close(fds[0]);
	close(fds[1]);
}

/* A descriptor that a peer attaches does not arrive. */
static void test_no_descriptor_passes(void **state)
{
	uint8_t beat[] = { MSG_BEAT, 1, 0, 0, 0, 0, 0, 0 };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	(void)state;
	int fds[2];
	struct msg got;
	open_pair(fds);
	struct iovec iov = { beat, sizeof(beat) };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fds[0], sizeof(int));
	assert_int_equal(sendmsg(fds[0], &h, 0), (ssize_t)sizeof(beat));
	int before = dup(0);
	close(before);
	assert_int_equal(receive(fds[1], &got), 1);
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);
	close(fds[0]);
	close(fds[1]);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* In a child: open 10 to 19, keep two of them out of order and one below 3; tell which are left. */
static int close_and_look(void)
{
	const int keep[] = { 17, 1, 12 };
	for (int fd = 10; fd < 20; fd++)
		if (dup2(0, fd) != fd)
			return 100;
	priv_close_others(keep, TEST_LEN(keep));
	for (int fd = 3; fd < 1024; fd++)
		if (is_open(fd) != (fd == 12 || fd == 17))
			return fd > 99 ? 99 : fd;
	return is_open(0) && is_open(1) && is_open(2) ? 0 : 101;
}

static void test_close_others(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(close_and_look());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_arrive),
		cmocka_unit_test(test_full_and_gone),
		cmocka_unit_test(test_end_of_file),
		cmocka_unit_test(test_broken_peer),
		cmocka_unit_test(test_no_descriptor_passes),
		cmocka_unit_test(test_close_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
