/*
 * Files read and replaced whole. Invariant: at every moment either the old or the new content stands
 * under the name, never a part of either.
 */

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fault_set(struct fault *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static int check(const char *path, const struct stat *st, enum file_need need, struct fault *f)
{
	if (!S_ISREG(st->st_mode)) {
		fault_set(f, "%s: not a regular file; name one", path);
		return -EPERM;
	}
	if (need == FILE_ANY)
		return 0;
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		fault_set(f, "%s: belongs to user %u; chown it to root or to yourself", path,
			(unsigned)st->st_uid);
		return -EPERM;
	}
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		fault_set(f, "%s: others may write it; chmod go-w it", path);
		return -EPERM;
	}
	if (need == FILE_SECRET && (st->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		fault_set(f, "%s: others may read this secret; chmod go-rwx it", path);
		return -EPERM;
	}
	return 0;
}

static int read_all(int fd, uint8_t *to, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	while (len < cap) {
		ssize_t n = read(fd, to + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int file_read(const char *path, enum file_need need, size_t max, uint8_t **ret, size_t *ret_len,
	struct fault *f)
{
	uint8_t *data = NULL;
	struct stat st;
	size_t len = 0;
	int rc;

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		rc = -errno;
		fault_set(f, "%s: cannot be read: %s", path, strerror(-rc));
		return rc;
	}
	if (fstat(fd, &st) < 0) {
		rc = -errno;
		fault_set(f, "%s: cannot be examined: %s", path, strerror(-rc));
		goto out;
	}
	rc = check(path, &st, need, f);
	if (rc < 0)
		goto out;
	if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
		rc = -EFBIG;
		fault_set(f, "%s: longer than the %zu bytes allowed for it", path, max);
		goto out;
	}
	/* One byte more than was stat'd shows a file that grew meanwhile. */
	size_t cap = (size_t)st.st_size + 1;
	data = malloc(cap + 1);
	if (data == NULL) {
		rc = -ENOMEM;
		fault_set(f, "%s: no memory to read it", path);
		goto out;
	}
	rc = read_all(fd, data, cap, &len);
	if (rc == 0 && len == cap)
		rc = -EAGAIN;
	if (rc < 0) {
		fault_set(f, "%s: cannot be read: %s", path,
			rc == -EAGAIN ? "it is being written; try again" : strerror(-rc));
		goto out;
	}
	data[len] = '\0';
	*ret = data;
	*ret_len = len;
	data = NULL;
out:
	/* What was read of a secret before it failed is one too. */
	if (data != NULL)
		sodium_memzero(data, (size_t)st.st_size + 1);
	free(data);
	close(fd);
	return rc;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		snprintf(folder, sizeof(folder), ".");
	else if (slash == path)
		snprintf(folder, sizeof(folder), "/");
	else
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int fill(int fd, const void *data, size_t len, mode_t mode)
{
	if (fchmod(fd, mode) < 0)
		return -errno;
	int rc = write_all(fd, data, len);
	if (rc < 0)
		return rc;
	return fsync(fd) < 0 ? -errno : 0;
}

int file_write(
	const char *path, const void *data, size_t len, mode_t mode, bool is_new, struct fault *f)
{
	char temp[PATH_MAX];
	int n = snprintf(temp, sizeof(temp), "%s.new-XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof(temp)) {
		fault_set(f, "%s: the name is too long", path);
		return -ENAMETOOLONG;
	}
	int fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		int rc = -errno;
		fault_set(f, "%s: no file can be made beside it: %s", path, strerror(-rc));
		return rc;
	}
	int rc = fill(fd, data, len, mode);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0) {
		if (is_new)
			rc = link(temp, path) < 0 ? -errno : 0;
		else
			rc = rename(temp, path) < 0 ? -errno : 0;
	}
	if (rc < 0 || is_new)
		unlink(temp);
	if (rc == 0) {
		rc = sync_folder(path);
		if (rc < 0)
			fault_set(f, "%s: is written, but may not outlast a power failure: %s",
				path, strerror(-rc));
		return rc;
	}
	if (rc == -EEXIST)
		fault_set(f, "%s: exists already; move it away or choose another name", path);
	else
		fault_set(f, "%s: cannot be written: %s; nothing was changed", path, strerror(-rc));
	return rc;
}
