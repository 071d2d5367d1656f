/* posternctl doctor: runs the checks and tells what they found, the good as well: silence proves nothing. */

#include "cmd/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/control_client.h"

#define SENTENCE_MAX 1024

static const char *const words[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"
};

void doctor_note(struct doctor *d, enum doctor_level level, const char *check, const char *fmt, ...)
{
	static const char *const shown[] = {
		[DOCTOR_OK] = "OK  ", [DOCTOR_WARN] = "WARN", [DOCTOR_FAIL] = "FAIL"
	};
	char text[SENTENCE_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->counts[level]++;
	if (!d->options->is_json) {
		printf("%s  %-10s %s\n", shown[level], check, text);
		return;
	}
	json_t *o =
		json_pack("{s:s, s:s, s:s}", "check", check, "level", words[level], "text", text);
	if (o == NULL)
		o = json_pack("{s:s, s:s, s:s}", "check", check, "level", words[level], "text",
			"is no UTF-8; run it without --json");
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void load(struct doctor *d)
{
	struct config_report r = { 0 };
	/* What systemd passed on to the daemon that runs. */
	setenv("CREDENTIALS_DIRECTORY", "/run/credentials/posternd.service", false);
	d->boot = boot_load(d->options->config, &r);
	for (size_t i = 0; i < r.kept; i++)
		doctor_note(d, DOCTOR_FAIL, "config", "%s", r.lines[i]);
	config_report_deinit(&r);
	if (d->boot != NULL)
		doctor_note(d, DOCTOR_OK, "config",
			"%s, the directory, keys and trust load; nobody else may write them",
			d->options->config);
}

static void conclude(const struct doctor *d)
{
	if (d->options->is_json)
		printf("{\"ok\":%zu,\"warn\":%zu,\"fail\":%zu}\n", d->counts[DOCTOR_OK],
			d->counts[DOCTOR_WARN], d->counts[DOCTOR_FAIL]);
	else
		printf("%zu good, %zu to look at, %zu failed\n", d->counts[DOCTOR_OK],
			d->counts[DOCTOR_WARN], d->counts[DOCTOR_FAIL]);
}

int doctor_run(const struct doctor_options *o)
{
	struct doctor d = { .options = o, .wall_ms = clock_wall_ms() };
	json_t *answer = NULL;
	if (control_fetch(o->socket, json_pack("{s:s}", "command", "status"), &answer) == 0)
		d.status = json_incref(json_array_get(answer, 0));
	json_decref(answer);
	if (geteuid() != 0)
		doctor_note(&d, DOCTOR_WARN, "root",
			"not run as root: much cannot be seen; run it with sudo");
	load(&d);
	doctor_way(&d);
	doctor_daemon(&d);
	doctor_network(&d);
	doctor_rules(&d);
	doctor_dates(&d);
	doctor_kernel(&d);
	conclude(&d);
	json_decref(d.status);
	boot_free(d.boot);
	return d.counts[DOCTOR_FAIL] == 0 ? EXIT_DONE : EXIT_REFUSED;
}
