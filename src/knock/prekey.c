/*
 * Signed prekey records. Invariant: a record is used for a knock only after prekey_verify tied it
 * to the identity key that the client already trusts.
 */

#include "knock/prekey.h"

#include <sodium.h>
#include <string.h>

#include "knock/internal.h"

#define SLOT_MAX 15

static const char version_text[18] = "postern prekey v1"; /* with its NUL */

static void encode_signed(const struct prekey *k, struct writer *w)
{
	writer_put(w, version_text, sizeof(version_text));
	writer_put(w, k->sid, sizeof(k->sid));
	writer_u8(w, k->id);
	writer_u8(w, k->psk_slot);
	writer_u64(w, k->not_before_ms);
	writer_u64(w, k->not_after_ms);
	writer_put(w, k->pk, sizeof(k->pk));
}

void prekey_sign(struct prekey *k, const uint8_t sign_sk[64])
{
	uint8_t pk[crypto_sign_PUBLICKEYBYTES];
	uint8_t to[PREKEY_SIGNED_LEN];
	struct writer w = writer_init(to, sizeof(to));

	crypto_sign_ed25519_sk_to_pk(pk, sign_sk);
	spa_key_id(pk, k->sid);
	encode_signed(k, &w);
	crypto_sign_detached(k->signature, NULL, to, sizeof(to), sign_sk);
}

void prekey_encode(const struct prekey *k, uint8_t to[PREKEY_LEN])
{
	struct writer w = writer_init(to, PREKEY_LEN);
	encode_signed(k, &w);
	writer_put(&w, k->signature, sizeof(k->signature));
}

enum spa_reject prekey_decode(struct span s, struct prekey *ret)
{
	struct reader r = reader_init(s);
	struct prekey k = { 0 };

	struct span version = reader_take(&r, sizeof(version_text));
	reader_copy(&r, k.sid, sizeof(k.sid));
	k.id = reader_u8(&r);
	k.psk_slot = reader_u8(&r);
	k.not_before_ms = reader_u64(&r);
	k.not_after_ms = reader_u64(&r);
	reader_copy(&r, k.pk, sizeof(k.pk));
	reader_copy(&r, k.signature, sizeof(k.signature));

	if (!reader_done(&r))
		return SPA_LENGTH;
	if (!span_equal(version, span_of(version_text, sizeof(version_text))))
		return SPA_INNER_VERSION;
	if (k.psk_slot > SLOT_MAX || k.not_before_ms > k.not_after_ms)
		return SPA_PREKEY;
	*ret = k;
	return SPA_OK;
}

bool prekey_verify(const struct prekey *k, const uint8_t pk[32])
{
	uint8_t sid[SPA_SID_LEN];
	uint8_t to[PREKEY_SIGNED_LEN];
	struct writer w = writer_init(to, sizeof(to));

	spa_key_id(pk, sid);
	if (sodium_memcmp(sid, k->sid, sizeof(sid)) != 0)
		return false;
	encode_signed(k, &w);
	return crypto_sign_verify_detached(k->signature, to, sizeof(to), pk) == 0;
}

/* The one with the latest end, among rotating keys that hold at wall_ms or among keys of id 0. */
static const struct prekey *latest(const struct card *c, bool is_rotating, uint64_t wall_ms)
{
	const struct prekey *best = NULL;
	for (size_t i = 0; i < c->prekey_count; i++) {
		const struct prekey *k = &c->prekeys[i];
		if ((k->id != 0) != is_rotating)
			continue;
		if (is_rotating && (wall_ms < k->not_before_ms || wall_ms > k->not_after_ms))
			continue;
		if (best == NULL || k->not_after_ms > best->not_after_ms)
			best = k;
	}
	return best;
}

const struct prekey *card_prekey_fallback(const struct card *c)
{
	return latest(c, false, 0);
}

const struct prekey *card_prekey(const struct card *c, uint64_t wall_ms)
{
	const struct prekey *k = latest(c, true, wall_ms);
	return k != NULL ? k : card_prekey_fallback(c);
}
