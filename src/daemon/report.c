/* JSON for people's tools: field names are an interface, documented in posternctl(8). Absent is absent, not "". */

#include "daemon/report.h"

#include <netinet/in.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/knockd_internal.h"

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(o, key, json_string(text));
}

static void set_number(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void set_time(json_t *o, const char *key, uint64_t wall_ms)
{
	char text[TIME_TEXT_MAX];
	if (wall_ms != 0)
		json_object_set_new(o, key, json_string(time_format_utc(wall_ms, text)));
}

static void set_key_id(json_t *o, const uint8_t key_id[32])
{
	char hex[65];
	if (!span_is_zero(span_of(key_id, 32)))
		json_object_set_new(o, "key_id", json_string(text_hex(span_of(key_id, 32), hex)));
}

static void set_address(json_t *o, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];
	if (!addr_is_zero(a))
		json_object_set_new(o, key, json_string(addr_format(a, text)));
}

json_t *report_record(const struct store_record *r)
{
	json_t *o = json_object();
	set_number(o, "id", r->id);
	set_time(o, "time", r->wall_ms);
	set_number(o, "time_ms", r->wall_ms);
	set_text(o, "event", store_event_name(r->event));
	set_text(o, "reason", r->reason);
	set_text(o, "name", r->name);
	set_key_id(o, r->key_id);
	set_text(o, "service", r->service);
	set_text(o, "door", r->door);
	set_address(o, "address", &r->source);
	if (r->source_port != 0)
		set_number(o, "port", r->source_port);
	if (r->grant_id != 0)
		set_number(o, "grant", r->grant_id);
	set_time(o, "until", r->until_ms);
	if (r->until_ms != 0)
		set_number(o, "until_ms", r->until_ms);
	set_text(o, "list", r->list);
	set_text(o, "entry", r->entry);
	set_text(o, "text", r->text);
	char hex[2 * STORE_HASH_LEN + 1];
	if (r->id != 0)
		set_text(o, "hash", text_hex(SPAN_OF(r->hash), hex));
	return o;
}

json_t *report_lockout(const struct store_lockout *l)
{
	json_t *o = json_object();
	set_text(o, "name", l->name);
	set_time(o, "since", l->since_ms);
	set_number(o, "since_ms", l->since_ms);
	set_text(o, "by", l->by);
	set_text(o, "text", l->text);
	return o;
}

json_t *report_gate(const struct live_gate *g, const struct config *c)
{
	const struct config_service *s = &c->services[g->place.service];
	static const char *const kinds[] = { "once", "window", "times" };
	const struct prefix source = { g->place.source, g->place.bits };
	char address[PREFIX_TEXT_MAX];
	json_t *o = json_object();
	set_number(o, "grant", g->grant_id);
	set_text(o, "name", g->name);
	set_key_id(o, g->key_id);
	set_text(o, "service", s->name);
	set_text(o, "protocol", s->proto == IPPROTO_TCP ? "tcp" : "udp");
	set_number(o, "port", s->port);
	if (s->port_last != 0)
		set_number(o, "port_last", s->port_last);
	set_text(o, "address",
		source.bits == 128 ? addr_format(&source.addr, address)
				   : prefix_format(&source, address));
	if (g->place.source_port != 0)
		set_number(o, "source_port", g->place.source_port);
	set_text(o, "kind", kinds[g->kind]);
	if (g->kind == CONFIG_OPEN_TIMES)
		set_number(o, "left", g->uses_left);
	json_object_set_new(o, "used", json_boolean(g->is_used && g->kind != CONFIG_OPEN_ONCE));
	set_time(o, "opened", g->opened_ms);
	set_time(o, "until", g->until_ms);
	set_number(o, "until_ms", g->until_ms);
	return o;
}

json_t *report_relayed(const struct relays_line *l)
{
	json_t *o = json_object();
	set_number(o, "connection", l->id);
	if (l->grant_id != 0)
		set_number(o, "grant", l->grant_id);
	set_text(o, "name", l->name);
	set_key_id(o, l->key_id);
	set_text(o, "service", l->passthru);
	set_text(o, "door", l->door);
	set_address(o, "address", &l->source);
	set_number(o, "port", l->source_port);
	set_address(o, "inner", &l->inner);
	if (l->inner_port != 0)
		set_number(o, "inner_port", l->inner_port);
	json_object_set_new(o, "through", json_boolean(l->is_through));
	set_number(o, "seconds", l->took_ms / 1000);
	set_number(o, "to_inner", l->to_inner);
	set_number(o, "to_client", l->to_client);
	set_number(o, "to_inner_rate", l->to_inner_rate);
	set_number(o, "to_client_rate", l->to_client_rate);
	return o;
}

/* Frames that never became a datagram for us, by reason. */
static json_t *rejected(const struct capture_counts *n)
{
	json_t *o = json_object();
	for (unsigned i = 1; i < CAPTURE_REJECT_COUNT; i++)
		if (n->rejected[i] != 0)
			set_number(o, capture_reject_name((enum capture_reject)i), n->rejected[i]);
	return o;
}

static json_t *doors(const struct knockd *k)
{
	static const char *const kinds[] = { "pcap", "nflog", "log" };
	json_t *a = json_array();
	for (size_t i = 0; i < k->config->door_count; i++) {
		const struct door *d = &k->doors[i];
		const struct config_door *c = d->config;
		const struct capture_counts *n = door_counts(d);
		json_t *o = json_object();
		set_text(o, "name", c->name);
		set_text(o, "capture", kinds[c->capture]);
		if (c->interface != NULL)
			set_text(o, "interface", c->interface);
		if (c->capture == CONFIG_CAPTURE_NFLOG)
			set_number(o, "group", c->group);
		if (c->file != NULL)
			set_text(o, "file", c->file);
		if (c->spa.is_on)
			set_number(o, "port", c->spa.port);
		json_object_set_new(o, "watching", json_boolean(door_is_watching(d)));
		set_number(o, "packets", n->seen);
		set_number(o, "sightings", d->sightings);
		set_number(o, "dropped", n->dropped);
		json_object_set_new(o, "rejected", rejected(n));
		json_array_append_new(a, o);
	}
	return a;
}

static void set_count(void *arg, const char *name, uint64_t n)
{
	if (n != 0)
		set_number(arg, name, n);
}

json_t *report_ignored(const struct knockd *k)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < JUDGE_DROP_COUNT; i++)
		if (k->drops[i] != 0)
			set_number(o, judge_drop_name(i), k->drops[i]);
	classic_each_ignored(k->classic, set_count, o);
	return o;
}

/* Of classic knocks. */
static json_t *classic(const struct knockd *k)
{
	json_t *o = json_object();
	classic_each_seen(k->classic, set_count, o);
	return o;
}

static json_t *answered(const struct knockd *k)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < SPA_STATUS_COUNT; i++)
		if (k->statuses[i] != 0)
			set_number(o, spa_status_name((enum spa_status)i), k->statuses[i]);
	return o;
}

json_t *report_status(const struct knockd *k, const struct msg *listed)
{
	json_t *o = json_object();
	set_text(o, "version", POSTERN_VERSION);
	set_text(o, "server", k->start->boot->keys->name);
	set_time(o, "started", k->started_wall_ms);
	set_number(o, "uptime_s", (clock_mono_ms() - k->started_mono_ms) / 1000);
	set_number(o, "generation", k->start->generation);
	set_text(o, "config", k->config->file);
	if (k->start->is_fallback)
		json_object_set_new(o, "fallback", json_true());
	if (k->start->trial_until_mono_ms != 0) {
		uint64_t now = clock_mono_ms(), end = k->start->trial_until_mono_ms;
		set_number(o, "trial_left_s", end > now ? (end - now + 999) / 1000 : 0);
	}
	set_number(o, "services", k->config->service_count);
	set_number(o, "people", directory_count(k->start->boot->directory));
	set_number(o, "gates", live_count(k->live));
	if (k->config->passthru_count > 0)
		set_number(o, "relayed", relays_count(k));
	set_number(o, "locked_out", lockout_count(k->lockout));
	set_number(o, "datagrams", k->datagrams);
	json_object_set_new(o, "doors", doors(k));
	json_object_set_new(o, "ignored", report_ignored(k));
	json_object_set_new(o, "classic", classic(k));
	json_object_set_new(o, "answered", answered(k));
	set_number(o, "answers_failed", k->answers_failed);
	json_object_set_new(o, "kernel",
		json_pack("{s:I, s:I, s:I}", "admitted", (json_int_t)listed->counts[1], "dropped",
			(json_int_t)listed->counts[2], "cut", (json_int_t)listed->counts[3]));
	if (k->config->server.backend == CONFIG_BACKEND_SCRIPT) {
		set_text(o, "script", k->config->server.script);
		set_number(o, "not_closed", listed->counts[0]);
	}
	json_object_set_new(o, "gate_uses_heard", json_boolean(k->nflog != NULL));
	set_number(o, "gate_uses_lost",
		k->nflog != NULL ? capture_nflog_counts(k->nflog)->dropped : 0);
	set_number(o, "records_untold", k->announcer.lost);
	json_object_set_new(o, "store_ok", json_boolean(k->store_error == 0));
	if (k->store_error != 0)
		set_text(o, "store_error", store_error_text(k->store_error));
	return o;
}
