#ifndef POSTERN_AUDIT_FLIGHT_SSL2_H
#define POSTERN_AUDIT_FLIGHT_SSL2_H

/* The SERVER-HELLO of SSL 2.0, and its errors. */

#include "audit/flight.h"

#define AUDIT_SSL2_HEADER_MAX 4 /* with the type behind it */
#define AUDIT_SSL2_RECORD_MAX (3 + 32767)

/* Do at least AUDIT_SSL2_HEADER_MAX bytes begin one? */
bool audit_ssl2_is_answer(struct span first);

/* What has come so far: f->end is set when the record is whole. NULL, or what is broken. f borrows bytes. */
const char *audit_ssl2_read(struct audit_flight *f, struct span bytes);

#endif
