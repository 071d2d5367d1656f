/* The daemon, its table, its store and how it is started. Works as well when none of them is there. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "daemon/trial.h"
#include "gate/gate.h"

#define SPACE_FAIL ((uint64_t)4 << 20)
#define SPACE_WARN ((uint64_t)64 << 20)
#define COMM_MAX 17
#define SCRIPT_COMM "posternd: scrip" /* all that the kernel keeps of the name */

/* Name and parent of a process; false when it is gone. */
static bool read_process(const char *pid, char name[COMM_MAX], int *ret_parent)
{
	char path[300], text[512];
	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	size_t len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	char *start = strchr(text, '('), *end = strrchr(text, ')');
	if (start == NULL || end == NULL || end - start > COMM_MAX ||
		sscanf(end + 1, " %*c %d", ret_parent) != 1)
		return false;
	*end = '\0';
	snprintf(name, COMM_MAX, "%s", start + 1);
	return true;
}

/* Is another firewall than nftables in use: by the configuration, or by what runs? */
static bool is_script(const struct doctor *d)
{
	if (d->boot != NULL)
		return d->boot->config->server.backend == CONFIG_BACKEND_SCRIPT;
	const char *script = json_string_value(json_object_get(d->status, "script"));
	return script != NULL && script[0] != '\0';
}

/* In another network namespace another postern may run. One that is just gone is nowhere. */
static bool is_here(const char *pid)
{
	char path[300], theirs[64] = "", ours[64] = "";
	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	ssize_t a = readlink(path, theirs, sizeof(theirs) - 1);
	ssize_t b = readlink("/proc/self/ns/net", ours, sizeof(ours) - 1);
	return a > 0 && a == b && memcmp(theirs, ours, (size_t)a) == 0;
}

static void count_processes(size_t *ret_knock, size_t *ret_gate, size_t *ret_monitor)
{
	int knock_parent = 0, gate_parent = 0;
	DIR *dir = opendir("/proc");
	struct dirent *e;
	*ret_knock = *ret_gate = 0;
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char name[COMM_MAX];
		int parent;
		if (!isdigit((unsigned char)e->d_name[0]) ||
			!read_process(e->d_name, name, &parent) || !is_here(e->d_name))
			continue;
		if (strcmp(name, "posternd: knock") == 0) {
			(*ret_knock)++;
			knock_parent = parent;
		} else if (strcmp(name, "posternd: gate") == 0 || strcmp(name, SCRIPT_COMM) == 0) {
			(*ret_gate)++;
			gate_parent = parent;
		}
	}
	if (dir != NULL)
		closedir(dir);
	*ret_monitor = knock_parent > 1 && knock_parent == gate_parent;
}

static const char *door_source(const json_t *door)
{
	if (json_object_get(door, "file") != NULL)
		return "log file";
	return json_object_get(door, "group") != NULL ? "log group" : "interface";
}

static void check_doors(struct doctor *d)
{
	size_t i;
	json_t *door;
	json_array_foreach(json_object_get(d->status, "doors"), i, door)
	{
		const char *name = json_string_value(json_object_get(door, "name"));
		if (!json_is_true(json_object_get(door, "watching")))
			doctor_note(d, DOCTOR_FAIL, "daemon",
				"door %s waits for its %s: no knock is seen there; bring it up or "
				"name another",
				name != NULL ? name : "?", door_source(door));
	}
}

static void check_trial(struct doctor *d)
{
	const json_t *left = json_object_get(d->status, "trial_left_s");
	if (left != NULL)
		doctor_note(d, DOCTOR_WARN, "daemon",
			"a trial runs, %lld s are left; posternctl trial --confirm keeps it",
			(long long)json_integer_value(left));
	if (json_is_true(json_object_get(d->status, "fallback")))
		doctor_note(d, DOCTOR_WARN, "daemon",
			"the last confirmed configuration runs, not %s; mend that, then posternctl "
			"reload",
			d->options->config);
}

static void check_processes(struct doctor *d)
{
	size_t knock, gate, monitor;
	count_processes(&knock, &gate, &monitor);
	if (d->status == NULL && knock + gate == 0) {
		doctor_note(d, DOCTOR_WARN, "daemon",
			"no daemon runs: no knock is heard; systemctl enable --now posternd starts it");
		return;
	}
	if (d->status == NULL)
		doctor_note(d, DOCTOR_FAIL, "daemon",
			"processes of posternd run, but none answers at %s; look into its log",
			d->options->socket);
	else if (knock == 0 || gate == 0 || monitor == 0)
		doctor_note(d, DOCTOR_FAIL, "daemon",
			"a process is missing (monitor %zu, knock %zu, %s %zu); look into its log",
			monitor, knock, is_script(d) ? "script" : "gate", gate);
	else
		doctor_note(d, DOCTOR_OK, "daemon", "monitor, knock and %s process run and answer",
			is_script(d) ? "script" : "gate");
	if (d->status == NULL)
		return;
	check_doors(d);
	check_trial(d);
	if (!json_is_true(json_object_get(d->status, "store_ok")))
		doctor_note(d, DOCTOR_FAIL, "store",
			"the daemon had trouble with its store in the last minute and opens nothing; "
			"look into its log");
	if (!is_script(d) && !json_is_true(json_object_get(d->status, "gate_uses_heard")))
		doctor_note(d, DOCTOR_WARN, "daemon",
			"another program has the log group: used gates are not noticed; choose "
			"another log-group");
}

/* What the program does with its firewall cannot be seen from here. */
static void check_script(struct doctor *d)
{
	struct gate_look look;
	struct fault f;
	long long stuck = json_integer_value(json_object_get(d->status, "not_closed"));
	if (stuck > 0)
		doctor_note(d, DOCTOR_FAIL, "script",
			"%lld gates whose time is over were not closed; look into the log", stuck);
	else
		doctor_note(d, DOCTOR_OK, "script",
			"a program opens and closes; what it guards is not looked at");
	if (gate_look(NULL, &look, &f) == 0 && look.is_there)
		doctor_note(d, DOCTOR_WARN, "table",
			"the table inet postern of an earlier configuration still closes its ports; nft "
			"delete table inet postern");
}

static void check_table(struct doctor *d)
{
	struct gate_look look;
	struct fault f;
	if (gate_look(d->boot != NULL ? d->boot->config : NULL, &look, &f) < 0) {
		doctor_note(d, DOCTOR_FAIL, "table", "%s", f.text);
		return;
	}
	if (!look.is_there && d->status == NULL)
		doctor_note(d, DOCTOR_WARN, "table",
			"there is no table inet postern: nothing is guarded");
	else if (!look.is_there)
		doctor_note(d, DOCTOR_FAIL, "table",
			"the table inet postern is gone: nothing is guarded; restart posternd");
	else if (d->status == NULL)
		doctor_note(d, DOCTOR_FAIL, "table",
			"the guarded ports are closed and no daemon can open them; start posternd, or "
			"posternctl disarm");
	else if (!look.is_owned && look.can_persist)
		doctor_note(d, DOCTOR_FAIL, "table",
			"the table has no owner: nft flush ruleset would open the ports; restart "
			"posternd");
	else if (!look.is_owned)
		doctor_note(d, DOCTOR_WARN, "table",
			"this kernel knows no owned tables: nft flush ruleset opens the ports; restart "
			"posternd with the firewall, or do not flush");
	else
		doctor_note(d, DOCTOR_OK, "table",
			"the guarded ports are closed, and no flush by others opens them");
	if (look.is_there && !look.is_current)
		doctor_note(d, DOCTOR_WARN, "table",
			"the rules are those of another version; a restart of posternd renews them");
}

static void check_space(struct doctor *d, const char *folder)
{
	struct statvfs v;
	if (statvfs(folder, &v) < 0) {
		doctor_note(d, d->status != NULL ? DOCTOR_FAIL : DOCTOR_WARN, "store",
			"%s: cannot be looked at: %s", folder, strerror(errno));
		return;
	}
	uint64_t left = (uint64_t)v.f_bavail * v.f_frsize;
	unsigned long long mib = left >> 20;
	if ((v.f_flag & ST_RDONLY) != 0)
		doctor_note(d, DOCTOR_FAIL, "store",
			"%s: is mounted read-only: nothing can be granted; mount it for writing",
			folder);
	else if (left < SPACE_FAIL || (v.f_files != 0 && v.f_favail == 0))
		doctor_note(d, DOCTOR_FAIL, "store",
			"%s: %llu MiB free: nothing is granted on a full disk; make room", folder,
			mib);
	else
		doctor_note(d, left < SPACE_WARN ? DOCTOR_WARN : DOCTOR_OK, "store",
			"%s: %llu MiB free%s", folder, mib,
			left < SPACE_WARN ? "; make room before it is full" : "");
}

static void check_store(struct doctor *d)
{
	char folder[PATH_MAX];
	struct store *s = NULL;
	struct fault f;
	if (d->boot == NULL)
		return;
	const char *path = d->boot->config->server.store;
	check_space(d, trial_folder_of(d->boot->config, folder));
	if (access(path, F_OK) < 0)
		return;
	if (store_open_reader(path, &s, &f) < 0)
		doctor_note(d, DOCTOR_FAIL, "store", "%s", f.text);
	else
		doctor_note(d, DOCTOR_OK, "store", "%s: can be read", path);
	store_close(s);
	if (!trial_has_confirmed(folder))
		doctor_note(d, DOCTOR_WARN, "store",
			"no configuration was confirmed yet: there is nothing to fall back to; begin "
			"with posternctl trial 10m");
}

/* The unit as systemd would find it; NULL when there is none. */
static FILE *open_unit(char path[PATH_MAX])
{
	static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system",
		"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, PATH_MAX, "%s/posternd.service", folders[i]);
		FILE *f = fopen(path, "re");
		if (f != NULL)
			return f;
	}
	return NULL;
}

static bool is_before_network(FILE *f)
{
	char line[1024];
	bool is_before = false;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Before=", 7) == 0 && strstr(line, "network-pre.target") != NULL)
			is_before = true;
	return is_before;
}

static bool is_enabled(void)
{
	static const char *const wants[] = { "sysinit", "basic", "multi-user", "network-pre" };
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		char path[128];
		struct stat st;
		snprintf(path, sizeof(path), "/etc/systemd/system/%s.target.wants/posternd.service",
			wants[i]);
		if (lstat(path, &st) == 0)
			return true;
	}
	return false;
}

static void check_unit(struct doctor *d)
{
	char path[PATH_MAX];
	if (access("/run/systemd/system", F_OK) < 0) {
		doctor_note(d, DOCTOR_WARN, "boot",
			"systemd does not run here: see to it that posternd is started at boot before "
			"the network, and again when it ends");
		return;
	}
	FILE *f = open_unit(path);
	if (f == NULL) {
		doctor_note(d, DOCTOR_WARN, "boot",
			"systemd knows no posternd.service; install it, so that it starts at boot");
		return;
	}
	bool is_before = is_before_network(f);
	fclose(f);
	if (!is_enabled())
		doctor_note(d, DOCTOR_FAIL, "boot",
			"%s is not enabled: nothing is guarded after a reboot; systemctl enable "
			"posternd",
			path);
	else if (!is_before)
		doctor_note(d, DOCTOR_WARN, "boot",
			"%s is not ordered before network-pre.target: the ports are open until it has "
			"started; add Before=network-pre.target",
			path);
	else
		doctor_note(d, DOCTOR_OK, "boot", "posternd starts at boot, before the network");
}

void doctor_daemon(struct doctor *d)
{
	check_processes(d);
	if (is_script(d))
		check_script(d);
	else
		check_table(d);
	check_store(d);
	check_unit(d);
}
