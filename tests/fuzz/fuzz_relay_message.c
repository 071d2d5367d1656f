/*
 * Two bytes choose sender and receiver, the rest is the datagram. What is decoded encodes to the very same
 * bytes, is taken in no other direction, keeps to its bounds, and leaves the result alone when it is refused.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_taken(
	struct span s, enum relay_peer from, enum relay_peer to, const struct relay_msg *m)
{
	uint8_t again[RELAY_LEN_MAX];
	size_t len = relay_msg_encode(m, again);
	if (!span_equal(s, span_of(again, len)))
		abort();
	if (m->addr_count > RELAY_ADDRS_MAX || m->who.path_count > CHAIN_STEPS_MAX ||
		m->client.len > CONFIG_SPEAKS_HEX_MAX || m->inner.len > CONFIG_SPEAKS_HEX_MAX ||
		m->speaks > CONFIG_SPEAKS_HEX || m->chain.len > RELAY_CHAIN_MAX)
		abort();
	if (strnlen(m->passthru, sizeof(m->passthru)) > CONFIG_NAME_MAX ||
		strnlen(m->host, sizeof(m->host)) > CONFIG_HOST_MAX ||
		strnlen(m->who.name, sizeof(m->who.name)) > RELAY_NAME_MAX ||
		strnlen(m->text, sizeof(m->text)) > RELAY_TEXT_MAX)
		abort();
	for (unsigned i = 0; i < 9; i++) {
		struct relay_msg other;
		enum relay_peer f = (enum relay_peer)(i / 3), t = (enum relay_peer)(i % 3);
		if ((f != from || t != to) && relay_msg_decode(s, f, t, &other))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct relay_msg m, untouched;

	if (len < 2)
		return 0;
	enum relay_peer from = (enum relay_peer)(data[0] % 3);
	enum relay_peer to = (enum relay_peer)(data[1] % 3);
	struct span s = span_of(data + 2, len - 2);
	memset(&m, 0x5a, sizeof(m));
	memset(&untouched, 0x5a, sizeof(untouched));
	if (relay_msg_decode(s, from, to, &m))
		check_taken(s, from, to, &m);
	else if (memcmp(&m, &untouched, sizeof(m)) != 0)
		abort();
	return 0;
}
