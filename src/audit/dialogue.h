#ifndef POSTERN_AUDIT_DIALOGUE_H
#define POSTERN_AUDIT_DIALOGUE_H

/*
 * What is said before TLS begins, for each protocol: a state machine that is fed the server's bytes and
 * says what to do. Never speaks first where the server does, never sends ahead, reads by line (or by length
 * where the protocol is binary) within bounds, and keeps the server's own words. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/facts.h"
#include "base/span.h"

#define AUDIT_LINE_MAX 4096      /* bytes of one line; the rest of a longer one is skipped */
#define AUDIT_DIALOGUE_MAX 65536 /* bytes of a whole dialogue */
#define AUDIT_DIALOGUE_SEND_MAX 1024

enum audit_step {
	AUDIT_STEP_READ, /* wait for more */
	AUDIT_STEP_SEND, /* send send[0..send_len), then wait */
	AUDIT_STEP_TLS, /* the handshake begins now; leftover says what had come behind the go-ahead */
	AUDIT_STEP_ENDED, /* no TLS here: end and words say why */
};

struct audit_dialogue {
	enum audit_starttls kind;
	enum audit_step step;
	size_t send_len;
	uint8_t send[AUDIT_DIALOGUE_SEND_MAX];
	enum audit_end
		end; /* ENDED: NO_STARTTLS, REFUSED, RATE, NOT_TLS, MUTE (closed without a word) */
	bool is_temporary;        /* ENDED: worth another try later (a 4xx reply and its like) */
	bool is_greeted;          /* the server has said something */
	bool is_asked;            /* TLS was asked for */
	struct audit_words words; /* but greeting_ms, which the caller measures */
	size_t leftover_len;      /* plain bytes behind the go-ahead: a fact about the server */
	/* private */
	const char *injected; /* borrowed */
	unsigned state;
	size_t line_len, total_len;
	size_t held_len; /* of line, where there is something to send: what came ahead of our turn */
	uint8_t line[AUDIT_LINE_MAX];
	bool is_last; /* what is to be sent is the last of the dialogue: TLS follows at once */
	char host[AUDIT_HOST_MAX + 1], name[AUDIT_HOST_MAX + 1];
	bool has_starttls, has_list; /* offered; the server has listed what it can */
	int reply_code;              /* of a reply whose last line has not come; 0: none */
	bool is_quoting;             /* words.text has what such a reply said so far */
};

/*
 * host: of the server (XMPP asks for it); name: ours, for EHLO. What has no place in a name is sent as '_'.
 * Sets step.
 */
void audit_dialogue_init(
	struct audit_dialogue *d, enum audit_starttls kind, const char *host, const char *name);

/*
 * Send this behind the request for TLS, in the same segment: a sound server forgets it (CVE-2011-0411).
 * Only where the request is a line and the server speaks first. Borrowed.
 */
void audit_dialogue_inject(struct audit_dialogue *d, const char *command);

/* Bytes of the server; or its end (is_end with no bytes). Returns d->step. */
enum audit_step audit_dialogue_feed(struct audit_dialogue *d, struct span bytes, bool is_end);

/* After SEND: it was sent. What had come ahead of that is read now. Returns d->step. */
enum audit_step audit_dialogue_sent(struct audit_dialogue *d);

/* What to say before leaving where TLS has not begun, "QUIT\r\n"; empty: nothing. */
struct span audit_dialogue_goodbye(const struct audit_dialogue *d);

/* A server's bytes as one printable line, cut: controls as '?', never more than cap. Returns to. */
const char *audit_quote(struct span bytes, char *to, size_t cap);

/* Does s begin with (is, has the word) text? ASCII case does not matter. */
bool audit_begins(struct span s, const char *text);
bool audit_is(struct span s, const char *text);
bool audit_has_word(struct span s, const char *word);

#endif
