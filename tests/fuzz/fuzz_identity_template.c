/*
 * Any bytes as a template chain. What is rebuilt is of the profile, each certificate issued by the next
 * as far as names and key identifiers say, and becomes the same template again.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_certificates(const struct chain *c)
{
	struct cert cert, below;
	struct cert_parts parts, parts_below;
	for (size_t i = 0; i < c->count; i++) {
		uint8_t id[CERT_KEY_IDENTIFIER_LEN];
		if (cert_decode(c->der[i], &cert, &parts) != CERT_OK)
			abort();
		cert_key_identifier(cert.pk, id);
		if (i > 0 &&
			(!span_equal(parts.subject, parts_below.issuer) ||
				memcmp(id, below.issuer_key_identifier, sizeof(id)) != 0))
			abort();
		below = cert;
		parts_below = parts;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct template_room room;
	static uint8_t again[8192];
	struct chain c;
	if (template_decode(span_of(data, len), &room, &c) != CHAIN_OK)
		return 0;
	if (c.count == 0 || c.count > CHAIN_CERTS_MAX)
		abort();
	check_certificates(&c);
	if (template_encode(&c, again, sizeof(again)) != len || memcmp(again, data, len) != 0)
		abort();
	return 0;
}
