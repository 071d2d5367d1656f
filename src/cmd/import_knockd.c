/*
 * knockd.conf into a plan. A door that adds a firewall rule becomes a sequence that opens a service; one that
 * removes the same rule becomes a sequence that closes it. Invariant: each line of the file is in the plan,
 * or is named in a note.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd/import.h"

#define DOORS_MAX 256
#define TIMEOUT_DEFAULT 25 /* seconds, where the file does not say */
#define TIMEOUT_MAX 300
#define CLOSE_DEFAULT 10
#define DAY_S 86400

enum key {
	KEY_SEQUENCE,
	KEY_ONE_TIME,
	KEY_TIMEOUT,
	KEY_FLAGS,
	KEY_TARGET,
	KEY_START,
	KEY_START_6,
	KEY_CLOSE_AFTER,
	KEY_STOP,
	KEY_STOP_6,
	KEYS,
};

static const struct {
	const char *name;
	enum key key;
} keys[] = {
	{ "sequence", KEY_SEQUENCE },
	{ "one_time_sequences", KEY_ONE_TIME },
	{ "seq_timeout", KEY_TIMEOUT },
	{ "timeout", KEY_TIMEOUT },
	{ "tcpflags", KEY_FLAGS },
	{ "target", KEY_TARGET },
	{ "start_command", KEY_START },
	{ "command", KEY_START },
	{ "start_command_6", KEY_START_6 },
	{ "command_6", KEY_START_6 },
	{ "cmd_timeout", KEY_CLOSE_AFTER },
	{ "stop_command", KEY_STOP },
	{ "stop_command_6", KEY_STOP_6 },
};

struct door {
	struct import_place at;
	char name[IMPORT_VALUE_MAX];
	struct import_place places[KEYS];
	char values[KEYS][IMPORT_VALUE_MAX];
	bool has[KEYS];
	struct import_rule rule;
	struct sequence sequence;
	size_t index; /* among the plan's sequences, when it opens */
};

struct reader_of {
	struct import *im;
	const char *file;
	unsigned line;
	size_t count;
	struct door *doors; /* DOORS_MAX of them */
	struct door *door;  /* whose lines these are; NULL: none */
	bool is_options, is_skipped;
};

static struct import_place here(const struct reader_of *r)
{
	return (struct import_place){ r->file, r->line };
}

/* ------------------------------------------------------------------ lines */

static void begin_section(struct reader_of *r, struct span name)
{
	r->door = NULL;
	r->is_options = span_equal(name, span_of("options", 7));
	r->is_skipped = false;
	if (r->is_options)
		return;
	if (r->count == DOORS_MAX) {
		import_note(r->im, IMPORT_LOST, here(r), "more than %d doors in one file; split it",
			DOORS_MAX);
		r->is_skipped = true;
		return;
	}
	r->door = &r->doors[r->count];
	r->door->at = here(r);
	if (!import_text(name, r->door->name)) {
		import_note(r->im, IMPORT_LOST, here(r), "the name is too long or not printable");
		r->door = NULL;
		r->is_skipped = true;
		return;
	}
	r->count++;
}

static void take_option(struct reader_of *r, const char *key, const char *value)
{
	if (strcasecmp(key, "interface") == 0) {
		import_interface(r->im, here(r), value);
		return;
	}
	if (strcasecmp(key, "usesyslog") == 0 || strcasecmp(key, "logfile") == 0)
		import_note(r->im, IMPORT_LOST, here(r),
			"posternd has a journal; see \"posternctl journal\" and journal-log");
	else if (strcasecmp(key, "pidfile") == 0)
		import_note(r->im, IMPORT_LOST, here(r), "posternd has no file for its number");
	else
		import_note(r->im, IMPORT_LOST, here(r), "knockd has no such option");
}

static void take_directive(struct reader_of *r, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		enum key k = keys[i].key;
		if (strcasecmp(keys[i].name, key) != 0)
			continue;
		if (r->door->has[k])
			import_note(r->im, IMPORT_LOST, r->door->places[k],
				"another line of this door says it again");
		r->door->has[k] = true;
		r->door->places[k] = here(r);
		snprintf(r->door->values[k], IMPORT_VALUE_MAX, "%s", value);
		return;
	}
	import_note(r->im, IMPORT_LOST, here(r), "knockd has no such directive");
}

static void take_line(struct reader_of *r, struct span line)
{
	char key[IMPORT_VALUE_MAX], value[IMPORT_VALUE_MAX];
	size_t equals = 0;

	if (line.len == 0 || line.data[0] == '#' || r->is_skipped)
		return;
	if (line.data[0] == '[' && line.data[line.len - 1] == ']' && line.len > 2) {
		begin_section(r, span_slice(line, 1, line.len - 2));
		return;
	}
	while (equals < line.len && line.data[equals] != '=')
		equals++;
	if (!import_text(import_trim(span_slice(line, 0, equals)), key) ||
		!import_text(import_trim(span_slice(line, equals + 1, line.len)), value))
		import_note(r->im, IMPORT_LOST, here(r), "the line is too long or not printable");
	else if (r->is_options)
		take_option(r, key, value);
	else if (r->door == NULL)
		import_note(r->im, IMPORT_LOST, here(r), "it stands before the first door");
	else if (equals == line.len)
		import_note(r->im, IMPORT_LOST, here(r), "it is no directive: there is no \"=\"");
	else
		take_directive(r, key, value);
}

/* ------------------------------------------------------------------ doors */

/* The knocks of a door; false when it has none that can be. */
static bool read_sequence(struct import *im, struct door *d)
{
	char quoted[IMPORT_QUOTED_MAX];
	const char *text = d->values[KEY_SEQUENCE];

	if (d->has[KEY_ONE_TIME]) {
		if (d->values[KEY_ONE_TIME][0] == '/' && import_is_ascii(d->values[KEY_ONE_TIME]))
			return true;
		import_note(im, IMPORT_LOST, d->places[KEY_ONE_TIME],
			"the door goes with it: the file's path does not begin with /, or is not ASCII");
		return false;
	}
	if (!d->has[KEY_SEQUENCE]) {
		import_note(im, IMPORT_LOST, d->at, "door %s has no sequence",
			import_quoted(span_of(d->name, strlen(d->name)), quoted));
		return false;
	}
	enum sequence_reject reason = sequence_parse(span_of(text, strlen(text)), &d->sequence);
	if (reason != SEQUENCE_OK)
		import_note(im, IMPORT_LOST, d->places[KEY_SEQUENCE], "the door goes with it: %s",
			sequence_reject_text(reason));
	return reason == SEQUENCE_OK;
}

static bool is_same_rule(const struct import_rule *a, const struct import_rule *b)
{
	return a->proto == b->proto && a->port == b->port && a->port_last == b->port_last;
}

static bool read_start(struct import *im, struct door *d)
{
	const char *why = "";
	enum key k = d->has[KEY_START] ? KEY_START : KEY_START_6;

	if (!d->has[k]) {
		import_note(im, IMPORT_LOST, d->at, "the door runs nothing");
		return false;
	}
	if (!import_rule_parse(d->values[k], &d->rule, &why)) {
		import_note(im, IMPORT_LOST, d->places[k],
			"the door goes with its command: %s; what \"postern send\" may run is an "
			"action block",
			why);
		return false;
	}
	if (d->rule.left_out[0] != '\0')
		import_note(im, IMPORT_LOST, d->places[k],
			"of the rule, %s: a service has no such limit", d->rule.left_out);
	return true;
}

/* A command beside the first must be about the same port, or it is lost. */
static bool is_mate(struct import *im, const struct door *d, enum key k, bool is_remove)
{
	struct import_rule rule;
	const char *why = "it is about another port, or does the opposite";

	if (!d->has[k] || d->values[k][0] == '\0')
		return false;
	if (import_rule_parse(d->values[k], &rule, &why) && is_same_rule(&rule, &d->rule) &&
		rule.is_remove == is_remove)
		return true;
	import_note(im, IMPORT_LOST, d->places[k], "the command is not run: %s", why);
	return false;
}

static uint32_t number_or(
	struct import *im, const struct door *d, enum key k, uint32_t initial, unsigned long max)
{
	unsigned long v;

	if (!d->has[k])
		return initial;
	if (import_number(d->values[k], 1, max, &v))
		return (uint32_t)v;
	import_note(im, IMPORT_ASSUMED, d->places[k], "not a number from 1 to %lu: %us is written",
		max, initial);
	return initial;
}

static void note_rest(struct import *im, const struct door *d)
{
	if (d->has[KEY_TARGET])
		import_note(im, IMPORT_LOST, d->places[KEY_TARGET],
			"a door hears all addresses of its interface; use capture = nflog and a rule "
			"for one address");
	if (d->has[KEY_FLAGS] && strcasecmp(d->values[KEY_FLAGS], "syn") != 0)
		import_note(im, IMPORT_LOST, d->places[KEY_FLAGS],
			"a TCP knock is a segment with SYN and without ACK; clients that send others "
			"must change");
}

static void fill(struct import *im, struct door *d, struct import_sequence *q)
{
	char label[CONFIG_NAME_MAX + 1];

	import_label(d->name, label);
	snprintf(q->label, sizeof(q->label), "%s", label);
	for (size_t i = 0, n = 2; q->label[0] != '\0' && i < im->sequence_count; i++) {
		if (strcmp(im->sequences[i].label, q->label) != 0)
			continue;
		snprintf(q->label, sizeof(q->label), "%.50s-%zu", label, n++);
		i = SIZE_MAX; /* from the first again */
	}
	q->sequence = d->sequence;
	q->at = d->at;
	if (d->has[KEY_ONE_TIME]) {
		snprintf(q->one_time, sizeof(q->one_time), "%s", d->values[KEY_ONE_TIME]);
		import_note(im, IMPORT_ASSUMED, d->places[KEY_ONE_TIME],
			"the file is used as it stands, and used lines are marked in it; knockd must "
			"not run beside posternd");
	}
	q->within_s = number_or(im, d, KEY_TIMEOUT, TIMEOUT_DEFAULT, TIMEOUT_MAX);
	note_rest(im, d);
}

static void set_wait(struct import *im, struct door *d, size_t service)
{
	bool has_stop = is_mate(im, d, KEY_STOP, true);
	is_mate(im, d, KEY_STOP_6, true);
	if (has_stop) {
		import_service_wait(im, d->at, service,
			number_or(im, d, KEY_CLOSE_AFTER, CLOSE_DEFAULT, DAY_S));
		return;
	}
	import_note(im, IMPORT_ASSUMED, d->at,
		"nothing closes the port after a time: a gate is closed after a day at the latest");
	if (d->has[KEY_CLOSE_AFTER])
		import_note(im, IMPORT_LOST, d->places[KEY_CLOSE_AFTER],
			"there is no stop command that it could be the time of");
	import_service_wait(im, d->at, service, DAY_S);
}

static bool has_room(struct import *im, struct import_place at)
{
	if (im->sequence_count < CONFIG_SEQUENCES_MAX)
		return true;
	import_note(im, IMPORT_LOST, at, "more than %d sequences; spread them over two doors",
		CONFIG_SEQUENCES_MAX);
	return false;
}

static void add_open(struct import *im, struct door *d)
{
	struct import_sequence q = { 0 };
	char name[IMPORT_VALUE_MAX + 8];
	char id[SEQUENCE_TEXT_MAX];
	struct span secret = span_of(d->values[KEY_ONE_TIME], strlen(d->values[KEY_ONE_TIME]));

	d->index = IMPORT_NONE;
	if (!has_room(im, d->at))
		return;
	q.service = import_service(im, d->at, d->rule.proto, d->rule.port, d->rule.port_last);
	if (q.service == IMPORT_NONE)
		return;
	snprintf(name, sizeof(name), "Knockd %s", d->name);
	if (!d->has[KEY_ONE_TIME]) {
		sequence_format(&d->sequence, id);
		secret = span_of(id, strlen(id));
	}
	q.person = import_person(im, d->at, name, secret);
	if (q.person == IMPORT_NONE)
		return;
	fill(im, d, &q);
	set_wait(im, d, q.service);
	if (d->has[KEY_START_6] && d->has[KEY_START])
		is_mate(im, d, KEY_START_6, false);
	import_allow(im, q.service, q.person);
	d->index = im->sequence_count;
	im->sequences[im->sequence_count++] = q;
}

static bool is_mirror(const struct sequence *a, const struct sequence *b)
{
	if (a->count != b->count || a->count == 0)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->steps[i].port != b->steps[b->count - 1 - i].port ||
			a->steps[i].proto != b->steps[b->count - 1 - i].proto)
			return false;
	return true;
}

/* The door that opens what d closes: the mirrored one, or the first. */
static const struct door *find_opener(const struct reader_of *r, const struct door *d)
{
	const struct door *first = NULL;
	for (size_t i = 0; i < r->count; i++) {
		const struct door *o = &r->doors[i];
		if (o->rule.port == 0 || o->rule.is_remove || o->index == IMPORT_NONE ||
			!is_same_rule(&o->rule, &d->rule))
			continue;
		if (is_mirror(&o->sequence, &d->sequence))
			return o;
		if (first == NULL)
			first = o;
	}
	return first;
}

static void add_close(struct reader_of *r, struct door *d)
{
	struct import_sequence q = { .is_close = true };
	const struct door *opener = find_opener(r, d);

	if (opener == NULL) {
		import_note(r->im, IMPORT_LOST, d->at, "it closes what no door opens");
		return;
	}
	if (!has_room(r->im, d->at))
		return;
	q.service = r->im->sequences[opener->index].service;
	q.person = r->im->sequences[opener->index].person;
	if (!is_mirror(&opener->sequence, &d->sequence))
		import_note(r->im, IMPORT_ASSUMED, d->at,
			"it closes what sequence %s opened, and for the same name",
			r->im->sequences[opener->index].label);
	fill(r->im, d, &q);
	is_mate(r->im, d, KEY_STOP, true);
	is_mate(r->im, d, KEY_STOP_6, true);
	if (d->has[KEY_START_6] && d->has[KEY_START])
		is_mate(r->im, d, KEY_START_6, true);
	if (d->has[KEY_CLOSE_AFTER])
		import_note(r->im, IMPORT_LOST, d->places[KEY_CLOSE_AFTER],
			"a closed gate stays closed");
	r->im->sequences[r->im->sequence_count++] = q;
}

void import_knockd(struct import *im, const char *file, struct span text)
{
	struct reader_of r = { .im = im, .file = import_file_name(im, file) };
	struct span line;

	r.doors = calloc(DOORS_MAX, sizeof(*r.doors));
	if (r.doors == NULL || r.file == NULL) {
		free(r.doors);
		import_note(im, IMPORT_LOST, (struct import_place){ "", 0 },
			"a file was named twice, or there are too many");
		return;
	}
	while (import_line(&text, &line, &r.line))
		take_line(&r, line);
	for (size_t i = 0; i < r.count; i++) {
		struct door *d = &r.doors[i];
		if (!read_sequence(im, d) || !read_start(im, d))
			d->rule = (struct import_rule){ 0 };
		else if (!d->rule.is_remove)
			add_open(im, d);
	}
	for (size_t i = 0; i < r.count; i++)
		if (r.doors[i].rule.port != 0 && r.doors[i].rule.is_remove)
			add_close(&r, &r.doors[i]);
	free(r.doors);
}
