/*
 * Names, as the administrator sees to them: who is locked out, and why somebody is let in or not.
 * Invariant: a name is out in memory before anything else is done, and the administrator hears so only
 * when the store has it too.
 */

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/advice.h"
#include "daemon/control_internal.h"
#include "daemon/report.h"
#include "daemon/why.h"

#define LAST_MAX 100

/* A line of a request that is kept: one line, whole. */
static bool take_text(const json_t *q, const char *key, char *to, size_t cap)
{
	const char *text = control_text(q, key);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return (size_t)snprintf(to, cap, "%s", text) < cap;
}

/* The name of a request; false after saying why it is none. */
static bool take_name(struct client *c, const json_t *q, struct name *ret)
{
	char text[256];
	enum name_reject reason = name_parse(control_text(q, "name"), false, ret);
	if (reason == NAME_OK)
		return true;
	snprintf(text, sizeof(text),
		"this is no person's or server's name: %s; write it whole, like NAME/UNIT/ORGANISATION",
		name_reject_text(reason));
	control_finish(c, -EINVAL, text);
	return false;
}

static void fill_record(struct store_record *r, enum store_event event, const char *name,
	const char *by, const char *text)
{
	*r = (struct store_record){ .wall_ms = clock_wall_ms(), .event = event };
	snprintf(r->reason, sizeof(r->reason), "administrator");
	snprintf(r->name, sizeof(r->name), "%s", name);
	if (by[0] != '\0' && text[0] != '\0')
		snprintf(r->text, sizeof(r->text), "by %s: %s", by, text);
	else
		snprintf(r->text, sizeof(r->text), "%s%s%s", by[0] != '\0' ? "by " : "", by, text);
}

struct putting_out {
	struct client *c;
	const struct name *name;
	uint32_t seq;
};

static const struct closing revoked = { .reason = "revoked",
	.text = "by the administrator, who locked its owner out",
	.is_cut = true };

static void close_live(const struct putting_out *p, size_t i)
{
	struct client *c = p->c;
	int rc = mirror_close(c->k, i, p->seq, &revoked);
	if (rc < 0) {
		c->result = rc;
		return;
	}
	c->awaiting++;
	c->closed++;
}

static bool is_named(const char *text, const struct name *name)
{
	struct name n;
	return name_parse(text, false, &n) == NAME_OK && name_equal(&n, name);
}

/* A gate that stands closes; one that was used, or runs out just now, may have a connection. */
static void put_out_stored(void *arg, const struct store_gate *g)
{
	const struct putting_out *p = arg;
	struct client *c = p->c;
	if (!is_named(g->name, p->name))
		return;
	size_t i = live_find_grant(c->k->live, g->grant_id);
	if (i != SIZE_MAX) {
		close_live(p, i);
		return;
	}
	int rc = mirror_cut(c->k, g, p->seq, &revoked);
	if (rc < 0) {
		c->result = rc;
		return;
	}
	c->awaiting++;
	c->cut++;
}

static bool is_named_relayed(void *arg, const struct relays_line *l)
{
	return is_named(l->name, arg);
}

/* The store knows long names and connections; what it could not tell is in the mirror. */
static void put_out(struct client *c, const struct name *name)
{
	struct putting_out p = { c, name, control_seq(c) };
	events_write(c->k);
	int rc = store_gates(c->k->store, clock_wall_ms(), put_out_stored, &p);
	if (rc < 0)
		c->result = rc;
	for (size_t i = live_count(c->k->live); i > 0; i--)
		if (is_named(live_at(c->k->live, i - 1)->name, name))
			close_live(&p, i - 1);
	struct name own = *name;
	c->cut += relays_cut(c->k, is_named_relayed, &own, &revoked);
	events_write(c->k);
}

void control_revoke(struct client *c, const json_t *q)
{
	struct store_lockout l = { .since_ms = clock_wall_ms() };
	struct store_record r;
	struct name name;
	if (!take_name(c, q, &name))
		return;
	if (!take_text(q, "by", l.by, sizeof(l.by)) ||
		!take_text(q, "text", l.text, sizeof(l.text))) {
		control_finish(c, -EINVAL, "the reason is one line of at most 255 bytes");
		return;
	}
	bool was_out = lockout_has(c->k->lockout, &name);
	l.key_len = name_fold(&name, l.key);
	name_format(&name, l.name);
	if (!lockout_put(c->k->lockout, l.key, l.key_len)) {
		control_finish(c, -ENOSPC,
			"as many names are locked out as there is room for; take those that the "
			"directory no longer lists out of it with restore");
		return;
	}
	fill_record(&r, STORE_REVOKED, l.name, l.by, l.text);
	int rc = store_lockout_put(c->k->store, &l, &r);
	if (rc == 0)
		announce(&c->k->announcer, &r);
	put_out(c, &name);
	if (rc < 0) {
		store_trouble(c->k, "recording who is locked out", rc);
		c->result = rc;
		c->trouble = "locked out, but only until the next start: the store cannot be "
			     "written; mend that (the log has more) and revoke again";
	} else if (c->result < 0) {
		c->trouble = "locked out, but not every gate could be closed now; try posternctl "
			     "close --cut";
	}
	snprintf(c->said, sizeof(c->said), was_out ? "was locked out already" : "locked out");
	control_await(c);
}

void control_restore(struct client *c, const json_t *q)
{
	char by[STORE_SERVICE_MAX + 1], text[NAME_TEXT_MAX];
	struct store_record r;
	struct name name;
	if (!take_name(c, q, &name))
		return;
	if (!take_text(q, "by", by, sizeof(by)))
		by[0] = '\0';
	fill_record(&r, STORE_RESTORED, name_format(&name, text), by, "");
	int rc = store_lockout_remove(c->k->store, &name, &r);
	if (rc == 0)
		announce(&c->k->announcer, &r);
	/* One that is in memory alone (the store could not be written then) can be let in as well. */
	bool was_out = lockout_has(c->k->lockout, &name);
	if (rc == 0 || rc == -ENOENT)
		lockout_remove(c->k->lockout, &name);
	if (rc == 0 || (rc == -ENOENT && was_out)) {
		control_finish(c, 0, "may come in again as the directory and the lists say");
	} else if (rc == -ENOENT) {
		control_finish(c, rc,
			"this name is not locked out; posternctl revoke --list says which are");
	} else {
		store_trouble(c->k, "recording who is let in again", rc);
		control_finish(c, rc, "the store cannot be written; the name stays locked out");
	}
}

struct listing {
	struct client *c;
	size_t count;
};

static void say_lockout(void *arg, const struct store_lockout *l)
{
	struct listing *list = arg;
	list->count++;
	control_say(list->c, report_lockout(l));
}

void control_lockouts(struct client *c)
{
	struct listing list = { c, 0 };
	int rc = store_lockouts(c->k->store, say_lockout, &list);
	control_finish(c, rc,
		rc < 0                    ? "the store cannot be read"
			: list.count == 0 ? "nobody is locked out"
					  : "");
}

static void say_answer(void *arg, json_t *object)
{
	control_say(arg, object);
}

struct telling {
	struct client *c;
	size_t count;
};

static void tell_record(void *arg, const struct store_record *r)
{
	struct telling *t = arg;
	t->count++;
	control_say(t->c, advice_report(r));
}

/* The last decisions about a name or a source; of what is not known there are only counters. */
static void tell_last(struct client *c, const json_t *q)
{
	struct telling t = { c, 0 };
	struct store_query query = { .limit = LAST_MAX };
	const char *what = control_text(q, "name");
	json_int_t limit = json_integer_value(json_object_get(q, "limit"));
	if (limit > 0 && limit < LAST_MAX)
		query.limit = (uint32_t)limit;
	if (!addr_parse(what, &query.source))
		snprintf(query.name, sizeof(query.name), "%s", what);
	int rc = store_journal(c->k->store, &query, tell_record, &t);
	if (rc == 0 && t.count == 0)
		control_say(c,
			json_pack("{s:s, s:o}", "unknown", what, "ignored", report_ignored(c->k)));
	control_finish(c, rc, rc < 0 ? "the journal cannot be read" : "");
}

void control_why(struct client *c, const json_t *q)
{
	struct why_question question = {
		.name = control_text(q, "name"),
		.service = control_text(q, "service"),
		.address = control_text(q, "address"),
		.door = control_text(q, "door"),
	};
	struct fault f = { "" };
	if (question.service[0] == '\0') {
		tell_last(c, q);
		return;
	}
	int rc = why_answer(
		c->k->start->boot, c->k->store, &question, clock_wall_ms(), say_answer, c, &f);
	control_finish(c, rc, f.text);
}
