/*
 * Trials. Invariant: from the moment something unconfirmed may run, the record on the disk says so; whoever
 * starts after that, for whatever reason, finds the record and runs what was confirmed. So the end of a
 * trial needs nobody who is alive when it begins.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/monitor_internal.h"
#include "daemon/trial.h"
#include "gate/gate.h"

static const char *folder_of(const struct monitor *m, char to[PATH_MAX])
{
	return trial_folder_of(m->boot->config, to);
}

static void log_mistakes(struct config_report *r)
{
	for (size_t i = 0; i < r->kept; i++)
		log_error("%s", r->lines[i]);
	config_report_deinit(r);
}

static struct boot *load(const char *path)
{
	struct config_report r = { 0 };
	struct boot *b = boot_load(path, &r);
	log_mistakes(&r);
	return b;
}

/* The confirmed configuration instead of the one at m->path. 0, or -EINVAL when it does not load either. */
static int fall_back(struct monitor *m, const char *folder)
{
	struct config_report r = { 0 };
	m->boot = trial_load_confirmed(folder, &r);
	log_mistakes(&r);
	m->trial.is_fallback = m->boot != NULL;
	return m->boot != NULL ? 0 : -EINVAL;
}

static int load_live(struct monitor *m, const char *folder)
{
	m->boot = load(m->path);
	if (m->boot != NULL)
		return 0;
	if (!trial_has_confirmed(folder) || fall_back(m, folder) < 0)
		return -EINVAL;
	log_warn("%s is broken: the last confirmed configuration runs; mend it, then posternctl "
		 "reload",
		m->path);
	return 0;
}

/* A trial of guarding at all that nobody confirmed. */
static int unguard(const struct trial *t)
{
	struct fault f;
	int rc = gate_remove(&f);
	if (rc < 0) {
		log_error("%s", f.text);
		return rc;
	}
	log_warn("nothing is guarded: the trial was not confirmed (%s); posternctl trial begins "
		 "another one, posternctl trial --abort forgets it",
		t->why);
	return 1;
}

static bool is_live(const struct monitor *m, const struct trial *t)
{
	char live[PATH_MAX];
	return realpath(m->path, live) == NULL || strcmp(live, t->config) == 0;
}

/* What to run when a trial was not confirmed. The file of the daemon is the one that was tried, or not. */
static int choose_after(struct monitor *m, const char *folder, struct trial *t)
{
	struct fault f;
	if (!trial_has_confirmed(folder))
		return unguard(t);
	if (!is_live(m, t)) {
		if (trial_forget(folder, &f) < 0)
			log_warn("%s", f.text);
		return load_live(m, folder);
	}
	log_warn("%s was tried and not confirmed (%s): the last confirmed configuration runs; "
		 "posternctl reload takes the file as it is, posternctl trial tries it again",
		m->path, t->why);
	if (fall_back(m, folder) == 0)
		return 0;
	log_error("the last confirmed configuration does not load; taking %s", m->path);
	return load_live(m, folder);
}

static void set_over(const char *folder, struct trial *t, const char *why)
{
	struct fault f;
	t->state = TRIAL_OVER;
	snprintf(t->why, sizeof(t->why), "%s", why);
	if (trial_write(folder, t, &f) < 0)
		log_error("%s", f.text);
}

int monitor_trial_choose(struct monitor *m)
{
	char folder[PATH_MAX], boot[TRIAL_BOOT_MAX];
	struct trial t;
	struct fault f;
	trial_folder(m->path, folder);
	if (trial_read(folder, &t, &f) < 0) {
		/* Nobody knows what was not confirmed. */
		log_error("%s", f.text);
		return trial_has_confirmed(folder) && fall_back(m, folder) == 0
			? 0
			: load_live(m, folder);
	}
	switch (t.state) {
	case TRIAL_NONE:
		break;
	case TRIAL_ASKED:
		if (trial_is_fresh(&t, trial_boot(boot), clock_mono_ms())) {
			m->trial.is_asked = true;
			m->boot = load(t.config);
			return m->boot != NULL ? 0 : -EINVAL;
		}
		log_warn("a trial was asked for and never begun; forgetting it");
		if (trial_forget(folder, &f) < 0)
			log_error("%s", f.text);
		break;
	case TRIAL_RUNNING:
		set_over(folder, &t, "the daemon was started anew while it ran");
		return choose_after(m, folder, &t);
	case TRIAL_OVER:
		return choose_after(m, folder, &t);
	}
	return load_live(m, folder);
}

/* On record before anything of it runs. */
static int record_running(
	struct monitor *m, const char *folder, struct trial *t, const struct config *c)
{
	struct fault f;
	uint64_t end = clock_mono_ms() + t->length_s * 1000ull;
	t->state = TRIAL_RUNNING;
	t->at_mono_ms = end;
	trial_boot(t->boot);
	int rc = trial_sum(c, t->sum, &f);
	if (rc == 0)
		rc = trial_write(folder, t, &f);
	if (rc < 0)
		monitor_tell(m, rc, f.text);
	else
		m->trial.until_mono_ms = end;
	return rc;
}

int monitor_trial_start(struct monitor *m)
{
	char folder[PATH_MAX];
	struct trial t;
	struct fault f;
	if (!m->trial.is_asked)
		return 0;
	m->trial.is_asked = false;
	int rc = trial_read(folder_of(m, folder), &t, &f);
	if (rc < 0 || t.state != TRIAL_ASKED) {
		log_error("%s", rc < 0 ? f.text : "the record of the trial is gone");
		return -EINVAL;
	}
	log_warn("a trial of %u seconds begins; it is rolled back unless it is confirmed by then",
		(unsigned)t.length_s);
	return record_running(m, folder, &t, m->boot->config);
}

void monitor_trial_settled(struct monitor *m)
{
	char folder[PATH_MAX];
	struct fault f;
	if (m->trial.until_mono_ms != 0 || m->trial.is_fallback)
		return;
	folder_of(m, folder);
	if (trial_keep(folder, m->boot, &f) < 0)
		log_warn("%s; after a broken change there is nothing to fall back to", f.text);
	if (trial_forget(folder, &f) < 0)
		log_warn("%s", f.text);
}

bool monitor_trial_forbids(struct monitor *m)
{
	if (m->trial.until_mono_ms == 0)
		return false;
	monitor_tell(m, -EBUSY,
		"a trial runs; first posternctl trial --confirm, or posternctl trial --abort");
	return true;
}

static void begin(struct monitor *m)
{
	char folder[PATH_MAX], boot[TRIAL_BOOT_MAX], text[MSG_TEXT_MAX];
	struct trial t;
	struct fault f;
	struct boot *old = NULL;
	if (monitor_trial_forbids(m))
		return;
	folder_of(m, folder);
	if (trial_read(folder, &t, &f) < 0) {
		monitor_tell(m, -EINVAL, f.text);
		return;
	}
	if (t.state != TRIAL_ASKED || !trial_is_fresh(&t, trial_boot(boot), clock_mono_ms())) {
		monitor_tell(m, -EINVAL, "no trial was asked for; use posternctl trial");
		return;
	}
	struct boot *next = monitor_load_next(m, t.config);
	if (next == NULL)
		return;
	if (record_running(m, folder, &t, next->config) < 0) {
		boot_free(next);
		return;
	}
	bool was_fallback = m->trial.is_fallback;
	m->trial.is_fallback = false;
	snprintf(text, sizeof(text),
		"trial of %.500s for %u seconds; services guarded: %zu, people known: %zu",
		t.config, (unsigned)t.length_s, next->config->service_count,
		directory_count(next->directory));
	if (monitor_swap(m, next, &old, text) < 0) {
		m->trial.until_mono_ms = 0;
		m->trial.is_fallback = was_fallback;
		boot_free(next);
		set_over(folder, &t, "its knock process did not start");
		monitor_tell(
			m, -EIO, "the new knock process did not start; its reason is in the log");
		return;
	}
	m->trial.before = old;
}

static void end_trial(struct monitor *m)
{
	boot_free(m->trial.before);
	m->trial.before = NULL;
	m->trial.until_mono_ms = 0;
}

static void confirm(struct monitor *m)
{
	if (m->trial.until_mono_ms == 0) {
		monitor_tell(m, -ENOENT, "no trial runs; it may be over, see posternctl status");
		return;
	}
	end_trial(m);
	monitor_trial_settled(m);
	/* A generation of its own, so that the knock process knows as well. */
	if (monitor_replace_generation(m, "the trial is confirmed") < 0)
		monitor_tell(m, 0, "the trial is confirmed");
}

/* Nothing was confirmed on this machine before: as it was, which is open. */
static void roll_back_to_nothing(struct monitor *m, const struct trial *t)
{
	monitor_tell(m, 0, "rolled back: nothing is guarded, posternd ends");
	monitor_stop_generation(&m->now);
	end_trial(m);
	(void)unguard(t);
	m->is_stopping = m->is_unguarded = true;
}

static void roll_back(struct monitor *m, const char *why)
{
	char folder[PATH_MAX], text[MSG_TEXT_MAX];
	struct trial t;
	struct fault f;
	struct boot *old = NULL, *back = m->trial.before;
	folder_of(m, folder);
	if (trial_read(folder, &t, &f) < 0)
		log_error("%s", f.text);
	set_over(folder, &t, why);
	if (back == NULL && trial_has_confirmed(folder)) {
		struct config_report r = { 0 };
		back = trial_load_confirmed(folder, &r);
		log_mistakes(&r);
	} else if (back == NULL) {
		roll_back_to_nothing(m, &t);
		return;
	}
	m->trial.before = NULL;
	end_trial(m);
	if (back == NULL) {
		log_error("the last confirmed configuration does not load; what was tried stays");
		return;
	}
	snprintf(text, sizeof(text), "rolled back, %s: the last confirmed configuration runs", why);
	m->trial.is_fallback = is_live(m, &t);
	if (m->now.knock.pid != 0 && monitor_swap(m, back, &old, text) == 0) {
		boot_free(old);
		return;
	}
	/* What was tried does not run, or must not any longer: from nothing, again and again if need be. */
	boot_free(m->boot);
	m->boot = back;
	monitor_tell(m, 0, text);
	monitor_on_death(m, 0);
}

void monitor_trial_word(struct monitor *m, enum msg_type word)
{
	if (word == MSG_TRIAL_BEGIN)
		begin(m);
	else if (word == MSG_TRIAL_CONFIRM)
		confirm(m);
	else if (m->trial.until_mono_ms == 0)
		monitor_tell(m, -ENOENT, "no trial runs; it may be over, see posternctl status");
	else
		roll_back(m, "by the administrator's word");
}

void monitor_trial_look(struct monitor *m, uint64_t now_mono_ms)
{
	if (m->trial.until_mono_ms != 0 && now_mono_ms >= m->trial.until_mono_ms)
		roll_back(m, "nobody confirmed it in time");
}

bool monitor_trial_stop(struct monitor *m)
{
	char folder[PATH_MAX];
	struct trial t;
	struct fault f;
	if (m->is_unguarded)
		return true;
	if (m->trial.until_mono_ms == 0 || m->trial.before != NULL)
		return false;
	folder_of(m, folder);
	if (trial_has_confirmed(folder) || trial_read(folder, &t, &f) < 0)
		return false;
	set_over(folder, &t, "the daemon was stopped while it ran");
	return unguard(&t) > 0;
}
