/*
 * RFC 4180, read strictly. Invariant: a row that is given has all its fields as they were meant; what
 * could be read in two ways (a quote inside an unquoted field, text behind a closing quote) is a mistake.
 */

#include "identity/csv.h"

#include <errno.h>
#include <string.h>

struct csv csv_init(struct span text)
{
	static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };
	struct csv c = { .r = reader_init(text), .line = 1 };
	if (text.len >= sizeof(mark) && memcmp(text.data, mark, sizeof(mark)) == 0)
		reader_take(&c.r, sizeof(mark));
	return c;
}

/* The byte i from here; 0 past the end, which ends a field as any other byte would not. */
static uint8_t peek(const struct csv *c, size_t i)
{
	return i < c->r.left ? c->r.at[i] : 0;
}

/* How many bytes the line end here has; 0 when there is none. */
static size_t line_end(const struct csv *c)
{
	if (peek(c, 0) == '\n')
		return 1;
	return peek(c, 0) == '\r' && peek(c, 1) == '\n' ? 2 : 0;
}

static bool take_line_end(struct csv *c)
{
	size_t len = line_end(c);
	reader_take(&c->r, len);
	c->line += len > 0;
	return len > 0;
}

static void skip_line(struct csv *c)
{
	const uint8_t *lf = c->r.left > 0 ? memchr(c->r.at, '\n', c->r.left) : NULL;
	reader_take(&c->r, lf == NULL ? c->r.left : (size_t)(lf - c->r.at) + 1);
	c->line += lf != NULL;
}

static int take_quoted(struct csv *c, struct writer *w, struct fault *f)
{
	unsigned began = c->line;
	reader_u8(&c->r);
	for (;;) {
		if (c->r.left == 0) {
			fault_set(f, "the quoted field of line %u is never closed; add a quote",
				began);
			return -EINVAL;
		}
		uint8_t b = reader_u8(&c->r);
		if (b == '"' && peek(c, 0) != '"')
			return 0;
		if (b == '"')
			reader_u8(&c->r);
		c->line += b == '\n';
		writer_u8(w, b);
		/* Else a quote that is never closed would make one mistake of the whole file. */
		if (w->is_full)
			return 0;
	}
}

static int take_plain(struct csv *c, struct writer *w, struct fault *f)
{
	size_t len = 0;
	while (len < c->r.left && c->r.at[len] != ',' && c->r.at[len] != '\n' &&
		c->r.at[len] != '\r' && c->r.at[len] != '"')
		len++;
	struct span plain = reader_take(&c->r, len);
	writer_put(w, plain.data, plain.len);
	if (c->r.left == 0 || peek(c, 0) == ',' || line_end(c) > 0)
		return 0;
	fault_set(f,
		peek(c, 0) == '"' ? "a quote stands inside a field; quote the whole field and "
				    "double the quotes in it"
				  : "a carriage return stands alone; end lines with LF or CRLF");
	return -EINVAL;
}

static int take_field(struct csv *c, struct csv_row *ret, struct writer *w, struct fault *f)
{
	if (ret->count == CSV_FIELDS_MAX) {
		fault_set(f, "more than %d fields; remove some", CSV_FIELDS_MAX);
		return -EINVAL;
	}
	size_t start = w->len;
	int rc = peek(c, 0) == '"' ? take_quoted(c, w, f) : take_plain(c, w, f);
	if (rc == 0 && w->is_full) {
		fault_set(f,
			"the row has more than %d bytes; shorten it, or close a quote that was "
			"left open",
			CSV_ROW_MAX);
		rc = -EINVAL;
	}
	ret->fields[ret->count++] = span_of(ret->text + start, w->len - start);
	return rc;
}

int csv_next(struct csv *c, struct csv_row *ret, struct fault *f)
{
	struct writer w = writer_init(ret->text, sizeof(ret->text));
	while (take_line_end(c))
		;
	ret->line = c->line;
	ret->count = 0;
	if (c->r.left == 0)
		return 0;
	for (;;) {
		int rc = take_field(c, ret, &w, f);
		if (rc == 0 && (c->r.left == 0 || take_line_end(c)))
			return 1;
		if (rc == 0 && peek(c, 0) != ',') {
			fault_set(f, "text follows a closing quote; put a comma or a line end");
			rc = -EINVAL;
		}
		if (rc < 0) {
			skip_line(c);
			return rc;
		}
		reader_u8(&c->r);
	}
}
