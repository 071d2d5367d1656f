/*
 * The cryptography of an ID file: slots that wrap the file key K, and the seal under K. Invariant:
 * nothing that was decrypted is looked at before its tag was verified, and every key but the one
 * asked for is wiped before a function returns.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/internal.h"

#define OPS_MAX 16u
#define MEM_KIB_MIN 8u
#define MEM_KIB_MAX 4194304u /* 4 GiB: a file from elsewhere must not take the machine */

#define WRAP_LABEL "postern wrapped key v1"
#define WRAP_AAD_LEN (sizeof(WRAP_LABEL) - 1 + 32)

_Static_assert(crypto_pwhash_argon2id_SALTBYTES == 16, "salt");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == 24, "nonce");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == 16, "tag");

bool idfile_cost_is_good(uint32_t ops, uint32_t mem_kib)
{
	return ops >= 1 && ops <= OPS_MAX && mem_kib >= MEM_KIB_MIN && mem_kib <= MEM_KIB_MAX;
}

bool idfile_slot_decode(struct span body, struct idfile_slot *ret)
{
	struct idfile_slot s;
	struct reader r = reader_init(body);
	reader_copy(&r, s.salt, sizeof(s.salt));
	s.ops = reader_u32(&r);
	s.mem_kib = reader_u32(&r);
	reader_copy(&r, s.nonce, sizeof(s.nonce));
	reader_copy(&r, s.cipher, sizeof(s.cipher));
	if (!reader_done(&r))
		return false;
	/* A key-file slot has no cost: what nothing depends on must have one value. */
	bool is_key_slot = s.ops == 0 && s.mem_kib == 0 && span_is_zero(SPAN_OF(s.salt));
	if (!is_key_slot && !idfile_cost_is_good(s.ops, s.mem_kib))
		return false;
	*ret = s;
	return true;
}

void idfile_slot_encode(const struct idfile_slot *s, uint8_t to[IDFILE_SLOT_LEN])
{
	struct writer w = writer_init(to, IDFILE_SLOT_LEN);
	writer_put(&w, s->salt, sizeof(s->salt));
	writer_u32(&w, s->ops);
	writer_u32(&w, s->mem_kib);
	writer_put(&w, s->nonce, sizeof(s->nonce));
	writer_put(&w, s->cipher, sizeof(s->cipher));
}

static void wrap_aad(const uint8_t key_id[32], uint8_t to[WRAP_AAD_LEN])
{
	memcpy(to, WRAP_LABEL, sizeof(WRAP_LABEL) - 1);
	memcpy(to + sizeof(WRAP_LABEL) - 1, key_id, 32);
}

static bool unwrap(const struct idfile_slot *s, const uint8_t key_id[32], const uint8_t w[32],
	struct idfile_key *ret)
{
	uint8_t aad[WRAP_AAD_LEN];
	struct idfile_key key;
	wrap_aad(key_id, aad);
	bool is_good = crypto_aead_xchacha20poly1305_ietf_decrypt(key.b, NULL, NULL, s->cipher,
			       sizeof(s->cipher), aad, sizeof(aad), s->nonce, w) == 0;
	if (is_good)
		*ret = key;
	sodium_memzero(&key, sizeof(key));
	return is_good;
}

static void wrap(struct idfile_slot *s, const uint8_t key_id[32], const uint8_t w[32],
	const struct idfile_key *key)
{
	uint8_t aad[WRAP_AAD_LEN];
	wrap_aad(key_id, aad);
	randombytes_buf(s->nonce, sizeof(s->nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		s->cipher, NULL, key->b, sizeof(key->b), aad, sizeof(aad), NULL, s->nonce, w);
}

/* False only when the memory asked for cannot be had: the bounds were checked before. */
static bool stretch(const struct idfile_slot *s, struct span password, uint8_t ret[32])
{
	const char *text = password.len == 0 ? "" : (const char *)password.data;
	return crypto_pwhash(ret, 32, text, password.len, s->salt, s->ops,
		       (size_t)s->mem_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

enum idfile_result idfile_slot_open_password(const struct idfile_slot *s, const uint8_t key_id[32],
	struct span password, struct idfile_key *ret)
{
	uint8_t w[32];
	if (!stretch(s, password, w))
		return IDFILE_NO_MEMORY;
	bool is_good = unwrap(s, key_id, w, ret);
	sodium_memzero(w, sizeof(w));
	return is_good ? IDFILE_OK : IDFILE_WRONG_PASSWORD;
}

bool idfile_slot_open_key(const struct idfile_slot *s, const uint8_t key_id[32],
	const uint8_t raw[IDFILE_KEY_LEN], struct idfile_key *ret)
{
	return unwrap(s, key_id, raw, ret);
}

bool idfile_slot_make_password(const uint8_t key_id[32], const struct idfile_key *key,
	struct span password, uint32_t ops, uint32_t mem_kib, struct idfile_slot *ret)
{
	uint8_t w[32];
	ret->ops = ops;
	ret->mem_kib = mem_kib;
	randombytes_buf(ret->salt, sizeof(ret->salt));
	if (!stretch(ret, password, w))
		return false;
	wrap(ret, key_id, w, key);
	sodium_memzero(w, sizeof(w));
	return true;
}

void idfile_slot_make_key(const uint8_t key_id[32], const struct idfile_key *key,
	const uint8_t raw[IDFILE_KEY_LEN], struct idfile_slot *ret)
{
	*ret = (struct idfile_slot){ .ops = 0 };
	wrap(ret, key_id, raw, key);
}

uint8_t *idfile_seal(const struct idfile_secrets *s, const struct idfile_key *key,
	const uint8_t aad[32], size_t *ret_len)
{
	uint8_t *plain = malloc(IDFILE_SECRETS_LEN_MAX);
	uint8_t *body = malloc(IDFILE_SECRETS_LEN_MAX + IDFILE_SEAL_EXTRA);
	struct writer w = writer_init(plain, IDFILE_SECRETS_LEN_MAX);
	if (plain == NULL || body == NULL || !idfile_secrets_encode(s, &w)) {
		free(body);
		body = NULL;
		goto out;
	}
	randombytes_buf(body, 24);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		body + 24, NULL, plain, w.len, aad, 32, NULL, body, key->b);
	*ret_len = w.len + IDFILE_SEAL_EXTRA;
out:
	if (plain != NULL)
		sodium_memzero(plain, IDFILE_SECRETS_LEN_MAX);
	free(plain);
	return body;
}

enum idfile_result idfile_unseal(struct span body, const struct idfile_key *key,
	const uint8_t aad[32], struct idfile_secrets *ret)
{
	struct reader r = reader_init(body);
	struct span nonce = reader_take(&r, 24);
	struct span cipher = reader_rest(&r);
	if (nonce.data == NULL || cipher.len < 16)
		return IDFILE_TAMPERED;
	size_t plain_len = cipher.len - 16;
	uint8_t *plain = malloc(plain_len + 1);
	if (plain == NULL)
		return IDFILE_NO_MEMORY;
	enum idfile_result result = IDFILE_OK;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain, NULL, NULL, cipher.data, cipher.len, aad, 32, nonce.data, key->b) != 0)
		result = IDFILE_TAMPERED;
	else if (!idfile_secrets_decode(span_of(plain, plain_len), ret))
		result = IDFILE_BAD_FORMAT;
	sodium_memzero(plain, plain_len);
	free(plain);
	return result;
}
