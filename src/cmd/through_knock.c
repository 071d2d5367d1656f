/*
 * Datagrams inside TLS. Like UDP, this may lose what it is given: whoever sends does so again. Invariant: never
 * more of them than the relay takes on one connection.
 */

#include "cmd/through_knock.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define SEND_TIMEOUT_MS 5000

_Static_assert(POSTERN_DATAGRAM_MAX <= FRAME_DATAGRAM_MAX, "a frame holds every knock");

static int send_knock(void *of, const uint8_t *datagram, size_t len)
{
	struct through_knock *k = of;
	struct frame f = { .type = FRAME_KNOCK, .datagram = span_of(datagram, len) };
	if (k->tls->knocks == FRAME_KNOCKS_MAX)
		return -EAGAIN;
	k->tls->knocks++;
	return through_tls_send(k->tls, &f, SEND_TIMEOUT_MS);
}

/* 1 when an answer is there, -EAGAIN, or why there will be none. */
static int look(struct through_knock *k)
{
	struct frame f;
	if (k->is_refused)
		return -ECONNREFUSED;
	if (k->len > 0)
		return 1;
	int rc = through_tls_frame(k->tls, &f);
	if (rc <= 0)
		return rc;
	if (f.type != FRAME_KNOCKED) {
		k->refusal = f;
		k->is_refused = true;
		return -ECONNREFUSED;
	}
	k->len = f.datagram.len;
	memcpy(k->datagram, f.datagram.data, k->len);
	return 1;
}

static int wait_answer(void *of, int timeout_ms)
{
	struct through_knock *k = of;
	uint64_t deadline_ms = clock_mono_ms() + (uint64_t)timeout_ms;
	for (;;) {
		int rc = look(k);
		if (rc != -EAGAIN)
			return rc;
		if (!through_tls_wait(k->tls, deadline_ms))
			return 0;
	}
}

static int receive(void *of, uint8_t *to, size_t cap)
{
	struct through_knock *k = of;
	size_t len = 0;
	if (look(k) != 1)
		return -EAGAIN;
	len = k->len < cap ? k->len : cap;
	memcpy(to, k->datagram, len);
	k->len = 0;
	return (int)len;
}

struct exchange_carrier through_knock_carrier(struct through_knock *k, struct through_tls *t)
{
	*k = (struct through_knock){ .tls = t };
	return (struct exchange_carrier){ k, send_knock, wait_answer, receive };
}
