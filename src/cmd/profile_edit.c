/*
 * Changing the file of profiles as a text. Invariant: a new text is kept only when, parsed, it says what
 * the old one said but for the one profile that was added or removed.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/client_home.h"
#include "cmd/profile.h"

#define PATH_OF_TEXT "profiles" /* in what is said about a text that is no file yet */

/* ------------------------------------------------------------------ texts */

/* Between "..." a ${ would name a variable. */
static void put_quoted(const char *text, FILE *out)
{
	char quote = strstr(text, "${") != NULL ? '\'' : '"';
	fputc(quote, out);
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == quote)
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc(quote, out);
}

char *profile_format(const struct profile *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	fprintf(out, "profile %s {\n", p->name);
	for (size_t i = 0; i < p->count; i++) {
		fprintf(out, "\t%s = ", p->values[i].key);
		put_quoted(p->values[i].text, out);
		fputc('\n', out);
	}
	fputs("}\n", out);
	int bad = ferror(out);
	if (fclose(out) != 0 || bad != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool is_same(const struct profile *a, const struct profile *b)
{
	if (a == NULL || b == NULL || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct profile_value *v = profile_find(b, a->values[i].key);
		if (v == NULL || strcmp(v->text, a->values[i].text) != 0)
			return false;
	}
	return true;
}

/* Does text say what old says, but for one profile: p, which is in one of them? */
static bool is_changed_by(const char *text, const struct profiles *old, const struct profile *p,
	const struct profile_keys *keys)
{
	struct profiles *now = NULL;
	struct fault f;
	bool was_there = profiles_find(old, p->name) != NULL;
	size_t count = was_there ? old->count - 1 : old->count + 1;
	if (profiles_parse(PATH_OF_TEXT, span_of(text, strlen(text)), keys, &now, &f) < 0)
		return false;
	bool is_good = now->count == count;
	for (size_t i = 0; is_good && i < old->count; i++) {
		const struct profile *o = old->items[i];
		if (strcmp(o->name, p->name) != 0)
			is_good = is_same(o, profiles_find(now, o->name));
	}
	const struct profile *new = profiles_find(now, p->name);
	is_good = is_good && (was_there ? new == NULL : is_same(new, p));
	profiles_free(now);
	return is_good;
}

static int say_memory(struct fault *f)
{
	fault_set(f, "no memory to change the profiles");
	return -ENOMEM;
}

int profile_text_add(struct span text, const struct profile *p, const struct profile_keys *keys,
	char **ret, struct fault *f)
{
	struct profiles *old = NULL;
	char *all = NULL, *block = NULL;
	int rc = profiles_parse(PATH_OF_TEXT, text, keys, &old, f);
	if (rc < 0)
		return rc;
	if (profiles_find(old, p->name) != NULL) {
		fault_set(f,
			"there is a profile %s already; postern profile remove %s takes it away",
			p->name, p->name);
		rc = -EEXIST;
		goto out;
	}
	block = profile_format(p);
	const char *between = text.len == 0 ? "" : text.data[text.len - 1] == '\n' ? "\n" : "\n\n";
	int len = (int)text.len;
	if (block == NULL ||
		asprintf(&all, "%.*s%s%s", len, text.len > 0 ? (const char *)text.data : "",
			between, block) < 0) {
		all = NULL;
		rc = say_memory(f);
		goto out;
	}
	if (!is_changed_by(all, old, p, keys)) {
		fault_set(f,
			"profile %s: a value cannot be written down, perhaps for a control "
			"character; leave it out",
			p->name);
		rc = -EINVAL;
		goto out;
	}
	*ret = all;
	all = NULL;
out:
	profiles_free(old);
	free(block);
	free(all);
	return rc;
}

/* "profile NAME {" at the beginning of a line, quotes around NAME or not. */
static bool begins_profile(const char *line, const char *name)
{
	size_t len = strlen(name);
	line += strspn(line, " \t");
	if (strncmp(line, "profile", 7) != 0)
		return false;
	line += 7 + strspn(line + 7, " \t");
	size_t quote = *line == '"' || *line == '\'';
	if (strncmp(line + quote, name, len) != 0)
		return false;
	line += quote + len;
	line += quote != 0 && (*line == '"' || *line == '\'');
	return strchr(" \t\n{", *line) != NULL;
}

static const char *next_line(const char *at)
{
	const char *end = strchr(at, '\n');
	return end != NULL ? end + 1 : at + strlen(at);
}

/* What is left without the lines from begin on, and an empty line after them. NULL without memory. */
static char *without(const char *text, const char *begin, const char *end)
{
	char *left = NULL;
	if (*end == '\n' && (begin == text || (begin - text > 1 && begin[-2] == '\n')))
		end++;
	if (asprintf(&left, "%.*s%s", (int)(begin - text), text, end) < 0)
		return NULL;
	return left;
}

/* The block ends with the first line behind which the rest says what it should. */
static int cut(const char *text, const char *begin, const struct profiles *old,
	const struct profile *p, const struct profile_keys *keys, char **ret)
{
	for (const char *at = begin; *at != '\0';) {
		const char *end = next_line(at);
		bool has_brace = memchr(at, '}', (size_t)(end - at)) != NULL;
		at = end;
		if (!has_brace)
			continue;
		char *left = without(text, begin, end);
		if (left == NULL)
			return -ENOMEM;
		if (is_changed_by(left, old, p, keys)) {
			*ret = left;
			return 0;
		}
		free(left);
	}
	return -EINVAL;
}

int profile_text_remove(struct span text, const char *name, const struct profile_keys *keys,
	char **ret, struct fault *f)
{
	struct profiles *old = NULL;
	char *copy = NULL;
	int rc = profiles_parse(PATH_OF_TEXT, text, keys, &old, f);
	if (rc < 0)
		return rc;
	const struct profile *p = profiles_find(old, name);
	if (p == NULL) {
		fault_set(f, "there is no profile %s; postern profile list shows what there is",
			name);
		rc = -ENOENT;
		goto out;
	}
	copy = strndup((const char *)text.data, text.len);
	rc = copy == NULL ? -ENOMEM : -EINVAL;
	for (const char *at = copy; rc == -EINVAL && *at != '\0'; at = next_line(at))
		if (begins_profile(at, name))
			rc = cut(copy, at, old, p, keys, ret);
	if (rc == -EINVAL)
		fault_set(f,
			"profile %s cannot be cut out by whole lines; take it out with an editor",
			name);
	else if (rc == -ENOMEM)
		say_memory(f);
out:
	profiles_free(old);
	free(copy);
	return rc;
}

/* ------------------------------------------------------------------ the file */

static int read_text(const char *path, uint8_t **ret, size_t *ret_len, struct fault *f)
{
	int rc = file_read(path, FILE_TRUSTED, PROFILE_FILE_MAX, ret, ret_len, f);
	if (rc != -ENOENT)
		return rc;
	*ret = NULL;
	*ret_len = 0;
	return 0;
}

/* What a fault says of a text is true of the file. */
static void name_file(const char *path, struct fault *f)
{
	struct fault was = *f;
	size_t len = strlen(PATH_OF_TEXT ":");
	if (strncmp(was.text, PATH_OF_TEXT ":", len) == 0)
		fault_set(f, "%.200s:%.300s", path, was.text + len);
}

/* The file's values are told with their folder; those of p get the working folder's. */
static int make_absolute(
	struct profile *p, const struct profile_keys *keys, char *(*owned)[PROFILE_VALUES_MAX])
{
	char cwd[PATH_MAX];
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return -errno;
	for (size_t i = 0; i < p->count; i++) {
		struct profile_value *v = &p->values[i];
		bool is_file = false;
		for (size_t k = 0; k < keys->count; k++)
			if (strcmp(keys->keys[k].name, v->key) == 0)
				is_file = keys->keys[k].is_file;
		if (!is_file || !profile_is_relative(v->text))
			continue;
		if (asprintf(&(*owned)[i], "%s/%s", cwd, v->text) < 0) {
			(*owned)[i] = NULL;
			return -ENOMEM;
		}
		v->text = (*owned)[i];
	}
	return 0;
}

int profile_file_add(const struct profile *p, const struct profile_keys *keys, struct fault *f)
{
	char path[PATH_MAX];
	struct profile whole = *p;
	char *owned[PROFILE_VALUES_MAX] = { 0 }, *new = NULL;
	uint8_t *text = NULL;
	size_t len = 0;

	int rc = make_absolute(&whole, keys, &owned);
	if (rc < 0) {
		fault_set(f, "profile %s: the working folder has no name: %s", p->name,
			strerror(-rc));
		goto out;
	}
	rc = client_home_profiles(true, path, f);
	if (rc == 0)
		rc = read_text(path, &text, &len, f);
	if (rc < 0)
		goto out;
	rc = profile_text_add(span_of(text, len), &whole, keys, &new, f);
	if (rc < 0)
		name_file(path, f);
	else
		rc = file_write(path, new, strlen(new), 0600, false, f);
out:
	for (size_t i = 0; i < PROFILE_VALUES_MAX; i++)
		free(owned[i]);
	free(text);
	free(new);
	return rc;
}

int profile_file_remove(const char *name, const struct profile_keys *keys, struct fault *f)
{
	char path[PATH_MAX];
	char *new = NULL;
	uint8_t *text = NULL;
	size_t len = 0;

	int rc = client_home_profiles(false, path, f);
	if (rc == 0)
		rc = read_text(path, &text, &len, f);
	if (rc < 0)
		return rc;
	rc = profile_text_remove(span_of(text, len), name, keys, &new, f);
	if (rc < 0)
		name_file(path, f);
	else
		rc = file_write(path, new, strlen(new), 0600, false, f);
	free(text);
	free(new);
	return rc;
}
