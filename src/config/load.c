/*
 * From text to struct config: scan, let libconfuse parse what the scan let pass, read libconfuse's tree
 * through the keyword table. Nothing leaves here unless the whole text was without a mistake.
 */

#include <confuse.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/internal.h"

#define OPTIONS_MAX 64 /* keywords and blocks in one block, with the end mark */

/* What the caller holds is &box->config. */
struct box {
	struct config config;
	struct config_arena arena;
};

struct loader {
	struct box *box;
	struct config_notes notes;
	struct config_scan scan;
	cfg_opt_t options[CONFIG_BLOCK_COUNT][OPTIONS_MAX];
	cfg_t *tree;
};

/*
 * Where libconfuse's error function finds its loader: it hands over no pointer of ours, and its lexer is
 * one per process anyway.
 */
static struct loader *parsing;

/* The scan leaves libconfuse nothing to complain about but memory; if it does, it is a mistake as well. */
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[CONFIG_WHY_MAX];
	struct config_place at = { .file = parsing->box->config.file };
	size_t line = cfg->line > 0 ? (size_t)cfg->line - 1 : 0;
	if (line < parsing->scan.line_len)
		at = parsing->scan.lines[line];
	vsnprintf(text, sizeof(text), fmt, ap);
	config_note(&parsing->notes, &at, "%s", text);
}

static void add_option(struct loader *l, enum config_block b, size_t *at, cfg_opt_t option)
{
	if (*at + 1 < OPTIONS_MAX)
		l->options[b][(*at)++] = option;
}

/* libconfuse's table for one block; those of the blocks inside it exist already. */
static void make_options(struct loader *l, enum config_block b)
{
	const struct config_block_def *def = config_block_def(b);
	size_t at = 0;
	for (size_t i = 0; i < def->keyword_count; i++) {
		const struct config_keyword *k = &def->keywords[i];
		if (config_keyword_is_list(k))
			add_option(
				l, b, &at, (cfg_opt_t)CFG_STR_LIST(k->name, NULL, CFGF_NODEFAULT));
		else
			add_option(l, b, &at, (cfg_opt_t)CFG_STR(k->name, NULL, CFGF_NODEFAULT));
	}
	for (int c = CONFIG_BLOCK_ROOT + 1; c < CONFIG_BLOCK_COUNT; c++) {
		const struct config_block_def *child = config_block_def((enum config_block)c);
		cfg_flag_t title = child->has_title ? CFGF_TITLE : CFGF_NONE;
		if (child->parent == b)
			add_option(l, b, &at,
				(cfg_opt_t)CFG_SEC(child->name, l->options[c], CFGF_MULTI | title));
	}
	add_option(l, b, &at, (cfg_opt_t)CFG_END());
}

static bool parse(struct loader *l)
{
	/* A block's table comes after those of its children in the enum's order. */
	for (int b = CONFIG_BLOCK_COUNT - 1; b >= CONFIG_BLOCK_ROOT; b--)
		make_options(l, (enum config_block)b);
	l->tree = cfg_init(l->options[CONFIG_BLOCK_ROOT], CFGF_NONE);
	if (l->tree == NULL) {
		l->notes.is_short = true;
		return false;
	}
	cfg_set_error_function(l->tree, on_error);
	parsing = l;
	int rc = cfg_parse_buf(l->tree, l->scan.text);
	parsing = NULL;
	if (rc == CFG_SUCCESS)
		return true;
	/*
	 * Memory is short. The tree is left behind: libconfuse 3.3 follows a null pointer when it frees
	 * a section that it could not make.
	 */
	l->tree = NULL;
	l->notes.is_short = true;
	return false;
}

static void fill_list(struct loader *l, const struct config_statement *st, cfg_opt_t *option,
	struct config_list *to)
{
	char why[CONFIG_WHY_MAX];
	const struct config_keyword *k = st->keyword;
	struct config_arena *arena = &l->box->arena;

	to->items = config_arena_zalloc(arena, st->value_count * sizeof(*to->items) + 1);
	if (to->items == NULL) {
		l->notes.is_short = true;
		return;
	}
	to->is_set = true;
	to->at = (struct config_text){ k->name, st->at.file, st->at.line };
	for (size_t i = 0; i < st->value_count; i++) {
		const struct config_value *v = &l->scan.values[st->first_value + i];
		const char *text = cfg_opt_getnstr(option, (unsigned)i);
		if (v->is_bad)
			continue;
		if (!config_value_check_item(k, text, why)) {
			config_note(&l->notes, &v->at, "%s: %s", k->name, why);
			continue;
		}
		const char *kept = config_arena_keep(arena, text, strlen(text));
		if (kept == NULL)
			l->notes.is_short = true;
		to->items[to->len++] = (struct config_text){ kept, v->at.file, v->at.line };
	}
}

static void fill_scalar(
	struct loader *l, const struct config_statement *st, cfg_opt_t *option, void *base)
{
	char why[CONFIG_WHY_MAX];
	struct config_value *v = &l->scan.values[st->first_value];
	if (v->is_bad)
		return;
	char *text = cfg_opt_getnstr(option, 0);
	if (!config_value_set(st->keyword, text, base, &l->box->arena, why)) {
		config_note(&l->notes, &v->at, "%s: %s", st->keyword->name, why);
		v->is_bad = true;
	}
	if (st->keyword->type == CONFIG_TYPE_KEY)
		sodium_memzero(text, strlen(text));
}

static void fill_default(struct loader *l, const struct config_keyword *k,
	const struct config_place *block_at, void *base)
{
	char why[CONFIG_WHY_MAX];
	if (k->is_required)
		config_note(&l->notes, block_at, "%s: missing; this block needs it", k->name);
	else if (k->initial != NULL && !config_value_set(k, k->initial, base, &l->box->arena, why))
		config_note(&l->notes, block_at, "%s: %s", k->name, why);
}

/* Every keyword of one block into the struct at base. */
static void fill(struct loader *l, cfg_t *section, enum config_block b, size_t ordinal, void *base)
{
	const struct config_block_def *def = config_block_def(b);
	const struct config_statement *block = config_scan_find(&l->scan, b, ordinal, NULL);
	for (size_t i = 0; i < def->keyword_count; i++) {
		const struct config_keyword *k = &def->keywords[i];
		const struct config_statement *st = config_scan_find(&l->scan, b, ordinal, k);
		cfg_opt_t *option = cfg_getopt(section, k->name);
		if (st == NULL)
			fill_default(l, k, &block->at, base);
		else if (st->is_bad)
			continue;
		else if (cfg_opt_size(option) != st->value_count)
			config_note(&l->notes, &st->at,
				"%s: cannot be read; write each value in quotes", k->name);
		else if (config_keyword_is_list(k))
			fill_list(l, st, option, (void *)((char *)base + k->offset));
		else
			fill_scalar(l, st, option, base);
	}
}

static struct config_text block_text(const struct loader *l, enum config_block b, size_t ordinal)
{
	const struct config_statement *st = config_scan_find(&l->scan, b, ordinal, NULL);
	return (struct config_text){ st->title, st->at.file, st->at.line };
}

/* Scan and tree count blocks alike, or the text means two things. */
static size_t count_blocks(struct loader *l, enum config_block b)
{
	size_t n = cfg_size(l->tree, config_block_def(b)->name);
	struct config_place at = { .file = l->box->config.file };
	if (n == l->scan.counts[b])
		return n;
	config_note(
		&l->notes, &at, "the %s blocks cannot be told apart", config_block_def(b)->name);
	return 0;
}

/* The blocks b in door i, each of size bytes in an array; base is where spa and tagged have their place. */
static size_t fill_inner(struct loader *l, cfg_t *section, size_t i, enum config_block b,
	size_t size, void *base, void **ret)
{
	const struct config_block_def *def = config_block_def(b);
	const struct config_statement *first = config_scan_child(&l->scan, b, i, 0);
	size_t n = cfg_size(section, def->name);
	if (config_scan_child(&l->scan, b, i, n) != NULL ||
		(n > 0 && config_scan_child(&l->scan, b, i, n - 1) == NULL)) {
		struct config_place at = config_scan_place(&l->scan, CONFIG_BLOCK_DOOR, i, "");
		config_note(&l->notes, &at, "the %s blocks cannot be told apart", def->name);
		return 0;
	}
	if (n > 0 && base == NULL)
		base = config_arena_zalloc(&l->box->arena, n * size);
	if (n > 0 && base == NULL) {
		l->notes.is_short = true;
		return 0;
	}
	for (size_t k = 0; k < n; k++)
		fill(l, cfg_getnsec(section, def->name, (unsigned)k), b, first->ordinal + k,
			(char *)base + k * size);
	if (ret != NULL)
		*ret = base;
	return n;
}

/* Where the nth block b of door i stands, and its as. */
static struct config_text inner_text(struct loader *l, enum config_block b, size_t i, size_t n)
{
	const struct config_statement *st = config_scan_child(&l->scan, b, i, n);
	return (struct config_text){ NULL, st->at.file, st->at.line };
}

static struct config_text as_text(
	struct loader *l, enum config_block b, size_t i, size_t n, const char *as)
{
	const struct config_statement *st = config_scan_child(&l->scan, b, i, n);
	struct config_place at = config_scan_place(&l->scan, b, st->ordinal, "as");
	return (struct config_text){ as, at.file, at.line };
}

/* What is beyond the limit is a mistake, reported by the check. */
static void fill_steps(struct config_sequence *q)
{
	for (size_t i = 0; i < q->ports.len && q->step_count < CONFIG_STEPS_MAX; i++)
		if (config_step_parse(q->ports.items[i].text, &q->steps[q->step_count]))
			q->step_count++;
}

static void fill_sequences(struct loader *l, cfg_t *section, size_t i, struct config_door *d)
{
	const enum config_block b = CONFIG_BLOCK_SEQUENCE;
	void *items = NULL;
	d->sequence_count = fill_inner(l, section, i, b, sizeof(*d->sequences), NULL, &items);
	d->sequences = items;
	for (size_t n = 0; n < d->sequence_count; n++) {
		struct config_sequence *q = &d->sequences[n];
		q->at = inner_text(l, b, i, n);
		q->as_at = as_text(l, b, i, n, q->as);
		fill_steps(q);
	}
}

static void fill_structured(struct loader *l, cfg_t *section, size_t i, struct config_door *d)
{
	const enum config_block b = CONFIG_BLOCK_STRUCTURED;
	void *items = NULL;
	d->structured_count = fill_inner(l, section, i, b, sizeof(*d->structured), NULL, &items);
	d->structured = items;
	for (size_t n = 0; n < d->structured_count; n++) {
		d->structured[n].at = inner_text(l, b, i, n);
		d->structured[n].as_at = as_text(l, b, i, n, d->structured[n].as);
	}
}

static void fill_ciphers(struct loader *l, cfg_t *section, size_t i, struct config_door *d)
{
	const enum config_block b = CONFIG_BLOCK_CIPHER;
	void *items = NULL;
	d->cipher_count = fill_inner(l, section, i, b, sizeof(*d->ciphers), NULL, &items);
	d->ciphers = items;
	for (size_t n = 0; n < d->cipher_count; n++) {
		/* A pad's message always has two bytes for the port. */
		d->ciphers[n].wide |= d->ciphers[n].pad != NULL;
		d->ciphers[n].at = inner_text(l, b, i, n);
		d->ciphers[n].as_at = as_text(l, b, i, n, d->ciphers[n].as);
	}
}

static void fill_fwknops(struct loader *l, cfg_t *section, size_t i, struct config_door *d)
{
	const enum config_block b = CONFIG_BLOCK_FWKNOP;
	void *items = NULL;
	d->fwknop_count = fill_inner(l, section, i, b, sizeof(*d->fwknops), NULL, &items);
	d->fwknops = items;
	for (size_t n = 0; n < d->fwknop_count; n++) {
		d->fwknops[n].at = inner_text(l, b, i, n);
		d->fwknops[n].as_at = as_text(l, b, i, n, d->fwknops[n].as);
	}
}

static void fill_door(struct loader *l, cfg_t *section, size_t i, struct config_door *d)
{
	d->at = block_text(l, CONFIG_BLOCK_DOOR, i);
	d->name = d->at.text;
	d->group = CONFIG_NO_GROUP;
	fill(l, section, CONFIG_BLOCK_DOOR, i, d);
	d->spa.is_on = fill_inner(l, section, i, CONFIG_BLOCK_SPA, 0, &d->spa, NULL) > 0;
	d->tagged.is_on = fill_inner(l, section, i, CONFIG_BLOCK_TAGGED, 0, &d->tagged, NULL) > 0;
	if (d->tagged.is_on)
		d->tagged.at = inner_text(l, CONFIG_BLOCK_TAGGED, i, 0);
	fill_sequences(l, section, i, d);
	fill_structured(l, section, i, d);
	fill_ciphers(l, section, i, d);
	fill_fwknops(l, section, i, d);
}

static void fill_doors(struct loader *l)
{
	struct config *c = &l->box->config;
	c->door_count = count_blocks(l, CONFIG_BLOCK_DOOR);
	for (size_t i = 0; i < c->door_count; i++)
		fill_door(l, cfg_getnsec(l->tree, "door", (unsigned)i), i, &c->doors[i]);
}

/* What stands second for its family is a mistake, reported by the check. */
static void fill_targets(struct config_service *s)
{
	for (size_t i = 0; i < s->forward.len; i++) {
		struct config_target t;
		if (!config_target_parse(s->forward.items[i].text, &t))
			continue;
		if (addr_is_v4(&t.addr))
			s->forward4 = t;
		else
			s->forward6 = t;
	}
}

static void fill_services(struct loader *l)
{
	struct config *c = &l->box->config;
	c->service_count = count_blocks(l, CONFIG_BLOCK_SERVICE);
	for (size_t i = 0; i < c->service_count; i++) {
		struct config_service *s = &c->services[i];
		s->at = block_text(l, CONFIG_BLOCK_SERVICE, i);
		s->name = s->at.text;
		fill(l, cfg_getnsec(l->tree, "service", (unsigned)i), CONFIG_BLOCK_SERVICE, i, s);
		fill_targets(s);
	}
}

/*
 * A passthru's port is guarded like a service's, and is one. Nobody may through when nobody is named, also
 * where a service without a list would admit: what lies behind is another machine.
 */
static void fill_passthru(struct loader *l, size_t i, struct config_service *s)
{
	struct config *c = &l->box->config;
	struct config_passthru *p = &c->passthrus[i];
	struct config_passthru_block b = { 0 };
	b.service.at = block_text(l, CONFIG_BLOCK_PASSTHRU, i);
	fill(l, cfg_getnsec(l->tree, "passthru", (unsigned)i), CONFIG_BLOCK_PASSTHRU, i, &b);
	*s = b.service;
	s->name = s->at.text;
	s->proto = IPPROTO_TCP;
	s->passthru = p;
	if (!config_scan_has(&l->scan, CONFIG_BLOCK_PASSTHRU, i, "allow")) {
		s->allow.is_set = true;
		s->allow.at = (struct config_text){ "allow", s->at.file, s->at.line };
	}
	*p = b.passthru;
	p->name = s->name;
	p->at = s->at;
	p->service = s;
	struct config_place to = config_scan_place(&l->scan, CONFIG_BLOCK_PASSTHRU, i, "to");
	p->to_at = (struct config_text){ p->host, to.file, to.line };
}

/* What finds no place among the services is a mistake, reported by the check. */
static void fill_passthrus(struct loader *l)
{
	struct config *c = &l->box->config;
	size_t n = count_blocks(l, CONFIG_BLOCK_PASSTHRU);
	for (size_t i = 0; i < n && c->service_count < CONFIG_SERVICES_MAX; i++) {
		fill_passthru(l, i, &c->services[c->service_count++]);
		c->passthru_count++;
	}
}

static void fill_actions(struct loader *l)
{
	struct config *c = &l->box->config;
	c->action_count = count_blocks(l, CONFIG_BLOCK_ACTION);
	for (size_t i = 0; i < c->action_count; i++) {
		struct config_action *a = &c->actions[i];
		a->at = block_text(l, CONFIG_BLOCK_ACTION, i);
		a->name = a->at.text;
		fill(l, cfg_getnsec(l->tree, "action", (unsigned)i), CONFIG_BLOCK_ACTION, i, a);
	}
}

static void fill_groups(struct loader *l)
{
	struct config *c = &l->box->config;
	c->group_count = count_blocks(l, CONFIG_BLOCK_GROUP);
	for (size_t i = 0; i < c->group_count; i++) {
		struct config_group *g = &c->groups[i];
		g->at = block_text(l, CONFIG_BLOCK_GROUP, i);
		g->name = g->at.text;
		fill(l, cfg_getnsec(l->tree, "group", (unsigned)i), CONFIG_BLOCK_GROUP, i, g);
	}
}

static void fill_rescue(struct loader *l)
{
	struct config_rescue *r = &l->box->config.rescue;
	if (count_blocks(l, CONFIG_BLOCK_RESCUE) != 1)
		return;
	r->is_on = true;
	r->at = block_text(l, CONFIG_BLOCK_RESCUE, 0);
	fill(l, cfg_getnsec(l->tree, "rescue", 0), CONFIG_BLOCK_RESCUE, 0, r);
	/* What is beyond the limit is a mistake, reported by the check. */
	for (size_t i = 0; i < r->from.len && r->prefix_count < CONFIG_RESCUE_MAX; i++)
		if (prefix_parse(r->from.items[i].text, &r->prefixes[r->prefix_count]))
			r->prefix_count++;
}

/* What is beyond the limit is a mistake, reported by the check. */
static void fill_openings(struct config_server *s)
{
	for (size_t i = 0; i < s->lockdown_allow.len; i++) {
		const char *text = s->lockdown_allow.items[i].text;
		if (strcmp(text, CONFIG_ECHO) == 0)
			s->allows_echo = true;
		else if (s->opening_count < CONFIG_OPENINGS_MAX &&
			config_endpoint_parse(text, &s->openings[s->opening_count]))
			s->opening_count++;
	}
}

static void fill_all(struct loader *l)
{
	if (count_blocks(l, CONFIG_BLOCK_SERVER) == 1)
		fill(l, cfg_getnsec(l->tree, "server", 0), CONFIG_BLOCK_SERVER, 0,
			&l->box->config.server);
	fill_openings(&l->box->config.server);
	fill_doors(l);
	fill_services(l);
	fill_passthrus(l);
	fill_actions(l);
	fill_groups(l);
	fill_rescue(l);
}

static void load(struct loader *l, const char *file, struct span text)
{
	struct config *c = &l->box->config;
	c->file = config_arena_keep(&l->box->arena, file, strlen(file));
	l->scan.notes = &l->notes;
	l->scan.arena = &l->box->arena;
	if (c->file == NULL) {
		l->notes.is_short = true;
		return;
	}
	config_scan_run(&l->scan, c->file, text);
	if (l->scan.is_short)
		l->notes.is_short = true;
	if (l->notes.is_short || !parse(l))
		return;
	fill_all(l);
	/* What is missing cannot be told in a text that was not read to its end. */
	if (!l->scan.is_lost)
		config_check(c, &l->scan, &l->notes);
}

struct config *config_parse_text(const char *file, struct span text, struct config_report *r)
{
	const char *why = config_text_refusal(text);
	if (why != NULL) {
		config_report_add(r, NULL, "%s: %s", file, why);
		return NULL;
	}
	struct loader *l = calloc(1, sizeof(*l));
	struct box *box = calloc(1, sizeof(*box));
	if (l == NULL || box == NULL) {
		config_report_add(r, NULL, "no memory to read the configuration");
		free(l);
		free(box);
		return NULL;
	}
	l->box = box;
	load(l, file, text);
	bool is_good = l->notes.len == 0 && !l->notes.is_short;
	config_notes_flush(&l->notes, r);
	config_scan_deinit(&l->scan);
	if (l->tree != NULL)
		cfg_free(l->tree);
	free(l);
	if (is_good)
		return &box->config;
	config_free(&box->config);
	return NULL;
}

struct config *config_load(const char *path, struct config_report *r)
{
	uint8_t *data = NULL;
	size_t len = 0;
	struct fault f = { 0 };

	int rc = file_read(path, FILE_TRUSTED, CONFIG_FILE_MAX, &data, &len, &f);
	if (rc < 0) {
		config_report_add(r, NULL, "%s%s", f.text,
			rc == -ENOENT ? "; \"postern setup\" makes one, -c names another" : "");
		return NULL;
	}
	struct config *c = config_parse_text(path, span_of(data, len), r);
	sodium_memzero(data, len);
	free(data);
	return c;
}

/* The texts belong to the configuration's own memory and are const for everybody else. */
static void forget(const char *text)
{
	if (text != NULL)
		sodium_memzero((char *)(uintptr_t)text, strlen(text));
}

void config_forget_secrets(struct config *c)
{
	for (size_t i = 0; i < c->door_count; i++) {
		for (size_t k = 0; k < c->doors[i].fwknop_count; k++) {
			forget(c->doors[i].fwknops[k].key_base64);
			forget(c->doors[i].fwknops[k].hmac_key_base64);
		}
	}
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	/* config is the first member of its box. */
	struct box *box = (struct box *)c;
	config_forget_secrets(c);
	config_arena_deinit(&box->arena);
	free(box);
}

bool config_is_forwarded(const struct config_service *s)
{
	return s->forward4.port != 0 || s->forward6.port != 0;
}

const struct config_service *config_service_by_name(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (strcmp(c->services[i].name, name) == 0)
			return &c->services[i];
	return NULL;
}

const struct config_action *config_action_by_name(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->action_count; i++)
		if (strcmp(c->actions[i].name, name) == 0)
			return &c->actions[i];
	return NULL;
}

const struct config_service *config_service_by_port(
	const struct config *c, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (c->services[i].proto == proto && port >= c->services[i].port &&
			port <= config_service_last_port(&c->services[i]))
			return &c->services[i];
	return NULL;
}
