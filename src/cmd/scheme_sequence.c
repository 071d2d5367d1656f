/*
 * Simple sequences, given or the next of a file of such that work once, and structured ones. Invariant: a
 * line of a one-time file is marked on disk before its first knock goes out.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cmd/scheme.h"
#include "knock/structured.h"

#define ONE_TIME_MAX ((size_t)4 << 20)
#define STRUCTURED_BASE 100
#define MINUTES_A_STEP 10

static void put(const struct sequence *s, struct scheme_plan *ret)
{
	_Static_assert(SEQUENCE_STEPS_MAX <= SCHEME_KNOCKS_MAX, "every sequence fits");
	ret->count = s->count;
	memcpy(ret->knocks, s->steps, s->count * sizeof(s->steps[0]));
}

/* The first unused line, and how many come after it. 0, or -errno with *f. */
static int find_line(const char *path, struct span text, struct sequence_line *ret, unsigned *left,
	struct fault *f)
{
	struct sequence_file file = sequence_file_init(text);
	struct sequence_line next;
	struct fault why;
	int rc = sequence_file_next(&file, ret, &why);
	if (rc < 0) {
		fault_set(f, "%s: %.300s", path, why.text);
		return rc;
	}
	if (rc == 0) {
		fault_set(f,
			"%s: every sequence is used; ask the server's administrator for a new "
			"file",
			path);
		return -ENODATA;
	}
	*left = 0;
	while ((rc = sequence_file_next(&file, &next, &why)) != 0)
		*left += rc > 0;
	return 0;
}

/* The lock keeps two clients from one line; the byte is only changed where it still is what was read. */
static int mark_line(const char *path, struct span text, size_t off, struct fault *f)
{
	uint8_t now = 0, was = text.data[off];
	int rc = 0, fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || pread(fd, &now, 1, (off_t)off) != 1)
		rc = errno != 0 ? -errno : -EIO;
	else if (now != was)
		rc = -EAGAIN;
	else if (pwrite(fd, "#", 1, (off_t)off) != 1 || fdatasync(fd) < 0)
		rc = errno != 0 ? -errno : -EIO;
	if (rc == -EAGAIN)
		fault_set(f, "%s: somebody else has just used the next sequence; try again", path);
	else if (rc < 0)
		fault_set(f, "%s: the next sequence cannot be marked as used: %s; nothing was sent",
			path, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int take_one_time(const char *path, bool is_dry, struct scheme_plan *ret, struct fault *f)
{
	struct sequence_line line;
	uint8_t *text = NULL;
	size_t len = 0;

	int rc = file_read(path, FILE_SECRET, ONE_TIME_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	rc = find_line(path, span_of(text, len), &line, &ret->left, f);
	if (rc == 0 && !is_dry)
		rc = mark_line(path, span_of(text, len), line.off, f);
	if (rc == 0) {
		put(&line.sequence, ret);
		ret->has_left = true;
	}
	sodium_memzero(&line, sizeof(line));
	sodium_memzero(text, len);
	free(text);
	return rc;
}

int scheme_sequence(const struct knock_args *a, struct scheme_plan *ret, struct fault *f)
{
	const char *text = a->classic.sequence;
	struct sequence s = { 0 };
	if (text == NULL)
		return take_one_time(a->classic.one_time, a->is_dry_run, ret, f);
	enum sequence_reject why = sequence_parse(span_of(text, strlen(text)), &s);
	if (why != SEQUENCE_OK) {
		fault_set(f, "--sequence: %s; write ports as 102,100,100:udp,103",
			sequence_reject_text(why));
		return -EINVAL;
	}
	put(&s, ret);
	return 0;
}

int scheme_structured(const struct knock_args *a, struct scheme_plan *ret, struct fault *f)
{
	const struct knock_classic *c = &a->classic;
	uint16_t ports[STRUCTURED_KNOCKS];
	struct structured s = {
		.port = a->service_port,
		.time = c->is_close ? STRUCTURED_TIME_CLOSE
				    : (uint8_t)(c->minutes / MINUTES_A_STEP),
	};
	if (!structured_write(c->base != 0 ? c->base : STRUCTURED_BASE, &s, ports)) {
		fault_set(f, "port %u: a structured sequence cannot say it", (unsigned)s.port);
		return -EINVAL;
	}
	for (size_t i = 0; i < STRUCTURED_KNOCKS; i++)
		ret->knocks[ret->count++] = (struct sequence_step){ ports[i], IPPROTO_TCP };
	return 0;
}
