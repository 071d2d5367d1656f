/*
 * One byte chooses the side, the rest is what has arrived, met in pieces of every length. A whole frame
 * encodes to the very bytes it was; it was "more" at each shorter length and is the same at each greater one;
 * broken bytes stay broken.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_whole(struct span bytes, const struct frame *f, size_t used)
{
	uint8_t again[FRAME_LEN_MAX];
	if (used > bytes.len || used > FRAME_LEN_MAX || frame_encode(f, again) != used ||
		memcmp(again, bytes.data, used) != 0)
		abort();
	if (f->datagram.len > FRAME_DATAGRAM_MAX || strlen(f->host) > FRAME_HOST_MAX ||
		strlen(f->text) > FRAME_TEXT_MAX || f->status >= FRAME_STATUS_COUNT)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum frame_result before = FRAME_MORE;
	size_t used_before = 0;

	if (len < 1)
		return 0;
	enum frame_side from = data[0] % 2 == 0 ? FRAME_FROM_CLIENT : FRAME_FROM_RELAY;
	size_t most = len - 1 > FRAME_LEN_MAX + 8 ? FRAME_LEN_MAX + 8 : len - 1;
	for (size_t n = 0; n <= most; n++) {
		struct frame f;
		size_t used = 0;
		struct span bytes = span_of(data + 1, n);
		enum frame_result now = frame_decode(bytes, from, &f, &used);
		if (before != FRAME_MORE && (now != before || used != used_before))
			abort();
		if (now == FRAME_WHOLE)
			check_whole(bytes, &f, used);
		if (now == FRAME_MORE && n >= FRAME_LEN_MAX)
			abort();
		before = now;
		used_before = used;
	}
	return 0;
}
