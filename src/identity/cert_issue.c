/*
 * Issuing. Invariant: what is signed is one of three things, said beforehand: a name one level below
 * the issuer's (or an organisation itself), a foreign name, or the issuer's own name under another
 * key; OpenSSL would sign anything.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "identity/cert_shape.h"

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

static int check_below(const struct cert_order *o, struct fault *f)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	if (name_equal(&o->subject, &o->issuer))
		return check_self_signed(o, f);
	if (name_is_child(&o->subject, &o->issuer))
		return 0;
	/* Each at most 190 bytes of its 476, so that the sentence is not cut. */
	fault_set(f,
		"\"%.190s\" is not one level below \"%.190s\"; use the certifier directly "
		"above it",
		name_format(&o->subject, subject), name_format(&o->issuer, issuer));
	return -EINVAL;
}

static int check_cross(const struct cert_order *o, struct fault *f)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	if (!name_equal(&o->subject, &o->issuer) && !name_is_below(&o->subject, &o->issuer))
		return 0;
	fault_set(f,
		"\"%.190s\" is not foreign to \"%.190s\": a cross-certificate is for names of "
		"others",
		name_format(&o->subject, subject), name_format(&o->issuer, issuer));
	return -EINVAL;
}

static int check_rollover(const struct cert_order *o, struct fault *f)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	if (!name_equal(&o->subject, &o->issuer)) {
		fault_set(f,
			"\"%.190s\" cannot vouch for a key of \"%.190s\"; in a rollover both are "
			"one name",
			name_format(&o->issuer, issuer), name_format(&o->subject, subject));
		return -EINVAL;
	}
	if (o->kind == CERT_CERTIFIER && memcmp(o->pk, o->issuer_pk, 32) != 0)
		return 0;
	fault_set(f, "\"%s\" cannot roll over: %s", name_format(&o->subject, subject),
		o->kind == CERT_CERTIFIER ? "both keys are the same"
					  : "only a certifier vouches for its next key");
	return -EINVAL;
}

/* A cross-certificate for a client's own use is issued by a person. */
static enum name_reject check_issuer_name(const struct cert_order *o)
{
	const struct name *n = &o->issuer;
	bool is_person = o->role == CERT_CROSS && n->count > 0 && n->count <= NAME_PARTS_MAX &&
		n->parts[n->count - 1].type == NAME_CN;
	return name_check(n, !is_person);
}

static int check_names(const struct cert_order *o, struct fault *f)
{
	enum name_reject reason = name_check(&o->subject, o->kind == CERT_CERTIFIER);
	if (reason != NAME_OK)
		return refuse_name(&o->subject, reason, f);
	reason = check_issuer_name(o);
	if (reason != NAME_OK)
		return refuse_name(&o->issuer, reason, f);
	switch (o->role) {
	case CERT_CROSS:
		return check_cross(o, f);
	case CERT_ROLLOVER:
		return check_rollover(o, f);
	case CERT_BELOW:
		break;
	}
	return check_below(o, f);
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
	if (o->not_after_ms >= CERT_TIME_END_MS) {
		fault_set(f, "the certificate would end after the year 9999; choose less");
		return -EINVAL;
	}
	if (!cert_seed_is_of(o->issuer_seed, o->issuer_pk)) {
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
	if (o->role != CERT_CROSS)
		memcpy(c.subject.parts, o->issuer.parts,
			o->issuer.count * sizeof(c.subject.parts[0]));
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
