/*
 * Any bytes, to both certificate readers: the strict one accepts what the one on OpenSSL accepts, and
 * both read the same. Only the latter asks whether a certificate that names its own key is signed by it.
 */

#include <stdint.h>
#include <stdlib.h>

#include "../unit/identity/cert_agree.h"
#include "identity/cert_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_take(struct span der)
{
	struct span chain = der, first = { 0 };
	if (cert_take(&chain, &first) != CERT_OK || chain.len != 0 || !span_equal(first, der))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cert strict, other;
	struct cert_parts p;
	struct fault f;
	struct span der = span_of(data, len);
	enum cert_reject reason = cert_decode(der, &strict, &p);
	bool is_read = cert_read(der, &other, &f) == 0;
	if (reason != CERT_OK) {
		if (is_read || reason >= CERT_REJECT_COUNT)
			abort();
		return 0;
	}
	if (is_read != !agree_is_damaged_root(&strict, &p) ||
		(is_read && !agree_cert(&strict, &other)))
		abort();
	if (cert_parts_signed_by(&p, strict.pk) != cert_signed_by(der, strict.pk))
		abort();
	check_take(der);
	return 0;
}
