/*
 * The chain of the journal, for people: is it whole, and a copy of it to be kept elsewhere. Invariant: an
 * export ends with the head of what it holds, so that its last line alone shows later whether the store
 * still has every record up to it, unaltered.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/control_client.h"
#include "cmd/control_journal.h"
#include "cmd/say.h"
#include "daemon/report.h"

#define FORMAT "postern journal 1"
#define TAIL_LEN 4096 /* the last line of an export is shorter than that */

static json_t *head_object(const struct store_head *h)
{
	char hex[2 * STORE_HASH_LEN + 1];
	return json_pack("{s:I, s:s}", "id", (json_int_t)h->id, "hash",
		text_hex(span_of(h->hash, sizeof(h->hash)), hex));
}

/* A head from the line that an export ends with. */
static bool parse_head(const char *line, struct store_head *ret)
{
	json_error_t err;
	json_t *o = json_loads(line, 0, &err);
	const json_t *h = json_object_get(o, "head");
	const char *hex = json_string_value(json_object_get(h, "hash"));
	json_int_t id = json_integer_value(json_object_get(h, "id"));
	struct store_head head = { .id = (uint64_t)id };
	bool ok = hex != NULL && id >= 0 && json_is_integer(json_object_get(h, "id")) &&
		text_unhex(hex, head.hash, sizeof(head.hash));
	if (ok)
		*ret = head;
	json_decref(o);
	return ok;
}

/* The last line of a file, of any length. */
static int read_tail(const char *path, char to[TAIL_LEN + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > TAIL_LEN ? end - TAIL_LEN : 0;
	ssize_t n = end < 0 ? -1 : pread(fd, to, TAIL_LEN, from);
	int rc = n < 0 ? -errno : 0;
	close(fd);
	to[n < 0 ? 0 : n] = '\0';
	return rc;
}

static int read_head(const char *path, struct store_head *ret)
{
	char tail[TAIL_LEN + 1];
	int rc = read_tail(path, tail);
	if (rc < 0) {
		say_trouble("%s: cannot be read: %s", path, strerror(-rc));
		return EXIT_LOCAL;
	}
	size_t len = strlen(tail);
	while (len > 0 && tail[len - 1] == '\n')
		tail[--len] = '\0';
	const char *line = strrchr(tail, '\n');
	if (parse_head(line != NULL ? line + 1 : tail, ret))
		return EXIT_DONE;
	say_trouble("%s: its last line is no head of a journal; name a file that posternctl "
		    "journal --export wrote to its end",
		path);
	return EXIT_LOCAL;
}

static const char *chain_word(enum store_chain c)
{
	static const char *const words[] = {
		[STORE_CHAIN_WHOLE] = "whole",
		[STORE_CHAIN_ALTERED] = "altered",
		[STORE_CHAIN_MISSING] = "missing",
		[STORE_CHAIN_OTHER] = "other",
	};
	return words[c];
}

static void say_json(const struct store_check *c)
{
	json_t *o = json_pack("{s:s, s:I, s:o, s:o}", "chain", chain_word(c->chain), "records",
		(json_int_t)c->count, "anchor", head_object(&c->anchor), "head",
		head_object(&c->head));
	if (c->chain != STORE_CHAIN_WHOLE)
		json_object_set_new(o, "id", json_integer((json_int_t)c->id));
	if (c->is_from_cut)
		json_object_set_new(o, "from_cut", json_true());
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void say_broken(const char *store, const char *from, const struct store_check *c)
{
	switch (c->chain) {
	case STORE_CHAIN_WHOLE:
		break;
	case STORE_CHAIN_ALTERED:
		say_trouble("%s: record %" PRIu64 " does not fit those before it: it was altered "
			    "after it was written; compare it with an export of before",
			store, c->id);
		break;
	case STORE_CHAIN_MISSING:
		say_trouble("%s: record %" PRIu64 " is missing; look for it in an export of before",
			store, c->id);
		break;
	case STORE_CHAIN_OTHER:
		say_trouble("%s: record %" PRIu64 " is another than the one whose hash %s has: the "
			    "journal was made anew up to it",
			store, c->id, from);
		break;
	}
}

static void say_whole(const struct store_check *c, const char *from)
{
	char hex[2 * STORE_HASH_LEN + 1];
	if (c->count == 0)
		printf("whole: no records");
	else
		printf("whole: %" PRIu64 " records, the last is %" PRIu64, c->count, c->head.id);
	printf(", head %s\n", text_hex(span_of(c->head.hash, sizeof(c->head.hash)), hex));
	if (c->is_from_cut)
		printf("the head of %s is older than what retention left: not compared\n", from);
}

static int conclude(const struct journal_wish *w, const struct store_check *c)
{
	if (w->is_json)
		say_json(c);
	else if (c->chain == STORE_CHAIN_WHOLE)
		say_whole(c, w->from);
	if (c->chain == STORE_CHAIN_WHOLE)
		return EXIT_DONE;
	say_broken(w->store, w->from, c);
	return EXIT_REFUSED;
}

static int open_store(const char *path, struct store **ret)
{
	struct fault f;
	if (store_open_reader(path, ret, &f) == 0)
		return EXIT_DONE;
	say_trouble("%s", f.text);
	return EXIT_LOCAL;
}

int control_journal_verify(const struct journal_wish *w)
{
	struct store *store = NULL;
	struct store_head from = { .id = 0 };
	struct store_check check = { .id = 0 };
	int status = w->from != NULL ? read_head(w->from, &from) : EXIT_DONE;
	if (status == EXIT_DONE)
		status = open_store(w->store, &store);
	if (status != EXIT_DONE)
		return status;
	int rc = store_verify(store, w->from != NULL ? &from : NULL, &check);
	store_close(store);
	if (rc < 0) {
		say_trouble("%s: cannot be read: %s", w->store, strerror(-rc));
		return EXIT_LOCAL;
	}
	return conclude(w, &check);
}

struct writing {
	FILE *out;
	struct store_head head, anchor;
	bool has_begun;
};

static void write_line(FILE *out, json_t *o)
{
	json_dumpf(o, out, JSON_COMPACT);
	putc('\n', out);
	json_decref(o);
}

static void begin(struct writing *w)
{
	if (w->has_begun)
		return;
	w->has_begun = true;
	if (w->head.id == 0)
		w->head = w->anchor;
	write_line(
		w->out, json_pack("{s:s, s:o}", "format", FORMAT, "after", head_object(&w->head)));
}

static void write_record(void *arg, const struct store_record *r)
{
	struct writing *w = arg;
	begin(w);
	write_line(w->out, report_record(r));
	w->head.id = r->id;
	memcpy(w->head.hash, r->hash, sizeof(w->head.hash));
}

/* Beside path, and moved there when it is whole and on the disk. */
static FILE *open_new(const char *path, char *temporary, size_t cap)
{
	if (strcmp(path, "-") == 0)
		return stdout;
	if ((size_t)snprintf(temporary, cap, "%s.new", path) >= cap) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL && fd >= 0)
		close(fd);
	return f;
}

/* rc: how it went so far. */
static int finish(FILE *out, const char *temporary, const char *path, int rc)
{
	if (out == stdout)
		return rc; /* what did not get out there is said at the end of the program */
	if (rc == 0 && ferror(out) != 0)
		rc = -ENOSPC;
	if (rc == 0 && (fflush(out) != 0 || fsync(fileno(out)) != 0))
		rc = -errno;
	if (fclose(out) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(temporary, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(temporary);
	return rc;
}

static int write_all(struct store *store, const char *path, const struct store_head *from)
{
	char temporary[4096];
	struct writing w = { .head = *from };
	w.out = open_new(path, temporary, sizeof(temporary));
	int rc = w.out == NULL ? -errno : 0;
	if (rc == 0) {
		int read = store_export(store, from->id, &w.anchor, write_record, &w);
		begin(&w);
		write_line(w.out, json_pack("{s:o}", "head", head_object(&w.head)));
		rc = finish(w.out, temporary, path, read);
	}
	if (rc < 0)
		say_trouble("%s: the journal cannot be written there: %s", path, strerror(-rc));
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

int control_journal_export(const struct journal_wish *w, const char *path)
{
	struct store *store = NULL;
	struct store_head from = { .id = 0 };
	struct store_check check = { .id = 0 };
	int status = w->from != NULL ? read_head(w->from, &from) : EXIT_DONE;
	if (status == EXIT_DONE)
		status = open_store(w->store, &store);
	if (status != EXIT_DONE)
		return status;
	/* What does not fit is copied as well, and said. */
	int rc = store_verify(store, w->from != NULL ? &from : NULL, &check);
	if (rc < 0) {
		say_trouble("%s: cannot be read: %s", w->store, strerror(-rc));
		status = EXIT_LOCAL;
	} else {
		status = write_all(store, path, &from);
	}
	store_close(store);
	if (status != EXIT_DONE || check.chain == STORE_CHAIN_WHOLE)
		return status;
	say_broken(w->store, w->from, &check);
	return EXIT_REFUSED;
}
