/*
 * Following a log file. Invariant: the buffer holds the beginning of at most one line that is not complete,
 * and a line too long for it is skipped up to its end, so no file can make us keep more.
 */

#include "capture/logfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/internal.h"

#define BUFFER_LEN 65536
#define READS_MAX 4 /* buffers in one call, then others get their turn */

struct source {
	int fd; /* -1: none */
	off_t at;
};

struct capture_logfile {
	struct capture_log log;
	struct source now, next;
	bool is_skipping; /* within a line that is too long */
	size_t held;      /* bytes of an incomplete line at the front of the buffer */
	struct capture_counts counts;
	char buffer[BUFFER_LEN];
};

struct delivery {
	uint64_t wall_ms;
	capture_seen *seen;
	void *arg;
};

struct capture_logfile *capture_logfile_new(const struct capture_log *log)
{
	struct capture_logfile *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->log = *log;
	l->now.fd = l->next.fd = -1;
	return l;
}

static void source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void capture_logfile_free(struct capture_logfile *l)
{
	if (l == NULL)
		return;
	source_close(&l->now);
	source_close(&l->next);
	free(l);
}

/* Size, or -errno. */
static off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_size : -errno;
}

/* The end may be in the middle of a line, whose beginning we do not have. */
static bool is_within_line(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

int capture_logfile_hand_over(struct capture_logfile *l, int fd, bool from_end)
{
	off_t size = size_of(fd);

	if (size < 0) {
		close(fd);
		return (int)size;
	}
	struct source *to = l->now.fd < 0 ? &l->now : &l->next;
	source_close(to);
	*to = (struct source){ fd, from_end ? size : 0 };
	if (to == &l->now)
		l->is_skipping = from_end && is_within_line(fd, size);
	return 0;
}

bool capture_logfile_is_open(const struct capture_logfile *l)
{
	return l->now.fd >= 0;
}

static bool is_our_interface(const struct capture_logfile *l, struct span name)
{
	const char *ours = l->log.interface;

	return ours == NULL || span_equal(name, span_of(ours, strlen(ours)));
}

static void on_line(struct capture_logfile *l, struct span text, const struct delivery *to)
{
	struct logline line;

	l->counts.seen++;
	enum capture_reject reason = text.len > CAPTURE_LOGLINE_MAX
		? CAPTURE_LENGTH
		: capture_logline_decode(text, &line);
	if (reason != CAPTURE_OK) {
		l->counts.rejected[reason]++;
		return;
	}
	if (!is_our_interface(l, line.interface) || !capture_is_wanted(&l->log.want, &line.seen)) {
		l->counts.other++;
		return;
	}
	line.seen.door = l->log.door;
	line.seen.interface = l->log.interface_index;
	line.seen.wall_ms = to->wall_ms;
	to->seen(to->arg, &line.seen);
}

/* Hand out the complete lines of the first len bytes and keep what is left. */
static void split(struct capture_logfile *l, size_t len, const struct delivery *to)
{
	const char *at = l->buffer, *end = l->buffer + len, *stop;

	while (at < end && (stop = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if (!l->is_skipping)
			on_line(l, span_of(at, (size_t)(stop - at)), to);
		l->is_skipping = false;
		at = stop + 1;
	}
	l->held = l->is_skipping ? 0 : (size_t)(end - at);
	if (l->held > CAPTURE_LOGLINE_MAX) {
		l->counts.seen++;
		l->counts.rejected[CAPTURE_LENGTH]++;
		l->is_skipping = true;
		l->held = 0;
	}
	memmove(l->buffer, at, l->held);
}

/* What was held belongs to what is gone. */
static void begin_anew(struct capture_logfile *l)
{
	l->held = 0;
	l->is_skipping = false;
}

/* One buffer of the present file: above 0 when it was full, 0 at its end, or -errno. */
static int read_some(struct capture_logfile *l, const struct delivery *to)
{
	size_t room = sizeof(l->buffer) - l->held;
	off_t size = size_of(l->now.fd);

	if (size < 0)
		return (int)size;
	if (size < l->now.at) {
		l->now.at = 0;
		begin_anew(l);
	}
	ssize_t n = pread(l->now.fd, l->buffer + l->held, room, l->now.at);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	l->now.at += n;
	split(l, l->held + (size_t)n, to);
	return (size_t)n == room;
}

/* Whoever writes to the new file no longer writes to the old one. */
static bool has_moved_on(const struct capture_logfile *l)
{
	return l->next.fd >= 0 && size_of(l->next.fd) > 0;
}

static int read_to_end(struct capture_logfile *l, int *reads, const struct delivery *to)
{
	int rc = 1;

	while (rc > 0 && *reads > 0) {
		rc = read_some(l, to);
		(*reads)--;
	}
	return rc;
}

int capture_logfile_read(struct capture_logfile *l, uint64_t wall_ms, capture_seen *seen, void *arg)
{
	const struct delivery to = { wall_ms, seen, arg };
	int reads = READS_MAX;

	if (l->now.fd < 0)
		return 0;
	/* Asked before the old one is read: what comes after belongs to the new one. */
	bool is_over = has_moved_on(l);
	int rc = read_to_end(l, &reads, &to);
	if (rc != 0 || !is_over)
		return rc;
	source_close(&l->now);
	l->now = l->next;
	l->next.fd = -1;
	begin_anew(l);
	return read_to_end(l, &reads, &to);
}

const struct capture_counts *capture_logfile_counts(const struct capture_logfile *l)
{
	return &l->counts;
}
