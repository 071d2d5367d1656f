/*
 * posternctl trial. Invariant: this process only asks. The record on the disk and the monitor do the rest, so
 * that a cut session, a kill or a closed terminal changes nothing about the end.
 */

#include "cmd/control_trial.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/control_client.h"
#include "cmd/control_show.h"
#include "cmd/say.h"
#include "daemon/place.h"
#include "daemon/trial.h"

#define LOOK_MS 250
#define CONFIG_MAX ((size_t)4 << 20)

static json_t *request(const char *word)
{
	return json_pack("{s:s, s:s}", "command", "trial", "do", word);
}

/* 1 when a daemon answers, 0 when there is none, -errno when that cannot be known, after saying so. */
static int has_daemon(const char *socket)
{
	json_t *answer = NULL;
	int rc = control_fetch(socket, json_pack("{s:s}", "command", "status"), &answer);
	json_decref(answer);
	if (rc == 0)
		return 1;
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return 0;
	say_trouble("%s: the daemon cannot be asked: %s", socket, strerror(-rc));
	return rc;
}

static bool resolve(const char *path, char to[PATH_MAX])
{
	if (realpath(path, to) != NULL)
		return true;
	say_trouble("%s: cannot be read: %s", path, strerror(errno));
	return false;
}

static bool is_beside(const char *a, const char *b)
{
	size_t len = (size_t)(strrchr(a, '/') - a);
	return (size_t)(strrchr(b, '/') - b) == len && memcmp(a, b, len) == 0;
}

/* What is tried, by its whole name. Includes count from the file's folder, so it is the same folder. */
static bool find_config(const struct control_trial *t, char to[PATH_MAX])
{
	char live[PATH_MAX];
	if (t->config == NULL)
		return resolve(t->live, to);
	if (!resolve(t->config, to) || !resolve(t->live, live))
		return false;
	if (is_beside(to, live))
		return true;
	say_trouble("%s: lies in another folder than %s; put it beside that file", to, live);
	return false;
}

/* Its own mistakes; those of the files that it names are the daemon's to find, who may read all of them. */
static struct config *load(const char *path)
{
	struct config_report r = { 0 };
	struct config *c = config_load(path, &r);
	for (size_t i = 0; i < r.kept; i++)
		say_trouble("%s", r.lines[i]);
	config_report_deinit(&r);
	return c;
}

static void say_left(uint64_t end_ms)
{
	uint64_t now = clock_mono_ms();
	unsigned long long s = end_ms > now ? (end_ms - now + 999) / 1000 : 0;
	printf("\r%llu:%02llu left; knock from outside, then: posternctl trial --confirm ", s / 60,
		s % 60);
	fflush(stdout);
}

/* Until the record says how it ended. */
static int watch(const char *folder)
{
	struct trial t;
	struct fault f;
	while (trial_read(folder, &t, &f) == 0) {
		if (t.state == TRIAL_NONE) {
			puts("\nconfirmed");
			return EXIT_DONE;
		}
		if (t.state == TRIAL_OVER) {
			printf("\nrolled back: %s\n", t.why);
			return EXIT_REFUSED;
		}
		say_left(t.at_mono_ms);
		poll(NULL, 0, LOOK_MS);
	}
	putchar('\n');
	say_trouble("%s", f.text);
	return EXIT_LOCAL;
}

static int leave_for_start(const struct control_trial *t, const char *folder)
{
	char length[TIME_TEXT_MAX];
	printf("no daemon runs: the trial of %s begins when posternd is started within an hour;\n"
	       "if it is not confirmed then, %s\n",
		duration_format(t->length_s, length),
		trial_has_confirmed(folder) ? "the last confirmed configuration runs again"
					    : "the rules are removed and posternd ends");
	return EXIT_DONE;
}

static int begin_now(const struct control_trial *t, const char *folder)
{
	struct fault f;
	int status = control_ask(t->socket, request("begin"), false, control_show_nothing);
	if (status != EXIT_DONE) {
		struct trial now;
		if (trial_read(folder, &now, &f) == 0 && now.state == TRIAL_ASKED &&
			trial_forget(folder, &f) < 0)
			say_trouble("%s", f.text);
		return status;
	}
	if (isatty(STDOUT_FILENO))
		return watch(folder);
	puts("it is rolled back unless posternctl trial --confirm is given in time");
	return EXIT_DONE;
}

static int ask_for(const struct control_trial *t, const struct config *c, const char *path)
{
	char folder[PATH_MAX];
	struct trial old, wish = { .state = TRIAL_ASKED, .length_s = t->length_s };
	struct fault f;
	trial_folder_of(c, folder);
	int running = has_daemon(t->socket);
	if (running < 0)
		return EXIT_LOCAL;
	if (trial_read(folder, &old, &f) == 0 && old.state == TRIAL_RUNNING && running > 0) {
		say_trouble("a trial runs already; first posternctl trial --confirm or --abort");
		return EXIT_REFUSED;
	}
	snprintf(wish.config, sizeof(wish.config), "%s", path);
	trial_boot(wish.boot);
	wish.at_mono_ms = clock_mono_ms();
	if (place_make_folder(c->server.store, 0700, &f) < 0 ||
		trial_write(folder, &wish, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	return running > 0 ? begin_now(t, folder) : leave_for_start(t, folder);
}

int control_trial_begin(const struct control_trial *t)
{
	char path[PATH_MAX];
	if (!find_config(t, path))
		return EXIT_LOCAL;
	struct config *c = load(path);
	if (c == NULL)
		return EXIT_REFUSED;
	int status = ask_for(t, c, path);
	config_free(c);
	return status;
}

/* Nothing else than what was tried may be confirmed. */
static bool is_unchanged(const struct trial *t)
{
	struct config_report r = { 0 };
	struct fault f;
	char sum[TRIAL_SUM_MAX] = "";
	struct config *c = config_load(t->config, &r);
	bool is_same = c != NULL && trial_sum(c, sum, &f) == 0 && strcmp(sum, t->sum) == 0;
	config_report_deinit(&r);
	config_free(c);
	if (!is_same)
		say_trouble("%s or its directory was changed since the trial began; "
			    "posternctl trial --abort, then try it again",
			t->config);
	return is_same;
}

static int take_place(const char *from, const char *live)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	int rc = file_read(from, FILE_TRUSTED, CONFIG_MAX, &text, &len, &f);
	if (rc == 0)
		rc = file_write(live, text, len, 0644, false, &f);
	free(text);
	if (rc == 0) {
		printf("%s has taken the place of %s\n", from, live);
		return EXIT_DONE;
	}
	say_trouble("confirmed, but the next reload would take the old file: %s; copy %s to %s",
		f.text, from, live);
	return EXIT_LOCAL;
}

int control_trial_confirm(const struct control_trial *t)
{
	char folder[PATH_MAX], live[PATH_MAX];
	struct trial now;
	struct fault f;
	if (!resolve(t->live, live))
		return EXIT_LOCAL;
	if (trial_read(trial_folder(live, folder), &now, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	if (now.state == TRIAL_OVER) {
		say_trouble("too late, it is rolled back: %s", now.why);
		return EXIT_REFUSED;
	}
	if (now.state != TRIAL_RUNNING) {
		say_trouble("no trial runs");
		return EXIT_REFUSED;
	}
	if (!is_unchanged(&now))
		return EXIT_REFUSED;
	int status = control_ask(t->socket, request("confirm"), false, control_show_nothing);
	if (status == EXIT_DONE && strcmp(now.config, live) != 0)
		status = take_place(now.config, live);
	return status;
}

int control_trial_abort(const struct control_trial *t)
{
	char folder[PATH_MAX];
	struct fault f;
	int running = has_daemon(t->socket);
	if (running < 0)
		return EXIT_LOCAL;
	if (running > 0)
		return control_ask(t->socket, request("abort"), false, control_show_nothing);
	if (trial_forget(trial_folder(t->live, folder), &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	puts("forgotten; the next start takes the configuration as it is");
	return EXIT_DONE;
}
