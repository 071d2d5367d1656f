#ifndef POSTERN_AUDIT_PROFILE_H
#define POSTERN_AUDIT_PROFILE_H

/*
 * A profile: what counts as wrong, and how much. A JSON file that people can copy and change
 * (doc/audit.md "Profiles"); everything in it but the name is optional.
 */

#include <stdbool.h>
#include <stdint.h>

#include "audit/finding.h"

#define AUDIT_PROFILE_LIST_MAX 64
#define AUDIT_ADVICE_MAX 256

/* Suites are weak by a property of theirs. */
enum audit_weakness {
	AUDIT_WEAK_NULL,
	AUDIT_WEAK_ANONYMOUS,
	AUDIT_WEAK_EXPORT,
	AUDIT_WEAK_DES,
	AUDIT_WEAK_RC2,
	AUDIT_WEAK_RC4,
	AUDIT_WEAK_IDEA,
	AUDIT_WEAK_3DES,
	AUDIT_WEAK_MD5,
	AUDIT_WEAK_STATIC, /* no forward secrecy */
	AUDIT_WEAK_DHE,    /* ephemeral, over a finite field, below TLS 1.3 */
	AUDIT_WEAK_CBC,
	AUDIT_WEAK_SHA1,
	AUDIT_WEAK_ODD, /* PSK, SRP, Kerberos, GOST and the like on a public port */
	AUDIT_WEAK_COUNT,
};

struct audit_profile {
	char name[64];
	char title[128], source[256], note[256];
	char checked[512]; /* which parts were compared with the source, and how */
	/* by number of the table of findings; AUDIT_SEVERITY_COUNT: as the table says */
	enum audit_severity severity[AUDIT_FINDINGS_MAX];
	char *advice[AUDIT_FINDINGS_MAX]; /* owned; NULL: as the table says */
	bool is_version_allowed[AUDIT_VERSION_COUNT];
	bool is_version_wanted[AUDIT_VERSION_COUNT];
	size_t group_count; /* 0: any */
	uint16_t groups[AUDIT_PROFILE_LIST_MAX];
	size_t suite_count; /* 0: any that no finding forbids */
	uint32_t suites[AUDIT_SUITES_MAX];
	size_t signature_count; /* 0: any */
	uint16_t signatures[AUDIT_PROFILE_LIST_MAX];
	unsigned rsa_bits, ec_bits, dh_bits; /* least; curve 25519 counts as 253 */
	unsigned days_max;                   /* longest validity of a certificate; 0: any */
};

/* The table of findings. */
struct audit_check {
	const char *id;
	enum audit_severity severity; /* where a profile says nothing */
	const char *advice;           /* one sentence */
};
size_t audit_check_count(void);
const struct audit_check *audit_check_at(size_t i);
/* Its number, or AUDIT_FINDINGS_MAX. */
size_t audit_check_find(const char *id);

/* Severity and advice of one finding under a profile. */
enum audit_severity audit_profile_severity(const struct audit_profile *p, size_t check);
const char *audit_profile_advice(const struct audit_profile *p, size_t check);

/* From text, for audit_profile_load and tests. path is for messages. NULL with *f. */
struct audit_profile *audit_profile_parse(
	const char *path, const char *text, size_t len, struct fault *f);

#endif
