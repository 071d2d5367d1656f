/*
 * By the first byte: a file of keys; knocks on the ports of a tagged sequence; a frame that is written and
 * then spoofed into. Property: a table of keys has names that can be printed; what is accepted was knocked
 * whole; a written frame is read, however it is mixed with up to two spoofed knocks at each place.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/tagged.h"

#define BASE 40000
#define NOW 1795316502u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct tagged_limits limits = { NOW - 30, NOW + 30 };
static struct tagged_keys keys;
static struct tagged tagged = {
	.base = BASE,
	.observed = true,
	.service_count = 4,
	.keys = &keys,
	.sid = { 1 },
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void parse(struct span text)
{
	static struct tagged_keys got;
	struct fault f = { "" };
	size_t count = 0;
	if (tagged_keys_parse("keys", text, &got, &f) != 0) {
		must(strncmp(f.text, "keys:", 5) == 0 && got.count == 0);
		return;
	}
	for (size_t i = 0; i < TAGGED_SLOTS; i++) {
		if (!got.slot[i].is_set)
			continue;
		count++;
		size_t len = strnlen(got.slot[i].name, sizeof(got.slot[i].name));
		must(len > 0 && len <= TAGGED_NAME_MAX);
		for (size_t k = 0; k < len; k++)
			must((unsigned char)got.slot[i].name[k] >= 0x20);
	}
	must(count == got.count);
}

static void knock(struct track *t, uint16_t port, uint64_t at_ms)
{
	if (t->count == TRACK_MARKS) {
		memmove(t->marks, t->marks + 1, sizeof(t->marks) - sizeof(t->marks[0]));
		t->count--;
	}
	t->marks[t->count++] = (struct track_mark){ .at_ms = at_ms, .port = port };
}

static void check(const struct track *t, const struct tagged_wish *got)
{
	uint16_t ports[TAGGED_KNOCKS];
	must(got->tag >= limits.first && got->tag <= limits.last);
	must(got->service < 4 || got->service == TAGGED_SERVICE_CLOSE);
	must(tagged_write(&tagged, keys.slot[got->slot].key, got, &t->source, ports));
	for (size_t i = 0; i < TAGGED_KNOCKS; i++) {
		bool is_there = false;
		for (size_t k = 0; k < t->tag.count[i]; k++)
			is_there |= ports[i] == BASE + 256 * i + t->tag.byte[i][k];
		must(is_there);
	}
}

/* Three bytes a knock: the pause before it in units of 10 ms, and the port above ours. */
static void read_raw(struct reader *r)
{
	static const uint8_t v4[] = { 192, 0, 2, 10 };
	struct track t = { .source = addr_v4(v4) };
	uint64_t at_ms = 1;
	while (r->left >= 3) {
		struct tagged_wish got;
		at_ms += 10u * reader_u8(r);
		knock(&t, (uint16_t)(BASE + reader_u16(r)), at_ms);
		enum tagged_reject reason = tagged_read(&tagged, &limits, &t, &got);
		for (size_t i = 0; i < TRACK_TAG_BYTES; i++)
			must(t.tag.count[i] <= TRACK_TAG_CANDIDATES);
		if (reason == TAGGED_OK)
			check(&t, &got);
	}
}

static void read_made(struct reader *r)
{
	struct track t = { 0 };
	struct tagged_wish wish = { 0 }, got;
	uint16_t ports[TAGGED_KNOCKS];
	uint8_t spoofed[TAGGED_KNOCKS] = { 0 };
	bool is_read = false;

	reader_copy(r, t.source.b, sizeof(t.source.b));
	wish.slot = reader_u8(r);
	wish.tag = limits.first + reader_u8(r) % 61u;
	wish.service = reader_u8(r) % 4;
	wish.is_observed = (reader_u8(r) & 1) != 0;
	must(tagged_write(&tagged, keys.slot[wish.slot].key, &wish, &t.source, ports));
	for (size_t sent = 0; sent < TAGGED_KNOCKS && !is_read;) {
		uint16_t port = reader_u16(r) % 4096;
		bool is_spoofed = !r->is_short && spoofed[port / 256] < 2;
		spoofed[port / 256] += is_spoofed;
		knock(&t, is_spoofed ? (uint16_t)(BASE + port) : ports[sent++], 1);
		is_read = tagged_read(&tagged, &limits, &t, &got) == TAGGED_OK;
	}
	must(is_read && got.tag == wish.tag && got.slot == wish.slot);
	check(&t, &got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_init(span_of(data, len));
	for (size_t i = 0; i < TAGGED_SLOTS && !keys.slot[i].is_set; i++) {
		keys.slot[i].is_set = true;
		keys.slot[i].key[0] = (uint8_t)i;
	}
	switch (reader_u8(&r)) {
	case 0:
		parse(reader_rest(&r));
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
