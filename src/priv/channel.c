/*
 * Channels between the processes: connected SOCK_SEQPACKET pairs, one message a datagram.
 * Descriptors a peer may attach are dropped by the kernel, because none is asked for, but where a type
 * of message has some.
 */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "priv/priv.h"

#define CHANNEL_ROOM (8 << 20)

/* Room for the descriptors of one message, aligned for its header. */
union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
};

int priv_channel(int fds[2])
{
	int got[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, got) < 0)
		return -errno;
	/* Room for some thousand messages, so that closing every gate at once is one burst. Only root may. */
	int room = CHANNEL_ROOM;
	for (int i = 0; i < 2; i++)
		if (setsockopt(got[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
			setsockopt(got[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	fds[0] = got[0];
	fds[1] = got[1];
	return 0;
}

/* The lowest descriptor of keep that is at least from, or INT_MAX. */
static int next_kept(const int *keep, size_t n, int from)
{
	int next = INT_MAX;
	for (size_t i = 0; i < n; i++)
		if (keep[i] >= from && keep[i] < next)
			next = keep[i];
	return next;
}

void priv_close_others(const int *keep, size_t n)
{
	int from = STDERR_FILENO + 1;
	while (from < INT_MAX) {
		int next = next_kept(keep, n, from);
		if (next > from)
			close_range((unsigned)from, (unsigned)next - 1, 0);
		from = next < INT_MAX ? next + 1 : INT_MAX;
	}
}

int msg_send(int fd, const struct msg *m)
{
	uint8_t data[MSG_LEN_MAX];
	size_t len = msg_encode(m, data);
	ssize_t n;
	do
		n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int msg_send_with(int fd, const struct msg *m, const int *fds, size_t n)
{
	uint8_t data[MSG_LEN_MAX];
	union control control = { 0 };
	assert(n > 0 && n <= MSG_FDS_MAX);
	struct iovec iov = { data, msg_encode(m, data) };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	ssize_t sent;
	do
		sent = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

/* What came of a datagram, or did not, in the terms of msg_receive. */
static int understand(ssize_t n, const uint8_t data[MSG_LEN_MAX], enum msg_from from,
	enum msg_from to, struct msg *ret)
{
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return -errno;
	if (n > MSG_LEN_MAX)
		return -EPROTO;
	return msg_decode(span_of(data, (size_t)n), from, to, ret) ? 1 : -EPROTO;
}

int msg_receive(int fd, enum msg_from from, enum msg_from to, struct msg *ret)
{
	uint8_t data[MSG_LEN_MAX];
	ssize_t n;
	do /* MSG_TRUNC: how long it was, not how much fitted */
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	return understand(n, data, from, to, ret);
}

void msg_fds_close(struct msg_fds *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		close(fds->fd[i]);
	fds->count = 0;
}

/* More than there is room for was closed by the kernel, which says so in msg_flags. */
static void collect(struct msghdr *h, struct msg_fds *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (ret->count < MSG_FDS_MAX)
				ret->fd[ret->count++] = fd;
			else
				close(fd);
		}
	}
}

/* How many a message may bring; 0: none. */
static size_t descriptors_of(enum msg_type type)
{
	if (type == MSG_LOG)
		return MSG_FDS_MAX;
	return type == MSG_RELAY ? 1 : 0;
}

int msg_receive_with(
	int fd, enum msg_from from, enum msg_from to, struct msg *ret, struct msg_fds *ret_fds)
{
	uint8_t data[MSG_LEN_MAX];
	union control control = { 0 };
	struct iovec iov = { data, sizeof(data) };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct msg_fds got = { 0 };
	ssize_t n;
	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	int rc = understand(n, data, from, to, ret);
	if (n >= 0)
		collect(&h, &got);
	bool is_cut = n >= 0 && (h.msg_flags & MSG_CTRUNC) != 0;
	size_t most = rc == 1 ? descriptors_of(ret->type) : 0;
	if (most > 0 && (got.count == 0 || got.count > most || is_cut))
		rc = -EPROTO;
	if (rc != 1 || most == 0)
		msg_fds_close(&got);
	*ret_fds = got;
	return rc;
}
