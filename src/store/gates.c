/*
 * Gates as they are remembered: what a restart, a reload or a person asks about. The kernel closes
 * them; this is only the record. Invariant: a grant id is given out once, and what ended stays
 * ended.
 */

#include <errno.h>
#include <string.h>

#include "base/span.h"
#include "store/internal.h"

#define STEP_LEN (CERT_KEY_IDENTIFIER_LEN + 8)
#define PATH_LEN_MAX (CHAIN_STEPS_MAX * STEP_LEN)

/* Issuer and serial of each certificate, leaf first. Returns the length. */
static size_t write_path(const struct store_gate *g, uint8_t to[PATH_LEN_MAX])
{
	struct writer w = writer_init(to, PATH_LEN_MAX);
	for (size_t i = 0; i < g->path_count && i < CHAIN_STEPS_MAX; i++) {
		writer_put(&w, g->path[i].issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN);
		writer_put(&w, g->path[i].serial, sizeof(g->path[i].serial));
	}
	return w.len;
}

/*
 * A path that is not whole is none: then its owner is judged as one whom only the directory may know,
 * which gives less.
 */
static void read_path(struct store_gate *g, const uint8_t *from, size_t len)
{
	struct reader r = reader_init(span_of(from, len));
	g->path_count = len % STEP_LEN == 0 ? len / STEP_LEN : 0;
	for (size_t i = 0; i < g->path_count; i++) {
		reader_copy(&r, g->path[i].issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN);
		reader_copy(&r, g->path[i].serial, sizeof(g->path[i].serial));
	}
}

/* For ever is as long as a signed number lasts. */
static uint64_t read_end(uint64_t ms)
{
	return ms >= INT64_MAX ? UINT64_MAX : ms;
}

int store_gate_add(struct store *s, const struct store_gate *g)
{
	uint8_t path[PATH_LEN_MAX];
	size_t path_len = write_path(g, path);
	struct store_run r = store_begin_run(s, SQL_GATE_ADD);
	store_bind_u64(&r, g->grant_id);
	store_bind_u64(&r, g->mark);
	store_bind_u64(&r, (uint64_t)g->state);
	store_bind_text(&r, g->name, sizeof(g->name));
	store_bind_blob(&r, g->key_id, sizeof(g->key_id));
	store_bind_text(&r, g->service, sizeof(g->service));
	store_bind_addr(&r, &g->source);
	store_bind_u64(&r, g->proto);
	store_bind_u64(&r, g->port);
	store_bind_u64(&r, g->kind);
	store_bind_u64(&r, g->opened_ms);
	store_bind_u64(&r, g->until_ms);
	store_bind_u64(&r, g->lease_until_ms);
	store_bind_text(&r, g->door, sizeof(g->door));
	store_bind_u64(&r, g->is_certified);
	store_bind_u64(&r, g->not_after_ms);
	store_bind_blob(&r, path, path_len);
	store_bind_u64(&r, g->times);
	store_bind_u64(&r, g->bits);
	store_bind_u64(&r, g->source_port);
	store_bind_u64(&r, g->port_last);
	return store_run(&r);
}

static void read_gate(struct store_run *r, struct store_gate *ret)
{
	uint8_t path[PATH_LEN_MAX];
	size_t path_len = 0;
	ret->grant_id = store_get_u64(r);
	ret->mark = (uint32_t)store_get_u64(r);
	ret->state = (enum store_gate_state)store_get_u64(r);
	store_get_text(r, ret->name, sizeof(ret->name));
	store_get_blob(r, ret->key_id, sizeof(ret->key_id));
	store_get_text(r, ret->service, sizeof(ret->service));
	store_get_blob(r, ret->source.b, sizeof(ret->source.b));
	ret->proto = (uint8_t)store_get_u64(r);
	ret->port = (uint16_t)store_get_u64(r);
	ret->kind = (uint8_t)store_get_u64(r);
	ret->opened_ms = store_get_u64(r);
	ret->until_ms = store_get_u64(r);
	ret->lease_until_ms = read_end(store_get_u64(r));
	store_get_text(r, ret->door, sizeof(ret->door));
	ret->is_certified = store_get_u64(r) != 0;
	ret->not_after_ms = read_end(store_get_u64(r));
	store_get_bytes(r, path, sizeof(path), &path_len);
	read_path(ret, path, path_len);
	ret->times = (uint16_t)store_get_u64(r);
	ret->bits = (uint8_t)store_get_u64(r);
	ret->source_port = (uint16_t)store_get_u64(r);
	ret->port_last = (uint16_t)store_get_u64(r);
}

static int give_gates(struct store_run *r, store_gate_fn *fn, void *arg)
{
	struct store_gate g = { 0 };
	int rc = store_row(r);
	for (; rc > 0; rc = store_row(r)) {
		read_gate(r, &g);
		fn(arg, &g);
	}
	store_end_run(r);
	return rc;
}

int store_gates(struct store *s, uint64_t wall_ms, store_gate_fn *fn, void *arg)
{
	struct store_run r = store_begin_run(s, SQL_GATE_LIST);
	store_bind_u64(&r, wall_ms);
	return give_gates(&r, fn, arg);
}

int store_gates_ending(
	struct store *s, uint64_t after_ms, uint64_t until_ms, store_gate_fn *fn, void *arg)
{
	struct store_run r = store_begin_run(s, SQL_GATE_ENDING);
	store_bind_u64(&r, after_ms);
	store_bind_u64(&r, until_ms);
	return give_gates(&r, fn, arg);
}

static int last_grant(struct store *s, uint64_t *ret)
{
	struct store_run r = store_begin_run(s, SQL_GATE_LAST);
	int rc = store_row(&r);
	if (rc > 0)
		*ret = store_get_u64(&r);
	store_end_run(&r);
	return rc < 0 ? rc : 0;
}

int store_gate_latest(struct store *s, unsigned bits, uint32_t tail, struct store_gate *ret)
{
	const uint64_t round = 1ull << bits;
	uint64_t last = 0;
	int rc = last_grant(s, &last);
	if (rc < 0)
		return rc;
	uint64_t back = (last - tail) & (round - 1);
	if (back > last)
		return 0;
	struct store_run r = store_begin_run(s, SQL_GATE_FIND);
	store_bind_u64(&r, last - back);
	rc = store_row(&r);
	if (rc > 0)
		read_gate(&r, ret);
	store_end_run(&r);
	return rc;
}

/* The first id not yet given out. */
static int next_grant(struct store *s, uint64_t *ret)
{
	struct store_run r = store_begin_run(s, SQL_GRANT_NEXT);
	int rc = store_row(&r);
	if (rc > 0)
		*ret = store_get_u64(&r);
	store_end_run(&r);
	return rc > 0 ? 0 : rc == 0 ? -EUCLEAN : rc;
}

static int move_grant(struct store *s, uint32_t n, uint64_t *ret)
{
	uint64_t first = 0;
	int rc = next_grant(s, &first);
	if (rc < 0)
		return rc;
	if (first == 0 || first > (uint64_t)INT64_MAX - n)
		return -EOVERFLOW;
	struct store_run r = store_begin_run(s, SQL_GRANT_SET);
	store_bind_u64(&r, first + n);
	rc = store_run(&r);
	if (rc == 0)
		*ret = first;
	return rc;
}

int store_reserve_grants(struct store *s, uint32_t n, uint64_t *ret)
{
	uint64_t first = 0;
	if (n == 0)
		return -EINVAL;
	int rc = store_start(s);
	if (rc < 0)
		return rc;
	rc = store_finish(s, move_grant(s, n, &first));
	if (rc == 0)
		*ret = first;
	return rc;
}

static int change_one(struct store *s, const struct store_change *c)
{
	struct store_run r = store_begin_run(s, SQL_GATE_STATE);
	store_bind_u64(&r, (uint64_t)c->state);
	store_bind_u64(&r, c->grant_id);
	return store_run(&r);
}

int store_write(struct store *s, const struct store_change *changes, size_t change_count,
	const struct store_record *records, size_t record_count)
{
	if (change_count == 0 && record_count == 0)
		return 0;
	int rc = store_start(s);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < change_count && rc == 0; i++)
		rc = change_one(s, &changes[i]);
	for (size_t i = 0; i < record_count && rc == 0; i++)
		rc = store_record_add(s, &records[i]);
	return store_finish(s, rc);
}
