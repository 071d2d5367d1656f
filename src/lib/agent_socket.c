/*
 * Talking to an agent. Invariant: no call here waits past its time-out, whatever the other side does,
 * and no more is kept than the bound on a message.
 */

#include "lib/agent_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/agent_wire.h"

#define COMM_MAX 16

/* Programs that listen on this machine for an agent on another one. */
static bool is_forwarder(const char *name)
{
	static const char *const names[] = { "sshd", "sshd-session", "sshd-auth", "dropbear",
		"ssh" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The name of a process; false when /proc does not say. */
static bool read_name(pid_t pid, char to[COMM_MAX + 1])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, to, COMM_MAX);
	close(fd);
	if (n <= 0)
		return false;
	to[n] = '\0';
	to[strcspn(to, "\n")] = '\0';
	return true;
}

enum agent_place agent_place_of(pid_t pid)
{
	char name[COMM_MAX + 1];
	/* The kernel says 0 for a process outside our process namespace. */
	if (pid <= 0)
		return AGENT_HIDDEN;
	if (read_name(pid, name))
		return is_forwarder(name) ? AGENT_FORWARDED : AGENT_LOCAL;
	return kill(pid, 0) < 0 && errno == ESRCH ? AGENT_LOCAL : AGENT_HIDDEN;
}

static int check_place(int fd, struct fault *f)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		peer.pid = 0;
	switch (agent_place_of(peer.pid)) {
	case AGENT_LOCAL:
		return 0;
	case AGENT_FORWARDED:
		fault_set(f,
			"this agent is forwarded from another machine, where whoever controls this "
			"one can use it; allow forwarded agents if you want that");
		break;
	case AGENT_HIDDEN:
		fault_set(f,
			"it cannot be seen which process listens there, so the agent may be "
			"forwarded; allow forwarded agents if you want it all the same");
		break;
	}
	return -EPERM;
}

int agent_connect(const char *path, bool may_forward, int *ret_fd, struct fault *f)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(to.sun_path)) {
		fault_set(f, "this is no name for an agent's socket; correct it");
		return -EINVAL;
	}
	memcpy(to.sun_path, path, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 ? -errno : 0;
	if (rc == 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		rc = -errno;
	if (rc < 0)
		fault_set(f, "no agent answers there: %s; start one, or name its socket",
			strerror(-rc));
	else if (!may_forward)
		rc = check_place(fd, f);
	if (rc == 0)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return rc;
}

/* Wait until fd is ready for events, or the end of time has come. */
static int wait_for(int fd, short events, uint64_t end_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = clock_mono_ms();
	if (now >= end_ms)
		return -ETIMEDOUT;
	int n = poll(&p, 1, (int)(end_ms - now));
	if (n < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int send_all(int fd, struct span s, uint64_t end_ms)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.data, s.len, MSG_NOSIGNAL);
		int rc = n < 0 ? -errno : 0;
		if (rc == 0)
			s = span_slice(s, (size_t)n, s.len);
		else if (rc == -EAGAIN)
			rc = wait_for(fd, POLLOUT, end_ms);
		if (rc < 0 && rc != -EINTR)
			return rc;
	}
	return 0;
}

static int receive_all(int fd, uint8_t *to, size_t len, uint64_t end_ms)
{
	while (len > 0) {
		ssize_t n = recv(fd, to, len, 0);
		int rc = n < 0 ? -errno : 0;
		if (n == 0)
			return -EPIPE;
		if (n > 0) {
			to += n;
			len -= (size_t)n;
		} else if (rc == -EAGAIN) {
			rc = wait_for(fd, POLLIN, end_ms);
		}
		if (rc < 0 && rc != -EINTR)
			return rc;
	}
	return 0;
}

static int receive_message(int fd, uint64_t end_ms, uint8_t **ret, size_t *ret_len)
{
	uint8_t prefix[4];
	int rc = receive_all(fd, prefix, sizeof(prefix), end_ms);
	if (rc < 0)
		return rc;
	struct reader r = reader_init(SPAN_OF(prefix));
	size_t len = reader_u32(&r);
	if (len == 0 || len > AGENT_MESSAGE_MAX)
		return -EMSGSIZE;
	uint8_t *message = malloc(len);
	if (message == NULL)
		return -ENOMEM;
	rc = receive_all(fd, message, len, end_ms);
	if (rc < 0) {
		free(message);
		return rc;
	}
	*ret = message;
	*ret_len = len;
	return 0;
}

int agent_ask(int fd, struct span question, uint32_t timeout_ms, uint8_t **ret, size_t *ret_len,
	struct fault *f)
{
	uint64_t end_ms = clock_mono_ms() + timeout_ms;
	uint8_t prefix[4];
	struct writer w = writer_init(prefix, sizeof(prefix));

	writer_u32(&w, (uint32_t)question.len);
	int rc = send_all(fd, writer_span(&w), end_ms);
	if (rc == 0)
		rc = send_all(fd, question, end_ms);
	if (rc == 0)
		rc = receive_message(fd, end_ms, ret, ret_len);
	if (rc == -ETIMEDOUT)
		fault_set(f, "the agent did not answer within %u seconds; try again",
			(unsigned)(timeout_ms / 1000));
	else if (rc == -EPIPE || rc == -ECONNRESET)
		fault_set(f, "the agent hung up; is that socket an agent's?");
	else if (rc == -EMSGSIZE)
		fault_set(f,
			"the agent's answer has a length that none has; is that socket an agent's?");
	else if (rc < 0)
		fault_set(f, "the agent cannot be talked to: %s", strerror(-rc));
	return rc;
}
