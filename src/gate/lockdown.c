/* The lockdown as elements: on for both versions of IP or for none. */

#include <linux/netfilter.h>

#include "gate/internal.h"

static void add_both(struct gate_nl *nl, const char *set)
{
	static const uint8_t versions[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	for (size_t i = 0; i < sizeof(versions); i++) {
		struct gate_fixture x = { .set = set, .key_len = 1 };
		x.key[0] = versions[i];
		gate_fixture_add(nl, &x);
	}
}

void gate_lockdown_elements(struct gate_nl *nl, const struct config *c)
{
	const struct config_server *s = &c->server;
	gate_fixture_flush(nl, "lockdown");
	gate_fixture_flush(nl, "allowed");
	gate_fixture_flush(nl, "echo");
	if (s->lockdown)
		add_both(nl, "lockdown");
	if (s->allows_echo)
		add_both(nl, "echo");
	for (size_t i = 0; i < s->opening_count; i++) {
		struct gate_fixture x = { .set = "allowed" };
		x.key_len = gate_fixture_endpoint(x.key, 0, &s->openings[i]);
		gate_fixture_add(nl, &x);
	}
}
