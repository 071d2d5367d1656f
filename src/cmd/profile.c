/*
 * Reading profiles: libconfuse parses, and tells us of each value as it comes, which is how a value is
 * known to its line. Invariant: what profiles_parse returned is what libconfuse understood, whole.
 */

#include "cmd/profile.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client_home.h"

#define BLOCK "profile"
/*
 * libconfuse takes the end of a text for the end of a block, or of a comment, that is open. This stands
 * behind the text: it is understood as it is only when nothing is. No profile may have its name.
 */
#define END_NAME "-"
#define END_BLOCK "\n" BLOCK " " END_NAME " {\n}\n"
#define SID_TEXT_LEN 64
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

struct profile_text {
	struct profile_text *next;
	char b[];
};

struct parser {
	struct profiles *all;
	struct profile *now; /* whose block is open */
	const struct profile_keys *keys;
	struct fault *fault;
	unsigned lines; /* of the text */
	bool has_ended; /* and nothing was open then */
	int rc;
};

/* libconfuse hands its callbacks no pointer of ours, and its lexer is one per process anyway. */
static struct parser *parsing;

bool profile_name_is_good(const char *name)
{
	size_t len = strlen(name);
	return len > 0 && len <= PROFILE_NAME_MAX && name[0] != '-' && name[0] != '.' &&
		strspn(name, NAME_LETTERS) == len;
}

bool profile_is_relative(const char *text)
{
	return text[0] != '/' &&
		(strlen(text) != SID_TEXT_LEN ||
			strspn(text, "0123456789abcdefABCDEF") != SID_TEXT_LEN);
}

/* ------------------------------------------------------------------ memory */

/* "folder" and text, kept as long as the profiles; NULL without memory. */
static const char *keep(struct profiles *p, const char *folder, size_t folder_len, const char *text)
{
	size_t len = strlen(text);
	struct profile_text *t = calloc(1, sizeof(*t) + folder_len + len + 1);
	if (t == NULL)
		return NULL;
	memcpy(t->b, folder, folder_len);
	memcpy(t->b + folder_len, text, len);
	t->next = p->texts;
	p->texts = t;
	return t->b;
}

static void no_memory(void)
{
	parsing->rc = -ENOMEM;
	fault_set(parsing->fault, "no memory to read %s", parsing->all->path);
}

void profiles_free(struct profiles *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->items[i]);
	while (p->texts != NULL) {
		struct profile_text *t = p->texts;
		p->texts = t->next;
		free(t);
	}
	free(p->items);
	free(p);
}

static struct profile *add_profile(struct profiles *p)
{
	struct profile **items = reallocarray(p->items, p->count + 1, sizeof(struct profile *));
	if (items == NULL)
		return NULL;
	p->items = items;
	items[p->count] = calloc(1, sizeof(struct profile));
	return items[p->count] != NULL ? items[p->count++] : NULL;
}

/* ------------------------------------------------------------------ what libconfuse tells */

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char why[FAULT_MAX];
	if (parsing->rc != 0)
		return;
	parsing->rc = -EINVAL;
	if ((unsigned)cfg->line > parsing->lines) {
		fault_set(parsing->fault, "%s:%u: the file ends inside a block; a } is missing",
			parsing->all->path, parsing->lines);
		return;
	}
	vsnprintf(why, sizeof(why), fmt, ap);
	fault_set(parsing->fault,
		"%s:%d: %.300s; postern(1), \"Profiles\", says what may stand here",
		parsing->all->path, cfg->line, why);
}

__attribute__((format(printf, 2, 3))) static int refuse(cfg_t *cfg, const char *fmt, ...)
{
	char why[FAULT_MAX];
	va_list ap;
	if (parsing->rc != 0)
		return -1;
	parsing->rc = -EINVAL;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	fault_set(parsing->fault, "%s:%d: %.300s", parsing->all->path, cfg->line, why);
	return -1;
}

static const struct profile_key *find_key(const char *name)
{
	for (size_t i = 0; i < parsing->keys->count; i++)
		if (strcmp(parsing->keys->keys[i].name, name) == 0)
			return &parsing->keys->keys[i];
	return NULL;
}

static struct profile *open_profile(void)
{
	if (parsing->now == NULL)
		parsing->now = add_profile(parsing->all);
	if (parsing->now == NULL)
		no_memory();
	return parsing->now;
}

/* A value was set: of the block that is open now. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct profile *p = open_profile();
	const struct profile_key *key = find_key(cfg_opt_name(opt));
	const char *text = cfg_opt_getnstr(opt, 0), *path = parsing->all->path;
	const char *slash = strrchr(path, '/');
	if (p == NULL || key == NULL)
		return -1;
	if (text == NULL || text[0] == '\0')
		return refuse(cfg, "%s: is empty; leave it out", key->name);
	if (profile_find(p, key->name) != NULL)
		return refuse(cfg, "%s: stands here twice; keep one", key->name);
	if (p->count == PROFILE_VALUES_MAX)
		return refuse(cfg, "more than %d values", PROFILE_VALUES_MAX);
	size_t folder = 0;
	if (key->is_file && slash != NULL && profile_is_relative(text))
		folder = (size_t)(slash - path) + 1;
	const char *kept = keep(parsing->all, path, folder, text);
	if (kept == NULL) {
		no_memory();
		return -1;
	}
	p->values[p->count++] = (struct profile_value){ key->name, kept, (unsigned)cfg->line };
	return 0;
}

/* A block was closed. */
static int on_profile(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	const char *title = section != NULL ? cfg_title(section) : "";
	parsing->has_ended = (unsigned)cfg->line > parsing->lines && strcmp(title, END_NAME) == 0;
	if (parsing->has_ended)
		return 0;
	struct profile *p = open_profile();
	if (p == NULL)
		return -1;
	parsing->now = NULL;
	if (!profile_name_is_good(title))
		return refuse(cfg, "%.80s: not a name; write 1 to %d of letters, digits, . _ and -",
			title, PROFILE_NAME_MAX);
	p->name = keep(parsing->all, "", 0, title);
	if (p->name == NULL)
		no_memory();
	return p->name != NULL ? 0 : -1;
}

/* ------------------------------------------------------------------ parsing */

static cfg_opt_t *make_options(const struct profile_keys *keys)
{
	cfg_opt_t *options = calloc(keys->count + 1, sizeof(*options));
	if (options == NULL)
		return NULL;
	for (size_t i = 0; i < keys->count; i++)
		options[i] = (cfg_opt_t)CFG_STR(keys->keys[i].name, NULL, CFGF_NODEFAULT);
	options[keys->count] = (cfg_opt_t)CFG_END();
	return options;
}

static void set_callbacks(cfg_t *tree)
{
	char path[128];
	cfg_set_error_function(tree, on_error);
	cfg_set_validate_func(tree, BLOCK, on_profile);
	for (size_t i = 0; i < parsing->keys->count; i++) {
		snprintf(path, sizeof(path), BLOCK "|%s", parsing->keys->keys[i].name);
		cfg_set_validate_func(tree, path, on_value);
	}
}

static void parse(const char *text)
{
	cfg_opt_t *options = make_options(parsing->keys);
	cfg_t *tree = NULL;
	if (options == NULL) {
		no_memory();
		return;
	}
	cfg_opt_t root[] = {
		CFG_SEC(BLOCK, options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_END(),
	};
	tree = cfg_init(root, CFGF_NONE);
	if (tree == NULL) {
		no_memory();
	} else {
		set_callbacks(tree);
		if (cfg_parse_buf(tree, text) != CFG_SUCCESS && parsing->rc == 0)
			no_memory();
		if (parsing->rc == 0 && !parsing->has_ended) {
			parsing->rc = -EINVAL;
			fault_set(parsing->fault, "%s:%u: the file ends inside a comment; end it",
				parsing->all->path, parsing->lines);
		}
		cfg_free(tree);
	}
	free(options);
}

int profiles_parse(const char *path, struct span text, const struct profile_keys *keys,
	struct profiles **ret, struct fault *f)
{
	char *copy = NULL;
	const char *data = text.len > 0 ? (const char *)text.data : "";
	struct parser p = { .keys = keys, .fault = f, .lines = 1 };

	if (memchr(data, '\0', text.len) != NULL) {
		fault_set(f, "%s: has a zero byte; it is not a text", path);
		return -EINVAL;
	}
	p.all = calloc(1, sizeof(*p.all));
	if (asprintf(&copy, "%.*s%s", (int)text.len, data, END_BLOCK) < 0)
		copy = NULL;
	if (p.all != NULL)
		p.all->path = keep(p.all, "", 0, path);
	if (p.all == NULL || p.all->path == NULL || copy == NULL) {
		fault_set(f, "no memory to read %s", path);
		p.rc = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < text.len; i++)
		p.lines += data[i] == '\n';
	parsing = &p;
	parse(copy);
	parsing = NULL;
out:
	free(copy);
	if (p.rc < 0)
		profiles_free(p.all);
	else
		*ret = p.all;
	return p.rc;
}

/* ------------------------------------------------------------------ asking */

const struct profile *profiles_find(const struct profiles *p, const char *name)
{
	for (size_t i = 0; p != NULL && i < p->count; i++)
		if (strcmp(p->items[i]->name, name) == 0)
			return p->items[i];
	return NULL;
}

const struct profile_value *profile_find(const struct profile *p, const char *key)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->values[i].key, key) == 0)
			return &p->values[i];
	return NULL;
}

static bool has_secret(const struct profiles *p, const struct profile_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		for (size_t j = 0; keys->keys[i].is_secret && j < p->count; j++)
			if (profile_find(p->items[j], keys->keys[i].name) != NULL)
				return true;
	return false;
}

int profiles_load(const struct profile_keys *keys, struct profiles **ret, struct fault *f)
{
	char path[PATH_MAX];
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault open_to_all;
	struct profiles *p = NULL;

	*ret = NULL;
	int rc = client_home_profiles(false, path, f);
	if (rc < 0)
		return rc;
	int secret = file_read(path, FILE_SECRET, PROFILE_FILE_MAX, &text, &len, f);
	open_to_all = *f;
	if (secret == -EPERM)
		rc = file_read(path, FILE_TRUSTED, PROFILE_FILE_MAX, &text, &len, f);
	else
		rc = secret;
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = profiles_parse(path, span_of(text, len), keys, &p, f);
	free(text);
	if (rc == 0 && secret < 0 && has_secret(p, keys)) {
		*f = open_to_all;
		profiles_free(p);
		return secret;
	}
	if (rc == 0)
		*ret = p;
	return rc;
}
