/*
 * Orders as set and map elements. A key of several fields pads each to four bytes; addresses and ports
 * are in network order, marks in the machine's. To set an element is to take it away, whether it is there or
 * not, and to add it: adding alone renews no time-out before Linux 6.12 and never refills a spent ticket.
 */

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "gate/internal.h"

/* Below one tick of the slowest kernel clock (10 ms) a time-out would be rounded down to "none". */
#define TIMEOUT_MIN_MS 20

#define WEEK_S (7 * 24 * 3600)

/* Elements of one message: of the longest kind they take less than GATE_NL_MESSAGE_LEN. */
#define GUARD_CHUNK 256

/* NFT_MSG_DESTROYSETELEM, not in the headers of older systems */
#define DESTROY_SET_ELEMENT 30

struct element {
	char set[12];
	uint8_t key[28];
	uint16_t key_len;
	uint64_t timeout_ms;  /* 0: the set's own */
	uint16_t times;       /* packets that it admits; 0: as the set has it */
	const uint32_t *mark; /* the value, in a map */
};

static bool is_for_net(const struct gate_order *o)
{
	return o->bits != 0 && o->bits < 128;
}

/* The number that stands for a service, doc/design.md "Rule set". */
static uint32_t service_number(uint8_t proto, uint16_t port)
{
	return (uint32_t)proto << 16 | port;
}

static void put_key(struct element *e, const void *data, size_t len)
{
	memcpy(e->key + e->key_len, data, len);
	e->key_len = (uint16_t)(e->key_len + (len + 3) / 4 * 4);
}

static uint64_t at_least(uint64_t timeout_ms)
{
	return timeout_ms < TIMEOUT_MIN_MS ? TIMEOUT_MIN_MS : timeout_ms;
}

/* address . (source port .) place, padded, in the set of that name for such keys */
static struct element keyed(const char *set, const struct gate_order *o)
{
	struct element e = { .timeout_ms = at_least(o->wait_ms) };
	bool is_v4 = addr_is_v4(&o->addr);
	uint16_t source_port = htons(o->source_port);
	uint32_t place = service_number(o->proto, o->port);
	snprintf(e.set, sizeof(e.set), "%s%s%s", set, is_v4 ? "4" : "6",
		o->source_port != 0 ? "p" : "");
	put_key(&e, is_v4 ? o->addr.b + 12 : o->addr.b, is_v4 ? 4 : 16);
	if (o->source_port != 0)
		put_key(&e, &source_port, sizeof(source_port));
	put_key(&e, &place, sizeof(place));
	return e;
}

static struct element ticket(const struct gate_order *o, enum gate_kind kind)
{
	static const char *const names[] = {
		[GATE_ONCE] = "once", [GATE_WINDOW] = "window", [GATE_TIMES] = "times"
	};
	struct element e = keyed(names[kind], o);
	if (kind == GATE_TIMES)
		e.times = o->times;
	return e;
}

static struct element marking(const struct gate_order *o)
{
	struct element e = keyed(is_for_net(o) ? "net" : "mark", o);
	if (is_for_net(o))
		snprintf(e.set, sizeof(e.set), addr_is_v4(&o->addr) ? "net4_%u" : "net6_%u",
			addr_is_v4(&o->addr) ? o->bits - 96u : o->bits);
	e.mark = &o->mark;
	return e;
}

/* A mark in one of the sets of marks; 0: with the set's own time-out. */
static struct element marked(const char *set, const struct gate_order *o, uint64_t timeout_ms)
{
	struct element e = { .timeout_ms = timeout_ms };
	snprintf(e.set, sizeof(e.set), "%s", set);
	put_key(&e, &o->mark, sizeof(o->mark));
	return e;
}

static void put_value(struct nlmsghdr *h, uint16_t type, const void *data, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);
	mnl_attr_put(h, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(h, nest);
}

/*
 * So many packets, and one more a week: a gate is open for a day at most, so that never comes. The kernel
 * counts them under the element's own lock.
 */
static void put_limit(struct nlmsghdr *h, uint16_t packets)
{
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_SET_ELEM_EXPR);
	mnl_attr_put_strz(h, NFTA_EXPR_NAME, "limit");
	struct nlattr *data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
	mnl_attr_put_u64(h, NFTA_LIMIT_RATE, htobe64(1));
	mnl_attr_put_u64(h, NFTA_LIMIT_UNIT, htobe64(WEEK_S));
	mnl_attr_put_u32(h, NFTA_LIMIT_BURST, htonl(packets));
	mnl_attr_put_u32(h, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKTS));
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, nest);
}

static void put_element(
	struct nlmsghdr *h, const struct element *e, uint64_t timeout_ms, bool is_added)
{
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	put_value(h, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	if (timeout_ms != 0)
		mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	if (e->mark != NULL)
		put_value(h, NFTA_SET_ELEM_DATA, e->mark, sizeof(*e->mark));
	if (e->times != 0 && is_added)
		put_limit(h, e->times);
	mnl_attr_nest_end(h, nest);
}

static struct nlmsghdr *message(struct gate_nl *nl, uint16_t type, const char *set)
{
	struct nlmsghdr *h =
		gate_nl_message(nl, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	return h;
}

static void put(struct gate_nl *nl, uint16_t type, const struct element *e, uint64_t timeout_ms)
{
	struct nlmsghdr *h = message(nl, type, e->set);
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_element(h, e, timeout_ms, type == NFT_MSG_NEWSETELEM);
	mnl_attr_nest_end(h, list);
}

static void add(struct gate_nl *nl, const struct element *e)
{
	put(nl, NFT_MSG_NEWSETELEM, e, e->timeout_ms);
}

static void drop(struct gate_nl *nl, const struct element *e)
{
	put(nl, NFT_MSG_DELSETELEM, e, 0);
}

/* Added first, the element is there to be deleted, and a batch is not broken by one that was not. */
static void clear(struct gate_nl *nl, const struct element *e, enum gate_how how)
{
	if (how == GATE_DESTROY) {
		put(nl, DESTROY_SET_ELEMENT, e, 0);
		return;
	}
	add(nl, e);
	drop(nl, e);
}

static void set(struct gate_nl *nl, const struct element *e, enum gate_how how)
{
	clear(nl, e, how);
	add(nl, e);
}

static bool is_ticket(enum gate_place place)
{
	return place == GATE_IN_ONCE || place == GATE_IN_WINDOW || place == GATE_IN_TIMES;
}

static enum gate_place tickets_of(enum gate_kind kind)
{
	return kind == GATE_ONCE      ? GATE_IN_ONCE
		: kind == GATE_WINDOW ? GATE_IN_WINDOW
				      : GATE_IN_TIMES;
}

static struct element element_at(const struct gate_order *o, enum gate_place place)
{
	switch (place) {
	case GATE_IN_ONCE:
		return ticket(o, GATE_ONCE);
	case GATE_IN_WINDOW:
		return ticket(o, GATE_WINDOW);
	case GATE_IN_TIMES:
		return ticket(o, GATE_TIMES);
	case GATE_IN_MARKS:
		return marking(o);
	case GATE_IN_KEPT:
		return marked("kept", o, 0);
	case GATE_IN_ENDED:
		return marked("ended", o, 0);
	case GATE_IN_LEASES:
	case GATE_PLACE_COUNT:
		break;
	}
	return marked("lease", o, at_least(o->lease_ms));
}

/* Marks come round again: of the other kind of lease nothing may be left. */
static bool is_other_lease(const struct gate_order *o, enum gate_place place)
{
	if (o->lease_ms != GATE_LEASE_NONE)
		return place == GATE_IN_KEPT;
	return place == GATE_IN_LEASES || place == GATE_IN_ENDED;
}

bool gate_elements_obstacle(const struct gate_order *o, enum gate_place place)
{
	switch (o->verb) {
	case GATE_OPEN:
		if (is_ticket(place))
			return !is_for_net(o) && place != tickets_of(o->kind);
		return place == GATE_IN_MARKS || is_other_lease(o, place);
	case GATE_CLOSE:
		return place == GATE_IN_MARKS || (is_ticket(place) && !is_for_net(o));
	case GATE_CUT:
		return place == GATE_IN_LEASES || place == GATE_IN_KEPT;
	case GATE_LEASE:
		break;
	}
	return is_other_lease(o, place);
}

void gate_elements_remove(struct gate_nl *nl, const struct gate_order *o, enum gate_place place)
{
	struct element e = element_at(o, place);
	drop(nl, &e);
}

void gate_elements_ask(struct gate_nl *nl, const struct gate_order *o, enum gate_place place)
{
	struct element e = element_at(o, place);
	gate_nl_begin(nl);
	put(nl, NFT_MSG_GETSETELEM, &e, 0);
}

static void set_at(
	struct gate_nl *nl, const struct gate_order *o, enum gate_place place, enum gate_how how)
{
	struct element e = element_at(o, place);
	set(nl, &e, how);
}

static void set_lease(struct gate_nl *nl, const struct gate_order *o, enum gate_how how)
{
	set_at(nl, o, o->lease_ms == GATE_LEASE_NONE ? GATE_IN_KEPT : GATE_IN_LEASES, how);
}

void gate_elements_order(struct gate_nl *nl, const struct gate_order *o, enum gate_how how)
{
	for (int p = 0; p < GATE_PLACE_COUNT && how != GATE_ALONE; p++) {
		struct element e = element_at(o, (enum gate_place)p);
		if (gate_elements_obstacle(o, (enum gate_place)p))
			clear(nl, &e, how);
	}
	struct element m = element_at(o, GATE_IN_MARKS);
	switch (o->verb) {
	case GATE_OPEN:
		/* In the order lease, mark, ticket: nothing is open before it has a mark and a lease. */
		set_lease(nl, o, how);
		add(nl, &m);
		if (!is_for_net(o))
			set_at(nl, o, tickets_of(o->kind), how);
		break;
	case GATE_CLOSE:
		break;
	case GATE_CUT:
		set_at(nl, o, GATE_IN_ENDED, how);
		break;
	case GATE_LEASE:
		set_lease(nl, o, how);
		break;
	}
}

int gate_elements_can_destroy(struct gate_nl *nl, bool *ret)
{
	const struct gate_order no_one = { .verb = GATE_CUT };
	int refusal;
	gate_nl_begin(nl);
	gate_elements_order(nl, &no_one, GATE_DESTROY);
	int rc = gate_nl_commit(nl, &refusal);
	if (rc == 0)
		*ret = refusal == 0;
	return rc;
}

/* One of the ports that c guards. */
struct port_walk {
	const struct config *config;
	size_t service;
	unsigned port; /* 0: the first of the service */
};

/* The next port as an element of guarded, or of place. False at the end. */
static bool next_port(struct port_walk *w, bool is_place, struct element *ret, uint32_t *place)
{
	if (w->service == w->config->service_count)
		return false;
	const struct config_service *s = &w->config->services[w->service];
	unsigned port = w->port != 0 ? w->port : s->port;
	uint16_t port_out = htons((uint16_t)port);
	*ret = (struct element){ .mark = is_place ? place : NULL };
	*place = service_number(s->proto, s->port);
	put_key(ret, &s->proto, sizeof(s->proto));
	put_key(ret, &port_out, sizeof(port_out));
	bool is_last = port == config_service_last_port(s);
	w->service += is_last ? 1 : 0;
	w->port = is_last ? 0 : port + 1;
	return true;
}

/* The configuration has CONFIG_PORTS_MAX ports at most, so that both sets fit one batch. */
static void fill_ports(struct gate_nl *nl, const struct config *c, const char *set)
{
	struct port_walk w = { .config = c };
	bool is_place = strcmp(set, "place") == 0;
	struct element e;
	uint32_t place = 0;

	message(nl, NFT_MSG_DELSETELEM, set);
	bool is_more = next_port(&w, is_place, &e, &place);
	while (is_more) {
		struct nlmsghdr *h = message(nl, NFT_MSG_NEWSETELEM, set);
		struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (size_t i = 0; i < GUARD_CHUNK && is_more; i++) {
			put_element(h, &e, 0, true);
			is_more = next_port(&w, is_place, &e, &place);
		}
		mnl_attr_nest_end(h, list);
	}
}

static void silence_port(struct gate_nl *nl, uint16_t port)
{
	struct element e = { .set = "knock", .key_len = 2 };
	uint16_t key = htons(port);
	memcpy(e.key, &key, sizeof(key)); /* alone in its key, it is not padded */
	put(nl, NFT_MSG_NEWSETELEM, &e, 0);
}

static void silence_knock_ports(struct gate_nl *nl, const struct config *c)
{
	message(nl, NFT_MSG_DELSETELEM, "knock");
	for (size_t i = 0; i < c->door_count; i++) {
		const struct config_door *d = &c->doors[i];
		if (d->spa.is_on)
			silence_port(nl, d->spa.port);
		for (size_t n = 0; n < d->fwknop_count; n++)
			if (d->fwknops[n].udp != 0)
				silence_port(nl, d->fwknops[n].udp);
	}
}

void gate_elements_guard(struct gate_nl *nl, const struct config *c)
{
	fill_ports(nl, c, "place");
	fill_ports(nl, c, "guarded");
	silence_knock_ports(nl, c);
}
