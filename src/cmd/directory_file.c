/* See directory_file.h. The lock is on the folder, since the file itself is replaced by each change. */

#include "cmd/directory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of path, locked until the descriptor is closed; or -errno with *f. */
static int lock_folder(const char *path, struct fault *f)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int n = slash == NULL
		? snprintf(folder, sizeof(folder), ".")
		: snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
	int rc = n < 0 || (size_t)n >= sizeof(folder) ? -ENAMETOOLONG : 0;
	int fd = rc < 0 ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == 0 && fd < 0)
		rc = -errno;
	if (rc == 0 && flock(fd, LOCK_EX) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	fault_set(f, "%s: its folder cannot be locked: %s", path, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

int directory_file_change(const char *path,
	int (*make)(
		struct span text, const void *with, struct directory_text *ret, struct fault *why),
	const void *with, struct fault *f)
{
	struct directory_text new = { 0 };
	uint8_t *text = NULL;
	size_t len = 0;
	struct stat st;
	struct fault why = { "" };

	int fd = lock_folder(path, f);
	if (fd < 0)
		return fd;
	int rc = file_read(path, FILE_TRUSTED, DIRECTORY_FILE_MAX, &text, &len, f);
	if (rc < 0)
		goto out;
	rc = make(span_of(text, len), with, &new, &why);
	if (rc < 0) {
		fault_set(f, "%s: %.480s", path, why.text);
		goto out;
	}
	if (new.data == NULL)
		goto out;
	if (stat(path, &st) < 0) {
		rc = -errno;
		fault_set(f, "%s: cannot be examined: %s", path, strerror(-rc));
		goto out;
	}
	if (new.len > DIRECTORY_FILE_MAX) {
		rc = -EFBIG;
		fault_set(f, "%s: would be larger than 512 MiB; split it", path);
		goto out;
	}
	rc = file_write(path, new.data, new.len, st.st_mode & 0777, false, f);
out:
	free(new.data);
	free(text);
	close(fd);
	return rc;
}
