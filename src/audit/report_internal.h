#ifndef POSTERN_AUDIT_REPORT_INTERNAL_H
#define POSTERN_AUDIT_REPORT_INTERNAL_H

/* What the writers share: words for answers, and how strong a suite is. */

#include "audit/report.h"
#include "audit/suite.h"

const char *audit_answer_text(enum audit_answer a); /* "unknown", "no", "yes" */
const char *audit_end_text(enum audit_end e);       /* "complete", "no-starttls", ... */

/* Of a suite in a version, for colours and charts; what counts is the profile's to say. */
enum audit_strength {
	AUDIT_STRENGTH_NONE,   /* no encryption or authentication, export, single DES, RC4, SSL */
	AUDIT_STRENGTH_WEAK,   /* 64-bit blocks, MD5, odd keys */
	AUDIT_STRENGTH_OLD,    /* CBC or no forward secrecy */
	AUDIT_STRENGTH_STRONG, /* AEAD with forward secrecy */
	AUDIT_STRENGTH_COUNT,
};
enum audit_strength audit_suite_strength(enum audit_version v, uint32_t suite);

/* done where it was looked up, else why there is nothing: "could not be looked up", ... */
const char *audit_look_words(enum audit_look l, const char *done);
const char *audit_look_name(enum audit_look l); /* "not-asked", "done", "failed", "broken" */
/* What is said of MTA-STS and TLS-RPT; the text is borrowed. */
const char *audit_sts_words(const struct audit_domain *d);
const char *audit_tls_rpt_words(const struct audit_domain *d);
/* "3 1 1, match"; returns to. */
const char *audit_tlsa_text(const struct audit_tlsa *t, char to[64]);
/* One sentence on the certificates that were sent beyond the bounds, or NULL. */
const char *audit_chain_cut_text(const struct audit_facts *f, size_t chain);

/* "2026-11-22T17:00:00Z", or "" for none. Returns to. */
const char *audit_time_text(int64_t s, char to[32]);

/* The words of a server with their code before them. to holds AUDIT_WORDS_MAX + 16. Returns to. */
const char *audit_words_text(const struct audit_words *w, char to[AUDIT_WORDS_MAX + 16]);

/* One sentence on why there is nothing to list, without "ERROR: "; "" when there is. Returns to. */
#define AUDIT_SENTENCE_MAX (AUDIT_WORDS_MAX + AUDIT_HOST_MAX + 128)
const char *audit_end_sentence(const struct audit_facts *f, char to[AUDIT_SENTENCE_MAX]);

#endif
