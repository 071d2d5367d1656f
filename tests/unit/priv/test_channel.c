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

/* How many descriptors this process has below a number that the test never reaches. */
static size_t count_open(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int receive_log(int fd, struct msg *ret, struct msg_fds *ret_fds)
{
	return msg_receive_with(fd, MSG_FROM_MONITOR, MSG_FROM_KNOCK, ret, ret_fds);
}

static void test_descriptors_of_a_log(void **state)
{
	(void)state;
	for (size_t n = 1; n <= MSG_FDS_MAX; n++) {
		int fds[2], ends[2];
		struct msg m = { .type = MSG_LOG, .door = 3, .is_new = 1 }, got;
		struct msg_fds came;
		open_pair(fds);
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		size_t before = count_open();
		assert_int_equal(receive_log(fds[1], &got, &came), -EAGAIN);
		assert_int_equal(msg_send_with(fds[0], &m, ends, n), 0);
		assert_int_equal(receive_log(fds[1], &got, &came), 1);
		assert_int_equal(got.door, 3);
		assert_int_equal(came.count, n);
		assert_int_equal(count_open(), before + n);
		assert_true((fcntl(came.fd[0], F_GETFD) & FD_CLOEXEC) != 0);
		assert_int_equal(write(ends[1], "x", 1), 1);
		char c = 0;
		assert_int_equal(read(came.fd[0], &c, 1), 1);
		msg_fds_close(&came);
		/* Nobody who does not ask for them gets them. */
		assert_int_equal(msg_send_with(fds[0], &m, ends, n), 0);
		assert_int_equal(msg_receive(fds[1], MSG_FROM_MONITOR, MSG_FROM_KNOCK, &got), 1);
		assert_int_equal(count_open(), before);
		close(fds[0]);
		assert_int_equal(receive_log(fds[1], &got, &came), 0);
		assert_int_equal(came.count, 0);
		close(fds[1]);
		close(ends[0]);
		close(ends[1]);
	}
}

static void test_descriptor_of_a_relay(void **state)
{
	int fds[2], ends[2];
	struct msg m = { .type = MSG_RELAY }, got;
	struct msg_fds came;
	(void)state;
	open_pair(fds);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(msg_send_with(fds[0], &m, ends, 1), 0);
	assert_int_equal(receive_log(fds[1], &got, &came), 1);
	assert_int_equal(got.type, MSG_RELAY);
	assert_int_equal(came.count, 1);
	msg_fds_close(&came);
	close(fds[0]);
	close(fds[1]);
	close(ends[0]);
	close(ends[1]);
}

/* Whatever a peer attaches where there must be none, or more, or not there: nothing of it stays open. */
static void test_descriptors_that_are_not_wanted(void **state)
{
	static const struct {
		const char *name;
		uint8_t data[11];
		size_t len, fds;
		int want;
	} cases[] = {
		{ "go with one", { MSG_GO, 1 }, 9, 1, 1 },
		{ "stop with two", { MSG_STOP, 1 }, 8, 2, 1 },
		{ "log with none", { MSG_LOG, 1 }, 11, 0, -EPROTO },
		{ "log with three", { MSG_LOG, 1 }, 11, 3, -EPROTO },
		{ "log with many", { MSG_LOG, 1 }, 11, 50, -EPROTO },
		{ "log cut", { MSG_LOG, 1 }, 10, 2, -EPROTO },
		{ "relay with none", { MSG_RELAY, 1 }, 8, 0, -EPROTO },
		{ "relay with two", { MSG_RELAY, 1 }, 8, 2, -EPROTO },
		{ "relay with many", { MSG_RELAY, 1 }, 8, 50, -EPROTO },
		{ "beat, which is no word of the monitor", { MSG_BEAT, 1 }, 8, 1, -EPROTO },
		{ "no message", { 0 }, 1, 2, -EPROTO },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(64 * sizeof(int))];
		} control = { 0 };
		int fds[2];
		struct msg got;
		struct msg_fds came;
		uint8_t data[11];
		open_pair(fds);
		memcpy(data, cases[i].data, sizeof(data));
		struct iovec iov = { data, cases[i].len };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
		if (cases[i].fds > 0) {
			h.msg_control = control.space;
			h.msg_controllen = CMSG_SPACE(cases[i].fds * sizeof(int));
			struct cmsghdr *c = CMSG_FIRSTHDR(&h);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(cases[i].fds * sizeof(int));
			for (size_t k = 0; k < cases[i].fds; k++)
				memcpy(CMSG_DATA(c) + k * sizeof(int), &fds[0], sizeof(int));
		}
		size_t before = count_open();
		assert_int_equal(sendmsg(fds[0], &h, 0), (ssize_t)cases[i].len);
		TEST_CASE(cases[i].name, receive_log(fds[1], &got, &came) == cases[i].want);
		TEST_CASE(cases[i].name, came.count == 0 && count_open() == before);
		close(fds[0]);
		close(fds[1]);
	}
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
		cmocka_unit_test(test_descriptors_of_a_log),
		cmocka_unit_test(test_descriptor_of_a_relay),
		cmocka_unit_test(test_descriptors_that_are_not_wanted),
		cmocka_unit_test(test_close_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
