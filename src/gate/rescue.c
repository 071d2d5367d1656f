/*
 * The dead-man's switch. What keeps the rescuers out is one element with a time-out; nothing has to be
 * done, and nobody has to live, to let them in. Invariant: it is renewed only when somebody says so.
 */

#include <string.h>

#include "gate/internal.h"

static struct gate_fixture alive(const struct config_rescue *r)
{
	struct gate_fixture x = { .set = "alive", .timeout_ms = r->after_s * 1000ull };
	x.key_len = gate_fixture_endpoint(x.key, 0, &r->to);
	return x;
}

/* The first and the last address of a prefix, each with protocol and port. */
static struct gate_fixture rescuer(const struct prefix *p, const struct config_endpoint *to)
{
	bool is_v4 = addr_is_v4(&p->addr) && p->bits >= 96;
	struct gate_fixture x = { .set = is_v4 ? "rescue4" : "rescue6", .is_range = true };
	struct addr last = p->addr;
	for (unsigned bit = p->bits; bit < 128; bit++)
		last.b[bit / 8] = (uint8_t)(last.b[bit / 8] | 0x80u >> bit % 8);
	uint16_t len = is_v4 ? 4 : 16;
	memcpy(x.key, p->addr.b + 16 - len, len);
	memcpy(x.key_end, last.b + 16 - len, len);
	x.key_len = gate_fixture_endpoint(x.key, len, to);
	gate_fixture_endpoint(x.key_end, len, to);
	return x;
}

static struct gate_fixture place(const struct config_rescue *r)
{
	struct gate_fixture x = { .set = "rescue_at" };
	x.key_len = gate_fixture_endpoint(x.key, 0, &r->to);
	return x;
}

static int commit(struct gate *g)
{
	int refusal;
	int rc = gate_nl_commit(&g->nl, &refusal);
	return rc < 0 ? rc : refusal;
}

int gate_rescue(struct gate *g, const struct config *c, bool was_well)
{
	const struct config_rescue *r = &c->rescue;

	gate_nl_begin(&g->nl);
	gate_fixture_flush(&g->nl, "rescue4");
	gate_fixture_flush(&g->nl, "rescue6");
	gate_fixture_flush(&g->nl, "rescue_at");
	if (r->is_on && (was_well || g->is_made)) {
		struct gate_fixture x = alive(r);
		gate_fixture_renew(&g->nl, &x, g->how);
	}
	if (r->is_on) {
		struct gate_fixture x = place(r);
		gate_fixture_add(&g->nl, &x);
	}
	for (size_t i = 0; r->is_on && i < r->prefix_count; i++) {
		struct gate_fixture x = rescuer(&r->prefixes[i], &r->to);
		gate_fixture_add(&g->nl, &x);
	}
	return commit(g);
}

int gate_keep_alive(struct gate *g, const struct config *c)
{
	struct gate_fixture x = alive(&c->rescue);
	gate_nl_begin(&g->nl);
	gate_fixture_renew(&g->nl, &x, g->how);
	return commit(g);
}
