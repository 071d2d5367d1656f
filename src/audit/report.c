/* What all writers of reports share. Invariant: every text that leaves is printable and of one line. */

#include "audit/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "audit/finding_internal.h"
#include "audit/report_internal.h"

const char *audit_answer_text(enum audit_answer a)
{
	return a == AUDIT_YES ? "yes" : a == AUDIT_NO ? "no" : "unknown";
}

const char *audit_end_text(enum audit_end e)
{
	static const char *const names[AUDIT_END_COUNT] = { "not-scanned", "complete", "incomplete",
		"no-connect", "no-starttls", "refused", "rate-limited", "mute", "not-tls" };
	return e < AUDIT_END_COUNT ? names[e] : "unknown";
}

const char *audit_look_words(enum audit_look l, const char *done)
{
	static const char *const words[AUDIT_LOOK_COUNT] = { "not looked up", NULL,
		"could not be looked up", "broken" };
	return l < AUDIT_LOOK_COUNT && words[l] != NULL ? words[l] : done;
}

const char *audit_look_name(enum audit_look l)
{
	static const char *const names[AUDIT_LOOK_COUNT] = { "not-asked", "done", "failed",
		"broken" };
	return l < AUDIT_LOOK_COUNT ? names[l] : "not-asked";
}

const char *audit_sts_words(const struct audit_domain *d)
{
	static const char *const modes[] = { "none", "testing", "enforce", "off", "broken" };
	return audit_look_words(d->sts_look, d->sts <= AUDIT_STS_BROKEN ? modes[d->sts] : "broken");
}

const char *audit_tls_rpt_words(const struct audit_domain *d)
{
	return audit_look_words(d->tls_rpt_look, d->tls_rpt[0] != '\0' ? d->tls_rpt : "none");
}

const char *audit_tlsa_text(const struct audit_tlsa *t, char to[64])
{
	static const char *const states[] = { "not compared", "match", "mismatch", "unusable" };
	snprintf(to, 64, "%u %u %u, %s", (unsigned)t->usage, (unsigned)t->selector,
		(unsigned)t->matching,
		t->state <= AUDIT_TLSA_UNUSABLE ? states[t->state] : "not compared");
	return to;
}

const char *audit_chain_cut_text(const struct audit_facts *f, size_t chain)
{
	if (chain < f->chain_count)
		return f->chains[chain].is_cut ? "more certificates were sent and left out" : NULL;
	return f->is_chain_list_cut ? "further chains were sent and left out" : NULL;
}

enum audit_strength audit_suite_strength(enum audit_version v, uint32_t suite)
{
	static const enum audit_weakness none[] = { AUDIT_WEAK_NULL, AUDIT_WEAK_ANONYMOUS,
		AUDIT_WEAK_EXPORT, AUDIT_WEAK_DES, AUDIT_WEAK_RC4 };
	static const enum audit_weakness weak[] = { AUDIT_WEAK_3DES, AUDIT_WEAK_IDEA,
		AUDIT_WEAK_RC2, AUDIT_WEAK_MD5, AUDIT_WEAK_ODD };
	const struct audit_suite *s = audit_suite_by_id(suite);
	if (s == NULL)
		return AUDIT_STRENGTH_WEAK;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (v <= AUDIT_SSL3 || audit_suite_is_weak(s, none[i]))
			return AUDIT_STRENGTH_NONE;
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++)
		if (audit_suite_is_weak(s, weak[i]))
			return AUDIT_STRENGTH_WEAK;
	return s->is_aead && s->has_forward_secrecy ? AUDIT_STRENGTH_STRONG : AUDIT_STRENGTH_OLD;
}

const char *audit_time_text(int64_t s, char to[32])
{
	time_t t = (time_t)s;
	struct tm tm;
	if (s == INT64_MIN || gmtime_r(&t, &tm) == NULL ||
		strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		to[0] = '\0';
	return to;
}

const char *audit_words_text(const struct audit_words *w, char to[AUDIT_WORDS_MAX + 16])
{
	/* Some dialogues keep the code in the words, some beside them. */
	if (w->code > 0 && strtol(w->text, NULL, 10) != w->code)
		snprintf(to, AUDIT_WORDS_MAX + 16, "%d %s", w->code, w->text);
	else
		snprintf(to, AUDIT_WORDS_MAX + 16, "%s", w->text);
	return to;
}

/* "... is rate limited: 421 RP-001", or without the colon where the server said nothing. */
static void put(char *to, const struct audit_facts *f, const char *what)
{
	char host[AUDIT_HOST_MAX + 1], words[AUDIT_WORDS_MAX + 16];
	audit_words_text(&f->words, words);
	snprintf(to, AUDIT_SENTENCE_MAX, "The %s service on %s port %u %s%s%s",
		audit_starttls_service(f->target.starttls), audit_host_text(&f->target, host),
		(unsigned)f->target.port, what, words[0] != '\0' ? ": " : ".", words);
}

const char *audit_end_sentence(const struct audit_facts *f, char to[AUDIT_SENTENCE_MAX])
{
	char host[AUDIT_HOST_MAX + 1];
	to[0] = '\0';
	switch (f->end) {
	case AUDIT_END_NO_STARTTLS:
		snprintf(to, AUDIT_SENTENCE_MAX,
			"The %s service on %s port %u did not appear to support STARTTLS.",
			audit_starttls_service(f->target.starttls),
			audit_host_text(&f->target, host), (unsigned)f->target.port);
		break;
	case AUDIT_END_NO_CONNECT:
		snprintf(to, AUDIT_SENTENCE_MAX,
			"Could not open a connection to host %s on port %u.",
			audit_host_text(&f->target, host), (unsigned)f->target.port);
		break;
	case AUDIT_END_REFUSED:
		put(to, f,
			strcasestr(f->words.keywords, "STARTTLS") != NULL
				? "advertised STARTTLS but refused"
				: "refused to go on");
		break;
	case AUDIT_END_RATE:
		put(to, f, "is rate limited");
		break;
	case AUDIT_END_MUTE:
		put(to, f,
			f->words.greeting[0] != '\0' ? "greeted and said nothing more"
						     : "took the connection and said nothing");
		break;
	case AUDIT_END_NOT_TLS:
		put(to, f, "does not speak TLS");
		break;
	case AUDIT_END_NONE:
		put(to, f, "was not looked at");
		break;
	case AUDIT_END_COMPLETE:
		/* Its words, if any, were a welcome: they are no part of this sentence. */
		if (audit_is_refusing_all(f))
			snprintf(to, AUDIT_SENTENCE_MAX,
				"The %s service on %s port %u refused every handshake.",
				audit_starttls_service(f->target.starttls),
				audit_host_text(&f->target, host), (unsigned)f->target.port);
		break;
	case AUDIT_END_INCOMPLETE:
	case AUDIT_END_COUNT:
		break;
	}
	return to;
}

enum audit_severity audit_report_worst(const struct audit_report *r)
{
	enum audit_severity worst = AUDIT_OFF;
	for (size_t i = 0; i < r->entry_count; i++)
		if (audit_findings_worst(r->entries[i].findings) > worst)
			worst = audit_findings_worst(r->entries[i].findings);
	for (size_t i = 0; i < r->domain_count; i++)
		if (audit_findings_worst(r->domains[i].findings) > worst)
			worst = audit_findings_worst(r->domains[i].findings);
	return worst;
}
