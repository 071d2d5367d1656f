/*
 * Messages of the relay process on their channel, one datagram each. Invariant: a descriptor comes with
 * PASSTHRU and with CHANNEL, one each time, and with nothing else; any other is closed at once.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/message.h"

/* More descriptors than belong to any message, so that one too many is seen and not cut off. */
#define FDS_MAX 4

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static void attach(struct msghdr *h, union control *control, int fd)
{
	h->msg_control = control->space;
	h->msg_controllen = CMSG_SPACE(sizeof(int));
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
}

int relay_msg_send(int channel, const struct relay_msg *m, int fd_sent)
{
	uint8_t data[RELAY_LEN_MAX];
	union control control = { 0 };
	size_t len = relay_msg_encode(m, data);
	struct iovec iov = { data, len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd_sent >= 0)
		attach(&h, &control, fd_sent);
	ssize_t n;
	do
		n = sendmsg(channel, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	int rc = n >= 0 ? 0 : -errno;
	if (m->type == RELAY_IDENTITY)
		sodium_memzero(data, len);
	return rc == -ECONNRESET ? -EPIPE : rc;
}

/* Descriptors of a message; returns how many, the first max in fds. */
static size_t collect(struct msghdr *h, int *fds, size_t max)
{
	size_t count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && count < max; i++)
			memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return count;
}

static bool has_descriptor(const struct relay_msg *m)
{
	return m->type == RELAY_PASSTHRU || m->type == RELAY_CHANNEL;
}

int relay_msg_receive(int channel, enum relay_peer from, enum relay_peer to, uint8_t *buffer,
	struct relay_msg *ret, int *ret_fd)
{
	union control control = { 0 };
	struct iovec iov = { buffer, RELAY_LEN_MAX };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct relay_msg m;
	int fds[FDS_MAX];
	ssize_t n;
	*ret_fd = -1;
	do /* MSG_TRUNC: how long it was, not how much fitted */
		n = recvmsg(channel, &h, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	size_t count = collect(&h, fds, FDS_MAX);
	bool is_good = n > 0 && n <= (ssize_t)RELAY_LEN_MAX && (h.msg_flags & MSG_CTRUNC) == 0 &&
		relay_msg_decode(span_of(buffer, (size_t)n), from, to, &m) &&
		count == (has_descriptor(&m) ? 1 : 0);
	if (is_good) {
		*ret = m;
		*ret_fd = count > 0 ? fds[0] : -1;
		sodium_memzero(m.seed, sizeof(m.seed));
		return 1;
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return n == 0 && count == 0 ? 0 : -EPROTO;
}
