/*
 * MD5 and Blowfish through OpenSSL's providers. Invariant: algorithms are fetched and key schedules made when
 * something is opened, so that nothing is looked up or loaded afterwards.
 */

#include "knock/legacy.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MD5_BLOCK_LEN 64

struct legacy {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *usual, *old; /* old: NULL where the system has no such file */
	EVP_MD *md5;
	EVP_MD_CTX *hash;
};

struct legacy_blowfish {
	EVP_CIPHER_CTX *encrypt, *decrypt;
};

int legacy_open(struct legacy **ret, struct fault *f)
{
	int rc = -ENOMEM;
	struct legacy *l = calloc(1, sizeof(*l));
	if (l != NULL)
		l->lib = OSSL_LIB_CTX_new();
	if (l == NULL || l->lib == NULL) {
		fault_set(f, "OpenSSL cannot be started for the old ciphers: no memory");
		goto out;
	}
	rc = -ENOTSUP;
	l->usual = OSSL_PROVIDER_load(l->lib, "default");
	l->old = OSSL_PROVIDER_load(l->lib, "legacy");
	l->md5 = EVP_MD_fetch(l->lib, "MD5", NULL);
	l->hash = EVP_MD_CTX_new();
	if (l->md5 == NULL || l->hash == NULL) {
		fault_set(f,
			"this OpenSSL has no MD5, which the old knocks are made with; use another kind of knock");
		goto out;
	}
	*ret = l;
	l = NULL;
	rc = 0;
out:
	ERR_clear_error();
	legacy_close(l);
	return rc;
}

void legacy_close(struct legacy *l)
{
	if (l == NULL)
		return;
	EVP_MD_CTX_free(l->hash);
	EVP_MD_free(l->md5);
	if (l->old != NULL)
		OSSL_PROVIDER_unload(l->old);
	if (l->usual != NULL)
		OSSL_PROVIDER_unload(l->usual);
	OSSL_LIB_CTX_free(l->lib);
	free(l);
}

static bool hash(struct legacy *l, const struct span *parts, size_t count, uint8_t *ret)
{
	bool is_ok = EVP_DigestInit_ex2(l->hash, l->md5, NULL) == 1;
	for (size_t i = 0; i < count && is_ok; i++)
		is_ok = EVP_DigestUpdate(l->hash, parts[i].data, parts[i].len) == 1;
	if (is_ok && EVP_DigestFinal_ex(l->hash, ret, NULL) == 1)
		return true;
	ERR_clear_error();
	memset(ret, 0, LEGACY_MD5_LEN);
	return false;
}

bool legacy_md5(struct legacy *l, struct span s, uint8_t ret[LEGACY_MD5_LEN])
{
	return hash(l, &s, 1, ret);
}

bool legacy_hmac_md5(struct legacy *l, struct span key, struct span s, uint8_t ret[LEGACY_MD5_LEN])
{
	uint8_t inner[MD5_BLOCK_LEN] = { 0 }, outer[MD5_BLOCK_LEN], middle[LEGACY_MD5_LEN];

	assert(key.len <= MD5_BLOCK_LEN);
	if (key.len != 0)
		memcpy(inner, key.data, key.len);
	for (size_t i = 0; i < MD5_BLOCK_LEN; i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	const struct span first[] = { SPAN_OF(inner), s };
	const struct span second[] = { SPAN_OF(outer), SPAN_OF(middle) };
	bool is_ok = hash(l, first, 2, middle) && hash(l, second, 2, ret);
	if (!is_ok)
		memset(ret, 0, LEGACY_MD5_LEN);
	sodium_memzero(inner, sizeof(inner));
	sodium_memzero(outer, sizeof(outer));
	return is_ok;
}

/* NULL when it cannot be made. */
static EVP_CIPHER_CTX *schedule(const EVP_CIPHER *cipher, const uint8_t *key, int is_encrypt)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	if (x != NULL && EVP_CipherInit_ex2(x, cipher, NULL, NULL, is_encrypt, NULL) == 1 &&
		EVP_CIPHER_CTX_set_key_length(x, LEGACY_BLOWFISH_KEY_LEN) == 1 &&
		EVP_CipherInit_ex2(x, NULL, key, NULL, is_encrypt, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(x, 0) == 1)
		return x;
	EVP_CIPHER_CTX_free(x);
	return NULL;
}

int legacy_blowfish_new(struct legacy *l, const uint8_t key[LEGACY_BLOWFISH_KEY_LEN],
	struct legacy_blowfish **ret, struct fault *f)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(l->lib, "BF-ECB", NULL);
	struct legacy_blowfish *b = calloc(1, sizeof(*b));
	int rc = 0;

	if (cipher == NULL) {
		fault_set(f,
			"OpenSSL's legacy provider, which has Blowfish, cannot be loaded; install it or use another kind of knock");
		rc = -ENOTSUP;
		goto out;
	}
	if (b != NULL) {
		b->encrypt = schedule(cipher, key, 1);
		b->decrypt = schedule(cipher, key, 0);
	}
	if (b == NULL || b->encrypt == NULL || b->decrypt == NULL) {
		fault_set(f, "OpenSSL cannot be given a Blowfish key: no memory");
		rc = -ENOMEM;
		goto out;
	}
	*ret = b;
	b = NULL;
out:
	ERR_clear_error();
	EVP_CIPHER_free(cipher);
	legacy_blowfish_free(b);
	return rc;
}

void legacy_blowfish_free(struct legacy_blowfish *b)
{
	if (b == NULL)
		return;
	EVP_CIPHER_CTX_free(b->encrypt); /* the provider wipes the schedule */
	EVP_CIPHER_CTX_free(b->decrypt);
	free(b);
}

static bool block(EVP_CIPHER_CTX *x, const uint8_t *from, uint8_t *to)
{
	int len = 0;
	if (EVP_CipherUpdate(x, to, &len, from, LEGACY_BLOCK_LEN) == 1 && len == LEGACY_BLOCK_LEN)
		return true;
	ERR_clear_error();
	return false;
}

bool legacy_blowfish_encrypt(struct legacy_blowfish *b, const uint8_t from[LEGACY_BLOCK_LEN],
	uint8_t to[LEGACY_BLOCK_LEN])
{
	return block(b->encrypt, from, to);
}

bool legacy_blowfish_decrypt(struct legacy_blowfish *b, const uint8_t from[LEGACY_BLOCK_LEN],
	uint8_t to[LEGACY_BLOCK_LEN])
{
	return block(b->decrypt, from, to);
}
