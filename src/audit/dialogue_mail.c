/* Mail: SMTP (RFC 5321, 3207), LMTP (RFC 2033), IMAP (RFC 9051), POP3 (RFC 1939, 2449, 2595), ManageSieve
 * (RFC 5804). */

#include "audit/dialogue_internal.h"

enum { STATE_GREETING, STATE_LIST, STATE_HELO, STATE_STARTTLS };

/*
 * A reply that is no success; its words are kept already. A 4xx is worth another try: 421 above all is how
 * servers say "too many, too fast".
 */
static void end_by_code(struct audit_dialogue *d, int code, enum audit_end if_4xx)
{
	d->is_temporary = code >= 400 && code < 500;
	audit_dialogue_stop(d,
		code == 421               ? AUDIT_END_RATE
			: d->is_temporary ? if_4xx
					  : AUDIT_END_REFUSED);
}

static void smtp_greeting(struct audit_dialogue *d, const struct audit_reply *r, struct span line)
{
	audit_dialogue_greet(d, line);
	if (!r->is_last)
		return;
	if (r->code != 220) {
		end_by_code(d, r->code, AUDIT_END_RATE);
		return;
	}
	d->state = STATE_LIST;
	audit_dialogue_say(d, "%s %s\r\n", d->kind == AUDIT_LMTP ? "LHLO" : "EHLO", d->name);
}

/* What a server says that does not know EHLO, or does not like our name. */
static bool is_syntax_error(int code)
{
	return code == 500 || code == 501 || code == 502 || code == 504;
}

static void smtp_list(struct audit_dialogue *d, const struct audit_reply *r, struct span line)
{
	if (r->code == 250) {
		/* The first line is the server's name. */
		if (d->has_list)
			audit_dialogue_keyword(d, r->text);
		d->has_list = true;
		if (audit_dialogue_is_keyword(r->text, "STARTTLS"))
			d->has_starttls = true;
		if (!r->is_last)
			return;
		if (!d->has_starttls) {
			audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 250, line);
			return;
		}
		d->state = STATE_STARTTLS;
		audit_dialogue_ask_tls(d, "STARTTLS");
		return;
	}
	if (!r->is_last)
		return;
	if (!is_syntax_error(r->code) || d->kind == AUDIT_LMTP) {
		end_by_code(d, r->code, AUDIT_END_RATE);
		return;
	}
	d->state = STATE_HELO;
	audit_dialogue_say(d, "HELO %s\r\n", d->name);
}

/* A server that takes HELO alone has no STARTTLS; one that takes neither refuses us. EHLO's words stand. */
static void smtp_helo(struct audit_dialogue *d, const struct audit_reply *r)
{
	if (!r->is_last)
		return;
	d->is_temporary = r->code >= 400 && r->code < 500;
	audit_dialogue_stop(d, r->code == 250 ? AUDIT_END_NO_STARTTLS : AUDIT_END_REFUSED);
}

static void smtp_starttls(struct audit_dialogue *d, const struct audit_reply *r)
{
	if (!r->is_last)
		return;
	if (r->code == 220)
		audit_dialogue_go(d);
	else
		end_by_code(d, r->code, AUDIT_END_REFUSED);
}

static void smtp_line(struct audit_dialogue *d, struct span line)
{
	struct audit_reply r;
	if (!audit_reply_parse(line, &r)) {
		audit_dialogue_greet(d, line);
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, line);
		return;
	}
	if (r.code != (d->state == STATE_LIST ? 250 : 220) && d->state != STATE_HELO)
		audit_dialogue_reply(d, &r, line);
	if (d->state == STATE_GREETING)
		smtp_greeting(d, &r, line);
	else if (d->state == STATE_LIST)
		smtp_list(d, &r, line);
	else if (d->state == STATE_HELO)
		smtp_helo(d, &r);
	else
		smtp_starttls(d, &r);
}

const struct audit_dialogue_def audit_dialogue_smtp = { .line = smtp_line,
	.goodbye = AUDIT_BYTES("QUIT\r\n") };
const struct audit_dialogue_def audit_dialogue_lmtp = { .line = smtp_line,
	.goodbye = AUDIT_BYTES("QUIT\r\n") };

static void imap_greeting(struct audit_dialogue *d, struct span line)
{
	audit_dialogue_greet(d, line);
	if (audit_begins(line, "* OK")) {
		d->state = STATE_LIST;
		audit_dialogue_say(d, "a1 CAPABILITY\r\n");
	} else if (audit_begins(line, "* PREAUTH")) {
		/* RFC 9051 7.1.4: too late for STARTTLS. */
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, line);
	} else if (audit_begins(line, "* BYE")) {
		audit_dialogue_defer(d, AUDIT_END_RATE, 0, line);
	} else {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, line);
	}
}

static void imap_line(struct audit_dialogue *d, struct span line)
{
	if (d->state == STATE_GREETING) {
		imap_greeting(d, line);
		return;
	}
	if (audit_begins(line, "* BYE")) {
		audit_dialogue_defer(d, AUDIT_END_RATE, 0, line);
		return;
	}
	if (d->state == STATE_LIST && audit_begins(line, "* CAPABILITY ")) {
		struct span words = span_slice(line, 13, line.len);
		audit_dialogue_keywords(d, words);
		d->has_starttls = audit_has_word(words, "STARTTLS");
		return;
	}
	if (!audit_begins(line, d->state == STATE_LIST ? "a1 " : "a2 "))
		return;
	bool is_ok = audit_begins(span_slice(line, 3, line.len), "OK");
	if (d->state == STATE_STARTTLS && is_ok) {
		audit_dialogue_go(d);
	} else if (d->state == STATE_STARTTLS) {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, line);
	} else if (d->has_starttls) {
		d->state = STATE_STARTTLS;
		audit_dialogue_ask_tls(d, "a2 STARTTLS");
	} else {
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, line);
	}
}

const struct audit_dialogue_def audit_dialogue_imap = { .line = imap_line,
	.goodbye = AUDIT_BYTES("a9 LOGOUT\r\n") };

static void pop3_ask(struct audit_dialogue *d)
{
	d->state = STATE_STARTTLS;
	audit_dialogue_ask_tls(d, "STLS");
}

static void pop3_list(struct audit_dialogue *d, struct span line)
{
	if (!d->has_list) {
		/* A server that cannot list may still know STLS. */
		if (!audit_begins(line, "+OK"))
			pop3_ask(d);
		d->has_list = true;
		return;
	}
	if (!audit_is(line, ".")) {
		audit_dialogue_keyword(d, line);
		d->has_starttls = d->has_starttls || audit_dialogue_is_keyword(line, "STLS");
	} else if (d->has_starttls) {
		pop3_ask(d);
	} else {
		audit_dialogue_end_list(d, 0, line);
	}
}

static void pop3_line(struct audit_dialogue *d, struct span line)
{
	bool is_ok = audit_begins(line, "+OK");
	if (d->state == STATE_LIST) {
		pop3_list(d, line);
	} else if (d->state == STATE_STARTTLS) {
		if (is_ok)
			audit_dialogue_go(d);
		else
			audit_dialogue_end(d,
				d->has_starttls ? AUDIT_END_REFUSED : AUDIT_END_NO_STARTTLS, 0,
				line);
	} else {
		audit_dialogue_greet(d, line);
		d->state = STATE_LIST;
		if (is_ok)
			audit_dialogue_say(d, "CAPA\r\n");
		else
			audit_dialogue_defer(d, AUDIT_END_REFUSED, 0, line);
	}
}

const struct audit_dialogue_def audit_dialogue_pop3 = { .line = pop3_line,
	.goodbye = AUDIT_BYTES("QUIT\r\n") };

static void sieve_line(struct audit_dialogue *d, struct span line)
{
	bool is_ok = audit_begins(line, "OK");
	audit_dialogue_greet(d, line);
	if (audit_begins(line, "BYE")) {
		audit_dialogue_defer(d, AUDIT_END_RATE, 0, line);
	} else if (d->state == STATE_STARTTLS) {
		if (is_ok)
			audit_dialogue_go(d);
		else if (audit_begins(line, "NO"))
			audit_dialogue_end(d, AUDIT_END_REFUSED, 0, line);
	} else if (audit_begins(line, "\"")) {
		audit_dialogue_keyword(d, line);
		d->has_starttls = d->has_starttls || audit_begins(line, "\"STARTTLS\"");
	} else if (is_ok && d->has_starttls) {
		d->state = STATE_STARTTLS;
		audit_dialogue_ask_tls(d, "STARTTLS");
	} else {
		audit_dialogue_end(d, is_ok ? AUDIT_END_NO_STARTTLS : AUDIT_END_REFUSED, 0, line);
	}
}

const struct audit_dialogue_def audit_dialogue_sieve = { .line = sieve_line,
	.goodbye = AUDIT_BYTES("LOGOUT\r\n") };
