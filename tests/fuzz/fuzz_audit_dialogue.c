/*
 * Any server in any dialogue: the first byte says which protocol, the second how it is cut into pieces. It
 * ends in one of its ways, sends only what fits, quotes only what is printable, and the cutting changes
 * nothing.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const char *text)
{
	size_t n = strlen(text);
	if (n > AUDIT_WORDS_MAX)
		abort();
	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			abort();
}

static void talk(
	struct audit_dialogue *d, enum audit_starttls kind, struct span bytes, size_t piece)
{
	audit_dialogue_init(d, kind, "mail.test", "us.test");
	while (d->step == AUDIT_STEP_SEND)
		audit_dialogue_sent(d);
	for (size_t at = 0; at < bytes.len && d->step == AUDIT_STEP_READ; at += piece) {
		audit_dialogue_feed(d, span_slice(bytes, at, piece), false);
		for (int i = 0; d->step == AUDIT_STEP_SEND; i++) {
			if (d->send_len == 0 || d->send_len > sizeof(d->send) || i > 100)
				abort();
			audit_dialogue_sent(d);
		}
	}
	if (d->step == AUDIT_STEP_READ)
		audit_dialogue_feed(d, span_of(NULL, 0), true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct audit_dialogue whole, cut;
	if (len < 2 || len > 20000)
		return 0;
	enum audit_starttls kind =
		(enum audit_starttls)(AUDIT_SMTP + data[0] % (AUDIT_STARTTLS_COUNT - AUDIT_SMTP));
	struct span bytes = span_of(data + 2, len - 2);
	talk(&whole, kind, bytes, 1);
	talk(&cut, kind, bytes, 1 + data[1] % 64);
	if (whole.step != AUDIT_STEP_TLS && whole.step != AUDIT_STEP_ENDED)
		abort();
	if (whole.step == AUDIT_STEP_ENDED && whole.end == AUDIT_END_NONE)
		abort();
	check_text(whole.words.text);
	check_text(whole.words.greeting);
	check_text(whole.words.keywords);
	/* Protocols without lines look at what has come so far: how much that is may decide. */
	bool has_lines = kind != AUDIT_XMPP_CLIENT && kind != AUDIT_XMPP_SERVER &&
		kind != AUDIT_LDAP && kind != AUDIT_POSTGRES && kind != AUDIT_MYSQL;
	if (has_lines && len < AUDIT_LINE_MAX &&
		(whole.step != cut.step || whole.end != cut.end ||
			strcmp(whole.words.text, cut.words.text) != 0))
		abort();
	return 0;
}
