/* Where forwarded services stand, as elements: a change of the target is a reload like any other. */

#include <arpa/inet.h>
#include <string.h>

#include "gate/internal.h"

bool gate_forward_is_on(const struct config *c)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (config_is_forwarded(&c->services[i]))
			return true;
	return false;
}

/* proto . port -> address . port */
static void add_target(struct gate_nl *nl, const char *map, const struct config_endpoint *from,
	const struct config_target *to)
{
	struct gate_fixture x = { .set = map };
	uint16_t len = addr_is_v4(&to->addr) ? 4 : 16;
	uint16_t port = htons(to->port);
	x.key_len = gate_fixture_endpoint(x.key, 0, from);
	memcpy(x.value, to->addr.b + 16 - len, len);
	memcpy(x.value + len, &port, sizeof(port));
	x.value_len = (uint16_t)(len + 4);
	gate_fixture_add(nl, &x);
}

static void add_masked(
	struct gate_nl *nl, const char *set, uint8_t proto, const struct config_target *to)
{
	struct gate_fixture x = { .set = set };
	struct config_endpoint e = { proto, to->port };
	uint16_t len = addr_is_v4(&to->addr) ? 4 : 16;
	memcpy(x.key, to->addr.b + 16 - len, len);
	x.key_len = gate_fixture_endpoint(x.key, len, &e);
	gate_fixture_add(nl, &x);
}

static void add_service(struct gate_nl *nl, const struct config_service *s)
{
	struct config_endpoint e = { s->proto, s->port };
	struct gate_fixture x = { .set = "forwarded" };
	x.key_len = gate_fixture_endpoint(x.key, 0, &e);
	gate_fixture_add(nl, &x);
	if (s->forward4.port != 0)
		add_target(nl, "to4", &e, &s->forward4);
	if (s->forward6.port != 0)
		add_target(nl, "to6", &e, &s->forward6);
	if (s->masquerade && s->forward4.port != 0)
		add_masked(nl, "masked4", s->proto, &s->forward4);
	if (s->masquerade && s->forward6.port != 0)
		add_masked(nl, "masked6", s->proto, &s->forward6);
}

void gate_forward_elements(struct gate_nl *nl, const struct config *c)
{
	static const char *const sets[] = { "forwarded", "to4", "to6", "masked4", "masked6" };
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		gate_fixture_flush(nl, sets[i]);
	for (size_t i = 0; i < c->service_count; i++)
		if (config_is_forwarded(&c->services[i]))
			add_service(nl, &c->services[i]);
}
