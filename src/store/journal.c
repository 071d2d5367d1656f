/* The journal: what was decided and why, append only, the oldest lines forgotten by store_expire.
 * */

#include <string.h>

#include "store/internal.h"

#define LIMIT_DEFAULT 1000

const char *store_event_name(enum store_event e)
{
	static const char *const names[STORE_EVENT_COUNT] = {
		[STORE_STARTED] = "started",
		[STORE_STOPPED] = "stopped",
		[STORE_RELOADED] = "reloaded",
		[STORE_GRANTED] = "granted",
		[STORE_REFUSED] = "refused",
		[STORE_CONNECTED] = "connected",
		[STORE_CLOSED] = "closed",
		[STORE_EXPIRED] = "expired",
		[STORE_FAILED] = "failed",
		[STORE_DOOR] = "door",
		[STORE_REVOKED] = "revoked",
		[STORE_RESTORED] = "restored",
		[STORE_KEY_MISMATCH] = "key-mismatch",
		[STORE_ACTION] = "action",
		[STORE_RAN] = "ran",
		[STORE_NOTE] = "note",
		[STORE_ENDING] = "ending",
		[STORE_CUT] = "cut",
		[STORE_RELAYED] = "relayed",
		[STORE_RELAY_ENDED] = "ended",
	};
	/* A newer program may have written what this one has no word for. */
	if ((unsigned)e >= STORE_EVENT_COUNT || names[e] == NULL)
		return "unknown";
	return names[e];
}

bool store_event_parse(const char *name, enum store_event *ret)
{
	for (int e = 1; e < STORE_EVENT_COUNT; e++) {
		if (strcmp(store_event_name((enum store_event)e), name) != 0)
			continue;
		*ret = (enum store_event)e;
		return true;
	}
	return false;
}

static int insert(struct store *s, const struct store_record *rec, const struct store_head *head)
{
	struct store_run r = store_begin_run(s, SQL_JOURNAL_ADD);
	store_bind_u64(&r, head->id);
	store_bind_u64(&r, rec->wall_ms);
	store_bind_u64(&r, (uint64_t)rec->event);
	store_bind_text(&r, rec->reason, sizeof(rec->reason));
	store_bind_text(&r, rec->name, sizeof(rec->name));
	store_bind_blob(&r, rec->key_id, sizeof(rec->key_id));
	store_bind_text(&r, rec->service, sizeof(rec->service));
	store_bind_text(&r, rec->door, sizeof(rec->door));
	store_bind_addr(&r, &rec->source);
	store_bind_u64(&r, rec->source_port);
	store_bind_u64(&r, rec->grant_id);
	store_bind_u64(&r, rec->until_ms);
	store_bind_text(&r, rec->list, sizeof(rec->list));
	store_bind_text(&r, rec->entry, sizeof(rec->entry));
	store_bind_text(&r, rec->text, sizeof(rec->text));
	store_bind_blob(&r, head->hash, sizeof(head->hash));
	return store_run(&r);
}

int store_record_add(struct store *s, const struct store_record *rec)
{
	int rc = s->has_head ? 0 : store_chain_head(s, &s->head);
	if (rc < 0)
		return rc;
	struct store_head next = { .id = s->head.id + 1 };
	struct store_record linked = *rec;
	linked.id = next.id;
	store_chain_hash(s->head.hash, &linked, next.hash);
	rc = insert(s, rec, &next);
	s->has_head = rc == 0;
	s->head = next;
	return rc;
}

void store_read_record(struct store_run *r, struct store_record *ret)
{
	ret->id = store_get_u64(r);
	ret->wall_ms = store_get_u64(r);
	ret->event = (enum store_event)store_get_u64(r);
	store_get_text(r, ret->reason, sizeof(ret->reason));
	store_get_text(r, ret->name, sizeof(ret->name));
	store_get_blob(r, ret->key_id, sizeof(ret->key_id));
	store_get_text(r, ret->service, sizeof(ret->service));
	store_get_text(r, ret->door, sizeof(ret->door));
	store_get_blob(r, ret->source.b, sizeof(ret->source.b));
	ret->source_port = (uint16_t)store_get_u64(r);
	ret->grant_id = store_get_u64(r);
	ret->until_ms = store_get_u64(r);
	store_get_text(r, ret->list, sizeof(ret->list));
	store_get_text(r, ret->entry, sizeof(ret->entry));
	store_get_text(r, ret->text, sizeof(ret->text));
	store_get_blob(r, ret->hash, sizeof(ret->hash));
}

int store_journal(struct store *s, const struct store_query *q, store_record_fn *fn, void *arg)
{
	struct store_record rec = { 0 };
	struct store_run r = store_begin_run(s, SQL_JOURNAL_LIST);
	store_bind_u64(&r, q->after_id);
	store_bind_u64(&r, q->since_ms);
	store_bind_text(&r, q->name, sizeof(q->name));
	store_bind_addr(&r, &q->source);
	store_bind_u64(&r, q->limit == 0 ? LIMIT_DEFAULT : q->limit);
	store_bind_u64(&r, q->until_ms);
	store_bind_text(&r, q->service, sizeof(q->service));
	store_bind_u64(&r, (uint64_t)q->event);
	int rc = store_row(&r);
	for (; rc > 0; rc = store_row(&r)) {
		store_read_record(&r, &rec);
		fn(arg, &rec);
	}
	store_end_run(&r);
	return rc;
}
