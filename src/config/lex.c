/*
 * The text of postern.conf as tokens. Stricter than libconfuse, which drops characters it does not know
 * (an unquoted * would vanish from a list), reads variables of the environment into values, and keeps
 * its state when a string does not end. Here each of these is refused with its line, so that libconfuse
 * is only ever given tokens on which both agree.
 */

#include <string.h>

#include "base/span.h"
#include "config/internal.h"

struct config_lexer config_lexer_init(struct span text)
{
	const char *at = (const char *)text.data;
	return (struct config_lexer){
		.at = at, .end = text.len == 0 ? at : at + text.len, .line = 1
	};
}

static size_t left(const struct config_lexer *l)
{
	return (size_t)(l->end - l->at);
}

static bool starts(const struct config_lexer *l, const char *with)
{
	size_t len = strlen(with);
	return left(l) >= len && memcmp(l->at, with, len) == 0;
}

static void skip_line(struct config_lexer *l)
{
	while (left(l) > 0 && *l->at != '\n')
		l->at++;
}

/* False, with the line where it starts, when the comment does not end. */
static bool skip_comment(struct config_lexer *l)
{
	unsigned start = l->line;
	for (l->at += 2; left(l) > 0; l->at++) {
		if (starts(l, "*/")) {
			l->at += 2;
			return true;
		}
		if (*l->at == '\n')
			l->line++;
	}
	l->line = start;
	return false;
}

static bool skip_blank(struct config_lexer *l)
{
	while (left(l) > 0) {
		if (*l->at == '\n')
			l->line++;
		if (strchr(" \t\r\n", *l->at) != NULL) {
			l->at++;
		} else if (*l->at == '#' || starts(l, "//")) {
			skip_line(l);
		} else if (starts(l, "/*")) {
			if (!skip_comment(l))
				return false;
		} else {
			break;
		}
	}
	return true;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		strchr("_-./:@", c) != NULL;
}

/* C0, DEL, and C1 in its UTF-8 form. */
static bool is_control(const struct config_lexer *l)
{
	uint8_t c = (uint8_t)l->at[0];
	return c < 0x20 || c == 0x7f ||
		(c == 0xc2 && left(l) > 1 && (uint8_t)l->at[1] >= 0x80 &&
			(uint8_t)l->at[1] <= 0x9f);
}

static enum config_token punctuation(const struct config_lexer *l, size_t *ret_len)
{
	static const struct {
		const char *text;
		enum config_token token;
	} marks[] = { { "+=", CONFIG_TOKEN_PLUS_EQUALS }, { "=", CONFIG_TOKEN_EQUALS },
		{ ",", CONFIG_TOKEN_COMMA }, { "{", CONFIG_TOKEN_OPEN },
		{ "}", CONFIG_TOKEN_CLOSE }, { "(", CONFIG_TOKEN_PAREN_OPEN },
		{ ")", CONFIG_TOKEN_PAREN_CLOSE } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (starts(l, marks[i].text)) {
			*ret_len = strlen(marks[i].text);
			return marks[i].token;
		}
	}
	return CONFIG_TOKEN_END;
}

/* A run of characters up to a blank or punctuation; refused unless all of them are plain. */
static void lex_word(struct config_lexer *l, struct config_lexeme *t)
{
	const char *start = l->at;
	size_t ignored;
	t->token = CONFIG_TOKEN_WORD;
	while (left(l) > 0 && strchr(" \t\r\n\"'#", *l->at) == NULL &&
		punctuation(l, &ignored) == CONFIG_TOKEN_END) {
		if (!is_word_char(*l->at) || starts(l, "//"))
			t->why = "has a character that needs quotes; write it as \"...\"";
		l->at++;
	}
	t->text = span_of(start, (size_t)(l->at - start));
	if (t->text.len >= CONFIG_VALUE_MAX)
		t->why = "is too long";
}

/* A quoted string on one line; a backslash stands only before a backslash or the quote. */
static void lex_string(struct config_lexer *l, struct config_lexeme *t)
{
	const char *start = l->at;
	const char quote = *l->at++;
	t->token = CONFIG_TOKEN_STRING;
	while (left(l) > 0 && *l->at != quote && *l->at != '\n') {
		if (*l->at == '\\') {
			if (left(l) < 2 || (l->at[1] != quote && l->at[1] != '\\')) {
				t->why = "has a backslash that means nothing; write \\\\ for one";
			} else {
				l->at++;
			}
		} else if (starts(l, "${") && quote == '"') {
			t->why = "names a variable; write the value itself, or ${ in '...'";
		} else if (is_control(l)) {
			t->why = "has a control character; remove it";
		}
		l->at++;
	}
	if (left(l) == 0 || *l->at != quote)
		t->why = "does not end on its line; close the quote";
	else
		l->at++;
	t->text = span_of(start, (size_t)(l->at - start));
	if (t->text.len >= CONFIG_VALUE_MAX)
		t->why = "is too long";
}

struct config_lexeme config_lex(struct config_lexer *l)
{
	bool is_closed = skip_blank(l);
	struct config_lexeme t = { .line = l->line };
	size_t len = 0;

	if (!is_closed) {
		t.why = "this comment does not end; close it with */";
		return t;
	}
	if (left(l) == 0)
		return t;
	if (*l->at == '"' || *l->at == '\'') {
		lex_string(l, &t);
		return t;
	}
	t.token = punctuation(l, &len);
	if (t.token == CONFIG_TOKEN_END) {
		lex_word(l, &t);
		return t;
	}
	t.text = span_of(l->at, len);
	l->at += len;
	return t;
}

const char *config_lexeme_value(const struct config_lexeme *t, char to[CONFIG_VALUE_MAX])
{
	bool is_string = t->token == CONFIG_TOKEN_STRING;
	size_t from = is_string ? 1 : 0;
	size_t end = t->text.len - from;
	size_t at = 0;
	for (size_t i = from; i < end && at + 1 < CONFIG_VALUE_MAX; i++) {
		if (is_string && t->text.data[i] == '\\')
			i++;
		to[at++] = (char)t->text.data[i];
	}
	to[at] = '\0';
	return to;
}

/* Bytes of one UTF-8 character at p, 0 when it is none (RFC 3629 4). */
static size_t utf8_len(const uint8_t *p, size_t have)
{
	static const struct {
		uint8_t first, last, low, high; /* of the lead byte, and bounds of the second */
		size_t len;
	} forms[] = { { 0x00, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 } };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].len > have)
			return 0;
		if (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return forms[i].len;
	}
	return 0;
}

const char *config_text_refusal(struct span text)
{
	for (size_t i = 0; i < text.len;) {
		size_t n = utf8_len(text.data + i, text.len - i);
		if (n == 0)
			return "is not UTF-8 text";
		if (text.data[i] == '\0')
			return "has a NUL byte in it";
		i += n;
	}
	return NULL;
}
