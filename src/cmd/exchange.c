/*
 * The socket half of a knock; libpostern decides what is sent when and what counts as an answer.
 * Invariant: no ICMP message ends the waiting, for anybody on the path can make one up.
 */

#include "cmd/exchange.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* Without this a socket is not told of "host unreachable", which is no proof, but worth a word at the end. */
static void ask_for_errors(int fd, int family)
{
	int on = 1;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

static int open_socket(const struct exchange_peer *peer, struct fault *f)
{
	int fd = socket(peer->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&peer->addr, peer->len) == 0) {
		ask_for_errors(fd, peer->addr.ss_family);
		return fd;
	}
	int rc = -errno;
	fault_set(f, "no packet can be sent there: %s", strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Remember what the network complains of, to be told if nothing better comes. */
static void note(int error, int *unreachable)
{
	if (error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES || error == EPERM)
		*unreachable = error;
}

/* Take all datagrams and errors that are there. */
static void receive(int fd, struct postern_session *s, int *unreachable)
{
	uint8_t datagram[POSTERN_DATAGRAM_MAX + 1];
	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(fd, datagram, sizeof(datagram), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			note(errno, unreachable);
		else if ((size_t)n <= POSTERN_DATAGRAM_MAX &&
			postern_session_offer(s, datagram, (size_t)n, clock_wall_ms()))
			break;
	}
	/* The packets that errors are about are of no use, but while they wait poll does not. */
	while (recv(fd, datagram, sizeof(datagram), MSG_ERRQUEUE) >= 0)
		continue;
}

/* Drive the session to its end: POSTERN_DONE, POSTERN_SILENT or POSTERN_FAILED. */
static enum postern_step drive(int fd, struct postern_session *s, int *unreachable)
{
	for (;;) {
		const uint8_t *datagram = NULL;
		size_t len = 0;
		uint32_t wait_ms = 0;
		struct pollfd p = { .fd = fd, .events = POLLIN };

		enum postern_step step = postern_session_next(
			s, clock_wall_ms(), clock_mono_ms(), &datagram, &len, &wait_ms);
		switch (step) {
		case POSTERN_SEND:
			if (send(fd, datagram, len, 0) < 0)
				note(errno, unreachable);
			break;
		case POSTERN_WAIT:
			if (poll(&p, 1, wait_ms > 60000 ? 60000 : (int)wait_ms) > 0)
				receive(fd, s, unreachable);
			break;
		case POSTERN_DONE:
		case POSTERN_SILENT:
		case POSTERN_FAILED:
			return step;
		}
	}
}

static int new_session(const struct exchange *x, struct postern_session **ret, struct fault *f)
{
	struct postern_error e = { { 0 } };
	int rc = postern_session_new(x->card, x->id, x->request, x->memory, ret, &e);
	if (rc < 0)
		fault_set(f, "%s", e.text);
	return rc;
}

int exchange_run(const struct exchange *x, const struct exchange_peer *peer,
	struct postern_answer *ret, uint64_t *ret_us, struct fault *f)
{
	struct postern_session *s = NULL;
	int unreachable = 0;

	int fd = open_socket(peer, f);
	if (fd < 0)
		return fd;
	int rc = new_session(x, &s, f);
	if (rc < 0)
		goto out;
	uint64_t start_us = clock_mono_us();
	enum postern_step end = drive(fd, s, &unreachable);
	if (end == POSTERN_DONE) {
		*ret_us = clock_mono_us() - start_us;
		postern_session_answer(s, ret);
	} else if (end == POSTERN_FAILED) {
		rc = -ECANCELED;
		fault_set(f, "%s", postern_session_error(s));
	} else if (unreachable != 0) {
		rc = -unreachable;
		fault_set(f, "nothing answered, and the network says: %s", strerror(unreachable));
	} else {
		rc = -ETIMEDOUT;
	}
out:
	postern_session_free(s);
	close(fd);
	return rc;
}

int exchange_dry_run(const struct exchange *x, size_t *ret_len, struct fault *f)
{
	struct postern_session *s = NULL;
	const uint8_t *datagram = NULL;
	enum postern_step step;
	uint32_t wait_ms;

	int rc = new_session(x, &s, f);
	if (rc < 0)
		return rc;
	/* After an agent has signed, the session wants to know the time once more. */
	do
		step = postern_session_next(
			s, clock_wall_ms(), clock_mono_ms(), &datagram, ret_len, &wait_ms);
	while (step == POSTERN_WAIT && wait_ms == 0);
	if (step == POSTERN_FAILED) {
		fault_set(f, "%s", postern_session_error(s));
		rc = -ECANCELED;
	} else if (step != POSTERN_SEND) {
		fault_set(f, "no packet could be built from this card and this ID");
		rc = -EIO;
	}
	postern_session_free(s);
	return rc;
}
