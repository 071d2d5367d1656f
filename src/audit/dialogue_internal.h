#ifndef POSTERN_AUDIT_DIALOGUE_INTERNAL_H
#define POSTERN_AUDIT_DIALOGUE_INTERNAL_H

/* What the dialogues share: dialogue.c has the lines, the others what they mean. */

#include "audit/dialogue.h"

/* One line, without its end; d->step is READ and may be set to anything. */
typedef void audit_dialogue_line(struct audit_dialogue *d, struct span line);

/*
 * All that has come and not been taken yet. Returns how many bytes of it were taken; the rest comes again
 * with what follows.
 */
typedef size_t audit_dialogue_bytes(struct audit_dialogue *d, struct span bytes);

struct audit_dialogue_def {
	void (*begin)(struct audit_dialogue *d); /* NULL: the server speaks first */
	audit_dialogue_line *line;               /* one of the two */
	audit_dialogue_bytes *bytes;
	struct span goodbye;
};

/* Of a literal, without its end. */
#define AUDIT_BYTES(text)                                                                          \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

extern const struct audit_dialogue_def audit_dialogue_smtp, audit_dialogue_lmtp,
	audit_dialogue_imap, audit_dialogue_pop3, audit_dialogue_ftp, audit_dialogue_nntp,
	audit_dialogue_sieve, audit_dialogue_irc, audit_dialogue_ldap, audit_dialogue_xmpp,
	audit_dialogue_postgres, audit_dialogue_mysql;

/* To be sent next. The text is cut to the room there is; ours always fit. */
__attribute__((format(printf, 2, 3))) void audit_dialogue_say(
	struct audit_dialogue *d, const char *fmt, ...);
/* The request for TLS itself, a line without its end. */
void audit_dialogue_ask_tls(struct audit_dialogue *d, const char *line);
void audit_dialogue_send(struct audit_dialogue *d, struct span bytes);

/* A line of a refusal into words, which grow with each: "554 first second". */
struct audit_reply;
void audit_dialogue_reply(struct audit_dialogue *d, const struct audit_reply *r, struct span line);

/* No TLS here; words and code stand already. */
void audit_dialogue_stop(struct audit_dialogue *d, enum audit_end end);

/* No TLS here. words: of the server; code: of the reply, 0 for none. */
void audit_dialogue_end(struct audit_dialogue *d, enum audit_end end, int code, struct span words);

/* A list in which TLS is not: its words are those of the list, or, where that is empty, its last line. */
void audit_dialogue_end_list(struct audit_dialogue *d, int code, struct span last);

/* As audit_dialogue_end for a reply that may pass by: worth another try. */
void audit_dialogue_defer(
	struct audit_dialogue *d, enum audit_end end, int code, struct span words);

/* TLS begins. */
void audit_dialogue_go(struct audit_dialogue *d);

/* Keep the server's first words, and a word of what it can. */
void audit_dialogue_greet(struct audit_dialogue *d, struct span words);
void audit_dialogue_keyword(struct audit_dialogue *d, struct span word);
void audit_dialogue_keywords(struct audit_dialogue *d, struct span words);

/* Is the first word of the line this one? */
bool audit_dialogue_is_keyword(struct span line, const char *word);

/* "250-SIZE": 250, whether it goes on, and the rest. False when it is no reply of that form. */
struct audit_reply {
	int code;
	bool is_last;
	struct span text;
};
bool audit_reply_parse(struct span line, struct audit_reply *ret);

#endif
