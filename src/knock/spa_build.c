/*
 * The client's half: fields to one sealed datagram. Invariant: what is sealed was accepted by our
 * own strict decoder first, so no client of ours can send what no server of ours takes.
 */

#include <sodium.h>
#include <string.h>

#include "knock/internal.h"
#include "knock/spa.h"

#define INNER_VERSION 1
#define COOKIE_AT 8
#define SLOT_MAX 15
#define EPOCH_MS ((uint64_t)SPA_EPOCH_S * 1000)

/* Inner bytes up to the signature, which is left zero. False when a field does not fit. */
static bool encode_inner(const struct spa_request *r, uint8_t inner[SPA_INNER_SMALL_LEN])
{
	struct writer w = writer_init(inner, SPA_INNER_SMALL_LEN - SPA_SIGNATURE_LEN);

	if (r->selector.len > SPA_SELECTOR_MAX || r->identity.len != SPA_KEY_ID_LEN)
		return false;
	writer_u8(&w, INNER_VERSION);
	writer_u8(&w, (uint8_t)r->op);
	writer_u16(&w, r->flags);
	writer_u64(&w, r->time_ms);
	writer_put(&w, r->nonce, sizeof(r->nonce));
	writer_u64(&w, r->instance);
	writer_u32(&w, r->seconds);
	writer_u8(&w, r->address_mode);
	writer_u8(&w, r->prefix_bits);
	writer_u16(&w, r->source_port);
	writer_put(&w, r->address.b, sizeof(r->address.b));
	writer_u8(&w, (uint8_t)r->selector_type);
	writer_u8(&w, (uint8_t)r->selector.len);
	writer_u8(&w, SPA_ID_KEY);
	writer_u8(&w, SPA_SIG_ED25519);
	writer_u16(&w, (uint16_t)r->identity.len);
	writer_u16(&w, 0);
	writer_put(&w, r->selector.data, r->selector.len);
	writer_put(&w, r->identity.data, r->identity.len);
	writer_zero(&w, w.cap - w.len);
	memset(inner + w.cap, 0, SPA_SIGNATURE_LEN);
	return !w.is_full;
}

static void encode_header(const struct spa_target *t, uint64_t epoch_wall_ms,
	const uint8_t enc[HPKE_KEY_LEN], struct writer *w)
{
	writer_u8(w, SPA_TYPE_REQUEST);
	writer_u8(w, epoch_wall_ms == 0 ? 0 : spa_epoch_hint(epoch_wall_ms / EPOCH_MS));
	writer_u8(w, (uint8_t)(t->psk_slot << 4 | SPA_SUITE));
	writer_u8(w, t->prekey_id);
	writer_u16(w, SPA_SMALL_LEN);
	writer_u16(w, 0);
	writer_zero(w, 8 + 16); /* cookie, filled last; retry token */
	writer_put(w, enc, HPKE_KEY_LEN);
}

static void put_cookie(
	const struct spa_target *t, uint64_t epoch_wall_ms, uint8_t to[SPA_SMALL_LEN])
{
	uint8_t key[SPA_COOKIE_KEY_LEN];
	struct writer w = writer_init(to + COOKIE_AT, 8);
	/* Hint 0 goes with epoch 0. */
	spa_cookie_key(t->cookie_secret, (uint32_t)(epoch_wall_ms / EPOCH_MS), key);
	writer_u64(&w, spa_cookie(key, span_of(to, SPA_SMALL_LEN)));
	sodium_memzero(key, sizeof(key));
}

/* Sign the inner bytes in place and let the decoder judge the result. */
static bool sign_inner(const struct spa_target *t, const uint8_t sign_sk[64], struct span datagram,
	uint8_t inner[SPA_INNER_SMALL_LEN])
{
	const size_t signed_len = SPA_INNER_SMALL_LEN - SPA_SIGNATURE_LEN;
	uint8_t transcript[SPA_TRANSCRIPT_MAX];
	struct spa_request seen;

	size_t len = spa_transcript(t->sid, t->prekey, span_slice(datagram, 0, SPA_AAD_LEN),
		span_slice(datagram, 32, HPKE_KEY_LEN), span_of(inner, signed_len), transcript);
	crypto_sign_detached(inner + signed_len, NULL, transcript, len, sign_sk);
	sodium_memzero(transcript, sizeof(transcript));
	return spa_request_decode(span_of(inner, SPA_INNER_SMALL_LEN), &seen) == SPA_OK;
}

size_t spa_request_build(const struct spa_target *t, const struct spa_request *r,
	const uint8_t sign_sk[64], const struct hpke_secret *eph, uint64_t epoch_wall_ms,
	uint8_t to[SPA_LARGE_LEN], struct hpke_context *ret_ctx)
{
	uint8_t info[KNOCK_INFO_LEN];
	uint8_t enc[HPKE_KEY_LEN];
	uint8_t inner[SPA_INNER_SMALL_LEN];
	struct hpke_context ctx = { 0 };
	size_t len = 0;

	if (t->psk_slot > SLOT_MAX || (t->psk_slot != 0) != (t->psk != NULL))
		return 0;
	if (!encode_inner(r, inner))
		goto out;
	if (!hpke_sender(t->prekey, eph, knock_info(t->sid, info), t->psk, enc, &ctx))
		goto out;
	struct writer w = writer_init(to, SPA_SMALL_LEN);
	encode_header(t, epoch_wall_ms, enc, &w);
	if (!sign_inner(t, sign_sk, writer_span(&w), inner))
		goto out;
	hpke_seal(&ctx, span_of(to, SPA_AAD_LEN), SPAN_OF(inner), to + SPA_HEADER_LEN);
	put_cookie(t, epoch_wall_ms, to);
	*ret_ctx = ctx;
	len = SPA_SMALL_LEN;
out:
	sodium_memzero(inner, sizeof(inner));
	hpke_context_wipe(&ctx);
	return len;
}
