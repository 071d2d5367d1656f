/*
 * HPKE, RFC 9180, one suite, over libsodium. Invariant: a context exists only for a Diffie-Hellman
 * result that is not all zero, and every intermediate secret is wiped before its function returns.
 */

#include "knock/hpke.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define HASH_LEN 32
#define MODE_BASE 0x00
#define MODE_PSK 0x01

/* A string literal's characters without its NUL. */
#define TEXT(literal) span_of((literal), sizeof(literal) - 1)

static const uint8_t kem_suite[] = { 'K', 'E', 'M', 0x00, 0x20 };
static const uint8_t hpke_suite[] = { 'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x03 };

static void hmac_feed(crypto_auth_hmacsha256_state *st, struct span s)
{
	if (s.len != 0)
		crypto_auth_hmacsha256_update(st, s.data, s.len);
}

static void extract(struct span salt, const struct span *parts, size_t count, uint8_t prk[HASH_LEN])
{
	/* RFC 5869 2.2: no salt is a salt of zeros; HMAC pads its key with zeros, so empty is the
	 * same. */
	static const uint8_t no_salt[1] = { 0 };
	crypto_auth_hmacsha256_state st;
	crypto_auth_hmacsha256_init(&st, salt.len != 0 ? salt.data : no_salt, salt.len);
	for (size_t i = 0; i < count; i++)
		hmac_feed(&st, parts[i]);
	crypto_auth_hmacsha256_final(&st, prk);
	sodium_memzero(&st, sizeof(st));
}

static void expand(const uint8_t prk[HASH_LEN], const struct span *parts, size_t count,
	uint8_t *ret, size_t len)
{
	uint8_t block[HASH_LEN];
	size_t done = 0;

	assert(len <= 255 * (size_t)HASH_LEN);
	for (uint8_t counter = 1; done < len; counter++) {
		crypto_auth_hmacsha256_state st;
		crypto_auth_hmacsha256_init(&st, prk, HASH_LEN);
		if (counter > 1)
			hmac_feed(&st, SPAN_OF(block));
		for (size_t i = 0; i < count; i++)
			hmac_feed(&st, parts[i]);
		hmac_feed(&st, span_of(&counter, 1));
		crypto_auth_hmacsha256_final(&st, block);
		sodium_memzero(&st, sizeof(st));

		size_t n = len - done < sizeof(block) ? len - done : sizeof(block);
		memcpy(ret + done, block, n);
		done += n;
	}
	sodium_memzero(block, sizeof(block));
}

void hkdf_extract(struct span salt, struct span ikm, uint8_t prk[HASH_LEN])
{
	extract(salt, &ikm, 1, prk);
}

void hkdf_expand(const uint8_t prk[HASH_LEN], struct span info, uint8_t *ret, size_t len)
{
	expand(prk, &info, 1, ret, len);
}

/* RFC 9180 4: LabeledExtract. */
static void labeled_extract(struct span suite, struct span salt, struct span label, struct span ikm,
	uint8_t prk[HASH_LEN])
{
	const struct span parts[] = { TEXT("HPKE-v1"), suite, label, ikm };
	extract(salt, parts, 4, prk);
}

struct output {
	uint8_t *to;
	size_t len;
};

/* RFC 9180 4: LabeledExpand. */
static void labeled_expand(struct span suite, const uint8_t prk[HASH_LEN], struct span label,
	struct span info, struct output out)
{
	const uint8_t len_be[2] = { (uint8_t)(out.len >> 8), (uint8_t)out.len };
	const struct span parts[] = { SPAN_OF(len_be), TEXT("HPKE-v1"), suite, label, info };
	expand(prk, parts, 5, out.to, out.len);
}

void hpke_public_key(const struct hpke_secret *sk, uint8_t pk[HPKE_KEY_LEN])
{
	/* Fails only for a zero scalar, which clamping excludes. */
	int rc = crypto_scalarmult_curve25519_base(pk, sk->b);
	assert(rc == 0);
	(void)rc;
}

/* RFC 9180 4.1: ExtractAndExpand with kem_context = enc || pkR. */
static void shared_secret(const uint8_t dh[HPKE_KEY_LEN], const uint8_t enc[HPKE_KEY_LEN],
	const uint8_t pk[HPKE_KEY_LEN], uint8_t ret[HPKE_KEY_LEN])
{
	const struct span suite = SPAN_OF(kem_suite);
	uint8_t context[2 * HPKE_KEY_LEN];
	uint8_t prk[HASH_LEN];

	memcpy(context, enc, HPKE_KEY_LEN);
	memcpy(context + HPKE_KEY_LEN, pk, HPKE_KEY_LEN);
	labeled_extract(
		suite, (struct span){ NULL, 0 }, TEXT("eae_prk"), span_of(dh, HPKE_KEY_LEN), prk);
	labeled_expand(suite, prk, TEXT("shared_secret"), SPAN_OF(context),
		(struct output){ ret, HPKE_KEY_LEN });
	sodium_memzero(prk, sizeof(prk));
}

/* RFC 9180 5.1: KeySchedule. */
static void key_schedule(const uint8_t shared[HPKE_KEY_LEN], struct span info,
	const struct hpke_psk *psk, struct hpke_context *ret)
{
	const struct span suite = SPAN_OF(hpke_suite);
	const struct span none = { NULL, 0 };
	uint8_t context[1 + 2 * HASH_LEN];
	uint8_t secret[HASH_LEN];

	context[0] = psk != NULL ? MODE_PSK : MODE_BASE;
	labeled_extract(
		suite, none, TEXT("psk_id_hash"), psk != NULL ? psk->id : none, context + 1);
	labeled_extract(suite, none, TEXT("info_hash"), info, context + 1 + HASH_LEN);
	labeled_extract(suite, span_of(shared, HPKE_KEY_LEN), TEXT("secret"),
		psk != NULL ? SPAN_OF(psk->key) : none, secret);

	const struct span ksc = SPAN_OF(context);
	labeled_expand(
		suite, secret, TEXT("key"), ksc, (struct output){ ret->key, sizeof(ret->key) });
	labeled_expand(suite, secret, TEXT("base_nonce"), ksc,
		(struct output){ ret->base_nonce, sizeof(ret->base_nonce) });
	labeled_expand(suite, secret, TEXT("exp"), ksc,
		(struct output){ ret->exporter, sizeof(ret->exporter) });
	sodium_memzero(secret, sizeof(secret));
}

bool hpke_sender(const uint8_t pk[HPKE_KEY_LEN], const struct hpke_secret *eph, struct span info,
	const struct hpke_psk *psk, uint8_t enc[HPKE_KEY_LEN], struct hpke_context *ret)
{
	uint8_t dh[HPKE_KEY_LEN];
	uint8_t shared[HPKE_KEY_LEN];

	hpke_context_wipe(ret);
	/* RFC 9180 7.1.4: an all-zero result is refused; libsodium says so with -1. */
	if (crypto_scalarmult_curve25519(dh, eph->b, pk) != 0)
		return false;
	hpke_public_key(eph, enc);
	shared_secret(dh, enc, pk, shared);
	key_schedule(shared, info, psk, ret);
	sodium_memzero(dh, sizeof(dh));
	sodium_memzero(shared, sizeof(shared));
	return true;
}

bool hpke_receiver(const uint8_t enc[HPKE_KEY_LEN], const struct hpke_secret *sk, struct span info,
	const struct hpke_psk *psk, struct hpke_context *ret)
{
	uint8_t dh[HPKE_KEY_LEN];
	uint8_t shared[HPKE_KEY_LEN];
	uint8_t pk[HPKE_KEY_LEN];

	hpke_context_wipe(ret);
	if (crypto_scalarmult_curve25519(dh, sk->b, enc) != 0)
		return false;
	hpke_public_key(sk, pk);
	shared_secret(dh, enc, pk, shared);
	key_schedule(shared, info, psk, ret);
	sodium_memzero(dh, sizeof(dh));
	sodium_memzero(shared, sizeof(shared));
	return true;
}

void hpke_seal(const struct hpke_context *c, struct span aad, struct span plain, uint8_t *cipher)
{
	crypto_aead_chacha20poly1305_ietf_encrypt(cipher, NULL, plain.data, plain.len, aad.data,
		aad.len, NULL, c->base_nonce, c->key);
}

bool hpke_open(const struct hpke_context *c, struct span aad, struct span cipher, uint8_t *plain)
{
	if (cipher.len < HPKE_TAG_LEN)
		return false;
	return crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, cipher.data, cipher.len,
		       aad.data, aad.len, c->base_nonce, c->key) == 0;
}

void hpke_export(const struct hpke_context *c, struct span context, uint8_t ret[32])
{
	labeled_expand(
		SPAN_OF(hpke_suite), c->exporter, TEXT("sec"), context, (struct output){ ret, 32 });
}

void hpke_context_wipe(struct hpke_context *c)
{
	sodium_memzero(c, sizeof(*c));
}
