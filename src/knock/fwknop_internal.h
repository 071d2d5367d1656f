#ifndef POSTERN_KNOCK_FWKNOP_INTERNAL_H
#define POSTERN_KNOCK_FWKNOP_INTERNAL_H

/* What the files of fwknop packets share: keys with their contexts, and the names of lengths. */

#include <openssl/evp.h>

#include "knock/fwknop.h"

/* Every text begins with it, and no sender sends it. */
#define FWKNOP_SALT_MARK "Salted__"
#define FWKNOP_MARK_LEN 8
#define FWKNOP_PREFIX_TEXT "U2FsdGVkX1"
#define FWKNOP_PREFIX_LEN 10

#define FWKNOP_BLOCK 16
/* Without its MAC a text of this length or more is taken for OpenPGP by every fwknop. */
#define FWKNOP_GPG_LEN 400
#define FWKNOP_BODY_MAX (FWKNOP_GPG_LEN - 1)
#define FWKNOP_BLOB_MAX ((FWKNOP_PREFIX_LEN + FWKNOP_BODY_MAX) * 3 / 4)
#define FWKNOP_PLAIN_MIN 36

#define FWKNOP_HASH_MAX 64        /* bytes of the longest hash */
#define FWKNOP_HASH_TEXT_MAX 86   /* and its base64 */
#define FWKNOP_HASH_BLOCK_MAX 144 /* no less than the widest block of a hash */

struct fwknop_key {
	enum config_hmac hmac;
	const char *user;
	uint32_t max_age_s;
	size_t pw_len;
	uint8_t pw[FWKNOP_KEY_MAX];
	size_t block_len; /* of the MAC's hash */
	uint8_t inner_pad[FWKNOP_HASH_BLOCK_MAX], outer_pad[FWKNOP_HASH_BLOCK_MAX];
	EVP_MD_CTX *hashes[CONFIG_HMAC_SHA3_512 + 1]; /* by number; NULL where libsodium is used */
	EVP_CIPHER_CTX *decrypt, *encrypt;
};

/* Characters of a hash in base64 without padding; 0: no such hash. */
size_t fwknop_hash_chars(enum config_hmac type);

/* Hash of data as base64; returns its characters, or 0 when the library fails. */
size_t fwknop_hash_text(struct fwknop_key *k, enum config_hmac type, struct span data,
	char to[FWKNOP_HASH_TEXT_MAX + 1]);

/* The same of the MAC over the stripped prefix and body. */
size_t fwknop_mac_text(struct fwknop_key *k, struct span body, char to[FWKNOP_HASH_TEXT_MAX + 1]);

/* Whole blocks, at most FWKNOP_BLOB_MAX bytes, from in to to, under the key that the salt makes. */
bool fwknop_decrypt(
	struct fwknop_key *k, const uint8_t salt[FWKNOP_SALT_LEN], struct span in, uint8_t *to);
bool fwknop_encrypt(
	struct fwknop_key *k, const uint8_t salt[FWKNOP_SALT_LEN], struct span in, uint8_t *to);

/* Strict base64 without padding, trailing bits zero; false when it is not that or longer than cap. */
bool fwknop_unbase64(struct span text, uint8_t *to, size_t cap, size_t *ret_len);

/* The decimal number without leading zeros, at most max; false otherwise. */
bool fwknop_number(struct span text, uint32_t max, uint32_t *ret);

#endif
