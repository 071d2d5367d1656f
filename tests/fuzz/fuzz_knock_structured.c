/*
 * A base port (2 bytes) and knocks of three bytes: offset from the base, protocol and how many ms later,
 * looked at one by one as they are noted. A frame that is accepted is the one that would be written for
 * what it says, and lies in its time; a frame is told of only with a knock on one of the ten ports.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "knock/structured.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void add(struct track *t, const struct track_mark *m)
{
	if (t->count == TRACK_MARKS)
		memmove(t->marks, t->marks + 1, --t->count * sizeof(t->marks[0]));
	t->marks[t->count++] = *m;
}

static bool is_own(uint16_t base, const struct track_mark *m)
{
	return m->proto == IPPROTO_TCP && m->port >= base && m->port < base + STRUCTURED_PORTS;
}

static void check(const struct structured_rule *rule, const struct track *t, uint64_t now_ms,
	const struct structured *got)
{
	uint16_t ports[STRUCTURED_KNOCKS];
	size_t left = STRUCTURED_KNOCKS;
	must(structured_write(rule->base, got, ports));
	for (size_t i = t->count; left > 0; i--) {
		must(i > 0);
		if (!is_own(rule->base, &t->marks[i - 1]))
			continue;
		must(t->marks[i - 1].port == ports[--left]);
		must(now_ms - t->marks[i - 1].at_ms <= rule->within_ms);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_init(span_of(data, len));
	struct structured_rule rule = { .base = reader_u16(&r), .within_ms = 1000 };
	struct track t = { 0 };
	uint64_t now_ms = 1;
	if (rule.base == 0 || rule.base > STRUCTURED_BASE_MAX)
		return 0;
	while (r.left >= 3) {
		struct structured got = { 0 };
		struct track_mark m = { 0 };
		m.port = (uint16_t)(rule.base + reader_u8(&r));
		m.proto = reader_u8(&r) == 17 ? IPPROTO_UDP : IPPROTO_TCP;
		now_ms += reader_u8(&r);
		m.at_ms = now_ms;
		add(&t, &m);
		enum structured_reject reason = structured_read(&rule, &t, now_ms, &got);
		must(reason < STRUCTURED_REJECT_COUNT);
		must(reason == STRUCTURED_NONE || is_own(rule.base, &m));
		must((reason == STRUCTURED_OK) == (got.port != 0));
		if (reason != STRUCTURED_OK)
			continue;
		check(&rule, &t, now_ms, &got);
		track_clear(&t);
	}
	return 0;
}
