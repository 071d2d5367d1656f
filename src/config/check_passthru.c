/*
 * Passthrus: what could never be used, what contradicts itself, and what leads back to where it came from.
 */

#include <string.h>

#include "config/internal.h"

struct checker {
	const struct config *c;
	const struct config_scan *scan;
	struct config_notes *notes;
};

static struct config_place place_of(const struct checker *k, size_t i, const char *keyword)
{
	return config_scan_place(k->scan, CONFIG_BLOCK_PASSTHRU, i, keyword);
}

static void check_name(const struct checker *k, size_t i)
{
	const struct config_passthru *p = &k->c->passthrus[i];
	for (size_t j = 0; j < k->c->service_count; j++) {
		const struct config_service *s = &k->c->services[j];
		if (s->passthru != NULL || strcmp(s->name, p->name) != 0)
			continue;
		struct config_place at = place_of(k, i, "");
		config_note(k->notes, &at,
			"passthru %s: a service has this name already, %s:%u; choose another",
			p->name, s->at.file, s->at.line);
	}
}

static void check_knock(const struct checker *k, size_t i)
{
	const struct config_passthru *p = &k->c->passthrus[i];
	struct config_place at = place_of(k, i, "knock");
	if (p->knock != 0 && config_scan_has(k->scan, CONFIG_BLOCK_PASSTHRU, i, "encrypt") &&
		!p->encrypt)
		config_note(k->notes, &at,
			"knock: only a client that speaks TLS brings knocks along; remove it, or write "
			"encrypt = yes");
}

static void check_certificate(const struct checker *k, size_t i)
{
	const struct config_passthru *p = &k->c->passthrus[i];
	struct config_place at = place_of(k, i, "encrypt");
	bool is_written = config_scan_has(k->scan, CONFIG_BLOCK_SERVER, 0, "relay-id");
	if (p->encrypt && !is_written && k->scan->counts[CONFIG_BLOCK_SERVER] > 0)
		config_note(k->notes, &at,
			"passthru %s: encrypt = yes needs a certificate for the relay; add relay-id = "
			"\"/...\" to the server block, or write encrypt = no",
			p->name);
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr v6 = { { [15] = 1 } };
	return addr_is_v4(a) ? a->b[12] == 127 : addr_equal(a, &v6);
}

/* A connection that is carried to where it came in would be carried there again, until all are used up. */
static void check_loop(const struct checker *k, size_t i)
{
	const struct config_passthru *p = &k->c->passthrus[i];
	bool is_here =
		p->host != NULL && (is_loopback(&p->addr) || strcmp(p->host, "localhost") == 0);
	for (size_t j = 0; is_here && j < k->c->passthru_count; j++) {
		const struct config_passthru *q = &k->c->passthrus[j];
		if (q->service->port != p->port)
			continue;
		struct config_place at = place_of(k, i, "to");
		config_note(k->notes, &at,
			"to: this is where passthru %s listens; name the machine behind", q->name);
		return;
	}
}

static void check_server(const struct checker *k)
{
	const struct config_server *s = &k->c->server;
	if (k->scan->counts[CONFIG_BLOCK_SERVER] == 0)
		return;
	struct config_place at = config_scan_place(k->scan, CONFIG_BLOCK_SERVER, 0, "relay-key");
	bool has_key = config_scan_has(k->scan, CONFIG_BLOCK_SERVER, 0, "relay-key");
	if (has_key && !config_scan_has(k->scan, CONFIG_BLOCK_SERVER, 0, "relay-id"))
		config_note(k->notes, &at, "relay-key: opens nothing; add relay-id");
	at = config_scan_place(k->scan, CONFIG_BLOCK_SERVER, 0, "relay-id");
	if (s->relay_id != NULL && s->id != NULL && strcmp(s->relay_id, s->id) == 0)
		config_note(k->notes, &at,
			"relay-id: this is the server's own ID file; the relay needs one with another key");
}

static void check_count(const struct checker *k)
{
	size_t all = k->scan->counts[CONFIG_BLOCK_SERVICE] + k->scan->counts[CONFIG_BLOCK_PASSTHRU];
	if (all <= CONFIG_SERVICES_MAX || k->scan->counts[CONFIG_BLOCK_PASSTHRU] == 0)
		return;
	struct config_place at = place_of(k, 0, "");
	config_note(k->notes, &at,
		"passthru: more than %d services and passthrus together; guard fewer",
		CONFIG_SERVICES_MAX);
}

void config_check_passthrus(
	const struct config *c, const struct config_scan *s, struct config_notes *notes)
{
	const struct checker k = { c, s, notes };
	check_server(&k);
	check_count(&k);
	for (size_t i = 0; i < c->passthru_count; i++) {
		check_name(&k, i);
		check_knock(&k, i);
		check_certificate(&k, i);
		check_loop(&k, i);
	}
}
