/*
 * The decision. It only refuses or grants, in the order of the rule; everything that is missing or not
 * understood refuses. Which list and entry decided is part of the answer.
 */

#include "policy/policy.h"

#include <string.h>

#include "policy/internal.h"

static const struct {
	const char *name, *text;
} reasons[POLICY_REASON_COUNT] = {
	[POLICY_GRANT] = { "grant", "granted" },
	[POLICY_NOT_AUTHENTICATED] = { "not-authenticated", "nobody's signature was verified" },
	[POLICY_LOCKED] = { "locked", "the identity is locked out" },
	[POLICY_DISABLED] = { "disabled", "the identity is disabled in the directory" },
	[POLICY_REVOKED] = { "revoked", "a certificate of the identity was revoked" },
	[POLICY_NO_CRL] = { "no-crl",
		"the revocation list of a certifier above the identity is missing or too old" },
	[POLICY_NOT_YET] = { "not-yet", "a certificate of the identity is not valid yet" },
	[POLICY_EXPIRED] = { "expired", "the identity has expired" },
	[POLICY_SUPERSEDED] = { "superseded",
		"the key that follows this one was used already, which ended this one" },
	[POLICY_KEY_CHECK] = { "key-check", "the directory does not list this name with this key" },
	[POLICY_FROM] = { "from", "the identity may not come from this address" },
	[POLICY_UNKNOWN_SERVICE] = { "unknown-service", "there is no such service" },
	[POLICY_DENY_SERVICE] = { "deny-service", "the service denies it" },
	[POLICY_DENY_SERVER] = { "deny-server", "the server denies it" },
	[POLICY_DENY_DOOR] = { "deny-door", "the door denies it" },
	[POLICY_NOT_ALLOWED_SERVICE] = { "not-allowed-service", "the service does not allow it" },
	[POLICY_NOT_ALLOWED_SERVER] = { "not-allowed-server", "the server does not allow it" },
	[POLICY_NOT_ALLOWED_DOOR] = { "not-allowed-door", "the door does not allow it" },
	[POLICY_NO_LIST] = { "no-list", "the service has no allow list" },
};

const char *policy_reason_name(enum policy_reason r)
{
	return r < POLICY_REASON_COUNT ? reasons[r].name : "unknown";
}

const char *policy_reason_text(enum policy_reason r)
{
	return r < POLICY_REASON_COUNT ? reasons[r].text : "for an unknown reason";
}

static struct verdict decided(enum policy_reason reason)
{
	return (struct verdict){
		.reason = reason, .list = "", .entry = "", .text = policy_reason_text(reason)
	};
}

static bool has_key(const struct directory_entry *e, const uint8_t key_id[32])
{
	return memcmp(e->key_id, key_id, sizeof(e->key_id)) == 0 ||
		(e->has_next && memcmp(e->key_next, key_id, sizeof(e->key_next)) == 0);
}

const struct directory_entry *policy_listed(const struct claim *c)
{
	const struct directory_entry *e = c->entry;
	return e != NULL && has_key(e, c->key_id) && name_equal(&e->name, &c->name) ? e : NULL;
}

enum policy_key_match policy_key_match(const struct policy *p, const struct claim *c)
{
	if (policy_listed(c) != NULL)
		return POLICY_KEY_MATCHES;
	return directory_find_name(p->directory, &c->name) != NULL ? POLICY_KEY_DIFFERS
								   : POLICY_KEY_UNLISTED;
}

/* Does a setting of off, listed or all cover such a mismatch? */
static bool is_covered(enum config_key_check setting, enum policy_key_match m)
{
	switch (setting) {
	case CONFIG_KEY_CHECK_OFF:
		return false;
	case CONFIG_KEY_CHECK_LISTED:
		/* Names that have an entry must show its key; others are outsiders and may go on. */
		return m == POLICY_KEY_DIFFERS;
	case CONFIG_KEY_CHECK_ALL:
		break;
	}
	return m != POLICY_KEY_MATCHES;
}

bool policy_key_match_is_logged(const struct policy *p, enum policy_key_match m)
{
	return is_covered(p->config->server.key_check_log, m);
}

static bool covers(const struct directory_entry *e, const struct claim *c)
{
	uint8_t bits = c->source_bits != 0 ? c->source_bits : 128;
	if (e->from_count == 0)
		return true;
	for (size_t i = 0; i < e->from_count && i < DIRECTORY_FROM_MAX; i++)
		if (e->from[i].bits <= bits && prefix_contains(&e->from[i], &c->source))
			return true;
	return false;
}

uint64_t policy_end_ms(const struct claim *claim)
{
	uint64_t end = claim->not_after_ms;
	if (claim->entry != NULL && claim->entry->expires_ms < end)
		end = claim->entry->expires_ms;
	return end;
}

uint32_t policy_identity_refusals(const struct policy *p, const struct claim *c, uint64_t wall_ms)
{
	const struct directory_entry *e = c->entry;
	const struct {
		bool is_so;
		enum policy_reason reason;
	} checks[] = {
		{ !c->is_authenticated, POLICY_NOT_AUTHENTICATED },
		{ c->is_locked_out || (e != NULL && e->is_locked), POLICY_LOCKED },
		{ e != NULL && e->is_disabled, POLICY_DISABLED },
		{ c->is_revoked, POLICY_REVOKED },
		{ c->lacks_crl, POLICY_NO_CRL },
		{ c->is_not_yet, POLICY_NOT_YET },
		{ policy_end_ms(c) <= wall_ms, POLICY_EXPIRED },
		{ c->is_superseded, POLICY_SUPERSEDED },
		{ is_covered(p->config->server.key_check, policy_key_match(p, c)),
			POLICY_KEY_CHECK },
		{ e != NULL && !covers(e, c), POLICY_FROM },
	};
	uint32_t refusals = 0;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i].is_so)
			refusals |= UINT32_C(1) << checks[i].reason;
	return refusals;
}

/* The first of several reasons. A lock-out and a locked line are one reason with two sentences. */
static struct verdict refused_by(uint32_t refusals, const struct claim *c)
{
	unsigned reason = 0;
	while ((refusals >> reason & 1) == 0)
		reason++;
	struct verdict v = decided((enum policy_reason)reason);
	if (v.reason == POLICY_LOCKED && c->is_locked_out)
		v.text = "the administrator locked this name out";
	return v;
}

static struct verdict decided_by(
	enum policy_reason reason, const struct policy_list *l, uint32_t entry)
{
	struct verdict v = decided(reason);
	v.list = l->label;
	if (entry != POLICY_NONE)
		v.entry = l->source->items[entry].text;
	return v;
}

/* The same reasons, in words that fit what was asked for. */
static const char *action_text(enum policy_reason r)
{
	if (r == POLICY_UNKNOWN_SERVICE)
		return "there is no such action";
	if (r == POLICY_DENY_SERVICE)
		return "the action denies it";
	if (r == POLICY_NOT_ALLOWED_SERVICE)
		return "the action does not allow it";
	return policy_reason_text(r);
}

/* Rules 2 to 4. */
static struct verdict check_lists(
	const struct policy *p, const struct policy_who *w, const struct policy_post *posts)
{
	for (size_t i = 0; i < POLICY_POSTS; i++) {
		uint32_t entry = policy_list_match(posts[i].deny, w);
		if (entry != POLICY_NONE)
			return decided_by(posts[i].denied, posts[i].deny, entry);
	}
	for (size_t i = 0; i < POLICY_POSTS; i++) {
		if (posts[i].allow->source->is_set &&
			policy_list_match(posts[i].allow, w) == POLICY_NONE)
			return decided_by(posts[i].not_allowed, posts[i].allow, POLICY_NONE);
	}
	const struct policy_list *own = posts[0].allow;
	if (own->source->is_set)
		return decided_by(POLICY_GRANT, own, policy_list_match(own, w));
	if (!p->config->server.compat_open_lists || posts[0].is_action)
		return decided_by(POLICY_NO_LIST, own, POLICY_NONE);
	return decided(POLICY_GRANT);
}

/* Rule 5. At least a second: the life was not over when the claim was checked. */
static uint32_t grant_s(const struct claim *c, uint64_t wall_ms)
{
	uint32_t s = c->service->wait_s;
	if (c->asked_s != 0 && c->asked_s < s)
		s = c->asked_s;
	uint64_t left_s = (policy_end_ms(c) - wall_ms) / 1000;
	if (left_s < s)
		s = left_s < 1 ? 1 : (uint32_t)left_s;
	return s;
}

/* Compared one by one: a service of another configuration, kept over a reload, is unknown here. */
static size_t service_index(const struct config *c, const struct config_service *s)
{
	size_t i = 0;
	while (i < c->service_count && &c->services[i] != s)
		i++;
	return i;
}

static size_t action_index(const struct config *c, const struct config_action *a)
{
	size_t i = 0;
	while (i < c->action_count && &c->actions[i] != a)
		i++;
	return i;
}

/* The lists of what is asked for; false when p has no such service or action. */
static bool first_post(const struct policy *p, const struct claim *c, struct policy_post *ret)
{
	size_t count = c->is_action ? p->config->action_count : p->config->service_count;
	size_t i = c->is_action ? action_index(p->config, c->action)
				: service_index(p->config, c->service);
	if (i == count)
		return false;
	const struct policy_list *(*list)(const struct policy *, size_t, int) =
		c->is_action ? policy_list_action : policy_list_service;
	*ret = (struct policy_post){ list(p, i, POLICY_ALLOW), list(p, i, POLICY_DENY),
		POLICY_DENY_SERVICE, POLICY_NOT_ALLOWED_SERVICE, c->is_action };
	return true;
}

enum policy_reason policy_posts(
	const struct policy *p, const struct claim *c, struct policy_post ret[POLICY_POSTS])
{
	if (!first_post(p, c, &ret[0]))
		return POLICY_UNKNOWN_SERVICE;
	if (c->door >= p->config->door_count)
		return POLICY_NOT_ALLOWED_DOOR;
	ret[1] = (struct policy_post){ policy_list_server(p, POLICY_ALLOW),
		policy_list_server(p, POLICY_DENY), POLICY_DENY_SERVER, POLICY_NOT_ALLOWED_SERVER,
		false };
	ret[2] = (struct policy_post){ policy_list_door(p, c->door, POLICY_ALLOW),
		policy_list_door(p, c->door, POLICY_DENY), POLICY_DENY_DOOR,
		POLICY_NOT_ALLOWED_DOOR, false };
	return POLICY_GRANT;
}

struct verdict policy_decide(const struct policy *p, const struct claim *claim, uint64_t wall_ms)
{
	const struct directory_entry *listed = policy_listed(claim);
	uint32_t refusals = policy_identity_refusals(p, claim, wall_ms);
	if (refusals != 0)
		return refused_by(refusals, claim);
	struct policy_post posts[POLICY_POSTS];
	enum policy_reason missing = policy_posts(p, claim, posts);
	if (missing != POLICY_GRANT) {
		struct verdict v = decided(missing);
		v.text = claim->is_action ? action_text(missing) : v.text;
		return v;
	}

	struct policy_who who;
	policy_who_init(&who, p, &claim->name, listed, claim->is_certified);
	struct verdict v = check_lists(p, &who, posts);
	if (claim->is_action)
		v.text = action_text(v.reason);
	else if (v.reason == POLICY_GRANT)
		v.granted_s = grant_s(claim, wall_ms);
	return v;
}
