/*
 * Documents on their way. Invariant: a new file is seen under its name only when the last piece was
 * written, and for decrypted ones verified; until then it has no name, so that not even a kill leaves
 * half a file, or where the file system cannot do that, another one.
 */

#include "cmd/document_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_LEN (2 * (size_t)DOCUMENT_WIRE_MAX)
#define PROGRESS_MIN (UINT64_C(64) << 20) /* smaller ones are there before one has read it */

_Static_assert(BUFFER_LEN > DOCUMENT_HEAD_MAX, "a head fits");

/* ------------------------------------------------------------------ both ends */

static bool is_dash(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int open_input(struct document_copy *c, struct fault *f)
{
	struct stat st;
	c->in = is_dash(c->from) ? STDIN_FILENO : open(c->from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (c->in < 0 || fstat(c->in, &st) < 0) {
		int rc = -errno;
		fault_set(f, "%s: cannot be read: %s", c->from, strerror(-rc));
		return rc;
	}
	if (S_ISDIR(st.st_mode)) {
		fault_set(f, "%s: is a folder; pack it into one file first", c->from);
		return -EISDIR;
	}
	if (S_ISREG(st.st_mode))
		c->size = (uint64_t)st.st_size;
	if (c->size >= PROGRESS_MIN && isatty(STDERR_FILENO) == 1)
		c->percent = 0;
	return 0;
}

/* A file without a name in the folder of path. */
static int open_nameless(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int len = slash == NULL || slash == path ? 1 : (int)(slash - path);
	const char *from = slash == NULL ? "." : path;
	int n = snprintf(folder, sizeof(folder), "%.*s", len, from);
	if (n < 0 || (size_t)n >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

static int open_temp(struct document_copy *c)
{
	int n = snprintf(c->temp, sizeof(c->temp), "%s.new-XXXXXX", c->to);
	int fd = -1;
	if (n < 0 || (size_t)n >= sizeof(c->temp))
		errno = ENAMETOOLONG;
	else
		fd = mkostemp(c->temp, O_CLOEXEC);
	if (fd < 0)
		c->temp[0] = '\0';
	return fd;
}

static int open_output(struct document_copy *c, mode_t mode, struct fault *f)
{
	if (is_dash(c->to)) {
		c->out = STDOUT_FILENO;
		return 0;
	}
	if (access(c->to, F_OK) == 0) {
		fault_set(f, "%s: exists already; move it away or choose another name", c->to);
		return -EEXIST;
	}
	c->is_new = true;
	c->out = open_nameless(c->to);
	if (c->out < 0)
		c->out = open_temp(c);
	if (c->out < 0 || fchmod(c->out, mode) < 0) {
		int rc = -errno;
		fault_set(f, "%s: no file can be made beside it: %s", c->to, strerror(-rc));
		return rc;
	}
	return 0;
}

int document_copy_begin(
	struct document_copy *c, const char *from, const char *to, mode_t mode, struct fault *f)
{
	*c = (struct document_copy){ .from = from, .to = to, .in = -1, .out = -1, .percent = -1 };
	int rc = open_input(c, f);
	return rc < 0 ? rc : open_output(c, mode, f);
}

/* A name that appeared meanwhile is not taken away from whoever made it. */
static int give_name(struct document_copy *c, struct fault *f)
{
	char nameless[32];
	snprintf(nameless, sizeof(nameless), "/proc/self/fd/%d", c->out);
	const char *from = c->temp[0] != '\0' ? c->temp : nameless;
	int rc = fsync(c->out) < 0 ? -errno : 0;
	if (rc == 0 && linkat(AT_FDCWD, from, AT_FDCWD, c->to, AT_SYMLINK_FOLLOW) < 0)
		rc = -errno;
	if (rc == -EEXIST)
		fault_set(f, "%s: exists already; move it away or choose another name", c->to);
	else if (rc < 0)
		fault_set(f, "%s: cannot be written: %s", c->to, strerror(-rc));
	return rc;
}

int document_copy_end(struct document_copy *c, int rc, struct fault *f)
{
	if (c->percent > 0)
		fputc('\n', stderr);
	if (rc == 0 && c->is_new)
		rc = give_name(c, f);
	if (c->temp[0] != '\0')
		unlink(c->temp);
	if (c->in > STDIN_FILENO)
		close(c->in);
	if (c->out > STDOUT_FILENO)
		close(c->out);
	return rc;
}

static void show_progress(struct document_copy *c, size_t more)
{
	c->done += more;
	if (c->percent < 0)
		return;
	uint64_t percent = c->done >= c->size ? 100 : c->done * 100 / c->size;
	if ((int)percent == c->percent)
		return;
	c->percent = (int)percent;
	fprintf(stderr, "\r%s: %3d %%", c->from, c->percent);
}

static int put(struct document_copy *c, const uint8_t *data, size_t len, struct fault *f)
{
	while (len > 0) {
		ssize_t n = write(c->out, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int rc = -errno;
			fault_set(f, "%s: cannot be written: %s",
				c->is_new ? c->to : "standard output", strerror(-rc));
			return rc;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Bytes of the input that were not dealt with yet. */
struct buffer {
	size_t len;
	bool is_end; /* nothing follows them */
	uint8_t b[BUFFER_LEN];
};

/* Read on until there are want bytes, or the end. */
static int fill(struct document_copy *c, struct buffer *b, size_t want, struct fault *f)
{
	while (b->len < want && !b->is_end) {
		ssize_t n = read(c->in, b->b + b->len, want - b->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int rc = -errno;
			fault_set(f, "%s: cannot be read: %s", c->from, strerror(-rc));
			return rc;
		}
		b->is_end = n == 0;
		b->len += (size_t)n;
		show_progress(c, (size_t)n);
	}
	return 0;
}

static void drop(struct buffer *b, size_t len)
{
	memmove(b->b, b->b + len, b->len - len);
	b->len -= len;
}

/* What is under way: plain on the one side, cipher text on the other. Wiped and freed by work_free. */
struct work {
	struct buffer in;
	uint8_t out[DOCUMENT_WIRE_MAX];
};

static struct work *work_new(struct fault *f)
{
	struct work *k = calloc(1, sizeof(*k));
	if (k == NULL)
		fault_set(f, "there is not enough memory");
	return k;
}

static void work_free(struct work *k)
{
	if (k == NULL)
		return;
	sodium_memzero(k, sizeof(*k));
	free(k);
}

/* ------------------------------------------------------------------ encrypt */

/* A piece is known to be the last one when not a byte follows it. */
static int encrypt_pieces(
	struct document_copy *c, struct document_writer *d, struct work *k, struct fault *f)
{
	bool is_last = false;
	int rc = 0;
	while (rc == 0 && !is_last) {
		rc = fill(c, &k->in, DOCUMENT_PIECE_MAX + 1, f);
		if (rc < 0)
			break;
		is_last = k->in.len <= DOCUMENT_PIECE_MAX;
		size_t len = is_last ? k->in.len : DOCUMENT_PIECE_MAX;
		size_t out = document_write(d, span_of(k->in.b, len), is_last, k->out);
		drop(&k->in, len);
		rc = put(c, k->out, out, f);
	}
	return rc;
}

int document_copy_encrypt(struct document_copy *c, const struct document_recipient *to,
	size_t count, const struct document_sender *sender, const uint8_t sk[64], struct fault *f)
{
	struct document_writer *d = NULL;
	struct span head;
	struct work *k = work_new(f);
	if (k == NULL)
		return -ENOMEM;
	int rc = document_writer_new(to, count, sender, sk, &d, &head, f);
	if (rc == 0)
		rc = put(c, head.data, head.len, f);
	if (rc == 0)
		rc = encrypt_pieces(c, d, k, f);
	document_writer_free(d);
	work_free(k);
	return rc;
}

/* ------------------------------------------------------------------ decrypt */

static int read_head(struct document_copy *c, struct work *k, const struct idfile_secrets *secrets,
	struct document_reader **ret, struct document_sender *ret_sender, struct fault *f)
{
	struct fault why;
	size_t head_len;
	int rc = fill(c, &k->in, DOCUMENT_HEAD_MAX, f);
	if (rc < 0)
		return rc;
	rc = document_reader_new(
		span_of(k->in.b, k->in.len), secrets, ret, ret_sender, &head_len, &why);
	if (rc == 0)
		drop(&k->in, head_len);
	else
		fault_set(f, "%s: %.400s", c->from, why.text);
	if (rc == -EACCES)
		return -EDOM;
	return rc == -EAGAIN || rc == -EINVAL ? -EBADMSG : rc;
}

static int refuse_piece(const struct document_copy *c, int rc, struct fault *f)
{
	fault_set(f, "%s: %s; get it again", c->from,
		rc == -EAGAIN ? "it is cut off: its end is missing"
			      : "it was changed after it was encrypted");
	return -EBADMSG;
}

static int decrypt_pieces(
	struct document_copy *c, struct document_reader *d, struct work *k, struct fault *f)
{
	bool is_last = false;
	while (!is_last) {
		size_t used, len;
		int rc = fill(c, &k->in, DOCUMENT_WIRE_MAX, f);
		if (rc < 0)
			return rc;
		rc = document_read(d, span_of(k->in.b, k->in.len), &used, k->out, &len, &is_last);
		if (rc < 0)
			return refuse_piece(c, rc, f);
		drop(&k->in, used);
		rc = put(c, k->out, len, f);
		if (rc < 0)
			return rc;
	}
	int rc = fill(c, &k->in, 1, f);
	if (rc == 0 && k->in.len > 0) {
		fault_set(f, "%s: something follows its end; get it again", c->from);
		rc = -EBADMSG;
	}
	return rc;
}

int document_copy_decrypt(struct document_copy *c, const struct idfile_secrets *secrets,
	struct document_sender *ret_sender, struct fault *f)
{
	struct document_reader *d = NULL;
	struct work *k = work_new(f);
	if (k == NULL)
		return -ENOMEM;
	int rc = read_head(c, k, secrets, &d, ret_sender, f);
	if (rc == 0)
		rc = decrypt_pieces(c, d, k, f);
	document_reader_free(d);
	work_free(k);
	return rc;
}
