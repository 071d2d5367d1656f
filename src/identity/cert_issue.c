/*
 * Issuing. Invariant: a certifier signs only names one level below its own, and an organisation
 * signs itself once; OpenSSL would sign anything.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "identity/cert_shape.h"

#define TIME_END_MS UINT64_C(253402300800000) /* 10000-01-01: GeneralizedTime has four digits */

static bool seed_is_of(const uint8_t seed[32], const uint8_t pk[32])
{
	uint8_t made[32], sk[64];
	crypto_sign_seed_keypair(made, sk, seed);
	sodium_memzero(sk, sizeof(sk));
	return memcmp(made, pk, 32) == 0;
}

static int refuse_name(const struct name *n, enum name_reject reason, struct fault *f)
{
	char text[NAME_TEXT_MAX], quoted[200];
	name_format(n, text);
	fault_set(f, "\"%s\" cannot stand in a certificate: %s; choose another name",
		text_quote(span_of(text, strlen(text)), quoted, sizeof(quoted)),
		name_reject_text(reason));
	return -EINVAL;
}

static int check_self_signed(const struct cert_order *o, struct fault *f)
{
	char text[NAME_TEXT_MAX];
	const struct name *n = &o->subject;
	if (o->kind != CERT_CERTIFIER || n->parts[n->count - 1].type != NAME_O) {
		fault_set(f, "\"%s\" cannot certify itself; only an organisation does",
			name_format(n, text));
		return -EINVAL;
	}
	if (memcmp(o->pk, o->issuer_pk, 32) != 0) {
		fault_set(f, "\"%s\" certifies itself with its own key, another was given",
			name_format(n, text));
		return -EINVAL;
	}
	return 0;
}

static int check_names(const struct cert_order *o, struct fault *f)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	enum name_reject reason = name_check(&o->subject, o->kind == CERT_CERTIFIER);
	if (reason != NAME_OK)
		return refuse_name(&o->subject, reason, f);
	reason = name_check(&o->issuer, true);
	if (reason != NAME_OK)
		return refuse_name(&o->issuer, reason, f);
	if (name_equal(&o->subject, &o->issuer))
		return check_self_signed(o, f);
	if (!name_is_child(&o->subject, &o->issuer)) {
		/* Each at most 190 bytes of its 476, so that the sentence is not cut. */
		fault_set(f,
			"\"%.190s\" is not one level below \"%.190s\"; use the certifier directly "
			"above it",
			name_format(&o->subject, subject), name_format(&o->issuer, issuer));
		return -EINVAL;
	}
	return 0;
}

static int check_order(const struct cert_order *o, struct fault *f)
{
	int rc = check_names(o, f);
	if (rc < 0)
		return rc;
	if (o->not_after_ms / 1000 <= o->not_before_ms / 1000) {
		fault_set(f, "the certificate would end before it begins; check both dates");
		return -EINVAL;
	}
	if (o->not_after_ms >= TIME_END_MS) {
		fault_set(f, "the certificate would end after the year 9999; choose less");
		return -EINVAL;
	}
	if (!seed_is_of(o->issuer_seed, o->issuer_pk)) {
		fault_set(f,
			"the private key is not that of the issuer's certificate; use the "
			"issuer's own ID file");
		return -EINVAL;
	}
	return 0;
}

/* Positive and of exactly 8 bytes in DER: the top bit is clear and the next one set. */
static void make_serial(uint8_t serial[8])
{
	randombytes_buf(serial, 8);
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
}

int cert_issue(const struct cert_order *o, uint8_t *der, size_t *ret_len, struct fault *f)
{
	int rc = check_order(o, f);
	if (rc < 0)
		return rc;
	struct cert c = {
		.subject = o->subject,
		.issuer = o->issuer,
		.kind = o->kind,
		.not_before_ms = o->not_before_ms,
		.not_after_ms = o->not_after_ms,
	};
	/* Names compare without case, bytes do not: below "VSD" nothing is called "vsd". */
	memcpy(c.subject.parts, o->issuer.parts, o->issuer.count * sizeof(c.subject.parts[0]));
	memcpy(c.pk, o->pk, sizeof(c.pk));
	cert_key_identifier(o->issuer_pk, c.issuer_key_identifier);
	make_serial(c.serial);

	X509 *x = cert_shape(&c, NULL);
	rc = x != NULL && cert_sign(x, o->issuer_seed, der, ret_len) ? 0 : -EIO;
	X509_free(x);
	if (rc < 0)
		fault_set(f, "OpenSSL could not write the certificate; check its installation");
	return rc;
}
