/*
 * How a door sees packets, and what follows from it: each kind needs one keyword that the others have no
 * use for, and a log line brings no payload.
 */

#include "config/internal.h"

struct checker {
	const struct config *c;
	const struct config_scan *scan;
	struct config_notes *notes;
};

static const char *const kinds[] = {
	[CONFIG_CAPTURE_PCAP] = "pcap",
	[CONFIG_CAPTURE_NFLOG] = "nflog",
	[CONFIG_CAPTURE_LOG] = "log",
};

/* keyword is what a door of that kind needs and no other has. */
static void check_own(
	const struct checker *k, size_t i, const char *keyword, enum config_capture capture)
{
	enum config_capture mine = k->c->doors[i].capture;
	struct config_place at = config_scan_place(k->scan, CONFIG_BLOCK_DOOR, i, keyword);
	bool is_written = config_scan_has(k->scan, CONFIG_BLOCK_DOOR, i, keyword);
	if (mine == capture && !is_written)
		config_note(k->notes, &at, "%s: missing; capture = %s needs it", keyword,
			kinds[capture]);
	if (mine != capture && is_written)
		config_note(k->notes, &at, "%s: means nothing with capture = %s; remove it",
			keyword, kinds[mine]);
}

static void check_group(const struct checker *k, size_t i)
{
	const struct config_door *d = &k->c->doors[i];
	struct config_place at = config_scan_place(k->scan, CONFIG_BLOCK_DOOR, i, "group");
	if (d->capture != CONFIG_CAPTURE_NFLOG || d->group == CONFIG_NO_GROUP)
		return;
	if (d->group == k->c->server.log_group)
		config_note(k->notes, &at,
			"group: %u is the server's log-group, on which gates are reported; choose another",
			(unsigned)d->group);
	for (size_t j = 0; j < i; j++) {
		const struct config_door *e = &k->c->doors[j];
		if (e->capture == CONFIG_CAPTURE_NFLOG && e->group == d->group) {
			config_note(k->notes, &at,
				"group: door %s hears group %u already; choose another", e->name,
				(unsigned)d->group);
			return;
		}
	}
}

/* The text in a log line is that of its headers. */
static void check_payload(const struct checker *k, size_t i)
{
	static const enum config_block blocks[] = { CONFIG_BLOCK_SPA, CONFIG_BLOCK_FWKNOP };
	if (k->c->doors[i].capture != CONFIG_CAPTURE_LOG)
		return;
	for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++) {
		const struct config_statement *st = config_scan_child(k->scan, blocks[b], i, 0);
		if (st != NULL)
			config_note(k->notes, &st->at,
				"%s: a log line has no content of packets; use capture = pcap or nflog",
				config_block_def(blocks[b])->name);
	}
}

void config_check_doors(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	struct checker k = { c, s, notes };
	for (size_t i = 0; i < c->door_count; i++) {
		struct config_place at = config_scan_place(s, CONFIG_BLOCK_DOOR, i, "interface");
		if (c->doors[i].capture == CONFIG_CAPTURE_PCAP &&
			!config_scan_has(s, CONFIG_BLOCK_DOOR, i, "interface"))
			config_note(notes, &at, "interface: missing; capture = pcap needs it");
		check_own(&k, i, "group", CONFIG_CAPTURE_NFLOG);
		check_own(&k, i, "file", CONFIG_CAPTURE_LOG);
		check_group(&k, i);
		check_payload(&k, i);
	}
}
