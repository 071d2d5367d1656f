/*
 * TLS 1.3: a hello without a key share makes the server name suite and group at once, so both lists run down
 * together; what is left of the groups is run down beside that by a job of its own. Invariant: a list is called complete only by a refusal of what is left of it beside everything
 * that is known to be accepted of the other.
 */

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

#define GROUPS_ALONE 1 /* step of the job that looks for groups */

bool audit_modern_is_groups(const struct audit_job *j)
{
	return j->step == GROUPS_ALONE;
}

static enum audit_modern mode_of(const struct audit_scan *s, const struct audit_job *j)
{
	return j->step == GROUPS_ALONE ? AUDIT_MODERN_GROUPS : s->modern;
}

static struct audit_job *groups_job(struct audit_scan *s)
{
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].purpose == AUDIT_DO_MODERN && s->jobs[i].step == GROUPS_ALONE)
			return &s->jobs[i];
	return NULL;
}

void audit_modern_start(struct audit_scan *s)
{
	uint32_t all[AUDIT_SUITES_MAX];
	if (s->facts->protocols[AUDIT_TLS13].offered == AUDIT_NO)
		return;
	struct audit_job *j = audit_scan_add(s, AUDIT_DO_MODERN, AUDIT_TLS13);
	struct audit_job *groups = audit_scan_add(s, AUDIT_DO_MODERN, AUDIT_TLS13);
	if (j == NULL || groups == NULL)
		return;
	size_t n = audit_suites_of(AUDIT_TLS13, all, AUDIT_CHUNK_MAX);
	for (size_t i = 0; i < n; i++) {
		j->suites[j->count] = (uint16_t)all[i];
		j->at[j->count++] = (uint16_t)i;
	}
	groups->step = GROUPS_ALONE;
	groups->state = AUDIT_JOB_HELD;  /* until there is a suite to offer beside them */
	s->modern = AUDIT_MODERN_SUITES; /* until one is accepted, every group is offered */
}

static bool has_likely(const struct audit_job *j)
{
	for (size_t i = 0; i < j->count; i++) {
		const struct audit_suite *suite = audit_suite_by_id(j->suites[i]);
		if (suite != NULL && suite->is_likely)
			return true;
	}
	return false;
}

/* No version before TLS 1.3 shows it. */
static bool is_new_group(uint16_t id)
{
	const struct audit_group *g = audit_group_by_id(id);
	return g != NULL && (g->is_finite_field || g->is_post_quantum);
}

/* Unknown groups, new ones or curves. */
static size_t list_unknown(
	const struct audit_scan *s, bool is_new, uint16_t *to, size_t n, size_t cap)
{
	uint16_t all[AUDIT_GROUPS_MAX];
	size_t count = audit_scan_groups(s, false, all, AUDIT_GROUPS_MAX);
	for (size_t i = 0; i < count && n < cap; i++)
		if (is_new_group(all[i]) == is_new)
			to[n++] = all[i];
	return n;
}

/* Older versions are about to show curves: those need not be asked for now. */
static bool leaves_curves(const struct audit_scan *s)
{
	for (size_t i = 0; s->shows_groups && i < s->job_count; i++)
		if (s->jobs[i].purpose == AUDIT_DO_TRACK && !s->jobs[i].is_rare &&
			s->jobs[i].state == AUDIT_JOB_AIR)
			return true;
	return false;
}

bool audit_modern_waits(const struct audit_scan *s, const struct audit_job *j)
{
	uint16_t groups[AUDIT_GROUPS_MAX];
	return mode_of(s, j) == AUDIT_MODERN_GROUPS && leaves_curves(s) &&
		(s->are_new_groups_done || list_unknown(s, true, groups, 0, AUDIT_GROUPS_MAX) == 0);
}

/*
 * Whose order counts, and whether anything rare is accepted, in one hello: a server that takes the first of
 * what it accepts would have taken something rare.
 */
static bool can_ask_both(const struct audit_scan *s, const struct audit_job *j)
{
	const struct audit_protocol *p = &s->facts->protocols[AUDIT_TLS13];
	return !s->is_modern_last_tried && p->suite_count > 1 && p->server_order == AUDIT_UNKNOWN &&
		!has_likely(j);
}

/* The groups are known, or nobody can say more about them. */
static void end_groups(struct audit_scan *s)
{
	struct audit_job *j = groups_job(s);
	s->is_modern_groups_done = true;
	if (j != NULL && j->state != AUDIT_JOB_AIR)
		j->state = AUDIT_JOB_DONE;
}

static void choose_groups(struct audit_scan *s, struct audit_job *j)
{
	uint16_t groups[AUDIT_GROUPS_MAX];
	audit_scan_again(j);
	if (s->is_modern_groups_done || audit_scan_groups(s, false, groups, 1) == 0) {
		j->state = AUDIT_JOB_DONE;
		s->is_modern_groups_done = true;
	}
}

/* What is to be asked now, or that it is over. */
static void choose(struct audit_scan *s, struct audit_job *j)
{
	if (j->step == GROUPS_ALONE) {
		choose_groups(s, j);
		return;
	}
	struct audit_job *groups = groups_job(s);
	if (groups != NULL && groups->state == AUDIT_JOB_HELD)
		choose_groups(s, groups);
	audit_scan_again(j);
	if (s->is_modern_suites_done || j->count == 0)
		j->state = AUDIT_JOB_DONE;
	else if (can_ask_both(s, j))
		s->modern = AUDIT_MODERN_LAST;
	else if (s->is_modern_groups_done || s->is_modern_mixed_refused || !has_likely(j))
		s->modern = AUDIT_MODERN_SUITES;
	else
		s->modern = AUDIT_MODERN_BOTH;
}

/* What was passed over comes first: whether the server takes it now shows whose order counts. */
size_t audit_modern_suites(const struct audit_scan *s, const struct audit_job *j, uint16_t *to)
{
	uint32_t found[AUDIT_CHUNK_MAX];
	enum audit_modern mode = mode_of(s, j);
	bool is_last = mode == AUDIT_MODERN_LAST, is_alone = mode == AUDIT_MODERN_GROUPS;
	size_t n = 0,
	       count = is_alone || is_last ? audit_order_accepted(s, AUDIT_TLS13, found, 0) : 0;
	for (size_t i = 0; i < j->count && n < AUDIT_CHUNK_MAX; i++)
		to[n++] = j->suites[i];
	for (size_t i = 0; i < count && n < AUDIT_CHUNK_MAX; i++)
		to[n++] = (uint16_t)found[i];
	return n;
}

/* Beside suites those come first that the job for groups comes to last. */
static size_t groups_backwards(const struct audit_scan *s, uint16_t *to, size_t cap)
{
	size_t n = list_unknown(s, true, to, 0, cap);
	for (size_t i = 0; i < n / 2; i++) {
		uint16_t was = to[i];
		to[i] = to[n - 1 - i];
		to[n - 1 - i] = was;
	}
	return list_unknown(s, false, to, n, cap);
}

size_t audit_modern_groups(
	const struct audit_scan *s, struct audit_job *j, uint16_t *to, size_t cap)
{
	switch (mode_of(s, j)) {
	case AUDIT_MODERN_BOTH:
		return groups_backwards(s, to, cap);
	case AUDIT_MODERN_GROUPS: {
		size_t n = s->are_new_groups_done ? 0 : list_unknown(s, true, to, 0, cap);
		j->has_asked_curves = !leaves_curves(s);
		return j->has_asked_curves ? list_unknown(s, false, to, n, cap) : n;
	}
	case AUDIT_MODERN_SUITES:
	case AUDIT_MODERN_LAST:
		break;
	}
	return audit_scan_groups(s, true, to, cap);
}

static void note_order(struct audit_scan *s, const struct audit_job *j, uint32_t chosen)
{
	uint32_t offered[AUDIT_CHUNK_MAX];
	for (size_t i = 0; i < j->asked_count; i++)
		offered[i] = j->asked[i];
	audit_order_seen(s, AUDIT_TLS13, offered, j->asked_count, chosen);
}

static bool take_out(struct audit_job *j, uint32_t suite, uint16_t *ret_at)
{
	for (size_t i = 0; i < j->count; i++) {
		if (j->suites[i] != suite)
			continue;
		*ret_at = j->at[i];
		for (size_t k = i + 1; k < j->count; k++) {
			j->suites[k - 1] = j->suites[k];
			j->at[k - 1] = j->at[k];
		}
		j->count--;
		return true;
	}
	return false;
}

/* An answer to the job that looks for groups. */
static void accept_groups(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	note_order(s, j, f->suite);
	/* No new group: it chose what was not offered, which is as good as a refusal. */
	if (s->facts->group_count > j->groups_before)
		choose(s, j);
	else
		audit_modern_refuse(s, j);
}

void audit_modern_accept(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	uint16_t at;
	if (f->version != AUDIT_TLS13) {
		audit_modern_refuse(s, j);
		return;
	}
	if (j->step == GROUPS_ALONE) {
		accept_groups(s, j, f);
		return;
	}
	bool is_ours = j->state == AUDIT_JOB_AIR; /* and not what the canary was told */
	bool is_last = is_ours && s->modern == AUDIT_MODERN_LAST;
	if (is_last)
		note_order(s, j, f->suite);
	/* Nothing new, or it chose what was not offered, which is as good as a refusal. */
	if (!take_out(j, f->suite, &at)) {
		audit_modern_refuse(s, j);
		return;
	}
	struct audit_place place = {
		.chain = is_last ? AUDIT_CHAIN_NONE : audit_scan_job_index(s, j),
		.seq = j->found++,
		.at = at,
	};
	audit_scan_learn_suite(s, AUDIT_TLS13, f, place);
	/* What was refused with the groups that are left is accepted with those that are known. */
	if (is_ours && s->is_modern_mixed_refused && s->modern == AUDIT_MODERN_SUITES)
		end_groups(s);
	choose(s, j);
}

void audit_modern_take(struct audit_scan *s, const struct audit_flight *f)
{
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].purpose == AUDIT_DO_MODERN && s->jobs[i].step != GROUPS_ALONE)
			audit_modern_accept(s, &s->jobs[i], f);
}

static void refuse_groups(struct audit_scan *s, struct audit_job *j)
{
	s->are_new_groups_done = true;
	if (j->has_asked_curves)
		s->is_modern_groups_done = true;
	choose(s, j);
}

void audit_modern_refuse(struct audit_scan *s, struct audit_job *j)
{
	struct audit_protocol *p = &s->facts->protocols[AUDIT_TLS13];
	if (j->step == GROUPS_ALONE) {
		refuse_groups(s, j);
		return;
	}
	if (p->suite_count == 0) {
		p->offered = AUDIT_NO;
		j->state = AUDIT_JOB_DONE;
		end_groups(s);
		return;
	}
	switch (s->modern) {
	case AUDIT_MODERN_BOTH:
		s->is_modern_mixed_refused = true;
		break;
	case AUDIT_MODERN_SUITES:
		s->is_modern_suites_done = true;
		break;
	case AUDIT_MODERN_LAST:
		s->is_modern_last_tried = true;
		s->is_modern_suites_done = p->server_order == AUDIT_NO;
		break;
	case AUDIT_MODERN_GROUPS:
		break;
	}
	choose(s, j);
}

void audit_modern_give_up(struct audit_scan *s, struct audit_job *j)
{
	struct audit_job *groups = groups_job(s);
	if (j->step != GROUPS_ALONE)
		s->facts->protocols[AUDIT_TLS13].is_incomplete = true;
	if (j->step != GROUPS_ALONE && groups != NULL && groups->state == AUDIT_JOB_HELD)
		groups->state = AUDIT_JOB_DONE;
	bool is_open = groups != NULL && groups->state != AUDIT_JOB_DONE;
	if (!s->is_modern_groups_done && !is_open)
		s->facts->is_group_list_incomplete = true;
}
