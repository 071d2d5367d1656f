/*
 * Changes of one line of a directory. Invariant: the line keeps its place and, unless another is given,
 * its comment; all other lines stay byte for byte, and what comes out is a directory without mistakes.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/directory_edit.h"

static int set(bool *flag, bool to)
{
	if (*flag == to)
		return -EALREADY;
	*flag = to;
	return 0;
}

int directory_change_lock(struct directory_entry *e, const void *with, struct fault *f)
{
	(void)with;
	(void)f;
	return set(&e->is_locked, true);
}

int directory_change_unlock(struct directory_entry *e, const void *with, struct fault *f)
{
	(void)with;
	(void)f;
	return set(&e->is_locked, false);
}

int directory_change_disable(struct directory_entry *e, const void *with, struct fault *f)
{
	(void)with;
	(void)f;
	return set(&e->is_disabled, true);
}

int directory_change_enable(struct directory_entry *e, const void *with, struct fault *f)
{
	(void)with;
	(void)f;
	return set(&e->is_disabled, false);
}

int directory_change_roll(struct directory_entry *e, const void *with, struct fault *f)
{
	(void)with;
	if (!e->has_next) {
		fault_set(f, "the line has no key-next, so there is no key to move on to");
		return -EINVAL;
	}
	if (e->key != DIRECTORY_KEY_ID_ONLY) {
		fault_set(f,
			"the line holds a public key, and key-next only names one; give the "
			"new key with postern directory add FILE --replace");
		return -EINVAL;
	}
	memcpy(e->key_id, e->key_next, sizeof(e->key_id));
	memset(e->key_next, 0, sizeof(e->key_next));
	e->has_next = false;
	return 0;
}

int directory_change_replace(struct directory_entry *e, const void *with, struct fault *f)
{
	const struct directory_replacement *r = with;
	struct directory_entry old = *e;
	(void)f;
	*e = *r->entry;
	e->is_locked = old.is_locked;
	e->is_disabled = old.is_disabled;
	if (r->words->from == NULL) {
		e->from_count = old.from_count;
		memcpy(e->from, old.from, sizeof(e->from));
	}
	if (e->expires_ms == UINT64_MAX && r->words->expires == NULL &&
		e->key != DIRECTORY_KEY_ID_ONLY)
		e->expires_ms = old.expires_ms;
	if (r->words->require == NULL && e->key == DIRECTORY_SK_ED25519)
		e->requires_uv = e->requires_uv || old.requires_uv;
	if (!e->has_document_key && old.has_document_key) {
		e->has_document_key = true;
		memcpy(e->document_key, old.document_key, sizeof(e->document_key));
	}
	if (r->words->kind == NULL && e->kind == DIRECTORY_USER)
		e->kind = old.kind;
	return 0;
}

/* The changed line with its LF; its length, or -errno with *f. */
static int make_line(struct span line, const struct directory_entry *e,
	const struct directory_change *c, char to[DIRECTORY_LINE_MAX + 2], size_t *ret_len,
	struct fault *f)
{
	struct directory_entry changed = *e;
	char own[DIRECTORY_LINE_MAX + 1];
	struct span comment = directory_line_comment(line);
	int rc = c->change(&changed, c->with, f);
	if (rc < 0)
		return rc;
	snprintf(own, sizeof(own), "%.*s", (int)comment.len, (const char *)comment.data);
	*ret_len = directory_line_format(
		&changed, c->comment != NULL ? c->comment : own, to, DIRECTORY_LINE_MAX + 2);
	if (*ret_len > 0)
		return 0;
	fault_set(f,
		"the entry does not fit on a line any more; shorten its comment (no control "
		"characters) or its options");
	return -EINVAL;
}

/* The line of this name in text; false when there is none. */
static bool find_line(struct span text, const struct name *name, struct span *ret_line,
	struct directory_entry *ret)
{
	for (struct reader r = reader_init(text); r.left > 0;) {
		struct fault ignored;
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		*ret_line = reader_take(&r, lf == NULL ? r.left : (size_t)(lf - r.at));
		reader_take(&r, lf == NULL ? 0 : 1);
		if (directory_line_parse(*ret_line, ret, &ignored) == 1 &&
			name_equal(&ret->name, name))
			return true;
	}
	return false;
}

static int check_whole(const struct directory_text *t, struct fault *f)
{
	struct directory_faults *faults = calloc(1, sizeof(*faults));
	struct directory *d =
		faults == NULL ? NULL : directory_parse(span_of(t->data, t->len), faults);
	int rc = d != NULL ? 0 : faults == NULL ? -ENOMEM : -EINVAL;
	if (rc == -EINVAL)
		fault_set(f, "line %u would have a mistake: %s", faults->items[0].line,
			faults->items[0].text);
	if (rc == -ENOMEM)
		fault_set(f, "there is not enough memory");
	directory_free(d);
	free(faults);
	return rc;
}

int directory_edit_change(struct span text, const struct name *name,
	const struct directory_change *c, struct directory_text *ret, struct fault *f)
{
	char line[DIRECTORY_LINE_MAX + 2], shown[NAME_TEXT_MAX];
	struct directory_entry e;
	struct span old;
	size_t len;

	if (!find_line(text, name, &old, &e)) {
		fault_set(f, "nobody is named %s there", name_format(name, shown));
		return -ENOENT;
	}
	int rc = make_line(old, &e, c, line, &len, f);
	if (rc < 0)
		return rc;
	size_t before = (size_t)(old.data - text.data);
	size_t after = before + old.len + (before + old.len < text.len);
	struct directory_text new = { malloc(text.len + len + 1), 0 };
	if (new.data == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	struct writer w = writer_init(new.data, text.len + len + 1);
	writer_put(&w, text.data, before);
	writer_put(&w, line, len);
	writer_put(&w, text.data + after, text.len - after);
	new.len = w.len;
	writer_u8(&w, '\0');
	rc = check_whole(&new, f);
	if (rc == 0)
		*ret = new;
	else
		free(new.data);
	return rc;
}
