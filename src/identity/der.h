#ifndef POSTERN_IDENTITY_DER_H
#define POSTERN_IDENTITY_DER_H

/*
 * DER (X.690) as far as certificates and revocation lists need it, inside this folder: one type, length
 * and value after the other off a checked reader, and times. Every length is definite and in its
 * shortest form (10.1). Pure; nothing is allocated, every span borrows.
 */

#include "base/span.h"
#include "identity/cert_decode.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80, /* [n] over a value: 0x80 + n */
	DER_CONTEXT_CONSTRUCTED = 0xa0,
};

struct der_item {
	uint8_t tag;
	struct span whole; /* header included */
	struct span value;
};

/* The next item of any type. CERT_OK, CERT_SHORT or CERT_LENGTH; *ret is written on CERT_OK. */
enum cert_reject der_next(struct reader *r, struct der_item *ret);

/* The next item, which has this tag: also CERT_TAG. */
enum cert_reject der_item(struct reader *r, uint8_t tag, struct der_item *ret);

/* The same, its value alone. */
enum cert_reject der_value(struct reader *r, uint8_t tag, struct span *ret);

/* The same, to read what is inside. */
enum cert_reject der_enter(struct reader *r, uint8_t tag, struct reader *ret);

/* True when the next item has this tag; nothing is taken. */
bool der_is_next(const struct reader *r, uint8_t tag);

/* CERT_TRAILING when something is left. */
enum cert_reject der_end(const struct reader *r);

/*
 * A time in the one form of RFC 5280 4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050, both with
 * seconds and Z; not before 1970. Also CERT_TIME.
 */
enum cert_reject der_time(struct reader *r, uint64_t *ret_ms);

#endif
