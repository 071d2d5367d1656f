/*
 * The scan of one gateway as a state machine: jobs are added as facts come, the most urgent one that is ready
 * is asked, answers are given to those who understand them. Invariant: a job has at most one ask in the air;
 * it ends by an answer, or is given up and then its list is marked; nothing lost counts as refused.
 */

#include "audit/enumerate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

struct audit_scan *audit_scan_new(struct audit_facts *facts, const struct audit_scan_options *o)
{
	/* Most of its jobs are never needed, and pages that nobody touches cost nothing. */
	struct audit_scan *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	s->facts = facts;
	s->options = *o;
	audit_scan_add(s, AUDIT_DO_CANARY, AUDIT_TLS13);
	return s;
}

void audit_scan_free(struct audit_scan *s)
{
	if (s == NULL)
		return;
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
		free(s->versions[v].places);
	munmap(s, sizeof(*s));
}

struct audit_job *audit_scan_add(
	struct audit_scan *s, enum audit_purpose purpose, enum audit_version v)
{
	if (s->job_count == AUDIT_JOBS_MAX) {
		audit_scan_say(s, "the server needs more kinds of questions than are kept");
		s->facts->protocols[v].is_incomplete = true;
		return NULL;
	}
	struct audit_job *j = &s->jobs[s->job_count++];
	*j = (struct audit_job){ .purpose = purpose,
		.version = v,
		.state = AUDIT_JOB_READY,
		.parent = AUDIT_CHAIN_NONE };
	return j;
}

uint8_t audit_scan_job_index(const struct audit_scan *s, const struct audit_job *j)
{
	return (uint8_t)(j - s->jobs);
}

void audit_scan_again(struct audit_job *j)
{
	j->state = AUDIT_JOB_READY;
	j->drops = j->tries = 0;
	j->is_bare = j->is_small = j->is_greasy = false;
}

void audit_scan_say(struct audit_scan *s, const char *why)
{
	if (s->facts->incomplete[0] == '\0')
		snprintf(s->facts->incomplete, sizeof(s->facts->incomplete), "%s", why);
}

void audit_scan_give_up(struct audit_scan *s, struct audit_job *j)
{
	j->state = AUDIT_JOB_DONE;
	j->is_given_up = true;
	s->given_up++;
	switch (j->purpose) {
	case AUDIT_DO_TRACK:
		audit_track_give_up(s, j);
		break;
	case AUDIT_DO_MODERN:
		audit_modern_give_up(s, j);
		break;
	case AUDIT_DO_SSL2:
		s->facts->protocols[j->version].is_incomplete = true;
		break;
	case AUDIT_DO_GROUPS:
		s->facts->is_group_list_incomplete = true;
		break;
	case AUDIT_DO_RANK:
		s->versions[j->version].is_ranked = true;
		break;
	case AUDIT_DO_ROBOT:
		audit_single_end_robots(s);
		break;
	case AUDIT_DO_CANARY:
	case AUDIT_DO_CALIBRATE:
	case AUDIT_DO_ORDER:
	case AUDIT_DO_FALLBACK:
	case AUDIT_DO_NAMELESS:
	case AUDIT_DO_HEARTBLEED:
	case AUDIT_DO_CCS:
	case AUDIT_DO_INJECTION:
	case AUDIT_DO_FETCH:
		break;
	}
}

void audit_scan_leave_out(struct audit_scan *s, struct audit_job *j)
{
	audit_scan_say(s, "time was short: rare suites were left out");
	audit_scan_give_up(s, j);
}

/* The canary has shown that there is TLS: from here on everything that does not hang on other answers. */
static void begin(struct audit_scan *s)
{
	audit_modern_start(s);
	audit_track_start(s, AUDIT_TLS12);
	audit_track_start(s, AUDIT_TLS11);
	audit_scan_add(s, AUDIT_DO_SSL2, AUDIT_SSL2);
	s->shows_groups = true;
}

/* Versions that the canary's answer rules out: it offered all from TLS 1.0 up to its own. */
static void rule_out(struct audit_scan *s, const struct audit_job *j, enum audit_version v)
{
	for (unsigned i = v + 1; i <= j->version; i++)
		if (s->facts->protocols[i].offered == AUDIT_UNKNOWN)
			s->facts->protocols[i].offered = AUDIT_NO;
}

static void canary_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	j->state = AUDIT_JOB_DONE;
	if (f->has_hello && f->end != AUDIT_FLIGHT_SSL2)
		rule_out(s, j, f->version);
	begin(s);
	if (!f->has_hello || f->version == AUDIT_SSL2)
		return;
	if (f->version == AUDIT_TLS13)
		audit_modern_take(s, f);
	else
		audit_track_take(s, f->version, f);
}

/* What a server says that takes offence at something which is not what was asked. */
static bool is_offended(
	struct audit_scan *s, const struct audit_job *j, const struct audit_flight *f)
{
	if (f->end != AUDIT_FLIGHT_ALERT)
		return false;
	if (f->alert_code == 112 && j->purpose != AUDIT_DO_NAMELESS && audit_scan_uses_name(s)) {
		s->no_name = true; /* unrecognized_name, RFC 6066 3 */
		return true;
	}
	if (f->alert_code == 120 && !s->no_alpn) {
		s->no_alpn = true; /* no_application_protocol, RFC 7301 3.2 */
		return true;
	}
	return false;
}

static void ssl2_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	struct audit_protocol *p = &s->facts->protocols[AUDIT_SSL2];
	j->state = AUDIT_JOB_DONE;
	if (f->end != AUDIT_FLIGHT_SSL2) {
		p->offered = AUDIT_NO;
		if (s->is_last_chance)
			audit_scan_unheard(s, AUDIT_DROP_CLOSED);
		return;
	}
	/* It understands this hello, and ended the connection at every other one. */
	for (int v = AUDIT_SSL3; s->is_last_chance && v < AUDIT_VERSION_COUNT; v++)
		s->facts->protocols[v].offered = AUDIT_NO;
	p->offered = f->ssl2_suite_count > 0 ? AUDIT_YES : AUDIT_NO;
	struct audit_flight one = *f;
	for (size_t i = 0; i < f->ssl2_suite_count; i++) {
		one.suite = f->ssl2_suites[i];
		audit_scan_learn_suite(
			s, AUDIT_SSL2, &one, (struct audit_place){ .chain = AUDIT_CHAIN_NONE });
	}
}

/* A refusal by alert, or by an end of the connection that is known to be one here. */
void audit_scan_refused(struct audit_scan *s, struct audit_job *j, bool is_alert, uint8_t code)
{
	switch (j->purpose) {
	case AUDIT_DO_TRACK:
		audit_track_refuse(s, j, is_alert, code);
		return;
	case AUDIT_DO_MODERN:
		audit_modern_refuse(s, j);
		return;
	case AUDIT_DO_SSL2:
		s->facts->protocols[AUDIT_SSL2].offered = AUDIT_NO;
		break;
	case AUDIT_DO_FALLBACK:
		/* inappropriate_fallback, RFC 7507 3 */
		s->facts->probes.fallback_scsv = is_alert && code == 86 ? AUDIT_YES : AUDIT_UNKNOWN;
		break;
	case AUDIT_DO_NAMELESS:
		s->facts->probes.needs_name = AUDIT_YES;
		break;
	case AUDIT_DO_CALIBRATE:
		audit_scan_calibrated(s, j, AUDIT_DROP_ALERT);
		return;
	case AUDIT_DO_RANK:
		s->versions[j->version].is_ranked = true;
		break;
	case AUDIT_DO_CANARY:
	case AUDIT_DO_GROUPS:
	case AUDIT_DO_ORDER:
	case AUDIT_DO_HEARTBLEED:
	case AUDIT_DO_CCS:
	case AUDIT_DO_ROBOT:
	case AUDIT_DO_INJECTION:
	case AUDIT_DO_FETCH:
		break;
	}
	j->state = AUDIT_JOB_DONE;
}

static void answered(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	s->has_answer = true;
	if (is_offended(s, j, f)) {
		audit_scan_again(j);
		return;
	}
	if (j->purpose == AUDIT_DO_CANARY) {
		canary_answer(s, j, f);
		return;
	}
	if (j->purpose == AUDIT_DO_SSL2) {
		ssl2_answer(s, j, f);
		return;
	}
	if (!f->has_hello) {
		audit_scan_refused(s, j, true, f->alert_code);
		return;
	}
	switch (j->purpose) {
	case AUDIT_DO_TRACK:
		audit_track_accept(s, j, f);
		break;
	case AUDIT_DO_MODERN:
		audit_modern_accept(s, j, f);
		break;
	case AUDIT_DO_ORDER:
		audit_order_answer(s, j, f);
		break;
	case AUDIT_DO_RANK:
		audit_rank_answer(s, j, f);
		break;
	case AUDIT_DO_GROUPS:
	case AUDIT_DO_FALLBACK:
	case AUDIT_DO_NAMELESS:
		audit_single_answer(s, j, f);
		break;
	case AUDIT_DO_CALIBRATE:
		/* It accepts what does not exist: then nothing that it does is a refusal. */
		audit_scan_calibrated(s, j, AUDIT_DROP_MIXED);
		break;
	case AUDIT_DO_CANARY:
	case AUDIT_DO_SSL2:
	case AUDIT_DO_HEARTBLEED:
	case AUDIT_DO_CCS:
	case AUDIT_DO_ROBOT:
	case AUDIT_DO_INJECTION:
	case AUDIT_DO_FETCH:
		break;
	}
}

static struct audit_job *find_job(struct audit_scan *s, uint32_t id)
{
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].state == AUDIT_JOB_AIR && s->jobs[i].id == id)
			return &s->jobs[i];
	return NULL;
}

static void keep_words(struct audit_scan *s, const struct audit_probe_result *r)
{
	if (r->words == NULL)
		return;
	if (s->facts->words.greeting[0] == '\0' || r->end == AUDIT_PROBE_DIALOGUE)
		s->facts->words = *r->words;
	s->facts->words.greeting_ms = r->greeting_ms;
}

static void note_not_tls(struct audit_scan *s, const struct audit_flight *f)
{
	audit_quote(span_of(f->first, f->first_len), s->facts->words.text,
		sizeof(s->facts->words.text));
	s->facts->end = AUDIT_END_NOT_TLS;
	s->is_done = true;
}

/* Is there an answer in it? A suite that was chosen counts, whatever became of the rest of the flight. */
static bool has_answer(const struct audit_flight *f)
{
	return f != NULL && (f->has_hello || f->end == AUDIT_FLIGHT_ALERT);
}

enum audit_outcome audit_scan_result(
	struct audit_scan *s, uint32_t id, const struct audit_probe_result *r, int64_t now_s)
{
	struct audit_job *j = find_job(s, id);
	if (j == NULL || s->is_stopped)
		return AUDIT_OUTCOME_FINAL;
	if (j->purpose == AUDIT_DO_CANARY)
		keep_words(s, r);
	if (r->stage != AUDIT_STAGE_HELLO || r->flight == NULL || r->end == AUDIT_PROBE_CANCELLED)
		return audit_scan_lost_early(s, j, r);
	s->early_in_row = 0;
	if (has_answer(r->flight)) {
		if (r->flight->has_hello)
			audit_scan_survived(s, j);
		audit_scan_learn(s, j, r->flight, now_s);
		answered(s, j, r->flight);
		return AUDIT_OUTCOME_FINAL;
	}
	if (r->flight->end == AUDIT_FLIGHT_NOT_TLS && !s->has_answer &&
		(j->purpose == AUDIT_DO_CANARY)) {
		note_not_tls(s, r->flight);
		return AUDIT_OUTCOME_FINAL;
	}
	return audit_scan_dropped(s, j, r->end);
}

enum audit_outcome audit_scan_verdict(struct audit_scan *s, uint32_t id, enum audit_answer answer,
	const struct audit_probe_result *r)
{
	struct audit_job *j = find_job(s, id);
	if (j == NULL || s->is_stopped)
		return AUDIT_OUTCOME_FINAL;
	const struct audit_flight *f = r != NULL ? r->flight : NULL;
	if (answer == AUDIT_UNKNOWN && r != NULL &&
		(r->stage != AUDIT_STAGE_HELLO || r->end == AUDIT_PROBE_CANCELLED))
		return audit_scan_lost_early(s, j, r);
	s->early_in_row = 0;
	if (answer == AUDIT_UNKNOWN && r != NULL && !has_answer(f) && j->drops < 2)
		return audit_scan_dropped(s, j, r->end);
	audit_single_verdict(s, j, answer, has_answer(f) ? f : NULL);
	return AUDIT_OUTCOME_FINAL;
}

bool audit_scan_is_refused_for_now(const struct audit_scan *s)
{
	return s->is_refused_for_now;
}

void audit_scan_try_again(struct audit_scan *s)
{
	if (!s->is_refused_for_now)
		return;
	s->is_refused_for_now = false;
	s->is_done = false;
	s->facts->end = AUDIT_END_NONE;
	s->facts->words = (struct audit_words){ 0 };
	audit_scan_again(&s->jobs[0]);
}

/* What takes longest comes first; what a stranger might resent comes last. */
static unsigned urgency(const struct audit_job *j)
{
	switch (j->purpose) {
	case AUDIT_DO_CANARY:
		return 1000;
	case AUDIT_DO_CALIBRATE:
		return 900;
	case AUDIT_DO_TRACK:
		return (j->is_rare ? 300U : 500U) + (j->found < 100 ? j->found : 100U);
	case AUDIT_DO_MODERN:
		return 450;
	case AUDIT_DO_ORDER:
	case AUDIT_DO_RANK:
		return 400;
	case AUDIT_DO_GROUPS:
		return 390;
	case AUDIT_DO_FALLBACK:
	case AUDIT_DO_NAMELESS:
		return 250;
	case AUDIT_DO_SSL2:
		return 240;
	case AUDIT_DO_CCS:
	case AUDIT_DO_HEARTBLEED:
	case AUDIT_DO_ROBOT:
	case AUDIT_DO_INJECTION:
	case AUDIT_DO_FETCH:
		return 200;
	}
	return 0;
}

static struct audit_job *choose(struct audit_scan *s, bool *ret_has_air)
{
	struct audit_job *best = NULL;
	*ret_has_air = false;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		*ret_has_air = *ret_has_air || j->state == AUDIT_JOB_AIR;
		if (j->state == AUDIT_JOB_READY && (best == NULL || urgency(j) > urgency(best)) &&
			!(j->purpose == AUDIT_DO_MODERN && audit_modern_waits(s, j)) &&
			!(j->purpose == AUDIT_DO_TRACK && audit_track_waits(s, j)))
			best = j;
	}
	return best;
}

/* Jobs that hang on what is known by now. True when there is one. */
static bool plan(struct audit_scan *s, bool has_air)
{
	if (audit_order_plan(s) || audit_single_plan_groups(s) || audit_single_plan_fallback(s))
		return true;
	if (!has_air && audit_track_more_versions(s))
		return true;
	return audit_single_plan(s);
}

static void finish(struct audit_scan *s)
{
	if (!s->is_done && s->facts->end == AUDIT_END_NONE)
		audit_scan_finish_facts(s);
	s->is_done = true;
}

static enum audit_ask_kind kind_of(enum audit_purpose purpose)
{
	switch (purpose) {
	case AUDIT_DO_HEARTBLEED:
		return AUDIT_ASK_HEARTBLEED;
	case AUDIT_DO_CCS:
		return AUDIT_ASK_CCS;
	case AUDIT_DO_ROBOT:
		return AUDIT_ASK_ROBOT;
	case AUDIT_DO_INJECTION:
		return AUDIT_ASK_INJECTION;
	case AUDIT_DO_FETCH:
		return AUDIT_ASK_FETCH;
	case AUDIT_DO_CANARY:
	case AUDIT_DO_TRACK:
	case AUDIT_DO_MODERN:
	case AUDIT_DO_SSL2:
	case AUDIT_DO_CALIBRATE:
	case AUDIT_DO_GROUPS:
	case AUDIT_DO_ORDER:
	case AUDIT_DO_RANK:
	case AUDIT_DO_FALLBACK:
	case AUDIT_DO_NAMELESS:
		break;
	}
	return AUDIT_ASK_HELLO;
}

static bool ask(struct audit_scan *s, struct audit_job *j, struct audit_ask *ret)
{
	ret->id = ++s->next_id;
	ret->kind = kind_of(j->purpose);
	ret->is_canary = j->purpose == AUDIT_DO_CANARY;
	ret->is_rare = j->is_rare;
	ret->variant = j->purpose == AUDIT_DO_ROBOT ? j->step : 0;
	ret->is_ssl2 = j->version == AUDIT_SSL2;
	ret->hello_len = 0;
	bool is_own = ret->kind != AUDIT_ASK_INJECTION && ret->kind != AUDIT_ASK_FETCH;
	if (is_own && !audit_scan_write(s, j, ret)) {
		audit_scan_give_up(s, j);
		return false;
	}
	j->id = ret->id;
	j->groups_before = s->facts->group_count;
	j->state = AUDIT_JOB_AIR;
	s->facts->connections++;
	if (j->drops > 0)
		s->facts->retried++;
	return true;
}

enum audit_next audit_scan_next(struct audit_scan *s, struct audit_ask *ret)
{
	while (!s->is_done && !s->is_refused_for_now) {
		bool has_air;
		struct audit_job *j = choose(s, &has_air);
		if (j == NULL && plan(s, has_air))
			continue;
		if (j == NULL && has_air) {
			s->is_hungry = true;
			return AUDIT_NEXT_WAIT;
		}
		if (j == NULL)
			break;
		if (ask(s, j, ret))
			return AUDIT_NEXT_ASK;
	}
	finish(s);
	return AUDIT_NEXT_DONE;
}

void audit_scan_shorten(struct audit_scan *s)
{
	if (s->is_short)
		return;
	s->is_short = true;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		bool is_open = j->state == AUDIT_JOB_READY || j->state == AUDIT_JOB_HELD;
		if (j->purpose != AUDIT_DO_TRACK || !j->is_rare || j->found > 0 || !is_open)
			continue;
		audit_scan_leave_out(s, j);
	}
}

void audit_scan_stop(struct audit_scan *s, const char *why)
{
	if (s->is_done || s->is_stopped)
		return;
	s->is_stopped = true;
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
		if (s->facts->protocols[v].offered == AUDIT_UNKNOWN && !s->versions[v].is_covered)
			s->facts->protocols[v].is_incomplete = true;
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].state != AUDIT_JOB_DONE)
			audit_scan_give_up(s, &s->jobs[i]);
	s->facts->incomplete[0] = '\0';
	audit_scan_say(s, why);
	audit_scan_finish_facts(s);
	if (s->facts->end == AUDIT_END_NONE || s->facts->end == AUDIT_END_COMPLETE)
		s->facts->end = AUDIT_END_INCOMPLETE;
	s->is_done = true;
}

/* As far as one can guess: a track goes on about as long as it has found something. */
uint32_t audit_scan_rounds_left(const struct audit_scan *s, unsigned w)
{
	uint32_t asks = 0, longest = 0;
	if (s->is_done)
		return 0;
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *j = &s->jobs[i];
		if (j->state == AUDIT_JOB_DONE || j->state == AUDIT_JOB_HELD)
			continue;
		uint32_t rest = j->found < j->count ? j->found : j->count;
		uint32_t n = j->purpose == AUDIT_DO_CANARY ? 12 : 1 + rest / 2;
		asks += n;
		longest = n > longest ? n : longest;
	}
	uint32_t rounds = w > 0 ? (asks + w - 1) / w : asks;
	return rounds > longest ? rounds : longest;
}
