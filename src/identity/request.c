/*
 * Certification requests. Invariant: as with certificates, a request is accepted only when writing it
 * again from what was read gives the same bytes up to the signature, and only when its own key signed
 * it; the other checks find better words.
 */

#include "identity/request.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "base/text.h"
#include "identity/cert_field.h"
#include "identity/cert_shape.h"

#define AGAIN "have it made again by its owner"

static int refuse(struct fault *f, const char *why)
{
	fault_set(f, "the certification request is refused: %s; " AGAIN, why);
	return -EINVAL;
}

/* What decides the bytes of a request besides its key. */
struct shape {
	const struct name *name;
	const int *strings;
	enum cert_kind kind;
	bool is_critical;
};

/* ------------------------------------------------------------------ writing */

static X509_EXTENSION *certifier_extension(bool is_critical)
{
	BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
	X509_EXTENSION *e = NULL;
	if (bc != NULL) {
		bc->ca = 0xff; /* X.690 11.1: TRUE is ff; 1 would be written as 01 */
		e = X509V3_EXT_i2d(NID_basic_constraints, is_critical, bc);
	}
	BASIC_CONSTRAINTS_free(bc);
	return e;
}

static X509_EXTENSION *usage_extension(enum cert_kind kind, bool is_critical)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
	X509_EXTENSION *e = NULL;
	int nid = kind == CERT_SERVER ? NID_server_auth : NID_client_auth;
	if (usage != NULL && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(nid)) > 0)
		e = X509V3_EXT_i2d(NID_ext_key_usage, is_critical, usage);
	sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
	return e;
}

static bool add_extension(X509_REQ *x, const struct shape *s)
{
	X509_EXTENSIONS *list = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *e = s->kind == CERT_CERTIFIER ? certifier_extension(s->is_critical)
						      : usage_extension(s->kind, s->is_critical);
	bool is_good = list != NULL && e != NULL && sk_X509_EXTENSION_push(list, e) > 0;
	if (is_good)
		e = NULL; /* it belongs to the list now */
	is_good = is_good && X509_REQ_add_extensions(x, list) == 1;
	X509_EXTENSION_free(e);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return is_good;
}

static X509_REQ *write_request(const struct shape *s, const uint8_t pk[32])
{
	X509_REQ *x = X509_REQ_new();
	X509_NAME *name = cert_shape_name(s->name, s->strings);
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pk, 32);
	bool is_good = x != NULL && name != NULL && key != NULL &&
		X509_REQ_set_version(x, X509_REQ_VERSION_1) == 1 &&
		X509_REQ_set_subject_name(x, name) == 1 && X509_REQ_set_pubkey(x, key) == 1 &&
		add_extension(x, s);
	X509_NAME_free(name);
	EVP_PKEY_free(key);
	if (is_good)
		return x;
	X509_REQ_free(x);
	return NULL;
}

static bool sign(X509_REQ *x, const uint8_t seed[32], uint8_t der[REQUEST_LEN_MAX], size_t *ret_len)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	bool is_good = x != NULL && key != NULL && X509_REQ_sign(x, key, NULL) > 0;
	EVP_PKEY_free(key);
	int len = is_good ? i2d_X509_REQ(x, NULL) : -1;
	if (len <= 0 || len > REQUEST_LEN_MAX || i2d_X509_REQ(x, &der) != len)
		return false;
	*ret_len = (size_t)len;
	return true;
}

int request_make(const struct name *name, enum cert_kind kind, const uint8_t seed[32], uint8_t *der,
	size_t *ret_len, struct fault *f)
{
	struct shape s = { name, NULL, kind, kind == CERT_CERTIFIER };
	uint8_t pk[32];
	char text[NAME_TEXT_MAX], quoted[200];

	enum name_reject reason = name_check(name, kind == CERT_CERTIFIER);
	if (reason != NAME_OK) {
		name_format(name, text);
		fault_set(f, "\"%s\" cannot be asked for: %s; choose another name",
			text_quote(span_of(text, strlen(text)), quoted, sizeof(quoted)),
			name_reject_text(reason));
		return -EINVAL;
	}
	cert_public_key(seed, pk);
	X509_REQ *x = write_request(&s, pk);
	int rc = sign(x, seed, der, ret_len) ? 0 : -EIO;
	X509_REQ_free(x);
	ERR_clear_error();
	if (rc < 0)
		fault_set(f, "OpenSSL could not write the request; check its installation");
	return rc;
}

/* ------------------------------------------------------------------ reading */

static const char *read_key(X509_REQ *x, struct request *r)
{
	size_t len = sizeof(r->pk);
	EVP_PKEY *key = X509_REQ_get0_pubkey(x);
	if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
		EVP_PKEY_get_raw_public_key(key, r->pk, &len) != 1 || len != sizeof(r->pk))
		return "its key is not Ed25519";
	return NULL;
}

static const char *check_signature(struct span der, const uint8_t pk[32])
{
	struct cert_envelope e;
	if (cert_field_envelope(der, REQUEST_LEN_MAX, &e) != CERT_OK)
		return "it is no PKCS#10 request with an Ed25519 signature";
	return cert_field_signed_by(e.tbs, e.signature, pk) ? NULL : "its own key did not sign it";
}

static const char *read_usage(X509_EXTENSION *e, struct request *r)
{
	EXTENDED_KEY_USAGE *usage = X509V3_EXT_d2i(e);
	int nid = sk_ASN1_OBJECT_num(usage) == 1 ? OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, 0))
						 : NID_undef;
	sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
	if (nid != NID_client_auth && nid != NID_server_auth)
		return "its extKeyUsage is not one of clientAuth and serverAuth";
	r->kind = nid == NID_server_auth ? CERT_SERVER : CERT_USER;
	return NULL;
}

static const char *read_kind(X509_REQ *x, struct request *r, bool *ret_is_critical)
{
	if (X509_REQ_get_attr_count(x) != 1 || X509_REQ_get_attr_by_NID(x, NID_ext_req, -1) != 0)
		return "it has not extensionRequest as its one attribute";
	X509_EXTENSIONS *list = X509_REQ_get_extensions(x);
	const char *why = "it does not ask for extKeyUsage or basicConstraints alone";
	if (sk_X509_EXTENSION_num(list) == 1) {
		X509_EXTENSION *e = sk_X509_EXTENSION_value(list, 0);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
		*ret_is_critical = X509_EXTENSION_get_critical(e) != 0;
		r->kind = CERT_CERTIFIER;
		if (nid == NID_ext_key_usage)
			why = read_usage(e, r);
		else if (nid == NID_basic_constraints)
			why = NULL;
	}
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return why;
}

/* Signed with a key of no meaning: what comes before the signature is compared. */
static const char *check_bytes(const struct shape *s, const uint8_t pk[32], struct span der)
{
	static const uint8_t no_seed[32];
	uint8_t made[REQUEST_LEN_MAX];
	size_t len = 0;
	X509_REQ *again = write_request(s, pk);
	bool is_made = sign(again, no_seed, made, &len);
	X509_REQ_free(again);
	if (!is_made)
		return "OpenSSL could not write it again";
	if (len != der.len || memcmp(made, der.data, len - CERT_SIGNATURE_LEN) != 0)
		return "its encoding is not the one DER encoding of what it says";
	return NULL;
}

static const char *read_parsed(X509_REQ *x, struct span der, struct request *r)
{
	int strings[NAME_PARTS_MAX] = { 0 };
	bool is_critical = false;
	if (X509_REQ_get_version(x) != X509_REQ_VERSION_1)
		return "it is not of version 1";
	const char *why = read_key(x, r);
	if (why == NULL)
		why = check_signature(der, r->pk);
	if (why == NULL)
		why = read_kind(x, r, &is_critical);
	if (why == NULL)
		why = cert_read_name(X509_REQ_get_subject_name(x), &r->name, strings);
	if (why != NULL)
		return why;
	enum name_reject reason = name_check(&r->name, r->kind == CERT_CERTIFIER);
	if (reason != NAME_OK)
		return name_reject_text(reason);
	struct shape s = { &r->name, strings, r->kind, is_critical };
	return check_bytes(&s, r->pk, der);
}

int request_read(struct span der, struct request *ret, struct fault *f)
{
	struct request r = { .kind = CERT_USER };
	const unsigned char *at = der.data;
	const char *why = "it is no PKCS#10 request";
	if (der.len == 0 || der.len > REQUEST_LEN_MAX)
		return refuse(f, "it is empty or too long");
	X509_REQ *x = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (x != NULL)
		why = at == der.data + der.len ? read_parsed(x, der, &r) : "something follows it";
	X509_REQ_free(x);
	ERR_clear_error();
	if (why != NULL)
		return refuse(f, why);
	*ret = r;
	return 0;
}
