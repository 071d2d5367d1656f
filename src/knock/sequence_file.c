/*
 * One-time sequences as text, a line each. The cursor only moves on, a line at a time, and what is to be
 * overwritten once a line is used is named by its offset, so the text itself stays as it was read.
 */

#include <errno.h>

#include "knock/sequence.h"

#define USED '#'

struct sequence_file sequence_file_init(struct span text)
{
	return (struct sequence_file){ .text = text };
}

/* The next line without its end, whatever it is; its offset is where f stood. */
static struct span take_line(struct sequence_file *f)
{
	struct span rest = span_slice(f->text, f->at, f->text.len);
	size_t len = 0;
	while (len < rest.len && rest.data[len] != '\n')
		len++;
	f->at += len < rest.len ? len + 1 : len;
	f->line++;
	return span_slice(rest, 0, len);
}

int sequence_file_next(struct sequence_file *f, struct sequence_line *ret, struct fault *why)
{
	while (f->at < f->text.len) {
		struct sequence_line l = { .off = f->at };
		struct span text = take_line(f);
		l.line = f->line;
		if (text.len > 0 && text.data[0] == USED)
			continue;
		enum sequence_reject reason = sequence_parse(text, &l.sequence);
		if (reason == SEQUENCE_EMPTY)
			continue;
		if (reason != SEQUENCE_OK) {
			fault_set(why,
				"line %u: %s; write a sequence as 7000,8000:udp,9000, or # first",
				l.line, sequence_reject_text(reason));
			return -EINVAL;
		}
		*ret = l;
		return 1;
	}
	return 0;
}
