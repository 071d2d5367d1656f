/*
 * Connections that end without an answer: which are a limit, which a way to refuse, which are just lost.
 * Invariant: an end of the connection counts as a refusal only where a hello that nobody can accept meets
 * the same, and one that is accepted is still answered behind it; silence never counts.
 */

#include <stdio.h>
#include <string.h>

#include "audit/enumerate_internal.h"

#define TRIES_MAX 16 /* of one ask */
#define DROPS_MAX 4  /* in a row, where another form of it would not help */
#define EARLY_MAX 12 /* lost in a row before TLS began */
#define CANARY_FORMS 3
#define CALIBRATIONS 2
#define CONTROL 1    /* step of a calibration */
#define CHECK 2      /* step of the job that asks for a control behind refusals */
#define CONTROLS 3   /* tries of one, each slower than the last */
#define CHECKS 8     /* the same: enough to outlast most limits */
#define LIMITS_MAX 4 /* that may pass while one is calibrated */
#define STRAYS_MAX 6 /* tries of an ask that meets another end than the calibration */
#define RECALIBRATIONS_MAX 2
#define DOUBTS_MAX 12 /* of one refusal */
#define REFUSALS 2    /* ends in a row that make one */
#define LOSSES_MAX 2  /* more of them, where single connections are known to be lost */

static void end_calibration(struct audit_scan *s, struct audit_job *j)
{
	j->state = AUDIT_JOB_DONE;
	s->versions[j->subject].calibrations = CALIBRATIONS;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *o = &s->jobs[i];
		if (o->state == AUDIT_JOB_WAITING && o->version == j->subject)
			o->state = AUDIT_JOB_READY;
	}
}

/* Something that was accepted before is asked for once more: a limit meets it with the same end. */
static bool begin_control(struct audit_scan *s, struct audit_job *j, uint8_t step)
{
	enum audit_version v;
	if (!audit_single_newest(s, AUDIT_TLS13, &v))
		return false;
	audit_scan_again(j);
	j->step = step;
	j->version = v;
	/* In the form that was answered, which may have been the canary's alone. */
	j->is_bare = s->jobs[0].is_bare && s->versions[v].answered == 0;
	return true;
}

/* Whether the connection of a control was ended as well. */
static void controlled(struct audit_scan *s, struct audit_job *j, bool is_dropped)
{
	struct audit_version_state *v = &s->versions[j->subject];
	if (is_dropped && j->drops < CONTROLS) {
		j->state = AUDIT_JOB_READY;
		return;
	}
	if (is_dropped || (j->drops > 0 && j->found++ == LIMITS_MAX)) {
		v->refusal = AUDIT_DROP_MIXED;
	} else if (j->drops > 0) {
		/* It was a limit, and it has passed: from the beginning. */
		audit_scan_again(j);
		j->step = 0;
		j->version = j->subject;
		v->calibrations = 0;
		v->refusal = AUDIT_DROP_NONE;
		memset(v->ends, 0, sizeof(v->ends));
		return;
	}
	end_calibration(s, j);
}

static struct audit_job *find_check(struct audit_scan *s)
{
	enum audit_version v;
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].purpose == AUDIT_DO_CALIBRATE && s->jobs[i].step == CHECK)
			return &s->jobs[i];
	if (!audit_single_newest(s, AUDIT_TLS13, &v) || s->job_count == AUDIT_JOBS_MAX)
		return NULL;
	struct audit_job *c = audit_scan_add(s, AUDIT_DO_CALIBRATE, v);
	c->step = CHECK;
	c->state = AUDIT_JOB_DONE;
	return c;
}

/* So many in a row are no accident; that a version is not there at all has to be surer. */
static unsigned refusals(const struct audit_scan *s, const struct audit_job *j)
{
	bool is_open = s->facts->protocols[j->version].offered == AUDIT_UNKNOWN;
	return REFUSALS + (s->losses < LOSSES_MAX ? s->losses : LOSSES_MAX) +
		(is_open && s->losses > 0 ? 1 : 0);
}

/*
 * A control behind this end was answered at once. Between them a limit may have passed: the same has to come
 * again, with a control of its own.
 */
static void believe(struct audit_scan *s, struct audit_job *j)
{
	j->state = AUDIT_JOB_READY;
	if (j->drops >= refusals(s, j))
		audit_scan_refused(s, j, false, 0);
}

/* Where nothing was ever accepted there is nothing to ask for: then the calibration alone counts. */
void audit_scan_doubt(struct audit_scan *s, struct audit_job *j)
{
	struct audit_job *check = j->is_greasy ? NULL : find_check(s);
	if (check == NULL) {
		believe(s, j);
		return;
	}
	j->state = AUDIT_JOB_DOUBTED;
	j->doubted_at = s->next_id;
	if (check->state == AUDIT_JOB_DONE)
		begin_control(s, check, CHECK);
}

/* A control met the same end first: what ended so before it says nothing, and is asked again. */
static void disbelieve(struct audit_scan *s, struct audit_job *j)
{
	j->state = AUDIT_JOB_READY;
	j->drops--;
	j->tries = (uint8_t)(j->tries > 0 ? j->tries - 1 : 0);
	if (++j->doubts == DOUBTS_MAX)
		audit_scan_give_up(s, j);
}

static void check_answered(struct audit_scan *s, struct audit_job *check)
{
	bool is_believed = check->drops == 0, is_left = false;
	check->state = AUDIT_JOB_DONE;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *j = &s->jobs[i];
		if (j->state != AUDIT_JOB_DOUBTED)
			continue;
		if (!is_believed)
			disbelieve(s, j);
		else if (j->doubted_at < check->id)
			believe(s, j);
		else
			is_left = true;
	}
	if (is_left)
		begin_control(s, check, CHECK);
}

/* Nobody is let in any more: how it refuses cannot be told from that. */
static enum audit_outcome check_dropped(struct audit_scan *s, struct audit_job *check)
{
	check->state = AUDIT_JOB_READY;
	if (check->drops < CHECKS)
		return check->drops < 3 ? AUDIT_OUTCOME_LOST : AUDIT_OUTCOME_EARLY;
	check->state = AUDIT_JOB_DONE;
	audit_scan_say(s, "the server ends connections now that it answered before");
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
		s->versions[v].refusal = AUDIT_DROP_MIXED;
	for (size_t i = 0; i < s->job_count; i++)
		if (s->jobs[i].state == AUDIT_JOB_DOUBTED)
			audit_scan_give_up(s, &s->jobs[i]);
	return AUDIT_OUTCOME_EARLY;
}

/* Twice the same; where it was not always the same some connections are lost, and it takes one more. */
static bool is_settled(const struct audit_version_state *v, enum audit_drop how)
{
	unsigned others = 0;
	for (size_t i = 0; i < AUDIT_DROP_COUNT; i++)
		others += i != how ? v->ends[i] : 0;
	return v->ends[how] >= CALIBRATIONS + (others > 0 ? 1 : 0);
}

void audit_scan_calibrated(struct audit_scan *s, struct audit_job *j, enum audit_drop how)
{
	struct audit_version_state *v = &s->versions[j->subject];
	if (j->step == CONTROL) {
		controlled(s, j, false);
		return;
	}
	if (j->step == CHECK) {
		check_answered(s, j);
		return;
	}
	bool is_end = how == AUDIT_DROP_CLOSED || how == AUDIT_DROP_RESET;
	v->ends[how]++;
	/* An alert says it all at once. */
	if (how != AUDIT_DROP_ALERT && how != AUDIT_DROP_MIXED && !is_settled(v, how)) {
		v->calibrations = 1;
		audit_scan_again(j);
		return;
	}
	v->refusal = how;
	if (!is_end || !begin_control(s, j, CONTROL))
		end_calibration(s, j);
}

static enum audit_drop drop_of(enum audit_probe_end end)
{
	switch (end) {
	case AUDIT_PROBE_CLOSED:
		return AUDIT_DROP_CLOSED;
	case AUDIT_PROBE_RESET:
		return AUDIT_DROP_RESET;
	case AUDIT_PROBE_TIMEOUT:
		return AUDIT_DROP_SILENT;
	case AUDIT_PROBE_FLIGHT:
	case AUDIT_PROBE_DIALOGUE:
	case AUDIT_PROBE_CONNECT:
	case AUDIT_PROBE_CANCELLED:
		break;
	}
	return AUDIT_DROP_MIXED;
}

void audit_scan_unheard(struct audit_scan *s, enum audit_drop how)
{
	if (how == AUDIT_DROP_SILENT)
		s->facts->end = AUDIT_END_MUTE;
	else
		s->facts->end = AUDIT_END_INCOMPLETE;
	audit_scan_say(s,
		how == AUDIT_DROP_SILENT ? "the server never answers a ClientHello"
					 : "the server ends the connection at each ClientHello");
	s->is_done = true;
}

static void canary_dropped(struct audit_scan *s, struct audit_job *j)
{
	/* The same once more, unless time was lost on it: then the next form is a try as good. */
	if (j->drops < 2 && j->step == 0 && j->drop != AUDIT_DROP_SILENT) {
		j->state = AUDIT_JOB_READY;
		return;
	}
	if (++j->step == CANARY_FORMS) {
		j->state = AUDIT_JOB_DONE;
		/* Who speaks SSLv2 alone may end the connection at whatever else comes. */
		s->is_last_chance = j->drop != AUDIT_DROP_SILENT;
		if (!s->is_last_chance || audit_scan_add(s, AUDIT_DO_SSL2, AUDIT_SSL2) == NULL)
			audit_scan_unheard(s, j->drop);
		return;
	}
	audit_scan_again(j);
	/* Without TLS 1.3 first; then as it was before there were extensions. */
	j->version = j->step == 1 ? AUDIT_TLS12 : AUDIT_TLS10;
	j->is_bare = j->step > 1;
}

static bool waits_for_calibration(struct audit_scan *s, struct audit_job *j)
{
	struct audit_version_state *v = &s->versions[j->version];
	if (v->calibrations == CALIBRATIONS)
		return false;
	if (!v->is_calibrating) {
		struct audit_job *c = audit_scan_add(s, AUDIT_DO_CALIBRATE, j->version);
		if (c == NULL)
			return false;
		c->subject = j->version;
		v->is_calibrating = true;
		memset(v->ends, 0, sizeof(v->ends));
	}
	j->state = AUDIT_JOB_WAITING;
	return true;
}

/* Does a hello that nobody can accept end like this here? */
static bool is_known_end(const struct audit_scan *s, const struct audit_job *j, enum audit_drop how)
{
	const struct audit_version_state *v = &s->versions[j->version];
	return (how == AUDIT_DROP_CLOSED || how == AUDIT_DROP_RESET) &&
		v->calibrations == CALIBRATIONS && v->refusal == how;
}

/* Does this server refuse like this, in some version? */
static bool is_usual_end(const struct audit_scan *s, enum audit_drop how)
{
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
		if ((how == AUDIT_DROP_CLOSED || how == AUDIT_DROP_RESET) &&
			s->versions[v].calibrations == CALIBRATIONS &&
			s->versions[v].refusal == how)
			return true;
	return false;
}

/*
 * A connection that ended behind our hello without an answer. Returns true when that may be a refusal here:
 * a hello that nobody can accept meets the same.
 */
static bool may_be_refusal(struct audit_scan *s, struct audit_job *j)
{
	const struct audit_version_state *v = &s->versions[j->version];
	if (!is_known_end(s, j, j->drop))
		return false;
	/* Where no such hello was ever answered, that may be what it cannot stand: other forms come first. */
	return j->purpose != AUDIT_DO_TRACK || v->has_tried_forms || v->is_bare || v->is_small ||
		v->answered > 0;
}

void audit_scan_survived(struct audit_scan *s, const struct audit_job *j)
{
	if (j->drops > 0 && is_usual_end(s, j->drop))
		s->losses++;
}

/* It is known how this server refuses, and this is another end: then it was just lost. */
static bool is_stray(const struct audit_scan *s, const struct audit_job *j, enum audit_drop how)
{
	const struct audit_version_state *v = &s->versions[j->version];
	return (how == AUDIT_DROP_CLOSED || how == AUDIT_DROP_RESET) && j->tries < TRIES_MAX &&
		v->refusal != how && is_known_end(s, j, v->refusal);
}

/* What meets another end each time was not lost: the ends of the calibration were. It is made anew. */
static void recalibrate(struct audit_scan *s, struct audit_job *j)
{
	struct audit_version_state *v = &s->versions[j->version];
	if (j->tries < STRAYS_MAX || v->recalibrations == RECALIBRATIONS_MAX)
		return;
	v->recalibrations++;
	v->calibrations = 0;
	v->is_calibrating = false;
	v->refusal = AUDIT_DROP_NONE;
	for (size_t i = 0; i < s->job_count; i++) {
		struct audit_job *o = &s->jobs[i];
		if (o->version != j->version || o->purpose == AUDIT_DO_CALIBRATE)
			continue;
		/* Neither is what was counted as a refusal by it. */
		o->drops = 0;
		if (o->state == AUDIT_JOB_DOUBTED)
			o->state = AUDIT_JOB_READY;
	}
	j->tries = 0;
	waits_for_calibration(s, j);
}

static void note_drop(struct audit_scan *s, struct audit_job *j, enum audit_drop how)
{
	/* What came before was lost, if this is how it refuses. */
	if (j->drops > 0 && j->drop != how && is_known_end(s, j, how))
		j->drops = 0;
	j->drop = j->drops == 0 || j->drop == how ? how : AUDIT_DROP_MIXED;
	j->drops++;
	j->tries++;
}

enum audit_outcome audit_scan_dropped(
	struct audit_scan *s, struct audit_job *j, enum audit_probe_end end)
{
	enum audit_drop how = drop_of(end);
	if (j->purpose != AUDIT_DO_CALIBRATE && is_stray(s, j, how)) {
		j->state = AUDIT_JOB_READY;
		j->tries++;
		s->facts->lost++;
		recalibrate(s, j);
		return AUDIT_OUTCOME_LOST;
	}
	note_drop(s, j, how);
	s->facts->lost++;
	if (j->purpose == AUDIT_DO_CANARY) {
		canary_dropped(s, j);
		return AUDIT_OUTCOME_LOST;
	}
	if (j->purpose == AUDIT_DO_CALIBRATE && j->step == CONTROL) {
		controlled(s, j, true);
		/* More than once is as good as words that say so. */
		return j->drops < 2 ? AUDIT_OUTCOME_LOST : AUDIT_OUTCOME_EARLY;
	}
	if (j->purpose == AUDIT_DO_CALIBRATE && j->step == CHECK)
		return check_dropped(s, j);
	if (j->purpose == AUDIT_DO_CALIBRATE) {
		audit_scan_calibrated(s, j, how);
		return AUDIT_OUTCOME_FINAL;
	}
	if (s->is_last_chance) {
		j->state = j->drops < 2 ? AUDIT_JOB_READY : AUDIT_JOB_DONE;
		if (j->state == AUDIT_JOB_DONE)
			audit_scan_unheard(s, j->drop);
		return AUDIT_OUTCOME_LOST;
	}
	const struct audit_version_state *v = &s->versions[j->version];
	if (j->is_plain && (v->is_bare || v->is_small) && j->tries < TRIES_MAX) {
		/* It was on its way when another form was found to be the right one. */
		audit_scan_again(j);
		return AUDIT_OUTCOME_LOST;
	}
	if (may_be_refusal(s, j)) {
		audit_scan_doubt(s, j);
		return AUDIT_OUTCOME_FINAL;
	}
	j->state = AUDIT_JOB_READY;
	/* It will most likely be one. */
	enum audit_outcome outcome =
		is_usual_end(s, how) ? AUDIT_OUTCOME_FINAL : AUDIT_OUTCOME_LOST;
	if (j->drops < (is_known_end(s, j, how) ? refusals(s, j) : REFUSALS))
		return outcome;
	bool is_end = how == AUDIT_DROP_CLOSED || how == AUDIT_DROP_RESET;
	if (is_end && waits_for_calibration(s, j))
		return outcome;
	if (j->tries >= TRIES_MAX)
		audit_scan_give_up(s, j);
	else if (j->purpose == AUDIT_DO_TRACK)
		audit_track_drop(s, j);
	else if (j->drops >= DROPS_MAX - (how == AUDIT_DROP_SILENT ? 1 : 0))
		audit_scan_give_up(s, j);
	return AUDIT_OUTCOME_LOST;
}

/* The canary did not come so far as to ask anything. */
static void canary_failed(
	struct audit_scan *s, struct audit_job *j, const struct audit_probe_result *r)
{
	struct audit_facts *f = s->facts;
	j->state = AUDIT_JOB_DONE;
	s->is_refused_for_now = r->end == AUDIT_PROBE_DIALOGUE && r->is_temporary;
	if (r->end == AUDIT_PROBE_DIALOGUE)
		f->end = r->dialogue_end;
	else if (r->stage == AUDIT_STAGE_CONNECT)
		f->end = AUDIT_END_NO_CONNECT;
	else
		f->end = AUDIT_END_MUTE;
	if (f->words.text[0] == '\0' && r->stage == AUDIT_STAGE_CONNECT)
		snprintf(f->words.text, sizeof(f->words.text), "%s",
			r->error != 0 ? uv_strerror(r->error) : "connection timed out");
	s->is_done = !s->is_refused_for_now;
}

enum audit_outcome audit_scan_lost_early(
	struct audit_scan *s, struct audit_job *j, const struct audit_probe_result *r)
{
	j->state = AUDIT_JOB_READY;
	if (r->end == AUDIT_PROBE_CANCELLED)
		return AUDIT_OUTCOME_EARLY;
	s->facts->lost++;
	if (j->purpose == AUDIT_DO_CANARY) {
		canary_failed(s, j, r);
		return AUDIT_OUTCOME_EARLY;
	}
	/* What was in the air together met the same limit once. */
	if (j->id > s->early_known) {
		s->early_known = s->next_id;
		s->early_in_row++;
	}
	if (s->early_in_row < EARLY_MAX)
		return AUDIT_OUTCOME_EARLY;
	char why[AUDIT_WORDS_MAX + 1];
	const char *text =
		r->words != NULL && r->words->text[0] != '\0' ? r->words->text : "no connection";
	snprintf(why, sizeof(why), "the server lets nobody in any more: %.400s", text);
	audit_scan_stop(s, why);
	return AUDIT_OUTCOME_EARLY;
}
