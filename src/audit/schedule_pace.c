/*
 * Additive increase, halving, and spacing below one connection at a time. Invariant: window is at least 1
 * and at most ceiling; ceiling never rises; once spaced, connections stay spaced.
 */

#include "audit/schedule_pace.h"

#define WINDOW_FIRST 3
#define POLITE_CEILING 2
#define SPACING_SHORT_MS 2000
#define SPACING_LONG_MS 10000
#define GOOD_TO_HASTEN 4 /* spaced connections in a row that went well */
#define FLAT_SLACK_MS 25

void audit_pace_init(struct audit_pace *p, unsigned ceiling, uint32_t rate, bool is_polite)
{
	*p = (struct audit_pace){ .ceiling = ceiling > 0 ? ceiling : 1, .best_ms = UINT32_MAX };
	if (is_polite && p->ceiling > POLITE_CEILING)
		p->ceiling = POLITE_CEILING;
	p->window = p->ceiling < WINDOW_FIRST ? p->ceiling : WINDOW_FIRST;
	if (is_polite)
		p->window = 1;
	p->interval_ms = rate > 0 ? (1000 + rate - 1) / rate : 0;
}

bool audit_pace_allows(const struct audit_pace *p, unsigned open, uint64_t now_ms)
{
	return open < p->window && now_ms >= p->not_before_ms;
}

void audit_pace_began(struct audit_pace *p, uint64_t now_ms)
{
	uint32_t pause = p->spacing_ms > p->interval_ms ? p->spacing_ms : p->interval_ms;
	p->not_before_ms = now_ms + pause;
}

void audit_pace_good(struct audit_pace *p, uint32_t took_ms)
{
	if (took_ms < p->best_ms)
		p->best_ms = took_ms;
	bool is_flat = took_ms <= p->best_ms + p->best_ms / 2 + FLAT_SLACK_MS;
	p->good_in_row = is_flat ? p->good_in_row + 1 : 0;
	if (p->spacing_ms > 0) {
		if (p->good_in_row >= GOOD_TO_HASTEN)
			p->spacing_ms = SPACING_SHORT_MS;
		return;
	}
	if (p->good_in_row < p->window || p->window >= p->ceiling)
		return;
	p->window++;
	p->good_in_row = 0;
}

void audit_pace_limited(struct audit_pace *p, unsigned brakes, uint64_t now_ms)
{
	p->good_in_row = 0;
	/* What began before the last brake says nothing of the speed since. */
	if (brakes != p->brakes)
		return;
	p->brakes++;
	if (p->window > 1) {
		p->ceiling = p->window - 1;
		p->window /= 2;
		return;
	}
	p->ceiling = 1;
	p->spacing_ms = p->spacing_ms == 0 ? SPACING_SHORT_MS : SPACING_LONG_MS;
	p->not_before_ms = now_ms + p->spacing_ms;
}

void audit_pace_lost(struct audit_pace *p, unsigned brakes)
{
	p->good_in_row = 0;
	if (p->window == 1 || brakes != p->brakes)
		return;
	p->brakes++;
	p->window /= 2;
}
