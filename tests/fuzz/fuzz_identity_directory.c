/*
 * Any text, read as a directory. Either there is at least one mistake with a sentence and no
 * directory, or every entry is found by its key ids and its name and reads back from its own line.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_entry(const struct directory *d, const struct directory_entry *e)
{
	char line[DIRECTORY_LINE_MAX + 2];
	struct directory_entry again;
	struct fault f;

	if (directory_find(d, e->key_id) != e || directory_find_name(d, &e->name) != e)
		abort();
	if (e->has_next && directory_find(d, e->key_next) != e)
		abort();
	size_t n = directory_line_format(e, "comment", line, sizeof(line));
	if (n == 0 || line[n - 1] != '\n' || strlen(line) != n)
		abort();
	if (directory_line_parse(span_of(line, n - 1), &again, &f) != 1)
		abort();
	char name[NAME_TEXT_MAX], name_again[NAME_TEXT_MAX];
	name_format_canonical(&e->name, name);
	name_format_canonical(&again.name, name_again);
	if (strcmp(name, name_again) != 0 || again.kind != e->kind || again.key != e->key ||
		memcmp(again.key_id, e->key_id, 32) != 0 || memcmp(again.pk, e->pk, 32) != 0 ||
		again.has_next != e->has_next || memcmp(again.key_next, e->key_next, 32) != 0 ||
		again.has_document_key != e->has_document_key ||
		memcmp(again.document_key, e->document_key, 32) != 0 ||
		again.application_len != e->application_len ||
		memcmp(again.application, e->application, e->application_len) != 0 ||
		again.is_disabled != e->is_disabled || again.is_locked != e->is_locked ||
		again.is_certified_equivalent != e->is_certified_equivalent ||
		again.requires_up != e->requires_up || again.requires_uv != e->requires_uv ||
		again.expires_ms != e->expires_ms || again.from_count != e->from_count ||
		memcmp(again.from, e->from, e->from_count * sizeof(e->from[0])) != 0)
		abort();
}

static void check_faults(const struct directory_faults *faults)
{
	if (faults->count == 0 || faults->kept == 0 || faults->kept > faults->count)
		abort();
	for (size_t i = 0; i < faults->kept; i++) {
		const char *text = faults->items[i].text;
		size_t n = strnlen(text, sizeof(faults->items[i].text));
		if (n == 0 || n == sizeof(faults->items[i].text))
			abort();
		for (size_t k = 0; k < n; k++)
			if (text[k] < 0x20 || text[k] > 0x7e) /* peer text only quoted */
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct directory_faults faults;
	struct directory *d = directory_parse(span_of(data, len), &faults);
	if (d == NULL) {
		check_faults(&faults);
		return 0;
	}
	for (size_t i = 0; i < directory_count(d); i++)
		check_entry(d, directory_at(d, i));
	directory_free(d);
	return 0;
}
