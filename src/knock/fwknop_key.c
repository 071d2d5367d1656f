/*
 * Keys of fwknop packets: hashes, the MAC and AES over contexts that are made once. Invariant: a text
 * that has not the right MAC, of SHA-256 or SHA-512, makes nothing allocate; derived keys are wiped.
 *
 * OpenSSL 3.0 allocates some hundred bytes each time that a hash begins, and more for an HMAC. So HMAC is
 * put together here, and the two hashes that libsodium has are its.
 */

#include <openssl/err.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/fwknop_internal.h"
#include "knock/internal.h"

#define MD5_LEN 16
#define AES_KEY_LEN 32
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

/* By number. Those without a name are libsodium's. */
static const struct {
	const char *name;
	size_t len, block_len;
} hashes[] = {
	[CONFIG_HMAC_MD5] = { "MD5", 16, 64 },
	[CONFIG_HMAC_SHA1] = { "SHA1", 20, 64 },
	[CONFIG_HMAC_SHA256] = { NULL, 32, 64 },
	[CONFIG_HMAC_SHA384] = { "SHA2-384", 48, 128 },
	[CONFIG_HMAC_SHA512] = { NULL, 64, 128 },
	[CONFIG_HMAC_SHA3_256] = { "SHA3-256", 32, 136 },
	[CONFIG_HMAC_SHA3_512] = { "SHA3-512", 64, 72 },
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))

static const char *cipher_name(enum config_aes mode)
{
	switch (mode) {
	case CONFIG_AES_ECB:
		return "AES-256-ECB";
	case CONFIG_AES_CBC:
		return "AES-256-CBC";
	case CONFIG_AES_CFB:
		return "AES-256-CFB";
	case CONFIG_AES_OFB:
		return "AES-256-OFB";
	case CONFIG_AES_CTR:
		return "AES-256-CTR";
	case CONFIG_AES_PCBC:
	case CONFIG_AES_LEGACY:
	default:
		return NULL;
	}
}

/* ------------------------------------------------------------------ hashes */

static size_t hash_len(enum config_hmac type)
{
	return (size_t)type < HASHES ? hashes[type].len : 0;
}

size_t fwknop_hash_chars(enum config_hmac type)
{
	return (hash_len(type) * 4 + 2) / 3;
}

static void hash_sha256(struct span a, struct span b, uint8_t to[FWKNOP_HASH_MAX])
{
	crypto_hash_sha256_state st;
	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, a.data, a.len);
	crypto_hash_sha256_update(&st, b.data, b.len);
	crypto_hash_sha256_final(&st, to);
	sodium_memzero(&st, sizeof(st));
}

static void hash_sha512(struct span a, struct span b, uint8_t to[FWKNOP_HASH_MAX])
{
	crypto_hash_sha512_state st;
	crypto_hash_sha512_init(&st);
	crypto_hash_sha512_update(&st, a.data, a.len);
	crypto_hash_sha512_update(&st, b.data, b.len);
	crypto_hash_sha512_final(&st, to);
	sodium_memzero(&st, sizeof(st));
}

/* b may be where the hash goes. */
static bool hash(struct fwknop_key *k, enum config_hmac type, struct span a, struct span b,
	uint8_t to[FWKNOP_HASH_MAX])
{
	EVP_MD_CTX *ctx = k->hashes[type];

	if (type == CONFIG_HMAC_SHA256)
		hash_sha256(a, b, to);
	else if (type == CONFIG_HMAC_SHA512)
		hash_sha512(a, b, to);
	else
		return EVP_DigestInit_ex2(ctx, NULL, NULL) == 1 &&
			EVP_DigestUpdate(ctx, a.data, a.len) == 1 &&
			EVP_DigestUpdate(ctx, b.data, b.len) == 1 &&
			EVP_DigestFinal_ex(ctx, to, NULL) == 1;
	return true;
}

static size_t encode(enum config_hmac type, const uint8_t *bytes, char *to)
{
	sodium_bin2base64(to, FWKNOP_HASH_TEXT_MAX + 1, bytes, hash_len(type),
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	return fwknop_hash_chars(type);
}

size_t fwknop_hash_text(struct fwknop_key *k, enum config_hmac type, struct span data,
	char to[FWKNOP_HASH_TEXT_MAX + 1])
{
	uint8_t bytes[FWKNOP_HASH_MAX];

	if (hash_len(type) == 0 || !hash(k, type, data, span_of(NULL, 0), bytes))
		return 0;
	return encode(type, bytes, to);
}

size_t fwknop_mac_text(struct fwknop_key *k, struct span body, char to[FWKNOP_HASH_TEXT_MAX + 1])
{
	/* The prefix is authenticated as if it had been sent. */
	uint8_t inner[FWKNOP_HASH_BLOCK_MAX + FWKNOP_PREFIX_LEN], mac[FWKNOP_HASH_MAX];
	size_t len = hash_len(k->hmac);

	memcpy(inner, k->inner_pad, k->block_len);
	memcpy(inner + k->block_len, FWKNOP_PREFIX_TEXT, FWKNOP_PREFIX_LEN);
	bool is_made =
		hash(k, k->hmac, span_of(inner, k->block_len + FWKNOP_PREFIX_LEN), body, mac) &&
		hash(k, k->hmac, span_of(k->outer_pad, k->block_len), span_of(mac, len), mac);
	sodium_memzero(inner, sizeof(inner));
	size_t chars = is_made ? encode(k->hmac, mac, to) : 0;
	sodium_memzero(mac, sizeof(mac));
	return chars;
}

/* ------------------------------------------------------------------ AES */

struct derived {
	uint8_t b[3 * MD5_LEN]; /* AES key, then IV */
};

/* One round of MD5 over what came before, the key and the salt, until there is enough. */
static bool derive(struct fwknop_key *k, const uint8_t salt[FWKNOP_SALT_LEN], struct derived *ret)
{
	uint8_t both[FWKNOP_KEY_MAX + FWKNOP_SALT_LEN], d[FWKNOP_HASH_MAX];
	struct span before = { NULL, 0 };
	bool is_made = true;

	memcpy(both, k->pw, k->pw_len);
	memcpy(both + k->pw_len, salt, FWKNOP_SALT_LEN);
	for (size_t i = 0; i < sizeof(ret->b) && is_made; i += MD5_LEN) {
		is_made = hash(
			k, CONFIG_HMAC_MD5, before, span_of(both, k->pw_len + FWKNOP_SALT_LEN), d);
		memcpy(ret->b + i, d, MD5_LEN);
		before = span_of(ret->b + i, MD5_LEN);
	}
	sodium_memzero(both, sizeof(both));
	sodium_memzero(d, sizeof(d));
	return is_made;
}

static bool crypt(struct fwknop_key *k, EVP_CIPHER_CTX *ctx, const uint8_t salt[FWKNOP_SALT_LEN],
	struct span in, uint8_t *to)
{
	struct derived d;
	int len = 0;
	bool is_done = in.len <= FWKNOP_BLOB_MAX && derive(k, salt, &d) &&
		EVP_CipherInit_ex2(ctx, NULL, d.b, d.b + AES_KEY_LEN, -1, NULL) == 1 &&
		EVP_CipherUpdate(ctx, to, &len, in.data, (int)in.len) == 1 && (size_t)len == in.len;
	sodium_memzero(&d, sizeof(d));
	return is_done;
}

bool fwknop_decrypt(
	struct fwknop_key *k, const uint8_t salt[FWKNOP_SALT_LEN], struct span in, uint8_t *to)
{
	return crypt(k, k->decrypt, salt, in, to);
}

bool fwknop_encrypt(
	struct fwknop_key *k, const uint8_t salt[FWKNOP_SALT_LEN], struct span in, uint8_t *to)
{
	return crypt(k, k->encrypt, salt, in, to);
}

/* ------------------------------------------------------------------ making */

static EVP_CIPHER_CTX *make_cipher(enum config_aes mode, int is_encrypting)
{
	static const uint8_t zero[AES_KEY_LEN];
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_name(mode), NULL);
	EVP_CIPHER_CTX *ctx = cipher != NULL ? EVP_CIPHER_CTX_new() : NULL;

	/* The padding is ours to check, and in every mode. */
	if (ctx != NULL &&
		(EVP_CipherInit_ex2(ctx, cipher, zero, zero, is_encrypting, NULL) != 1 ||
			EVP_CIPHER_CTX_set_padding(ctx, 0) != 1)) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_CIPHER_free(cipher);
	return ctx;
}

static EVP_MD_CTX *make_hash(const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	EVP_MD_CTX *ctx = md != NULL ? EVP_MD_CTX_new() : NULL;

	if (ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_MD_free(md);
	return ctx;
}

/* RFC 2104: a key longer than a block is hashed first. */
static bool make_pads(struct fwknop_key *k, const struct fwknop_secret *s)
{
	uint8_t key[FWKNOP_HASH_BLOCK_MAX] = { 0 };
	bool is_made = true;

	k->block_len = hashes[k->hmac].block_len;
	if (s->hmac_key_len > k->block_len)
		is_made = hash(
			k, k->hmac, span_of(s->hmac_key, s->hmac_key_len), span_of(NULL, 0), key);
	else
		memcpy(key, s->hmac_key, s->hmac_key_len);
	for (size_t i = 0; i < k->block_len; i++) {
		k->inner_pad[i] = key[i] ^ INNER_PAD;
		k->outer_pad[i] = key[i] ^ OUTER_PAD;
	}
	sodium_memzero(key, sizeof(key));
	return is_made;
}

static bool make(struct fwknop_key *k, const struct fwknop_settings *s)
{
	for (size_t i = 1; i < HASHES; i++) {
		if (hashes[i].name == NULL)
			continue;
		k->hashes[i] = make_hash(hashes[i].name);
		if (k->hashes[i] == NULL)
			return false;
	}
	k->decrypt = make_cipher(s->mode, 0);
	k->encrypt = make_cipher(s->mode, 1);
	return k->decrypt != NULL && k->encrypt != NULL && make_pads(k, s->secret);
}

static const char *mistake(const struct fwknop_settings *s)
{
	const struct fwknop_secret *secret = s->secret;

	if (hash_len(s->hmac) == 0)
		return "the hash of the MAC is not known; use sha256";
	if (s->mode == CONFIG_AES_PCBC)
		return "mode pcbc is not offered; use cbc at both ends";
	if (s->mode == CONFIG_AES_LEGACY)
		return "mode legacy is not offered, it cannot have a MAC; use cbc at both ends";
	if (cipher_name(s->mode) == NULL)
		return "the mode is not offered, keys of OpenPGP least of all; use cbc at both ends";
	if (secret->key_len == 0 || secret->key_len > FWKNOP_KEY_MAX)
		return "the key has not 1 to 32 bytes; make a new one";
	if (secret->hmac_key_len == 0 || secret->hmac_key_len > FWKNOP_HMAC_KEY_MAX)
		return "the MAC key has not 1 to 128 bytes; make a new one";
	return NULL;
}

struct fwknop_key *fwknop_key_new(const struct fwknop_settings *s, struct fault *f)
{
	const char *what = mistake(s);
	struct fwknop_key *k = what == NULL ? calloc(1, sizeof(*k)) : NULL;

	if (k == NULL) {
		fault_set(f, "%s", what != NULL ? what : "out of memory");
		return NULL;
	}
	k->hmac = s->hmac;
	k->user = s->user;
	k->max_age_s = s->max_age_s;
	k->pw_len = s->secret->key_len;
	memcpy(k->pw, s->secret->key, k->pw_len);
	if (!make(k, s)) {
		fault_set(f,
			"the OpenSSL library does not offer MD5, SHA-3 or AES as fwknop packets "
			"need them; look at its configuration");
		ERR_clear_error();
		fwknop_key_free(k);
		return NULL;
	}
	return k;
}

void fwknop_key_free(struct fwknop_key *k)
{
	if (k == NULL)
		return;
	for (size_t i = 1; i < HASHES; i++)
		EVP_MD_CTX_free(k->hashes[i]);
	EVP_CIPHER_CTX_free(k->decrypt);
	EVP_CIPHER_CTX_free(k->encrypt);
	sodium_memzero(k, sizeof(*k));
	free(k);
}
