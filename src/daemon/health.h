#ifndef POSTERN_DAEMON_HEALTH_H
#define POSTERN_DAEMON_HEALTH_H

/*
 * In the gate process: is the knock process well? Asked every third of rescue.after; each answer keeps the
 * rescuers out for another rescue.after. Without a rescue in the configuration nothing is asked.
 */

#include <uv.h>

#include "config/config.h"
#include "gate/gate.h"

struct health {
	struct gate *gate;
	const struct config *config;
	int knock;
	uv_timer_t timer;
	bool is_asked; /* and not answered yet */
	bool is_lapsed;
	uint32_t seq;
	uint64_t asked_mono_ms, well_mono_ms, trouble_mono_ms;
};

/* Arm the rescue and begin to ask, once the loop runs. was_well as gate_rescue. 0 or -errno. */
__attribute__((warn_unused_result)) int health_start(
	struct health *h, uv_loop_t *loop, bool was_well);

/* MSG_WELL came. */
void health_answered(struct health *h, uint32_t seq);

#endif
