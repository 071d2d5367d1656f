/*
 * postern.conf from arbitrary bytes. There is a configuration or there are mistakes, never both; what
 * was accepted is within its bounds, prints as text that is accepted too, and prints the same again. The
 * same holds for a policy made of it, which gives a stranger nothing.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/internal.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Includes are looked for in a folder that does not exist. */
static const char file[] = "/nonexistent/fuzz.conf";

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static void check_service(const struct config_service *s)
{
	require(s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP);
	require(s->port != 0);
	require(s->wait_s >= 1 && s->wait_s <= 86400 && s->wait_s <= s->lease_s);
	require(s->lease_s <= 30 * 86400 || s->lease_s == CONFIG_LEASE_NONE);
	require(s->gates_max >= 1 && s->gates_max <= 65536);
	require(s->open == CONFIG_OPEN_ONCE || s->open == CONFIG_OPEN_WINDOW ||
		s->open == CONFIG_OPEN_TIMES);
	require((s->open == CONFIG_OPEN_TIMES) == (s->times != 0));
	require(s->times == 0 || (s->times >= 2 && s->times <= CONFIG_TIMES_MAX));
	require(s->port_last == 0 || s->port_last > s->port);
	require(config_service_last_port(s) - s->port < CONFIG_RANGE_MAX);
	require(s->prefix_v4 >= 24 && s->prefix_v4 <= 32);
	require(s->prefix_v6 >= 48 && s->prefix_v6 <= 128);
	require(s->open == CONFIG_OPEN_WINDOW ||
		(s->port_last == 0 && s->prefix_v4 == 32 && s->prefix_v6 == 128));
	require(s->allow.len <= CONFIG_LIST_MAX && s->deny.len <= CONFIG_LIST_MAX);
	require((s->forward.len > 0) == config_is_forwarded(s));
	require(!s->masquerade || config_is_forwarded(s));
	for (size_t i = 0; i < s->allow.len; i++)
		require(s->allow.items[i].text[0] != '\0' && s->allow.items[i].line > 0);
}

static void check_passthru(const struct config *c, const struct config_passthru *p)
{
	const struct config_service *s = p->service;
	require(s >= c->services && s < c->services + c->service_count && s->passthru == p);
	require(s->proto == IPPROTO_TCP && s->port_last == 0 && !config_is_forwarded(s));
	require(s->allow.is_set && strcmp(s->name, p->name) == 0);
	require(p->host != NULL && p->host[0] != '\0' && strlen(p->host) <= CONFIG_HOST_MAX);
	require(p->port != 0 && (!p->encrypt || c->server.relay_id != NULL));
	require(p->knock == 0 || p->encrypt);
	require(p->client.len <= CONFIG_SPEAKS_HEX_MAX && p->inner.len <= CONFIG_SPEAKS_HEX_MAX);
	require((p->speaks == CONFIG_SPEAKS_HEX) == (p->client.len + p->inner.len > 0));
	require(p->connections_max >= 1 && p->connections_max <= 65536);
	require(p->name_connections_max >= 1 && p->name_connections_max <= 65536);
	require(p->idle_s >= 10 && p->idle_s <= CONFIG_LEASE_MAX);
}

static void check_rescue(const struct config *c)
{
	const struct config_rescue *r = &c->rescue;
	if (!r->is_on)
		return;
	require(r->prefix_count >= 1 && r->prefix_count <= CONFIG_RESCUE_MAX);
	require(r->prefix_count == r->from.len);
	require(r->after_s >= 10 && r->after_s <= 86400);
	require(config_service_by_port(c, r->to.proto, r->to.port) != NULL);
	for (size_t i = 0; i < r->prefix_count; i++)
		require(r->prefixes[i].bits > 0);
}

static void check_sequence(const struct config_sequence *q)
{
	require(q->step_count == q->ports.len && q->step_count <= CONFIG_STEPS_MAX);
	require(q->within_s >= 1 && q->within_s <= 300);
	require(q->as != NULL && q->at.line > 0 && q->as_at.line >= q->at.line);
	for (size_t i = 0; i < q->step_count; i++)
		require(q->steps[i].port != 0);
}

static void check_cipher(const struct config_cipher *x)
{
	require(x->port_first != 0 && x->port_last - x->port_first == 255);
	require(x->within_s >= 1 && x->within_s <= 600);
	require(x->as != NULL && x->services.is_set);
}

static void check_fwknop(const struct config_fwknop *f)
{
	require(f->hmac >= CONFIG_HMAC_MD5 && f->hmac <= CONFIG_HMAC_SHA3_512);
	require(f->mode >= CONFIG_AES_ECB && f->mode <= CONFIG_AES_CTR &&
		f->mode != CONFIG_AES_PCBC);
	require(f->max_age_s >= 5 && f->max_age_s <= 3600);
	require(f->as != NULL && f->services.is_set);
}

static void check_door(const struct config_door *d)
{
	require(!d->spa.is_on ||
		(d->spa.port != 0 && d->spa.window_s >= 5 && d->spa.window_s <= 300));
	require(d->sources >= 64 && d->sources <= 1048576);
	require(d->capture != CONFIG_CAPTURE_PCAP || d->interface != NULL);
	require((d->capture == CONFIG_CAPTURE_NFLOG) == (d->group != CONFIG_NO_GROUP));
	require((d->capture == CONFIG_CAPTURE_LOG) == (d->file != NULL));
	require(d->capture != CONFIG_CAPTURE_LOG || (!d->spa.is_on && d->fwknop_count == 0));
	require(d->sequence_count <= CONFIG_SEQUENCES_MAX && d->cipher_count <= CONFIG_CIPHERS_MAX);
	require(d->structured_count <= CONFIG_STRUCTURED_MAX);
	require(d->fwknop_count <= CONFIG_FWKNOPS_MAX);
	for (size_t i = 0; i < d->sequence_count; i++)
		check_sequence(&d->sequences[i]);
	for (size_t i = 0; i < d->structured_count; i++)
		require(d->structured[i].base >= 1 && d->structured[i].base <= 65526);
	for (size_t i = 0; i < d->cipher_count; i++)
		check_cipher(&d->ciphers[i]);
	require(!d->tagged.is_on || (d->tagged.base >= 1 && d->tagged.base <= 61440));
	for (size_t i = 0; i < d->fwknop_count; i++)
		check_fwknop(&d->fwknops[i]);
}

static void check(const struct config *c)
{
	check_rescue(c);
	require(c->server.opening_count <= CONFIG_OPENINGS_MAX);
	require(c->server.lockdown || !c->server.lockdown_allow.is_set);
	require(c->server.id[0] == '/' && c->server.directory[0] == '/');
	require(c->server.gates_max >= 1 && c->server.gates_max <= 65536);
	require(c->server.mark_base != 0 && (c->server.mark_base & 0xffffff) == 0);
	require(c->door_count >= 1 && c->door_count <= CONFIG_DOORS_MAX);
	require(c->service_count >= 1 && c->service_count <= CONFIG_SERVICES_MAX);
	require(c->group_count <= CONFIG_GROUPS_MAX);
	for (size_t i = 0; i < c->door_count; i++)
		check_door(&c->doors[i]);
	for (size_t i = 0; i < c->service_count; i++)
		check_service(&c->services[i]);
	for (size_t i = 0; i < c->passthru_count; i++)
		check_passthru(c, &c->passthrus[i]);
}

/* With an empty directory and under key-check = all nobody is granted anything. */
static void check_policy(const struct config *c)
{
	static struct directory_faults faults;
	struct config_report r = { 0 };
	struct directory *d = directory_parse(span_of(NULL, 0), &faults);
	require(d != NULL);
	struct policy *p = policy_new(c, d, &r);
	require((p == NULL) == (r.count > 0));
	struct claim claim = {
		.is_authenticated = true, .not_after_ms = UINT64_MAX, .service = &c->services[0]
	};
	require(name_parse("stranger/Elsewhere", false, &claim.name) == NAME_OK);
	if (p != NULL) {
		struct verdict v = policy_decide(p, &claim, 1);
		require(c->server.key_check != CONFIG_KEY_CHECK_ALL ||
			v.reason == POLICY_KEY_CHECK);
		require((v.reason == POLICY_GRANT) == (v.granted_s > 0));
		require(v.granted_s <= c->services[0].wait_s);
	}
	policy_free(p);
	config_report_deinit(&r);
	directory_free(d);
}

static char *format_and_free(struct config *c)
{
	char *text = config_format(c, CONFIG_SECRETS_SHOWN);
	require(text != NULL);
	config_free(c);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_report r = { 0 };
	struct config *c = config_parse_text(file, span_of(data, len), &r);
	require((c == NULL) == (r.count > 0));
	config_report_deinit(&r);
	if (c == NULL)
		return 0;
	check(c);
	check_policy(c);
	char *text = format_and_free(c);
	c = config_parse_text(file, span_of(text, strlen(text)), &r);
	require(c != NULL && r.count == 0);
	char *again = format_and_free(c);
	require(strcmp(text, again) == 0);
	free(again);
	free(text);
	return 0;
}
