/*
 * Lists and groups from text to tables, once. Each entry is a wildcard, else a group of that name, else
 * a whole name; what is none of them is a mistake with its file and line. Groups may nest, in no circle.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "policy/internal.h"

#define QUOTED_MAX 160

enum entry_kind { ENTRY_WILD, ENTRY_BELOW, ENTRY_GROUP, ENTRY_NAME, ENTRY_BAD };

struct entry {
	enum entry_kind kind;
	uint32_t number; /* of the wildcard or group */
	struct policy_key key;
};

struct compiler {
	struct policy *p;
	struct config_report *report;
	bool is_short; /* memory ran out */
	struct policy_groups children[CONFIG_GROUPS_MAX];
	enum { GROUP_NEW, GROUP_OPEN, GROUP_DONE } states[CONFIG_GROUPS_MAX];
	unsigned depths[CONFIG_GROUPS_MAX];  /* a group without groups in it: 1 */
	bool is_confused[CONFIG_GROUPS_MAX]; /* said to have an organisation's name */
	struct name_part last;               /* the organisation looked at last */
};

static const char *quoted(const char *text, char to[QUOTED_MAX])
{
	return text_quote(span_of(text, strlen(text)), to, QUOTED_MAX);
}

static uint32_t find_group(const struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->group_count; i++)
		if (strcasecmp(c->groups[i].name, name) == 0)
			return i;
	return POLICY_NONE;
}

static uint32_t find_wild(const char *text)
{
	static const char *const wilds[POLICY_WILD_COUNT] = {
		[POLICY_ALL] = "*",
		[POLICY_USERS] = "*(users)",
		[POLICY_SERVERS] = "*(servers)",
		[POLICY_SSH] = "*(ssh)",
	};
	for (uint32_t i = 0; i < POLICY_WILD_COUNT; i++)
		if (strcmp(wilds[i], text) == 0)
			return i;
	return POLICY_NONE;
}

static const struct name_part *organisation(const struct name *n)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->parts[i].type == NAME_O)
			return &n->parts[i];
	return NULL;
}

/* A group that is called like an organisation would be taken for it by whoever reads the lists. */
static void check_organisation(struct compiler *c, const struct name *n)
{
	char q[QUOTED_MAX];
	const struct config *f = c->p->config;
	const struct name_part *o = organisation(n);
	if (o == NULL || (o->len == c->last.len && memcmp(o->value, c->last.value, o->len) == 0))
		return;
	c->last = *o;
	for (size_t i = 0; i < f->group_count; i++) {
		const char *name = f->groups[i].name;
		if (c->is_confused[i] || strlen(name) != o->len ||
			strncasecmp(name, o->value, o->len) != 0)
			continue;
		c->is_confused[i] = true;
		config_report_add(c->report, &f->groups[i].at,
			"group %s: an organisation has this name; choose another", quoted(name, q));
	}
}

static void check_directory(struct compiler *c)
{
	const struct directory *d = c->p->directory;
	for (size_t i = 0; i < directory_count(d); i++)
		check_organisation(c, &directory_at(d, i)->name);
}

/* A whole name, or what follows the star of a wildcard, into e->key. */
static void read_name(struct compiler *c, const struct config_text *item, const char *option,
	const char *text, struct entry *e)
{
	char q[QUOTED_MAX];
	struct name n;
	bool is_certifier = e->kind == ENTRY_BELOW;
	enum name_reject reason = name_parse(text, is_certifier, &n);
	if (reason != NAME_OK) {
		config_report_add(c->report, item, "%s: \"%s\": %s", option, quoted(item->text, q),
			name_reject_text(reason));
		e->kind = ENTRY_BAD;
		return;
	}
	policy_key_init(&e->key, &n);
	check_organisation(c, &n);
}

static void read_wild(
	struct compiler *c, const struct config_text *item, const char *option, struct entry *e)
{
	char q[QUOTED_MAX];
	e->kind = ENTRY_WILD;
	e->number = find_wild(item->text);
	if (e->number != POLICY_NONE)
		return;
	if (item->text[1] == '/' && strchr(item->text + 1, '*') == NULL) {
		e->kind = ENTRY_BELOW;
		read_name(c, item, option, item->text + 2, e);
		return;
	}
	e->kind = ENTRY_BAD;
	if (item->text[1] == '/')
		config_report_add(c->report, item,
			"%s: \"%s\": a wildcard stands only as the leftmost component", option,
			quoted(item->text, q));
	else
		config_report_add(c->report, item,
			"%s: \"%s\" is no wildcard; write *, */UNIT/ORGANISATION, *(users), "
			"*(servers) or *(ssh)",
			option, quoted(item->text, q));
}

static void read_entry(
	struct compiler *c, const struct config_text *item, const char *option, struct entry *e)
{
	char q[QUOTED_MAX];
	*e = (struct entry){ .kind = ENTRY_BAD, .number = POLICY_NONE };
	if (item->text[0] == '*') {
		read_wild(c, item, option, e);
		return;
	}
	e->number = find_group(c->p->config, item->text);
	if (e->number != POLICY_NONE) {
		e->kind = ENTRY_GROUP;
	} else if (strchr(item->text, '*') != NULL) {
		config_report_add(c->report, item,
			"%s: \"%s\": a wildcard stands only as the leftmost component", option,
			quoted(item->text, q));
	} else if (strpbrk(item->text, "/=") != NULL) {
		e->kind = ENTRY_NAME;
		read_name(c, item, option, item->text, e);
	} else {
		config_report_add(c->report, item,
			"%s: no group \"%s\"; define it, or write a whole name like "
			"NAME/UNIT/ORGANISATION",
			option, quoted(item->text, q));
	}
}

static void need(struct compiler *c, bool is_done)
{
	if (!is_done)
		c->is_short = true;
}

static void compile_list(struct compiler *c, struct policy_list *l)
{
	for (uint32_t i = 0; i < l->source->len; i++) {
		struct entry e;
		read_entry(c, &l->source->items[i], l->source->at.text, &e);
		switch (e.kind) {
		case ENTRY_WILD:
			if (l->wild[e.number] == POLICY_NONE)
				l->wild[e.number] = i;
			break;
		case ENTRY_GROUP:
			if (!policy_groups_has(&l->groups, e.number))
				l->group_entry[e.number] = i;
			policy_groups_put(&l->groups, e.number);
			break;
		case ENTRY_BELOW:
			need(c, policy_table_add(&l->below, &e.key, i));
			break;
		case ENTRY_NAME:
			need(c, policy_table_add(&l->exact, &e.key, i));
			break;
		case ENTRY_BAD:
			break;
		}
	}
	policy_table_sort(&l->exact);
	policy_table_sort(&l->below);
}

static void compile_group(struct compiler *c, uint32_t g)
{
	const struct config_list *members = &c->p->config->groups[g].members;
	for (size_t i = 0; i < members->len; i++) {
		struct entry e;
		read_entry(c, &members->items[i], members->at.text, &e);
		switch (e.kind) {
		case ENTRY_WILD:
			policy_groups_put(&c->p->wild[e.number], g);
			break;
		case ENTRY_GROUP:
			policy_groups_put(&c->children[g], e.number);
			break;
		case ENTRY_BELOW:
			need(c, policy_table_add(&c->p->below, &e.key, g));
			break;
		case ENTRY_NAME:
			need(c, policy_table_add(&c->p->exact, &e.key, g));
			break;
		case ENTRY_BAD:
			break;
		}
	}
}

/* The member of g that names group child. */
static const struct config_text *member_item(const struct config *c, uint32_t g, uint32_t child)
{
	const struct config_list *members = &c->groups[g].members;
	for (size_t i = 0; i < members->len; i++)
		if (find_group(c, members->items[i].text) == child)
			return &members->items[i];
	return &c->groups[g].at;
}

/* Depth first; each circle is reported where it closes. Recursion is bounded by the number of groups. */
static void visit(struct compiler *c, uint32_t g)
{
	char q[QUOTED_MAX], r[QUOTED_MAX];
	const struct config *config = c->p->config;
	c->states[g] = GROUP_OPEN;
	c->depths[g] = 1;
	for (uint32_t child = 0; child < config->group_count; child++) {
		if (!policy_groups_has(&c->children[g], child))
			continue;
		if (c->states[child] == GROUP_OPEN) {
			config_report_add(c->report, member_item(config, g, child),
				"members: group \"%s\" in \"%s\" closes a circle; remove it",
				quoted(config->groups[child].name, q),
				quoted(config->groups[g].name, r));
			continue;
		}
		if (c->states[child] == GROUP_NEW)
			visit(c, child);
		if (c->depths[child] >= c->depths[g])
			c->depths[g] = c->depths[child] + 1;
	}
	c->states[g] = GROUP_DONE;
	/* Those around it are deeper still; one mistake is enough. */
	if (c->depths[g] == POLICY_GROUP_DEPTH_MAX + 1)
		config_report_add(c->report, &config->groups[g].at,
			"group %s: groups nest more than %d deep in it",
			quoted(config->groups[g].name, q), POLICY_GROUP_DEPTH_MAX);
}

/* Which groups hold each group, itself included, through any number of others. */
static void close_groups(struct compiler *c)
{
	size_t count = c->p->config->group_count;
	for (uint32_t g = 0; g < count; g++)
		policy_groups_put(&c->p->containers[g], g);
	for (unsigned depth = 0; depth < POLICY_GROUP_DEPTH_MAX; depth++)
		for (uint32_t g = 0; g < count; g++)
			for (uint32_t child = 0; child < count; child++)
				if (policy_groups_has(&c->children[g], child))
					policy_groups_join(
						&c->p->containers[child], &c->p->containers[g]);
}

static void close_wilds(struct policy *p)
{
	for (int w = 0; w < POLICY_WILD_COUNT; w++) {
		const struct policy_groups direct = p->wild[w];
		for (uint32_t g = 0; g < p->config->group_count; g++)
			if (policy_groups_has(&direct, g))
				policy_groups_join(&p->wild[w], &p->containers[g]);
	}
}

static void compile_groups(struct compiler *c)
{
	uint32_t count = (uint32_t)c->p->config->group_count;
	for (uint32_t g = 0; g < count; g++)
		compile_group(c, g);
	policy_table_sort(&c->p->exact);
	policy_table_sort(&c->p->below);
	for (uint32_t g = 0; g < count; g++)
		if (c->states[g] == GROUP_NEW)
			visit(c, g);
	close_groups(c);
	close_wilds(c->p);
}

/* The allow and deny list of one block. */
static void compile_pair(struct compiler *c, size_t pair, const char *block, const char *name,
	const struct config_list *allow, const struct config_list *deny)
{
	for (size_t i = 0; i < POLICY_LIST_COUNT; i++) {
		struct policy_list *l = &c->p->lists[POLICY_LIST_COUNT * pair + i];
		l->source = i == POLICY_ALLOW ? allow : deny;
		for (int w = 0; w < POLICY_WILD_COUNT; w++)
			l->wild[w] = POLICY_NONE;
		if (asprintf(&l->label, "%s%s%s %s", block, name[0] == '\0' ? "" : " ", name,
			    i == POLICY_ALLOW ? "allow" : "deny") < 0) {
			l->label = NULL;
			c->is_short = true;
		}
		compile_list(c, l);
	}
}

static void compile_lists(struct compiler *c)
{
	const struct config *f = c->p->config;
	size_t pair = 0;
	compile_pair(c, pair++, "server", "", &f->server.allow, &f->server.deny);
	for (size_t i = 0; i < f->door_count; i++)
		compile_pair(
			c, pair++, "door", f->doors[i].name, &f->doors[i].allow, &f->doors[i].deny);
	for (size_t i = 0; i < f->service_count; i++)
		compile_pair(c, pair++, "service", f->services[i].name, &f->services[i].allow,
			&f->services[i].deny);
}

const struct policy_list *policy_list_server(const struct policy *p, int which)
{
	return &p->lists[which];
}

const struct policy_list *policy_list_door(const struct policy *p, size_t i, int which)
{
	return &p->lists[POLICY_LIST_COUNT * (1 + i) + (size_t)which];
}

const struct policy_list *policy_list_service(const struct policy *p, size_t i, int which)
{
	return policy_list_door(p, p->config->door_count + i, which);
}

struct policy *policy_new(
	const struct config *c, const struct directory *d, struct config_report *r)
{
	size_t mistakes = r->count;
	size_t pairs = 1 + c->door_count + c->service_count;
	struct compiler *compiler = calloc(1, sizeof(*compiler));
	struct policy *p = calloc(1, sizeof(*p));
	if (p != NULL)
		p->lists = calloc(pairs * POLICY_LIST_COUNT, sizeof(*p->lists));
	if (compiler == NULL || p == NULL || p->lists == NULL) {
		config_report_add(r, NULL, "no memory for the access lists");
		goto out;
	}
	p->config = c;
	p->directory = d;
	p->list_count = pairs * POLICY_LIST_COUNT;
	compiler->p = p;
	compiler->report = r;
	compile_lists(compiler);
	compile_groups(compiler);
	check_directory(compiler);
	if (compiler->is_short)
		config_report_add(r, NULL, "no memory for the access lists");
out:
	free(compiler);
	if (r->count == mistakes)
		return p;
	policy_free(p);
	return NULL;
}

void policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->list_count; i++) {
		policy_table_deinit(&p->lists[i].exact);
		policy_table_deinit(&p->lists[i].below);
		free(p->lists[i].label);
	}
	free(p->lists);
	policy_table_deinit(&p->exact);
	policy_table_deinit(&p->below);
	free(p);
}
