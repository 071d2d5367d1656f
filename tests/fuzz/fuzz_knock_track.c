/*
 * Knocks of seven bytes, from sources that a small table has no room for: network, host, protocol and
 * flags, port, source port, sequence number, and how much later. What a track shows is what its source
 * did: its latest knocks, in order, none too old, none twice; each knock is counted as one thing.
 */

#include <netinet/in.h>
#include <stdlib.h>

#include "base/span.h"
#include "knock/track.h"

#define MAX_AGE 1000
#define SOURCES 16 /* four networks' share is all */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct addr source_of(uint8_t network, uint8_t host)
{
	const uint8_t four[4] = { 10, network >> 1, 0, host };
	uint8_t six[16] = { 0x20, 1, [7] = network, [15] = host };
	return (network & 1) != 0 ? addr_v6(six) : addr_v4(four);
}

static struct track_knock take_knock(struct reader *r, uint64_t *now_ms)
{
	uint8_t network = reader_u8(r), host = reader_u8(r), flags = reader_u8(r);
	struct track_knock k = { .source = source_of(network, host) };
	k.proto = (flags & 1) != 0 ? IPPROTO_UDP : IPPROTO_TCP;
	k.has_seq = (flags & 2) != 0;
	k.port = reader_u8(r);
	k.src_port = reader_u8(r);
	k.seq = reader_u8(r);
	*now_ms += (uint64_t)reader_u8(r) << (flags >> 4);
	return k;
}

static void check(const struct track *t, const struct track_knock *k, uint64_t now_ms)
{
	must(addr_equal(&t->source, &k->source));
	must(t->count > 0 && t->count <= TRACK_MARKS && t->same_next < TRACK_SAME);
	must(t->marks[t->count - 1].port == k->port && t->marks[t->count - 1].proto == k->proto);
	must(t->marks[t->count - 1].at_ms == now_ms);
	for (size_t i = 0; i < t->count; i++) {
		must(now_ms - t->marks[i].at_ms <= MAX_AGE);
		must(i == 0 || t->marks[i - 1].at_ms <= t->marks[i].at_ms);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t seed[16] = { 1 };
	struct reader r = reader_init(span_of(data, len));
	struct track_table *table = track_table_new(SOURCES, seed);
	uint64_t now_ms = 1000, notes = 0;
	must(table != NULL);
	for (; r.left >= 7; notes++) {
		struct track_knock k = take_knock(&r, &now_ms);
		struct track *t = track_note(table, &k, now_ms, MAX_AGE);
		if (t == NULL)
			continue;
		check(t, &k, now_ms);
		/* Again, at once: a repetition, unless it is UDP. */
		if (k.proto == IPPROTO_TCP) {
			notes++;
			must(track_note(table, &k, now_ms, MAX_AGE) == NULL);
		}
		if (k.port == 0)
			track_clear(t);
	}
	const struct track_counts *c = track_table_counts(table);
	must(c->knocks + c->repeated + c->crowded == notes);
	must(c->displaced <= c->knocks);
	track_table_free(table);
	return 0;
}
