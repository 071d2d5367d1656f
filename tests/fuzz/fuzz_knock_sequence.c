/*
 * Any text, read as a file of one-time sequences. Reading ends and goes on line by line; every sequence
 * that comes out has ports, is written and read again as the same, and is fulfilled by its own knocks
 * whether strict or not, and by nothing that leaves one out at either end; every refusal has a sentence.
 * A file all of whose sequences were marked as used has none.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "knock/sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_met(struct sequence *s)
{
	struct track t = { .count = s->count };
	s->within_ms = 1000;
	for (size_t i = 0; i < s->count; i++)
		t.marks[i] = (struct track_mark){ 5000 + i, s->steps[i].port, s->steps[i].proto };
	for (int strict = 0; strict < 2; strict++) {
		s->strict = strict != 0;
		must(sequence_is_met(s, &t, 6000));
		must(!sequence_is_met(s, &t, 6001));
		t.count--;
		must(!sequence_is_met(s, &t, 6000));
		t.count++;
	}
	memmove(t.marks, t.marks + 1, sizeof(t.marks) - sizeof(t.marks[0]));
	t.count--;
	must(!sequence_is_met(s, &t, 6000));
}

static void check_sequence(struct sequence *s)
{
	char text[SEQUENCE_TEXT_MAX];
	struct sequence again = { 0 }, back = { .count = s->count };
	must(s->count > 0 && s->count <= SEQUENCE_STEPS_MAX);
	for (size_t i = 0; i < s->count; i++) {
		must(s->steps[i].port != 0);
		must(s->steps[i].proto == IPPROTO_TCP || s->steps[i].proto == IPPROTO_UDP);
		back.steps[s->count - 1 - i] = s->steps[i];
	}
	sequence_format(s, text);
	must(sequence_parse(span_of(text, strlen(text)), &again) == SEQUENCE_OK);
	must(again.count == s->count && memcmp(again.steps, s->steps, sizeof(s->steps)) == 0);
	must(sequence_weakness(s) == sequence_weakness(&back));
	check_met(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *used = malloc(len + 1);
	struct sequence_line l;
	struct fault why;
	size_t before = 0;
	unsigned line = 0;
	must(used != NULL);
	if (len > 0)
		memcpy(used, data, len);
	struct sequence_file f = sequence_file_init(span_of(data, len));
	for (int rc; (rc = sequence_file_next(&f, &l, &why)) != 0; before = f.at, line = f.line) {
		must(f.at > before && f.at <= len && f.line > line);
		if (rc < 0) {
			size_t n = strnlen(why.text, sizeof(why.text));
			must(n > 0 && n < sizeof(why.text));
			continue;
		}
		must(l.off >= before && l.off < f.at && data[l.off] != '#');
		must(l.off == 0 || data[l.off - 1] == '\n');
		check_sequence(&l.sequence);
		used[l.off] = '#';
	}
	f = sequence_file_init(span_of(used, len));
	for (int rc; (rc = sequence_file_next(&f, &l, &why)) != 0;)
		must(rc < 0);
	free(used);
	return 0;
}
