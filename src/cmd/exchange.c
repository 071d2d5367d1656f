/*
 * The carrying half of a knock; libpostern decides what is sent when and what counts as an answer.
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

static int udp_send(void *of, const uint8_t *datagram, size_t len)
{
	const int *fd = of;
	return send(*fd, datagram, len, 0) < 0 ? -errno : 0;
}

static int udp_wait(void *of, int timeout_ms)
{
	const int *fd = of;
	struct pollfd p = { .fd = *fd, .events = POLLIN };
	return poll(&p, 1, timeout_ms) > 0;
}

static int udp_receive(void *of, uint8_t *to, size_t cap)
{
	const int *fd = of;
	uint8_t lost[POSTERN_DATAGRAM_MAX + 1];
	ssize_t n = recv(*fd, to, cap, 0);
	int rc = n < 0 ? -errno : (int)n;
	if (rc == -EINTR)
		rc = -EAGAIN;
	/* The packets that errors are about are of no use, but while they wait poll does not. */
	while (rc == -EAGAIN && recv(*fd, lost, sizeof(lost), MSG_ERRQUEUE) >= 0)
		continue;
	return rc;
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
static void receive(const struct exchange_carrier *c, struct postern_session *s, int *unreachable)
{
	uint8_t datagram[POSTERN_DATAGRAM_MAX + 1];
	for (int i = 0; i < 64; i++) {
		int n = c->receive(c->of, datagram, sizeof(datagram));
		if (n == -EAGAIN)
			break;
		if (n < 0)
			note(-n, unreachable);
		else if ((size_t)n <= POSTERN_DATAGRAM_MAX &&
			postern_session_offer(s, datagram, (size_t)n, clock_wall_ms()))
			break;
	}
}

/* How the session ended, or what broke the carrier: 0 with *ret, or -errno. */
static int drive(const struct exchange_carrier *c, struct postern_session *s, int *unreachable,
	enum postern_step *ret)
{
	for (;;) {
		const uint8_t *datagram = NULL;
		size_t len = 0;
		uint32_t wait_ms = 0;
		int rc = 0;

		enum postern_step step = postern_session_next(
			s, clock_wall_ms(), clock_mono_ms(), &datagram, &len, &wait_ms);
		switch (step) {
		case POSTERN_SEND:
			note(-c->send(c->of, datagram, len), unreachable);
			break;
		case POSTERN_WAIT:
			rc = c->wait(c->of, wait_ms > 60000 ? 60000 : (int)wait_ms);
			if (rc > 0)
				receive(c, s, unreachable);
			break;
		case POSTERN_DONE:
		case POSTERN_SILENT:
		case POSTERN_FAILED:
			*ret = step;
			return 0;
		}
		if (rc < 0)
			return rc;
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

int exchange_by(const struct exchange *x, const struct exchange_carrier *c,
	struct postern_answer *ret, uint64_t *ret_us, struct fault *f)
{
	struct postern_session *s = NULL;
	enum postern_step end = POSTERN_SILENT;
	int unreachable = 0;

	int rc = new_session(x, &s, f);
	if (rc < 0)
		return rc;
	f->text[0] = '\0';
	uint64_t start_us = clock_mono_us();
	rc = drive(c, s, &unreachable, &end);
	if (rc == 0 && end == POSTERN_DONE) {
		*ret_us = clock_mono_us() - start_us;
		postern_session_answer(s, ret);
	} else if (rc == 0 && end == POSTERN_FAILED) {
		rc = -ECANCELED;
		fault_set(f, "%s", postern_session_error(s));
	} else if (rc == 0 && unreachable != 0) {
		rc = -unreachable;
		fault_set(f, "nothing answered, and the network says: %s", strerror(unreachable));
	} else if (rc == 0) {
		rc = -ETIMEDOUT;
	}
	postern_session_free(s);
	return rc;
}

int exchange_run(const struct exchange *x, const struct exchange_peer *peer,
	struct postern_answer *ret, uint64_t *ret_us, struct fault *f)
{
	int fd = open_socket(peer, f);
	if (fd < 0)
		return fd;
	const struct exchange_carrier udp = { &fd, udp_send, udp_wait, udp_receive };
	int rc = exchange_by(x, &udp, ret, ret_us, f);
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
