#ifndef POSTERN_CONFIG_LEX_H
#define POSTERN_CONFIG_LEX_H

/*
 * The syntax of postern.conf as tokens, for whatever else is written in it. A token is refused when
 * libconfuse might understand it otherwise, or not at all. Pure.
 */

#include "base/span.h"

#define CONFIG_VALUE_MAX 4096 /* bytes of one value as written */

/* Words, strings and punctuation. */
enum config_token {
	CONFIG_TOKEN_END,
	CONFIG_TOKEN_WORD,
	CONFIG_TOKEN_STRING,
	CONFIG_TOKEN_EQUALS,
	CONFIG_TOKEN_PLUS_EQUALS,
	CONFIG_TOKEN_COMMA,
	CONFIG_TOKEN_OPEN,  /* { */
	CONFIG_TOKEN_CLOSE, /* } */
	CONFIG_TOKEN_PAREN_OPEN,
	CONFIG_TOKEN_PAREN_CLOSE,
};

struct config_lexer {
	const char *at, *end;
	unsigned line;
};

struct config_lexeme {
	enum config_token token;
	struct span text; /* as it stands, quotes included */
	unsigned line;
	const char *why; /* not NULL: the token is refused, and why */
};

struct config_lexer config_lexer_init(struct span text);
struct config_lexeme config_lex(struct config_lexer *l);

/* The value of a word or string that was not refused, NUL-terminated; to holds CONFIG_VALUE_MAX bytes. */
const char *config_lexeme_value(const struct config_lexeme *t, char to[CONFIG_VALUE_MAX]);

/* NULL, or why a whole file is no text of ours. */
const char *config_text_refusal(struct span text);

#endif
