#ifndef POSTERN_AUDIT_FINDING_INTERNAL_H
#define POSTERN_AUDIT_FINDING_INTERNAL_H

/* What the two tables of findings share: finding.c has those of gateways, finding_domain.c those of domains. */

#include "audit/cert.h"
#include "audit/finding.h"
#include "audit/profile.h"
#include "audit/suite.h"

struct context {
	const struct audit_profile *profile;
	const struct audit_facts *facts;
	const struct audit_facts *const *others;
	size_t other_count;
	struct audit_cert_facts leaf; /* is_readable false: none */
	int64_t now_s;
};

struct audit_domain_row {
	struct audit_check check;
	bool (*find)(const struct audit_domain *d, char to[AUDIT_DETAIL_MAX]);
};
extern const struct audit_domain_row audit_domain_rows[];
extern const size_t audit_domain_row_count;

bool audit_suite_is_weak(const struct audit_suite *s, enum audit_weakness w);

#endif
