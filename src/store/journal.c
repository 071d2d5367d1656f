/* The journal: what was decided and why, append only, the oldest lines forgotten by store_expire.
 * */

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
	};
	/* A newer program may have written what this one has no word for. */
	if ((unsigned)e >= STORE_EVENT_COUNT || names[e] == NULL)
		return "unknown";
	return names[e];
}

int store_record_add(struct store *s, const struct store_record *rec)
{
	struct store_run r = store_begin_run(s, SQL_JOURNAL_ADD);
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
	return store_run(&r);
}

static void read_record(struct store_run *r, struct store_record *ret)
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
	int rc = store_row(&r);
	for (; rc > 0; rc = store_row(&r)) {
		read_record(&r, &rec);
		fn(arg, &rec);
	}
	store_end_run(&r);
	return rc;
}
