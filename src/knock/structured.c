/*
 * Structured sequences. A frame is looked for in the last twelve marks on the ten ports, at each mark on
 * one of them, so every frame, whole or broken, is told exactly once: with its twelfth knock.
 */

#include "knock/structured.h"

#include <netinet/in.h>
#include <string.h>

#define FRAME_MARK_LEN 3
#define PAYLOAD 3 /* four digits from here */
#define DIGITS 4
#define TIME 7
#define CHECKSUM 8
#define FOOTER 9

static const uint8_t header[FRAME_MARK_LEN] = { 3, 1, 7 };
static const uint8_t footer[FRAME_MARK_LEN] = { 7, 1, 3 };

/* Knocks as what they add to the base. */
struct frame {
	uint8_t digits[STRUCTURED_KNOCKS];
	uint64_t began_ms;
};

const char *structured_reject_name(enum structured_reject reason)
{
	static const char *const names[STRUCTURED_REJECT_COUNT] = {
		[STRUCTURED_OK] = "ok",
		[STRUCTURED_NONE] = "none",
		[STRUCTURED_FRAME] = "frame",
		[STRUCTURED_CHECKSUM] = "checksum",
		[STRUCTURED_PORT] = "port",
		[STRUCTURED_LATE] = "late",
	};
	return reason < STRUCTURED_REJECT_COUNT ? names[reason] : "unknown";
}

static bool is_own(uint16_t base, const struct track_mark *m)
{
	return m->proto == IPPROTO_TCP && m->port >= base && m->port - base < STRUCTURED_PORTS;
}

/* The last twelve knocks on our ports; false when there are fewer, or when the latest is not on one. */
static bool take_frame(uint16_t base, const struct track *t, struct frame *ret)
{
	size_t left = STRUCTURED_KNOCKS;
	if (t->count == 0 || !is_own(base, &t->marks[t->count - 1]))
		return false;
	for (size_t i = t->count; i > 0 && left > 0; i--) {
		const struct track_mark *m = &t->marks[i - 1];
		if (!is_own(base, m))
			continue;
		ret->digits[--left] = (uint8_t)(m->port - base);
		ret->began_ms = m->at_ms;
	}
	return left == 0;
}

static uint8_t checksum(const uint8_t digits[STRUCTURED_KNOCKS])
{
	unsigned sum = 0;
	for (size_t i = PAYLOAD; i < CHECKSUM; i++)
		sum += digits[i];
	return (uint8_t)(sum % 10);
}

enum structured_reject structured_read(const struct structured_rule *rule, const struct track *t,
	uint64_t now_ms, struct structured *ret)
{
	struct frame f = { 0 };
	struct structured s = { 0 };
	if (!take_frame(rule->base, t, &f) || memcmp(f.digits, header, sizeof(header)) != 0)
		return STRUCTURED_NONE;
	if (memcmp(f.digits + FOOTER, footer, sizeof(footer)) != 0)
		return STRUCTURED_FRAME;
	if (f.digits[CHECKSUM] != checksum(f.digits))
		return STRUCTURED_CHECKSUM;
	if (now_ms > f.began_ms && now_ms - f.began_ms > rule->within_ms)
		return STRUCTURED_LATE;
	for (size_t i = 0; i < DIGITS; i++)
		s.port = (uint16_t)(s.port * 10 + f.digits[PAYLOAD + i]);
	s.time = f.digits[TIME];
	if (s.port == 0)
		return STRUCTURED_PORT;
	*ret = s;
	return STRUCTURED_OK;
}

bool structured_write(uint16_t base, const struct structured *s, uint16_t ports[STRUCTURED_KNOCKS])
{
	uint8_t digits[STRUCTURED_KNOCKS];
	if (base == 0 || base > STRUCTURED_BASE_MAX || s->port == 0 ||
		s->port > STRUCTURED_PORT_MAX || s->time > STRUCTURED_TIME_CLOSE)
		return false;
	memcpy(digits, header, sizeof(header));
	memcpy(digits + FOOTER, footer, sizeof(footer));
	for (unsigned i = 0, rest = s->port; i < DIGITS; i++, rest /= 10)
		digits[PAYLOAD + DIGITS - 1 - i] = (uint8_t)(rest % 10);
	digits[TIME] = s->time;
	digits[CHECKSUM] = checksum(digits);
	for (size_t i = 0; i < STRUCTURED_KNOCKS; i++)
		ports[i] = (uint16_t)(base + digits[i]);
	return true;
}
