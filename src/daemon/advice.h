#ifndef POSTERN_DAEMON_ADVICE_H
#define POSTERN_DAEMON_ADVICE_H

/* What would have to change for a decision of the journal to be another one: a sentence for each reason. */

#include <jansson.h>

#include "store/store.h"

#define ADVICE_MAX 768

/* Returns false, and to is "", when nothing has to change or nothing can be said. */
bool advice_for(const struct store_record *r, char to[ADVICE_MAX]);

/* The record as JSON (daemon/report.h), with its advice as "change". */
json_t *advice_report(const struct store_record *r);

#endif
