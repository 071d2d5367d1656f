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

/* "2026-11-22T17:00:00Z", or "" for none. Returns to. */
const char *audit_time_text(int64_t s, char to[32]);

/* The words of a server with their code before them. to holds AUDIT_WORDS_MAX + 16. Returns to. */
const char *audit_words_text(const struct audit_words *w, char to[AUDIT_WORDS_MAX + 16]);

/* One sentence on why there is nothing to list, without "ERROR: "; "" when there is. Returns to. */
#define AUDIT_SENTENCE_MAX (AUDIT_WORDS_MAX + AUDIT_HOST_MAX + 128)
const char *audit_end_sentence(const struct audit_facts *f, char to[AUDIT_SENTENCE_MAX]);

#endif
