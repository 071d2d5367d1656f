/*
 * Chains: do they lead to an anchor, are they in order, do they fit what DNS promised, what does the staple
 * say. By OpenSSL; depth and number of certificates are bounded by the facts.
 */

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/cert.h"

#define STAPLE_LEN_MAX 65536
#define STAPLE_SKEW_S 300

struct audit_anchors {
	X509_STORE *store;
};

static X509 *parse(const struct audit_cert *c)
{
	const unsigned char *at = c->der;
	if (c->len == 0 || c->len > AUDIT_CERT_LEN_MAX)
		return NULL;
	X509 *x = d2i_X509(NULL, &at, (long)c->len);
	if (x != NULL && at != c->der + c->len) {
		X509_free(x);
		return NULL;
	}
	return x;
}

struct audit_anchors *audit_anchors_new(const char *path, char why[256])
{
	struct stat st;
	struct audit_anchors *a = calloc(1, sizeof(*a));
	bool is_there = path == NULL || stat(path, &st) == 0;
	if (a != NULL)
		a->store = X509_STORE_new();
	if (a == NULL || a->store == NULL) {
		snprintf(why, 256, "no memory for certifiers");
		audit_anchors_free(a);
		return NULL;
	}
	int rc = 0;
	if (path == NULL)
		rc = X509_STORE_set_default_paths(a->store);
	else if (is_there && S_ISDIR(st.st_mode))
		rc = X509_STORE_load_path(a->store, path);
	else if (is_there)
		rc = X509_STORE_load_file(a->store, path);
	ERR_clear_error();
	if (rc == 1)
		return a;
	snprintf(why, 256, "%.200s: %s", path != NULL ? path : "the system's certifiers",
		is_there ? "no certificates of certifiers in it" : "there is no such file");
	audit_anchors_free(a);
	return NULL;
}

void audit_anchors_free(struct audit_anchors *a)
{
	if (a == NULL)
		return;
	X509_STORE_free(a->store);
	free(a);
}

/*
 * Is there a gap in what was sent? Who issued the leaf is not there: surely. Higher up it may as well be
 * an anchor that we do not know.
 */
static enum audit_answer lacks_intermediate(int error, int depth)
{
	if (error != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
		error != X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE &&
		error != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT)
		return AUDIT_NO;
	return depth == 0 ? AUDIT_YES : AUDIT_UNKNOWN;
}

static enum audit_answer is_in_order(STACK_OF(X509) * sent)
{
	for (int i = 0; i + 1 < sk_X509_num(sent); i++)
		if (X509_check_issued(sk_X509_value(sent, i + 1), sk_X509_value(sent, i)) !=
			X509_V_OK)
			return AUDIT_NO;
	return AUDIT_YES;
}

/* Those that can be read, the leaf first; NULL when it cannot. */
static STACK_OF(X509) * stack_of(const struct audit_chain *c)
{
	bool is_leaf_there = false;
	STACK_OF(X509) *s = sk_X509_new_null();
	for (size_t i = 0; s != NULL && i < c->count; i++) {
		X509 *x = parse(&c->certs[i]);
		if (x != NULL && sk_X509_push(s, x) <= 0)
			X509_free(x);
		else if (x != NULL && i == 0)
			is_leaf_there = true;
	}
	if (is_leaf_there)
		return s;
	sk_X509_pop_free(s, X509_free);
	return NULL;
}

static void run(
	struct audit_verify *v, const struct audit_anchors *a, STACK_OF(X509) * sent, int64_t now_s)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (ctx == NULL || X509_STORE_CTX_init(ctx, a->store, sk_X509_value(sent, 0), sent) != 1) {
		v->error = X509_V_ERR_OUT_OF_MEM;
		goto out;
	}
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	X509_STORE_CTX_set_depth(ctx, AUDIT_CHAIN_MAX);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)now_s);
	if (X509_verify_cert(ctx) != 1)
		v->error = X509_STORE_CTX_get_error(ctx);
	v->lacks_intermediate = lacks_intermediate(v->error, X509_STORE_CTX_get_error_depth(ctx));
out:
	X509_STORE_CTX_free(ctx);
}

/* OpenSSL's words since 3.0 have a hyphen; people look for those before. */
static void set_text(struct audit_verify *v)
{
	if (v->error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
		snprintf(v->text, sizeof(v->text), "self signed certificate");
	else if (v->error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
		snprintf(v->text, sizeof(v->text), "self signed certificate in certificate chain");
	else
		snprintf(v->text, sizeof(v->text), "%s", X509_verify_cert_error_string(v->error));
}

void audit_verify(struct audit_facts *f, const struct audit_anchors *a, int64_t now_s)
{
	struct audit_verify *v = &f->verify;
	STACK_OF(X509) *sent = NULL;
	if (f->chain_count == 0)
		return;
	*v = (struct audit_verify){ .is_done = true };
	sent = stack_of(&f->chains[0]);
	if (sent == NULL) {
		v->error = X509_V_ERR_UNSPECIFIED;
		snprintf(v->text, sizeof(v->text), "the certificate is not readable");
		goto out;
	}
	run(v, a, sent, now_s);
	set_text(v);
	v->order_right = is_in_order(sent);
	v->name_matches = audit_cert_names(
		span_of(f->chains[0].certs[0].der, f->chains[0].certs[0].len), f->target.host);
out:
	sk_X509_pop_free(sent, X509_free);
	ERR_clear_error();
}

/* RFC 6698 2.1: which part of the certificate, and what of it. */
static bool fits(const struct audit_tlsa *t, const struct audit_cert *c)
{
	uint8_t hash[crypto_hash_sha512_BYTES];
	unsigned char *spki = NULL;
	const uint8_t *data = c->der;
	size_t len = c->len;
	X509 *x = NULL;
	bool is_same = false;
	if (t->selector == 1) {
		x = parse(c);
		int n = x != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki) : 0;
		if (n <= 0)
			goto out;
		data = spki;
		len = (size_t)n;
	}
	if (t->matching == 1) {
		crypto_hash_sha256(hash, data, len);
		data = hash;
		len = crypto_hash_sha256_BYTES;
	} else if (t->matching == 2) {
		crypto_hash_sha512(hash, data, len);
		data = hash;
		len = crypto_hash_sha512_BYTES;
	}
	is_same = len == t->len && memcmp(data, t->data, len) == 0;
out:
	OPENSSL_free(spki);
	X509_free(x);
	return is_same;
}

static bool is_usable(const struct audit_facts *f, const struct audit_tlsa *t)
{
	/* RFC 7672 3.1.3: of mail servers the usages 0 and 1 mean nothing. */
	bool is_mail = f->target.starttls == AUDIT_SMTP || f->target.starttls == AUDIT_LMTP;
	if (t->usage > 3 || t->selector > 1 || t->matching > 2 || t->len == 0)
		return false;
	if ((t->matching == 1 && t->len != crypto_hash_sha256_BYTES) ||
		(t->matching == 2 && t->len != crypto_hash_sha512_BYTES))
		return false;
	return !(is_mail && t->usage < 2);
}

/* Does the leaf lead to this certificate of the chain by signatures? Dates are findings of their own. */
static bool leads_to(STACK_OF(X509) * sent, const struct audit_cert *c)
{
	bool is_good = false;
	X509 *anchor = parse(c);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (anchor == NULL || store == NULL || ctx == NULL ||
		X509_STORE_add_cert(store, anchor) != 1 ||
		X509_STORE_set_flags(
			store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) != 1 ||
		X509_STORE_CTX_init(ctx, store, sk_X509_value(sent, 0), sent) != 1)
		goto out;
	X509_STORE_CTX_set_depth(ctx, AUDIT_CHAIN_MAX);
	is_good = X509_verify_cert(ctx) == 1;
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(anchor);
	return is_good;
}

/*
 * What was worked out of one chain: each certificate is asked for once, however many records name it, since
 * the server chooses both and the loop waits.
 */
struct led {
	enum audit_answer name; /* does the leaf have the right one? */
	bool is_asked[AUDIT_CHAIN_MAX], is_good[AUDIT_CHAIN_MAX];
};

static bool is_led_to(struct led *led, const struct audit_chain *c, size_t i)
{
	if (led->is_asked[i])
		return led->is_good[i];
	STACK_OF(X509) *sent = stack_of(c);
	led->is_asked[i] = true;
	led->is_good[i] = sent != NULL && leads_to(sent, &c->certs[i]);
	sk_X509_pop_free(sent, X509_free);
	return led->is_good[i];
}

/* RFC 7671 5.2, 5.4: a certifier among what the server sends that really certified the leaf. */
static bool fits_certifier(const struct audit_tlsa *t, const struct audit_chain *c, struct led *led)
{
	bool is_good = false;
	/* A leaf that signed itself is its own. */
	for (size_t i = c->count > 1 ? 1 : 0; i < c->count && !is_good; i++)
		is_good = fits(t, &c->certs[i]) && is_led_to(led, c, i);
	return is_good;
}

/* All usages but 3 want the name as well, RFC 7671 5.1: of the host, or of the domain it serves. */
static bool fits_name(const struct audit_facts *f, const struct audit_cert *leaf, struct led *led)
{
	struct span der = span_of(leaf->der, leaf->len);
	if (led->name == AUDIT_UNKNOWN)
		led->name = audit_cert_names(der, f->target.host) == AUDIT_YES ||
				audit_cert_names(der, f->target.domain) == AUDIT_YES
			? AUDIT_YES
			: AUDIT_NO;
	return led->name == AUDIT_YES;
}

static bool fits_chain(const struct audit_facts *f, const struct audit_tlsa *t,
	const struct audit_chain *c, struct led *led)
{
	if (c->count == 0)
		return false;
	if (t->usage == 3)
		return fits(t, &c->certs[0]);
	/* Usages 0 and 1 want an anchor of ours too. */
	if (t->usage < 2 && f->verify.is_done && f->verify.error != 0)
		return false;
	if (!fits_name(f, &c->certs[0], led))
		return false;
	return t->usage == 1 ? fits(t, &c->certs[0]) : fits_certifier(t, c, led);
}

static enum audit_tlsa_state match(
	const struct audit_facts *f, const struct audit_tlsa *t, struct led led[AUDIT_CHAINS_MAX])
{
	if (!is_usable(f, t))
		return AUDIT_TLSA_UNUSABLE;
	for (size_t k = 0; k < f->chain_count; k++)
		if (fits_chain(f, t, &f->chains[k], &led[k]))
			return AUDIT_TLSA_MATCH;
	return AUDIT_TLSA_MISMATCH;
}

void audit_dane_match(struct audit_facts *f)
{
	struct led led[AUDIT_CHAINS_MAX] = { 0 };
	if (f->chain_count == 0)
		return;
	for (size_t i = 0; i < f->dane.count; i++)
		f->dane.records[i].state = match(f, &f->dane.records[i], led);
	ERR_clear_error();
}

static enum audit_staple judge_staple(
	OCSP_BASICRESP *basic, STACK_OF(X509) * sent, X509 *leaf, X509 *issuer)
{
	int status = 0, reason = 0;
	ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
	/* The issuer, or whom it certified for this, must have signed it. */
	X509_STORE *store = X509_STORE_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf, issuer);
	enum audit_staple ret = AUDIT_STAPLE_BROKEN;
	if (store == NULL || id == NULL || X509_STORE_add_cert(store, issuer) != 1)
		goto out;
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
	if (OCSP_basic_verify(basic, sent, store, 0) != 1)
		goto out;
	if (OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this_update, &next_update) !=
		1) {
		/* Responders may name certificates by another hash than SHA-1. */
		OCSP_CERTID_free(id);
		id = OCSP_cert_to_id(EVP_sha256(), leaf, issuer);
		if (id == NULL ||
			OCSP_resp_find_status(
				basic, id, &status, &reason, NULL, &this_update, &next_update) != 1)
			goto out;
	}
	if (OCSP_check_validity(this_update, next_update, STAPLE_SKEW_S, -1) != 1)
		ret = AUDIT_STAPLE_OLD;
	else if (status == V_OCSP_CERTSTATUS_GOOD)
		ret = AUDIT_STAPLE_GOOD;
	else
		ret = status == V_OCSP_CERTSTATUS_REVOKED ? AUDIT_STAPLE_REVOKED
							  : AUDIT_STAPLE_UNKNOWN;
out:
	OCSP_CERTID_free(id);
	X509_STORE_free(store);
	return ret;
}

static X509 *issuer_of_leaf(const STACK_OF(X509) * sent)
{
	X509 *leaf = sk_X509_value(sent, 0);
	for (int i = sk_X509_num(sent) - 1; i >= 0; i--)
		if (X509_check_issued(sk_X509_value(sent, i), leaf) == X509_V_OK)
			return sk_X509_value(sent, i);
	return NULL;
}

enum audit_staple audit_staple_read(const struct audit_chain *c)
{
	enum audit_staple ret = AUDIT_STAPLE_BROKEN;
	OCSP_RESPONSE *response = NULL;
	OCSP_BASICRESP *basic = NULL;
	STACK_OF(X509) *sent = NULL;
	const unsigned char *at = c->staple;
	if (c->staple_len == 0)
		return AUDIT_STAPLE_NONE;
	if (c->staple_len > STAPLE_LEN_MAX || c->count == 0)
		return AUDIT_STAPLE_BROKEN;
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)c->staple_len);
	if (response == NULL || OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		goto out;
	basic = OCSP_response_get1_basic(response);
	sent = stack_of(c);
	if (basic == NULL || sent == NULL)
		goto out;
	X509 *issuer = issuer_of_leaf(sent);
	if (issuer != NULL)
		ret = judge_staple(basic, sent, sk_X509_value(sent, 0), issuer);
out:
	sk_X509_pop_free(sent, X509_free);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return ret;
}
