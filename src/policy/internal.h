#ifndef POSTERN_POLICY_INTERNAL_H
#define POSTERN_POLICY_INTERNAL_H

/*
 * What only this folder needs: names as sortable bytes, tables of them, lists compiled to tables.
 *
 * Groups are compiled to membership: who asks is turned once into a set of groups (one bit each), and a
 * list that names a group tests one bit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/name.h"
#include "policy/policy.h"

#define POLICY_KEY_MAX (NAME_PARTS_MAX * (2 + NAME_VALUE_MAX))
#define POLICY_NONE UINT32_MAX
#define POLICY_GROUP_WORDS ((CONFIG_GROUPS_MAX + 63) / 64)

/* A name as bytes, root first, letters lowered: equal names are equal bytes, a certifier's a prefix. */
struct policy_key {
	size_t count;                /* components */
	size_t ends[NAME_PARTS_MAX]; /* where each one ends */
	uint8_t bytes[POLICY_KEY_MAX];
};

void policy_key_init(struct policy_key *k, const struct name *n);

/* Rows of (name bytes, value), sorted by both. */
struct policy_row {
	uint8_t *bytes; /* owned */
	size_t len;
	uint32_t value;
};

struct policy_table {
	struct policy_row *rows;
	size_t len, cap;
};

__attribute__((warn_unused_result)) bool policy_table_add(
	struct policy_table *t, const struct policy_key *k, uint32_t value);
void policy_table_sort(struct policy_table *t);

/* Rows from the returned index on whose bytes are the first len bytes of k; *ret_count of them. */
size_t policy_table_find(
	const struct policy_table *t, const struct policy_key *k, size_t len, size_t *ret_count);
void policy_table_deinit(struct policy_table *t);

enum policy_wild { POLICY_ALL, POLICY_USERS, POLICY_SERVERS, POLICY_SSH, POLICY_WILD_COUNT };

struct policy_groups {
	uint64_t words[POLICY_GROUP_WORDS];
};

bool policy_groups_has(const struct policy_groups *g, uint32_t group);
void policy_groups_put(struct policy_groups *g, uint32_t group);
void policy_groups_join(struct policy_groups *g, const struct policy_groups *with);

/* A list, compiled. Values are indices of source->items. */
struct policy_list {
	char *label; /* "service ssh allow" */
	const struct config_list *source;
	struct policy_table exact, below;
	uint32_t wild[POLICY_WILD_COUNT]; /* first such entry, or POLICY_NONE */
	uint32_t group_entry[CONFIG_GROUPS_MAX];
	struct policy_groups groups; /* those with a group_entry */
};

enum { POLICY_ALLOW, POLICY_DENY, POLICY_LIST_COUNT };

struct policy {
	const struct config *config;
	const struct directory *directory;
	/* Who is in which group. Values are groups; containers closes over nesting. */
	struct policy_table exact, below;
	struct policy_groups wild[POLICY_WILD_COUNT];
	struct policy_groups containers[CONFIG_GROUPS_MAX];
	size_t list_count;
	struct policy_list *lists; /* server, doors, services; allow and deny of each */
};

const struct policy_list *policy_list_server(const struct policy *p, int which);
const struct policy_list *policy_list_door(const struct policy *p, size_t i, int which);
const struct policy_list *policy_list_service(const struct policy *p, size_t i, int which);

/* Who asks, as lists see it. */
struct policy_who {
	struct policy_key key;
	bool is_certified;
	bool wild[POLICY_WILD_COUNT];
	struct policy_groups groups;
};

void policy_who_init(struct policy_who *w, const struct policy *p, const struct name *name,
	const struct directory_entry *listed, bool is_certified);

/* One place where lists stand, and what it means when they refuse. */
struct policy_post {
	const struct policy_list *allow, *deny;
	enum policy_reason denied, not_allowed;
};

#define POLICY_POSTS 3

/* Service, server and door, in the order asked. POLICY_GRANT, or that the claim's service or door is not of p. */
enum policy_reason policy_posts(
	const struct policy *p, const struct claim *c, struct policy_post ret[POLICY_POSTS]);

/* Rule 1: a bit for each reason why the identity alone refuses. */
uint32_t policy_identity_refusals(const struct policy *p, const struct claim *c, uint64_t wall_ms);

/* The first entry of l that matches, or POLICY_NONE. */
uint32_t policy_list_match(const struct policy_list *l, const struct policy_who *w);

#endif
