/*
 * fwknop's packets as wishes, one for each port that is asked for. Invariant: what is offered is what the
 * configuration has: a packet opens ports of its block's services, and alters no address translation.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "daemon/classic_internal.h"

/* The clock may be set back by so much before a packet that was accepted could come again. */
#define REPLAY_MORE_MS (24ull * 3600 * 1000)

static bool is_carried(const struct config_fwknop *f, const struct sighting *s)
{
	if (s->proto == IPPROTO_UDP)
		return f->udp != 0 && s->dst_port == f->udp;
	if (s->proto == IPPROTO_TCP)
		return f->tcp != 0 && s->dst_port == f->tcp && s->payload.len > 0 &&
			(s->tcp_flags & SIGHTING_SYN) == 0;
	return f->icmp && (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6);
}

bool classic_fwknop_owns(const struct config_door *d, const struct sighting *s)
{
	for (size_t i = 0; i < d->fwknop_count; i++)
		if (is_carried(&d->fwknops[i], s))
			return true;
	return false;
}

static enum fwknop_carrier carrier_of(const struct sighting *s)
{
	return s->proto == IPPROTO_UDP    ? FWKNOP_BY_UDP
		: s->proto == IPPROTO_TCP ? FWKNOP_BY_TCP
					  : FWKNOP_BY_ICMP;
}

/* The blocks that this packet may be for, in their order. Returns how many. */
static size_t pick_keys(const struct classic_moment *m, struct fwknop_key *keys[CONFIG_FWKNOPS_MAX],
	size_t blocks[CONFIG_FWKNOPS_MAX])
{
	const struct config_door *c = m->door->config;
	size_t n = 0;
	for (size_t i = 0; i < c->fwknop_count && n < CONFIG_FWKNOPS_MAX; i++) {
		if (!is_carried(&c->fwknops[i], m->seen))
			continue;
		keys[n] = m->door->keys->fwknop[i];
		blocks[n++] = i;
	}
	return n;
}

/*
 * The service that is what the packet asks for. Translation is as the configuration has it (forward) or it is
 * not at all: inside the server the same port is no translation.
 */
static bool is_offered(
	const struct config_service *s, const struct fwknop_message *msg, uint16_t port)
{
	struct addr host;
	bool is_local =
		msg->type == FWKNOP_TYPE_LOCAL_NAT || msg->type == FWKNOP_TYPE_LOCAL_NAT_TIMEOUT;
	if (msg->nat_host[0] == '\0')
		return true;
	if (is_local && msg->nat_port == port && !config_is_forwarded(s))
		return true;
	return s->forward4.port == msg->nat_port && addr_parse(msg->nat_host, &host) &&
		addr_equal(&host, &s->forward4.addr);
}

static void wish_access(
	const struct classic_moment *m, size_t block, const struct fwknop_message *msg, size_t nth)
{
	const struct config_fwknop *c = &m->door->config->fwknops[block];
	const struct fwknop_access *a = &msg->accesses[nth];
	const struct config_service *s = a->proto == 0
		? NULL
		: classic_service(m->x->how.boot->config, &c->services, a->proto, a->port);
	struct judge_wish *w = classic_wish(m, &m->door->keys->fwknops[block], "fwknop");
	if (w == NULL)
		return;
	w->service = s;
	snprintf(w->asked_for, sizeof(w->asked_for), "%s-%u",
		a->proto == IPPROTO_TCP           ? "tcp"
			: a->proto == IPPROTO_UDP ? "udp"
						  : "other",
		(unsigned)a->port);
	w->asked_s = msg->timeout_s;
	w->has_address = !addr_is_zero(&msg->address);
	w->address = msg->address;
	w->is_third_party = c->third_party;
	w->is_refused = s != NULL && !is_offered(s, msg, a->port);
	snprintf(w->flaw, sizeof(w->flaw), "no service is forwarded as the packet asks for");
	classic_replay_key(
		"fwknop", span_of(NULL, 0), SPAN_OF(msg->replay), (unsigned)nth, w->replay_key);
	w->is_once = true;
	w->replay_until_ms = m->wall_ms + 2000ull * c->max_age_s + REPLAY_MORE_MS;
}

/* One service is opened once, whichever of its ports are asked for, and however often. */
static bool is_again(const struct classic_moment *m, const struct config_list *services,
	const struct fwknop_message *msg, size_t nth)
{
	const struct config *c = m->x->how.boot->config;
	const struct fwknop_access *a = &msg->accesses[nth];
	const struct config_service *s = classic_service(c, services, a->proto, a->port);
	for (size_t i = 0; s != NULL && i < nth; i++)
		if (classic_service(c, services, msg->accesses[i].proto, msg->accesses[i].port) ==
			s)
			return true;
	return false;
}

void classic_fwknop_seen(const struct classic_moment *m)
{
	struct classic *x = m->x;
	struct fwknop_key *keys[CONFIG_FWKNOPS_MAX];
	size_t blocks[CONFIG_FWKNOPS_MAX];
	struct fwknop_message msg;
	uint8_t source[16], replay_key[STORE_REPLAY_KEY_LEN];
	enum fwknop_reject r = fwknop_text_take(carrier_of(m->seen), m->seen->payload, &x->text);
	if (r != FWKNOP_OK) {
		x->counts.fwknop[r]++;
		return;
	}
	x->counts.texts++;
	limiter_source_key(&m->seen->src, source);
	if (!x->how.is_offline && !limiter_take(x->texts, source, m->mono_ms)) {
		x->counts.rate++;
		return;
	}
	size_t n = pick_keys(m, keys, blocks);
	r = fwknop_read(keys, n, &x->text, m->wall_ms / 1000, &msg);
	x->counts.fwknop[r]++;
	if (r != FWKNOP_OK)
		return;
	classic_replay_key("fwknop", span_of(NULL, 0), SPAN_OF(msg.replay), 0, replay_key);
	if (classic_is_replay(x, replay_key)) {
		x->counts.replay[CLASSIC_REPLAY_FWKNOP]++;
		return;
	}
	size_t block = blocks[msg.key];
	for (size_t i = 0; i < msg.access_count; i++)
		if (!is_again(m, &m->door->config->fwknops[block].services, &msg, i))
			wish_access(m, block, &msg, i);
}
