/*
 * From the blocks of a door to what its capture must show. Invariant: a door with spa alone asks for
 * datagrams to one port and for nothing else.
 */

#include "daemon/door_want.h"

#include <netinet/in.h>

static void add_port(uint16_t ports[CAPTURE_PORTS_MAX], uint16_t port)
{
	size_t i = 0;
	if (port == 0)
		return;
	while (i < CAPTURE_PORTS_MAX && ports[i] != 0 && ports[i] != port)
		i++;
	if (i < CAPTURE_PORTS_MAX)
		ports[i] = port;
}

bool door_wants_attempts(const struct config_door *d)
{
	return d->sequence_count > 0 || d->structured_count > 0 || d->cipher_count > 0 ||
		d->tagged.is_on;
}

/* What a one-time file will ask for is not known before its lines are read. */
static bool has_udp_step(const struct config_sequence *s)
{
	if (s->one_time != NULL)
		return true;
	for (size_t i = 0; i < s->step_count; i++)
		if (s->steps[i].proto == IPPROTO_UDP)
			return true;
	return false;
}

struct capture_want door_want(const struct config_door *d)
{
	struct capture_want w = { .syns = door_wants_attempts(d) };
	if (d->spa.is_on)
		add_port(w.udp, d->spa.port);
	for (size_t i = 0; i < d->fwknop_count; i++) {
		add_port(w.udp, d->fwknops[i].udp);
		add_port(w.tcp_data, d->fwknops[i].tcp);
		w.icmp = w.icmp || d->fwknops[i].icmp;
	}
	for (size_t i = 0; i < d->sequence_count; i++)
		w.all_udp = w.all_udp || has_udp_step(&d->sequences[i]);
	return w;
}
