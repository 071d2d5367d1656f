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

static struct verdict refuse(enum policy_reason reason)
{
	return (struct verdict){ .reason = reason, .list = "", .entry = "" };
}

static bool has_key(const struct directory_entry *e, const uint8_t key_id[32])
{
	return memcmp(e->key_id, key_id, sizeof(e->key_id)) == 0 ||
		(e->has_next && memcmp(e->key_next, key_id, sizeof(e->key_next)) == 0);
}

/* The claim's entry when it lists this very name with this very key. */
static const struct directory_entry *listed_entry(const struct claim *c)
{
	const struct directory_entry *e = c->entry;
	return e != NULL && has_key(e, c->key_id) && name_equal(&e->name, &c->name) ? e : NULL;
}

enum policy_key_match policy_key_match(const struct policy *p, const struct claim *c)
{
	if (listed_entry(c) != NULL)
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

static bool covers(const struct directory_entry *e, const struct addr *source)
{
	if (e->from_count == 0)
		return true;
	for (size_t i = 0; i < e->from_count && i < DIRECTORY_FROM_MAX; i++)
		if (prefix_contains(&e->from[i], source))
			return true;
	return false;
}

static uint64_t end_of_life_ms(const struct claim *c)
{
	uint64_t end = c->not_after_ms;
	if (c->entry != NULL && c->entry->expires_ms < end)
		end = c->entry->expires_ms;
	return end;
}

/* Rule 1: what the identity alone decides. */
static enum policy_reason check_identity(
	const struct policy *p, const struct claim *c, uint64_t wall_ms)
{
	if (!c->is_authenticated)
		return POLICY_NOT_AUTHENTICATED;
	if (c->entry != NULL && c->entry->is_locked)
		return POLICY_LOCKED;
	if (c->entry != NULL && c->entry->is_disabled)
		return POLICY_DISABLED;
	if (c->is_revoked)
		return POLICY_REVOKED;
	if (c->lacks_crl)
		return POLICY_NO_CRL;
	if (c->is_not_yet)
		return POLICY_NOT_YET;
	if (end_of_life_ms(c) <= wall_ms)
		return POLICY_EXPIRED;
	if (is_covered(p->config->server.key_check, policy_key_match(p, c)))
		return POLICY_KEY_CHECK;
	if (c->entry != NULL && !covers(c->entry, &c->source))
		return POLICY_FROM;
	return POLICY_GRANT;
}

/* One place where lists stand. */
struct post {
	const struct policy_list *allow, *deny;
	enum policy_reason denied, not_allowed;
};

static struct verdict decided_by(
	enum policy_reason reason, const struct policy_list *l, uint32_t entry)
{
	struct verdict v = refuse(reason);
	v.list = l->label;
	if (entry != POLICY_NONE)
		v.entry = l->source->items[entry].text;
	return v;
}

/* Rules 2 to 4. */
static struct verdict check_lists(
	const struct policy *p, const struct policy_who *w, const struct post *posts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t entry = policy_list_match(posts[i].deny, w);
		if (entry != POLICY_NONE)
			return decided_by(posts[i].denied, posts[i].deny, entry);
	}
	for (size_t i = 0; i < count; i++) {
		if (posts[i].allow->source->is_set &&
			policy_list_match(posts[i].allow, w) == POLICY_NONE)
			return decided_by(posts[i].not_allowed, posts[i].allow, POLICY_NONE);
	}
	const struct policy_list *own = posts[0].allow;
	if (own->source->is_set)
		return decided_by(POLICY_GRANT, own, policy_list_match(own, w));
	if (!p->config->server.compat_open_lists)
		return decided_by(POLICY_NO_LIST, own, POLICY_NONE);
	return refuse(POLICY_GRANT);
}

/* Rule 5. At least a second: the life was not over when the claim was checked. */
static uint32_t grant_s(const struct claim *c, uint64_t wall_ms)
{
	uint32_t s = c->service->wait_s;
	if (c->asked_s != 0 && c->asked_s < s)
		s = c->asked_s;
	uint64_t left_s = (end_of_life_ms(c) - wall_ms) / 1000;
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

struct verdict policy_decide(const struct policy *p, const struct claim *claim, uint64_t wall_ms)
{
	const struct config *f = p->config;
	const struct directory_entry *listed = listed_entry(claim);
	enum policy_reason reason = check_identity(p, claim, wall_ms);
	if (reason != POLICY_GRANT)
		return refuse(reason);
	size_t service = service_index(f, claim->service);
	if (service == f->service_count)
		return refuse(POLICY_UNKNOWN_SERVICE);
	if (claim->door >= f->door_count)
		return refuse(POLICY_NOT_ALLOWED_DOOR);

	struct policy_who who;
	policy_who_init(&who, p, &claim->name, listed, claim->is_certified);
	const struct post posts[] = {
		{ policy_list_service(p, service, POLICY_ALLOW),
			policy_list_service(p, service, POLICY_DENY), POLICY_DENY_SERVICE,
			POLICY_NOT_ALLOWED_SERVICE },
		{ policy_list_server(p, POLICY_ALLOW), policy_list_server(p, POLICY_DENY),
			POLICY_DENY_SERVER, POLICY_NOT_ALLOWED_SERVER },
		{ policy_list_door(p, claim->door, POLICY_ALLOW),
			policy_list_door(p, claim->door, POLICY_DENY), POLICY_DENY_DOOR,
			POLICY_NOT_ALLOWED_DOOR },
	};
	struct verdict v = check_lists(p, &who, posts, sizeof(posts) / sizeof(posts[0]));
	if (v.reason == POLICY_GRANT)
		v.granted_s = grant_s(claim, wall_ms);
	return v;
}
