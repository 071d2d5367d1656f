#ifndef POSTERN_AUDIT_FINDING_H
#define POSTERN_AUDIT_FINDING_H

/* From facts to what is wrong with them, as a profile sees it (doc/audit.md has the table). */

#include <stddef.h>

#include "audit/cert.h"
#include "audit/facts.h"
#include "base/file.h"

enum audit_severity {
	AUDIT_OFF,
	AUDIT_INFO,
	AUDIT_LOW,
	AUDIT_MEDIUM,
	AUDIT_HIGH,
	AUDIT_CRITICAL,
	AUDIT_SEVERITY_COUNT,
};
const char *audit_severity_name(enum audit_severity s);
bool audit_severity_parse(const char *name, enum audit_severity *ret);

#define AUDIT_FINDINGS_MAX 128
#define AUDIT_DETAIL_MAX 256

struct audit_finding {
	const char *id; /* "sweet32"; static */
	enum audit_severity severity;
	char detail[AUDIT_DETAIL_MAX]; /* the values: "DES-CBC3-SHA in TLSv1" */
	const char *advice;            /* one sentence; of the profile or static */
};

struct audit_findings {
	const char *profile; /* by whose measure; borrowed from the profile, as advice is */
	size_t count;
	struct audit_finding items[AUDIT_FINDINGS_MAX]; /* worst first */
};

/* The worst of them; AUDIT_OFF: there is none. What --fail-on compares with. */
enum audit_severity audit_findings_worst(const struct audit_findings *f);

struct audit_profile;
/* A name of one that is installed, or a file. NULL with *f. */
struct audit_profile *audit_profile_load(const char *name_or_path, struct fault *f);
void audit_profile_free(struct audit_profile *p);
const char *audit_profile_name(const struct audit_profile *p);
/* What everybody who reads findings under it should know, in a sentence; "": nothing. */
const char *audit_profile_note(const struct audit_profile *p);

/* others: gateways scanned in the same run, for what two of them say together (DROWN); may be none. */
void audit_find(const struct audit_profile *p, const struct audit_facts *f,
	const struct audit_facts *const *others, size_t other_count, struct audit_findings *ret);

/* The same at a given time. */
struct audit_others {
	const struct audit_facts *const *facts;
	size_t count;
};
void audit_find_at(const struct audit_profile *p, const struct audit_facts *f,
	const struct audit_others *others, int64_t now_s, struct audit_findings *ret);

void audit_find_domain(
	const struct audit_profile *p, const struct audit_domain *d, struct audit_findings *ret);

#endif
