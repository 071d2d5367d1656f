/*
 * Any bytes as an SSLv2 answer, cut short at every place: until the record is whole nothing is decided, and
 * what is decided lies within the record.
 */

#include <stdint.h>
#include <stdlib.h>

#include "audit/flight_ssl2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct audit_flight *f, struct span bytes)
{
	if (f->ssl2_suite_count > AUDIT_SUITES_MAX || f->cert_count > 1)
		abort();
	if (f->cert_count == 1 &&
		(f->certs[0].data < bytes.data || f->certs[0].len == 0 ||
			f->certs[0].len > bytes.len - (size_t)(f->certs[0].data - bytes.data)))
		abort();
	if (f->end == AUDIT_FLIGHT_SSL2 && (!f->has_hello || f->version != AUDIT_SSL2))
		abort();
	if (f->end == AUDIT_FLIGHT_ALERT && !f->has_alert)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct audit_flight f;
	if (len < AUDIT_SSL2_HEADER_MAX || len > 4096)
		return 0;
	if (!audit_ssl2_is_answer(span_of(data, len)))
		return 0;
	bool is_decided = false;
	for (size_t n = 0; n <= len; n++) {
		f = (struct audit_flight){ 0 };
		const char *why = audit_ssl2_read(&f, span_of(data, n));
		bool is_now = why != NULL || f.end != AUDIT_FLIGHT_MORE;
		if (is_decided && !is_now)
			abort();
		is_decided = is_now;
		if (why == NULL)
			check(&f, span_of(data, n));
	}
	return 0;
}
