/*
 * Any text, read as authorized_keys. Every entry that comes out is one that a directory line says again,
 * and no option that limits a key got lost: a line with from= in front gives addresses, one with
 * expiry-time= a last day, and none asks a token for less than a touch.
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

static void check_item(const struct import_item *item)
{
	char line[DIRECTORY_LINE_MAX + 2];
	struct directory_entry again;
	const struct directory_entry *e = &item->entry;
	struct fault f;
	size_t n = directory_line_format(e, item->comment, line, sizeof(line));
	if (strnlen(item->dropped, IMPORT_DROPPED_MAX) == IMPORT_DROPPED_MAX)
		abort();
	if (n == 0 || directory_line_parse(span_of(line, n - 1), &again, &f) != 1)
		abort();
	if (!name_equal(&again.name, &e->name) || memcmp(again.key_id, e->key_id, 32) != 0 ||
		again.from_count != e->from_count || again.expires_ms != e->expires_ms ||
		again.requires_uv != e->requires_uv || e->key == DIRECTORY_KEY_ID_ONLY ||
		e->requires_up != (e->key == DIRECTORY_SK_ED25519))
		abort();
}

/* The same line with a limit before its options, or instead of having none. */
static void check_limits(struct span line, const struct import_rule *rule)
{
	static const char limits[] = "from=\"192.0.2.0/24\",expiry-time=\"20281123\"";
	static struct import_item item;
	uint8_t longer[2048];
	struct fault f;
	struct writer w = writer_init(longer, sizeof(longer));
	writer_put(&w, limits, sizeof(limits) - 1);
	writer_u8(&w, ' ');
	writer_put(&w, line.data, line.len);
	if (w.is_full || import_authorized_key(writer_span(&w), rule, &item, &f) != 1)
		return;
	if (item.entry.from_count != 1 || item.entry.expires_ms != UINT64_C(1858550400000))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct import im;
	static struct import_item item;
	struct name under;
	struct fault f;
	if (len == 0 || name_parse("QN/VSD", true, &under) != NAME_OK)
		return 0;
	const struct import_rule rule = {
		.format = IMPORT_AUTHORIZED_KEYS,
		.under = data[0] % 2 == 0 ? &under : NULL,
		.is_whole_comment = data[0] % 3 == 0,
	};
	unsigned line = 0;
	import_init(&im, span_of(data, len), &rule);
	for (int rc; (rc = import_next(&im, &item, &f)) != 0;) {
		if (im.line <= line)
			abort();
		line = im.line;
		if (rc < 0)
			check_sentence(&f);
		else
			check_item(&item);
	}
	check_limits(span_of(data, len), &rule);
	return 0;
}
