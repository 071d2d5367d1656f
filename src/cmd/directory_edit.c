/*
 * Editing a directory as text. Invariant: what comes out is a directory without mistakes if what went in
 * was, and every other line is as it was.
 */

#include "cmd/directory_edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct span line_at(struct span text, size_t at)
{
	const uint8_t *start = text.data + at;
	const uint8_t *lf = memchr(start, '\n', text.len - at);
	return span_of(start, lf != NULL ? (size_t)(lf - start) : text.len - at);
}

static int no_memory(struct fault *f)
{
	fault_set(f, "there is not enough memory");
	return -ENOMEM;
}

/* ------------------------------------------------------------------ adding and removing lines */

/* True when the directory has neither this name nor this key, else *f names the line. */
static bool is_new(struct span text, const struct directory_entry *e, struct fault *f)
{
	struct directory_faults faults = { 0 };
	char name[NAME_TEXT_MAX], other[NAME_TEXT_MAX];

	struct directory *d = directory_parse(text, &faults);
	if (d == NULL) {
		fault_set(f, "line %u has a mistake: %s; correct it first", faults.items[0].line,
			faults.items[0].text);
		return false;
	}
	const struct directory_entry *same_name = directory_find_name(d, &e->name);
	const struct directory_entry *same_key = directory_find(d, e->key_id);
	if (same_name != NULL)
		fault_set(f,
			"%s is there already, on line %u; say --replace, or remove that entry first",
			name_format(&same_name->name, name), same_name->line);
	else if (same_key != NULL)
		fault_set(f,
			"the key of %s is there already, on line %u, as the key of %s; one key "
			"is one person's",
			name_format(&e->name, name), same_key->line,
			name_format(&same_key->name, other));
	directory_free(d);
	return same_name == NULL && same_key == NULL;
}

int directory_edit_add(struct span text, const struct directory_entry *e, const char *comment,
	struct directory_text *ret, struct fault *f)
{
	char line[DIRECTORY_LINE_MAX + 2];
	size_t line_len = directory_line_format(e, comment, line, sizeof(line));
	if (line_len == 0) {
		fault_set(f,
			"the entry does not fit on a line; shorten its comment (no control "
			"characters) or its options");
		return -EINVAL;
	}
	if (!is_new(text, e, f))
		return -EEXIST;
	bool is_cut = text.len > 0 && text.data[text.len - 1] != '\n';
	char *data = malloc(text.len + is_cut + line_len + 1);
	if (data == NULL)
		return no_memory(f);
	struct writer w = writer_init(data, text.len + is_cut + line_len + 1);
	writer_put(&w, text.data, text.len);
	if (is_cut)
		writer_u8(&w, '\n');
	writer_put(&w, line, line_len);
	writer_u8(&w, '\0');
	*ret = (struct directory_text){ data, w.len - 1 };
	return 0;
}

int directory_edit_remove(
	struct span text, const struct name *name, struct directory_text *ret, struct fault *f)
{
	char shown[NAME_TEXT_MAX];
	bool is_found = false;

	char *data = malloc(text.len + 1);
	if (data == NULL)
		return no_memory(f);
	struct writer w = writer_init(data, text.len + 1);
	for (size_t at = 0; at < text.len;) {
		struct span line = line_at(text, at);
		size_t whole = line.len + (at + line.len < text.len);
		struct directory_entry e;
		struct fault ignored;
		/* A line that is no entry stays: it is not ours to judge here. */
		if (directory_line_parse(line, &e, &ignored) == 1 && name_equal(&e.name, name))
			is_found = true;
		else
			writer_put(&w, text.data + at, whole);
		at += whole;
	}
	writer_u8(&w, '\0');
	if (!is_found) {
		fault_set(f, "nobody is named %s there", name_format(name, shown));
		free(data);
		return -ENOENT;
	}
	*ret = (struct directory_text){ data, w.len - 1 };
	return 0;
}

/* ------------------------------------------------------------------ words to entries */

static bool has_only(const char *text, const char *allowed)
{
	return text[0] != '\0' && strspn(text, allowed) == strlen(text);
}

static void put_text(struct writer *w, const char *text)
{
	writer_put(w, text, strlen(text));
}

/*
 * The options as a directory line begins with them, so that one parser judges them. Nothing that could
 * end one option and begin another gets in.
 */
static int put_options(struct writer *w, const struct directory_words *words, struct fault *f)
{
	put_text(w, "name=\"");
	for (const char *p = words->name; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			writer_u8(w, '\\');
		writer_u8(w, (uint8_t)*p);
	}
	put_text(w, "\"");
	if (words->kind != NULL) {
		if (strcmp(words->kind, "user") != 0 && strcmp(words->kind, "server") != 0) {
			fault_set(f, "--kind %s: it is user or server", words->kind);
			return -EINVAL;
		}
		put_text(w, ",kind=");
		put_text(w, words->kind);
	}
	if (words->expires != NULL) {
		if (!has_only(words->expires, "0123456789-")) {
			fault_set(f, "--expires %s: not a date; write 2028-11-22, the last day",
				words->expires);
			return -EINVAL;
		}
		put_text(w, ",expires=");
		put_text(w, words->expires);
	}
	if (words->from != NULL) {
		if (!has_only(words->from, "0123456789abcdefABCDEF.:/,")) {
			fault_set(f, "--from %s: not prefixes; write 192.0.2.0/24,2001:db8::/32",
				words->from);
			return -EINVAL;
		}
		put_text(w, ",from=\"");
		put_text(w, words->from);
		put_text(w, "\"");
	}
	if (words->require != NULL) {
		if (strcmp(words->require, "up") != 0 && strcmp(words->require, "up,uv") != 0) {
			fault_set(f, "--require %s: it is up (touch) or up,uv (touch and PIN)",
				words->require);
			return -EINVAL;
		}
		put_text(w, ",require=\"");
		put_text(w, words->require);
		put_text(w, "\"");
	}
	if (words->is_certified_equivalent)
		put_text(w, ",certified-equivalent");
	return 0;
}

static int parse_with(const struct directory_words *w, struct span key, struct directory_entry *ret,
	struct fault *f)
{
	char line[DIRECTORY_LINE_MAX];
	struct writer out = writer_init(line, sizeof(line));
	int rc = put_options(&out, w, f);
	if (rc < 0)
		return rc;
	writer_u8(&out, ' ');
	writer_put(&out, key.data, key.len);
	if (out.is_full) {
		fault_set(f, "the entry does not fit on a line");
		return -EINVAL;
	}
	rc = directory_line_parse(writer_span(&out), ret, f);
	if (rc == 0) {
		fault_set(f, "no key");
		rc = -EINVAL;
	}
	return rc < 0 ? rc : 0;
}

/* The first line that is neither blank nor a comment, without its line end. */
static bool key_line(struct span text, struct span *ret)
{
	for (size_t at = 0; at < text.len;) {
		struct span line = line_at(text, at);
		at += line.len + 1;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (line.len > 0 && line.data[0] != '#') {
			*ret = line;
			return true;
		}
	}
	return false;
}

/* Past the n-th field, blanks skipped. */
static struct span after_fields(struct span line, unsigned n)
{
	size_t at = 0;
	while (n-- > 0) {
		while (at < line.len && line.data[at] != ' ' && line.data[at] != '\t')
			at++;
		while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'))
			at++;
	}
	return span_slice(line, at, line.len - at);
}

static bool is_known_type(struct span line)
{
	static const char *const types[] = { "ssh-ed25519 ", "sk-ssh-ed25519@openssh.com " };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t len = strlen(types[i]);
		if (line.len >= len && memcmp(line.data, types[i], len) == 0)
			return true;
	}
	return false;
}

int directory_edit_entry(struct span pub, const struct directory_words *w,
	struct directory_entry *ret, struct span *ret_comment, struct fault *f)
{
	struct directory_entry e;
	struct span line;

	if (!key_line(pub, &line) || !is_known_type(line)) {
		fault_set(f,
			"not an OpenSSH public key of type ssh-ed25519 or sk-ssh-ed25519, nor an "
			"ID file; make one with ssh-keygen -t ed25519 or -t ed25519-sk");
		return -EINVAL;
	}
	*ret_comment = after_fields(line, 2);
	struct span key = span_of(line.data, line.len - ret_comment->len);
	int rc = parse_with(w, key, &e, f);
	if (rc == 0)
		*ret = e;
	return rc;
}

int directory_edit_apply(
	const struct directory_words *w, struct directory_entry *e, struct fault *f)
{
	static const char any[] =
		"postern-key sha256:"
		"0000000000000000000000000000000000000000000000000000000000000000";
	struct directory_words words = *w;
	struct directory_entry said;
	char name[NAME_TEXT_MAX];

	if (words.name == NULL)
		words.name = name_format(&e->name, name);
	int rc = parse_with(&words, span_of(any, sizeof(any) - 1), &said, f);
	if (rc < 0)
		return rc;
	e->name = said.name;
	if (w->kind != NULL)
		e->kind = said.kind;
	if (w->expires != NULL)
		e->expires_ms = said.expires_ms;
	if (w->from != NULL) {
		e->from_count = said.from_count;
		memcpy(e->from, said.from, sizeof(e->from));
	}
	if (w->is_certified_equivalent)
		e->is_certified_equivalent = true;
	return 0;
}
