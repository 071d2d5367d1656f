/*
 * Reading. Invariant: a certificate is accepted only when the profile, written again from what was
 * read, gives the same bytes up to the signature. The checks before that only find better words for
 * what is wrong; d2i_X509 is a decoder that also takes BER, unknown fields and empty values.
 */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "identity/cert_shape.h"

#define SIGNATURE_LEN 64
#define RENEW "have it issued again by its certifier"

static int refuse(struct fault *f, const char *why)
{
	fault_set(f, "the certificate is not of the profile: %s; " RENEW, why);
	return -EINVAL;
}

static bool is_plain_ed25519(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object;
	int parameter_type;
	X509_ALGOR_get0(&object, &parameter_type, NULL, algorithm);
	return OBJ_obj2nid(object) == NID_ED25519 && parameter_type == V_ASN1_UNDEF;
}

static int read_algorithms(const X509 *x, struct cert *c, struct fault *f)
{
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *outer;
	X509_ALGOR *of_key;
	const unsigned char *pk;
	int pk_len;

	X509_get0_signature(&signature, &outer, x);
	if (!is_plain_ed25519(outer) || !is_plain_ed25519(X509_get0_tbs_sigalg(x)))
		return refuse(f, "its signature is not Ed25519");
	if (ASN1_STRING_length(signature) != SIGNATURE_LEN)
		return refuse(f, "its signature has not 64 bytes");
	if (X509_PUBKEY_get0_param(NULL, &pk, &pk_len, &of_key, X509_get_X509_PUBKEY(x)) != 1 ||
		!is_plain_ed25519(of_key) || pk_len != 32)
		return refuse(f, "its key is not Ed25519");
	memcpy(c->pk, pk, 32);
	return 0;
}

static int read_serial(const X509 *x, struct cert *c, struct fault *f)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	const unsigned char *data = ASN1_STRING_get0_data(serial);
	if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || ASN1_STRING_length(serial) != 8 ||
		data[0] > 0x7f)
		return refuse(f, "its serial is not a positive number of 8 bytes");
	memcpy(c->serial, data, 8);
	return 0;
}

static uint8_t part_type(const X509_NAME_ENTRY *entry)
{
	switch (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))) {
	case NID_countryName:
		return NAME_C;
	case NID_organizationName:
		return NAME_O;
	case NID_organizationalUnitName:
		return NAME_OU;
	case NID_commonName:
		return NAME_CN;
	default:
		return 0;
	}
}

static const char *read_part(const X509_NAME_ENTRY *entry, struct name_part *p, int *ret_string)
{
	const ASN1_STRING *s = X509_NAME_ENTRY_get_data(entry);
	const unsigned char *data = ASN1_STRING_get0_data(s);
	int len = ASN1_STRING_length(s), string = ASN1_STRING_type(s);
	p->type = part_type(entry);
	if (p->type == 0)
		return "a name has an attribute other than C, O, OU and CN";
	if (string != V_ASN1_UTF8STRING && string != V_ASN1_PRINTABLESTRING)
		return "a name is neither UTF8String nor PrintableString";
	if (len < 1 || len > NAME_VALUE_MAX)
		return name_reject_text(NAME_VALUE_LENGTH);
	if (string == V_ASN1_PRINTABLESTRING &&
		ASN1_PRINTABLE_type(data, len) != V_ASN1_PRINTABLESTRING)
		return "a PrintableString has a character that it cannot have";
	p->len = (uint8_t)len;
	memcpy(p->value, data, (size_t)len);
	*ret_string = string;
	return NULL;
}

const char *cert_read_name(const X509_NAME *x, struct name *n, int strings[NAME_PARTS_MAX])
{
	int count = X509_NAME_entry_count(x);
	if (count > NAME_PARTS_MAX)
		return "a name has more than seven levels";
	for (int i = 0; i < count; i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(x, i);
		if (X509_NAME_ENTRY_set(entry) != i)
			return "a name has two attributes on one level";
		const char *why = read_part(entry, &n->parts[i], &strings[i]);
		if (why != NULL)
			return why;
		n->count++;
	}
	return NULL;
}

static int check_name(const struct name *n, bool is_certifier, const char *whose, struct fault *f)
{
	enum name_reject reason = name_check(n, is_certifier);
	if (reason == NAME_OK)
		return 0;
	fault_set(
		f, "the certificate's %s is refused: %s; " RENEW, whose, name_reject_text(reason));
	return -EINVAL;
}

static int read_names(const X509 *x, struct cert *c, struct cert_strings *strings, struct fault *f)
{
	const char *why = cert_read_name(X509_get_subject_name(x), &c->subject, strings->subject);
	if (why == NULL)
		why = cert_read_name(X509_get_issuer_name(x), &c->issuer, strings->issuer);
	if (why != NULL)
		return refuse(f, why);
	int rc = check_name(&c->subject, c->kind == CERT_CERTIFIER, "subject", f);
	return rc < 0 ? rc : check_name(&c->issuer, !cert_is_issued_by_user(c), "issuer", f);
}

static bool read_time(const ASN1_TIME *t, uint64_t *ret_ms)
{
	struct tm tm;
	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	time_t s = timegm(&tm);
	if (s < 0)
		return false;
	*ret_ms = (uint64_t)s * 1000;
	return true;
}

static int read_times(const X509 *x, struct cert *c, struct fault *f)
{
	if (!read_time(X509_get0_notBefore(x), &c->not_before_ms) ||
		!read_time(X509_get0_notAfter(x), &c->not_after_ms))
		return refuse(f, "a date is not one from 1970 on");
	if (c->not_after_ms <= c->not_before_ms)
		return refuse(f, "it ends before it begins");
	return 0;
}

/* basicConstraints make a certifier, extKeyUsage the difference between a user and a server. */
static int read_kind(const X509 *x, struct cert *c, struct fault *f)
{
	if (X509_get_ext_by_NID(x, NID_basic_constraints, -1) >= 0) {
		c->kind = CERT_CERTIFIER;
		return 0;
	}
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	int nid = sk_ASN1_OBJECT_num(usage) == 1 ? OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, 0))
						 : NID_undef;
	sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
	if (nid != NID_client_auth && nid != NID_server_auth)
		return refuse(f,
			"it is neither a certifier's nor for one of clientAuth and "
			"serverAuth");
	c->kind = nid == NID_server_auth ? CERT_SERVER : CERT_USER;
	return 0;
}

static int read_issuer_key(const X509 *x, struct cert *c, struct fault *f)
{
	AUTHORITY_KEYID *aki = X509_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
	bool is_good = aki != NULL && aki->keyid != NULL &&
		ASN1_STRING_length(aki->keyid) == CERT_KEY_IDENTIFIER_LEN;
	if (is_good)
		memcpy(c->issuer_key_identifier, ASN1_STRING_get0_data(aki->keyid),
			CERT_KEY_IDENTIFIER_LEN);
	AUTHORITY_KEYID_free(aki);
	return is_good ? 0 : refuse(f, "its authorityKeyIdentifier is missing or not of 20 bytes");
}

static int refuse_extension(struct fault *f, X509_EXTENSION *e, const char *why)
{
	char name[80];
	OBJ_obj2txt(name, sizeof(name), X509_EXTENSION_get_object(e), 0);
	fault_set(f, "the certificate is not of the profile: extension %s %s; " RENEW, name, why);
	return -EINVAL;
}

/* Exactly the extensions of its kind, in order. Their values are compared with the rest. */
static int check_extensions(const X509 *x, const struct cert *c, struct fault *f)
{
	struct cert_extension expected[CERT_EXTENSIONS_MAX];
	size_t count = cert_extensions(c, expected);
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
		if (nid != NID_undef && X509_get_ext_by_NID(x, nid, -1) < i)
			return refuse_extension(f, e, "stands twice");
		if ((size_t)i >= count || nid != expected[i].nid)
			return refuse_extension(f, e, "does not belong there");
		if ((X509_EXTENSION_get_critical(e) != 0) != expected[i].is_critical)
			return refuse_extension(
				f, e, expected[i].is_critical ? "is not critical" : "is critical");
	}
	if ((size_t)X509_get_ext_count(x) == count)
		return 0;
	fault_set(f, "the certificate is not of the profile: extension %s is missing; " RENEW,
		OBJ_nid2ln(expected[X509_get_ext_count(x)].nid));
	return -EINVAL;
}

static int compare(
	const X509 *x, const X509 *again, struct span der, struct span made, struct fault *f)
{
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		if (ASN1_STRING_cmp(X509_EXTENSION_get_data(e),
			    X509_EXTENSION_get_data(X509_get_ext(again, i))) != 0)
			return refuse_extension(f, e,
				"has another value than its kind and name "
				"give it");
	}
	if (der.len == made.len && memcmp(der.data, made.data, der.len - SIGNATURE_LEN) == 0)
		return 0;
	return refuse(f, "its encoding is not the one DER encoding of what it says");
}

/* Signed with a key of no meaning: what comes before the signature is compared. */
static int check_bytes(const X509 *x, const struct cert *c, const struct cert_strings *strings,
	struct span der, struct fault *f)
{
	static const uint8_t no_seed[32];
	uint8_t made[CERT_LEN_MAX];
	size_t len;
	X509 *again = cert_shape(c, strings);
	int rc = -EINVAL;
	if (again == NULL || !cert_sign(again, no_seed, made, &len))
		fault_set(f,
			"OpenSSL could not write the certificate again; check its "
			"installation");
	else
		rc = compare(x, again, der, span_of(made, len), f);
	X509_free(again);
	return rc;
}

/* With OpenSSL: whatever the strict reader finds, this is judged without it. */
static bool signed_itself(X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	return key != NULL && X509_verify(x, key) == 1;
}

static int check_self_signature(X509 *x, const struct cert *c, struct fault *f)
{
	uint8_t own[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(c->pk, own);
	if (!name_equal(&c->subject, &c->issuer) ||
		memcmp(own, c->issuer_key_identifier, sizeof(own)) != 0 || signed_itself(x))
		return 0;
	fault_set(f,
		"the certificate is damaged: its own key did not sign it; take it from a "
		"backup");
	return -EINVAL;
}

static int read_parsed(X509 *x, struct span der, struct cert *c, struct fault *f)
{
	struct cert_strings strings = { .subject = { 0 } };
	if (X509_get_version(x) != X509_VERSION_3)
		return refuse(f, "it is not of version 3");
	int rc = read_algorithms(x, c, f);
	if (rc == 0)
		rc = read_serial(x, c, f);
	if (rc == 0)
		rc = read_times(x, c, f);
	if (rc == 0)
		rc = read_kind(x, c, f);
	if (rc == 0)
		rc = read_names(x, c, &strings, f);
	if (rc == 0)
		rc = check_extensions(x, c, f);
	if (rc == 0)
		rc = read_issuer_key(x, c, f);
	if (rc == 0)
		rc = check_bytes(x, c, &strings, der, f);
	if (rc == 0 && (X509_get_extension_flags(x) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0)
		rc = refuse(f, "OpenSSL finds its extensions invalid");
	if (rc == 0)
		rc = check_self_signature(x, c, f);
	return rc;
}

int cert_read(struct span der, struct cert *ret, struct fault *f)
{
	struct cert c = { 0 };
	const unsigned char *at = der.data;
	if (der.len == 0 || der.len > CERT_LEN_MAX) {
		fault_set(f, "a certificate has 1 to %d bytes, this one has %zu; " RENEW,
			CERT_LEN_MAX, der.len);
		return -EINVAL;
	}
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	int rc;
	if (x == NULL)
		rc = refuse(f, "it is no X.509 certificate");
	else if (at != der.data + der.len)
		rc = refuse(f, "something follows it");
	else
		rc = read_parsed(x, der, &c, f);
	X509_free(x);
	ERR_clear_error();
	if (rc == 0)
		*ret = c;
	return rc;
}
