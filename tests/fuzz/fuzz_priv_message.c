/*
 * Two bytes choose sender and receiver, the rest is the datagram. What is decoded encodes to the
 * very same bytes, is taken from no other direction that the type does not have, and leaves the
 * result alone when it is refused.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "priv/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_taken(struct span s, enum msg_from to, const struct msg *m)
{
	uint8_t again[MSG_LEN_MAX];
	size_t len = msg_encode(m, again);
	if (!span_equal(s, span_of(again, len)))
		abort();
	if (strnlen(m->text, sizeof(m->text)) > MSG_TEXT_MAX || m->kind > MSG_KIND_MAX ||
		m->is_new > 1 || m->data_len > MSG_DATA_MAX)
		abort();
	if ((m->type == MSG_OPEN || m->type == MSG_CLOSE) && (m->bits < 1 || m->bits > 128))
		abort();
	/* Nobody talks to himself, and no two senders may give one order to the gate. */
	struct msg other;
	if (msg_decode(s, to, to, &other))
		abort();
	if (to == MSG_FROM_GATE && msg_decode(s, MSG_FROM_KNOCK, to, &other) &&
		msg_decode(s, MSG_FROM_MONITOR, to, &other))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct msg m, untouched;

	if (len < 2)
		return 0;
	enum msg_from from = (enum msg_from)(data[0] % 4);
	enum msg_from to = (enum msg_from)(data[1] % 4);
	struct span s = span_of(data + 2, len - 2);
	memset(&m, 0x5a, sizeof(m));
	memset(&untouched, 0x5a, sizeof(untouched));
	if (msg_decode(s, from, to, &m))
		check_taken(s, to, &m);
	else if (memcmp(&m, &untouched, sizeof(m)) != 0)
		abort();
	return 0;
}
