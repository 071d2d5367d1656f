/*
 * Actions, as the knock process sees them: ordered after their claim is in the store, answered when they
 * have ended. Invariant: one request runs one action once, however often it is sent; while it runs, each
 * copy of it is answered with "running" and nothing else happens.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/knockd_internal.h"
#include "priv/run.h"

#define HUNG_AFTER_MS 15000 /* past the time limit, which the action process keeps */
#define AGAIN_MAX 2000      /* answers to copies of one request */

/* A message as the journal has it: what spa_message_check lets pass, on one line. */
void action_quote(const struct spa_request *q, char *to, size_t cap)
{
	uint8_t text[SPA_MESSAGE_MAX];
	size_t len = spa_message_join(q, text), at = 0;
	to[at++] = '"';
	for (size_t i = 0; i < len && at + 4 < cap; i++) {
		char c = (char)text[i];
		if (c == '"' || c == '\\' || c == '\n')
			to[at++] = '\\';
		to[at++] = c == '\n' ? 'n' : c;
	}
	to[at++] = '"';
	to[at] = '\0';
}

const char *action_limit(const struct knockd *k, const struct slot *s)
{
	size_t n = 0;
	if (s->judged.claim.action->is_journal_only)
		return NULL;
	for (size_t i = 0; i < SLOTS_MAX; i++)
		n += k->slots[i].is_used && k->slots[i].is_running;
	for (size_t i = 0; i < k->batch_count && &k->slots[k->batch[i]] != s; i++)
		n += k->slots[k->batch[i]].outcome == JUDGE_RUN;
	return n >= RUN_PARALLEL_MAX ? "limit-actions" : NULL;
}

static enum spa_result result_of(uint8_t how)
{
	switch ((enum run_how)how) {
	case RUN_EXIT:
		return SPA_RESULT_EXIT;
	case RUN_SIGNAL:
		return SPA_RESULT_SIGNAL;
	case RUN_TIMEOUT:
		return SPA_RESULT_TIMEOUT;
	case RUN_TROUBLE:
		break;
	}
	return SPA_RESULT_TROUBLE;
}

void action_done(struct knockd *k, struct slot *s, uint8_t how, uint8_t detail)
{
	char ended[RUN_END_TEXT_MAX], took[32];
	uint64_t ms = clock_mono_ms() - s->began_mono_ms;
	struct store_record *r = events_record(k, STORE_RAN);
	uint64_t now = r->wall_ms;
	*r = s->record;
	r->wall_ms = now;
	r->event = STORE_RAN;
	r->list[0] = r->entry[0] = '\0';
	snprintf(r->reason, sizeof(r->reason), "%s", how == RUN_TROUBLE ? "trouble" : "ended");
	snprintf(took, sizeof(took), "%llu.%llu s", (unsigned long long)(ms / 1000),
		(unsigned long long)(ms / 100 % 10));
	if (how == RUN_TROUBLE)
		snprintf(r->text, sizeof(r->text), "could not be started; the log says why");
	else
		snprintf(r->text, sizeof(r->text), "ended by %s after %s",
			run_end_text((enum run_how)how, detail, ended), took);
	s->is_running = false;
	s->judged.result = result_of(how);
	s->judged.result_detail = how == RUN_EXIT || how == RUN_SIGNAL ? detail : 0;
	s->judged.retry_after_s = 0;
}

int action_order(struct knockd *k, struct slot *s, uint32_t seq)
{
	const struct config_action *a = s->judged.claim.action;
	struct msg m = {
		.type = MSG_RUN,
		.seq = seq,
		.service = (uint16_t)(a - k->config->actions),
		.addr = s->judged.seen.src,
	};
	snprintf(m.name, sizeof(m.name), "%s", s->record.name);
	m.data_len = spa_message_join(&s->judged.request, m.data);
	int rc = k->start->action < 0 ? -EPIPE : msg_send(k->start->action, &m);
	if (rc < 0)
		return rc;
	s->is_running = true;
	s->again = 0;
	s->until_mono_ms = s->began_mono_ms + a->timeout_s * 1000ull;
	return 0;
}

struct slot *action_again(struct knockd *k, const struct judge_case *c)
{
	uint64_t now = clock_mono_ms();
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &k->slots[i];
		if (!s->is_used || !s->is_running ||
			memcmp(s->judged.replay_key, c->replay_key, STORE_REPLAY_KEY_LEN) != 0)
			continue;
		/* Only to where the request came from, as any answer. */
		if (!addr_equal(&s->judged.seen.src, &c->seen.src) || s->again++ >= AGAIN_MAX)
			return NULL;
		uint64_t left = s->until_mono_ms > now ? s->until_mono_ms - now : 0;
		s->judged.result = SPA_RESULT_RUNNING;
		s->judged.result_detail = 0;
		s->judged.retry_after_s = (uint16_t)(left / 1000 + 1);
		return s;
	}
	return NULL;
}

void action_watch(struct knockd *k, uint64_t mono_ms)
{
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *s = &k->slots[i];
		if (!s->is_used || !s->is_running || mono_ms < s->until_mono_ms + HUNG_AFTER_MS)
			continue;
		log_error(
			"the action process does not answer; ending so that all are started anew");
		knockd_stop(k, 1);
		return;
	}
}
