/*
 * A decision in words. Invariant: the verdict is that of policy_decide for the claim that is described, and
 * every reason to refuse comes with what would have to change for it to go.
 */

#include "daemon/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/identify.h"
#include "daemon/report.h"

#define CHANGE_MAX 512

/* One question on its way to its answer. */
struct asking {
	const struct boot *boot;
	const struct why_question *q;
	uint64_t wall_ms;
	struct claim claim;
	bool is_assumed_certified; /* a certificate is needed, and taken for granted */
	bool is_assumed_address;
	bool is_store_unknown;
	bool is_rolled; /* the line's key-next was used, which ended its key */
	bool has_lockout;
	struct store_lockout lockout;
};

static void keep_lockout(void *arg, const struct store_lockout *l)
{
	struct asking *a = arg;
	uint8_t key[NAME_FOLDED_MAX];
	size_t len = name_fold(&a->claim.name, key);
	if (l->key_len != len || memcmp(l->key, key, len) != 0)
		return;
	a->has_lockout = a->claim.is_locked_out = true;
	a->lockout = *l;
}

static int take_name(struct asking *a, struct fault *f)
{
	char quoted[160];
	const char *name = a->q->name;
	enum name_reject reason = name_parse(name, false, &a->claim.name);
	if (reason == NAME_OK)
		return 0;
	fault_set(f, "\"%s\" is no person's or server's name: %s; write it whole",
		text_quote(span_of(name, strlen(name)), quoted, sizeof(quoted)),
		name_reject_text(reason));
	return -EINVAL;
}

static int take_address(struct asking *a, struct fault *f)
{
	const struct directory_entry *e = a->claim.entry;
	if (a->q->address[0] != '\0') {
		if (addr_parse(a->q->address, &a->claim.source))
			return 0;
		fault_set(f, "the address is none; write it in numbers");
		return -EINVAL;
	}
	a->is_assumed_address = e != NULL && e->from_count > 0;
	if (a->is_assumed_address)
		a->claim.source = e->from[0].addr;
	return 0;
}

/* A key that the directory has is shown as it is; all else needs a certificate. */
static void take_identity(struct asking *a)
{
	struct claim *c = &a->claim;
	const struct directory_entry *e = directory_find_name(a->boot->directory, &c->name);
	c->entry = e;
	c->is_authenticated = true;
	c->not_after_ms = UINT64_MAX;
	a->is_assumed_certified = e == NULL || e->key == DIRECTORY_KEY_ID_ONLY;
	c->is_certified = a->is_assumed_certified || e->is_certified_equivalent;
	if (e != NULL)
		memcpy(c->key_id, e->key_id, sizeof(c->key_id));
}

/* Who was there with the next key comes with that one from then on. */
static void take_next_key(struct asking *a, struct store *s)
{
	struct claim *c = &a->claim;
	a->is_rolled = identify_is_superseded(s, c);
	if (!a->is_rolled)
		return;
	memcpy(c->key_id, c->entry->key_next, sizeof(c->key_id));
	a->is_assumed_certified = c->is_certified = true;
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(o, key, json_string(text));
}

static void set_place(json_t *o, const struct config_text *at)
{
	char text[512];
	if (at->file == NULL)
		return;
	snprintf(text, sizeof(text), "%s:%u", at->file, at->line);
	set_text(o, "at", text);
}

static json_t *identity(const struct asking *a)
{
	static const char *const keys[] = {
		[DIRECTORY_ED25519] = "ssh-ed25519",
		[DIRECTORY_SK_ED25519] = "sk-ssh-ed25519",
		[DIRECTORY_KEY_ID_ONLY] = "postern-key",
	};
	const struct directory_entry *e = a->claim.entry;
	json_t *o = json_object();
	char hex[65], when[TIME_TEXT_MAX];
	json_object_set_new(o, "listed", json_boolean(e != NULL));
	json_object_set_new(o, "certified", json_boolean(a->claim.is_certified));
	if (e == NULL)
		return o;
	json_object_set_new(o, "line", json_integer(e->line));
	set_text(o, "kind", e->kind == DIRECTORY_SERVER ? "server" : "user");
	set_text(o, "key", keys[e->key]);
	set_text(o, "key_id", text_hex(span_of(e->key_id, sizeof(e->key_id)), hex));
	if (e->has_next)
		set_text(o, "key_next", text_hex(span_of(e->key_next, sizeof(e->key_next)), hex));
	json_object_set_new(o, "superseded", json_boolean(a->is_rolled));
	json_object_set_new(o, "locked", json_boolean(e->is_locked));
	json_object_set_new(o, "disabled", json_boolean(e->is_disabled));
	if (e->expires_ms != UINT64_MAX)
		set_text(o, "expires", time_format_utc(e->expires_ms, when));
	if (e->from_count > 0) {
		json_t *from = json_array();
		char text[PREFIX_TEXT_MAX];
		for (size_t i = 0; i < e->from_count; i++)
			json_array_append_new(from, json_string(prefix_format(&e->from[i], text)));
		json_object_set_new(o, "from", from);
	}
	return o;
}

static json_t *assumptions(const struct asking *a)
{
	json_t *list = json_array();
	if (a->claim.entry == NULL)
		json_array_append_new(list,
			json_string(
				"not in the directory: shows a valid certificate of a certifier "
				"that this server trusts"));
	else if (a->is_rolled)
		json_array_append_new(list,
			json_string(
				"shows a valid certificate for the key-next of its line, which was "
				"used already: the key before it is superseded and refused"));
	else if (a->is_assumed_certified)
		json_array_append_new(
			list, json_string("shows a valid certificate for the key of its line"));
	if (a->is_assumed_address)
		json_array_append_new(list, json_string("comes from an address that from= allows"));
	if (a->is_store_unknown)
		json_array_append_new(list,
			json_string("is not locked out by posternctl revoke: the store cannot be "
				    "read"));
	return list;
}

static json_t *list_step(const struct policy_step *s)
{
	json_t *o = json_object();
	set_text(o, "list", s->list);
	json_object_set_new(o, "set", json_boolean(s->is_set));
	json_object_set_new(o, "refuses", json_boolean(s->is_refusing));
	if (s->hit != NULL)
		set_text(o, "entry", s->hit->text);
	if (s->is_set)
		set_place(o, s->hit != NULL ? s->hit : s->at);
	return o;
}

static const struct policy_step *step_of(const struct policy_trace *t, enum policy_reason reason)
{
	static const enum policy_reason reasons[POLICY_STEPS] = { POLICY_DENY_SERVICE,
		POLICY_DENY_SERVER, POLICY_DENY_DOOR, POLICY_NOT_ALLOWED_SERVICE,
		POLICY_NOT_ALLOWED_SERVER, POLICY_NOT_ALLOWED_DOOR };
	for (size_t i = 0; i < t->step_count; i++)
		if (reasons[i] == reason)
			return &t->steps[i];
	return NULL;
}

/* What the lists would have to say; an entry that covers others too is named, not judged. */
static void change_list(const struct policy_step *s, char to[CHANGE_MAX])
{
	if (s == NULL)
		snprintf(to, CHANGE_MAX, "name a door that the configuration has");
	else if (s->is_deny)
		snprintf(to, CHANGE_MAX,
			"take \"%.200s\" out of %s (%.150s:%u), or the name out of what it covers",
			s->hit->text, s->list, s->hit->file, s->hit->line);
	else
		snprintf(to, CHANGE_MAX,
			"put the name, its group or */UNIT/ORGANISATION above it into %s (%.200s:%u)",
			s->list, s->at->file, s->at->line);
}

static void change_directory(
	const struct asking *a, const char *what, const char *option, char to[CHANGE_MAX])
{
	snprintf(to, CHANGE_MAX, "%s %s line %u of %.200s", what, option, a->claim.entry->line,
		a->boot->config->server.directory);
}

static void change_lock(const struct asking *a, char to[CHANGE_MAX])
{
	char name[NAME_TEXT_MAX];
	const struct directory_entry *e = a->claim.entry;
	bool is_both = a->has_lockout && e != NULL && e->is_locked;
	if (a->has_lockout)
		snprintf(to, CHANGE_MAX, "posternctl restore \"%.300s\"%s",
			name_format(&a->claim.name, name),
			is_both ? ", and take locked out of the directory's line" : "");
	else
		change_directory(a, "take", "locked out of", to);
}

/* The sentence for one reason to refuse. Certificates are not looked at here, so nothing of them refuses. */
static void change_of(const struct asking *a, const struct policy_trace *t,
	enum policy_reason reason, char to[CHANGE_MAX])
{
	switch (reason) {
	case POLICY_LOCKED:
		change_lock(a, to);
		break;
	case POLICY_DISABLED:
		change_directory(a, "take", "disabled out of", to);
		break;
	case POLICY_EXPIRED:
		change_directory(a, "set", "a later expires= in", to);
		break;
	case POLICY_FROM:
		change_directory(a, "add", "the address to from= in", to);
		break;
	case POLICY_KEY_CHECK:
		snprintf(to, CHANGE_MAX,
			"list the name with its key in %.200s, or set key-check to listed or off",
			a->boot->config->server.directory);
		break;
	case POLICY_UNKNOWN_SERVICE:
		snprintf(to, CHANGE_MAX, "name a service that the configuration has");
		break;
	case POLICY_NO_LIST:
		snprintf(to, CHANGE_MAX, "give the service an allow list");
		break;
	case POLICY_DENY_SERVICE:
	case POLICY_DENY_SERVER:
	case POLICY_DENY_DOOR:
	case POLICY_NOT_ALLOWED_SERVICE:
	case POLICY_NOT_ALLOWED_SERVER:
	case POLICY_NOT_ALLOWED_DOOR:
		change_list(step_of(t, reason), to);
		break;
	case POLICY_GRANT:
	case POLICY_NOT_AUTHENTICATED:
	case POLICY_REVOKED:
	case POLICY_NO_CRL:
	case POLICY_NOT_YET:
	case POLICY_SUPERSEDED: /* the next key is asked for */
	case POLICY_REASON_COUNT:
		to[0] = '\0';
		break;
	}
}

static json_t *refusals(const struct asking *a, const struct policy_trace *t)
{
	json_t *list = json_array();
	for (unsigned r = 0; r < POLICY_REASON_COUNT; r++) {
		enum policy_reason reason = (enum policy_reason)r;
		char change[CHANGE_MAX];
		if ((t->refusals >> r & 1) == 0)
			continue;
		change_of(a, t, reason, change);
		json_t *o = json_object();
		set_text(o, "reason", policy_reason_name(reason));
		set_text(o, "text",
			reason == t->verdict.reason ? t->verdict.text : policy_reason_text(reason));
		set_text(o, "change", change);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *answer(const struct asking *a, const char *door)
{
	struct policy_trace t;
	char name[NAME_TEXT_MAX];
	policy_explain(a->boot->policy, &a->claim, a->wall_ms, &t);
	json_t *o = json_object(), *lists = json_array();
	set_text(o, "name", name_format(&a->claim.name, name));
	set_text(o, "service", a->q->service);
	set_text(o, "door", door);
	set_text(o, "address", a->q->address);
	set_text(o, "verdict", policy_reason_name(t.verdict.reason));
	set_text(o, "text", t.verdict.text);
	set_text(o, "list", t.verdict.list);
	set_text(o, "entry", t.verdict.entry);
	if (t.verdict.reason == POLICY_GRANT)
		json_object_set_new(o, "granted_s", json_integer(t.verdict.granted_s));
	json_object_set_new(o, "identity", identity(a));
	json_object_set_new(o, "assumes", assumptions(a));
	if (a->has_lockout)
		json_object_set_new(o, "locked_out", report_lockout(&a->lockout));
	for (size_t i = 0; i < t.step_count; i++)
		json_array_append_new(lists, list_step(&t.steps[i]));
	json_object_set_new(o, "lists", lists);
	json_object_set_new(o, "refusals", refusals(a, &t));
	return o;
}

static int answer_doors(struct asking *a, why_say *say, void *arg, struct fault *f)
{
	const struct config *c = a->boot->config;
	size_t said = 0;
	for (size_t i = 0; i < c->door_count; i++) {
		if (a->q->door[0] != '\0' && strcmp(a->q->door, c->doors[i].name) != 0)
			continue;
		a->claim.door = (uint16_t)i;
		say(arg, answer(a, c->doors[i].name));
		said++;
	}
	if (said > 0)
		return 0;
	fault_set(f, "there is no such door; posternctl status lists them");
	return -EINVAL;
}

int why_answer(const struct boot *b, struct store *s, const struct why_question *q,
	uint64_t wall_ms, why_say *say, void *arg, struct fault *f)
{
	struct asking a = { .boot = b, .q = q, .wall_ms = wall_ms };
	f->text[0] = '\0';
	int rc = take_name(&a, f);
	if (rc < 0)
		return rc;
	take_identity(&a);
	take_next_key(&a, s);
	a.claim.service = config_service_by_name(b->config, q->service);
	rc = take_address(&a, f);
	if (rc < 0)
		return rc;
	a.is_store_unknown = s == NULL || store_lockouts(s, keep_lockout, &a) < 0;
	return answer_doors(&a, say, arg, f);
}
