/*
 * TLS 1.3: a hello without a key share makes the server name suite and group at once, so both lists run down
 * together. Invariant: a list is called complete only by a refusal of what is left of it beside everything
 * that is known to be accepted of the other.
 */

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

void audit_modern_start(struct audit_scan *s)
{
	uint32_t all[AUDIT_SUITES_MAX];
	if (s->facts->protocols[AUDIT_TLS13].offered == AUDIT_NO)
		return;
	struct audit_job *j = audit_scan_add(s, AUDIT_DO_MODERN, AUDIT_TLS13);
	if (j == NULL)
		return;
	size_t n = audit_suites_of(AUDIT_TLS13, all, AUDIT_CHUNK_MAX);
	for (size_t i = 0; i < n; i++) {
		j->suites[j->count] = (uint16_t)all[i];
		j->at[j->count++] = (uint16_t)i;
	}
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

static bool has_unknown_group(const struct audit_scan *s)
{
	uint16_t groups[AUDIT_GROUPS_MAX];
	return audit_scan_groups(s, false, groups, AUDIT_GROUPS_MAX) > 0;
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

/* What is to be asked now, or that it is over. */
static void choose(struct audit_scan *s, struct audit_job *j)
{
	s->is_modern_suites_done = s->is_modern_suites_done || j->count == 0;
	s->is_modern_groups_done = s->is_modern_groups_done || !has_unknown_group(s);
	audit_scan_again(j);
	if (s->is_modern_suites_done && s->is_modern_groups_done)
		j->state = AUDIT_JOB_DONE;
	else if (s->is_modern_groups_done)
		s->modern = AUDIT_MODERN_SUITES;
	else if (s->is_modern_suites_done)
		s->modern = AUDIT_MODERN_GROUPS;
	else if (s->is_modern_mixed_refused)
		s->modern = AUDIT_MODERN_SUITES;
	else
		s->modern = has_likely(j) ? AUDIT_MODERN_BOTH : AUDIT_MODERN_GROUPS;
	if (s->modern == AUDIT_MODERN_SUITES && can_ask_both(s, j))
		s->modern = AUDIT_MODERN_LAST;
}

/* What was passed over comes first: whether the server takes it now shows whose order counts. */
size_t audit_modern_suites(const struct audit_scan *s, const struct audit_job *j, uint16_t *to)
{
	uint32_t found[AUDIT_CHUNK_MAX];
	bool is_first = s->modern == AUDIT_MODERN_GROUPS, is_last = s->modern == AUDIT_MODERN_LAST;
	size_t n = 0,
	       count = is_first || is_last ? audit_order_accepted(s, AUDIT_TLS13, found, 0) : 0;
	for (size_t i = 0; is_first && i < count; i++)
		to[n++] = (uint16_t)found[i];
	for (size_t i = 0; i < j->count && n < AUDIT_CHUNK_MAX; i++)
		to[n++] = j->suites[i];
	for (size_t i = 0; is_last && i < count && n < AUDIT_CHUNK_MAX; i++)
		to[n++] = (uint16_t)found[i];
	return n;
}

size_t audit_modern_groups(const struct audit_scan *s, uint16_t *to, size_t cap)
{
	return audit_scan_groups(
		s, s->modern == AUDIT_MODERN_SUITES || s->modern == AUDIT_MODERN_LAST, to, cap);
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

void audit_modern_accept(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	uint16_t at;
	bool has_new_group = s->facts->group_count > j->groups_before;
	if (f->version != AUDIT_TLS13) {
		audit_modern_refuse(s, j);
		return;
	}
	bool is_ours = j->state == AUDIT_JOB_AIR; /* and not what the canary was told */
	bool is_about_order = s->modern == AUDIT_MODERN_GROUPS || s->modern == AUDIT_MODERN_LAST;
	if (is_ours && is_about_order)
		note_order(s, j, f->suite);
	bool has_new_suite = take_out(j, f->suite, &at);
	if (is_ours && s->modern == AUDIT_MODERN_LAST && !has_new_suite) {
		audit_modern_refuse(s, j);
		return;
	}
	if (has_new_suite) {
		bool is_ordered = !is_ours || !is_about_order;
		struct audit_place place = { .chain = is_ordered ? audit_scan_job_index(s, j)
								 : AUDIT_CHAIN_NONE,
			.seq = j->found++,
			.at = at };
		audit_scan_learn_suite(s, AUDIT_TLS13, f, place);
	}
	/* Neither: it chose what was not offered, which is as good as a refusal. */
	if (!has_new_suite && !(has_new_group && s->modern != AUDIT_MODERN_SUITES)) {
		audit_modern_refuse(s, j);
		return;
	}
	if (is_ours && s->is_modern_mixed_refused && s->modern == AUDIT_MODERN_SUITES)
		s->is_modern_groups_done = true;
	choose(s, j);
}

void audit_modern_refuse(struct audit_scan *s, struct audit_job *j)
{
	struct audit_protocol *p = &s->facts->protocols[AUDIT_TLS13];
	if (p->suite_count == 0) {
		p->offered = AUDIT_NO;
		j->state = AUDIT_JOB_DONE;
		return;
	}
	switch (s->modern) {
	case AUDIT_MODERN_BOTH:
		s->is_modern_mixed_refused = true;
		break;
	case AUDIT_MODERN_SUITES:
		s->is_modern_suites_done = true;
		break;
	case AUDIT_MODERN_GROUPS:
		s->is_modern_groups_done = true;
		break;
	case AUDIT_MODERN_LAST:
		s->is_modern_last_tried = true;
		s->is_modern_suites_done = p->server_order == AUDIT_NO;
		break;
	}
	choose(s, j);
}
