#ifndef POSTERN_IDENTITY_CERT_WRITE_H
#define POSTERN_IDENTITY_CERT_WRITE_H

/*
 * The certificate profile (identity/cert.h) written without OpenSSL, for certificates that are rebuilt
 * from a template. The bytes are those of cert_shape; a test holds the two together.
 */

#include "base/span.h"
#include "identity/cert.h"

#define CERT_SIGNATURE_LEN 64
#define CERT_TIME_END_S UINT64_C(253402300800) /* 10000-01-01: GeneralizedTime has four digits */

/* How many certifiers may stand below one of this name: 4 less its number of OU. */
uint8_t cert_path_length(const struct name *subject);

/*
 * c and its signature as DER, all strings UTF8String. Marks w full when it does not fit. c keeps the
 * name rules and its times lie before CERT_TIME_END_S.
 */
void cert_write(
	struct writer *w, const struct cert *c, const uint8_t signature[CERT_SIGNATURE_LEN]);

#endif
