/* postern directory list and check: what stands in a directory, or what is wrong with it. */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/directory_order.h"
#include "cmd/say.h"

/* Parse the file. NULL and *ret_code when it cannot be read; NULL and EXIT_REFUSED when it has mistakes. */
static struct directory *load(
	const struct directory_order *o, struct directory_faults *faults, int *ret_code)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;

	if (file_read(o->path, FILE_TRUSTED, DIRECTORY_FILE_MAX, &text, &len, &f) < 0) {
		say_trouble("%s", f.text);
		*ret_code = EXIT_LOCAL;
		return NULL;
	}
	struct directory *d = directory_parse(span_of(text, len), faults);
	free(text);
	*ret_code = d != NULL ? EXIT_DONE : EXIT_REFUSED;
	return d;
}

void directory_say_faults(const char *path, const struct directory_faults *faults)
{
	for (size_t i = 0; i < faults->kept; i++)
		fprintf(stderr, "%s:%u: %s\n", path, faults->items[i].line, faults->items[i].text);
	if (faults->count > faults->kept)
		fprintf(stderr, "%s: and %zu mistakes more\n", path, faults->count - faults->kept);
}

static const char *expires_text(const struct directory_entry *e, char to[TIME_TEXT_MAX])
{
	if (e->expires_ms == UINT64_MAX)
		return "never";
	time_format_utc(e->expires_ms - DIRECTORY_DAY_MS, to);
	to[10] = '\0';
	return to;
}

/* What is special about an entry, in words. */
static const char *state_text(
	const struct directory_entry *e, uint64_t now_ms, char *to, size_t cap)
{
	char hex[65], next[32] = "";
	if (e->has_next)
		snprintf(next, sizeof(next), " next:%.16s", text_hex(SPAN_OF(e->key_next), hex));
	snprintf(to, cap, "%s%s%s%s%s%s%s%s", e->is_locked ? " locked" : "",
		e->is_disabled ? " disabled" : "", e->expires_ms <= now_ms ? " expired" : "",
		e->is_certified_equivalent ? " certified" : "",
		e->from_count > 0 ? " from-limited" : "", e->requires_uv ? " PIN" : "",
		e->has_document_key ? " documents" : "", next);
	return to[0] == ' ' ? to + 1 : to;
}

static json_t *entry_json(const struct directory_entry *e, uint64_t now_ms)
{
	static const char *const keys[] = {
		[DIRECTORY_ED25519] = "ssh-ed25519",
		[DIRECTORY_SK_ED25519] = "sk-ssh-ed25519@openssh.com",
		[DIRECTORY_KEY_ID_ONLY] = "postern-key",
	};
	char name[NAME_TEXT_MAX], hex[65], day[TIME_TEXT_MAX], prefix[PREFIX_TEXT_MAX];
	json_t *from = json_array();
	for (size_t i = 0; i < e->from_count; i++)
		json_array_append_new(from, json_string(prefix_format(&e->from[i], prefix)));
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:o, s:i}", "name",
		name_format(&e->name, name), "kind",
		e->kind == DIRECTORY_SERVER ? "server" : "user", "key", keys[e->key], "key_id",
		text_hex(SPAN_OF(e->key_id), hex), "locked", e->is_locked, "disabled",
		e->is_disabled, "expired", e->expires_ms <= now_ms, "certified_equivalent",
		e->is_certified_equivalent, "from", from, "line", (int)e->line);
	if (e->expires_ms != UINT64_MAX)
		json_object_set_new(j, "expires", json_string(expires_text(e, day)));
	if (e->has_next)
		json_object_set_new(
			j, "key_next", json_string(text_hex(SPAN_OF(e->key_next), hex)));
	if (e->has_document_key)
		json_object_set_new(
			j, "document_key", json_string(text_hex(SPAN_OF(e->document_key), hex)));
	if (e->key == DIRECTORY_SK_ED25519)
		json_object_set_new(j, "require", json_string(e->requires_uv ? "up,uv" : "up"));
	return j;
}

static int print_json(json_t *j)
{
	int rc = j == NULL ? -1 : json_dumpf(j, stdout, JSON_INDENT(2));
	if (rc < 0)
		say_trouble("no memory for the JSON output");
	else
		putchar('\n');
	json_decref(j);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

static int list_json(const struct directory *d)
{
	json_t *list = json_array();
	for (size_t i = 0; i < directory_count(d); i++)
		json_array_append_new(list, entry_json(directory_at(d, i), clock_wall_ms()));
	return print_json(list);
}

static void list_text(const struct directory *d)
{
	size_t width = 4;
	char name[NAME_TEXT_MAX], day[TIME_TEXT_MAX], state[128], hex[65];
	for (size_t i = 0; i < directory_count(d); i++) {
		size_t len = strlen(name_format(&directory_at(d, i)->name, name));
		if (len > width && len <= 40)
			width = len;
	}
	if (directory_count(d) > 0)
		printf("%-*s  %-6s  %-16s  %-10s  %s\n", (int)width, "NAME", "KIND", "KEY ID",
			"LAST DAY", "STATE");
	for (size_t i = 0; i < directory_count(d); i++) {
		const struct directory_entry *e = directory_at(d, i);
		printf("%-*s  %-6s  %.16s  %-10s  %s\n", (int)width, name_format(&e->name, name),
			e->kind == DIRECTORY_SERVER ? "server" : "user",
			text_hex(SPAN_OF(e->key_id), hex), expires_text(e, day),
			state_text(e, clock_wall_ms(), state, sizeof(state)));
	}
}

int directory_list(const struct directory_order *o)
{
	struct directory_faults faults = { 0 };
	int rc;
	struct directory *d = load(o, &faults, &rc);
	if (d == NULL) {
		directory_say_faults(o->path, &faults);
		return rc;
	}
	if (o->is_json)
		rc = list_json(d);
	else
		list_text(d);
	directory_free(d);
	return rc;
}

int directory_check(const struct directory_order *o)
{
	struct directory_faults faults = { 0 };
	int rc;
	struct directory *d = load(o, &faults, &rc);
	size_t count = d != NULL ? directory_count(d) : 0;

	directory_free(d);
	if (rc == EXIT_LOCAL)
		return rc;
	if (o->is_json) {
		json_t *list = json_array();
		for (size_t i = 0; i < faults.kept; i++)
			json_array_append_new(list,
				json_pack("{s:i, s:s}", "line", (int)faults.items[i].line, "text",
					faults.items[i].text));
		print_json(json_pack("{s:s, s:I, s:I, s:o}", "file", o->path, "entries",
			(json_int_t)count, "mistakes", (json_int_t)faults.count, "found", list));
		return rc;
	}
	directory_say_faults(o->path, &faults);
	if (rc == EXIT_DONE)
		printf("%s: %zu %s, no mistake\n", o->path, count,
			count == 1 ? "entry" : "entries");
	return rc;
}
