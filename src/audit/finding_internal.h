#ifndef POSTERN_AUDIT_FINDING_INTERNAL_H
#define POSTERN_AUDIT_FINDING_INTERNAL_H

/*
 * What the tables of findings share: finding_suite.c has protocols and suites, finding_key.c keys and single
 * probes, finding_cert.c certificates and DANE, finding_end.c where a scan ended, finding_domain.c domains.
 */

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

/* One check: true with a detail when there is something to say. how: what else it needs to know. */
struct audit_row {
	struct audit_check check;
	bool (*find)(const struct context *c, char to[AUDIT_DETAIL_MAX], unsigned how);
	unsigned how;
};
extern const struct audit_row audit_suite_rows[], audit_key_rows[], audit_cert_rows[],
	audit_end_rows[];
extern const size_t audit_suite_row_count, audit_key_row_count, audit_cert_row_count,
	audit_end_row_count;

struct audit_domain_row {
	struct audit_check check;
	bool (*find)(const struct audit_domain *d, char to[AUDIT_DETAIL_MAX]);
};
extern const struct audit_domain_row audit_domain_rows[];
extern const size_t audit_domain_row_count;

/* Fill a detail. Always true, to stand at the end of a condition. */
__attribute__((format(printf, 2, 3))) bool audit_detail(
	char to[AUDIT_DETAIL_MAX], const char *fmt, ...);

/* The words of a list, as far as they fit in a detail; what does not is counted. */
struct audit_list {
	char *to;
	size_t len, left_out;
};
void audit_list_add(struct audit_list *l, const char *word);
bool audit_list_end(struct audit_list *l); /* was there a word? */

bool audit_offers(const struct audit_facts *f, enum audit_version v);

/* Everything was asked, TLS was spoken, and no version was accepted: there is nothing to list. */
bool audit_is_refusing_all(const struct audit_facts *f);

/* Does DNS vouch for the certificate, so that it needs no certifier (RFC 7672 3.1)? Mail alone looks. */
bool audit_is_vouched(const struct audit_facts *f);

bool audit_suite_is_weak(const struct audit_suite *s, enum audit_weakness w);

/* A gateway for people: its name, or its address where it has none. to holds AUDIT_HOST_MAX + 1. */
const char *audit_host_text(const struct audit_target *t, char to[AUDIT_HOST_MAX + 1]);

#endif
