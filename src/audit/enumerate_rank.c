/*
 * The full order in which a server chooses, from tracks that were run down beside each other: each of them is
 * in that order, and two suites of different tracks are compared by offering both. All are laid in the line
 * that is guessed, and neighbours whose order does not follow yet are asked for; where the guess is right,
 * one question joins two tracks. Invariant: an order is known only when that of every pair follows from
 * answers.
 */

#include <string.h>

#include "audit/enumerate_internal.h"

#define WRONG_MAX 4  /* guesses, before none is made any more */
#define RANK_MAX 128 /* suites of one version */
#define QUESTIONS_MAX                                                                              \
	10 /* of one gateway; a guess that fails often would cost as many as there are suites */
#define QUESTIONS_FULL 2000 /* where every question is wanted */

struct relation {
	size_t n;
	uint8_t before[RANK_MAX][RANK_MAX / 8];
};

static bool is_set(const struct relation *r, size_t a, size_t b)
{
	return (r->before[a][b / 8] >> b % 8 & 1) != 0;
}

static void set(struct relation *r, size_t a, size_t b)
{
	r->before[a][b / 8] |= (uint8_t)(1U << b % 8);
}

/* What tracks and answers say, and all that follows. False: too many suites. */
static bool relate(const struct audit_scan *s, enum audit_version v, struct relation *r)
{
	const struct audit_version_state *state = &s->versions[v];
	memset(r, 0, sizeof(*r));
	r->n = s->facts->protocols[v].suite_count;
	if (r->n > RANK_MAX)
		return false;
	for (size_t a = 0; a < r->n; a++)
		for (size_t b = 0; b < r->n; b++)
			if (audit_order_is_before(s, &state->places[a], &state->places[b]) ||
				(state->has_top && a == state->top && a != b))
				set(r, a, b);
	for (size_t i = 0; i < state->fact_count; i++)
		set(r, state->facts[i].first, state->facts[i].second);
	for (size_t k = 0; k < r->n; k++)
		for (size_t a = 0; a < r->n; a++)
			for (size_t b = 0; b < sizeof(r->before[a]) && is_set(r, a, k); b++)
				r->before[a][b] |= r->before[k][b];
	return true;
}

/* Longer tracks first: the others are laid in between. */
static void sort_by_track(const struct audit_scan *s, enum audit_version v, size_t n, uint16_t *to)
{
	const struct audit_place *at = s->versions[v].places;
	uint16_t len[AUDIT_CHAIN_NONE + 1] = { 0 };
	for (size_t i = 0; i < n; i++)
		if (at[i].chain != AUDIT_CHAIN_NONE)
			len[at[i].chain]++;
	for (size_t i = 0; i < n; i++) {
		size_t k = i;
		for (; k > 0; k--) {
			const struct audit_place *a = &at[to[k - 1]], *b = &at[i];
			bool is_right = a->chain == b->chain     ? a->seq <= b->seq
				: len[a->chain] == len[b->chain] ? a->chain < b->chain
								 : len[a->chain] > len[b->chain];
			if (is_right)
				break;
			to[k] = to[k - 1];
		}
		to[k] = (uint16_t)i;
	}
}

/* Where line[n] goes among those in front of it: between what stands before and behind it for sure; there as guessed, or halved. */
static size_t find_gap(const struct audit_scan *s, enum audit_version v, const struct relation *r,
	enum audit_guess g, const uint16_t *line, size_t n)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	size_t low = 0, high = n, one = line[n];
	for (size_t i = 0; i < n; i++)
		if (is_set(r, line[i], one))
			low = i + 1;
	for (size_t i = n; i > low; i--)
		if (is_set(r, one, line[i - 1]))
			high = i - 1;
	if (s->versions[v].places[one].is_misjudged)
		return low + (high - low) / 2;
	size_t at = low;
	unsigned key = audit_guess_key(g, p->suites[one].suite);
	while (at < high && audit_guess_key(g, p->suites[line[at]].suite) <= key)
		at++;
	return at;
}

static void line_up(const struct audit_scan *s, enum audit_version v, const struct relation *r,
	uint16_t line[RANK_MAX])
{
	bool fits;
	enum audit_guess g = audit_guess_best(s, v, &fits);
	sort_by_track(s, v, r->n, line);
	for (size_t i = 0; i < r->n; i++) {
		uint16_t one = line[i];
		size_t gap = find_gap(s, v, r, g, line, i);
		memmove(&line[gap + 1], &line[gap], (i - gap) * sizeof(line[0]));
		line[gap] = one;
	}
}

static size_t count_open(const struct relation *r, const uint16_t *line)
{
	size_t n = 0;
	for (size_t i = 1; i < r->n; i++)
		n += !is_set(r, line[i - 1], line[i]);
	return n;
}

/* Is it compared with something just now? suite 0: is anything? */
static bool is_asked(const struct audit_scan *s, enum audit_version v, uint32_t suite)
{
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *j = &s->jobs[i];
		if (j->purpose == AUDIT_DO_RANK && j->version == v && j->state != AUDIT_JOB_DONE &&
			(suite == 0 || j->suites[0] == suite || j->suites[1] == suite))
			return true;
	}
	return false;
}

/* A job for a question; one that is done serves again. */
static struct audit_job *new_question(struct audit_scan *s, enum audit_version v)
{
	struct audit_job *j = NULL;
	for (size_t i = 0; i < s->job_count && j == NULL; i++)
		if (s->jobs[i].purpose == AUDIT_DO_RANK && s->jobs[i].state == AUDIT_JOB_DONE)
			j = &s->jobs[i];
	if (j == NULL)
		j = audit_scan_add(s, AUDIT_DO_RANK, v);
	if (j == NULL)
		return NULL;
	audit_scan_again(j);
	j->version = v;
	j->count = 0;
	s->ranked++;
	return j;
}

static bool ask_pair(struct audit_scan *s, enum audit_version v, uint32_t first, uint32_t second)
{
	struct audit_job *j = new_question(s, v);
	if (j == NULL)
		return false;
	j->suites[j->count++] = (uint16_t)first;
	j->suites[j->count++] = (uint16_t)second;
	return true;
}

/* Which comes next of all that may: never more questions than suites, however wrong the guess. */
static bool ask_next(
	struct audit_scan *s, enum audit_version v, const struct relation *r, const uint16_t *line)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	struct audit_job *j = new_question(s, v);
	size_t from = 1;
	if (j == NULL)
		return false;
	while (from < r->n && is_set(r, line[from - 1], line[from]))
		from++;
	for (size_t i = from - 1; i < r->n && j->count < AUDIT_CHUNK_MAX; i++) {
		bool is_head = true;
		for (size_t k = from - 1; k < i && is_head; k++)
			is_head = !is_set(r, line[k], line[i]);
		if (is_head)
			j->suites[j->count++] = (uint16_t)p->suites[line[i]].suite;
	}
	return true;
}

static unsigned most_questions(const struct audit_scan *s)
{
	return s->options.wants_order ? QUESTIONS_FULL : QUESTIONS_MAX;
}

bool audit_rank_plan(struct audit_scan *s, enum audit_version v)
{
	struct audit_version_state *state = &s->versions[v];
	const struct audit_protocol *p = &s->facts->protocols[v];
	struct relation r;
	uint16_t line[RANK_MAX];
	bool is_any = false;
	if (state->is_ranked || state->is_rank_asked)
		return false;
	if (!relate(s, v, &r)) {
		state->is_ranked = true;
		return false;
	}
	line_up(s, v, &r, line);
	size_t open = count_open(&r, line);
	/* Nothing is asked where that would not come to an end. */
	bool is_too_much = s->ranked + open > most_questions(s);
	state->is_ranked = open == 0 || is_too_much || s->is_short;
	bool is_guess_bad = 2 * open > r.n || state->wrong_guesses > WRONG_MAX;
	if (!state->is_ranked && is_guess_bad && !is_asked(s, v, 0))
		is_any = ask_next(s, v, &r, line);
	for (size_t i = 1; i < r.n && !state->is_ranked && !is_guess_bad; i++) {
		uint32_t a = p->suites[line[i - 1]].suite, b = p->suites[line[i]].suite;
		if (is_set(&r, line[i - 1], line[i]) || is_asked(s, v, a) || is_asked(s, v, b))
			continue;
		is_any = ask_pair(s, v, a, b) || is_any;
	}
	/* No more before an answer. */
	state->is_rank_asked = true;
	return is_any;
}

/* One before another. A guess that was wrong is not made again. */
static void learn(struct audit_version_state *state, size_t first, size_t second, bool is_guessed)
{
	if (state->fact_count == AUDIT_ORDER_FACTS_MAX) {
		state->is_ranked = true;
		return;
	}
	state->facts[state->fact_count].first = (uint16_t)first;
	state->facts[state->fact_count++].second = (uint16_t)second;
	state->places[first].is_misjudged = state->places[first].is_misjudged || !is_guessed;
	state->places[second].is_misjudged = state->places[second].is_misjudged || !is_guessed;
}

void audit_rank_answer(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	struct audit_version_state *state = &s->versions[j->version];
	size_t first = audit_scan_index(s, j->version, f->suite);
	bool is_offered = false;
	j->state = AUDIT_JOB_DONE;
	state->is_rank_asked = false;
	for (size_t i = 0; i < j->count; i++)
		is_offered = is_offered || j->suites[i] == f->suite;
	if (f->version != j->version || !is_offered || first == SIZE_MAX) {
		state->is_ranked = true;
		return;
	}
	bool is_guessed = j->count > 2 || j->suites[0] == f->suite;
	if (!is_guessed)
		state->wrong_guesses++;
	for (size_t i = 0; i < j->count; i++) {
		size_t other = audit_scan_index(s, j->version, j->suites[i]);
		if (other != first && other != SIZE_MAX)
			learn(state, first, other, is_guessed);
	}
}

bool audit_rank_finish(struct audit_scan *s, enum audit_version v)
{
	struct relation r;
	uint16_t line[RANK_MAX];
	if (!relate(s, v, &r))
		return false;
	line_up(s, v, &r, line);
	for (size_t i = 0; i < r.n; i++)
		s->versions[v].places[line[i]].rank = (uint16_t)(i + 1);
	return count_open(&r, line) == 0;
}

bool audit_rank_top(const struct audit_scan *s, enum audit_version v, size_t *ret)
{
	struct relation r;
	bool is_any = relate(s, v, &r) && r.n > 0;
	for (size_t a = 0; is_any && a < r.n; a++) {
		size_t behind = 0;
		for (size_t b = 0; b < r.n; b++)
			behind += is_set(&r, a, b);
		if (behind + 1 != r.n)
			continue;
		*ret = a;
		return true;
	}
	return false;
}
