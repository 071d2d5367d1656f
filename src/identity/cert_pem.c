/* Certificates out of PEM text: trust files. */

#include <errno.h>
#include <string.h>

#include "base/pem.h"
#include "identity/cert.h"

/* The first CERTIFICATE block. Blocks of other kinds may stand before it. */
static int find_block(struct span pem, struct pem_block *ret, struct fault *f)
{
	struct pem_reader r = pem_reader_init(pem);
	for (;;) {
		enum pem_result got = pem_next(&r, ret);
		if (got == PEM_BLOCK && strcmp(ret->label, "CERTIFICATE") == 0)
			return 0;
		if (got == PEM_BAD) {
			fault_set(f,
				"line %u: %s; keep only the BEGIN and END lines and what is "
				"between",
				r.line, r.why);
			return -EINVAL;
		}
		if (got == PEM_END) {
			fault_set(f,
				"line %u: the file ends without a CERTIFICATE block; name a "
				"certificate",
				r.line);
			return -EINVAL;
		}
	}
}

int cert_read_pem(struct span pem, struct cert *ret, uint8_t *der, size_t *ret_len, struct fault *f)
{
	struct pem_block b;
	size_t len;
	int rc = find_block(pem, &b, f);
	if (rc < 0)
		return rc;
	if (!pem_decode(&b, der, CERT_LEN_MAX, &len)) {
		fault_set(f,
			"line %u: the block is not base64 of at most %d bytes; copy the file "
			"again",
			b.line, CERT_LEN_MAX);
		return -EINVAL;
	}
	rc = cert_read(span_of(der, len), ret, f);
	if (rc == 0)
		*ret_len = len;
	return rc;
}
