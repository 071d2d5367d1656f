/*
 * Why: the decision again, but without stopping at the first refusal. Invariant: the first of the reasons
 * that are found here is the one that policy_decide gives.
 */

#include "policy/internal.h"

static void refuse(struct policy_trace *t, enum policy_reason reason)
{
	t->refusals |= UINT32_C(1) << reason;
}

static void ask(struct policy_trace *t, const struct policy_list *l, const struct policy_who *w,
	bool is_deny, enum policy_reason reason)
{
	struct policy_step *s = &t->steps[t->step_count++];
	uint32_t entry = policy_list_match(l, w);
	*s = (struct policy_step){
		.list = l->label,
		.is_deny = is_deny,
		.is_set = l->source->is_set,
		.at = &l->source->at,
		.hit = entry != POLICY_NONE ? &l->source->items[entry] : NULL,
	};
	s->is_refusing = s->is_set && is_deny == (s->hit != NULL);
	if (s->is_refusing)
		refuse(t, reason);
}

void policy_explain(const struct policy *p, const struct claim *claim, uint64_t wall_ms,
	struct policy_trace *ret)
{
	const struct directory_entry *listed = policy_listed(claim);
	struct policy_post posts[POLICY_POSTS];
	struct policy_who who;
	*ret = (struct policy_trace){ .verdict = policy_decide(p, claim, wall_ms),
		.refusals = policy_identity_refusals(p, claim, wall_ms),
		.is_listed = listed != NULL };
	enum policy_reason missing = policy_posts(p, claim, posts);
	if (missing != POLICY_GRANT) {
		refuse(ret, missing);
		return;
	}
	policy_who_init(&who, p, &claim->name, listed, claim->is_certified);
	for (size_t i = 0; i < POLICY_POSTS; i++)
		ask(ret, posts[i].deny, &who, true, posts[i].denied);
	for (size_t i = 0; i < POLICY_POSTS; i++)
		ask(ret, posts[i].allow, &who, false, posts[i].not_allowed);
	if (!posts[0].allow->source->is_set && !p->config->server.compat_open_lists)
		refuse(ret, POLICY_NO_LIST);
}
