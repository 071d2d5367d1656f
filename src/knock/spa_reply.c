/*
 * The sealed answer. Its key comes from the request's HPKE context and a fresh nonce (the
 * construction of RFC 9458 4.4), so that only who sent the request can read it and only who opened
 * the request can have written it. Invariant: a prekey is never taken without a signature beside it.
 */

#include <sodium.h>
#include <string.h>

#include "knock/internal.h"
#include "knock/spa.h"

#define REPLY_VERSION 1
#define FLAG_SIGNATURE 1
#define FLAG_PREKEY 2
#define NONCE_LEN 32

/* The AEAD of one answer. */
struct reply_key {
	uint8_t key[32];
	uint8_t nonce[HPKE_NONCE_LEN];
};

static void derive(
	const struct hpke_context *ctx, struct span enc, struct span nonce, struct reply_key *ret)
{
	uint8_t salt[HPKE_KEY_LEN + NONCE_LEN];
	uint8_t secret[32];
	uint8_t prk[32];
	struct writer w = writer_init(salt, sizeof(salt));

	writer_put(&w, enc.data, enc.len);
	writer_put(&w, nonce.data, nonce.len);
	hpke_export(ctx, KNOCK_TEXT("postern reply v1"), secret);
	hkdf_extract(SPAN_OF(salt), SPAN_OF(secret), prk);
	hkdf_expand(prk, KNOCK_TEXT("key"), ret->key, sizeof(ret->key));
	hkdf_expand(prk, KNOCK_TEXT("nonce"), ret->nonce, sizeof(ret->nonce));
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(prk, sizeof(prk));
}

/* Bytes 0 .. 104, what a signature covers. */
static void encode_signed(const struct spa_reply *r, struct writer *w)
{
	writer_u8(w, REPLY_VERSION);
	writer_u8(w, (uint8_t)r->status);
	writer_u16(w,
		(uint16_t)((r->has_signature ? FLAG_SIGNATURE : 0) |
			(r->has_prekey ? FLAG_PREKEY : 0)));
	writer_u64(w, r->time_ms);
	writer_u64(w, r->instance);
	writer_u32(w, r->granted_s);
	writer_u16(w, r->retry_after_s);
	writer_u8(w, r->observed_family);
	writer_u8(w, 0);
	writer_put(w, r->observed.b, sizeof(r->observed.b));
	writer_u16(w, r->observed_port);
	writer_u16(w, r->granted_port);
	writer_u64(w, r->grant_id);
	if (r->has_prekey) {
		writer_u64(w, r->prekey_not_after_ms);
		writer_u8(w, r->prekey_id);
		writer_zero(w, 7);
		writer_put(w, r->prekey, sizeof(r->prekey));
	} else {
		writer_zero(w, 8 + 1 + 7 + HPKE_KEY_LEN);
	}
}

void spa_reply_transcript(
	const struct spa_reply *r, struct span request, uint8_t to[SPA_REPLY_TRANSCRIPT_LEN])
{
	const struct span label = KNOCK_LABEL("postern reply signature v1");
	struct spa_reply as_signed = *r;
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct writer w = writer_init(to, SPA_REPLY_TRANSCRIPT_LEN);

	/* Its own flag is among what a signature covers. */
	as_signed.has_signature = true;
	crypto_hash_sha256(hash, request.data, request.len);
	writer_put(&w, label.data, label.len);
	writer_put(&w, hash, sizeof(hash));
	encode_signed(&as_signed, &w);
}

size_t spa_reply_build(const struct spa_reply *r, const struct spa_header *h,
	const struct hpke_context *ctx, const uint8_t nonce[32], uint8_t to[SPA_SMALL_LEN])
{
	uint8_t inner[SPA_REPLY_INNER_LEN];
	struct reply_key k;
	struct writer w = writer_init(inner, sizeof(inner));

	encode_signed(r, &w);
	if (r->has_signature)
		writer_put(&w, r->signature, sizeof(r->signature));
	else
		writer_zero(&w, sizeof(r->signature));
	if (r->result != SPA_RESULT_NONE) {
		writer_u8(&w, SPA_TLV_RESULT);
		writer_u8(&w, 2);
		writer_u8(&w, (uint8_t)r->result);
		writer_u8(&w, r->result_detail);
	}
	writer_zero(&w, w.cap - w.len);

	w = writer_init(to, SPA_SMALL_LEN);
	writer_u8(&w, SPA_TYPE_REPLY);
	writer_u8(&w, 0);
	writer_u8(&w, (uint8_t)(h->psk_slot << 4 | SPA_SUITE));
	writer_u8(&w, 0);
	writer_u16(&w, SPA_SMALL_LEN);
	writer_u16(&w, 0);
	writer_put(&w, nonce, NONCE_LEN);

	derive(ctx, h->enc, span_of(nonce, NONCE_LEN), &k);
	crypto_aead_chacha20poly1305_ietf_encrypt(to + SPA_REPLY_HEADER_LEN, NULL, inner,
		sizeof(inner), to, SPA_AAD_LEN, NULL, k.nonce, k.key);
	sodium_memzero(&k, sizeof(k));
	sodium_memzero(inner, sizeof(inner));
	return SPA_SMALL_LEN;
}

static bool observed_is_sound(const struct spa_reply *r)
{
	switch (r->observed_family) {
	case 0:
		return addr_is_zero(&r->observed) && r->observed_port == 0;
	case 4:
		return addr_is_v4(&r->observed);
	case 6:
		return !addr_is_v4(&r->observed) && !addr_is_zero(&r->observed);
	default:
		return false;
	}
}

/* What became of an action, once at most; a detail where there is one to give. */
static bool take_tlv(void *arg, uint8_t type, struct span value)
{
	struct spa_reply *a = arg;
	struct reader r = reader_init(value);
	uint8_t result = reader_u8(&r);
	uint8_t detail = reader_u8(&r);
	if (type != SPA_TLV_RESULT || !reader_done(&r) || a->result != SPA_RESULT_NONE)
		return false;
	if (result == SPA_RESULT_NONE || result >= SPA_RESULT_COUNT)
		return false;
	if (detail != 0 && result != SPA_RESULT_EXIT && result != SPA_RESULT_SIGNAL)
		return false;
	a->result = (enum spa_result)result;
	a->result_detail = detail;
	return true;
}

/* What a reply's flags and fields may say together. */
static enum spa_reject check(const struct spa_reply *r, uint16_t flags)
{
	/* Chains are for a later version; a prekey without signature could be anybody's who stole a
	 * key. */
	if ((flags & ~(FLAG_SIGNATURE | FLAG_PREKEY)) != 0 || (r->has_prekey && !r->has_signature))
		return SPA_FLAGS;
	if (!r->has_signature && !span_is_zero(SPAN_OF(r->signature)))
		return SPA_RESERVED;
	if (!r->has_prekey &&
		(r->prekey_not_after_ms != 0 || r->prekey_id != 0 ||
			!span_is_zero(SPAN_OF(r->prekey))))
		return SPA_RESERVED;
	return observed_is_sound(r) ? SPA_OK : SPA_ADDRESS;
}

enum spa_reject spa_reply_decode(struct span inner, struct spa_reply *ret)
{
	struct reader r = reader_init(inner);
	struct spa_reply a = { 0 };

	if (inner.len != SPA_REPLY_INNER_LEN)
		return SPA_LENGTH;
	uint8_t version = reader_u8(&r);
	uint8_t status = reader_u8(&r);
	uint16_t flags = reader_u16(&r);
	a.has_signature = (flags & FLAG_SIGNATURE) != 0;
	a.has_prekey = (flags & FLAG_PREKEY) != 0;
	a.time_ms = reader_u64(&r);
	a.instance = reader_u64(&r);
	a.granted_s = reader_u32(&r);
	a.retry_after_s = reader_u16(&r);
	a.observed_family = reader_u8(&r);
	uint8_t reserved = reader_u8(&r);
	reader_copy(&r, a.observed.b, sizeof(a.observed.b));
	a.observed_port = reader_u16(&r);
	a.granted_port = reader_u16(&r);
	a.grant_id = reader_u64(&r);
	a.prekey_not_after_ms = reader_u64(&r);
	a.prekey_id = reader_u8(&r);
	struct span more_reserved = reader_take(&r, 7);
	reader_copy(&r, a.prekey, sizeof(a.prekey));
	reader_copy(&r, a.signature, sizeof(a.signature));

	if (version != REPLY_VERSION)
		return SPA_INNER_VERSION;
	if (status >= SPA_STATUS_COUNT)
		return SPA_OP;
	if (reserved != 0 || !span_is_zero(more_reserved))
		return SPA_RESERVED;
	enum spa_reject reason = check(&a, flags);
	if (reason == SPA_OK)
		reason = knock_tail_check(reader_rest(&r), take_tlv, &a);
	if (reason != SPA_OK)
		return reason;
	a.status = (enum spa_status)status;
	*ret = a;
	return SPA_OK;
}

/* The clear bytes before the nonce; *ret is the cipher text. */
static enum spa_reject header_check(
	struct span datagram, uint8_t suite_byte, struct span *ret_nonce, struct span *ret_cipher)
{
	struct reader r = reader_init(datagram);
	uint8_t type = reader_u8(&r);
	uint8_t reserved = reader_u8(&r);
	uint8_t suite = reader_u8(&r);
	reserved |= reader_u8(&r);
	uint16_t len = reader_u16(&r);
	uint16_t more_reserved = reader_u16(&r);
	*ret_nonce = reader_take(&r, NONCE_LEN);
	*ret_cipher = reader_rest(&r);

	if (r.is_short)
		return SPA_SHORT;
	if (type != SPA_TYPE_REPLY)
		return SPA_TYPE;
	if (len != SPA_SMALL_LEN || datagram.len != SPA_SMALL_LEN)
		return SPA_LENGTH;
	if (reserved != 0 || more_reserved != 0)
		return SPA_RESERVED;
	return suite == suite_byte ? SPA_OK : SPA_SUITE_REFUSED;
}

enum spa_reject spa_reply_open(struct span datagram, const uint8_t enc[HPKE_KEY_LEN],
	uint8_t suite_byte, const struct hpke_context *ctx, struct spa_reply *ret)
{
	uint8_t inner[SPA_REPLY_INNER_LEN];
	struct span nonce, cipher;
	struct reply_key k;

	enum spa_reject reason = header_check(datagram, suite_byte, &nonce, &cipher);
	if (reason != SPA_OK)
		return reason;
	derive(ctx, span_of(enc, HPKE_KEY_LEN), nonce, &k);
	int rc = crypto_aead_chacha20poly1305_ietf_decrypt(inner, NULL, NULL, cipher.data,
		cipher.len, datagram.data, SPA_AAD_LEN, k.nonce, k.key);
	sodium_memzero(&k, sizeof(k));
	if (rc != 0)
		return SPA_SEAL;
	reason = spa_reply_decode(SPAN_OF(inner), ret);
	sodium_memzero(inner, sizeof(inner));
	return reason;
}
