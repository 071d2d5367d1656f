/*
 * Issuing revocation lists. Invariant: one order has one list, whatever the order of its entries; a
 * serial stands in it once, and OpenSSL only writes down what was checked here.
 */

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "identity/cert_shape.h"
#include "identity/crl.h"

static int refuse(struct fault *f, const char *why)
{
	fault_set(f, "the revocation list is refused: %s", why);
	return -EINVAL;
}

static int check_order(const struct crl_order *o, struct fault *f)
{
	enum name_reject reason = name_check(&o->issuer, true);
	if (reason != NAME_OK)
		return refuse(f, name_reject_text(reason));
	if (o->number == 0 || o->number > INT64_MAX)
		return refuse(f, "its number is not one of 1 to 2^63 - 1");
	if (o->next_update_ms / 1000 <= o->this_update_ms / 1000)
		return refuse(f, "it would end before it begins; check both dates");
	if (o->next_update_ms >= CERT_TIME_END_MS)
		return refuse(f, "it would end after the year 9999; choose less");
	if (!cert_seed_is_of(o->issuer_seed, o->issuer_pk))
		return refuse(f,
			"the private key is not that of the issuer; use the issuer's own ID file");
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct crl_entry *x = a, *y = b;
	return memcmp(x->serial, y->serial, sizeof(x->serial));
}

/* A sorted copy of the entries, malloc'd. */
static int sort_entries(const struct crl_order *o, struct crl_entry **ret, struct fault *f)
{
	int rc = 0;
	/* More could not be encoded in CRL_LEN_MAX either. */
	if (o->count > CRL_LEN_MAX / sizeof(struct crl_entry))
		return refuse(f, "it has too many entries");
	struct crl_entry *e = calloc(o->count + 1, sizeof(*e));
	if (e == NULL) {
		fault_set(f, "there is not enough memory for the revocation list");
		return -ENOMEM;
	}
	if (o->count > 0)
		memcpy(e, o->entries, o->count * sizeof(*e));
	qsort(e, o->count, sizeof(*e), compare);
	for (size_t i = 0; rc == 0 && i < o->count; i++) {
		if (e[i].serial[0] == 0 || e[i].serial[0] > 0x7f)
			rc = refuse(f, "a serial is not a positive number of 8 bytes");
		else if (i > 0 && compare(&e[i - 1], &e[i]) == 0)
			rc = refuse(f, "a serial stands in it twice");
		else if (e[i].revoked_ms >= CERT_TIME_END_MS)
			rc = refuse(f, "an entry is from after the year 9999");
	}
	if (rc < 0)
		free(e);
	else
		*ret = e;
	return rc;
}

static bool set_head(X509_CRL *x, const struct crl_order *o)
{
	X509_NAME *issuer = cert_shape_name(&o->issuer, NULL);
	/* ASN1_TIME_adj writes UTCTime up to 2049 and GeneralizedTime from then on (RFC 5280 5.1.2.4). */
	ASN1_TIME *begin = ASN1_TIME_adj(NULL, (time_t)(o->this_update_ms / 1000), 0, 0);
	ASN1_TIME *end = ASN1_TIME_adj(NULL, (time_t)(o->next_update_ms / 1000), 0, 0);
	bool is_good = issuer != NULL && begin != NULL && end != NULL &&
		X509_CRL_set_version(x, X509_CRL_VERSION_2) == 1 &&
		X509_CRL_set_issuer_name(x, issuer) == 1 &&
		X509_CRL_set1_lastUpdate(x, begin) == 1 && X509_CRL_set1_nextUpdate(x, end) == 1;
	X509_NAME_free(issuer);
	ASN1_TIME_free(begin);
	ASN1_TIME_free(end);
	return is_good;
}

static bool add_entry(X509_CRL *x, const struct crl_entry *e)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	BIGNUM *n = BN_bin2bn(e->serial, sizeof(e->serial), NULL);
	ASN1_INTEGER *serial = n != NULL ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
	ASN1_TIME *when = ASN1_TIME_adj(NULL, (time_t)(e->revoked_ms / 1000), 0, 0);
	bool is_good = revoked != NULL && serial != NULL && when != NULL &&
		X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
		X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
		X509_CRL_add0_revoked(x, revoked) == 1;
	if (!is_good)
		X509_REVOKED_free(revoked);
	BN_free(n);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	return is_good;
}

static bool add_extensions(X509_CRL *x, const struct crl_order *o)
{
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(o->issuer_pk, id);
	AUTHORITY_KEYID *aki = cert_shape_issuer_key(id);
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	bool is_good = aki != NULL && number != NULL &&
		ASN1_INTEGER_set_uint64(number, o->number) == 1 &&
		X509_CRL_add1_ext_i2d(
			x, NID_authority_key_identifier, aki, 0, X509V3_ADD_DEFAULT) == 1 &&
		X509_CRL_add1_ext_i2d(x, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;
	AUTHORITY_KEYID_free(aki);
	ASN1_INTEGER_free(number);
	return is_good;
}

static X509_CRL *write_list(const struct crl_order *o, const struct crl_entry *entries)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, o->issuer_seed, 32);
	X509_CRL *x = X509_CRL_new();
	bool is_good = key != NULL && x != NULL && set_head(x, o);
	for (size_t i = 0; is_good && i < o->count; i++)
		is_good = add_entry(x, &entries[i]);
	is_good = is_good && add_extensions(x, o) && X509_CRL_sign(x, key, NULL) > 0;
	EVP_PKEY_free(key);
	if (is_good)
		return x;
	X509_CRL_free(x);
	return NULL;
}

static int encode(X509_CRL *x, uint8_t **ret, size_t *ret_len, struct fault *f)
{
	int len = x != NULL ? i2d_X509_CRL(x, NULL) : -1;
	if (len > (int)CRL_LEN_MAX)
		return refuse(f, "it has too many entries");
	uint8_t *der = len > 0 ? malloc((size_t)len) : NULL, *at = der;
	if (der == NULL || i2d_X509_CRL(x, &at) != len) {
		free(der);
		fault_set(f, "OpenSSL could not write the revocation list; check its installation");
		return -EIO;
	}
	*ret = der;
	*ret_len = (size_t)len;
	return 0;
}

int crl_issue(const struct crl_order *o, uint8_t **ret, size_t *ret_len, struct fault *f)
{
	struct crl_entry *entries = NULL;
	int rc = check_order(o, f);
	if (rc == 0)
		rc = sort_entries(o, &entries, f);
	if (rc < 0)
		return rc;
	X509_CRL *x = write_list(o, entries);
	rc = encode(x, ret, ret_len, f);
	X509_CRL_free(x);
	ERR_clear_error();
	free(entries);
	return rc;
}
