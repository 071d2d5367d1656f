/*
 * The client's half: fields to one sealed datagram. Invariant: what is sealed was accepted by our
 * own strict decoder first, so no client of ours can send what no server of ours takes.
 */

#include <sodium.h>
#include <string.h>

#include "knock/internal.h"
#include "knock/spa.h"
#include "knock/sshsig.h"

#define INNER_VERSION 1
#define COOKIE_AT 8
#define ENC_AT 32
#define SLOT_MAX 15
#define EPOCH_MS ((uint64_t)SPA_EPOCH_S * 1000)

/* Bytes that are signed: all but the signature, and a token's flags and counter before it. */
static size_t signed_len(const struct spa_draft *d)
{
	size_t fido_len = d->signature_type == SPA_SIG_SK ? KNOCK_FIDO_LEN : 0;
	return d->inner_len - SPA_SIGNATURE_LEN - fido_len;
}

/* The smaller class that holds it. */
static size_t inner_len_of(const struct spa_request *r)
{
	size_t fido_len = r->signature_type == SPA_SIG_SK ? KNOCK_FIDO_LEN : 0;
	bool is_small = r->selector.len + r->identity.len + fido_len <= SPA_ROOM_SMALL;
	return is_small ? SPA_INNER_SMALL_LEN : SPA_INNER_LARGE_LEN;
}

static bool is_key_id(enum spa_identity type)
{
	return type == SPA_ID_KEY || type == SPA_ID_SSH;
}

/* Inner bytes up to the signature; the rest is zero. False when a field does not fit. */
static bool encode_inner(const struct spa_request *r, struct spa_draft *d)
{
	d->inner_len = inner_len_of(r);
	struct writer w = writer_init(d->inner, signed_len(d));

	if (r->selector.len > SPA_SELECTOR_MAX || r->identity.len > SPA_ROOM_LARGE ||
		(is_key_id(r->identity_type) && r->identity.len != SPA_KEY_ID_LEN))
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
	writer_u8(&w, (uint8_t)r->identity_type);
	writer_u8(&w, (uint8_t)r->signature_type);
	writer_u16(&w, (uint16_t)r->identity.len);
	writer_u16(&w, 0);
	writer_put(&w, r->selector.data, r->selector.len);
	writer_put(&w, r->identity.data, r->identity.len);
	return !w.is_full;
}

static size_t datagram_len(const struct spa_draft *d)
{
	return SPA_HEADER_LEN + d->inner_len + HPKE_TAG_LEN;
}

static void encode_header(const struct spa_target *t, uint64_t epoch_wall_ms,
	const uint8_t enc[HPKE_KEY_LEN], struct spa_draft *d)
{
	struct writer to = writer_init(d->header, sizeof(d->header)), *w = &to;
	writer_u8(w, SPA_TYPE_REQUEST);
	writer_u8(w, epoch_wall_ms == 0 ? 0 : spa_epoch_hint(epoch_wall_ms / EPOCH_MS));
	writer_u8(w, (uint8_t)(t->psk_slot << 4 | SPA_SUITE));
	writer_u8(w, t->prekey_id);
	writer_u16(w, (uint16_t)datagram_len(d));
	writer_u16(w, 0);
	writer_zero(w, 8 + 16); /* cookie, filled last; retry token */
	writer_put(w, enc, HPKE_KEY_LEN);
}

/* What the key is given to sign. */
static void put_to_sign(const struct spa_target *t, struct spa_draft *d)
{
	uint8_t transcript[SPA_TRANSCRIPT_MAX];
	size_t len = spa_transcript(t->sid, t->prekey, span_of(d->header, SPA_AAD_LEN),
		span_of(d->header + ENC_AT, HPKE_KEY_LEN), span_of(d->inner, signed_len(d)),
		transcript);

	if (d->signature_type == SPA_SIG_ED25519) {
		memcpy(d->to_sign, transcript, len);
		d->to_sign_len = len;
	} else {
		sshsig_data(span_of(transcript, len), d->to_sign);
		d->to_sign_len = SSHSIG_DATA_LEN;
	}
	sodium_memzero(transcript, sizeof(transcript));
}

bool spa_request_prepare(const struct spa_target *t, const struct spa_request *r,
	const struct hpke_secret *eph, uint64_t epoch_wall_ms, struct spa_draft *ret)
{
	uint8_t info[KNOCK_INFO_LEN];
	uint8_t enc[HPKE_KEY_LEN];

	memset(ret, 0, sizeof(*ret));
	ret->signature_type = r->signature_type;
	if (t->psk_slot > SLOT_MAX || (t->psk_slot != 0) != (t->psk != NULL))
		return false;
	if (!encode_inner(r, ret) ||
		!hpke_sender(t->prekey, eph, knock_info(t->sid, info), t->psk, enc, &ret->ctx)) {
		spa_draft_wipe(ret);
		return false;
	}
	encode_header(t, epoch_wall_ms, enc, ret);
	/* Hint 0 goes with epoch 0. */
	spa_cookie_key(t->cookie_secret, (uint32_t)(epoch_wall_ms / EPOCH_MS), ret->cookie_key);
	put_to_sign(t, ret);
	return true;
}

static void put_proof(
	const struct spa_draft *d, const struct spa_proof *p, uint8_t inner[SPA_INNER_LARGE_LEN])
{
	size_t at = signed_len(d);
	struct writer w = writer_init(inner + at, d->inner_len - at);
	memcpy(inner, d->inner, at);
	if (d->signature_type == SPA_SIG_SK) {
		writer_u8(&w, p->fido_flags);
		writer_u32(&w, p->fido_counter);
	}
	writer_put(&w, p->signature, sizeof(p->signature));
}

size_t spa_request_finish(const struct spa_draft *d, const struct spa_proof *p,
	uint8_t to[SPA_LARGE_LEN], struct hpke_context *ret_ctx)
{
	uint8_t inner[SPA_INNER_LARGE_LEN];
	const struct span plain = span_of(inner, d->inner_len);
	struct spa_request seen;
	size_t len = 0;

	put_proof(d, p, inner);
	if (spa_request_decode(plain, &seen) != SPA_OK)
		goto out;
	memcpy(to, d->header, SPA_HEADER_LEN);
	hpke_seal(&d->ctx, span_of(to, SPA_AAD_LEN), plain, to + SPA_HEADER_LEN);
	struct writer cookie = writer_init(to + COOKIE_AT, 8);
	len = datagram_len(d);
	writer_u64(&cookie, spa_cookie(d->cookie_key, span_of(to, len)));
	*ret_ctx = d->ctx;
out:
	sodium_memzero(inner, sizeof(inner));
	return len;
}

void spa_draft_wipe(struct spa_draft *d)
{
	sodium_memzero(d, sizeof(*d));
}

size_t spa_request_build(const struct spa_target *t, const struct spa_request *r,
	const uint8_t sign_sk[64], const struct hpke_secret *eph, uint64_t epoch_wall_ms,
	uint8_t to[SPA_LARGE_LEN], struct hpke_context *ret_ctx)
{
	struct spa_draft d;
	struct spa_proof p = { 0 };

	/* A token counts and wants a touch: it is no key that can be passed in. */
	if (r->signature_type == SPA_SIG_SK || !spa_request_prepare(t, r, eph, epoch_wall_ms, &d))
		return 0;
	crypto_sign_detached(p.signature, NULL, d.to_sign, d.to_sign_len, sign_sk);
	size_t len = spa_request_finish(&d, &p, to, ret_ctx);
	spa_draft_wipe(&d);
	return len;
}
