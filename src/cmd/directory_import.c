/*
 * postern directory import: a list of people that others keep, into the directory. Invariant: all of it or
 * nothing. With one mistake in the list nothing is written, and every mistake is told with its line.
 */

#include "identity/directory_import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/directory_file.h"
#include "cmd/directory_order.h"
#include "cmd/say.h"

#define PROGRESS_EVERY 4096u
#define PROGRESS_LEN ((size_t)4 << 20) /* shorter files are done before anybody wonders */

/* Text that grows. */
struct text {
	char *data;
	size_t len, cap;
};

struct task {
	const struct directory_order *order;
	struct import_rule rule;
	struct name under;
	struct import im;
	struct import_item item;
	struct text lines; /* every entry on the line where it stood in the list, others empty */
	unsigned line;     /* lines in it */
	size_t count;
	bool is_terminal;
	struct directory_faults faults;
};

static bool put(struct text *t, const char *data, size_t len)
{
	if (len > t->cap - t->len) {
		size_t cap = t->cap + t->cap / 2 + len + 4096;
		char *grown = realloc(t->data, cap);
		if (grown == NULL)
			return false;
		t->data = grown;
		t->cap = cap;
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
	return true;
}

__attribute__((format(printf, 3, 4))) static void add_fault(
	struct task *t, unsigned line, const char *fmt, ...)
{
	va_list ap;
	t->faults.count++;
	if (t->faults.kept == DIRECTORY_FAULTS_MAX)
		return;
	struct directory_fault *item = &t->faults.items[t->faults.kept++];
	item->line = line;
	va_start(ap, fmt);
	vsnprintf(item->text, sizeof(item->text), fmt, ap);
	va_end(ap);
}

static int by_line(const void *a, const void *b)
{
	const struct directory_fault *p = a, *q = b;
	return (p->line > q->line) - (p->line < q->line);
}

static void show_progress(const struct task *t, size_t whole)
{
	if (t->is_terminal && whole > PROGRESS_LEN && t->line % PROGRESS_EVERY == 0)
		fprintf(stderr, "\r\033[K%3zu %%  %zu people",
			(whole - t->im.csv.r.left) * 100 / whole, t->count);
}

static void end_progress(const struct task *t, size_t whole)
{
	if (t->is_terminal && whole > PROGRESS_LEN)
		fputs("\r\033[K", stderr);
}

/* ------------------------------------------------------------------ the list */

/* 0, or -ENOMEM. */
static int take_item(struct task *t)
{
	char line[DIRECTORY_LINE_MAX + 2];
	size_t len = directory_line_format(&t->item.entry, t->item.comment, line, sizeof(line));
	if (len == 0) {
		add_fault(t, t->im.line, "the entry does not fit on a line; shorten its comment");
		return 0;
	}
	while (t->line + 1 < t->item.entry.line) {
		if (!put(&t->lines, "\n", 1))
			return -ENOMEM;
		t->line++;
	}
	if (!put(&t->lines, line, len))
		return -ENOMEM;
	t->line++;
	t->count++;
	if (t->item.dropped[0] != '\0')
		printf("%s:%u: not carried over: %s\n", t->order->operand, t->im.line,
			t->item.dropped);
	return 0;
}

static int read_list(struct task *t, struct span text)
{
	struct fault f;
	int rc;
	import_init(&t->im, text, &t->rule);
	while ((rc = import_next(&t->im, &t->item, &f)) != 0) {
		if (rc < 0)
			add_fault(t, t->im.line, "%.255s", f.text);
		else if (take_item(t) < 0)
			return -ENOMEM;
		show_progress(t, text.len);
	}
	end_progress(t, text.len);
	return 0;
}

/* Two of one name or key in the list. The lines are where they stood, so the sentences are right. */
static struct directory *check_list(struct task *t)
{
	struct directory_faults *own = calloc(1, sizeof(*own));
	struct directory *d =
		own == NULL ? NULL : directory_parse(span_of(t->lines.data, t->lines.len), own);
	for (size_t i = 0; own != NULL && i < own->kept; i++)
		add_fault(t, own->items[i].line, "%s", own->items[i].text);
	if (own == NULL)
		add_fault(t, 0, "there is not enough memory");
	else
		t->faults.count += own->count - own->kept;
	free(own);
	return d;
}

/* ------------------------------------------------------------------ the directory */

static void check_against(struct task *t, const struct directory *old, const struct directory *new)
{
	char name[NAME_TEXT_MAX];
	for (size_t i = 0; i < directory_count(new); i++) {
		const struct directory_entry *e = directory_at(new, i);
		const struct directory_entry *same_name = directory_find_name(old, &e->name);
		const struct directory_entry *same_key = directory_find(old, e->key_id);
		if (same_name != NULL)
			add_fault(t, e->line, "%.120s is in %.80s already, on line %u",
				name_format(&e->name, name), t->order->path, same_name->line);
		else if (same_key != NULL)
			add_fault(t, e->line,
				"its key is in %.80s already, on line %u, as %.100s's",
				t->order->path, same_key->line, name_format(&same_key->name, name));
	}
}

/* The old text and the new lines, the empty ones left out. */
static int join(const struct task *t, struct span text, struct directory_text *ret)
{
	bool is_cut = text.len > 0 && text.data[text.len - 1] != '\n';
	char *data = malloc(text.len + is_cut + t->lines.len + 1);
	if (data == NULL)
		return -ENOMEM;
	struct writer w = writer_init(data, text.len + is_cut + t->lines.len + 1);
	writer_put(&w, text.data, text.len);
	if (is_cut)
		writer_u8(&w, '\n');
	for (struct reader r = reader_init(span_of(t->lines.data, t->lines.len)); r.left > 0;) {
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		struct span line = reader_take(&r, lf == NULL ? r.left : (size_t)(lf - r.at) + 1);
		if (line.len > 1)
			writer_put(&w, line.data, line.len);
	}
	ret->len = w.len;
	writer_u8(&w, '\0');
	ret->data = data;
	return 0;
}

static int make_joined(
	struct span text, const void *with, struct directory_text *ret, struct fault *why)
{
	struct task *t = *(struct task *const *)with;
	struct directory_faults *own = calloc(1, sizeof(*own));
	struct directory *old = own == NULL ? NULL : directory_parse(text, own), *new = NULL;
	int rc = own == NULL ? -ENOMEM : 0;
	fault_set(why, "there is not enough memory");
	if (rc == 0 && old == NULL) {
		fault_set(why, "line %u has a mistake: %s; correct it first", own->items[0].line,
			own->items[0].text);
		rc = -EINVAL;
		goto out;
	}
	new = check_list(t);
	if (new != NULL)
		check_against(t, old, new);
	if (rc == 0 && t->faults.count == 0 && !t->order->is_dry_run)
		rc = join(t, text, ret);
out:
	directory_free(new);
	directory_free(old);
	free(own);
	return rc;
}

/* ------------------------------------------------------------------ the command */

static int read_rule(const struct directory_order *o, struct task *t)
{
	const char *format = o->format != NULL ? o->format : "";
	const char *from = o->name_from != NULL ? o->name_from : "user";
	if (strcmp(format, "csv") == 0)
		t->rule.format = IMPORT_CSV;
	else if (strcmp(format, "authorized_keys") == 0)
		t->rule.format = IMPORT_AUTHORIZED_KEYS;
	else
		return say_usage("directory import",
			o->format == NULL ? "say --format authorized_keys or csv%s"
					  : "--format %s: it is authorized_keys or csv",
			format);
	if (strcmp(from, "user") != 0 && strcmp(from, "comment") != 0)
		return say_usage("directory import", "--name-from %s: it is user or comment", from);
	t->rule.is_whole_comment = strcmp(from, "comment") == 0;
	t->rule.is_certified_equivalent = o->words.is_certified_equivalent;
	if (o->under == NULL)
		return EXIT_DONE;
	enum name_reject r = name_parse(o->under, true, &t->under);
	if (r != NAME_OK)
		return say_usage(
			"directory import", "--under \"%s\": %s", o->under, name_reject_text(r));
	t->rule.under = &t->under;
	return EXIT_DONE;
}

static int import_text(struct task *t, struct span text)
{
	const struct directory_order *o = t->order;
	struct fault f;
	if (read_list(t, text) < 0) {
		say_trouble("%s: not enough memory", o->operand);
		return EXIT_LOCAL;
	}
	int rc = directory_file_change(o->path, make_joined, &t, &f);
	if (rc < 0) {
		say_trouble("%s", f.text);
		return rc == -EINVAL ? EXIT_REFUSED : EXIT_LOCAL;
	}
	if (t->faults.count > 0) {
		fflush(stdout);
		qsort(t->faults.items, t->faults.kept, sizeof(t->faults.items[0]), by_line);
		directory_say_faults(o->operand, &t->faults);
		say_trouble("%s: nothing was imported, because of %zu %s", o->operand,
			t->faults.count, t->faults.count == 1 ? "mistake" : "mistakes");
		return EXIT_REFUSED;
	}
	printf("%s %zu %s %s %s%s\n", o->is_dry_run ? "would add" : "added", t->count,
		t->count == 1 ? "entry" : "entries", "to", o->path,
		o->is_dry_run ? "" : "; run posternctl reload");
	return EXIT_DONE;
}

int directory_import(const struct directory_order *o)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	struct task *t = calloc(1, sizeof(*t));
	if (t == NULL) {
		say_trouble("not enough memory");
		return EXIT_LOCAL;
	}
	t->order = o;
	t->is_terminal = isatty(STDERR_FILENO) == 1;
	int rc = read_rule(o, t);
	if (rc == EXIT_DONE &&
		file_read(o->operand, FILE_ANY, DIRECTORY_FILE_MAX, &text, &len, &f) < 0) {
		say_trouble("%s", f.text);
		rc = EXIT_LOCAL;
	}
	if (rc == EXIT_DONE)
		rc = import_text(t, span_of(text, len));
	free(text);
	free(t->lines.data);
	free(t);
	return rc;
}
