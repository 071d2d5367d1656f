/*
 * Orders to the kernel, and what it counted. Invariant: an order is either wholly in the kernel or not at
 * all, and doing it again changes nothing but its times, so whenever an answer was lost it is simply
 * given again.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#include "gate/internal.h"

/*
 * A ticket that was spent stays in its hash chain until the kernel's collection, up to a second. Whoever
 * asks for the same gate again and again within that second makes the chain so long that the kernel
 * rehashes the set, and until that is done it refuses with EBUSY. Being refused takes it milliseconds,
 * so there is no need to sleep in between.
 */
#define BUSY_TRIES 32

/* Addresses of IPv4 have 96 bits in front. */
static bool is_sound_prefix(const struct gate_order *o)
{
	unsigned bits = o->bits == 0 ? 128 : o->bits;
	const struct prefix p = { .addr = o->addr, .bits = (uint8_t)bits };
	if (bits == 128)
		return true;
	return bits > (addr_is_v4(&o->addr) ? 96 : 0) && bits < 128 && o->kind == GATE_WINDOW &&
		o->source_port == 0 && prefix_contains(&p, &o->addr);
}

static bool is_sound_kind(const struct gate_order *o)
{
	if (o->kind == GATE_TIMES)
		return o->times >= 2 && o->times <= GATE_TIMES_MAX;
	return o->kind == GATE_ONCE || o->kind == GATE_WINDOW;
}

/* A time-out of 0 would mean "for ever", and mark 0 is every connection that never had one. */
static int check(const struct gate_order *o)
{
	switch (o->verb) {
	case GATE_OPEN:
		if (o->mark == 0 || o->wait_ms == 0 || o->lease_ms == 0 || !is_sound_kind(o))
			return -EINVAL;
		break;
	case GATE_CUT:
		return o->mark == 0 ? -EINVAL : 0;
	case GATE_LEASE:
		return o->mark == 0 || o->lease_ms == 0 ? -EINVAL : 0;
	case GATE_CLOSE:
		break;
	default:
		return -EINVAL;
	}
	if (o->port == 0 || (o->proto != IPPROTO_TCP && o->proto != IPPROTO_UDP))
		return -EINVAL;
	return is_sound_prefix(o) ? 0 : -EINVAL;
}

/* Remove one element, in a batch of its own: absent is fine. */
static int remove_one(
	struct gate *g, const struct gate_order *o, enum gate_place place, int *result)
{
	int refusal;
	gate_nl_begin(&g->nl);
	gate_elements_remove(&g->nl, o, place);
	int rc = gate_nl_commit(&g->nl, &refusal);
	if (rc == 0 && *result == 0 && refusal != -ENOENT)
		*result = refusal;
	return rc;
}

/*
 * One order by itself, where the kernel has only add-then-delete: here with plain removals, which also
 * work on a set that is full and on a mark of another value.
 */
static int apply_plainly(struct gate *g, const struct gate_order *o, int *result)
{
	for (int p = 0; p < GATE_PLACE_COUNT; p++) {
		if (!gate_elements_obstacle(o, (enum gate_place)p))
			continue;
		int rc = remove_one(g, o, (enum gate_place)p, result);
		if (rc < 0)
			return rc;
	}
	if (*result < 0 || o->verb == GATE_CLOSE)
		return 0;
	gate_nl_begin(&g->nl);
	gate_elements_order(&g->nl, o, GATE_ALONE);
	return gate_nl_commit(&g->nl, result);
}

static int apply_one(struct gate *g, const struct gate_order *o, int *result, enum gate_how how)
{
	int rc = 0;
	*result = -EBUSY;
	for (int i = 0; i < BUSY_TRIES && rc == 0 && *result == -EBUSY; i++) {
		*result = 0;
		if (how != GATE_DESTROY) {
			rc = apply_plainly(g, o, result);
			continue;
		}
		gate_nl_begin(&g->nl);
		gate_elements_order(&g->nl, o, how);
		rc = gate_nl_commit(&g->nl, result);
	}
	return rc;
}

/* Everything in one transaction. 0 or -errno, the kernel's or the socket's; then nothing was done. */
static int apply_all(
	struct gate *g, const struct gate_order *orders, size_t n, int *results, enum gate_how how)
{
	int refusal = 0;
	size_t good = 0;

	gate_nl_begin(&g->nl);
	for (size_t i = 0; i < n; i++) {
		results[i] = check(&orders[i]);
		if (results[i] < 0)
			continue;
		gate_elements_order(&g->nl, &orders[i], how);
		good++;
	}
	if (good == 0)
		return 0;
	int rc = gate_nl_commit(&g->nl, &refusal);
	return rc < 0 ? rc : refusal;
}

int gate_apply_how(
	struct gate *g, const struct gate_order *orders, size_t n, int *results, enum gate_how how)
{
	int rc = -EBUSY;
	/* Kernels without GATE_DESTROY may also mean a mark of another value, where trying is no use. */
	int tries = how == GATE_DESTROY ? BUSY_TRIES : 1;

	assert(n <= GATE_BATCH_MAX);
	for (int i = 0; i < tries && rc == -EBUSY; i++)
		rc = apply_all(g, orders, n, results, how);
	if (rc == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (results[i] < 0)
			continue;
		rc = apply_one(g, &orders[i], &results[i], how);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int gate_apply(struct gate *g, const struct gate_order *orders, size_t n, int *results)
{
	return gate_apply_how(g, orders, n, results, g->how);
}

static void note_answer(void *arg, const struct nlmsghdr *h)
{
	(void)arg;
	(void)h;
}

int gate_is_kept(struct gate *g, uint32_t mark)
{
	const struct gate_order o = {
		.verb = GATE_LEASE, .mark = mark, .lease_ms = GATE_LEASE_NONE
	};
	int refusal = 0;
	gate_elements_ask(&g->nl, &o, GATE_IN_KEPT);
	int rc = gate_nl_ask(&g->nl, note_answer, NULL, &refusal);
	return rc < 0 ? rc : refusal;
}

static int read_packets(const struct nlattr *attr, void *arg)
{
	uint64_t *ret = arg;
	if (mnl_attr_get_type(attr) == NFTA_COUNTER_PACKETS &&
		mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
		*ret = be64toh(mnl_attr_get_u64(attr));
	return MNL_CB_OK;
}

static int read_data(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == NFTA_OBJ_DATA)
		return mnl_attr_parse_nested(attr, read_packets, arg);
	return MNL_CB_OK;
}

static void read_counter(void *arg, const struct nlmsghdr *h)
{
	mnl_attr_parse(h, sizeof(struct nfgenmsg), read_data, arg);
}

static int read_one(struct gate *g, const char *name, uint64_t *ret)
{
	int refusal;
	gate_nl_begin(&g->nl);
	struct nlmsghdr *h = gate_nl_message(&g->nl, NFT_MSG_GETOBJ, 0);
	mnl_attr_put_strz(h, NFTA_OBJ_TABLE, GATE_TABLE);
	mnl_attr_put_strz(h, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	int rc = gate_nl_ask(&g->nl, read_counter, ret, &refusal);
	return rc < 0 ? rc : refusal;
}

int gate_counts(struct gate *g, struct gate_counts *ret)
{
	struct gate_counts n = { 0 };
	uint64_t locked = 0;
	int rc = read_one(g, "c_open", &n.opened);
	if (rc == 0)
		rc = read_one(g, "c_drop", &n.dropped);
	if (rc == 0)
		rc = read_one(g, "c_locked", &locked);
	n.dropped += locked;
	if (rc == 0)
		rc = read_one(g, "c_cut", &n.cut);
	if (rc == 0)
		*ret = n;
	return rc;
}
