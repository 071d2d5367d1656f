/* Dialogues before TLS, by script: what a server says, what we answer, how it ends. */

#include <stdio.h>
#include <string.h>

#include "audit/dialogue.h"
#include "test.h"

#define TEXT(s) s, sizeof(s) - 1
#define TURNS_MAX 6

struct turn {
	const char *server; /* NULL: with a len it closes, without it is silent */
	size_t len;
	const char *client; /* what we say then; NULL: nothing */
};

struct script {
	const char *name;
	enum audit_starttls kind;
	const char *first; /* what we say before anything came; NULL: nothing */
	struct turn turns[TURNS_MAX];
	enum audit_step step;
	enum audit_end end;
	bool is_temporary;
	int code;
	const char *text; /* of words, or NULL */
};

#define XMPP_HELLO                                                                                 \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' to='mail.test' version='1.0'>"
#define LDAP_REQUEST                                                                               \
	"0\x1d\x02\x01\x01w\x18\x80\x16"                                                           \
	"1.3.6.1.4.1.1466.20037"

#define IRC "CAP LS 302\r\nSTARTTLS\r\n"

static const struct script scripts[] = {
	{ "smtp", AUDIT_SMTP, NULL,
		{ { TEXT("220 mail.test ESMTP\r\n"), "EHLO us.test\r\n" },
			{ TEXT("250-mail.test\r\n250-SIZE 1\r\n250 STARTTLS\r\n"), "STARTTLS\r\n" },
			{ TEXT("220 go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "smtp: lines without CR, small letters", AUDIT_SMTP, NULL,
		{ { TEXT("220-one\n220 two\n"), "EHLO us.test\r\n" },
			{ TEXT("250-x\n250 starttls\n"), "STARTTLS\r\n" },
			{ TEXT("220\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "smtp: no STARTTLS", AUDIT_SMTP, NULL,
		{ { TEXT("220 mail.test\r\n"), "EHLO us.test\r\n" },
			{ TEXT("250-mail.test\r\n250 HELP\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 250, "250 HELP" },
	{ "smtp: a longer word is another", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" }, { TEXT("250 STARTTLSX\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 250, "250 STARTTLSX" },
	{ "smtp: STARTTLS and more on the line", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("250-x\r\n250-STARTTLS now \r\n250 HELP\r\n"), "STARTTLS\r\n" } },
		AUDIT_STEP_READ, AUDIT_END_NONE, false, 0, NULL },
	{ "smtp: HELO alone", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("502 what?\r\n"), "HELO us.test\r\n" },
			{ TEXT("250-hello\r\n250 you\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 502, "502 what?" },
	{ "smtp: wants a name that it knows", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("504-5.5.2 need\r\n504 a name\r\n"), "HELO us.test\r\n" },
			{ TEXT("504 again\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 504, "504 5.5.2 need a name" },
	{ "smtp: closed at HELO", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("501 what?\r\n"), "HELO us.test\r\n" }, { NULL, 1, NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 501, "501 what?" },
	{ "smtp: a greeting of several lines, cut off", AUDIT_SMTP, NULL,
		{ { TEXT("554-first\r\n554-second\r\n"), NULL }, { NULL, 1, NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 554, "554 first second" },
	{ "smtp: closed after its greeting", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" }, { NULL, 1, NULL } }, AUDIT_STEP_ENDED,
		AUDIT_END_REFUSED, true, 0, "the connection was closed" },
	{ "smtp: 450 at EHLO", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" }, { TEXT("450 later\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 450, "450 later" },
	{ "smtp: rate limit at STARTTLS", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("250-x\r\n250 STARTTLS\r\n"), "STARTTLS\r\n" },
			{ TEXT("421 too many\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 421, "421 too many" },
	{ "smtp: an odd greeting", AUDIT_SMTP, NULL, { { TEXT("250 hello\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 250, "250 hello" },
	{ "smtp: rate limit in the greeting", AUDIT_SMTP, NULL,
		{ { TEXT("421 RP-001 too many\r\n"), NULL } }, AUDIT_STEP_ENDED, AUDIT_END_RATE,
		true, 421, "421 RP-001 too many" },
	{ "smtp: refused in the greeting", AUDIT_SMTP, NULL,
		{ { TEXT("554-no\r\n554 way\r\n"), NULL } }, AUDIT_STEP_ENDED, AUDIT_END_REFUSED,
		false, 554, "554 no way" },
	{ "smtp: greylisted at EHLO", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" }, { TEXT("421 come again\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 421, "421 come again" },
	{ "smtp: wants a real name", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("550 who are you\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 550, "550 who are you" },
	{ "smtp: offered and refused", AUDIT_SMTP, NULL,
		{ { TEXT("220 x\r\n"), "EHLO us.test\r\n" },
			{ TEXT("250-x\r\n250 STARTTLS\r\n"), "STARTTLS\r\n" },
			{ TEXT("454 TLS not available\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, true, 454, "454 TLS not available" },
	{ "smtp: closed without a word", AUDIT_SMTP, NULL, { { NULL, 1, NULL } }, AUDIT_STEP_ENDED,
		AUDIT_END_MUTE, true, 0, "the connection was closed" },
	{ "smtp: no mail server", AUDIT_SMTP, NULL, { { TEXT("SSH-2.0-x\x1b[1m\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 0, "SSH-2.0-x?[1m" },
	{ "lmtp", AUDIT_LMTP, NULL,
		{ { TEXT("220 x\r\n"), "LHLO us.test\r\n" },
			{ TEXT("250-x\r\n250 STARTTLS\r\n"), "STARTTLS\r\n" },
			{ TEXT("220 go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "imap", AUDIT_IMAP, NULL,
		{ { TEXT("* OK ready\r\n"), "a1 CAPABILITY\r\n" },
			{ TEXT("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n"),
				"a2 STARTTLS\r\n" },
			{ TEXT("a2 OK begin\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "imap: none", AUDIT_IMAP, NULL,
		{ { TEXT("* OK ready\r\n"), "a1 CAPABILITY\r\n" },
			{ TEXT("* CAPABILITY IMAP4rev1\r\na1 OK\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, "a1 OK" },
	{ "imap: already in", AUDIT_IMAP, NULL, { { TEXT("* PREAUTH hello\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, "* PREAUTH hello" },
	{ "imap: goes", AUDIT_IMAP, NULL, { { TEXT("* BYE too many\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 0, "* BYE too many" },
	{ "pop3", AUDIT_POP3, NULL,
		{ { TEXT("+OK hi\r\n"), "CAPA\r\n" },
			{ TEXT("+OK\r\nUSER\r\nSTLS\r\n.\r\n"), "STLS\r\n" },
			{ TEXT("+OK go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "pop3: cannot list", AUDIT_POP3, NULL,
		{ { TEXT("+OK hi\r\n"), "CAPA\r\n" }, { TEXT("-ERR what\r\n"), "STLS\r\n" },
			{ TEXT("-ERR what\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, "-ERR what" },
	{ "ftp", AUDIT_FTP, NULL,
		{ { TEXT("220-welcome\r\n to us\r\n220 ready\r\n"), "AUTH TLS\r\n" },
			{ TEXT("234 go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "ftp: other codes within a reply", AUDIT_FTP, NULL,
		{ { TEXT("220-a\r\n421 no end\r\n220 b\r\n"), "AUTH TLS\r\n" } }, AUDIT_STEP_READ,
		AUDIT_END_NONE, false, 0, NULL },
	{ "ftp: ready in a while", AUDIT_FTP, NULL,
		{ { TEXT("120 soon\r\n"), NULL }, { TEXT("220 now\r\n"), "AUTH TLS\r\n" },
			{ TEXT("431-no\r\n key\r\n431 yet\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, true, 431, "431 no  key yet" },
	{ "ftp: too many", AUDIT_FTP, NULL, { { TEXT("421 too many\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 421, "421 too many" },
	{ "ftp: none", AUDIT_FTP, NULL,
		{ { TEXT("220 ready\r\n"), "AUTH TLS\r\n" }, { TEXT("500 what\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 500, "500 what" },
	{ "nntp", AUDIT_NNTP, NULL,
		{ { TEXT("200 hi\r\n"), "CAPABILITIES\r\n" },
			{ TEXT("101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"), "STARTTLS\r\n" },
			{ TEXT("382 go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "nntp: none", AUDIT_NNTP, NULL,
		{ { TEXT("200 hi\r\n"), "CAPABILITIES\r\n" },
			{ TEXT("101 list\r\nVERSION 2\r\nREADER\r\n.\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 101, "VERSION 2 READER" },
	{ "nntp: an empty list", AUDIT_NNTP, NULL,
		{ { TEXT("200 hi\r\n"), "CAPABILITIES\r\n" }, { TEXT("101 list\r\n.\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 101, "." },
	{ "nntp: old", AUDIT_NNTP, NULL,
		{ { TEXT("201 hi\r\n"), "CAPABILITIES\r\n" },
			{ TEXT("500 what\r\n"), "STARTTLS\r\n" }, { TEXT("500 what\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 500, "500 what" },
	{ "nntp: offered and refused", AUDIT_NNTP, NULL,
		{ { TEXT("200 hi\r\n"), "CAPABILITIES\r\n" },
			{ TEXT("101 list\r\nSTARTTLS\r\n.\r\n"), "STARTTLS\r\n" },
			{ TEXT("580 no\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, true, 580, "580 no" },
	{ "sieve: none", AUDIT_SIEVE, NULL,
		{ { TEXT("\"SIEVE\" \"fileinto starttls\"\r\nOK\r\n"), NULL } }, AUDIT_STEP_ENDED,
		AUDIT_END_NO_STARTTLS, false, 0, "OK" },
	{ "sieve: goes", AUDIT_SIEVE, NULL, { { TEXT("BYE \"too many\"\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 0, "BYE \"too many\"" },
	{ "sieve", AUDIT_SIEVE, NULL,
		{ { TEXT("\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n"), "STARTTLS\r\n" },
			{ TEXT("OK \"go\"\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "irc", AUDIT_IRC, IRC,
		{ { TEXT(":irc NOTICE * :hi\r\n"), NULL }, { TEXT(":irc 670 * :go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "irc: a list", AUDIT_IRC, IRC,
		{ { TEXT(":irc CAP * LS :sasl=PLAIN tls\r\n"), NULL },
			{ TEXT(":irc 670 * :go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "irc: a list of one", AUDIT_IRC, IRC,
		{ { TEXT(":irc CAP * LS tls\r\n"), NULL }, { TEXT(":irc 670 * :go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "irc: a list in two lines", AUDIT_IRC, IRC,
		{ { TEXT(":irc CAP * LS * :sasl=PLAIN\r\n:irc CAP * LS :tls\r\n"), NULL },
			{ TEXT(":irc 670 * :go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "irc: not in the list", AUDIT_IRC, IRC,
		{ { TEXT(":irc NOTICE * :hi\r\n:irc CAP * LS :multi-prefix\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, ":irc CAP * LS :multi-prefix" },
	{ "irc: an empty list", AUDIT_IRC, IRC, { { TEXT("CAP * LS :\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, "CAP * LS :" },
	{ "irc: no list", AUDIT_IRC, IRC,
		{ { TEXT(":irc 421 * CAP :what\r\n"), NULL },
			{ TEXT(":irc 670 * :go\r\n"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "irc: neither", AUDIT_IRC, IRC,
		{ { TEXT(":irc 451 * :register\r\n:irc 451 * :first\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 451, ":irc 451 * :first" },
	{ "irc: it waits for a name", AUDIT_IRC, IRC,
		{ { TEXT(":irc NOTICE * :hi\r\n"), NULL },
			{ TEXT("ERROR :Closing link: (a@b) [Registration timeout]\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0,
		"ERROR :Closing link: (a@b) [Registration timeout]" },
	{ "irc: goes", AUDIT_IRC, IRC, { { TEXT("ERROR :Closing link\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 0, "ERROR :Closing link" },
	{ "irc: cannot now", AUDIT_IRC, IRC, { { TEXT(":irc 691 * :no\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, true, 691, ":irc 691 * :no" },
	{ "irc: none", AUDIT_IRC, IRC, { { TEXT(":irc 421 * STARTTLS :what\r\n"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 421, NULL },
	{ "xmpp", AUDIT_XMPP_CLIENT, XMPP_HELLO,
		{ { TEXT("<?xml version='1.0'?><stream:stream><stream:features><starttls "
			 "xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"),
			  "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" },
			{ TEXT("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "xmpp: none", AUDIT_XMPP_CLIENT, XMPP_HELLO,
		{ { TEXT("<stream:stream><stream:features></stream:features>"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, NULL },
	{ "xmpp: another host", AUDIT_XMPP_CLIENT, XMPP_HELLO,
		{ { TEXT("<stream:stream><stream:error><host-unknown "
			 "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"),
			NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 0,
		"<stream:error><host-unknown "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" },
	{ "xmpp: too many", AUDIT_XMPP_CLIENT, XMPP_HELLO,
		{ { TEXT("<stream:error><resource-constraint/></stream:error>"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 0, NULL },
	{ "xmpp: offered and refused", AUDIT_XMPP_CLIENT, XMPP_HELLO,
		{ { TEXT("<stream:stream><stream:features><starttls/></stream:features>"),
			  "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" },
			{ TEXT("<failure/></stream:stream>"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 0, NULL },
	{ "ldap: a notice that it goes", AUDIT_LDAP, LDAP_REQUEST,
		{ { TEXT("0\x10\x02\x01\x00\x78\x0b\x0a\x01\x34\x04\x00\x04\x04"
			 "busy"),
			NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_REFUSED, true, 52, "busy" },
	{ "ldap: long lengths", AUDIT_LDAP, LDAP_REQUEST,
		{ { TEXT("0\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\x00\x04"
			 "\x00\x04\x00"),
			NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "ldap", AUDIT_LDAP, LDAP_REQUEST,
		{ { TEXT("0\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "ldap: none", AUDIT_LDAP, LDAP_REQUEST,
		{ { TEXT("0\x0f\x02\x01\x01\x78\x0a\x0a\x01\x02\x04\x00\x04\x03huh"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 2, "huh" },
	{ "postgres", AUDIT_POSTGRES, "\0\0\0\x08\x04\xd2\x16\x2f", { { TEXT("S"), NULL } },
		AUDIT_STEP_TLS, AUDIT_END_NONE, false, 0, NULL },
	{ "postgres: none", AUDIT_POSTGRES, "\0\0\0\x08\x04\xd2\x16\x2f", { { TEXT("N"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, "N" },
	{ "postgres: too many", AUDIT_POSTGRES, "\0\0\0\x08\x04\xd2\x16\x2f",
		{ { TEXT("E\0\0\0\x1c"
			 "SFATAL\0"
			 "C53300\0"
			 "Mno room\0\0"),
			NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 0, "no room" },
	{ "postgres: old", AUDIT_POSTGRES, "\0\0\0\x08\x04\xd2\x16\x2f",
		{ { TEXT("Eunsupported"), NULL } }, AUDIT_STEP_ENDED, AUDIT_END_REFUSED, false, 0,
		NULL },
	{ "mysql: too many, with a state", AUDIT_MYSQL, NULL,
		{ { TEXT("\x11\0\0\0\xff\x10\x04#08004Too many"), NULL } }, AUDIT_STEP_ENDED,
		AUDIT_END_RATE, true, 1040, "Too many" },
	{ "mysql: none", AUDIT_MYSQL, NULL,
		{ { TEXT("\x1b\0\0\0\x0a"
			 "5.7\0"
			 "\1\0\0\0"
			 "12345678\0"
			 "\xff\xf7\x21\2\0\xff\x81\0\0"),
			NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_NO_STARTTLS, false, 0, NULL },
	{ "mysql: blocked", AUDIT_MYSQL, NULL, { { TEXT("\x07\0\0\0\xff\x69\x04nope"), NULL } },
		AUDIT_STEP_ENDED, AUDIT_END_RATE, true, 1129, "nope" },
};

/* Say what is to be said; compare it. */
static void expect_said(const struct script *s, struct audit_dialogue *d, const char *want)
{
	if (want == NULL) {
		if (d->step == AUDIT_STEP_SEND)
			fail_msg("%s: says %.*s", s->name, (int)d->send_len, (const char *)d->send);
		return;
	}
	if (d->step != AUDIT_STEP_SEND)
		fail_msg("%s: does not say %s", s->name, want);
	size_t len = s->kind == AUDIT_POSTGRES ? 8 : strlen(want);
	if (d->send_len != len || memcmp(d->send, want, len) != 0)
		fail_msg("%s: says %.*s, not %s", s->name, (int)d->send_len, (const char *)d->send,
			want);
	audit_dialogue_sent(d);
}

static void run(const struct script *s, size_t piece)
{
	struct audit_dialogue d;
	audit_dialogue_init(&d, s->kind, "mail.test", "us.test");
	expect_said(s, &d, s->first);
	for (size_t i = 0; i < TURNS_MAX; i++) {
		const struct turn *t = &s->turns[i];
		if (t->server == NULL) {
			if (t->len > 0)
				audit_dialogue_feed(&d, span_of(NULL, 0), true);
			continue;
		}
		for (size_t at = 0; at < t->len; at += piece)
			audit_dialogue_feed(&d,
				span_of(t->server + at, piece < t->len - at ? piece : t->len - at),
				false);
		expect_said(s, &d, t->client);
	}
	if (d.step != s->step || d.end != s->end || d.is_temporary != s->is_temporary)
		fail_msg("%s: step %d, end %d, temporary %d", s->name, d.step, d.end,
			d.is_temporary);
	if (d.words.code != s->code)
		fail_msg("%s: code %d", s->name, d.words.code);
	if (s->text != NULL && strcmp(d.words.text, s->text) != 0)
		fail_msg("%s: words are \"%s\"", s->name, d.words.text);
}

static void test_scripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		run(&scripts[i], 100000);
		run(&scripts[i], 1);
		run(&scripts[i], 7);
	}
}

/* The last word of the MySQL dialogue is ours. */
static void test_mysql(void **state)
{
	static const char greeting[] = "\x1b\0\0\0\x0a"
				       "5.7\0"
				       "\1\0\0\0"
				       "12345678\0"
				       "\xff\xff\x21\2\0\xff\x81\0\0";
	struct audit_dialogue d;
	(void)state;
	audit_dialogue_init(&d, AUDIT_MYSQL, "h", "n");
	assert_int_equal(audit_dialogue_feed(&d, span_of(greeting, sizeof(greeting) - 1), false),
		AUDIT_STEP_SEND);
	assert_int_equal(d.send_len, 36);
	assert_string_equal(d.words.greeting, "5.7");
	assert_int_equal(audit_dialogue_sent(&d), AUDIT_STEP_TLS);
}

static void test_bounds(void **state)
{
	static uint8_t much[AUDIT_LINE_MAX];
	struct audit_dialogue d;
	(void)state;
	memset(much, 'x', sizeof(much));
	for (int kind = AUDIT_SMTP; kind < AUDIT_STARTTLS_COUNT; kind++) {
		audit_dialogue_init(&d, (enum audit_starttls)kind, "h", "n");
		audit_dialogue_sent(&d);
		for (int i = 0; i < 100 && d.step == AUDIT_STEP_READ; i++)
			audit_dialogue_feed(&d, SPAN_OF(much), false);
		if (d.step != AUDIT_STEP_ENDED)
			fail_msg("%s: not ended", audit_starttls_name((enum audit_starttls)kind));
	}
	/* Lines without an end to the list. */
	static const char line[] = "220-go on\r\n";
	audit_dialogue_init(&d, AUDIT_SMTP, "h", "n");
	for (int i = 0; i < 10000 && d.step == AUDIT_STEP_READ; i++)
		audit_dialogue_feed(&d, span_of(line, sizeof(line) - 1), false);
	assert_int_equal(d.step, AUDIT_STEP_ENDED);
	assert_string_equal(d.words.text, "it talks without an end");
}

/* What comes in plain text behind the go-ahead is counted, and what came ahead of our turn is not lost. */
static void test_ahead(void **state)
{
	static const char early[] = "220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\nxyz";
	struct audit_dialogue d;
	(void)state;
	audit_dialogue_init(&d, AUDIT_SMTP, "h", "n");
	assert_int_equal(
		audit_dialogue_feed(&d, span_of(early, sizeof(early) - 1), false), AUDIT_STEP_SEND);
	assert_int_equal(audit_dialogue_sent(&d), AUDIT_STEP_SEND);
	assert_int_equal(audit_dialogue_sent(&d), AUDIT_STEP_TLS);
	assert_int_equal(d.leftover_len, 3);
	assert_string_equal(d.words.keywords, "STARTTLS");
}

/* A server that talks ahead and leaves: what it said last counts. */
static void test_last_words(void **state)
{
	static const char words[] = "220 x\r\n421 go away\r\n";
	struct audit_dialogue d;
	(void)state;
	audit_dialogue_init(&d, AUDIT_SMTP, "h", "n");
	assert_int_equal(
		audit_dialogue_feed(&d, span_of(words, sizeof(words) - 1), false), AUDIT_STEP_SEND);
	assert_int_equal(audit_dialogue_feed(&d, span_of(NULL, 0), true), AUDIT_STEP_ENDED);
	assert_int_equal(d.end, AUDIT_END_RATE);
	assert_string_equal(d.words.text, "421 go away");
}

/* Names from DNS cannot say more than a name. */
static void test_names(void **state)
{
	static const char greeting[] = "220 x\r\n";
	struct audit_dialogue d;
	(void)state;
	audit_dialogue_init(&d, AUDIT_SMTP, "h", "a\r\nRSET b.[IPv6:::1]");
	audit_dialogue_feed(&d, span_of(greeting, sizeof(greeting) - 1), false);
	assert_memory_equal(d.send, "EHLO a__RSET_b.[IPv6:::1]\r\n", d.send_len);
	audit_dialogue_init(&d, AUDIT_XMPP_CLIENT, "x'/><y a='", "n");
	assert_null(memmem(d.send, d.send_len, "x'", 2));
	assert_non_null(memmem(d.send, d.send_len, "to='x____y_a__'", 15));
}

/* What is sent ahead stands in the same bytes as the request; goodbyes are said where there is one. */
static void test_inject(void **state)
{
	static const char talk[] = "220 x\r\n250-x\r\n250 STARTTLS\r\n";
	struct audit_dialogue d;
	(void)state;
	audit_dialogue_init(&d, AUDIT_SMTP, "h", "n");
	audit_dialogue_inject(&d, "RSET\r\n");
	assert_int_equal(audit_dialogue_goodbye(&d).len, 0);
	audit_dialogue_feed(&d, span_of(talk, sizeof(talk) - 1), false);
	assert_false(d.is_asked);
	audit_dialogue_sent(&d);
	assert_true(d.is_asked);
	assert_int_equal(d.send_len, 16);
	assert_memory_equal(d.send, "STARTTLS\r\nRSET\r\n", d.send_len);
	assert_true(audit_is(audit_dialogue_goodbye(&d), "QUIT\r\n"));
}

/* Whatever a server says and wherever it stops: there is an end, and what is quoted is printable. */
static void expect_end(const char *name, enum audit_starttls kind, const uint8_t *bytes, size_t len)
{
	struct audit_dialogue d;
	audit_dialogue_init(&d, kind, "mail.test", "us.test");
	for (int i = 0; i < 20 && d.step == AUDIT_STEP_SEND; i++)
		audit_dialogue_sent(&d);
	if (len > 0)
		audit_dialogue_feed(&d, span_of(bytes, len), false);
	for (int i = 0; i < 20 && d.step == AUDIT_STEP_SEND; i++)
		audit_dialogue_sent(&d);
	audit_dialogue_feed(&d, span_of(NULL, 0), true);
	if (d.step != AUDIT_STEP_TLS && d.step != AUDIT_STEP_ENDED)
		fail_msg("%s: %zu bytes: no end", name, len);
	if (d.step == AUDIT_STEP_ENDED && (d.end == AUDIT_END_NONE || d.words.text[0] == '\0') &&
		kind != AUDIT_LDAP && kind != AUDIT_POSTGRES && kind != AUDIT_MYSQL)
		fail_msg("%s: %zu bytes: ended without words", name, len);
	for (const char *c = d.words.text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			fail_msg("%s: quotes what is not printable", name);
}

static void test_broken(void **state)
{
	uint8_t bytes[1024];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(scripts); i++) {
		const struct script *s = &scripts[i];
		size_t len = 0;
		for (size_t t = 0; t < TURNS_MAX; t++) {
			if (s->turns[t].server == NULL)
				continue;
			assert_true(s->turns[t].len <= sizeof(bytes) - len);
			memcpy(bytes + len, s->turns[t].server, s->turns[t].len);
			len += s->turns[t].len;
		}
		for (size_t n = 0; n <= len; n++)
			expect_end(s->name, s->kind, bytes, n);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			expect_end(s->name, s->kind, bytes, len);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_mysql),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_inject),
		cmocka_unit_test(test_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
