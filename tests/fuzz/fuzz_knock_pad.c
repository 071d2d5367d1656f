/*
 * By the first byte: the header of a pad; knocks on the ports of a padded sequence; a message that is
 * written and then spoofed into. Property: a header that decodes is written as it was; what is accepted was
 * knocked as pad_write has it; a written message is read again, whatever two knocks come in between, and
 * not under the other messages.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/pad.h"

#define FIRST 745

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct pad_how how = { .port_first = FIRST, .within_ms = 60000 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void decode(struct span s)
{
	struct pad_header h;
	uint8_t b[PAD_HEADER_LEN];
	if (!pad_header_decode(s, &h))
		return;
	must(h.messages > 0 && h.messages <= PAD_MESSAGES_MAX);
	must(h.role == PAD_SERVER || h.role == PAD_CLIENT);
	pad_header_encode(&h, b);
	must(span_equal(s, SPAN_OF(b)));
}

/* Message 0 is that of the vector, read from the input; the others count up. */
static void lay_out(struct pad_message *ahead, struct reader *r)
{
	for (size_t i = 0; i < PAD_AHEAD; i++) {
		memset(ahead[i].mask, (int)(i + 1), sizeof(ahead[i].mask));
		memset(ahead[i].key, (int)(i + 101), sizeof(ahead[i].key));
	}
	reader_copy(r, ahead[0].mask, sizeof(ahead[0].mask));
	reader_copy(r, ahead[0].key, sizeof(ahead[0].key));
}

static void knock(struct track *t, uint16_t port)
{
	if (t->count == TRACK_MARKS) {
		memmove(t->marks, t->marks + 1, sizeof(t->marks) - sizeof(t->marks[0]));
		t->count--;
	}
	t->marks[t->count++] = (struct track_mark){ .at_ms = 1, .port = port };
}

static void check(
	const struct pad_message *ahead, const struct track *t, const struct pad_wish *got)
{
	uint16_t ports[PAD_KNOCKS];
	size_t found = 0;
	must(got->index < PAD_AHEAD && addr_equal(&got->address, &t->source));
	must(!pad_is_spent(&ahead[got->index]));
	pad_write(&ahead[got->index], got, FIRST, ports);
	for (size_t i = 0; i < t->count && found < PAD_KNOCKS; i++)
		found += t->marks[i].port == ports[found];
	must(found == PAD_KNOCKS);
}

static void read_raw(struct reader *r)
{
	struct pad_message ahead[PAD_AHEAD];
	struct track t = { 0 };
	lay_out(ahead, r);
	reader_copy(r, t.source.b, sizeof(t.source.b));
	while (r->left > 0) {
		struct pad_wish got;
		knock(&t, (uint16_t)(FIRST + reader_u8(r)));
		if (pad_read(ahead, PAD_AHEAD, &how, &t, &got) == PAD_OK)
			check(ahead, &t, &got);
	}
}

static void read_made(struct reader *r)
{
	struct pad_message ahead[PAD_AHEAD];
	struct track t = { 0 };
	struct pad_wish wish = { 0 }, got;
	uint16_t ports[PAD_KNOCKS];

	lay_out(ahead, r);
	reader_copy(r, wish.address.b, sizeof(wish.address.b));
	t.source = wish.address;
	wish.port = reader_u16(r);
	wish.time = reader_u8(r);
	wish.index = reader_u8(r) % PAD_AHEAD;
	pad_write(&ahead[wish.index], &wish, FIRST, ports);
	size_t place[] = { 1 + reader_u8(r) % 15u, 1 + reader_u8(r) % 15u };
	uint8_t value[] = { reader_u8(r), reader_u8(r) };
	for (size_t i = 0; i < PAD_KNOCKS; i++) {
		for (size_t k = 0; k < 2; k++)
			if (place[k] == i)
				knock(&t, (uint16_t)(FIRST + value[k]));
		knock(&t, ports[i]);
	}
	enum pad_reject reason = pad_read(ahead, PAD_AHEAD, &how, &t, &got);
	must((reason == PAD_OK) == !pad_is_spent(&ahead[wish.index]));
	if (reason != PAD_OK)
		return;
	must(got.index == wish.index && got.port == wish.port && got.time == wish.time);
	check(ahead, &t, &got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_init(span_of(data, len));
	switch (reader_u8(&r)) {
	case 0:
		decode(reader_rest(&r));
		break;
	case 1:
		read_raw(&r);
		break;
	default:
		read_made(&r);
		break;
	}
	return 0;
}
