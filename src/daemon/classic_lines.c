/*
 * Sequences that work once. Invariant: the first unused line is the only one that works, and it is used on
 * disk before anybody is told that it was met.
 */

#include "daemon/classic_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct classic_lines {
	int fd; /* -1: only read */
	const struct config_sequence *q;
	uint8_t *text;
	size_t len;
	struct sequence_file file;
	struct sequence_line line; /* that works now */
	bool has_line;
};

/* 1, 0, or -EINVAL with a sentence: as sequence_file_next, and a sequence that is too weak is none either. */
static int next(struct classic_lines *l, struct fault *why)
{
	int rc = sequence_file_next(&l->file, &l->line, why);
	if (rc <= 0)
		return rc;
	enum sequence_weakness w = sequence_weakness(&l->line.sequence);
	if (w != SEQUENCE_STRONG && !l->q->accept_weak) {
		fault_set(why, "line %u: %s; write another, or accept-weak = yes", l->line.line,
			sequence_weakness_text(w));
		return -EINVAL;
	}
	l->line.sequence.within_ms = l->q->within_s * 1000;
	l->line.sequence.strict = l->q->strict;
	return 1;
}

static void advance(struct classic_lines *l)
{
	struct fault why;
	int rc;
	do
		rc = next(l, &why);
	while (rc < 0);
	l->has_line = rc > 0;
}

void classic_lines_check(const struct config_sequence *q, struct config_report *r)
{
	struct classic_lines l = { .fd = -1, .q = q };
	struct fault f;
	if (file_read(q->one_time, FILE_SECRET, CLASSIC_LINES_FILE_MAX, &l.text, &l.len, &f) < 0) {
		config_report_add(r, &q->at, "one-time: %s", f.text);
		return;
	}
	l.file = sequence_file_init(span_of(l.text, l.len));
	for (int rc = next(&l, &f); rc != 0; rc = next(&l, &f)) {
		const char *what = strchr(f.text, ':');
		struct config_text at = { "", q->one_time, l.file.line };
		if (rc < 0)
			config_report_add(r, &at, "%s", what != NULL ? what + 2 : f.text);
	}
	sodium_memzero(l.text, l.len);
	free(l.text);
}

/* What the name leads to may have changed since it was read: then what was read is not what would be used up. */
static int open_again(const char *path, size_t len, struct fault *f)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	if (rc == 0 && (!S_ISREG(st.st_mode) || (size_t)st.st_size != len))
		rc = -EBUSY;
	if (rc == 0)
		return fd;
	fault_set(f, "%s: cannot be opened for marking what is used: %s", path, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

int classic_lines_open(const struct config_sequence *q, bool is_offline, struct classic_lines **ret,
	struct fault *f)
{
	struct classic_lines *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		fault_set(f, "%s: no memory to read it", q->one_time);
		return -ENOMEM;
	}
	l->fd = -1;
	l->q = q;
	int rc = file_read(q->one_time, FILE_SECRET, CLASSIC_LINES_FILE_MAX, &l->text, &l->len, f);
	if (rc == 0 && !is_offline) {
		rc = open_again(q->one_time, l->len, f);
		l->fd = rc;
	}
	if (rc < 0) {
		classic_lines_close(l);
		return rc;
	}
	l->file = sequence_file_init(span_of(l->text, l->len));
	advance(l);
	*ret = l;
	return 0;
}

void classic_lines_close(struct classic_lines *l)
{
	if (l == NULL)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->text != NULL)
		sodium_memzero(l->text, l->len);
	free(l->text);
	sodium_memzero(l, sizeof(*l));
	free(l);
}

const struct sequence *classic_lines_now(const struct classic_lines *l)
{
	return l->has_line ? &l->line.sequence : NULL;
}

int classic_lines_spend(struct classic_lines *l)
{
	int rc = 0;
	if (l->fd >= 0) {
		ssize_t n = pwrite(l->fd, "#", 1, (off_t)l->line.off);
		rc = n == 1 ? 0 : n < 0 ? -errno : -EIO;
		if (rc == 0 && fdatasync(l->fd) < 0)
			rc = -errno;
	}
	advance(l);
	return rc;
}
