/*
 * Questions that cost a connection or a few each, asked last. Invariant: each is planned once, and only where
 * its answer can mean something.
 */

#include "audit/attack.h"
#include "audit/enumerate_internal.h"
#include "audit/session.h"
#include "audit/suite.h"

bool audit_single_newest(
	const struct audit_scan *s, enum audit_version max, enum audit_version *ret)
{
	for (unsigned v = max; v >= AUDIT_SSL3; v--) {
		if (s->facts->protocols[v].suite_count > 0) {
			*ret = (enum audit_version)v;
			return true;
		}
	}
	return false;
}

static bool is_ecdhe(const struct audit_suite *t)
{
	return t != NULL && (t->kx == AUDIT_KX_ECDHE || t->kx == AUDIT_KX_ECDHE_PSK);
}

/* With an ECDSA certificate, the curve of the certificate must be among the groups as well (RFC 8422 5.1). */
static bool is_free_ecdhe(const struct audit_suite *t)
{
	return is_ecdhe(t) && t->auth != AUDIT_AUTH_ECDSA;
}

static bool is_rsa(const struct audit_suite *t)
{
	return t != NULL && t->kx == AUDIT_KX_RSA;
}

static bool has_certificate(const struct audit_suite *t)
{
	return t != NULL && t->auth != AUDIT_AUTH_NULL && t->auth != AUDIT_AUTH_PSK;
}

static bool is_any(const struct audit_suite *t)
{
	(void)t;
	return true;
}

typedef bool suite_test(const struct audit_suite *t);

static size_t list(const struct audit_scan *s, enum audit_version v, suite_test *test, uint32_t *to)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	size_t n = 0;
	for (size_t i = 0; i < p->suite_count && n < AUDIT_CHUNK_MAX; i++)
		if (test(audit_suite_by_id(p->suites[i].suite)))
			to[n++] = p->suites[i].suite;
	return n;
}

static size_t keep(uint32_t *list, size_t n, suite_test *test)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (test(audit_suite_by_id(list[i])))
			list[kept++] = list[i];
	return kept;
}

size_t audit_single_suites(const struct audit_scan *s, const struct audit_job *j, uint32_t *to)
{
	size_t n = 0;
	if (j->purpose == AUDIT_DO_ROBOT)
		return list(s, j->version, is_rsa, to);
	if (j->purpose == AUDIT_DO_GROUPS) {
		n = list(s, j->version, is_free_ecdhe, to);
		return n > 0 ? n : list(s, j->version, is_ecdhe, to);
	}
	n = list(s, j->version, has_certificate, to);
	if (n == 0)
		return list(s, j->version, is_any, to);
	/* As for a question whose order counts: the answer tells that too. */
	return keep(to, audit_order_accepted(s, j->version, to, 0), has_certificate);
}

bool audit_single_tells_order(const struct audit_scan *s, enum audit_version v)
{
	enum audit_version old;
	bool is_planned = s->options.has_probes || audit_scan_uses_name(s);
	if (!is_planned || !audit_single_newest(s, AUDIT_TLS12, &old) || old != v)
		return false;
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *j = &s->jobs[i];
		if ((j->purpose == AUDIT_DO_CCS || j->purpose == AUDIT_DO_NAMELESS) &&
			j->version == v)
			return j->state != AUDIT_JOB_DONE;
	}
	return !s->has_planned_singles;
}

/* What a single probe was answered with tells whose order counts as well. */
static void note_order(
	struct audit_scan *s, const struct audit_job *j, const struct audit_flight *f)
{
	uint32_t offered[AUDIT_CHUNK_MAX];
	if (f->version != j->version)
		return;
	for (size_t i = 0; i < j->asked_count; i++)
		offered[i] = j->asked[i];
	audit_order_seen(s, j->version, offered, j->asked_count, f->suite);
}

/* Suites are listed; or, where that matters, groups. */
static bool is_listing(const struct audit_scan *s, bool with_groups)
{
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *j = &s->jobs[i];
		bool is_list = j->purpose == AUDIT_DO_TRACK || j->purpose == AUDIT_DO_CANARY ||
			(j->purpose == AUDIT_DO_MODERN &&
				(with_groups || !audit_modern_is_groups(j)));
		if (is_list && j->state != AUDIT_JOB_DONE)
			return true;
	}
	return false;
}

bool audit_single_plan_groups(struct audit_scan *s)
{
	uint32_t suites[AUDIT_CHUNK_MAX];
	uint16_t groups[AUDIT_GROUPS_MAX];
	if (s->has_planned_groups || is_listing(s, true))
		return false;
	s->has_planned_groups = true;
	for (unsigned v = AUDIT_TLS12; v >= AUDIT_TLS10; v--) {
		if (list(s, (enum audit_version)v, is_ecdhe, suites) == 0)
			continue;
		if (s->versions[v].is_bare ||
			audit_scan_groups(s, false, groups, AUDIT_GROUPS_MAX) == 0)
			return false;
		return audit_scan_add(s, AUDIT_DO_GROUPS, (enum audit_version)v) != NULL;
	}
	return false;
}

/* A series: its last variant is asked when the others are back, and judges them all. */
static void begin_robots(struct audit_scan *s, unsigned series)
{
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->purpose != AUDIT_DO_ROBOT)
			continue;
		audit_scan_again(j);
		j->found = (uint16_t)series;
		if (j->step == AUDIT_ROBOT_VARIANTS - 1)
			j->state = AUDIT_JOB_HELD;
	}
}

void audit_single_end_robots(struct audit_scan *s)
{
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].purpose == AUDIT_DO_ROBOT && s->jobs[i].state != AUDIT_JOB_AIR) {
			s->jobs[i].state = AUDIT_JOB_DONE;
			s->jobs[i].is_given_up = true;
		}
}

static void robot_back(struct audit_scan *s, struct audit_job *j, enum audit_answer answer)
{
	struct audit_job *last = NULL;
	bool is_last = j->step == AUDIT_ROBOT_VARIANTS - 1;
	j->state = AUDIT_JOB_DONE;
	/* An oracle is believed when it shows in two series. */
	if (is_last && answer == AUDIT_YES && j->found == 0) {
		begin_robots(s, 1);
		return;
	}
	if (is_last) {
		s->facts->probes.robot = answer;
		return;
	}
	for (size_t i = 0; i < s->job_count; i++) {
		if (s->jobs[i].purpose != AUDIT_DO_ROBOT)
			continue;
		if (s->jobs[i].step == AUDIT_ROBOT_VARIANTS - 1)
			last = &s->jobs[i];
		else if (s->jobs[i].state != AUDIT_JOB_DONE)
			return;
	}
	if (last != NULL && last->state == AUDIT_JOB_HELD)
		last->state = AUDIT_JOB_READY;
}

static void plan_robots(struct audit_scan *s, enum audit_version v)
{
	for (uint8_t i = 0; i < AUDIT_ROBOT_VARIANTS; i++) {
		struct audit_job *j = audit_scan_add(s, AUDIT_DO_ROBOT, v);
		if (j == NULL) {
			audit_single_end_robots(s);
			return;
		}
		j->step = i;
	}
	begin_robots(s, 0);
}

static void plan_attacks(struct audit_scan *s, bool has_old, enum audit_version old)
{
	uint32_t suites[AUDIT_CHUNK_MAX];
	if (has_old) {
		struct audit_job *ccs = audit_scan_add(s, AUDIT_DO_CCS, old);
		if (ccs != NULL && !audit_scan_uses_name(s))
			ccs->step = 1;
		if (s->facts->probes.heartbeat == AUDIT_YES)
			audit_scan_add(s, AUDIT_DO_HEARTBLEED, old);
		if (list(s, old, is_rsa, suites) > 0)
			plan_robots(s, old);
	}
	if (audit_session_injected(s->facts->target.starttls) != NULL)
		audit_scan_add(s, AUDIT_DO_INJECTION, AUDIT_TLS12);
}

/* Where the two newest are there, nothing else has to be known first. */
bool audit_single_plan_fallback(struct audit_scan *s)
{
	if (s->has_planned_fallback || s->facts->protocols[AUDIT_TLS13].suite_count == 0 ||
		s->facts->protocols[AUDIT_TLS12].suite_count == 0)
		return false;
	s->has_planned_fallback = true;
	return audit_scan_add(s, AUDIT_DO_FALLBACK, AUDIT_TLS12) != NULL;
}

bool audit_single_plan(struct audit_scan *s)
{
	enum audit_version newest, second = AUDIT_SSL2, old = AUDIT_SSL2;
	size_t before = s->job_count;
	if (s->has_planned_singles || is_listing(s, false) ||
		!audit_single_newest(s, AUDIT_TLS13, &newest))
		return false;
	s->has_planned_singles = true;
	bool has_old = audit_single_newest(s, AUDIT_TLS12, &old);
	if (!s->has_planned_fallback && newest > AUDIT_SSL3 &&
		audit_single_newest(s, (enum audit_version)(newest - 1), &second))
		audit_scan_add(s, AUDIT_DO_FALLBACK, second);
	if (s->facts->chain_count == 0 && newest == AUDIT_TLS13)
		audit_scan_add(s, AUDIT_DO_FETCH, AUDIT_TLS13);
	if (s->options.has_probes)
		plan_attacks(s, has_old, old);
	else if (has_old && audit_scan_uses_name(s))
		audit_scan_add(s, AUDIT_DO_NAMELESS, old);
	return s->job_count > before;
}

void audit_single_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	j->state = AUDIT_JOB_DONE;
	if (j->purpose == AUDIT_DO_FALLBACK)
		s->facts->probes.fallback_scsv = AUDIT_NO;
	if (j->purpose == AUDIT_DO_NAMELESS) {
		s->facts->probes.needs_name = AUDIT_NO;
		note_order(s, j, f);
	}
	if (j->purpose == AUDIT_DO_GROUPS && f->version == j->version &&
		s->facts->group_count > j->groups_before)
		audit_scan_again(j);
}

/* The CCS probe went without the server's name first; true: it has to go again, with it. */
static bool needs_name(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	if (j->purpose != AUDIT_DO_CCS || j->step != 0 || f == NULL)
		return false;
	s->facts->probes.needs_name = f->has_hello ? AUDIT_NO : AUDIT_YES;
	if (f->has_hello)
		return false;
	j->step = 1;
	audit_scan_again(j);
	return true;
}

void audit_single_verdict(struct audit_scan *s, struct audit_job *j, enum audit_answer answer,
	const struct audit_flight *f)
{
	struct audit_probes *p = &s->facts->probes;
	if (f != NULL)
		audit_scan_learn(s, j, f, 0);
	if (f != NULL && f->has_hello && j->purpose == AUDIT_DO_CCS)
		note_order(s, j, f);
	if (needs_name(s, j, f))
		return;
	if (j->purpose == AUDIT_DO_ROBOT) {
		robot_back(s, j, answer);
		return;
	}
	j->state = AUDIT_JOB_DONE;
	if (j->purpose == AUDIT_DO_HEARTBLEED)
		p->heartbleed = answer;
	else if (j->purpose == AUDIT_DO_CCS)
		p->ccs_injection = answer;
	else if (j->purpose == AUDIT_DO_INJECTION)
		p->starttls_injection = answer;
}
