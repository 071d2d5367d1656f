#ifndef POSTERN_AUDIT_STS_H
#define POSTERN_AUDIT_STS_H

/* The TXT records beside a policy (audit/domain.h has that of the policy itself). Pure. */

#include <stdbool.h>

#include "audit/facts.h"
#include "base/span.h"

/* RFC 8461 3.1: "v=STSv1; id=...". False for any other record. */
bool audit_sts_record(struct span txt, char id[33]);

/* RFC 8460 3: "v=TLSRPTv1; rua=...". */
bool audit_tls_rpt_record(struct span txt, char rua[AUDIT_WORDS_MAX + 1]);

#endif
