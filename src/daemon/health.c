/*
 * Questions to the knock process. Invariant: the rescuers are kept out only by an answer to a question
 * that is younger than a third of their time, from the loop that also decodes; what lay in a queue while
 * one of the two processes stood still keeps nobody out.
 */

#include "daemon/health.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "priv/priv.h"

#define TROUBLE_EVERY_MS 10000

static uint64_t after_ms(const struct health *h)
{
	return h->config->rescue.after_s * 1000ull;
}

static void ask(struct health *h, uint64_t now)
{
	struct msg m = { .type = MSG_ASK, .seq = h->seq + 1 };
	/* One that is full has enough to read, one that is gone is noticed elsewhere. */
	if (msg_send(h->knock, &m) < 0)
		return;
	h->seq++;
	h->is_asked = true;
	h->asked_mono_ms = now;
}

static void on_timer(uv_timer_t *timer)
{
	struct health *h = timer->data;
	uint64_t now = clock_mono_ms();
	char d[TIME_TEXT_MAX];

	if (!h->is_asked)
		ask(h, now);
	if (h->is_lapsed || now - h->well_mono_ms < after_ms(h))
		return;
	h->is_lapsed = true;
	log_error("the knock process has not answered for %s; the rescue lets its addresses in",
		duration_format(h->config->rescue.after_s, d));
}

static void keep_alive(struct health *h, uint64_t now)
{
	int rc = gate_keep_alive(h->gate, h->config);
	if (rc == 0) {
		h->well_mono_ms = now;
		if (h->is_lapsed)
			log_info("the knock process answers; the rescue is over");
		h->is_lapsed = false;
		return;
	}
	if (h->trouble_mono_ms != 0 && now - h->trouble_mono_ms < TROUBLE_EVERY_MS)
		return;
	h->trouble_mono_ms = now;
	log_error("the rescue cannot be held off: %s", strerror(-rc));
}

void health_answered(struct health *h, uint32_t seq)
{
	uint64_t now = clock_mono_ms();
	if (!h->is_asked || seq != h->seq)
		return;
	h->is_asked = false;
	if (now - h->asked_mono_ms > after_ms(h) / 3)
		ask(h, now);
	else
		keep_alive(h, now);
}

int health_start(struct health *h, uv_loop_t *loop, bool was_well)
{
	int rc = gate_rescue(h->gate, h->config, was_well);
	if (rc < 0 || !h->config->rescue.is_on)
		return rc;
	h->well_mono_ms = clock_mono_ms();
	h->timer.data = h;
	rc = uv_timer_init(loop, &h->timer);
	if (rc == 0)
		rc = uv_timer_start(&h->timer, on_timer, 0, after_ms(h) / 3);
	return rc;
}
