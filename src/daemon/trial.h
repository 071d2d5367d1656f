#ifndef POSTERN_DAEMON_TRIAL_H
#define POSTERN_DAEMON_TRIAL_H

/*
 * What a trial leaves on the disk, in the folder of the store, which only root may enter:
 *
 *   trial                 the record of a trial that was asked for, runs, or was not confirmed
 *   confirmed.conf        the last configuration that ran without a trial or was confirmed, whole:
 *                         defaults written out, included files in it
 *   confirmed.directory   the directory that went with it; confirmed.conf names it
 *
 * posternctl writes the first state (asked), the monitor every other one. The knock process can only say
 * "begin", "confirm" and "abort": it names no file.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "daemon/boot.h"

#define TRIAL_BOOT_MAX 40
#define TRIAL_SUM_MAX 65
#define TRIAL_WHY_MAX 128
#define TRIAL_MIN_S 10
#define TRIAL_MAX_S 86400
#define TRIAL_ASKED_MS (3600ull * 1000) /* a wish older than this, or of another boot, is none */

enum trial_state {
	TRIAL_NONE,
	TRIAL_ASKED,
	TRIAL_RUNNING,
	TRIAL_OVER, /* not confirmed: what ran before runs again */
};

struct trial {
	enum trial_state state;
	char config[PATH_MAX]; /* what is tried */
	uint32_t length_s;
	uint64_t at_mono_ms;       /* when it was asked for; of a running one, when it ends */
	char boot[TRIAL_BOOT_MAX]; /* the boot whose clock that is */
	char sum[TRIAL_SUM_MAX];   /* of its files, when the trial began */
	char why[TRIAL_WHY_MAX];   /* why it is over */
};

/* The folder of the store that the configuration at path names; where that cannot be read, the service
 * manager's STATE_DIRECTORY or the default. Returns to. */
const char *trial_folder(const char *path, char to[PATH_MAX]);

/* The folder of the store of c. Returns to. */
const char *trial_folder_of(const struct config *c, char to[PATH_MAX]);

/* FOLDER/NAME. Returns to. */
const char *trial_file(const char *folder, const char *name, char to[PATH_MAX]);

/* TRIAL_NONE when there is no record. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int trial_read(
	const char *folder, struct trial *ret, struct fault *f);
__attribute__((warn_unused_result)) int trial_write(
	const char *folder, const struct trial *t, struct fault *f);
__attribute__((warn_unused_result)) int trial_forget(const char *folder, struct fault *f);

/* The digest of a configuration's file and of its directory, to see whether one was changed meanwhile. 0 or
 * -errno with *f. */
__attribute__((warn_unused_result)) int trial_sum(
	const struct config *c, char to[TRIAL_SUM_MAX], struct fault *f);

/* Which boot this is; "" when the kernel does not say. Returns to. */
const char *trial_boot(char to[TRIAL_BOOT_MAX]);

/* A wish of this boot that is not too old at now. */
bool trial_is_fresh(const struct trial *t, const char *boot, uint64_t now_mono_ms);

/* Keep what b says as the confirmed configuration, atomically. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int trial_keep(
	const char *folder, const struct boot *b, struct fault *f);

bool trial_has_confirmed(const char *folder);

/* The confirmed configuration, or NULL with mistakes in r. */
struct boot *trial_load_confirmed(const char *folder, struct config_report *r);

#endif
