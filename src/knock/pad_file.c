/*
 * The two copies of a one-time pad on disk. Invariant: what is given out or acted upon was overwritten and
 * synced before. How far a copy is used up is told by the overwritten bytes themselves, so there is no
 * second truth that a crash could leave behind; a message that was overwritten in part counts as used.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "knock/pad.h"

#define SUM_LEN 28
#define SUMMED_LEN (PAD_HEADER_LEN - SUM_LEN)
#define CHUNK 64 /* messages read at once; as many as one overwriting may concern */

static const uint8_t magic[12] = "postern pad\n";

struct pad {
	int fd;
	uint32_t messages;
	uint32_t next; /* the first that may still be used */
	size_t count;  /* of ahead, from next on */
	struct pad_message ahead[PAD_AHEAD];
};

void pad_header_encode(const struct pad_header *h, uint8_t to[PAD_HEADER_LEN])
{
	struct writer w = writer_init(to, PAD_HEADER_LEN);
	writer_put(&w, magic, sizeof(magic));
	writer_u8(&w, 1);
	writer_u8(&w, (uint8_t)h->role);
	writer_u16(&w, 0);
	writer_u32(&w, h->messages);
	writer_put(&w, h->id, sizeof(h->id));
	assert(w.len == SUMMED_LEN);
	crypto_generichash(to + SUMMED_LEN, SUM_LEN, to, SUMMED_LEN, NULL, 0);
}

bool pad_header_decode(struct span s, struct pad_header *ret)
{
	struct reader r = reader_init(s);
	struct pad_header h = { 0 };
	uint8_t sum[SUM_LEN];

	struct span start = reader_take(&r, sizeof(magic));
	uint8_t version = reader_u8(&r);
	uint8_t role = reader_u8(&r);
	uint16_t zero = reader_u16(&r);
	h.messages = reader_u32(&r);
	reader_copy(&r, h.id, sizeof(h.id));
	struct span stated = reader_take(&r, SUM_LEN);
	if (!reader_done(&r))
		return false;
	crypto_generichash(sum, sizeof(sum), s.data, SUMMED_LEN, NULL, 0);
	if (!span_equal(start, SPAN_OF(magic)) || version != 1 || zero != 0 ||
		!span_equal(stated, SPAN_OF(sum)))
		return false;
	if (role != PAD_SERVER && role != PAD_CLIENT)
		return false;
	if (h.messages == 0 || h.messages > PAD_MESSAGES_MAX)
		return false;
	h.role = (enum pad_role)role;
	*ret = h;
	return true;
}

/* ------------------------------------------------------------------ the bytes */

static off_t place(uint32_t message)
{
	return (off_t)PAD_HEADER_LEN + (off_t)message * PAD_MESSAGE_LEN;
}

/* len bytes, all of them: -EBADMSG when the file ends before. */
static int read_at(int fd, void *to, size_t len, off_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, (uint8_t *)to + done, len - done, at + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

/* count messages from first on; at most CHUNK. */
static int read_messages(int fd, uint32_t first, size_t count, struct pad_message *to)
{
	uint8_t b[CHUNK * PAD_MESSAGE_LEN];
	assert(count <= CHUNK);
	int rc = read_at(fd, b, count * PAD_MESSAGE_LEN, place(first));
	for (size_t i = 0; i < count && rc == 0; i++) {
		memcpy(to[i].mask, b + i * PAD_MESSAGE_LEN, PAD_MASK_LEN);
		memcpy(to[i].key, b + i * PAD_MESSAGE_LEN + PAD_MASK_LEN, PAD_KEY_LEN);
	}
	sodium_memzero(b, sizeof(b));
	return rc;
}

/* Overwrite messages first to last, both included, and see them on disk. At most CHUNK. */
static int overwrite(int fd, uint32_t first, uint32_t last)
{
	static const uint8_t zeros[CHUNK * PAD_MESSAGE_LEN];
	size_t len = ((size_t)last - first + 1) * PAD_MESSAGE_LEN;
	assert(len <= sizeof(zeros));
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, zeros, len - done, place(first) + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* The message after the last one that is used up. */
static int find_next(int fd, uint32_t messages, uint32_t *ret)
{
	struct pad_message m[CHUNK];
	uint32_t end = messages, next = 0;
	int rc = 0;

	while (end > 0 && next == 0) {
		uint32_t n = end < CHUNK ? end : CHUNK;
		rc = read_messages(fd, end - n, n, m);
		if (rc < 0)
			break;
		for (uint32_t i = n; i > 0 && next == 0; i--)
			if (pad_is_spent(&m[i - 1]))
				next = end - n + i;
		end -= n;
	}
	sodium_memzero(m, sizeof(m));
	if (rc == 0)
		*ret = next;
	return rc;
}

/* ------------------------------------------------------------------ opening */

static int open_file(const char *path, int *ret, struct fault *f)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		int rc = -errno;
		fault_set(
			f, "%s: cannot be opened for reading and writing: %s", path, strerror(-rc));
		return rc;
	}
	*ret = fd;
	return 0;
}

static int check_file(int fd, const char *path, struct stat *st, struct fault *f)
{
	if (fstat(fd, st) < 0) {
		int rc = -errno;
		fault_set(f, "%s: cannot be examined: %s", path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st->st_mode)) {
		fault_set(f, "%s: not a regular file; name one", path);
		return -EPERM;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		fault_set(f, "%s: belongs to user %u; chown it to root or to yourself", path,
			(unsigned)st->st_uid);
		return -EPERM;
	}
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		fault_set(f, "%s: others may use this secret; chmod go-rwx it", path);
		return -EPERM;
	}
	return 0;
}

static int check_header(int fd, const char *path, const struct stat *st, enum pad_role role,
	uint32_t *ret_messages, struct fault *f)
{
	uint8_t b[PAD_HEADER_LEN];
	struct pad_header h;
	int rc = read_at(fd, b, sizeof(b), 0);
	if (rc < 0 && rc != -EBADMSG) {
		fault_set(f, "%s: cannot be read: %s", path, strerror(-rc));
		return rc;
	}
	if (rc < 0 || !pad_header_decode(SPAN_OF(b), &h)) {
		fault_set(f,
			"%s: is no one-time pad, or damaged; make a new one with \"postern id pad\"",
			path);
		return -EBADMSG;
	}
	if (h.role != role) {
		fault_set(f, "%s: is the copy of the %s; name that of the %s", path,
			role == PAD_SERVER ? "client" : "server",
			role == PAD_SERVER ? "server" : "client");
		return -EBADMSG;
	}
	if (st->st_size != place(h.messages)) {
		fault_set(f,
			"%s: has another length than a pad of %u messages; make a new one with \"postern id pad\"",
			path, h.messages);
		return -EBADMSG;
	}
	*ret_messages = h.messages;
	return 0;
}

/* Everything that must be right before a byte of the pad is used, and how far it is used up. A crash may
 * have cut an overwriting short: it is done again. */
static int prepare(int fd, const char *path, enum pad_role role, uint32_t *ret_messages,
	uint32_t *ret_next, struct fault *f)
{
	struct stat st;
	int rc = check_file(fd, path, &st, f);
	if (rc == 0)
		rc = check_header(fd, path, &st, role, ret_messages, f);
	if (rc < 0)
		return rc;
	rc = find_next(fd, *ret_messages, ret_next);
	if (rc == 0 && *ret_next > 0)
		rc = overwrite(fd, *ret_next > CHUNK ? *ret_next - CHUNK : 0, *ret_next - 1);
	if (rc < 0)
		fault_set(f, "%s: cannot be read and overwritten: %s", path, strerror(-rc));
	return rc;
}

/* ------------------------------------------------------------------ the server's */

/* Have as many messages in memory as there may be. */
static int refill(struct pad *p)
{
	size_t left = p->messages - p->next;
	size_t want = left < PAD_AHEAD ? left : PAD_AHEAD;
	int rc = read_messages(
		p->fd, p->next + (uint32_t)p->count, want - p->count, p->ahead + p->count);
	if (rc == 0)
		p->count = want;
	return rc;
}

int pad_adopt(int fd, const char *path, struct pad **ret, struct fault *f)
{
	struct pad *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		fault_set(f, "%s: no memory to read it", path);
		close(fd);
		return -ENOMEM;
	}
	p->fd = fd;
	int rc = prepare(fd, path, PAD_SERVER, &p->messages, &p->next, f);
	if (rc < 0)
		goto out;
	rc = refill(p);
	if (rc < 0) {
		fault_set(f, "%s: cannot be read: %s", path, strerror(-rc));
		goto out;
	}
	*ret = p;
	p = NULL;
out:
	pad_close(p);
	return rc;
}

int pad_open(const char *path, struct pad **ret, struct fault *f)
{
	int fd = -1;
	int rc = open_file(path, &fd, f);
	return rc < 0 ? rc : pad_adopt(fd, path, ret, f);
}

void pad_close(struct pad *p)
{
	if (p == NULL)
		return;
	close(p->fd);
	sodium_memzero(p, sizeof(*p));
	free(p);
}

size_t pad_left(const struct pad *p)
{
	return p->messages - p->next;
}

enum pad_reject pad_find(
	const struct pad *p, const struct pad_how *how, const struct track *t, struct pad_wish *ret)
{
	return pad_read(p->ahead, p->count, how, t, ret);
}

/* Forget the n first messages ahead, whatever the disk says of them. */
static void drop(struct pad *p, size_t n)
{
	p->next += (uint32_t)n;
	p->count -= n;
	memmove(p->ahead, p->ahead + n, p->count * sizeof(p->ahead[0]));
	sodium_memzero(p->ahead + p->count, n * sizeof(p->ahead[0]));
}

int pad_spend(struct pad *p, size_t index)
{
	struct pad_message now;
	uint32_t first = p->next;

	assert(index < p->count);
	uint32_t last = first + (uint32_t)index;
	int rc = read_messages(p->fd, last, 1, &now);
	if (rc == 0 && pad_is_spent(&now))
		rc = -EALREADY;
	sodium_memzero(&now, sizeof(now));
	if (rc == 0)
		rc = overwrite(p->fd, first, last);
	drop(p, index + 1);
	/* What cannot be read now is tried again after the next; this message is used up either way. */
	int refilled = refill(p);
	(void)refilled;
	return rc;
}

/* ------------------------------------------------------------------ the client's */

int pad_take(const char *path, struct pad_message *ret, uint32_t *ret_left, struct fault *f)
{
	struct pad_message m = { 0 };
	uint32_t messages, next;
	int fd = -1;
	int rc = open_file(path, &fd, f);
	if (rc < 0)
		return rc;
	while (flock(fd, LOCK_EX) < 0) {
		rc = -errno;
		if (rc == -EINTR)
			continue;
		fault_set(f, "%s: cannot be locked: %s", path, strerror(-rc));
		goto out;
	}
	rc = prepare(fd, path, PAD_CLIENT, &messages, &next, f);
	if (rc < 0)
		goto out;
	if (next == messages) {
		rc = -ENODATA;
		fault_set(f, "%s: all %u messages are used; make a new pad with \"postern id pad\"",
			path, messages);
		goto out;
	}
	rc = read_messages(fd, next, 1, &m);
	if (rc == 0)
		rc = overwrite(fd, next, next);
	if (rc < 0) {
		fault_set(f, "%s: the next message cannot be taken out: %s", path, strerror(-rc));
		goto out;
	}
	*ret = m;
	*ret_left = messages - next - 1;
out:
	sodium_memzero(&m, sizeof(m));
	close(fd);
	return rc;
}

/* ------------------------------------------------------------------ making */

/* Random, and such that none looks overwritten. */
static void draw(uint8_t *to, uint32_t messages)
{
	for (uint32_t i = 0; i < messages; i++, to += PAD_MESSAGE_LEN) {
		struct pad_message m;
		do
			randombytes_buf(&m, sizeof(m));
		while (pad_is_spent(&m));
		memcpy(to, m.mask, PAD_MASK_LEN);
		memcpy(to + PAD_MASK_LEN, m.key, PAD_KEY_LEN);
		sodium_memzero(&m, sizeof(m));
	}
}

int pad_make(const char *server_path, const char *client_path, uint32_t messages, struct fault *f)
{
	struct pad_header h = { .role = PAD_SERVER, .messages = messages };
	if (messages == 0 || messages > PAD_MESSAGES_MAX) {
		fault_set(f, "a pad has 1 to %d messages, not %u", PAD_MESSAGES_MAX, messages);
		return -ERANGE;
	}
	size_t len = PAD_HEADER_LEN + (size_t)messages * PAD_MESSAGE_LEN;
	uint8_t *b = malloc(len);
	if (b == NULL) {
		fault_set(f, "no memory for a pad of %u messages", messages);
		return -ENOMEM;
	}
	randombytes_buf(h.id, sizeof(h.id));
	draw(b + PAD_HEADER_LEN, messages);
	pad_header_encode(&h, b);
	int rc = file_write(server_path, b, len, 0600, true, f);
	if (rc < 0)
		goto out;
	h.role = PAD_CLIENT;
	pad_header_encode(&h, b);
	rc = file_write(client_path, b, len, 0600, true, f);
	if (rc < 0)
		unlink(server_path);
out:
	sodium_memzero(b, len);
	free(b);
	return rc;
}
