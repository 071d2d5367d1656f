/*
 * Whose preference decides, and which suite is preferred. Invariant: "the server's" is said only when it passed over an accepted suite that we named earlier in the same hello,
 * "the client's" only when it took what stood first although it had passed it over before.
 */

#include <string.h>

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

bool audit_order_is_chacha(uint32_t suite)
{
	const struct audit_suite *t = audit_suite_by_id(suite);
	return t != NULL && strcmp(t->cipher, "CHACHA20") == 0;
}

static bool is_passed_over(const struct audit_place *p)
{
	return p->chain != AUDIT_CHAIN_NONE && p->seq > 0;
}

bool audit_order_is_before(
	const struct audit_scan *s, const struct audit_place *a, const struct audit_place *b)
{
	if (a->chain == AUDIT_CHAIN_NONE || b->chain == AUDIT_CHAIN_NONE)
		return false;
	if (a->chain == b->chain)
		return a->seq < b->seq;
	/* Up from b's track to where it was split from a's. */
	const struct audit_job *j = &s->jobs[b->chain];
	while (j->parent != AUDIT_CHAIN_NONE) {
		if (j->parent == a->chain)
			return a->seq < j->parent_found;
		j = &s->jobs[j->parent];
	}
	return false;
}

/* From the tracks alone: did it ever pass over what stood further ahead and was accepted later? */
static void judge_tracks(struct audit_scan *s, enum audit_version v)
{
	struct audit_protocol *p = &s->facts->protocols[v];
	const struct audit_place *at = s->versions[v].places;
	if (p->server_order != AUDIT_UNKNOWN)
		return;
	for (size_t a = 0; a < p->suite_count; a++)
		for (size_t b = 0; b < p->suite_count; b++)
			/* Some servers move ChaCha20 up for clients without AES: no preference of theirs. */
			if (at[b].at < at[a].at && !audit_order_is_chacha(p->suites[a].suite) &&
				!audit_order_is_chacha(p->suites[b].suite) &&
				audit_order_is_before(s, &at[a], &at[b])) {
				p->server_order = AUDIT_YES;
				return;
			}
}

static bool is_open(const struct audit_scan *s, enum audit_version v)
{
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *j = &s->jobs[i];
		bool is_list = j->purpose == AUDIT_DO_TRACK || j->purpose == AUDIT_DO_MODERN;
		if (is_list && j->version == v && j->state != AUDIT_JOB_DONE)
			return true;
	}
	return false;
}

/* Would any server have chosen it by the order that counts there? ChaCha20 may have a second one. */
static bool is_fair(const struct audit_scan *s, enum audit_version v, uint32_t chosen)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	size_t others = 0;
	for (size_t i = 0; i < p->suite_count; i++)
		others += !audit_order_is_chacha(p->suites[i].suite);
	return !audit_order_is_chacha(chosen) || (others < 2 && !is_open(s, v));
}

void audit_order_seen(struct audit_scan *s, enum audit_version v, const uint32_t *offered, size_t n,
	uint32_t chosen)
{
	struct audit_protocol *p = &s->facts->protocols[v];
	struct audit_version_state *state = &s->versions[v];
	for (size_t i = 0; i < n; i++) {
		size_t k = audit_scan_index(s, v, offered[i]);
		/* New, and ahead of all that is known: that is either's choice. */
		if (k == SIZE_MAX && offered[i] == chosen)
			return;
		if (k == SIZE_MAX)
			continue;
		if (offered[i] != chosen) {
			p->server_order = AUDIT_YES;
			return;
		}
		bool is_other = state->first_chosen != 0 && state->first_chosen != chosen;
		bool is_telling = is_passed_over(&state->places[k]) || is_other;
		if (p->server_order == AUDIT_UNKNOWN && is_telling && is_fair(s, v, chosen))
			p->server_order = AUDIT_NO;
		state->first_chosen = chosen;
		return;
	}
}

/* Ahead of the end, and not answered yet. */
static bool is_asked(const struct audit_scan *s, enum audit_version v)
{
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].purpose == AUDIT_DO_ORDER && s->jobs[i].version == v &&
			s->jobs[i].state != AUDIT_JOB_DONE)
			return true;
	return false;
}

static bool plan_version(struct audit_scan *s, enum audit_version v)
{
	struct audit_version_state *state = &s->versions[v];
	const struct audit_protocol *p = &s->facts->protocols[v];
	size_t top;
	if (p->suite_count < 2 || is_open(s, v))
		return false;
	judge_tracks(s, v);
	if (p->server_order == AUDIT_YES && audit_rank_plan(s, v))
		return true;
	if (state->has_order || p->server_order == AUDIT_NO)
		return false;
	bool is_told = p->server_order == AUDIT_YES && audit_rank_top(s, v, &top);
	/* What it prefers is asked for only when the whole order does not tell it. */
	if (is_told || (p->server_order == AUDIT_YES && !state->is_ranked))
		return false;
	if (is_asked(s, v) || (p->server_order == AUDIT_UNKNOWN && audit_single_tells_order(s, v)))
		return false;
	state->has_order = true;
	return audit_scan_add(s, AUDIT_DO_ORDER, v) != NULL;
}

bool audit_order_plan(struct audit_scan *s)
{
	bool is_any = false;
	for (unsigned v = AUDIT_TLS13; v >= AUDIT_SSL3; v--)
		is_any = plan_version(s, (enum audit_version)v) || is_any;
	return is_any;
}

enum audit_answer audit_order_early(struct audit_scan *s, enum audit_version v)
{
	struct audit_version_state *state = &s->versions[v];
	judge_tracks(s, v);
	if (s->facts->protocols[v].server_order != AUDIT_UNKNOWN || state->has_early_order)
		return s->facts->protocols[v].server_order;
	/* Good enough to split by: what another version of the same server does. */
	for (size_t i = AUDIT_SSL3; i < AUDIT_VERSION_COUNT; i++)
		if (s->facts->protocols[i].server_order != AUDIT_UNKNOWN)
			return s->facts->protocols[i].server_order;
	state->has_early_order = true;
	struct audit_job *j = audit_scan_add(s, AUDIT_DO_ORDER, v);
	if (j != NULL)
		j->is_early = true;
	return AUDIT_UNKNOWN;
}

/* The last of a track goes first: that was passed over before. */
static size_t pick_first(const struct audit_scan *s, enum audit_version v)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	size_t best = 0;
	for (size_t i = 1; i < p->suite_count; i++) {
		const struct audit_place *a = &s->versions[v].places[best];
		const struct audit_place *b = &s->versions[v].places[i];
		bool is_better = is_passed_over(b) && (!is_passed_over(a) || b->seq > a->seq);
		if (audit_order_is_chacha(p->suites[best].suite) && is_passed_over(b))
			is_better = true;
		if (is_better && !audit_order_is_chacha(p->suites[i].suite))
			best = i;
	}
	return best;
}

static size_t pick_other(const struct audit_scan *s, enum audit_version v, size_t first)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	for (size_t i = 0; i < p->suite_count; i++)
		if (i != first && !audit_order_is_chacha(p->suites[i].suite))
			return i;
	return p->suite_count < 2 ? first : first == 0 ? 1 : 0;
}

size_t audit_order_accepted(
	const struct audit_scan *s, enum audit_version v, uint32_t *to, size_t n)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	size_t first = pick_first(s, v);
	/* The second time another one, when the first said nothing. */
	if (s->versions[v].first_chosen == p->suites[first].suite)
		first = pick_other(s, v, first);
	to[n++] = p->suites[first].suite;
	for (size_t i = p->suite_count; i > 0 && n < AUDIT_CHUNK_MAX; i--)
		if (i - 1 != first)
			to[n++] = p->suites[i - 1].suite;
	return n;
}

void audit_order_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	struct audit_protocol *p = &s->facts->protocols[j->version];
	struct audit_version_state *state = &s->versions[j->version];
	uint32_t offered[AUDIT_SUITES_MAX];
	size_t known = audit_scan_index(s, j->version, f->suite);
	j->state = AUDIT_JOB_DONE;
	if (f->version != j->version || known == SIZE_MAX)
		return;
	/* Suites that were found since it was asked stood in no hello. */
	size_t n = j->asked_count;
	for (size_t i = 0; i < n; i++)
		offered[i] = j->asked[i];
	audit_order_seen(s, j->version, offered, n, f->suite);
	if (j->is_early)
		return;
	if (p->server_order == AUDIT_YES && n >= p->suite_count) {
		state->has_top = true;
		state->top = (uint16_t)known;
	}
	if (p->server_order == AUDIT_UNKNOWN && j->step++ == 0)
		audit_scan_again(j);
}

/* Where each stands in the order in which we offer. */
static void fill_ranks(struct audit_scan *s, enum audit_version v)
{
	uint32_t all[AUDIT_SUITES_MAX];
	size_t n = audit_suites_of(v, all, AUDIT_SUITES_MAX);
	const struct audit_protocol *p = &s->facts->protocols[v];
	for (size_t i = 0; i < p->suite_count; i++) {
		size_t k = 0;
		while (k < n && all[k] != p->suites[i].suite)
			k++;
		s->versions[v].places[i].rank = (uint16_t)(k + 1);
	}
}

static void sort(struct audit_scan *s, enum audit_version v)
{
	struct audit_protocol *p = &s->facts->protocols[v];
	struct audit_place *at = s->versions[v].places;
	for (size_t i = 1; i < p->suite_count; i++)
		for (size_t k = i; k > 0 && at[k].rank < at[k - 1].rank; k--) {
			struct audit_place place_was = at[k];
			struct audit_accepted was = p->suites[k];
			at[k] = at[k - 1];
			p->suites[k] = p->suites[k - 1];
			at[k - 1] = place_was;
			p->suites[k - 1] = was;
		}
}

void audit_order_finish(struct audit_scan *s)
{
	size_t top;
	for (unsigned i = AUDIT_SSL3; i < AUDIT_VERSION_COUNT; i++) {
		enum audit_version v = (enum audit_version)i;
		struct audit_protocol *p = &s->facts->protocols[v];
		if (p->suite_count == 0)
			continue;
		judge_tracks(s, v);
		p->is_order_known = p->server_order == AUDIT_YES && audit_rank_finish(s, v) &&
			!p->is_incomplete;
		if (p->server_order == AUDIT_YES && audit_rank_top(s, v, &top))
			p->preferred = p->suites[top].suite;
		if (!p->is_order_known)
			fill_ranks(s, v);
		sort(s, v);
		/* Whom the client leads, or one alone: what stands first among ours. */
		bool is_first =
			p->is_order_known || p->server_order == AUDIT_NO || p->suite_count == 1;
		if (p->preferred == 0 && is_first)
			p->preferred = p->suites[0].suite;
	}
}
