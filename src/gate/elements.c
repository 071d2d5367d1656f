/*
 * Orders as set and map elements. A key of several fields pads each to four bytes; addresses and ports
 * are in network order, marks in the machine's. To set an element is to take it away, whether it is there or
 * not, and to add it: adding alone renews no time-out before Linux 6.12 and never refills a spent ticket.
 */

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "gate/internal.h"

/* Below one tick of the slowest kernel clock (10 ms) a time-out would be rounded down to "none". */
#define TIMEOUT_MIN_MS 20

/* NFT_MSG_DESTROYSETELEM, not in the headers of older systems */
#define DESTROY_SET_ELEMENT 30

struct element {
	const char *set;
	uint8_t key[24];
	uint16_t key_len;
	uint64_t timeout_ms;  /* 0: none given */
	const uint32_t *mark; /* the value, in a map */
};

/* addr . proto . port, padded */
static struct element keyed(const char *v4, const char *v6, const struct gate_order *o)
{
	struct element e = { .timeout_ms = o->wait_ms };
	uint16_t port = htons(o->port);
	if (addr_is_v4(&o->addr)) {
		e.set = v4;
		memcpy(e.key, o->addr.b + 12, 4);
		e.key_len = 4;
	} else {
		e.set = v6;
		memcpy(e.key, o->addr.b, 16);
		e.key_len = 16;
	}
	e.key[e.key_len] = o->proto;
	memcpy(e.key + e.key_len + 4, &port, sizeof(port));
	e.key_len = (uint16_t)(e.key_len + 8);
	return e;
}

static struct element ticket(const struct gate_order *o, enum gate_kind kind)
{
	return kind == GATE_ONCE ? keyed("once4", "once6", o) : keyed("window4", "window6", o);
}

static struct element marking(const struct gate_order *o)
{
	struct element e = keyed("mark4", "mark6", o);
	e.mark = &o->mark;
	return e;
}

static struct element lease(const struct gate_order *o)
{
	struct element e = { .set = "lease", .key_len = 4, .timeout_ms = o->lease_ms };
	memcpy(e.key, &o->mark, sizeof(o->mark));
	return e;
}

static void put_value(struct nlmsghdr *h, uint16_t type, const void *data, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);
	mnl_attr_put(h, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(h, nest);
}

static void put_element(struct nlmsghdr *h, const struct element *e, uint64_t timeout_ms)
{
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	put_value(h, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	if (timeout_ms != 0)
		mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	if (e->mark != NULL)
		put_value(h, NFTA_SET_ELEM_DATA, e->mark, sizeof(*e->mark));
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
	put_element(h, e, timeout_ms);
	mnl_attr_nest_end(h, list);
}

static void add(struct gate_nl *nl, const struct element *e)
{
	put(nl, NFT_MSG_NEWSETELEM, e,
		e->timeout_ms < TIMEOUT_MIN_MS ? TIMEOUT_MIN_MS : e->timeout_ms);
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

static struct element element_at(const struct gate_order *o, enum gate_place place)
{
	switch (place) {
	case GATE_IN_TICKETS:
		return ticket(o, o->kind);
	case GATE_IN_OTHER_TICKETS:
		return ticket(o, o->kind == GATE_ONCE ? GATE_WINDOW : GATE_ONCE);
	case GATE_IN_MARKS:
		return marking(o);
	case GATE_IN_LEASES:
		break;
	}
	return lease(o);
}

void gate_elements_remove(struct gate_nl *nl, const struct gate_order *o, enum gate_place place)
{
	struct element e = element_at(o, place);
	drop(nl, &e);
}

/* In the order lease, mark, ticket, so that nothing is open before it has a mark and a lease. */
static void put_open(struct gate_nl *nl, const struct gate_order *o, enum gate_how how)
{
	struct element l = lease(o);
	struct element m = marking(o);
	struct element t = element_at(o, GATE_IN_TICKETS);
	struct element other = element_at(o, GATE_IN_OTHER_TICKETS);

	set(nl, &l, how);
	if (how == GATE_ALONE) {
		add(nl, &m);
	} else {
		set(nl, &m, how);
		clear(nl, &other, how);
	}
	set(nl, &t, how);
}

void gate_elements_order(struct gate_nl *nl, const struct gate_order *o, enum gate_how how)
{
	struct element t = element_at(o, GATE_IN_TICKETS);
	struct element m = element_at(o, GATE_IN_MARKS);
	struct element l = element_at(o, GATE_IN_LEASES);

	switch (o->verb) {
	case GATE_OPEN:
		put_open(nl, o, how);
		break;
	case GATE_CLOSE:
		clear(nl, &t, how);
		clear(nl, &m, how);
		break;
	case GATE_CUT:
		clear(nl, &l, how);
		break;
	case GATE_LEASE:
		set(nl, &l, how);
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

/* Elements of one message from here on; the sets hold at most CONFIG_SERVICES_MAX. */
static void guard_service(struct nlmsghdr *h, const struct config_service *s)
{
	struct element e = { .key_len = 8 };
	uint16_t port = htons(s->port);
	e.key[0] = s->proto;
	memcpy(e.key + 4, &port, sizeof(port));
	put_element(h, &e, 0);
}

static void guard_services(struct gate_nl *nl, const struct config *c)
{
	message(nl, NFT_MSG_DELSETELEM, "guarded");
	if (c->service_count == 0)
		return;
	struct nlmsghdr *h = message(nl, NFT_MSG_NEWSETELEM, "guarded");
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < c->service_count; i++)
		guard_service(h, &c->services[i]);
	mnl_attr_nest_end(h, list);
}

static void silence_knock_ports(struct gate_nl *nl, const struct config *c)
{
	message(nl, NFT_MSG_DELSETELEM, "knock");
	for (size_t i = 0; i < c->door_count; i++) {
		if (!c->doors[i].spa.is_on)
			continue;
		struct element e = { .set = "knock", .key_len = 2 };
		uint16_t port = htons(c->doors[i].spa.port);
		memcpy(e.key, &port, sizeof(port));
		put(nl, NFT_MSG_NEWSETELEM, &e, 0);
	}
}

void gate_elements_guard(struct gate_nl *nl, const struct config *c)
{
	guard_services(nl, c);
	silence_knock_ports(nl, c);
}
