/*
 * What options say together. Each field holds a checked value or zero by now (a zero was reported
 * already), so nothing is said twice about the same mistake.
 */

#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "config/internal.h"

struct checker {
	const struct config *c;
	const struct config_scan *scan;
	struct config_notes *notes;
};

static struct config_place place_of(
	const struct checker *k, enum config_block b, size_t ordinal, const char *keyword)
{
	return config_scan_place(k->scan, b, ordinal, keyword);
}

static struct config_place service_place(const struct checker *k, size_t i, const char *keyword)
{
	return config_service_place(k->scan, k->c, i, keyword);
}

static bool service_has(const struct checker *k, size_t i, const char *keyword)
{
	return config_service_has(k->scan, k->c, i, keyword);
}

static void check_presence(const struct checker *k)
{
	struct config_place end = { .file = k->c->file, .order = SIZE_MAX };
	if (k->scan->counts[CONFIG_BLOCK_SERVER] == 0)
		config_note(k->notes, &end, "no server block; add server { id = ... }");
	if (k->c->door_count == 0)
		config_note(k->notes, &end,
			"no door, so no knock is seen; add door NAME { interface = ... spa { } }");
	if (k->c->service_count == 0)
		config_note(k->notes, &end,
			"no service, so nothing is guarded; add service NAME { port = ... }");
}

static bool is_same_interface(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return false;
	return strcmp(a, b) == 0 || strcmp(a, "any") == 0 || strcmp(b, "any") == 0;
}

/* One packet is one knock: no two doors of an interface take them on one port. */
static void check_spa(const struct checker *k, size_t i)
{
	const struct config_door *d = &k->c->doors[i];
	for (size_t j = 0; j < i; j++) {
		const struct config_door *e = &k->c->doors[j];
		if (!e->spa.is_on || e->spa.port != d->spa.port || d->spa.port == 0 ||
			d->capture != CONFIG_CAPTURE_PCAP || e->capture != CONFIG_CAPTURE_PCAP ||
			!is_same_interface(d->interface, e->interface))
			continue;
		const struct config_statement *spa =
			config_scan_child(k->scan, CONFIG_BLOCK_SPA, i, 0);
		struct config_place at = place_of(k, CONFIG_BLOCK_SPA, spa->ordinal, "udp");
		config_note(k->notes, &at,
			"udp: door %s sees port %u of this interface already; choose another",
			e->name, d->spa.port);
		return;
	}
}

static bool is_heard(const struct config_door *d)
{
	return d->spa.is_on || d->tagged.is_on || d->sequence_count > 0 ||
		d->structured_count > 0 || d->cipher_count > 0 || d->fwknop_count > 0;
}

static void check_door(const struct checker *k, size_t i)
{
	const struct config_door *d = &k->c->doors[i];
	if (d->spa.is_on)
		check_spa(k, i);
	if (!is_heard(d)) {
		struct config_place at = place_of(k, CONFIG_BLOCK_DOOR, i, "interface");
		config_note(k->notes, &at, "door %s: nothing is heard there; add spa { }", d->name);
	}
}

static bool is_overlapping(const struct config_service *a, const struct config_service *b)
{
	return a->proto == b->proto && a->port <= config_service_last_port(b) &&
		b->port <= config_service_last_port(a);
}

static void check_port(const struct checker *k, size_t i)
{
	const struct config_service *s = &k->c->services[i];
	struct config_place at = service_place(k, i, "port");
	unsigned last = config_service_last_port(s);
	if (s->port == 0)
		return;
	for (size_t j = 0; j < i; j++) {
		const struct config_service *t = &k->c->services[j];
		struct config_place other = service_place(k, j, "port");
		if (t->port != 0 && is_overlapping(s, t)) {
			config_note(k->notes, &at,
				"%s: %s %s guards %s already, %s:%u; choose another",
				config_port_word(s), t->passthru == NULL ? "service" : "passthru",
				t->name, last != s->port ? "some of it" : "it", other.file,
				other.line);
			break;
		}
	}
	for (size_t j = 0; s->proto == IPPROTO_UDP && j < k->c->door_count; j++) {
		const struct config_door *d = &k->c->doors[j];
		if (d->spa.is_on && d->spa.port >= s->port && d->spa.port <= last) {
			config_note(k->notes, &at,
				"port: door %s takes knocks on udp/%u; choose another for one of them",
				d->name, d->spa.port);
			break;
		}
	}
}

/* One connection and no more is what the kernel's rules count, and nothing else can. */
static void check_open(const struct checker *k, size_t i)
{
	struct config_place at = service_place(k, i, "open");
	const struct config_service *s = &k->c->services[i];
	if (k->c->server.backend == CONFIG_BACKEND_SCRIPT && s->open != CONFIG_OPEN_WINDOW)
		config_note(k->notes, &at,
			s->open == CONFIG_OPEN_ONCE
				? "service %s: a script cannot promise one connection; write open = window"
				: "service %s: a script counts no connections; write open = window",
			s->name);
}

static void check_server(const struct checker *k)
{
	const struct config_server *s = &k->c->server;
	if (k->scan->counts[CONFIG_BLOCK_SERVER] == 0)
		return;
	struct config_place at = place_of(k, CONFIG_BLOCK_SERVER, 0, "backend");
	struct config_place script = place_of(k, CONFIG_BLOCK_SERVER, 0, "script");
	bool is_written = config_scan_find(k->scan, CONFIG_BLOCK_SERVER, 0,
				  config_keyword_find(CONFIG_BLOCK_SERVER, "script")) != NULL;
	if (s->backend == CONFIG_BACKEND_SCRIPT && !is_written)
		config_note(k->notes, &at, "backend: which program? add script = \"/...\"");
	if (s->backend == CONFIG_BACKEND_NFT && is_written)
		config_note(k->notes, &script, "script: nothing runs it; add backend = script");
}

/* What the kind of gate excludes. A value that was refused stands as zero and is not spoken of again. */
static void check_kind(const struct checker *k, size_t i)
{
	const struct config_service *s = &k->c->services[i];
	struct config_place at = service_place(k, i, "times");
	bool has_times = service_has(k, i, "times");
	if (s->open == CONFIG_OPEN_TIMES && !has_times)
		config_note(k->notes, &at, "service %s: open = times needs a number; add times = N",
			s->name);
	if (s->open != CONFIG_OPEN_TIMES && has_times)
		config_note(k->notes, &at,
			"times: means nothing here; add open = times or leave it out");
	at = service_place(k, i, "port");
	if (s->port_last != 0 && s->forward.is_set)
		config_note(k->notes, &at,
			"port: a range cannot be sent on; make each port a service of its own");
	if (s->open == CONFIG_OPEN_WINDOW)
		return;
	if (s->port_last != 0)
		config_note(k->notes, &at,
			"port: several ports are open for a time only; add open = window");
	at = service_place(k, i, "prefix-v4");
	if (s->prefix_v4 != 0 && s->prefix_v4 < CONFIG_PREFIX_V4_HOST)
		config_note(k->notes, &at,
			"prefix-v4: a network is let in for a time only; add open = window");
	at = service_place(k, i, "prefix-v6");
	if (s->prefix_v6 != 0 && s->prefix_v6 < CONFIG_PREFIX_V6_HOST)
		config_note(k->notes, &at,
			"prefix-v6: a network is let in for a time only; add open = window");
}

static void check_port_count(const struct checker *k)
{
	size_t all = 0;
	for (size_t i = 0; i < k->c->service_count; i++) {
		const struct config_service *s = &k->c->services[i];
		all += config_service_last_port(s) - s->port + 1u;
		if (all > CONFIG_PORTS_MAX) {
			struct config_place at = service_place(k, i, "port");
			config_note(k->notes, &at,
				"%s: with these more than %d ports are guarded; guard fewer",
				config_port_word(s), CONFIG_PORTS_MAX);
			return;
		}
	}
}

static void check_service(const struct checker *k, size_t i)
{
	char wait[TIME_TEXT_MAX], lease[TIME_TEXT_MAX];
	const struct config_service *s = &k->c->services[i];

	check_port(k, i);
	check_open(k, i);
	check_kind(k, i);
	if (!s->allow.is_set && !k->c->server.compat_open_lists && !service_has(k, i, "allow")) {
		struct config_place at = service_place(k, i, "");
		config_note(k->notes, &at,
			"service %s: nobody could ever use it; add allow = {...}", s->name);
	}
	if (s->lease_s != 0 && s->wait_s > s->lease_s) {
		struct config_place at = service_place(k, i, "wait");
		config_note(k->notes, &at, "wait: %s is longer than the lease of %s",
			duration_format(s->wait_s, wait), duration_format(s->lease_s, lease));
	}
}

static bool is_written(const struct checker *k, size_t i, const char *keyword)
{
	return config_scan_find(k->scan, CONFIG_BLOCK_ACTION, i,
		       config_keyword_find(CONFIG_BLOCK_ACTION, keyword)) != NULL;
}

static void note_action(const struct checker *k, size_t i, const char *keyword, const char *what)
{
	struct config_place at = place_of(k, CONFIG_BLOCK_ACTION, i, keyword);
	config_note(k->notes, &at, "action %s: %s", k->c->actions[i].name, what);
}

static void check_command(const struct checker *k, size_t i)
{
	const struct config_list *run = &k->c->actions[i].run;
	if (!run->is_set)
		return;
	if (run->len == 0 || run->items[0].text[0] != '/')
		note_action(k, i, "run", "run: begins with no absolute path of a program");
	if (run->len > CONFIG_COMMAND_MAX)
		note_action(k, i, "run", "run: more than 32 words; write a program around it");
}

static void check_action(const struct checker *k, size_t i)
{
	const struct config_action *a = &k->c->actions[i];
	bool has_run = is_written(k, i, "run");

	check_command(k, i);
	if (has_run && a->is_journal_only)
		note_action(k, i, "journal-only", "journal-only goes without run; remove one");
	if (!has_run && !a->is_journal_only)
		note_action(k, i, "run", "nothing to do; add run = {...} or journal-only = yes");
	if (has_run && !is_written(k, i, "user"))
		note_action(k, i, "user", "user: missing; name the user that it runs as");
	if (a->is_journal_only && a->message == CONFIG_MESSAGE_NONE)
		note_action(k, i, "message",
			"a note without a message says nothing; write message = required");
}

void config_check(const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	struct checker k = { c, s, notes };
	check_presence(&k);
	check_server(&k);
	for (size_t i = 0; i < c->door_count; i++)
		check_door(&k, i);
	for (size_t i = 0; i < c->service_count; i++)
		check_service(&k, i);
	for (size_t i = 0; i < c->action_count; i++)
		check_action(&k, i);
	check_port_count(&k);
	config_check_doors(c, s, notes);
	config_check_sequences(c, s, notes);
	config_check_ranges(c, s, notes);
	config_check_classic(c, s, notes);
	config_check_lockdown(c, s, notes);
	config_check_forward(c, s, notes);
	config_check_passthrus(c, s, notes);
	config_check_rescue(c, s, notes);
	config_check_script(c, s, notes);
}
