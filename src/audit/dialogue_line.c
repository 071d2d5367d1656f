/* Other protocols of lines: FTP (RFC 4217), NNTP (RFC 3977, 4642), IRC (the IRCv3 tls extension). */

#include "audit/dialogue_internal.h"

enum { STATE_GREETING, STATE_LIST, STATE_STARTTLS };

static void ftp_reply(struct audit_dialogue *d, const struct audit_reply *r)
{
	bool is_greeting = d->state == STATE_GREETING;
	if (is_greeting && r->code == 120) {
		return; /* ready in a while */
	} else if (is_greeting && r->code == 220) {
		d->state = STATE_STARTTLS;
		audit_dialogue_ask_tls(d, "AUTH TLS");
	} else if (!is_greeting && r->code == 234) {
		audit_dialogue_go(d);
	} else if (r->code >= 400 && r->code < 500) {
		d->is_temporary = true;
		audit_dialogue_stop(d, r->code == 421 ? AUDIT_END_RATE : AUDIT_END_REFUSED);
	} else {
		audit_dialogue_stop(d, is_greeting ? AUDIT_END_REFUSED : AUDIT_END_NO_STARTTLS);
	}
}

/* RFC 959 4.2: lines between the first and the last of a reply may be anything. */
static void ftp_line(struct audit_dialogue *d, struct span line)
{
	struct audit_reply r;
	bool is_reply = audit_reply_parse(line, &r);
	audit_dialogue_greet(d, line);
	if (d->reply_code != 0 && (!is_reply || r.code != d->reply_code))
		r = (struct audit_reply){ d->reply_code, false, line };
	else if (!is_reply) {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, line);
		return;
	}
	d->reply_code = r.is_last ? 0 : r.code;
	bool is_good = d->state == STATE_GREETING ? r.code == 120 || r.code == 220 : r.code == 234;
	if (!is_good)
		audit_dialogue_reply(d, &r, line);
	if (r.is_last)
		ftp_reply(d, &r);
}

const struct audit_dialogue_def audit_dialogue_ftp = { .line = ftp_line,
	.goodbye = AUDIT_BYTES("QUIT\r\n") };

static void nntp_ask(struct audit_dialogue *d)
{
	d->state = STATE_STARTTLS;
	audit_dialogue_ask_tls(d, "STARTTLS");
}

static void nntp_list(struct audit_dialogue *d, struct span line)
{
	struct audit_reply r;
	if (!d->has_list) {
		d->has_list = true;
		if (!audit_reply_parse(line, &r) || r.code != 101)
			nntp_ask(d);
	} else if (!audit_is(line, ".")) {
		audit_dialogue_keyword(d, line);
		d->has_starttls = d->has_starttls || audit_dialogue_is_keyword(line, "STARTTLS");
	} else if (d->has_starttls) {
		nntp_ask(d);
	} else {
		audit_dialogue_end_list(d, 101, line);
	}
}

static void nntp_line(struct audit_dialogue *d, struct span line)
{
	struct audit_reply r;
	if (d->state == STATE_LIST) {
		nntp_list(d, line);
		return;
	}
	audit_dialogue_greet(d, line);
	if (!audit_reply_parse(line, &r)) {
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, line);
	} else if (r.code == 400) {
		audit_dialogue_defer(d, AUDIT_END_RATE, r.code, line);
	} else if (d->state == STATE_STARTTLS) {
		if (r.code == 382)
			audit_dialogue_go(d);
		else if (r.code == 580)
			audit_dialogue_defer(d, AUDIT_END_REFUSED, r.code, line);
		else
			audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, r.code, line);
	} else if (r.code == 200 || r.code == 201) {
		d->state = STATE_LIST;
		audit_dialogue_say(d, "CAPABILITIES\r\n");
	} else {
		audit_dialogue_end(d, AUDIT_END_REFUSED, r.code, line);
	}
}

const struct audit_dialogue_def audit_dialogue_nntp = { .line = nntp_line,
	.goodbye = AUDIT_BYTES("QUIT\r\n") };

/*
 * The client speaks first here. Many servers leave an unknown command of somebody who is not registered without
 * an answer, so the list of what they can is asked for as well: a server that has the one and STARTTLS has "tls"
 * in it.
 */
static void irc_begin(struct audit_dialogue *d)
{
	audit_dialogue_ask_tls(d, "CAP LS 302\r\nSTARTTLS");
}

/* A line without the ":server " in front. */
static struct span irc_command(struct span line)
{
	size_t at = 0;
	if (line.len > 0 && line.data[0] == ':')
		while (at < line.len && line.data[at] != ' ')
			at++;
	while (at < line.len && line.data[at] == ' ')
		at++;
	return span_slice(line, at, line.len - at);
}

static bool irc_has(struct span line, const char *text)
{
	for (size_t i = 0; i < line.len; i++)
		if (audit_begins(span_slice(line, i, line.len), text))
			return true;
	return false;
}

/* "CAP * LS :one two", "CAP * LS one", or "CAP * LS * :one two" when more lines of it follow. */
static void irc_list(struct audit_dialogue *d, struct span command, struct span line)
{
	size_t at = 0, word = 0;
	for (; at < command.len && command.data[at] != ':'; at++)
		if (command.data[at] == ' ')
			word = at + 1;
	if (at == command.len)
		at = word;
	else
		at++;
	struct span head = span_slice(command, 0, at);
	struct span words = span_slice(command, at, command.len);
	while (head.len > 0 && (head.data[head.len - 1] == ' ' || head.data[head.len - 1] == ':'))
		head.len--;
	bool is_last = head.len == 0 || head.data[head.len - 1] != '*';
	audit_dialogue_keywords(d, words);
	d->has_starttls = d->has_starttls || audit_has_word(words, "tls");
	d->has_list = is_last;
	if (is_last && !d->has_starttls)
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, line);
}

/* A server that has no such list says so first. */
static bool irc_is_about_list(const struct audit_dialogue *d, int number, struct span line)
{
	return number >= 400 && number < 500 && !d->has_list && !irc_has(line, "STARTTLS");
}

static void irc_line(struct audit_dialogue *d, struct span line)
{
	struct span command = irc_command(line);
	struct audit_reply r;
	int number = audit_reply_parse(command, &r) ? r.code : 0;
	audit_dialogue_greet(d, line);
	if (number == 670)
		audit_dialogue_go(d);
	else if (audit_begins(command, "CAP ") && !d->has_list)
		irc_list(d, command, line);
	else if (irc_is_about_list(d, number, line))
		d->has_list = true;
	else if (number == 691)
		audit_dialogue_defer(d, AUDIT_END_REFUSED, number, line);
	else if (number == 421 || number == 451 || number == 462)
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, number, line);
	else if (number >= 400 && number < 600)
		audit_dialogue_end(d, AUDIT_END_REFUSED, number, line);
	else if (audit_begins(command, "ERROR") &&
		(irc_has(line, "timeout") || irc_has(line, "timed out")))
		/* It has waited for us to go on, as if nothing had been asked. */
		audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, 0, line);
	else if (audit_begins(command, "ERROR"))
		audit_dialogue_defer(d, AUDIT_END_RATE, 0, line);
}

const struct audit_dialogue_def audit_dialogue_irc = {
	.begin = irc_begin, .line = irc_line, .goodbye = AUDIT_BYTES("QUIT\r\n")
};
