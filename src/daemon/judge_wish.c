/*
 * What a classic knock asks for, judged like any other request. Invariant: nothing of it is ever answered, and
 * it gives its owner nothing that a knock with the key of his line in the directory would not give.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "daemon/judge.h"

static enum judge_outcome refuse(struct judge_case *c, const char *reason, const char *flaw)
{
	c->status = SPA_STATUS_DENIED;
	c->reason = reason;
	snprintf(c->flaw, sizeof(c->flaw), "%s", flaw);
	return JUDGE_RECORD;
}

/*
 * A name has no key of its own: it has that of its line, or the next one once that has come into use, so
 * that its gates are one identity's whichever way it came.
 */
static void fill_who(const struct judge *j, const struct judge_wish *w, struct claim *claim)
{
	const struct directory_entry *e = w->entry;
	claim->name = *w->name;
	claim->is_authenticated = true;
	claim->not_after_ms = UINT64_MAX;
	claim->entry = e;
	if (e == NULL)
		return;
	bool is_next =
		e->has_next && j->store != NULL && store_key_next_known(j->store, e->key_next) == 1;
	memcpy(claim->key_id, is_next ? e->key_next : e->key_id, sizeof(claim->key_id));
	claim->is_certified = e->is_certified_equivalent;
	claim->not_after_ms = e->expires_ms;
}

static void fill_case(const struct judge *j, const struct sighting *s, const struct judge_wish *w,
	struct judge_case *c)
{
	judge_begin(c, s);
	c->seen.payload = span_of(NULL, 0);
	c->is_silent = true;
	c->request = (struct spa_request){ .op = w->is_close ? SPA_CLOSE : SPA_OPEN };
	memcpy(c->scheme, w->scheme, sizeof(c->scheme));
	memcpy(c->replay_key, w->replay_key, sizeof(c->replay_key));
	c->replay_until_ms = w->replay_until_ms;
	c->has_counter = w->has_counter;
	memcpy(c->counter_id, w->counter_id, sizeof(c->counter_id));
	c->counter = w->counter;
	c->is_all = w->is_close && w->is_all;
	fill_who(j, w, &c->claim);
	c->claim.service = w->service;
	c->claim.asked_s = w->asked_s;
	c->claim.source = s->src;
	c->claim.source_bits = 128;
	snprintf(c->service, sizeof(c->service), "%s",
		w->service != NULL ? w->service->name : w->asked_for);
}

/* The address to be opened. True when it is settled. */
static bool settle_address(
	const struct judge_wish *w, struct judge_case *c, enum judge_outcome *ret)
{
	if (w->is_close)
		return true;
	if (!w->has_address) {
		if (w->service == NULL || w->service->bind != CONFIG_BIND_REQUIRED)
			return true;
		*ret = refuse(
			c, "bind", "the service needs an address that is said inside the knock");
		return false;
	}
	if (!addr_equal(&w->address, &c->seen.src) &&
		(!w->is_third_party || !addr_is_host(&w->address))) {
		*ret = refuse(c, "address", "the knock names another address than its source");
		return false;
	}
	c->claim.source = w->address;
	return true;
}

/*
 * Each scheme of a name has a rate of its own: what a stranger can repeat, a known sequence of ports, must not
 * use up the rate of what only the owner can make. Whom the directory does not list shares one with all
 * like him: each refusal is a line.
 */
static bool take_rate(
	struct judge *j, const struct judge_wish *w, const struct judge_case *c, uint64_t mono_ms)
{
	uint8_t key[16] = { 0 };
	if (w->entry != NULL)
		crypto_generichash(key, sizeof(key), (const uint8_t *)w->scheme, strlen(w->scheme),
			c->claim.key_id, sizeof(c->claim.key_id));
	return limiter_take(j->identity, key, mono_ms);
}

enum judge_outcome judge_wish(struct judge *j, const struct sighting *s, const struct judge_wish *w,
	uint64_t wall_ms, uint64_t mono_ms, struct judge_case *c)
{
	enum judge_outcome o = JUDGE_RECORD;
	fill_case(j, s, w, c);
	if (!j->is_offline && !take_rate(j, w, c, mono_ms)) {
		c->drop = JUDGE_DROP_IDENTITY_RATE;
		c->status = SPA_STATUS_LIMIT;
		c->reason = judge_drop_name(JUDGE_DROP_IDENTITY_RATE);
		/* Whoever saw it must not have it for himself a moment later. */
		return w->is_once ? JUDGE_RECORD : JUDGE_IGNORE;
	}
	if (w->entry == NULL)
		return refuse(c, policy_reason_name(POLICY_KEY_CHECK),
			"the directory does not list this name");
	if (w->entry->key == DIRECTORY_SK_ED25519)
		return refuse(c, "token",
			"the directory has a token for this name, which such a knock cannot show");
	if (w->is_refused)
		return refuse(c, "not-offered", w->flaw);
	if (c->is_all) {
		c->status = SPA_STATUS_OK;
		c->reason = "close";
		return JUDGE_CLOSE;
	}
	if (!settle_address(w, c, &o))
		return o;
	return judge_decide(j, c, wall_ms);
}
