/* Where a scan ended, in the server's own words, and what was odd on the way there. */

#include "audit/finding_internal.h"

#define SLOW_MS 5000

static bool find_end(const struct context *c, char *to, unsigned how)
{
	const struct audit_facts *f = c->facts;
	return f->end == (enum audit_end)how && audit_detail(to, "%.250s", f->words.text);
}

static bool find_no_handshake(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return audit_is_refusing_all(c->facts) &&
		audit_detail(to, "no version and suite was accepted");
}

static bool find_incomplete(const struct context *c, char *to, unsigned how)
{
	const struct audit_facts *f = c->facts;
	bool is_short = f->end == AUDIT_END_INCOMPLETE || f->end == AUDIT_END_NONE ||
		f->is_group_list_incomplete;
	(void)how;
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		is_short = is_short || f->protocols[v].is_incomplete;
	return is_short && audit_detail(to, "%.250s", f->incomplete);
}

static bool find_slow(const struct context *c, char *to, unsigned how)
{
	uint32_t ms = c->facts->words.greeting_ms;
	(void)how;
	return ms >= SLOW_MS &&
		audit_detail(to, "the greeting took %u.%u s", (unsigned)(ms / 1000),
			(unsigned)(ms / 100 % 10));
}

const struct audit_row audit_end_rows[] = {
	{ { "no-starttls", AUDIT_HIGH, "Switch STARTTLS on: everything goes in plain text." },
		find_end, AUDIT_END_NO_STARTTLS },
	{ { "starttls-refused", AUDIT_HIGH, "See in its log why the server refuses to go on." },
		find_end, AUDIT_END_REFUSED },
	{ { "rate-limited", AUDIT_INFO, "Ask again later, or from another address." }, find_end,
		AUDIT_END_RATE },
	{ { "mute", AUDIT_MEDIUM, "See why the server takes connections and says nothing." },
		find_end, AUDIT_END_MUTE },
	{ { "not-tls", AUDIT_MEDIUM, "See what answers here: it is not TLS." }, find_end,
		AUDIT_END_NOT_TLS },
	{ { "no-connect", AUDIT_MEDIUM, "See whether the server runs and can be reached." },
		find_end, AUDIT_END_NO_CONNECT },
	{ { "no-handshake", AUDIT_MEDIUM,
		  "See in its log why: do certificate, suites and versions fit together?" },
		find_no_handshake, 0 },
	{ { "incomplete", AUDIT_INFO, "Ask again, more slowly: a list may be short." },
		find_incomplete, 0 },
	{ { "slow-greeting", AUDIT_INFO, "See whether the delay is meant: some senders leave." },
		find_slow, 0 },
};
const size_t audit_end_row_count = sizeof(audit_end_rows) / sizeof(audit_end_rows[0]);
