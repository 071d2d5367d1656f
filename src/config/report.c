/*
 * Mistakes. A report keeps the first hundred and counts the rest. While a file is read they are notes,
 * found by several passes; they reach the report in the order of the text.
 */

#include <stdlib.h>
#include <string.h>

#include "config/internal.h"

struct config_note {
	struct config_place at;
	size_t found; /* keeps the sort stable */
	char *text;
};

static char *place_and_text(const struct config_text *at, const char *text)
{
	char *line = NULL;
	int n;
	if (at == NULL || at->file == NULL)
		n = asprintf(&line, "%s", text);
	else if (at->line == 0)
		n = asprintf(&line, "%s: %s", at->file, text);
	else
		n = asprintf(&line, "%s:%u: %s", at->file, at->line, text);
	return n < 0 ? NULL : line;
}

void config_report_add(struct config_report *r, const struct config_text *at, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	r->count++;
	if (r->kept >= CONFIG_REPORT_MAX)
		return;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	char *line = place_and_text(at, text);
	free(text);
	if (line != NULL)
		r->lines[r->kept++] = line;
}

void config_report_deinit(struct config_report *r)
{
	for (size_t i = 0; i < r->kept; i++)
		free(r->lines[i]);
	memset(r, 0, sizeof(*r));
}

void config_note(struct config_notes *n, const struct config_place *at, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	void *items = n->items;
	if (len < 0 || !config_grow(&items, &n->cap, n->len, sizeof(*n->items))) {
		if (len >= 0)
			free(text);
		n->is_short = true;
		return;
	}
	n->items = items;
	n->items[n->len] = (struct config_note){ .at = *at, .found = n->len, .text = text };
	n->len++;
}

static int by_place(const void *a, const void *b)
{
	const struct config_note *x = a, *y = b;
	if (x->at.order != y->at.order)
		return x->at.order < y->at.order ? -1 : 1;
	return x->found < y->found ? -1 : 1;
}

void config_notes_flush(struct config_notes *n, struct config_report *r)
{
	if (n->len > 0)
		qsort(n->items, n->len, sizeof(*n->items), by_place);
	for (size_t i = 0; i < n->len; i++) {
		struct config_text at = { .file = n->items[i].at.file,
			.line = n->items[i].at.line };
		config_report_add(r, &at, "%s", n->items[i].text);
		free(n->items[i].text);
	}
	if (n->is_short)
		config_report_add(r, NULL, "no memory to read the configuration");
	free(n->items);
	memset(n, 0, sizeof(*n));
}
