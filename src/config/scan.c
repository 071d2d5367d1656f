/*
 * Statements against the keyword table, before libconfuse sees them. libconfuse stops at the first thing
 * it does not know and forgets where things stood; this pass reports every unknown, repeated or misplaced
 * word, remembers the place of each statement and value, follows include(), and writes out what is left,
 * one token a line.
 *
 * Invariant: what is written out is balanced and holds only known keywords, each once in its block, with
 * a value of the right shape.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/text.h"
#include "config/internal.h"

#define WORD_MAX 64
#define QUOTED_MAX 80

/* One file, as far as it was read. */
struct source {
	const char *file;
	struct config_lexer lexer;
	unsigned depth;
	enum config_block start; /* the block that it stands in and may not close */
};

static void scan_source(struct config_scan *s, struct source *src);

static struct config_place place(
	struct config_scan *s, const struct source *src, const struct config_lexeme *t)
{
	return (struct config_place){ .file = src->file, .line = t->line, .order = s->order };
}

/* The next token; one that is refused is noted here and still returned. */
static struct config_lexeme next(struct config_scan *s, struct source *src)
{
	char q[QUOTED_MAX];
	struct config_lexeme t = config_lex(&src->lexer);
	s->order++;
	if (t.why != NULL) {
		struct config_place at = place(s, src, &t);
		if (t.token == CONFIG_TOKEN_END)
			config_note(s->notes, &at, "%s", t.why);
		else
			config_note(
				s->notes, &at, "%s %s", text_quote(t.text, q, sizeof(q)), t.why);
	}
	return t;
}

static enum config_token peek(const struct source *src)
{
	struct config_lexer ahead = src->lexer;
	return config_lex(&ahead).token;
}

static bool is_value(enum config_token t)
{
	return t == CONFIG_TOKEN_WORD || t == CONFIG_TOKEN_STRING;
}

static void emit(struct config_scan *s, const struct config_place *at, const char *text, size_t len)
{
	void *lines = s->lines;
	if (s->is_muted)
		return;
	if (!config_grow(&lines, &s->line_cap, s->line_len, sizeof(*s->lines))) {
		s->is_short = true;
		return;
	}
	s->lines = lines;
	s->lines[s->line_len++] = *at;
	fprintf(s->out, "%.*s\n", (int)len, text);
}

static void emit_word(struct config_scan *s, const struct config_place *at, const char *word)
{
	emit(s, at, word, strlen(word));
}

/* Something is missing whose absence makes the rest ambiguous: say so once and read no further. */
static void lose(struct config_scan *s, const struct config_place *at, const char *what)
{
	if (!s->is_lost)
		config_note(s->notes, at, "%s", what);
	s->is_lost = true;
}

/* Of the blocks that b stands in the one that is open: the latest. */
static size_t open_parent(const struct config_scan *s, enum config_block b)
{
	return s->counts[config_block_def(b)->parent] - 1;
}

static struct config_statement *add_statement(
	struct config_scan *s, const struct config_keyword *k, const struct config_place *at)
{
	void *items = s->statements;
	if (!config_grow(&items, &s->statement_cap, s->statement_len, sizeof(*s->statements))) {
		s->is_short = true;
		return NULL;
	}
	s->statements = items;
	struct config_statement *st = &s->statements[s->statement_len++];
	*st = (struct config_statement){ .block = s->block,
		.ordinal = s->counts[s->block] - 1,
		.parent = open_parent(s, s->block),
		.keyword = k,
		.at = *at,
		.first_value = s->value_len };
	return st;
}

/* A statement that was refused still stands there: it is not missing as well. */
static void add_bad(
	struct config_scan *s, const struct config_keyword *k, const struct config_place *at)
{
	struct config_statement *st = s->is_muted ? NULL : add_statement(s, k, at);
	if (st != NULL)
		st->is_bad = true;
}

static void add_value(
	struct config_scan *s, const struct config_place *at, const struct config_lexeme *t)
{
	void *items = s->values;
	if (s->is_muted)
		return;
	if (!config_grow(&items, &s->value_cap, s->value_len, sizeof(*s->values))) {
		s->is_short = true;
		return;
	}
	s->values = items;
	s->values[s->value_len++] = (struct config_value){ .at = *at, .is_bad = t->why != NULL };
	s->statements[s->statement_len - 1].value_count++;
	if (t->why != NULL)
		emit_word(s, at, "\"-\"");
	else
		emit(s, at, (const char *)t->text.data, t->text.len);
}

const struct config_statement *config_scan_find(const struct config_scan *s, enum config_block b,
	size_t ordinal, const struct config_keyword *k)
{
	for (size_t i = 0; i < s->statement_len; i++) {
		const struct config_statement *st = &s->statements[i];
		if (st->block == b && st->ordinal == ordinal && st->keyword == k)
			return st;
	}
	return NULL;
}

const struct config_statement *config_scan_child(
	const struct config_scan *s, enum config_block b, size_t parent, size_t nth)
{
	for (size_t i = 0; i < s->statement_len; i++) {
		const struct config_statement *st = &s->statements[i];
		if (st->block == b && st->parent == parent && st->keyword == NULL && nth-- == 0)
			return st;
	}
	return NULL;
}

bool config_scan_has(
	const struct config_scan *s, enum config_block b, size_t ordinal, const char *keyword)
{
	return config_scan_find(s, b, ordinal, config_keyword_find(b, keyword)) != NULL;
}

struct config_place config_scan_place(
	const struct config_scan *s, enum config_block b, size_t ordinal, const char *keyword)
{
	const struct config_statement *st =
		config_scan_find(s, b, ordinal, config_keyword_find(b, keyword));
	if (st == NULL)
		st = config_scan_find(s, b, ordinal, NULL);
	return st->at;
}

const char *config_port_word(const struct config_service *s)
{
	return s->passthru == NULL ? "port" : "listen";
}

struct config_place config_service_place(
	const struct config_scan *s, const struct config *c, size_t nth, const char *keyword)
{
	const struct config_service *v = &c->services[nth];
	if (v->passthru == NULL)
		return config_scan_place(s, CONFIG_BLOCK_SERVICE, nth, keyword);
	if (strcmp(keyword, "port") == 0)
		keyword = config_port_word(v);
	return config_scan_place(
		s, CONFIG_BLOCK_PASSTHRU, (size_t)(v->passthru - c->passthrus), keyword);
}

bool config_service_has(
	const struct config_scan *s, const struct config *c, size_t nth, const char *keyword)
{
	const struct config_service *v = &c->services[nth];
	if (v->passthru == NULL)
		return config_scan_has(s, CONFIG_BLOCK_SERVICE, nth, keyword);
	return config_scan_has(
		s, CONFIG_BLOCK_PASSTHRU, (size_t)(v->passthru - c->passthrus), keyword);
}

/* Read over what follows an opening brace, to the brace that closes it. */
static void skip_braces(struct config_scan *s, struct source *src, const struct config_place *at)
{
	for (unsigned depth = 1; depth > 0 && !s->is_lost;) {
		struct config_lexeme t = next(s, src);
		if (t.token == CONFIG_TOKEN_END)
			lose(s, at, "the brace that opens here is not closed");
		if (t.token == CONFIG_TOKEN_OPEN)
			depth++;
		if (t.token == CONFIG_TOKEN_CLOSE)
			depth--;
	}
}

/* Read over the rest of a statement whose keyword nobody knows. */
static void skip_statement(struct config_scan *s, struct source *src, const struct config_place *at)
{
	if (is_value(peek(src))) {
		/* A title, when a brace follows; else the next statement, to be left alone. */
		struct config_lexer before = src->lexer;
		next(s, src);
		if (peek(src) != CONFIG_TOKEN_OPEN)
			src->lexer = before;
	}
	enum config_token t = peek(src);
	if (t == CONFIG_TOKEN_EQUALS || t == CONFIG_TOKEN_PLUS_EQUALS) {
		next(s, src);
		t = peek(src);
		if (is_value(t))
			next(s, src);
	}
	if (t == CONFIG_TOKEN_OPEN) {
		next(s, src);
		skip_braces(s, src, at);
	}
	while (t == CONFIG_TOKEN_PAREN_OPEN) {
		struct config_lexeme p = next(s, src);
		if (p.token == CONFIG_TOKEN_PAREN_CLOSE || p.token == CONFIG_TOKEN_END)
			break;
	}
}

static void scan_items(struct config_scan *s, struct source *src, const struct config_keyword *k)
{
	size_t count = 0;
	for (;;) {
		struct config_lexeme t = next(s, src);
		struct config_place at = place(s, src, &t);
		if (t.token == CONFIG_TOKEN_CLOSE)
			break;
		if (!is_value(t.token)) {
			lose(s, &at,
				"a list holds values with commas between them, and ends with }");
			break;
		}
		if (++count == CONFIG_LIST_MAX + 1)
			config_note(s->notes, &at, "%s: more than %d entries; use groups", k->name,
				CONFIG_LIST_MAX);
		if (count <= CONFIG_LIST_MAX) {
			if (count > 1)
				emit_word(s, &at, ",");
			add_value(s, &at, &t);
		}
		t = next(s, src);
		at = place(s, src, &t);
		if (t.token == CONFIG_TOKEN_CLOSE)
			break;
		if (t.token != CONFIG_TOKEN_COMMA) {
			lose(s, &at, "a comma or } is missing in the list");
			break;
		}
	}
}

/* A list of one, written without braces. */
static void scan_single(struct config_scan *s, const struct source *src,
	const struct config_keyword *k, const struct config_place *at,
	const struct config_lexeme *t)
{
	struct config_place value_at = place(s, src, t);
	if (!s->is_muted && add_statement(s, k, at) == NULL)
		return;
	emit_word(s, at, k->name);
	emit_word(s, at, "=");
	emit_word(s, at, "{");
	add_value(s, &value_at, t);
	emit_word(s, at, "}");
}

static void scan_list(struct config_scan *s, struct source *src, const struct config_keyword *k,
	const struct config_place *at)
{
	struct config_lexeme t = next(s, src);
	if (is_value(t.token) && k->type == CONFIG_TYPE_TARGETS) {
		scan_single(s, src, k, at, &t);
		return;
	}
	if (is_value(t.token)) {
		config_note(s->notes, at, "%s: not a list; write {\"...\", \"...\"}", k->name);
		add_bad(s, k, at);
		return;
	}
	if (t.token != CONFIG_TOKEN_OPEN) {
		lose(s, at, "no list after the equals sign; write {\"...\"}");
		return;
	}
	if (!s->is_muted && add_statement(s, k, at) == NULL)
		return;
	emit_word(s, at, k->name);
	emit_word(s, at, "=");
	emit_word(s, at, "{");
	scan_items(s, src, k);
	emit_word(s, at, "}");
}

static void scan_scalar(struct config_scan *s, struct source *src, const struct config_keyword *k,
	const struct config_place *at)
{
	if (peek(src) == CONFIG_TOKEN_OPEN) {
		next(s, src);
		config_note(s->notes, at, "%s: a list; write one value without braces", k->name);
		add_bad(s, k, at);
		skip_braces(s, src, at);
		return;
	}
	if (!is_value(peek(src))) {
		config_note(s->notes, at, "%s: no value after the equals sign", k->name);
		add_bad(s, k, at);
		return;
	}
	struct config_lexeme t = next(s, src);
	struct config_place value_at = place(s, src, &t);
	if (!s->is_muted && add_statement(s, k, at) == NULL)
		return;
	emit_word(s, at, k->name);
	emit_word(s, at, "=");
	add_value(s, &value_at, &t);
}

static bool is_repeated(
	struct config_scan *s, const struct config_keyword *k, const struct config_place *at)
{
	const struct config_statement *first =
		config_scan_find(s, s->block, s->counts[s->block] - 1, k);
	if (first == NULL)
		return false;
	config_note(s->notes, at, "%s: given twice in this block, first on line %u; remove one",
		k->name, first->at.line);
	return true;
}

static void scan_assignment(struct config_scan *s, struct source *src,
	const struct config_keyword *k, const struct config_place *at)
{
	enum config_token op = peek(src);
	if (op == CONFIG_TOKEN_EQUALS || op == CONFIG_TOKEN_PLUS_EQUALS) {
		next(s, src);
	} else {
		config_note(s->notes, at, "%s: no equals sign after it", k->name);
		add_bad(s, k, at);
		if (is_value(op))
			next(s, src);
		return;
	}
	bool was_muted = s->is_muted;
	if (is_repeated(s, k, at)) {
		s->is_muted = true;
	} else if (op == CONFIG_TOKEN_PLUS_EQUALS) {
		config_note(s->notes, at, "%s: += is not supported; write the whole value once",
			k->name);
		add_bad(s, k, at);
		s->is_muted = true;
	}
	if (config_keyword_is_list(k))
		scan_list(s, src, k, at);
	else
		scan_scalar(s, src, k, at);
	s->is_muted = was_muted;
}

static bool is_same_title(enum config_block b, const char *a, const char *c)
{
	if (a == NULL || c == NULL)
		return a == c;
	return b == CONFIG_BLOCK_GROUP ? strcasecmp(a, c) == 0 : strcmp(a, c) == 0;
}

/* May one more block b of this title stand here? False with a note. */
static bool admit_block(struct config_scan *s, enum config_block b, const char *title,
	const struct config_place *at)
{
	const struct config_block_def *def = config_block_def(b);
	const char *why = NULL;
	size_t in_parent = 0;

	if (title != NULL && !config_title_check(b, title, &why)) {
		config_note(s->notes, at, "%s: %s", def->name, why);
		return false;
	}
	for (size_t i = 0; i < s->statement_len; i++) {
		const struct config_statement *st = &s->statements[i];
		if (st->block != b || st->keyword != NULL || st->parent != open_parent(s, b))
			continue;
		in_parent++;
		if ((title != NULL || def->max == 1) && is_same_title(b, st->title, title)) {
			config_note(s->notes, at,
				"%s%s%s: given twice, first on line %u; join them", def->name,
				title == NULL ? "" : " ", title == NULL ? "" : title, st->at.line);
			return false;
		}
	}
	if (in_parent >= def->max)
		config_note(s->notes, at, "%s: more than %zu of them", def->name, def->max);
	return in_parent < def->max;
}

/* The title of a block as text that lives on; NULL when there is none of use. */
static const char *scan_title(
	struct config_scan *s, struct source *src, const struct config_block_def *def)
{
	char title[CONFIG_VALUE_MAX];
	struct config_lexeme t = next(s, src);
	struct config_place at = place(s, src, &t);
	if (!is_value(t.token)) {
		char what[CONFIG_WHY_MAX];
		snprintf(what, sizeof(what), "%s: it needs a name; write %s NAME { ... }",
			def->name, def->name);
		lose(s, &at, what);
		return NULL;
	}
	/* A refused token is noted already; this name is refused by nobody and never kept. */
	config_lexeme_value(&t, title);
	const char *kept = config_arena_keep(s->arena, title, strlen(title));
	s->is_short |= kept == NULL;
	return t.why == NULL ? kept : NULL;
}

static void open_block(struct config_scan *s, enum config_block b, const char *title,
	const struct config_place *at)
{
	const struct config_block_def *def = config_block_def(b);
	s->block = b;
	s->counts[b]++;
	struct config_statement *st = add_statement(s, NULL, at);
	if (st != NULL)
		st->title = title;
	emit_word(s, at, def->name);
	if (title != NULL) {
		/* config_title_check let neither quote, backslash nor dollar pass; blanks it did. */
		char quoted[CONFIG_GROUP_NAME_MAX + CONFIG_NAME_MAX];
		snprintf(quoted, sizeof(quoted), "\"%s\"", title);
		emit_word(s, at, quoted);
	}
	emit_word(s, at, "{");
}

static void leave_block(struct config_scan *s, const struct config_place *at)
{
	s->block = config_block_def(s->block)->parent;
	emit_word(s, at, "}");
}

static void scan_block(struct config_scan *s, struct source *src, enum config_block b,
	const struct config_place *at)
{
	const struct config_block_def *def = config_block_def(b);
	const char *title = NULL;
	bool is_good = true;

	if (def->has_title) {
		title = scan_title(s, src, def);
		is_good = title != NULL;
	}
	if (s->is_lost)
		return;
	struct config_lexeme t = next(s, src);
	if (t.token != CONFIG_TOKEN_OPEN) {
		struct config_place here = place(s, src, &t);
		char what[CONFIG_WHY_MAX];
		snprintf(what, sizeof(what), "%s: an opening brace must follow", def->name);
		lose(s, &here, what);
		return;
	}
	if (is_good && admit_block(s, b, title, at))
		open_block(s, b, title, at);
	else
		skip_braces(s, src, at);
}

/* The path of an included file: relative to the file that includes it. NULL when memory is short. */
static const char *include_path(struct config_scan *s, const struct source *src, const char *name)
{
	const char *slash = strrchr(src->file, '/');
	if (name[0] == '/' || slash == NULL)
		return config_arena_keep(s->arena, name, strlen(name));
	size_t folder_len = (size_t)(slash - src->file) + 1;
	char *path = config_arena_zalloc(s->arena, folder_len + strlen(name) + 1);
	if (path == NULL)
		return NULL;
	memcpy(path, src->file, folder_len);
	strcpy(path + folder_len, name);
	return path;
}

static void include_file(struct config_scan *s, const struct source *src, const char *path,
	const struct config_place *at)
{
	uint8_t *data = NULL;
	size_t len = 0;
	struct fault f = { 0 };

	if (src->depth >= CONFIG_INCLUDE_DEPTH_MAX) {
		config_note(s->notes, at,
			"include: nested more than %d deep; does it include itself?",
			CONFIG_INCLUDE_DEPTH_MAX);
		return;
	}
	if (file_read(path, FILE_TRUSTED, CONFIG_FILE_MAX, &data, &len, &f) < 0) {
		config_note(s->notes, at, "include: %s", f.text);
		return;
	}
	struct span text = span_of(data, len);
	const char *why = config_text_refusal(text);
	s->bytes += len;
	if (why != NULL) {
		config_note(s->notes, at, "include: %s: %s", path, why);
	} else if (s->bytes > CONFIG_TOTAL_MAX) {
		lose(s, at, "include: the files are longer than 16 MiB together");
	} else {
		struct source inner = {
			.file = path, .lexer = config_lexer_init(text), .depth = src->depth + 1
		};
		scan_source(s, &inner);
	}
	sodium_memzero(data, len);
	free(data);
}

/* include("file") */
static void scan_include(struct config_scan *s, struct source *src, const struct config_place *at)
{
	char name[CONFIG_VALUE_MAX];
	struct config_lexeme open = next(s, src);
	if (open.token != CONFIG_TOKEN_PAREN_OPEN) {
		lose(s, at, "include: write include(\"FILE\")");
		return;
	}
	struct config_lexeme file = next(s, src);
	if (!is_value(file.token) || peek(src) != CONFIG_TOKEN_PAREN_CLOSE) {
		lose(s, at, "include: write include(\"FILE\")");
		return;
	}
	next(s, src);
	if (file.why != NULL)
		return;
	config_lexeme_value(&file, name);
	if (name[0] == '\0') {
		config_note(s->notes, at, "include: the file name is empty");
		return;
	}
	const char *path = include_path(s, src, name);
	s->is_short |= path == NULL;
	if (path != NULL)
		include_file(s, src, path, at);
}

static void note_unknown(
	struct config_scan *s, const struct config_place *at, const struct config_lexeme *t)
{
	char q[QUOTED_MAX], words[CONFIG_WORDS_MAX];
	const char *where = config_block_def(s->block)->name;
	text_quote(t->text, q, sizeof(q));
	config_block_words(s->block, words);
	if (s->block == CONFIG_BLOCK_ROOT)
		config_note(s->notes, at, "%s: unknown; the blocks are %s", q, words);
	else
		config_note(
			s->notes, at, "%s: unknown in a %s block; known are %s", q, where, words);
}

static void scan_statement(struct config_scan *s, struct source *src, const struct config_lexeme *t)
{
	char word[WORD_MAX];
	struct config_place at = place(s, src, t);
	snprintf(word, sizeof(word), "%.*s", (int)t->text.len, (const char *)t->text.data);

	enum config_block b = config_block_find(s->block, word);
	const struct config_keyword *k = config_keyword_find(s->block, word);
	if (t->why != NULL) {
		skip_statement(s, src, &at);
	} else if (strcmp(word, "include") == 0) {
		scan_include(s, src, &at);
	} else if (b != CONFIG_BLOCK_ROOT) {
		scan_block(s, src, b, &at);
	} else if (k != NULL) {
		scan_assignment(s, src, k, &at);
	} else {
		note_unknown(s, &at, t);
		skip_statement(s, src, &at);
	}
}

/* Statements to the end of the file, which must leave the blocks as it found them. */
static void scan_source(struct config_scan *s, struct source *src)
{
	src->start = s->block;
	while (!s->is_lost) {
		struct config_lexeme t = next(s, src);
		struct config_place at = place(s, src, &t);
		if (t.token == CONFIG_TOKEN_END) {
			s->is_lost |= t.why != NULL;
			if (s->block != src->start)
				lose(s, &at, "the file ends inside a block; a } is missing");
			return;
		}
		if (t.token == CONFIG_TOKEN_WORD)
			scan_statement(s, src, &t);
		else if (t.token != CONFIG_TOKEN_CLOSE)
			lose(s, &at, "a keyword must stand here");
		else if (s->block == src->start)
			lose(s, &at, "this } closes nothing that was opened in this file");
		else
			leave_block(s, &at);
	}
}

void config_scan_run(struct config_scan *s, const char *file, struct span text)
{
	struct source src = { .file = file, .lexer = config_lexer_init(text) };
	struct config_place end = { .file = file, .order = SIZE_MAX };

	s->bytes = text.len;
	s->out = open_memstream(&s->text, &s->text_len);
	if (s->out == NULL) {
		s->is_short = true;
		return;
	}
	scan_source(s, &src);
	while (s->block != CONFIG_BLOCK_ROOT)
		leave_block(s, &end);
	if (ferror(s->out) != 0)
		s->is_short = true;
	if (fclose(s->out) != 0)
		s->is_short = true;
	s->out = NULL;
}

void config_scan_deinit(struct config_scan *s)
{
	free(s->statements);
	free(s->values);
	free(s->lines);
	/* There may be keys in it. */
	if (s->text != NULL)
		sodium_memzero(s->text, s->text_len);
	free(s->text);
}
