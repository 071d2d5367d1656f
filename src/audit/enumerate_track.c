/*
 * Versions up to TLS 1.2: their suites cut into tracks, each run down by removal. Invariant: a suite that was
 * not accepted stands in exactly one track of its version until that track ends by a refusal, so that the
 * end of all tracks proves the list; a track that ends otherwise marks it.
 */

#include <string.h>

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

#define SPLIT_FOUND 10       /* answers of a track before it is split for the first time */
#define SPLIT_FOUND_OLD 7    /* of a server that has old versions, and so mostly long lists */
#define SPLIT_FOUND_AGAIN 3  /* since the last time */
#define SPLIT_LEFT 8         /* suites in it that make a split worth a connection */
#define SPLITS_MAX 7         /* of one version */
#define SPLITS_MAX_ORDERED 4 /* each costs a question more there */
#define HALVE_MIN 16         /* no smaller hello is tried */
#define TRY_SMALL 32         /* the size tried where nothing was ever answered */
#define TRIALS_MAX 3         /* of a form: a limit may come and go meanwhile */
#define ALERT_PROTOCOL_VERSION 70

static bool is_modern_enough(const struct audit_scan *s, enum audit_version v)
{
	for (size_t i = v; i < AUDIT_VERSION_COUNT; i++)
		if (s->facts->protocols[i].suite_count > 0)
			return true;
	return false;
}

static void put(struct audit_job *j, uint32_t suite, size_t at)
{
	j->suites[j->count] = (uint16_t)suite;
	j->at[j->count++] = (uint16_t)at;
}

/*
 * The first chunk has the likely suites; the rest is dealt out like cards, so that what a server accepts is
 * spread over them.
 */
void audit_track_start(struct audit_scan *s, enum audit_version v)
{
	uint32_t all[AUDIT_SUITES_MAX];
	if (s->versions[v].is_started || s->facts->protocols[v].offered == AUDIT_NO)
		return;
	s->versions[v].is_started = true;
	size_t n = audit_suites_of(v, all, AUDIT_SUITES_MAX);
	size_t chunks = (n + AUDIT_CHUNK_MAX - 1) / AUDIT_CHUNK_MAX;
	size_t first = (n + chunks - 1) / chunks;
	for (size_t c = 0; c < chunks; c++) {
		struct audit_job *j = audit_scan_add(s, AUDIT_DO_TRACK, v);
		if (j == NULL)
			return;
		j->is_rare = c > 0;
		j->state = c == 0 ? AUDIT_JOB_READY : AUDIT_JOB_HELD;
		for (size_t i = c == 0 ? 0 : first + c - 1; i < (c == 0 ? first : n);
			i += c == 0 ? 1 : chunks - 1)
			put(j, all[i], i);
	}
}

static bool has_trial(const struct audit_scan *s, enum audit_version v)
{
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *j = &s->jobs[i];
		if (j->purpose == AUDIT_DO_TRACK && j->version == v &&
			j->trial != AUDIT_TRIAL_NONE && j->state != AUDIT_JOB_DONE)
			return true;
	}
	return false;
}

bool audit_track_waits(const struct audit_scan *s, const struct audit_job *j)
{
	return j->trial == AUDIT_TRIAL_NONE && has_trial(s, j->version);
}

static void release_all(struct audit_scan *s, enum audit_version v)
{
	if (has_trial(s, v))
		return;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->purpose != AUDIT_DO_TRACK || j->version != v || j->state != AUDIT_JOB_HELD)
			continue;
		j->state = AUDIT_JOB_READY;
		if (s->is_short && j->is_rare)
			audit_scan_leave_out(s, j);
	}
}

static void end_trial(struct audit_scan *s, struct audit_job *j)
{
	if (j->trial == AUDIT_TRIAL_NONE)
		return;
	j->trial = AUDIT_TRIAL_NONE;
	release_all(s, j->version);
}

void audit_track_present(struct audit_scan *s, enum audit_version v)
{
	s->facts->protocols[v].offered = AUDIT_YES;
	audit_track_start(s, v);
	release_all(s, v);
	/* A hello of the next older version is the only way to see whether that is offered too. */
	if (v == AUDIT_TLS11 || v == AUDIT_TLS10)
		audit_track_start(s, (enum audit_version)(v - 1));
}

/* Take a suite out of the tracks of its version; where it stood is its place. */
static struct audit_job *take_out(
	struct audit_scan *s, enum audit_version v, uint32_t suite, struct audit_place *place)
{
	*place = (struct audit_place){ .chain = AUDIT_CHAIN_NONE };
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->purpose != AUDIT_DO_TRACK || j->version != v)
			continue;
		for (size_t k = 0; k < j->count; k++) {
			if (j->suites[k] != suite)
				continue;
			*place = (struct audit_place){
				.chain = audit_scan_job_index(s, j), .seq = j->found, .at = j->at[k]
			};
			size_t rest = (size_t)j->count - k - 1;
			memmove(&j->suites[k], &j->suites[k + 1], rest * sizeof(j->suites[0]));
			memmove(&j->at[k], &j->at[k + 1], rest * sizeof(j->at[0]));
			j->count--;
			return j;
		}
	}
	return NULL;
}

static void end_if_empty(struct audit_scan *s, struct audit_job *j)
{
	if (j->count > 0 || j->state == AUDIT_JOB_AIR)
		return;
	j->state = AUDIT_JOB_DONE;
	end_trial(s, j);
}

/* What another question showed of a version. Its place counts only when all of that track was offered. */
void audit_track_take(struct audit_scan *s, enum audit_version v, const struct audit_flight *f)
{
	struct audit_place place;
	audit_track_present(s, v);
	struct audit_job *j = take_out(s, v, f->suite, &place);
	bool is_first = v == AUDIT_TLS12 && j != NULL && !j->is_rare && j->found == 0;
	if (is_first)
		j->found++;
	else
		place = (struct audit_place){ .chain = AUDIT_CHAIN_NONE };
	audit_scan_learn_suite(s, v, f, place);
	if (j != NULL)
		end_if_empty(s, j);
}

/* Does none of the others promise to go on for longer? */
static bool is_longest(const struct audit_scan *s, const struct audit_job *j)
{
	size_t rest = audit_guess_rest(s, j);
	for (size_t i = 0; i < s->job_count; i++) {
		const struct audit_job *o = &s->jobs[i];
		bool is_open = o->state == AUDIT_JOB_READY || o->state == AUDIT_JOB_AIR;
		if (o != j && o->purpose == AUDIT_DO_TRACK && is_open && o->found > 0 &&
			audit_guess_rest(s, o) > rest + rest / 2)
			return false;
	}
	return true;
}

static size_t found_to_split(const struct audit_scan *s, const struct audit_job *j)
{
	if (j->parent != AUDIT_CHAIN_NONE || j->found != j->found_since_split)
		return SPLIT_FOUND_AGAIN;
	for (size_t v = AUDIT_SSL3; v < AUDIT_TLS12; v++)
		if (s->facts->protocols[v].suite_count > 0)
			return SPLIT_FOUND_OLD;
	return SPLIT_FOUND;
}

/* May it be cut now? Where the server's order counts, only so that it can be told afterwards. */
static bool may_split(struct audit_scan *s, struct audit_job *j, enum audit_answer *ret_order)
{
	const struct audit_version_state *v = &s->versions[j->version];
	bool fits;
	if (!s->is_hungry || j->found_since_split < found_to_split(s, j) || j->count < SPLIT_LEFT ||
		v->splits == SPLITS_MAX || s->job_count == AUDIT_JOBS_MAX || !is_longest(s, j))
		return false;
	*ret_order = audit_order_early(s, j->version);
	if (*ret_order != AUDIT_YES)
		return *ret_order == AUDIT_NO;
	audit_guess_best(s, j->version, &fits);
	return v->splits < SPLITS_MAX_ORDERED && (fits || s->is_short);
}

/* Two sets that are about equally long take half the rounds, for one refusal more. */
static void split(struct audit_scan *s, struct audit_job *j)
{
	enum audit_answer order;
	bool is_moved[AUDIT_CHUNK_MAX];
	if (!may_split(s, j, &order))
		return;
	struct audit_job *half = audit_scan_add(s, AUDIT_DO_TRACK, j->version);
	half->is_rare = j->is_rare;
	half->has_asked_grease = true;
	half->parent = audit_scan_job_index(s, j);
	half->parent_found = j->found;
	for (size_t i = 0; i < j->count; i++)
		is_moved[i] = i % 2 == 1;
	if (order == AUDIT_YES)
		audit_guess_cut(s, j, is_moved);
	uint16_t kept = 0;
	for (uint16_t i = 0; i < j->count; i++) {
		if (is_moved[i]) {
			put(half, j->suites[i], j->at[i]);
			continue;
		}
		j->suites[kept] = j->suites[i];
		j->at[kept++] = j->at[i];
	}
	j->count = kept;
	j->found_since_split = half->found_since_split = 1;
	s->versions[j->version].splits++;
	s->is_hungry = false;
}

/* Another track may have taken a suite out meanwhile: what counts is what was in the hello. */
static bool was_offered(const struct audit_job *j, uint32_t suite)
{
	for (size_t i = 0; i < j->asked_count; i++)
		if (j->asked[i] == suite)
			return true;
	return false;
}

/* Everything from v up to top is absent: the answer to a hello of top was of an older version. */
static void absent(struct audit_scan *s, enum audit_version v, enum audit_version top)
{
	for (unsigned i = v; i <= top; i++)
		if (s->facts->protocols[i].offered != AUDIT_YES)
			s->facts->protocols[i].offered = AUDIT_NO;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->purpose == AUDIT_DO_TRACK && j->version >= v && j->version <= top &&
			s->facts->protocols[j->version].offered == AUDIT_NO &&
			j->state != AUDIT_JOB_AIR)
			j->state = AUDIT_JOB_DONE;
	}
}

/* This form of a hello is answered where the usual one was dropped: all that follow in v have it. */
static void learn_form(
	struct audit_scan *s, enum audit_version version, const struct audit_job *from)
{
	struct audit_version_state *v = &s->versions[version];
	if ((!from->is_bare || v->is_bare) && (!from->is_small || v->is_small))
		return;
	v->is_bare = v->is_bare || from->is_bare;
	v->is_small = v->is_small || from->is_small;
	/* How the usual form is refused says nothing of this one. */
	v->calibrations = 0;
	v->is_calibrating = false;
	v->refusal = AUDIT_DROP_NONE;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->purpose == AUDIT_DO_TRACK && j->version == version)
			j->drops = j->tries = 0;
	}
}

/* Does its ask in the air have a form that its version is not known to need? */
static bool is_on_trial(const struct audit_scan *s, const struct audit_job *j)
{
	const struct audit_version_state *v = &s->versions[j->version];
	return (j->is_bare && !v->is_bare) || (j->is_small && !v->is_small);
}

/*
 * An answer. A limit that ends just as another form is tried looks like a server that needs it, and the lists
 * of that form may be short: the usual one has to be dropped again, between two answers of the other.
 */
static void try_form(struct audit_scan *s, struct audit_job *j)
{
	if (is_on_trial(s, j) && j->trial != AUDIT_TRIAL_FORM) {
		if (audit_track_waits(s, j))
			return;
		j->trial = AUDIT_TRIAL_USUAL;
		j->trial_is_bare = j->is_bare;
		j->trial_is_small = j->is_small;
		return;
	}
	if (j->trial == AUDIT_TRIAL_FORM && is_on_trial(s, j))
		learn_form(s, j->version, j);
	end_trial(s, j);
}

/* The usual form is dropped still, or the other now. */
static void drop_on_trial(struct audit_scan *s, struct audit_job *j)
{
	bool was_usual = j->trial == AUDIT_TRIAL_USUAL;
	if (!was_usual && ++j->trials == TRIALS_MAX) {
		audit_scan_give_up(s, j);
		return;
	}
	audit_scan_again(j);
	j->trial = was_usual ? AUDIT_TRIAL_FORM : AUDIT_TRIAL_USUAL;
	j->is_bare = was_usual && j->trial_is_bare;
	j->is_small = was_usual && j->trial_is_small;
}

/* A hello of a newer version was answered with this one: its form may be what this one needs. */
static void hand_on_form(
	struct audit_scan *s, enum audit_version version, const struct audit_job *from)
{
	struct audit_version_state *v = &s->versions[version];
	if (has_trial(s, version) || (!from->is_bare && !from->is_small) ||
		(from->is_bare && v->is_bare) || (from->is_small && v->is_small))
		return;
	audit_track_start(s, version);
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		bool is_open = j->state == AUDIT_JOB_READY || j->state == AUDIT_JOB_AIR ||
			j->state == AUDIT_JOB_WAITING;
		if (j->purpose != AUDIT_DO_TRACK || j->version != version || !is_open ||
			j->is_bare || j->is_small || j->count < 2)
			continue;
		j->trial = AUDIT_TRIAL_USUAL;
		j->trial_is_bare = from->is_bare;
		j->trial_is_small = from->is_small;
		return;
	}
}

static void take_older(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	enum audit_version v = j->version;
	j->state = AUDIT_JOB_DONE;
	end_trial(s, j);
	hand_on_form(s, f->version, j);
	absent(s, (enum audit_version)(f->version + 1), v);
	audit_track_take(s, f->version, f);
}

/* A hello of this size is not what the server drops. */
static void note_size(struct audit_scan *s, const struct audit_job *j)
{
	uint16_t *answered = &s->versions[j->version].answered;
	if (!j->is_bare && !is_on_trial(s, j) && j->count > *answered)
		*answered = j->count;
}

void audit_track_accept(struct audit_scan *s, struct audit_job *j, const struct audit_flight *f)
{
	struct audit_place place;
	if (f->version < j->version && f->version >= AUDIT_SSL3) {
		take_older(s, j, f);
		return;
	}
	/* What we did not offer, it did not accept from us. */
	if (f->version != j->version || !was_offered(j, f->suite)) {
		audit_track_refuse(s, j, true, 0);
		return;
	}
	if (j->is_greasy)
		s->facts->probes.grease = AUDIT_YES;
	else if (j->step == 1 && s->facts->probes.grease == AUDIT_UNKNOWN)
		s->facts->probes.grease = AUDIT_NO;
	j->step = 0;
	try_form(s, j);
	note_size(s, j);
	if (take_out(s, j->version, f->suite, &place) == j) {
		j->found++;
		j->found_since_split++;
	} else {
		place = (struct audit_place){ .chain = AUDIT_CHAIN_NONE };
	}
	audit_scan_learn_suite(s, j->version, f, place);
	s->shows_groups = s->has_new_group;
	audit_scan_again(j);
	audit_track_present(s, j->version);
	if (j->count == 0) {
		j->state = AUDIT_JOB_DONE;
		end_trial(s, j);
	} else if (j->trial == AUDIT_TRIAL_NONE) {
		split(s, j);
	}
}

static struct audit_job *find_track(
	struct audit_scan *s, enum audit_version v, bool is_held, bool *ret_is_given_up)
{
	struct audit_job *open = NULL;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->purpose != AUDIT_DO_TRACK || j->version != v)
			continue;
		*ret_is_given_up = *ret_is_given_up || j->is_given_up;
		if (open == NULL && j->state != AUDIT_JOB_DONE &&
			(!is_held || j->state == AUDIT_JOB_HELD))
			open = j;
	}
	return open;
}

/* Nothing was accepted in any track of v; all have ended. */
static void settle(struct audit_scan *s, enum audit_version v, bool is_alert)
{
	bool is_given_up = false;
	if (find_track(s, v, false, &is_given_up) != NULL ||
		s->facts->protocols[v].offered != AUDIT_UNKNOWN)
		return;
	if (!is_given_up)
		s->facts->protocols[v].offered = AUDIT_NO;
	if (v == AUDIT_TLS12 || v == AUDIT_SSL3)
		return;
	/* An alert to a newer hello speaks for the older versions too; a dropped connection does not. */
	if (is_alert && !is_given_up)
		for (unsigned i = AUDIT_SSL3; i < v; i++)
			s->versions[i].is_covered = true;
	else
		audit_track_start(s, (enum audit_version)(v - 1));
}

void audit_track_refuse(struct audit_scan *s, struct audit_job *j, bool is_alert, uint8_t code)
{
	bool is_given_up = false;
	if (is_alert) {
		note_size(s, j);
		/* It does say no: then an end of the connection was something else. */
		s->versions[j->version].refusal = AUDIT_DROP_MIXED;
	}
	if (j->is_greasy) {
		/* Was it that? */
		audit_scan_again(j);
		j->step = 1;
		return;
	}
	if (j->trial != AUDIT_TRIAL_NONE && is_alert)
		try_form(s, j);
	/* Without extensions a sound server may well refuse what it accepts with them. */
	if (j->is_bare && !s->versions[j->version].is_bare) {
		j->is_bare = false;
		audit_track_drop(s, j);
		return;
	}
	j->state = AUDIT_JOB_DONE;
	end_trial(s, j);
	if (s->facts->protocols[j->version].offered == AUDIT_YES)
		return;
	if (is_alert && code == ALERT_PROTOCOL_VERSION) {
		absent(s, j->version, j->version);
		s->facts->protocols[j->version].offered = AUDIT_NO;
		for (unsigned i = AUDIT_SSL3; i < j->version && j->version < AUDIT_TLS12; i++)
			s->versions[i].is_covered = true;
		return;
	}
	struct audit_job *held = find_track(s, j->version, true, &is_given_up);
	if (held != NULL) {
		held->state = AUDIT_JOB_READY;
		if (s->is_short)
			audit_scan_leave_out(s, held);
	}
	settle(s, j->version, is_alert);
}

/* Cut a track: what is cut off waits, where it is not known that the version is there at all. */
static bool cut(struct audit_scan *s, struct audit_job *j)
{
	bool is_present = s->facts->protocols[j->version].offered == AUDIT_YES;
	size_t keep = is_present ? j->count / 2U : TRY_SMALL;
	if (j->is_small || j->count <= keep || keep < HALVE_MIN ||
		s->versions[j->version].has_tried_forms)
		return false;
	struct audit_job *rest = audit_scan_add(s, AUDIT_DO_TRACK, j->version);
	if (rest == NULL)
		return false;
	rest->state = is_present ? AUDIT_JOB_READY : AUDIT_JOB_HELD;
	rest->is_rare = j->is_rare;
	rest->has_asked_grease = true;
	rest->parent = audit_scan_job_index(s, j);
	rest->parent_found = j->found;
	for (size_t i = keep; i < j->count; i++)
		put(rest, j->suites[i], j->at[i]);
	j->count = (uint16_t)keep;
	audit_scan_again(j);
	j->is_small = !is_present;
	return true;
}

/* Has this version answered a hello with so many suites? Then its size was not what it was dropped for. */
static bool is_size_known(const struct audit_scan *s, const struct audit_job *j)
{
	return j->count <= s->versions[j->version].answered;
}

void audit_track_drop(struct audit_scan *s, struct audit_job *j)
{
	j->state = AUDIT_JOB_READY;
	if (j->is_greasy) {
		if (j->drops < 3)
			return;
		audit_scan_again(j);
		j->step = 1;
		return;
	}
	if (j->trial != AUDIT_TRIAL_NONE) {
		drop_on_trial(s, j);
		return;
	}
	if (is_size_known(s, j)) {
		if (j->drops >= 4)
			audit_scan_give_up(s, j);
		return;
	}
	struct audit_version_state *v = &s->versions[j->version];
	if (!j->has_tried_bare && !j->is_small && j->version > AUDIT_SSL3 && !v->is_bare) {
		j->is_bare = j->has_tried_bare = true;
		return;
	}
	j->is_bare = false;
	if (cut(s, j))
		return;
	v->has_tried_forms = true;
	if (v->refusal == j->drop && v->refusal != AUDIT_DROP_NONE && j->drop != AUDIT_DROP_SILENT)
		audit_scan_doubt(s, j);
	else
		audit_scan_give_up(s, j);
}

void audit_track_give_up(struct audit_scan *s, struct audit_job *j)
{
	struct audit_protocol *p = &s->facts->protocols[j->version];
	bool is_given_up = true;
	p->is_incomplete = true;
	end_trial(s, j);
	if (p->offered == AUDIT_YES)
		return;
	/* The others would meet the same. */
	for (struct audit_job *held;
		(held = find_track(s, j->version, true, &is_given_up)) != NULL;) {
		held->state = AUDIT_JOB_DONE;
		held->is_given_up = true;
	}
	if (!s->is_stopped)
		settle(s, j->version, false);
}

bool audit_track_more_versions(struct audit_scan *s)
{
	bool is_any = false;
	for (unsigned v = AUDIT_TLS10; v >= AUDIT_SSL3; v--) {
		bool is_covered =
			s->versions[v].is_covered && is_modern_enough(s, (enum audit_version)v);
		if (s->versions[v].is_started || is_covered ||
			s->facts->protocols[v].offered != AUDIT_UNKNOWN)
			continue;
		audit_track_start(s, (enum audit_version)v);
		is_any = true;
	}
	return is_any;
}
