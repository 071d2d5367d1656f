/*
 * A list as a sequence of entries, whichever format it has: the lines of authorized_keys, or the rows of a
 * CSV by what its header line calls them. Invariant: an entry that is given is one that a directory line
 * could say, all fields of the row accounted for.
 */

#include "identity/directory_import.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "identity/internal.h"

#define QUOTED_MAX 80

static const char *const column_names[IMPORT_COLUMNS] = {
	[IMPORT_NAME] = "name",
	[IMPORT_KEY] = "key",
	[IMPORT_KIND] = "kind",
	[IMPORT_EXPIRES] = "expires",
	[IMPORT_FROM] = "from",
	[IMPORT_LOCKED] = "locked",
	[IMPORT_DISABLED] = "disabled",
	[IMPORT_COMMENT] = "comment",
};

void import_init(struct import *im, struct span text, const struct import_rule *rule)
{
	im->rule = rule;
	im->line = 0;
	im->csv = csv_init(text);
	im->has_header = false;
}

static const char *quote(struct span s, char to[QUOTED_MAX])
{
	return text_quote(s, to, QUOTED_MAX);
}

int import_comment(struct span s, char to[IMPORT_COMMENT_MAX], struct fault *f)
{
	bool is_good = s.len < IMPORT_COMMENT_MAX;
	for (size_t i = 0; i < s.len && is_good; i++)
		is_good = (s.data[i] >= 0x20 || s.data[i] == '\t') && s.data[i] != 0x7f;
	if (!is_good) {
		fault_set(f, "the comment is too long or has control characters; shorten it");
		return -EINVAL;
	}
	if (s.len > 0)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
	return 0;
}

/* ------------------------------------------------------------------ CSV */

static bool equals(struct span s, const char *text)
{
	size_t len = strlen(text);
	return s.len == len && (len == 0 || strncasecmp((const char *)s.data, text, len) == 0);
}

static int set_column(struct import *im, size_t i, struct fault *f)
{
	char q[QUOTED_MAX];
	size_t c = 0;
	while (c < IMPORT_COLUMNS && !equals(im->row.fields[i], column_names[c]))
		c++;
	if (c == IMPORT_COLUMNS) {
		fault_set(f,
			"column \"%s\" is unknown; known are name, key, kind, expires, from, "
			"locked, disabled, comment",
			quote(im->row.fields[i], q));
		return -EINVAL;
	}
	if (im->columns[c] != CSV_FIELDS_MAX) {
		fault_set(f, "column %s stands twice; remove one", column_names[c]);
		return -EINVAL;
	}
	im->columns[c] = i;
	return 0;
}

static int read_header(struct import *im, struct fault *f)
{
	int rc = csv_next(&im->csv, &im->row, f);
	im->line = im->row.line;
	for (size_t c = 0; c < IMPORT_COLUMNS; c++)
		im->columns[c] = CSV_FIELDS_MAX;
	if (rc == 0) {
		fault_set(f, "the file is empty; its first line names the columns");
		return -EINVAL;
	}
	for (size_t i = 0; rc > 0 && i < im->row.count; i++)
		if (set_column(im, i, f) < 0)
			rc = -EINVAL;
	if (rc < 0)
		return rc;
	for (size_t c = IMPORT_NAME; c <= IMPORT_KEY; c++) {
		if (im->columns[c] == CSV_FIELDS_MAX) {
			fault_set(f, "there is no column %s; the first line names the columns",
				column_names[c]);
			return -EINVAL;
		}
	}
	return 0;
}

/* The field of a column; empty when there is no such column. */
static struct span field(const struct import *im, enum import_column c)
{
	return im->columns[c] == CSV_FIELDS_MAX ? span_of(NULL, 0) : im->row.fields[im->columns[c]];
}

/* A field as the option of the same name. */
static int apply_field(const struct import *im, enum import_column c, struct directory_entry *e,
	unsigned *seen, struct fault *f)
{
	char q[QUOTED_MAX];
	struct span s = field(im, c);
	struct directory_option o = { .has_value = true };
	if (s.len == 0)
		return 0;
	if (s.len > DIRECTORY_OPTION_VALUE_MAX || memchr(s.data, '\0', s.len) != NULL) {
		fault_set(f, "%s \"%s\" is too long; shorten it", column_names[c], quote(s, q));
		return -EINVAL;
	}
	memcpy(o.name, column_names[c], strlen(column_names[c]) + 1);
	memcpy(o.value, s.data, s.len);
	return directory_option_apply(e, &o, seen, f);
}

static int read_name(const struct import *im, struct directory_entry *e, struct fault *f)
{
	char text[NAME_VALUE_MAX + 1], q[QUOTED_MAX];
	struct span s = field(im, IMPORT_NAME);
	unsigned seen = 0;
	if (s.len == 0) {
		fault_set(f, "no name; every row needs one");
		return -EINVAL;
	}
	/* With a slash it is whole already, and must then lie where the others do. */
	if (im->rule->under == NULL || memchr(s.data, '/', s.len) != NULL) {
		int rc = apply_field(im, IMPORT_NAME, e, &seen, f);
		if (rc == 0 && im->rule->under != NULL &&
			!name_is_below(&e->name, im->rule->under)) {
			fault_set(f, "\"%s\" does not lie below the name of --under", quote(s, q));
			return -EINVAL;
		}
		return rc;
	}
	enum name_reject reason = NAME_VALUE_LENGTH;
	if (s.len < sizeof(text) && memchr(s.data, '\0', s.len) == NULL) {
		memcpy(text, s.data, s.len);
		text[s.len] = '\0';
		reason = name_append(im->rule->under, NAME_CN, text, &e->name);
	}
	if (reason == NAME_OK)
		return 0;
	fault_set(f, "name \"%s\" is refused: %s", quote(s, q), name_reject_text(reason));
	return -EINVAL;
}

/* An OpenSSH key (a comment behind it is passed over), or sha256:... */
static int read_key(const struct import *im, struct directory_entry *e, struct fault *f)
{
	char text[80];
	struct span s = field(im, IMPORT_KEY);
	struct reader r = reader_init(s);
	if (s.len == 0) {
		fault_set(f, "no key; every row needs one, OpenSSH's or sha256: and a key id");
		return -EINVAL;
	}
	bool is_id = s.len >= 7 && memcmp(s.data, "sha256:", 7) == 0;
	if (!is_id)
		return directory_key_read(&r, e, f);
	bool fits = s.len < sizeof(text);
	if (fits) {
		memcpy(text, s.data, s.len);
		text[s.len] = '\0';
	}
	e->key = DIRECTORY_KEY_ID_ONLY;
	if (fits && strlen(text) == s.len && directory_key_id_parse(text, e->key_id))
		return 0;
	fault_set(f, "the key id is not sha256: and 64 hexadecimal digits; correct it");
	return -EINVAL;
}

static int read_flag(const struct import *im, enum import_column c, bool *ret, struct fault *f)
{
	char q[QUOTED_MAX];
	struct span s = field(im, c);
	*ret = equals(s, "yes") || equals(s, "true") || equals(s, "1");
	if (*ret || s.len == 0 || equals(s, "no") || equals(s, "false") || equals(s, "0"))
		return 0;
	fault_set(f, "%s \"%s\" is neither yes nor no", column_names[c], quote(s, q));
	return -EINVAL;
}

static int read_row(struct import *im, struct import_item *ret, struct fault *f)
{
	struct directory_entry *e = &ret->entry;
	size_t wanted = 0;
	unsigned seen = 0;

	for (size_t c = 0; c < IMPORT_COLUMNS; c++)
		wanted += im->columns[c] != CSV_FIELDS_MAX;
	if (im->row.count != wanted) {
		fault_set(f, "the row has %zu fields, the header has %zu; quote fields with commas",
			im->row.count, wanted);
		return -EINVAL;
	}
	int rc = read_name(im, e, f);
	if (rc == 0)
		rc = read_key(im, e, f);
	for (enum import_column c = IMPORT_KIND; rc == 0 && c <= IMPORT_FROM; c++)
		rc = apply_field(im, c, e, &seen, f);
	if (rc == 0)
		rc = read_flag(im, IMPORT_LOCKED, &e->is_locked, f);
	if (rc == 0)
		rc = read_flag(im, IMPORT_DISABLED, &e->is_disabled, f);
	if (rc == 0)
		rc = import_comment(field(im, IMPORT_COMMENT), ret->comment, f);
	e->is_certified_equivalent =
		im->rule->is_certified_equivalent && e->key != DIRECTORY_KEY_ID_ONLY;
	return rc == 0 ? directory_entry_check(e, f) : rc;
}

static int next_row(struct import *im, struct import_item *ret, struct fault *f)
{
	if (!im->has_header) {
		int rc = read_header(im, f);
		/* Rows of columns that nobody knows mean nothing. */
		if (rc < 0)
			reader_rest(&im->csv.r);
		im->has_header = true;
		if (rc < 0)
			return rc;
	}
	int rc = csv_next(&im->csv, &im->row, f);
	im->line = im->row.line;
	if (rc > 0 && read_row(im, ret, f) < 0)
		rc = -EINVAL;
	return rc;
}

/* ------------------------------------------------------------------ either */

static int next_line(struct import *im, struct import_item *ret, struct fault *f)
{
	struct reader *r = &im->csv.r;
	int rc = 0;
	while (rc == 0 && r->left > 0) {
		const uint8_t *lf = memchr(r->at, '\n', r->left);
		struct span line = reader_take(r, lf == NULL ? r->left : (size_t)(lf - r->at));
		reader_take(r, lf == NULL ? 0 : 1);
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		im->line++;
		rc = import_authorized_key(line, im->rule, ret, f);
	}
	return rc;
}

int import_next(struct import *im, struct import_item *ret, struct fault *f)
{
	memset(ret, 0, sizeof(*ret));
	ret->entry.expires_ms = UINT64_MAX;
	int rc = im->rule->format == IMPORT_CSV ? next_row(im, ret, f) : next_line(im, ret, f);
	ret->entry.line = im->line;
	return rc;
}
