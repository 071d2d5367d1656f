/*
 * PKCS#8 and PKCS#12 through OpenSSL. Invariant: what was decoded into OpenSSL's objects is freed by the
 * functions that wipe, and a password reaches OpenSSL only as long as it is.
 */

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "identity/keyfile.h"

#define LABEL_OPEN "PRIVATE KEY"
#define LABEL_LOCKED "ENCRYPTED PRIVATE KEY"
#define SCRYPT_N 16384 /* OpenSSL refuses to read more with r = 8 */
#define SCRYPT_R 8
#define SCRYPT_P 8
#define SALT_LEN 16
#define PKCS12_ITERATIONS 100000 /* of PBKDF2, and of the tag over the whole */

/* A few seconds, for a file that somebody else wrote: of PBKDF2, and N * r * p, sixteen times ours. */
#define ITERATIONS_MAX 5000000
#define SCRYPT_WORK_MAX (16ull * SCRYPT_N * SCRYPT_R * SCRYPT_P)

/* An absent count is 1. */
static bool is_too_many(const ASN1_INTEGER *iterations)
{
	int64_t n = 1;
	return iterations != NULL &&
		(ASN1_INTEGER_get_int64(&n, iterations) != 1 || n > ITERATIONS_MAX);
}

/* ------------------------------------------------------------------ PKCS#8 */

static bool is_pbkdf2_costly(const X509_ALGOR *how)
{
	PBKDF2PARAM *kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), how->parameter);
	bool is_costly = kdf != NULL && is_too_many(kdf->iter);
	PBKDF2PARAM_free(kdf);
	return is_costly;
}

/* OpenSSL bounds the memory, N * r, but not how many times it is gone through: RFC 7914 2, p. */
static bool is_scrypt_costly(const X509_ALGOR *how)
{
	uint64_t n = 0, r = 0, p = 0;
	SCRYPT_PARAMS *kdf =
		ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), how->parameter);
	bool is_costly = kdf != NULL &&
		(ASN1_INTEGER_get_uint64(&n, kdf->costParameter) != 1 ||
			ASN1_INTEGER_get_uint64(&r, kdf->blockSize) != 1 ||
			ASN1_INTEGER_get_uint64(&p, kdf->parallelizationParameter) != 1 ||
			n > SCRYPT_WORK_MAX || r > SCRYPT_WORK_MAX || p > SCRYPT_WORK_MAX ||
			n * r > SCRYPT_WORK_MAX || n * r * p > SCRYPT_WORK_MAX);
	SCRYPT_PARAMS_free(kdf);
	return is_costly;
}

/* Of PBES2, as nearly all files are. */
static bool is_too_costly(const X509_SIG *locked)
{
	const X509_ALGOR *how;
	const ASN1_OCTET_STRING *unused;
	bool is_costly = false;
	X509_SIG_get0(locked, &how, &unused);
	PBE2PARAM *two = OBJ_obj2nid(how->algorithm) == NID_pbes2
		? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), how->parameter)
		: NULL;
	int kind = two != NULL ? OBJ_obj2nid(two->keyfunc->algorithm) : NID_undef;
	if (kind == NID_id_pbkdf2)
		is_costly = is_pbkdf2_costly(two->keyfunc);
	else if (kind == NID_id_scrypt)
		is_costly = is_scrypt_costly(two->keyfunc);
	PBE2PARAM_free(two);
	return is_costly;
}

static PKCS8_PRIV_KEY_INFO *unlock_pkcs8(
	struct span der, struct span password, enum keyfile_result *why)
{
	const uint8_t *at = der.data;
	X509_SIG *locked = d2i_X509_SIG(NULL, &at, (long)der.len);
	*why = KEYFILE_FORMAT;
	if (locked == NULL || at != der.data + der.len || password.len > KEYFILE_PASSWORD_MAX) {
		X509_SIG_free(locked);
		return NULL;
	}
	bool is_costly = is_too_costly(locked);
	*why = password.data == NULL ? KEYFILE_ENCRYPTED
		: is_costly          ? KEYFILE_COST
				     : KEYFILE_PASSWORD;
	PKCS8_PRIV_KEY_INFO *info = password.data == NULL || is_costly
		? NULL
		: PKCS8_decrypt(locked, (const char *)password.data, (int)password.len);
	X509_SIG_free(locked);
	return info;
}

static PKCS8_PRIV_KEY_INFO *open_pkcs8(struct span der)
{
	const uint8_t *at = der.data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
	if (info != NULL && at != der.data + der.len) {
		PKCS8_PRIV_KEY_INFO_free(info);
		info = NULL;
	}
	return info;
}

static enum keyfile_result seed_of(const PKCS8_PRIV_KEY_INFO *info, uint8_t ret[KEYFILE_SEED_LEN])
{
	uint8_t seed[KEYFILE_SEED_LEN];
	size_t len = sizeof(seed);
	EVP_PKEY *key = EVP_PKCS82PKEY(info);
	enum keyfile_result result = KEYFILE_FORMAT;

	if (key != NULL && EVP_PKEY_get_id(key) != EVP_PKEY_ED25519)
		result = KEYFILE_KIND;
	else if (key != NULL && EVP_PKEY_get_raw_private_key(key, seed, &len) == 1 &&
		len == sizeof(seed))
		result = KEYFILE_OK;
	if (result == KEYFILE_OK)
		memcpy(ret, seed, sizeof(seed));
	sodium_memzero(seed, sizeof(seed));
	EVP_PKEY_free(key);
	return result;
}

/* The only block of a PEM text; false when it is not one of these, or not alone. */
static bool only_block(struct span text, uint8_t *der, size_t *ret_len, bool *is_locked)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b, more;
	if (pem_next(&r, &b) != PEM_BLOCK || pem_next(&r, &more) != PEM_END)
		return false;
	*is_locked = strcmp(b.label, LABEL_LOCKED) == 0;
	if (!*is_locked && strcmp(b.label, LABEL_OPEN) != 0)
		return false;
	return pem_decode(&b, der, text.len, ret_len);
}

static enum keyfile_result read_pkcs8(
	struct span der, bool is_locked, struct span password, uint8_t ret[KEYFILE_SEED_LEN])
{
	enum keyfile_result result = KEYFILE_FORMAT;
	PKCS8_PRIV_KEY_INFO *info =
		is_locked ? unlock_pkcs8(der, password, &result) : open_pkcs8(der);
	if (info != NULL)
		result = seed_of(info, ret);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return result;
}

enum keyfile_result keyfile_pkcs8_read(
	struct span text, struct span password, uint8_t ret[KEYFILE_SEED_LEN])
{
	size_t len = 0;
	bool is_locked = false;
	if (text.len == 0 || text.len > KEYFILE_MAX)
		return KEYFILE_FORMAT;
	uint8_t *der = malloc(text.len);
	if (der == NULL)
		return KEYFILE_MEMORY;
	enum keyfile_result result = KEYFILE_FORMAT;
	if (only_block(text, der, &len, &is_locked))
		result = read_pkcs8(span_of(der, len), is_locked, password, ret);
	sodium_memzero(der, text.len);
	free(der);
	return result;
}

/* What was written to memory, as malloc'd bytes with a NUL behind them. */
static uint8_t *copy_out(BIO *bio, size_t *ret_len)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	uint8_t *copy = len > 0 ? malloc((size_t)len + 1) : NULL;
	if (copy == NULL)
		return NULL;
	memcpy(copy, data, (size_t)len);
	copy[len] = '\0';
	*ret_len = (size_t)len;
	return copy;
}

static X509_SIG *lock_pkcs8(PKCS8_PRIV_KEY_INFO *info, struct span password)
{
	uint8_t salt[SALT_LEN];
	randombytes_buf(salt, sizeof(salt));
	X509_ALGOR *how = PKCS5_pbe2_set_scrypt(
		EVP_aes_256_cbc(), salt, sizeof(salt), NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	if (how == NULL)
		return NULL;
	X509_SIG *locked =
		PKCS8_set0_pbe((const char *)password.data, (int)password.len, info, how);
	if (locked == NULL)
		X509_ALGOR_free(how);
	return locked;
}

char *keyfile_pkcs8_write(const uint8_t seed[KEYFILE_SEED_LEN], struct span password)
{
	uint8_t *text = NULL;
	size_t len = 0;
	X509_SIG *locked = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, KEYFILE_SEED_LEN);
	PKCS8_PRIV_KEY_INFO *info = key != NULL ? EVP_PKEY2PKCS8(key) : NULL;

	if (info != NULL && password.len > 0 && password.len <= KEYFILE_PASSWORD_MAX)
		locked = lock_pkcs8(info, password);
	if (locked != NULL && bio != NULL && PEM_write_bio_PKCS8(bio, locked) == 1)
		text = copy_out(bio, &len);
	X509_SIG_free(locked);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return (char *)text;
}

/* ------------------------------------------------------------------ PKCS#12 */

static bool put_der(int len, uint8_t to[KEYFILE_DER_MAX], size_t *ret_len, uint8_t *der)
{
	bool is_good = len > 0 && len <= KEYFILE_DER_MAX;
	if (is_good) {
		memcpy(to, der, (size_t)len);
		*ret_len = (size_t)len;
	}
	if (len > 0)
		sodium_memzero(der, (size_t)len);
	OPENSSL_free(der);
	return is_good;
}

static enum keyfile_result take_pair(EVP_PKEY *key, X509 *cert, struct keyfile_pair *ret)
{
	uint8_t *der = NULL;
	if (key == NULL || cert == NULL)
		return KEYFILE_FORMAT;
	if (X509_check_private_key(cert, key) != 1)
		return KEYFILE_MISMATCH;
	int len = i2d_X509(cert, &der);
	if (!put_der(len, ret->cert, &ret->cert_len, der))
		return KEYFILE_SIZE;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	der = NULL;
	len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
	PKCS8_PRIV_KEY_INFO_free(info);
	return put_der(len, ret->key, &ret->key_len, der) ? KEYFILE_OK : KEYFILE_SIZE;
}

/* OpenSSL wants a string here. */
static bool as_string(struct span password, char to[KEYFILE_PASSWORD_MAX + 1])
{
	if (password.len > KEYFILE_PASSWORD_MAX ||
		(password.len > 0 && memchr(password.data, 0, password.len) != NULL))
		return false;
	if (password.len > 0)
		memcpy(to, password.data, password.len);
	to[password.len] = '\0';
	return true;
}

static enum keyfile_result open_pkcs12(PKCS12 *p, const char *password, struct keyfile_pair *ret)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *others = NULL;

	const ASN1_INTEGER *iterations = NULL;
	if (!PKCS12_mac_present(p))
		return KEYFILE_FORMAT;
	/* What is behind the tag is of somebody who knows the password. */
	PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p);
	if (is_too_many(iterations))
		return KEYFILE_COST;
	if (PKCS12_verify_mac(p, password, -1) != 1)
		return KEYFILE_PASSWORD;
	if (PKCS12_parse(p, password, &key, &cert, &others) != 1)
		return KEYFILE_CIPHER;
	enum keyfile_result result = take_pair(key, cert, ret);
	ret->others = others != NULL ? (size_t)sk_X509_num(others) : 0;
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(others, X509_free);
	return result;
}

enum keyfile_result keyfile_pkcs12_read(
	struct span der, struct span password, struct keyfile_pair *ret)
{
	char text[KEYFILE_PASSWORD_MAX + 1];
	const uint8_t *at = der.data;

	if (der.len > KEYFILE_MAX)
		return KEYFILE_FORMAT;
	PKCS12 *p = d2i_PKCS12(NULL, &at, (long)der.len);
	enum keyfile_result result = KEYFILE_FORMAT;
	if (p != NULL && at == der.data + der.len)
		result = as_string(password, text) ? open_pkcs12(p, text, ret) : KEYFILE_PASSWORD;
	sodium_memzero(text, sizeof(text));
	PKCS12_free(p);
	ERR_clear_error();
	return result;
}

static PKCS12 *make_pkcs12(const struct keyfile_pair *p, const char *name, const char *password)
{
	const uint8_t *at = p->cert;
	X509 *cert = d2i_X509(NULL, &at, (long)p->cert_len);
	PKCS8_PRIV_KEY_INFO *info = open_pkcs8(span_of(p->key, p->key_len));
	EVP_PKEY *key = info != NULL ? EVP_PKCS82PKEY(info) : NULL;
	PKCS12 *made = NULL;

	if (cert != NULL && key != NULL)
		made = PKCS12_create(password, name, key, cert, NULL, 0, 0, PKCS12_ITERATIONS,
			PKCS12_ITERATIONS, 0);
	EVP_PKEY_free(key);
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_free(cert);
	return made;
}

uint8_t *keyfile_pkcs12_write(
	const struct keyfile_pair *p, const char *name, struct span password, size_t *ret_len)
{
	char text[KEYFILE_PASSWORD_MAX + 1];
	uint8_t *data = NULL;
	if (!as_string(password, text))
		return NULL;
	PKCS12 *made = make_pkcs12(p, name, text);
	BIO *bio = BIO_new(BIO_s_mem());
	sodium_memzero(text, sizeof(text));
	if (made != NULL && bio != NULL && i2d_PKCS12_bio(bio, made) == 1)
		data = copy_out(bio, ret_len);
	PKCS12_free(made);
	BIO_free(bio);
	ERR_clear_error();
	return data;
}
