#ifndef POSTERN_DAEMON_REPORT_H
#define POSTERN_DAEMON_REPORT_H

/* Facts as JSON objects, for the control socket and for posternctl reading the store itself. */

#include <jansson.h>

#include "daemon/live.h"
#include "daemon/relays.h"
#include "priv/priv.h"
#include "store/store.h"

struct knockd;

/* Each returns a new reference, or NULL when memory is short. */
json_t *report_record(const struct store_record *r);
json_t *report_lockout(const struct store_lockout *l);
json_t *report_gate(const struct live_gate *g, const struct config *c);
/* A connection that was let through a passthru. */
json_t *report_relayed(const struct relays_line *l);
/* Datagrams ignored since the start, by reason. */
json_t *report_ignored(const struct knockd *k);
json_t *report_status(const struct knockd *k, const struct msg *listed);

#endif
