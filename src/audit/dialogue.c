/*
 * Lines in, steps out. Invariant: while something is to be sent nothing more is read, so nothing is ever
 * sent ahead of an answer; lines and the whole are bounded. One buffer is enough for both: there is no part
 * of a line while something is to be sent.
 */

#include "audit/dialogue.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/dialogue_internal.h"

static const struct audit_dialogue_def *const defs[AUDIT_STARTTLS_COUNT] = {
	[AUDIT_DIRECT] = NULL,
	[AUDIT_SMTP] = &audit_dialogue_smtp,
	[AUDIT_LMTP] = &audit_dialogue_lmtp,
	[AUDIT_IMAP] = &audit_dialogue_imap,
	[AUDIT_POP3] = &audit_dialogue_pop3,
	[AUDIT_FTP] = &audit_dialogue_ftp,
	[AUDIT_LDAP] = &audit_dialogue_ldap,
	[AUDIT_XMPP_CLIENT] = &audit_dialogue_xmpp,
	[AUDIT_XMPP_SERVER] = &audit_dialogue_xmpp,
	[AUDIT_POSTGRES] = &audit_dialogue_postgres,
	[AUDIT_MYSQL] = &audit_dialogue_mysql,
	[AUDIT_NNTP] = &audit_dialogue_nntp,
	[AUDIT_SIEVE] = &audit_dialogue_sieve,
	[AUDIT_IRC] = &audit_dialogue_irc,
};

const char *audit_quote(struct span bytes, char *to, size_t cap)
{
	size_t n = 0;
	while (bytes.len > 0 &&
		(bytes.data[bytes.len - 1] == '\r' || bytes.data[bytes.len - 1] == ' '))
		bytes.len--;
	for (size_t i = 0; i < bytes.len && n + 1 < cap; i++) {
		uint8_t c = bytes.data[i];
		to[n++] = c >= ' ' && c < 0x7f ? (char)c : c == '\t' ? ' ' : '?';
	}
	if (cap > 0)
		to[n] = '\0';
	return to;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool audit_begins(struct span s, const char *text)
{
	size_t len = strlen(text);
	if (s.len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(s.data[i]) != lower((uint8_t)text[i]))
			return false;
	return true;
}

bool audit_is(struct span s, const char *text)
{
	return s.len == strlen(text) && audit_begins(s, text);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '"';
}

bool audit_has_word(struct span s, const char *word)
{
	size_t at = 0;
	while (at < s.len) {
		while (at < s.len && is_blank(s.data[at]))
			at++;
		size_t from = at;
		while (at < s.len && !is_blank(s.data[at]))
			at++;
		if (audit_is(span_slice(s, from, at - from), word))
			return true;
	}
	return false;
}

bool audit_dialogue_is_keyword(struct span line, const char *word)
{
	size_t len = strlen(word);
	return audit_begins(line, word) && (line.len == len || is_blank(line.data[len]));
}

bool audit_reply_parse(struct span line, struct audit_reply *ret)
{
	int code = 0;
	if (line.len < 3)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return false;
		code = 10 * code + (line.data[i] - '0');
	}
	if (line.len > 3 && line.data[3] != ' ' && line.data[3] != '-')
		return false;
	*ret = (struct audit_reply){ code, line.len == 3 || line.data[3] == ' ',
		span_slice(line, 4, line.len) };
	return true;
}

void audit_dialogue_send(struct audit_dialogue *d, struct span bytes)
{
	d->send_len = bytes.len < sizeof(d->send) ? bytes.len : sizeof(d->send);
	memcpy(d->send, bytes.data, d->send_len);
	d->step = AUDIT_STEP_SEND;
}

void audit_dialogue_say(struct audit_dialogue *d, const char *fmt, ...)
{
	char text[AUDIT_DIALOGUE_SEND_MAX];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	audit_dialogue_send(
		d, span_of(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

void audit_dialogue_ask_tls(struct audit_dialogue *d, const char *line)
{
	audit_dialogue_say(d, "%s\r\n%s", line, d->injected != NULL ? d->injected : "");
	d->is_asked = true;
}

void audit_dialogue_inject(struct audit_dialogue *d, const char *command)
{
	d->injected = command;
}

/* Append to words.text, after a blank where there is something already. */
static void quote_more(struct audit_dialogue *d, struct span words)
{
	char *to = d->words.text;
	size_t at = strlen(to), cap = sizeof(d->words.text);
	if (words.len == 0)
		return;
	if (at > 0 && at + 1 < cap)
		to[at++] = ' ';
	audit_quote(words, to + at, cap - at);
}

void audit_dialogue_reply(struct audit_dialogue *d, const struct audit_reply *r, struct span line)
{
	if (!d->is_quoting) {
		d->words.text[0] = '\0';
		quote_more(d, span_slice(line, 0, 3));
	}
	quote_more(d, r->text);
	d->words.code = r->code;
	d->is_quoting = !r->is_last;
}

void audit_dialogue_stop(struct audit_dialogue *d, enum audit_end end)
{
	d->step = AUDIT_STEP_ENDED;
	d->end = end;
}

void audit_dialogue_end(struct audit_dialogue *d, enum audit_end end, int code, struct span words)
{
	static const char empty[] = "an empty line";
	audit_dialogue_stop(d, end);
	d->words.code = code;
	audit_quote(words, d->words.text, sizeof(d->words.text));
	if (defs[d->kind]->line != NULL && d->words.text[0] == '\0')
		audit_quote(
			span_of(empty, sizeof(empty) - 1), d->words.text, sizeof(d->words.text));
}

void audit_dialogue_end_list(struct audit_dialogue *d, int code, struct span last)
{
	char words[AUDIT_WORDS_MAX + 1];
	snprintf(words, sizeof(words), "%s", d->words.keywords);
	audit_dialogue_end(d, AUDIT_END_NO_STARTTLS, code,
		words[0] != '\0' ? span_of(words, strlen(words)) : last);
}

void audit_dialogue_defer(struct audit_dialogue *d, enum audit_end end, int code, struct span words)
{
	d->is_temporary = true;
	audit_dialogue_end(d, end, code, words);
}

void audit_dialogue_go(struct audit_dialogue *d)
{
	d->step = AUDIT_STEP_TLS;
}

void audit_dialogue_greet(struct audit_dialogue *d, struct span words)
{
	if (!d->is_greeted)
		audit_quote(words, d->words.greeting, sizeof(d->words.greeting));
	d->is_greeted = true;
}

void audit_dialogue_keyword(struct audit_dialogue *d, struct span word)
{
	char *to = d->words.keywords;
	size_t at = strlen(to), cap = sizeof(d->words.keywords);
	/* Whole words or none. */
	if (word.len == 0 || word.len + 2 > cap - at)
		return;
	if (at > 0)
		to[at++] = ' ';
	audit_quote(word, to + at, cap - at);
}

void audit_dialogue_keywords(struct audit_dialogue *d, struct span words)
{
	size_t at = 0;
	while (at < words.len) {
		size_t from = at;
		while (at < words.len && !is_blank(words.data[at]))
			at++;
		audit_dialogue_keyword(d, span_slice(words, from, at - from));
		at++;
	}
}

/* Names come from DNS too: nothing in them may end a line or an attribute. */
static void keep_name(char to[AUDIT_HOST_MAX + 1], const char *name)
{
	size_t i = 0;
	for (; i < AUDIT_HOST_MAX && name[i] != '\0'; i++) {
		uint8_t c = (uint8_t)name[i];
		bool is_right = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
			c >= 0x80 || strchr("-._:[]", c) != NULL;
		to[i] = is_right ? name[i] : '_';
	}
	to[i] = '\0';
}

void audit_dialogue_init(
	struct audit_dialogue *d, enum audit_starttls kind, const char *host, const char *name)
{
	*d = (struct audit_dialogue){ .kind = kind, .step = AUDIT_STEP_READ };
	keep_name(d->host, host);
	keep_name(d->name, name);
	if (defs[kind] == NULL)
		audit_dialogue_go(d);
	else if (defs[kind]->begin != NULL)
		defs[kind]->begin(d);
}

static void take_line(struct audit_dialogue *d)
{
	struct span line = span_of(d->line, d->line_len);
	while (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	d->line_len = 0;
	defs[d->kind]->line(d, line);
}

/* Lines that are whole, until there is something to do. Returns how much was read. */
static size_t feed_lines(struct audit_dialogue *d, struct span bytes)
{
	size_t i = 0;
	while (i < bytes.len && d->step == AUDIT_STEP_READ) {
		uint8_t c = bytes.data[i++];
		if (c == '\n') {
			take_line(d);
		} else if (d->line_len < sizeof(d->line)) {
			d->line[d->line_len++] = c;
		}
	}
	return i;
}

/* Binary protocols: what has come is collected in line. Returns how much of bytes was read. */
static size_t feed_bytes(struct audit_dialogue *d, struct span bytes)
{
	size_t room = sizeof(d->line) - d->line_len;
	size_t n = bytes.len < room ? bytes.len : room;
	size_t before = d->line_len;
	memcpy(d->line + before, bytes.data, n);
	d->line_len += n;
	size_t taken = defs[d->kind]->bytes(d, span_of(d->line, d->line_len));
	if (d->step != AUDIT_STEP_READ) {
		d->line_len = 0;
		return taken > before ? taken - before : 0;
	}
	memmove(d->line, d->line + taken, d->line_len - taken);
	d->line_len -= taken;
	if (d->line_len == sizeof(d->line))
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, span_of(d->line, 64));
	return n;
}

static void read_on(struct audit_dialogue *d, struct span bytes);

/* What came ahead of our turn is read now. */
static void read_held(struct audit_dialogue *d)
{
	uint8_t held[sizeof(d->line)];
	size_t len = d->held_len;
	memcpy(held, d->line, len);
	d->held_len = 0;
	d->step = AUDIT_STEP_READ;
	read_on(d, span_of(held, len));
}

static void end_of_stream(struct audit_dialogue *d)
{
	static const char closed[] = "the connection was closed";
	/* Its last words may stand behind what we had no time to answer. */
	if (d->step == AUDIT_STEP_SEND && d->held_len > 0 && !d->is_last)
		read_held(d);
	if (d->step == AUDIT_STEP_ENDED || d->step == AUDIT_STEP_TLS)
		return;
	if (d->words.text[0] != '\0') {
		d->is_temporary = d->words.code < 500;
		audit_dialogue_stop(d, d->words.code == 421 ? AUDIT_END_RATE : AUDIT_END_REFUSED);
	} else if (d->line_len > 0) {
		audit_dialogue_defer(d, AUDIT_END_REFUSED, 0, span_of(d->line, d->line_len));
	} else {
		audit_dialogue_defer(d, d->is_greeted ? AUDIT_END_REFUSED : AUDIT_END_MUTE, 0,
			span_of(closed, sizeof(closed) - 1));
	}
}

/* Keep what came ahead of our turn; a server that says more than fits goes unheard. */
static void hold(struct audit_dialogue *d, struct span bytes)
{
	size_t room = sizeof(d->line) - d->held_len;
	size_t n = bytes.len < room ? bytes.len : room;
	if (n == 0)
		return;
	memcpy(d->line + d->held_len, bytes.data, n);
	d->held_len += n;
}

static void read_on(struct audit_dialogue *d, struct span bytes)
{
	size_t at = 0;
	while (at < bytes.len && d->step == AUDIT_STEP_READ) {
		struct span rest = span_slice(bytes, at, bytes.len - at);
		at += defs[d->kind]->line != NULL ? feed_lines(d, rest) : feed_bytes(d, rest);
	}
	if (d->step == AUDIT_STEP_TLS)
		d->leftover_len += bytes.len - at;
	else if (d->step == AUDIT_STEP_SEND)
		hold(d, span_slice(bytes, at, bytes.len - at));
}

enum audit_step audit_dialogue_sent(struct audit_dialogue *d)
{
	if (d->step != AUDIT_STEP_SEND)
		return d->step;
	if (d->is_last) {
		d->step = AUDIT_STEP_TLS;
		d->leftover_len = d->held_len;
		d->held_len = 0;
	} else {
		read_held(d);
	}
	return d->step;
}

enum audit_step audit_dialogue_feed(struct audit_dialogue *d, struct span bytes, bool is_end)
{
	static const char endless[] = "it talks without an end";
	if (defs[d->kind] == NULL || d->step == AUDIT_STEP_ENDED)
		return d->step;
	if (d->step == AUDIT_STEP_SEND)
		hold(d, bytes);
	else
		read_on(d, bytes);
	d->total_len += bytes.len;
	if (d->step == AUDIT_STEP_READ && d->total_len > AUDIT_DIALOGUE_MAX)
		audit_dialogue_end(d, AUDIT_END_REFUSED, 0, span_of(endless, sizeof(endless) - 1));
	else if (is_end)
		end_of_stream(d);
	return d->step;
}

struct span audit_dialogue_goodbye(const struct audit_dialogue *d)
{
	if (defs[d->kind] == NULL || !d->is_greeted)
		return span_of(NULL, 0);
	return defs[d->kind]->goodbye;
}
