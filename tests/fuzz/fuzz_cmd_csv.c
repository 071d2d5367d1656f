/*
 * Any text, read as rows and then as a CSV of people. Reading ends, fields lie in their row and are no
 * more bytes than the text had; every entry that comes out is one that a directory line says again, below
 * the unit that was asked for; every refusal has a sentence.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/directory_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_sentence(const struct fault *f)
{
	size_t n = strnlen(f->text, sizeof(f->text));
	if (n == 0 || n == sizeof(f->text))
		abort();
	for (size_t i = 0; i < n; i++)
		if (f->text[i] < 0x20 || f->text[i] > 0x7e) /* peer text only quoted */
			abort();
}

static void check_rows(struct span text)
{
	static struct csv_row row;
	struct csv c = csv_init(text);
	size_t total = 0;
	unsigned line = 0;
	struct fault f;
	for (int rc; (rc = csv_next(&c, &row, &f)) != 0;) {
		size_t used = 0;
		if (row.line <= line || row.line > text.len + 1)
			abort();
		line = row.line;
		if (rc < 0) {
			check_sentence(&f);
			continue;
		}
		if (row.count == 0 || row.count > CSV_FIELDS_MAX)
			abort();
		for (size_t i = 0; i < row.count; i++) {
			if (row.fields[i].data != row.text + used)
				abort();
			used += row.fields[i].len;
		}
		total += used;
	}
	if (total > text.len || c.r.left != 0)
		abort();
}

static void check_item(const struct import_item *item, const struct name *under)
{
	char line[DIRECTORY_LINE_MAX + 2];
	struct directory_entry again;
	struct fault f;
	size_t n = directory_line_format(&item->entry, item->comment, line, sizeof(line));
	if (strnlen(item->comment, IMPORT_COMMENT_MAX) == IMPORT_COMMENT_MAX)
		abort();
	if (n == 0 || directory_line_parse(span_of(line, n - 1), &again, &f) != 1)
		abort();
	if (!name_equal(&again.name, &item->entry.name) || !name_is_below(&again.name, under) ||
		memcmp(again.key_id, item->entry.key_id, 32) != 0 ||
		again.from_count != item->entry.from_count ||
		again.expires_ms != item->entry.expires_ms ||
		again.is_locked != item->entry.is_locked ||
		again.is_disabled != item->entry.is_disabled)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct import im;
	static struct import_item item;
	struct name under;
	struct fault f;
	if (name_parse("QN/VSD", true, &under) != NAME_OK)
		abort();
	const struct import_rule rule = { .format = IMPORT_CSV, .under = &under };
	check_rows(span_of(data, len));
	import_init(&im, span_of(data, len), &rule);
	for (int rc; (rc = import_next(&im, &item, &f)) != 0;) {
		if (rc < 0)
			check_sentence(&f);
		else
			check_item(&item, &under);
	}
	return 0;
}
