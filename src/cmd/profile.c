/*
 * Reading profiles, token by token. Invariant: what is read is what libconfuse would read of the same
 * text, or is refused with its line.
 */

#include "cmd/profile.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd/client_home.h"
#include "config/lex.h"

#define BLOCK "profile"
#define TOKEN_TEXT_MAX 80
#define SID_TEXT_LEN 64
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

struct profile_text {
	struct profile_text *next;
	char b[];
};

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

static struct profile *add_profile(struct profiles *p, const char *name)
{
	struct profile **items = reallocarray(p->items, p->count + 1, sizeof(struct profile *));
	if (items == NULL)
		return NULL;
	p->items = items;
	items[p->count] = calloc(1, sizeof(struct profile));
	if (items[p->count] == NULL)
		return NULL;
	items[p->count]->name = name;
	return items[p->count++];
}

/* ------------------------------------------------------------------ parsing */

struct parser {
	struct profiles *all;
	struct profile *now; /* whose block is open */
	const struct profile_keys *keys;
	struct config_lexer lexer;
	struct config_lexeme token;
	struct fault *fault;
};

__attribute__((format(printf, 2, 3))) static int refuse(
	const struct parser *p, const char *fmt, ...)
{
	char why[FAULT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	fault_set(p->fault, "%.200s:%u: %.300s", p->all->path, p->token.line, why);
	return -EINVAL;
}

static int no_memory(const struct parser *p)
{
	fault_set(p->fault, "no memory to read %.200s", p->all->path);
	return -ENOMEM;
}

/* The next token. 0, or -EINVAL with the fault. */
static int next(struct parser *p)
{
	char text[TOKEN_TEXT_MAX];
	p->token = config_lex(&p->lexer);
	if (p->token.why == NULL)
		return 0;
	if (p->token.text.len == 0)
		return refuse(p, "%s", p->token.why);
	return refuse(p, "%s: %s", text_quote(p->token.text, text, sizeof(text)), p->token.why);
}

/* The next token must be a word or string: its value to to. */
static int next_value(struct parser *p, const char *what, char to[CONFIG_VALUE_MAX])
{
	int rc = next(p);
	if (rc < 0)
		return rc;
	if (p->token.token != CONFIG_TOKEN_WORD && p->token.token != CONFIG_TOKEN_STRING)
		return refuse(p, "%s must stand here", what);
	config_lexeme_value(&p->token, to);
	return 0;
}

static int expect(struct parser *p, enum config_token token, const char *what)
{
	int rc = next(p);
	if (rc == 0 && p->token.token != token)
		return refuse(p, "%s must stand here", what);
	return rc;
}

static const struct profile_key *find_key(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < p->keys->count; i++)
		if (strcmp(p->keys->keys[i].name, name) == 0)
			return &p->keys->keys[i];
	return NULL;
}

static int add_value(struct parser *p, const struct profile_key *key, const char *text)
{
	const char *path = p->all->path, *slash = strrchr(path, '/');
	size_t folder = 0;
	if (text[0] == '\0')
		return refuse(p, "%s: is empty; leave it out", key->name);
	if (profile_find(p->now, key->name) != NULL)
		return refuse(p, "%s: stands here twice; keep one", key->name);
	if (p->now->count == PROFILE_VALUES_MAX)
		return refuse(p, "more than %d values", PROFILE_VALUES_MAX);
	if (key->is_file && slash != NULL && profile_is_relative(text))
		folder = (size_t)(slash - path) + 1;
	const char *kept = keep(p->all, path, folder, text);
	if (kept == NULL)
		return no_memory(p);
	p->now->values[p->now->count++] = (struct profile_value){ key->name, kept, p->token.line };
	return 0;
}

/* key = value, of which the key was read. */
static int read_value(struct parser *p, char name[CONFIG_VALUE_MAX])
{
	const struct profile_key *key = find_key(p, name);
	if (key == NULL)
		return refuse(
			p, "%.80s: not a key of a profile; see \"Profiles\" in postern(1)", name);
	int rc = expect(p, CONFIG_TOKEN_EQUALS, "=");
	/* The name is not needed any more. */
	if (rc == 0)
		rc = next_value(p, "a value", name);
	return rc < 0 ? rc : add_value(p, key, name);
}

/* Values up to the end of the block. */
static int read_block(struct parser *p)
{
	char word[CONFIG_VALUE_MAX];
	for (;;) {
		int rc = next(p);
		if (rc < 0)
			return rc;
		if (p->token.token == CONFIG_TOKEN_CLOSE)
			return 0;
		if (p->token.token == CONFIG_TOKEN_END)
			return refuse(p, "the file ends inside a block; a } is missing");
		if (p->token.token != CONFIG_TOKEN_WORD)
			return refuse(p, "a key must stand here");
		config_lexeme_value(&p->token, word);
		rc = read_value(p, word);
		if (rc < 0)
			return rc;
	}
}

/* NAME { .. }, behind the word profile. */
static int read_profile(struct parser *p)
{
	char name[CONFIG_VALUE_MAX];
	int rc = next_value(p, "the name of the profile", name);
	if (rc < 0)
		return rc;
	if (!profile_name_is_good(name))
		return refuse(p, "%.80s: not a name; write 1 to %d of letters, digits, . _ and -",
			name, PROFILE_NAME_MAX);
	if (profiles_find(p->all, name) != NULL)
		return refuse(p, "%s: there is a profile of that name above; rename one", name);
	const char *kept = keep(p->all, "", 0, name);
	p->now = kept != NULL ? add_profile(p->all, kept) : NULL;
	if (p->now == NULL)
		return no_memory(p);
	rc = expect(p, CONFIG_TOKEN_OPEN, "{");
	return rc < 0 ? rc : read_block(p);
}

static int read_all(struct parser *p)
{
	for (;;) {
		int rc = next(p);
		if (rc < 0 || p->token.token == CONFIG_TOKEN_END)
			return rc;
		if (p->token.token != CONFIG_TOKEN_WORD ||
			!span_equal(p->token.text, span_of(BLOCK, strlen(BLOCK))))
			return refuse(p, "profile NAME { .. } must stand here");
		rc = read_profile(p);
		if (rc < 0)
			return rc;
	}
}

int profiles_parse(const char *path, struct span text, const struct profile_keys *keys,
	struct profiles **ret, struct fault *f)
{
	struct parser p = { .keys = keys, .fault = f, .lexer = config_lexer_init(text) };
	const char *why = config_text_refusal(text);
	if (why != NULL) {
		fault_set(f, "%.200s: %s", path, why);
		return -EINVAL;
	}
	p.all = calloc(1, sizeof(*p.all));
	if (p.all != NULL)
		p.all->path = keep(p.all, "", 0, path);
	if (p.all == NULL || p.all->path == NULL) {
		fault_set(f, "no memory to read %.200s", path);
		profiles_free(p.all);
		return -ENOMEM;
	}
	int rc = read_all(&p);
	if (rc < 0)
		profiles_free(p.all);
	else
		*ret = p.all;
	return rc;
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
