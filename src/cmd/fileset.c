/*
 * A set of new files. Invariant: after fileset_write either all of them stand, or none of them and no
 * folder that was not there before.
 */

#include "cmd/fileset.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fileset_folder(struct fileset *s, const char *path)
{
	char *copy = s->folder_count < FILESET_FOLDERS_MAX ? strdup(path) : NULL;
	if (copy == NULL)
		s->is_short = true;
	else
		s->folders[s->folder_count++] = copy;
}

static void wipe_free(char *data, size_t len)
{
	if (data != NULL)
		sodium_memzero(data, len);
	free(data);
}

void fileset_add(struct fileset *s, const char *folder, const char *name, char *data, size_t len,
	mode_t mode, const char *note)
{
	char *path = NULL;
	if (data == NULL || s->count == FILESET_MAX ||
		asprintf(&path, "%s%s%s", folder != NULL ? folder : "", folder != NULL ? "/" : "",
			name) < 0) {
		s->is_short = true;
		wipe_free(data, len);
		return;
	}
	s->items[s->count++] = (struct fileset_item){
		.path = path, .data = data, .len = len, .mode = mode, .note = note
	};
}

int fileset_check(const struct fileset *s, struct fault *f)
{
	struct stat st;
	if (s->is_short) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->count; i++) {
		if (lstat(s->items[i].path, &st) < 0)
			continue;
		fault_set(f, "%s: exists already; move it away or choose another name",
			s->items[i].path);
		return -EEXIST;
	}
	return 0;
}

static int make_folder(const char *path, bool *made)
{
	struct stat st;
	if (mkdir(path, 0755) == 0) {
		*made = true;
		/* Whatever the umask: other users' programs look in here. */
		return chmod(path, 0755) < 0 ? -errno : 0;
	}
	if (errno != EEXIST)
		return -errno;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* made[i] is set for every folder that was not there. */
static int make_folders(const struct fileset *s, bool made[FILESET_FOLDERS_MAX], struct fault *f)
{
	for (size_t i = 0; i < s->folder_count; i++) {
		int rc = make_folder(s->folders[i], &made[i]);
		if (rc < 0) {
			fault_set(f, "%s: the folder cannot be made: %s", s->folders[i],
				strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static int write_all(const struct fileset *s, size_t *ret_count, struct fault *f)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct fileset_item *it = &s->items[i];
		int rc = file_write(it->path, it->data, it->len, it->mode, true, f);
		/* A file that was linked but not synced counts as written; one of somebody else's never does. */
		*ret_count = rc == -EEXIST ? i : i + 1;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int fileset_write(const struct fileset *s, struct fault *f)
{
	bool made[FILESET_FOLDERS_MAX] = { false };
	size_t written = 0;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	int rc = fileset_check(s, f);
	if (rc == 0)
		rc = make_folders(s, made, f);
	if (rc == 0)
		rc = write_all(s, &written, f);
	if (rc < 0) {
		while (written > 0)
			unlink(s->items[--written].path);
		for (size_t i = s->folder_count; i > 0; i--)
			if (made[i - 1])
				rmdir(s->folders[i - 1]);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}

void fileset_deinit(struct fileset *s)
{
	for (size_t i = 0; i < s->count; i++) {
		wipe_free(s->items[i].data, s->items[i].len);
		free(s->items[i].path);
	}
	for (size_t i = 0; i < s->folder_count; i++)
		free(s->folders[i]);
	memset(s, 0, sizeof(*s));
}
