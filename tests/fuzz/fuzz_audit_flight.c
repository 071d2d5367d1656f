/*
 * Any bytes as the answer to a hello; the first byte says whether SSLv2 was asked for and how the rest is
 * cut. Spans lie in the flight's own memory, counts keep their bounds, and the cutting changes nothing.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/flight.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct audit_flight *read_all(bool is_ssl2, struct span bytes, size_t piece)
{
	struct audit_flight *f = audit_flight_new(is_ssl2);
	if (f == NULL)
		abort();
	for (size_t at = 0; at < bytes.len; at += piece)
		if (audit_flight_feed(f, span_slice(bytes, at, piece)) != AUDIT_FLIGHT_MORE)
			break;
	return f;
}

/* Read each byte that a span has. */
static unsigned touch(struct span s)
{
	unsigned sum = 0;
	for (size_t i = 0; i < s.len; i++)
		sum += s.data[i];
	return sum;
}

static void check(const struct audit_flight *f)
{
	unsigned sum = touch(f->staple);
	if (f->cert_count > AUDIT_CHAIN_MAX || f->extension_count > AUDIT_EXTENSIONS_MAX ||
		f->ssl2_suite_count > AUDIT_SUITES_MAX || f->first_len > AUDIT_FIRST_MAX ||
		f->dh.len > AUDIT_DH_LEN_MAX || f->session_id_len > 32)
		abort();
	for (size_t i = 0; i < f->cert_count; i++)
		sum += touch(f->certs[i]);
	if (f->end == AUDIT_FLIGHT_BROKEN && f->why == NULL)
		abort();
	if ((f->end == AUDIT_FLIGHT_HELLO || f->end == AUDIT_FLIGHT_RETRY) && !f->has_hello)
		abort();
	if (f->end == AUDIT_FLIGHT_ALERT && !f->has_alert)
		abort();
	if (f->version >= AUDIT_VERSION_COUNT || sum == UINT32_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	struct span bytes = span_of(data + 1, len - 1);
	struct audit_flight *whole = read_all(data[0] & 1, bytes, len);
	struct audit_flight *cut = read_all(data[0] & 1, bytes, 1 + (data[0] >> 1) % 32);
	check(whole);
	check(cut);
	if (whole->end != cut->end || whole->suite != cut->suite || whole->why != cut->why ||
		whole->cert_count != cut->cert_count || whole->group != cut->group ||
		whole->alert_code != cut->alert_code)
		abort();
	audit_flight_free(whole);
	audit_flight_free(cut);
	return 0;
}
