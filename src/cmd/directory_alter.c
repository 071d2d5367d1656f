/*
 * postern directory add, remove, lock, unlock, disable, enable, roll: one entry comes, goes or changes. All
 * that is refused leaves the file as it was.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/directory_file.h"
#include "cmd/directory_order.h"
#include "cmd/issue.h"
#include "cmd/say.h"
#include "identity/document.h"

#define COMMENT_MAX 256

/* What an edit is told: struct directory_change too, by name. */
struct edit {
	const struct directory_entry *entry; /* to add */
	const char *comment;
	const struct name *name; /* to remove or change */
	struct directory_change change;
};

static int make_added(
	struct span text, const void *with, struct directory_text *ret, struct fault *why)
{
	const struct edit *e = with;
	return directory_edit_add(text, e->entry, e->comment, ret, why);
}

static int make_removed(
	struct span text, const void *with, struct directory_text *ret, struct fault *why)
{
	const struct edit *e = with;
	return directory_edit_remove(text, e->name, ret, why);
}

static int make_changed(
	struct span text, const void *with, struct directory_text *ret, struct fault *why)
{
	const struct edit *e = with;
	return directory_edit_change(text, e->name, &e->change, ret, why);
}

static int code_of(int rc)
{
	return rc == 0                                            ? EXIT_DONE
		: rc == -EEXIST || rc == -EINVAL || rc == -ENOENT ? EXIT_REFUSED
								  : EXIT_LOCAL;
}

static bool is_there(const char *path)
{
	if (access(path, F_OK) == 0)
		return true;
	say_trouble("%s: cannot be read: %s", path, strerror(errno));
	return false;
}

/* ------------------------------------------------------------------ add */

/* The document key that the ID's owner signed; one that nobody signed is not passed on. */
static int take_document_key(
	const struct idfile *id, const struct cert *c, struct directory_entry *ret, struct fault *f)
{
	struct document_key k;
	struct span block = idfile_block(id, DOCUMENT_KEY_LABEL);
	if (block.len == 0)
		return 0;
	if (!document_key_decode(block, c->pk, &k) || span_is_zero(SPAN_OF(k.x25519))) {
		fault_set(f,
			"its document key is not signed by this ID; take a newer copy of the "
			"file from its owner");
		return -EINVAL;
	}
	ret->has_document_key = true;
	memcpy(ret->document_key, k.x25519, sizeof(ret->document_key));
	return 0;
}

/* Name and key id alone: each knock then brings its certificates, which say the rest. */
static void keep_key_id(struct directory_entry *e)
{
	e->key = DIRECTORY_KEY_ID_ONLY;
	memset(e->pk, 0, sizeof(e->pk));
	e->is_certified_equivalent = false;
	e->expires_ms = UINT64_MAX;
}

static int entry_of_id(const struct idfile *id, const struct directory_order *o,
	struct directory_entry *ret, struct fault *f)
{
	struct cert c;
	struct fault why;
	if (idfile_cert_count(id) == 0) {
		fault_set(f,
			"this ID file has no certificate yet; have it certified first, see postern id renew");
		return -EINVAL;
	}
	if (cert_read(idfile_cert(id, 0), &c, &why) < 0) {
		fault_set(f, "its certificate cannot be used: %.400s", why.text);
		return -EINVAL;
	}
	if (c.kind == CERT_CERTIFIER) {
		fault_set(f, "this is the ID of a certifier; it certifies, it does not knock");
		return -EINVAL;
	}
	issue_entry_of_cert(&c, ret);
	if (o->is_key_id)
		keep_key_id(ret);
	int rc = take_document_key(id, &c, ret, f);
	return rc < 0 ? rc : directory_edit_apply(&o->words, ret, f);
}

/* From an ID file or a .pub file, whichever the text is. comment holds COMMENT_MAX bytes. */
static int make_entry(const struct directory_order *o, struct span text,
	struct directory_entry *ret, char *comment, struct fault *f)
{
	static const char pem[] = "-----BEGIN ";
	struct idfile *id = NULL;
	struct fault why;
	struct span key_comment = { 0 };
	int rc;

	comment[0] = '\0';
	if (text.len >= sizeof(pem) - 1 && memcmp(text.data, pem, sizeof(pem) - 1) == 0) {
		if (idfile_parse(text, &id, &why) != IDFILE_OK) {
			fault_set(f, "not an ID file: %.400s", why.text);
			return -EINVAL;
		}
		rc = entry_of_id(id, o, ret, f);
		idfile_free(id);
	} else {
		rc = directory_edit_entry(text, &o->words, ret, &key_comment, f);
		if (rc == 0 && key_comment.len < COMMENT_MAX)
			snprintf(comment, COMMENT_MAX, "%.*s", (int)key_comment.len,
				(const char *)key_comment.data);
	}
	if (o->comment != NULL)
		snprintf(comment, COMMENT_MAX, "%s", o->comment);
	return rc;
}

static bool is_id(struct span text)
{
	return text.len > 0 && text.data[0] == '-';
}

static int put_entry(
	const struct directory_order *o, const struct directory_entry *e, const char *comment)
{
	char name[NAME_TEXT_MAX];
	struct fault f;
	struct directory_replacement r = { .entry = e, .words = &o->words };
	struct edit edit = {
		.entry = e,
		.comment = comment,
		.name = &e->name,
		.change = { directory_change_replace, &r, comment[0] != '\0' ? comment : NULL },
	};
	int rc = directory_file_change(
		o->path, o->is_replace ? make_changed : make_added, &edit, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	else if (o->is_replace)
		printf("replaced %s in %s; run posternctl reload\n", name_format(&e->name, name),
			o->path);
	else
		printf("added %s to %s; run posternctl reload\n", name_format(&e->name, name),
			o->path);
	return rc == -ENOENT && !o->is_replace ? EXIT_LOCAL : code_of(rc);
}

int directory_add(const struct directory_order *o)
{
	char comment[COMMENT_MAX];
	struct directory_entry e;
	struct fault f;
	uint8_t *text = NULL;
	size_t len = 0;

	if (file_read(o->operand, FILE_ANY, IDFILE_MAX, &text, &len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	const char *lack = is_id(span_of(text, len)) ? NULL
		: o->words.name == NULL              ? "a public key has no name; say --name NAME"
		: o->is_key_id ? "--key-id is for ID files; a public key brings no certificates"
			       : NULL;
	if (lack == NULL && o->is_key_id && o->words.is_certified_equivalent)
		lack = "--key-id and --certified-equivalent exclude each other; certificates say it";
	if (lack != NULL) {
		free(text);
		return say_usage("directory", "%s: %s", o->operand, lack);
	}
	int rc = make_entry(o, span_of(text, len), &e, comment, &f);
	free(text);
	if (rc < 0) {
		say_trouble("%s: %s", o->operand, f.text);
		return EXIT_REFUSED;
	}
	if (o->is_replace && !is_there(o->path))
		return EXIT_LOCAL;
	return put_entry(o, &e, comment);
}

/* ------------------------------------------------------------------ by name */

static int parse_name(const struct directory_order *o, struct name *ret)
{
	enum name_reject r = name_parse(o->operand, false, ret);
	if (r != NAME_OK)
		return say_usage("directory", "\"%s\": %s", o->operand, name_reject_text(r));
	return is_there(o->path) ? EXIT_DONE : EXIT_LOCAL;
}

int directory_remove(const struct directory_order *o)
{
	char text[NAME_TEXT_MAX];
	struct name name;
	struct fault f;

	int rc = parse_name(o, &name);
	if (rc != EXIT_DONE)
		return rc;
	struct edit edit = { .name = &name };
	rc = directory_file_change(o->path, make_removed, &edit, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	else
		printf("removed %s from %s; run posternctl reload\n", name_format(&name, text),
			o->path);
	return code_of(rc);
}

/* A change, what it is called when it was made, and what follows from it. */
struct change_words {
	int (*change)(struct directory_entry *e, const void *with, struct fault *f);
	const char *done, *is_so, *next;
};

static int change(const struct directory_order *o, const struct change_words *w)
{
	char text[NAME_TEXT_MAX];
	struct name name;
	struct fault f;

	int rc = parse_name(o, &name);
	if (rc != EXIT_DONE)
		return rc;
	struct edit edit = { .name = &name, .change = { .change = w->change } };
	rc = directory_file_change(o->path, make_changed, &edit, &f);
	name_format(&name, text);
	if (rc == -EALREADY) {
		printf("%s is %s already in %s\n", text, w->is_so, o->path);
		return EXIT_DONE;
	}
	if (rc < 0)
		say_trouble("%s", f.text);
	else
		printf("%s %s in %s; %s\n", w->done, text, o->path, w->next);
	return code_of(rc);
}

int directory_lock(const struct directory_order *o)
{
	static const struct change_words words = { directory_change_lock, "locked", "locked",
		"run posternctl reload, which closes the gates it has" };
	return change(o, &words);
}

int directory_unlock(const struct directory_order *o)
{
	static const struct change_words words = { directory_change_unlock, "unlocked", "unlocked",
		"run posternctl reload" };
	return change(o, &words);
}

int directory_disable(const struct directory_order *o)
{
	static const struct change_words words = { directory_change_disable, "disabled", "disabled",
		"run posternctl reload, which closes the gates it has" };
	return change(o, &words);
}

int directory_enable(const struct directory_order *o)
{
	static const struct change_words words = { directory_change_enable, "enabled", "enabled",
		"run posternctl reload" };
	return change(o, &words);
}

int directory_roll(const struct directory_order *o)
{
	static const struct change_words words = { directory_change_roll, "rolled", "rolled",
		"the old key counts no more after posternctl reload" };
	return change(o, &words);
}
