/*
 * The files of a trial. Invariant: confirmed.conf and confirmed.directory only ever hold what ran without a
 * trial or was confirmed, and every file here is replaced whole.
 */

#include "daemon/trial.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define RECORD "trial"
#define CONFIRMED "confirmed.conf"
#define CONFIRMED_DIRECTORY "confirmed.directory"
#define FOLDER_DEFAULT "/var/lib/postern"
#define RECORD_MAX 16384
#define CONFIG_MAX ((size_t)4 << 20)

static const char *const states[] = {
	[TRIAL_ASKED] = "asked", [TRIAL_RUNNING] = "running", [TRIAL_OVER] = "over"
};

static void cut_to_folder(const char *file, char to[PATH_MAX])
{
	const char *slash = strrchr(file, '/');
	if (slash == NULL)
		snprintf(to, PATH_MAX, ".");
	else
		snprintf(to, PATH_MAX, "%.*s", (int)(slash == file ? 1 : slash - file), file);
}

const char *trial_folder_of(const struct config *c, char to[PATH_MAX])
{
	cut_to_folder(c->server.store, to);
	return to;
}

const char *trial_folder(const char *path, char to[PATH_MAX])
{
	struct config_report r = { 0 };
	struct config *c = config_load(path, &r);
	const char *given = getenv("STATE_DIRECTORY");
	if (c != NULL)
		cut_to_folder(c->server.store, to);
	else
		snprintf(to, PATH_MAX, "%s",
			given != NULL && given[0] == '/' ? given : FOLDER_DEFAULT);
	config_report_deinit(&r);
	config_free(c);
	return to;
}

const char *trial_file(const char *folder, const char *name, char to[PATH_MAX])
{
	int n = snprintf(to, PATH_MAX, "%s/%s", folder, name);
	if (n < 0 || n >= PATH_MAX)
		to[0] = '\0';
	return to;
}

static void take_text(const json_t *o, const char *key, char *to, size_t cap)
{
	const char *text = json_string_value(json_object_get(o, key));
	snprintf(to, cap, "%s", text != NULL ? text : "");
}

static bool take_state(const json_t *o, enum trial_state *ret)
{
	const char *text = json_string_value(json_object_get(o, "state"));
	for (unsigned i = TRIAL_ASKED; text != NULL && i <= TRIAL_OVER; i++)
		if (strcmp(text, states[i]) == 0) {
			*ret = (enum trial_state)i;
			return true;
		}
	return false;
}

static bool take(const json_t *o, struct trial *ret)
{
	struct trial t = { 0 };
	json_int_t length = json_integer_value(json_object_get(o, "length_s"));
	if (!take_state(o, &t.state) || length < 1 || length > TRIAL_MAX_S)
		return false;
	t.length_s = (uint32_t)length;
	t.at_mono_ms = (uint64_t)json_integer_value(json_object_get(o, "at_mono_ms"));
	take_text(o, "config", t.config, sizeof(t.config));
	take_text(o, "boot", t.boot, sizeof(t.boot));
	take_text(o, "sum", t.sum, sizeof(t.sum));
	take_text(o, "why", t.why, sizeof(t.why));
	if (t.config[0] == '\0')
		return false;
	*ret = t;
	return true;
}

int trial_read(const char *folder, struct trial *ret, struct fault *f)
{
	char path[PATH_MAX];
	uint8_t *text = NULL;
	size_t len = 0;
	*ret = (struct trial){ .state = TRIAL_NONE };
	if (access(trial_file(folder, RECORD, path), F_OK) < 0 &&
		(errno == ENOENT || errno == ENOTDIR))
		return 0;
	int rc = file_read(path, FILE_TRUSTED, RECORD_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	json_error_t err;
	json_t *o = json_loadb((const char *)text, len, 0, &err);
	if (o == NULL || !take(o, ret)) {
		fault_set(f, "%s: is no record of a trial; remove it", path);
		rc = -EINVAL;
	}
	json_decref(o);
	free(text);
	return rc;
}

int trial_write(const char *folder, const struct trial *t, struct fault *f)
{
	char path[PATH_MAX];
	json_t *o = json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s}", "state", states[t->state],
		"config", t->config, "length_s", (int)t->length_s, "at_mono_ms",
		(json_int_t)t->at_mono_ms, "boot", t->boot, "sum", t->sum, "why", t->why);
	char *text = o != NULL ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	trial_file(folder, RECORD, path);
	if (text == NULL) {
		fault_set(f, "%s: cannot be written: the name of the configuration is no UTF-8",
			path);
		return -EINVAL;
	}
	int rc = file_write(path, text, strlen(text), 0600, false, f);
	free(text);
	return rc;
}

int trial_forget(const char *folder, struct fault *f)
{
	char path[PATH_MAX];
	if (unlink(trial_file(folder, RECORD, path)) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	int rc = -errno;
	fault_set(f, "%s: cannot be removed: %s", path, strerror(-rc));
	return rc;
}

static int hash_file(const char *path, size_t max, crypto_hash_sha256_state *hash, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = file_read(path, FILE_TRUSTED, max, &text, &len, f);
	if (rc < 0)
		return rc;
	const uint64_t n = len;
	crypto_hash_sha256_update(hash, (const uint8_t *)&n, sizeof(n));
	crypto_hash_sha256_update(hash, text, len);
	free(text);
	return 0;
}

int trial_sum(const struct config *c, char to[TRIAL_SUM_MAX], struct fault *f)
{
	uint8_t sum[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state hash;
	crypto_hash_sha256_init(&hash);
	int rc = hash_file(c->file, CONFIG_MAX, &hash, f);
	if (rc == 0)
		rc = hash_file(c->server.directory, DIRECTORY_FILE_MAX, &hash, f);
	crypto_hash_sha256_final(&hash, sum);
	if (rc == 0)
		text_hex(span_of(sum, sizeof(sum)), to);
	return rc;
}

const char *trial_boot(char to[TRIAL_BOOT_MAX])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	to[0] = '\0';
	if (f == NULL)
		return to;
	if (fgets(to, TRIAL_BOOT_MAX, f) == NULL)
		to[0] = '\0';
	fclose(f);
	to[strcspn(to, "\n")] = '\0';
	return to;
}

bool trial_is_fresh(const struct trial *t, const char *boot, uint64_t now_mono_ms)
{
	return strcmp(t->boot, boot) == 0 && t->at_mono_ms <= now_mono_ms &&
		now_mono_ms - t->at_mono_ms <= TRIAL_ASKED_MS;
}

static int keep_directory(const char *path, const struct boot *b, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = 0;
	if (strcmp(path, b->config->server.directory) == 0)
		return 0;
	rc = file_read(
		b->config->server.directory, FILE_TRUSTED, DIRECTORY_FILE_MAX, &text, &len, f);
	if (rc == 0)
		rc = file_write(path, text, len, 0600, false, f);
	free(text);
	return rc;
}

/* The directory first: a death in between leaves the old configuration with a newer directory. */
int trial_keep(const char *folder, const struct boot *b, struct fault *f)
{
	char path[PATH_MAX], directory[PATH_MAX];
	struct config kept = *b->config;
	trial_file(folder, CONFIRMED_DIRECTORY, directory);
	int rc = keep_directory(directory, b, f);
	if (rc < 0)
		return rc;
	kept.server.directory = directory;
	char *text = config_format(&kept, CONFIG_SECRETS_SHOWN);
	trial_file(folder, CONFIRMED, path);
	if (text == NULL) {
		fault_set(f, "%s: no memory to write it", path);
		return -ENOMEM;
	}
	rc = file_write(path, text, strlen(text), 0600, false, f);
	sodium_memzero(text, strlen(text));
	free(text);
	return rc;
}

bool trial_has_confirmed(const char *folder)
{
	char path[PATH_MAX];
	return access(trial_file(folder, CONFIRMED, path), F_OK) == 0;
}

struct boot *trial_load_confirmed(const char *folder, struct config_report *r)
{
	char path[PATH_MAX];
	return boot_load(trial_file(folder, CONFIRMED, path), r);
}
