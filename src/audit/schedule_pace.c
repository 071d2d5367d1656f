/*
 * Additive increase, halving, and spacing below one connection at a time. Invariant: window is at least 1 and
 * at most ceiling, ceiling at most top. A single loss costs speed for a moment; what was refused at a speed is
 * tried at that speed again only after so many good answers, and twice as many each time that fails.
 */

#include "audit/schedule_pace.h"

#define WINDOW_FIRST 3
#define POLITE_CEILING 2
#define SPACING_SHORT_MS 2000
#define SPACING_LONG_MS 10000
#define SPACING_LEAST_MS 500 /* below that there is none */
#define PATIENCE_FIRST 8
#define PATIENCE_MAX 512
#define LOST_IN_ROW 4 /* one at a time: that is a limit, not an accident */
#define FLAT_SLACK_MS 25

void audit_pace_init(struct audit_pace *p, unsigned ceiling, uint32_t rate, bool is_polite)
{
	*p = (struct audit_pace){ .ceiling = ceiling > 0 ? ceiling : 1, .best_ms = UINT32_MAX };
	if (is_polite && p->ceiling > POLITE_CEILING)
		p->ceiling = POLITE_CEILING;
	p->window = p->ceiling < WINDOW_FIRST ? p->ceiling : WINDOW_FIRST;
	if (is_polite)
		p->window = 1;
	p->top = p->ceiling;
	p->patience = PATIENCE_FIRST;
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

/* What waits already waits no longer than that either. */
static void hasten(struct audit_pace *p, uint32_t spacing_ms)
{
	uint32_t less_ms = p->spacing_ms - spacing_ms;
	p->not_before_ms -= p->not_before_ms > less_ms ? less_ms : p->not_before_ms;
	p->spacing_ms = spacing_ms;
}

/* Faster than what was refused once: one step, when that has gone well for long enough. */
static void try_more(struct audit_pace *p)
{
	/* Spaced questions take long enough as it is. */
	if (p->good < (p->spacing_ms > 0 ? p->patience / 2 : p->patience))
		return;
	p->good = 0;
	p->has_tried_more = true;
	if (p->spacing_ms > 0) {
		hasten(p, p->spacing_ms / 2 < SPACING_LEAST_MS ? 0 : p->spacing_ms / 2);
		return;
	}
	p->ceiling++;
	p->window++;
}

void audit_pace_good(struct audit_pace *p, uint32_t took_ms)
{
	if (took_ms < p->best_ms)
		p->best_ms = took_ms;
	bool is_flat = took_ms <= p->best_ms + p->best_ms / 2 + FLAT_SLACK_MS;
	p->good = is_flat ? p->good + 1 : 0;
	p->lost_in_row = 0;
	/* The long spacing waits for a limit to pass, and it has. */
	if (p->spacing_ms > SPACING_SHORT_MS) {
		hasten(p, SPACING_SHORT_MS);
		p->good = 0;
	} else if (p->spacing_ms > 0 || (p->window == p->ceiling && p->ceiling < p->top)) {
		try_more(p);
	} else if (p->window < p->ceiling && p->good >= p->window) {
		p->window++;
		p->good = 0;
	}
}

void audit_pace_let_in(struct audit_pace *p)
{
	p->lost_in_row = 0;
}

void audit_pace_limited(struct audit_pace *p, unsigned brakes, uint64_t now_ms)
{
	p->good = 0;
	p->lost_in_row++;
	/* What began before the last brake says nothing of the speed since. */
	if (brakes != p->brakes)
		return;
	p->brakes++;
	if (p->has_tried_more && p->patience < PATIENCE_MAX)
		p->patience *= 2;
	p->has_tried_more = false;
	if (p->window > 1) {
		p->ceiling = p->window - 1;
		p->window /= 2;
		return;
	}
	p->ceiling = 1;
	p->spacing_ms = p->spacing_ms == 0 ? SPACING_SHORT_MS : SPACING_LONG_MS;
	p->not_before_ms = now_ms + p->spacing_ms;
}

void audit_pace_pause(struct audit_pace *p)
{
	p->good = 0;
	p->window = 1;
}

void audit_pace_lost(struct audit_pace *p, unsigned brakes, uint64_t now_ms)
{
	if (++p->lost_in_row >= LOST_IN_ROW && p->window == 1) {
		audit_pace_limited(p, brakes, now_ms);
		return;
	}
	if (p->window == 1 || brakes != p->brakes)
		return;
	p->good = 0;
	p->brakes++;
	p->window /= 2;
}
