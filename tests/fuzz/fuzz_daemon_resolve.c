/*
 * Any bytes as the answer of the process that looks up hosts. What is taken is about the passthru with a name,
 * has only addresses that a host can have, and encodes to the very same bytes; what is not leaves the result alone.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct config *configuration(void)
{
	static struct config c = { .passthru_count = 2 };
	c.passthrus[0].host = "10.0.0.8";
	memset(c.passthrus[0].addr.b, 1, sizeof(c.passthrus[0].addr.b));
	c.passthrus[1].host = "mail.inner";
	return &c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct resolve_answer a, untouched;
	uint8_t again[RESOLVE_ANSWER_MAX];
	memset(&a, 0x5a, sizeof(a));
	memset(&untouched, 0x5a, sizeof(untouched));
	if (!resolve_decode(span_of(data, len), configuration(), &a)) {
		if (memcmp(&a, &untouched, sizeof(a)) != 0)
			abort();
		return 0;
	}
	if (a.index != 1 || a.count > RELAY_ADDRS_MAX)
		abort();
	for (size_t i = 0; i < a.count; i++)
		if (!addr_is_host(&a.addrs[i]))
			abort();
	size_t n = resolve_encode(&a, again);
	if (n != len || memcmp(again, data, len) != 0)
		abort();
	return 0;
}
