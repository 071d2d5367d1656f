/*
 * Who asks against compiled lists. Nothing here allocates, and nothing depends on the order of entries
 * but which of several matching ones is named: the first.
 */

#include "policy/internal.h"

bool policy_groups_has(const struct policy_groups *g, uint32_t group)
{
	return (g->words[group / 64] >> group % 64 & 1) != 0;
}

void policy_groups_put(struct policy_groups *g, uint32_t group)
{
	g->words[group / 64] |= UINT64_C(1) << group % 64;
}

void policy_groups_join(struct policy_groups *g, const struct policy_groups *with)
{
	for (size_t i = 0; i < POLICY_GROUP_WORDS; i++)
		g->words[i] |= with->words[i];
}

static void join_rows(
	struct policy_who *w, const struct policy *p, const struct policy_table *t, size_t len)
{
	size_t count;
	size_t at = policy_table_find(t, &w->key, len, &count);
	for (size_t i = at; i < at + count; i++)
		policy_groups_join(&w->groups, &p->containers[t->rows[i].value]);
}

/* The last component is the name's own: a proper suffix ends before it. */
static size_t ancestors(const struct policy_who *w)
{
	return w->key.count > 0 && w->is_certified ? w->key.count - 1 : 0;
}

void policy_who_init(struct policy_who *w, const struct policy *p, const struct name *name,
	const struct directory_entry *listed, bool is_certified)
{
	*w = (struct policy_who){ .is_certified = is_certified };
	policy_key_init(&w->key, name);
	if (listed != NULL) {
		w->wild[POLICY_ALL] = true;
		w->wild[POLICY_USERS] = listed->kind == DIRECTORY_USER;
		w->wild[POLICY_SERVERS] = listed->kind == DIRECTORY_SERVER;
		w->wild[POLICY_SSH] = listed->key != DIRECTORY_KEY_ID_ONLY && !is_certified;
	}
	for (int i = 0; i < POLICY_WILD_COUNT; i++)
		if (w->wild[i])
			policy_groups_join(&w->groups, &p->wild[i]);
	if (w->key.count > 0)
		join_rows(w, p, &p->exact, w->key.ends[w->key.count - 1]);
	for (size_t i = 0; i < ancestors(w); i++)
		join_rows(w, p, &p->below, w->key.ends[i]);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t first_row(const struct policy_table *t, const struct policy_key *k, size_t len)
{
	size_t count;
	size_t at = policy_table_find(t, k, len, &count);
	return count == 0 ? POLICY_NONE : t->rows[at].value;
}

static uint32_t first_group(const struct policy_list *l, const struct policy_who *w)
{
	uint32_t found = POLICY_NONE;
	for (uint32_t i = 0; i < POLICY_GROUP_WORDS; i++) {
		uint64_t both = l->groups.words[i] & w->groups.words[i];
		for (uint32_t bit = 0; both != 0; bit++, both >>= 1)
			if ((both & 1) != 0)
				found = least(found, l->group_entry[64 * i + bit]);
	}
	return found;
}

uint32_t policy_list_match(const struct policy_list *l, const struct policy_who *w)
{
	uint32_t found = first_group(l, w);
	for (int i = 0; i < POLICY_WILD_COUNT; i++)
		if (w->wild[i])
			found = least(found, l->wild[i]);
	if (w->key.count > 0)
		found = least(found, first_row(&l->exact, &w->key, w->key.ends[w->key.count - 1]));
	for (size_t i = 0; i < ancestors(w); i++)
		found = least(found, first_row(&l->below, &w->key, w->key.ends[i]));
	return found;
}
