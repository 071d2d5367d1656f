/*
 * Channels between the processes: connected SOCK_SEQPACKET pairs, one message a datagram.
 * Descriptors a peer may attach are dropped by the kernel, because none is ever asked for.
 */

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "priv/priv.h"

#define CHANNEL_ROOM (8 << 20)

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

int msg_receive(int fd, enum msg_from from, enum msg_from to, struct msg *ret)
{
	uint8_t data[MSG_LEN_MAX];
	ssize_t n;
	do /* MSG_TRUNC: how long it was, not how much fitted */
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return -errno;
	if ((size_t)n > sizeof(data))
		return -EPROTO;
	return msg_decode(span_of(data, (size_t)n), from, to, ret) ? 1 : -EPROTO;
}
